# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""What a module of this collection is: options, and a function from options to an outcome.

The function never sees AnsibleModule, so that the same module can run in a process of its own or inside Ansible's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible.module_utils.basic import missing_required_lib

from ._client import Client
from ._core import asks_for_diff
from ._errors import CloudflareError, MissingLibraryError
from ._masking import MaskingModule
from ._options import api_options, find_zone, make_client
from ._setting import Setting


@dataclass(frozen=True)
class Result:
    """What a task did, or in check mode would do.

    before and after make the diff, so they hold fingerprints and settings, never PEM; facts are the module's return
    values.
    """

    zone_id: str
    facts: Mapping[str, Any]
    changed: bool = False
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()


Params = Mapping[str, Any]
"""The validated options of a module."""

Run = Callable[[Params, Client, bool], Result]
"""From the options, the client and check mode to the outcome. Raises CloudflareError."""


@dataclass(frozen=True)
class Response:
    """What a module answers, in whichever process it ran.

    result: the return values, with ``failed`` and ``msg`` where it failed. warnings: beside them. missing: whether a
    Python library is missing here; if so, no request was made.
    """

    result: Mapping[str, Any]
    warnings: Sequence[str] = ()
    missing: bool = False


MakeClient = Callable[[Params], Client]
"""From the options to the client."""


@dataclass(frozen=True)
class Module:
    """Whatever is to run in a process of its own or inside Ansible's; spec: the argument spec of its own options."""

    spec: Mapping[str, Any]

    @property
    def argument_spec(self) -> dict[str, Any]:
        """All the options."""
        return dict(self.spec)

    def main(self) -> None:
        """Run in a process of its own."""
        module = MaskingModule(argument_spec=self.argument_spec, supports_check_mode=True)
        response = self.respond(module.options, module.check_mode, asks_for_diff(module))
        for warning in response.warnings:
            module.warn(module.secrets.hide_in(warning))
        if "failed" in response.result:
            module.fail_json(**response.result)
        module.exit_json(**response.result)

    def respond(self, params: Params, check_mode: bool, diff: bool, make_client: MakeClient = make_client) -> Response:
        """Do the work. Never raises a CloudflareError; make_client: how to come by the client for the options."""
        try:
            result, warnings = self.work(params, check_mode, diff, make_client)
        except MissingLibraryError as error:
            missing = {"msg": missing_required_lib(error.library), "exception": error.import_traceback}
            return Response({"failed": True, **missing}, missing=True)
        except CloudflareError as error:
            failure = {"failed": True, "msg": str(error), "changed": bool(error.done), **error.facts}
            return Response(failure, error.warnings)
        return Response(result, warnings)

    def work(
        self, params: Params, check_mode: bool, diff: bool, make_client: MakeClient
    ) -> tuple[Mapping[str, Any], Sequence[str]]:
        """The return values, and what to warn of. Raises CloudflareError."""
        raise NotImplementedError


@dataclass(frozen=True)
class CloudflareModule(Module):
    """One that speaks to Cloudflare's API about a zone."""

    run: Run

    @property
    def argument_spec(self) -> dict[str, Any]:
        return {**api_options(), **self.spec}

    def work(
        self, params: Params, check_mode: bool, diff: bool, make_client: MakeClient
    ) -> tuple[Mapping[str, Any], Sequence[str]]:
        client = make_client(params)
        waited = client.waited  # for the items before, which share the client
        try:
            outcome = self.run(params, client, check_mode)
        except CloudflareError as error:
            error.warnings = tuple(pacing(client.waited - waited))
            raise
        result = {"changed": outcome.changed, "zone_id": outcome.zone_id, **outcome.facts}
        if diff and (outcome.before or outcome.after):
            result["diff"] = {"before": outcome.before, "after": outcome.after}
        return result, [*outcome.warnings, *pacing(client.waited - waited)]


def pacing(seconds: float) -> Iterator[str]:
    """What to warn of when the rate limit held requests back for so long."""
    if seconds:
        yield (
            f"Waited {math.ceil(seconds)} seconds for Cloudflare's rate limit, of which little was left: it allows "
            "1,200 requests per five minutes to all that a user runs."
        )


def ensure_setting(
    setting: Setting, wanted: Any, name: str, params: Params, client: Client, check_mode: bool
) -> Result:
    """The whole of a module that manages one setting; name: of the return value that holds its record."""
    zone_id = find_zone(client, params)
    previous = current = setting.read(client, zone_id)
    changed = not setting.same(previous[setting.field], wanted)
    if changed and check_mode:
        current = {**previous, setting.field: wanted}
    elif changed:
        current = setting.write(client, zone_id, wanted)
    return Result(
        zone_id,
        facts={name: current, "previous": previous},
        changed=changed,
        before={setting.field: previous[setting.field]},
        after={setting.field: current[setting.field]},
    )
