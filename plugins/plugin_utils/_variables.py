# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""The variables of the role and the playbooks: which there are, and what is wrong with those that a user gave.

A misspelt variable would be left out of account silently, and with it a verification, or a gate in a pipeline.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..module_utils._errors import InputError
from ..module_utils._posture import number, truth
from ..modules.origin_client_auth import SPEC
from ..modules.origin_tls import MODULE
from ._audit import fail_kinds
from ._audit_report import FORMATS as AUDIT_FORMATS
from ._comparison import previous
from ._files import environment_file, report_paths, report_problem
from ._harden_report import FORMATS as HARDEN_FORMATS
from ._waivers import OPTION as WAIVERS
from ._waivers import waivers

ROLE_PREFIX = "zone_hardening_"
ROLE_VARIABLES = frozenset(
    f"{ROLE_PREFIX}{name}" for name in (*MODULE.argument_spec, "manage", "waivers", "report", "audit")
)
"""The options of origin_tls, whether to manage a zone at all, what may differ, and what the role registers."""

ORIGIN_VARIABLES = frozenset(f"origin_client_auth_{name}" for name in (*SPEC, "zones", "report"))
"""The options of origin_client_auth, which zones an origin serves, and what the role registers."""

CERTIFICATE_VARIABLES = frozenset(
    f"client_certificate_{name}"
    for name in (
        *("directory", "name", "days", "renew_days", "key_passphrase", "authority_name", "authority_days"),
        *("authority_key", "authority_key_passphrase", "report"),
    )
)
"""Those of the role client_certificate, and what it sets."""

REPORTS: dict[str, tuple[str, ...]] = {
    "harden_plan": HARDEN_FORMATS,
    "harden_report": HARDEN_FORMATS,
    "audit_report": AUDIT_FORMATS,
    "lockdown_report": ("json", "txt"),
}
"""The variables that say where to write reports, and the formats of these."""

_BOOLEANS = frozenset({"harden_fail_on_changes", "audit_fail_on_drift", "audit_levels", "lockdown_remove"})
_NUMBERS = frozenset({"harden_max_fail_percentage", "audit_expected_zones"})
_PLAYBOOK_VARIABLES = frozenset(
    {
        *(*REPORTS, *_BOOLEANS, *_NUMBERS, "harden_hosts", "harden_serial", "harden_strategy"),
        *("audit_fail_on", "audit_previous", "lockdown_to", "lockdown_exclude"),
    }
)
_PREFIXES = (ROLE_PREFIX, "harden_", "audit_", "lockdown_")
_OWNERS = {
    ROLE_PREFIX: "role",
    "origin_client_auth_": "role origin_client_auth",
    "client_certificate_": "role client_certificate",
}
"""Whose the variables with a prefix are; those with others are the playbooks'."""

_ROLE_BOOLEANS = tuple(name for name, option in MODULE.argument_spec.items() if option["type"] == "bool")


def unknown_variables(names: Iterable[str], prefixes: Sequence[str] = _PREFIXES) -> list[str]:
    """What is wrong with the names of a host's variables, a sentence for each; what is the user's own is left alone."""
    every = ROLE_VARIABLES | ORIGIN_VARIABLES | CERTIFICATE_VARIABLES | _PLAYBOOK_VARIABLES
    known = sorted(name for name in every if name.startswith(tuple(prefixes)))
    problems = []
    for name in sorted(name for name in names if name.startswith(tuple(prefixes))):
        prefix = next(one for one in prefixes if name.startswith(one))
        if name not in known and not name.startswith(f"{prefix}_"):  # which is our own
            meant = _meant(name, prefix, known)
            owner = _OWNERS.get(prefix, "playbooks")
            problems.append(f"{name} is no variable of the {owner}{f'; did you mean {meant}?' if meant else '.'}")
    return problems


def _meant(name: str, prefix: str, known: Sequence[str]) -> str | None:
    """The variable that a misspelt name may be meant for; also one that has another prefix."""
    rest = name[len(prefix) :]
    close = difflib.get_close_matches(rest, [one[len(prefix) :] for one in known if one.startswith(prefix)], 1)
    if close:
        return f"{prefix}{close[0]}"
    return next((one for one in known if one.endswith(f"_{rest}")), None)


def fleet_problems(
    hostvars: Mapping[str, Mapping[str, Any]],
    zones: Sequence[str],
    settings: Mapping[str, Any],
    files: Iterable[str],
) -> list[str]:
    """What keeps a playbook from being run on zones, each in a sentence, and once for all zones that have it.

    settings: the playbook's own variables, by name. files: the environment variables that name files to be read.
    """
    return [
        *_zones_problems(hostvars, zones),
        *_settings_problems(settings),
        *filter(None, map(_file_problem, files)),
    ]


def _zones_problems(hostvars: Mapping[str, Mapping[str, Any]], zones: Sequence[str]) -> Iterator[str]:
    return host_problems(
        {zone: [*unknown_variables(hostvars[zone]), *_value_problems(hostvars[zone])] for zone in zones}, "zone"
    )


def host_problems(by_host: Mapping[str, Iterable[str]], noun: str) -> Iterator[str]:
    """Each problem once, with those that have it unless all have. noun: what a host is."""
    found: dict[str, list[str]] = {}
    for host, problems in by_host.items():
        for problem in problems:
            found.setdefault(problem, []).append(host)
    for problem, having in found.items():
        if len(having) == len(by_host):
            yield problem
        else:
            more = f" and {len(having) - 1} more {noun}{'' if len(having) == 2 else 's'}"
            yield f"{having[0]}{more if len(having) > 1 else ''}: {problem}"


def _value_problems(variables: Mapping[str, Any]) -> Iterator[str]:
    """The first boolean that is none, or waiver: one that is misspelt could switch something off for many zones.

    Other values are judged with each zone, which keeps no other from being worked on.
    """
    try:
        for name in _ROLE_BOOLEANS:
            truth(value_of(variables, ROLE_PREFIX + name), ROLE_PREFIX + name)
        manage = f"{ROLE_PREFIX}manage"
        if manage in variables and truth(value_of(variables, manage), manage) is None:
            raise InputError(f"{manage} must be a boolean, true or false, and not blank.")
        waivers(value_of(variables, WAIVERS), datetime.date.min)
    except InputError as error:
        yield str(error)


def value_of(variables: Mapping[str, Any], name: str) -> Any:
    """The value of a variable; None where it has none yet, being a template that only the role's tasks can resolve."""
    if name not in variables:
        return None
    try:
        value = variables[name]
    except Exception:  # ansible-core has a type of its own in each version; the task itself says what is wrong
        return None
    return None if isinstance(value, str) and "{{" in value else value  # ansible-core < 2.19 leaves it as it is


def _settings_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        try:
            if name in _BOOLEANS:
                truth(value, name)
            elif name in _NUMBERS and number(value, name, 0) > 100 and name.endswith("_percentage"):
                yield f"{name} must be a percentage, from 0 to 100, not {value!r}."
            elif name == "audit_fail_on":
                fail_kinds(value)
            elif name == "audit_previous" and (paths := report_paths(value, name)):
                previous(paths[0])
            elif name in REPORTS:
                paths = report_paths(value, name)
                problems = filter(None, (report_problem(path, REPORTS[name]) for path in paths))
                yield from (f"{name}: {problem}." for problem in problems)
        except InputError as error:
            yield str(error)


def _file_problem(variable: str) -> str:
    try:
        environment_file(variable)
    except InputError as error:
        return str(error)
    return ""
