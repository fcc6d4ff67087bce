# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module on a machine of its own, without Ansible: options as JSON in, its answer as JSON out.

Beside the module's options it takes ``check_mode``, and ``signal`` with ``at``: which signal it sends itself after how
many changes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_system import Finished, Process, System
from ansible_collections.originsec.cloudflare.plugins.modules.origin_client_auth import SPEC, run


class Interrupted(System):
    """Sends itself a signal once so much has been changed: files, and the server that was told to reload."""

    def __init__(self, number: signal.Signals, at: int) -> None:
        self._number = number
        self._left = at

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._number)

    def write(self, path: str, content: bytes | None) -> None:
        super().write(path, content)
        self._count()

    def signal(self, pid: int, number: signal.Signals) -> None:
        super().signal(pid, number)
        self._count()

    def run(self, command: Sequence[str], like: Process | None = None, timeout: float = 60) -> Finished:
        finished = super().run(command, like, timeout)
        if "reload" in command:
            self._count()
        return finished


def main(given: Mapping[str, Any]) -> None:
    options = {name: given.get(name, spec.get("default")) for name, spec in SPEC.items()}
    number = getattr(signal, given.get("signal") or "SIGTERM")
    system = Interrupted(number, given["at"]) if "at" in given else System()
    print(json.dumps(run(options, bool(given.get("check_mode")), system)))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
