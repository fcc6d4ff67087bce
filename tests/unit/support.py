# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests share besides fixtures: certificates made on the spot, and modules run as Ansible runs them."""

from __future__ import annotations

import contextlib
import datetime
import io
import ipaddress
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common import warnings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.tools.awx_collection import unpacked
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program, program

CACHE = Path(os.environ.get("TEST_CACHE") or Path(__file__).resolve().parents[1] / "output")
"""Where tests keep what they fetch; nox has one for all of its sessions."""


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, in PEM and as cryptography's objects."""

    certificate: Any
    key: Any

    @property
    def pem(self) -> str:
        pem: bytes = self.certificate.public_bytes(serialization.Encoding.PEM)
        return pem.decode()

    @property
    def fingerprint(self) -> str:
        fingerprint: bytes = self.certificate.fingerprint(hashes.SHA256())
        return fingerprint.hex()

    @property
    def key_pem(self) -> str:
        return self.encoded_key()

    def encoded_key(self, encoding: str = "PKCS8", passphrase: str | None = None) -> str:
        """encoding: PKCS8 or TraditionalOpenSSL."""
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            encryption = serialization.BestAvailableEncryption(passphrase.encode())
        format_ = getattr(serialization.PrivateFormat, encoding)
        pem: bytes = self.key.private_bytes(serialization.Encoding.PEM, format_, encryption)
        return pem.decode()


def issue(
    name: str = "client",
    *,
    key: Any = None,
    issuer: Issued | None = None,
    starts: int = -1,
    ends: int = 90,
    authority: bool | None = False,
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CLIENT_AUTH,
    address: str | None = None,
) -> Issued:
    """starts, ends: days from now. authority: None leaves basicConstraints out; usage: None the extended key usage.

    address: of a server, for its subject alternative name.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=min(starts, ends - 1)))
        .not_valid_after(now + datetime.timedelta(days=ends))
        .public_key(key.public_key())
    )
    if authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
    # Python >= 3.13 asks for key identifiers, and for the key usage of an authority
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if issuer:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if address:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    if authority:
        usages = dict.fromkeys(
            ("data_encipherment", "key_agreement", "content_commitment", "key_encipherment", "encipher_only"), False
        )
        key_usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, decipher_only=False, **usages
        )
        builder = builder.add_extension(key_usage, critical=True)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    hashed = isinstance(signer, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey))
    return Issued(builder.sign(signer, hashes.SHA256() if hashed else None), key)


def run_module(
    module: ModuleType, params: dict[str, Any], *, check: bool = False, diff: bool = False
) -> dict[str, Any]:
    """What the module answers to Ansible, run by its own ``main`` with these options."""
    arguments = {**params, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/nonexistent"}
    output = io.StringIO()
    warnings._global_warnings.clear()  # of a module that ran before in this process
    with _arguments(arguments), contextlib.redirect_stdout(output), pytest.raises(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(output.getvalue())
    result.pop("_ansible_new_secrets", None)  # by which a module of ansible-core >= 2.22 tells what to mask
    return result


@contextlib.contextmanager
def _arguments(arguments: dict[str, Any]) -> Iterator[None]:
    if hasattr(basic, "_ANSIBLE_PROFILE"):  # ansible-core >= 2.19
        from ansible.module_utils import _internal
        from ansible.module_utils.testing import patch_module_args

        # Tests of other plugins make this a process of the controller, where a module's warnings would be displayed.
        with pytest.MonkeyPatch.context() as patch, patch_module_args(arguments):
            patch.setattr(_internal, "is_controller", False)
            yield
        return
    before = basic._ANSIBLE_ARGS
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    try:
        yield
    finally:
        basic._ANSIBLE_ARGS = before


class QuotaClock:
    """An emulator's clock that runs only while less than a tenth of a quota is left, or none.

    So a busy machine meets the quota as often as an idle one, and a client that does not wait is refused on both.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator, self._lock = emulator, threading.Lock()
        self._started = self._now = emulator.now()
        self._looked = time.monotonic()
        emulator.now = self.now  # type: ignore[method-assign]

    @property
    def ran(self) -> float:
        """Seconds for which somebody had to wait."""
        return self.now() - self._started

    def now(self) -> float:
        emulator = self._emulator
        with self._lock:
            looked, self._looked = self._looked, time.monotonic()
            if any(until > self._now for until in emulator._blocked.values()) or any(
                used >= 0.9 * emulator.quota and self._now < started + emulator.window
                for started, used in emulator._windows.values()
            ):
                self._now += self._looked - looked
            return self._now


def debian_program(name: str, package: str, suite: str = "") -> Program:
    """The program that is installed, else that of the Debian package; skips the test where there is neither.

    With a suite, such as trixie, that of the package in any case.
    """
    try:
        return program(name, package, CACHE / "debian", suite)
    except FileNotFoundError as error:
        pytest.skip(f"{name} is not installed, and this is not Debian: {error}")


def awx_collection() -> Path:
    """Where the collection awx.awx is; skips the test where it cannot be downloaded."""
    try:
        return unpacked(CACHE / "awx")
    except RuntimeError as error:
        pytest.skip(str(error))
