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
from ..module_utils._hardening import INTERRUPTED
from ..modules.origin_tls import MODULE
from ._files import environment_file, report_format, report_paths
from ._harden import fleet
from ._harden_report import report
from ._in_process import InProcessAction
from ._variables import ROLE_PREFIX, unknown_variables
from ._waivers import OPTION, waivers, without_waived

MARK = "originsec_cloudflare_role"
"""The variable by which a task of the role tells that it is one."""

_OPTIONS = frozenset(MODULE.argument_spec)

CERTIFICATE_FILE, KEY_FILE = "CLOUDFLARE_CLIENT_CERTIFICATE_FILE", "CLOUDFLARE_CLIENT_KEY_FILE"
KEY_OPENER = "CLOUDFLARE_CLIENT_KEY_PASSPHRASE"
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
        if INTERRUPTED in str(result.get("msg")):
            zone = str((task_vars or {}).get("inventory_hostname") or result.get("zone_name"))
            report_interruption(zone, result, self.templated((task_vars or {}).get("harden_report")))
        return result

    def _meant(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        arguments = super()._meant(task_vars)
        if MARK in task_vars:
            today = datetime.datetime.now(datetime.timezone.utc).date()
            arguments.update(without_waived(arguments, waivers(self.templated(task_vars.get(OPTION)), today)))
        return arguments


def report_interruption(zone: str, result: Mapping[str, Any], harden_report: Any) -> None:
    """Write beside each report that was asked for what became of this zone, since the play is over by now.

    By the time that everything is put back, ansible-playbook has ended, and whatever a worker says is lost.
    """
    found = fleet({zone: {"zone_hardening_report": result}}, False, [], datetime.datetime.now(datetime.timezone.utc))
    for path in report_paths(harden_report, "harden_report"):
        root, extension = os.path.splitext(path)
        with contextlib.suppress(OSError, ValueError):  # there is nobody to tell
            text = report(found, report_format(path))
            descriptor = os.open(f"{root}.{zone.replace('/', '_')}{extension}", os.O_WRONLY | os.O_CREAT, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.truncate()
                file.write(text)


def sources_of(options: Mapping[str, Any]) -> dict[str, str]:
    """By option: the variable of the environment that its value has come from."""
    sources = {}
    for option, variable in (("certificate", CERTIFICATE_FILE), ("private_key", KEY_FILE)):
        with contextlib.suppress(InputError):
            text = environment_file(variable)
            if text and text == str(options.get(option) or "").strip():
                sources[option] = variable
    if os.environ.get(KEY_OPENER) and os.environ[KEY_OPENER] == options.get("private_key_passphrase"):
        sources["private_key_passphrase"] = KEY_OPENER
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
