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
import functools
import ipaddress
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ._core import name_of_oid
from ._errors import InputError, MissingLibraryError
from ._pem import CERTIFICATE_LABELS, LONGEST, other_kind, pem_blocks, wrapped

CRYPTOGRAPHY_IMPORT_ERROR: str | None = None
try:
    import cryptography
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
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

_Extension = TypeVar("_Extension", bound="x509.ExtensionType")

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


@dataclass(frozen=True)
class _Certificate:
    """A certificate that was parsed. facts: of its description, what time does not change."""

    x509: x509.Certificate
    facts: Mapping[str, Any]

    def description(self) -> dict[str, Any]:
        remaining = self.x509.not_valid_after_utc - _now()
        # timedelta floors days, also below zero
        return {**self.facts, "days_remaining": remaining.days, "expired": remaining <= datetime.timedelta(0)}


def require_cryptography() -> None:
    if CRYPTOGRAPHY_IMPORT_ERROR or int(cryptography.__version__.partition(".")[0]) < _MINIMUM:
        raise MissingLibraryError(f"cryptography >= {_MINIMUM}", CRYPTOGRAPHY_IMPORT_ERROR)


def load_certificate(text: str) -> ClientCertificate:
    """The certificate in this text, whatever its dates and whoever it belongs to; enough to find it again."""
    leaf, chain = _leaf_and_chain(_certificates(text), None)
    return _client_certificate(leaf, chain)


def load_client_certificate(text: str, private_key: str, passphrase: str | None) -> ClientCertificate:
    """The certificate with its key, ready to be uploaded; raises InputError for what Cloudflare or origins refuse."""
    _refuse_swapped(text, private_key)
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
            f"({leaf.facts['key_type']}), so it was not checked that the private key belongs to it; a newer one does."
        )
    _check_leaf(leaf)
    return _client_certificate(leaf, chain, key_pem, (*warnings, *_objections(leaf)))


def load_leaf(text: str) -> ClientCertificate:
    """The certificate without its key, for a plan; raises InputError for what Cloudflare or origins refuse."""
    leaf, chain = _leaf_and_chain(_certificates(text), None)
    _check_leaf(leaf)
    return _client_certificate(leaf, chain, None, tuple(_objections(leaf)))


