# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print certificates, their keys and fingerprints as JSON: ``make_certificates.py PASSPHRASE``."""

from __future__ import annotations

import datetime
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY = "authority"

# name: from which day on it is valid, and until which, counted from now
CERTIFICATES = {AUTHORITY: (-1, 90), "first": (-1, 90), "second": (-1, 90), "expired": (-90, -1), "future": (1, 90)}


def main() -> None:
    passphrase = serialization.BestAvailableEncryption(sys.argv[1].encode())
    now = datetime.datetime.now(datetime.timezone.utc)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    made = {}
    for name, (starts, ends) in CERTIFICATES.items():
        key = authority_key if name == AUTHORITY else ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(AUTHORITY))
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=starts))
            .not_valid_after(now + datetime.timedelta(days=ends))
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=name == AUTHORITY, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        made[name] = {
            "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
            "key": encoded(key, serialization.NoEncryption()),
            "encrypted_key": encoded(key, passphrase),
            "secrets": secrets(encoded(key, serialization.NoEncryption())),
            "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        }
    json.dump(made, sys.stdout)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def encoded(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return pem.decode()


def secrets(pem: str) -> list[str]:
    """The parts of a P-256 key's PEM that no result may hold; the rest is in every key, or in the certificate."""
    first, second = pem.splitlines()[1:3]
    return [first[48:], second[:16]]


if __name__ == "__main__":
    main()
