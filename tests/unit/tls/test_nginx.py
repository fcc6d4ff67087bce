# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe against Debian's nginx, which judges a client certificate over HTTP, in each of its modes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.originsec.cloudflare.plugins.module_utils._probe import Target, probe
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program, program
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

TREE = Path(__file__).parents[3]
CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/temporary;
  proxy_temp_path {directory}/temporary;
  fastcgi_temp_path {directory}/temporary;
  uwsgi_temp_path {directory}/temporary;
  scgi_temp_path {directory}/temporary;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {directory}/server.pem;
    ssl_certificate_key {directory}/server.pem;
    ssl_client_certificate {directory}/authority.pem;
    ssl_verify_client {mode};
    ssl_protocols {protocol};
    location / {{ return 204; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def nginx() -> Program:
    try:
        return program("nginx", "nginx", TREE / "tests" / "output" / "debian")
    except FileNotFoundError as error:
        pytest.skip(f"nginx is not installed, and this is not Debian: {error}")


@contextlib.contextmanager
def serving(nginx: Program, directory: Path, mode: str, protocol: str, authority: Issued) -> Iterator[int]:
    server = issue("shop.example.com", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    (directory / "server.pem").write_text(server.pem + server.key_pem)
    (directory / "authority.pem").write_text(authority.pem)
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    path = directory / "nginx.conf"
    path.write_text(CONFIGURATION.format(directory=directory, port=port, mode=mode, protocol=protocol))
    process = subprocess.Popen(
        [nginx.path, "-p", str(directory), "-c", str(path), "-e", str(directory / "error.log")],
        env={**os.environ, **nginx.environment},
    )
    try:
        for _attempt in range(200):
            assert process.poll() is None, (directory / "error.log").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("mode", ["off", "optional", "on"])
def test_modes(nginx: Program, tmp_path: Path, mode: str, protocol: str, other_certificate: Issued) -> None:
    authority = issue("authority", authority=True, usage=None)
    client = issue("client", issuer=authority)
    options: dict[str, Any] = {"host": "127.0.0.1", "server_name": "shop.example.com", "private_key_passphrase": None}
    results = {}
    with serving(nginx, tmp_path, mode, protocol, authority) as port:
        for name, one in {"trusted": client, "untrusted": other_certificate}.items():
            given = {**options, "certificate": one.pem, "private_key": one.key_pem, "port": port, "timeout": 10}
            results[name] = probe(Target.from_options(given))
    asked = mode != "off"
    for name, result in results.items():
        assert (result["reachable"], result["tls_version"], result["classical_supported"]) == (True, protocol, True)
        assert result["client_certificate_requested"] is asked
        assert result["client_certificate_required"] is (mode == "on")
        assert result["client_certificate_accepted"] is ((name == "trusted") if asked else None)
    assert results["trusted"]["error"] is None
    complaint = "answered 400 (The SSL certificate error) when the client certificate was presented."
    assert results["untrusted"]["error"] == (f"127.0.0.1:{port} {complaint}" if asked else None)
