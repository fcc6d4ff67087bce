# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a test can do with the emulator: faults, the journal, and the same over HTTP."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Zone
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import (
    AOP,
    AOP_CERTIFICATE,
    AOP_SETTINGS,
    COMPLIANCE,
    KEX,
    RATE_LIMIT,
    Api,
    refusal,
    result,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

ON = {"enabled": True}


# -- faults


@pytest.mark.parametrize("status", [500, 502, 520, 521, 522, 523, 524, 525, 526, 527])
def test_html_of_a_gateway(emulator: Emulator, api: Api, zone: Zone, status: int) -> None:
    emulator.faults.append(Fault(status=status))
    response = api("PATCH", KEX, ON)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "text/html"
    assert response.text.startswith("<html>")
    assert response.headers["CF-Ray"]
    with pytest.raises(requests.JSONDecodeError):
        response.json()
    assert not zone.kex_enabled
    assert result(api("PATCH", KEX, ON))["enabled"]


@pytest.mark.parametrize("body", [b"\xff\x00", b"[" * 100_000], ids=["no text", "too deep"])
@pytest.mark.parametrize("status", [200, 400])
def test_bytes(emulator: Emulator, api: Api, body: bytes, status: int) -> None:
    emulator.faults.append(Fault(body=body, status=status))
    response = api("GET", KEX)
    assert (response.status_code, response.content) == (status, body)


@pytest.mark.parametrize("body", ["<h1>Down</h1>", "", "{truncated"])
def test_text(emulator: Emulator, api: Api, body: str) -> None:
    emulator.faults.append(Fault(body=body))
    response = api("GET", KEX)
    assert (response.status_code, response.text) == (200, body)


def test_json(emulator: Emulator, api: Api, zone: Zone) -> None:
    """Also a failure that its status does not tell."""
    body = {"success": False, "errors": [{"code": 10100, "message": "limited"}], "messages": [], "result": None}
    emulator.faults.append(Fault(status=429, body=body, headers={"Retry-After": "7"}))
    emulator.faults.append(Fault(body=body))
    first, second = api("PATCH", KEX, ON), api("PATCH", KEX, ON)
    assert (refusal(first), first.headers["Retry-After"]) == ((429, [10100]), "7")
    assert refusal(second) == (200, [10100])
    assert not zone.kex_enabled


def test_headers_alone(emulator: Emulator, api: Api) -> None:
    emulator.faults.append(Fault(headers={"Ratelimit": '"default";r=0;t=9, "burst";r=1;t=1', "X-Extra": "1"}))
    response = api("PATCH", KEX, ON)
    assert result(response)["enabled"]
    assert response.headers["Ratelimit"] == '"default";r=0;t=9, "burst";r=1;t=1'
    assert response.headers["X-Extra"] == "1"
    assert RATE_LIMIT.fullmatch(api("GET", KEX).headers["Ratelimit"])


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 502}, {"body": {"success": False}}], ids=str)
@pytest.mark.parametrize("after_work", [False, True])
def test_before_and_after_the_work(
    emulator: Emulator, api: Api, zone: Zone, client_certificate: Issued, fault: dict[str, Any], after_work: bool
) -> None:
    emulator.faults.append(Fault(method="POST", after_work=after_work, **fault))
    if "drop" in fault:
        with pytest.raises(requests.ConnectionError):
            api.upload(client_certificate)
        assert emulator.journal[-1].status is None
    else:
        assert api.upload(client_certificate).status_code == fault.get("status", 200)
    assert len(zone.certificates) == int(after_work)
    assert emulator.journal[-1].active == list(zone.certificates)


@pytest.mark.parametrize("replaced", [{}, {"body": "x" * 10}], ids=str)
def test_cut_in_the_middle_of_the_body(emulator: Emulator, api: Api, zone: Zone, replaced: dict[str, Any]) -> None:
    emulator.faults.append(Fault(cut=True, **replaced))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        api("PATCH", KEX, ON)
    assert zone.kex_enabled != bool(replaced)
    assert emulator.journal[-1].status == 200
    assert result(api("PATCH", KEX, ON))["enabled"]


