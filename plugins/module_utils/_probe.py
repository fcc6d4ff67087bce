# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""What an origin does with handshakes such as those of Cloudflare's edge; the only file that imports pyOpenSSL.

The ssl module of Python is of no use here: the OpenSSL below it knows no post-quantum groups before 3.5, and it neither
chooses groups nor names the one that was agreed on.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, TypeVar

from ._certificates import ClientCertificate, describe_server, load_client_certificate
from ._client import VERSION
from ._core import set_groups
from ._errors import InputError, MissingLibraryError
from ._options import punycode
from ._pem import pem_blocks

PYOPENSSL_IMPORT_ERROR: str | None = None
try:
    import certifi
    from OpenSSL import SSL, crypto
except (ImportError, AttributeError):  # the latter where cryptography is too new for it
    PYOPENSSL_IMPORT_ERROR = traceback.format_exc()

_LIBRARY = "pyOpenSSL >= 26, with cryptography >= 47 and OpenSSL >= 3.5"

_ORIGIN_CA_ORGANIZATION = "CloudFlare, Inc."

HYBRID = "X25519MLKEM768"
"""The only post-quantum group that Cloudflare's edge offers to origins; whoever speaks another one does not help it."""

_CLASSICAL = "X25519:P-256:P-384:P-521"
_BOTH = "*X25519MLKEM768:*X25519:P-256:P-384:P-521"  # with a key share for each that has an asterisk

_READ_SERVER_HELLO = b"SSLv3/TLS read server hello"
_READ_CERTIFICATE_REQUEST = b"SSLv3/TLS read server certificate request"
_WROTE_CERTIFICATE = b"SSLv3/TLS write client certificate"  # or that there is none
_WROTE_PROOF_OF_KEY = b"SSLv3/TLS write certificate verify"

# What nginx answers over HTTP in place of an alert: these, or 400 with a text of its own
_CERTIFICATE_STATUSES = (495, 496)
_CERTIFICATE_TEXT = re.compile("No required SSL certificate was sent|The SSL certificate error")

_FORBIDDEN = (401, 403)
"""What may be about the client certificate, or about anything else."""

_T = TypeVar("_T")

_ENOUGH = 8192
"""Bytes of an answer in which that text would be."""

_TIMEOUT_SECONDS = 10
"""For each connection to an origin that is named by text."""


@dataclass(frozen=True)
class Target:
    """server_name: in ASCII; timeout: seconds for each connection.

    authorities: in PEM, whom to trust besides the public ones to issue the certificate of the origin.
    """

    host: str
    port: int
    server_name: str
    timeout: int
    client: ClientCertificate | None
    authorities: str = ""

    @classmethod
    def from_options(cls, params: Mapping[str, Any]) -> Target:
        """Raises InputError for what cannot be right, and MissingLibraryError; connects to nothing."""
        _require_pyopenssl()
        if not 1 <= params["port"] <= 65535:
            raise InputError(f"port must be at least 1 and at most 65535, not {params['port']}.")
        if not 1 <= params["timeout"] <= 3600:
            raise InputError(f"timeout must be at least 1 second and at most 3600, not {params['timeout']}.")
        host = _host(params["host"], "host")
        server_name = _host(params["server_name"], "server_name") if params["server_name"] else host
        return cls(host, params["port"], server_name, params["timeout"], _client_certificate(params))

    @classmethod
    def from_text(cls, text: str, option: str, client: ClientCertificate | None, authorities: str) -> Target:
        """From a host and perhaps a port, as in ``origin.example.com:8443`` and ``[2001:db8::1]``.

        The server name is to be set later. Raises InputError and MissingLibraryError; connects to nothing.
        """
        _require_pyopenssl()
        bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
        found = re.fullmatch(r"(\[[^\[\]]+\]|[^\[\]:/]+)(?::(\d{1,5}))?", f"[{text}]" if bare_ipv6 else text)
        port = int(found[2] or 443) if found else 0
        if not found or not 1 <= port <= 65535:
            raise InputError(
                f"{option} must hold hosts, with a port where it is not 443, as in origin.example.com:8443, and "
                f"{text!r} is none."
            )
        host = _host(found[1], option)
        presented = client if client and client.private_key else None
        return cls(host, port, host, _TIMEOUT_SECONDS, presented, authorities)

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


