# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet of three zones, as they were created and as harden leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit.playbooks.fleet import NAMES, Fleet
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued


@pytest.fixture
def fleet(tmp_path: Path, emulator: Emulator, token: str) -> Fleet:
    zones = {name: emulator.add_zone(name, ssl_mode="strict") for name in NAMES}
    hosts = {name: {"cloudflare_zone_id": zone.id} for name, zone in zones.items()}
    return Fleet(tmp_path, emulator, token, zones, hosts)


@pytest.fixture
def hardened(fleet: Fleet, client_certificate: Issued) -> Fleet:
    """As harden leaves them; that it does is the first test's."""
    for zone in fleet.zones.values():
        zone.kex_enabled = zone.aop_enabled = True
        fleet.emulator.upload(zone, client_certificate.pem)
    return fleet
