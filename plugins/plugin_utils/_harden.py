# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""What became of the zones of a run of harden, or in check mode would: plan and report of one shape, and a summary.

Nothing here makes a request or writes a file. Rows are plain dictionaries, since they pass through Ansible's variables.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from ..module_utils._posture import clean, listed, on

SHAPE = 1
"""The version of the shape of plan and report."""

STATUSES = ("failed", "not active", "would change", "changed", "unchanged", "not managed", "not begun")
"""What may become of a zone. not active: Cloudflare's edge is not in front of it, so it was not hardened."""

Change = TypedDict("Change", {"aspect": str, "from": str, "to": str})
"""aspect: of ASPECTS. from, to: in words, certificates by fingerprint."""


class Certificate(TypedDict):
    """The wanted one. days_remaining: None where nobody can tell."""

    subject: str
    fingerprint_sha256: str | None
    not_after: str | None
    days_remaining: int | None


class Row(TypedDict):
    """What became of a zone.

    status: of STATUSES. changes: made and not put back, or in check mode to be made. verified: None where nothing was
    changed; not_verified: why it was not. error: why it failed, or in which state a zone is that is not active.
    """

    zone: str
    zone_id: str | None
    account: str | None
    owner: str | None
    status: str
    changes: list[Change]
    certificate: Certificate | None
    verified: bool | None
    not_verified: str | None
    error: str | None


class Fleet(TypedDict):
    """A plan or a report. generated: in UTC. totals: zones, each of STATUSES, and not_verified.

    incomplete: why there may be zones that are not in it, a sentence each.
    """

    version: int
    generated: str
    check_mode: bool
    totals: dict[str, int]
    incomplete: list[str]
    zones: list[Row]


def fleet(
    hosts: Mapping[str, Mapping[str, Any]], check_mode: bool, incomplete: Sequence[str], now: datetime.datetime
) -> Fleet:
    """hosts: by the name of each zone, its variables. incomplete: what of the inventory was not read. now: in UTC."""
    rows = sorted((row(zone, variables, check_mode) for zone, variables in hosts.items()), key=_order)
    statuses = [one["status"] for one in rows]
    return {
        "version": SHAPE,
        "generated": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "check_mode": check_mode,
        "totals": {
            "zones": len(rows),
            **{status.replace(" ", "_"): statuses.count(status) for status in STATUSES},
            "not_verified": sum(one["verified"] is False for one in rows),
        },
        "incomplete": list(map(clean, incomplete)),
        "zones": rows,
    }


def row(zone: str, variables: Mapping[str, Any], check_mode: bool) -> Row:
    """The row of a zone, from what the module origin_tls left in its variables; nothing where it was not run."""
    result = variables.get("zone_hardening_report") or {"never": True}
    account = variables.get("cloudflare_account_name") or variables.get("cloudflare_account_id")
    changes = [_change(aspect, result) for aspect in result.get("changes") or ()]
    inactive = result.get("inactive")
    failed = did_fail(result) and not inactive
    if inactive:
        status = "not active"
    elif failed:
        status = "failed"
    elif "never" in result:
        status = "not begun"
    elif result.get("skipped"):
        status = "not managed"
    else:
        status = ("would change" if check_mode else "changed") if changes else "unchanged"
    not_verified = result.get("not_verified")
    certificate = result.get("certificate")
    return {
        "zone": clean(zone),
        "zone_id": result.get("zone_id"),
        "account": clean(account) if account else None,
        "owner": clean(variables["zone_audit_owner"]) if variables.get("zone_audit_owner") else None,
        "status": status,
        "changes": changes,
        "certificate": _certificate(certificate) if certificate else None,
        "verified": None if check_mode or failed or not changes else not not_verified,
        "not_verified": clean(not_verified) if not_verified else None,
        "error": clean(inactive or result.get("msg") or "No reason was given.") if failed or inactive else None,
    }


def did_fail(result: Mapping[str, Any]) -> bool:
    """Whether the task failed, also where it left that to the playbook (failed_when), which the summary tells."""
    left = result.get("failed_when_result") is False and "msg" in result
    return bool(result.get("failed") or result.get("unreachable") or left)


def _order(one: Row) -> tuple[int, str]:
    return STATUSES.index(one["status"]), one["zone"]


def _certificate(record: Mapping[str, Any]) -> Certificate:
    not_after = record.get("not_after")
    return {
        "subject": clean(record.get("subject") or "(cannot be parsed)"),
        "fingerprint_sha256": record.get("fingerprint_sha256"),
        "not_after": clean(not_after) if not_after else None,
        "days_remaining": record.get("days_remaining"),
    }


def _change(aspect: str, result: Mapping[str, Any]) -> Change:
    before, after = result.get("before") or {}, result.get("after") or {}
    if aspect == "certificate":
        found, wanted = _presented(before), result.get("certificate")
        told = (_fingerprint(found), _fingerprint(wanted or _presented(after)))
    elif aspect == "superseded":
        removed = set(result.get("removed") or ())
        gone = [one for one in (before.get("client_auth") or {}).get("certificates") or () if one["id"] in removed]
        told = (listed(map(_fingerprint, gone)), "removed")
    elif aspect == "client_auth":
        was, is_now = ((facts.get("client_auth") or {}).get("enabled") for facts in (before, after))
        told = (_in_words(was), _in_words(is_now))
    else:
        told = (_in_words(before.get(aspect)), _in_words(after.get(aspect)))
    return {"aspect": aspect, "from": clean(told[0]), "to": clean(told[1])}


def _presented(facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = (facts.get("client_auth") or {}).get("active_certificate")
    return found


def _fingerprint(certificate: Mapping[str, Any] | None) -> str:
    return str(certificate["fingerprint_sha256"] or "one that cannot be parsed") if certificate else "none"


def _in_words(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return listed(map(str, value))
    return str(on(value) if isinstance(value, bool) else "unknown" if value is None else value)
