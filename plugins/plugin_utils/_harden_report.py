# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""What became of the zones of a run of harden, or in check mode would: plan and report of one shape, and a summary.

Nothing here makes a request or writes a file. Rows are plain dictionaries, since they pass through Ansible's variables.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

from ..module_utils._posture import ASPECTS, certificate_in_words, clean, days_in_words, listed, on

SHAPE = 1
"""The version of the shape of plan and report."""

STATUSES = ("failed", "would change", "changed", "unchanged", "not managed", "not begun")

_MOST_LINES = 12
_MOST_NAMES = 4
"""Of a section of the summary on a terminal, and of the zones in a line."""

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
    changed; not_verified: why it was not. error: why it failed.
    """

    zone: str
    zone_id: str | None
    status: str
    changes: list[Change]
    certificate: Certificate | None
    verified: bool | None
    not_verified: str | None
    error: str | None


class Fleet(TypedDict):
    """A plan or a report. generated: in UTC. totals: zones, each of STATUSES, and not_verified."""

    version: int
    generated: str
    check_mode: bool
    totals: dict[str, int]
    zones: list[Row]


def fleet(results: Mapping[str, Mapping[str, Any] | None], check_mode: bool, now: datetime.datetime) -> Fleet:
    """results: by the name of the zone, what the module origin_tls returned; None where it was not run. now: in UTC."""
    rows = sorted((row(zone, result, check_mode) for zone, result in results.items()), key=_order)
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
        "zones": rows,
    }


def row(zone: str, result: Mapping[str, Any] | None, check_mode: bool) -> Row:
    result = result or {"never": True}
    changes = [_change(aspect, result) for aspect in result.get("changes") or ()]
    failed = bool(result.get("failed") or result.get("unreachable"))
    if failed:
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
        "status": status,
        "changes": changes,
        "certificate": _certificate(certificate) if certificate else None,
        "verified": None if check_mode or failed or not changes else not not_verified,
        "not_verified": clean(not_verified) if not_verified else None,
        "error": clean(str(result.get("msg") or "No reason was given.")) if failed else None,
    }


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


# --------------------------------------------------------------------------------------------------------- as text


def report(of: Fleet, format_: str, limited: bool = False) -> str:
    """The whole text of a file. limited: as it fits a screen, in txt. Raises ValueError for another format."""
    if format_ == "json":
        return json.dumps(of, indent=2, ensure_ascii=False) + "\n"
    if format_ == "md":
        return "\n".join(_markdown(of)) + "\n"
    if format_ == "txt":
        return "\n".join(_summary(of, limited)) + "\n"
    raise ValueError(f"The format must be json, md or txt, not '{format_}'.")


def _totals(of: Fleet) -> str:
    totals = of["totals"]
    counted = [f"{number} {status}" for status in STATUSES if (number := totals[status.replace(" ", "_")])]
    if totals["not_verified"]:
        counted.append(f"{totals['not_verified']} not verified")
    return f"{totals['zones']} {'zone' if totals['zones'] == 1 else 'zones'}: {', '.join(counted) or 'nothing to do'}"


def _summary(of: Fleet, limited: bool) -> Iterator[str]:
    """Totals, failures with their reasons, changes; what is unchanged is a number. Equal zones share a line."""
    yield _totals(of)
    told: dict[str, list[tuple[str, str]]] = {}
    for one in of["zones"]:
        told.setdefault(one["status"], []).append((one["zone"], one["error"] or _deeds(one, of["check_mode"])))
    for status, title in (("failed", "Failed:"), ("would change", "Would change:"), ("changed", "Changed:")):
        yield from _section(title, told.get(status, []), limited)
    for status, title in (("not begun", "Not begun"), ("not managed", "Not managed")):
        if status in told:
            yield f"{title}: {_names([zone for zone, _text in told[status]], limited)}"


def _section(title: str, told: Sequence[tuple[str, str]], limited: bool) -> Iterator[str]:
    """A line for each text and the zones that it is true of, those of most zones first."""
    zones_by_text: dict[str, list[str]] = {}
    first: dict[str, str] = {}
    for zone, text in told:
        key = re.sub(r"\b[0-9a-f]{32}\b", "", text.replace(zone, ""))  # but for the zone, it may be the same
        first.setdefault(key, text)
        zones_by_text.setdefault(key, []).append(zone)
    groups = sorted(zones_by_text.items(), key=lambda group: -len(group[1]))
    if groups:
        yield title
    for key, zones in groups[: _MOST_LINES if limited else None]:
        yield f"  {_names(zones, limited)}: {first[key]}"
    rest = sum(len(zones) for _key, zones in groups[_MOST_LINES:])
    if limited and rest:
        yield f"  and {rest} more {'zone' if rest == 1 else 'zones'}, which plan and report have"


def _names(zones: Sequence[str], limited: bool) -> str:
    shown = zones if not limited or len(zones) <= _MOST_NAMES + 1 else zones[:_MOST_NAMES]
    rest = len(zones) - len(shown)
    return f"{', '.join(shown)}{f' and {rest} more zones' if rest else ''}"


def _deeds(one: Row, check_mode: bool) -> str:
    """What was done to a zone, or would be, and whether that was verified."""
    deeds = [_deed(change, one, check_mode) for change in one["changes"]]
    if one["verified"] is not None:
        deeds.append("verified" if one["verified"] else f"not verified: {one['not_verified']}")
    return "; ".join(deeds)


def _deed(change: Change, one: Row, check_mode: bool) -> str:
    aspect, to = change["aspect"], change["to"]
    if aspect == "certificate" and one["certificate"]:
        certificate = one["certificate"]
        told = f"{certificate_in_words(certificate)}, {days_in_words(certificate['days_remaining'])}"
        return f"{'upload' if check_mode else 'uploaded'} {told}"
    if aspect in ("certificate", "superseded"):
        number = change["from"].count(",") + 1
        return (
            f"{'remove' if check_mode else 'removed'} {number} other {'certificate' if number == 1 else 'certificates'}"
        )
    if to in ("on", "off"):
        verb = "enable" if to == "on" else "disable"
        return f"{verb if check_mode else f'{verb}d'} {ASPECTS[aspect]}"
    return f"set {ASPECTS[aspect]} to {to}"


def _markdown(of: Fleet) -> Iterator[str]:
    """For a pull request: a table of every change, and one of failures; what is unchanged is a number."""
    yield f"### {'Plan' if of['check_mode'] else 'Report'}: {_totals(of)}"
    yield ""
    yield f"{'What would change' if of['check_mode'] else 'What was changed'}, {of['generated']}"
    changes = [(one, change) for one in of["zones"] for change in one["changes"]]
    if changes:
        verified = [] if of["check_mode"] else ["Verified"]
        yield from _table(
            ["Zone", "Aspect", "From", "To", *verified],
            (
                [
                    one["zone"],
                    ASPECTS[change["aspect"]],
                    _short(change["from"]),
                    _short(change["to"]),
                    *(_verified(one) for _column in verified),
                ]
                for one, change in changes
            ),
        )
    failed = [one for one in of["zones"] if one["status"] == "failed"]
    if failed:
        yield from _table(["Zone", "Failed"], ([one["zone"], str(one["error"])] for one in failed))


def _verified(one: Row) -> str:
    if one["verified"] is None:
        return "failed"
    return "yes" if one["verified"] else f"no: {one['not_verified']}"


def _short(text: str) -> str:
    """With as much of each fingerprint as tells certificates apart."""
    return re.sub(r"\b([0-9a-f]{16})[0-9a-f]{48}\b", r"\1", text)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for cells in rows:
        yield f"| {' | '.join(map(_inert, cells))} |"


def _inert(text: str) -> str:
    """Text that others chose, as Markdown shows it: no markup, link, mention or end of a cell."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", text).replace("<", "&lt;").replace("@", "&#64;")
