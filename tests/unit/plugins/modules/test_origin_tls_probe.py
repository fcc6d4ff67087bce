# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as Ansible sees it; what origins do to it is in module_utils/test_probe.py."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.originsec.cloudflare.plugins.modules import origin_tls_probe
from ansible_collections.originsec.cloudflare.tests.unit.plugins.modules.test_documentation import undocumented
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue, run_module

try:
    from OpenSSL.SSL import Connection

    PYOPENSSL = hasattr(Connection, "get_group_name")
except ImportError:
    PYOPENSSL = False

needs_pyopenssl = pytest.mark.skipif(not PYOPENSSL, reason="needs pyOpenSSL >= 26")


@needs_pyopenssl
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("diff", [False, True])
def test_return_values(check: bool, diff: bool, client_certificate: Issued) -> None:
    from ansible_collections.originsec.cloudflare.tests.origin.origin import Origin

    server = issue("shop.example.com", address="127.0.0.1")
    settings: dict[str, Any] = {"client_certificates": "required", "client_ca": client_certificate.pem}
    passphrase = "correct horse"
    options = {
        "host": "127.0.0.1",
        "certificate": client_certificate.pem + client_certificate.key_pem,
        "private_key": client_certificate.encoded_key(passphrase=passphrase),
        "private_key_passphrase": passphrase,
    }
    with Origin(server.pem, server.key_pem, **settings) as origin:
        result = run_module(origin_tls_probe, {**options, "port": origin.port}, check=check, diff=diff)
    text = str(result)
    assert not any(line in text for line in client_certificate.key_pem.splitlines()[1:-1])
    assert passphrase not in text
    result.pop("invocation", None)
    assert result.pop("changed") is False
    assert undocumented(result, yaml.safe_load(origin_tls_probe.RETURN)) == []
    certificate = result.pop("server_certificate")
    assert certificate == {
        "subject": "CN=shop.example.com",
        "issuer": "CN=shop.example.com",
        "not_after": server.certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "days_remaining": 89,
        "names": ["127.0.0.1"],
        "matches_server_name": True,
        "trusted": False,
    }
    assert result == {
        "reachable": True,
        "tls_version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "group": "X25519MLKEM768",
        "post_quantum": True,
        "classical_supported": True,
        "client_certificate_requested": True,
        "client_certificate_required": True,
        "client_certificate_accepted": True,
        "error": None,
    }


@needs_pyopenssl
def test_an_origin_that_cannot_be_reached_is_no_failure() -> None:
    result = run_module(origin_tls_probe, {"host": "origin.invalid"})
    assert "failed" not in result
    assert (result["changed"], result["reachable"]) == (False, False)
    assert result["error"].startswith("origin.invalid cannot be resolved")


@needs_pyopenssl
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "missing required arguments: host"),
        ({"host": "origin.example.com:443"}, "host 'origin.example.com:443' is neither"),
        ({"host": "127.0.0.1", "port": 70000}, "port must be at least 1 and at most 65535, not 70000."),
        ({"host": "127.0.0.1", "certificate": "x"}, "Set certificate and private_key together, or neither of them."),
    ],
)
def test_bad_input_is_one_message(options: dict[str, Any], message: str) -> None:
    result = run_module(origin_tls_probe, options)
    assert result["failed"] is True
    assert message in result["msg"]
    assert "exception" not in result


@needs_pyopenssl
def test_a_certificate_that_origins_would_refuse_anyway() -> None:
    expired = issue("expired", starts=-9, ends=-2)
    options = {"host": "127.0.0.1", "certificate": expired.pem, "private_key": expired.key_pem}
    result = run_module(origin_tls_probe, options)
    assert result["failed"] is True
    assert "certificate (CN=expired) expired on" in result["msg"]


@needs_pyopenssl
def test_warnings_of_the_certificate() -> None:
    server = issue("server", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    options = {"host": "origin.invalid", "certificate": server.pem, "private_key": server.key_pem}
    (warning,) = run_module(origin_tls_probe, options)["warnings"]
    assert "extended key usage without clientAuth: origins will refuse it" in str(warning)


@needs_pyopenssl
def test_a_certificate_that_tls_has_no_use_for() -> None:
    agreement = issue("client", issuer=issue("authority", authority=True), key=x25519.X25519PrivateKey.generate())
    options = {"host": "127.0.0.1", "certificate": agreement.pem, "private_key": agreement.key_pem}
    result = run_module(origin_tls_probe, options)
    assert result["failed"] is True
    assert result["msg"] == "certificate is of no use to OpenSSL: unknown certificate type."


def test_a_missing_library_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is what comes of it where the oldest cryptography that the collection takes is installed."""
    if PYOPENSSL:
        monkeypatch.delattr("OpenSSL.SSL.Connection.get_group_name")
    result = run_module(origin_tls_probe, {"host": "127.0.0.1"})
    assert result["failed"] is True
    assert "(pyOpenSSL >= 26, with cryptography >= 47 and OpenSSL >= 3.5)" in result["msg"]
    assert sys.executable in result["msg"]
