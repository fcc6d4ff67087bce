# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""The private API of ansible-core, pyOpenSSL and cryptography that modules use, each behind a name of our own.

What only the controller has is in plugin_utils/_core.py: a module utility travels with modules, to hosts that have no
Ansible, and must be importable there. tests/unit/plugins/test_core.py names each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

try:
    from ansible.module_utils.secrets import register_secrets
except ImportError:  # ansible-core < 2.22 masks what is in AnsibleModule.no_log_values

    def register_secrets(values: Iterable[str], /) -> None:
        """Do nothing: there is no such register."""


__all__ = ["EarlyModule", "asks_for_diff", "name_of_oid", "register_secrets", "set_groups", "validation_notes"]


class EarlyModule(AnsibleModule):
    """AnsibleModule with a look at the options before they are judged, logged or put into a message."""

    def look_at(self, options: dict[str, Any]) -> None:
        """Called once, with the options as they came. What is changed in them is changed for Ansible."""
        raise NotImplementedError

    def _load_params(self) -> None:
        super()._load_params()
        self.look_at(self.params)


def asks_for_diff(module: AnsibleModule) -> bool:
    """Whether the user wants a diff."""
    return bool(module._diff)


def validation_notes(validation: Any) -> tuple[list[Mapping[str, str]], list[dict[str, Any]]]:
    """(option and alias where both are set, deprecations) of an argument spec's ValidationResult."""
    return validation._warnings, validation._deprecations


def set_groups(context: Any, groups: str) -> bool:
    """Have pyOpenSSL's context offer these groups, for which it has no function of its own; whether OpenSSL knows them.

    Raises ImportError or AttributeError where pyOpenSSL, or the cryptography below it, cannot do it.
    """
    from OpenSSL._util import lib  # here, since only a probe needs it

    return bool(lib.SSL_CTX_set1_curves_list(context._context, groups.encode()))


def name_of_oid(oid: Any) -> str:
    """What cryptography calls the algorithm with this x509.ObjectIdentifier, as sha256WithRSAEncryption."""
    return str(oid._name)
