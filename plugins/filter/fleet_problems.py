# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_problems
short_description: Find invalid variables of zones and playbooks
version_added: 1.0.0
description:
  - Says what is wrong with the variables of zones and of a playbook of this collection, once for all zones that have
    it, so that it can be refused before the first request.
  - Found are unknown variables whose names begin with C(zone_hardening_), C(harden_) or C(audit_); values that are no
    booleans where such are needed; reports that could not be written; and files that could not be
    read.
author:
  - The originsec.cloudflare authors (@originsec)
positional: zones, settings, files
options:
  _input:
    description:
      - The variables of all hosts, C(hostvars).
    type: dict
    required: true
  zones:
    description:
      - The names of the zones.
    type: list
    elements: str
    required: true
  settings:
    description:
      - The variables of the playbook, by name, such as C(audit_report).
    type: dict
    required: true
  files:
    description:
      - The names of environment variables that name files to be read.
    type: list
    elements: str
    default: []
seealso:
  - plugin: originsec.cloudflare.environment_file
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Fail if a variable is invalid
  ansible.builtin.fail:
    msg: "{{ problems | join(' ') }}"
  when: problems | length > 0
  run_once: true
  vars:
    problems: "{{ hostvars | originsec.cloudflare.fleet_problems(ansible_play_hosts_all, {'audit_report': 'a.html'}) }}"
"""

RETURN = r"""
_value:
  description: What is wrong, a sentence each.
  type: list
  elements: str
  sample:
    - zone_hardening_verify_url is no variable of the role; did you mean zone_hardening_verify_urls?
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable


def fleet_problems(
    hostvars: Mapping[str, Mapping[str, Any]],
    zones: Sequence[str],
    settings: Mapping[str, Any],
    files: Sequence[str] = (),
) -> list[str]:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._variables import fleet_problems as problems_of

    return problems_of(hostvars, zones, settings, files)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fleet_problems": fleet_problems}