def _require_pyopenssl() -> None:
    usable = not PYOPENSSL_IMPORT_ERROR and hasattr(SSL.Connection, "get_group_name")
    with contextlib.suppress(ImportError, AttributeError):
        if usable and set_groups(_context(), _BOTH):
            return
    raise MissingLibraryError(_LIBRARY, PYOPENSSL_IMPORT_ERROR)


def _host(text: str, option: str) -> str:
    """The host as it is looked up: in lower case, an IP address without brackets, any other name in ASCII."""
    host = text.strip().lower()
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host.strip("[]")))
    name = punycode(host, option)
    labels = name.split(".")
    if len(name) < 254 and all(re.fullmatch("[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", label) for label in labels):
        return name
    raise InputError(f"{option} '{text}' is neither the name of a host, as origin.example.com is, nor an IP address.")


def _client_certificate(params: Mapping[str, Any]) -> ClientCertificate | None:
    if not params["certificate"] and not params["private_key"]:
        return None
    if not params["certificate"] or not params["private_key"]:
        raise InputError("Set certificate and private_key together, or neither of them.")
    client = load_client_certificate(params["certificate"], params["private_key"], params["private_key_passphrase"])
    try:
        _context(client)
    except (SSL.Error, crypto.Error) as error:
        raise InputError(f"certificate is of no use to OpenSSL: {_reason(error)}.") from None
    return client


def _context(client: ClientCertificate | None = None) -> SSL.Context:
    """Of a client that judges nothing: neither the server's certificate, nor how old its algorithms are."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_options(SSL.OP_LEGACY_SERVER_CONNECT)
    context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
    if client:
        leaf, *chain = (
            crypto.load_certificate(crypto.FILETYPE_PEM, pem.encode()) for _l, pem in pem_blocks(client.pem)
        )
        key = crypto.load_privatekey(crypto.FILETYPE_PEM, (client.private_key or "").encode())
        with warnings.catch_warnings():
            # pyOpenSSL would rather have the objects of cryptography, but does not take its keys of ML-DSA
            warnings.simplefilter("ignore", DeprecationWarning)
            context.use_certificate(leaf)
            context.use_privatekey(key)
            for certificate in chain:
                context.add_extra_chain_cert(certificate)
    return context


@dataclass
class _Seen:
    """What one connection showed.

    failure: why it came to nothing, as a predicate of the origin; empty where it did not. alert: whether the origin
    sent one; silent: whether it is nothing that the origin decided. hello: bytes of the ClientHello, none where
    there was no connection. states: of OpenSSL, as it passed them. finished: the handshake, which in TLS 1.3 is before
    the origin judges the client certificate. status and complaint: of the answer over HTTP.
    """

    failure: str = ""
    alert: bool = False
    silent: bool = False
    hello: int = 0
    states: set[bytes] = field(default_factory=set)
    finished: bool = False
    version: str | None = None
    cipher: str | None = None
    group: str | None = None
    certificate: str = ""
    trusted: bool = False
    status: int = 0
    complaint: str = ""

    @property
    def requested(self) -> bool:
        """Whether the origin asked for a client certificate."""
        return _READ_CERTIFICATE_REQUEST in self.states

    @property
    def answered(self) -> bool:
        """Whether it was told which one, or that there is none; before that, a failure has nothing to do with it."""
        return _WROTE_CERTIFICATE in self.states

    @property
    def presented(self) -> bool:
        """Whether it got one, which it does not where the client has none that it can use."""
        return _WROTE_PROOF_OF_KEY in self.states

    @property
    def refused(self) -> bool:
        """Whether it refused what it got, or that it got none; by TLS or over HTTP."""
        return self.answered and bool(self.complaint or (self.failure and not self.silent))

    @property
    def usable(self) -> bool:
        """Whether it speaks TLS as it was offered, also where it then misses a certificate."""
        return self.finished or self.refused


def probe(target: Target) -> dict[str, Any]:
    """What the module returns. It takes three connections at most, one after the other and to the same address:

    1. with both key exchanges, and no client certificate;
    2. with the one that the origin did not choose; with the classical one, if the first came to nothing;
    3. with the client certificate, if the origin asks for one.
    """
    try:
        addresses = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return _result(target, _Seen(), [f"{target.host} cannot be resolved: {error.strerror}."])
    edge = _Edge(target, addresses)
    groups, notes = _BOTH, []
    first = main = edge.connect(groups)
    if not first.hello:
        return _result(target, first, [f"{target} {first.failure}."])
    hybrid: bool | None = first.group == HYBRID
    classical: bool | None = True
    if not first.usable:
        groups, hybrid = _CLASSICAL, False
        main = edge.connect(groups)
        notes.append(_difference(target, first, main))
        if not main.usable:
            return _result(target, main, notes)
    elif first.version == "TLSv1.3":
        second = edge.connect(_CLASSICAL if hybrid else HYBRID, ask=False)
        found = None if second.silent else second.usable
        if second.silent:
            notes.append(
                f"{target} {second.failure} when {'no' if hybrid else 'only a'} post-quantum group was offered."
            )
        hybrid, classical = (True, found) if hybrid else (found, True)
    required, accepted = main.refused, None
    if main.requested and target.client:
        third = edge.connect(groups, target.client)
        accepted = (third.presented and not third.refused) if third.usable else None
        # Such as 403, with which some refuse in the name of an application
        required = required or (400 <= main.status < 500 and 200 <= third.status < 400)
        notes += _about(target, target.client, third)
    elif main.requested and main.silent:
        notes.append(f"{target} {main.failure} after the handshake, so it counts as content without a certificate.")
    return _result(
        *(target, main, notes),
        post_quantum=hybrid,
        classical_supported=classical,
        client_certificate_requested=main.requested,
        client_certificate_required=required,
        client_certificate_accepted=accepted,
    )


def _result(target: Target, seen: _Seen, notes: Sequence[str], **found: bool | None) -> dict[str, Any]:
    return {
        "reachable": seen.usable,
        "tls_version": seen.version,
        "cipher": seen.cipher,
        "group": seen.group,
        **dict.fromkeys(("post_quantum", "classical_supported")),
        **dict.fromkeys(f"client_certificate_{what}" for what in ("requested", "required", "accepted")),
        "server_certificate": (
            {**describe_server(seen.certificate, target.server_name), "trusted": seen.trusted}
            if seen.certificate
            else None
        ),
        **found,
        "error": " ".join(notes) or None,
    }


ENFORCEMENTS = ("enforcing", "optional", "open", "unreachable")


def enforcement(probed: Mapping[str, Any]) -> str:
    """Of ENFORCEMENTS: what an origin makes of those who present no certificate. probed: what ``probe`` returned."""
    if not probed["reachable"]:
        return "unreachable"
    if probed["client_certificate_required"]:
        return "enforcing"
    return "optional" if probed["client_certificate_requested"] else "open"


def origins_by_enforcement(probed: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The names of origins, by their enforcement, and which took the certificate that was presented.

    probed: what ``probe`` returned, by the name of the origin.
    """
    return {
        **{which: [name for name, one in probed.items() if enforcement(one) == which] for which in ENFORCEMENTS},
        "accepting": [name for name, one in probed.items() if one["client_certificate_accepted"]],
    }


