# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""PEM as users and Cloudflare write it, made whole; without cryptography, so that it costs nothing to import."""

from __future__ import annotations

import re

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")


def pem_blocks(text: str) -> list[tuple[str, str]]:
    """(label, PEM) of every block in a text, in the form that OpenSSL would write it.

    Mends what happens to PEM on its way through YAML, JSON, environment variables and editors: CRLF, indentation,
    literal ``\\n``, lines joined by blanks, a missing final newline; text around the blocks is left out.
    """
    text = text.replace("\\r", "").replace("\\n", "\n").replace("\r", "\n")
    return [(label, wrapped(label, body)) for label, body in _BLOCK.findall(text)]


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
