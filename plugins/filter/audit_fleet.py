# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_fleet
short_description: Sum up the audits of many zones
version_added: 1.0.0
description:
  - Puts rows of P(originsec.cloudflare.audit_zone#filter) in order, the worst first, and counts them.
author:
  - The originsec.cloudflare authors (@originsec)
options:
  _input:
    description:
      - By the name of each zone, its row. One that is empty makes the zone count as unreadable.
    type: dict
    required: true
seealso:
  - plugin: originsec.cloudflare.audit_zone
    plugin_type: filter
  - plugin: originsec.cloudflare.audit_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say how many zones are not as they are wanted
  ansible.builtin.debug:
    msg: "{{ fleet.totals.drift }} with drift, {{ fleet.totals.unreadable }} unreadable"
  vars:
    fleet: "{{ rows | originsec.cloudflare.audit_fleet }}"
"""

RETURN = r"""
_value:
  description: The rows and their totals.
  type: dict
  contains:
    zones:
      description: The rows, the worst first, and those with the fewest days left before others.
      type: list
      elements: dict
    totals:
      description:
        - How many there are, as C(zones), C(compliant), C(drift) and C(unreadable).
        - Of how many the certificate that the edge presents has C(expired), or expires in less than 7, 30 or 90 days
          (C(expiring_in_7_days) and so on, each of which includes the one before).
      type: dict
      sample:
        zones: 12
        compliant: 9
        drift: 2
        unreadable: 1
        expired: 0
        expiring_in_7_days: 0
        expiring_in_30_days: 1
        expiring_in_90_days: 8
"""

from collections.abc import Mapping
from typing import Any, Callable

from ..plugin_utils._audit import Fleet, Row, fleet, unreadable


def audit_fleet(rows: Mapping[str, Row]) -> Fleet:
    missing = "Ansible could not work on this zone, and said why further up."
    return fleet(row or unreadable(zone, missing) for zone, row in rows.items())


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_fleet": audit_fleet}
