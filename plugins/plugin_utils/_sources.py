# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""Inventory sources that were not read, or not all of them.

Ansible goes on without a source that it cannot read, and tells no playbook. So the inventory plugin notes here what
became of each of its files, in the process from which Ansible forks all workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

SUFFIXES = (".cloudflare.yml", ".cloudflare.yaml")

_DEFAULT = "/etc/ansible/hosts"
"""The source of Ansible that nobody has given, and that need not be there."""

_NOTED: dict[str, list[str]] = {}
"""By absolute path: what is wrong with what was read of it, in sentences."""


def note(path: str, problems: Iterable[str]) -> None:
    """What became of a file, in place of what was noted of it before; no problem where all of it was read."""
    _NOTED[os.path.abspath(path)] = list(problems)


def source_problems(sources: Iterable[str]) -> list[str]:
    """What is missing of Ansible's inventory sources, a sentence for each."""
    problems = []
    for source in sources:
        if "," in source:  # hosts, and no path
            continue
        if not os.path.exists(source) and source != _DEFAULT:
            problems.append(f"{source} could not be read: there is no such file.")
        for path in _ours(os.path.abspath(source)):
            missing = ["it could not be read, and Ansible said why at the beginning."]
            problems += [f"{path}: {problem}" for problem in _NOTED.get(path, missing)]
    return problems


def _ours(source: str) -> Iterator[str]:
    """The files of the inventory plugin that a source is, or has in it where it is a directory."""
    if os.path.isdir(source):
        for name in sorted(os.listdir(source)):
            if name not in ("group_vars", "host_vars") and not name.startswith("."):
                yield from _ours(os.path.join(source, name))
    elif source.endswith(SUFFIXES):
        yield source