def load_authorities(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """What an origin is to trust: descriptions as in results, each certificate once, and what to warn of.

    Raises InputError for a bundle that an origin would not take, or with which it would refuse everyone.
    """
    if any(label.endswith("PRIVATE KEY") for label, _pem in pem_blocks(text)):
        raise InputError("ca holds a private key, which has no business on an origin: give certificates only.")
    certificates = list({one.facts["fingerprint_sha256"]: one for one in _certificates(text, "ca")}.values())
    warnings: list[str] = []
    subjects = {one.x509.subject for one in certificates}
    for one in certificates:
        name, issuer = one.facts["subject"], one.facts["issuer"]
        if one.x509.issuer not in subjects:
            raise InputError(
                f"ca has '{name}' without its issuer '{issuer}': nginx and HAProxy would trust nothing that it issued. "
                "Add the issuer, up to the authority that signed itself."
            )
        if one.x509.not_valid_after_utc <= _now():
            warnings.append(f"ca: '{name}' expired on {_time(one.x509.not_valid_after_utc)}; nobody gets in with it.")
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
    return [one.description() for one in certificates], warnings


def trusted_with(text: str) -> str | None:
    """What an origin has to trust for the certificate in this text, as far as the text has it, in PEM; else None.

    That is the certificate itself where it signed itself, else the authorities that were given with it.
    """
    leaf, chain = _leaf_and_chain(_certificates(text), None)
    bundle = [leaf] if leaf.x509.issuer == leaf.x509.subject else chain
    pem = "".join(one.facts["certificate"] for one in bundle)
    try:
        load_authorities(pem)
    except InputError:
        return None
    return None if untrusted(text, pem) else pem


def untrusted(text: str, authorities: str) -> str | None:
    """The issuer of the certificate in this text, where it is none of these authorities; else None.

    Cloudflare may send the leaf alone, so that an origin needs to know who issued it.
    """
    leaf, _chain = _leaf_and_chain(_certificates(text), None)
    for one in _certificates(authorities, "ca"):
        if one.facts["fingerprint_sha256"] == leaf.facts["fingerprint_sha256"] or _issued(leaf, one):
            return None
    return str(leaf.facts["issuer"])


def _issued(certificate: _Certificate, authority: _Certificate) -> bool:
    """Whether the one is of the other, by the name alone where cryptography does not know the signature."""
    try:
        certificate.x509.verify_directly_issued_by(authority.x509)
    except (TypeError, UnsupportedAlgorithm):
        return bool(certificate.x509.issuer == authority.x509.subject)
    except (ValueError, InvalidSignature):
        return False
    return True


_MANY = 20


def describe(pem: Any) -> dict[str, Any]:
    """What results say of a certificate that Cloudflare answered; all None where it cannot be read."""
    try:
        leaf, _chain = _leaf_and_chain(_certificates(pem if isinstance(pem, str) else ""), None)
    except InputError:
        return {**dict.fromkeys(_DESCRIPTION), "certificate": pem if isinstance(pem, str) else None}
    return leaf.description()


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
    description, names = certificate.description(), _server_names(certificate.x509)
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


def _certificates(text: str, option: str = "certificate") -> list[_Certificate]:
    """option: what it is called where it cannot be read."""
    require_cryptography()
    found = [pem for label, pem in _blocks(text, option) if label in CERTIFICATE_LABELS]
    if not found:
        raise InputError(_no_pem(text, option, "CERTIFICATE"))
    try:
        return [_parsed(_decoded(pem)) for pem in found]
    except _UNREADABLE as error:
        raise InputError(f"{option} cannot be parsed: {error}. Was it copied whole?") from error


@functools.lru_cache(maxsize=64)
def _parsed(der: bytes) -> _Certificate:
    """The certificate; the same one comes again in every list of a zone's certificates, and is parsed once."""
    certificate = x509.load_der_x509_certificate(der)
    return _Certificate(certificate, _facts(certificate))  # names and dates are parsed only when asked for


def _blocks(text: str, option: str) -> list[tuple[str, str]]:
    if len(text) > LONGEST:
        raise InputError(
            f"{option} is {len(text)} characters long, and what is longer than {LONGEST} is not looked at: give the "
            "PEM of one certificate with its chain, and of one private key."
        )
    return pem_blocks(text)


def _no_pem(text: str, option: str, label: str) -> str:
    kind = other_kind(text, option)
    return f"{option} holds no {label.lower()} in PEM ('-----BEGIN {label}-----'). " + (
        f"It is {kind}."
        if kind
        else "It takes the text, not the path: for a file use lookup('ansible.builtin.file', path)."
    )


def _refuse_swapped(certificate: str, private_key: str) -> None:
    labels = [
        {label for label, _pem in _blocks(*given)}
        for given in ((certificate, "certificate"), (private_key, "private_key"))
    ]
    keys = [any(label.endswith("PRIVATE KEY") for label in one) for one in labels]
    certificates = [bool(one.intersection(CERTIFICATE_LABELS)) for one in labels]
    if (keys, certificates) == ([True, False], [False, True]):
        raise InputError("certificate holds a private key, and private_key a certificate: exchange them.")


def _decoded(pem: str) -> bytes:
    try:
        return base64.b64decode("".join(pem.splitlines()[1:-1]), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64 ({error})") from error


def _leaf_and_chain(
    certificates: list[_Certificate], public_key: bytes | None
) -> tuple[_Certificate, list[_Certificate]]:
    """The certificate that the key belongs to, else the first that is not an authority's, else the first."""
    leaves = [one for one in certificates if not _is_authority(one.x509)] or certificates
    if public_key:
        leaves = [one for one in certificates if _public_key(one) == public_key]
        if not leaves:
            raise InputError("private_key does not belong to certificate: their public keys differ.")
    return leaves[0], [one for one in certificates if one is not leaves[0]]


def _client_certificate(
    leaf: _Certificate,
    chain: list[_Certificate],
    private_key: str | None = None,
    warnings: tuple[str, ...] = (),
) -> ClientCertificate:
    description = leaf.description()
    pem = "".join(one.facts["certificate"] for one in (leaf, *chain))
    return ClientCertificate(pem, description["fingerprint_sha256"], description, private_key, warnings)


def _check_leaf(leaf: _Certificate) -> None:
    name = leaf.facts["subject"]
    if _is_authority(leaf.x509):
        raise InputError(
            f"certificate ({name}) is that of a certificate authority (CA:TRUE); Cloudflare accepts a leaf only. "
            "Give the client certificate that the authority issued."
        )
    now = _now()
    if leaf.x509.not_valid_after_utc <= now:
        raise InputError(
            f"certificate ({name}) expired on {leaf.facts['not_after']}: origins would refuse it. Renew it."
        )
    if leaf.x509.not_valid_before_utc > now:
        raise InputError(
            f"certificate ({name}) is not valid before {leaf.facts['not_before']}, and it is {_time(now)} "
            "here: origins would refuse it until then."
        )


def _objections(leaf: _Certificate) -> Iterator[str]:
    """Why origins, which are stricter than Cloudflare, refuse it; each a sentence with what to do."""
    if not _allows_client_authentication(leaf):
        yield (
            "The certificate has an extended key usage without clientAuth: origins will refuse it. "
            "Have it issued with extendedKeyUsage=clientAuth."
        )
    usage = _extension(leaf.x509, x509.KeyUsage)
    if usage and not usage.digital_signature:
        yield (
            "The certificate has a key usage without digitalSignature, which client authentication needs: origins will "
            "refuse it. Have it issued with keyUsage=digitalSignature."
        )
    if leaf.facts["key_type"] == "rsa" and (leaf.facts["key_size"] or 0) < _SHORTEST_RSA:
        yield (
            f"The certificate's RSA key has {leaf.facts['key_size']} bits: origins with today's defaults refuse less "
            f"than {_SHORTEST_RSA}. Have one issued for a longer key, or for one of ECDSA."
        )
    hashed = _signature_hash(leaf.x509)
    if hashed in ("md5", "sha1"):
        yield (
            f"The certificate is signed with {hashed.upper()}: origins with today's defaults refuse it. Have it issued "
            "with SHA-256."
        )


_SHORTEST_RSA = 2048


def _allows_client_authentication(certificate: _Certificate) -> bool:
    usages = _extension(certificate.x509, x509.ExtendedKeyUsage)
    allowing = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return not usages or bool(allowing.intersection(usages))


def _signature_hash(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except _UNREADABLE:
        return ""
    return algorithm.name if algorithm else ""


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """None also where it cannot be parsed, which is for Cloudflare to judge."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return None


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


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
    keys = [pem for label, pem in _blocks(text, "private_key") if label.endswith("PRIVATE KEY")]
    if len(keys) > 1:
        raise InputError("private_key holds more than one private key: give the one of the certificate.")
    if not keys or "OPENSSH" in keys[0]:
        raise InputError(_no_pem(text, "private_key", "PRIVATE KEY"))
    return _seed_only(keys[0])


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


def _public_key(certificate: _Certificate) -> bytes | None:
    """The certificate's SubjectPublicKeyInfo, or None where cryptography does not know its algorithm."""
    try:
        return _spki(certificate.x509.public_key())
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


def _facts(certificate: x509.Certificate) -> dict[str, Any]:
    algorithm = certificate.signature_algorithm_oid
    return {
        "fingerprint_sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial_number": str(certificate.serial_number),
        "signature": _KEY_TYPES.get(algorithm.dotted_string) or name_of_oid(algorithm),
        "not_before": _time(certificate.not_valid_before_utc),
        "not_after": _time(certificate.not_valid_after_utc),
        "days_remaining": None,  # in this order in results
        "expired": None,
        "key_type": _key_type(certificate),
        "key_size": _key_size(certificate),
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
    }


def _time(time: datetime.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
