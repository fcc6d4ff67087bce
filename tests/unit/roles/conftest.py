# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.roles.role import Ansible
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued


@pytest.fixture
def ansible(tmp_path: Path, emulator: Emulator, zone: Zone, token: str, client_certificate: Issued) -> Ansible:
    """The role with a certificate, and a site that answers at once and has to hold for a second."""
    ansible = Ansible(tmp_path, emulator, zone, token)
    ansible.variables = {
        "zone_hardening_zone_id": zone.id,
        "zone_hardening_certificate": client_certificate.pem,
        "zone_hardening_private_key": client_certificate.key_pem,
        "zone_hardening_verify_urls": [ansible.url],
        "zone_hardening_verify_retries": 1,
        "zone_hardening_verify_delay": 0,
        "zone_hardening_verify_settle": 0,
    }
    return ansible
