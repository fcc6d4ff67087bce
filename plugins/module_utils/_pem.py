# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""PEM as users and Cloudflare write it, made whole, and what else a file may be that is given in its place.

Without cryptography, so that it costs nothing to import.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

_MARKER = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----")
CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")

LONGEST = 1_000_000
"""Characters of a text that is looked at: some hundred times a certificate with its chain."""


def pem_blocks(text: str) -> list[tuple[str, str]]:
    """(label, PEM) of every block in a text, in the form that OpenSSL would write it.

    Mends what happens to PEM on its way through YAML, JSON, environment variables and editors: CRLF, indentation,
    literal ``\\n``, lines joined by blanks, a missing final newline; text around the blocks is left out. A block that
    ends with another label, or not at all, was cut short and goes up to there. Takes time in proportion to the text.
    """
    text = text.replace("\\r", "").replace("\\n", "\n").replace("\r", "\n")
    blocks: list[tuple[str, str]] = []
    label, start = "", 0
    for marker in _MARKER.finditer(text):
        if label:
            blocks.append((label, wrapped(label, text[start : marker.start()])))
        label, start = (marker[2], marker.end()) if marker[1] == "BEGIN" else ("", 0)
    return [*blocks, (label, wrapped(label, text[start:]))] if label else blocks


def wrapped(label: str, body: str) -> str:
    headers, lines = "", body
    if "Proc-Type:" in body:  # an encrypted key in the traditional format: headers, an empty line, base64
        stripped = [line.strip() for line in body.strip().splitlines()]
        head = [line for line in stripped if ":" in line]
        headers = "\n".join(head) + "\n\n"
        lines = "".join(line for line in stripped if ":" not in line)
    base64_text = "".join(lines.split())
    wrapped = "".join(base64_text[start : start + 64] + "\n" for start in range(0, len(base64_text), 64))
    return f"-----BEGIN {label}-----\n{headers}{wrapped}-----END {label}-----\n"


@dataclass(frozen=True)
class _Kind:
    """What may be given in place of PEM.

    pattern: of the label, or of what it begins with. certificate, private_key: what to do about it in that option, None
    where it is what the option takes.
    """

    pattern: str
    what: str
    certificate: str | None
    private_key: str | None


_TO_PRIVATE_KEY = "that goes into private_key, and the certificate that belongs to it goes here"
_TO_CERTIFICATE = "that goes into certificate, and the private key that belongs to it goes here"
_SIGN = (
    "the certificate that the authority makes of it goes here; with an authority of your own, "
    "'openssl x509 -req -in FILE -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -out client.pem'"
)
_OF_REQUEST = "the private key that it was made with goes here"
_OF_PUBLIC_KEY = "the private one goes here, from the file that it was made in"
_NOT_PUBLIC_KEY = "the certificate that the authority issued for it goes here"
_DER_CERTIFICATE = "'openssl x509 -inform DER -in FILE -out client.pem' converts it"
_DER_KEY = "'openssl pkey -inform DER -in FILE -out client.key' converts it"
_P12_CERTIFICATE = "'openssl pkcs12 -in FILE -clcerts -nokeys -out client.pem' converts it"
_P12_KEY = "'openssl pkcs12 -in FILE -nocerts -nodes -out client.key' converts it"
_JKS = "'keytool -importkeystore -srckeystore FILE -destkeystore client.p12 -deststoretype PKCS12' first, and then "
_UTF_8 = "'iconv -f UTF-16 -t UTF-8 FILE > OTHER_FILE' converts it"
_LOOKUP = "for the text of a file use lookup('ansible.builtin.file', path)"
_SSH_KEYGEN = "'ssh-keygen -p -m PKCS8 -f FILE' converts it, in its place"
_PUTTYGEN = "'puttygen FILE -O private-openssh -o client.key' and 'ssh-keygen -p -m PKCS8 -f client.key' convert it"

_BY_LABEL = (
    _Kind("(NEW )?CERTIFICATE REQUEST", "a certificate request", _SIGN, _OF_REQUEST),
    _Kind(
        "TRUSTED CERTIFICATE",
        "a TRUSTED CERTIFICATE, which only OpenSSL knows",
        "'openssl x509 -in FILE -out client.pem' converts it",
        _TO_CERTIFICATE,
    ),
    _Kind(
        "PKCS7|CMS|PKCS #7 SIGNED DATA",
        "PKCS#7",
        "'openssl pkcs7 -print_certs -in FILE -out client.pem' converts it",
        "it holds no private key: the file that the key was made in goes here",
    ),
    _Kind("OPENSSH PRIVATE KEY", "a private key in OpenSSH's format", _TO_PRIVATE_KEY, _SSH_KEYGEN),
    _Kind("(.* )?PUBLIC KEY", "a public key", _NOT_PUBLIC_KEY, _OF_PUBLIC_KEY),
    _Kind("(.* )?PRIVATE KEY", "a private key", _TO_PRIVATE_KEY, None),
    _Kind("(X509 )?CERTIFICATE", "a certificate", None, _TO_CERTIFICATE),
)

