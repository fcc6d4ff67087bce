# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role, run by ansible-playbook for a zone of an emulator, whose site the emulator serves as well."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit import support

COLLECTIONS = Path(support.__file__).parents[5]

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: originsec.cloudflare.zone_hardening
    - ansible.builtin.copy:
        content: "{{ zone_hardening_report | to_json }}"
        dest: "{{ reports }}/{{ inventory_hostname }}.json"
        mode: "0600"
      delegate_to: localhost
      connection: local
      check_mode: false
      changed_when: false
      vars:
        ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""


@dataclass
class Run:
    """What came of a run: its output, and the numbers of the recap per host."""

    returncode: int
    output: str
    reports: dict[str, Any]

    def recap(self, host: str = "example.com") -> dict[str, int]:
        line = re.search(rf"^{re.escape(host)} +: (.*)$", self.output, re.MULTILINE)
        assert line, self.output
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line[1])}


@dataclass
class Ansible:
    """ansible-playbook with the role, in a directory of its own. python: whose ansible-core it is."""

    directory: Path
    emulator: Emulator
    zone: Zone
    token: str
    variables: dict[str, Any] = field(default_factory=dict)
    playbook: str = PLAYBOOK
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        for report in self.directory.glob("*.example*.json"):
            report.unlink()
        self.emulator.journal.clear()
        (self.directory / "play.yml").write_text(self.playbook)
        (self.directory / "variables.json").write_text(json.dumps({"reports": str(self.directory), **self.variables}))
        inventory = [] if any(argument.startswith("-i") for argument in arguments) else ["-iexample.com,"]
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *inventory,
            str(self.directory / "play.yml"),
        ]
        return subprocess.Popen(
            [*command, f"-e@{self.directory}/variables.json", *arguments],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                "ANSIBLE_HOME": str(self.directory / "home"),
                "ANSIBLE_NOCOLOR": "1",
                "TMPDIR": "/tmp",  # where ansible-core makes a socket, whose path may have 107 characters
                "CLOUDFLARE_API_TOKEN": self.token,
                "CLOUDFLARE_BASE_URL": self.emulator.url,
                **self.environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def finish(self, process: subprocess.Popen[str]) -> Run:
        output, _nothing = process.communicate(timeout=900)
        assert self.token not in output
        reports = {
            path.stem: json.loads(path.read_text())
            for path in self.directory.glob("*.json")
            if path.name != "variables.json"
        }
        return Run(process.returncode, output, reports)

    def run(self, *arguments: str) -> Run:
        return self.finish(self.start(*arguments))

    @property
    def url(self) -> str:
        return f"{self.emulator.origin}/site/example.com/"

    def state(self) -> dict[str, Any]:
        """All that the role changes in these tests."""
        zone, emulator = self.zone, self.emulator
        gone = ("pending_deletion", "deleted")
        return {
            "kex": zone.kex_enabled,
            "modes": zone.compliance_modes,
            "pqe": zone.pqe_value,
            "ssl": zone.ssl_mode,
            "enabled": zone.aop_enabled,
            "certificates": {id_ for id_, one in zone.certificates.items() if emulator.status(one) not in gone},
        }

    def writes(self) -> list[str]:
        """Since the last run began."""
        api = [exchange for exchange in self.emulator.journal if exchange.path.startswith("/zones/")]
        return [f"{exchange.method} {exchange.path.split('/', 3)[3]}" for exchange in api if exchange.method != "GET"]

    def wait(self, condition: Callable[[], object], what: str, seconds: int = 120) -> None:
        give_up_at = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < give_up_at, f"waited in vain for {what}"
            time.sleep(0.01)
