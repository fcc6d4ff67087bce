# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may call what, what can be routed, and the list of zones."""

from __future__ import annotations

import http.client
import secrets
from typing import Any

import pytest
import requests

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import ALL_PERMISSIONS, Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import (
    AOP,
    COMPLIANCE,
    ENDPOINTS,
    HOSTNAMES,
    PQE,
    SETTINGS,
    STORE,
    STORE_CERTIFICATE,
    Api,
    Endpoint,
    chain,
    refusal,
    result,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

EMAIL = "someone@example.com"
EVERY_PERMISSION = frozenset(
    f"{area} {verb}" for area in ("Zone", "Zone Settings", "SSL and Certificates") for verb in ("Read", "Write")
)

of_every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
of_every_endpoint_of_a_zone = pytest.mark.parametrize("endpoint", ENDPOINTS[1:], ids=str)


@pytest.fixture
def call(emulator: Emulator, zone: Zone, client_certificate: Issued, other_certificate: Issued) -> Any:
    """Makes a call that nothing but its permissions can keep from working."""
    uploaded = emulator.upload(zone, client_certificate.pem)
    free = emulator.upload(zone, client_certificate.pem, hostname_level=True)
    used = emulator.upload(zone, issue("used").pem, hostname_level=True)
    emulator.associate(zone, "www.example.com", used)
    upload = {"certificate": other_certificate.pem, "private_key": other_certificate.key_pem}
    associate = {"config": [{"hostname": "shop.example.com", "cert_id": used.id, "enabled": True}]}

    def call(api: Api, endpoint: Endpoint) -> requests.Response:
        body = {("POST", AOP): upload, ("POST", STORE): upload, ("PUT", HOSTNAMES): associate}.get(
            (endpoint.method, endpoint.path), endpoint.body
        )
        named = free if endpoint.path == STORE_CERTIFICATE else uploaded
        return api(endpoint.method, endpoint.path, body, certificate=named.id)

    return call


# -- authentication


def test_both_schemes(emulator: Emulator, zone: Zone, token: str) -> None:
    assert Api(emulator, zone, {"Authorization": f"Bearer {token}"}).get("/zones/{zone}")["id"] == zone.id
    key = emulator.add_key(EMAIL)
    assert len(key) == 37
    assert Api(emulator, zone, {"X-Auth-Email": EMAIL, "X-Auth-Key": key}).get("/zones/{zone}")["id"] == zone.id


@pytest.mark.parametrize(
    "value", ['Bearer "{}"', "Bearer '{}'", "Bearer {} x", "Bearer", "{}", "Token {}", "Bearer\t{}"]
)
def test_6111_malformed_authorization(emulator: Emulator, zone: Zone, token: str, value: str) -> None:
    response = Api(emulator, zone, {"Authorization": value.format(token)})("GET", "/zones")
    assert refusal(response) == (400, [6003])
    assert chain(response) == [6111]


def test_6111_newline_in_the_token(emulator: Emulator, token: str) -> None:
    host = emulator.origin.partition("//")[2]
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/client/v4/zones", headers={"Authorization": f"Bearer {token[:20]}\n {token[20:]}"})
    answer = connection.getresponse()
    assert answer.status == 400
    assert b'"code": 6111' in answer.read()
    connection.close()


def test_6103_token_given_as_key(emulator: Emulator, zone: Zone, token: str) -> None:
    response = Api(emulator, zone, {"X-Auth-Email": EMAIL, "X-Auth-Key": token})("GET", "/zones")
    assert refusal(response) == (400, [6003])
    assert chain(response) == [6103]


def test_6102_malformed_email(emulator: Emulator, zone: Zone) -> None:
    response = Api(emulator, zone, {"X-Auth-Email": "someone", "X-Auth-Key": emulator.add_key(EMAIL)})("GET", "/zones")
    assert refusal(response) == (400, [6003])
    assert chain(response) == [6102]


def test_unknown_key(emulator: Emulator, zone: Zone) -> None:
    key = emulator.add_key(EMAIL)
    for headers in (
        {"X-Auth-Email": "another@example.com", "X-Auth-Key": key},
        {"X-Auth-Email": EMAIL, "X-Auth-Key": secrets.token_hex(19)[:37]},
        {"X-Auth-Email": EMAIL, "X-Auth-Key": "cfk_abcdefghijklmnop"},
    ):
        response = Api(emulator, zone, headers)("GET", "/zones")
        assert refusal(response) == (403, [9103])


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Email": EMAIL}, {"X-Auth-Key": "0" * 37}])
def test_no_credentials(emulator: Emulator, zone: Zone, headers: dict[str, str]) -> None:
    assert refusal(Api(emulator, zone, headers)("GET", "/zones")) == (400, [9106])


@of_every_endpoint
@pytest.mark.parametrize("unknown", ["cfut_0123456789abcdefghij", "short"])
def test_9109_token_is_not_valid(emulator: Emulator, zone: Zone, endpoint: Endpoint, unknown: str, call: Any) -> None:
    api = Api.with_token(emulator, zone, unknown)
    assert refusal(call(api, endpoint)) == (403, [9109])


@of_every_endpoint_of_a_zone
def test_9109_token_is_not_scoped_to_the_zone(emulator: Emulator, zone: Zone, endpoint: Endpoint, call: Any) -> None:
    other = emulator.add_zone("other.example")
    scoped = Api.with_token(emulator, zone, emulator.add_token(zones=[other]))
    assert refusal(call(scoped, endpoint)) == (403, [9109])
    refused = call(Api.with_token(emulator, zone, emulator.add_token(zones=[])), endpoint)
    assert refusal(refused) == (403, [9109])
    reading = (endpoint.method, endpoint.path) == ("GET", "/zones/{zone}")
    assert (refused.json()["errors"][0]["message"] == "Invalid zone identifier") == reading
    result(call(Api.with_token(emulator, zone, emulator.add_token(zones=[other, zone])), endpoint))


@of_every_endpoint_of_a_zone
def test_9109_zone_does_not_exist(api: Api, endpoint: Endpoint, call: Any) -> None:
    api.zone = Zone("nowhere.example")
    assert refusal(call(api, endpoint)) == (403, [9109])


@of_every_endpoint
def test_10000_permission_is_missing(emulator: Emulator, zone: Zone, endpoint: Endpoint, call: Any) -> None:
    others = EVERY_PERMISSION - endpoint.permissions
    assert refusal(call(Api.with_token(emulator, zone, emulator.add_token(others)), endpoint)) == (403, [10000])
    assert refusal(call(Api.with_token(emulator, zone, emulator.add_token(frozenset())), endpoint)) == (403, [10000])
    assert not zone.kex_enabled
    assert not zone.aop_enabled
    assert zone.compliance_modes == []
    assert zone.pqe_value == "supported"
    assert len(emulator.active(zone)) == 1
    assert (zone.ssl_mode, zone.global_aop_enabled) == ("full", False)
    assert (len(zone.hostname_certificates), list(zone.associations)) == (2, ["www.example.com"])


@pytest.mark.parametrize(
    ("endpoint", "permission"),
    [(endpoint, permission) for endpoint in ENDPOINTS for permission in sorted(endpoint.permissions)],
    ids=str,
)
def test_one_permission_is_enough(
    emulator: Emulator, zone: Zone, endpoint: Endpoint, permission: str, call: Any
) -> None:
    result(call(Api.with_token(emulator, zone, emulator.add_token(frozenset({permission}))), endpoint))


# -- routes


@of_every_endpoint_of_a_zone
@pytest.mark.parametrize("wrong", ["example.com", "0" * 31, "0" * 33, "g" * 32])
def test_7003_a_name_as_zone_id(api: Api, endpoint: Endpoint, wrong: str, call: Any) -> None:
    api.zone = Zone("example.com", id=wrong)
    assert refusal(call(api, endpoint)) == (400, [7003, 7000])


@pytest.mark.parametrize(
    "path",
    ["/zones/{zone}/", "/zones/{zone}/settings/", "/zones/{zone}/origin_tls_client_auth/hostnames/a/b", "/nothing"],
)
def test_7003_no_such_route(api: Api, path: str) -> None:
    assert refusal(api("GET", path)) == (400, [7003, 7000])


@pytest.mark.parametrize("setting", ["origin_tls_cmpl", "origin_pqe", "nothing"])
def test_1006_no_such_setting(api: Api, setting: str) -> None:
    """Also a path that is made of the id that a setting echoes."""
    assert refusal(api("GET", f"{SETTINGS}/{setting}")) == (400, [1006])
    assert refusal(api("PATCH", f"{SETTINGS}/{setting}", {"value": "on"})) == (400, [1006])


def test_7003_certificate_id_is_too_long(api: Api) -> None:
    path = "/zones/{zone}/origin_tls_client_auth/{certificate}"
    assert refusal(api("GET", path, certificate="0" * 37)) == (400, [7003, 7000])
    assert refusal(api("GET", path, certificate="0" * 36)) == (404, [1551])


def test_the_base_url_has_a_path(emulator: Emulator, api: Api) -> None:
    assert emulator.url == f"{emulator.origin}/client/v4"
    response = api.session.get(f"{emulator.origin}/zones", timeout=10)
    assert refusal(response) == (400, [7003, 7000])


def test_10405_pqe_has_no_patch(api: Api, zone: Zone) -> None:
    response = api("PATCH", PQE, {"value": "off"})
    assert refusal(response) == (405, [10405])
    assert response.json()["errors"][0]["message"] == "Method not allowed for this authentication scheme"
    assert zone.pqe_value == "supported"
    assert result(api("PUT", PQE, {"value": "off"}))["value"] == "off"


def test_malformed_json(api: Api, emulator: Emulator, zone: Zone) -> None:
    url = emulator.url + COMPLIANCE.format(zone=zone.id)
    response = api.session.put(url, data='{"value": [', timeout=10)
    assert response.status_code == 400
    refusal(response)


# -- zones


def listed(api: Api, **params: Any) -> tuple[list[str], dict[str, int]]:
    answer = api("GET", "/zones", params=params)
    return [zone["name"] for zone in result(answer)], answer.json()["result_info"]


@pytest.fixture
def names(emulator: Emulator, zone: Zone) -> list[str]:
    """53 zones."""
    return [zone.name, *(emulator.add_zone(f"{number}.example.com").name for number in range(52))]


def info(page: int, per_page: int, count: int, total_count: int, total_pages: int) -> dict[str, int]:
    return {
        "page": page,
        "per_page": per_page,
        "count": count,
        "total_count": total_count,
        "total_pages": total_pages,
    }


def test_pages(api: Api, names: list[str]) -> None:
    assert listed(api) == (names[:20], info(1, 20, 20, 53, 3))
    assert listed(api, page=3) == (names[40:], info(3, 20, 13, 53, 3))
    assert listed(api, per_page=50) == (names[:50], info(1, 50, 50, 53, 2))
    assert listed(api, per_page=50, page=2) == (names[50:], info(2, 50, 3, 53, 2))
    assert listed(api, per_page=50, page=3) == ([], info(3, 50, 0, 53, 2))
    assert listed(api, per_page=5, page=11) == (names[50:], info(11, 5, 3, 53, 11))


@pytest.mark.parametrize("params", [{"per_page": 4}, {"per_page": 51}, {"per_page": "all"}, {"page": 0}, {"page": -1}])
def test_pages_have_limits(api: Api, names: list[str], params: dict[str, Any]) -> None:
    assert refusal(api("GET", "/zones", params=params))[0] == 400


def test_by_name(api: Api, zone: Zone, names: list[str]) -> None:
    assert listed(api, name="7.example.com") == (["7.example.com"], info(1, 20, 1, 53 - 52, 1))
    assert listed(api, name="example.com") == (["example.com"], info(1, 20, 1, 1, 1))
    assert listed(api, name="unknown.example") == ([], info(1, 20, 0, 0, 0))
    assert listed(api, name="") == ([], info(1, 20, 0, 0, 0))
    assert listed(api, name="contains:51.exam", per_page=50) == (["51.example.com"], info(1, 50, 1, 1, 1))


def test_only_the_zones_of_the_token(emulator: Emulator, zone: Zone, names: list[str]) -> None:
    some = [emulator.zones[id_] for id_ in list(emulator.zones)[3:5]]
    api = Api.with_token(emulator, zone, emulator.add_token(ALL_PERMISSIONS, zones=some))
    assert listed(api) == ([zone.name for zone in some], info(1, 20, 2, 2, 1))
    assert listed(api, name=zone.name)[0] == []


def test_zone(emulator: Emulator, api: Api) -> None:
    zone = emulator.add_zone("paused.example", paused=True, status="pending", type="partial", plan="Free Website")
    api.zone = zone
    described = api.get("/zones/{zone}")
    assert described["id"] == zone.id
    assert (described["name"], described["status"], described["paused"]) == ("paused.example", "pending", True)
    assert (described["type"], described["plan"]["name"]) == ("partial", "Free Website")
    assert described["account"] == {"id": zone.account_id, "name": zone.account_name}
    assert api.get("/zones", params={"name": "paused.example"}) == [described]


@pytest.mark.parametrize("status", ["initializing", "pending", "active", "moved", "fromthefuture"])
@pytest.mark.parametrize("paused", [False, True])
def test_status_and_paused(emulator: Emulator, api: Api, zone: Zone, status: str, paused: bool) -> None:
    other = emulator.add_zone("other.example")
    zone.status, zone.paused = status, paused
    described = api.get("/zones/{zone}")
    assert (described["status"], described["paused"]) == (status, paused)
    assert listed(api, status=status)[0] == [zone.name, *([other.name] if status == "active" else [])]
    assert zone.proxied == ((status, paused) == ("active", False))


def test_accounts(emulator: Emulator, api: Api, zone: Zone) -> None:
    other = emulator.add_zone("other.example", account_id="f" * 32, account_name="Somebody & Sons")
    accounts = {one["name"]: one["account"] for one in api.get("/zones")}
    assert accounts[other.name] == {"id": "f" * 32, "name": "Somebody & Sons"}
    assert accounts[zone.name] == {"id": zone.account_id, "name": "Example"}
    assert listed(api, **{"account.name": "Somebody & Sons"})[0] == [other.name]
    assert listed(api, **{"account.id": "f" * 32})[0] == [other.name]
