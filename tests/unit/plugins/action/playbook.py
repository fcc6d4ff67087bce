# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-playbook, run on plays that a test makes up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.originsec.cloudflare.tests.unit import support

COLLECTIONS = Path(support.__file__).parents[5]


@dataclass(frozen=True)
class Run:
    """modules: how many times Python was started for a module."""

    returncode: int
    output: str
    modules: int


def play(
    directory: Path,
    plays: list[dict[str, Any]],
    variables: dict[str, Any],
    *arguments: str,
    wrapper: Sequence[str] = (),
    **environment: str,
) -> Run:
    """Run the plays, on localhost unless told otherwise. The directory is the test's own.

    wrapper: a command to run ansible-playbook with. What is put on PYTHONPATH is for ansible-playbook, not for modules.
    """
    playbook, given, python, started = (directory / name for name in ("play.yml", "given.json", "python", "started"))
    playbook.write_text(yaml.safe_dump(plays, sort_keys=False))
    given.write_text(json.dumps({"ansible_python_interpreter": str(python), **variables}))
    python.write_text(f'#!/bin/sh\necho >> "{started}"; exec env -u PYTHONPATH "{sys.executable}" "$@"\n')
    python.chmod(0o700)
    started.write_text("")
    finished = subprocess.run(
        [
            *wrapper,
            str(Path(sys.executable).with_name("ansible-playbook")),
            *([] if any(argument.startswith("-i") for argument in arguments) else ["-ilocalhost,"]),
            f"-e@{given}",
            str(playbook),
            *arguments,
        ],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(directory / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONHASHSEED": "0",  # some of ansible-core's messages list what is in a set
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    return Run(finished.returncode, finished.stdout, len(started.read_text()))
