# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_fleet
short_description: Summarize the audits of many zones
version_added: 1.0.0
description:
  - Puts rows of P(originsec.cloudflare.audit_zone#filter) in order, the worst first, and counts them.
author:
  - The originsec.cloudflare authors (@originsec)
positional: incomplete, expected, previous
options:
  _input:
    description:
      - By the name of each zone, its row. One that is empty makes the zone count as unreadable.
    type: dict
    required: true
  incomplete:
    description:
      - What could not be read of the inventory, a sentence each, as of
        P(originsec.cloudflare.inventory_problems#filter).
    type: list
    elements: str
    default: []
  expected:
    description:
      - How many zones there should be. Blank or V(null) if nobody knows.
    type: int
  previous:
    description:
      - The audit to compare with, as of P(originsec.cloudflare.audit_previous#filter).
    type: dict
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
        - How many there are, as C(zones), and by their status C(compliant), C(waived), C(not_managed), C(inactive),
          C(drift) and C(unreadable).
        - How many C(certificates) the edge presents, how many of them have C(expired), and how many expire in less than
          7, 30 or 90 days (C(expiring_in_7_days) and so on, each of which includes the one before).
      type: dict
      sample:
        zones: 12
        unreadable: 1
        drift: 2
        inactive: 0
        not_managed: 0
        waived: 0
        compliant: 9
        certificates: 10
        expired: 0
        expiring_in_7_days: 0
        expiring_in_30_days: 1
        expiring_in_90_days: 8
    incomplete:
      description: Why this may not be all of the fleet, a sentence each; the number of zones is one reason.
      type: list
      elements: str
      sample: []
    expected:
      description: How many zones there should be. V(null) where that was not given.
      type: int
      sample: 12
    compared:
      description:
        - What became of the findings since the audit C(since), as C(new) and C(gone) with C(zone) and C(kind), the
          number C(unchanged), and the zones as C(zones_new) and C(zones_gone). V(null) where nothing was compared.
      type: dict
      sample: null
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import InputError

if TYPE_CHECKING:
    from ..plugin_utils._audit import Fleet, Row
    from ..plugin_utils._comparison import Previous


def audit_fleet(
    rows: Mapping[str, Row], incomplete: Sequence[str] = (), expected: Any = None, previous: Previous | None = None
) -> Fleet:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..module_utils._posture import number
    from ..plugin_utils._audit import fleet, unreadable

    try:
        zones = None if expected is None or str(expected).strip() == "" else number(expected, "audit_expected_zones", 0)
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error
    return fleet((row or unreadable(zone) for zone, row in rows.items()), incomplete, zones, previous or None)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_fleet": audit_fleet}
