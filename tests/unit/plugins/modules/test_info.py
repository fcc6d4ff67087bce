# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.modules import (
    origin_tls_client_auth,
    origin_tls_client_auth_info,
    origin_tls_info,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import READ_PERMISSIONS, Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, run_module


@pytest.fixture
def reader(options: dict[str, Any], emulator: Emulator) -> dict[str, Any]:
    """Options with a token that may only read."""
    return {**options, "api_token": emulator.add_token(permissions=READ_PERMISSIONS)}


def test_a_zone_that_never_had_a_certificate(reader: dict[str, Any], zone: Zone, emulator: Emulator) -> None:
    result = run_module(origin_tls_client_auth_info, reader)
    assert not result["changed"]
    assert result["zone_id"] == zone.id
    assert (result["enabled"], result["certificates"], result["active_certificate"]) == (False, [], None)
    assert emulator.count() == {"GET": 2}


def test_certificates(
    options: dict[str, Any],
    reader: dict[str, Any],
    emulator: Emulator,
    zone: Zone,
    client_certificate: Issued,
    other_certificate: Issued,
) -> None:
    pair = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    managed = run_module(origin_tls_client_auth, {**options, **pair, "enabled": True})
    emulator.advance(1)
    second = emulator.upload(zone, other_certificate.pem)
    result = run_module(origin_tls_client_auth_info, reader)
    assert result["enabled"]
    assert result["certificates"][0] == managed["certificate"]
    assert [one["id"] for one in result["certificates"]] == list(zone.certificates)
    assert result["active_certificate"] == result["certificates"][1]
    assert result["active_certificate"]["id"] == second.id
    assert "diff" not in run_module(origin_tls_client_auth_info, reader, diff=True)

    everything = run_module(origin_tls_info, reader)["origin_tls"]["client_auth"]
    assert everything == {name: result[name] for name in ("enabled", "certificates", "active_certificate")}


def test_one_certificate(reader: dict[str, Any], emulator: Emulator, zone: Zone, client_certificate: Issued) -> None:
    emulator.list_lag = 60
    fresh = emulator.upload(zone, client_certificate.pem)
    shown = run_module(origin_tls_client_auth_info, {**reader, "certificate_id": fresh.id})
    assert [one["id"] for one in shown["certificates"]] == [fresh.id]
    emulator.advance(60)
    emulator.journal.clear()
    shown = run_module(origin_tls_client_auth_info, {**reader, "certificate_id": fresh.id})
    assert [one["id"] for one in shown["certificates"]] == [fresh.id]
    assert emulator.count() == {"GET": 2}
    none = run_module(origin_tls_client_auth_info, {**reader, "certificate_id": "0" * 32})
    assert none["certificates"] == []
    assert none["active_certificate"]["id"] == fresh.id
    bad = run_module(origin_tls_client_auth_info, {**reader, "certificate_id": "a/b"})
    assert "at most 36 hexadecimal digits" in bad["msg"]


def test_everything(reader: dict[str, Any], emulator: Emulator, zone: Zone) -> None:
    zone.ssl_mode, zone.kex_enabled, zone.pqe_value, zone.compliance_modes = "strict", True, "preferred", ["pqh"]
    result = run_module(origin_tls_info, reader)
    assert not result["changed"]
    assert result["origin_tls"] == {
        "ssl_mode": "strict",
        "auto_origin_tls_kex": True,
        "origin_pqe": "preferred",
        "compliance_modes": ["pqh"],
        "client_auth": {"enabled": False, "certificates": [], "active_certificate": None},
        "global_client_auth": False,
        "hostnames": {"associations": [], "certificates": []},
        "zone": {"name": "example.com", "status": "active", "paused": False},
    }
    assert emulator.count() == {"GET": 9}


EVERYTHING = {
    *("ssl_mode", "auto_origin_tls_kex", "origin_pqe", "compliance_modes", "client_auth"),
    *("global_client_auth", "hostnames", "zone"),
}


@pytest.mark.parametrize(
    ("subset", "keys", "requests"),
    [
        (["ssl"], {"ssl_mode"}, 1),
        (["kex", "pqe"], {"auto_origin_tls_kex", "origin_pqe"}, 2),
        (["compliance", "compliance"], {"compliance_modes"}, 1),
        (["client_auth"], {"client_auth"}, 2),
        (["global", "zone", "hostnames"], {"global_client_auth", "zone", "hostnames"}, 3),
        (["ssl", "all"], EVERYTHING, 9),
        ([], set(), 0),
    ],
)
def test_subsets(reader: dict[str, Any], emulator: Emulator, subset: list[str], keys: set[str], requests: int) -> None:
    result = run_module(origin_tls_info, {**reader, "gather_subset": subset})
    assert set(result["origin_tls"]) == keys
    assert emulator.count()["GET"] == requests


def test_an_unknown_subset(reader: dict[str, Any], emulator: Emulator) -> None:
    assert "must be one or more of" in run_module(origin_tls_info, {**reader, "gather_subset": ["tls"]})["msg"]
    assert emulator.journal == []
