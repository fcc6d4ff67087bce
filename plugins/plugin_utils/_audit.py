# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""An audit: each zone as Cloudflare has it, compared with what the variables of the role zone_hardening want.

Nothing here makes a request or writes a file. Rows are plain dictionaries, since they pass through Ansible's variables.
Ansible compares each zone in a process of its own, which imports this: so neither requests nor cryptography is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from ansible.module_utils.parsing.convert_bool import boolean

_LONGEST_TEXT = 600
_TO_BE_GONE = ("pending_deletion", "deleted", "deletion_timed_out")


class PostureError(ValueError):
    """A variable that says what is wanted makes no sense."""


@dataclass(frozen=True)
class Kind:
    """A kind of drift: what differs, what to do about it in a few words, and in a sentence or two."""

    title: str
    task: str
    advice: str


# The worst first.
KINDS = {
    "unreadable": Kind(
        "Could not be read",
        "Find out why zones cannot be read",
        "Nothing is known of them, so nothing can be promised. The table has what was answered. Usually the "
        "token lacks the permission Zone Settings Read or SSL and Certificates Read, or does not include the zone.",
    ),
    "certificate_expired": Kind(
        "Certificate validity",
        "Renew expired client certificates",
        "Origins that check them refuse all traffic from Cloudflare. Run originsec.cloudflare.harden with a new one.",
    ),
    "client_auth_enabled": Kind(
        "Authenticated Origin Pulls",
        "Set Authenticated Origin Pulls",
        "While they are off, an origin cannot tell Cloudflare from anybody else who knows its address. Where they are "
        "on and should be off, find out who needs them. Run originsec.cloudflare.harden.",
    ),
    "certificate": Kind(
        "Client certificate",
        "Have the edge present the right client certificate",
        "It presents none, or another one than it should: find out who uploaded that. originsec.cloudflare.harden "
        "uploads the right one. Where that one is there already, but older, set zone_hardening_exclusive to true.",
    ),
    "ssl_mode": Kind(
        "SSL mode",
        "Change the SSL mode",
        "In the modes off and flexible, Cloudflare talks to the origin without TLS; in full, it does not check the "
        "origin's certificate. The mode is set at Cloudflare, under SSL/TLS, and by no playbook of this collection.",
    ),
    "certificate_expiring": Kind(
        "Certificate validity",
        "Renew client certificates that expire soon",
        "Run originsec.cloudflare.harden with a new one before the day that the table has.",
    ),
    "other_certificates": Kind(
        "Superseded certificates",
        "Remove superseded client certificates",
        "Whoever has the key of one can pass for the edge of Cloudflare. Run originsec.cloudflare.harden with "
        "zone_hardening_exclusive set to true.",
    ),
    "compliance_modes": Kind(
        "Compliance modes",
        "Set the compliance modes",
        "They decide which algorithms the edge offers to the origin. Make sure that the origin knows one of those that "
        "will be left, and run originsec.cloudflare.harden.",
    ),
    "auto_origin_tls_kex": Kind(
        "Automatic key exchange",
        "Set automatic key exchange",
        "It decides what Cloudflare offers first, and can lock nobody out. Run originsec.cloudflare.harden.",
    ),
    "origin_pqe": Kind(
        "Origin Post-Quantum Encryption",
        "Set Origin Post-Quantum Encryption",
        "Run originsec.cloudflare.harden. Cloudflare documents the setting as one without effect since 2026-07.",
    ),
}


class Drift(TypedDict):
    """kind: of KINDS. found, wanted: in words."""

    kind: str
    found: str
    wanted: str


class Certificate(TypedDict):
    """The one that the edge presents. days_remaining: None where nobody can tell."""

    subject: str
    fingerprint_sha256: str | None
    not_after: str | None
    days_remaining: int | None


class Row(TypedDict):
    """What an audit says of a zone; everything but zone, status, error and drift is None where it was not read.

    status: compliant, drift or unreadable. error: why it is unreadable. wanted: the posture in words, None where a task
    failed before anybody knew it.
    """

    zone: str
    zone_id: str | None
    status: str
    error: str | None
    ssl_mode: str | None
    auto_origin_tls_kex: bool | None
    compliance_modes: list[str] | None
    origin_pqe: str | None
    client_auth_enabled: bool | None
    certificate: Certificate | None
    drift: list[Drift]
    wanted: dict[str, str] | None


class Fleet(TypedDict):
    """All rows, the worst first, and how many there are of what."""

    zones: list[Row]
    totals: dict[str, int]


