# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""The action that runs a module of this collection in the worker that Ansible has for the task anyway.

A process of its own costs 0.3 seconds, most of them for Python to start and to import; the work itself takes a
fiftieth of that. What the user gets is the same: options are validated, secrets masked, and failures told as
AnsibleModule does it. Whatever this process cannot do as well as the module is left to the module.

Ansible loads the class of an action before it forks a worker for each host. So what is imported here, and by the
modules, is imported once and not by every worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.filter import core, mathstuff
from ansible.plugins.test import core as test_core
from ansible.utils.display import Display

from ..module_utils._client import Client
from ..module_utils._core import register_secrets, validation_notes
from ..module_utils._masking import encodable
from ..module_utils._module import Module, Params, Response
from ..module_utils._options import api_options, given, make_client
from ..module_utils._secrets import Secrets, parsed, restored, withhold
from ._core import Action

SWITCH = "originsec_cloudflare_in_process"


class InProcessAction(Action):
    """What Ansible would do anyway, but in this process where that comes to the same.

    imported_once: what workers need besides. Filters and tests are what the templates of most tasks need, and take each
    worker 8 ms to import.
    """

    module: Module
    imported_once: tuple[ModuleType, ...] = (core, mathstuff, test_core)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        self.arguments = self._meant(task_vars)
        obstacle = self._obstacle(task_vars)
        if not obstacle:
            with self._environment(), warnings.catch_warnings():
                # Those of libraries; a module's would stay in its process, too
                warnings.simplefilter("ignore")
                result = self._run_in_process(task_vars)
            if result is not None:
                return result
            obstacle = "a Python library is missing here"
        Display().vvv(f"{self.action} runs as a module, since {obstacle}.", host=self.host)
        module_result: dict[str, Any] = super().run(tmp, task_vars)
        return module_result

    def _meant(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """The task's options; a task that names no zone takes the one that the inventory plugin has given its host."""
        spec = self.module.argument_spec
        arguments = given(self.arguments, spec)
        if "zone_id" in spec and not {"zone_id", "zone_name", "zone"}.intersection(arguments):
            zone_id = self.templated(task_vars.get("cloudflare_zone_id"))
            arguments.update({"zone_id": zone_id} if zone_id else {})
        return arguments

    def _obstacle(self, task_vars: Mapping[str, Any]) -> str:
        """Why this process must not do it, in words; empty where it may."""
        if self.transport != "local":
            return f"the connection is {self.transport}, not local"
        if self.becomes:
            return "it is to become another user"
        if self.runs_asynchronously:
            return "it is to run asynchronously"
        if not boolean(self.templated(task_vars.get(SWITCH, True)), strict=False):
            return f"{SWITCH} is off"
        if sys.platform == "darwin":
            return "macOS ends a forked process that looks up the system's proxies"
        return ""

    def _run_in_process(self, task_vars: Mapping[str, Any]) -> dict[str, Any] | None:
        """The result as the module would give it, or None where a Python library is missing for that."""
        told, spec = self.told(task_vars), self.module.argument_spec
        options = parsed(spec, encodable(self.options()))
        secrets = Secrets(spec, options, os.environ)
        register_secrets(secrets.registered)
        withheld = withhold(spec, options)
        validation = ArgumentSpecValidator(spec).validate(options)
        params = {**options, **validation.validated_parameters}
        if validation.error_messages:
            message = validation.errors.msg
            if isinstance(validation.errors[0], UnsupportedError):
                message = f"Unsupported parameters for ({told['_ansible_module_name']}) module: {message}"
            response = Response({"failed": True, "msg": message})
        else:
            response = self.module.respond(
                restored(params, withheld), told["_ansible_check_mode"], told["_ansible_diff"], _shared_client
            )
        if response.missing:
            return None
        aliases, deprecations = validation_notes(validation)
        notes = [
            *(f"Both option {one['option']} and its alias {one['alias']} are set." for one in aliases),
            *response.warnings,
        ]
        result = {**response.result, **({"warnings": notes} if notes else {})}
        if deprecations:
            result["deprecations"] = deprecations
        if told.get("_ansible_inject_invocation", True):  # ansible-core < 2.21 does not ask
            result["invocation"] = {"module_args": params}
        # In plain types, as it would come from another process
        return secrets.hide(json.loads(json.dumps(result)))

    @contextlib.contextmanager
    def _environment(self) -> Iterator[None]:
        """The variables of the ``environment:`` keyword, in this process for as long as it lasts."""
        overlay, before = self.variables(), dict(os.environ)
        os.environ.update(overlay)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


_last: tuple[Any, Client] | None = None
"""What the client was made from, and the client; one, so that a loop over many users' zones keeps no more open."""


def _shared_client(params: Params) -> Client:
    """The client of the item before, with its open connection, where it would be the same.

    The process is part of it, since one that is forked inherits the connection; and the environment, for proxies and
    authorities.
    """
    global _last
    client = make_client(params)  # also judges the zone, which each item may have its own of
    options = [params[option] for option in api_options() if option not in ("zone_id", "zone_name")]
    made_from = (os.getpid(), options, dict(os.environ))
    if _last is None or _last[0] != made_from:
        _last = made_from, client
    return _last[1]
