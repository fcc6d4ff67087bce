# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges the authorities on the controller, which has cryptography, and leaves the rest to the module on the origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail

from ..module_utils._certificates import load_authorities
from ..module_utils._errors import CloudflareError
from ..plugin_utils._core import Action


class ActionModule(Action):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        # A blank answer of a survey is an option that is not set
        options = {name: value for name, value in self.arguments.items() if value not in ("", None)}
        if options.get("mode") is False:  # as YAML reads an off without quotes
            options["mode"] = "off"
        authorities, warnings = self._authorities(options)
        options["ca"] = [_commented(one) for one in authorities]
        self.arguments = options
        result: dict[str, Any] = super().run(tmp, task_vars)
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


def _commented(authority: Mapping[str, Any]) -> str:
    """The PEM below what a person would want to know of it."""
    subject = " ".join(authority["subject"].split())
    told = f"# {subject}, until {authority['not_after']}, SHA-256 {authority['fingerprint_sha256']}"
    return f"{told}\n{authority['certificate']}"
