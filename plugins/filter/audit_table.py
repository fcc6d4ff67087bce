# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_table
short_description: Show an audit on a terminal
version_added: 1.0.0
description:
  - Makes lines of an audit, a table with aligned columns, the worst zones first, what Cloudflare answered where a zone
    could not be read, and the totals.
author:
  - The originsec.cloudflare authors (@originsec)
positional: limit
options:
  _input:
    description:
      - What P(originsec.cloudflare.audit_fleet#filter) made.
    type: dict
    required: true
  limit:
    description:
      - How many zones to show at most. Of the others there is a count.
    type: int
    default: 100
seealso:
  - plugin: originsec.cloudflare.audit_fleet
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the ten worst zones
  ansible.builtin.debug:
    msg: "{{ rows | originsec.cloudflare.audit_fleet | originsec.cloudflare.audit_table(10) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from typing import Any, Callable

from ..plugin_utils._audit import Fleet
from ..plugin_utils._audit_report import table


def audit_table(fleet: Fleet, limit: int = 100) -> list[str]:
    return table(fleet, limit)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_table": audit_table}
