# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import re
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.originsec.cloudflare.plugins.module_utils import _certificates
from ansible_collections.originsec.cloudflare.plugins.module_utils._certificates import (
    describe,
    describe_server,
    load_certificate,
    load_client_certificate,
    load_leaf,
)
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import InputError, MissingLibraryError
from ansible_collections.originsec.cloudflare.plugins.module_utils._pem import pem_blocks
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # cryptography before 2026
    mldsa = None  # type: ignore[assignment]

ISSUED = issue("hypothesis")

MANGLED = {
    "as it is": lambda pem: pem,
    "CRLF": lambda pem: pem.replace("\n", "\r\n"),
    "CR": lambda pem: pem.replace("\n", "\r"),
    "indented": lambda pem: textwrap.indent(pem, "      "),
    "tabs": lambda pem: textwrap.indent(pem, "\t"),
    "trailing blanks": lambda pem: pem.replace("\n", "  \n"),
    "literal \\n": lambda pem: pem.replace("\n", "\\n"),
    "literal \\r\\n": lambda pem: pem.replace("\n", "\\r\\n"),
    "no final newline": lambda pem: pem.rstrip("\n"),
    "text around it": lambda pem: f"Bag Attributes\n  friendlyName: client\n{pem}\nand more\n",
    "joined by blanks": lambda pem: pem.replace("\n", " "),
    "empty lines": lambda pem: pem.replace("\n", "\n\n"),
    "one long line": lambda pem: re.sub(r"(?<!-)\n(?!-)", "", pem),
    "byte order mark": lambda pem: "\ufeff" + pem,
}


@pytest.mark.parametrize("mangled", MANGLED.values(), ids=MANGLED)
def test_pem_is_mended(client_certificate: Issued, mangled: object) -> None:
    assert callable(mangled)
    loaded = load_client_certificate(mangled(client_certificate.pem), mangled(client_certificate.key_pem), None)
    assert loaded.fingerprint == client_certificate.fingerprint
    assert loaded.pem == client_certificate.pem
    assert loaded.private_key == client_certificate.key_pem
    assert loaded.warnings == ()


def test_the_old_label_of_a_certificate(client_certificate: Issued) -> None:
    text = client_certificate.pem.replace(" CERTIFICATE", " X509 CERTIFICATE")
    loaded = load_client_certificate(text, client_certificate.key_pem, None)
    assert loaded.pem == client_certificate.pem
    assert describe(text)["fingerprint_sha256"] == client_certificate.fingerprint


KEYS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize(
    ("key", "key_type", "key_size"),
    [("rsa", "rsa", 2048), ("ecdsa P-256", "ecdsa", 256), ("ecdsa P-521", "ecdsa", 521), ("ed25519", "ed25519", None)],
)
def test_key_types(key: str, key_type: str, key_size: int | None) -> None:
    issued = issue(key=KEYS[key]())
    loaded = load_client_certificate(issued.pem, issued.key_pem, None)
    assert (loaded.description["key_type"], loaded.description["key_size"]) == (key_type, key_size)


@pytest.mark.parametrize("key", ["rsa", "ecdsa P-256"])
@pytest.mark.parametrize("passphrase", [None, "correct horse"])
@pytest.mark.parametrize("encoding", ["PKCS8", "TraditionalOpenSSL"])
def test_keys_are_sent_as_unencrypted_pkcs8(key: str, passphrase: str | None, encoding: str) -> None:
    issued = issue(key=KEYS[key]())
    text = issued.encoded_key(encoding, passphrase)
    assert load_client_certificate(issued.pem, text, passphrase or "not needed").private_key == issued.key_pem
    indented = textwrap.indent(text, "  ").replace("\n", "\r\n")
    assert load_client_certificate(issued.pem, indented, passphrase).private_key == issued.key_pem


def test_ec_parameters_are_left_out(client_certificate: Issued) -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    text = parameters + client_certificate.encoded_key("TraditionalOpenSSL")
    assert load_client_certificate(client_certificate.pem, text, None).private_key == client_certificate.key_pem


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_a_bundle_is_sent_leaf_first(order: tuple[int, int, int]) -> None:
    root = issue("root", authority=True)
    intermediate = issue("intermediate", authority=True, issuer=root)
    leaf = issue("leaf", issuer=intermediate)
    chain = [leaf.pem, intermediate.pem, root.pem]
    bundle = "".join(chain[position] for position in order)
    loaded = load_client_certificate(bundle + leaf.key_pem, bundle + leaf.key_pem, None)
    assert loaded.fingerprint == load_certificate(bundle).fingerprint == leaf.fingerprint
    assert pem_blocks(loaded.pem)[0] == ("CERTIFICATE", leaf.pem)
    assert sorted(pem_blocks(loaded.pem)) == sorted(("CERTIFICATE", pem) for pem in chain)


