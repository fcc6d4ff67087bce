# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection needs of the private API of ansible-core, pyOpenSSL and cryptography, each by its name.

When a new release breaks something, the test that fails here names it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.data import InventoryData
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.plugins.loader import connection_loader, inventory_loader
from ansible.template import Templar

from ansible_collections.originsec.cloudflare.plugins.module_utils import _core
from ansible_collections.originsec.cloudflare.plugins.plugin_utils import _core as _controller
from ansible_collections.originsec.cloudflare.tests.unit import support

PLUGINS = Path(_core.__file__).parents[1]
SPEC: dict[str, dict[str, Any]] = {
    "text": {"type": "str", "aliases": ["words"]},
    "secret": {"type": "str", "no_log": True},
}


# ------------------------------------------------------------------------------------------------------- in modules


class Early(_core.EarlyModule):
    def look_at(self, options: dict[str, Any]) -> None:
        self.no_log_values.add("seen")
        self.seen = dict(options)
        options["text"] = "changed"


@pytest.mark.parametrize("diff", [True, False])
def test_ansible_module_load_params_and_diff(diff: bool) -> None:
    """`AnsibleModule._load_params` comes before options are judged, after `no_log_values`; `AnsibleModule._diff`."""
    assert AnsibleModule._load_params
    with support._arguments({"text": "given", "_ansible_diff": diff}):
        module = Early(argument_spec=SPEC)
    assert module.seen["text"] == "given"
    assert module.params["text"] == "changed"
    assert "seen" in module.no_log_values
    assert _core.asks_for_diff(module) is diff


def test_validation_result_warnings_and_deprecations() -> None:
    """`ValidationResult._warnings` and `ValidationResult._deprecations`."""
    deprecated = [{"name": "words", "version": "9.0.0", "collection_name": "originsec.cloudflare"}]
    spec = {**SPEC, "text": {**SPEC["text"], "deprecated_aliases": deprecated}}
    aliases, deprecations = _core.validation_notes(ArgumentSpecValidator(spec).validate({"text": "a", "words": "b"}))
    assert list(aliases) == [{"option": "text", "alias": "words"}]
    assert "Alias 'words' is deprecated" in deprecations[0]["msg"]


def test_register_secrets() -> None:
    """`ansible.module_utils.secrets.register_secrets` of ansible-core >= 2.22; nothing before."""
    secret = "canary-of-the-register"
    _core.register_secrets([secret])
    if importlib.util.find_spec("ansible.module_utils.secrets"):
        from ansible.module_utils.secrets import mask_secrets

        assert mask_secrets(f"of {secret}") == "of $REDACTED$"
    else:
        assert _core.register_secrets.__module__ == _core.__name__


def test_pyopenssl_set1_curves_list() -> None:
    """`OpenSSL._util.lib.SSL_CTX_set1_curves_list` and `OpenSSL.SSL.Context._context`."""
    ssl = pytest.importorskip("OpenSSL.SSL", reason="needs pyOpenSSL")
    pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")
    context = ssl.Context(ssl.TLS_CLIENT_METHOD)
    assert _core.set_groups(context, "X25519:P-256")
    assert _core.set_groups(context, "*X25519MLKEM768:*X25519")
    assert not _core.set_groups(context, "no-such-group")


def test_cryptography_object_identifier_name() -> None:
    """`cryptography.x509.ObjectIdentifier._name`."""
    x509 = pytest.importorskip("cryptography.x509", reason="needs cryptography")
    assert _core.name_of_oid(x509.ObjectIdentifier("1.2.840.10045.4.3.2")) == "ecdsa-with-SHA256"
    assert _core.name_of_oid(x509.ObjectIdentifier("1.2.3.4")) == "Unknown OID"


# ------------------------------------------------------------------------------------------------ on the controller


@pytest.fixture
def action() -> Any:
    loader, context = DataLoader(), PlayContext()
    context.remote_addr = "host.example"
    keywords = {
        "async": 7,
        "poll": 1,
        "environment": [{"NAME": 1, "OTHER": "{{ 'templ' ~ 'ated' }}"}],
        "check_mode": True,
    }
    task = {
        "action": "originsec.cloudflare.origin_pqe",
        "args": {"value": "off", "retries": 3},
        "diff": True,
        **keywords,
    }
    templar = Templar(loader)
    return _controller.Action(
        task=Task.load(task, loader=loader),
        connection=connection_loader.get("local", context, "/dev/null"),
        play_context=context,
        loader=loader,
        templar=templar,
        shared_loader_obj=None,
    )


def test_action_task(action: Any) -> None:
    """`ActionBase._task`: `.action`, `.async_val`, `.check_mode`."""
    assert action.action == "originsec.cloudflare.origin_pqe"
    assert action.runs_asynchronously
    assert action.check_mode
    action._task.check_mode = False
    with action.in_check_mode():
        assert action.told({})["_ansible_check_mode"] is True
    assert action.told({})["_ansible_check_mode"] is False


