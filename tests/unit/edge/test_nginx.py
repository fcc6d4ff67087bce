# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guides say about nginx."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.origin.origin import BAD_CERTIFICATE, NO_CERTIFICATE
from ansible_collections.originsec.cloudflare.tests.unit.edge.nginx import Nginx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue


@pytest.fixture
def presented(authority: Issued, other_authority: Issued) -> dict[str, Issued]:
    return {
        "trusted": issue("trusted", issuer=authority),
        "untrusted": issue("untrusted", issuer=other_authority),
        "expired": issue("expired", issuer=authority, ends=-1),
        "for servers": issue("for servers", issuer=authority, usage=ExtendedKeyUsageOID.SERVER_AUTH),
    }


@pytest.mark.parametrize(
    ("verify", "refused"),
    [
        ("off", []),
        ("optional_no_ca", ["expired", "for servers"]),
        ("optional", ["untrusted", "expired", "for servers"]),
        ("on", [None, "untrusted", "expired", "for servers"]),
    ],
)
@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_what_ssl_verify_client_refuses(
    nginx: Callable[[str, list[Issued]], Nginx],
    emulator: Emulator,
    zone: Zone,
    edge: Edge,
    authority: Issued,
    presented: dict[str, Issued],
    verify: str,
    refused: list[str | None],
    protocol: str,
) -> None:
    """By an answer, never in the handshake; and the log tells why, where the error log does so only at level info."""
    with nginx(f"{verify}; ssl_protocols {protocol}", [authority]) as origin:
        zone.origins = origin.origins
        for name in (None, *presented):
            zone.aop_enabled = name is not None
            if name:
                emulator.upload(zone, presented[name].pem, presented[name].key_pem)
            answer = edge.pull(zone.name)
            assert answer.status == (400 if name in refused else 200), name
            complaint = BAD_CERTIFICATE if name else NO_CERTIFICATE
            assert (complaint if name in refused else "nginx\n") in answer.body.decode()
            logged = origin.pulls()[-1]
            assert logged.verify.startswith(
                "NONE" if verify == "off" or not name else "SUCCESS" if name == "trusted" else "FAILED:"
            )
        logged_at = [line.split()[2] for line in origin.errors().splitlines() if "SSL certificate" in line]
    assert logged_at == ["[info]"] * len(refused)


def test_what_comes_without_tls_is_not_asked_for_a_certificate(
    nginx: Callable[[str, list[Issued]], Nginx], zone: Zone, edge: Edge, authority: Issued
) -> None:
    """As from the edge in the SSL modes off and flexible, and from whoever knows the address of the origin."""
    with nginx("on", [authority]) as origin:
        zone.origins = origin.origins
        assert edge.pull(zone.name).status == 400
        for zone.ssl_mode in ("off", "flexible"):
            assert edge.pull(zone.name).status == 200
        zone.origins = {"http": zone.origins["https"]}
        answer = edge.pull(zone.name)
    assert (answer.status, b"The plain HTTP request was sent to HTTPS port" in answer.body) == (400, True)
