# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a visitor to an origin: the edge, an nginx of Debian, and the playbook that is tried in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.edge.nginx import Nginx
from ansible_collections.originsec.cloudflare.tests.unit.edge.playbook import Harden
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, debian_program, issue

if TYPE_CHECKING:  # it needs pyOpenSSL, and tests are skipped before they need it
    from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge


@pytest.fixture(scope="session")
def nginx_program() -> Program:
    return debian_program("nginx", "nginx")


@pytest.fixture(scope="session")
def server() -> Issued:
    return issue("example.com", usage=None)


@pytest.fixture
def edge(emulator: Emulator) -> Iterator[Edge]:
    from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge

    with Edge(emulator) as edge:
        yield edge


@pytest.fixture
def nginx(tmp_path: Path, nginx_program: Program, server: Issued) -> Callable[[str, list[Issued]], Nginx]:
    """Of ``ssl_verify_client`` and the authorities in ``ssl_client_certificate``."""
    return lambda verify, trusted: Nginx(nginx_program, tmp_path / "nginx", server, trusted, verify)


@pytest.fixture
def harden(tmp_path: Path, emulator: Emulator, edge: Edge, token: str) -> Harden:
    return Harden(tmp_path, emulator, edge, token)
