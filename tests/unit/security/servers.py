# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers and commands that the tests of this directory share: all of them real."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TOOLS, environment
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

MODULE = "originsec.cloudflare.auto_origin_tls_kex"
REALM = "proxy-user", "canary-password-of-the-proxy"


@dataclass
class AdHoc:
    """`ansible localhost`, as somebody types it whose credentials are in the environment."""

    home: Path
    variables: dict[str, str]

    def __call__(self, options: dict[str, Any], **variables: str) -> tuple[dict[str, Any], str]:
        """The module's result, and all that was printed; what the zone is asked for, it has already."""
        arguments = json.dumps({"zone_name": "example.com", "enabled": False, "timeout": 5, **options})
        finished = subprocess.run(
            [str(TOOLS / "ansible"), "localhost", "-vvvv", "-m", MODULE, "-a", arguments],
            env=environment(self.home, ANSIBLE_REMOTE_TMP=str(self.home / "remote"), **self.variables, **variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        output = finished.stdout + finished.stderr
        found = results(finished.stdout)
        assert found, output
        return found["localhost"], output


def results(stdout: str) -> dict[str, Any]:
    """By host, the last result that the callback minimal printed."""
    found = re.findall(r"^([^|\n]+) \| [A-Z]+!? => (\{.*?^\})", stdout, re.DOTALL | re.MULTILINE)
    return {host: json.loads(result) for host, result in found}


@contextlib.contextmanager
def tls_emulator(server: Issued, directory: Path) -> Iterator[tuple[Emulator, list[object]]]:
    """An emulator that shows this certificate, and a list with an entry for every connection that began TLS."""
    connections: list[object] = []
    path = directory / "server.pem"
    path.write_text(server.pem + server.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.sni_callback = lambda *hello: connections.append(hello)
    with Emulator(ssl_context=context) as emulator:
        emulator.add_zone("example.com")
        yield emulator, connections


@dataclass
class Recorder:
    """A server that gives every request the same answer, and writes down what it was sent."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """Of each, its first line and its headers."""
    port: int = 0


@contextlib.contextmanager
def serving(recorder: Recorder) -> Iterator[Recorder]:
    class Handler(BaseHTTPRequestHandler):
        def _record(self) -> None:
            recorder.requests.append(f"{self.requestline}\n{self.headers}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(recorder.status)
            for name, value in {"Content-Length": "0", **recorder.headers}.items():
                self.send_header(name, value)
            self.end_headers()

        do_CONNECT = do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _record  # noqa: N815 - as http.server has them

        def log_message(self, *_arguments: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    recorder.port = server.server_port
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Proxy:
    port: int
    log: Path

    def url(self, user: str = "") -> str:
        """user: nobody, or in the form ``user:password@``."""
        return f"http://{user}127.0.0.1:{self.port}"

    def targets(self) -> list[str]:
        """What it was asked to connect to."""
        return re.findall(r"Request \(file descriptor \d+\): CONNECT (\S+)", self.log.read_text())


@contextlib.contextmanager
def proxying(tinyproxy: Program, directory: Path, connect_port: int, password: bool = False) -> Iterator[Proxy]:
    """A tinyproxy that lets everybody, or those who know the password, connect to this port of this machine."""
    directory.mkdir()
    proxy = Proxy(free_port(), directory / "log")
    configuration = {
        "Port": proxy.port,
        "Listen": "127.0.0.1",
        "Allow": "127.0.0.1",
        "ConnectPort": connect_port,
        "Timeout": 20,
        "LogFile": f'"{proxy.log}"',
        "LogLevel": "Info",
        **({"BasicAuth": " ".join(REALM)} if password else {}),
    }
    path = directory / "tinyproxy.conf"
    path.write_text("".join(f"{name} {value}\n" for name, value in configuration.items()))
    process = subprocess.Popen(
        [tinyproxy.path, "-d", "-c", str(path)],
        env=tinyproxy.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(proxy.port, process)
        yield proxy
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _attempt in range(200):
        assert process.poll() is None, f"it ended with {process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError
