# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a visitor to an origin: the edge, an nginx of Debian, and the playbook that is tried in between."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("OpenSSL", reason="pyOpenSSL is not installed, or too old a cryptography is")

from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program, program
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TOOLS, TREE, environment
from ansible_collections.originsec.cloudflare.tests.unit.edge.nginx import Nginx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

VERIFY = {
    "zone_hardening_verify_urls": ["http://{{ inventory_hostname }}/"],
    "zone_hardening_verify_retries": 1,
    "zone_hardening_verify_delay": 0,
}


@pytest.fixture(scope="session")
def nginx_program() -> Program:
    try:
        return program("nginx", "nginx", TREE / "tests" / "output" / "debian")
    except FileNotFoundError as error:
        pytest.skip(f"nginx is not installed, and this is not Debian: {error}")


@pytest.fixture(scope="session")
def authority() -> Issued:
    return issue("authority", authority=True, usage=None)


@pytest.fixture(scope="session")
def other_authority() -> Issued:
    return issue("other authority", authority=True, usage=None)


@pytest.fixture(scope="session")
def server() -> Issued:
    return issue("example.com", usage=None)


@pytest.fixture
def edge(emulator: Emulator) -> Iterator[Edge]:
    with Edge(emulator) as edge:
        yield edge


@pytest.fixture
def nginx(tmp_path: Path, nginx_program: Program, server: Issued) -> Callable[[str, list[Issued]], Nginx]:
    """Of ``ssl_verify_client`` and the authorities in ``ssl_client_certificate``."""
    return lambda verify, trusted: Nginx(nginx_program, tmp_path / "nginx", server, trusted, verify)


def client(certificate: Issued) -> dict[str, Any]:
    """The variables of a zone whose edge is to present it."""
    return {"zone_hardening_certificate": certificate.pem, "zone_hardening_private_key": certificate.key_pem}


@dataclass
class Harden:
    """The playbook, as it is run on an inventory, where every name of a site leads to the edge."""

    directory: Path
    emulator: Emulator
    edge: Edge
    token: str

    def __call__(self, zones: dict[str, dict[str, Any]], expected: int = 0) -> str:
        """What it printed. zones: the variables of each; expected: how it ends."""
        self.emulator.journal.clear()
        inventory = self.directory / "inventory.json"
        inventory.write_text(json.dumps({"zones": {"hosts": zones, "vars": VERIFY}}))
        finished = subprocess.run(
            [str(TOOLS / "ansible-playbook"), "-i", str(inventory), "originsec.cloudflare.harden"],
            env=environment(
                self.directory,
                ANSIBLE_REMOTE_TMP=str(self.directory / "remote"),
                CLOUDFLARE_API_TOKEN=self.token,
                CLOUDFLARE_BASE_URL=self.emulator.url,
                http_proxy=self.edge.url,
                no_proxy="127.0.0.1",
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert finished.returncode == expected, finished.stdout
        return finished.stdout


@pytest.fixture
def harden(tmp_path: Path, emulator: Emulator, edge: Edge, token: str) -> Harden:
    return Harden(tmp_path, emulator, edge, token)
