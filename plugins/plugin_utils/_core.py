# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""The private API of ansible-core that plugins of the controller use, each behind a name of our own.

What modules use as well is in module_utils/_core.py. tests/unit/plugins/test_core.py names each of them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ansible.module_utils.common import json as ansible_json
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

if hasattr(ansible_json, "get_module_encoder"):  # ansible-core >= 2.19
    _ENCODER = ansible_json.get_module_encoder("legacy", ansible_json.Direction.CONTROLLER_TO_MODULE)
else:
    _ENCODER = partial(ansible_json.AnsibleJSONEncoder, vault_to_text=True)


class Action(NormalAction):
    """The action that Ansible takes for a module, and what it knows of the task."""

    @property
    def action(self) -> str:
        """The name of the module, as the task has it."""
        return str(self._task.action)

    @property
    def host(self) -> str:
        """For messages."""
        return str(self._play_context.remote_addr)

    @property
    def transport(self) -> str:
        """The name of the connection plugin."""
        return str(self._connection.transport)

    @property
    def becomes(self) -> bool:
        """Whether the task is to become another user."""
        return bool(self._connection.become)

    @property
    def runs_asynchronously(self) -> bool:
        return bool(self._task.async_val)

    @property
    def check_mode(self) -> bool:
        """Whether nothing is to be changed."""
        return bool(self._task.check_mode)

    @contextlib.contextmanager
    def in_check_mode(self) -> Iterator[None]:
        """Whatever runs within it changes nothing."""
        before = self._task.check_mode
        self._task.check_mode = True
        try:
            yield
        finally:
            self._task.check_mode = before

    def templated(self, value: Any) -> Any:
        """The value, with templates worked out."""
        return self._templar.template(value)

    @property
    def arguments(self) -> dict[str, Any]:
        """The task's options as they came."""
        arguments: dict[str, Any] = self._task.args
        return arguments

    @arguments.setter
    def arguments(self, arguments: dict[str, Any]) -> None:
        self._task.args = arguments

    def options(self) -> dict[str, Any]:
        """The task's options as a module gets them, in plain types of our own."""
        options: dict[str, Any] = json.loads(json.dumps(self._task.args, cls=_ENCODER))
        return options

    def told(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """What a module is told beside its options: ``_ansible_check_mode`` and the like."""
        told: dict[str, Any] = {}
        self._update_module_args(self._task.action, told, task_vars)
        return told

    def variables(self) -> dict[str, str]:
        """The variables of the ``environment:`` keyword, worked out."""
        variables: dict[str, Any] = {}
        self._compute_environment_string(variables)
        return {str(name): str(value) for name, value in variables.items()}


class InventoryPlugin(BaseInventoryPlugin, Constructable, Cacheable):
    """What Ansible gives the plugins that read an inventory from elsewhere."""

    def read_options(self, path: str) -> None:
        """Those in the file, which may be templates that see the variables given with --extra-vars."""
        self.templar.available_variables = self._vars
        self._read_config_data(path)

    def construct(self, host: str) -> None:
        """The variables and groups that the options compose, groups and keyed_groups ask for."""
        strict = self.get_option("strict")
        variables = self.inventory.get_host(host).get_vars()
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), {}, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), {}, host, strict=strict)
