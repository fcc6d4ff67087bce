# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lockdown_report
short_description: Create a report of lockdown
version_added: 1.0.0
description:
  - Makes a text of what P(originsec.cloudflare.lockdown_fleet#filter) returned.
author:
  - The originsec.cloudflare authors (@originsec)
positional: format
options:
  _input:
    description:
      - The report.
    type: dict
    required: true
  format:
    description:
      - V(json) for programs, V(txt) for a terminal.
    type: str
    choices: [json, txt]
    required: true
seealso:
  - plugin: originsec.cloudflare.lockdown_fleet
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show where everything stands
  ansible.builtin.debug:
    msg: "{{ (fleet | originsec.cloudflare.lockdown_report('txt')).splitlines() }}"
  run_once: true
  vars:
    fleet: "{{ hostvars | originsec.cloudflare.lockdown_fleet(groups.zones, hostvars.localhost.lockdown__plan) }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from typing import TYPE_CHECKING, Any, Callable

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from ..plugin_utils._lockdown_report import Fleet


def lockdown_report(fleet: Fleet, format: str) -> str:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._lockdown_report import report

    try:
        return report(fleet, format)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"lockdown_report": lockdown_report}
