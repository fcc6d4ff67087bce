# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role where it knows the origins: it tries them first, and writes nothing that one of them would not answer."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.origin.origin import CLASSICAL, Origin
from ansible_collections.originsec.cloudflare.tests.unit.roles.role import Ansible
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

KINDS = {"none": "open", "optional": "optional", "required": "enforcing"}


@pytest.fixture(scope="module")
def server() -> Issued:
    return issue("example.com", usage=None)


def of(server: Issued, client: Issued, **properties: Any) -> Origin:
    """An origin that asks for this client certificate, and knows no other."""
    asking = {"client_certificates": "optional", "client_ca": client.pem}
    return Origin(server.pem, server.key_pem, **{**asking, **properties})


@pytest.mark.parametrize("asks", KINDS)
@pytest.mark.long
def test_a_zone_whose_origin_takes_the_certificate(
    asks: str, ansible: Ansible, zone: Zone, server: Issued, client_certificate: Issued
) -> None:
    with of(server, client_certificate, client_certificates=asks) as origin:
        address = f"127.0.0.1:{origin.port}"
        ansible.variables |= {"zone_hardening_origins": [address], "zone_hardening_compliance_modes": ["pqh"]}
        first = ansible.run()
        assert first.returncode == 0, first.output
        report = first.reports["example.com"]
        accepting = [address] if asks != "none" else []
        kinds = {kind: [address] if kind == KINDS[asks] else [] for kind in KINDS.values()}
        assert report["origins"] == {**kinds, "unreachable": [], "accepting": accepting}
        assert {one.server_name for one in origin.connections} == {"example.com"}

        again = ansible.run("-e", "zone_hardening_require_enforcement=true", "-e", f"zone_hardening_origins={address}")
    assert zone.aop_enabled
    assert ansible.writes() == []
    assert again.returncode == (0 if asks == "required" else 2)
    said = f"{address} answers without a client certificate, so anybody who knows the address can still go around"
    assert (said in again.output) == ("The zone itself is as wanted." in again.output) == (asks != "required")


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another authority": ({"client_ca": ""}, {}, "when the client certificate was presented"),
    "another authority, TLS 1.2": (
        {"client_ca": "", "versions": ("1.2", "1.2")},
        {},
        "when the client certificate was presented",
    ),
    "another authority, over HTTP": ({"client_ca": "", "refusal": "http"}, {}, "answered 400"),
    "classical": (
        {"groups": CLASSICAL},
        {"zone_hardening_compliance_modes": ["pqh"]},
        "did not agree on X25519MLKEM768, and pqh leaves nothing else",
    ),
    "enforcing, none presented": (
        {"client_certificates": "required"},
        {"zone_hardening_client_auth_enabled": False},
        "requires a client certificate, and the edge is to present none",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.long
def test_nothing_is_written_that_an_origin_would_not_answer(
    case: str, ansible: Ansible, zone: Zone, server: Issued, client_certificate: Issued
) -> None:
    """Another origin, which would, does not help."""
    properties, variables, why = REFUSED[case]
    with (
        of(server, client_certificate, client_certificates="none") as good,
        of(server, client_certificate, **properties) as bad,
    ):
        addresses = [f"127.0.0.1:{origin.port}" for origin in (good, bad)]
        ansible.variables |= {"zone_hardening_origins": addresses, **variables}
        run = ansible.run()
    assert run.returncode == 2
    assert why in run.output
    assert addresses[1] in run.output
    assert "Nothing was changed." in run.output
    assert ansible.writes() == []


def test_an_origin_that_is_not_there(ansible: Ansible, server: Issued, client_certificate: Issued) -> None:
    with of(server, client_certificate) as origin:
        pass
    ansible.variables["zone_hardening_origins"] = [f"localhost:{origin.port}"]
    run = ansible.run()
    assert run.returncode == 2
    assert f"localhost:{origin.port} cannot be reached: Connection refused" in run.output
    assert ansible.writes() == []


def test_a_certificate_whose_key_is_elsewhere(
    ansible: Ansible, emulator: Emulator, zone: Zone, server: Issued, client_certificate: Issued
) -> None:
    """It cannot be presented by anybody but the edge, so nothing is said against it."""
    emulator.upload(zone, client_certificate.pem)
    ansible.variables |= {"zone_hardening_certificate": "", "zone_hardening_private_key": ""}
    with of(server, client_certificate, client_certificates="required") as origin:
        ansible.variables["zone_hardening_origins"] = [f"127.0.0.1:{origin.port}"]
        run = ansible.run()
    assert run.returncode == 0, run.output
    assert {one.client for one in origin.connections} == {None}
    assert zone.aop_enabled


@pytest.mark.parametrize("mode", ["full", "strict", "origin_pull"])
@pytest.mark.long
def test_an_origin_whose_own_certificate_has_expired(
    mode: str, ansible: Ansible, zone: Zone, client_certificate: Issued
) -> None:
    zone.ssl_mode = mode
    with of(issue("example.com", usage=None, ends=-1), client_certificate) as origin:
        ansible.variables["zone_hardening_origins"] = [f"127.0.0.1:{origin.port}"]
        run = ansible.run()
    if mode == "full":
        assert run.returncode == 0, run.output
        assert zone.aop_enabled
    else:
        assert run.returncode == 2
        assert f"127.0.0.1:{origin.port} shows a certificate of its own that has expired" in run.output
        assert f"in the SSL mode {mode}. Renew it first." in run.output
        assert ansible.writes() == []


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"zone_hardening_require_enforcement": True}, "zone_hardening_require_enforcement needs to know"),
        (
            {"zone_hardening_origins": ["192.0.2.1:99999"]},
            "zone_hardening_origins must hold hosts, with a port",
        ),
        (
            {"zone_hardening_origins": ["https://192.0.2.1/"]},
            "zone_hardening_origins must hold hosts, with a port",
        ),
    ],
)
def test_what_cannot_be_right(ansible: Ansible, variables: dict[str, Any], why: str) -> None:
    ansible.variables |= variables
    run = ansible.run()
    assert run.returncode == 2
    assert why in run.output
    assert ansible.writes() == []
