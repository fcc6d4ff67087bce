# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""A module that runs for the role zone_hardening: it speaks of the role's variables, and not of its options."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from collections.abc import Mapping
from typing import Any

from ..module_utils._errors import InputError
from ..modules.origin_tls import MODULE
from ._files import environment_file
from ._in_process import InProcessAction
from ._variables import ROLE_PREFIX, unknown_variables
from ._waivers import OPTION, waivers, without_waived

MARK = "originsec_cloudflare_role"
"""The variable by which a task of the role tells that it is one."""

_OPTIONS = frozenset(MODULE.argument_spec)

_CERTIFICATE, _KEY = "CLOUDFLARE_CLIENT_CERTIFICATE_FILE", "CLOUDFLARE_CLIENT_KEY_FILE"
_KEY_OPENER = "CLOUDFLARE_CLIENT_KEY_PASSPHRASE"
"""The variables of the environment from which the playbooks take a client certificate."""


class RoleAction(InProcessAction):
    """In a task of the role, misspelt variables are refused, waivers are obeyed, and messages name variables."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if MARK not in (task_vars or {}):
            return super().run(tmp, task_vars)
        problems = unknown_variables(task_vars or {}, [ROLE_PREFIX])
        if problems:
            return {"failed": True, "msg": f"{' '.join(problems)} Nothing was requested."}
        try:
            result = super().run(tmp, task_vars)
        except InputError as error:  # about waivers; the module's own never get here
            return {"failed": True, "msg": f"{error} Nothing was requested."}
        sources = sources_of(self.arguments) if result.get("failed") or result.get("warnings") else {}
        if result.get("failed") and isinstance(result.get("msg"), str):
            result["msg"] = in_the_users_names(result["msg"], sources)
        if result.get("warnings"):
            result["warnings"] = [in_the_users_names(str(warning), sources) for warning in result["warnings"]]
        return result

    def _meant(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        arguments = super()._meant(task_vars)
        if MARK in task_vars:
            today = datetime.datetime.now(datetime.timezone.utc).date()
            arguments.update(without_waived(arguments, waivers(self.templated(task_vars.get(OPTION)), today)))
        return arguments


def sources_of(options: Mapping[str, Any]) -> dict[str, str]:
    """By option: the variable of the environment that its value has come from."""
    sources = {}
    for option, variable in (("certificate", _CERTIFICATE), ("private_key", _KEY)):
        with contextlib.suppress(InputError):
            text = environment_file(variable)
            if text and text == str(options.get(option) or "").strip():
                sources[option] = variable
    if os.environ.get(_KEY_OPENER) and os.environ[_KEY_OPENER] == options.get("private_key_passphrase"):
        sources["private_key_passphrase"] = _KEY_OPENER
    return sources


def in_the_users_names(message: str, sources: Mapping[str, str]) -> str:
    """A message about options as one about the role's variables, and where these have come from the environment's.

    Options of one word are words of the language as well, so they count only at the beginning, and in quotes.
    """

    def named(match: re.Match[str]) -> str:
        option = match[2]
        return f"{match[1]}{ROLE_PREFIX}{option}{f' ({sources[option]})' if option in sources else ''}"

    compound = "|".join(sorted((name for name in _OPTIONS if "_" in name), key=len, reverse=True))
    simple = "|".join(sorted(name for name in _OPTIONS if "_" not in name))
    message = re.sub(rf"(?<![\w./-])()({compound})(?![\w/-])", named, message)
    return re.sub(rf"(^|')({simple})\b", named, message)
