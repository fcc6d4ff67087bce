# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook lockdown, run where the name of every site leads to the edge, and origins are machines of their own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import COLLECTIONS, TOOLS, environment
from ansible_collections.originsec.cloudflare.tests.unit.origins.machine import PATIENCE
from ansible_collections.originsec.cloudflare.tests.unit.origins.servers import SITE, Origin, on_disk
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

if TYPE_CHECKING:  # it needs pyOpenSSL, and tests are skipped before they need it
    from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge

VERIFY = {
    "zone_hardening_verify_urls": ["http://{{ inventory_hostname }}/"],
    "zone_hardening_verify_retries": 1,
    "zone_hardening_verify_delay": 0,
    "zone_hardening_verify_settle": 0,
}


@dataclass
class Run:
    """A run of the playbook. report: what it wrote, empty where it did not get so far."""

    returncode: int
    output: str
    report: dict[str, Any]

    @property
    def modes(self) -> dict[str, str]:
        return {one["name"]: one["mode"] for one in self.report["origins"]}

    @property
    def changed(self) -> int:
        return sum(int(part.split("=")[1]) for part in self.output.split() if part.startswith("changed="))


@dataclass
class Lockdown:
    """origins: by the name of their host. variables: of all hosts. collections: further ones to search."""

    directory: Path
    emulator: Emulator
    edge: Edge
    token: str
    origins: dict[str, Origin]
    variables: dict[str, Any] = field(default_factory=dict)
    of_origins: dict[str, dict[str, Any]] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    collections: list[Path] = field(default_factory=list)

    @property
    def zone(self) -> Zone:
        return next(iter(self.emulator.zones.values()))

    @property
    def made(self) -> tuple[str, str]:
        """The paths of the certificate that was made, and of its key."""
        directory = self.directory / "client_certificate"
        return str(directory / "client.pem"), str(directory / "client.key")

    def give(self, leaf: Issued, authority: Issued) -> None:
        """From here on, this is the certificate."""
        certificate, key = on_disk(self.directory, leaf, "given")
        self.environ = {"CLOUDFLARE_CLIENT_CERTIFICATE_FILE": certificate, "CLOUDFLARE_CLIENT_KEY_FILE": key}
        self.variables["origin_client_auth_ca"] = authority.pem

    def presented(self) -> list[str]:
        """The fingerprints of the zone's active certificates."""
        active = (self.zone.certificates[id_] for id_ in self.emulator.active(self.zone))
        return [hashlib.sha256(one.parsed.der).hexdigest() for one in active]

    def command(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        hosts = {
            name: {
                "ansible_connection": "local",
                "ansible_python_interpreter": origin.machine.interpreter(),
                "origin_client_auth_check": {"timeout": PATIENCE},
                **self.of_origins.get(name, {}),
            }
            for name, origin in self.origins.items()
        }
        inventory = {
            "all": {"vars": {**VERIFY, **self.variables}},
            "origins": {"hosts": hosts},
            "zones": {"hosts": {self.zone.name: {"cloudflare_zone_id": self.zone.id}}},
        }
        (self.directory / "inventory.json").write_text(json.dumps(inventory))
        (self.directory / "report.json").unlink(missing_ok=True)
        variables = environment(
            self.directory,
            ANSIBLE_COLLECTIONS_PATH=os.pathsep.join(map(str, [COLLECTIONS, *self.collections])),
            ANSIBLE_COLLECTIONS_SCAN_SYS_PATH="false",
            ANSIBLE_FORKS="2",
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_REMOTE_TMP=str(self.directory / "remote"),
            CLOUDFLARE_API_TOKEN=self.token,
            CLOUDFLARE_BASE_URL=self.emulator.url,
            PWD=str(self.directory),
            TMPDIR="/tmp",  # where ansible-core makes a socket, whose path may have 107 characters
            http_proxy=self.edge.url,
            no_proxy="127.0.0.1",
            **self.environ,
        )
        playbook = str(TOOLS / "ansible-playbook")
        command = [playbook, "-i", "inventory.json", "originsec.cloudflare.lockdown", *arguments]
        return [*command, "-e", "lockdown_report=report.json"], variables

    def run(self, *arguments: str, expected: int = 0) -> Run:
        command, variables = self.command(*arguments)
        finished = subprocess.run(
            command,
            cwd=self.directory,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        assert finished.returncode == expected, finished.stdout
        path = self.directory / "report.json"
        return Run(finished.returncode, finished.stdout, json.loads(path.read_text()) if path.exists() else {})

    def kill_at(self, task: str, number: int = 1) -> str:
        """Run it, and kill it and all that it started when it comes to this task the so-manieth time; what it said."""
        command, variables = self.command()
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env={**variables, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output = ""
        assert process.stdout
        for line in process.stdout:
            output += line
            if line.startswith("TASK [") and task in line:
                number -= 1
            if not number:
                end(process.pid)
                break
        process.wait(PATIENCE)
        process.stdout.close()
        return output


def end(pid: int) -> None:
    """Kill a process, and all that it started."""
    os.kill(pid, signal.SIGSTOP)  # it starts nothing else
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(pid, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            end(int(child))


@dataclass
class Visits:
    """What a visitor got through the edge, who kept coming."""

    statuses: list[int] = field(default_factory=list)

    @property
    def failures(self) -> list[int]:
        return [status for status in self.statuses if status != 200]


@contextlib.contextmanager
def visited(edge: Edge, name: str = SITE) -> Iterator[Visits]:
    visits = Visits()
    over = threading.Event()

    def visit() -> None:
        while not over.wait(0.05):
            visits.statuses.append(edge.pull(name).status)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield visits
    finally:
        over.set()
        visitor.join(PATIENCE)
