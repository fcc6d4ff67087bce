# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What jobs need: zones, their inventory, credentials of the types that the setup playbook made, answers."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import NAMES, PASSPHRASE, TOKEN, Controller, Credential
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued


@pytest.fixture
def zones(emulator: Emulator) -> list[Zone]:
    emulator.add_token(token=TOKEN)
    return [emulator.add_zone(name) for name in NAMES]


@pytest.fixture(scope="session")
def encrypted_key(client_certificate: Issued) -> str:
    return client_certificate.encoded_key(passphrase=PASSPHRASE)


@pytest.fixture(scope="session")
def secrets(client_certificate: Issued, encrypted_key: str) -> list[str]:
    """What must be in no artifact: whatever form the key has, line by line, since JSON breaks lines otherwise."""
    lines = [*client_certificate.key_pem.splitlines(), *encrypted_key.splitlines()]
    return [TOKEN, PASSPHRASE, *(line for line in lines if not line.startswith("-----"))]


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    controller = Controller(tmp_path_factory.mktemp("controller"))
    assert controller.set_up({"awx_setup_zones": NAMES}) == 0, controller.output
    return controller


@pytest.fixture
def credentials(
    asked: Controller, emulator: Emulator, client_certificate: Issued, encrypted_key: str
) -> list[Credential]:
    filled_in = {
        "Cloudflare API": {"api_token": TOKEN, "api_email": "", "api_base_url": emulator.url},
        "Cloudflare client certificate": {
            "certificate": client_certificate.pem,
            "private_key": encrypted_key,
            "private_key_passphrase": PASSPHRASE,
        },
    }
    types = asked.asked("credential_type")
    return [Credential(filled_in[name], types[name]["injectors"]) for name in filled_in]


@pytest.fixture
def answers(asked: Controller) -> dict[str, Any]:
    return asked.answers("Harden zones")


@pytest.fixture
def inventory(zones: list[Zone]) -> dict[str, Any]:
    variables = {zone.name: {"cloudflare_zone_id": zone.id} for zone in zones}
    return {"zones": {"hosts": list(variables)}, "_meta": {"hostvars": variables}}
