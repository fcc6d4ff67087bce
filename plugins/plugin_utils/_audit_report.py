# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""An audit as people get it: lines on a terminal, a page for a browser, JSON, CSV."""

from __future__ import annotations

import base64
import csv
import datetime
import hashlib
import io
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ._audit import KINDS, Fleet, Row, days_of, kinds_of

FORMATS = ("html", "json", "csv")

_TEMPLATES = Path(__file__).with_name("templates")
_COLUMNS = ("ZONE", "SSL MODE", "KEY EXCHANGE", "COMPLIANCE", "AOP", "CERTIFICATE", "DAYS", "DRIFT")
_DAYS_COLUMN = _COLUMNS.index("DAYS")
_MOST_ERRORS = 10
_WEEKS = 52


def targets(given: str | Sequence[str]) -> list[dict[str, str]]:
    """Where reports go: path, format, and problem, which is blank where there is none. given: may have commas."""
    paths = given.split(",") if isinstance(given, str) else given
    resolved = (os.path.realpath(os.path.expanduser(path)) for path in map(str.strip, map(str, paths)) if path)
    return [
        {"path": path, "format": path.rpartition(".")[2].lower(), "problem": _problem(path)}
        for path in dict.fromkeys(resolved)
    ]


def _problem(path: str) -> str:
    directory = os.path.dirname(path)
    if not path.lower().endswith(tuple(f".{format_}" for format_ in FORMATS)):
        return f"{path} must end in .html, .json or .csv, which says what to write."
    if not os.path.isdir(directory):
        return f"{path} cannot be written: there is no directory {directory}."
    if os.path.isdir(path):
        return f"{path} cannot be written: it is a directory."
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"{path} cannot be written: there is no permission to write into {directory}."
    return ""


# ------------------------------------------------------------------------------------------------- on a terminal


def table(fleet: Fleet, limit: int) -> list[str]:
    """Aligned columns, the worst zones first and ``limit`` of them at most, and what they come to in the last line."""
    rows = fleet["zones"][:limit]
    cells = [list(_COLUMNS), *([_plain(cell) for cell in _cells(row)] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells)]
    lines = ["  ".join(map(_padded, line, widths, range(len(line)))).rstrip() for line in cells]
    left = fleet["zones"][limit:]
    if left:
        bad = sum(row["status"] != "compliant" for row in left)
        lines.append(f"and {len(left)} more, of which {bad or 'none'} {'is' if bad == 1 else 'are'} not as wanted")
    errors = [row for row in fleet["zones"] if row["error"]]
    lines += ["", *(f"{row['zone']} could not be read: {row['error']}" for row in errors[:_MOST_ERRORS])]
    return [*lines, *_sums(fleet["totals"])]


def _sums(totals: dict[str, int]) -> Iterator[str]:
    soon = [f"{number} within {days} days" for days in (7, 30, 90) if (number := totals[f"expiring_in_{days}_days"])]
    yield f"Certificates: {totals['expired']} expired, {', '.join(soon) or 'none within 90 days'}"
    yield (
        f"{totals['zones']} {'zone' if totals['zones'] == 1 else 'zones'}: {totals['compliant']} compliant, "
        f"{totals['drift']} with drift, {totals['unreadable']} unreadable"
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
        "on" if row["client_auth_enabled"] else "off",
        _common_name(row["certificate"]["subject"]) if row["certificate"] else "none",
        "-" if days is None else str(days),
        drift,
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


# ---------------------------------------------------------------------------------------------------- as a file


def report(fleet: Fleet, format_: str, scope: str, now: datetime.datetime) -> str:
    """The whole text of a file. format_: one of FORMATS. scope: what was audited, in words. now: in UTC."""
    if format_ == "json":
        generated = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        return json.dumps({"generated": generated, "scope": scope, **fleet}, indent=2, ensure_ascii=False) + "\n"
    return _csv(fleet) if format_ == "csv" else _html(fleet, scope, now)


def _csv(fleet: Fleet) -> str:
    text = io.StringIO()
    columns = (
        *("zone", "zone_id", "status", "drift", "ssl_mode", "auto_origin_tls_kex", "compliance_modes", "origin_pqe"),
        *("client_auth_enabled", "subject", "fingerprint_sha256", "not_after", "days_remaining", "error"),
    )
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    for row in fleet["zones"]:
        flat = {
            **row,
            **(row["certificate"] or {}),
            "drift": " ".join(kinds_of(row)),
            "compliance_modes": " ".join(row["compliance_modes"] or ()),
        }
        writer.writerow({name: _inert(value) for name, value in flat.items() if name in columns})
    return text.getvalue()


def _inert(value: Any) -> Any:
    """What no spreadsheet takes for a formula. Numbers stay numbers, also below zero."""
    if isinstance(value, str) and value.lstrip()[:1] in tuple("=+-@|%\uff1d\uff0b\uff0d\uff20"):
        return f"'{value}"
    return value


def _html(fleet: Fleet, scope: str, now: datetime.datetime) -> str:
    # Only here, since it brings requests with it, and Ansible imports every filter in each process that needs one
    from ..module_utils._client import VERSION

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["urgency"] = urgency
    style, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("audit.css", "audit.js"))
    todo = [
        {"kind": kind, "task": one.task, "advice": one.advice, "rows": rows}
        for kind, one in KINDS.items()
        if (rows := [(number, row) for number, row in enumerate(fleet["zones"], 1) if kind in kinds_of(row)])
    ]
    soon = sorted((row for row in fleet["zones"] if days_of(row) is not None), key=lambda row: days_of(row) or 0)
    postures = Counter(tuple(row["wanted"].items()) for row in fleet["zones"])
    return environment.get_template("audit.html.j2").render(
        rows=fleet["zones"],
        totals=fleet["totals"],
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


def _content_security_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# -------------------------------------------------------------------------------------------------- the picture


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
    days = [left for row in rows if (left := days_of(row)) is not None]
    weeks = Counter(min(max(left // 7, -1), _WEEKS) for left in days)
    highest = max(weeks.values(), default=0)
    bars = []
    for week, count in sorted(weeks.items()):
        start = today + datetime.timedelta(weeks=week)
        when = f"in the week from {start:%Y-%m-%d}"
        x, width = _place(week * 7), (_RIGHT - _LEFT) / _WEEKS
        if week < 0:
            x, width, when = 0.0, _GUTTER, "already"
        elif week == _WEEKS:
            x, width, when = 100 - _GUTTER, _GUTTER, f"after {start:%Y-%m-%d}"
        earliest = min(left for left in days if min(max(left // 7, -1), _WEEKS) == week)
        bars.append(Bar(x, width, count / highest, count, urgency(earliest), when))
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
