# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""Certificates and private keys; the only file that imports cryptography.

A certificate is identified by the SHA-256 fingerprint of its DER, never by its PEM, which Cloudflare reformats.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import ipaddress
import re
import traceback
from dataclasses import dataclass
from typing import Any

from ._errors import InputError, MissingLibraryError
from ._pem import CERTIFICATE_LABELS, pem_blocks, wrapped

CRYPTOGRAPHY_IMPORT_ERROR: str | None = None
try:
    import cryptography
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    # All that cryptography was seen to raise for DER that is not quite a certificate
    _UNREADABLE = (
        *(ValueError, TypeError, KeyError, UnsupportedAlgorithm),
        *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
    )
except ImportError:
    CRYPTOGRAPHY_IMPORT_ERROR = traceback.format_exc()

_MINIMUM = 42  # the first with certificate times in UTC

# What cryptography calls by another name, or does not know unless it is of 2026.
_KEY_TYPES = {
    "1.2.840.113549.1.1.1": "rsa",
    "1.2.840.10045.2.1": "ecdsa",
    "1.3.101.112": "ed25519",
    "1.3.101.113": "ed448",
    "2.16.840.1.101.3.4.3.17": "ml-dsa-44",
    "2.16.840.1.101.3.4.3.18": "ml-dsa-65",
    "2.16.840.1.101.3.4.3.19": "ml-dsa-87",
}

