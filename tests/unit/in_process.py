# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transaction of a zone in this process: no sockets, no waiting, and trouble with any request.

lab = Lab(emulator, patch)
lab.zone.aop_enabled = True
lab.trouble.append(Trouble("drop", at=5))
report = lab.harden(auto_origin_tls_kex=True)
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import RemoteDisconnected
from typing import Any, Callable

import pytest
import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

from ansible_collections.originsec.cloudflare.plugins.module_utils import (
    _client,
    _client_auth_calls,
    _edge,
    _hardening,
)
from ansible_collections.originsec.cloudflare.plugins.module_utils._client import ApiToken, Client
from ansible_collections.originsec.cloudflare.plugins.module_utils._hardening import HardeningError, Report, harden
from ansible_collections.originsec.cloudflare.plugins.module_utils._posture import ASPECTS
from ansible_collections.originsec.cloudflare.plugins.modules.origin_tls import MODULE
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Certificate, Emulator, Site, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

KEYS = {field.name for field in dataclasses.fields(Report)} - {"warnings", "diff"}
"""Of the return values."""


class Clock:
    """The module ``time`` as plugins see it, in which a pause moves the emulator's clock and takes no time."""

    def __init__(self, emulator: Emulator) -> None:
        self.monotonic = emulator.now
        self.sleep = emulator.advance
        self.time = time.time


class TaskTimeout(BaseException):
    """As ansible-core's of a task: no Exception, and raised wherever the process happens to be."""


class Killed(BaseException):
    """Of a process that is not there any more: whatever catches it can do nothing with the API."""


@dataclass
class Trouble:
    """What goes wrong with a request, and with its repetitions, or with all after it.

    at: its number, from 0, its name, or its method. kind: refused (403), error (500), drop, timeout, interrupt, or
    kill, after which there is no request any more. after_work: of a request that was carried out.
    lasting: for this method and path, until the end of the run; forever: for the whole API.
    """

    kind: str
    at: int | str
    after_work: bool = False
    lasting: bool = True
    forever: bool = False
    hit: str = ""

    def applies(self, number: int, request: str) -> bool:
        ends_the_run = self.kind in ("timeout", "interrupt", "kill")
        if request.startswith("VISIT") and not ends_the_run:
            return False
        if not self.hit and self.at in (number, request, request.split()[0]):
            self.hit = request
            return True
        return bool(self.hit) and not ends_the_run and (self.forever or (self.lasting and request == self.hit))


_ERRORS = {
    "refused": (403, b'{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}'),
    "error": (500, b'{"success":false,"errors":[{"code":1005,"message":"Internal error"}]}'),
}


