# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""Where origins and zones stand at the end of a run of lockdown: one shape for programs, and a text.

Nothing here makes a request or writes a file.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

from ..module_utils._origin_server import ASK, OFF, REQUIRE
from ..module_utils._posture import ASPECTS, certificate_in_words, clean, days_in_words
from ._harden import Row, row
from ._lockdown import Plan

SHAPE = 1
"""The version of the shape of a report."""

_DOES = {
    REQUIRE: "refuses who has no certificate",
    ASK: "asks for a certificate, and answers anyone",
    OFF: "answers anyone",
    "unknown": "may answer anyone",
}
_TITLES = {
    REQUIRE: "Locked down: the origins answer nobody but Cloudflare's edge.",
    ASK: "The origins ask for a certificate, and answer anyone.",
    OFF: "The lockdown is undone: the origins answer anyone.",
}


class Host(TypedDict):
    """A virtual host. why: it is in this state, in words."""

    name: str
    state: str
    why: str | None


class Origin(TypedDict):
    """mode: in which it is now, or ``unknown``; previous_mode: in which it was. problem: what is not as wanted.

    refused, plain: what virtual hosts answered a request without a certificate, and one without TLS. post_quantum:
    whether it agrees on X25519MLKEM768, None where that could not be seen.
    """

    name: str
    zones: list[str]
    server: str | None
    mode: str
    previous_mode: str
    changed: bool
    hosts: list[Host]
    refused: list[str]
    plain: list[str]
    post_quantum: bool | None
    problem: str | None


class Zone(TypedDict):
    """presents: the certificate that its edge presents, in words. urls: what they answered last, in words."""

    name: str
    presents: str | None
    hardening: Row
    urls: dict[str, str]
    problem: str | None


class Fleet(TypedDict):
    """A report. generated: in UTC. done: whether everything is as wanted. stopped: why nothing else was begun."""

    version: int
    generated: str
    check_mode: bool
    to: str
    done: bool
    stopped: str | None
    origins: list[Origin]
    zones: list[Zone]
    excluded: list[str]


def fleet(
    hostvars: Mapping[str, Mapping[str, Any]],
    zones: Sequence[str],
    plan: Plan,
    check_mode: bool,
    now: datetime.datetime,
) -> Fleet:
    """hostvars: with what the plays left in them. now: in UTC."""
    origins = [_origin(name, hostvars[name], plan, check_mode) for name in plan["origins"]]
    zone_rows = [_zone(name, hostvars[name], plan, hostvars, check_mode) for name in zones]
    stopped = next(
        (f"{name}: {_failure(hostvars[name])}" for name in (*plan["origins"], *zones) if _failure(hostvars[name])), None
    )
    return {
        "version": SHAPE,
        "generated": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "check_mode": check_mode,
        "to": plan["to"],
        "done": not any(one["problem"] for one in (*origins, *zone_rows)),
        "stopped": stopped,
        "origins": origins,
        "zones": zone_rows,
        "excluded": list(plan["excluded"]),
    }


def _failure(variables: Mapping[str, Any]) -> str | None:
    failure = variables.get("lockdown__failure")
    return clean(f"{failure['stage']} failed. {failure['why']}") if failure else None


def _origin(name: str, variables: Mapping[str, Any], plan: Plan, check_mode: bool) -> Origin:
    look = variables.get("lockdown__look") or {}
    last = variables.get("lockdown__report") or {}
    # What was only looked at says what would be
    foreseen = check_mode or last == look
    before = look.get("previous_mode", "unknown")
    mode = before if foreseen and last.get("changed") else last.get("mode", "unknown")
    hosts = [
        {"name": clean((one["names"] or [one["where"]])[0]), "state": one["state"], "why": one["why"]}
        for one in last.get("hosts") or ()
    ]
    open_hosts = [f"{one['name']} ({one['why']})" for one in hosts if one["name"] in (last.get("open") or ())]
    problem = _failure(variables)
    if not problem and plan["to"] == REQUIRE and mode == REQUIRE and open_hosts:
        what_to_do = "Remove these settings, or name it in origin_client_auth_allow_open."
        problem = f"It leaves open {'; '.join(open_hosts)}. {what_to_do}"
    return {
        "name": name,
        "zones": list(plan["origins"][name]["zones"]),
        "server": f"{last['server']} {last['version']}" if "server" in last else None,
        "mode": mode,
        "previous_mode": before,
        "changed": mode != before or bool(last.get("changed")),
        "hosts": hosts,  # type: ignore[typeddict-item] # as Host has it
        "refused": [_probed(one) for one in last.get("probes") or () if one["tls"] and one["refused"]],
        "plain": [_probed(one) for one in last.get("probes") or () if not one["tls"] and not one["error"]],
        "post_quantum": last.get("post_quantum"),
        "problem": problem,
    }


