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
      - What to make. In CSV, no cell is a formula for a spreadsheet.
    type: str
    required: true
    choices:
      - html
      - json
      - csv
  scope:
    description:
      - What was audited, in words.
    type: str
    default: ""
seealso:
  - plugin: originsec.cloudflare.audit_fleet
    plugin_type: filter
  - plugin: originsec.cloudflare.audit_targets
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write a report
  ansible.builtin.copy:
    content: "{{ fleet | originsec.cloudflare.audit_report('html', scope='our shops') }}"
    dest: /srv/reports/shops.html
    mode: "0600"
  vars:
    fleet: "{{ rows | originsec.cloudflare.audit_fleet }}"
"""

RETURN = r"""
_value:
  description: The text of the report.
  type: str
"""

import datetime
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..plugin_utils._audit import Fleet
from ..plugin_utils._audit_report import FORMATS, report


def audit_report(fleet: Fleet, format: str, scope: str = "") -> str:
    if format not in FORMATS:
        raise AnsibleFilterError(f"The format must be one of {', '.join(FORMATS)}, not '{format}'.")
    return report(fleet, format, scope, datetime.datetime.now(datetime.timezone.utc))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_report": audit_report}
