# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""An audit as people and programs get it: text for a terminal, JSON, CSV, metrics for Prometheus, and JUnit's XML."""

from __future__ import annotations

import datetime
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._audit import STATUSES, Fleet, Row, days_of, kinds_of, levels
from ._formats import Case, Family, grouped, junit, metrics, names, table

FORMATS = ("html", "json", "csv", "txt", "prom", "xml")

_COLUMNS = ("ZONE", "SSL MODE", "KEY EXCHANGE", "COMPLIANCE", "AOP", "CERTIFICATE", "DAYS", "DRIFT")
_DAYS_COLUMN = _COLUMNS.index("DAYS")
_FEW = 12
"""So many zones are all in the table of a terminal; of more, those with drift, and no more of these."""
_MOST_LINES = 3
"""Of any other section on a terminal."""


def report(fleet: Fleet, format_: str, scope: str, limited: bool, now: datetime.datetime) -> str:
    """The whole text of a file. scope: what was audited, in words. limited: as it fits a screen, in txt. now: in UTC.

    Raises ValueError for a format that there is not.
    """
    if format_ == "html":
        from ._audit_page import html  # only here, since a terminal needs no templates

        return html(fleet, scope, now)
    generated = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    if format_ == "json":
        return json.dumps({"generated": generated, "scope": scope, **fleet}, indent=2, ensure_ascii=False) + "\n"
    if format_ == "csv":
        return table(_CSV, [*map(_flat(fleet), fleet["zones"]), *_no_rows(fleet)])
    if format_ == "txt":
        return "\n".join(_text(fleet, limited)) + "\n"
    if format_ == "prom":
        return metrics(_families(fleet, now))
    if format_ == "xml":
        return junit("Origin TLS audit", generated, {"scope": scope, **_properties(fleet)}, list(_cases(fleet)))
    raise ValueError(f"The format must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not '{format_}'.")


# ------------------------------------------------------------------------------------------------- for a terminal


def _text(fleet: Fleet, limited: bool) -> Iterator[str]:
    """Totals, what is missing, what is new, what could not be read and why, and a table, the worst zones first."""
    rows = fleet["zones"]
    yield totals_in_words(fleet)
    yield _certificates_in_words(fleet)
    yield from (f"Incomplete: {one}" for one in fleet["incomplete"])
    yield from _since(fleet, limited)
    most = _MOST_LINES if limited else None
    unreadable = [(row["zone"], str(row["error"])) for row in rows if row["status"] == "unreadable"]
    yield from grouped("Could not be read:", unreadable, most)
    tabled = [row for row in rows if row["status"] != "unreadable" and row["ssl_mode"] is not None]
    if limited and len(rows) > _FEW:
        tabled = [row for row in tabled if row["drift"]]
    shown = tabled[:_FEW] if limited else tabled
    if shown:
        rest = len(tabled) - len(shown)
        yield from ("", *_table(shown), *([f"and {rest} more with drift"] if rest else []), "")
    waived = [(row["zone"], _waived_in_words(row)) for row in rows if row["waived"]]
    yield from grouped("Waived:", waived, most)
    inactive = [(row["zone"], str(row["state"])) for row in rows if row["status"] == "inactive"]
    yield from grouped("Not active, so that nothing that is set has effect:", inactive, most)
    unmanaged = [row["zone"] for row in rows if row["status"] == "not managed"]
    if unmanaged:
        yield f"Not managed: {names(unmanaged, limited)}"


def totals_in_words(fleet: Fleet) -> str:
    totals = fleet["totals"]
    counted = [
        f"{number} {words}" for status, words in STATUSES.items() if (number := totals[status.replace(" ", "_")])
    ]
    return f"{totals['zones']} {'zone' if totals['zones'] == 1 else 'zones'}: {', '.join(counted)}"


def _certificates_in_words(fleet: Fleet) -> str:
    totals = fleet["totals"]
    soon = [f"{number} within {days} days" for days in (7, 30, 90) if (number := totals[f"expiring_in_{days}_days"])]
    number = totals["certificates"]
    counted = f"{number} client {'certificate' if number == 1 else 'certificates'}"
    cumulative = " (each includes the ones before)" if len(soon) > 1 else ""
    return f"{counted}: {totals['expired']} expired, {', '.join(soon) or 'none within 90 days'}{cumulative}"


