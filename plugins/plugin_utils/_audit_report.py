# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""An audit as people get it: a page for a browser, JSON, CSV, and text for a terminal."""

from __future__ import annotations

import base64
import csv
import datetime
import hashlib
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..module_utils._client import VERSION
from ..module_utils._posture import days_in_words
from ._audit import KINDS, Fleet, Row, days_of, kinds_of

_TEMPLATES = Path(__file__).with_name("templates")
_COLUMNS = ("ZONE", "SSL MODE", "KEY EXCHANGE", "COMPLIANCE", "AOP", "CERTIFICATE", "DAYS", "DRIFT")
_DAYS_COLUMN = _COLUMNS.index("DAYS")
_MOST_ERRORS = 10
_WEEKS = 52


def report(fleet: Fleet, format_: str, scope: str, limit: int | None, now: datetime.datetime) -> str:
    """The whole text of a file. scope: what was audited, in words. limit: of the zones in txt. now: in UTC.

    Raises ValueError for a format that there is not.
    """
    if format_ == "html":
        return _html(fleet, scope, now)
    if format_ == "json":
        generated = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        return json.dumps({"generated": generated, "scope": scope, **fleet}, indent=2, ensure_ascii=False) + "\n"
    if format_ == "csv":
        return _csv(fleet)
    if format_ == "txt":
        return "\n".join(_table(fleet, limit)) + "\n"
    raise ValueError(f"The format must be html, json, csv or txt, not '{format_}'.")


# ------------------------------------------------------------------------------------------------- for a terminal


def _table(fleet: Fleet, limit: int | None) -> list[str]:
    """Aligned columns, the worst zones first, and what they come to in the last line. With a limit, few errors, too."""
    rows = fleet["zones"][:limit]
    cells = [list(_COLUMNS), *([_plain(cell) for cell in _cells(row)] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells)]
    lines = ["  ".join(map(_padded, line, widths, range(len(line)))).rstrip() for line in cells]
    left = fleet["zones"][len(rows) :]
    if left:
        lines.append(f"and {len(left)} more: {_counted(left)}")
    errors = [row for row in fleet["zones"] if row["error"]]
    lines += ["", *(f"{row['zone']} could not be read: {row['error']}" for row in errors[: limit and _MOST_ERRORS])]
    totals = fleet["totals"]
    soon = [f"{number} within {days} days" for days in (7, 30, 90) if (number := totals[f"expiring_in_{days}_days"])]
    lines.append(f"Certificates: {totals['expired']} expired, {', '.join(soon) or 'none within 90 days'}")
    lines.append(f"{totals['zones']} {'zone' if totals['zones'] == 1 else 'zones'}: {_counted(fleet['zones'])}")
    return lines


def _counted(rows: list[Row]) -> str:
    statuses = [row["status"] for row in rows]
    return (
        f"{statuses.count('compliant')} compliant, {statuses.count('drift')} with drift, "
        f"{statuses.count('unreadable')} unreadable"
    )


def _cells(row: Row) -> tuple[str, ...]:
    drift = ",".join(kinds_of(row)) or "none"
    if row["status"] == "unreadable":
        return (row["zone"], *["?"] * (len(_COLUMNS) - 2), drift)
    days = days_of(row)
    return (
        row["zone"],
        str(row["ssl_mode"]),
        "automatic" if row["auto_origin_tls_kex"] else "off",
        ",".join(row["compliance_modes"] or ()) or "none",
        _levels(row),
        _common_name(row["certificate"]["subject"]) if row["certificate"] else "none",
        "-" if days is None else str(days),
        drift,
    )


def _levels(row: Row) -> str:
    """Authenticated Origin Pulls of the zone, and what is beside it: the shared certificate, and hostnames."""
    told = ["on" if row["client_auth_enabled"] else "off", *(["shared"] if row["global_client_auth"] else [])]
    hostnames = row["hostnames"] or {}
    if hostnames:
        off = sum(not enabled for enabled in hostnames.values())
        told.append(f"{len(hostnames)} hosts{f' ({off} off)' if off else ''}")
    return ", ".join(told)


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


def _csv(fleet: Fleet) -> str:
    text = io.StringIO()
    columns = (
        *("zone", "zone_id", "status", "drift", "ssl_mode", "auto_origin_tls_kex", "compliance_modes", "origin_pqe"),
        *("client_auth_enabled", "global_client_auth", "hostnames_on", "hostnames_off"),
        *("subject", "fingerprint_sha256", "not_after", "days_remaining", "error"),
    )
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    for row in fleet["zones"]:
        flat = {
            **row,
            **(row["certificate"] or {}),
            "drift": " ".join(kinds_of(row)),
            "compliance_modes": " ".join(row["compliance_modes"] or ()),
            "hostnames_on": " ".join(name for name, enabled in (row["hostnames"] or {}).items() if enabled),
            "hostnames_off": " ".join(name for name, enabled in (row["hostnames"] or {}).items() if not enabled),
        }
        writer.writerow({name: _inert(value) for name, value in flat.items() if name in columns})
    return text.getvalue()


