# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe against nginx, which judges a client certificate over HTTP: the system's, and one that is post-quantum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ansible_collections.originsec.cloudflare.plugins.module_utils._probe import Target, probe
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.edge.nginx import Nginx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, debian_program, issue
from ansible_collections.originsec.cloudflare.tests.unit.tls.ml_dsa import POST_QUANTUM, ml_dsa_pair

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")


@pytest.fixture(scope="module")
def server() -> Issued:
    return issue("shop.example.com", usage=None)


def probed(port: int, certificate: str, private_key: str) -> dict[str, Any]:
    options = {"host": "127.0.0.1", "port": port, "server_name": "shop.example.com", "timeout": 10}
    pair = {"certificate": certificate, "private_key": private_key, "private_key_passphrase": None}
    return probe(Target.from_options({**options, **pair}))


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("mode", ["off", "optional", "on"])
def test_modes(
    tmp_path: Path, server: Issued, authority: Issued, other_certificate: Issued, mode: str, protocol: str
) -> None:
    client = issue("client", issuer=authority)
    program, verify = debian_program("nginx", "nginx"), f"{mode}; ssl_protocols {protocol}"
    with Nginx(program, tmp_path / "nginx", server, [authority], verify) as nginx:
        results = {
            name: probed(nginx.port, one.pem, one.key_pem)
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
    assert results["untrusted"]["error"] == (f"127.0.0.1:{nginx.port} {complaint}" if asked else None)


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.long
def test_post_quantum(
    openssl: Program, tmp_path: Path, server: Issued, client_certificate: Issued, trusted: bool
) -> None:
    """Key exchange and client certificate, both with an OpenSSL that is not the one of cryptography."""
    certificate, key = ml_dsa_pair(openssl, tmp_path, 65)
    authority = Issued(x509.load_pem_x509_certificate(certificate.encode()), None) if trusted else client_certificate
    program = debian_program("nginx", "nginx", POST_QUANTUM)
    with Nginx(program, tmp_path / "nginx", server, [authority], "on; ssl_protocols TLSv1.3") as nginx:
        result = probed(nginx.port, certificate, key)
    assert (result["group"], result["post_quantum"], result["classical_supported"]) == ("X25519MLKEM768", True, True)
    assert (result["client_certificate_required"], result["client_certificate_accepted"]) == (True, trusted)
    assert ("The SSL certificate error" in (result["error"] or "")) is not trusted
