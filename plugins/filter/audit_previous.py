# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_previous
short_description: Read the report of an earlier audit
version_added: 1.0.0
description:
  - Reads what P(originsec.cloudflare.audit_fleet#filter) needs to compare an audit with an earlier one.
author:
  - The originsec.cloudflare authors (@originsec)
options:
  _input:
    description:
      - The path of a report that P(originsec.cloudflare.audit_report#filter) made as V(json), from where the command
        was typed.
    type: str
    required: true
seealso:
  - plugin: originsec.cloudflare.audit_fleet
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Compare with the audit of yesterday
  ansible.builtin.debug:
    msg: "{{ fleet.compared.new | length }} findings are new."
  vars:
    fleet: "{{ rows | originsec.cloudflare.audit_fleet(previous='last.json' | originsec.cloudflare.audit_previous) }}"
"""

RETURN = r"""
_value:
  description:
    - When the audit was made, and by the name of each zone, the kinds of its drift. V(null) where there is no file yet.
  type: dict
  sample:
    generated: "2026-11-27T03:00:00Z"
    zones:
      shop.example:
        - client_auth
"""

from typing import TYPE_CHECKING, Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import InputError

if TYPE_CHECKING:
    from ..plugin_utils._comparison import Previous


def audit_previous(path: Any) -> Previous | None:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._comparison import previous
    from ..plugin_utils._files import report_paths

    try:
        paths = report_paths(path, "audit_previous")
        return previous(paths[0]) if paths else None
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_previous": audit_previous}