def test_action_task_args_and_json_encoder(action: Any) -> None:
    """`ActionBase._task.args`, and the encoder for what goes to modules, in `ansible.module_utils.common.json`."""
    assert action.options() == {"value": "off", "retries": 3}
    assert {type(value) for value in action.options().values()} == {str, int}


def test_action_play_context(action: Any) -> None:
    """`ActionBase._play_context.remote_addr`."""
    assert action.host == "host.example"


def test_action_connection(action: Any) -> None:
    """`ActionBase._connection`: `.transport`, `.become`."""
    assert action.transport == "local"
    assert not action.becomes
    action._connection.set_become_plugin(object())
    assert action.becomes


def test_action_templar(action: Any) -> None:
    """`ActionBase._templar`."""
    template = "{{ 'templ' ~ 'ated' }}"
    with contextlib.suppress(ImportError):  # ansible-core < 2.19 trusts every text
        from ansible.template import trust_as_template

        template = trust_as_template(template)
    assert action.templated(template) == "templated"
    assert action.templated(True) is True


def test_action_update_module_args(action: Any) -> None:
    """`ActionBase._update_module_args`: what a module is told of check mode, diff and its name."""
    assert ActionBase._update_module_args
    told = action.told({})
    assert told["_ansible_check_mode"] is True
    assert told["_ansible_diff"] is True
    assert told["_ansible_module_name"] == "originsec.cloudflare.origin_pqe"


def test_action_compute_environment_string(action: Any) -> None:
    """`ActionBase._compute_environment_string` works templates out and fills the dictionary that it is given."""
    assert ActionBase._compute_environment_string
    variables = action.variables()
    assert variables["NAME"] == "1"
    assert all(isinstance(text, str) for text in variables.values())


@pytest.fixture
def plugin(tmp_path: Path) -> Any:
    class InventoryModule(_controller.InventoryPlugin):  # by which name Ansible finds the options
        NAME = "ansible.builtin.constructed"

        def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
            super().parse(inventory, loader, path, cache)
            self.read_options(path)

    path = tmp_path / "constructed.yml"
    source = {
        "plugin": "ansible.builtin.constructed",
        "strict": True,
        "compose": {"composed": "'a' ~ 'b'"},
        "groups": {"grouped": "composed == 'ab'"},
        "keyed_groups": [{"key": "composed", "prefix": "key"}],
    }
    path.write_text(yaml.safe_dump(source))
    known = inventory_loader.get("constructed")
    plugin = InventoryModule()
    plugin._load_name, plugin._original_path = known._load_name, known._original_path
    plugin._redirected_names, plugin.ansible_aliases = [], []
    plugin.ansible_name = "ansible.builtin.constructed"
    inventory = InventoryData()
    inventory.add_host("host.example")
    plugin.parse(inventory, DataLoader(), str(path), cache=False)
    return plugin


def test_inventory_read_config_data(plugin: Any) -> None:
    """`BaseInventoryPlugin._read_config_data`, and `_vars`, those given with --extra-vars."""
    assert BaseInventoryPlugin._read_config_data
    assert plugin.get_option("compose") == {"composed": "'a' ~ 'b'"}
    assert plugin.templar.available_variables is plugin._vars


def test_inventory_constructed(plugin: Any) -> None:
    """`_set_composite_vars`, `_add_host_to_composed_groups`, `_add_host_to_keyed_groups` of `Constructable`."""
    assert Constructable._set_composite_vars
    assert Constructable._add_host_to_composed_groups
    assert Constructable._add_host_to_keyed_groups
    plugin.construct("host.example")
    host = plugin.inventory.get_host("host.example")
    assert host.get_vars()["composed"] == "ab"
    assert {"grouped", "key_ab"} <= {group.name for group in host.get_groups()}


# ---------------------------------------------------------------------------------------------------- and nowhere else

OF_OTHERS = re.compile(
    r"""
    ansible[.\w]*\._\w+                                # a private module
    | OpenSSL\._util | \b_context\b(?!\() | \b(oid|algorithm)\._name\b
    | (module|validation\w*|response|task|connection|templar|play_context)\._[a-z]\w*
    | self\._(task|connection|templar|play_context|loader|shared_loader_obj|vars|cache|read_config_data|options)\b
    | \._?(update_module_args|compute_environment_string|no_log_values|set_composite_vars|add_host_to_\w+_groups)\b
    | common\s+import\s+json | module_utils\.common\.json | \bremove_values\b
    """,
    re.VERBOSE,
)


def test_private_api_is_used_nowhere_else() -> None:
    allowed = "self.no_log_values."  # a public attribute
    found = {
        f"{path.relative_to(PLUGINS)}: {line.strip()}"
        for path in PLUGINS.rglob("*.py")
        if path.name != "_core.py"
        for line in path.read_text().splitlines()
        if OF_OTHERS.search(line.replace(allowed, "").replace("def _context", "").partition("#")[0])
    }
    assert found == set()
    # It would find them
    for path in (_core.__file__, _controller.__file__):
        assert len([line for line in Path(path).read_text().splitlines() if OF_OTHERS.search(line)]) > 3
