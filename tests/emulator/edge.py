# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator's edge: it pulls from origins as Cloudflare would, over real TLS, as the zone is set at that moment.

    with Emulator() as emulator, Edge(emulator) as edge:
        emulator.add_zone("example.com", origins={"https": "127.0.0.1:8443", "http": "127.0.0.1:8080"})
        requests.get(edge.url, headers={"Host": "example.com"}, timeout=10)
        requests.get("http://example.com/", proxies={"http": edge.url}, timeout=10)

Like a name server that points at Cloudflare, a proxy leads programs to the edge that know nothing but a URL. Whoever
asks counts as a visitor with HTTPS. Every pull is a new connection, so that a change shows at once; Cloudflare goes on
using those that it has. The statuses are Cloudflare's own:

* 520: the origin ended the connection instead of answering, as it does over TLS 1.3 to refuse a client certificate;
* 521: it refused the connection; 522: the connection took too long; 524: the answer did;
* 525: the TLS handshake failed; 526: the origin's certificate is not valid for the zone, in a strict SSL mode.

Source: https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
Needs pyOpenSSL >= 26, whose OpenSSL knows X25519MLKEM768 and ML-DSA.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from OpenSSL._util import lib

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import (
    COMPLIANCE_GROUPS,
    Certificate,
    Emulator,
    Zone,
)

# With automatic key exchange, Cloudflare begins with the group that its daily scan found an origin to prefer, here
# always with the post-quantum one (assumed). Without, it begins with a classical one. It offers all of them either way.
_GROUPS = ("X25519", "X25519MLKEM768", "P-256", "P-384", "P-521", "SecP384r1MLKEM1024")
_AUTOMATIC = ("X25519MLKEM768", *(group for group in _GROUPS if group != "X25519MLKEM768"))


class Answer(NamedTuple):
    status: int
    body: bytes


class _PullError(Exception):
    """A pull without an answer of the origin's: the status that the edge gives instead."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Edge:
    """timeout: seconds that an origin may take to accept a connection, and to say the next word.

    answers: what every visitor got, with the name that was asked for.
    """

    def __init__(self, emulator: Emulator, timeout: float = 10.0) -> None:
        self._emulator = emulator
        self.timeout = timeout
        self.answers: list[tuple[str, Answer]] = []
        edge = self

        class Front(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                host = url.netloc or self.headers.get("Host", "")
                answer = edge.pull(host.partition(":")[0], url._replace(scheme="", netloc="").geturl() or "/")
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_arguments: object) -> None:
                """Tests are quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Edge:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def pull(self, host: str, path: str = "/") -> Answer:
        """What a visitor gets: the origin's answer, or the edge's own where there is none."""
        answer = self._answer(host, path)
        self.answers.append((host, answer))
        return answer

    def _answer(self, host: str, path: str) -> Answer:
        zone = next((zone for zone in list(self._emulator.zones.values()) if zone.name == host), None)
        if zone is None:
            return Answer(409, b"error code: 1001\n")  # assumed
        try:
            return self._pull(zone, path)
        except _PullError as failure:
            return Answer(failure.status, f"error code: {failure.status}\n".encode())

    def _pull(self, zone: Zone, path: str) -> Answer:
        plain = zone.ssl_mode in ("off", "flexible")
        host, _colon, port = zone.origins.get("http" if plain else "https", "127.0.0.1:0").rpartition(":")
        try:
            connection = socket.create_connection((host, int(port)), self.timeout)
        except TimeoutError:
            raise _PullError(522) from None
        except OSError:
            raise _PullError(521) from None
        with connection:
            # Not Python's own limit: with that, OpenSSL would not wait at all
            connection.settimeout(None)
            limit = struct.pack("ll", int(self.timeout), int(self.timeout % 1 * 1e6))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            request = f"GET {path} HTTP/1.0\r\nHost: {zone.name}\r\n\r\n".encode()
            answer = _exchange(connection if plain else self._shake_hands(zone, connection), request)
        head, _blank, body = answer.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.[01] (\d{3})\b", head)
        if not status:
            raise _PullError(520)
        return Answer(int(status[1]), body)

    def _shake_hands(self, zone: Zone, connection: socket.socket) -> SSL.Connection:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        allowed = set(_GROUPS).intersection(*(COMPLIANCE_GROUPS[mode] for mode in zone.compliance_modes))
        groups = [group for group in (_AUTOMATIC if zone.kex_enabled else _GROUPS) if group in allowed]
        # pyOpenSSL has no function of its own for it
        if not lib.SSL_CTX_set1_curves_list(context._context, ":".join(groups).encode()):
            raise ValueError(groups)
        if "pqh" in zone.compliance_modes:
            context.set_min_proto_version(SSL.TLS1_3_VERSION)
        if zone.ssl_mode in ("strict", "origin_pull"):
            _verify(context, zone)
        certificate = self._emulator.presented(zone)
        if isinstance(certificate, Certificate):
            context.use_certificate(x509.load_der_x509_certificate(certificate.parsed.der))
            # Its own function takes none of cryptography's ML-DSA keys, and warns of any other
            key = crypto.load_privatekey(crypto.FILETYPE_PEM, certificate.private_key)
            assert lib.SSL_CTX_use_PrivateKey(context._context, key._pkey)
        tls = SSL.Connection(context, connection)
        tls.set_tlsext_host_name(zone.name.encode())
        tls.set_connect_state()
        try:
            tls.do_handshake()
        except SSL.Error as error:
            # A handshake that takes too long counts as failed (assumed)
            raise _PullError(526 if "certificate verify failed" in str(error) else 525) from None
        return tls


def _verify(context: SSL.Context, zone: Zone) -> None:
    """Accept only a certificate of the origin that is valid for the name, by its common or an alternative name."""
    store = context.get_cert_store()
    assert store  # every context has one
    for authority in x509.load_pem_x509_certificates(zone.origin_authorities.encode()):
        store.add_cert(crypto.X509.from_cryptography(authority))

    def judge(_tls: SSL.Connection, shown: crypto.X509, _error: int, depth: int, good: int) -> bool:
        return bool(good) and (depth > 0 or zone.name in _names(shown.to_cryptography()))

    context.set_verify(SSL.VERIFY_PEER, judge)


def _names(certificate: x509.Certificate) -> list[str | bytes]:
    names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names += extension.value.get_values_for_type(x509.DNSName)
    return names


def _exchange(connection: socket.socket | SSL.Connection, request: bytes) -> bytes:
    """All that the origin answers until it ends the connection, in whichever way."""
    received = b""
    try:
        connection.sendall(request)
        while chunk := connection.recv(65536):
            received += chunk
    except (SSL.WantReadError, BlockingIOError):
        raise _PullError(524) from None
    except (SSL.Error, OSError):
        pass  # TLS ends with an exception also where all is well
    return received
