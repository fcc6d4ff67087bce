# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_failing
short_description: Find the zones that make an audit fail
version_added: 1.0.0
description:
  - Says of which zones an audit has found what it is to fail on, and why.
author:
  - The originsec.cloudflare authors (@originsec)
positional: fail_on
options:
  _input:
    description:
      - By the name of each host, the row that P(originsec.cloudflare.audit_zone#filter) made, or nothing where a task
        failed.
    type: dict
    required: true
  fail_on:
    description:
      - Kinds of drift, V(unreadable), V(inactive), or V(any) for all but V(inactive); a list, or text with commas.
    type: raw
    required: true
seealso:
  - plugin: originsec.cloudflare.audit_zone
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Fail where the certificate is about to expire
  ansible.builtin.fail:
    msg: "{{ failing[inventory_hostname] }}"
  when: inventory_hostname in failing
  vars:
    failing: "{{ {inventory_hostname: row} | originsec.cloudflare.audit_failing('certificate_expiring') }}"
"""

RETURN = r"""
_value:
  description: By the name of each of these hosts, why, in words.
  type: dict
  sample:
    shop.example: "It differs from the desired state: client_auth (off, wanted on)."
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import InputError

if TYPE_CHECKING:
    from ..plugin_utils._audit import Row


def audit_failing(rows: Mapping[str, Row], fail_on: Any) -> dict[str, str]:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._audit import fail_kinds, failing

    try:
        return failing(rows, fail_kinds(fail_on))
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_failing": audit_failing}
