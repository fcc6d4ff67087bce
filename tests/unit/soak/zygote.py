# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that has imported the module once, and runs it in a fork of its own as often as it is told to.

So a run starts in milliseconds, and is a real process nevertheless, which a real SIGKILL can end. Orders come on
stdin and reports go to stdout, one JSON object a line: see ``run``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from ansible_collections.originsec.cloudflare.plugins.module_utils import _client_auth_calls
from ansible_collections.originsec.cloudflare.plugins.modules import origin_tls_client_auth
from ansible_collections.originsec.cloudflare.tests.unit import support

COLLECTIONS = Path(support.__file__).parents[5]


class Zygote(subprocess.Popen[str]):
    """Such a process, as the test sees it."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, (str(COLLECTIONS), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": path}
        super().__init__(
            [sys.executable, __file__], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def order(self, params: dict[str, Any], kill_after: float) -> dict[str, Any]:
        assert self.stdin
        assert self.stdout
        print(json.dumps({"params": params, "kill_after": kill_after}), file=self.stdin, flush=True)
        report: dict[str, Any] = json.loads(self.stdout.readline())
        return report


def run(params: dict[str, Any], kill_after: float) -> dict[str, Any]:
    """Run the module in a fork, and kill it unless it is over after so many seconds.

    seconds: that it took; killed; result: what it answered to Ansible, None where it did not come to that.
    """
    started = time.monotonic()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, json.dumps(support.run_module(origin_tls_client_auth, params)).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as output:
        if not select.select([output], [], [], kill_after)[0]:
            os.kill(child, signal.SIGKILL)
        result = output.read()
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return {
        "seconds": time.monotonic() - started,
        "killed": killed,
        "result": None if killed else json.loads(result or "null"),
    }


if __name__ == "__main__":
    _client_auth_calls.DEPLOYMENT_SECONDS = 0.2  # scaled down like all the seconds of the test
    support.run_module(origin_tls_client_auth, {})  # to have imported what is imported late, too
    for order in sys.stdin:
        print(json.dumps(run(**json.loads(order))), flush=True)
