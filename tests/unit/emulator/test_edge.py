# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator's edge, in front of origins that speak real TLS."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from cryptography.hazmat.primitives.asymmetric import mldsa

from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.origin.origin import CLASSICAL, HYBRID, Firewall, Origin
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import AOP, Api, result
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
        ({"versions": OLDER}, "valid", {"compliance_modes": ["pqh"]}, None, 525),
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