# Of bytes as Latin-1, where \xff stands for NUL and for a byte that was lost to U+FFFD. Lengths are passed over.
_HIGH = "[\x80-\xff]"
_SEQUENCE = f"0(?:{_HIGH}.{{0,3}}?|.)"
_RSA_DATA_SECURITY = f"\x06\t\\*{_HIGH}H{_HIGH}{{1,2}}\r\x01"

_BY_BEGINNING = (
    _Kind(f"{_SEQUENCE}\x02\x01\x030", "PKCS#12 (.p12, .pfx)", _P12_CERTIFICATE, _P12_KEY),
    _Kind(
        f"{_SEQUENCE}{_RSA_DATA_SECURITY}\x07",
        "PKCS#7 in DER",
        "'openssl pkcs7 -inform DER -print_certs -in FILE -out client.pem' converts it",
        "it holds no private key: the file that the key was made in goes here",
    ),
    _Kind(f"{_SEQUENCE}{_SEQUENCE}{_HIGH}\x03\x02\x01", "a certificate in DER", _DER_CERTIFICATE, _TO_CERTIFICATE),
    _Kind(f"{_SEQUENCE}{_SEQUENCE}\x02\x01\xff0", "a certificate request in DER", _SIGN, _OF_REQUEST),
    _Kind(f"{_SEQUENCE}{_SEQUENCE}{_RSA_DATA_SECURITY}\x05", "a private key in DER", _TO_PRIVATE_KEY, _DER_KEY),
    _Kind(f"{_SEQUENCE}\x02\x01[\xff\x01][0\x04\x02]", "a private key in DER", _TO_PRIVATE_KEY, _DER_KEY),
    _Kind(f"{_SEQUENCE}{_SEQUENCE}\x06", "a public key in DER", _NOT_PUBLIC_KEY, _OF_PUBLIC_KEY),
    _Kind(
        "\xfe\xed\xfe\xed|\xff{4}",
        "a Java keystore",
        _JKS + _P12_CERTIFICATE.replace("FILE", "client.p12"),
        _JKS + _P12_KEY.replace("FILE", "client.p12"),
    ),
    _Kind(f"{_HIGH}{{0,3}}-\xff-\xff-", "text in UTF-16", _UTF_8, _UTF_8),
    _Kind(
        ".*[\x01-\x08\x0e-\x1f\xff]",
        "binary",
        f"if it is DER, {_DER_CERTIFICATE}; if it is PKCS#12, {_P12_CERTIFICATE}",
        f"if it is DER, {_DER_KEY}; if it is PKCS#12, {_P12_KEY}",
    ),
    _Kind("(ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA", "a public key in OpenSSH's format", _NOT_PUBLIC_KEY, _OF_PUBLIC_KEY),
    _Kind("PuTTY-User-Key-File", "a private key of PuTTY", _TO_PRIVATE_KEY, _PUTTYGEN),
    _Kind(
        r"((~|\.{0,2})/|[A-Za-z]:\\)[^\n]{1,4096}\Z"
        r"|(?!\w+://)[^\n]{1,4096}\.(?i:pem|crt|cer|key|der|p12|pfx|p7b|csr)\Z",
        "the path of a file",
        _LOOKUP,
        _LOOKUP,
    ),
)
_ENOUGH = 4096
"""Characters from which the kind of a text is told."""


def other_kind(text: str, option: str) -> str:
    """What a text is in place of the PEM that an option takes, and what to do; empty where that is not known.

    option: private_key, or any other, which takes certificates. Never quotes the text, which may be a secret.
    """
    option = option if option == "private_key" else "certificate"
    text = text.lstrip("\ufeff").strip()
    for label, _pem in pem_blocks(text):
        for kind in _BY_LABEL:
            if re.fullmatch(kind.pattern, label) and getattr(kind, option):
                return f"{kind.what}: {getattr(kind, option)}"
    start = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text[:_ENOUGH])
    # What is no UTF-8 was escaped by whoever read the file, such as Ansible's lookup
    found = _by_beginning(start.encode("utf-8", "surrogateescape").replace("\ufffd".encode(), b"\xff"), option)
    return found or _encoded("".join(text.split()), option)


def _by_beginning(raw: bytes, option: str) -> str:
    for kind in _BY_BEGINNING:
        if re.match(kind.pattern, raw.replace(b"\0", b"\xff").decode("latin-1"), re.DOTALL):
            return f"{kind.what}: {getattr(kind, option)}"
    return ""


def _encoded(text: str, option: str) -> str:
    """What it is if it is base64 of something else."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return ""
    if raw.startswith(b"-----BEGIN "):
        return "PEM in base64: 'base64 -d FILE > OTHER_FILE', or the filter b64decode, makes PEM of it"
    found = _by_beginning(raw, option) if raw.startswith(b"0") else ""
    return f"base64, for which there is 'base64 -d FILE > OTHER_FILE', of {found}" if found else ""
