# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tags_select_nothing
short_description: Check whether tags select no task of a playbook
version_added: 1.0.0
description:
  - The playbooks of this collection have no tags, so that any tag selects nothing of them, which would look like
    success.
  - Where a playbook of yours imports one of them, tags are yours, and this is false.
author:
  - The originsec.cloudflare authors (@originsec)
positional: skip_tags, playbook_dir
options:
  _input:
    description:
      - The tags to run, C(ansible_run_tags).
    type: list
    elements: str
    required: true
  skip_tags:
    description:
      - The tags to skip, C(ansible_skip_tags).
    type: list
    elements: str
    required: true
  playbook_dir:
    description:
      - The directory of the playbook that asks.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Fail if tags select no task
  ansible.builtin.fail:
    msg: This playbook has no tags.
  when: ansible_run_tags | originsec.cloudflare.tags_select_nothing(ansible_skip_tags, playbook_dir)
  tags: always
"""

RETURN = r"""
_value:
  description: Whether nothing would be done.
  type: bool
"""

import os
from collections.abc import Sequence
from typing import Callable

from ansible import context

_EVERYTHING = {"all", "untagged"}


def tags_select_nothing(run_tags: Sequence[str], skip_tags: Sequence[str], playbook_dir: str) -> bool:
    if _EVERYTHING.intersection(run_tags) and not _EVERYTHING.intersection(skip_tags):
        return False
    # playbook_dir is that of an imported playbook while this runs, so it is the command that tells.
    return any(
        named.startswith("originsec.cloudflare.")
        or os.path.realpath(os.path.dirname(os.path.abspath(named))) == os.path.realpath(playbook_dir)
        for named in context.CLIARGS.get("args", ())
    )


class FilterModule:
    def filters(self) -> dict[str, Callable[..., bool]]:
        return {"tags_select_nothing": tags_select_nothing}