def test_of_two_leaves_the_one_that_the_key_belongs_to(client_certificate: Issued, other_certificate: Issued) -> None:
    bundle = client_certificate.pem + other_certificate.pem
    loaded = load_client_certificate(bundle, other_certificate.key_pem, None)
    assert loaded.fingerprint == other_certificate.fingerprint


SECRET = "correct horse battery staple"


def _bad(name: str) -> tuple[str, str, str | None]:
    """(certificate, private_key, passphrase) of each mistake."""
    good, other = issue("good"), issue("other")
    authority = issue("authority", authority=True)
    encrypted = good.encoded_key(passphrase=SECRET)
    cut = "\n".join(good.pem.splitlines()[:3] + good.pem.splitlines()[-1:])
    cut_key = "\n".join(good.key_pem.splitlines()[:2] + good.key_pem.splitlines()[-1:])
    expired, early = issue("expired", starts=-9, ends=-2), issue("early", starts=2)
    table: dict[str, tuple[str, str, str | None]] = {
        "no PEM": ("nonsense", good.key_pem, None),
        "cut short": (cut, good.key_pem, None),
        "not base64": (good.pem.replace("M", "*", 1), good.key_pem, None),
        "not ASN.1": ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", good.key_pem, None),
        "empty": ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", good.key_pem, None),
        "another key": (good.pem, other.key_pem, None),
        "an RSA key": (good.pem, issue(key=KEYS["rsa"]()).key_pem, None),
        "no key": (good.pem, "nonsense", None),
        "swapped": (good.key_pem, good.pem, None),
        "no end": (good.pem.partition("-----END")[0][:-40], good.key_pem, None),
        "too long": (good.pem * 2000, good.key_pem, None),
        "a key that is too long": (good.pem, good.key_pem * 9000, None),
        "two keys": (good.pem, good.key_pem + other.key_pem, None),
        "a key cut short": (good.pem, cut_key, None),
        "encrypted without passphrase": (good.pem, encrypted, None),
        "encrypted with a blank one": (good.pem, encrypted, ""),
        "encrypted with a wrong one": (good.pem, encrypted, SECRET + "!"),
        "traditional with a wrong one": (good.pem, good.encoded_key("TraditionalOpenSSL", SECRET), "wrong"),
        "expired": (expired.pem, expired.key_pem, None),
        "not yet valid": (early.pem, early.key_pem, None),
        "an authority": (authority.pem, authority.key_pem, None),
    }
    return table[name]


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("no PEM", "certificate holds no certificate in PEM .*takes the text, not the path: for a file use lookup"),
        ("swapped", "certificate holds a private key, and private_key a certificate: exchange them"),
        ("no end", "certificate cannot be parsed: .* Was it copied whole"),
        ("too long", "certificate is [0-9]+ characters long, and what is longer than 1000000 is not looked at"),
        ("a key that is too long", "private_key is [0-9]+ characters long"),
        ("cut short", "certificate cannot be parsed: .* Was it copied whole"),
        ("not base64", "certificate cannot be parsed: not base64"),
        ("not ASN.1", "certificate cannot be parsed"),
        ("empty", "certificate cannot be parsed"),
        ("another key", "private_key does not belong to certificate"),
        ("an RSA key", "private_key does not belong to certificate"),
        ("no key", "private_key holds no private key in PEM"),
        ("two keys", "more than one private key"),
        ("a key cut short", "private_key cannot be parsed"),
        ("encrypted without passphrase", "encrypted: give its passphrase in private_key_passphrase"),
        ("encrypted with a blank one", "encrypted: give its passphrase in private_key_passphrase"),
        ("encrypted with a wrong one", "private_key_passphrase is wrong"),
        ("traditional with a wrong one", "private_key_passphrase is wrong"),
        ("expired", r"\(CN=expired\) expired on 20.*Renew it"),
        ("not yet valid", r"\(CN=early\) is not valid before 20"),
        ("an authority", r"\(CN=authority\) is that of a certificate authority \(CA:TRUE\)"),
    ],
)
def test_bad_input(mistake: str, message: str) -> None:
    certificate, key, passphrase = _bad(mistake)
    with pytest.raises(InputError, match=message) as caught:
        load_client_certificate(certificate, key, passphrase)
    assert SECRET not in str(caught.value)
    for line in filter(None, key.splitlines()[1:-1]):
        assert line not in str(caught.value)


@pytest.mark.parametrize("mistake", ["expired", "not yet valid", "an authority"])
def test_what_is_to_be_removed_may_be_anything(mistake: str) -> None:
    certificate, _key, _passphrase = _bad(mistake)
    assert load_certificate(certificate).fingerprint


