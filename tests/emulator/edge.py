# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator's edge: it pulls from origins as Cloudflare would, over real TLS, as the zone is set at that moment.

    with Emulator() as emulator, Edge(emulator) as edge:
        emulator.add_zone("example.com", origins={"https": "127.0.0.1:8443", "http": "127.0.0.1:8080"})
        requests.get(edge.url, headers={"Host": "www.example.com"}, timeout=10)
        requests.get("http://www.example.com/", proxies={"http": edge.url}, timeout=10)

Like a name server that points at Cloudflare, a proxy leads programs to the edge that know nothing but a URL. Whoever
asks counts as a visitor with HTTPS. Every pull is a new connection, so that a change shows at once, or
``emulator.edge_delay`` seconds after the API took it; Cloudflare goes on using the connections that it has.

* Which client certificate it presents: the hostname level, else the zone level, else the one that all customers share,
  here ``edge.shared``, which the authority ``edge.shared_authority`` issued.
* The SSL mode: ``off`` and ``flexible`` pull over HTTP; ``strict`` and ``origin_pull`` accept no certificate of the
  origin but one for the name that ``zone.origin_authorities`` issued.
* What it answers without the origin, and its headers, ``emulator.site("example.com")`` says (``sites.py``): a
  challenge, a redirect, CF-Ray, CF-Cache-Status. What is in its cache (HIT) it answers whatever the origin would; that
  is the last 200 of the origin, or an empty one.
* No edge is in front of a zone that is paused, pending or moved: its origin gets the visitor's own connection, without
  a client certificate, and nothing of Cloudflare's is on the answer. Where no answer comes, the status is 0 and the
  visitor's connection is closed.

The statuses are Cloudflare's own:

* 520: the origin ended the connection instead of answering, as it does over TLS 1.3 to refuse a client certificate;
* 521: it refused the connection; 522: the connection took too long; 524: the answer did;
* 525: the TLS handshake failed; 526: the origin's certificate is not valid for the zone, in a strict SSL mode.

Source: https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
Needs pyOpenSSL >= 26, whose OpenSSL knows X25519MLKEM768 and ML-DSA.
"""

from __future__ import annotations

import datetime
import http.client
import io
import re
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from OpenSSL._util import lib

from .emulator import COMPLIANCE_GROUPS, Certificate, Emulator, Zone
from .sites import FROM_CACHE

# With automatic key exchange, Cloudflare begins with the group that its daily scan found an origin to prefer, here
# always with the post-quantum one (assumed). Without, it begins with a classical one. It offers all of them either way.
_GROUPS = ("X25519", "X25519MLKEM768", "P-256", "P-384", "P-521", "SecP384r1MLKEM1024")
_AUTOMATIC = ("X25519MLKEM768", *(group for group in _GROUPS if group != "X25519MLKEM768"))

# Of one connection only
_NOT_PASSED_ON = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class Answer(NamedTuple):
    """status 0: none at all."""

    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})


class Presented(NamedTuple):
    """A client certificate, and its private key in PEM."""

    certificate: x509.Certificate
    key: str

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal digits."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()


class _Handshake(NamedTuple):
    """What is offered to the origin. authorities: who may have issued its certificate, in PEM; None: whoever.

    oldest, newest: versions of TLS, 0: any.
    """

    groups: Sequence[str] = _GROUPS
    oldest: int = 0
    newest: int = 0
    authorities: str | None = None
    presented: Presented | None = None


class _PullError(Exception):
    """A pull without an answer of the origin's: the status that the edge gives instead."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _OlderTlsError(_PullError):
    """The origin knows no TLS 1.3."""


