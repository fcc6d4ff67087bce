# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings: what they take, what they refuse and what they echo."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import (
    AOP_SETTINGS,
    COMPLIANCE,
    KEX,
    PQE,
    SSL,
    Api,
    refusal,
    result,
)


def test_kex(api: Api, zone: Zone) -> None:
    before = api.get(KEX)
    assert set(before) == {"id", "enabled", "modified_on"}
    assert (before["id"], before["enabled"]) == ("auto_origin_tls_kex", False)
    after = result(api("PATCH", KEX, {"enabled": True}))
    assert after["enabled"] is True
    times = [datetime.datetime.strptime(answer["modified_on"], "%Y-%m-%dT%H:%M:%S.%fZ") for answer in (before, after)]
    assert times[0] < times[1]
    assert api.get(KEX) == after
    assert zone.kex_enabled


@pytest.mark.parametrize("body", [{"value": True}, {"value": "on"}, {"enabled": "true"}, {}, None, [True]])
def test_kex_takes_enabled_only(api: Api, zone: Zone, body: Any) -> None:
    assert refusal(api("PATCH", KEX, body))[0] == 400
    assert not zone.kex_enabled


@pytest.mark.parametrize("value", ["preferred", "supported", "off"])
def test_pqe_stores_and_echoes(api: Api, value: str) -> None:
    assert api.get(PQE) == {"id": "origin_pqe", "value": "supported", "editable": True}  # no modified_on yet
    stored = result(api("PUT", PQE, {"value": value}))
    assert set(stored) == {"id", "value", "editable", "modified_on"}
    assert (stored["id"], stored["value"]) == ("origin_pqe", value)
    assert api.get(PQE) == stored


@pytest.mark.parametrize("body", [{"value": "on"}, {"value": False}, {"enabled": True}, {}, None])
def test_pqe_refuses_other_values(api: Api, zone: Zone, body: Any) -> None:
    assert refusal(api("PUT", PQE, body))[0] == 400
    assert zone.pqe_value == "supported"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_compliance_is_a_full_replace(api: Api, zone: Zone, method: str) -> None:
    assert sorted(result(api(method, COMPLIANCE, {"value": ["pqh", "fips"]}))["value"]) == ["fips", "pqh"]
    assert result(api(method, COMPLIANCE, {"value": ["pqh"]}))["value"] == ["pqh"]
    assert api.get(COMPLIANCE)["value"] == ["pqh"]
    assert result(api(method, COMPLIANCE, {"value": ["fips"]}))["value"] == ["fips"]
    assert result(api(method, COMPLIANCE, {"value": []}))["value"] == []
    assert api.get(COMPLIANCE)["value"] == []


def test_compliance_delete_clears(api: Api, zone: Zone) -> None:
    zone.compliance_modes = ["fips", "pqh"]
    assert result(api("DELETE", COMPLIANCE))["value"] == []
    assert api.get(COMPLIANCE)["value"] == []
    assert zone.compliance_modes == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_compliance_refuses_an_empty_intersection(api: Api, zone: Zone, method: str) -> None:
    """Each of the two is accepted alone."""
    for modes in (["pqh"], ["cnsa2"]):
        assert result(api(method, COMPLIANCE, {"value": modes}))["value"] == modes
    assert refusal(api(method, COMPLIANCE, {"value": ["pqh", "cnsa2"]}))[0] == 400
    assert refusal(api(method, COMPLIANCE, {"value": ["fips", "pqh", "cnsa2"]}))[0] == 400
    assert api.get(COMPLIANCE)["value"] == ["cnsa2"]


@pytest.mark.parametrize("body", [{"value": ["tls13"]}, {"value": "fips"}, {"value": [["fips"]]}, {}, None])
def test_compliance_refuses_other_values(api: Api, zone: Zone, body: Any) -> None:
    zone.compliance_modes = ["fips"]
    assert refusal(api("PUT", COMPLIANCE, body))[0] == 400
    assert zone.compliance_modes == ["fips"]


def test_compliance_shows_modes_that_nobody_knows_yet(api: Api, zone: Zone) -> None:
    zone.compliance_modes = ["fips", "fromthefuture"]
    assert api.get(COMPLIANCE)["value"] == ["fips", "fromthefuture"]


def test_compliance_echoes_another_id(api: Api, emulator: Emulator) -> None:
    assert api.get(COMPLIANCE) == {"id": "origin_tls_cmpl", "value": [], "editable": True}  # no modified_on yet
    stored = result(api("PUT", COMPLIANCE, {"value": ["fips"]}))
    assert set(stored) == {"id", "value", "editable", "modified_on"}
    assert stored["id"] == "origin_tls_cmpl"
    emulator.compliance_id = "origin_tls_compliance_modes"
    assert api.get(COMPLIANCE)["id"] == "origin_tls_compliance_modes"


@pytest.mark.parametrize("mode", ["off", "flexible", "full", "strict", "origin_pull"])
def test_ssl(api: Api, zone: Zone, mode: str) -> None:
    zone.ssl_mode = mode
    setting = api.get(SSL)
    assert (setting["id"], setting["value"]) == ("ssl", mode)


def test_aop_settings(api: Api, zone: Zone) -> None:
    assert api.get(AOP_SETTINGS) == {"enabled": False}
    assert result(api("PUT", AOP_SETTINGS, {"enabled": True})) == {"enabled": True}
    assert api.get(AOP_SETTINGS) == {"enabled": True}
    assert result(api("PUT", AOP_SETTINGS, {"enabled": False})) == {"enabled": False}
    assert not zone.aop_enabled


@pytest.mark.parametrize("body", [{"value": True}, {"enabled": 1}, {"enabled": "on"}, {}, None])
def test_aop_settings_take_a_boolean(api: Api, zone: Zone, body: Any) -> None:
    assert refusal(api("PUT", AOP_SETTINGS, body))[0] == 400
    assert not zone.aop_enabled


def test_zones_are_independent(api: Api, emulator: Emulator, zone: Zone) -> None:
    other = emulator.add_zone("other.example")
    result(api("PATCH", KEX, {"enabled": True}))
    result(api("PUT", PQE, {"value": "off"}))
    result(api("PUT", COMPLIANCE, {"value": ["fips"]}))
    result(api("PUT", AOP_SETTINGS, {"enabled": True}))
    api.zone = other
    assert not api.get(KEX)["enabled"]
    assert api.get(PQE)["value"] == "supported"
    assert api.get(COMPLIANCE)["value"] == []
    assert not api.get(AOP_SETTINGS)["enabled"]