def origin_problems(
    probed: Mapping[str, Mapping[str, Any]],
    presents: bool,
    certificate: bool,
    ssl_mode: str,
    raised: bool,
    modes: Sequence[str],
) -> list[str]:
    """What would keep origins from answering the edge, in words.

    presents: whether the edge is to present a client certificate, and certificate: whether the origins were tried with
    it. ssl_mode: the wanted one, and raised: whether the zone has another one. modes: the compliance modes.
    """
    problems = []
    for name, one in probed.items():
        shown = one["server_certificate"]
        if not one["reachable"]:
            problems.append(str(one["error"]))
            continue
        if presents and certificate and one["client_certificate_requested"] and not one["client_certificate_accepted"]:
            problems.append(str(one["error"]))
        if not presents and one["client_certificate_required"]:
            problems.append(f"{name} requires a client certificate, and the edge is to present none.")
        if ssl_mode in ("strict", "origin_pull") and shown and (shown["days_remaining"] or 0) < 0:
            problems.append(
                f"{name} shows a certificate of its own that has expired, which the edge refuses (526) in the SSL mode "
                f"{ssl_mode}. Renew it first."
            )
        if ssl_mode in ("strict", "origin_pull") and shown and raised:
            shows = f"{name} shows a certificate of its own ({shown['subject']})"
            refused = f"which the edge refuses (526) in the SSL mode {ssl_mode}"
            if not shown["matches_server_name"]:
                problems.append(
                    f"{shows} that is for other names, {refused}. Have it issued for the zone's name first."
                )
            if not shown["trusted"]:
                problems.append(
                    f"{shows} that no public authority has issued, {refused}. If Cloudflare trusts the one that has, "
                    "name it in origins_ca."
                )
        if "pqh" in modes and not one["post_quantum"]:
            why = f" {one['error']}" if one["error"] else ""
            problems.append(f"{name} did not agree on X25519MLKEM768, and pqh leaves nothing else.{why}")
    return problems


