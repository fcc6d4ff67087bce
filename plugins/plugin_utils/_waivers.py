# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""Waivers: what may differ from the desired state for a while, and why. Harden leaves it alone, and audit shows it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..module_utils._errors import InputError
from ..module_utils._posture import ASPECTS, KINDS, clean, texts

OPTION = "zone_hardening_waivers"


@dataclass(frozen=True)
class Waiver:
    """aspect: of ASPECTS, with all kinds of differences in it, or one of KINDS. until: the last day of it, in UTC."""

    aspect: str
    reason: str
    until: datetime.date

    def covers(self, kind: str) -> bool:
        return self.aspect in (kind, KINDS[kind])


def waivers(value: Any, today: datetime.date) -> tuple[Waiver, ...]:
    """Those of the variable zone_hardening_waivers that are in force. today: in UTC. Raises InputError."""
    if value is None or value == "":
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(one, Mapping) for one in value):
        raise InputError(f"{OPTION} must be a list of dictionaries with aspect, reason and until.")
    return tuple(waiver for waiver in map(_waiver, value) if today <= waiver.until)


def _waiver(one: Mapping[str, Any]) -> Waiver:
    unknown = sorted(map(str, one.keys() - {"aspect", "reason", "until"}))
    if unknown:
        raise InputError(f"{OPTION} has {', '.join(unknown)}, but takes aspect, reason and until.")
    aspect, reason = (str(one.get(name) or "").strip() for name in ("aspect", "reason"))
    if aspect not in KINDS and aspect not in KINDS.values():
        raise InputError(
            f"{OPTION}: aspect must be one of {', '.join(sorted({*KINDS, *KINDS.values()}))}, not {aspect!r}."
        )
    if not reason:
        raise InputError(f"{OPTION}: the waiver of {aspect} needs a reason.")
    return Waiver(aspect, clean(reason), _day(one.get("until"), aspect))


def _day(value: Any, aspect: str) -> datetime.date:
    """YAML makes a date of 2027-01-31 that is not quoted."""
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(str(value or "").strip())
    except ValueError:
        raise InputError(
            f"{OPTION}: the waiver of {aspect} needs a day after which it is drift again, such as until: 2027-01-31, "
            f"not {value!r}. What is to be left alone for good takes no waiver: set its variable to null."
        ) from None


def without_waived(options: Mapping[str, Any], of: Iterable[Waiver]) -> dict[str, Any]:
    """The options of origin_tls that leave alone what is waived; those that stay as they are, are not there."""
    waived = {one.aspect for one in of if one.aspect in ASPECTS}
    if "certificate" in waived:
        waived.add("superseded")  # which only the certificate could supersede
    if not waived:
        return {}
    only = texts(options.get("only"), "only")
    managed = [aspect for aspect in (ASPECTS if only is None else only) if aspect not in waived]
    # A mode that is waived is none to refuse the zone for.
    return {"only": managed, **({"required_ssl_modes": []} if "ssl_mode" in waived else {})}
