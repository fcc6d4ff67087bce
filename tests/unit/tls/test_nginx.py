# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe against nginx, which judges a client certificate over HTTP: the system's, and one that is post-quantum."""

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
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, debian_program, issue
from ansible_collections.originsec.cloudflare.tests.unit.tls.ml_dsa import POST_QUANTUM, ml_dsa_pair

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

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
    return debian_program("nginx", "nginx")


@contextlib.contextmanager
def serving(nginx: Program, directory: Path, mode: str, protocol: str, authority: str) -> Iterator[int]:
    """authority: its certificate, in PEM."""
    server = issue("shop.example.com", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    (directory / "server.pem").write_text(server.pem + server.key_pem)
    (directory / "authority.pem").write_text(authority)
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


def probed(port: int, certificate: str, private_key: str) -> dict[str, Any]:
    options = {"host": "127.0.0.1", "port": port, "server_name": "shop.example.com", "timeout": 10}
    pair = {"certificate": certificate, "private_key": private_key, "private_key_passphrase": None}
    return probe(Target.from_options({**options, **pair}))


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("mode", ["off", "optional", "on"])
def test_modes(nginx: Program, tmp_path: Path, mode: str, protocol: str, other_certificate: Issued) -> None:
    authority = issue("authority", authority=True, usage=None)
    client = issue("client", issuer=authority)
    with serving(nginx, tmp_path, mode, protocol, authority.pem) as port:
        results = {
            name: probed(port, one.pem, one.key_pem)
            for name, one in {"trusted": client, "untrusted": other_certificate}.items()
        }
    asked = mode != "off"
    for name, result in results.items():
        assert (result["reachable"], result["tls_version"], result["classical_supported"]) == (True, protocol, True)
        assert result["client_certificate_requested"] is asked
        assert result["client_certificate_required"] is (mode == "on")
        assert result["client_certificate_accepted"] is ((name == "trusted") if asked else None)
    assert results["trusted"]["error"] is None
    complaint = "answered 400 (The SSL certificate error) when the client certificate was presented."
    assert results["untrusted"]["error"] == (f"127.0.0.1:{port} {complaint}" if asked else None)


@pytest.mark.parametrize("trusted", [True, False])
def test_post_quantum(openssl: Program, tmp_path: Path, client_certificate: Issued, trusted: bool) -> None:
    """Key exchange and client certificate, both with an OpenSSL that is not the one of cryptography."""
    certificate, key = ml_dsa_pair(openssl, tmp_path, 65)
    authority = certificate if trusted else client_certificate.pem
    with serving(debian_program("nginx", "nginx", POST_QUANTUM), tmp_path, "on", "TLSv1.3", authority) as port:
        result = probed(port, certificate, key)
    assert (result["group"], result["post_quantum"], result["classical_supported"]) == ("X25519MLKEM768", True, True)
    assert (result["client_certificate_required"], result["client_certificate_accepted"]) == (True, trusted)
    assert ("The SSL certificate error" in (result["error"] or "")) is not trusted
