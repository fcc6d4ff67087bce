# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outages of the troubleshooting guide, each in front of a real origin: undone, or prevented."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.originsec.cloudflare.plugins.modules import origin_tls_client_auth
from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.origin.origin import Origin
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.edge.conftest import Harden, client
from ansible_collections.originsec.cloudflare.tests.unit.edge.nginx import Nginx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue, run_module

OLDER = ("1.2", "1.2")


@dataclass
class Site:
    """A zone that presents ``presents`` to its origin, and what somebody then wants of it.

    origin: the value of ``ssl_verify_client`` of an nginx, or the arguments of an Origin; it trusts one authority.
    wanted: the variables of the role, certificates by their names. before, during, after: statuses.
    """

    origin: str | dict[str, Any]
    wanted: dict[str, Any]
    during: int | None
    before: int = 200
    after: int = 200
    presents: str = "old"
    zone: dict[str, Any] = field(default_factory=dict)
    server: str = "valid"


UNDONE = {
    "520-untrusted": Site({"client_certificates": "optional"}, {"certificate": "untrusted"}, during=520),
    "525-untrusted": Site(
        {"client_certificates": "optional", "versions": OLDER}, {"certificate": "untrusted"}, during=525
    ),
    "525-pqh": Site("on", {"compliance_modes": ["pqh"]}, during=525),
    "526-expired": Site(
        "on", {"certificate": "new"}, during=526, before=526, after=526, zone={"ssl_mode": "strict"}, server="expired"
    ),
    "400-none": Site("on", {"client_auth_enabled": False}, during=400),
    "400-untrusted": Site("optional", {"certificate": "untrusted"}, during=400),
    "400-usage": Site("optional", {"certificate": "usage"}, during=400),
}
WELL = {
    "rotated": Site("on", {"certificate": "new"}, during=None),
    "cured": Site("on", {"certificate": "new"}, during=None, before=400, presents="expired"),
}


@dataclass
class Fleet:
    """One run of the playbook over all sites. statuses: before and after it; states: of the zones, likewise."""

    output: str
    statuses: dict[str, tuple[int, int]]
    states: dict[str, tuple[dict[str, Any], dict[str, Any]]]

    def failure(self, name: str) -> str:
        """What the role says of it at the end."""
        found = re.findall(rf"{name}\.example: [^\"]*", self.output)
        return max(found, key=len, default="")


def state(emulator: Emulator, zone: Zone) -> dict[str, Any]:
    return {
        "kex": zone.kex_enabled,
        "modes": zone.compliance_modes,
        "enabled": zone.aop_enabled,
        "active": emulator.active(zone),
    }


@pytest.fixture(scope="module")
def certificates(authority: Issued, other_authority: Issued) -> dict[str, Issued]:
    return {
        "old": issue("old", issuer=authority),
        "new": issue("new", issuer=authority),
        "expired": issue("expired", issuer=authority, ends=-1),
        "usage": issue("usage", issuer=authority, usage=ExtendedKeyUsageOID.SERVER_AUTH),
        "untrusted": issue("untrusted", issuer=other_authority),
    }


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory,
    nginx_program: Program,
    authority: Issued,
    server: Issued,
    certificates: dict[str, Issued],
) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("fleet")
    servers = {"valid": server, "expired": issue("example", usage=None, ends=-1)}
    variables: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        emulator = stack.enter_context(Emulator())
        edge = stack.enter_context(Edge(emulator))
        harden = Harden(directory, emulator, edge, emulator.add_token())
        for name, site in (UNDONE | WELL).items():
            shown = servers[site.server]
            origins = (
                stack.enter_context(Nginx(nginx_program, directory / name, shown, [authority], site.origin)).origins
                if isinstance(site.origin, str)
                else {"https": _listening(stack, shown, authority, site.origin)}
            )
            zone = emulator.add_zone(f"{name}.example", origins=origins, aop_enabled=True, **site.zone)
            zone.origin_authorities = shown.pem
            emulator.upload(zone, certificates[site.presents].pem, certificates[site.presents].key_pem)
            variables[zone.name] = {f"zone_hardening_{option}": value for option, value in site.wanted.items()}
            if "certificate" in site.wanted:
                variables[zone.name] |= client(certificates[site.wanted["certificate"]])

        def look() -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
            zones = {zone.name.removesuffix(".example"): zone for zone in emulator.zones.values()}
            return (
                {name: edge.pull(zone.name).status for name, zone in zones.items()},
                {name: state(emulator, zone) for name, zone in zones.items()},
            )

        statuses, states = look()
        output = harden(variables, expected=2)
        statuses_after, states_after = look()
        yield Fleet(
            output,
            {name: (statuses[name], statuses_after[name]) for name in statuses},
            {name: (states[name], states_after[name]) for name in states},
        )