def _inert(value: Any) -> Any:
    """What no spreadsheet takes for a formula. Numbers stay numbers, also below zero."""
    if isinstance(value, str) and value.lstrip()[:1] in tuple("=+-@|%\uff1d\uff0b\uff0d\uff20"):
        return f"'{value}"
    return value


# -------------------------------------------------------------------------------------------------- for a browser


def _html(fleet: Fleet, scope: str, now: datetime.datetime) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(urgency=urgency, days_in_words=days_in_words, levels=_levels)
    style, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("audit.css", "audit.js"))
    todo = [
        {"kind": kind, "task": one.task, "advice": one.advice, "rows": rows}
        for kind, one in KINDS.items()
        if (rows := [(number, row) for number, row in enumerate(fleet["zones"], 1) if kind in kinds_of(row)])
    ]
    soon = sorted((row for row in fleet["zones"] if days_of(row) is not None), key=lambda row: days_of(row) or 0)
    postures = Counter(tuple(row["wanted"].items()) for row in fleet["zones"] if row["wanted"] is not None)
    return environment.get_template("audit.html.j2").render(
        rows=fleet["zones"],
        totals=fleet["totals"],
        verdict=_verdict(fleet["totals"]),
        kinds=KINDS,
        todo=todo,
        soon=soon[:5],
        postures=[(dict(posture), count) for posture, count in postures.most_common(4)],
        other_postures=max(0, len(postures) - 4),
        timeline=timeline(fleet["zones"], now.date()),
        scope=scope,
        now=now,
        version=VERSION,
        style=style,
        script=script,
        hash=_content_security_hash,
    )


def _verdict(totals: dict[str, int]) -> str:
    zones, drift, unreadable = (totals[name] for name in ("zones", "drift", "unreadable"))
    if not drift and not unreadable:
        return "The zone is as wanted." if zones == 1 else f"All {zones:,} zones are as wanted."
    of_all = f" of {zones:,} {'zone' if zones == 1 else 'zones'}"
    told = [f"{drift:,}{of_all} {'is' if drift == 1 else 'are'} not as wanted"] if drift else []
    if unreadable:
        told.append(f"{unreadable:,}{'' if drift else of_all} could not be read")
    return f"{', and '.join(told)}."


def _content_security_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@dataclass(frozen=True)
class Bar:
    """So many certificates. x, width: in percent of the picture; height: from 0 to 1. when: in words."""

    x: float
    width: float
    height: float
    count: int
    urgency: str
    when: str


@dataclass(frozen=True)
class Tick:
    """A place on the time axis. minor: not named where the picture is narrow."""

    x: float
    name: str
    minor: bool = False


@dataclass(frozen=True)
class Timeline:
    """When the certificates expire, by the week for a year; before and after it, all in one bar each."""

    bars: list[Bar]
    months: list[Tick]
    marks: list[Tick]
    highest: int
    start: float


_LEFT, _RIGHT = 9.0, 92.0  # between these percents is the year
_GUTTER = 4.0  # is as wide as the bars of what has expired, and of what expires later


def timeline(rows: Iterable[Row], today: datetime.date) -> Timeline:
    weeks: dict[int, list[int]] = {}
    for days in sorted(left for row in rows if (left := days_of(row)) is not None):
        weeks.setdefault(min(max(days // 7, -1), _WEEKS), []).append(days)
    highest = max(map(len, weeks.values()), default=0)
    bars = []
    for week, expiring in weeks.items():
        start = today + datetime.timedelta(weeks=week)
        when = f"in the week from {start:%Y-%m-%d}"
        x, width = _place(week * 7), (_RIGHT - _LEFT) / _WEEKS
        if week < 0:
            x, width, when = 0.0, _GUTTER, "already"
        elif week == _WEEKS:
            x, width, when = 100 - _GUTTER, _GUTTER, f"after {start:%Y-%m-%d}"
        bars.append(Bar(x, width, len(expiring) / highest, len(expiring), urgency(expiring[0]), when))
    months = [day for offset in range(20, _WEEKS * 7) if (day := today + datetime.timedelta(offset)).day == 1]
    return Timeline(
        bars,
        [
            Tick(_place((day - today).days), f"{day:%b %Y}" if day.month == 1 else f"{day:%b}", day.month % 3 != 1)
            for day in months
        ],
        [Tick(_place(limit), f"{limit} d") for limit in (7, 30, 90)],
        highest,
        _LEFT,
    )


def _place(day: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * day / (_WEEKS * 7)


def urgency(days: int | None) -> str:
    """A word for how soon that is, which the style sheet knows."""
    limits = {"expired": 0, "d7": 7, "d30": 30, "d90": 90}
    return next((word for word, limit in limits.items() if days is not None and days < limit), "later")
