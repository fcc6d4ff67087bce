# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ansible_collections.originsec.cloudflare.plugins.module_utils import _client, _client_auth_calls
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit.faults.scenarios import SCENARIOS, Clean, Cleanly, Stage
from ansible_collections.originsec.cloudflare.tests.unit.in_process import Clock


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """One for all, since each case brings a zone and a user of its own."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def _without_waiting(emulator: Emulator) -> Iterator[None]:
    """Pauses take no time, and an answer that the emulator is to delay is not waited for as long as it takes."""
    request = requests.Session.request

    def impatient(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
        for fault in emulator.faults:
            if fault.delay and not fault.skip and fault.applies(method, url.removeprefix(emulator.url)):
                options["timeout"] = fault.delay * 2 / 3
        return request(session, method, url, **options)

    with pytest.MonkeyPatch.context() as patch:
        for module in (_client, _client_auth_calls):
            patch.setattr(module, "time", Clock(emulator))
        patch.setattr(requests.Session, "request", impatient)
        yield


@pytest.fixture(scope="module")
def clean(emulator: Emulator, _without_waiting: None) -> Cleanly:
    emulator.deployment_delay, emulator.list_lag, emulator.deletion_delay = 1, 2, 1

    @functools.cache
    def clean(name: str) -> Clean:
        stage = Stage(emulator, SCENARIOS[name])
        result = stage.run()
        assert not result.get("failed"), result["msg"]
        assert result["changed"] == ("info" not in name)
        found = Clean(stage.requests(), stage.look())
        assert (found.wanted != stage.old) == result["changed"]
        return found

    return clean
