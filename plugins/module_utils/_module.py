# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""What a module of this collection is: options, and a function from options to an outcome.

The function never sees AnsibleModule, so that the same module can run in a process of its own or inside Ansible's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._client import Client, CloudflareError, MissingLibraryError
from ._options import api_options, connect, find_zone
from ._setting import Setting


@dataclass(frozen=True)
class Outcome:
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

Run = Callable[[Params, Client, bool], Outcome]
"""From the options, the client and check mode to the outcome. Raises CloudflareError."""


class _Module(AnsibleModule):
    def _log_invocation(self) -> None:
        # A key that was given as part of something else, too; the system's log is the first to get it.
        texts = (value for value in self.params.values() if isinstance(value, str))
        self.no_log_values.update(text for text in texts if "PRIVATE KEY-----" in text)
        super()._log_invocation()


@dataclass(frozen=True)
class CloudflareModule:
    """spec: the argument spec of the module's own options."""

    spec: Mapping[str, Any]
    run: Run

    def main(self) -> None:
        module = _Module(argument_spec={**api_options(), **self.spec}, supports_check_mode=True)
        try:
            client = connect(module.params)
            # One from the environment, or stripped of white space, is news to Ansible.
            module.no_log_values.add(client.secret)
            outcome = self.run(module.params, client, module.check_mode)
        except MissingLibraryError as error:
            module.fail_json(msg=missing_required_lib(error.library), exception=error.import_traceback)
        except CloudflareError as error:
            module.fail_json(msg=str(error), changed=bool(error.done), **error.facts)
        for warning in (*outcome.warnings, *pacing(client)):
            module.warn(warning)
        result = {"changed": outcome.changed, "zone_id": outcome.zone_id, **outcome.facts}
        if module._diff and (outcome.before or outcome.after):
            result["diff"] = {"before": outcome.before, "after": outcome.after}
        module.exit_json(**result)


def pacing(client: Client) -> Iterator[str]:
    """What to warn of when the rate limit held requests back."""
    if client.waited:
        yield (
            f"Waited {client.waited} seconds for Cloudflare's rate limit, of which little was left: it allows 1,200 "
            "requests per five minutes to all that a user runs."
        )


def ensure_setting(
    setting: Setting, wanted: Any, name: str, params: Params, client: Client, check_mode: bool
) -> Outcome:
    """The whole of a module that manages one setting; name: of the return value that holds its record."""
    zone_id = find_zone(client, params)
    previous = current = setting.read(client, zone_id)
    changed = not setting.same(previous[setting.field], wanted)
    if changed and check_mode:
        current = {**previous, setting.field: wanted}
    elif changed:
        current = setting.write(client, zone_id, wanted)
    return Outcome(
        zone_id,
        facts={name: current, "previous": previous},
        changed=changed,
        before={setting.field: previous[setting.field]},
        after={setting.field: current[setting.field]},
    )
