# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lockdown_plan
short_description: Plan a lockdown, or say why it is not possible
version_added: 1.0.0
description:
  - Says which origins of the inventory serve which zones, which authorities they have to trust, and which URLs prove
    that the edge gets in, from the variables of the roles P(originsec.cloudflare.origin_client_auth#role) and
    P(originsec.cloudflare.zone_hardening#role).
  - Everything that can be judged without a request is judged, such as unknown variables, a certificate that origins
    would refuse, and an authority that is missing.
author:
  - The originsec.cloudflare authors (@originsec)
positional: origins, zones, settings, check_mode
options:
  _input:
    description:
      - The variables of all hosts, C(hostvars).
    type: dict
    required: true
  origins:
    description:
      - The names of the origins.
    type: list
    elements: str
    required: true
  zones:
    description:
      - The names of the zones.
    type: list
    elements: str
    required: true
  settings:
    description:
      - The variables of the playbook, by name, such as C(lockdown_to).
    type: dict
    required: true
  check_mode:
    description:
      - Whether nothing is to be changed, so that private keys are not needed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Fail if a variable is invalid
  ansible.builtin.fail:
    msg: "{{ plan.problems | join(' ') }}"
  when: plan.problems | length > 0
  run_once: true
  vars:
    plan: "{{ hostvars | originsec.cloudflare.lockdown_plan(groups.origins, groups.zones, {'lockdown_to': 'ask'}) }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    problems:
      description: What keeps it from being done, a sentence each.
      type: list
      elements: str
      sample: []
    to:
      description: The mode that the origins are to end in.
      type: str
      sample: require
    remove:
      description: Whether the zones are to lose their client certificate.
      type: bool
      sample: false
    makes_certificate:
      description: Whether the role P(originsec.cloudflare.client_certificate#role) has to make a certificate.
      type: bool
      sample: true
    origins:
      description:
        - By the name of each origin, its C(zones), the C(urls) that prove them with C(retries), C(delay) and C(settle),
          the authorities to trust as C(ca), and whether the one that is C(made) is to be trusted as well.
      type: dict
      sample:
        web1:
          zones: [example.com]
          urls: ["https://example.com/"]
          retries: 5
          delay: 5
          settle: 10
          ca: []
          made: true
    excluded:
      description: The origins that are left out by name.
      type: list
      elements: str
      sample: []
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from ..plugin_utils._lockdown import Plan


def lockdown_plan(
    hostvars: Mapping[str, Mapping[str, Any]],
    origins: Sequence[str],
    zones: Sequence[str],
    settings: Mapping[str, Any],
    check_mode: bool = False,
) -> Plan:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._lockdown import plan

    return plan(hostvars, origins, zones, settings, check_mode)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"lockdown_plan": lockdown_plan}