def _difference(target: Target, first: _Seen, second: _Seen) -> str:
    """What the post-quantum key share made of the ClientHello, compared with one that has none."""
    if not second.usable and first.failure == second.failure:
        return f"{target} {first.failure}, with a post-quantum key share in the ClientHello and without."
    said = f"{target} {first.failure} when a ClientHello of {first.hello} bytes had a post-quantum key share"
    if not second.usable:
        return f"{said}, and {second.failure} when one of {second.hello} bytes had none."
    why = (
        "its TLS library refuses what it ought to ignore."
        if first.alert
        else "something on the way, such as a firewall, does not let a ClientHello pass that needs two packets."
    )
    return f"{said}, and answered one of {second.hello} bytes without: {why}"


def _about(target: Target, client: ClientCertificate, seen: _Seen) -> list[str]:
    """What is to be said of the connection with the client certificate, if anything."""
    if seen.answered and not seen.presented:
        kind = client.description["key_type"]
        return [f"{target} takes no client certificate of the type {kind} in {seen.version}, so it was not presented."]
    if seen.silent and seen.finished:
        return [f"{target} {seen.failure} after the handshake, so the client certificate counts as accepted."]
    if seen.failure or seen.complaint:
        return [f"{target} {seen.failure or seen.complaint} when the client certificate was presented."]
    if seen.status in _FORBIDDEN:
        return [f"{target} answered {seen.status}, also with the client certificate, which counts as accepted."]
    return []


class _Edge:
    """Connects as Cloudflare's edge does; from the second time on to the address that answered."""

    def __init__(self, target: Target, addresses: Sequence[Any]) -> None:
        self._target = target
        self._addresses = addresses

    def connect(self, groups: str, client: ClientCertificate | None = None, ask: bool = True) -> _Seen:
        """ask: whether to see what becomes of a request, where the origin asks for a client certificate."""
        context = _context(client)
        set_groups(context, groups)
        seen = _Seen()
        deadline = time.monotonic() + self._target.timeout
        try:
            with self._connected(deadline) as one:
                wire = _Wire(context, one, deadline, seen)
                _shake_hands(wire, self._target)
                if ask and seen.requested:
                    _ask(wire, self._target)
        except socket.timeout:
            seen.failure, seen.silent = f"did not answer within {self._target.timeout} seconds", True
        except (ConnectionAbortedError, SSL.ZeroReturnError):
            seen.failure = "closed the connection"
        except ConnectionResetError:
            seen.failure = "reset the connection"
        except OSError as error:
            seen.failure, seen.silent = f"cannot be reached: {error.strerror or error}", True
        except SSL.Error as error:
            if seen.alert:  # such as "tlsv13 alert certificate required" and "tlsv1 unrecognized name"
                seen.failure = f"refused with the TLS alert '{re.sub('^[^ ]+ (alert )?', '', _reason(error))}'"
            else:
                seen.failure = f"speaks no TLS that OpenSSL takes ({_reason(error)})"
        return seen

    def _connected(self, deadline: float) -> socket.socket:
        problem = OSError("it has no address")
        for position, address in enumerate(self._addresses):
            try:
                # Each gets its share of the time, so that one that drops packets does not use up all of it
                one = _connected(address, _remaining(deadline) / (len(self._addresses) - position))
            except OSError as error:
                problem = error
            else:
                self._addresses = [address]
                return one
        raise problem


def _connected(address: Any, timeout: float) -> socket.socket:
    """address: as of getaddrinfo."""
    family, kind, protocol, _name, where = address
    one = socket.socket(family, kind, protocol)
    try:
        one.settimeout(timeout)
        one.connect(where)
    except OSError:
        one.close()
        raise
    return one


def _reason(error: Exception) -> str:
    """What OpenSSL began with: its errors come as a list, the cause first."""
    told = error.args[0] if error.args else None
    return str(told[0][2] if isinstance(told, list) and told else told or "an unknown error")


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise socket.timeout
    return remaining


