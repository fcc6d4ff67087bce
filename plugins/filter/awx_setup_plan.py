# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_setup_plan
short_description: Check what is to be set up in AWX
version_added: 1.0.0
description:
  - Compares the variables of the playbook C(originsec.cloudflare.awx_setup) with what AWX has, and says what AWX would
    refuse.
  - It is made for that playbook, and the dictionaries may change with it.
author:
  - The originsec.cloudflare authors (@originsec)
positional: found
options:
  _input:
    description:
      - The variables C(awx_setup_*), by the rest of their names. Of the inputs of credentials, the names only.
    type: dict
    required: true
  found:
    description:
      - By endpoint, what AWX's API returned.
    type: dict
    required: true
seealso:
  - plugin: originsec.cloudflare.awx_credential_inputs
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ (settings | originsec.cloudflare.awx_setup_plan(found)).problems }}"
"""

RETURN = r"""
_value:
  description: What is wrong, and what would be created.
  type: dict
  contains:
    problems:
      description: What is wrong, each with what to do about it.
      type: list
      elements: str
    zones:
      description: The names of the zones.
      type: list
      elements: str
    job_templates:
      description: The job templates, with every key.
      type: list
      elements: dict
    credential_ids:
      description: By name, the ids of credentials that job templates use.
      type: dict
    creates:
      description: What AWX does not have yet.
      type: list
      elements: str
      sample:
        - organization Web
        - credential type Cloudflare API
"""

from typing import Any, Callable

from ..plugin_utils._awx import plan


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_setup_plan": plan}
