# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stateful emulator of the part of the Cloudflare v4 API that this collection uses.

It is written from the facts about the API, not from our client, and speaks real HTTP on the loopback
interface. Standard library only.

    with Emulator() as emulator:
        zone = emulator.add_zone("example.com")
        token = emulator.add_token()
        requests.get(f"{emulator.url}/zones/{zone.id}", headers={"Authorization": f"Bearer {token}"})

What a test can do besides talking to the API:

* ``emulator.journal`` holds every exchange, with the state of the zone's client authentication after it;
* ``emulator.faults.append(Fault(...))`` makes a later request go wrong;
* attributes of the emulator (delays, list lag, quota) and of each zone can be set at any time;
* ``emulator.advance(seconds)`` moves its clock, so that nobody has to sleep.

The same is open over HTTP under ``/emulator`` for tests that run in another process (see ``_control``).
Delays are seconds throughout; they are zero unless a test sets them.

Where nothing is on record about the API, the emulator is lenient. What had to be something is marked *assumed*.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import datetime
import json
import math
import re
import secrets
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import parse_qsl, urlsplit

PREFIX = "/client/v4"
CONTROL = "/emulator"

# A permission to write includes the one to read.
SSL_READ, SSL_WRITE = "SSL and Certificates Read", "SSL and Certificates Write"
SETTINGS_READ, SETTINGS_WRITE = "Zone Settings Read", "Zone Settings Write"
ZONE_READ = "Zone Read"
ALL_PERMISSIONS = frozenset({SSL_WRITE, SETTINGS_WRITE, ZONE_READ})
READ_PERMISSIONS = frozenset({SSL_READ, SETTINGS_READ, ZONE_READ})

# The key-exchange groups that each compliance mode leaves. Modes are combined as an intersection, and an empty
# one is refused: pqh with cnsa2 here. cnsa2 is only announced, and its groups are assumed.
COMPLIANCE_GROUPS = {
    "fips": {"P-256", "P-384", "X25519MLKEM768", "SecP384r1MLKEM1024"},
    "pqh": {"X25519MLKEM768"},
    "cnsa2": {"SecP384r1MLKEM1024"},
}

# ------------------------------------------------------------------------------------------- certificates

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


def _pem_blocks(text: str) -> list[tuple[str, bytes]]:
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


def _check_private_key(pem: str, public_key: bytes) -> str | None:
    """Why Cloudflare would refuse the key, or None."""
    if "ENCRYPTED" in pem:
        return "The private key must not be encrypted."
    blocks = _pem_blocks(pem)
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


# ------------------------------------------------------------------------------------------------- state


@dataclass
class Certificate:
    """A client certificate as Cloudflare keeps it, from its upload until long after its deletion."""

    parsed: ParsedCertificate
    uploaded_on: str
    uploaded_at: float
    deployment_times_out: bool
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    deleted_at: float | None = None
    deletion_times_out: bool = False
    private_key: str = field(default="", repr=False)
    """For the edge alone: nothing that the API or the control door answers holds it."""

    def pem(self) -> str:
        """Never the text that was uploaded: other line breaks, no newline at the end."""
        body = base64.b64encode(self.parsed.der).decode()
        lines = [body[start : start + 76] for start in range(0, len(body), 76)]
        return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"])