@dataclass(repr=False)
class Lab:
    """An active zone, example.com, with a site, on an emulator of which nothing else is asked.

    trouble: of the next runs. requests: of the last run, as "GET settings/ssl", below the zone or the site. were_bare:
    the hostnames that were so after any of them.
    """

    emulator: Emulator
    patch: pytest.MonkeyPatch
    token: str = ""
    zone: Zone = field(default_factory=lambda: Zone("example.com"))
    trouble: list[Trouble] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    were_bare: set[str] = field(default_factory=set)
    after_request: Callable[[str], None] | None = None

    def __repr__(self) -> str:
        return f"<{', '.join(self.requests)}>"

    def __post_init__(self) -> None:
        self.token = self.emulator.add_token()
        for module in (_client, _client_auth_calls, _edge, _hardening):
            self.patch.setattr(module, "time", Clock(self.emulator))
        self.patch.setattr(HTTPAdapter, "send", self._send)
        self.reset()

    def reset(self) -> None:
        """A zone and a site that nothing has happened to."""
        self.emulator.zones.clear()
        self.emulator.sites.clear()
        self.emulator.faults.clear()
        self.emulator.journal.clear()
        self.emulator.list_lag = self.emulator.deployment_delay = self.emulator.edge_delay = 0
        self.emulator.association_delay, self.emulator.association_list = 0, "full"
        self.trouble.clear()
        self.after_request = None
        self.zone = self.emulator.add_zone("example.com")

    @property
    def site(self) -> Site:
        return self.emulator.site("example.com")

    @property
    def url(self) -> str:
        return f"{self.emulator.origin}/site/example.com/"

    def upload(
        self, issued: Issued, *, year: int = 2025, listed: bool = True, hostname_level: bool = False
    ) -> Certificate:
        """A certificate that has long been there, and unless the list lags, listed."""
        certificate = self.emulator.upload(self.zone, issued.pem, issued.key_pem, hostname_level=hostname_level)
        certificate.uploaded_on = f"{year}-01-02T03:04:05Z"
        if listed:
            certificate.uploaded_at -= 1_000_000
        return certificate

    def harden(self, *, check: bool = False, client: Client | None = None, **options: Any) -> Report:
        """options: of origin_tls; its others have their defaults, but the site is the emulator's."""
        defaults = {name: spec.get("default") for name, spec in MODULE.argument_spec.items()}
        params = {**defaults, "zone_id": self.zone.id, "verify_urls": [self.url], **options}
        self.requests.clear()
        self.were_bare.clear()
        self.emulator.journal.clear()
        return harden(params, client or self.client(), check)

    def client(self) -> Client:
        return Client(ApiToken(self.token), self.emulator.url, retries=1)

    def fail(self, **options: Any) -> tuple[str, dict[str, Any]]:
        """The message and the return values of a run that has to fail."""
        with pytest.raises(HardeningError) as caught:
            self.harden(**options)
        return str(caught.value), dict(caught.value.facts)

    def count(self) -> int:
        """Requests to the API."""
        return sum(not request.startswith("VISIT") for request in self.requests)

    def writes(self) -> list[str]:
        return [request for request in self.requests if not request.startswith(("GET", "VISIT"))]

    def look(self) -> dict[str, Any]:
        """All that a transaction may change."""
        zone = self.zone
        return {
            "ssl_mode": (self.emulator.ssl_mode(zone), zone.ssl_automatic_mode),
            "auto_origin_tls_kex": zone.kex_enabled,
            "compliance_modes": list(zone.compliance_modes),
            "origin_pqe": zone.pqe_value,
            "client_auth": zone.aop_enabled,
            "global_client_auth": zone.global_aop_enabled,
            "certificates": self.kept(),
            "hostnames": {
                name: (one.certificate_id, one.enabled)
                for name, one in self.zone.associations.items()
                if one.enabled is not None
            },
            "hostname_certificates": self.kept(hostname_level=True),
        }

    def kept(self, hostname_level: bool = False) -> set[str]:
        """The ids of the zone's certificates, or of its hostnames'."""
        kept = self.zone.hostname_certificates if hostname_level else self.zone.certificates
        gone = ("pending_deletion", "deleted")
        return {id_ for id_, certificate in kept.items() if self.emulator.status(certificate) not in gone}

    def look_by_fingerprint(self) -> dict[str, Any]:
        """The same, in which an upload of another run looks the same."""
        seen = self.look()
        for level in ("certificates", "hostname_certificates"):
            seen[level] = sorted(map(self.fingerprint, seen[level]))
        seen["hostnames"] = {name: (self.fingerprint(one[0]), one[1]) for name, one in seen["hostnames"].items()}
        return seen

    def _certificate(self, id_: str) -> Certificate:
        return {**self.zone.certificates, **self.zone.hostname_certificates}[id_]

    def fingerprint(self, id_: str) -> str:
        return hashlib.sha256(self._certificate(id_).parsed.der).hexdigest()

    def is_useless(self, id_: str) -> bool:
        """Whether no origin accepts it: it has expired, was never deployed, or is as good as deleted."""
        certificate = self._certificate(id_)
        expired = certificate.parsed.expires_on < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return expired or certificate.deployment_times_out or certificate.deletion_times_out

    def useless(self) -> set[str]:
        """Those of the certificates of the zone and its hostnames that nobody misses."""
        return set(filter(self.is_useless, self.kept() | self.kept(hostname_level=True)))

    def bare(self) -> set[str]:
        """The hostnames that are enabled with nothing to present that an origin accepts."""
        return {
            name
            for name, one in self.zone.associations.items()
            if one.enabled
            and (
                self.emulator.status(self._certificate(one.certificate_id)) != "active"
                or self.is_useless(one.certificate_id)
            )
        }

    def works(self) -> bool:
        """Whether the edge has nothing to present, or a certificate that is valid."""
        active = self.emulator.active(self.zone)
        return not self.zone.aop_enabled or bool(active and not self.is_useless(active[-1]))

    def never_dark(self) -> bool:
        """Whether that was so after every request."""
        enabled = (exchange.active for exchange in self.emulator.journal if exchange.aop_enabled)
        return all(active and not self.is_useless(active[-1]) for active in enabled)

    # -- in place of sockets

    def _send(self, request: PreparedRequest, **_options: Any) -> Response:
        method, target = str(request.method), str(request.path_url)
        path = target.removeprefix("/client/v4")
        number = len(self.requests)
        below = path.removeprefix(f"/zones/{self.zone.id}").lstrip("/")
        self.requests.append(f"VISIT {path}" if path.startswith("/site/") else f"{method} {below}".strip())
        if any(one.kind == "kill" and one.hit for one in self.trouble):
            raise Killed
        trouble = next((one for one in self.trouble if one.applies(number, self.requests[-1])), None)
        if trouble and trouble.kind in ("timeout", "interrupt") and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            trouble = None  # while changes are put back, signals are ignored, and the timeout of the task is off
        if trouble and not trouble.after_work:
            return self._in_trouble(request, trouble)
        body = request.body or b""
        raw = body if isinstance(body, bytes) else str(body).encode()
        reply = self.emulator.handle(method, target, request.headers, raw)
        self.were_bare |= self.bare()
        if self.after_request:
            self.after_request(self.requests[-1])
        if trouble:
            return self._in_trouble(request, trouble)
        if reply.body is None:
            raise _dropped()
        return _response(request, reply.status, reply.body, reply.headers)

    @staticmethod
    def _in_trouble(request: PreparedRequest, trouble: Trouble) -> Response:
        if trouble.kind == "timeout":
            raise TaskTimeout
        if trouble.kind == "kill":
            raise Killed
        if trouble.kind == "interrupt":
            raise KeyboardInterrupt
        if trouble.kind == "drop":
            raise _dropped()
        status, body = _ERRORS[trouble.kind]
        return _response(request, status, body, {"Content-Type": "application/json"})


