# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How AWX runs jobs: what credentials inject, and how ansible-runner is called.

Facts from AWX 24: CredentialType.inject_credential says what a job gets, and RunJob how ansible-runner is called.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

TREE = Path(__file__).resolve().parents[3]
COLLECTIONS = TREE.parents[2]
TOOLS = Path(sys.executable).parent

NAMES = ("shop.example", "blog.example", "api.example")
TOKEN = "canary-token-of-the-cloudflare-api"
PASSPHRASE = "canary-passphrase-of-the-private-key"


def environment(home: Path, **more: str) -> dict[str, str]:
    """For commands of Ansible: nothing of the developer's own."""
    return {
        "PATH": os.pathsep.join([str(TOOLS), "/usr/bin", "/bin"]),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        **more,
    }


def could_be_playbook(path: Path, project: Path) -> bool:
    """Whether AWX would offer this file of a project as a playbook."""
    skipped = {"roles", "tasks", "group_vars", "host_vars"}
    relative = path.relative_to(project)
    if skipped.intersection(relative.parts) or any(part.startswith(".") for part in relative.parts):
        return False
    return bool(re.search(r"^\s*?-?\s*?(?:hosts|include|import_playbook):", path.read_text(), re.MULTILINE))


# ----------------------------------------------------------------------------------------------------- its jobs


def sliced(inventory: dict[str, Any], number: int, count: int) -> dict[str, Any]:
    """Slice ``number`` of ``count``: Inventory.get_script_data deals the hosts out in the order of their names."""
    variables = inventory["_meta"]["hostvars"]
    hosts = sorted(variables)[number - 1 :: count]
    groups = {
        name: {**group, "hosts": [host for host in group.get("hosts", []) if host in hosts]}
        for name, group in inventory.items()
        if name != "_meta"
    }
    return {**groups, "_meta": {"hostvars": {host: variables[host] for host in hosts}}}


@dataclass
class Credential:
    """A credential with its type, as the setup playbook asked for them."""

    inputs: dict[str, str]
    injectors: dict[str, dict[str, str]]

    def inject(self, private: Path, worker: Path) -> dict[str, str]:
        """Write the files into the private data directory, and return the environment variables.

        worker: where that directory is for what runs.
        """
        # A field that is blank or was never filled in is not in AWX's namespace, and renders as nothing
        namespace: dict[str, Any] = {name: value for name, value in self.inputs.items() if value}
        sandbox = ImmutableSandboxedEnvironment()
        files = SimpleNamespace()
        for label, template in self.injectors.get("file", {}).items():
            path = private / "env" / f"tmp{len(list((private / 'env').iterdir()))}"
            path.write_text(sandbox.from_string(template).render(namespace))
            path.chmod(0o600)
            # As a path of the worker, where the job runs
            setattr(files, label.partition(".")[2], str(worker / "env" / path.name))
        namespace["tower"] = SimpleNamespace(filename=files)
        return {
            name: sandbox.from_string(template).render(namespace)
            for name, template in self.injectors.get("env", {}).items()
        }


def plain(cached: Any) -> Any:
    """Facts without what ansible-core >= 2.19 wraps around them: a payload, and tags on every value."""
    if isinstance(cached, dict) and "__payload__" in cached:
        return plain(json.loads(cached["__payload__"]))
    if isinstance(cached, dict) and "__ansible_type" in cached:
        return plain(cached["value"])
    if isinstance(cached, dict):
        return {key: plain(value) for key, value in cached.items()}
    return [plain(value) for value in cached] if isinstance(cached, list) else cached