@pytest.mark.parametrize(
    ("usage", "warned"),
    [
        (None, False),
        (ExtendedKeyUsageOID.CLIENT_AUTH, False),
        (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, False),
        (ExtendedKeyUsageOID.SERVER_AUTH, True),
    ],
)
@pytest.mark.parametrize("authority", [False, None])
def test_extended_key_usage(usage: x509.ObjectIdentifier | None, warned: bool, authority: bool | None) -> None:
    issued = issue(usage=usage, authority=authority)
    warnings = load_client_certificate(issued.pem, issued.key_pem, None).warnings
    assert bool(warnings) == warned
    assert all("without clientAuth" in warning for warning in warnings)


def _with_key_usage(digital_signature: bool) -> Issued:
    issued = issue()
    usages = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"), False
    )
    usage = x509.KeyUsage(digital_signature, key_encipherment=True, encipher_only=False, decipher_only=False, **usages)
    return Issued(_builder(issued).add_extension(usage, critical=True).sign(issued.key, hashes.SHA256()), issued.key)


def _builder(issued: Issued) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        *(issued.certificate.issuer, issued.certificate.subject, issued.key.public_key(), 7),
        *(issued.certificate.not_valid_before_utc, issued.certificate.not_valid_after_utc),
    )


def _signed_with(algorithm: str) -> Issued:
    """Made of one that says so of itself: OpenSSL signs with neither any more, and nobody here verifies."""
    issued = issue(key=KEYS["rsa"]())
    rsa_with = bytes.fromhex("06092a864886f70d0101")
    of_sha256, wanted = rsa_with + b"\x0b", rsa_with + {"md5": b"\x04", "sha1": b"\x05", "sha256": b"\x0b"}[algorithm]
    der = issued.certificate.public_bytes(serialization.Encoding.DER)
    assert der.count(of_sha256) == 2
    return Issued(x509.load_der_x509_certificate(der.replace(of_sha256, wanted)), issued.key)


@pytest.mark.parametrize(
    ("made", "warning"),
    [
        (lambda: _with_key_usage(True), ""),
        (
            lambda: _with_key_usage(False),
            "key usage without digitalSignature, .* issued with keyUsage=digitalSignature",
        ),
        (lambda: issue(key=rsa.generate_private_key(65537, 1024)), "RSA key has 1024 bits: .* less than 2048"),
        (lambda: issue(key=ec.generate_private_key(ec.SECP256R1())), ""),
        (lambda: _signed_with("md5"), "signed with MD5: .* issued with SHA-256"),
        (lambda: _signed_with("sha1"), "signed with SHA1: .* issued with SHA-256"),
        (lambda: _signed_with("sha256"), ""),
    ],
)
def test_what_cloudflare_takes_and_origins_refuse(made: Callable[[], Issued], warning: str) -> None:
    issued = made()
    warnings = load_client_certificate(issued.pem, issued.key_pem, None).warnings
    assert [bool(re.search(warning, one)) for one in warnings] == ([True] if warning else [])


def test_a_certificate_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    issued, load = issue("parsed once"), x509.load_der_x509_certificate
    parsed: list[bytes] = []

    def counted(der: bytes) -> x509.Certificate:
        parsed.append(der)
        return load(der)

    monkeypatch.setattr(x509, "load_der_x509_certificate", counted)
    given = load_client_certificate(issued.pem, issued.key_pem, None)
    for _look in range(3):
        assert describe(issued.pem.replace("\n", "\r\n"))["fingerprint_sha256"] == given.fingerprint
    assert len(parsed) == 1


def test_what_time_changes_is_told_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    issued = issue(ends=9)
    assert (describe(issued.pem)["days_remaining"], describe(issued.pem)["expired"]) == (8, False)
    now = datetime.datetime.now(datetime.timezone.utc)
    monkeypatch.setattr(_certificates, "_now", lambda: now + datetime.timedelta(days=30))
    assert (describe(issued.pem)["days_remaining"], describe(issued.pem)["expired"]) == (-22, True)


def test_many_begins_take_no_time() -> None:
    """Four seconds, once."""
    started = time.process_time()
    text = "-----BEGIN CERTIFICATE-----\n" * 30_000
    assert len(pem_blocks(text)) == 30_000
    assert len(pem_blocks("-----BEGIN " * 80_000)) == 0
    assert len(pem_blocks("-----BEGIN A-----\n-----END B-----\n" * 25_000)) == 25_000
    assert time.process_time() - started < 3


# ------------------------------------------------------------------------------------ files of another kind