def _since(fleet: Fleet, limited: bool) -> Iterator[str]:
    compared = fleet["compared"]
    if not compared:
        return
    new, gone, unchanged = compared["new"], compared["gone"], compared["unchanged"]
    yield f"Since {compared['since']}: {len(new)} new, {len(gone)} gone, {unchanged} unchanged"
    for title, findings in (("New:", new), ("Gone:", gone)):
        yield from grouped(title, [(one["zone"], one["kind"]) for one in findings], _MOST_LINES if limited else None)
    for title, zones in (
        ("Zones that are new", compared["zones_new"]),
        ("Zones that are gone", compared["zones_gone"]),
    ):
        if zones:
            yield f"{title}: {names(zones, limited)}"


def _waived_in_words(row: Row) -> str:
    return "; ".join(f"{one['kind']} until {one['until']} ({one['reason']})" for one in row["waived"])


def _table(rows: Iterable[Row]) -> list[str]:
    cells = [list(_COLUMNS), *([_plain(cell) for cell in _cells(row)] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells)]
    return ["  ".join(map(_padded, line, widths, range(len(line)))).rstrip() for line in cells]


def _cells(row: Row) -> tuple[str, ...]:
    days = days_of(row)
    return (
        row["zone"],
        str(row["ssl_mode"]),
        "automatic" if row["auto_origin_tls_kex"] else "off",
        ",".join(row["compliance_modes"] or ()) or "none",
        levels(row),
        _common_name(row["certificate"]["subject"]) if row["certificate"] else "none",
        "-" if days is None else str(days),
        ",".join(kinds_of(row)) or ("none" if row["status"] == "compliant" else row["status"]),
    )


def _common_name(subject: str) -> str:
    """The CN of an RFC 4514 name, or all of it; no longer than a column."""
    found = re.search(r"(?:^|,)CN=((?:\\.|[^,\\+])+)", subject)
    name = found[1] if found else subject
    return name if len(name) <= 32 else name[:31] + "…"


def _plain(text: str) -> str:
    """Without what the callbacks escape in JSON, which would push the columns apart."""
    return re.sub(r"[\\\"']", "", text) or "?"


def _padded(text: str, width: int, column: int) -> str:
    padding = " " * (width - _width(text))
    return padding + text if column == _DAYS_COLUMN else text + padding


