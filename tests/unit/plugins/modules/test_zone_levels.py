# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SSL mode with Automatic SSL/TLS, the certificate that all customers share, and both in origin_tls_info."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.modules import (
    origin_tls_client_auth_global,
    origin_tls_info,
    ssl_mode,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import READ_PERMISSIONS, Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import issue, run_module


def written(emulator: Emulator) -> list[tuple[str, Any]]:
    """The last part of the path, and the body."""
    return [(one.path.rpartition("/")[2], one.body) for one in emulator.journal if one.method != "GET"]


@pytest.mark.parametrize("automatic", ["auto", "custom", "404", "1006", "text"])
def test_a_mode_that_lasts(options: dict[str, Any], emulator: Emulator, zone: Zone, automatic: str) -> None:
    zone.ssl_mode = "flexible"
    if automatic in ("auto", "custom"):
        zone.ssl_automatic_mode = automatic
    else:
        zone.ssl_automatic_failure = automatic
    emulator.ssl_automatic_delay = 5
    params = {**options, "mode": "strict"}
    foreseen = run_module(ssl_mode, params, check=True, diff=True)
    assert not written(emulator)

    done = run_module(ssl_mode, params, diff=True)
    assert done["changed"]
    assert (done["previous"]["value"], done["ssl_mode"]["value"]) == ("flexible", "strict")
    assert foreseen["diff"] == done["diff"] == {"before": {"value": "flexible"}, "after": {"value": "strict"}}
    automatic_write = [("ssl_automatic_mode", {"value": "custom"})] if automatic == "auto" else []
    assert written(emulator) == [*automatic_write, ("ssl", {"value": "strict"})]

    emulator.advance(60)  # Automatic SSL/TLS would have put it back
    emulator.journal.clear()
    again = run_module(ssl_mode, params)
    assert not again["changed"]
    assert again["ssl_mode"]["value"] == "strict"
    assert emulator.count() == {"GET": 1}


@pytest.mark.parametrize("code", [1057, 1135])
def test_a_mode_that_cannot_be_changed(options: dict[str, Any], zone: Zone, code: int) -> None:
    zone.refuses["ssl"] = code
    result = run_module(ssl_mode, {**options, "mode": "origin_pull"})
    assert result["failed"]
    assert f"code {code}" in result["msg"]
    assert zone.ssl_mode == "full"


def test_the_shared_certificate(options: dict[str, Any], emulator: Emulator, zone: Zone) -> None:
    params = {**options, "enabled": True}
    assert run_module(origin_tls_client_auth_global, params, check=True)["changed"]
    assert not written(emulator)
    done = run_module(origin_tls_client_auth_global, params, diff=True)
    assert done["changed"]
    assert done["diff"] == {"before": {"value": "off"}, "after": {"value": "on"}}
    assert (done["previous"]["value"], done["origin_tls_client_auth_global"]["value"]) == ("off", "on")
    assert zone.global_aop_enabled
    assert not run_module(origin_tls_client_auth_global, params)["changed"]
    assert run_module(origin_tls_client_auth_global, {**options, "enabled": False})["changed"]
    assert not zone.global_aop_enabled


def test_the_missing_permission_is_named(options: dict[str, Any], emulator: Emulator) -> None:
    options["api_token"] = emulator.add_token(permissions=READ_PERMISSIONS)
    for module, given in ((ssl_mode, {"mode": "strict"}), (origin_tls_client_auth_global, {"enabled": True})):
        assert "Zone Settings" in run_module(module, {**options, **given})["msg"]


def test_info_shows_every_level(options: dict[str, Any], emulator: Emulator, zone: Zone) -> None:
    zone.paused, zone.global_aop_enabled = True, True
    gathered = run_module(origin_tls_info, {**options, "gather_subset": ["zone", "global", "hostnames"]})["origin_tls"]
    assert gathered == {
        "zone": {"name": "example.com", "status": "active", "paused": True},
        "global_client_auth": True,
        "hostnames": {"associations": [], "certificates": []},
    }
    assert emulator.count() == {"GET": 3}

    certificate = emulator.upload(zone, issue("shop").pem, hostname_level=True)
    emulator.associate(zone, "shop.example.com", certificate, enabled=False)
    hostnames = run_module(origin_tls_info, {**options, "gather_subset": ["hostnames"]})["origin_tls"]["hostnames"]
    assert [(one["hostname"], one["enabled"]) for one in hostnames["associations"]] == [("shop.example.com", False)]
    assert [one["id"] for one in hostnames["certificates"]] == [certificate.id]

    emulator.association_list = "404"
    assert run_module(origin_tls_info, {**options, "gather_subset": ["hostnames"]})["origin_tls"]["hostnames"] is None