@dataclass(frozen=True)
class Posture:
    """What is wanted of a zone; None leaves alone.

    fingerprints: of the certificate that the edge should present, and of those that were given with it as its chain.
    """

    required_ssl_modes: tuple[str, ...] = ()
    auto_origin_tls_kex: bool | None = None
    compliance_modes: tuple[str, ...] | None = None
    origin_pqe: str | None = None
    client_auth_enabled: bool | None = None
    fingerprints: tuple[str, ...] = ()
    exclusive: bool = False
    min_days_remaining: int = 0

    @classmethod
    def from_variables(cls, variables: Mapping[str, Any]) -> Posture:
        """From the role's variables without their prefix. A blank, which is what a template makes of null, is null.

        Raises PostureError for what is no value of them.
        """
        certificate = variables.get("certificate")
        modes = variables.get("compliance_modes")
        # A bare off is false by the time that it is here
        pqe = "off" if variables.get("origin_pqe") is False else variables.get("origin_pqe")
        return cls(
            required_ssl_modes=tuple(_texts(variables.get("required_ssl_modes"))),
            auto_origin_tls_kex=_boolean(variables, "auto_origin_tls_kex"),
            compliance_modes=None if modes in (None, "") else tuple(sorted(set(_texts(modes)))),
            origin_pqe=str(pqe) if pqe else None,
            client_auth_enabled=_boolean(variables, "client_auth_enabled"),
            fingerprints=_fingerprints(str(certificate)) if certificate else (),
            exclusive=bool(certificate and _boolean(variables, "exclusive")),
            min_days_remaining=_number(variables, "min_days_remaining"),
        )

    def in_words(self) -> dict[str, str]:
        """By the names of KINDS; what is left alone is not there."""
        words = {
            "ssl_mode": _either(self.required_ssl_modes) if self.required_ssl_modes else None,
            "client_auth_enabled": _on(self.client_auth_enabled),
            "certificate": _either([one[:16] for one in self.fingerprints]) if self.fingerprints else None,
            "other_certificates": "none" if self.exclusive else None,
            "certificate_expiring": f"at least {self.min_days_remaining} days" if self._presents else None,
            "compliance_modes": None if self.compliance_modes is None else _listed(self.compliance_modes),
            "auto_origin_tls_kex": _on(self.auto_origin_tls_kex),
            "origin_pqe": self.origin_pqe,
        }
        return {kind: text for kind, text in words.items() if text is not None}

    @property
    def _presents(self) -> bool:
        """Whether the edge should present a certificate."""
        return bool(self.client_auth_enabled or self.fingerprints)

    def drift(self, found: Mapping[str, Any]) -> Iterator[Drift]:
        """Where what was found is not as wanted. found: origin_tls of origin_tls_info."""
        if self.required_ssl_modes and found["ssl_mode"] not in self.required_ssl_modes:
            yield _drift("ssl_mode", found["ssl_mode"], _either(self.required_ssl_modes))
        kex = found["auto_origin_tls_kex"]
        if self.auto_origin_tls_kex is not None and kex != self.auto_origin_tls_kex:
            yield _drift("auto_origin_tls_kex", _on(kex), _on(self.auto_origin_tls_kex))
        modes = found["compliance_modes"]
        if self.compliance_modes is not None and set(modes) != set(self.compliance_modes):
            yield _drift("compliance_modes", _listed(sorted(modes)), _listed(self.compliance_modes))
        if self.origin_pqe is not None and found["origin_pqe"] != self.origin_pqe:
            yield _drift("origin_pqe", found["origin_pqe"], self.origin_pqe)
        enabled = found["client_auth"]["enabled"]
        if self.client_auth_enabled is not None and enabled != self.client_auth_enabled:
            yield _drift("client_auth_enabled", _on(enabled), _on(self.client_auth_enabled))
        if self._presents:
            yield from self._certificate_drift(found["client_auth"])

    def _certificate_drift(self, client_auth: Mapping[str, Any]) -> Iterator[Drift]:
        active = client_auth["active_certificate"]
        if not active:
            pending = [f"one is {one['status']}" for one in client_auth["certificates"]][:1]
            wanted = self.in_words().get("certificate", "an active one")
            yield _drift("certificate", ", ".join(["none is active", *pending]), wanted)
        else:
            if self.fingerprints and active["fingerprint_sha256"] not in self.fingerprints:
                yield _drift("certificate", _certificate_in_words(active), self.in_words()["certificate"])
            days = active["days_remaining"]
            if days is None or days < self.min_days_remaining:
                kind = "certificate_expired" if days is not None and days < 0 else "certificate_expiring"
                yield _drift(kind, days_in_words(days), f"at least {self.min_days_remaining} days")
        if self.exclusive:
            others = [
                one
                for one in client_auth["certificates"]
                if one["fingerprint_sha256"] not in self.fingerprints and one["status"] not in _TO_BE_GONE
            ]
            if others:
                yield _drift("other_certificates", _listed(map(_certificate_in_words, others)), "none")


def audit(zone: str, result: Mapping[str, Any], posture: Posture) -> Row:
    """The row of a zone. result: of the module origin_tls_info, perhaps a failed one."""
    found = result.get("origin_tls")
    if not isinstance(found, Mapping):
        return unreadable(zone, str(result.get("msg") or "No reason was given."), posture)
    drift = sorted(posture.drift(found), key=_badness)
    client_auth = found["client_auth"]
    active = client_auth["active_certificate"]
    return {
        "zone": clean(zone),
        "zone_id": result.get("zone_id"),
        "status": "drift" if drift else "compliant",
        "error": None,
        "ssl_mode": _text(found["ssl_mode"]),
        "auto_origin_tls_kex": found["auto_origin_tls_kex"],
        "compliance_modes": sorted(map(clean, found["compliance_modes"])),
        "origin_pqe": _text(found.get("origin_pqe")),
        "client_auth_enabled": client_auth["enabled"],
        "certificate": _presented(active) if active else None,
        "drift": drift,
        "wanted": posture.in_words(),
    }


