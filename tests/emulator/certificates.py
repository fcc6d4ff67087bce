# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Cloudflare reads from the PEM that it is sent: certificates and keys, straight from their DER."""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

_ATTRIBUTES = {
    "550406": "C",
    "550408": "ST",
    "550407": "L",
    "55040a": "O",
    "55040b": "OU",
    "550403": "CN",
}
_SIGNATURES = {
    "2a864886f70d01010b": "SHA256WithRSA",
    "2a864886f70d01010c": "SHA384WithRSA",
    "2a864886f70d01010d": "SHA512WithRSA",
    "2a8648ce3d040302": "ECDSAWithSHA256",
    "2a8648ce3d040303": "ECDSAWithSHA384",
    "2a8648ce3d040304": "ECDSAWithSHA512",
    "608648016503040311": "ML-DSA-44",
    "608648016503040312": "ML-DSA-65",
    "608648016503040313": "ML-DSA-87",
}
_RSA_KEY = "2a864886f70d010101"
_EC_KEY = "2a8648ce3d0201"
_BASIC_CONSTRAINTS = "551d13"


def _der(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a DER encoding, one level deep, as (tag, content)."""
    offset = 0
    while offset < len(data):
        tag, length, offset = data[offset], data[offset + 1], offset + 2
        if length & 0x80:
            size = length & 0x7F
            length, offset = int.from_bytes(data[offset : offset + size], "big"), offset + size
        if offset + length > len(data):
            raise ValueError("truncated DER")
        yield tag, data[offset : offset + length]
        offset += length


def _contents(data: bytes) -> list[bytes]:
    return [content for _tag, content in _der(data)]


def pem_blocks(text: str) -> list[tuple[str, bytes]]:
    """(label, DER) of every block of a PEM text; raises ValueError where one cannot be decoded."""
    blocks = re.findall(r"-----BEGIN ([A-Z0-9 ]+)-----\r?\n(.*?)-----END \1-----", text, re.DOTALL)
    return [(label, base64.b64decode("".join(body.split()), validate=True)) for label, body in blocks]


@dataclass(frozen=True)
class ParsedCertificate:
    """What Cloudflare tells about an X.509 certificate, read straight from its DER."""

    der: bytes
    issuer: str
    serial_number: str
    signature: str
    expires_on: str
    is_ca: bool
    public_key: bytes

    @classmethod
    def from_der(cls, der: bytes) -> ParsedCertificate:
        ((_tag, certificate),) = _der(der)
        tbs, signature_algorithm, _signature = _contents(certificate)
        fields = list(_der(tbs))
        if fields[0][0] == 0xA0:  # the version, which v1 certificates leave out
            del fields[0]
        serial, _algorithm, issuer, validity, _subject, public_key = (content for _tag, content in fields[:6])
        extensions = next((content for tag, content in fields[6:] if tag == 0xA3), b"")
        not_after_tag, not_after = list(_der(validity))[1]
        century = "20" if not_after_tag == 0x17 and not_after[:2] < b"50" else "19" if not_after_tag == 0x17 else ""
        expires = datetime.datetime.strptime(century + not_after.decode(), "%Y%m%d%H%M%SZ")
        oid = _contents(signature_algorithm)[0].hex()
        return cls(
            der=der,
            issuer=", ".join(_names(issuer)),
            serial_number=str(int.from_bytes(serial, "big")),
            signature=_SIGNATURES.get(oid, oid),
            expires_on=expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            is_ca=_is_ca(extensions),
            public_key=public_key,
        )


def _names(name: bytes) -> Iterator[str]:
    for relative in _contents(name):
        for attribute in _contents(relative):
            oid, value = _contents(attribute)
            yield f"{_ATTRIBUTES.get(oid.hex(), oid.hex())}={value.decode('utf-8', 'replace')}"


def _is_ca(extensions: bytes) -> bool:
    for sequence in _contents(extensions):
        for extension in _contents(sequence):
            oid, *_critical, value = _contents(extension)
            if oid.hex() == _BASIC_CONSTRAINTS:
                (constraints,) = _contents(value)
                return any(tag == 0x01 and content != b"\x00" for tag, content in _der(constraints))
    return False


def check_private_key(pem: str, public_key: bytes) -> str | None:
    """Why Cloudflare would refuse the key, or None."""
    if "ENCRYPTED" in pem:
        return "The private key must not be encrypted."
    blocks = pem_blocks(pem)
    if [label for label, _der_bytes in blocks] not in (["PRIVATE KEY"], ["RSA PRIVATE KEY"], ["EC PRIVATE KEY"]):
        return "The private key could not be parsed."
    label, der = blocks[0]
    (key,) = _contents(der)
    algorithm, public_bits = _contents(public_key)
    oid = _contents(algorithm)[0].hex()
    seed_only = _SIGNATURES.get(oid, "").startswith("ML-DSA")
    if not seed_only and oid not in (_RSA_KEY, _EC_KEY):
        return "The private key must be RSA, ECDSA or ML-DSA."
    if label == "PRIVATE KEY":
        _version, key_algorithm, key = _contents(key)[:3]
        if _contents(key_algorithm)[0].hex() != oid:
            return "The private key does not match the certificate."
        if seed_only:
            # [0] IMPLICIT OCTET STRING (SIZE (32)): the seed and nothing else. Whether it matches is not looked at.
            accepted = key[:2] == b"\x80\x20" and len(key) == 34
            return None if accepted else "The private key must be in seed-only encoding."
        (key,) = _contents(key)
    if oid == _RSA_KEY:
        matches = _contents(key)[1] == _contents(_contents(public_bits[1:])[0])[0]
    else:
        points = [_contents(content)[0] for tag, content in _der(key) if tag == 0xA1]
        matches = all(point == public_bits for point in points)
    return None if matches else "The private key does not match the certificate."
