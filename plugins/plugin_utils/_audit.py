# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""An audit: each zone as Cloudflare has it, compared with what the variables of the role zone_hardening want.

Nothing here makes a request or writes a file. Rows are plain dictionaries, since they pass through Ansible's variables.
Ansible compares each zone in a process of its own, which imports this: so neither requests nor cryptography is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from ..module_utils._posture import Difference, Posture, clean


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
    "hostname_off": Kind(
        "Hostname exempted",
        "Enable Authenticated Origin Pulls for exempted hostnames",
        "For these hostnames the edge presents no certificate, although their zone should: the origin cannot tell "
        "Cloudflare from anybody else. Run originsec.cloudflare.harden with zone_hardening_hostnames, which also says "
        "which of them are meant, or remove the association.",
    ),
    "hostname_certificate_expired": Kind(
        "Hostname certificate",
        "Renew expired client certificates of hostnames",
        "They take precedence over the zone's, and origins that check them refuse all traffic for these hostnames.",
    ),
    "client_auth": Kind(
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
        "origin's certificate. Run originsec.cloudflare.harden with zone_hardening_ssl_mode.",
    ),
    "certificate_expiring": Kind(
        "Certificate validity",
        "Renew client certificates that expire soon",
        "Run originsec.cloudflare.harden with a new one before the day that the table has.",
    ),
    "hostname_certificate_expiring": Kind(
        "Hostname certificate",
        "Renew client certificates of hostnames that expire soon",
        "They take precedence over the zone's. Run originsec.cloudflare.harden with zone_hardening_hostnames.",
    ),
    "hostnames": Kind(
        "Hostnames",
        "Set Authenticated Origin Pulls by hostname",
        "Run originsec.cloudflare.harden with zone_hardening_hostnames.",
    ),
    "superseded": Kind(
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
    "global_client_auth": Kind(
        "Shared client certificate",
        "Set the client certificate that all customers of Cloudflare share",
        "While it is on, an origin that trusts it takes requests from any zone of Cloudflare for yours. Run "
        "originsec.cloudflare.harden.",
    ),
    "origin_pqe": Kind(
        "Origin Post-Quantum Encryption",
        "Set Origin Post-Quantum Encryption",
        "Run originsec.cloudflare.harden. Cloudflare documents the setting as one without effect since 2026-07.",
    ),
}


class Drift(TypedDict):
    """kind: of KINDS. aspect: what the role calls it. found, wanted: in words."""

    kind: str
    aspect: str
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

    status: compliant, drift or unreadable. error: why it is unreadable. hostnames: by name, whether the edge presents a
    certificate for those that have an association of their own. wanted: the posture in words, None where a task
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
    global_client_auth: bool | None
    hostnames: dict[str, bool] | None
    certificate: Certificate | None
    drift: list[Drift]
    wanted: dict[str, str] | None


class Fleet(TypedDict):
    """All rows, the worst first, and how many there are of what."""

    zones: list[Row]
    totals: dict[str, int]


def audit(zone: str, result: Mapping[str, Any], posture: Posture) -> Row:
    """The row of a zone. result: of the module origin_tls_info, perhaps a failed one."""
    found = result.get("origin_tls")
    if not isinstance(found, Mapping):
        return unreadable(zone, str(result.get("msg") or "No reason was given."), posture)
    drift = sorted(map(_drift, [*posture.drift(found), *posture.overrides(found)]), key=_badness)
    hostnames = found.get("hostnames")
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
        "global_client_auth": found.get("global_client_auth"),
        "hostnames": hostnames and {clean(one["hostname"]): one["enabled"] for one in hostnames["associations"]},
        "certificate": _presented(active) if active else None,
        "drift": drift,
        "wanted": posture.in_words(),
    }


def _drift(difference: Difference) -> Drift:
    return {
        "kind": difference.kind,
        "aspect": difference.aspect,
        "found": difference.found,
        "wanted": difference.wanted,
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
        "global_client_auth": None,
        "hostnames": None,
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


def _text(value: Any) -> str | None:
    return None if value is None else clean(value)


def _order(row: Row) -> tuple[list[int], float, str]:
    days = days_of(row)
    kinds = list(KINDS)
    ranks = [kinds.index(kind) for kind in kinds_of(row)] or [len(kinds)]
    return ranks, float("inf") if days is None else days, row["zone"]


def _badness(drift: Drift) -> int:
    return list(KINDS).index(drift["kind"])
