# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zones of the emulator as a fleet, and playbooks of the collection that are run on it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TOOLS, environment

NAMES = ("shop.example", "blog.example", "api.example")


@dataclass
class Run:
    returncode: int
    output: str

    def row(self, zone: str) -> list[str]:
        """The cells of the zone in the table."""
        (line,) = [line for line in self.output.splitlines() if line.startswith(f'        "{zone} ')]
        return line.strip(' ",').split()

    def failed(self) -> set[str]:
        """The hosts that failed, as AWX has them, too."""
        return set(re.findall(r"^(\S+) +: .*failed=1", self.output, re.MULTILINE))


@dataclass
class Fleet:
    """Zones of the emulator, as hosts of an inventory, and playbooks that are run on them."""

    directory: Path
    emulator: Emulator
    token: str
    zones: dict[str, Zone]
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    prefix: list[str] = field(default_factory=list)
    timeout: float = 900.0

    def run(self, playbook: str, *arguments: str, **environ: str) -> Run:
        self.emulator.journal.clear()
        inventory = {"zones": {"hosts": self.hosts, "vars": self.variables}}
        (self.directory / "inventory.json").write_text(json.dumps(inventory))
        base = {"CLOUDFLARE_API_TOKEN": self.token, "CLOUDFLARE_BASE_URL": self.emulator.url, "ANSIBLE_NOCOLOR": "1"}
        named = any(argument.startswith("zones=") for argument in arguments)
        finished = subprocess.run(
            [
                *self.prefix,
                str(TOOLS / "ansible-playbook"),
                playbook if playbook.endswith(".yml") else f"originsec.cloudflare.{playbook}",
                *([] if named else ["-iinventory.json"]),
                *arguments,
            ],
            cwd=self.directory,
            env=environment(self.directory, **{**base, **environ}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=self.timeout,
        )
        assert self.token not in finished.stdout
        assert "PRIVATE KEY" not in finished.stdout
        return Run(finished.returncode, finished.stdout)

    def audit(self, *arguments: str, **environ: str) -> Run:
        run = self.run("audit", *arguments, **environ)
        assert set(self.emulator.count()) <= {"GET"}, "it only looks"
        assert "changed=1" not in run.output
        return run