def _listening(stack: ExitStack, server: Issued, authority: Issued, arguments: dict[str, Any]) -> str:
    origin = stack.enter_context(Origin(server.pem, server.key_pem, client_ca=authority.pem, **arguments))
    return f"127.0.0.1:{origin.port}"


@pytest.mark.parametrize("name", UNDONE)
def test_what_darkens_a_site_is_undone(fleet: Fleet, name: str) -> None:
    site = UNDONE[name]
    failure = fleet.failure(name)
    assert f"Status code was {site.during} " in failure, fleet.output
    assert "Put back as before: " in failure
    assert "LEFT FOR YOU TO DO" not in failure
    assert fleet.statuses[name] == (site.before, site.after)
    before, after = fleet.states[name]
    assert after == before


@pytest.mark.parametrize("name", WELL)
def test_what_is_well_is_done_in_the_same_run(fleet: Fleet, name: str) -> None:
    """Among them, a site that an expired certificate had darkened."""
    assert fleet.failure(name).count("changed") == 1, fleet.output  # the playbook's summary
    assert fleet.statuses[name] == (WELL[name].before, WELL[name].after)
    before, after = fleet.states[name]
    assert len(after["active"]) == 1
    assert after["active"] != before["active"]


@pytest.mark.parametrize(
    ("presents", "enabled", "asked", "says"),
    [
        ("old", True, {"state": "absent", "certificate": "old"}, "is the last one that the edge could present"),
        ("expired", False, {"enabled": True}, "has expired"),
        ("old", True, {"certificate": "expired"}, "expired on"),
    ],
)
def test_what_would_darken_a_site_is_refused(
    nginx: Callable[[str, list[Issued]], Nginx],
    emulator: Emulator,
    zone: Zone,
    edge: Edge,
    options: dict[str, Any],
    authority: Issued,
    certificates: dict[str, Issued],
    presents: str,
    enabled: bool,
    asked: dict[str, Any],
    says: str,
) -> None:
    """The module is asked for what, once it is done in another way, does darken the site."""
    emulator.upload(zone, certificates[presents].pem, certificates[presents].key_pem)
    before = {"aop_enabled": enabled, "certificates": dict(zone.certificates)}
    zone.aop_enabled = enabled
    with nginx("on" if enabled else "optional", [authority]) as origin:
        zone.origins = origin.origins
        assert edge.pull(zone.name).status == 200

        zone.aop_enabled = True
        if asked.get("state") == "absent":
            zone.certificates = {}
        elif "certificate" in asked:
            emulator.upload(zone, certificates["expired"].pem, certificates["expired"].key_pem)
        assert edge.pull(zone.name).status == 400

        for name, value in before.items():
            setattr(zone, name, value)
        params = {**options, **asked}
        if "certificate" in asked:
            certificate = certificates[asked["certificate"]]
            params |= {"certificate": certificate.pem}
            params |= {} if "state" in asked else {"private_key": certificate.key_pem}
        refused = run_module(origin_tls_client_auth, params)
        assert refused["failed"]
        assert says in refused["msg"]
        assert set(emulator.count()) <= {"GET"}
        assert edge.pull(zone.name).status == 200
