# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three modules that manage one setting behave alike."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.modules import (
    auto_origin_tls_kex,
    origin_pqe,
    origin_tls_compliance_modes,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import run_module

# module, name of the return value, its keys, field, option, before, after
CASES = [
    (auto_origin_tls_kex, "auto_origin_tls_kex", {"id", "enabled", "modified_on"}, "enabled", "enabled", False, True),
    (origin_pqe, "origin_pqe", {"id", "value", "editable", "modified_on"}, "value", "value", "supported", "off"),
    (
        origin_tls_compliance_modes,
        "origin_tls_compliance_modes",
        {"id", "value", "editable", "modified_on"},
        "value",
        "modes",
        [],
        ["fips", "pqh"],
    ),
]
IDS = [case[1] for case in CASES]


@pytest.mark.parametrize(("module", "name", "keys", "field", "option", "before", "after"), CASES, ids=IDS)
@pytest.mark.parametrize("named", [False, True], ids=["by id", "by name"])
def test_check_change_and_no_change(
    module: ModuleType,
    name: str,
    keys: set[str],
    field: str,
    option: str,
    before: Any,
    after: Any,
    named: bool,
    options: dict[str, Any],
    emulator: Emulator,
    zone: Zone,
) -> None:
    if named:
        del options["zone_id"]
        options["zone"] = "Example.com"
    params = {**options, option: after}
    foreseen = run_module(module, params, check=True, diff=True)
    assert set(emulator.count()) == {"GET"}

    done = run_module(module, params, diff=True)
    assert done["changed"]
    assert done["zone_id"] == zone.id
    assert set(done[name]) == set(done["previous"]) == keys
    assert (done["previous"][field], done[name][field]) == (before, after)
    assert done["diff"] == {"before": {field: before}, "after": {field: after}}
    # The check foresaw all of it but the time
    foreseen[name]["modified_on"] = done[name]["modified_on"]
    assert foreseen == done

    emulator.journal.clear()
    again = run_module(module, params, diff=True)
    assert not again["changed"]
    assert again[name] == again["previous"] == done[name]
    assert again["diff"]["before"] == again["diff"]["after"]
    assert emulator.count() == {"GET": 1 + named}


@pytest.mark.parametrize(("module", "name", "keys", "field", "option", "before", "after"), CASES, ids=IDS)
def test_a_write_without_effect(
    module: ModuleType,
    name: str,
    keys: set[str],
    field: str,
    option: str,
    before: Any,
    after: Any,
    options: dict[str, Any],
    emulator: Emulator,
) -> None:
    emulator.faults.append(Fault(method="PUT|PATCH", ignore=True))
    result = run_module(module, {**options, option: after})
    assert result["failed"]
    assert repr(before) in result["msg"]
    assert repr(after) in result["msg"]


def test_yaml_off(options: dict[str, Any], zone: Zone) -> None:
    """A bare off is False by the time that Ansible has it."""
    assert run_module(origin_pqe, {**options, "value": False})["origin_pqe"]["value"] == "off"
    assert zone.pqe_value == "off"


def test_origin_pqe_warns_when_it_changes_something(options: dict[str, Any]) -> None:
    def warned(check: bool) -> bool:
        result = run_module(origin_pqe, {**options, "value": "preferred"}, check=check)
        return any("no-op since 2026-07-24" in str(warning) for warning in result.get("warnings", []))

    assert warned(check=True)
    assert warned(check=False)
    assert not warned(check=False)


def test_a_value_outside_the_choices(options: dict[str, Any], emulator: Emulator) -> None:
    result = run_module(origin_pqe, {**options, "value": "on"})
    assert "value of value must be one of: preferred, supported, off" in result["msg"]
    assert emulator.journal == []


def test_compliance_modes_are_a_set(options: dict[str, Any], emulator: Emulator, zone: Zone) -> None:
    assert run_module(origin_tls_compliance_modes, {**options, "modes": ["pqh", "fips", "pqh"]})["changed"]
    assert emulator.journal[-1].body == {"value": ["fips", "pqh"]}
    for modes in (["fips", "pqh"], ["pqh", "fips"], ["fips", "pqh", "fips"]):
        assert not run_module(origin_tls_compliance_modes, {**options, "modes": modes})["changed"]
    assert run_module(origin_tls_compliance_modes, {**options, "modes": []})["changed"]
    assert zone.compliance_modes == []
    assert not run_module(origin_tls_compliance_modes, {**options, "modes": []})["changed"]


def test_compliance_modes_as_they_are_typed(options: dict[str, Any], emulator: Emulator, zone: Zone) -> None:
    for check in (True, False):
        result = run_module(origin_tls_compliance_modes, {**options, "modes": "fips, pqh,"}, check=check)
        assert result["origin_tls_compliance_modes"]["value"] == ["fips", "pqh"]
    emulator.journal.clear()
    for blank in ("", " ", ",", [""], ["", " "]):
        message = run_module(origin_tls_compliance_modes, {**options, "modes": blank})["msg"]
        assert message == "modes is blank: give a list of names such as fips and pqh, or [] to clear all modes."
    for modes in ("[]", '["fips","pqh"', ["fi ps"]):
        assert (
            "a list of names such as fips"
            in run_module(origin_tls_compliance_modes, {**options, "modes": modes})["msg"]
        )
    assert emulator.journal == []
    assert zone.compliance_modes == ["fips", "pqh"]


def test_compliance_modes_that_come_as_null(options: dict[str, Any], emulator: Emulator) -> None:
    emulator.faults.append(Fault(body={"success": True, "result": {"id": "origin_tls_cmpl", "value": None}}))
    result = run_module(origin_tls_compliance_modes, {**options, "modes": []})
    assert not result["changed"]
    assert result["origin_tls_compliance_modes"]["value"] == []


@pytest.mark.parametrize("modes", [["pqh", "cnsa2"], ["fips", "unheard-of"]])
def test_compliance_modes_that_cloudflare_refuses(options: dict[str, Any], zone: Zone, modes: list[str]) -> None:
    result = run_module(origin_tls_compliance_modes, {**options, "modes": modes})
    assert result["failed"]
    assert "code 1007" in result["msg"]
    assert zone.compliance_modes == []
