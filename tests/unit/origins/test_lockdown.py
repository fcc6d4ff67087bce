# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook lockdown, with the four servers of Debian, real TLS, and an edge that visitors pull through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.tools.ansible_collection import collection
from ansible_collections.originsec.cloudflare.tests.unit.origins.lockdown import Lockdown, visited
from ansible_collections.originsec.cloudflare.tests.unit.origins.servers import SITE, Origin
from ansible_collections.originsec.cloudflare.tests.unit.support import CACHE

pytestmark = pytest.mark.servers


@pytest.fixture
def edge(emulator: Emulator) -> Iterator[Edge]:
    with Edge(emulator) as edge:
        yield edge


@pytest.fixture
def lockdown(tmp_path: Path, emulator: Emulator, edge: Edge, token: str, origin: Origin) -> Lockdown:
    """Any of the four as the origin of SITE, whose certificate is yet to be made."""
    emulator.add_zone(SITE, origins={"https": f"127.0.0.1:{origin.port}"})
    collections = [collection("community.crypto", CACHE / "collections")]
    return Lockdown(tmp_path, emulator, edge, token, {"web1": origin}, collections=collections)


def test_from_a_fresh_install_to_locked_down_and_back(lockdown: Lockdown) -> None:
    (origin,) = lockdown.origins.values()
    before = origin.machine.files("/etc")
    with visited(lockdown.edge) as visits:
        locked = lockdown.run()
        print(locked.output)
        assert locked.modes == {"web1": "require"}
        assert not origin.answers()
        assert lockdown.zone.aop_enabled
        again = lockdown.run()
        assert (again.changed, again.report["done"]) == (0, True), again.output
        undone = lockdown.run("-e", "lockdown_to=off", "-e", "lockdown_remove=true")
        print(undone.output)
        assert origin.answers()
        assert origin.machine.files("/etc") == before
    assert visits.failures == []
    assert len(visits.statuses) > 100
