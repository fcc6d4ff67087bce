# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator as a server: its command, where it listens, and how fast it answers."""

from __future__ import annotations

import http.client
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from ansible_collections.originsec.cloudflare.tests.emulator import emulator as module
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import KEX, Api, result
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

DIRECTORY = pathlib.Path(module.__file__).parent


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python tests/emulator`, without the environment and without any package that is installed."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(DIRECTORY), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def get(url: str, token: str, **options: Any) -> Any:
    return result(requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10, **options))


def first_line(stream: Any) -> str:
    line: str = stream.readline()
    return line.rstrip("\n")


def test_command(tmp_path: pathlib.Path, client_certificate: Issued) -> None:
    ready, id_ = tmp_path / "ready", "0123456789abcdef" * 2
    arguments = ["--zone", "example.com", "--zone", f"example.net={id_}", "--token", "a-token"]
    with command(*arguments, "--deployment-delay", "60", "--ready-file", str(ready)) as process:
        url = first_line(process.stdout)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/client/v4", url)
        zones = get(f"{url}/zones", "a-token")
        assert [zone["name"] for zone in zones] == ["example.com", "example.net"]
        assert zones[1]["id"] == id_
        uploaded = requests.post(
            f"{url}/zones/{id_}/origin_tls_client_auth",
            headers={"Authorization": "Bearer a-token"},
            json={"certificate": client_certificate.pem, "private_key": client_certificate.key_pem},
            timeout=10,
        )
        (listed,) = get(f"{url}/zones/{id_}/origin_tls_client_auth", "a-token")
        assert listed["id"] == result(uploaded)["id"]
        assert listed["status"] == "initializing"
        deadline = time.monotonic() + 10
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ready.read_text() == url
        assert list(tmp_path.iterdir()) == [ready]
        process.terminate()
        output, errors = process.communicate(timeout=10)
        assert (process.returncode, output, errors) == (0, "", "")
        with pytest.raises(requests.ConnectionError):
            get(f"{url}/zones", "a-token")


def test_command_makes_up_a_token() -> None:
    with command() as process:
        url, (name, token) = first_line(process.stdout), first_line(process.stderr).split(": ")
        assert name == "API token"
        assert get(f"{url}/zones", token) == []


def test_command_takes_a_port() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with command("--port", str(port), "--token", "a-token") as process:
        assert first_line(process.stdout) == f"http://127.0.0.1:{port}/client/v4"


def test_loopback_only(emulator: Emulator) -> None:
    """Who listens on every address would also answer on another one of the loopback network."""
    port = urlsplit(emulator.url).port
    with socket.create_connection(("127.0.0.1", port or 0), timeout=10):
        pass
    with pytest.raises(OSError, match=r"refused|unreachable|assign|timed out"):
        socket.create_connection(("127.0.0.2", port or 0), timeout=2)


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"enabled": True})])
def test_latency(api: Api, zone: Zone, method: str, body: Any) -> None:
    """On a connection that is kept alive, no answer waits for a delayed ACK of the one before (40 ms)."""
    took = []
    for _time in range(50):
        started = time.perf_counter()
        result(api(method, KEX, body))
        took.append(time.perf_counter() - started)
    assert statistics.quantiles(took)[0] < 0.03  # the quarter that other work on the machine held up least


def test_connections_are_kept_alive(emulator: Emulator, zone: Zone, token: str) -> None:
    connection = http.client.HTTPConnection(emulator.origin.partition("//")[2], timeout=10)
    connection.connect()
    first = connection.sock
    for path, status in ((f"/zones/{zone.id}", 200), ("/nothing", 400), (f"/zones/{zone.id}", 200)):
        connection.request("GET", f"/client/v4{path}", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert connection.sock is first  # else it would have been closed
    connection.close()
