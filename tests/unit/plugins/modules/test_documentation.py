# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation says is what the modules do; ansible-test compares it with the argument specs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, run_module

TREE = Path(__file__).parents[4]
MODULES = sorted(path.stem for path in (TREE / "plugins" / "modules").glob("*.py"))
API_MODULES = [name for name in MODULES if name not in ("origin_client_auth", "origin_tls_probe")]  # of origins
PACKAGE = "ansible_collections.originsec.cloudflare.plugins.modules"


def given(name: str, certificate: Issued) -> dict[str, Any]:
    """Options with which each module has something to return."""
    table: dict[str, dict[str, Any]] = {
        "auto_origin_tls_kex": {"enabled": True},
        "origin_pqe": {"value": "off"},
        "origin_tls_compliance_modes": {"modes": ["pqh"]},
        "origin_tls_client_auth": {
            "certificate": certificate.pem,
            "private_key": certificate.key_pem,
            "exclusive": True,
            "enabled": True,
        },
        "origin_tls_client_auth_hostname": {
            "hostname": "shop.example.com",
            "certificate": certificate.pem,
            "private_key": certificate.key_pem,
        },
        "origin_tls_client_auth_global": {"enabled": True},
        "origin_tls": {
            "certificate": certificate.pem,
            "private_key": certificate.key_pem,
            "auto_origin_tls_kex": True,
            "verify_urls": [],
        },
        "ssl_mode": {"mode": "strict"},
    }
    return table.get(name, {})


def undocumented(result: Any, documented: dict[str, Any], path: str = "") -> list[str]:
    """Where a result and its documentation differ, in either direction."""
    differences = [f"{path}{key}" for key in set(result) ^ set(documented)]
    for key in set(result) & set(documented):
        values = result[key] if isinstance(result[key], list) else [result[key]]
        for value in values:
            if isinstance(value, dict) and "contains" in documented[key]:
                differences += undocumented(value, documented[key]["contains"], f"{path}{key}.")
    return differences


@pytest.mark.parametrize("name", API_MODULES)
def test_return_values(
    name: str,
    options: dict[str, Any],
    emulator: Emulator,
    zone: Zone,
    client_certificate: Issued,
    other_certificate: Issued,
) -> None:
    emulator.upload(zone, other_certificate.pem)
    module = importlib.import_module(f"{PACKAGE}.{name}")
    result = run_module(module, {**options, **given(name, client_certificate)})
    for key in ("changed", "warnings", "invocation"):
        result.pop(key, None)
    assert undocumented(result, yaml.safe_load(module.RETURN)) == []


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_options_that_exist(name: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.{name}")
    fragment = importlib.import_module("ansible_collections.originsec.cloudflare.plugins.doc_fragments._api")
    known = {
        *yaml.safe_load(module.DOCUMENTATION)["options"],
        *yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"],
        *yaml.safe_load(fragment.ModuleDocFragment.ZONE)["options"],
    }
    tasks = [task for task in yaml.safe_load(module.EXAMPLES) if f"originsec.cloudflare.{name}" in task]
    assert tasks
    for task in tasks:
        assert set(task[f"originsec.cloudflare.{name}"]) <= known


def test_every_module_of_the_api_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((TREE / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["cloudflare"]) == API_MODULES
