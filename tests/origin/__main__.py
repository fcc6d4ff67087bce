# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run an origin: ``python tests/origin --client-certificates required --client-ca=PEM`` prints its port and serves."""

from __future__ import annotations

import argparse
import datetime
import pathlib
import signal
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from origin import CLASSICAL, HYBRID, Origin


def main() -> None:
    parser = argparse.ArgumentParser(prog="origin", description="An HTTPS origin on the loopback interface.")
    parser.add_argument("--name", default="shop.example.com", help="what its self-signed certificate is for")
    parser.add_argument("--groups", default=f"{HYBRID}:{CLASSICAL}", help="of the key exchange, as for OpenSSL")
    parser.add_argument("--client-certificates", default="none", choices=["none", "optional", "required"])
    parser.add_argument("--client-ca", default="", metavar="PEM", help="certificates of the authorities that it trusts")
    parser.add_argument("--refusal", default="tls", choices=["tls", "http"], help="how it refuses a client certificate")
    parser.add_argument("--ready-file", type=pathlib.Path, help="file to write the port into once it listens")
    arguments = parser.parse_args()

    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with Origin(
        *self_signed(arguments.name),
        groups=arguments.groups,
        client_certificates=arguments.client_certificates,
        client_ca=arguments.client_ca,
        refusal=arguments.refusal,
    ) as origin:
        print(origin.port, flush=True)
        if arguments.ready_file:
            # In one step: whoever waits for the file never reads half of it.
            written = arguments.ready_file.with_name(arguments.ready_file.name + ".new")
            written.write_text(str(origin.port))
            written.replace(arguments.ready_file)
        over.wait()


def self_signed(name: str) -> tuple[str, str]:
    """A certificate and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), encoded.decode()


if __name__ == "__main__":
    main()