def check_end(lab: Lab, before: dict[str, Any], useless: set[str], error: BaseException) -> None:
    """After a run that failed: the state is the old one, or the message describes it.

    before and useless: as ``look`` and ``useless`` told it.
    """
    after = lab.look()
    if not isinstance(error, HardeningError):
        assert after == before, "something was changed before the transaction"
        return
    message, facts = str(error), error.facts
    assert set(facts) == KEYS
    assert json.loads(json.dumps(facts)) == facts
    stays = "everything stays as it is now" in message
    left = " ".join(facts["left_to_do"])
    for aspect in set(before) - {"certificates", "hostnames", "hostname_certificates"}:
        words = ASPECTS[aspect]
        if before[aspect] != after[aspect]:
            assert aspect in facts["changes"], f"{aspect} was changed, which is not told"
            assert stays or words in left, f"{aspect} was changed, which the message does not say"
        elif aspect in facts["changes"]:
            assert words in left or stays, f"{aspect} is told as changed, and was not"
    for hostname in {*before["hostnames"], *after["hostnames"]}:
        if before["hostnames"].get(hostname) != after["hostnames"].get(hostname):
            assert "hostnames" in facts["changes"], f"{hostname} was changed, which is not told"
            assert stays or hostname in left, f"{hostname} was changed, which the message does not say"
    for level in ("certificates", "hostname_certificates"):
        for id_ in after[level] - before[level]:
            assert stays or id_ in left or lab.fingerprint(id_) in left, "a certificate remains that is not told"
        for id_ in before[level] - after[level]:
            assert id_ in message, "a certificate is gone, which is not told"
            assert stays or id_ in useless, "an undo deleted a certificate that was there before"
    if stays:  # and a second run does not know that this one has superseded them
        superseded = {one[0] for one in before["hostnames"].values()} - {one[0] for one in after["hostnames"].values()}
        for id_ in superseded & after["hostname_certificates"]:
            assert id_ in left, "a certificate that no hostname uses any more remains, which is not told"
    assert facts["changed"] == bool(facts["changes"])
    for word in ("None", "Traceback", "BEGIN"):
        assert word not in message


def _dropped() -> requests.ConnectionError:
    return requests.ConnectionError(ProtocolError("Connection aborted.", RemoteDisconnected("closed")))


def _response(request: PreparedRequest, status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    raw = HTTPResponse(io.BytesIO(body), {"Date": date, **headers}, status, preload_content=False)
    return HTTPAdapter().build_response(request, raw)