def _as_read(how: str, raw: bytes) -> str:
    """As a lookup of Ansible reads the file, as one that replaces, or as base64 of it."""
    if how == "base64":
        return textwrap.fill(base64.b64encode(raw).decode(), 64)
    return raw.decode("utf-8", {"escaped": "surrogateescape", "replaced": "replace"}[how])


def _in_der(kind: str) -> bytes:
    der, pkcs8 = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
    traditional, plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    rsa_issued = issue(key=KEYS["rsa"]())
    made: dict[str, Callable[[], bytes]] = {
        "certificate": lambda: ISSUED.certificate.public_bytes(der),
        "certificate of RSA": lambda: rsa_issued.certificate.public_bytes(der),
        "request": lambda: _request(ISSUED).public_bytes(der),
        "PKCS#12": lambda: pkcs12.serialize_key_and_certificates(
            b"name", ISSUED.key, ISSUED.certificate, None, serialization.BestAvailableEncryption(b"x")
        ),
        "PKCS#7": lambda: pkcs7.serialize_certificates([ISSUED.certificate], der),
        "PKCS#8": lambda: ISSUED.key.private_bytes(der, pkcs8, plain),
        "PKCS#8 of RSA": lambda: rsa_issued.key.private_bytes(der, pkcs8, plain),
        "encrypted PKCS#8": lambda: ISSUED.key.private_bytes(der, pkcs8, serialization.BestAvailableEncryption(b"x")),
        "traditional": lambda: ISSUED.key.private_bytes(der, traditional, plain),
        "traditional of RSA": lambda: rsa_issued.key.private_bytes(der, traditional, plain),
        "public key": lambda: ISSUED.key.public_key().public_bytes(
            der, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    }
    return made[kind]()


def _request(issued: Issued) -> x509.CertificateSigningRequest:
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(issued.certificate.subject)
        .sign(issued.key, hashes.SHA256())
    )


TO_PEM = {
    "certificate": (
        "a certificate in DER: 'openssl x509 -inform DER -in FILE -out client.pem'",
        "goes into certificate",
    ),
    "certificate of RSA": ("a certificate in DER: 'openssl x509 -inform DER ", "goes into certificate"),
    "request": ("a certificate request in DER: .*'openssl x509 -req -in FILE -CA ca.pem", "that it was made with"),
    "PKCS#12": (
        "PKCS#12 .*: 'openssl pkcs12 -in FILE -clcerts -nokeys -out client.pem' converts it",
        "PKCS#12 .*: 'openssl pkcs12 -in FILE -nocerts -nodes -out client.key' converts it",
    ),
    "PKCS#7": ("PKCS#7 in DER: 'openssl pkcs7 -inform DER -print_certs -in FILE ", "it holds no private key"),
    **dict.fromkeys(
        ("PKCS#8", "PKCS#8 of RSA", "encrypted PKCS#8", "traditional", "traditional of RSA"),
        (
            "a private key in DER: that goes into private_key",
            "a private key in DER: 'openssl pkey -inform DER -in FILE -out client.key' converts it",
        ),
    ),
    "public key": ("a public key in DER: the certificate that", "a public key in DER: the private one goes here"),
}


@pytest.mark.parametrize("how", ["escaped", "replaced", "base64"])
@pytest.mark.parametrize("kind", TO_PEM)
def test_der_is_named(kind: str, how: str) -> None:
    given = _as_read(how, _in_der(kind))
    start = "It is base64, for which there is 'base64 -d FILE > OTHER_FILE', of " if how == "base64" else "It is "
    as_certificate, as_key = TO_PEM[kind]
    with pytest.raises(InputError, match=start + as_certificate):
        load_client_certificate(given, ISSUED.key_pem, None)
    with pytest.raises(InputError, match=f"{start}.*{as_key}") as caught:
        load_client_certificate(ISSUED.pem, given, None)
    assert str(caught.value).isprintable()