def test_delay(emulator: Emulator, api: Api, zone: Zone) -> None:
    """A slow answer, which keeps nobody else waiting, and whose work is done."""
    emulator.faults.append(Fault(method="PATCH", delay=0.5))
    other = Api(emulator, zone, dict(api.session.headers))  # type: ignore[arg-type]
    took = []

    def slow() -> None:
        started = time.monotonic()
        result(api("PATCH", KEX, ON))
        took.append(time.monotonic() - started)

    thread = threading.Thread(target=slow)
    thread.start()
    deadline = time.monotonic() + 10
    while emulator.faults[0].times and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not other.get(KEX)["enabled"]  # it still waits
    thread.join()
    assert took[0] >= 0.5
    assert other.get(KEX)["enabled"]


@pytest.mark.parametrize("after_work", [False, True])
def test_timeout(emulator: Emulator, api: Api, zone: Zone, after_work: bool) -> None:
    emulator.faults.append(Fault(delay=0.3, after_work=after_work))
    with pytest.raises(requests.ReadTimeout):
        api("PATCH", KEX, ON, timeout=0.1)
    assert zone.kex_enabled == after_work
    deadline = time.monotonic() + 10
    while not zone.kex_enabled and time.monotonic() < deadline:
        time.sleep(0.01)
    assert zone.kex_enabled


def test_stale_read(emulator: Emulator, api: Api) -> None:
    result(api("PATCH", KEX, ON))
    emulator.faults.append(Fault(stale=True))
    assert not api.get(KEX)["enabled"]
    assert api.get(KEX)["enabled"]


def test_stale_list(emulator: Emulator, api: Api, client_certificate: Issued, other_certificate: Issued) -> None:
    first, second = (result(api.upload(issued))["id"] for issued in (client_certificate, other_certificate))
    emulator.faults.append(Fault(stale=True, times=2))
    assert api.listed() == [first]
    assert refusal(api("GET", AOP_CERTIFICATE, certificate=second)) == (404, [1551])
    assert api.listed() == [first, second]
    result(api("DELETE", AOP_CERTIFICATE, certificate=first))
    emulator.faults.append(Fault(stale=True))
    assert api.listed() == [first, second]
    assert api.listed() == [second]


@pytest.mark.parametrize(
    ("path", "method", "body", "field"),
    [
        (KEX, "PATCH", ON, "enabled"),
        (COMPLIANCE, "PUT", {"value": ["fips"]}, "value"),
        (AOP_SETTINGS, "PUT", ON, "enabled"),
    ],
)
def test_stale_write_answer_and_ignored_write(
    emulator: Emulator, api: Api, path: str, method: str, body: dict[str, Any], field: str
) -> None:
    before = api.get(path)
    emulator.faults.append(Fault(method=method, ignore=True))
    assert result(api(method, path, body)) == before
    assert api.get(path) == before  # nothing was done
    emulator.faults.append(Fault(method=method, stale=True))
    assert result(api(method, path, body)) == before
    assert api.get(path)[field] == body[field]  # but now it was


def test_ignored_deletion(emulator: Emulator, api: Api, client_certificate: Issued) -> None:
    id_ = result(api.upload(client_certificate))["id"]
    emulator.faults.append(Fault(method="DELETE", ignore=True))
    assert result(api("DELETE", AOP_CERTIFICATE, certificate=id_))["status"] == "active"
    assert api.listed() == [id_]


def test_skip_and_times(emulator: Emulator, api: Api) -> None:
    emulator.faults.append(Fault(status=502, skip=1, times=2))
    assert [api("GET", KEX).status_code for _time in range(5)] == [200, 502, 502, 200, 200]


def test_faults_take_turns(emulator: Emulator, api: Api) -> None:
    emulator.faults += [Fault(status=520), Fault(status=521), Fault(status=522)]
    assert [api("GET", KEX).status_code for _time in range(4)] == [520, 521, 522, 200]


def test_only_what_matches(emulator: Emulator, api: Api) -> None:
    emulator.faults.append(Fault("PATCH|PUT", ".*/auto_origin_tls_kex", status=502, times=9))
    assert api("GET", KEX).status_code == 200
    assert api("PUT", AOP_SETTINGS, ON).status_code == 200
    assert api("PATCH", KEX, ON).status_code == 502
    emulator.faults.append(Fault(path="/zones", status=502))  # not /zones/{id}
    assert api("GET", "/zones/{zone}").status_code == 200
    assert api("GET", "/zones", params={"per_page": 5}).status_code == 502


# -- the journal


