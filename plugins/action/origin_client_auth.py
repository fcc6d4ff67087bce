# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only the controller can do for an origin: judge the authorities, and see the sites through Cloudflare.

The module on the origin puts everything back where its own probe fails. Where the probe is content and a site goes dark
nevertheless, the action has it put back, in the same task: a play may end between two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError

from ..module_utils._certificates import load_authorities
from ..module_utils._client import REQUESTS_IMPORT_ERROR
from ..module_utils._edge import Pull, Verification, checked_urls
from ..module_utils._errors import CloudflareError, MissingLibraryError
from ..module_utils._hardening import Interrupted, signals_taken_over
from ..module_utils._origin_server import MODES
from ..module_utils._posture import number, texts
from ..plugin_utils._core import Action


class ActionModule(Action):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        # A blank answer of a survey is an option that is not set
        options = {name: value for name, value in self.arguments.items() if value not in ("", None)}
        if options.get("mode") is False:  # as YAML reads an off without quotes
            options["mode"] = "off"
        verification = _verification(options)
        authorities, warnings = self._authorities(options)
        options["ca"] = [_commented(one) for one in authorities]
        self.arguments = options
        task_vars = task_vars or {}
        result = self._verified(verification, task_vars) if verification.urls else self._run_module(task_vars)
        result["ca"] = authorities
        if warnings:
            result["warnings"] = [*warnings, *result.get("warnings", [])]
        return result

    def _authorities(self, options: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
        given = options.get("ca") or []
        if options.get("mode") == "off":
            return [], []
        if not given:
            raise AnsibleActionFail(
                "ca is missing: the PEM of the authorities whose certificates the origin is to trust."
            )
        try:
            return load_authorities(given if isinstance(given, str) else "\n".join(map(str, given)))
        except CloudflareError as error:
            raise AnsibleActionFail(str(error)) from None

    def _run_module(self, task_vars: dict[str, Any], **options: Any) -> dict[str, Any]:
        """options: in place of the task's."""
        given = self.arguments
        self.arguments = {**given, **options}
        try:
            result: dict[str, Any] = super().run(None, task_vars)
        finally:
            self.arguments = given
        return result

    def _verified(self, verification: Verification, task_vars: dict[str, Any]) -> dict[str, Any]:
        """What the module answers, once every URL has answered as before; else it is put back."""
        if self.runs_asynchronously:
            raise AnsibleActionFail("verify_urls needs a task that is waited for: leave async out.")
        with self.in_check_mode():
            foreseen = self._run_module(task_vars)
        if foreseen.get("failed"):
            return foreseen
        before = verification.pull_all()
        dark = [url for url, pull in before.items() if pull.dark()]
        if not foreseen["changed"] or self.check_mode:
            return {**foreseen, "verified": _compared(before, before), "dark": dark}
        unchanged = {
            **foreseen,
            "changed": False,
            "mode": foreseen["previous_mode"],
            "files": [],
            "verified": _compared(before, {}),
            "dark": dark,
            "failed": True,
        }
        # To be less strict may be what brings a site back
        if dark and MODES.index(foreseen["mode"]) >= MODES.index(foreseen["previous_mode"]):
            return {
                **unchanged,
                "msg": f"{'; '.join(f'{url} {before[url].in_words()}' for url in dark)}. It was so before anything was "
                "changed, so that nothing could be verified afterwards. Nothing was changed: mend the site first, or "
                "name other URLs in verify_urls.",
            }
        after: dict[str, Pull] = {}
        with signals_taken_over() as ignore_signals:
            try:
                result = self._run_module(task_vars)
                if not result.get("failed"):
                    after = verification.settled(before)
                told = {"verified": _compared(before, after), "dark": _dark(before, after)}
                if result.get("failed") or not told["dark"]:
                    return {**result, **told}
                cause = "; ".join(
                    f"{url} {after[url].in_words()} after the change, and {before[url].status} before"
                    for url in told["dark"]
                )
            except BaseException as error:
                ignore_signals()
                cause = _cause(error)
            ignore_signals()
            state, again = self._put_back(foreseen, verification, before, task_vars)
        return {
            **unchanged,
            "put_back": True,
            "verified": _compared(before, after),
            "dark": _dark(before, again),
            "msg": f"{cause}. {state}",
        }

    def _put_back(
        self,
        foreseen: Mapping[str, Any],
        verification: Verification,
        before: Mapping[str, Pull],
        task_vars: dict[str, Any],
    ) -> tuple[str, dict[str, Pull]]:
        """What became of it, in words, and what the sites answer then."""
        mode, authorities = foreseen["previous_mode"], foreseen["previous_ca"]
        try:
            result = self._run_module(task_vars, mode=mode, ca=authorities)
            failure = str(result.get("msg")) if result.get("failed") else ""
        except AnsibleError as error:
            failure = str(error)
        again = verification.pull_all(before)
        told = [
            f"It could not be put back to the mode {mode}: {failure.rstrip('.')}. Run again, or set the mode by hand."
            if failure
            else f"The origin is back in the mode {mode}."
        ]
        dark = _dark(before, again)
        back = [url for url in again if url not in dark]
        if back:
            told.append(f"{' and '.join(back)} {'answers' if len(back) == 1 else 'answer'} as before.")
        if dark:
            told.append(f"Still dark: {'; '.join(f'{url} {again[url].in_words()}' for url in dark)}.")
        return " ".join(told), again


def _verification(options: dict[str, Any]) -> Verification:
    """From these options, which are no more among them afterwards."""
    given = {name: options.pop(f"verify_{name}", None) for name in ("urls", "retries", "delay", "settle")}
    try:
        urls = checked_urls(texts(given["urls"], "verify_urls") or (), "verify_urls")
        if urls and REQUESTS_IMPORT_ERROR:
            raise MissingLibraryError("requests, with urllib3 >= 1.26", REQUESTS_IMPORT_ERROR)
        return Verification(
            urls,
            number(given["retries"], "verify_retries", 5),
            number(given["delay"], "verify_delay", 5),
            number(given["settle"], "verify_settle", 10),
        )
    except CloudflareError as error:
        raise AnsibleActionFail(str(error)) from None


def _dark(before: Mapping[str, Pull], after: Mapping[str, Pull]) -> list[str]:
    return [url for url, pull in after.items() if pull.dark(before.get(url))]


def _compared(before: Mapping[str, Pull], after: Mapping[str, Pull]) -> dict[str, dict[str, Any]]:
    """As ``verified`` of the module origin_tls."""
    compared = {}
    for url, was in before.items():
        pull = after.get(url)
        reason = "" if pull is None else pull.in_words() if pull.dark(was) else pull.unproved
        status = pull.status if pull else None
        proved = pull is not None and not reason
        compared[url] = {"before": was.status, "after": status, "proved": proved, "reason": reason or None}
    return compared


def _cause(error: BaseException) -> str:
    """As a sentence without its end."""
    if isinstance(error, Interrupted):
        return "The run was interrupted"
    if isinstance(error, AnsibleError):
        return str(error).rstrip(".")
    return "The task was ended from outside, by its timeout for example"


def _commented(authority: Mapping[str, Any]) -> str:
    """The PEM below what a person would want to know of it."""
    subject = " ".join(authority["subject"].split())
    told = f"# {subject}, until {authority['not_after']}, SHA-256 {authority['fingerprint_sha256']}"
    return f"{told}\n{authority['certificate']}"