def _in_text(kind: str) -> str:
    pem, openssh = serialization.Encoding.PEM, serialization.Encoding.OpenSSH
    key, public = ISSUED.key, ISSUED.key.public_key()
    made: dict[str, Callable[[], str]] = {
        "request": lambda: _request(ISSUED).public_bytes(pem).decode(),
        "PKCS#7": lambda: pkcs7.serialize_certificates([ISSUED.certificate], pem).decode(),
        "trusted": lambda: ISSUED.pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        "public": lambda: public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
        "OpenSSH": lambda: key.private_bytes(
            pem, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode(),
        "OpenSSH public": lambda: public.public_bytes(openssh, serialization.PublicFormat.OpenSSH).decode(),
        "PuTTY": lambda: "PuTTY-User-Key-File-3: ecdsa-sha2-nistp256\nEncryption: none",
        "base64 of PEM": lambda: base64.b64encode(ISSUED.key_pem.encode()).decode(),
        "UTF-16": lambda: ISSUED.pem.encode("utf-16").decode("utf-8", "surrogateescape"),
        "keystore": lambda: (b"\xfe\xed\xfe\xed" + bytes(64)).decode("utf-8", "surrogateescape"),
        "binary": lambda: "\x7fELF" + "\0" * 64,
        "path": lambda: "/etc/ssl/client.pem",
        "path at home": lambda: "~/client.key",
        "path beside": lambda: "files/client.pem",
        "name": lambda: "client.pem",
        "name in capitals": lambda: "CLIENT.CER",
        "key": lambda: ISSUED.key_pem,
        "certificate": lambda: ISSUED.pem,
    }
    return made[kind]()


@pytest.mark.parametrize(
    ("kind", "as_certificate", "as_key"),
    [
        ("request", "a certificate request: .*'openssl x509 -req -in FILE -CA ca.pem", "that it was made with"),
        ("PKCS#7", "PKCS#7: 'openssl pkcs7 -print_certs -in FILE -out client.pem' converts", "holds no private key"),
        (
            "trusted",
            "TRUSTED CERTIFICATE, .*: 'openssl x509 -in FILE -out client.pem' converts",
            "goes into certificate",
        ),
        ("public", "a public key: the certificate that", "a public key: the private one goes here"),
        ("OpenSSH", "goes into private_key", "OpenSSH's format: 'ssh-keygen -p -m PKCS8 -f FILE' converts it"),
        ("OpenSSH public", "a public key in OpenSSH's format", "a public key in OpenSSH's format: the private one"),
        ("PuTTY", "goes into private_key", "of PuTTY: 'puttygen FILE -O private-openssh -o client.key' and"),
        ("base64 of PEM", "PEM in base64: 'base64 -d FILE > OTHER_FILE'", "PEM in base64: 'base64 -d FILE >"),
        ("UTF-16", "text in UTF-16: 'iconv -f UTF-16 -t UTF-8", "text in UTF-16: 'iconv"),
        ("keystore", "a Java keystore: 'keytool .* 'openssl pkcs12 -in client.p12", "a Java keystore: 'keytool"),
        ("binary", "binary: if it is DER, 'openssl x509", "binary: if it is DER, 'openssl pkey"),
        ("path", "the path of a file: .* use lookup", "the path of a file: .* use lookup"),
        ("path at home", "the path of a file: .* use lookup", "the path of a file: .* use lookup"),
        ("path beside", "the path of a file: .* use lookup", "the path of a file: .* use lookup"),
        ("name", "the path of a file: .* use lookup", "the path of a file: .* use lookup"),
        ("name in capitals", "the path of a file: .* use lookup", "the path of a file: .* use lookup"),
        ("key", "a private key: that goes into private_key", None),
        ("certificate", None, "a certificate: that goes into certificate"),
    ],
)
def test_other_text_is_named(kind: str, as_certificate: str | None, as_key: str | None) -> None:
    given = _in_text(kind)
    for certificate, key, expected in ((given, ISSUED.key_pem, as_certificate), (ISSUED.pem, given, as_key)):
        if expected:
            with pytest.raises(InputError, match=f"PEM .*It is .*{expected}") as caught:
                load_client_certificate(certificate, key, None)
            assert given not in str(caught.value)


def test_the_commands_convert(tmp_path: Path) -> None:
    """Each of those of OpenSSL and OpenSSH that the messages name, run as it stands there."""
    made = {
        "p12": _in_der("PKCS#12"),
        "der": _in_der("certificate"),
        "key.der": _in_der("PKCS#8"),
        "p7b": _in_der("PKCS#7"),
        "p7.pem": _in_text("PKCS#7").encode(),
    }
    commands = {
        "p12": ["pkcs12 -in FILE -clcerts -nokeys -out client.pem", "pkcs12 -in FILE -nocerts -nodes -out client.key"],
        "der": ["x509 -inform DER -in FILE -out client.pem"],
        "key.der": ["pkey -inform DER -in FILE -out client.key"],
        "p7b": ["pkcs7 -inform DER -print_certs -in FILE -out client.pem"],
        "p7.pem": ["pkcs7 -print_certs -in FILE -out client.pem"],
    }
    for name, raw in made.items():
        (tmp_path / name).write_bytes(raw)
        for command in commands[name]:
            arguments = ["openssl", *command.replace("FILE", name).split()]
            arguments += ["-passin", "pass:x"] if "pkcs12" in command else []
            subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True, timeout=60)
            assert f"'openssl {command}'" in _said_of(_as_read("escaped", raw))
        certificate, key = ISSUED.pem, ISSUED.key_pem
        if (tmp_path / "client.pem").exists():
            certificate = (tmp_path / "client.pem").read_text()
            (tmp_path / "client.pem").unlink()
        if (tmp_path / "client.key").exists():
            key = (tmp_path / "client.key").read_text()
            (tmp_path / "client.key").unlink()
        assert load_client_certificate(certificate, key, None).fingerprint == ISSUED.fingerprint


