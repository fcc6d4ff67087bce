# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: report_paths
short_description: Make the paths of reports absolute
version_added: 1.0.0
description:
  - Returns absolute paths, each once. C(~) is expanded, and relative paths are relative to the directory in which the
    command was typed.
author:
  - The originsec.cloudflare authors (@originsec)
options:
  _input:
    description:
      - A list of paths, or text in which commas or line breaks divide them. V(null) and blanks are none.
    type: raw
    required: true
seealso:
  - plugin: originsec.cloudflare.fleet_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say where the reports go
  ansible.builtin.debug:
    msg: "{{ 'report.html, ~/report.json' | originsec.cloudflare.report_paths }}"
"""

RETURN = r"""
_value:
  description: The paths.
  type: list
  elements: str
  sample:
    - /home/operator/zones/report.html
    - /home/operator/report.json
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import InputError


def report_paths(value: Any) -> list[str]:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._files import report_paths as absolute_paths

    try:
        return absolute_paths(value, "A report")
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"report_paths": report_paths}
