# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine that is only on paper: files in a dictionary, and programs that answer what they are told to."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from signal import Signals

from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_server import File, Found
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_system import Finished, Process, System


@dataclass
class Paper(System):
    """answers: what programs print, by words of the command. ran, signals: what was done."""

    files: dict[str, str]
    answers: dict[str, str] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    running: list[Process] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    signals: list[Signals] = field(default_factory=list)
    started: list[Process] = field(default_factory=list)
    systemd: bool = False
    known: bool | None = True

    def read(self, path: str) -> bytes | None:
        return self.files[path].encode() if path in self.files else None

    def write(self, path: str, content: bytes | None) -> None:
        if content is None:
            self.files.pop(path, None)
        else:
            self.files[path] = content.decode()

    def glob(self, pattern: str) -> list[str]:
        parts = PurePosixPath(pattern).parts
        return sorted(
            path
            for path in self.files
            if len(PurePosixPath(path).parts) == len(parts)
            and all(map(fnmatch.fnmatchcase, PurePosixPath(path).parts, parts))
        )

    def is_directory(self, path: str) -> bool:
        return any(one.startswith(f"{path.rstrip('/')}/") for one in self.files)

    def run(self, command: Sequence[str], like: Process | None = None, timeout: float = 60) -> Finished:
        told = " ".join(command)
        self.ran.append(told)
        output = next((answer for words, answer in self.answers.items() if words in told), "")
        return Finished(1 if any(one in told for one in self.failing) else 0, output)

    def signal(self, pid: int, number: Signals) -> None:
        self.signals.append(number)

    def start(self, process: Process) -> None:
        self.started.append(process)

    def processes(self) -> list[Process]:
        return self.running

    def has_systemd(self) -> bool:
        return self.systemd

    def knows_groups(self, process: Process, groups: str) -> bool | None:
        return self.known


def states(found: Found) -> dict[str, str]:
    """By the first name of each virtual host."""
    return {site.label: site.state for site in found.sites}


def written(system: Paper, files: Sequence[File]) -> list[str]:
    """Writes them, and returns the paths of those that changed."""
    for file in files:
        system.write(file.path, file.after)
    return [file.path for file in files if file.before != file.after]