# A key of ML-DSA in PKCS#8 that is more than its seed (RFC 9881): the seed with the expanded key, as OpenSSL writes it,
# or the expanded key alone. The first group is the algorithm, the second the seed.
_EXPANDED = re.compile(
    rb"\x30\x82..\x02\x01[\x00\x01](\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03[\x11-\x13])"
    rb"\x04\x82..(?:\x30\x82..\x04\x20(.{32})|)\x04\x82",
    re.DOTALL,
)


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate that a user gave, checked, and as it is sent.

    pem: the leaf, and after it whatever else was given. fingerprint: SHA-256 of the leaf's DER, lower-case hex.
    description: as in results. private_key: unencrypted PKCS#8 PEM, or None where none was needed.
    """

    pem: str
    fingerprint: str
    description: dict[str, Any]
    private_key: str | None = None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ClientCertificate({self.fingerprint})"  # never the key


def require_cryptography() -> None:
    if CRYPTOGRAPHY_IMPORT_ERROR or int(cryptography.__version__.partition(".")[0]) < _MINIMUM:
        raise MissingLibraryError(f"cryptography >= {_MINIMUM}", CRYPTOGRAPHY_IMPORT_ERROR)


def load_certificate(text: str) -> ClientCertificate:
    """The certificate in this text, whatever its dates and whoever it belongs to; enough to find it again."""
    leaf, chain = _leaf_and_chain(_certificates(text), None)
    return _client_certificate(leaf, chain)


def load_client_certificate(text: str, private_key: str, passphrase: str | None) -> ClientCertificate:
    """The certificate with its key, ready to be uploaded; raises InputError for what Cloudflare or origins refuse."""
    certificates = _certificates(text)
    warnings: list[str] = []
    leaf, chain = _leaf_and_chain(certificates, None)
    if _public_key(leaf) is not None:
        key = _load_key(private_key, passphrase)
        leaf, chain = _leaf_and_chain(certificates, _spki(key.public_key()))
        # For ML-DSA this is the seed-only encoding, the one that Cloudflare takes.
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
    else:
        key_pem = _unknown_key(private_key)
        warnings.append(
            f"cryptography {cryptography.__version__} does not know the algorithm of the certificate's key "
            f"({_key_type(leaf)}), so it was not checked that the private key belongs to it; a newer one does."
        )
    _check_leaf(leaf)
    if not _allows_client_authentication(leaf):
        warnings.append(
            "The certificate has an extended key usage without clientAuth: origins will refuse it. "
            "Have it issued with extendedKeyUsage=clientAuth."
        )
    return _client_certificate(leaf, chain, key_pem, tuple(warnings))


def load_leaf(text: str) -> ClientCertificate:
    """The certificate without its key, for a plan; raises InputError for what Cloudflare or origins refuse."""
    leaf, chain = _leaf_and_chain(_certificates(text), None)
    _check_leaf(leaf)
    return _client_certificate(leaf, chain)


def load_authorities(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """What an origin is to trust: descriptions as in results, each certificate once, and what to warn of.

    Raises InputError for a bundle that an origin would not take, or with which it would refuse everyone.
    """
    if any(label.endswith("PRIVATE KEY") for label, _pem in pem_blocks(text)):
        raise InputError("ca holds a private key, which has no business on an origin: give certificates only.")
    certificates = list(dict.fromkeys(_certificates(text, "ca")))
    warnings: list[str] = []
    subjects = {one.subject for one in certificates}
    for one in certificates:
        name = _name(one.subject)
        if one.issuer not in subjects:
            raise InputError(
                f"ca has '{name}' without its issuer '{_name(one.issuer)}': nginx and HAProxy would trust nothing that "
                "it issued. Add the issuer, up to the authority that signed itself."
            )
        if one.not_valid_after_utc <= _now():
            warnings.append(f"ca: '{name}' expired on {_time(one.not_valid_after_utc)}; nobody gets in with it.")
        if not _allows_client_authentication(one):
            warnings.append(
                f"ca: '{name}' has an extended key usage without clientAuth: origins refuse it as a client "
                "certificate, and what it issued."
            )
    if len(certificates) == sum("expired on" in one for one in warnings):
        raise InputError("All certificates in ca have expired: origins would refuse everyone. Give those in use.")
    if len(certificates) > _MANY:
        warnings.append(
            f"ca holds {len(certificates)} certificates, whose names the origin sends in each handshake: give those "
            "only that the edge's certificates are of."
        )
    return [_description(one) for one in certificates], warnings


_MANY = 20


def describe(pem: Any) -> dict[str, Any]:
    """What results say of a certificate that Cloudflare answered; all None where it cannot be read."""
    try:
        leaf, _chain = _leaf_and_chain(_certificates(pem if isinstance(pem, str) else ""), None)
    except InputError:
        return {**dict.fromkeys(_DESCRIPTION), "certificate": pem if isinstance(pem, str) else None}
    return _description(leaf)


_DESCRIPTION = (
    *("fingerprint_sha256", "subject", "issuer", "serial_number", "signature", "not_before", "not_after"),
    *("days_remaining", "expired", "key_type", "key_size", "certificate"),
)


_SERVER = ("subject", "issuer", "not_after", "days_remaining")


def describe_server(pem: str, server_name: str) -> dict[str, Any]:
    """What results say of the certificate that a server shows; all None where it cannot be read.

    server_name: in lower-case ASCII, or an IP address.
    """
    try:
        certificate = _certificates(pem)[0]
    except InputError:
        return dict.fromkeys((*_SERVER, "names", "matches_server_name"))
    description, names = _description(certificate), _server_names(certificate)
    return {
        **{key: description[key] for key in _SERVER},
        "names": names,
        "matches_server_name": any(_covers(name.lower().rstrip("."), server_name) for name in names),
    }


def _server_names(certificate: x509.Certificate) -> list[str]:
    """Its alternative names, or else its common names, which Cloudflare takes as well."""
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound, *_UNREADABLE):
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]
    return names or [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _covers(name: str, server_name: str) -> bool:
    """Whether a name of a certificate, which may begin with ``*.``, is that of the server (RFC 9525)."""
    try:
        return name == str(ipaddress.ip_address(server_name))
    except ValueError:
        return name in (server_name, f"*.{server_name.partition('.')[2]}")


def _certificates(text: str, option: str = "certificate") -> list[x509.Certificate]:
    """option: what it is called where it cannot be read."""
    require_cryptography()
    blocks = pem_blocks(text)
    found = [pem for label, pem in blocks if label in CERTIFICATE_LABELS]
    if not found:
        others = ", ".join(sorted({label for label, _pem in blocks}))
        raise InputError(
            f"{option} holds no certificate in PEM ('-----BEGIN CERTIFICATE-----')"
            + (f", but {others}." if others else ".")
            + " It takes the text, not the path: for a file use lookup('ansible.builtin.file', path)."
        )
    try:
        certificates = [x509.load_der_x509_certificate(_decoded(pem)) for pem in found]
        for certificate in certificates:
            _description(certificate)  # cryptography parses names and dates only when asked for
    except _UNREADABLE as error:
        raise InputError(f"{option} cannot be parsed: {error}. Was it copied whole?") from error
    return certificates


def _decoded(pem: str) -> bytes:
    try:
        return base64.b64decode("".join(pem.splitlines()[1:-1]), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64 ({error})") from error


def _leaf_and_chain(
    certificates: list[x509.Certificate], public_key: bytes | None
) -> tuple[x509.Certificate, list[x509.Certificate]]:
    """The certificate that the key belongs to, else the first that is not an authority's, else the first."""
    leaves = [one for one in certificates if not _is_authority(one)] or certificates
    if public_key:
        leaves = [one for one in certificates if _public_key(one) == public_key]
        if not leaves:
            raise InputError("private_key does not belong to certificate: their public keys differ.")
    return leaves[0], [one for one in certificates if one is not leaves[0]]


