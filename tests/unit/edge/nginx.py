# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real nginx as the origin, with the settings that the guides give."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

CONFIGURATION = """\
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    log_format pulls "$status|$ssl_client_verify|$ssl_client_s_dn";
    access_log {directory}/access.log pulls;
    server {{
        listen 127.0.0.1:{plain_port};
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {directory}/server.pem;
        ssl_certificate_key {directory}/server.pem;
        ssl_client_certificate {directory}/authorities.pem;
        ssl_verify_client {verify};
        location / {{ return 200 "nginx\\n"; }}
    }}
}}
"""


class Logged(NamedTuple):
    """A line of the access log. verify, subject: ``$ssl_client_verify`` and ``$ssl_client_s_dn``."""

    status: str
    verify: str
    subject: str


@dataclass
class Nginx:
    """verify: what ``ssl_verify_client`` is; trusted: the certificates in ``ssl_client_certificate``."""

    program: Program
    directory: Path
    server: Issued
    trusted: list[Issued]
    verify: str = "optional"
    port: int = field(init=False)
    plain_port: int = field(init=False)

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            self.port, self.plain_port = one.getsockname()[1], other.getsockname()[1]

    @property
    def origins(self) -> dict[str, str]:
        return {"https": f"127.0.0.1:{self.port}", "http": f"127.0.0.1:{self.plain_port}"}

    def __enter__(self) -> Nginx:
        self.directory.mkdir()
        self._configure()
        self._process = subprocess.Popen(
            [self.program.path, "-p", str(self.directory), "-c", str(self.directory / "nginx.conf")],
            env=self.program.environment,
            stderr=subprocess.DEVNULL,  # it complains that it may not write where its package does
        )
        self._wait_until((self.directory / "nginx.pid").exists)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def reload(self, verify: str, trusted: list[Issued]) -> None:
        """As ``nginx -s reload`` does; returns when nothing is answered by the settings of before any more."""
        self.verify, self.trusted = verify, trusted
        self._configure()
        workers = self.errors().count("exited with code 0")
        self._process.send_signal(signal.SIGHUP)
        self._wait_until(lambda: self.errors().count("exited with code 0") > workers)

    def pulls(self) -> list[Logged]:
        lines = (self.directory / "access.log").read_text().splitlines()
        return [Logged(*line.split("|")) for line in lines]

    def errors(self) -> str:
        path = self.directory / "error.log"
        return path.read_text() if path.exists() else ""

    def _configure(self) -> None:
        (self.directory / "server.pem").write_text(self.server.pem + self.server.key_pem)
        (self.directory / "authorities.pem").write_text("".join(one.pem for one in self.trusted))
        (self.directory / "nginx.conf").write_text(
            CONFIGURATION.format(
                directory=self.directory, port=self.port, plain_port=self.plain_port, verify=self.verify
            )
        )

    def _wait_until(self, true: Callable[[], bool]) -> None:
        for _attempt in range(500):
            if true():
                return
            assert self._process.poll() is None, self.errors()
            time.sleep(0.02)
        raise TimeoutError(self.errors())
