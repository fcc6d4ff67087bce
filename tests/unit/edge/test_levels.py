# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every level in one transaction, at an nginx that the edge reaches by real TLS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from ansible_collections.originsec.cloudflare.plugins.modules import origin_tls
from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.edge.nginx import Nginx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue, run_module

SHOP = "shop.example.com"


@pytest.fixture
def wanted(options: dict[str, Any], edge: Edge, authority: Issued, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """From flexible to strict, with certificates for the zone and for a hostname."""
    monkeypatch.setenv("http_proxy", edge.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    of_zone, of_shop = issue("of the zone", issuer=authority), issue("of the shop", issuer=authority)
    return {
        **options,
        "ssl_mode": "strict",
        "auto_origin_tls_kex": True,
        "client_auth_enabled": True,
        "certificate": of_zone.pem,
        "private_key": of_zone.key_pem,
        "hostnames": [{"hostname": SHOP, "certificate": of_shop.pem, "private_key": of_shop.key_pem}],
        "verify_urls": ["http://example.com/", f"http://{SHOP}/"],
        "verify_retries": 0,
        "verify_settle": 0,
    }


def look(emulator: Emulator, zone: Zone) -> dict[str, Any]:
    return {
        "ssl_mode": (emulator.ssl_mode(zone), zone.ssl_automatic_mode),
        "kex": zone.kex_enabled,
        "enabled": zone.aop_enabled,
        "associations": {name: one.enabled for name, one in zone.associations.items() if one.enabled is not None},
        "certificates": [
            one.id
            for store in (zone.certificates, zone.hostname_certificates)
            for one in store.values()
            if one.deleted_at is None
        ],
    }


@pytest.mark.parametrize("dark", ["zone", "hostname", "server"])
def test_from_flexible_to_strict_and_back(
    tmp_path: Path,
    nginx_program: Program,
    nginx: Callable[[str, list[Issued]], Nginx],
    emulator: Emulator,
    zone: Zone,
    edge: Edge,
    authority: Issued,
    other_authority: Issued,
    wanted: dict[str, Any],
    dark: str,
) -> None:
    """dark: whose certificate is not trusted: one that the edge presents, or in strict mode the origin's own."""
    zone.ssl_mode, zone.ssl_automatic_mode = "flexible", "auto"
    untrusted = issue("untrusted", issuer=other_authority)
    pair = {"certificate": untrusted.pem, "private_key": untrusted.key_pem}
    failing = {
        "zone": {**wanted, **pair},
        "hostname": {**wanted, "hostnames": [{"hostname": SHOP, **pair}]},
        "server": wanted,
    }[dark]
    of_shop = Nginx(nginx_program, tmp_path / "shop", issue(SHOP, usage=None), [authority], "on")
    with of_shop, nginx("on", [authority]) as origin:
        zone.origins = {**origin.origins, f"https://{SHOP}": of_shop.origins["https"]}
        trusted = origin.server.pem + of_shop.server.pem
        zone.origin_authorities = authority.pem if dark == "server" else trusted
        before = look(emulator, zone)
        assert [edge.pull(name).status for name in ("example.com", SHOP)] == [200, 200]

        result = run_module(origin_tls, failing)
        assert result["failed"]
        said = "answered 526" if dark == "server" else "answered 400 (400 The SSL certificate error"
        name = SHOP if dark == "hostname" else "example.com"
        assert f"http://{name}/ {said}" in result["msg"]
        assert "answer as before." in result["msg"]
        assert (result["changes"], result["left_to_do"]) == ([], [])
        assert result["undone"][-1] == "ssl_mode"
        assert {"hostnames", "client_auth", "certificate", "auto_origin_tls_kex"} < set(result["undone"])
        assert look(emulator, zone) == before
        assert [edge.pull(name).status for name in ("example.com", SHOP)] == [200, 200]

        zone.origin_authorities = trusted
        result = run_module(origin_tls, wanted)
        assert not result.get("failed"), result["msg"]
        assert all(one["proved"] for one in result["verified"].values())
        assert look(emulator, zone) == {
            "ssl_mode": ("strict", "custom"),
            "kex": True,
            "enabled": True,
            "associations": {SHOP: True},
            "certificates": [result["certificate"]["id"], result["after"]["hostnames"]["certificates"][0]["id"]],
        }
        assert [one.pulls()[-1].subject for one in (origin, of_shop)] == ["CN=of the zone", "CN=of the shop"]
        assert not run_module(origin_tls, wanted)["changed"]
