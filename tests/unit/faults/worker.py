# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module run in a process of its own, where a minute of waiting lasts six seconds."""

from __future__ import annotations

import importlib
import time
from types import SimpleNamespace
from typing import Any

from ansible_collections.originsec.cloudflare.plugins.module_utils import _client, _client_auth_calls
from ansible_collections.originsec.cloudflare.tests.unit.support import run_module

PACE = 10


def hurry() -> None:
    """For the whole process: pauses are shorter, while the clock is as it was."""
    hurried = SimpleNamespace(
        sleep=lambda seconds: time.sleep(seconds / PACE), monotonic=time.monotonic, time=time.time
    )
    for module in (_client, _client_auth_calls):
        module.__dict__["time"] = hurried


def run(name: str, options: dict[str, Any], offset: float) -> dict[str, Any]:
    """offset: seconds until it begins."""
    module = importlib.import_module(f"ansible_collections.originsec.cloudflare.plugins.modules.{name}")
    time.sleep(offset)
    return run_module(module, options)
