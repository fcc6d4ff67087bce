# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and keys of ML-DSA as the openssl command makes them, which is what users have at hand."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from pathlib import Path
from typing import Any

import cryptography
import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._certificates import load_client_certificate
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import InputError
from ansible_collections.originsec.cloudflare.plugins.modules import (
    origin_tls_client_auth,
    origin_tls_client_auth_info,
    origin_tls_info,
)
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.support import run_module
from ansible_collections.originsec.cloudflare.tests.unit.tls.ml_dsa import ml_dsa_pair

OLD = int(cryptography.__version__.partition(".")[0]) < 47


@pytest.mark.parametrize("strength", [44, 65, 87])
def test_ml_dsa(openssl: Program, tmp_path: Path, strength: int) -> None:
    certificate, key = ml_dsa_pair(openssl, tmp_path, strength)

    def written_as(*arguments: str) -> str:
        command = [openssl.path, "pkey", *arguments]
        return subprocess.run(command, input=key, stdout=subprocess.PIPE, text=True, check=True).stdout

    seed_only = written_as("-provparam", "ml-dsa.output_formats=seed-only")
    assert len(key) > 20 * len(seed_only)  # it writes the expanded key as well, unless told otherwise
    for one in (key, seed_only):
        loaded = load_client_certificate(certificate, one, None)
        assert loaded.private_key == seed_only
        assert loaded.description["key_type"] == loaded.description["signature"] == f"ml-dsa-{strength}"
        assert len(loaded.warnings) == OLD
    with pytest.raises(InputError, match="takes the seed only, which cannot be computed from it"):
        load_client_certificate(certificate, written_as("-provparam", "ml-dsa.output_formats=priv-only"), None)
    encrypted = written_as("-aes256", "-passout", "pass:correct horse")
    with pytest.raises(InputError, match="must be unencrypted" if OLD else "decrypt that with 'openssl pkey' first"):
        load_client_certificate(certificate, encrypted, "correct horse")


@pytest.mark.parametrize("strength", [44, 65, 87])
def test_ml_dsa_at_cloudflare(openssl: Program, tmp_path: Path, options: dict[str, Any], strength: int) -> None:
    """The emulator takes the seed-only encoding and no other, as Cloudflare does."""
    certificate, key = ml_dsa_pair(openssl, tmp_path, strength)
    wanted = {**options, "certificate": certificate, "private_key": key, "enabled": True}
    done, again = (run_module(origin_tls_client_auth, wanted) for _time in range(2))
    assert (done["changed"], again["changed"]) == (True, False)
    warned = f"does not know the algorithm of the certificate's key (ml-dsa-{strength})"
    assert (warned in str(done.get("warnings"))) is OLD
    shown = run_module(origin_tls_client_auth_info, options)["active_certificate"]
    assert shown == done["certificate"] == again["certificate"]
    assert shown == run_module(origin_tls_info, options)["origin_tls"]["client_auth"]["active_certificate"]
    assert (shown["key_type"], shown["key_size"]) == (f"ml-dsa-{strength}", None)
    assert shown["fingerprint_sha256"] == hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
