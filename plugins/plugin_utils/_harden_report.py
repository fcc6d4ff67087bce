# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""What became of the zones of a run of harden, as people and programs get it."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..module_utils._posture import ASPECTS, certificate_in_words, days_in_words
from ._formats import Case, Family, grouped, junit, metrics, names, page, table
from ._harden import STATUSES, Change, Fleet, Row

_MOST_LINES = 12
"""Of a section of the summary on a terminal."""


FORMATS = ("json", "md", "txt", "html", "csv", "prom", "xml")


def report(of: Fleet, format_: str, limited: bool = False) -> str:
    """The whole text of a file. limited: as it fits a screen, in txt. Raises ValueError for another format."""
    if format_ == "json":
        return json.dumps(of, indent=2, ensure_ascii=False) + "\n"
    if format_ == "md":
        return "\n".join(_markdown(of)) + "\n"
    if format_ == "txt":
        return "\n".join(_summary(of, limited)) + "\n"
    if format_ == "csv":
        incomplete = [{"status": "incomplete", "error": one} for one in of["incomplete"]]
        return table(_CSV, [*(_flat(one, of["check_mode"]) for one in of["zones"]), *incomplete])
    if format_ == "prom":
        return metrics(_families(of))
    if format_ == "xml":
        return junit(_title(of), of["generated"], of["totals"], list(_cases(of)))
    if format_ == "html":
        return page("harden.html.j2", {}, _page(of))
    raise ValueError(f"The format must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not '{format_}'.")


def _title(of: Fleet) -> str:
    return f"Origin TLS hardening{', as it would be' if of['check_mode'] else ''}"


def _totals(of: Fleet) -> str:
    totals = of["totals"]
    counted = [f"{number} {status}" for status in STATUSES if (number := totals[status.replace(" ", "_")])]
    if totals["not_verified"]:
        counted.append(f"{totals['not_verified']} not verified")
    return f"{totals['zones']} {'zone' if totals['zones'] == 1 else 'zones'}: {', '.join(counted) or 'nothing to do'}"


_SECTIONS = {
    "failed": "Failed:",
    "not active": "Not active, so not hardened:",
    "would change": "Would change:",
    "changed": "Changed:",
}


def _summary(of: Fleet, limited: bool) -> Iterator[str]:
    """Totals, failures with their reasons, changes; what is unchanged is a number. Equal zones share a line."""
    yield _totals(of)
    yield from (f"Incomplete: {one}" for one in of["incomplete"])
    told: dict[str, list[tuple[str, str]]] = {}
    for one in of["zones"]:
        told.setdefault(one["status"], []).append((one["zone"], one["error"] or _deeds(one, of["check_mode"])))
    for status, title in _SECTIONS.items():
        yield from grouped(title, told.get(status, []), _MOST_LINES if limited else None)
    for status, title in (("not begun", "Not begun"), ("not managed", "Not managed")):
        if status in told:
            yield f"{title}: {names([zone for zone, _text in told[status]], limited)}"


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
    yield from (f"\n**Incomplete:** {_inert(one)}" for one in of["incomplete"])
    changes = [(one, change) for one in of["zones"] for change in one["changes"]]
    if changes:
        verified = [] if of["check_mode"] else ["Verified"]
        yield from _markdown_table(
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
    for status, title in (("failed", "Failed"), ("not active", "Not active, so not hardened")):
        rows = [[one["zone"], str(one["error"])] for one in of["zones"] if one["status"] == status]
        if rows:
            yield from _markdown_table(["Zone", title], rows)


def _verified(one: Row) -> str:
    if one["verified"] is None:
        return "failed"
    return "yes" if one["verified"] else f"no: {one['not_verified']}"


def _short(text: str) -> str:
    """With as much of each fingerprint as tells certificates apart."""
    return re.sub(r"\b([0-9a-f]{16})[0-9a-f]{48}\b", r"\1", text)


def _markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for cells in rows:
        yield f"| {' | '.join(map(_inert, cells))} |"


def _inert(text: str) -> str:
    """Text that others chose, as Markdown shows it: no markup, link, mention or end of a cell."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", text).replace("<", "&lt;").replace("@", "&#64;")


# ------------------------------------------------------------------------------------------------ for other programs

_CSV = (
    *("zone", "zone_id", "account", "owner", "status", "changes", "verified", "not_verified"),
    *("subject", "fingerprint_sha256", "not_after", "days_remaining", "error"),
)


def _flat(one: Row, check_mode: bool) -> dict[str, Any]:
    return {**one, **(one["certificate"] or {}), "changes": "; ".join(_done(one, check_mode))}


def _done(one: Row, check_mode: bool) -> list[str]:
    return [_deed(change, one, check_mode) for change in one["changes"]]


def _families(of: Fleet) -> Iterator[Family]:
    totals, mode = of["totals"], {"check_mode": "true" if of["check_mode"] else "false"}
    made = datetime.datetime.strptime(of["generated"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    yield "originsec_harden_timestamp_seconds", "When the run ended.", [(mode, int(made.timestamp()))]
    yield "originsec_harden_complete", "Whether every source was read.", [(mode, int(not of["incomplete"]))]
    by_status = [({**mode, "status": status}, totals[status.replace(" ", "_")]) for status in STATUSES]
    yield "originsec_harden_zones", "How many zones there are, by what became of them.", by_status
    unverified = "How many changes were not verified."
    yield "originsec_harden_not_verified_zones", unverified, [(mode, totals["not_verified"])]
    zones = [({**mode, **{name: one[name] for name in ("zone", "account", "owner")}}, one) for one in of["zones"]]
    told = [({**labels, "status": one["status"]}, 1) for labels, one in zones]
    yield "originsec_harden_zone_status", "What became of each zone.", told


def _cases(of: Fleet) -> Iterator[Case]:
    for text in of["incomplete"]:
        yield Case("inventory", "complete", "error", "incomplete", text)
    for one in of["zones"]:
        case = (one["account"] or "zones", one["zone"])
        if one["status"] == "failed":
            yield Case(*case, "failure", "failed", _first_sentence(str(one["error"])), str(one["error"]))
        elif one["status"] in ("not active", "not managed", "not begun"):
            yield Case(*case, "skipped", "", one["error"] or one["status"])
        else:
            yield Case(*case)


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."


def _page(of: Fleet) -> dict[str, Any]:
    tones = {
        "failed": "bad",
        "not active": "unknown",
        "would change": "warn",
        "changed": "good",
        "not begun": "unknown",
    }
    rows = [(number, one, _done(one, of["check_mode"])) for number, one in enumerate(of["zones"], 1)]
    return {
        "of": of,
        "title": _title(of),
        "verdict": f"{_totals(of)}.",
        "statuses": [(status, of["totals"][status.replace(" ", "_")]) for status in STATUSES],
        "choices": [(status, status) for status in STATUSES],
        "tones": tones,
        "rows": [one for one in rows if one[1]["status"] != "unchanged"],
        "folded": [one for one in rows if one[1]["status"] == "unchanged"],
        "has": {name: any(one[name] for one in of["zones"]) for name in ("account", "owner")},
    }