@dataclass
class Zone:
    """A zone with its settings; every attribute may be set by a test at any time."""

    name: str
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    status: str = "active"
    paused: bool = False
    type: str = "full"
    plan: str = "Pro Website"
    account_id: str = "0123456789abcdef0123456789abcdef"
    account_name: str = "Example"
    ssl_mode: str = "full"
    kex_enabled: bool = False
    pqe_value: str = "supported"
    compliance_modes: list[str] = field(default_factory=list)
    aop_enabled: bool = False
    certificates: dict[str, Certificate] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """Where the edge finds the origin, as host:port by scheme; nobody listens on what is not there."""
    origin_authorities: str = ""
    """Whom the edge trusts to issue the origin's certificate, in PEM."""
    modified_on: dict[str, str] = field(default_factory=dict)
    changed_at: float = -math.inf
    """When its client certificates were last changed, on the emulator's clock."""
    before: Zone | None = None
    """A copy of the zone as it was before the last write, for stale answers."""

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "paused": self.paused,
            "type": self.type,
            "development_mode": 0,
            "name_servers": ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
            "original_name_servers": None,
            "created_on": "2024-01-01T00:00:00.000000Z",
            "modified_on": "2024-01-02T00:00:00.000000Z",
            "activated_on": "2024-01-02T00:00:00.000000Z",
            "meta": {"step": 2, "custom_certificate_quota": 1, "page_rule_quota": 20, "phishing_detected": False},
            "owner": {"id": None, "type": "user", "email": None},
            "account": {"id": self.account_id, "name": self.account_name},
            "plan": {"id": "94f3b7b768b0458b56d2cac4fe5ec0f9", "name": self.plan, "price": 20, "currency": "USD"},
            "permissions": ["#zone:read"],
        }


@dataclass(frozen=True)
class Identity:
    """Somebody who may call: the user that the rate limit counts, permissions, and zones (None: all)."""

    user: str
    permissions: frozenset[str]
    zones: frozenset[str] | None

    def may(self, permission: str) -> bool:
        return permission in self.permissions or permission.replace("Read", "Write") in self.permissions

    def sees(self, zone: Zone) -> bool:
        return self.zones is None or zone.id in self.zones


@dataclass
class Fault:
    """One way for the next matching requests to go wrong.

    ``delay`` alone is a slow answer, to work that was done late, or with ``after_work`` at once. ``drop`` closes the
    connection instead of answering, ``cut`` in the middle of the answer's body. ``status`` and ``body`` replace the
    answer (a ``body`` alone has status 200); a dict is sent as JSON, a str as HTML, bytes as they are. ``stale`` does
    the work but answers with the state before it (for a read: before the last write). Unless ``after_work``, a
    dropped or replaced request has not been done; with ``ignore`` a write is answered as if it had asked for nothing.
    """

    method: str = ".*"
    path: str = ".*"
    times: int = 1
    skip: int = 0
    delay: float = 0.0
    drop: bool = False
    cut: bool = False
    status: int | None = None
    body: str | bytes | dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    stale: bool = False
    ignore: bool = False
    after_work: bool = False

    def applies(self, method: str, path: str) -> bool:
        return self.times > 0 and bool(re.fullmatch(self.method, method) and re.fullmatch(self.path, path))


