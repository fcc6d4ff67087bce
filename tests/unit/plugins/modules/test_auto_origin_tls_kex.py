# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.originsec.cloudflare.plugins.modules import auto_origin_tls_kex
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import run_module


def test_change_then_no_change(emulator: Emulator, zone: Zone, options: dict[str, Any]) -> None:
    first = run_module(auto_origin_tls_kex, {**options, "enabled": True})
    assert zone.kex_enabled
    assert first["changed"]
    assert first["zone_id"] == zone.id
    assert (first["previous"]["enabled"], first["auto_origin_tls_kex"]["enabled"]) == (False, True)
    assert set(first["auto_origin_tls_kex"]) == {"id", "enabled", "modified_on"}
    emulator.journal.clear()
    second = run_module(auto_origin_tls_kex, {**options, "enabled": True})
    assert not second["changed"]
    assert second["auto_origin_tls_kex"] == second["previous"] == first["auto_origin_tls_kex"]
    assert emulator.count() == {"GET": 1}
