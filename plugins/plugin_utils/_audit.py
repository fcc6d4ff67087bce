# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""An audit: each zone as Cloudflare has it, compared with the variables of the role zone_hardening.

Nothing here makes a request or writes a file. Rows are plain dictionaries, since they pass through Ansible's variables.
Ansible compares each zone in a process of its own, which imports this: so neither requests nor cryptography is.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from ..module_utils._errors import InputError
from ..module_utils._posture import Difference, Posture, clean, listed, texts, truth
from ._comparison import Comparison, Previous, compared
from ._waivers import Waiver, waivers


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
    "origin_open": Kind(
        "Origin",
        "Have origins ask for a client certificate",
        "They answer anybody who knows their address, whatever the edge presents. The role "
        "originsec.cloudflare.origin_client_auth makes them ask, and then require it.",
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
        "Make the edge present the right client certificate",
        "It presents none, or another one than it should: find out who uploaded that. originsec.cloudflare.harden "
        "uploads the right one. Where that one is there already, but older, set zone_hardening_exclusive to true.",
    ),
    "ssl_mode": Kind(
        "SSL mode",
        "Change the SSL mode",
        "In the modes off and flexible, Cloudflare talks to the origin without TLS; in full, it does not check the "
        "origin's certificate. Run originsec.cloudflare.harden with zone_hardening_ssl_mode.",
    ),
    "origin_optional": Kind(
        "Origin",
        "Have origins require a client certificate",
        "They ask for one and answer without it, while zone_hardening_require_enforcement is set. The role "
        "originsec.cloudflare.origin_client_auth makes them require it.",
    ),
    "origin_unreachable": Kind(
        "Origin",
        "Find out why origins cannot be reached",
        "Nobody knows whether they require a client certificate. Where the controller is not supposed to reach them, "
        "take them out of zone_hardening_origins.",
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
    "origin_classical": Kind(
        "Origin",
        "Have origins speak X25519MLKEM768",
        "The compliance mode pqh leaves the edge nothing else to offer them. It takes OpenSSL 3.5 or newer.",
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


STATUSES = {
    "unreadable": "could not be read",
    "drift": "with drift",
    "inactive": "not active",
    "not managed": "not managed",
    "waived": "waived",
    "compliant": "compliant",
}
"""What may become of a zone, the worst first: in words.

inactive: the edge is not in front of it, so that nothing that is set has effect. not managed: nothing is desired of it.
waived: it differs, and only where that was allowed for a while.
"""

_INACTIVE = ("initializing", "pending", "moved")


class Drift(TypedDict):
    """kind: of KINDS. aspect: what the role calls it. found, wanted: in words."""

    kind: str
    aspect: str
    found: str
    wanted: str


class Waived(Drift):
    """until: the last day, as in 2027-01-31."""

    reason: str
    until: str


class Certificate(TypedDict):
    """The one that the edge presents. days_remaining: None where nobody can tell."""

    subject: str
    fingerprint_sha256: str | None
    not_after: str | None
    days_remaining: int | None


class Origin(TypedDict):
    """enforcement: enforcing, optional, open or unreachable. post_quantum: None where nobody can tell."""

    enforcement: str
    post_quantum: bool | None
    error: str | None


class Row(TypedDict):
    """What an audit says of a zone; everything but zone, status, error and drift is None where it was not read.

    status: of STATUSES. state: active, paused, pending, moved or initializing. error: why it is unreadable.
    hostnames: by name, whether the edge presents a certificate for those that have an association of their own.
    origins: by name; empty where none are known. wanted: the desired state in words, None where a task failed before
    anybody knew it.
    """

    zone: str
    zone_id: str | None
    account: str | None
    owner: str | None
    status: str
    state: str | None
    error: str | None
    ssl_mode: str | None
    auto_origin_tls_kex: bool | None
    compliance_modes: list[str] | None
    origin_pqe: str | None
    client_auth_enabled: bool | None
    global_client_auth: bool | None
    hostnames: dict[str, bool] | None
    origins: dict[str, Origin]
    certificate: Certificate | None
    drift: list[Drift]
    waived: list[Waived]
    wanted: dict[str, str] | None


class Fleet(TypedDict):
    """All rows, the worst first, and how many there are of what.

    incomplete: why this may not be all of the fleet, a sentence each. expected: how many zones there should be, None
    where nobody said. compared: with an earlier audit, None where there is none.
    """

    zones: list[Row]
    totals: dict[str, int]
    incomplete: list[str]
    expected: int | None
    compared: Comparison | None


@dataclass(frozen=True)
class About:
    """What is known of a zone besides what is read. state: as in a row; it counts where none was read."""

    account: str | None = None
    owner: str | None = None
    state: str | None = None
    waivers: tuple[Waiver, ...] = ()
    allow_inactive: bool = False

    @classmethod
    def from_variables(cls, about: Mapping[str, Any], options: Mapping[str, Any], today: datetime.date) -> About:
        """Raises InputError for waivers that are none."""
        return cls(
            _text(about.get("account") or None),
            _text(about.get("owner") or None),
            _state(about),
            waivers(options.get("waivers"), today),
            bool(truth(options.get("allow_inactive_zones"), "zone_hardening_allow_inactive_zones")),
        )


NOTHING_MORE = About()


def audit(zone: str, result: Mapping[str, Any], posture: Posture, about: About = NOTHING_MORE) -> Row:
    """The row of a zone. result: of the module origin_tls_info, perhaps a failed or a skipped one."""
    found = result.get("origin_tls")
    row = _blank(zone, about, posture)
    if result.get("skipped"):
        return {**row, "status": "not managed"}
    if not isinstance(found, Mapping):
        return {**row, "status": "unreadable", "error": clean(str(result.get("msg") or "No reason was given."))}
    hostnames, client_auth = found.get("hostnames"), found["client_auth"]
    active, origins = client_auth["active_certificate"], result.get("origins") or []
    state = _state(found["zone"]) if found.get("zone") else about.state
    differences = [*posture.drift(found), *posture.overrides(found), *posture.origins(origins)]
    drift, waived = _judged(differences, about.waivers)
    status = "drift" if drift else "waived" if waived else "compliant"
    if not posture.in_words():
        status, drift, waived = "not managed", [], []
    elif state not in (None, "active") and not about.allow_inactive:
        status, drift, waived = "inactive", [], []
    return {
        **row,
        "zone_id": result.get("zone_id"),
        "status": status,
        "state": state,
        "ssl_mode": _text(found["ssl_mode"]),
        "auto_origin_tls_kex": found["auto_origin_tls_kex"],
        "compliance_modes": sorted(map(clean, found["compliance_modes"])),
        "origin_pqe": _text(found.get("origin_pqe")),
        "client_auth_enabled": client_auth["enabled"],
        "global_client_auth": found.get("global_client_auth"),
        "hostnames": hostnames and {clean(one["hostname"]): one["enabled"] for one in hostnames["associations"]},
        "origins": {clean(one["origin"]): _origin(one) for one in origins},
        "certificate": _presented(active) if active else None,
        "drift": drift,
        "waived": waived,
    }


def _state(zone: Mapping[str, Any]) -> str | None:
    """Of a zone as the API or the inventory has it; a status that nobody knows yet counts as active."""
    if zone.get("paused") is True:
        return "paused"
    status = zone.get("status")
    return status if status in _INACTIVE else None if status is None else "active"


def _judged(differences: Iterable[Difference], given: Sequence[Waiver]) -> tuple[list[Drift], list[Waived]]:
    """What is drift, and what is waived, the worst first."""
    drift: list[Drift] = []
    waived: list[Waived] = []
    for one in sorted(differences, key=lambda one: list(KINDS).index(one.kind)):
        told: Drift = {"kind": one.kind, "aspect": one.aspect, "found": one.found, "wanted": one.wanted}
        waiver = max((w for w in given if w.covers(one.kind)), key=lambda w: w.until, default=None)
        if waiver:
            waived.append({**told, "reason": waiver.reason, "until": waiver.until.isoformat()})
        else:
            drift.append(told)
    return drift, waived


def _origin(one: Mapping[str, Any]) -> Origin:
    return {
        "enforcement": clean(one["enforcement"]),
        "post_quantum": one["post_quantum"],
        "error": _text(one["error"]),
    }


def _presented(active: Mapping[str, Any]) -> Certificate:
    return {
        "subject": clean(active["subject"] or "(cannot be parsed)"),
        "fingerprint_sha256": active["fingerprint_sha256"],
        "not_after": _text(active["not_after"] or active["expires_on"]),
        "days_remaining": active["days_remaining"],
    }


NO_RESULT = "Ansible could not work on this zone, and said why further up."


def unreadable(zone: str, error: str = NO_RESULT) -> Row:
    """The row of a zone of which a task failed before there was a result."""
    return {**_blank(zone, NOTHING_MORE, None), "status": "unreadable", "error": clean(error)}


def _blank(zone: str, about: About, posture: Posture | None) -> Row:
    return {
        "zone": clean(zone),
        "zone_id": None,
        "account": about.account,
        "owner": about.owner,
        "status": "not managed",
        "state": about.state,
        "error": None,
        "ssl_mode": None,
        "auto_origin_tls_kex": None,
        "compliance_modes": None,
        "origin_pqe": None,
        "client_auth_enabled": None,
        "global_client_auth": None,
        "hostnames": None,
        "origins": {},
        "certificate": None,
        "drift": [],
        "waived": [],
        "wanted": posture.in_words() if posture else None,
    }


def fleet(
    rows: Iterable[Row],
    incomplete: Sequence[str] = (),
    expected: int | None = None,
    previous: Previous | None = None,
) -> Fleet:
    """incomplete: what could not be read of the inventory. expected: how many zones there should be."""
    zones = sorted(rows, key=_order)
    statuses = [row["status"] for row in zones]
    days = [left for row in zones if (left := days_of(row)) is not None]
    missed = [] if expected is None or len(zones) == expected else [_unexpected(len(zones), expected)]
    return {
        "zones": zones,
        "totals": {
            "zones": len(zones),
            **{status.replace(" ", "_"): statuses.count(status) for status in STATUSES},
            "certificates": len(days),
            "expired": sum(left < 0 for left in days),
            "expiring_in_7_days": sum(0 <= left < 7 for left in days),
            "expiring_in_30_days": sum(0 <= left < 30 for left in days),
            "expiring_in_90_days": sum(0 <= left < 90 for left in days),
        },
        "incomplete": [*map(clean, incomplete), *missed],
        "expected": expected,
        "compared": compared(zones, previous) if previous else None,
    }


def _unexpected(zones: int, expected: int) -> str:
    return f"{zones} {'zone is' if zones == 1 else 'zones are'} in this audit, and audit_expected_zones is {expected}."


FAIL_ON = ("any", "inactive", *KINDS)
"""What may make an audit fail: any drift and what could not be read; zones that are not active; or a kind."""


def fail_kinds(value: Any) -> tuple[str, ...]:
    """Of FAIL_ON, from a list or text with commas. Raises InputError."""
    kinds = texts(value, "audit_fail_on") or ()
    unknown = [kind for kind in kinds if kind not in FAIL_ON]
    if unknown:
        raise InputError(f"audit_fail_on takes {', '.join(FAIL_ON[:-1])} and {FAIL_ON[-1]}, not {', '.join(unknown)}.")
    return kinds


def failing(rows: Mapping[str, Row], fail_on: Iterable[str]) -> dict[str, str]:
    """By the host of each zone that makes an audit fail: why, in words.

    rows: by host, empty where a task failed. fail_on: of FAIL_ON.
    """
    kinds = set(fail_on)
    kinds |= set(KINDS) if "any" in kinds else set()
    found = {}
    for host, row in rows.items():
        row = row or unreadable(host)
        if row["status"] == "unreadable" and "unreadable" in kinds:
            found[host] = f"It could not be read: {row['error']}"
        elif drift := [one for one in row["drift"] if one["kind"] in kinds]:
            differs = ", ".join(f"{one['kind']} ({one['found']}, wanted {one['wanted']})" for one in drift)
            found[host] = f"It differs from the desired state: {differs}."
        elif row["status"] == "inactive" and "inactive" in kinds:
            found[host] = f"It is {row['state']}, so that nothing that is set has effect."
    return found


def kinds_of(row: Row) -> list[str]:
    """Of what kinds its drift is, the worst first; being unreadable is one."""
    return ["unreadable"] if row["status"] == "unreadable" else [one["kind"] for one in row["drift"]]


def levels(row: Row) -> str:
    """Authenticated Origin Pulls of the zone, and what is beside it: the shared certificate, and hostnames."""
    told = ["on" if row["client_auth_enabled"] else "off", *(["shared"] if row["global_client_auth"] else [])]
    hostnames = row["hostnames"] or {}
    if hostnames:
        off = sum(not enabled for enabled in hostnames.values())
        told.append(f"{len(hostnames)} hosts{f' ({off} off)' if off else ''}")
    return listed(told)


def days_of(row: Row) -> int | None:
    return row["certificate"]["days_remaining"] if row["certificate"] else None


def _text(value: Any) -> str | None:
    return None if value is None else clean(value)


def _order(row: Row) -> tuple[list[int], int, float, str]:
    days = days_of(row)
    kinds = list(KINDS)
    ranks = [kinds.index(kind) for kind in kinds_of(row)] or [len(kinds)]
    return ranks, list(STATUSES).index(row["status"]), float("inf") if days is None else days, row["zone"]
