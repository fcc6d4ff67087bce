# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import importlib.util
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from ansible_collections.originsec.cloudflare.plugins.module_utils._client import ApiKey, ApiToken, Client
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import (
    AuthenticationError,
    CloudflareError,
    ConnectionFailedError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseError,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import (
    READ_PERMISSIONS,
    SETTINGS_WRITE,
    SSL_WRITE,
    ZONE_READ,
    Emulator,
    Fault,
    Zone,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds slept between the tries, which no test waits for; the emulator, too, sleeps for its delays of 0."""
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", lambda seconds: naps.append(seconds) if seconds else None)
    return naps


def kex(zone: Zone) -> str:
    return f"zones/{zone.id}/settings/auto_origin_tls_kex"


def aop(zone: Zone) -> str:
    return f"zones/{zone.id}/origin_tls_client_auth"


# ---------------------------------------------------------------------------------------- authentication


def test_token(client: Client, zone: Zone) -> None:
    assert client.request("GET", f"zones/{zone.id}")["name"] == "example.com"


def test_email_and_key(emulator: Emulator, zone: Zone) -> None:
    key = emulator.add_key("ops@example.com")
    assert Client(ApiKey("ops@example.com", key), emulator.url).request("GET", f"zones/{zone.id}")["id"] == zone.id


def test_user_agent_has_the_version_of_the_collection(client: Client, emulator: Emulator, zone: Zone) -> None:
    galaxy = yaml.safe_load((Path(__file__).parents[4] / "galaxy.yml").read_text())
    client.request("GET", f"zones/{zone.id}")
    assert emulator.journal[0].user_agent == f"originsec.cloudflare/{galaxy['version']}"


# ------------------------------------------------------------- what each of the API's errors becomes


def test_malformed_token(emulator: Emulator, zone: Zone) -> None:
    with pytest.raises(AuthenticationError, match="The API token is malformed") as caught:
        Client(ApiToken('"quoted"'), emulator.url).request("GET", kex(zone))
    assert caught.value.codes == (6003, 6111)
    assert caught.value.messages[1] == "Invalid format for Authorization header"


def test_token_given_as_key(emulator: Emulator, zone: Zone, token: str) -> None:
    with pytest.raises(AuthenticationError, match="An API token goes into api_token") as caught:
        Client(ApiKey("ops@example.com", token), emulator.url).request("GET", kex(zone))
    assert caught.value.codes == (6003, 6103)


def test_unknown_token(emulator: Emulator, zone: Zone) -> None:
    with pytest.raises(AuthenticationError, match="The token is not valid, or its zone resources") as caught:
        Client(ApiToken("x" * 40), emulator.url).request("GET", kex(zone))
    assert caught.value.codes == (9109,)
    assert caught.value.status == 403


def test_token_for_another_zone(emulator: Emulator, zone: Zone) -> None:
    token = emulator.add_token(zones=[emulator.add_zone("example.org")])
    with pytest.raises(AuthenticationError, match="do not include this zone"):
        Client(ApiToken(token), emulator.url).request("GET", kex(zone))


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "zones/{zone}/origin_tls_client_auth", "SSL and Certificates Read"),
        ("GET", "zones/{zone}/origin_tls_client_auth/settings", "SSL and Certificates Read"),
        ("POST", "zones/{zone}/origin_tls_client_auth", "SSL and Certificates Write"),
        ("PUT", "zones/{zone}/origin_tls_client_auth/settings", "SSL and Certificates Write"),
        ("DELETE", "zones/{zone}/origin_tls_client_auth/1", "SSL and Certificates Write"),
        ("GET", "zones/{zone}/settings/ssl", "Zone Settings Read"),
        ("GET", "zones/{zone}/settings/auto_origin_tls_kex", "Zone Settings Read"),
        ("PATCH", "zones/{zone}/settings/auto_origin_tls_kex", "Zone Settings Write"),
        ("PUT", "zones/{zone}/cache/origin_post_quantum_encryption", "Zone Settings Write"),
        ("PUT", "zones/{zone}/settings/origin_tls_compliance_modes", "Zone Settings Write"),
        ("GET", "zones", "Zone Read"),
    ],
)
def test_missing_permission_is_named(emulator: Emulator, zone: Zone, method: str, path: str, permission: str) -> None:
    groups = READ_PERMISSIONS if permission.endswith("Write") else {SSL_WRITE, SETTINGS_WRITE, ZONE_READ}
    token = emulator.add_token(permissions=frozenset(groups - {permission, permission.replace("Read", "Write")}))
    with pytest.raises(PermissionDeniedError, match=f"lack the permission '{permission}'") as caught:
        Client(ApiToken(token), emulator.url).request(method, path.format(zone=zone.id), {})
    assert caught.value.codes == (10000,)


def test_name_in_place_of_an_id(client: Client) -> None:
    with pytest.raises(NotFoundError, match="its name into zone_name") as caught:
        client.request("GET", "zones/example.com/settings/ssl")
    assert caught.value.codes == (7003, 7000)


def test_certificate_rows(client: Client, emulator: Emulator, zone: Zone, client_certificate: Issued) -> None:
    def post(certificate: str, key: str) -> str:
        with pytest.raises(CloudflareError) as caught:
            client.request("POST", aop(zone), {"certificate": certificate, "private_key": key})
        return str(caught.value)

    assert "Cloudflare cannot read the certificate" in post("nonsense", "nonsense")
    authority = issue("authority", authority=True)
    assert "accepts a leaf certificate" in post(authority.pem, authority.key_pem)
    uploaded = emulator.upload(zone, client_certificate.pem)
    assert "holds this certificate already" in post(client_certificate.pem, client_certificate.key_pem)

    def delete(certificate_id: str) -> CloudflareError:
        with pytest.raises(CloudflareError) as caught:
            client.request("DELETE", f"{aop(zone)}/{certificate_id}")
        return caught.value

    assert isinstance(delete("unknown"), NotFoundError)
    emulator.deployment_delay = 60
    pending = emulator.upload(zone, issue().pem)
    assert "once its deployment is over" in str(delete(pending.id))
    emulator.advance(60)
    emulator.deletion_delay = 60
    client.request("DELETE", f"{aop(zone)}/{uploaded.id}")
    assert "being deleted already" in str(delete(uploaded.id))
    emulator.advance(60)
    assert isinstance(delete(uploaded.id), NotFoundError)


@pytest.mark.parametrize("code", [971, 10100])
def test_rate_limit(client: Client, emulator: Emulator, zone: Zone, code: int) -> None:
    body = {"success": False, "errors": [{"code": code, "message": "Rate limited"}], "result": None}
    emulator.faults.append(Fault(status=429, body=body))
    with pytest.raises(RateLimitError, match="1,200 requests per five minutes"):
        client.request("GET", kex(zone))


def test_conflict(client: Client, emulator: Emulator, zone: Zone, client_certificate: Issued) -> None:
    emulator.change_duration = 60
    emulator.upload(zone, client_certificate.pem)
    zone.changed_at = emulator.now()
    with pytest.raises(CloudflareError, match="Another change of this zone is under way"):
        client.request("DELETE", f"{aop(zone)}/{emulator.active(zone)[0]}")


def test_gateway_error_is_named_with_ray_and_url(client: Client, emulator: Emulator, zone: Zone) -> None:
    emulator.faults.append(Fault(status=522))
    with pytest.raises(ResponseError, match=r"HTTP 522, cf-ray [0-9a-f]{16}-EMU") as caught:
        client.request("GET", kex(zone))
    assert "Cloudflare's side is in trouble" in str(caught.value)
    assert f"GET {emulator.url}/{kex(zone)}" in str(caught.value)
    assert "<html>" not in str(caught.value)


def test_unauthorized_status_without_a_known_code(client: Client, emulator: Emulator, zone: Zone) -> None:
    emulator.faults.append(Fault(status=401, body={"success": False, "errors": [{"code": 1, "message": "No"}]}))
    with pytest.raises(AuthenticationError, match="The token is not valid"):
        client.request("GET", kex(zone))


@pytest.mark.parametrize(
    ("prefix", "page"), [("cfat_", "Manage Account > Account API Tokens"), ("cfut_", "My Profile > API Tokens")]
)
def test_advice_names_the_page_that_shows_the_token(emulator: Emulator, zone: Zone, prefix: str, page: str) -> None:
    token = emulator.add_token(permissions=frozenset(), token=prefix + "x" * 40)
    for known, path in ((token, kex(zone)), (f"{prefix}{'y' * 40}", kex(zone))):
        with pytest.raises(CloudflareError, match=page) as caught:
            Client(ApiToken(known), emulator.url).request("GET", path)
        assert str(caught.value).count("API Tokens") == 1
    emulator.faults.append(Fault(status=401, body={"success": False, "errors": [{"code": 1, "message": "No"}]}))
    with pytest.raises(AuthenticationError, match=page):
        Client(ApiToken(token), emulator.url).request("GET", kex(zone))


# ------------------------------------------------------------------------------- answers that are none


@pytest.mark.parametrize("body", [None, "<html>Not Found</html>"])
def test_a_base_url_without_its_path(emulator: Emulator, zone: Zone, token: str, body: str | None) -> None:
    if body:
        emulator.faults.append(Fault(status=404, body=body))
    with pytest.raises(CloudflareError, match=r"Does api_base_url end in /client/v4"):
        Client(ApiToken(token), emulator.origin).request("GET", kex(zone))
    # A gateway may have another path, and where it ends as it should nothing is said of that
    emulator.faults.append(Fault(status=404, body="<html>Not Found</html>"))
    with pytest.raises(CloudflareError) as caught:
        Client(ApiToken(token), emulator.url).request("GET", kex(zone))
    assert "end in /client/v4" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    ["", "<html>a proxy's login page</html>", '{"success": tr', "[]", "null", "0", '{"result": {}}', '{"success": 1}'],
)
def test_an_answer_that_is_not_the_apis(client: Client, emulator: Emulator, zone: Zone, body: str) -> None:
    emulator.faults.append(Fault(body=body))
    with pytest.raises(ResponseError, match="Does api_base_url point to the Cloudflare API"):
        client.request("GET", kex(zone))


@pytest.mark.parametrize("errors", [None, {}, "text", [None, 5], [{"message": "odd", "error_chain": "text"}]])
def test_success_false_with_200_and_odd_errors(client: Client, emulator: Emulator, zone: Zone, errors: object) -> None:
    emulator.faults.append(Fault(body={"success": False, "errors": errors, "result": {"enabled": True}}))
    with pytest.raises(CloudflareError, match="HTTP 200"):
        client.request("GET", kex(zone))


def test_of_very_many_errors_the_first_are_looked_at(client: Client, emulator: Emulator, zone: Zone) -> None:
    chain = [{"code": 1, "message": "chained"}] * 60
    errors = [{"code": 2, "message": "first", "error_chain": chain}, *[{"code": "?", "message": "other"}] * 1000]
    emulator.faults.append(Fault(status=400, body={"success": False, "errors": errors}))
    with pytest.raises(CloudflareError, match="first") as caught:
        client.request("GET", kex(zone))
    assert caught.value.codes == (2, *[1] * 60, *[0] * 39)


# ------------------------------------------------------------------------------------ faults and retries


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_what_passes_is_tried_again(
    emulator: Emulator, zone: Zone, token: str, naps: list[float], status: int, method: str
) -> None:
    emulator.faults.append(Fault(status=status, times=2))
    client = Client(ApiToken(token), emulator.url, retries=2)
    assert client.request(method, kex(zone), {"enabled": True} if method == "PATCH" else None)["id"]
    assert emulator.count() == {method: 3}
    assert sum(naps) < 3


def test_hosts_that_failed_together_do_not_come_back_together(
    emulator: Emulator, zone: Zone, token: str, naps: list[float]
) -> None:
    client = Client(ApiToken(token), emulator.url, retries=3)
    for _host in range(10):
        emulator.faults.append(Fault(status=502, times=3))
        client.request("GET", kex(zone))
    seconds, thirds = naps[::2], naps[1::2]  # the first repetition is at once
    assert all(0.5 <= nap <= 1 for nap in seconds)
    assert all(1 <= nap <= 2 for nap in thirds)
    assert len({*seconds, *thirds}) == 20
    assert client.waited == 0, "only the rate limit's pauses are told"


@pytest.mark.parametrize("status", [409, 429, 502])
def test_a_repetition_waits_for_the_reset_of_the_quota(
    emulator: Emulator, zone: Zone, token: str, naps: list[float], status: int
) -> None:
    emulator.faults.append(Fault(status=status, headers={"Ratelimit": '"default";r=0;t=50'}))
    assert Client(ApiToken(token), emulator.url, retries=1).request("GET", kex(zone))
    assert naps == [51]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_what_does_not_pass_is_not_tried_again(emulator: Emulator, zone: Zone, token: str, status: int) -> None:
    emulator.faults.append(Fault(status=status))
    with pytest.raises(CloudflareError):
        Client(ApiToken(token), emulator.url, retries=5).request("GET", kex(zone))
    assert len(emulator.journal) == 1


@pytest.mark.parametrize("retry_after", ["", "-5", "0", "soon", "Mon, 01 Jan 2024 00:00:00 GMT"])
def test_an_odd_retry_after_is_none(
    emulator: Emulator, zone: Zone, token: str, naps: list[float], retry_after: str
) -> None:
    emulator.faults.append(Fault(status=429, headers={"Retry-After": retry_after}))
    assert Client(ApiToken(token), emulator.url, retries=1).request("GET", kex(zone))
    assert naps == []


@pytest.mark.parametrize(("retry_after", "seconds"), [("7", 7), ("300", 300), ("9" * 20, 300)])
def test_retry_after_is_respected(
    emulator: Emulator, zone: Zone, token: str, naps: list[float], retry_after: str, seconds: int
) -> None:
    emulator.faults.append(Fault(status=429, headers={"Retry-After": retry_after}))
    client = Client(ApiToken(token), emulator.url, retries=1)
    client.request("GET", kex(zone))
    (nap,) = naps
    assert seconds <= nap <= seconds + 1
    assert client.waited == nap


def test_one_block_is_outlived_and_the_deadline_is_named(
    emulator: Emulator, zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    emulator.faults.append(Fault(status=429, times=9, headers={"Retry-After": "300"}))
    with pytest.raises(
        RateLimitError,
        match=r"HTTP 429, .*given up after try 2: the next one, in 30\d seconds, would be past the deadline of 600 s",
    ):
        Client(ApiToken(token), emulator.url, retries=5).request("GET", kex(zone))
    assert len(emulator.journal) == 2
    assert 300 <= now[0] <= 301


def test_no_try_outlasts_the_deadline(
    emulator: Emulator, zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, request = [0.0], requests.Session.request
    timeouts: list[int] = []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    def measured(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
        timeouts.append(options["timeout"])
        return request(session, method, url, **options)

    monkeypatch.setattr(requests.Session, "request", measured)
    emulator.faults.append(Fault(status=503, times=9, headers={"Retry-After": "290"}))
    with pytest.raises(ResponseError, match="past the deadline of 600 seconds"):
        Client(ApiToken(token), emulator.url, timeout=30, retries=5).request("GET", kex(zone))
    first, second, third = timeouts
    assert (first, second) == (30, 30)
    assert 18 <= third <= 20
    assert now[0] + third <= 601


def test_no_retries_is_one_request(emulator: Emulator, zone: Zone, token: str) -> None:
    emulator.faults.append(Fault(status=500, times=9))
    with pytest.raises(ResponseError):
        Client(ApiToken(token), emulator.url, retries=0).request("GET", kex(zone))
    assert len(emulator.journal) == 1


def test_giving_up_says_how_often_it_tried(emulator: Emulator, zone: Zone, token: str, naps: list[float]) -> None:
    emulator.faults.append(Fault(status=503, times=9))
    with pytest.raises(ResponseError, match=r"HTTP 503, .*tried 3 times"):
        Client(ApiToken(token), emulator.url, retries=2).request("GET", kex(zone))
    assert len(emulator.journal) == 3
    assert naps


@pytest.mark.parametrize(("status", "tries"), [(409, 2), (429, 2), (500, 1), (502, 1), (524, 1)])
def test_a_post_is_repeated_only_where_it_was_not_done(
    emulator: Emulator, zone: Zone, token: str, client_certificate: Issued, status: int, tries: int
) -> None:
    emulator.faults.append(Fault(method="POST", status=status))
    body = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    client = Client(ApiToken(token), emulator.url, retries=3)
    expected = contextlib.nullcontext() if tries > 1 else pytest.raises(ResponseError, match=f"HTTP {status}")
    with expected:
        client.request("POST", aop(zone), body)
    assert emulator.count() == {"POST": tries}


@pytest.mark.parametrize("after_work", [False, True])
def test_a_dropped_connection_is_tried_again_but_not_for_a_post(
    emulator: Emulator, zone: Zone, token: str, client_certificate: Issued, after_work: bool
) -> None:
    client = Client(ApiToken(token), emulator.url, retries=2)
    emulator.faults.append(Fault(method="PATCH", drop=True, after_work=after_work))
    assert client.request("PATCH", kex(zone), {"enabled": True})["enabled"]
    emulator.faults.append(Fault(method="POST", drop=True, after_work=after_work))
    body = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    with pytest.raises(ConnectionFailedError, match=r"POST .* failed: .*in order"):
        client.request("POST", aop(zone), body)
    assert emulator.count() == {"PATCH": 2, "POST": 1}
    assert len(emulator.active(zone)) == int(after_work)


def test_nobody_listens(token: str) -> None:
    with Emulator() as emulator:
        url = emulator.url
    with pytest.raises(ConnectionFailedError, match=r"refused.*api_base_url right"):
        Client(ApiToken(token), url, retries=0).request("GET", "zones")


@pytest.mark.parametrize("retries", [0, 1])
def test_timeout(emulator: Emulator, zone: Zone, token: str, retries: int) -> None:
    emulator.faults.append(Fault(delay=1.5, times=2))
    client = Client(ApiToken(token), emulator.url, timeout=1, retries=retries)
    with pytest.raises(ConnectionFailedError, match="no answer within 1 seconds"):
        client.request("GET", kex(zone))
    assert len(emulator.journal) == retries + 1


def test_no_proxy_sees_what_is_not_encrypted(
    client: Client, emulator: Emulator, zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Client(ApiToken(token), emulator.url, retries=0).request("GET", kex(zone))


def test_a_proxy_that_cannot_be_one(zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://h..x:1")
    with pytest.raises(ConnectionFailedError):
        Client(ApiToken(token), "https://api.example.test", retries=0).request("GET", kex(zone))


def test_secrets_are_cut_out_of_what_the_api_says(
    client: Client, emulator: Emulator, zone: Zone, token: str, client_certificate: Issued
) -> None:
    key = client_certificate.key_pem
    errors = [{"code": 1, "message": f"You sent {token}", "error_chain": [{"code": 2, "message": f"and {key}"}]}]
    emulator.faults.append(Fault(status=400, body={"success": False, "errors": errors}))
    with pytest.raises(CloudflareError, match=r"You sent \*{8} \(code 1\); and \*{8}") as caught:
        client.request("POST", aop(zone), {"certificate": client_certificate.pem, "private_key": key})
    for line in (token, *key.splitlines()):
        assert line not in f"{caught.value} {caught.value.messages}"


@pytest.mark.parametrize("proxy", ["http://[::1", "http://user:a/b@proxy.example:3128", "http://u:a@b@proxy.example"])
def test_a_proxy_that_cannot_be_parsed_is_refused_and_not_quoted(
    zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(InputError, match=r"HTTPS_PROXY, ALL_PROXY\) cannot be parsed") as caught:
        Client(ApiToken(token), "https://api.example.test", retries=0).request("GET", kex(zone))
    assert proxy.partition("://")[2] not in str(caught.value)


def test_proxy_that_is_not_there(zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:proxy-password@127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    client = Client(ApiToken(token), "https://api.example.test", retries=0)
    with pytest.raises(ConnectionFailedError, match="through the proxy that the environment names") as caught:
        client.request("GET", kex(zone))
    assert "proxy-password" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ pacing


@pytest.mark.parametrize(
    ("limit", "policy", "seconds"),
    [
        ('"default";r=121;t=200', '"default";q=1200;w=300', 0),
        ('"default";r=120;t=200', '"default";q=1200;w=300', 201),
        ('"default";r=11;t=7', '"default";q=100;w=10', 0),
        ('"default";r=10;t=7', '"default";q=100;w=10', 8),
        ('"default";r=0;t=0', '"default";q=5;w=10', 1),
        ('"default";r=900;t=200, "burst";r=3;t=1', '"default";q=1200;w=300, "burst";q=200;w=1', 2),
        ('"default" ; t=4 ;r=3', "", 5),  # the documented quota, where the policy is not told
        ('"default";r=0;t=99999', '"default";q=1200;w=300', 301),
        ('"default";r=0', '"default";q=1200;w=300', 0),
        ("", "", 0),
        ('r=0;t=5, "x";r=-1;t=5, "y";r=0.5;t="5", ;;,"', "odd", 0),
    ],
)
def test_little_left_of_the_quota_is_left_alone(
    emulator: Emulator, zone: Zone, client: Client, naps: list[float], limit: str, policy: str, seconds: int
) -> None:
    emulator.faults.append(
        Fault(body={"success": True}, headers={"Ratelimit": limit, "Ratelimit-Policy": policy}, times=2)
    )
    for _request in range(2):
        client.request("GET", kex(zone))
    assert naps == ([seconds] * 2 if seconds else [])
    assert client.waited == seconds * 2


def test_a_block_is_not_waited_for_without_retries(emulator: Emulator, zone: Zone, client: Client) -> None:
    emulator.quota = 0
    with pytest.raises(RateLimitError, match="used up"):
        client.request("GET", kex(zone))


def test_a_block_is_waited_out_to_its_reset(
    emulator: Emulator, zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", emulator.advance)
    emulator.quota = 0
    with pytest.raises(RateLimitError):
        Client(ApiToken(token), emulator.url, retries=0).request("GET", kex(zone))
    emulator.quota = 1200
    client = Client(ApiToken(token), emulator.url, retries=1)
    assert client.request("GET", kex(zone))
    assert [exchange.status for exchange in emulator.journal[-2:]] == [429, 200]
    assert 300 <= client.waited <= 302


def test_nobody_runs_into_the_block(
    emulator: Emulator, zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        emulator.advance(seconds)

    monkeypatch.setattr("time.sleep", sleep)
    emulator.quota, emulator.window = 20, 60
    for _task in range(50):
        Client(ApiToken(token), emulator.url, retries=0).request("GET", kex(zone))
    assert {exchange.status for exchange in emulator.journal} == {200}
    assert len(naps) == 2  # 18 of 20 are used in each window


# --------------------------------------------------------------------------------------------------- TLS


@pytest.fixture
def tls_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator behind TLS with a certificate of a private authority, whose file is tmp_path/ca.pem."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    authority = issue("authority", authority=True, usage=None)
    server = issue("server", issuer=authority, usage=None, address="127.0.0.1")
    (tmp_path / "ca.pem").write_text(authority.pem)
    (tmp_path / "server.pem").write_text(server.pem + server.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with Emulator(ssl_context=context) as emulator:
        yield emulator


def test_private_authority(tls_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone, auth = tls_emulator.add_zone("example.com"), ApiToken(tls_emulator.add_token())
    with pytest.raises(ConnectionFailedError, match="name the file of its authority in ca_path"):
        Client(auth, tls_emulator.url, retries=5).request("GET", kex(zone))
    assert tls_emulator.journal == []
    trusted = str(tmp_path / "ca.pem")
    assert Client(auth, tls_emulator.url, verify=trusted).request("GET", kex(zone))
    assert Client(auth, tls_emulator.url, verify=False).request("GET", kex(zone))
    # Neither is overridden by the environment, as requests does with what is set on a session
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    assert Client(auth, tls_emulator.url, verify=trusted).request("GET", kex(zone))
    assert Client(auth, tls_emulator.url, verify=False).request("GET", kex(zone))
    with pytest.raises(ConnectionFailedError, match=r"missing\.pem"):
        Client(auth, tls_emulator.url).request("GET", kex(zone))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trusted)
    assert Client(auth, tls_emulator.url).request("GET", kex(zone))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "", "no certificates"])
def test_authorities_of_the_environment_that_are_none(
    tls_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv(variable, str(bundle))
    client = Client(ApiToken(tls_emulator.add_token()), tls_emulator.url, retries=5)
    with pytest.raises(ConnectionFailedError) as caught:
        client.request("GET", "zones")
    assert f"the environment variable {variable} names {bundle}, which cannot be read as" in str(caught.value)
    assert "network" not in str(caught.value)
    assert "proxy" not in str(caught.value)


@pytest.mark.skipif(bool(importlib.util.find_spec("socks")), reason="PySocks is installed")
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_socks_proxy_without_its_library(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "socks5://127.0.0.1:9")
    with pytest.raises(
        ConnectionFailedError, match=r"SOCKS proxy .*PySocks is missing .*install requests\[socks"
    ) as caught:
        Client(ApiToken("x"), "https://api.example/client/v4").request("GET", "zones")
    assert "network" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ paging


def test_pages(client: Client, emulator: Emulator) -> None:
    names = [f"{number}.example.com" for number in range(120)]
    for name in names:
        emulator.add_zone(name)
    pages = client.pages("zones", {})
    assert [zone["name"] for zone in pages] == names
    assert pages.total == 120
    assert [exchange.query["page"] for exchange in emulator.journal] == ["1", "2", "3"]
    assert {exchange.query["per_page"] for exchange in emulator.journal} == {"50"}


@pytest.mark.parametrize(("zones", "requests"), [(0, 1), (49, 1), (50, 2), (51, 2)])
def test_pages_of_a_listing_that_does_not_count(
    client: Client, emulator: Emulator, zones: int, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(zones):
        emulator.add_zone(f"{number}.example.com")
    envelope = client._envelope

    def without_info(*arguments: object, **options: object) -> dict[str, object]:
        return {**envelope(*arguments, **options), "result_info": None}  # type: ignore[arg-type]

    monkeypatch.setattr(client, "_envelope", without_info)
    assert len(list(client.pages("zones", {}))) == zones
    assert len(emulator.journal) == requests


@pytest.mark.parametrize("result", ["text", {"id": 1}, [1, 2]])
def test_a_listing_that_is_none(client: Client, emulator: Emulator, result: object) -> None:
    emulator.faults.append(Fault(body={"success": True, "result": result}))
    with pytest.raises(ResponseError, match="did not answer with a list"):
        list(client.pages("zones", {}))


def test_done_steps_are_part_of_the_message() -> None:
    error = CloudflareError("It failed.")
    assert str(error) == "It failed."
    error.done = ("uploaded a", "enabled b")
    assert str(error) == "It failed. Done before that: uploaded a, enabled b."
