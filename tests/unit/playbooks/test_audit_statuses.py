# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of zones that are waived, paused, not managed or not there, in an audit and when they are hardened."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.origin.origin import CLASSICAL, Origin
from ansible_collections.originsec.cloudflare.tests.unit.playbooks.fleet import Fleet
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")


def rows(fleet: Fleet, name: str = "b.json") -> dict[str, Any]:
    return {row["zone"]: row for row in json.loads((fleet.directory / name).read_text())["zones"]}


@pytest.mark.long
def test_waived_paused_and_not_managed(hardened: Fleet) -> None:
    """Each is shown as such, none is compliant, none is a failure, and harden leaves all of them alone."""
    shop, blog, api = (hardened.zones[name] for name in hardened.hosts)
    for zone in hardened.zones.values():
        zone.kex_enabled = False
    shop.paused = True
    waiver = {"aspect": "auto_origin_tls_kex", "reason": "old origin", "until": "2099-01-01"}
    hardened.hosts[blog.name]["zone_hardening_waivers"] = [waiver]
    hardened.hosts[api.name]["zone_hardening_manage"] = False
    hardened.variables["zone_hardening_verify_urls"] = []
    run = hardened.audit("-e", "audit_report=b.json", "-e", "audit_fail_on=any")
    assert run.returncode == 0, run.output
    assert "3 zones: 1 not active, 1 not managed, 1 waived" in run.output
    assert "  blog.example: auto_origin_tls_kex until 2099-01-01 (old origin)" in run.output
    assert {name: (row["status"], row["state"]) for name, row in rows(hardened).items()} == {
        shop.name: ("inactive", "paused"),
        blog.name: ("waived", "active"),
        api.name: ("not managed", None),
    }
    assert not any(api.id in exchange.path for exchange in hardened.emulator.journal)

    run = hardened.run("harden", "-e", "harden_report=b.json")
    assert run.returncode == 0, run.output
    assert "3 zones: 1 not active, 1 unchanged, 1 not managed" in run.output
    assert "  shop.example: paused" in run.output
    assert set(hardened.emulator.count()) == {"GET"}
    assert {name: row["status"] for name, row in rows(hardened).items()} == {
        shop.name: "not active",
        blog.name: "unchanged",
        api.name: "not managed",
    }

    waiver["until"] = "2020-01-01"
    run = hardened.run("harden", "--limit", blog.name)
    assert run.returncode == 0, run.output
    assert blog.kex_enabled, "the waiver is over"
    waiver["until"] = "soon"
    run = hardened.run("harden")
    assert run.returncode == 2
    assert "blog.example: zone_hardening_waivers: the waiver of auto_origin_tls_kex needs a day" in run.output
    assert hardened.emulator.journal == []


@pytest.mark.long
def test_what_the_audit_is_to_fail_on(hardened: Fleet) -> None:
    hardened.zones["blog.example"].aop_enabled = False
    hardened.zones["api.example"].kex_enabled = False
    run = hardened.audit("-e", "audit_fail_on=client_auth, certificate_expiring", "-e", "audit_expected_zones=3")
    assert run.returncode == 2
    assert run.failed() == {"blog.example"}
    for wrong in ("true", "client_authh"):
        run = hardened.audit("-e", f"audit_fail_on={wrong}", "-e", "audit_expected_zones=3")
        assert run.returncode == 2
        assert "audit_fail_on takes any, inactive, unreadable, " in run.output
        assert f", not {wrong}." in run.output
        assert hardened.emulator.journal == []
    run = hardened.audit("-e", "audit_expected_zones=4", "--limit", "!api.example")
    assert run.returncode == 2
    assert "Incomplete: 2 zones are in this audit, and audit_expected_zones is 4." in run.output
    assert "This is not the whole fleet. 2 zones are in this audit" in run.output
    assert len(run.failed()) == 1


@pytest.mark.long
def test_both_ends(hardened: Fleet, client_certificate: Issued) -> None:
    """An open origin is drift, and so is one that nobody can look at; one that only asks is where it has to require."""
    server = issue("shop.example", usage=None)
    asks: dict[str, dict[str, Any]] = {"none": {}, "optional": {"groups": CLASSICAL}, "required": {}}
    origins = {
        asking: Origin(
            server.pem, server.key_pem, client_certificates=asking, client_ca=client_certificate.pem, **properties
        )
        for asking, properties in asks.items()
    }
    with origins["none"] as none, origins["optional"] as optional, origins["required"] as required:
        addresses = [f"127.0.0.1:{one.port}" for one in (none, optional, required)]
        hardened.hosts["shop.example"]["zone_hardening_origins"] = [*addresses, "127.0.0.1:1"]
        hardened.hosts["blog.example"]["zone_hardening_origins"] = [addresses[2]]
        run = hardened.audit("-e", "audit_report=b.json,a.html,c.csv", "-e", "audit_fail_on=origin_open")
        assert {one.server_name for one in none.connections} == {"shop.example"}
    assert run.returncode == 2, run.output
    assert run.failed() == {"shop.example"}
    assert f"origin_open ({addresses[0]} is open, wanted a client certificate is asked for)" in run.output
    found = rows(hardened)
    shop = found["shop.example"]
    assert {name: (one["enforcement"], one["post_quantum"]) for name, one in shop["origins"].items()} == {
        addresses[0]: ("open", True),
        addresses[1]: ("optional", False),
        addresses[2]: ("enforcing", True),
        "127.0.0.1:1": ("unreachable", None),
    }
    assert [one["kind"] for one in shop["drift"]] == ["origin_open", "origin_unreachable"]
    assert found["blog.example"]["status"] == "compliant"
    page, table = ((hardened.directory / name).read_text() for name in ("a.html", "c.csv"))
    assert f"<bdi>{addresses[2]}</bdi> enforcing, post-quantum" in page
    assert f"{addresses[0]}," in table
