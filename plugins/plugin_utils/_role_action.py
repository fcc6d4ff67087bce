# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""A module that runs for the role zone_hardening: it speaks of the role's variables, and not of its options."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from ..modules.origin_tls import MODULE
from ._in_process import InProcessAction

MARK = "originsec_cloudflare_role"
"""The variable by which a task of the role tells that it is one."""

PREFIX = "zone_hardening_"

_OPTIONS = frozenset(MODULE.argument_spec)
_OTHERS = frozenset({"report", "audit"})
"""Of the role itself: what it registers."""


class RoleAction(InProcessAction):
    """In a task of the role, misspelt variables are refused, and messages name variables."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if MARK not in (task_vars or {}):
            return super().run(tmp, task_vars)
        problem = unknown_variables(task_vars or {})
        if problem:
            return {"failed": True, "msg": problem}
        result = super().run(tmp, task_vars)
        if result.get("failed") and isinstance(result.get("msg"), str):
            result["msg"] = in_the_users_names(result["msg"])
        return result


def unknown_variables(names: Iterable[str]) -> str:
    """What is wrong with the names of a host's variables; empty if nothing is.

    A misspelt variable would be left out of account silently, and with it a verification, for example.
    """
    known = sorted(f"{PREFIX}{name}" for name in _OPTIONS | _OTHERS)
    problems = []
    for name in sorted(name for name in names if name.startswith(PREFIX)):
        if name not in known and not name.startswith(f"{PREFIX}_"):
            close = difflib.get_close_matches(name, known, 1)
            problems.append(f"{name} is no variable of the role{f'; did you mean {close[0]}?' if close else '.'}")
    return f"{' '.join(problems)} Nothing was requested." if problems else ""


def in_the_users_names(message: str) -> str:
    """A message about options as one about the role's variables.

    Options of one word are words of the language as well, so they count only at the beginning, and in quotes.
    """
    compound = "|".join(sorted((name for name in _OPTIONS if "_" in name), key=len, reverse=True))
    simple = "|".join(sorted(name for name in _OPTIONS if "_" not in name))
    message = re.sub(rf"(?<![\w./-])({compound})(?![\w/-])", rf"{PREFIX}\1", message)
    return re.sub(rf"(^|')({simple})\b", rf"\1{PREFIX}\2", message)
