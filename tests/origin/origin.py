# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An origin on the loopback interface: real TLS by pyOpenSSL, and as much of HTTP as an edge needs.

    with Origin(server.pem, server.key_pem, client_certificates="required", client_ca=authority.pem) as origin:
        requests.get(f"https://127.0.0.1:{origin.port}/", verify=False, cert=...)
        assert origin.requests[-1].client == fingerprint

What it can be, beside what the arguments of Origin say: an origin that no longer trusts an authority (set ``client_ca``
at any time; it counts from the next connection on), or one in trouble (set ``status``). ``connections`` tells what
became of every connection, also of those that never sent a request. A Firewall in front of it drops or resets what
begins with a large ClientHello.

Needs pyOpenSSL >= 26 and cryptography >= 47, which bring an OpenSSL that knows X25519MLKEM768 and ML-DSA.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BytesIO
from typing import Any, Callable, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL, crypto
from OpenSSL._util import lib

HYBRID = "X25519MLKEM768"
CLASSICAL = "X25519:P-256:P-384:P-521"
VERSIONS = {"1.0": SSL.TLS1_VERSION, "1.1": SSL.TLS1_1_VERSION, "1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}

NO_CERTIFICATE, BAD_CERTIFICATE = "No required SSL certificate was sent", "The SSL certificate error"

_SECONDS = 10
"""How long to wait at the end for what goes on."""


@dataclass(frozen=True)
class Request:
    """client: SHA-256 fingerprint of the certificate that the client presented, None without."""

    method: str
    path: str
    headers: dict[str, str]
    client: str | None
    status: int
    """What it was answered."""


@dataclass
class Connection:
    """error: OpenSSL's words for why the handshake or what came after it failed."""

    server_name: str | None = None
    version: str | None = None
    group: str | None = None
    client: str | None = None
    error: str | None = None


_Self = TypeVar("_Self", bound="_Listener")


class _Listener:
    """A socket with a thread for each connection; all are closed at the end, and over."""

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self.host = host
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self: _Self) -> _Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(_SECONDS)

    def _start(self, action: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=action, args=arguments, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()]
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while not self._closing:
            with contextlib.suppress(OSError):
                one, _address = self._socket.accept()
                self._open.add(one)
                self._start(self._run, one)

    def _run(self, one: socket.socket) -> None:
        try:
            self._serve(one)
        except OSError:
            pass  # the other side is gone, or the test is over
        finally:
            self._open.discard(one)
            one.close()

    def _serve(self, one: socket.socket) -> None:
        raise NotImplementedError


