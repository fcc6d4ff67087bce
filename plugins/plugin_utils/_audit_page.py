# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""An audit as a page for a browser."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..module_utils._posture import days_in_words
from ._audit import KINDS, STATUSES, Fleet, Row, days_of, kinds_of, levels
from ._formats import page

_WEEKS = 52
_FEW = 20
"""So many zones are all shown; of more, the compliant ones are folded."""


def html(fleet: Fleet, scope: str, now: datetime.datetime) -> str:
    """scope: what was audited, in words. now: in UTC."""
    numbered = list(enumerate(fleet["zones"], 1))
    todo = [
        {"kind": kind, "task": one.task, "advice": one.advice, "rows": rows}
        for kind, one in KINDS.items()
        if (rows := [(number, row) for number, row in numbered if kind in kinds_of(row)])
    ]
    soon = sorted((row for row in fleet["zones"] if days_of(row) is not None), key=lambda row: days_of(row) or 0)
    postures = Counter(tuple(row["wanted"].items()) for row in fleet["zones"] if row["wanted"] is not None)
    well = [(number, row) for number, row in numbered if row["status"] == "compliant"]
    folded = well if len(numbered) > _FEW else []
    compared = fleet["compared"]
    new = {(one["zone"], one["kind"]) for one in compared["new"]} if compared else set()
    shown = {"account": "account", "owner": "owner", "origins": "origins"}
    values: dict[str, Any] = {
        "rows": [one for one in numbered if one not in folded] if folded else numbered,
        "folded": folded,
        "totals": fleet["totals"],
        "incomplete": fleet["incomplete"],
        "expected": fleet["expected"],
        "compared": compared,
        "findings": {which: _by_kind(compared[which]) for which in ("new", "gone")} if compared else {},
        "new": new,
        "has": {name: any(row[field] for row in fleet["zones"]) for name, field in shown.items()},  # type: ignore[literal-required]
        "verdict": _verdict(fleet),
        "kinds": KINDS,
        "statuses": STATUSES,
        "todo": todo,
        "waived": [(number, row) for number, row in numbered if row["waived"]],
        "inactive": [(number, row) for number, row in numbered if row["status"] == "inactive"],
        "soon": soon[:5],
        "postures": [(dict(posture), count) for posture, count in postures.most_common(4)],
        "other_postures": max(0, len(postures) - 4),
        "timeline": timeline(fleet["zones"], now.date()),
        "scope": scope,
        "now": now,
    }
    filters: dict[str, Callable[..., Any]] = {"urgency": urgency, "days_in_words": days_in_words, "levels": levels}
    return page("audit.html.j2", filters, values)


def _by_kind(findings: Iterable[Any]) -> list[tuple[str, list[str]]]:
    zones: dict[str, list[str]] = {}
    for one in findings:
        zones.setdefault(one["kind"], []).append(one["zone"])
    return sorted(zones.items(), key=lambda item: -len(item[1]))


def _verdict(fleet: Fleet) -> str:
    totals = fleet["totals"]
    zones, drift, unreadable, compliant = (totals[name] for name in ("zones", "drift", "unreadable", "compliant"))
    of_all = f" of {zones:,} {'zone' if zones == 1 else 'zones'}"
    if compliant == zones:
        told = ["The zone is compliant" if zones == 1 else f"All {zones:,} zones are compliant"]
    elif drift or unreadable:
        told = [f"{drift:,}{of_all} {'has' if drift == 1 else 'have'} drift"] if drift else []
        told += [f"{unreadable:,}{'' if drift else of_all} could not be read"] if unreadable else []
    else:
        told = [f"No zone has drift; {compliant:,}{of_all} {'is' if compliant == 1 else 'are'} compliant"]
    return f"{', and '.join(told)}{', but this is not the whole fleet' if fleet['incomplete'] else ''}."


@dataclass(frozen=True)
class Bar:
    """So many certificates. x, width: in percent of the picture; height: from 0 to 1. when: in words.

    labelled: whether there is room for its number.
    """

    x: float
    width: float
    height: float
    count: int
    urgency: str
    when: str
    labelled: bool = True


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
    labels = _labelled(bars)
    bars = [replace(one, labelled=one in labels) for one in bars]
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


def _labelled(bars: Sequence[Bar]) -> list[Bar]:
    """Those whose numbers do not overprint one another, the highest first."""
    chosen: list[Bar] = []
    for one in sorted(bars, key=lambda one: -one.count):
        if all(abs(one.x + one.width / 2 - other.x - other.width / 2) >= _room(one, other) for other in chosen):
            chosen.append(one)
    return chosen


def _room(one: Bar, other: Bar) -> float:
    """How far apart their middles have to be, in percent; a digit of a page 1,000 pixels wide takes 0.7."""
    return 0.3 + 0.35 * (len(str(one.count)) + len(str(other.count)))


def _place(day: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * day / (_WEEKS * 7)


def urgency(days: int | None) -> str:
    """A word for how soon that is, which the style sheet knows."""
    limits = {"expired": 0, "d7": 7, "d30": 30, "d90": 90}
    return next((word for word, limit in limits.items() if days is not None and days < limit), "later")
