# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lockdown_fleet
short_description: Summarize the state of origins and zones after lockdown
version_added: 1.0.0
description:
  - Makes a report of what the plays of C(lockdown) left in the variables of origins and zones.
author:
  - The originsec.cloudflare authors (@originsec)
positional: zones, plan, check_mode
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
  plan:
    description:
      - What P(originsec.cloudflare.lockdown_plan#filter) returned.
    type: dict
    required: true
  check_mode:
    description:
      - Whether nothing was changed.
    type: bool
    default: false
seealso:
  - plugin: originsec.cloudflare.lockdown_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say whether everything is as wanted
  ansible.builtin.debug:
    msg: "{{ (hostvars | originsec.cloudflare.lockdown_fleet(groups.zones, hostvars.localhost.lockdown__plan)).done }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    version:
      description: The version of this shape.
      type: int
      sample: 1
    generated:
      description: When this was made, in UTC.
      type: str
      sample: "2026-09-01T09:30:00Z"
    check_mode:
      description: Whether nothing was changed.
      type: bool
      sample: false
    to:
      description: The mode that the origins were to end in.
      type: str
      sample: require
    done:
      description: Whether everything is as wanted.
      type: bool
      sample: true
    stopped:
      description: Why nothing else was begun. V(null) where the run went through.
      type: str
      sample: null
    origins:
      description:
        - The origins, each with its C(name), C(zones), C(server), C(mode), C(previous_mode) and C(problem), its virtual
          C(hosts), those that C(refused) a request without a certificate, those that answer without TLS as C(plain),
          whether it C(changed), and whether it agrees on X25519MLKEM768 as C(post_quantum).
      type: list
      elements: dict
      sample: []
    zones:
      description:
        - The zones, each with its C(name) and C(problem), the certificate that its edge C(presents), what was changed
          as C(hardening), and what its C(urls) answered.
      type: list
      elements: dict
      sample: []
    excluded:
      description: The origins that were left out by name.
      type: list
      elements: str
      sample: []
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from ..plugin_utils._lockdown import Plan
    from ..plugin_utils._lockdown_report import Fleet


def lockdown_fleet(
    hostvars: Mapping[str, Mapping[str, Any]], zones: Sequence[str], plan: Plan, check_mode: bool = False
) -> Fleet:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._lockdown_report import fleet

    return fleet(hostvars, zones, plan, check_mode, datetime.datetime.now(datetime.timezone.utc))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"lockdown_fleet": lockdown_fleet}