def _said_of(given: str) -> str:
    said = ""
    for certificate, key in ((given, ISSUED.key_pem), (ISSUED.pem, given)):
        with pytest.raises(InputError) as caught:
            load_client_certificate(certificate, key, None)
        said += str(caught.value)
    return said


def test_the_key_is_not_shown(client_certificate: Issued) -> None:
    loaded = load_client_certificate(client_certificate.pem, client_certificate.key_pem, None)
    assert repr(loaded) == f"ClientCertificate({client_certificate.fingerprint})"


# ------------------------------------------------------------------------------------ what it cannot know


def _of_unknown_algorithm(issued: Issued) -> str:
    """The same certificate, as if its key were of an algorithm that nobody has heard of."""
    known, unknown = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d027f")
    der = issued.certificate.public_bytes(serialization.Encoding.DER)
    assert known in der
    return x509.load_der_x509_certificate(der.replace(known, unknown)).public_bytes(serialization.Encoding.PEM).decode()


def test_an_unknown_algorithm_is_a_warning(client_certificate: Issued) -> None:
    pem = _of_unknown_algorithm(client_certificate)
    loaded = load_client_certificate(pem, client_certificate.key_pem, None)
    assert loaded.private_key == client_certificate.key_pem
    assert len(loaded.warnings) == 1
    assert "does not know the algorithm of the certificate's key" in loaded.warnings[0]
    assert loaded.description["key_size"] is None
    assert describe(pem)["fingerprint_sha256"] == loaded.fingerprint


def test_an_unknown_algorithm_needs_pkcs8(client_certificate: Issued) -> None:
    pem = _of_unknown_algorithm(client_certificate)
    with pytest.raises(InputError, match="must be unencrypted PKCS#8 here"):
        load_client_certificate(pem, client_certificate.encoded_key("TraditionalOpenSSL"), None)


STRENGTHS = [44, 65, 87]


@pytest.mark.skipif(mldsa is None, reason="cryptography is older than ML-DSA")
@pytest.mark.parametrize("strength", STRENGTHS)
def test_ml_dsa(strength: int) -> None:
    key = getattr(mldsa, f"MLDSA{strength}PrivateKey").generate()
    issued = issue(key=key)
    loaded = load_client_certificate(issued.pem, issued.key_pem, None)
    assert loaded.description["key_type"] == loaded.description["signature"] == f"ml-dsa-{strength}"
    assert loaded.description["key_size"] is None
    assert loaded.warnings == ()
    assert loaded.private_key == ml_dsa_key(strength, key.private_bytes_raw())
    encrypted = issued.encoded_key(passphrase=SECRET)
    assert load_client_certificate(issued.pem, encrypted, SECRET).private_key == loaded.private_key
    with pytest.raises(InputError, match="private_key does not belong to certificate"):
        load_client_certificate(issued.pem, ml_dsa_key(strength, bytes(32)), None)


@pytest.mark.skipif(mldsa is None, reason="cryptography is older than ML-DSA")
@pytest.mark.filterwarnings("ignore:dump_privatekey is deprecated")
@pytest.mark.parametrize("strength", STRENGTHS)
def test_ml_dsa_as_openssl_writes_it(strength: int) -> None:
    crypto = pytest.importorskip("OpenSSL.crypto")
    key = getattr(mldsa, f"MLDSA{strength}PrivateKey").generate()
    issued = issue(key=key)
    loaded = crypto.load_privatekey(crypto.FILETYPE_PEM, issued.key_pem)
    written = crypto.dump_privatekey(crypto.FILETYPE_PEM, loaded).decode()
    assert len(written) > 4 * len(issued.key_pem)  # the expanded key as well
    for text in (written, textwrap.indent(written, "  "), written.replace("\n", "\\n")):
        assert load_client_certificate(issued.pem, text, None).private_key == issued.key_pem
    encrypted = crypto.dump_privatekey(crypto.FILETYPE_PEM, loaded, "aes256", SECRET.encode()).decode()
    with pytest.raises(InputError, match="decrypt that with 'openssl pkey' first"):
        load_client_certificate(issued.pem, encrypted, SECRET)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("encoding", ["seed", "both", "expanded"])
