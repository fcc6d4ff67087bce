# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outages of the troubleshooting guide, each in front of a real origin, and what its table says comes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from ansible_collections.originsec.cloudflare.plugins.modules import origin_tls_client_auth
from ansible_collections.originsec.cloudflare.tests.emulator.edge import Answer, Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.origin.origin import Origin
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TREE
from ansible_collections.originsec.cloudflare.tests.unit.edge.nginx import Nginx
from ansible_collections.originsec.cloudflare.tests.unit.edge.playbook import Harden, client
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue, run_module

GUIDE = TREE / "docs" / "docsite" / "rst" / "guide_troubleshooting.rst"
OPTIONAL, OLDER = {"client_certificates": "optional"}, {"versions": ("1.2", "1.2")}


class Row(NamedTuple):
    """Of the guide's table, without its markup."""

    seen: str
    change: str
    result: str
    result_with_origins: str


@dataclass
class Site:
    """A zone whose edge presents a certificate to its origin, and what somebody then wants of it.

    origin: the value of ``ssl_verify_client`` of an nginx, or the arguments of an Origin; it trusts one authority.
    wanted: the variables of the role, certificates by their names. before: what visitors see.
    """

    origin: str | dict[str, Any]
    wanted: dict[str, Any]
    before: str = "200"
    presents: str = "old"
    zone: dict[str, Any] = field(default_factory=dict)
    server: str = "valid"


DARK = {
    "A client certificate that the origin does not trust, over TLS 1.3": Site(OPTIONAL, {"certificate": "untrusted"}),
    "A client certificate that the origin does not trust, over TLS 1.2": Site(
        OPTIONAL | OLDER, {"certificate": "untrusted"}
    ),
    "Compliance mode pqh, at an origin without X25519MLKEM768": Site(
        "on; ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:prime256v1", {"compliance_modes": ["pqh"]}
    ),
    "Any, while the origin's own certificate is expired": Site(
        "on", {"certificate": "new"}, before="526", zone={"ssl_mode": "strict"}, server="expired"
    ),
    "Authenticated Origin Pulls disabled, at an origin that requires them": Site("on", {"client_auth_enabled": False}),
    "A client certificate that nginx does not trust": Site("optional", {"certificate": "untrusted"}),
    "A client certificate without clientAuth": Site("optional", {"certificate": "usage"}),
}
KNOWN = {f"{change}, with zone_hardening_origins": site for change, site in DARK.items()}
DONE = {
    "rotation": Site("on", {"certificate": "new"}),
    # Where the change is what mends the site, nothing can be verified before.
    "cure": Site(
        "on",
        {"certificate": "new", "verify_urls": [], "exclusive": True},
        before="400 The SSL certificate error",
        presents="expired",
    ),
}


@dataclass
class Refused:
    """What the module refuses. enabled: whether Authenticated Origin Pulls are, before; dark: what it would come to."""

    asked: dict[str, Any]
    because: str
    dark: list[str]
    presents: str = "old"
    enabled: bool = True


PREVENTED = {
    "The last client certificate removed": Refused(
        {"state": "absent", "certificate": "old"}, "is the last one that the edge could present", []
    ),
    "A client certificate that is expired": Refused({"certificate": "expired"}, "expired on", ["old", "expired"]),
    "Authenticated Origin Pulls enabled, with an expired certificate only": Refused(
        {"enabled": True}, "has expired", ["expired"], presents="expired", enabled=False
    ),
}


def seen(answer: Answer) -> str:
    """The status, and what nginx says of it."""
    title = re.search(rb"<h1>400 Bad Request</h1>.*|<title>(.*)</title>", answer.body)
    return title[1].decode() if title and title[1] else str(answer.status)


def state(emulator: Emulator, zone: Zone) -> dict[str, Any]:
    return {
        "kex": zone.kex_enabled,
        "modes": zone.compliance_modes,
        "enabled": zone.aop_enabled,
        "active": emulator.active(zone),
    }


@dataclass
class Result:
    """What one run of the playbook was to a zone.

    before, during, after: what visitors saw; states: of the zone, before and after; said: why it failed, by the report.
    """

    before: str
    during: set[str]
    after: str
    states: tuple[dict[str, Any], dict[str, Any]]
    written: bool
    said: str
    verified: bool

    @property
    def result(self) -> str:
        """In the words of the guide."""
        assert (self.before, self.states[0]) == (self.after, self.states[1]), self.said
        assert "left for you to do" not in self.said
        if "Nothing was changed." in self.said:
            assert not self.written
            assert self.during <= {self.before}
            return "prevented"
        assert "Put back: " in self.said
        assert "answers as before" in self.said
        assert self.written
        return "undone"


