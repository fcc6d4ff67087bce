# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_problems
short_description: Find inventory sources that were not read
version_added: 1.0.0
description:
  - Ansible goes on without an inventory source that it cannot read. This says which sources are missing, and which of
    those for P(originsec.cloudflare.zones#inventory) have zones that did not become hosts.
  - A file for another inventory plugin that could not be read is not found out.
author:
  - The originsec.cloudflare authors (@originsec)
options:
  _input:
    description:
      - The inventory sources, C(ansible_inventory_sources).
    type: list
    elements: str
    required: true
seealso:
  - plugin: originsec.cloudflare.zones
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Stop where a source is missing
  ansible.builtin.assert:
    that: not ansible_inventory_sources | originsec.cloudflare.inventory_problems
  run_once: true
"""

RETURN = r"""
_value:
  description: What is missing, a sentence each.
  type: list
  elements: str
  sample:
    - "/srv/zones/shops.cloudflare.yml: it could not be read: GET /zones failed."
"""

from collections.abc import Sequence
from typing import Any, Callable


def inventory_problems(sources: Sequence[str] | None) -> list[str]:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..plugin_utils._sources import source_problems

    return source_problems(sources or ())


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"inventory_problems": inventory_problems}