class Edge:
    """timeout: seconds that an origin may take to accept a connection, and to say the next word.

    answers: what every visitor got, with the name that was asked for. shared, shared_authority: the certificate that
    all customers share, and the PEM of its authority, for origins to trust. older_tls_obeys_modes: whether compliance
    modes forbid TLS 1.2; the documentation has them apply to TLS 1.3 only.
    """

    def __init__(self, emulator: Emulator, timeout: float = 10.0) -> None:
        self._emulator = emulator
        self.timeout = timeout
        self.answers: list[tuple[str, Answer]] = []
        self.shared, self.shared_authority = _shared()
        self.older_tls_obeys_modes = False
        self._cache: dict[tuple[str, str], Answer] = {}
        edge = self

        class Front(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                host = url.netloc or self.headers.get("Host", "")
                answer = edge.pull(host.partition(":")[0], url._replace(scheme="", netloc="").geturl() or "/")
                if not answer.status:
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
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
        host = host.lower()
        answer = self._answer(host, path)
        self.answers.append((host, answer))
        return answer

    def _answer(self, host: str, path: str) -> Answer:
        zone, site = self._emulator.zone_of(host), self._emulator.site_of(host)
        time.sleep(site.delay)
        if site.dark:
            return Answer(0, b"")
        if zone is None:
            return Answer(409, b"error code: 1001\n", site.marks(None))  # assumed
        if not zone.proxied:
            try:
                return self._ask(zone, host, path, _Handshake())
            except _PullError:
                return Answer(0, b"")
        own = site.own_answer()
        if own:
            status, headers, text = own
            return Answer(status, text.encode(), headers)
        try:
            if site.cache_status in FROM_CACHE:
                answer = self._cache.get((host, path), Answer(200, b""))
            else:
                answer = self._pull(zone, host, path)
        except _PullError as failure:
            text = f"error code: {failure.status}\n"
            return Answer(failure.status, text.encode(), site.marks(failure.status))
        if answer.status == 200:
            self._cache[host, path] = answer
        return answer._replace(headers={**answer.headers, **site.marks(answer.status)})

    def _pull(self, zone: Zone, host: str, path: str) -> Answer:
        known, at = self._emulator.at_edge(zone)
        mode = known.ssl_overrides.get(host) or self._emulator.ssl_mode(known, at)
        if mode in ("off", "flexible"):
            return self._ask(zone, host, path, None)
        offered = _Handshake(
            groups=_AUTOMATIC if known.kex_enabled else _GROUPS,
            authorities=zone.origin_authorities if mode in ("strict", "origin_pull") else None,
            presented=self._presented(zone, host),
        )
        if not known.compliance_modes:
            return self._ask(zone, host, path, offered)
        allowed = set(_GROUPS).intersection(*(COMPLIANCE_GROUPS[mode] for mode in known.compliance_modes))
        groups = [group for group in offered.groups if group in allowed]
        # The modes are about TLS 1.3, and OpenSSL cannot offer other groups to older versions in one ClientHello
        try:
            return self._ask(zone, host, path, offered._replace(groups=groups, oldest=SSL.TLS1_3_VERSION))
        except _OlderTlsError:
            if self.older_tls_obeys_modes:
                raise
        return self._ask(zone, host, path, offered._replace(newest=SSL.TLS1_2_VERSION))

    def _presented(self, zone: Zone, host: str) -> Presented | None:
        certificate = self._emulator.presented(zone, host)
        if isinstance(certificate, Certificate):
            return Presented(x509.load_der_x509_certificate(certificate.parsed.der), certificate.private_key)
        return self.shared if certificate else None

    def _ask(self, zone: Zone, host: str, path: str, handshake: _Handshake | None) -> Answer:
        """The origin's answer; without a handshake, over HTTP."""
        scheme = "https" if handshake else "http"
        place = zone.origins.get(f"{scheme}://{host}") or zone.origins.get(scheme, "127.0.0.1:0")
        address, _colon, port = place.rpartition(":")
        try:
            connection = socket.create_connection((address, int(port)), self.timeout)
        except TimeoutError:
            raise _PullError(522) from None
        except OSError:
            raise _PullError(521) from None
        with connection:
            # Not Python's own limit: with that, OpenSSL would not wait at all
            connection.settimeout(None)
            limit = struct.pack("ll", int(self.timeout), int(self.timeout % 1 * 1e6))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
            answer = _exchange(_shake_hands(handshake, host, connection) if handshake else connection, request)
        head, _blank, body = answer.partition(b"\r\n\r\n")
        line, _end, fields = head.partition(b"\r\n")
        status = re.match(rb"HTTP/1\.[01] (\d{3})\b", line)
        if not status:
            raise _PullError(520)
        headers = http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
        passed_on = {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
        return Answer(int(status[1]), body, passed_on)


def _shake_hands(handshake: _Handshake, host: str, connection: socket.socket) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    # pyOpenSSL has no function of its own for it
    if not lib.SSL_CTX_set1_curves_list(context._context, ":".join(handshake.groups).encode()):
        raise ValueError(handshake.groups)
    if handshake.oldest:
        context.set_min_proto_version(handshake.oldest)
    if handshake.newest:
        context.set_max_proto_version(handshake.newest)
    if handshake.authorities is not None:
        _verify(context, handshake.authorities, host)
    if handshake.presented:
        context.use_certificate(handshake.presented.certificate)
        # Its own function takes none of cryptography's ML-DSA keys, and warns of any other
        key = crypto.load_privatekey(crypto.FILETYPE_PEM, handshake.presented.key)
        assert lib.SSL_CTX_use_PrivateKey(context._context, key._pkey)
    tls = SSL.Connection(context, connection)
    tls.set_tlsext_host_name(host.encode())
    tls.set_connect_state()
    try:
        tls.do_handshake()
    except SSL.Error as error:
        if "alert protocol version" in str(error) and handshake.oldest:
            raise _OlderTlsError(525) from None
        # A handshake that takes too long counts as failed (assumed)
        raise _PullError(526 if "certificate verify failed" in str(error) else 525) from None
    return tls


def _verify(context: SSL.Context, authorities: str, host: str) -> None:
    """Accept only a certificate of the origin that is valid for the name, by its common or an alternative name."""
    store = context.get_cert_store()
    assert store  # every context has one
    for authority in x509.load_pem_x509_certificates(authorities.encode()) if authorities else ():
        store.add_cert(crypto.X509.from_cryptography(authority))
    good_names = {host, f"*.{host.partition('.')[2]}"}

    def judge(_tls: SSL.Connection, shown: crypto.X509, _error: int, depth: int, good: int) -> bool:
        return bool(good) and (depth > 0 or not good_names.isdisjoint(_names(shown.to_cryptography())))

    context.set_verify(SSL.VERIFY_PEER, judge)


def _names(certificate: x509.Certificate) -> list[str | bytes]:
    names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names += extension.value.get_values_for_type(x509.DNSName)
    return names


def _shared() -> tuple[Presented, str]:
    """The certificate that all customers share, and the PEM of its authority."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _key in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "origin-pull.cloudflare.net")])
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Cloudflare, for all customers")])
    now = datetime.datetime.now(datetime.timezone.utc)

    def issue(subject: x509.Name, public_key: ec.EllipticCurvePublicKey, is_authority: bool) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365))
            .public_key(public_key)
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .sign(authority_key, hashes.SHA256())
        )

    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    leaf = issue(leaf_name, key.public_key(), False)
    authority = issue(authority_name, authority_key.public_key(), True)
    return Presented(leaf, pem), authority.public_bytes(serialization.Encoding.PEM).decode()


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