class _Wire:
    """TLS over a socket with a time limit. OpenSSL reads and writes memory, since it knows no limits."""

    def __init__(self, context: SSL.Context, one: socket.socket, deadline: float, seen: _Seen) -> None:
        context.set_info_callback(self._note)
        self.tls = SSL.Connection(context, None)
        self.seen = seen
        self._socket = one
        self._deadline = deadline

    def _note(self, tls: SSL.Connection, where: int, value: int) -> None:
        self.seen.states.add(tls.get_state_string())
        self.seen.alert |= where == SSL.SSL_CB_READ_ALERT and value >> 8 == 2  # fatal, not that it closes

    def until_done(self, action: Callable[[], _T]) -> _T:
        while True:
            try:
                return action()
            except SSL.WantReadError:
                pass
            finally:
                self._send()
            self._receive()

    def _send(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            while True:
                data = self.tls.bio_read(65536)
                self.seen.hello = self.seen.hello or len(data)
                self._socket.settimeout(_remaining(self._deadline))
                # Where the other side has closed, its last words may still be there to be read
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self._socket.sendall(data)

    def _receive(self) -> None:
        self._socket.settimeout(_remaining(self._deadline))
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionAbortedError
        self.tls.bio_write(data)


def _shake_hands(wire: _Wire, target: Target) -> None:
    tls, seen = wire.tls, wire.seen
    tls.set_connect_state()
    if not _is_address(target.server_name):
        tls.set_tlsext_host_name(target.server_name.encode())
    try:
        wire.until_done(tls.do_handshake)
        seen.finished = True
    finally:
        if _READ_SERVER_HELLO in seen.states:
            seen.version, seen.cipher = tls.get_protocol_version_name(), tls.get_cipher_name()
            seen.group = tls.get_group_name()
        certificate = tls.get_peer_certificate()
        if certificate:
            seen.certificate = crypto.dump_certificate(crypto.FILETYPE_PEM, certificate).decode()
            seen.trusted = _is_trusted(certificate, tls.get_peer_cert_chain() or [], target.authorities)


def _is_trusted(certificate: crypto.X509, chain: Sequence[crypto.X509], authorities: str) -> bool:
    """Whether the edge would believe who issued a certificate: a public authority, one of these, or Cloudflare itself.

    Cloudflare's Origin CA is known by its name only, since no bundle of authorities has it.
    """
    issuer = certificate.get_issuer()
    if issuer.O == _ORIGIN_CA_ORGANIZATION and "Origin" in f"{issuer.OU} {issuer.CN}":
        return True
    store = crypto.X509Store()
    store.load_locations(certifi.where())
    for _label, pem in pem_blocks(authorities):
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_PEM, pem.encode()))
    try:
        crypto.X509StoreContext(store, certificate, list(chain)).verify_certificate()
    except crypto.X509StoreContextError:
        return False
    return True


def _ask(wire: _Wire, target: Target) -> None:
    """See what becomes of a request, since a refusal of the client certificate comes when one reads.

    TLS 1.3 lets the client finish before the server judges its certificate, and nginx judges it over HTTP.
    """
    wire.until_done(lambda: wire.tls.send(_request(target)))
    answer = ""
    try:
        # 400 may be about anything: the text tells
        while len(answer) < _ENOUGH and not re.match(r"HTTP/1\.[01] (?!400)\d{3}", answer):
            answer += wire.until_done(lambda: wire.tls.recv(_ENOUGH)).decode("latin-1")
    except (OSError, SSL.Error):
        if not answer:
            raise
    status = re.match(r"HTTP/1\.[01] (\d{3})", answer)
    wire.seen.status = int(status[1]) if status else 0
    text = _CERTIFICATE_TEXT.search(answer) if wire.seen.status == 400 else None
    if text or wire.seen.status in _CERTIFICATE_STATUSES:
        wire.seen.complaint = f"answered {wire.seen.status}{f' ({text[0]})' if text else ''}"


def _request(target: Target) -> bytes:
    port = "" if target.port == 443 else f":{target.port}"
    lines = (
        *("GET / HTTP/1.1", f"Host: {_bracketed(target.server_name)}{port}"),
        *(f"User-Agent: originsec.cloudflare/{VERSION}", "Accept: */*", "Connection: close"),
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