def test_ml_dsa_of_another_implementation(strength: int, encoding: str) -> None:
    """dilithium-py shares no code with OpenSSL; what is around its keys and signatures is written here."""
    ml_dsa = pytest.importorskip("dilithium_py.ml_dsa", reason="needs the package dilithium-py")
    scheme = getattr(ml_dsa, f"ML_DSA_{strength}")
    seed = bytes(range(strength, strength + 32))
    public, expanded = scheme.key_derive(seed)
    now = datetime.datetime.now(datetime.timezone.utc)
    dates = [(now + datetime.timedelta(days=days)).strftime("%y%m%d%H%M%SZ").encode() for days in (-1, 9)]
    name = der(0x30, der(0x31, der(0x30, b"\x06\x03\x55\x04\x03", der(0x0C, b"other"))))
    algorithm = ml_dsa_algorithm(strength)
    signed = der(
        0x30,
        *(b"\xa0\x03\x02\x01\x02", b"\x02\x01\x07", algorithm, name),
        *(der(0x30, *(der(0x17, date) for date in dates)), name, der(0x30, algorithm, der(0x03, b"\0", public))),
    )
    signature = scheme.sign(expanded, signed)
    pem = pem_of("CERTIFICATE", der(0x30, signed, algorithm, der(0x03, b"\0", signature)))
    loaded_certificate = load_certificate(pem)
    assert loaded_certificate.description["key_type"] == f"ml-dsa-{strength}"
    assert loaded_certificate.description["subject"] == "CN=other"
    key = ml_dsa_key(strength, seed, expanded if encoding != "seed" else b"", encoding)
    if encoding == "expanded":
        with pytest.raises(InputError, match="seed only, which cannot be computed from it") as caught:
            load_client_certificate(pem, key, None)
        assert key.splitlines()[2] not in str(caught.value)
        return
    loaded = load_client_certificate(pem, key, None)
    assert loaded.private_key == ml_dsa_key(strength, seed)
    if mldsa is None:
        assert len(loaded.warnings) == 1
        assert f"(ml-dsa-{strength}), so it was not checked that the private key belongs" in loaded.warnings[0]
    else:
        assert loaded.warnings == ()
        certificate = x509.load_pem_x509_certificate(pem.encode())
        certificate.public_key().verify(signature, signed)  # type: ignore[call-arg, union-attr]


def ml_dsa_algorithm(strength: int) -> bytes:
    return bytes.fromhex("300b06096086480165030403") + {44: b"\x11", 65: b"\x12", 87: b"\x13"}[strength]


def ml_dsa_key(strength: int, seed: bytes, expanded: bytes = b"", encoding: str = "seed") -> str:
    """PKCS#8 in one of the three encodings of RFC 9881."""
    choices = {
        "seed": lambda: der(0x80, seed),
        "expanded": lambda: der(0x04, expanded),
        "both": lambda: der(0x30, der(0x04, seed), der(0x04, expanded)),
    }
    key = der(0x30, b"\x02\x01\x00", ml_dsa_algorithm(strength), der(0x04, choices[encoding]()))
    return pem_of("PRIVATE KEY", key)


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def pem_of(label: str, content: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(content).decode(), 64)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


@pytest.mark.parametrize("error", ["the traceback", None])
def test_missing_or_old_cryptography(monkeypatch: pytest.MonkeyPatch, error: str | None) -> None:
    monkeypatch.setattr(_certificates, "CRYPTOGRAPHY_IMPORT_ERROR", error)
    monkeypatch.setattr("cryptography.__version__", "41.0.7")
    with pytest.raises(MissingLibraryError) as caught:
        load_certificate(ISSUED.pem)
    assert (caught.value.library, caught.value.import_traceback) == ("cryptography >= 42", error)


# ---------------------------------------------------------------------------------------------- describe


def test_describe(client_certificate: Issued) -> None:
    certificate = client_certificate.certificate
    description = describe(client_certificate.pem.replace("\n", "\r\n"))
    assert description == {
        "fingerprint_sha256": client_certificate.fingerprint,
        "subject": "CN=first",
        "issuer": "CN=first",
        "serial_number": str(certificate.serial_number),
        "signature": "ecdsa-with-SHA256",
        "not_before": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "not_after": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "days_remaining": 89,
        "expired": False,
        "key_type": "ecdsa",
        "key_size": 256,
        "certificate": client_certificate.pem,
    }


@pytest.mark.parametrize(("ends", "days", "expired"), [(1, 0, False), (2, 1, False), (0, -1, True), (-1, -2, True)])
def test_days_remaining_is_rounded_down(ends: int, days: int, expired: bool) -> None:
    description = describe(issue(ends=ends, starts=-9).pem)
    assert (description["days_remaining"], description["expired"]) == (days, expired)