def _width(text: str) -> int:
    """In columns of a terminal."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


# ----------------------------------------------------------------------------------------------- for other programs

_CSV = (
    *("zone", "zone_id", "account", "owner", "status", "state", "drift", "drift_new", "drift_gone", "waived"),
    *("ssl_mode", "auto_origin_tls_kex", "compliance_modes", "origin_pqe"),
    *("client_auth_enabled", "global_client_auth", "hostnames_on", "hostnames_off"),
    *("origins_enforcing", "origins_optional", "origins_open", "origins_unreachable", "origins_post_quantum"),
    *("subject", "fingerprint_sha256", "not_after", "days_remaining", "error"),
)


def _flat(fleet: Fleet) -> Callable[[Row], dict[str, Any]]:
    compared = fleet["compared"]
    # By zone, since looking through all findings for each of many zones takes long
    changes: dict[str, dict[str, list[str]]] = {}
    for which, findings in (("new", compared["new"]), ("gone", compared["gone"])) if compared else ():
        kinds = changes.setdefault(which, {})
        for one in findings:
            kinds.setdefault(one["zone"], []).append(one["kind"])

    def flat(row: Row) -> dict[str, Any]:
        hostnames, origins = row["hostnames"] or {}, row["origins"]
        return {
            **row,
            **(row["certificate"] or {}),
            "drift": " ".join(kinds_of(row)),
            **{f"drift_{which}": " ".join(kinds.get(row["zone"], ())) for which, kinds in changes.items()},
            "waived": _waived_in_words(row),
            "compliance_modes": " ".join(row["compliance_modes"] or ()),
            "hostnames_on": " ".join(name for name, enabled in hostnames.items() if enabled),
            "hostnames_off": " ".join(name for name, enabled in hostnames.items() if not enabled),
            **{
                f"origins_{which}": " ".join(name for name, one in origins.items() if one["enforcement"] == which)
                for which in ("enforcing", "optional", "open", "unreachable")
            },
            "origins_post_quantum": " ".join(name for name, one in origins.items() if one["post_quantum"]),
        }

    return flat


def _no_rows(fleet: Fleet) -> Iterator[dict[str, Any]]:
    """What is not in the audit, as lines of CSV: sources that were not read, and zones that are gone."""
    yield from ({"status": "incomplete", "error": one} for one in fleet["incomplete"])
    yield from ({"zone": zone, "status": "gone"} for zone in (fleet["compared"] or {"zones_gone": []})["zones_gone"])


def _families(fleet: Fleet, now: datetime.datetime) -> Iterator[Family]:
    totals, compared = fleet["totals"], fleet["compared"]
    yield "originsec_audit_timestamp_seconds", "When the audit was made.", [({}, int(now.timestamp()))]
    complete = not fleet["incomplete"]
    yield "originsec_audit_complete", "Whether every source was read, and all zones are there.", [({}, int(complete))]
    if fleet["expected"] is not None:
        yield "originsec_audit_expected_zones", "How many zones there should be.", [({}, fleet["expected"])]
    by_status = [({"status": status}, totals[status.replace(" ", "_")]) for status in STATUSES]
    yield "originsec_audit_zones", "How many zones there are, by status.", by_status
    if compared:
        changes = {"new": len(compared["new"]), "gone": len(compared["gone"]), "unchanged": compared["unchanged"]}
        by_change = [({"change": change}, number) for change, number in changes.items()]
        yield "originsec_audit_findings", "How many findings there are, by what became of them.", by_change
    zones = [({name: row[name] for name in ("zone", "account", "owner")}, row) for row in fleet["zones"]]
    statuses = [({**labels, "status": row["status"]}, 1) for labels, row in zones]
    yield "originsec_zone_status", "The status of each zone.", statuses
    drift = [({**labels, "kind": kind}, 1) for labels, row in zones for kind in dict.fromkeys(kinds_of(row))]
    yield "originsec_zone_drift", "Where a zone differs from the desired state, by kind.", drift
    waived = [
        ({**labels, "kind": kind}, 1)
        for labels, row in zones
        for kind in dict.fromkeys(one["kind"] for one in row["waived"])
    ]
    yield "originsec_zone_waived", "Where a zone may differ for a while, by kind.", waived
    days = [(labels, left) for labels, row in zones if (left := days_of(row)) is not None]
    yield "originsec_zone_certificate_days_remaining", "Days left of the certificate that the edge presents.", days


def _properties(fleet: Fleet) -> dict[str, object]:
    compared = fleet["compared"]
    told: dict[str, object] = {**fleet["totals"]}
    if compared:
        told |= {"since": compared["since"], "new": len(compared["new"]), "gone": len(compared["gone"])}
        told |= {"unchanged": compared["unchanged"], "zones_gone": " ".join(compared["zones_gone"])}
    return told


def _cases(fleet: Fleet) -> Iterator[Case]:
    for one in fleet["incomplete"]:
        yield Case("inventory", "complete", "error", "incomplete", one)
    new = {(one["zone"], one["kind"]) for one in (fleet["compared"] or {"new": []})["new"]}
    for row in fleet["zones"]:
        case = (row["account"] or "zones", row["zone"])
        lines = [
            f"{one['kind']}: {one['found']}, wanted {one['wanted']}"
            f"{' (new)' if (row['zone'], one['kind']) in new else ''}"
            for one in row["drift"]
        ]
        if row["status"] == "unreadable":
            yield Case(*case, "error", "unreadable", str(row["error"]))
        elif lines:
            yield Case(*case, "failure", row["drift"][0]["kind"], ", ".join(kinds_of(row)), "\n".join(lines))
        elif row["status"] == "compliant":
            yield Case(*case)
        else:
            why = {"inactive": str(row["state"]), "waived": _waived_in_words(row)}
            yield Case(
                *case, "skipped", "", f"{STATUSES[row['status']]}: {why.get(row['status'], 'nothing is desired')}"
            )
