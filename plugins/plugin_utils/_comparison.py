# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""An audit compared with the one before: which findings are new, gone and unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict

from ..module_utils._errors import InputError
from ..module_utils._posture import clean


class Finding(TypedDict):
    """kind: of drift, or unreadable."""

    zone: str
    kind: str


class Previous(TypedDict):
    """An earlier audit. generated: when, in UTC. zones: by the name of each, the kinds of its drift."""

    generated: str
    zones: dict[str, list[str]]


class Comparison(TypedDict):
    """since: when the earlier audit was made. unchanged: how many findings are as they were."""

    since: str
    new: list[Finding]
    gone: list[Finding]
    unchanged: int
    zones_new: list[str]
    zones_gone: list[str]


def previous(path: str) -> Previous | None:
    """Of a report in JSON; None where there is no such file yet. Raises InputError for any other file."""
    try:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        rows = {str(row["zone"]): _kinds(row) for row in report["zones"]}
        return {"generated": clean(report["generated"]), "zones": rows}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"audit_previous names {path}, which cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"audit_previous names {path}, which is no audit_report in JSON.") from None


def compared(rows: Iterable[Mapping[str, Any]], before: Previous) -> Comparison:
    """rows: of the audit. Of a zone that is not in it any more, or cannot be read, nobody knows what is gone."""
    now = {row["zone"]: _kinds(row) for row in rows}
    then = before["zones"]
    new = list(_findings(now, then))
    known = {zone: then[zone] for zone, kinds in now.items() if zone in then and "unreadable" not in kinds}
    return {
        "since": before["generated"],
        "new": new,
        "gone": list(_findings(known, now)),
        "unchanged": sum(map(len, now.values())) - len(new),
        "zones_new": sorted(now.keys() - then.keys()),
        "zones_gone": sorted(map(clean, then.keys() - now.keys())),
    }


def _kinds(row: Mapping[str, Any]) -> list[str]:
    """Once each, whatever they are about."""
    return ["unreadable"] if row["status"] == "unreadable" else list({str(one["kind"]): 0 for one in row["drift"]})


def _findings(some: Mapping[str, list[str]], others: Mapping[str, list[str]]) -> Iterator[Finding]:
    """What some have, and the others have not."""
    for zone, kinds in some.items():
        for kind in kinds:
            if kind not in others.get(zone, ()):
                yield {"zone": clean(zone), "kind": clean(kind)}
