# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job template "Harden zones" in slices, and on an execution node in another network."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import (
    NAMES,
    TOKEN,
    TOOLS,
    Credential,
    Job,
    environment,
    sliced,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import QuotaClock

pytestmark = pytest.mark.long

SLICES = 3


@pytest.mark.fleet
def test_slices_share_a_quota(
    tmp_path: Path, emulator: Emulator, credentials: list[Credential], answers: dict[str, Any], secrets: list[str]
) -> None:
    """At the same time, each with a part of the zones that the inventory plugin found."""
    emulator.quota, emulator.window, emulator.block = 180, 3, 3  # a tenth of it is more than all have under way
    clock = QuotaClock(emulator)
    emulator.add_token(token=TOKEN)
    zones = [emulator.add_zone(f"zone{number}.example") for number in range(8 * SLICES)]
    (tmp_path / "zones.cloudflare.yml").write_text("plugin: originsec.cloudflare.zones\n")
    listed = subprocess.run(
        [str(TOOLS / "ansible-inventory"), "-izones.cloudflare.yml", "--list", "--export"],
        cwd=tmp_path,
        env=environment(tmp_path, CLOUDFLARE_API_TOKEN=TOKEN, CLOUDFLARE_BASE_URL=emulator.url),
        check=True,
        stdout=subprocess.PIPE,
    )
    inventory = json.loads(listed.stdout)
    inventory["zones"]["vars"] = {"zone_hardening_verify_urls": []}  # there is no site behind these names
    inventories = [sliced(inventory, number + 1, SLICES) for number in range(SLICES)]
    assert Counter(name for inventory in inventories for name in inventory["zones"]["hosts"]) == Counter(
        zone.name for zone in zones
    )

    emulator.journal.clear()
    jobs = [
        Job(tmp_path / str(number), inventory, credentials, answers, id=str(number))
        for number, inventory in enumerate(inventories)
    ]
    with ThreadPoolExecutor(SLICES) as pool:
        assert [job.status for job in pool.map(Job.run, jobs)] == [("successful", 0)] * SLICES
    assert {exchange.status for exchange in emulator.journal} == {200}
    assert emulator.quota < len(emulator.journal) <= 10 * len(zones)
    assert clock.ran >= emulator.window
    assert any("seconds for Cloudflare's rate limit" in job.output for job in jobs)
    for job, inventory in zip(jobs, inventories):
        assert set(job.stats["changed"]) == set(inventory["zones"]["hosts"])
        assert job.leaks(secrets) == set()
    assert all(zone.kex_enabled and zone.aop_enabled for zone in zones)


def leave() -> None:
    """Take this thread, and what it starts, into a network of which nobody else is part."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


@pytest.fixture
def node() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(leave).result()
        except (AttributeError, OSError) as error:
            pytest.skip(f"No network namespace can be made here: {error}")
        yield thread


class TestElsewhere:
    @pytest.fixture
    def emulator(self, node: Executor) -> Iterator[Emulator]:
        """At an address that exists on the node only: a socket belongs to the network in which it was made."""
        with node.submit(Emulator).result() as emulator:
            yield emulator

    def test_a_node_in_another_network(
        self,
        tmp_path: Path,
        node: Executor,
        emulator: Emulator,
        zones: list[Zone],
        inventory: dict[str, Any],
        credentials: list[Credential],
        answers: dict[str, Any],
        secrets: list[str],
    ) -> None:
        """What comes back through the stream is all that is known here."""
        address = ("127.0.0.1", int(emulator.origin.rpartition(":")[2]))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)

        job = Job(tmp_path, inventory, credentials, answers, node=node).run()
        assert job.status == ("successful", 0), job.output
        assert set(job.stats["changed"]) == set(NAMES)
        assert all(one["changed"] for one in job.stats["artifact_data"]["zone_hardening"].values())
        assert all(zone.kex_enabled and zone.aop_enabled for zone in zones)
        assert len(job.events) > 10 * len(NAMES)
        assert job.leaks(secrets) == set()
