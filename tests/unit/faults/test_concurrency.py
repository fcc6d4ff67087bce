# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs on one zone at once, a person's and a schedule's, each in a process of its own, over and over."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit.faults import worker
from ansible_collections.originsec.cloudflare.tests.unit.faults.scenarios import (
    NEW,
    OLD,
    SCENARIOS,
    Options,
    Stage,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import issue

COLLECTIONS = Path(__file__).parents[6]
ROUNDS = 20

THIRD = issue("third")
THIRD_PAIR: Options = {"certificate": THIRD.pem, "private_key": THIRD.key_pem}

Rounds = Callable[[str, Options, Options], Iterator[tuple[Stage, list[dict[str, Any]]]]]


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(COLLECTIONS))  # ansible-test finds the collection by an importer of its own
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, mp_context=context, initializer=worker.hurry) as workers:
            yield workers


@pytest.fixture
def rounds(emulator: Emulator, workers: ProcessPoolExecutor) -> Rounds:
    """Fresh zones, on each of which two runs with these options met, and their results."""
    emulator.deployment_delay, emulator.deletion_delay = 0.06, 0.05
    emulator.list_lag, emulator.change_duration = 0.1, 0.03
    chance = random.Random(0)

    def rounds(name: str, first: Options, second: Options) -> Iterator[tuple[Stage, list[dict[str, Any]]]]:
        for _number in range(ROUNDS):
            stage = Stage(emulator, SCENARIOS[name])
            module = stage.scenario.module.__name__.rpartition(".")[2]
            offsets = [0, chance.choice([0.003, 0.03, 0.3]) * chance.random()]
            chance.shuffle(offsets)
            runs = [
                workers.submit(worker.run, module, {**stage.options, **options}, offset)
                for options, offset in zip((first, second), offsets)
            ]
            results = [run.result(timeout=300) for run in runs]
            assert not [flaw for result in results for flaw in stage.flaws(result)]
            assert not list(stage.mischief()), results
            yield stage, results

    return rounds


def _succeeded(*results: dict[str, Any]) -> bool:
    return [result["msg"] for result in results if result.get("failed")] == []


def _settled(stage: Stage, **options: Any) -> bool:
    """Whether a run succeeds once the list has caught up, and the next one finds nothing to do."""
    stage.emulator.advance(1)
    first, second = stage.run(**options), stage.run(**options)
    return _succeeded(first, second) and not second["changed"] and not stage.was_dark()


@pytest.mark.parametrize("name", ["first upload", "rotation"])
def test_the_same_certificate_from_both_ends(rounds: Rounds, name: str) -> None:
    refused = 0
    for stage, results in rounds(name, {}, {}):
        assert _succeeded(*results)
        assert stage.look().kept == {NEW.fingerprint}
        assert stage.look().presented == NEW.fingerprint
        assert any(result["changed"] for result in results)
        assert not stage.run()["changed"]
        refused += any(exchange.codes for exchange in stage.emulator.journal)
    assert refused > ROUNDS / 4  # else they hardly met


def test_one_certificate_comes_while_another_goes(rounds: Rounds) -> None:
    for stage, results in rounds("absence beside another", {}, {**THIRD_PAIR, "state": "present"}):
        assert _succeeded(*results)
        assert stage.look().kept == {NEW.fingerprint, THIRD.fingerprint}
        assert _settled(stage)


def test_the_last_certificate_goes_once_its_successor_works(rounds: Rounds) -> None:
    """Refused before that, which is a real error, and done by the next run."""
    without_old: Options = {"state": "absent", "certificate": OLD.pem, "private_key": None, "exclusive": False}
    for stage, (present, absent) in rounds("rotation", {"exclusive": False}, without_old):
        assert _succeeded(present)
        assert _succeeded(absent) or "is the last one that the edge could present" in absent["msg"]
        assert _settled(stage, **without_old)
        assert stage.look().kept == {NEW.fingerprint}
        assert stage.look().presented == NEW.fingerprint


@pytest.mark.long
def test_different_certificates_that_are_each_to_be_the_only_one(rounds: Rounds) -> None:
    """The later upload is left, and the earlier run may find its own one gone; never are there two, or none."""
    for stage, results in rounds("rotation", {}, THIRD_PAIR):
        failures = [result["msg"] for result in results if result.get("failed")]
        assert len(failures) < 2
        assert all("pending_deletion" in one or "removed by somebody else" in one for one in failures), failures
        assert stage.look().kept in ({NEW.fingerprint}, {THIRD.fingerprint})
        assert stage.look().kept == {stage.look().presented}
        assert _settled(stage)
        assert stage.look().kept == {NEW.fingerprint}


@pytest.mark.parametrize(
    ("name", "other"),
    [("kex", {"enabled": False}), ("pqe", {"value": "preferred"}), ("compliance", {"modes": []})],
    ids=["kex", "pqe", "compliance"],
)
@pytest.mark.long
def test_settings(rounds: Rounds, name: str, other: Options) -> None:
    for stage, results in rounds(name, {}, other):
        assert _succeeded(*results)
        assert _settled(stage)