def _client_certificate(
    leaf: x509.Certificate,
    chain: list[x509.Certificate],
    private_key: str | None = None,
    warnings: tuple[str, ...] = (),
) -> ClientCertificate:
    description = _description(leaf)
    pem = "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in (leaf, *chain))
    return ClientCertificate(pem, description["fingerprint_sha256"], description, private_key, warnings)


def _check_leaf(leaf: x509.Certificate) -> None:
    name = _name(leaf.subject)
    if _is_authority(leaf):
        raise InputError(
            f"certificate ({name}) is that of a certificate authority (CA:TRUE); Cloudflare accepts a leaf only. "
            "Give the client certificate that the authority issued."
        )
    now = _now()
    if leaf.not_valid_after_utc <= now:
        raise InputError(
            f"certificate ({name}) expired on {_time(leaf.not_valid_after_utc)}: origins would refuse it. Renew it."
        )
    if leaf.not_valid_before_utc > now:
        raise InputError(
            f"certificate ({name}) is not valid before {_time(leaf.not_valid_before_utc)}, and it is {_time(now)} "
            "here: origins would refuse it until then."
        )


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return False  # an extension that cannot be parsed is for Cloudflare to judge


def _allows_client_authentication(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def _load_key(text: str, passphrase: str | None) -> Any:
    pem = _key_block(text)
    encrypted = "ENCRYPTED" in pem
    if encrypted and not passphrase:
        raise InputError("private_key is encrypted: give its passphrase in private_key_passphrase.")
    try:
        # A passphrase for a key that is not encrypted is an error in cryptography; here it is merely not needed.
        password = passphrase.encode() if encrypted and passphrase else None
        return serialization.load_pem_private_key(pem.encode(), password)
    except _UNREADABLE:
        # Without the cause, whose words are OpenSSL's and might quote what it read
        if encrypted:
            message = (
                "private_key cannot be decrypted: private_key_passphrase is wrong, the key is damaged, or it is one of "
                "ML-DSA that holds more than its seed: decrypt that with 'openssl pkey' first."
            )
        else:
            message = "private_key cannot be parsed. Was it copied whole? 'openssl pkey -check -noout' tells more."
        raise InputError(message) from None


def _unknown_key(text: str) -> str:
    pem = _key_block(text)
    if not pem.startswith("-----BEGIN PRIVATE KEY-----"):
        raise InputError(
            f"private_key must be unencrypted PKCS#8 here ('-----BEGIN PRIVATE KEY-----'), since cryptography "
            f"{cryptography.__version__} does not know its algorithm and cannot convert it."
        )
    return pem


def _key_block(text: str) -> str:
    blocks = pem_blocks(text)
    keys = [pem for label, pem in blocks if label.endswith("PRIVATE KEY")]
    if len(keys) == 1 and "OPENSSH" not in keys[0]:
        return _seed_only(keys[0])
    labels = {label for label, _pem in blocks}
    if len(keys) > 1:
        raise InputError("private_key holds more than one private key: give the one of the certificate.")
    if keys:
        raise InputError("private_key is in OpenSSH's format: convert it to PEM with 'ssh-keygen -p -m PKCS8 -f FILE'.")
    if any(label.endswith("PUBLIC KEY") for label in labels):
        raise InputError("private_key holds a public key: give the private one.")
    raise InputError(
        "private_key holds no private key in PEM ('-----BEGIN PRIVATE KEY-----'). "
        "It takes the text, not the path: for a file use lookup('ansible.builtin.file', path)."
    )


def _seed_only(pem: str) -> str:
    """The key in the only encoding of ML-DSA that Cloudflare and cryptography take; any other key as it is."""
    try:
        found = _EXPANDED.match(_decoded(pem))
    except ValueError:
        return pem  # encrypted, or damaged: whoever loads it will tell
    if not found:
        return pem
    algorithm, seed = found.groups()
    if not seed:
        raise InputError(
            "private_key is one of ML-DSA in its expanded form, and Cloudflare takes the seed only, which cannot be "
            "computed from it. Give the file that the key was made in, if it has the seed; else make another key."
        )
    der = b"\x30\x34\x02\x01\x00" + algorithm + b"\x04\x22\x80\x20" + seed
    return wrapped("PRIVATE KEY", base64.b64encode(der).decode())


def _public_key(certificate: x509.Certificate) -> bytes | None:
    """The certificate's SubjectPublicKeyInfo, or None where cryptography does not know its algorithm."""
    try:
        return _spki(certificate.public_key())
    except _UNREADABLE:
        return None


def _spki(public_key: Any) -> bytes:
    encoded: bytes = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _key_type(certificate: x509.Certificate) -> str:
    if hasattr(certificate, "public_key_algorithm_oid"):
        oid = certificate.public_key_algorithm_oid.dotted_string
        return _KEY_TYPES.get(oid, oid)
    # Before cryptography 43
    try:
        name = type(certificate.public_key()).__name__
    except _UNREADABLE as error:
        oid = re.sub(r"[^0-9.]", "", str(error))  # "Unknown key type: 2.16.840…"
        return _KEY_TYPES.get(oid, oid)
    names = {"RSAPublicKey": "rsa", "ECPublicKey": "ecdsa", "Ed25519PublicKey": "ed25519", "Ed448PublicKey": "ed448"}
    return names.get(name, name)


def _key_size(certificate: x509.Certificate) -> int | None:
    try:
        key = certificate.public_key()
    except _UNREADABLE:
        return None
    return key.key_size if isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)) else None


def _description(certificate: x509.Certificate) -> dict[str, Any]:
    not_after = certificate.not_valid_after_utc
    remaining = not_after - _now()
    algorithm = certificate.signature_algorithm_oid
    return {
        "fingerprint_sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "subject": _name(certificate.subject),
        "issuer": _name(certificate.issuer),
        "serial_number": str(certificate.serial_number),
        "signature": _KEY_TYPES.get(algorithm.dotted_string, algorithm._name),
        "not_before": _time(certificate.not_valid_before_utc),
        "not_after": _time(not_after),
        "days_remaining": remaining.days,  # timedelta floors, also below zero
        "expired": remaining <= datetime.timedelta(0),
        "key_type": _key_type(certificate),
        "key_size": _key_size(certificate),
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
    }


def _name(name: x509.Name) -> str:
    return name.rfc4514_string()


def _time(time: datetime.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
