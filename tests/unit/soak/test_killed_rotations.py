# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotations that are killed at random moments, each followed by a clean run.

``SOAK_SEED`` repeats the choices of a soak that failed, as its failure tells.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Zone
from ansible_collections.originsec.cloudflare.tests.unit.soak.zygote import Zygote
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

SEED = os.environ.get("SOAK_SEED") or str(random.randrange(10**9))
AT_ONCE = 12  # most of the time they wait
PATIENCE = 60.0
"""Seconds that a run may take which is not to be killed."""

UPLOADING, DEPLOYING, FINISHING, DONE = "before the upload", "before it is active", "before the end", "all done"


class Rotation:
    """One zone and what happens to it, chosen at random: seconds are those of some day of Cloudflare's, scaled down."""

    def __init__(self, choose: random.Random, emulator: Emulator, zygote: Zygote, old: Issued) -> None:
        self.choose, self.emulator, self.zygote, self.old, self.new = choose, emulator, zygote, old, issue()
        self.der = self.new.certificate.public_bytes(Encoding.DER)
        self.has_old, self.enabled = choose.choice([(True, True), (True, False), (False, False)])
        emulator.deployment_delay = choose.choice([0, choose.uniform(0.1, 0.5)])
        emulator.list_lag = choose.choice([0, choose.uniform(0, 0.4)])
        emulator.deletion_delay = choose.uniform(0, 0.4)
        emulator.change_duration = choose.choice([0, 0, choose.uniform(0, 0.1)])
        emulator.faults.append(Fault(delay=choose.uniform(0.01, 0.05), after_work=choose.random() < 0.7, times=10**6))
        self.token = emulator.add_token()

    def zone(self) -> Zone:
        zone = self.emulator.add_zone("example.com", aop_enabled=self.enabled)
        if self.has_old:
            self.emulator.upload(zone, self.old.pem)
            self.emulator.advance(1)  # deployed, and listed
        return zone

    def run(self, zone: Zone, kill_after: float = PATIENCE) -> dict[str, Any]:
        params = {
            "api_base_url": self.emulator.url,
            "api_token": self.token,
            "zone_id": zone.id,
            "certificate": self.new.pem,
            "private_key": self.new.key_pem,
            "enabled": True,
            "exclusive": True,
            "wait_timeout": 30,
        }
        return self.zygote.order(params, kill_after)

    def phase(self, zone: Zone) -> str:
        """How far it is."""
        certificates = list(zone.certificates.values())
        if not certificates or certificates[-1].parsed.der != self.der:
            return UPLOADING
        if self.emulator.status(certificates[-1]) != "active":
            return DEPLOYING
        return DONE if zone.aop_enabled and all(one.deleted_at for one in certificates[:-1]) else FINISHING

    def kill_and_run_again(self) -> str | None:
        """In which phase it was killed; None where it was over before."""
        measured = self.run(self.zone())
        zone = self.zone()
        killed = self.run(zone, self.choose.uniform(0, measured["seconds"]))
        phase = self.phase(zone) if killed["killed"] else None
        clean, again = self.run(zone), self.run(zone)

        for report in (measured, clean, again):
            assert not report["killed"]
            assert not report["result"].get("failed"), report["result"]["msg"]
        assert not again["result"]["changed"]
        journal = [exchange for exchange in self.emulator.journal if zone.id in exchange.path]
        assert sum(exchange.method == "POST" and exchange.status == 200 for exchange in journal) == 1
        assert all(exchange.active for exchange in journal if exchange.aop_enabled)
        assert all(one.body["enabled"] for one in journal if (one.method, one.status) == ("PUT", 200))
        assert zone.aop_enabled
        ((id_, certificate),) = ((id_, one) for id_, one in zone.certificates.items() if not one.deleted_at)
        assert certificate.parsed.der == self.der
        assert self.emulator.active(zone) == [id_]
        return phase


@pytest.mark.parametrize("wanted", [20, pytest.param(200, marks=pytest.mark.soak)])
def test_what_a_killed_rotation_leaves_is_finished_by_the_next_run(wanted: int) -> None:
    """A certificate is uploaded once, however often it takes, and never is there none while they are enabled."""
    old = issue("old")
    zygotes: queue.SimpleQueue[Zygote] = queue.SimpleQueue()

    def rotate(number: int) -> str | None:
        zygote = zygotes.get()
        try:
            with Emulator() as emulator:
                return Rotation(random.Random(f"{SEED}/{number}"), emulator, zygote, old).kill_and_run_again()
        except BaseException as error:
            error.add_note(f"This was rotation {number} with SOAK_SEED={SEED}.")
            raise
        finally:
            zygotes.put(zygote)

    kills: Counter[str] = Counter()
    numbers = itertools.count()
    with contextlib.ExitStack() as stack:
        for process in [stack.enter_context(Zygote()) for number in range(AT_ONCE)]:
            zygotes.put(process)
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        while kills.total() < wanted:  # some are over before
            batch = itertools.islice(numbers, wanted - kills.total())
            kills.update(filter(None, pool.map(rotate, batch)))
    print(dict(kills))
    if wanted >= 200:
        assert set(kills) == {UPLOADING, DEPLOYING, FINISHING, DONE}
