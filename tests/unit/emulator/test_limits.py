# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rate limit."""

from __future__ import annotations

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import (
    AOP_SETTINGS,
    ENDPOINTS,
    KEX,
    PQE,
    RATE_LIMIT,
    RATE_LIMIT_POLICY,
    Api,
    refusal,
    result,
)


@pytest.fixture(autouse=True)
def _frozen(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes with advance() only, however slow the machine is."""
    monkeypatch.setattr(emulator, "now", lambda: emulator._advanced)


def headers(api: Api, path: str = "/zones") -> tuple[int, str, str]:
    response = api("GET", path)
    return response.status_code, response.headers["Ratelimit"], response.headers["Ratelimit-Policy"]


def test_as_documented(api: Api) -> None:
    assert headers(api) == (200, '"default";r=1199;t=300', '"default";q=1200;w=300')
    assert headers(api)[1] == '"default";r=1198;t=300'


def test_every_answer_tells(api: Api, emulator: Emulator, zone: Zone) -> None:
    nobody, stranger = Api(emulator, zone, {}), Api.with_token(emulator, zone, "stranger")
    powerless = Api.with_token(emulator, zone, emulator.add_token(frozenset()))
    answers = [
        *(api(endpoint.method, endpoint.path, endpoint.body, certificate="0" * 32) for endpoint in ENDPOINTS),
        api("GET", "/nothing"),
        api("PATCH", PQE, {"value": "off"}),
        api("PATCH", KEX, {"value": True}),
        nobody("GET", "/zones"),
        stranger("GET", "/zones"),
        powerless("GET", "/zones"),
    ]
    emulator.quota = 1
    answers += [api("GET", "/zones"), api("GET", "/zones")]
    assert {answer.status_code for answer in answers} == {200, 400, 403, 404, 405, 429}
    for answer in answers:
        assert RATE_LIMIT.fullmatch(answer.headers["Ratelimit"])
        assert RATE_LIMIT_POLICY.fullmatch(answer.headers["Ratelimit-Policy"])


@pytest.fixture
def scaled(emulator: Emulator) -> Emulator:
    emulator.quota, emulator.window, emulator.block = 3, 100, 50
    return emulator


def exhaust(api: Api) -> None:
    for remaining in (2, 1, 0):
        assert headers(api) == (200, f'"default";r={remaining};t=100', '"default";q=3;w=100')


def test_past_the_quota_every_call_is_refused(scaled: Emulator, api: Api, zone: Zone) -> None:
    exhaust(api)
    for endpoint in ENDPOINTS:
        answer = api(endpoint.method, endpoint.path, endpoint.body, certificate="0" * 32)
        assert refusal(answer) == (429, [971])
        assert answer.headers["Retry-After"] == "50"
        assert answer.headers["Ratelimit"] == '"default";r=0;t=50'
    assert not zone.kex_enabled
    assert not zone.aop_enabled


def test_the_block_ends(scaled: Emulator, api: Api) -> None:
    exhaust(api)
    assert refusal(api("GET", "/zones")) == (429, [971])
    scaled.advance(30)
    refused = api("GET", "/zones")
    assert refusal(refused) == (429, [971])
    assert refused.headers["Retry-After"] == "20"  # asking does not make it longer
    scaled.advance(20)
    assert headers(api)[1] == '"default";r=2;t=100'


def test_the_quota_comes_back_with_the_window(scaled: Emulator, api: Api) -> None:
    exhaust(api)
    scaled.advance(60)
    scaled.quota = 4
    assert headers(api)[1] == '"default";r=0;t=40'
    scaled.advance(40)
    assert headers(api)[1] == '"default";r=3;t=100'


def test_users_are_counted_and_not_tokens(scaled: Emulator, api: Api, zone: Zone) -> None:
    second = Api.with_token(scaled, zone, scaled.add_token())
    key = Api(scaled, zone, {"X-Auth-Email": "a@example.com", "X-Auth-Key": scaled.add_key("a@example.com")})
    another = Api.with_token(scaled, zone, scaled.add_token(user="another"))
    assert [headers(caller)[1] for caller in (api, second, key)] == [f'"default";r={r};t=100' for r in (2, 1, 0)]
    assert [refusal(caller("GET", "/zones")) for caller in (api, second, key)] == [(429, [971])] * 3
    assert headers(another)[1] == '"default";r=2;t=100'


def test_a_refused_write_has_not_been_done(scaled: Emulator, api: Api, zone: Zone) -> None:
    exhaust(api)
    assert refusal(api("PUT", AOP_SETTINGS, {"enabled": True})) == (429, [971])
    assert not zone.aop_enabled
    scaled.advance(50)
    assert result(api("PUT", AOP_SETTINGS, {"enabled": True}))["enabled"]