def test_journal(emulator: Emulator, api: Api, zone: Zone, client_certificate: Issued) -> None:
    api.session.headers["User-Agent"] = "tester/1"
    api.get("/zones", params={"name": "example.com", "per_page": 5})
    id_ = result(api.upload(client_certificate))["id"]
    refusal(api.upload(client_certificate))
    result(api("PUT", AOP_SETTINGS, ON))
    result(api("DELETE", AOP_CERTIFICATE, certificate=id_))
    path = AOP.format(zone=zone.id)
    entries = emulator.journal
    assert [(entry.method, entry.path) for entry in entries] == [
        ("GET", "/zones"),
        ("POST", path),
        ("POST", path),
        ("PUT", f"{path}/settings"),
        ("DELETE", f"{path}/{id_}"),
    ]
    assert [entry.query for entry in entries] == [{"name": "example.com", "per_page": "5"}, {}, {}, {}, {}]
    upload = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    assert [entry.body for entry in entries] == [None, upload, upload, ON, None]
    assert [(entry.status, entry.codes) for entry in entries] == [
        *((200, []), (200, []), (400, [1406])),
        *((200, []), (200, [])),
    ]
    assert [entry.aop_enabled for entry in entries] == [None, False, False, True, True]
    assert [entry.active for entry in entries] == [[], [id_], [id_], [id_], []]
    assert {entry.user_agent for entry in entries} == {"tester/1"}
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert emulator.count() == {"GET": 1, "POST": 2, "PUT": 1, "DELETE": 1}


def test_journal_is_on_the_emulators_clock(emulator: Emulator, api: Api) -> None:
    api.get(KEX)
    emulator.advance(1000)
    api.get(KEX)
    first, second = emulator.journal
    assert 1000 <= second.at - first.at < 1100


def test_journal_has_what_was_refused(emulator: Emulator, zone: Zone) -> None:
    refusal(Api(emulator, zone, {})("GET", KEX))
    assert [(entry.status, entry.codes) for entry in emulator.journal] == [(400, [9106])]


# -- the door


@pytest.fixture
def door(emulator: Emulator) -> Any:
    def door(method: str, path: str, body: Any = None) -> Any:
        response = requests.request(method, f"{emulator.origin}/emulator{path}", json=body, timeout=10)
        answer = response.json()
        return answer["result"] if response.status_code == 200 else response.status_code

    return door


def test_door_journal_without_keys(
    emulator: Emulator, api: Api, zone: Zone, client_certificate: Issued, door: Any
) -> None:
    id_ = result(api.upload(client_certificate))["id"]
    (entry,) = door("GET", "/journal")
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", AOP.format(zone=zone.id), 200)
    assert entry["body"] == {"certificate": client_certificate.pem, "private_key": "(left out)"}
    assert (entry["active"], entry["aop_enabled"]) == ([id_], False)
    assert "PRIVATE KEY" not in str(entry)
    assert emulator.journal[0].body["private_key"] == client_certificate.key_pem  # in the process it is kept
    assert len(door("GET", "/journal")) == 1  # the door itself is not in it
    assert door("DELETE", "/journal") is None
    assert door("GET", "/journal") == []


def test_door_faults(api: Api, door: Any) -> None:
    door("POST", "/faults", {"method": "PATCH", "status": 502, "times": 2})
    assert [api("PATCH", KEX, ON).status_code for _time in range(3)] == [502, 502, 200]


def test_door_settings(emulator: Emulator, api: Api, client_certificate: Issued, door: Any) -> None:
    door("PATCH", "/settings", {"deployment_delay": 60, "quota": 7})
    id_ = result(api.upload(client_certificate))["id"]
    assert api.status(id_) == "initializing"
    assert api("GET", KEX).headers["Ratelimit-Policy"] == '"default";q=7;w=300'
    assert door("PATCH", "/settings", {"deploymentdelay": 0}) == 400


def test_door_zones(emulator: Emulator, api: Api, zone: Zone, door: Any) -> None:
    added = door("POST", "/zones", {"name": "added.example", "ssl_mode": "flexible"})
    assert [found["id"] for found in api.get("/zones", params={"name": "added.example"})] == [added["id"]]
    assert emulator.zones[added["id"]].ssl_mode == "flexible"
    door("PATCH", f"/zones/{zone.id}", {"aop_enabled": True, "compliance_modes": ["pqh"]})
    assert api.get(AOP_SETTINGS) == {"enabled": True}
    assert api.get(COMPLIANCE)["value"] == ["pqh"]
    assert door("PATCH", f"/zones/{zone.id}", {"nothing": 1}) == 400
    assert door("PATCH", f"/zones/{'0' * 32}", {"paused": True}) == 404
    assert door("GET", "/nothing") == 404
