# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: harden_fleet
short_description: Summarize the results of harden
version_added: 1.0.0
description:
  - Makes a plan or a report of what the role P(originsec.cloudflare.zone_hardening#role) left in the variable
    C(zone_hardening_report) of each zone.
author:
  - The originsec.cloudflare authors (@originsec)
positional: zones, check_mode, incomplete
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
  check_mode:
    description:
      - Whether nothing was changed, so that this is a plan.
    type: bool
    default: false
  incomplete:
    description:
      - What could not be read of the inventory, a sentence each, as of
        P(originsec.cloudflare.inventory_problems#filter).
    type: list
    elements: str
    default: []
seealso:
  - plugin: originsec.cloudflare.harden_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say how many zones could not be hardened
  ansible.builtin.debug:
    msg: "{{ (hostvars | originsec.cloudflare.harden_fleet(ansible_play_hosts_all)).totals.failed }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The plan or the report.
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
      description: Whether this is a plan.
      type: bool
      sample: false
    totals:
      description:
        - How many there are, as C(zones), by their status C(failed), C(not_active), C(would_change), C(changed),
          C(unchanged), C(not_managed) and C(not_begun), and of those that were changed C(not_verified).
      type: dict
      sample:
        zones: 1
        failed: 0
        not_active: 0
        would_change: 0
        changed: 1
        unchanged: 0
        not_managed: 0
        not_begun: 0
        not_verified: 0
    incomplete:
      description: Why there may be zones that are not in it, a sentence each.
      type: list
      elements: str
      sample: []
    zones:
      description: The zones, those that failed first, then those with changes.
      type: list
      elements: dict
      contains:
        zone:
          description: The name of the zone.
          type: str
          sample: example.com
        zone_id:
          description: The id of the zone. V(null) where it is not known.
          type: str
          sample: 023e105f4ecef8ad9ca31a8372d0c353
        account:
          description: The account of the zone, C(cloudflare_account_name).
          type: str
          sample: Example
        owner:
          description: Who is responsible for the zone, C(zone_audit_owner).
          type: str
          sample: web team
        status:
          description:
            - V(failed), V(not active), V(would change), V(changed), V(unchanged), V(not managed) or V(not begun).
          type: str
          sample: changed
        changes:
          description:
            - What was changed and not put back, or would be, as C(aspect), C(from) and C(to), in words, and
              certificates by their SHA-256 fingerprints.
          type: list
          elements: dict
          sample:
            - aspect: auto_origin_tls_kex
              from: "off"
              to: "on"
        certificate:
          description: The wanted certificate, as C(subject), C(fingerprint_sha256), C(not_after) and C(days_remaining).
          type: dict
          sample: null
        verified:
          description: Whether the change was verified through the edge. V(null) where nothing was changed.
          type: bool
          sample: true
        not_verified:
          description: Why the change was not verified.
          type: str
          sample: null
        error:
          description: Why the zone could not be hardened, what was put back, and what is left to do.
          type: str
          sample: null
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from ..plugin_utils._harden import Fleet


def harden_fleet(
    hostvars: Mapping[str, Mapping[str, Any]],
    zones: Sequence[str],
    check_mode: bool = False,
    incomplete: Sequence[str] = (),
) -> Fleet:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._harden import fleet

    now = datetime.datetime.now(datetime.timezone.utc)
    return fleet({zone: hostvars[zone] for zone in zones}, check_mode, incomplete, now)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"harden_fleet": harden_fleet}