class _Unsafe(str):
    """Text that Ansible is not to take for a template, as AWX marks what comes from users."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


@dataclass
class Job:
    """One job: a private data directory, sent to a worker that runs it, whose events come back."""

    directory: Path
    inventory: dict[str, Any]
    credentials: list[Credential]
    answers: dict[str, Any] = field(default_factory=dict)
    playbook: str = "playbooks/harden.yml"
    arguments: str = ""
    id: str = "1"
    project: Path = TREE
    node: Executor | None = None
    """Where the worker is started, if not here."""

    def __post_init__(self) -> None:
        self.private, self.worker = self.directory / "private", self.directory / "worker"
        self.artifacts = self.private / "artifacts" / self.id

    def run(self) -> Job:
        env = self.private / "env"
        for directory in (env, self.private / "inventory", self.private / "project", self.worker):
            directory.mkdir(parents=True, exist_ok=True)
        # Of this collection, the execution environment has the rest
        hidden = shutil.ignore_patterns(".*", "changelogs", "docs", "plugins", "roles", "tests")
        shutil.copytree(self.project, self.private / "project", ignore=hidden, dirs_exist_ok=True)
        script = self.private / "inventory" / "hosts"
        script.write_text(f"#!/usr/bin/env python3\nprint({json.dumps(self.inventory)!r})\n")
        script.chmod(0o700)

        own = {"awx_job_id": int(self.id), "awx_job_template_name": "Harden zones", "awx_user_name": "admin"}
        answers = {name: _Unsafe(value) if isinstance(value, str) else value for name, value in self.answers.items()}
        (env / "extravars").write_text(yaml.dump({**own, **answers}, Dumper=_Dumper))
        (env / "settings").write_text(
            json.dumps({"suppress_ansible_output": True, "idle_timeout": 0, "job_timeout": 0})
        )
        (env / "cmdline").write_text(self.arguments)
        variables = environment(
            self.directory,
            ANSIBLE_FORCE_COLOR="True",
            ANSIBLE_HOST_KEY_CHECKING="False",
            ANSIBLE_INVENTORY_UNPARSED_FAILED="True",
            ANSIBLE_RETRY_FILES_ENABLED="False",
            MAX_EVENT_RES="700000",
            JOB_ID=self.id,
        )
        for credential in self.credentials:
            variables.update(credential.inject(self.private, self.worker))
        (env / "envvars").write_text(json.dumps(variables))

        options = ["-p", self.playbook, "-i", self.id]
        stream = self._runner("transmit", str(self.private), *options, given=b"")
        work = partial(self._runner, "worker", "--private-data-dir", str(self.worker), given=stream)
        stream = self.node.submit(work).result() if self.node else work()
        self._runner("process", str(self.private), "-i", self.id, given=stream)
        return self

    def _runner(self, *arguments: str, given: bytes) -> bytes:
        finished = subprocess.run(
            [str(TOOLS / "ansible-runner"), *arguments],
            env=environment(self.directory),
            input=given,
            capture_output=True,
            check=False,
        )
        # "process" succeeds whatever came of the job, and "worker" says what in its stream: see ``status``
        assert not finished.stderr, finished.stderr.decode()
        return finished.stdout

    @property
    def status(self) -> tuple[str, int]:
        return (self.artifacts / "status").read_text(), int((self.artifacts / "rc").read_text())

    @property
    def events(self) -> list[dict[str, Any]]:
        files = (self.artifacts / "job_events").glob("*.json")
        return sorted((json.loads(path.read_text()) for path in files), key=lambda event: int(event["counter"]))

    @property
    def stats(self) -> dict[str, Any]:
        """The data of the last event: ok, changed, failures, … by host, and what set_stats has kept."""
        (event,) = (event for event in self.events if event["event"] == "playbook_on_stats")
        data: dict[str, Any] = event["event_data"]
        return data

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """By host, what went into the fact cache."""
        files = (self.artifacts / "fact_cache").iterdir()
        return {path.name.removeprefix("s1_"): plain(json.loads(path.read_text())) for path in files}

    @property
    def output(self) -> str:
        return "\n".join(event["stdout"] for event in self.events)

    def leaks(self, secrets: list[str]) -> set[str]:
        """Artifacts that hold one of the secrets.

        Not looked at is "command", where ansible-runner itself writes the whole environment that it was given.
        """
        files = [path for path in self.artifacts.rglob("*") if path.is_file() and path != self.artifacts / "command"]
        return {
            str(path.relative_to(self.artifacts))
            for path in files
            if any(secret in path.read_text(errors="replace") for secret in secrets)
        }
