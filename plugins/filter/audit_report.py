# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_report
short_description: Create a report of an audit
version_added: 1.0.0
description:
  - Makes the text of a file. It holds neither secrets nor certificates.
  - As HTML, it is one page that needs nothing else, neither the network nor scripts, without which its table merely
    cannot be sorted.
author:
  - The originsec.cloudflare authors (@originsec)
positional: format, scope, limited
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
      - V(txt) is for a terminal, the totals, what is missing, what is new, and a table with aligned columns.
      - V(prom) is the text format of Prometheus, V(xml) the one of JUnit, with a case for each zone.
    type: str
    required: true
    choices:
      - html
      - json
      - csv
      - txt
      - prom
      - xml
  scope:
    description:
      - What was audited, in words, for V(html), V(json) and V(xml).
    type: str
    default: ""
  limited:
    description:
      - Whether V(txt) should fit a screen. It then shows the worst zones, and of others how many there are.
    type: bool
    default: false
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

- name: Show the worst zones
  ansible.builtin.debug:
    msg: "{{ (fleet | originsec.cloudflare.audit_report('txt', limited=true)).splitlines() }}"
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


def audit_report(fleet: Fleet, format: str, scope: str = "", limited: bool = False) -> str:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._audit_report import report

    try:
        return report(fleet, format, scope, limited, datetime.datetime.now(datetime.timezone.utc))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_report": audit_report}