def _presented(active: Mapping[str, Any]) -> Certificate:
    return {
        "subject": clean(active["subject"] or "(cannot be parsed)"),
        "fingerprint_sha256": active["fingerprint_sha256"],
        "not_after": _text(active["not_after"] or active["expires_on"]),
        "days_remaining": active["days_remaining"],
    }


def unreadable(zone: str, error: str, posture: Posture | None = None) -> Row:
    return {
        "zone": clean(zone),
        "zone_id": None,
        "status": "unreadable",
        "error": clean(error),
        "ssl_mode": None,
        "auto_origin_tls_kex": None,
        "compliance_modes": None,
        "origin_pqe": None,
        "client_auth_enabled": None,
        "certificate": None,
        "drift": [],
        "wanted": posture.in_words() if posture else None,
    }


def fleet(rows: Iterable[Row]) -> Fleet:
    zones = sorted(rows, key=_order)
    statuses = [row["status"] for row in zones]
    days = [left for row in zones if (left := days_of(row)) is not None]
    return {
        "zones": zones,
        "totals": {
            "zones": len(zones),
            "compliant": statuses.count("compliant"),
            "drift": statuses.count("drift"),
            "unreadable": statuses.count("unreadable"),
            "expired": sum(left < 0 for left in days),
            "expiring_in_7_days": sum(0 <= left < 7 for left in days),
            "expiring_in_30_days": sum(0 <= left < 30 for left in days),
            "expiring_in_90_days": sum(0 <= left < 90 for left in days),
        },
    }


def kinds_of(row: Row) -> list[str]:
    """Of what kinds its drift is, the worst first; being unreadable is one."""
    return ["unreadable"] if row["status"] == "unreadable" else [one["kind"] for one in row["drift"]]


def days_of(row: Row) -> int | None:
    return row["certificate"]["days_remaining"] if row["certificate"] else None


def clean(text: str) -> str:
    """Text that others chose, made fit for terminals and pages: nothing that moves a cursor or turns a line around."""
    shown = "".join(character if character.isprintable() else " " for character in str(text))
    return shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 1] + "…"


def _text(value: Any) -> str | None:
    return None if value is None else clean(value)


def _order(row: Row) -> tuple[list[int], float, str]:
    days = days_of(row)
    kinds = list(KINDS)
    ranks = [kinds.index(kind) for kind in kinds_of(row)] or [len(kinds)]
    return ranks, float("inf") if days is None else days, row["zone"]


def _badness(drift: Drift) -> int:
    return list(KINDS).index(drift["kind"])


def _drift(kind: str, found: str | None, wanted: str | None) -> Drift:
    return {"kind": kind, "found": clean(found or "unknown"), "wanted": clean(wanted or "unknown")}


def _certificate_in_words(certificate: Mapping[str, Any]) -> str:
    """With as much of the fingerprint as tells certificates apart."""
    if not certificate["fingerprint_sha256"]:
        return "one that cannot be parsed"
    return f"{certificate['subject']} ({certificate['fingerprint_sha256'][:16]})"


def days_in_words(days: int | None) -> str:
    if days is None:
        return "unknown"
    number = f"{abs(days)} {'day' if abs(days) == 1 else 'days'}"
    return f"{number} left" if days >= 0 else f"expired {number} ago"


def _on(value: bool | None) -> str | None:
    return None if value is None else "on" if value else "off"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts) or "none"


def _either(texts: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _fingerprints(pem: str) -> tuple[str, ...]:
    """Of all certificates in a text. No authority's is ever presented, so nobody has to tell which one is the leaf."""
    text = pem.replace("\\r", "").replace("\\n", "\n")
    blocks = re.findall("-----BEGIN (?:X509 )?CERTIFICATE-----(.*?)-----END", text, re.DOTALL)
    try:
        found = [base64.b64decode("".join(block.split()), validate=True) for block in blocks]
    except binascii.Error:
        found = []
    if not found:
        raise PostureError("zone_hardening_certificate holds no certificate in PEM.")
    return tuple(hashlib.sha256(der).hexdigest() for der in found)


def _texts(value: Any) -> list[str]:
    """A list, or what a survey has in its place: text with commas."""
    items = value.split(",") if isinstance(value, str) else value or ()
    return [str(item).strip() for item in items if str(item).strip()]


def _boolean(variables: Mapping[str, Any], name: str) -> bool | None:
    value = variables.get(name)
    if value in (None, ""):
        return None
    try:
        return bool(boolean(value))
    except TypeError:
        raise PostureError(f"zone_hardening_{name} must be a boolean, not '{value}'.") from None


def _number(variables: Mapping[str, Any], name: str) -> int:
    value = variables.get(name)
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        raise PostureError(f"zone_hardening_{name} must be a whole number, not '{value}'.") from None
