# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the emulator keeps: zones, certificates, associations, who may call, and what goes wrong."""

from __future__ import annotations

import base64
import copy
import datetime
import math
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from .certificates import ParsedCertificate

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


def timestamp() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
    shown_status: str = ""
    """What the API shows in place of the status, such as one that nobody knows yet."""

    def pem(self) -> str:
        """Never the text that was uploaded: other line breaks, no newline at the end."""
        body = base64.b64encode(self.parsed.der).decode()
        lines = [body[start : start + 76] for start in range(0, len(body), 76)]
        return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"])


@dataclass(frozen=True)
class Association:
    """A hostname's client certificate. A change is another object, so that copies of a zone stay as they were."""

    hostname: str
    certificate_id: str
    enabled: bool | None
    """None: it is void, or about to be."""
    created_on: str
    created_at: float
    updated_on: str
    changed_at: float
    """When ``certificate_id`` or ``enabled`` was last changed, on the emulator's clock."""
    was_enabled: bool | None = None
    """Of a void one: what it was, which is shown until the voiding is done."""
    deployed: Association | None = None
    """What the edge goes on doing until the change has reached it; None: the zone level."""
    times_out: bool = False
    """The change never reaches the edge."""
    shown_status: str = ""
    """What the API shows in place of the status."""


@dataclass
class Zone:
    """A zone with its settings; every attribute may be set by a test at any time."""

    name: str
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    status: str = "active"
    """initializing, pending, active or moved; of these only an active zone has an edge in front."""
    paused: bool = False
    type: str = "full"
    plan: str = "Pro Website"
    account_id: str = "0123456789abcdef0123456789abcdef"
    account_name: str = "Example"
    ssl_mode: str = "full"
    """What was written or, with Automatic SSL/TLS, chosen by Cloudflare."""
    ssl_automatic_mode: str = "custom"
    """auto: Cloudflare soon puts back the SSL mode that somebody writes (see Emulator.ssl_automatic_delay)."""
    ssl_automatic_failure: str = ""
    """How ssl_automatic_mode is missing: "404", "1006", or "text" (404 with a body that is not JSON)."""
    ssl_written: tuple[str, float] | None = None
    """Under auto: the SSL mode that was written, and when it is put back, on the emulator's clock."""
    ssl_overrides: dict[str, str] = field(default_factory=dict)
    """The SSL mode of single hostnames by configuration rules, which no endpoint here shows."""
    kex_enabled: bool = False
    pqe_value: str = "supported"
    compliance_modes: list[str] = field(default_factory=list)
    aop_enabled: bool = False
    certificates: dict[str, Certificate] = field(default_factory=dict)
    global_aop_enabled: bool = False
    hostname_certificates: dict[str, Certificate] = field(default_factory=dict)
    associations: dict[str, Association] = field(default_factory=dict)
    """By hostname, void ones included."""
    refuses: dict[str, int] = field(default_factory=dict)
    """Settings that cannot be written: the code by the setting's id. 1057 and 1135 make it not editable."""
    origins: dict[str, str] = field(default_factory=dict)
    """Where the edge finds the origin, as host:port by scheme ("https"), or for one hostname by its URL
    ("https://www.example.com"); nobody listens on what is not there."""
    origin_authorities: str = ""
    """Whom the edge trusts to issue the origin's certificate, in PEM."""
    modified_on: dict[str, str] = field(default_factory=dict)
    changed_at: float = -math.inf
    """When its client certificates were last changed, on the emulator's clock."""
    before: Zone | None = None
    """A copy of the zone as it was before the last write, for stale answers."""
    history: list[tuple[float, Zone]] = field(default_factory=list, repr=False)
    """When the last writes were done, and copies of the zone from before them, for an edge that lags."""

    @property
    def proxied(self) -> bool:
        """Whether there is an edge in front of the origins at all."""
        return self.status == "active" and not self.paused

    def copy(self) -> Zone:
        """As it is now, without a past of its own."""
        copied = copy.copy(self)
        copied.compliance_modes = list(self.compliance_modes)
        copied.certificates = dict(self.certificates)
        copied.hostname_certificates = dict(self.hostname_certificates)
        copied.associations = dict(self.associations)
        copied.before, copied.history = None, []
        return copied

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
            "activated_on": None if self.status in ("initializing", "pending") else "2024-01-02T00:00:00.000000Z",
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

    @property
    def replaces(self) -> bool:
        """Whether something else than the answer comes."""
        return self.drop or self.status is not None or self.body is not None

    def applies(self, method: str, path: str) -> bool:
        return self.times > 0 and bool(re.fullmatch(self.method, method) and re.fullmatch(self.path, path))


@dataclass
class Exchange:
    """One request and what came of it. ``aop_enabled`` and ``active`` are the zone's afterwards.

    uncovered: the hostnames whose association is then enabled with a certificate that is not active.
    """

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
    uncovered: list[str] = field(default_factory=list)


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


class NotJsonError(Exception):
    """An error answer without an envelope."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


@dataclass
class Reply:
    status: int
    body: bytes | None  # None: close the connection without a word
    headers: dict[str, str]
    cut: bool = False