@pytest.mark.parametrize("pem", [None, 5, "", "nonsense", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"])
def test_describe_what_cannot_be_read(pem: object) -> None:
    description = describe(pem)
    assert set(description) == set(describe(ISSUED.pem))
    assert description.pop("certificate") == (pem if isinstance(pem, str) else None)
    assert set(description.values()) == {None}


SERVER_NAMES = [
    (["shop.example.com"], "shop.example.com", True),
    (["SHOP.Example.com."], "shop.example.com", True),
    (["other.example.com", "shop.example.com"], "shop.example.com", True),
    (["*.example.com"], "shop.example.com", True),
    (["*.example.com"], "example.com", False),
    (["*.example.com"], "a.shop.example.com", False),
    (["*.0.0.1", "x.0.0.1"], "127.0.0.1", False),
    (["127.0.0.1"], "127.0.0.1", True),
    (["2001:db8::1"], "2001:db8::1", True),
    (["localhost"], "localhost", True),
    ([], "the.common.name", True),
    (["shop.example.com"], "the.common.name", False),
]


@pytest.mark.parametrize(("names", "server_name", "matches"), SERVER_NAMES)
def test_describe_server(names: list[str], server_name: str, matches: bool) -> None:
    issued = issue("the.common.name", ends=-3, starts=-9)
    builder = x509.CertificateBuilder(
        *(issued.certificate.issuer, issued.certificate.subject, issued.key.public_key(), 7),
        *(issued.certificate.not_valid_before_utc, issued.certificate.not_valid_after_utc),
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), False)
    certificate = builder.sign(issued.key, hashes.SHA256())
    assert describe_server(certificate.public_bytes(serialization.Encoding.PEM).decode(), server_name) == {
        "subject": "CN=the.common.name",
        "issuer": "CN=the.common.name",
        "not_after": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "days_remaining": -4,
        "names": names or ["the.common.name"],
        "matches_server_name": matches,
    }


def _general_name(name: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def test_describe_a_server_that_cannot_be_read() -> None:
    described = describe_server("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----", "example.com")
    assert set(described.values()) == {None}
    assert set(described) == set(describe_server(ISSUED.pem, "example.com"))


# ------------------------------------------------------------------------------------------- properties


@given(st.lists(st.sampled_from(["\n", "\r\n", "\n  ", " \n\t", "\\n", "\n\n"]), min_size=1), st.text(), st.text())
def test_normalisation_round_trip(breaks: list[str], before: str, after: str) -> None:
    lines = ISSUED.pem.splitlines()
    mangled = before + "".join(line + breaks[number % len(breaks)] for number, line in enumerate(lines)) + after
    if "-----BEGIN" not in before:
        assert load_certificate(mangled).fingerprint == ISSUED.fingerprint
    blocks = pem_blocks(mangled)
    assert pem_blocks("".join(pem for _label, pem in blocks)) == blocks


@given(
    st.one_of(
        st.text(), st.text(alphabet="-BEGIN CERTIFICATEND\nAMI="), st.binary().map(lambda raw: raw.decode("latin-1"))
    )
)
def test_no_text_crashes(text: str) -> None:
    for candidate in (text, f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"):
        with pytest.raises(InputError):
            load_client_certificate(candidate, ISSUED.key_pem, None)
    for candidate in (text, f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----"):
        with pytest.raises(InputError):
            load_client_certificate(ISSUED.pem, candidate, text)


@given(st.data())
def test_no_damaged_certificate_crashes(data: st.DataObject) -> None:
    der = bytearray(ISSUED.certificate.public_bytes(serialization.Encoding.DER))
    for _change in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"
    description = describe(pem)
    assert description["certificate"]
    with contextlib.suppress(InputError):
        loaded = load_client_certificate(pem, ISSUED.key_pem, None)
        assert loaded.fingerprint == description["fingerprint_sha256"]


@given(st.data())
def test_no_damaged_key_crashes_or_is_quoted(data: st.DataObject) -> None:
    der = bytearray(base64.b64decode("".join(ISSUED.key_pem.splitlines()[1:-1])))
    for _change in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    body = base64.b64encode(der).decode()
    key = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    said = ""
    try:
        load_client_certificate(ISSUED.pem, key, None)
    except InputError as error:
        said = str(error)
    assert not any(body[start : start + 8] in said for start in range(len(body) - 7))


def test_a_plan_judges_a_certificate_without_its_key(client_certificate: Issued, authority: Issued) -> None:
    leaf = load_leaf(client_certificate.pem)
    assert (leaf.fingerprint, leaf.private_key) == (client_certificate.fingerprint, None)
    with pytest.raises(InputError, match="CA:TRUE"):
        load_leaf(authority.pem)
    with pytest.raises(InputError, match="expired on"):
        load_leaf(issue("expired", ends=-1).pem)
