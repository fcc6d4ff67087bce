# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""What a server answers to a client that presents no certificate; Python's standard library only.

It runs on the origin itself, where neither cryptography nor pyOpenSSL can be expected.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Any

X25519MLKEM768 = 0x11EC
"""The number of the group in TLS (draft-ietf-tls-ecdhe-mlkem)."""

_CERTIFICATE_REQUEST = 13
_HELLO_RETRY_REQUEST = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_PROXY_PROTOCOL = b"PROXY TCP4 127.0.0.1 127.0.0.1 9 9\r\n"
_CERTIFICATE_TEXT = re.compile(b"No required SSL certificate was sent|The SSL certificate error")
_ENOUGH = 8192
"""Bytes of an answer in which that text would be."""


@dataclass(frozen=True)
class Question:
    """One connection to make.

    server_name: for SNI and the Host header; empty for none. tls: whether to speak it. proxy_protocol: whether the
    listener wants its header first. timeout: seconds for each step.
    """

    host: str
    port: int
    server_name: str = ""
    tls: bool = True
    proxy_protocol: bool = False
    timeout: float = 5

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" + (f" ({self.server_name})" if self.server_name else "")


@dataclass(frozen=True)
class Answer:
    """What came back.

    asked: whether the server asked for a client certificate, None where this Python cannot tell. refused: whether it
    refused the client for want of one. status: of HTTP, 0 where there was none. error: why there was no answer, in
    words, empty where there was one. late: whether that is because of the time. silent: whether the server closed the
    connection without a word, which counts as a refusal where it asks, and is what ``return 444`` of nginx does anyway.
    """

    asked: bool | None = None
    refused: bool = False
    status: int = 0
    error: str = ""
    late: bool = False
    silent: bool = False

    @property
    def alive(self) -> bool:
        """Whether a server was there, be it one that refuses."""
        return not self.error


def ask(question: Question) -> Answer:
    """Make the connection and one request. Never raises."""
    requests: list[bool] = []
    done = False
    try:
        with _connected(question) as plain:
            if not question.tls:
                return _over_http(plain, question, None)
            with _context(requests).wrap_socket(plain, server_hostname=question.server_name or None) as tls:
                done = True
                return _over_http(tls, question, bool(requests) if _CAN_TELL else None)
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors; a name that is none is a ValueError
        asked = bool(requests)
        # TLS 1.3 lets the client finish before the server judges, so a refusal comes when the answer is read
        if asked and isinstance(error, (ssl.SSLError, ConnectionError)):
            return Answer(True, refused=True)
        late = isinstance(error, socket.timeout)
        return Answer(asked if done and _CAN_TELL else None, error=_told(error), late=late)


def offers_x25519mlkem768(question: Question) -> bool | None:
    """Whether the server agrees on that group. None where it cannot be told. Never raises.

    It is offered alone and without a key share, so that a server that knows it has to ask for the share (RFC 8446,
    4.1.4): nothing has to be computed, and no library has to know the group.
    """
    try:
        with _connected(question) as plain:
            plain.sendall(_client_hello(question.server_name))
            kind, body = _record(plain)
            if kind == 21:  # an alert
                return False
            if kind != 22 or body[:1] != b"\x02":
                return None
            return body[6:38] == _HELLO_RETRY_REQUEST and struct.pack("!HHH", 51, 2, X25519MLKEM768) in body[38:]
    except (OSError, EOFError, ValueError):
        return None


_CAN_TELL = hasattr(ssl.SSLContext, "_msg_callback")
"""Whether this Python shows the messages of a handshake; there is no public way to see that a server asks."""


def _context(requests: list[bool]) -> ssl.SSLContext:
    """Of a client that judges nothing, and notes each request for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")

    def note(_tls: Any, direction: str, _version: Any, _content: Any, message: Any, _data: bytes) -> None:
        if direction == "read" and message == _CERTIFICATE_REQUEST:
            requests.append(True)

    if _CAN_TELL:
        context._msg_callback = note  # type: ignore[attr-defined]
    return context


def _connected(question: Question) -> socket.socket:
    plain = socket.create_connection((question.host, question.port), question.timeout)
    if question.proxy_protocol:
        plain.sendall(_PROXY_PROTOCOL)
    return plain


def _over_http(stream: socket.socket, question: Question, asked: bool | None) -> Answer:
    host = question.server_name or "localhost"
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: originsec.cloudflare\r\nConnection: close\r\n\r\n"
    stream.sendall(request.encode())
    answer = b""
    with contextlib.suppress(ssl.SSLEOFError):
        # 400 may be about anything: the text tells
        while len(answer) < _ENOUGH and not re.match(rb"HTTP/1\.[01] (?!400)\d{3}", answer):
            data = stream.recv(_ENOUGH)
            if not data:
                break
            answer += data
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    status = int(found[1]) if found else 0
    refused = status in (495, 496) or (status == 400 and bool(_CERTIFICATE_TEXT.search(answer)))
    if not answer:
        closed = "closed the connection without an answer"
        return Answer(asked, refused=bool(asked), error="" if asked else closed, silent=True)
    return Answer(asked, refused, status)


def _told(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "did not answer in time"
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)


def _client_hello(server_name: str) -> bytes:
    """One of TLS 1.3 that offers nothing but X25519MLKEM768 (RFC 8446, 4.1.2)."""

    def extension(number: int, data: bytes) -> bytes:
        return struct.pack("!HH", number, len(data)) + data

    def listed(data: bytes, size: str = "!H") -> bytes:
        return struct.pack(size, len(data)) + data

    algorithms = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0807)
    extensions = (
        extension(10, listed(struct.pack("!H", X25519MLKEM768)))  # supported_groups
        + extension(13, listed(struct.pack(f"!{len(algorithms)}H", *algorithms)))  # signature_algorithms
        + extension(43, listed(b"\x03\x04", "!B"))  # supported_versions
        + extension(51, listed(b""))  # key_share
    )
    if server_name and not _is_address(server_name):
        extensions += extension(0, listed(b"\0" + listed(server_name.encode("idna"))))
    body = (
        b"\x03\x03"
        + os.urandom(32)
        + listed(os.urandom(32), "!B")
        + listed(b"\x13\x01\x13\x02\x13\x03")
        + listed(b"\0", "!B")
        + listed(extensions)
    )
    hello = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + listed(hello)


def _record(stream: socket.socket) -> tuple[int, bytes]:
    """Type and content of the first record."""
    header = _exactly(stream, 5)
    return header[0], _exactly(stream, struct.unpack("!H", header[3:])[0])


def _exactly(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False
