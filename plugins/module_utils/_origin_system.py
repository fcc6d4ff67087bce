# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""The machine that an origin runs on: its files, programs and processes. The only file that touches them."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where servers are, and where the PATH of a user who is not root does not lead."""

_TOLD = 1500
"""Characters of a program's output that are told, from the end."""


@dataclass(frozen=True)
class Process:
    """program: the path of what runs, as it is called; arguments: after it, as the process shows them."""

    pid: int
    parent: int
    program: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    user: int = 0
    group: int = 0

    @property
    def name(self) -> str:
        return os.path.basename(self.program)


@dataclass(frozen=True)
class Finished:
    """How a program ended; output: both of its streams, decoded."""

    status: int
    output: str

    @property
    def told(self) -> str:
        """The end of the output, for a message."""
        text = self.output.strip()
        return text if len(text) <= _TOLD else f"... {text[-_TOLD:]}"


_SET_GROUPS_LIST = 92
"""SSL_CTRL_SET_GROUPS_LIST of OpenSSL, which SSL_CTX_set1_groups_list is a macro for."""


class System:
    """The machine as it is."""

    def read(self, path: str) -> bytes | None:
        """None where there is no such file."""
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes | None) -> None:
        """Replace the file in one step, with owner and mode as they were; None removes it. A link stays one."""
        path = os.path.realpath(path)
        if content is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".originsec-", suffix=".tmp")
        try:
            with open(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            try:
                before = os.stat(path)
                os.chown(temporary, before.st_uid, before.st_gid)
                shutil.copystat(path, temporary)
                os.utime(temporary)  # it is newer than what it replaces
            except FileNotFoundError:
                os.chmod(temporary, 0o644)  # servers read it as users of their own, and it holds no secret
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def set(self, path: str, value: str) -> None:
        """A setting of the kernel; in a container it may not be possible, and nothing depends on it."""
        with contextlib.suppress(OSError), open(path, "w") as file:
            file.write(value)

    def glob(self, pattern: str) -> list[str]:
        """The files that match, in the order in which servers read them."""
        return sorted(path for path in glob.glob(pattern) if os.path.isfile(path))

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(path)

    def run(self, command: Sequence[str], like: Process | None = None, timeout: float = 60) -> Finished:
        """Never raises: what cannot be started, or takes too long, ended with a status of its own.

        like: whose user and environment it gets.
        """
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN])
        variables = {"LC_ALL": "C", **(like.environment if like else os.environ), "PATH": path}
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function # as the user of the server
                list(command),
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
                **(_identity(like) if like else {}),
            )
        except subprocess.TimeoutExpired:
            return Finished(124, f"It took longer than {timeout:g} seconds.")
        except OSError as error:
            return Finished(127, f"It cannot be started: {error.strerror}.")
        return Finished(done.returncode, done.stdout.decode(errors="replace"))

    def start(self, process: Process) -> None:
        """Start again what ran; it puts itself into the background or keeps running."""
        subprocess.Popen(  # pylint: disable=ansible-bad-function # it has to outlive the module
            [process.program, *process.arguments],
            env=dict(process.environment),
            cwd=process.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **_identity(process),
        )

    def signal(self, pid: int, number: signal.Signals) -> None:
        os.kill(pid, number)

    def processes(self) -> list[Process]:
        """Those of this machine, without those of its containers."""
        found = []
        own = _link("/proc/self/ns/pid")
        for name in filter(str.isdigit, os.listdir("/proc")):
            process = _process(int(name))
            # Who is not root cannot read the link, and the process is not known to be elsewhere
            if process and _link(f"/proc/{name}/ns/pid") in (own, ""):
                found.append(process)
        return found

    def has_systemd(self) -> bool:
        return os.path.isdir("/run/systemd/system")

    def knows_groups(self, process: Process, groups: str) -> bool | None:
        """Whether the OpenSSL of a process takes this list of groups. None where it cannot be asked."""
        try:
            with open(f"/proc/{process.pid}/maps") as file:
                library = ctypes.CDLL(next(line.split()[-1] for line in file if "/libssl." in line))
            library.TLS_method.restype = library.SSL_CTX_new.restype = ctypes.c_void_p
            library.SSL_CTX_new.argtypes = library.SSL_CTX_free.argtypes = [ctypes.c_void_p]
            library.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
            context = library.SSL_CTX_new(library.TLS_method())
            known = bool(library.SSL_CTX_ctrl(context, _SET_GROUPS_LIST, 0, groups.encode()))
            library.SSL_CTX_free(context)
        except (OSError, StopIteration, AttributeError):
            return None
        return known


def _identity(process: Process) -> dict[str, Any]:
    """What subprocess takes to run something as the user of the process; nothing where that is this one's."""
    if process.user == os.geteuid():
        return {}
    try:
        groups = os.getgrouplist(pwd.getpwuid(process.user).pw_name, process.group)
    except KeyError:
        groups = [process.group]
    return {"user": process.user, "group": process.group, "extra_groups": groups}


def _process(pid: int) -> Process | None:
    """None where it has ended, or is of the kernel."""
    directory = f"/proc/{pid}"
    try:
        with open(f"{directory}/cmdline", "rb") as file:
            command = [os.fsdecode(one) for one in file.read().rstrip(b"\0").split(b"\0")]
        with open(f"{directory}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
        owner = os.stat(directory)
    except OSError:
        return None
    if not command[0] or state == b"Z":
        return None
    environment: dict[str, str] = {}
    with contextlib.suppress(OSError), open(f"{directory}/environ", "rb") as file:
        pairs = (os.fsdecode(one).partition("=") for one in file.read().split(b"\0") if one)
        environment = {name: value for name, _equals, value in pairs}
    # After an upgrade of its package the program of a running server has another name
    program = _link(f"{directory}/exe").partition(" (deleted)")[0] or command[0]
    where = _link(f"{directory}/cwd") or "/"
    arguments = tuple(command) if ": " in command[0] else tuple(command[1:])  # nginx writes a title in their place
    return Process(pid, int(parent), program, arguments, environment, where, owner.st_uid, owner.st_gid)


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
