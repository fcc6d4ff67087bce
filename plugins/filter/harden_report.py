# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: harden_report
short_description: Create a plan or a report of harden
version_added: 1.0.0
description:
  - Makes text of what P(originsec.cloudflare.harden_fleet#filter) returned.
author:
  - The originsec.cloudflare authors (@originsec)
positional: format, limited
options:
  _input:
    description:
      - The plan or the report.
    type: dict
    required: true
  format:
    description:
      - V(json) for programs, V(csv) for spreadsheets, V(prom) for Prometheus, V(xml) for whatever reads JUnit, V(md)
        for a pull request, V(html) for a browser, V(txt) for a terminal.
    type: str
    choices: [json, md, txt, html, csv, prom, xml]
    required: true
  limited:
    description:
      - Whether V(txt) should fit a screen. It then says of many zones how many there are.
    type: bool
    default: false
seealso:
  - plugin: originsec.cloudflare.harden_fleet
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what became of the zones
  ansible.builtin.debug:
    msg: "{{ (fleet | originsec.cloudflare.harden_report('txt', limited=true)).splitlines() }}"
  run_once: true
  vars:
    fleet: "{{ hostvars | originsec.cloudflare.harden_fleet(ansible_play_hosts_all, ansible_check_mode) }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from typing import TYPE_CHECKING, Any, Callable

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from ..plugin_utils._harden import Fleet


def harden_report(fleet: Fleet, format: str, limited: bool = False) -> str:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._harden_report import report

    try:
        return report(fleet, format, limited)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"harden_report": harden_report}
