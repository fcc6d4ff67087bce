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
    AUTOMATIC,
    COMPLIANCE,
    GLOBAL,
    KEX,
    PQE,
    SETTINGS,
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
    assert refusal(api("PUT", PQE, body)) == (400, [1146])
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
    answer = result(api("DELETE", COMPLIANCE))
    assert set(answer) == {"id", "editable", "modified_on"}  # and no value
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


@pytest.mark.parametrize("mode", ["off", "flexible", "full", "strict"])
def test_ssl_is_written(api: Api, zone: Zone, mode: str) -> None:
    before = api.get(SSL)
    assert before["modified_on"] is None
    after = result(api("PATCH", SSL, {"value": mode}))
    assert set(after) == {"id", "value", "editable", "modified_on", "certificate_status", "validation_errors"}
    assert (after["value"], after["editable"], zone.ssl_mode) == (mode, True, mode)
    assert after["modified_on"] is not None
    assert api.get(SSL) == after


@pytest.mark.parametrize("body", [{"value": "Strict"}, {"value": True}, {"enabled": True}, {}, None])
@pytest.mark.parametrize("path", [SSL, AUTOMATIC, GLOBAL])
def test_1007_other_values(api: Api, zone: Zone, path: str, body: Any) -> None:
    assert refusal(api("PATCH", path, body)) == (400, [1007])
    assert (zone.ssl_mode, zone.ssl_automatic_mode, zone.global_aop_enabled) == ("full", "custom", False)


@pytest.mark.parametrize(("code", "status"), [(1005, 500), (1057, 400), (1135, 400)])
@pytest.mark.parametrize(("path", "value"), [(SSL, "strict"), (AUTOMATIC, "auto"), (GLOBAL, "on")])
def test_settings_that_cannot_be_written(api: Api, zone: Zone, path: str, value: str, code: int, status: int) -> None:
    before = api.get(path)
    assert before["editable"] is True
    zone.refuses[before["id"]] = code
    assert refusal(api("PATCH", path, {"value": value})) == (status, [code])
    assert api.get(path) == {**before, "editable": code == 1005}


def test_origin_pull_is_enterprise(api: Api, zone: Zone) -> None:
    assert refusal(api("PATCH", SSL, {"value": "origin_pull"})) == (400, [1135])
    assert api.get(SSL)["value"] == "full"
    zone.plan = "Enterprise Website"
    assert result(api("PATCH", SSL, {"value": "origin_pull"}))["value"] == "origin_pull"


def test_automatic_puts_a_written_mode_back(api: Api, emulator: Emulator, zone: Zone) -> None:
    zone.ssl_automatic_mode, emulator.ssl_automatic_delay = "auto", 60
    assert result(api("PATCH", SSL, {"value": "strict"}))["value"] == "strict"
    emulator.advance(59)
    assert (api.get(SSL)["value"], emulator.ssl_mode(zone)) == ("strict", "strict")
    emulator.advance(1)
    assert (api.get(SSL)["value"], emulator.ssl_mode(zone)) == ("full", "full")
    emulator.ssl_automatic_delay = 0
    assert result(api("PATCH", SSL, {"value": "strict"}))["value"] == "strict"
    assert api.get(SSL)["value"] == "full"

    answer = result(api("PATCH", AUTOMATIC, {"value": "custom"}))
    assert (answer["id"], answer["value"], answer["editable"]) == ("ssl_automatic_mode", "custom", True)
    assert answer["modified_on"]
    assert api.get(AUTOMATIC) == answer
    result(api("PATCH", SSL, {"value": "strict"}))
    emulator.advance(3600)
    assert api.get(SSL)["value"] == "strict"
    result(api("PATCH", AUTOMATIC, {"value": "auto"}))
    assert api.get(SSL)["value"] == "strict"  # what it would choose is up to the test


def test_writing_the_mode_may_end_automatic(api: Api, emulator: Emulator, zone: Zone) -> None:
    zone.ssl_automatic_mode, emulator.ssl_write_ends_automatic = "auto", True
    result(api("PATCH", SSL, {"value": "strict"}))
    assert (api.get(SSL)["value"], api.get(AUTOMATIC)["value"]) == ("strict", "custom")


def test_custom_keeps_what_is_not_put_back_yet(api: Api, emulator: Emulator, zone: Zone) -> None:
    zone.ssl_automatic_mode, emulator.ssl_automatic_delay = "auto", 60
    result(api("PATCH", SSL, {"value": "strict"}))
    result(api("PATCH", AUTOMATIC, {"value": "custom"}))
    emulator.advance(60)
    assert api.get(SSL)["value"] == "strict"


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_automatic_may_not_be_there(api: Api, zone: Zone, method: str) -> None:
    body = {"value": "custom"} if method == "PATCH" else None
    zone.ssl_automatic_failure = "404"
    assert refusal(api(method, AUTOMATIC, body))[0] == 404
    zone.ssl_automatic_failure = "1006"
    assert refusal(api(method, AUTOMATIC, body)) == (400, [1006])
    zone.ssl_automatic_failure = "text"
    response = api(method, AUTOMATIC, body)
    assert (response.status_code, response.text) == (404, "404 page not found\n")
    assert response.headers["Ratelimit"]
    assert result(api("PATCH", SSL, {"value": "strict"}))["value"] == "strict"
    assert api.get(SSL)["value"] == "strict"


def test_global(api: Api, zone: Zone) -> None:
    setting = {"id": "tls_client_auth", "value": "off", "editable": True, "modified_on": None}
    assert api.get(GLOBAL) == setting
    after = result(api("PATCH", GLOBAL, {"value": "on"}))
    assert after == {**setting, "value": "on", "modified_on": after["modified_on"]}
    assert after["modified_on"]
    assert (api.get(GLOBAL), zone.global_aop_enabled) == (after, True)
    assert result(api("PATCH", GLOBAL, {"value": "off"}))["value"] == "off"
    assert not zone.global_aop_enabled


def test_aggregate(api: Api, zone: Zone) -> None:
    """It holds two of ours, and none of the others."""
    result(api("PATCH", GLOBAL, {"value": "on"}))
    assert api.get(SETTINGS) == [api.get(SSL), api.get(GLOBAL)]


def test_messages(api: Api, emulator: Emulator) -> None:
    """They are objects, as errors are."""
    emulator.messages = [{"code": 10000, "message": "The endpoint is deprecated"}]
    assert api("GET", KEX).json()["messages"] == emulator.messages
    assert api("GET", "/zones").json()["messages"] == emulator.messages
    assert api("PATCH", KEX, {}).json()["messages"] == emulator.messages


@pytest.mark.parametrize("gone", [404, 410])
def test_pqe_at_its_end(api: Api, emulator: Emulator, gone: int) -> None:
    emulator.pqe_gone = gone
    assert refusal(api("GET", PQE))[0] == gone
    assert refusal(api("PUT", PQE, {"value": "off"}))[0] == gone


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