@pytest.fixture(scope="module")
def table() -> list[Row]:
    """As the guide has it."""
    text = re.search(r"\.\. list-table::\n   :header-rows: 1\n\n((?:   .*\n)+)", GUIDE.read_text())
    assert text
    rows = [
        [re.sub(r"[`\"]+", "", " ".join(cell.split())) for cell in re.split(r"^     - ", row, flags=re.MULTILINE)]
        for row in re.split(r"^   \* - ", text[1], flags=re.MULTILINE)[2:]
    ]
    return [Row(*row) for row in rows]


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
def outcomes(
    tmp_path_factory: pytest.TempPathFactory,
    nginx_program: Program,
    authority: Issued,
    server: Issued,
    certificates: dict[str, Issued],
) -> dict[str, Result]:
    """One run of the playbook for all sites, since to start it takes longer than to do it."""
    directory = tmp_path_factory.mktemp("sites")
    servers = {"valid": server, "expired": issue("example", usage=None, ends=-1)}
    with ExitStack() as stack:
        emulator = stack.enter_context(Emulator())
        edge = stack.enter_context(Edge(emulator))
        zones: dict[str, Zone] = {}
        variables: dict[str, dict[str, Any]] = {}
        for number, (change, site) in enumerate((DARK | KNOWN | DONE).items()):
            zone = emulator.add_zone(f"site{number}.example", aop_enabled=True, **site.zone)
            shown = servers[site.server]
            if isinstance(site.origin, str):
                nginx = Nginx(nginx_program, directory / zone.name, shown, [authority], site.origin)
                zone.origins = stack.enter_context(nginx).origins
            else:
                origin = Origin(shown.pem, shown.key_pem, client_ca=authority.pem, **site.origin)
                zone.origins = {"https": f"127.0.0.1:{stack.enter_context(origin).port}"}
            zone.origin_authorities = shown.pem
            emulator.upload(zone, certificates[site.presents].pem, certificates[site.presents].key_pem)
            variables[zone.name] = {f"zone_hardening_{option}": value for option, value in site.wanted.items()}
            if "certificate" in site.wanted:
                variables[zone.name] |= client(certificates[site.wanted["certificate"]])
            if change in KNOWN:
                variables[zone.name]["zone_hardening_origins"] = [zone.origins["https"]]
            zones[change] = zone

        def look() -> dict[str, tuple[str, dict[str, Any]]]:
            return {change: (seen(edge.pull(zone.name)), state(emulator, zone)) for change, zone in zones.items()}

        before = look()
        edge.answers.clear()
        report = Harden(directory, emulator, edge, emulator.add_token())(variables, expected=2)
        during = list(edge.answers)
        after = look()
        written = [exchange.path for exchange in emulator.journal if exchange.method != "GET"]
    return {
        change: Result(
            before=before[change][0],
            during={seen(answer) for name, answer in during if name == zone.name},
            after=after[change][0],
            states=(before[change][1], after[change][1]),
            written=any(zone.id in path for path in written),
            said=str(report[zone.name]["error"] or ""),
            verified=report[zone.name]["verified"] is True,
        )
        for change, zone in zones.items()
    }


@pytest.mark.parametrize("change", DARK)
@pytest.mark.long
def test_what_darkens_a_site_is_undone_or_prevented(outcomes: dict[str, Result], table: list[Row], change: str) -> None:
    outcome, known = outcomes[change], outcomes[f"{change}, with zone_hardening_origins"]
    (dark,) = outcome.during - {"200"}
    assert f"answered {dark[:3]}" in outcome.said
    assert Row(dark, change, outcome.result, known.result) in table


@pytest.mark.parametrize("change", DONE)
@pytest.mark.long
def test_what_is_well_is_done_in_the_same_run(outcomes: dict[str, Result], change: str) -> None:
    """Among them, a site that an expired certificate had darkened."""
    outcome = outcomes[change]
    verifies = "verify_urls" not in DONE[change].wanted
    assert outcome.said == ""
    assert outcome.verified == verifies
    assert (outcome.before, outcome.after) == (DONE[change].before, "200")
    assert outcome.during == ({"200"} if verifies else set())
    assert len(outcome.states[1]["active"]) == 1
    assert outcome.states[1]["active"] != outcome.states[0]["active"]


@pytest.mark.parametrize("change", PREVENTED)
def test_what_would_darken_a_site_is_refused(
    nginx: Callable[[str, list[Issued]], Nginx],
    emulator: Emulator,
    zone: Zone,
    edge: Edge,
    options: dict[str, Any],
    authority: Issued,
    certificates: dict[str, Issued],
    table: list[Row],
    change: str,
) -> None:
    """The module is asked for what, once it is done in another way, does darken the site."""
    refused = PREVENTED[change]

    def set_up(enabled: bool, presented: list[str]) -> None:
        zone.aop_enabled, zone.certificates = enabled, {}
        for name in presented:
            emulator.upload(zone, certificates[name].pem, certificates[name].key_pem)

    with nginx("on" if refused.enabled else "optional", [authority]) as origin:
        zone.origins = origin.origins
        set_up(True, refused.dark)
        dark = seen(edge.pull(zone.name))

        set_up(refused.enabled, [refused.presents])
        assert edge.pull(zone.name).status == 200
        params = {**options, **refused.asked}
        if "certificate" in refused.asked:
            certificate = certificates[refused.asked["certificate"]]
            params |= {"certificate": certificate.pem}
            params |= {} if "state" in refused.asked else {"private_key": certificate.key_pem}
        result = run_module(origin_tls_client_auth, params)
        assert result["failed"]
        assert refused.because in result["msg"]
        assert set(emulator.count()) <= {"GET"}
        assert edge.pull(zone.name).status == 200
    assert Row(dark, change, "prevented", "prevented") in table


def test_the_table_has_nothing_else(table: list[Row]) -> None:
    assert sorted(row.change for row in table) == sorted([*DARK, *PREVENTED])


def test_every_outage_of_the_guide_is_in_the_table(table: list[Row]) -> None:
    """The chapters that begin with a status, and the one that a chapter only mentions."""
    chapters = re.findall(
        r"^(?:(52\d) from the edge\n-|400 \"(.*)\"\n-|400 \"(.*?)\" is another)", GUIDE.read_text(), re.M
    )
    outages = {status or f"400 {complaint or other}" for status, complaint, other in chapters}
    assert len(outages) == 5
    assert outages == {row.seen for row in table}