def _probed(probe: Mapping[str, Any]) -> str:
    status = f" ({probe['status']})" if probe["status"] else ""
    return clean(f"{probe['server_name'] or 'no name'} on {probe['host']}:{probe['port']}{status}")


def _zone(
    name: str,
    variables: Mapping[str, Any],
    plan: Plan,
    hostvars: Mapping[str, Mapping[str, Any]],
    check_mode: bool,
) -> Zone:
    first, last = variables.get("lockdown__zone"), variables.get("lockdown__zone_cleaned")
    result = last or first or variables.get("zone_hardening_report")
    hardened = row(name, {**variables, "zone_hardening_report": result}, check_mode)
    if first and last:
        before = row(name, {**variables, "zone_hardening_report": first}, check_mode)
        hardened["changes"] = [*before["changes"], *hardened["changes"]]
    client_auth = ((result or {}).get("after") or {}).get("client_auth") or {}
    active = client_auth.get("active_certificate") if client_auth.get("enabled") else None
    urls: dict[str, str] = {}
    for origin, one in plan["origins"].items():
        reports = [hostvars[origin].get("lockdown__look"), hostvars[origin].get("lockdown__report")]
        for report in reports if name in one["zones"] else ():
            for url, seen in ((report or {}).get("verified") or {}).items():
                status = seen["before"] if seen["after"] is None else seen["after"]
                urls[url] = clean(seen["reason"] or f"answered {status}")
    return {
        "name": name,
        "presents": f"{certificate_in_words(active)}, {days_in_words(active['days_remaining'])}" if active else None,
        "hardening": hardened,
        "urls": urls,
        "problem": _failure(variables) if name not in plan["origins"] else None,
    }


# --------------------------------------------------------------------------------------------------------- as text


def report(of: Fleet, format_: str) -> str:
    """The whole text of a file. Raises ValueError for another format."""
    if format_ == "json":
        return json.dumps(of, indent=2, ensure_ascii=False) + "\n"
    if format_ == "txt":
        return "\n".join(_text(of)) + "\n"
    raise ValueError(f"The format must be json or txt, not '{format_}'.")


def _text(of: Fleet) -> Iterator[str]:
    if of["stopped"]:
        yield f"Stopped: {of['stopped']}"
        yield "Where it stands:"
    elif of["check_mode"]:
        yield "Where it stands, with nothing changed in check mode:"
    elif not of["done"]:
        yield "Locked down, but not everything:"
    else:
        yield _TITLES[of["to"]]
    for origin in of["origins"]:
        yield from _origin_text(origin, of)
    for zone in of["zones"]:
        yield from _zone_text(zone)
    if of["excluded"]:
        yield f"Left out by lockdown_exclude, and still open as far as anybody knows: {', '.join(of['excluded'])}"
    if of["to"] == OFF and of["done"]:
        yield "Automatic key exchange, compliance modes and SSL mode stay as they are."


def _origin_text(origin: Origin, of: Fleet) -> Iterator[str]:
    server = f" ({origin['server']})" if origin["server"] else ""
    before = "" if origin["mode"] == origin["previous_mode"] else f" (before: {origin['previous_mode']})"
    yield f"{origin['name']}{server}: {origin['mode']}{before}, it {_DOES[origin['mode']]}"
    if of["check_mode"] and origin["mode"] != of["to"]:
        yield f"  would become: {of['to']}"
    if origin["refused"] and origin["mode"] == REQUIRE:
        yield f"  refused a direct request without a certificate: {', '.join(origin['refused'])}"
    for host in origin["hosts"]:
        if host["state"] == "open" and host["why"]:
            yield f"  open: {host['name']}, {clean(host['why'])}"
    if origin["plain"]:
        yield f"  answers without TLS: {', '.join(origin['plain'])}"
    if origin["post_quantum"] is not None:
        yield f"  post-quantum key agreement: {'yes' if origin['post_quantum'] else 'no'}"
    if origin["problem"] and not (of["stopped"] or "").endswith(origin["problem"]):
        yield f"  {origin['problem']}"


def _zone_text(zone: Zone) -> Iterator[str]:
    presents = f"its edge presents {zone['presents']}" if zone["presents"] else "its edge presents no certificate"
    changes = zone["hardening"]["changes"]
    known = zone["hardening"]["status"] != "not begun"
    yield f"{zone['name']}: {presents if known else 'as before'}"
    if changes:
        verb = "would change" if zone["hardening"]["status"] == "would change" else "changed"
        yield f"  {verb}: {', '.join(dict.fromkeys(ASPECTS[change['aspect']] for change in changes))}"
    for url, told in zone["urls"].items():
        yield f"  {url} {told}"
