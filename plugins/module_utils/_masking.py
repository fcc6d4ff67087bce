# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""AnsibleModule, with the secrets kept out of what it shows. Goes to origins as well, so it needs no library."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ._core import EarlyModule, register_secrets
from ._secrets import Secrets, parsed, restored, withhold


class MaskingModule(EarlyModule):
    """One that masks what it shows by our rules. options: the validated ones, with what was withheld from Ansible."""

    def look_at(self, options: dict[str, Any]) -> None:
        options.update(parsed(self.argument_spec, encodable(options)))
        self.secrets = Secrets(self.argument_spec, options, os.environ)
        self.withheld = withhold(self.argument_spec, options)
        # Two ways, of which ansible-core has one: the system's log is the first to get the options
        register_secrets(self.secrets.registered)
        self.no_log_values.update(self.secrets.registered)

    @property
    def options(self) -> dict[str, Any]:
        return restored(self.params, self.withheld)

    def exit_json(self, **result: Any) -> None:
        super().exit_json(**self._shown(result))

    def fail_json(self, msg: str, **result: Any) -> None:
        super().fail_json(**self._shown({"msg": msg, **result}))

    def _shown(self, result: Mapping[str, Any]) -> dict[str, Any]:
        self.no_log_values.clear()  # which ansible-core < 2.22 would mask in the return values as well
        return self.secrets.hide({"invocation": {"module_args": self.params}, **result})


def encodable(params: Mapping[str, Any]) -> dict[str, Any]:
    """The options with U+FFFD in place of what neither syslog nor every result can hold: of a file that is binary.

    That is NUL, and bytes that Ansible's file lookup escaped as surrogates.
    """
    return {
        name: re.sub("[\0\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) else value
        for name, value in params.items()
    }
