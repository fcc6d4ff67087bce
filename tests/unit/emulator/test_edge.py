# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator's edge, in front of origins that speak real TLS."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from cryptography.hazmat.primitives.asymmetric import mldsa

from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.origin.origin import CLASSICAL, HYBRID, Firewall, Origin
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import (
    AOP,
    AOP_CERTIFICATE,
    AOP_SETTINGS,
    COMPLIANCE,
    SSL,
    STORE,
    STORE_CERTIFICATE,
    Api,
    result,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

OLDER = ("1.2", "1.2")
STRICT = {"ssl_mode": "strict"}


@pytest.fixture(scope="session")
def servers(authority: Issued, other_authority: Issued) -> dict[str, Issued]:
    """Certificates of an origin, valid or not for example.com."""
    return {
        "valid": issue("example.com", issuer=authority, usage=None),
        "expired": issue("example.com", issuer=authority, usage=None, ends=-1),
        "of another name": issue("www.example.com", issuer=authority, usage=None),
        "of another authority": issue("example.com", issuer=other_authority, usage=None),
    }


@pytest.fixture(scope="session")
def trusted(authority: Issued) -> Issued:
    return issue("trusted", issuer=authority)


@pytest.fixture
def edge(emulator: Emulator) -> Iterator[Edge]:
    with Edge(emulator) as edge:
        yield edge


@pytest.mark.parametrize(
    ("origin", "shown", "zone_attributes", "presented", "status"),
    [
        ({}, "valid", {}, None, 200),
        ({"status": 503}, "valid", {}, None, 503),
        ({"client_certificates": "required"}, "valid", {}, None, 520),
        ({"client_certificates": "required", "versions": OLDER}, "valid", {}, None, 525),
        ({"client_certificates": "required"}, "valid", {}, "trusted", 200),
        ({"client_certificates": "required", "versions": OLDER}, "valid", {}, "trusted", 200),
        ({"client_certificates": "optional"}, "valid", {}, None, 200),
        ({"client_certificates": "optional"}, "valid", {}, "other", 520),
        ({"client_certificates": "optional", "versions": OLDER}, "valid", {}, "other", 525),
        ({"client_certificates": "none"}, "valid", {}, "other", 200),
        ({"groups": CLASSICAL}, "valid", {"kex_enabled": True}, None, 200),
        ({"groups": CLASSICAL}, "valid", {"compliance_modes": ["pqh"]}, None, 525),
        ({"groups": HYBRID}, "valid", {"compliance_modes": ["pqh"]}, None, 200),
        ({"versions": OLDER, "groups": CLASSICAL}, "valid", {"compliance_modes": ["pqh"]}, None, 200),
        ({"groups": "X25519"}, "valid", {"compliance_modes": ["fips"]}, None, 525),
        ({"groups": "P-256"}, "valid", {"compliance_modes": ["fips"]}, None, 200),
        ({}, "expired", {}, None, 200),
        ({}, "valid", STRICT, None, 200),
        ({}, "expired", STRICT, None, 526),
        ({}, "of another name", STRICT, None, 526),
        ({}, "of another authority", STRICT, None, 526),
        ({}, "of another authority", {"ssl_mode": "origin_pull"}, None, 526),
        ({"client_certificates": "required", "versions": OLDER}, "expired", STRICT, None, 526),
        ({}, "valid", {"ssl_mode": "flexible"}, None, 521),
        ({}, "valid", {"ssl_mode": "off"}, None, 521),
    ],
)
def test_a_visitor_gets_what_the_handshake_comes_to(
    emulator: Emulator,
    zone: Zone,
    edge: Edge,
    authority: Issued,
    servers: dict[str, Issued],
    trusted: Issued,
    other_certificate: Issued,
    origin: dict[str, Any],
    shown: str,
    zone_attributes: dict[str, Any],
    presented: str | None,
    status: int,
) -> None:
    zone.origin_authorities = authority.pem
    for name, value in zone_attributes.items():
        setattr(zone, name, value)
    if presented:
        certificate = {"trusted": trusted, "other": other_certificate}[presented]
        emulator.upload(zone, certificate.pem, certificate.key_pem)
        zone.aop_enabled = True
    server = servers[shown]
    with Origin(server.pem, server.key_pem, client_ca=authority.pem, **origin) as listening:
        zone.origins = {"https": f"127.0.0.1:{listening.port}"}
        answer = edge.pull("example.com", "/some/where?a=b")
    assert answer.status == status
    # The status was the origin's own exactly where it was asked
    assert [(one.path, one.status) for one in listening.requests] == (
        [("/some/where?a=b", status)] if status in (200, 503) else []
    )


@pytest.mark.parametrize("algorithm", ["RSA", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_the_certificate_may_be_of_any_algorithm_that_cloudflare_takes(
    api: Api, zone: Zone, edge: Edge, servers: dict[str, Issued], algorithm: str
) -> None:
    key: Any = (
        rsa.generate_private_key(65537, 2048)
        if algorithm == "RSA"
        else getattr(mldsa, f"{algorithm.replace('-', '')}PrivateKey").generate()
    )
    client = issue(key=key)
    result(api("POST", AOP, {"certificate": client.pem, "private_key": client.key_pem}))
    zone.aop_enabled = True
    server = servers["valid"]
    with Origin(server.pem, server.key_pem, client_certificates="required", client_ca=client.pem) as origin:
        zone.origins = {"https": f"127.0.0.1:{origin.port}"}
        assert edge.pull("example.com").status == 200
    assert [one.client for one in origin.requests] == [client.fingerprint]


def test_the_latest_active_certificate_is_presented(
    api: Api,
    emulator: Emulator,
    zone: Zone,
    edge: Edge,
    authority: Issued,
    servers: dict[str, Issued],
    trusted: Issued,
) -> None:
    newer = issue("newer", issuer=authority)
    server = servers["valid"]
    with Origin(server.pem, server.key_pem, client_certificates="optional", client_ca=authority.pem) as origin:
        zone.origins = {"https": f"127.0.0.1:{origin.port}"}

        def presented() -> str | None:
            assert edge.pull("example.com").status == 200
            return origin.requests[-1].client

        emulator.upload(zone, trusted.pem, trusted.key_pem)
        assert presented() is None
        zone.aop_enabled = True
        assert presented() == trusted.fingerprint
        emulator.advance(60)
        emulator.deployment_delay = emulator.deletion_delay = 60
        uploaded = result(api("POST", AOP, {"certificate": newer.pem, "private_key": newer.key_pem}))
        assert presented() == trusted.fingerprint
        emulator.advance(60)
        assert presented() == newer.fingerprint
        assert result(api("DELETE", f"{AOP}/{uploaded['id']}"))["status"] == "pending_deletion"
        assert presented() == trusted.fingerprint


def test_the_key_is_in_nothing_that_can_be_read(api: Api, emulator: Emulator, zone: Zone, trusted: Issued) -> None:
    uploaded = result(api("POST", AOP, {"certificate": trusted.pem, "private_key": trusted.key_pem}))
    certificate = zone.certificates[uploaded["id"]]
    assert certificate.private_key == trusted.key_pem
    journal = requests.get(f"{emulator.origin}/emulator/journal", timeout=10).json()["result"]
    read = [result(api("GET", AOP)), result(api("GET", f"{AOP}/{uploaded['id']}"))]
    shown = json.dumps([uploaded, journal, read]) + repr(zone)
    assert trusted.key_pem.splitlines()[1] not in shown
    assert uploaded["id"] in shown


def test_key_exchange_offers_a_post_quantum_share_at_once_where_it_is_automatic(
    zone: Zone, edge: Edge, servers: dict[str, Issued]
) -> None:
    """A share of X25519MLKEM768 takes a thousand bytes, which some firewalls do not like."""
    server = servers["valid"]
    with Origin(server.pem, server.key_pem) as origin, Firewall(origin.port, action="reset") as firewall:
        for port, automatic, status in (
            (firewall.port, True, 525),
            (firewall.port, False, 200),
            (origin.port, True, 200),
        ):
            zone.origins, zone.kex_enabled = {"https": f"127.0.0.1:{port}"}, automatic
            assert edge.pull("example.com").status == status
    assert [one.group for one in origin.connections] == ["x25519", HYBRID]


@pytest.mark.parametrize(
    ("ssl_mode", "answer", "status"),
    [
        ("flexible", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("off", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("flexible", b"", 520),
        ("flexible", b"What?\r\n\r\n", 520),
        ("flexible", None, 524),
        ("full", b"HTTP/1.1 400 Bad Request\r\n\r\n", 525),
        ("full", b"", 525),
        ("full", None, 525),
    ],
)
def test_origins_without_tls(zone: Zone, edge: Edge, ssl_mode: str, answer: bytes | None, status: int) -> None:
    """answer: what they say to whatever comes; None is nothing at all."""
    zone.ssl_mode, edge.timeout = ssl_mode, 0.2
    over = threading.Event()

    def serve() -> None:
        connection = listening.accept()[0]
        with connection:
            connection.recv(65536)
            if answer is None:
                over.wait(10)
            else:
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        zone.origins = dict.fromkeys(("http", "https"), f"127.0.0.1:{listening.getsockname()[1]}")
        server = threading.Thread(target=serve)
        server.start()
        assert edge.pull("example.com").status == status
        over.set()
        server.join()


def test_an_origin_that_accepts_no_connection(zone: Zone, edge: Edge) -> None:
    edge.timeout = 0.2
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for waiting in (first, second):  # which is all that it has room for
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        zone.origins = {"https": f"127.0.0.1:{listening.getsockname()[1]}"}
        assert edge.pull("example.com").status == 522
    assert edge.pull("example.com").status == 521


def test_the_edge_knows_a_zone_by_the_name_that_was_asked_for(
    emulator: Emulator, zone: Zone, edge: Edge, servers: dict[str, Issued]
) -> None:
    server = servers["valid"]
    with Origin(server.pem, server.key_pem, body=b"Hello") as origin:
        zone.origins = {"https": f"127.0.0.1:{origin.port}"}
        named = requests.get(f"{edge.url}/a?b", headers={"Host": "example.com"}, timeout=10)
        proxied = requests.get("http://example.com:8080/a?b", proxies={"http": edge.url}, timeout=10)
        unknown = requests.get(edge.url, headers={"Host": "example.net"}, timeout=10)
    assert [(one.status_code, one.text) for one in (named, proxied)] == [(200, "Hello")] * 2
    assert unknown.status_code == 409
    assert [(one.path, one.headers["host"]) for one in origin.requests] == [("/a?b", "example.com")] * 2
    assert {one.server_name for one in origin.connections} == {"example.com"}


# -- levels


WWW, SHOP = "www.example.com", "shop.example.com"


@pytest.fixture(scope="session")
def wildcard(authority: Issued) -> Issued:
    return issue("*.example.com", issuer=authority, usage=None)


@pytest.fixture
def origin(zone: Zone, authority: Issued, edge: Edge, wildcard: Issued) -> Iterator[Origin]:
    """That of the zone; it trusts the authority of the tests and the shared one."""
    trusted = authority.pem + edge.shared_authority
    with Origin(wildcard.pem, wildcard.key_pem, client_certificates="optional", client_ca=trusted) as origin:
        zone.origins = {"https": f"127.0.0.1:{origin.port}"}
        yield origin


@pytest.fixture
def presented(edge: Edge, origin: Origin) -> Callable[[str], str | None]:
    """The fingerprint of what the origin of a host gets to see."""

    def presented(host: str) -> str | None:
        assert edge.pull(host).status == 200
        assert origin.connections[-1].server_name == host
        return origin.requests[-1].client

    return presented


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("of_zone", [False, True])
@pytest.mark.parametrize("of_hostname", [None, False, True])
def test_hostname_before_zone_before_shared(
    emulator: Emulator,
    zone: Zone,
    edge: Edge,
    presented: Callable[[str], str | None],
    authority: Issued,
    trusted: Issued,
    of_hostname: bool | None,
    of_zone: bool,
    shared: bool,
) -> None:
    own = issue("own", issuer=authority)
    emulator.upload(zone, trusted.pem, trusted.key_pem)
    zone.aop_enabled, zone.global_aop_enabled = of_zone, shared
    if of_hostname is not None:
        certificate = emulator.upload(zone, own.pem, own.key_pem, hostname_level=True)
        emulator.associate(zone, WWW, certificate, of_hostname)
    below = trusted.fingerprint if of_zone else edge.shared.fingerprint if shared else None
    assert presented(WWW) == {None: below, False: None, True: own.fingerprint}[of_hostname]
    assert presented(SHOP) == presented("example.com") == below


@pytest.mark.parametrize("shared", [False, True])
def test_the_zone_level_without_a_certificate(
    emulator: Emulator, zone: Zone, edge: Edge, presented: Callable[[str], str | None], shared: bool
) -> None:
    zone.aop_enabled, emulator.shared_without_certificate = True, shared
    assert presented(WWW) == (edge.shared.fingerprint if shared else None)


def test_an_association_is_obeyed_once_it_is_deployed(
    emulator: Emulator,
    api: Api,
    zone: Zone,
    presented: Callable[[str], str | None],
    authority: Issued,
    trusted: Issued,
) -> None:
    """Until then it is as it was, also while one is voided. A certificate that is not active presents nothing."""
    old, new = (issue(name, issuer=authority) for name in ("old", "new"))
    emulator.upload(zone, trusted.pem, trusted.key_pem)
    zone.aop_enabled = True
    ids = [emulator.upload(zone, one.pem, one.key_pem, hostname_level=True).id for one in (old, new)]
    emulator.association_delay, emulator.void_delay = 30, 120

    def change(certificate: str, enabled: bool | None) -> None:
        result(api.associate({"hostname": WWW, "cert_id": certificate, "enabled": enabled}))

    before: str | None = trusted.fingerprint
    for certificate, enabled, after, takes in (
        (ids[0], True, old.fingerprint, 30),
        (ids[1], True, new.fingerprint, 30),
        (ids[1], False, None, 30),
        (ids[0], True, old.fingerprint, 30),
        (ids[0], None, trusted.fingerprint, 120),
    ):
        change(certificate, enabled)
        emulator.advance(takes - 10)
        assert presented(WWW) == before
        emulator.advance(10)
        assert presented(WWW) == after
        before = after
    change(ids[1], True)
    emulator.advance(30)
    zone.hostname_certificates[ids[1]].deployment_times_out = True
    assert presented(WWW) is None


def test_a_certificate_deleted_before_its_hostname_is_pinned_anew(
    emulator: Emulator, api: Api, zone: Zone, presented: Callable[[str], str | None], authority: Issued
) -> None:
    """Leaves a gap."""
    old, new = (issue(name, issuer=authority) for name in ("old", "new"))
    certificates = [emulator.upload(zone, one.pem, one.key_pem, hostname_level=True) for one in (old, new)]
    emulator.associate(zone, WWW, certificates[0])
    emulator.association_delay = 30
    result(api.associate({"hostname": WWW, "cert_id": certificates[1].id, "enabled": True}))
    assert presented(WWW) == old.fingerprint
    result(api("DELETE", STORE_CERTIFICATE, certificate=certificates[0].id))
    assert presented(WWW) is None
    emulator.advance(30)
    assert presented(WWW) == new.fingerprint


# -- an edge that lags


def test_the_edge_sees_changes_later(
    emulator: Emulator,
    api: Api,
    zone: Zone,
    edge: Edge,
    presented: Callable[[str], str | None],
    authority: Issued,
    trusted: Issued,
) -> None:
    newer = issue("newer", issuer=authority)
    emulator.edge_delay = 8
    emulator.upload(zone, trusted.pem, trusted.key_pem)
    emulator.advance(60)

    def later(before: str | None, after: str | None) -> None:
        emulator.advance(7)
        assert presented(WWW) == before
        emulator.advance(1)
        assert presented(WWW) == after

    result(api("PUT", AOP_SETTINGS, {"enabled": True}))
    later(None, trusted.fingerprint)
    uploaded = result(api.upload(newer))["id"]
    later(trusted.fingerprint, newer.fingerprint)
    result(api("PUT", AOP_SETTINGS, {"enabled": False}))
    emulator.advance(4)
    result(api("PUT", AOP_SETTINGS, {"enabled": True}))
    assert presented(WWW) == newer.fingerprint
    later(None, newer.fingerprint)  # in the order in which they were made
    result(api("DELETE", AOP_CERTIFICATE, certificate=uploaded))
    later(newer.fingerprint, trusted.fingerprint)
    of_hostname = result(api.upload(newer, path=STORE))["id"]
    emulator.advance(8)
    result(api.associate({"hostname": WWW, "cert_id": of_hostname, "enabled": True}))
    later(trusted.fingerprint, newer.fingerprint)

    result(api("PATCH", COMPLIANCE, {"value": ["cnsa2"]}))  # which this origin has not
    emulator.advance(7)
    assert edge.pull(WWW).status == 200
    emulator.advance(1)
    assert edge.pull(WWW).status == 525
    result(api("PATCH", SSL, {"value": "flexible"}))
    emulator.advance(7)
    assert edge.pull(WWW).status == 525
    emulator.advance(1)
    assert edge.pull(WWW).status == 521


# -- SSL modes and names


def test_a_mode_that_is_put_back(emulator: Emulator, api: Api, zone: Zone, edge: Edge, origin: Origin) -> None:
    zone.ssl_automatic_mode, emulator.ssl_automatic_delay = "auto", 60
    result(api("PATCH", SSL, {"value": "strict"}))
    assert edge.pull(WWW).status == 526  # nobody is trusted
    emulator.advance(60)
    assert edge.pull(WWW).status == 200


def test_a_mode_that_a_rule_overrides(zone: Zone, edge: Edge, origin: Origin) -> None:
    zone.ssl_mode, zone.ssl_overrides = "strict", {WWW: "full", SHOP: "off"}
    assert [edge.pull(host).status for host in (WWW, SHOP, "example.com")] == [200, 521, 526]


def test_strict_is_about_the_name_that_was_asked_for(zone: Zone, edge: Edge, origin: Origin, authority: Issued) -> None:
    zone.ssl_mode, zone.origin_authorities = "strict", authority.pem
    assert [edge.pull(host).status for host in (WWW, "example.com", "a.www.example.com")] == [200, 526, 526]


def test_a_hostname_may_have_an_origin_of_its_own(zone: Zone, edge: Edge, origin: Origin, wildcard: Issued) -> None:
    with Origin(wildcard.pem, wildcard.key_pem, body=b"shop") as other:
        zone.origins[f"https://{SHOP}"] = f"127.0.0.1:{other.port}"
        assert [edge.pull(host).body for host in (WWW, SHOP)] == [b"origin\n", b"shop"]
    assert [(one.headers["host"], one.path) for one in other.requests] == [(SHOP, "/")]


def test_the_closest_zone_counts(emulator: Emulator, zone: Zone, edge: Edge, origin: Origin) -> None:
    emulator.add_zone("www.example.com")
    assert [edge.pull(host).status for host in (WWW, "a.www.example.com", SHOP)] == [521, 521, 200]
    assert edge.pull("notexample.com").status == 409


@pytest.mark.parametrize(("obeys", "status"), [(False, 200), (True, 525)])
def test_compliance_modes_are_about_tls_13(
    zone: Zone, edge: Edge, servers: dict[str, Issued], trusted: Issued, obeys: bool, status: int
) -> None:
    edge.older_tls_obeys_modes, zone.compliance_modes = obeys, ["pqh"]
    server = servers["valid"]
    with (
        Origin(server.pem, server.key_pem, versions=OLDER) as older,
        Origin(server.pem, server.key_pem, groups=CLASSICAL) as classical,
    ):
        zone.origins = {"https": f"127.0.0.1:{older.port}"}
        assert edge.pull("example.com").status == status
        zone.origins = {"https": f"127.0.0.1:{classical.port}"}
        assert edge.pull("example.com").status == 525


# -- what is not the origin's doing


def visit(edge: Edge, host: str = WWW) -> requests.Response:
    url = f"http://{host}/"
    return requests.get(url, proxies={"http": edge.url}, allow_redirects=False, timeout=10)


def test_headers(emulator: Emulator, zone: Zone, edge: Edge, origin: Origin) -> None:
    response = visit(edge)
    assert (response.status_code, response.text, response.headers["CF-Cache-Status"]) == (200, "origin\n", "DYNAMIC")
    assert response.headers["CF-Ray"]
    assert "CF-Mitigated" not in response.headers
    emulator.site(WWW).cache_status = None
    assert "CF-Cache-Status" not in visit(edge).headers
    emulator.site(WWW).ray = False
    assert not {"CF-Ray", "CF-Cache-Status"} & set(visit(edge).headers)
    assert visit(edge, SHOP).headers["CF-Cache-Status"] == "DYNAMIC"
    emulator.site("example.com").headers["Server"] = "cloudflare"
    assert (visit(edge, SHOP).headers["Server"], "Server" in visit(edge).headers) == ("cloudflare", False)
    zone.origins = {}
    dark = visit(edge, SHOP)
    assert (dark.status_code, "CF-Ray" in dark.headers, "CF-Cache-Status" in dark.headers) == (521, True, False)


def test_what_the_origin_says_is_passed_on(zone: Zone, edge: Edge) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /shop\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    zone.ssl_mode = "flexible"

    def serve() -> None:
        with listening.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        zone.origins = {"http": f"127.0.0.1:{listening.getsockname()[1]}"}
        server = threading.Thread(target=serve)
        server.start()
        response = visit(edge)
        server.join()
    assert (response.status_code, response.headers["Location"], response.headers["CF-Cache-Status"]) == (
        *(302, "/shop"),
        "DYNAMIC",
    )


@pytest.mark.parametrize("status", ["HIT", "STALE", "UPDATING"])
def test_from_the_cache(emulator: Emulator, zone: Zone, edge: Edge, origin: Origin, status: str) -> None:
    """Whatever has become of the origin."""
    assert visit(edge).text == "origin\n"
    emulator.site("example.com").cache_status = status
    zone.origins = {}
    asked = len(origin.requests)
    for host, body in ((WWW, "origin\n"), (SHOP, "")):
        response = visit(edge, host)
        assert (response.status_code, response.text, response.headers["CF-Cache-Status"]) == (200, body, status)
    assert len(origin.requests) == asked


@pytest.mark.parametrize("status", ["MISS", "BYPASS", "EXPIRED", "REVALIDATED"])
def test_not_from_the_cache(emulator: Emulator, zone: Zone, edge: Edge, origin: Origin, status: str) -> None:
    emulator.site("example.com").cache_status = status
    assert visit(edge).headers["CF-Cache-Status"] == status
    assert len(origin.requests) == 1
    zone.origins = {}
    assert visit(edge).status_code == 521


def test_challenge_and_redirect(emulator: Emulator, edge: Edge, origin: Origin) -> None:
    site = emulator.site(WWW)
    site.challenge = True
    challenged = visit(edge)
    assert (challenged.status_code, challenged.headers["CF-Mitigated"]) == (403, "challenge")
    site.challenge, site.redirect = False, "https://www.example.com/"
    redirected = visit(edge)
    assert (redirected.status_code, redirected.headers["Location"]) == (301, "https://www.example.com/")
    for answer in (challenged, redirected):
        assert (bool(answer.headers["CF-Ray"]), "CF-Cache-Status" in answer.headers) == (True, False)
    assert origin.requests == []


def test_dark_and_slow(emulator: Emulator, edge: Edge, origin: Origin) -> None:
    emulator.site(WWW).dark = True
    with pytest.raises(requests.ConnectionError):
        visit(edge)
    assert edge.answers[-1][1].status == 0
    emulator.site(SHOP).delay = 0.5
    started = time.monotonic()
    assert visit(edge, SHOP).status_code == 200
    assert time.monotonic() - started >= 0.5


@pytest.mark.parametrize(
    "attributes", [{"paused": True}, {"status": "pending"}, {"status": "moved"}, {"status": "initializing"}], ids=str
)
def test_no_edge_in_front(
    emulator: Emulator, zone: Zone, edge: Edge, origin: Origin, trusted: Issued, attributes: dict[str, Any]
) -> None:
    """The origin sees the visitor, who has no certificate, and whom nothing that is set keeps away."""
    emulator.upload(zone, trusted.pem, trusted.key_pem)
    zone.aop_enabled = zone.global_aop_enabled = True
    zone.ssl_mode, zone.compliance_modes = "strict", ["cnsa2"]
    emulator.site(WWW).challenge = True
    for name, value in attributes.items():
        setattr(zone, name, value)
    response = visit(edge)
    assert (response.status_code, response.text) == (200, "origin\n")
    assert not {"CF-Ray", "CF-Cache-Status", "CF-Mitigated"} & set(response.headers)
    assert origin.requests[-1].client is None
    origin.client_certificates = "required"
    with pytest.raises(requests.ConnectionError):
        visit(edge)
    zone.origins = {}
    with pytest.raises(requests.ConnectionError):
        visit(edge)