@dataclass
class Exchange:
    """One request and what came of it. ``aop_enabled`` and ``active`` are the zone's afterwards."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    body: Any
    user_agent: str
    status: int | None = None
    codes: list[int] = field(default_factory=list)
    aop_enabled: bool | None = None
    active: list[str] = field(default_factory=list)


class RefusalError(Exception):
    """An error answer: status, (code, message) pairs, and perhaps an error chain."""

    def __init__(
        self, status: int, code: int, message: str, *more: tuple[int, str], chain: tuple[int, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors: list[dict[str, Any]] = [{"code": code, "message": message}]
        self.errors += [{"code": code, "message": message} for code, message in more]
        if chain:
            self.errors[0]["error_chain"] = [{"code": chain[0], "message": chain[1]}]


@dataclass
class Reply:
    status: int
    body: bytes | None  # None: close the connection without a word
    headers: dict[str, str]
    cut: bool = False


@dataclass
class _Call:
    """What a handler gets: the request, already allowed to be made."""

    identity: Identity
    query: dict[str, str]
    body: Any
    zone: Zone
    certificate_id: str


@dataclass(frozen=True)
class _Route:
    method: str
    path: re.Pattern[str]
    permission: str
    handler: Callable[[_Call], Any]


# ---------------------------------------------------------------------------------------------- emulator


class Emulator:
    """The API, its state and the server in front of it. Use it as a context manager, or ``start`` and ``stop`` it."""

    def __init__(self, port: int = 0, ssl_context: ssl.SSLContext | None = None) -> None:
        self.zones: dict[str, Zone] = {}
        self.journal: list[Exchange] = []
        self.faults: list[Fault] = []
        # The life of a certificate
        self.deployment_delay = 0.0
        self.deployment_times_out = False
        self.deletion_delay = 0.0
        self.deletion_times_out = False
        self.list_lag = 0.0
        self.change_duration = 0.0
        # The rate limit; tests scale the five minutes down
        self.quota = 1200
        self.window = 300.0
        self.block = 300.0
        # The compliance setting was seen to echo another id than the reference documents.
        self.compliance_id = "origin_tls_cmpl"

        self._tokens: dict[str, Identity] = {}
        self._keys: dict[tuple[str, str], Identity] = {}
        self._windows: dict[str, tuple[float, int]] = {}
        self._blocked: dict[str, float] = {}
        self._advanced = 0.0
        self._lock = threading.RLock()
        self._routes = self._make_routes()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.emulator = self
        if ssl_context:
            self._server.socket = ssl_context.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https" if ssl_context else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The base URL, as in CLOUDFLARE_BASE_URL."""
        return self.origin + PREFIX

    # -- what a test sets up

    def add_zone(self, name: str, **attributes: Any) -> Zone:
        zone = Zone(name, **attributes)
        self.zones[zone.id] = zone
        return zone

    def add_token(
        self,
        permissions: frozenset[str] = ALL_PERMISSIONS,
        zones: list[Zone] | None = None,
        user: str = "user",
        token: str | None = None,
    ) -> str:
        """A token with these permission groups for these zones (None: all), made up unless given."""
        token = token or secrets.token_urlsafe(30)
        visible = None if zones is None else frozenset(zone.id for zone in zones)
        self._tokens[token] = Identity(user, permissions, visible)
        return token

    def add_key(self, email: str, user: str = "user", key: str | None = None) -> str:
        """The global API key of a user, which may do everything, made up unless given."""
        key = key or secrets.token_hex(19)[:37]
        self._keys[email, key] = Identity(user, ALL_PERMISSIONS, None)
        return key

    def now(self) -> float:
        return time.monotonic() + self._advanced

    def advance(self, seconds: float) -> None:
        self._advanced += seconds

    def status(self, certificate: Certificate) -> str:
        """Where a certificate is in its life-cycle."""
        if certificate.deleted_at is not None:
            if self.now() - certificate.deleted_at < self.deletion_delay:
                return "pending_deletion"
            return "deletion_timed_out" if certificate.deletion_times_out else "deleted"
        age = self.now() - certificate.uploaded_at
        if age < self.deployment_delay:
            return "initializing" if age < self.deployment_delay / 3 else "pending_deployment"
        return "deployment_timed_out" if certificate.deployment_times_out else "active"

    def active(self, zone: Zone) -> list[str]:
        """The ids of the zone's active certificates; the last one is what the edge presents."""
        return [id_ for id_, certificate in zone.certificates.items() if self.status(certificate) == "active"]

    def presented(self, zone: Zone) -> Certificate | None:
        """What the edge presents to the zone's origins at this moment."""
        with self._lock:
            active = self.active(zone) if zone.aop_enabled else []
            return zone.certificates[active[-1]] if active else None

    def upload(self, zone: Zone, certificate_pem: str, private_key: str = "") -> Certificate:
        """A certificate that is in the zone already, whatever the API would have said of it."""
        parsed = ParsedCertificate.from_der(_pem_blocks(certificate_pem)[0][1])
        certificate = Certificate(parsed, _timestamp(), self.now(), self.deployment_times_out, private_key=private_key)
        zone.certificates[certificate.id] = certificate
        return certificate

    def count(self) -> Counter[str]:
        """How many requests of each method came in."""
        return Counter(exchange.method for exchange in self.journal)

    # -- a request

    def handle(self, method: str, target: str, headers: Any, raw: bytes) -> Reply:
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if url.path.startswith(CONTROL):
            with self._lock:
                return self._control(method, url.path[len(CONTROL) :], raw)
        # Another slash in front: what is outside the API fits no route.
        path = url.path[len(PREFIX) :] if url.path.startswith(PREFIX) else f"/{url.path}"
        try:
            body = json.loads(raw) if raw else None
            malformed = False
        except ValueError:
            body, malformed = None, True
        exchange = Exchange(self.now(), method, path, query, body, headers.get("User-Agent", ""))
        with self._lock:
            self.journal.append(exchange)
            fault = self._next_fault(method, path)
        if fault and not fault.after_work:
            time.sleep(fault.delay)
        with self._lock:
            reply = self._answer(exchange, headers, malformed, fault)
            self._conclude(exchange, reply)
        if fault and fault.after_work:
            time.sleep(fault.delay)
        reply.cut = fault is not None and fault.cut
        return reply

    def _next_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.applies(method, path):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def _answer(self, exchange: Exchange, headers: Any, malformed: bool, fault: Fault | None) -> Reply:
        limits = self._limits(self.quota, self.window)  # of nobody in particular, until it is known who calls
        replaced = fault is not None and (fault.drop or fault.status is not None or fault.body is not None)
        if fault and replaced and not fault.after_work:
            return self._replacement(fault)
        try:
            identity = self._authenticate(headers)
            self._limit(identity, limits)
            if malformed:
                raise RefusalError(400, 6007, "Malformed JSON in request body")  # the code is assumed
            payload, status = self._work(identity, exchange, fault), 200
        except RefusalError as refusal:
            status = refusal.status
            payload = {"success": False, "errors": refusal.errors, "messages": [], "result": None}
        if fault and replaced:
            return self._replacement(fault)
        answered = {"Content-Type": "application/json", **limits, **(fault.headers if fault else {})}
        return Reply(status, json.dumps(payload).encode(), answered)

    @staticmethod
    def _replacement(fault: Fault) -> Reply:
        if fault.drop:
            return Reply(0, None, {})
        status = fault.status or 200
        if isinstance(fault.body, dict):
            return Reply(status, json.dumps(fault.body).encode(), {"Content-Type": "application/json", **fault.headers})
        html = f"<html><head><title>{status}</title></head><body>cloudflare</body></html>"
        body = html if fault.body is None else fault.body
        encoded = body if isinstance(body, bytes) else body.encode()
        return Reply(status, encoded, {"Content-Type": "text/html", **fault.headers})

    def _conclude(self, exchange: Exchange, reply: Reply) -> None:
        exchange.status = reply.status or None
        if reply.body and reply.status >= 400:
            # A fault's body may be anything
            with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):
                exchange.codes = [error["code"] for error in json.loads(reply.body)["errors"]]
        zone = self.zones.get(exchange.path.split("/")[2] if exchange.path.count("/") > 1 else "")
        if zone:
            exchange.aop_enabled, exchange.active = zone.aop_enabled, self.active(zone)

    def _authenticate(self, headers: Any) -> Identity:
        authorization = headers.get("Authorization")
        email, key = headers.get("X-Auth-Email"), headers.get("X-Auth-Key")
        if authorization is not None:
            match = re.fullmatch(r"""Bearer ([^\s"']+)""", authorization)
            if not match:
                chain = (6111, "Invalid format for Authorization header")
                raise RefusalError(400, 6003, "Invalid request headers", chain=chain)
            identity = self._tokens.get(match[1])
            if identity is None:
                raise RefusalError(403, 9109, "Invalid access token")
            return identity
        # The codes 9106, 6102 and 9103 are not on record for these endpoints.
        if key is None or email is None:
            raise RefusalError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        if not re.fullmatch(r"[0-9A-Fa-f]{37}|cfk_\S+", key):
            raise RefusalError(
                400, 6003, "Invalid request headers", chain=(6103, "Invalid format for X-Auth-Key header")
            )
        if "@" not in email:
            raise RefusalError(
                400, 6003, "Invalid request headers", chain=(6102, "Invalid format for X-Auth-Email header")
            )
        if (email, key) not in self._keys:
            raise RefusalError(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")
        return self._keys[email, key]

    def _limit(self, identity: Identity, headers: dict[str, str]) -> None:
        """Count the request; past the quota every call is refused until the block is over."""
        now, user = self.now(), identity.user
        started, used = self._windows.get(user, (now, 0))
        if now - started >= self.window:
            started, used = now, 0
        if now >= self._blocked.get(user, -math.inf):
            if user in self._blocked:
                del self._blocked[user]
                started, used = now, 0
            used += 1
            self._windows[user] = started, used
            if used > self.quota:
                self._blocked[user] = now + self.block
        reset = self._blocked.get(user, started + self.window) - now
        headers.update(self._limits(max(self.quota - used, 0), reset))
        if user in self._blocked:
            headers["Retry-After"] = str(math.ceil(reset))
            raise RefusalError(429, 971, "Please wait and consider throttling your request speed")

    def _limits(self, remaining: int, reset: float) -> dict[str, str]:
        return {
            "Ratelimit": f'"default";r={remaining};t={math.ceil(reset)}',
            "Ratelimit-Policy": f'"default";q={self.quota};w={math.ceil(self.window)}',
        }

    def _work(self, identity: Identity, exchange: Exchange, fault: Fault | None) -> dict[str, Any]:
        route, call = self._route(identity, exchange)
        zone, reading = call.zone, exchange.method == "GET"
        read = route.handler if reading else self._find("GET", exchange.path)
        if fault and reading and fault.stale and zone.before:
            result = route.handler(_Call(identity, call.query, None, zone.before, call.certificate_id))
        elif fault and not reading and fault.ignore and read:
            result = read(call)
        else:
            before = copy.copy(zone)
            before.certificates = dict(zone.certificates)
            before.compliance_modes = list(zone.compliance_modes)
            before.before = None
            result = route.handler(call)
            if not reading:
                zone.before = before
                if fault and fault.stale and read:
                    result = read(_Call(identity, call.query, None, before, call.certificate_id))
        envelope = {"success": True, "errors": [], "messages": []}
        return {**envelope, **result} if isinstance(result, _Page) else {**envelope, "result": result}

    def _route(self, identity: Identity, exchange: Exchange) -> tuple[_Route, _Call]:
        path = exchange.path
        fitting = [route for route in self._routes if route.path.fullmatch(path)]
        if not fitting:
            perhaps = f"Could not route to {path}, perhaps your object identifier is invalid?"
            raise RefusalError(400, 7003, perhaps, (7000, "No route for that URI"))
        route = next((route for route in fitting if route.method == exchange.method), None)
        if route is None:
            raise RefusalError(405, 10405, "Method not allowed for this authentication scheme")
        named = fitting[0].path.fullmatch(path)
        parts = named.groupdict() if named else {}
        zone = Zone("")
        if "zone" in parts:
            found = self.zones.get(parts["zone"])
            if found is None or not identity.sees(found):
                raise RefusalError(403, 9109, "Unauthorized to access requested resource")
            zone = found
        if not identity.may(route.permission):
            raise RefusalError(403, 10000, "Authentication error")
        return route, _Call(identity, exchange.query, exchange.body, zone, parts.get("certificate", ""))

    def _find(self, method: str, path: str) -> Callable[[_Call], Any] | None:
        return next((r.handler for r in self._routes if r.method == method and r.path.fullmatch(path)), None)

    # -- the endpoints

    def _make_routes(self) -> list[_Route]:
        zone, aop = "/zones/{zone}", "/zones/{zone}/origin_tls_client_auth"
        compliance, pqe = f"{zone}/settings/origin_tls_compliance_modes", f"{zone}/cache/origin_post_quantum_encryption"
        table: list[tuple[str, str, str, Callable[[_Call], Any]]] = [
            ("GET", "/zones", ZONE_READ, self._list_zones),
            ("GET", zone, ZONE_READ, lambda call: call.zone.describe()),
            ("GET", f"{zone}/settings/ssl", SETTINGS_READ, self._read_ssl),
            ("GET", f"{zone}/settings/auto_origin_tls_kex", SETTINGS_READ, self._read_kex),
            ("PATCH", f"{zone}/settings/auto_origin_tls_kex", SETTINGS_WRITE, self._write_kex),
            ("GET", pqe, SETTINGS_READ, self._read_pqe),
            ("PUT", pqe, SETTINGS_WRITE, self._write_pqe),
            ("GET", compliance, SETTINGS_READ, self._read_compliance),
            ("PUT", compliance, SETTINGS_WRITE, self._write_compliance),
            ("PATCH", compliance, SETTINGS_WRITE, self._write_compliance),
            ("DELETE", compliance, SETTINGS_WRITE, self._clear_compliance),
            ("GET", aop, SSL_READ, self._list_certificates),
            ("POST", aop, SSL_WRITE, self._upload),
            ("GET", f"{aop}/settings", SSL_READ, lambda call: {"enabled": call.zone.aop_enabled}),
            ("PUT", f"{aop}/settings", SSL_WRITE, self._enable),
            ("GET", f"{aop}/{{certificate}}", SSL_READ, self._read_certificate),
            ("DELETE", f"{aop}/{{certificate}}", SSL_WRITE, self._delete_certificate),
        ]
        patterns = {"{zone}": "(?P<zone>[0-9a-f]{32})", "{certificate}": "(?P<certificate>(?!settings$)[^/]{1,36})"}

        def compiled(path: str) -> re.Pattern[str]:
            for placeholder, pattern in patterns.items():
                path = path.replace(placeholder, pattern)
            return re.compile(path)

        return [_Route(method, compiled(path), permission, handler) for method, path, permission, handler in table]

    def _list_zones(self, call: _Call) -> _Page:
        query = call.query
        zones = [zone for zone in self.zones.values() if call.identity.sees(zone)]
        if "name" in query:
            operator, _colon, value = query["name"].rpartition(":")
            matches: Callable[[str], bool] = {
                "not_equal": lambda name: name != value,
                "contains": lambda name: value in name,
                "starts_with": lambda name: name.startswith(value),
                "ends_with": lambda name: name.endswith(value),
            }.get(operator, lambda name: name == value)
            zones = [zone for zone in zones if matches(zone.name)]
        if "status" in query:
            zones = [zone for zone in zones if zone.status == query["status"]]
        if "account.id" in query:
            zones = [zone for zone in zones if zone.account_id == query["account.id"]]
        page, per_page = _number(query.get("page", "1")), _number(query.get("per_page", "20"))
        if page < 1 or not 5 <= per_page <= 50:  # how this is refused is assumed
            raise RefusalError(400, 6003, "Invalid request", chain=(6100, "per_page must be 5..50, page at least 1"))
        shown = zones[(page - 1) * per_page : page * per_page]
        return _Page(
            result=[zone.describe() for zone in shown],
            result_info={
                "page": page,
                "per_page": per_page,
                "count": len(shown),
                "total_count": len(zones),
                "total_pages": math.ceil(len(zones) / per_page),
            },
        )

    @staticmethod
    def _field(call: _Call, name: str, type_: type) -> Any:
        """The one field that a setting takes; anything else in its place is refused (the code is assumed)."""
        if not isinstance(call.body, dict) or not isinstance(call.body.get(name), type_):
            raise RefusalError(400, 1007, f"Invalid value for zone setting: '{name}' ({type_.__name__}) is required")
        return call.body[name]

    @staticmethod
    def _modified(zone: Zone, setting: str) -> None:
        zone.modified_on = {**zone.modified_on, setting: _timestamp()}

    def _read_ssl(self, call: _Call) -> dict[str, Any]:
        return {"id": "ssl", "value": call.zone.ssl_mode, "editable": True, "modified_on": None}

    def _read_kex(self, call: _Call) -> dict[str, Any]:
        modified_on = call.zone.modified_on.get("kex", "2024-01-02T00:00:00.000000Z")
        return {"id": "auto_origin_tls_kex", "enabled": call.zone.kex_enabled, "modified_on": modified_on}

    def _write_kex(self, call: _Call) -> dict[str, Any]:
        call.zone.kex_enabled = self._field(call, "enabled", bool)
        self._modified(call.zone, "kex")
        return self._read_kex(call)

    def _value(self, zone: Zone, setting: str, id_: str, value: Any) -> dict[str, Any]:
        answer = {"id": id_, "value": value, "editable": True}
        return {**answer, "modified_on": zone.modified_on[setting]} if setting in zone.modified_on else answer

    def _read_pqe(self, call: _Call) -> dict[str, Any]:
        return self._value(call.zone, "pqe", "origin_pqe", call.zone.pqe_value)

    def _write_pqe(self, call: _Call) -> dict[str, Any]:
        value = self._field(call, "value", str)
        if value not in ("preferred", "supported", "off"):
            raise RefusalError(400, 1007, "Invalid value for zone setting origin_pqe")
        call.zone.pqe_value = value
        self._modified(call.zone, "pqe")
        return self._read_pqe(call)

    def _read_compliance(self, call: _Call) -> dict[str, Any]:
        return self._value(call.zone, "compliance", self.compliance_id, call.zone.compliance_modes)

    def _write_compliance(self, call: _Call) -> dict[str, Any]:
        modes = self._field(call, "value", list)
        unknown = [mode for mode in modes if not isinstance(mode, str) or mode not in COMPLIANCE_GROUPS]
        if unknown:
            raise RefusalError(400, 1007, f"Invalid value for zone setting origin_tls_cmpl: {unknown[0]}")
        if modes and not set.intersection(*(COMPLIANCE_GROUPS[mode] for mode in modes)):
            raise RefusalError(400, 1007, "Invalid value for zone setting origin_tls_cmpl: no algorithm is left")
        call.zone.compliance_modes = sorted(set(modes))  # assumed: no order is promised
        self._modified(call.zone, "compliance")
        return self._read_compliance(call)

    def _clear_compliance(self, call: _Call) -> dict[str, Any]:
        call.zone.compliance_modes = []
        self._modified(call.zone, "compliance")
        return self._read_compliance(call)

    def _describe(self, certificate: Certificate, status: str | None = None) -> dict[str, Any]:
        return {
            "id": certificate.id,
            "certificate": certificate.pem(),
            "issuer": certificate.parsed.issuer,
            "signature": certificate.parsed.signature,
            "serial_number": certificate.parsed.serial_number,
            "expires_on": certificate.parsed.expires_on,
            "uploaded_on": certificate.uploaded_on,
            "status": status or self.status(certificate),
        }

    def _list_certificates(self, call: _Call) -> list[dict[str, Any]] | None:
        known = [
            certificate
            for certificate in call.zone.certificates.values()
            if self.now() - certificate.uploaded_at >= self.list_lag
        ]
        if not known:
            return None  # a zone that never had a certificate, as far as the list knows
        return [
            self._describe(certificate)
            for certificate in known
            if self.status(certificate) not in ("pending_deletion", "deleted")  # assumed: a timed out one is back
        ]

    def _change(self, zone: Zone) -> None:
        if self.now() - zone.changed_at < self.change_duration:
            # the code is assumed
            raise RefusalError(409, 1409, "Another change of this zone's client certificates is in progress")
        zone.changed_at = self.now()

    def _upload(self, call: _Call) -> dict[str, Any]:
        body = call.body if isinstance(call.body, dict) else {}
        pem, key = body.get("certificate"), body.get("private_key")
        if not isinstance(pem, str) or not isinstance(key, str):
            raise RefusalError(400, 1408, "Both 'certificate' and 'private_key' are required")
        try:
            label, der = _pem_blocks(pem)[0]
            if label != "CERTIFICATE":
                raise ValueError(label)
            parsed = ParsedCertificate.from_der(der)
        except (ValueError, IndexError):
            raise RefusalError(400, 1408, "The certificate could not be parsed.") from None
        if parsed.is_ca:
            raise RefusalError(400, 1412, "Only a leaf certificate (CA:FALSE) may be uploaded.")
        try:
            objection = _check_private_key(key, parsed.public_key)
        except (ValueError, IndexError):
            objection = "The private key could not be parsed."
        if objection:
            raise RefusalError(400, 1407, objection)  # no code for this is on record
        for other in call.zone.certificates.values():
            if other.parsed.der == parsed.der and self.status(other) != "deleted":
                raise RefusalError(400, 1406, "This certificate has already been submitted for this zone.")
        self._change(call.zone)
        # Only a deployment that takes no time at all is over by the time of the answer
        status = "initializing" if self.deployment_delay else None
        return self._describe(self.upload(call.zone, pem, key), status)

    def _certificate(self, call: _Call) -> Certificate:
        if call.certificate_id not in call.zone.certificates:
            raise RefusalError(404, 1551, "No certificate with that id was found")
        return call.zone.certificates[call.certificate_id]

    def _read_certificate(self, call: _Call) -> dict[str, Any]:
        return self._describe(self._certificate(call))

    def _delete_certificate(self, call: _Call) -> dict[str, Any]:
        certificate = self._certificate(call)
        status = self.status(certificate)
        if status == "deleted":
            raise RefusalError(404, 1552, "The certificate has been deleted")
        if status == "pending_deletion":
            raise RefusalError(400, 1414, "The certificate is already being deleted")
        if status in ("initializing", "pending_deployment"):  # assumed: it is pending from the start
            raise RefusalError(400, 1434, "The certificate cannot be deleted while its deployment is pending")
        self._change(call.zone)
        # Not the object that a stale answer still shows
        deleted = copy.copy(certificate)
        deleted.deleted_at, deleted.deletion_times_out = self.now(), self.deletion_times_out
        call.zone.certificates[certificate.id] = deleted
        return self._describe(deleted, status="pending_deletion")

    def _enable(self, call: _Call) -> dict[str, Any]:
        call.zone.aop_enabled = self._field(call, "enabled", bool)
        return {"enabled": call.zone.aop_enabled}

    # -- the test's own door

    def _control(self, method: str, path: str, raw: bytes) -> Reply:
        """For tests in another process.

        ``GET /emulator/journal`` lists the exchanges (private keys left out), ``DELETE`` empties it;
        ``POST /emulator/faults`` queues the Fault of its body; ``PATCH /emulator/settings`` sets attributes of the
        emulator, ``PATCH /emulator/zones/{id}`` those of a zone; ``POST /emulator/zones`` adds a zone.
        """
        body = json.loads(raw) if raw else {}
        result: Any = None
        if (method, path) == ("GET", "/journal"):
            result = [_without_key(exchange) for exchange in self.journal]
        elif (method, path) == ("DELETE", "/journal"):
            self.journal.clear()
        elif (method, path) == ("POST", "/faults"):
            self.faults.append(Fault(**body))
        elif (method, path) == ("POST", "/zones"):
            result = self.add_zone(**body).describe()
        elif method == "PATCH" and (path == "/settings" or path[7:] in self.zones):
            target: Emulator | Zone = self if path == "/settings" else self.zones[path[7:]]
            for name, value in body.items():
                if not hasattr(target, name):
                    return Reply(400, json.dumps({"error": f"no attribute {name}"}).encode(), {})
                setattr(target, name, value)
        else:
            return Reply(404, json.dumps({"error": f"no {method} {CONTROL}{path}"}).encode(), {})
        return Reply(200, json.dumps({"result": result}).encode(), {"Content-Type": "application/json"})


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


class _Page(dict[str, Any]):
    """A result that comes with a result_info."""


def _without_key(exchange: Exchange) -> dict[str, Any]:
    entry = asdict(exchange)
    if isinstance(exchange.body, dict) and "private_key" in exchange.body:
        entry["body"] = {**exchange.body, "private_key": "(left out)"}
    return entry


def _timestamp() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    emulator: Emulator

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or refused our certificate, is nothing to print. A bug of ours is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Each answer goes out as one segment at once; else a delayed ACK costs 40 ms a request.
    disable_nagle_algorithm = True

    def _respond(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.server.emulator.handle(self.command, self.path, self.headers, raw)
        if reply.body is None:
            self.close_connection = True
            return
        try:
            reason = HTTPStatus(reply.status).phrase
        except ValueError:
            reason = "Unknown"  # 520-527
        headers = {"Content-Length": len(reply.body), "CF-Ray": f"{secrets.token_hex(8)}-EMU", **reply.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.close_connection = self.close_connection or reply.cut
        sent = reply.body[: len(reply.body) // 2] if reply.cut else reply.body
        self.wfile.write(f"HTTP/1.1 {reply.status} {reason}\r\n{head}\r\n".encode() + sent)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815 - as http.server looks for them

    def log_message(self, format: str, *args: object) -> None:
        """The journal is the log."""
