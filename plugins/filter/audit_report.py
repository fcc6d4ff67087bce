# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_report
short_description: Make a report of an audit
version_added: 1.0.0
description:
  - Makes the text of a file. It holds neither secrets nor certificates.
  - As HTML, it is one page that needs nothing else, neither the network nor scripts, without which its table merely
    cannot be sorted.
author:
  - The originsec.cloudflare authors (@originsec)
positional: format
options:
  _input:
    description:
      - What P(originsec.cloudflare.audit_fleet#filter) made.
    type: dict
    required: true
  format:
    description:
      - What to make.
      - In V(csv), no cell is a formula for a spreadsheet.
      - V(txt) is a table for a terminal, with aligned columns, and under it what Cloudflare answered where a zone could
        not be read, and the totals.
    type: str
    required: true
    choices:
      - html
      - json
      - csv
      - txt
  scope:
    description:
      - What was audited, in words, for V(html) and V(json).
    type: str
    default: ""
  limit:
    description:
      - How many zones O(format=txt) shows at most, the worst ones, with ten answers of Cloudflare.
      - Of the others there is a count. Without it, all are shown.
    type: int
seealso:
  - plugin: originsec.cloudflare.audit_fleet
    plugin_type: filter
  - ref: ansible_collections.originsec.cloudflare.docsite.guide_audit
    description: A guide to audits.
"""

EXAMPLES = r"""
- name: Write a report
  ansible.builtin.copy:
    content: "{{ fleet | originsec.cloudflare.audit_report('html', scope='our shops') }}"
    dest: /srv/reports/shops.html
    mode: "0600"
  vars:
    fleet: "{{ rows | originsec.cloudflare.audit_fleet }}"

- name: Show the ten worst zones
  ansible.builtin.debug:
    msg: "{{ (fleet | originsec.cloudflare.audit_report('txt', limit=10)).splitlines() }}"
  vars:
    fleet: "{{ rows | originsec.cloudflare.audit_fleet }}"
"""

RETURN = r"""
_value:
  description: The text of the report.
  type: str
"""

import datetime
from typing import TYPE_CHECKING, Any, Callable

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from ..plugin_utils._audit import Fleet


def audit_report(fleet: Fleet, format: str, scope: str = "", limit: int | None = None) -> str:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._audit_report import report

    try:
        return report(fleet, format, scope, limit, datetime.datetime.now(datetime.timezone.utc))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_report": audit_report}
