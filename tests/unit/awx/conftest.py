# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A controller, and what jobs need: zones, their inventory, credentials of the types that were set up, answers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import NAMES, PASSPHRASE, TOKEN, Credential
from ansible_collections.originsec.cloudflare.tests.unit.awx.controller import Awx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, awx_collection


@pytest.fixture
def awx(tmp_path: Path) -> Iterator[Awx]:
    """Empty, as it was installed."""
    with Awx(tmp_path / "awx", awx_collection()) as awx:
        yield awx


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[], bytes]) -> bytes:
    """What was made under this name, by the first process of pytest-xdist that needs it: a setup takes long."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = shared / f"{name}.made"
        if not kept.exists():
            kept.write_bytes(make())
        return kept.read_bytes()


@pytest.fixture(scope="session")
def asked_state(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A controller that was set up without a credential being filled in."""

    def make() -> bytes:
        with Awx(tmp_path_factory.mktemp("asked"), awx_collection()) as awx:
            setup = awx.set_up({"awx_setup_zones": NAMES})
            assert setup.status == 0, setup.output
            return awx.state()

    return once(tmp_path_factory, "asked", make)


@pytest.fixture
def asked(tmp_path: Path, asked_state: bytes) -> Iterator[Awx]:
    """One like that, of the test's own."""
    with Awx(tmp_path / "asked", awx_collection()) as awx:
        awx.restore(asked_state)
        yield awx


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


@pytest.fixture
def credentials(asked: Awx, emulator: Emulator, client_certificate: Issued, encrypted_key: str) -> list[Credential]:
    filled_in = {
        "Cloudflare API": {"api_token": TOKEN, "api_email": "", "api_base_url": emulator.url},
        "Cloudflare client certificate": {
            "certificate": client_certificate.pem,
            "private_key": encrypted_key,
            "private_key_passphrase": PASSPHRASE,
        },
    }
    types = asked.all("credential_types")
    return [Credential(filled_in[name], types[name]["injectors"]) for name in filled_in]


@pytest.fixture
def answers(asked: Awx) -> dict[str, Any]:
    return asked.answers(asked.one("job_templates", "Harden zones"))


@pytest.fixture
def inventory(zones: list[Zone]) -> dict[str, Any]:
    variables = {zone.name: {"cloudflare_zone_id": zone.id} for zone in zones}
    # There is no site behind these names.
    group = {"hosts": list(variables), "vars": {"zone_hardening_verify_urls": []}}
    return {"zones": group, "_meta": {"hostvars": variables}}
