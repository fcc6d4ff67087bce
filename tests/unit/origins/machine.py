# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine of its own for a server of Debian: its own files and processes, and the network of the tests.

It is made of namespaces of Linux. What the package installs lies over the system's /usr and /etc, and what is written
to /etc and /var goes elsewhere, so that nothing of the system is changed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.tools.debian_package import unpacked
from ansible_collections.originsec.cloudflare.tests.unit.support import CACHE

COLLECTIONS = Path(__file__).resolve().parents[6]
TREE = Path(__file__).resolve().parents[3]
DEBIAN = CACHE / "debian"
APPLY = Path(__file__).with_name("apply.py")
PATIENCE = 60
"""Seconds that something may take on a machine that is busy with other tests."""
LOCAL = f"ansible_connection=local ansible_python_interpreter={sys.executable}"

# The first process: mounts, and then buries whoever loses its parent, as the first process of a system does
INIT = """
import ctypes, os, signal, subprocess, sys
layers, upper = sys.argv[1], sys.argv[2]
def overlay(directory, writable):
    lower = ":".join(path for path in (layers + directory, directory) if os.path.isdir(path))
    if writable:
        lower += ",upperdir=" + upper + directory + ",workdir=" + upper + directory + ".work"
    elif ":" not in lower:
        return
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", "lowerdir=" + lower, directory], check=True)
overlay("/usr", False)
overlay("/etc", True)
overlay("/var", True)
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Bring the origin there
      ansible.builtin.include_tasks: step.yml
      loop: "{{ steps }}"
      loop_control:
        loop_var: step
"""
STEP = """
- name: Run the role
  ansible.builtin.include_role:
    name: originsec.cloudflare.origin_client_auth
  vars:
    origin_client_auth_mode: "{{ step }}"
- name: Keep the report
  ansible.builtin.set_fact:
    reports: "{{ reports | default([]) + [origin_client_auth_report] }}"
- name: Write the reports
  ansible.builtin.copy:
    content: "{{ reports | to_json }}"
    dest: "{{ report_path }}"
    mode: "0600"
  check_mode: false
  diff: false
  delegate_to: localhost
  vars:
    ansible_connection: local
    ansible_become: false
"""


