# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_targets
short_description: Judge where reports of an audit are to go
version_added: 1.0.0
description:
  - Works out the files that reports are to be written to, and whether that can be done, before it is worth a request.
author:
  - The originsec.cloudflare authors (@originsec)
options:
  _input:
    description:
      - Paths on the controller, as a list or with commas between them, relative to where the command was typed.
    type: raw
    required: true
seealso:
  - plugin: originsec.cloudflare.audit_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Refuse what could not be written
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    targets: "{{ 'report.html, report.json' | originsec.cloudflare.audit_targets }}"
    problems: "{{ targets | map(attribute='problem') | select }}"
"""

RETURN = r"""
_value:
  description: The files.
  type: list
  elements: dict
  contains:
    path:
      description: The absolute path.
      type: str
      sample: /home/me/report.html
    format:
      description: Its suffix, for P(originsec.cloudflare.audit_report#filter).
      type: str
      sample: html
    problem:
      description: Why it cannot be written, or blank.
      type: str
      sample: ""
"""

from typing import Any, Callable

from ..plugin_utils._audit_report import targets


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_targets": targets}