@dataclass
class Origin(_Listener):
    """An HTTPS server; port 0 is any free one, and then the one that it has.

    certificate: PEM, the leaf first; private_key: PEM, unencrypted. groups: as OpenSSL wants them; the first that the
    client has wins. versions: the oldest and the newest of TLS, such as ("1.2", "1.2").

    client_certificates: "none" asks for none, "optional" asks, "required" insists. client_ca: the certificates of the
    authorities that it trusts, in PEM. A certificate of another is refused whenever it is asked for; refusal says how:
    "tls" by an alert, as Go and HAProxy do, or "http" by status 400, as nginx does.
    """

    certificate: str
    private_key: str = field(repr=False)
    groups: str = f"{HYBRID}:{CLASSICAL}"
    versions: tuple[str, str] = ("1.2", "1.3")
    client_certificates: str = "none"
    client_ca: str = ""
    refusal: str = "tls"
    status: int = 200
    body: bytes = b"origin\n"
    host: str = "127.0.0.1"
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.client_certificates not in ("none", "optional", "required") or self.refusal not in ("tls", "http"):
            raise ValueError((self.client_certificates, self.refusal))
        self._context()  # what is wrong with the arguments, at once
        super().__init__(self.host, self.port)

    def _context(self) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_TICKET)
        context.set_min_proto_version(VERSIONS[self.versions[0]])
        context.set_max_proto_version(VERSIONS[self.versions[1]])
        # pyOpenSSL has no function of its own for it
        if not lib.SSL_CTX_set1_curves_list(context._context, self.groups.encode()):
            raise ValueError(self.groups)
        leaf, *chain = x509.load_pem_x509_certificates(self.certificate.encode())
        context.use_certificate(leaf)
        for one in chain:
            context.add_extra_chain_cert(one)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it takes none of cryptography's ML-DSA keys
            context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, self.private_key))
        if self.client_certificates != "none":
            for authority in x509.load_pem_x509_certificates(self.client_ca.encode()) if self.client_ca else ():
                store = context.get_cert_store()
                if store is None:
                    raise AssertionError
                store.add_cert(crypto.X509.from_cryptography(authority))
                context.add_client_ca(authority)
            insists = self.client_certificates == "required" and self.refusal == "tls"
            mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if insists else 0)
            context.set_verify(mode, self._verified())
        return context

    def _verified(self) -> Callable[[SSL.Connection, Any, int, int, int], bool]:
        def verified(connection: SSL.Connection, _certificate: Any, _error: int, _depth: int, good: int) -> bool:
            if not good:
                connection.set_app_data(BAD_CERTIFICATE)
            return bool(good) or self.refusal == "http"

        return verified

    def _serve(self, one: socket.socket) -> None:
        told = Connection()
        self.connections.append(told)
        one.settimeout(None)  # pyOpenSSL knows no time limits; __exit__ ends what hangs
        context = self._context()
        context.set_tlsext_servername_callback(lambda hello: _note_name(told, hello))
        connection = SSL.Connection(context, one)
        connection.set_accept_state()
        try:
            connection.do_handshake()
            told.version, told.group = connection.get_protocol_version_name(), connection.get_group_name()
            presented = connection.get_peer_certificate(as_cryptography=True)
            told.client = presented.fingerprint(hashes.SHA256()).hex() if presented else None
            self._answer(connection, told)
            connection.shutdown()
        except SSL.Error as error:
            told.error = str(error) or type(error).__name__

    def _answer(self, connection: SSL.Connection, told: Connection) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _end, body = received.partition(b"\r\n\r\n")
        line, _end, fields = head.partition(b"\r\n")
        headers = {name.lower(): value for name, value in parse_headers(BytesIO(fields + b"\r\n\r\n")).items()}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        method, path = line.decode("latin-1").split(" ")[:2]
        status, content = self.status, self.body
        complaint = connection.get_app_data()
        if not complaint and not told.client and (self.client_certificates, self.refusal) == ("required", "http"):
            complaint = NO_CERTIFICATE
        if complaint:
            status, content = 400, f"<html><head><title>400 {complaint}</title></head></html>".encode()
        self.requests.append(Request(method, path, headers, told.client, status))
        head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
        connection.sendall(head + (b"" if method == "HEAD" else content))


def _note_name(told: Connection, hello: SSL.Connection) -> None:
    name = hello.get_servername()
    told.server_name = name.decode() if name else None


class Firewall(_Listener):
    """Between a client and an origin, and in the way of a ClientHello that is larger than so many bytes.

    action: "drop" never answers it, "reset" resets the connection. hellos: the size of each ClientHello.
    """

    def __init__(self, port: int, *, limit: int = 1000, action: str = "drop", host: str = "127.0.0.1") -> None:
        super().__init__(host, 0)
        self._origin = (host, port)
        self.limit = limit
        self.action = action
        self.hellos: list[int] = []

    def _serve(self, one: socket.socket) -> None:
        hello = _exactly(one, 5)
        size = int.from_bytes(hello[3:5], "big")
        self.hellos.append(size)
        if size > self.limit and self.action == "reset":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            return
        hello += _exactly(one, size)
        if size > self.limit:
            one.recv(1)  # until the client gives up
            return
        with socket.create_connection(self._origin) as origin:
            origin.sendall(hello)
            back = threading.Thread(target=_relay, args=(origin, one), daemon=True)
            back.start()
            _relay(one, origin)
            back.join(_SECONDS)


def _exactly(one: socket.socket, size: int) -> bytes:
    return b"".join(_chunks(one, size))


def _chunks(one: socket.socket, size: int) -> Iterator[bytes]:
    while size:
        chunk = one.recv(size)
        if not chunk:
            raise ConnectionError
        size -= len(chunk)
        yield chunk


def _relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
