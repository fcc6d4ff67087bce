# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates of ML-DSA by an implementation that is not cryptography's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program

POST_QUANTUM = "trixie"
"""The first Debian whose OpenSSL (3.5) knows X25519MLKEM768 and ML-DSA."""


def ml_dsa_pair(openssl: Program, directory: Path, strength: int) -> tuple[str, str]:
    """A self-signed client certificate and its key, in PEM, as the command writes them without being told how."""
    certificate, key, empty = (directory / name for name in ("client.pem", "client.key", "openssl.cnf"))
    empty.write_text("[req]\ndistinguished_name = name\n[name]\n")
    subprocess.run(
        [
            *(openssl.path, "req", "-config", str(empty), "-x509", "-newkey", f"ML-DSA-{strength}", "-nodes"),
            *("-subj", "/CN=client", "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-addext", "extendedKeyUsage=clientAuth", "-keyout", str(key), "-out", str(certificate)),
        ],
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return certificate.read_text(), key.read_text()