class Machine:
    """suite: of Debian, such as trixie, in place of the system's. more: further packages."""

    def __init__(self, directory: Path, package: str, suite: str = "", more: Sequence[str] = ()) -> None:
        if os.geteuid() or not shutil.which("unshare") or not shutil.which("apt-get"):
            pytest.skip("A machine of its own takes root, unshare, and Debian.")
        self.directory = directory
        self.package = package
        self.tree = unpacked(DEBIAN, package, *more, suite=suite)
        self.upper = directory / "upper"

    def __enter__(self) -> Machine:
        # Two reloads of Caddy at once would be about the same setting of the kernel
        DEBIAN.mkdir(parents=True, exist_ok=True)
        self._lock = (DEBIAN / f"{self.package}.lock").open("w")
        if self.package == "caddy":
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        for name in ("etc", "etc.work", "var", "var.work"):
            (self.upper / name).mkdir(parents=True)
        # It ends with these tests, however they end
        command = [
            "setpriv",
            "--pdeathsig=KILL",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            sys.executable,
            "-c",
            INIT,
        ]
        self._outer = subprocess.Popen(
            [*command, str(self.tree), str(self.upper)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._outer.stdout
        if self._outer.stdout.readline() != "ready\n":
            assert self._outer.stderr
            pytest.skip(f"This kernel gives no machine of its own: {self._outer.stderr.read()}")
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        self._enter = ["nsenter", "--target", children[0], "--mount", "--pid", "--"]
        return self

    def __exit__(self, *_exception: object) -> None:
        self._outer.kill()  # and with it the first process, and with that all others
        self._outer.wait(10)
        self._lock.close()

    def run(self, *command: str, check: bool = True, **variables: str) -> str:
        """What it prints."""
        finished = subprocess.run(
            [*self._enter, *command],
            env={**os.environ, **variables},
            cwd=TREE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or finished.returncode == 0, f"{command}\n{finished.stdout}"
        return finished.stdout

    def start(self, *command: str, **variables: str) -> subprocess.Popen[bytes]:
        """In the background."""
        return subprocess.Popen(
            [*self._enter, *command],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def interpreter(self) -> str:
        """A Python that runs on this machine, for playbooks that run outside of it."""
        path = self.directory / f"{self.package}-python"
        path.write_text(f'#!/bin/sh\nexec {shlex.join([*self._enter, sys.executable])} "$@"\n')
        path.chmod(0o755)
        return str(path)

    def reach_by_ssh(self) -> dict[str, str]:
        """Start sshd, for a user who is not root and may use sudo; the variables of a host that is reached so."""
        key, port = self.directory / "ssh_key", free_port()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self.write("/etc/ssh/keys", key.with_suffix(".pub").read_text())
        self.write(
            "/etc/ssh/sshd_config",
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey /etc/ssh/host_key\nAuthorizedKeysFile /etc/ssh/keys\n"
            "UsePAM no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n",
        )
        self.write("/etc/sudoers.d/deploy", "deploy ALL=(ALL) NOPASSWD: ALL\n")
        script = """
            echo deploy:x:1500:1500::/var/lib/deploy:/bin/sh >> /etc/passwd; echo 'deploy:*:19000::::::' >> /etc/shadow
            echo sshd:x:1501:65534::/run/sshd:/usr/sbin/nologin >> /etc/passwd
            mkdir -p /run/sshd /var/lib/deploy; chown 1500 /var/lib/deploy; chmod 440 /etc/sudoers.d/deploy
            ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/host_key
        """
        self.run("sh", "-e", "-c", script)
        self.start("/usr/sbin/sshd", "-D")
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": str(port),
            "ansible_user": "deploy",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": "/var/lib/deploy/tmp",
        }

    def write(self, path: str, text: str) -> None:
        self.run(sys.executable, "-c", f"import os; os.makedirs(os.path.dirname({path!r}), exist_ok=True)")
        subprocess.run([*self._enter, "tee", path], input=text, stdout=subprocess.DEVNULL, text=True, check=True)

    def read(self, path: str) -> str:
        return self.run("cat", path)

    def files(self, directory: str) -> dict[str, tuple[int, bytes]]:
        """Mode and bytes of all that was written below /etc or /var; what is only the package's is not there."""
        found = {}
        top = self.upper / directory.lstrip("/")
        for path in top.rglob("*"):
            mode = path.lstat().st_mode
            if not stat.S_ISDIR(mode):
                content = os.readlink(path).encode() if stat.S_ISLNK(mode) else path.read_bytes()
                found[f"{directory}/{path.relative_to(top)}"] = (mode, content)
        return found

    def play(
        self, steps: Sequence[str], variables: Mapping[str, Any], *arguments: str, inventory: str = LOCAL
    ) -> tuple[list[dict[str, Any]], str]:
        """The report of the role for each of these modes, and what Ansible printed."""
        directory = self.directory / "play"
        directory.mkdir(exist_ok=True)
        reports = directory / "reports.json"
        (directory / "play.yml").write_text(PLAYBOOK)
        (directory / "step.yml").write_text(STEP)
        (directory / "inventory").write_text(f"origin {inventory}\n")
        given = {
            "origin_client_auth_check": {"timeout": PATIENCE},
            **variables,
            "steps": list(steps),
            "report_path": str(reports),
        }
        (directory / "variables.json").write_text(json.dumps(given))
        output = self.run(
            *(shutil.which("ansible-playbook") or "ansible-playbook", "-i", str(directory / "inventory")),
            *("-e", f"@{directory / 'variables.json'}", *arguments, str(directory / "play.yml")),
            ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
            ANSIBLE_LOCAL_TEMP=str(directory / "tmp"),
            ANSIBLE_REMOTE_TEMP=str(directory / "remote"),
            ANSIBLE_NOCOLOR="1",
            LC_ALL="C.UTF-8",
            TMPDIR="/tmp",  # where ansible-core makes a socket, whose path may have 107 characters
        )
        found: list[dict[str, Any]] = json.loads(reports.read_text())
        return found, output

    def apply(self, mode: str, *authorities: str, **others: Any) -> dict[str, Any]:
        """What the module answers, without Ansible around it; others: options, and those of apply.py."""
        command = [sys.executable]
        if (current := coverage()) is not None:
            command += ["-m", "coverage", "run", "--parallel-mode", f"--data-file={current}"]
        given = {"mode": mode, "ca": list(authorities), "check": {"timeout": PATIENCE}, **others}
        output = self.run(*command, str(APPLY), json.dumps(given), PYTHONPATH=str(COLLECTIONS), check=False)
        # What follows is of coverage, which warns of what it did not see
        first = output.partition("\n")[0]
        answer: dict[str, Any] = json.loads(first) if first.startswith("{") else {"died": output}
        return answer


def coverage() -> str | None:
    """Where the coverage of these tests is being written, if it is."""
    if "coverage" not in sys.modules:
        return None
    current = sys.modules["coverage"].Coverage.current()
    return None if current is None else str(TREE / ".coverage")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if true():
            return
        time.sleep(0.02)
    raise TimeoutError(what)
