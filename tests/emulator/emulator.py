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
* attributes of the emulator (delays, list lag, quota, what the API's facts leave open) and of each zone can be set at
  any time;
* ``emulator.advance(seconds)`` moves its clock, so that nobody has to sleep;
* ``emulator.site("example.com")`` says what visitors of a site get, which the emulator serves as well (``sites.py``).

The same is open over HTTP under ``/emulator`` for tests that run in another process (see ``_control``).
Delays are seconds throughout; they are zero unless a test sets them.

The package: ``certificates.py`` reads PEM, ``model.py`` is what is kept, ``endpoints.py`` what the API does with it,
``sites.py`` what visitors get, ``edge.py`` an edge that pulls from real origins. It imports by relative names only.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import secrets
import ssl
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from .certificates import ParsedCertificate, pem_blocks
from .endpoints import Call, Endpoints, Handler, Page, Route
from .model import (
    ALL_PERMISSIONS,
    COMPLIANCE_GROUPS,
    READ_PERMISSIONS,
    SETTINGS_READ,
    SETTINGS_WRITE,
    SSL_READ,
    SSL_WRITE,
    ZONE_READ,
    Association,
    Certificate,
    Exchange,
    Fault,
    Identity,
    NotJsonError,
    RefusalError,
    Reply,
    Zone,
    timestamp,
)
from .sites import FROM_CACHE, Site

__all__ = [
    "ALL_PERMISSIONS",
    "COMPLIANCE_GROUPS",
    "READ_PERMISSIONS",
    "SETTINGS_READ",
    "SETTINGS_WRITE",
    "SSL_READ",
    "SSL_WRITE",
    "ZONE_READ",
    "Association",
    "Certificate",
    "Emulator",
    "Exchange",
    "Fault",
    "Reply",
    "Site",
    "Zone",
]

PREFIX = "/client/v4"
CONTROL = "/emulator"
SITES = "/site/"


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
        # Hostnames: how long a change of an association takes to be active, and voiding to be done
        self.association_delay = 0.0
        self.void_delay = 0.0
        self.association_times_out = False
        self.hostname_certificate_limit = 10
        self.association_limit = 100
        # "full", or "short" for items of six fields; "404" and "405" where there is no such list
        self.association_list: Literal["full", "short", "404", "405"] = "full"
        # What the facts leave open, or have both ways
        self.hostname_list_null = False  # an empty list of hostname certificates is null
        self.void_associations_stay = False  # readable with enabled null, instead of 404
        self.old_ids_revive = False  # a hostname certificate that is uploaded again gets the id that it had
        self.put_answers_all = False  # to associate answers all associations, not only those that were sent
        self.shared_without_certificate = False  # the zone level that is on without one presents the shared one
        # Automatic SSL/TLS: seconds until it puts back what was written; whether writing ends it instead
        self.ssl_automatic_delay = 0.0
        self.ssl_write_ends_automatic = False
        # Seconds until the edge, and the sites, see what a write to the API changed
        self.edge_delay = 0.0
        # Of every envelope; Origin PQE, once it is at its end: 404 or 410
        self.messages: list[dict[str, Any]] = []
        self.pqe_gone: int | None = None
        # The rate limit; tests scale the five minutes down
        self.quota = 1200
        self.window = 300.0
        self.block = 300.0
        # The compliance setting was seen to echo another id than the reference documents.
        self.compliance_id = "origin_tls_cmpl"

        self.sites: dict[str, Site] = {}
        self._tokens: dict[str, Identity] = {}
        self._keys: dict[tuple[str, str], Identity] = {}
        self._windows: dict[str, tuple[float, int]] = {}
        self._blocked: dict[str, float] = {}
        self._advanced = 0.0
        self._lock = threading.RLock()
        self._routes = Endpoints(self).routes
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

    def status(self, certificate: Certificate, at: float | None = None) -> str:
        """Where a certificate is in its life-cycle, now or at a time of the emulator's clock."""
        at = self.now() if at is None else at
        if certificate.deleted_at is not None:
            if at - certificate.deleted_at < self.deletion_delay:
                return "pending_deletion"
            return "deletion_timed_out" if certificate.deletion_times_out else "deleted"
        age = at - certificate.uploaded_at
        if age < self.deployment_delay:
            return "initializing" if age < self.deployment_delay / 3 else "pending_deployment"
        return "deployment_timed_out" if certificate.deployment_times_out else "active"

    def active(self, zone: Zone) -> list[str]:
        """The ids of the zone level's active certificates; the last one is what the edge presents."""
        return self._active(zone, self.now())

    def _active(self, zone: Zone, at: float) -> list[str]:
        return [id_ for id_, certificate in zone.certificates.items() if self.status(certificate, at) == "active"]

    def association_status(self, association: Association, at: float | None = None) -> str:
        age = (self.now() if at is None else at) - association.changed_at
        if association.enabled is None:
            if age < self.void_delay:
                return "pending_deletion"
            return "deletion_timed_out" if association.times_out else "deleted"
        if age < self.association_delay:
            return "pending_deployment"
        return "deployment_timed_out" if association.times_out else "active"

    def obeyed(self, association: Association, at: float | None = None) -> Association | None:
        """What the edge does for the hostname: until the change is deployed, what it did before. None: the zone level.

        A certificate that was deleted meanwhile is presented no more all the same, and nothing in its place (assumed).
        """
        status = self.association_status(association, at)
        if status in ("active", "deleted"):
            return association if status == "active" else None
        return association.deployed

    def _covered(self, zone: Zone, association: Association, at: float) -> bool:
        """Whether there is something to present."""
        certificate = zone.hostname_certificates.get(association.certificate_id)
        return certificate is not None and self.status(certificate, at) == "active"

    def ssl_mode(self, zone: Zone, at: float | None = None) -> str:
        """The SSL mode, which Automatic SSL/TLS may still have to put back."""
        at = self.now() if at is None else at
        return zone.ssl_written[0] if zone.ssl_written and at < zone.ssl_written[1] else zone.ssl_mode

    # -- what the edge sees

    def zone_of(self, host: str) -> Zone | None:
        """The zone that a hostname is in."""
        zones = [zone for zone in list(self.zones.values()) if f".{host.lower()}".endswith(f".{zone.name}")]
        return max(zones, key=lambda zone: len(zone.name), default=None)

    def at_edge(self, zone: Zone) -> tuple[Zone, float]:
        """The zone as the edge knows it, and the time to judge its certificates at.

        What a test sets without the API the edge knows at once, unless the API changed the zone within the delay.
        """
        with self._lock:
            at = self.now() - self.edge_delay
            return next((before for written, before in zone.history if written > at), zone), at

    def presented(self, zone: Zone, host: str = "") -> Certificate | Literal["shared"] | None:
        """What the edge presents to the origins of a hostname at this moment: of the hostname's level, else of the
        zone's, else the certificate that all Cloudflare customers share.
        """
        with self._lock:
            known, at = self.at_edge(zone)
            association = known.associations.get(host.lower())
            obeyed = self.obeyed(association, at) if association else None
            if obeyed:
                covered = obeyed.enabled and self._covered(known, obeyed, at)
                return known.hostname_certificates[obeyed.certificate_id] if covered else None
            active = self._active(known, at) if known.aop_enabled else []
            if active:
                return known.certificates[active[-1]]
            # That the zone level gives way when it is on without a certificate is assumed
            alone = known.aop_enabled and self.shared_without_certificate
            return "shared" if known.global_aop_enabled or alone else None

    def site(self, host: str) -> Site:
        """What visitors of a host, and of the hosts below it, get: see ``sites.py``."""
        return self.sites.setdefault(host.lower(), Site())

    def site_of(self, host: str) -> Site:
        """The host's own, or that of the nearest name above it."""
        labels = host.lower().split(".")
        names = [".".join(labels[start:]) for start in range(len(labels))]
        return next((self.sites[name] for name in names if name in self.sites), Site())

    # -- certificates that are there already, whatever the API would have said of it

    def upload(
        self,
        zone: Zone,
        certificate_pem: str,
        private_key: str = "",
        *,
        hostname_level: bool = False,
        id_: str | None = None,
    ) -> Certificate:
        parsed = ParsedCertificate.from_der(pem_blocks(certificate_pem)[0][1])
        certificate = Certificate(parsed, timestamp(), self.now(), self.deployment_times_out, private_key=private_key)
        certificate.id = id_ or certificate.id
        store = zone.hostname_certificates if hostname_level else zone.certificates
        store.pop(certificate.id, None)
        store[certificate.id] = certificate
        return certificate

    def associate(self, zone: Zone, hostname: str, certificate: Certificate, enabled: bool = True) -> Association:
        """An association that has long been active."""
        now, past = timestamp(), -math.inf
        association = Association(hostname.lower(), certificate.id, enabled, now, past, now, past)
        zone.associations[association.hostname] = association
        return association

    def count(self) -> Counter[str]:
        """How many requests of each method came in to the API."""
        return Counter(exchange.method for exchange in self.journal if not exchange.path.startswith(f"/{SITES}"))

    # -- a request

    def handle(self, method: str, target: str, headers: Any, raw: bytes) -> Reply:
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if url.path.startswith(CONTROL):
            with self._lock:
                return self._control(method, url.path[len(CONTROL) :], raw)
        host = ""
        if url.hostname and f"{self._scheme}://{url.netloc}" != self.origin:  # we are somebody's proxy
            host, path = url.hostname, f"/{SITES}{url.hostname}{url.path or '/'}"
        elif url.path.startswith(SITES):
            host, path = url.path[len(SITES) :].partition("/")[0], f"/{url.path}"
        else:
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
        if host:
            time.sleep(self.site_of(host).delay)
        with self._lock:
            reply = self._visit(host, fault) if host else self._answer(exchange, headers, malformed, fault)
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
        replaced = fault is not None and fault.replaces
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
            payload = {"success": False, "errors": refusal.errors, "messages": self.messages, "result": None}
        except NotJsonError as error:
            return Reply(error.status, error.body.encode(), {**_ray(), "Content-Type": "text/plain", **limits})
        if fault and replaced:
            return self._replacement(fault)
        answered = {**_ray(), "Content-Type": "application/json", **limits, **(fault.headers if fault else {})}
        return Reply(status, json.dumps(payload).encode(), answered)

    @staticmethod
    def _replacement(fault: Fault) -> Reply:
        if fault.drop:
            return Reply(0, None, {})
        status = fault.status or 200
        if isinstance(fault.body, dict):
            headers = {**_ray(), "Content-Type": "application/json", **fault.headers}
            return Reply(status, json.dumps(fault.body).encode(), headers)
        html = f"<html><head><title>{status}</title></head><body>cloudflare</body></html>"
        body = html if fault.body is None else fault.body
        encoded = body if isinstance(body, bytes) else body.encode()
        return Reply(status, encoded, {**_ray(), "Content-Type": "text/html", **fault.headers})

    def _visit(self, host: str, fault: Fault | None) -> Reply:
        """What a visitor of the site gets."""
        site, zone = self.site_of(host), self.zone_of(host)
        if fault and fault.replaces:
            return self._replacement(fault)
        if site.dark:
            return Reply(0, None, {})
        proxied = zone is None or zone.proxied
        own = site.own_answer() if proxied else None
        if own:
            status, headers, text = own
            return Reply(status, text.encode(), headers)
        status = site.status() if callable(site.status) else site.status
        if zone and proxied and site.cache_status not in FROM_CACHE and self._all_so(zone, site.dark_while):
            status = site.dark_status
        headers = site.marks(status) if proxied else site.headers
        return Reply(status, site.body.encode(), {"Content-Type": "text/plain", **headers})

    def _all_so(self, zone: Zone, attributes: dict[str, Any]) -> bool:
        """Whether they are the zone's, as far as the edge knows."""
        known, at = self.at_edge(zone)
        values = {**vars(known), "ssl_mode": self.ssl_mode(known, at)}
        return bool(attributes) and all(values[name] == value for name, value in attributes.items())

    def _conclude(self, exchange: Exchange, reply: Reply) -> None:
        exchange.status = reply.status or None
        if reply.body and reply.status >= 400:
            # A fault's body may be anything
            with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):
                exchange.codes = [error["code"] for error in json.loads(reply.body)["errors"]]
        zone = self.zones.get(exchange.path.split("/")[2] if exchange.path.count("/") > 1 else "")
        if zone:
            exchange.aop_enabled, exchange.active = zone.aop_enabled, self.active(zone)
            exchange.uncovered = [
                association.hostname
                for association in zone.associations.values()
                if association.enabled and not self._covered(zone, association, self.now())
            ]

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
        unchanged = route.handler if reading else route.unchanged or self._find("GET", exchange.path)
        if fault and reading and fault.stale and zone.before:
            result = route.handler(replace(call, zone=zone.before))
        elif fault and not reading and fault.ignore and unchanged:
            result = unchanged(call)
        else:
            before = zone if reading else zone.copy()
            result = route.handler(call)
            if not reading:
                now = self.now()
                zone.history = [past for past in zone.history if past[0] > now - self.edge_delay] + [(now, before)]
                zone.before = before
                if fault and fault.stale and unchanged:
                    result = unchanged(replace(call, zone=before))
        envelope = {"success": True, "errors": [], "messages": self.messages}
        return {**envelope, **result} if isinstance(result, Page) else {**envelope, "result": result}

    def _route(self, identity: Identity, exchange: Exchange) -> tuple[Route, Call]:
        path = exchange.path
        fitting = [route for route in self._routes if route.path.fullmatch(path)]
        if not fitting:
            perhaps = f"Could not route to {path}, perhaps your object identifier is invalid?"
            raise RefusalError(400, 7003, perhaps, (7000, "No route for that URI"))
        route = next((route for route in fitting if route.method == exchange.method), None)
        if route is None:
            raise RefusalError(405, 10405, "Method not allowed for this authentication scheme")
        named = route.path.fullmatch(path)
        names = named.groupdict() if named else {}
        zone = Zone("")
        if "zone" in names:
            found = self.zones.get(names["zone"])
            if found is None or not identity.sees(found):
                reading_it = path == f"/zones/{names['zone']}"
                denied = "Invalid zone identifier" if reading_it else "Unauthorized to access requested resource"
                raise RefusalError(403, 9109, denied)
            zone = found
        if not any(identity.may(permission) for permission in route.permissions):
            raise RefusalError(403, 10000, "Authentication error")
        hostname_level = "/origin_tls_client_auth/hostnames/" in path
        return route, Call(identity, exchange.query, exchange.body, zone, names, hostname_level)

    def _find(self, method: str, path: str) -> Handler | None:
        return next((r.handler for r in self._routes if r.method == method and r.path.fullmatch(path)), None)

    # -- the test's own door

    def _control(self, method: str, path: str, raw: bytes) -> Reply:
        """For tests in another process.

        ``GET /emulator/journal`` lists the exchanges (private keys left out), ``DELETE`` empties it;
        ``POST /emulator/faults`` queues the Fault of its body; ``PATCH /emulator/settings`` sets attributes of the
        emulator, ``PATCH /emulator/zones/{id}`` those of a zone and ``PATCH /emulator/sites/{host}`` those of a site;
        ``POST /emulator/zones`` adds a zone.
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
        elif method == "PATCH" and (path == "/settings" or path[7:] in self.zones or path.startswith("/sites/")):
            target: Emulator | Zone | Site
            if path == "/settings":
                target = self
            else:
                target = self.zones[path[7:]] if path.startswith("/zones/") else self.site(path[7:])
            for name, value in body.items():
                if not hasattr(target, name):
                    return Reply(400, json.dumps({"error": f"no attribute {name}"}).encode(), {})
                setattr(target, name, value)
        else:
            return Reply(404, json.dumps({"error": f"no {method} {CONTROL}{path}"}).encode(), {})
        return Reply(200, json.dumps({"result": result}).encode(), {"Content-Type": "application/json"})


def _ray() -> dict[str, str]:
    return {"CF-Ray": f"{secrets.token_hex(8)}-EMU"}


def _without_key(exchange: Exchange) -> dict[str, Any]:
    entry = asdict(exchange)
    if isinstance(exchange.body, dict) and "private_key" in exchange.body:
        entry["body"] = {**exchange.body, "private_key": "(left out)"}
    return entry


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
        headers = {"Date": self.date_time_string(), "Content-Length": len(reply.body), **reply.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.close_connection = self.close_connection or reply.cut
        sent = reply.body[: len(reply.body) // 2] if reply.cut else b"" if self.command == "HEAD" else reply.body
        self.wfile.write(f"HTTP/1.1 {reply.status} {reason}\r\n{head}\r\n".encode() + sent)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815 - as http.server looks for them

    def log_message(self, format: str, *args: object) -> None:
        """The journal is the log."""
