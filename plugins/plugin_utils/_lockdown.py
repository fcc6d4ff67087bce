# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""What the playbook lockdown is to do with origins and zones, or why it cannot; judged before the first request.

Nothing here makes a request or changes anything. Plans are plain dictionaries, since they pass through Ansible's
variables; of certificates they hold what is public.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from ..module_utils._certificates import (
    ClientCertificate,
    load_authorities,
    load_client_certificate,
    load_leaf,
    trusted_with,
    untrusted,
)
from ..module_utils._edge import checked_urls
from ..module_utils._errors import CloudflareError, InputError
from ..module_utils._origin_server import MODES, OFF, REQUIRE
from ..module_utils._posture import choice, listed, number, texts, too_few_days, truth
from ._files import environment_file
from ._role_action import CERTIFICATE_FILE, KEY_FILE, KEY_OPENER, in_the_users_names, sources_of
from ._variables import ROLE_PREFIX, fleet_problems, host_problems, unknown_variables, value_of

_ORIGIN_PREFIXES = ("lockdown_", "origin_client_auth_", "client_certificate_")


class OriginPlan(TypedDict):
    """zones: that it serves. urls, retries, delay, settle: how these are proved. ca: the authorities to trust, in PEM.
    made: whether the one that the role client_certificate makes is to be trusted as well.
    """

    zones: list[str]
    urls: list[str]
    retries: int
    delay: int
    settle: int
    ca: list[str]
    made: bool


class Plan(TypedDict):
    """problems: what keeps it from being done, a sentence each. to: the mode that origins are to end in. remove:
    whether zones are to lose their certificate. makes_certificate: whether one is to be made. origins: in order.
    excluded: those that are left out by name.
    """

    problems: list[str]
    to: str
    remove: bool
    makes_certificate: bool
    origins: dict[str, OriginPlan]
    excluded: list[str]


class _Given(NamedTuple):
    """What a zone's variables say; certificate: as text, blank where one is to be made. numbers: retries, delay and
    settle."""

    certificate: str
    urls: tuple[str, ...]
    numbers: tuple[int, ...]


def plan(
    hostvars: Mapping[str, Mapping[str, Any]],
    origins: Sequence[str],
    zones: Sequence[str],
    settings: Mapping[str, Any],
    check_mode: bool,
) -> Plan:
    """origins: the group of that name. zones: those of the run. settings: the variables of the playbook, by name."""
    problems: list[str] = []
    to, remove, excluded = _settings(settings, origins, problems)
    files = [CERTIFICATE_FILE, KEY_FILE] if to != OFF or remove else []
    problems += fleet_problems(hostvars, zones, settings, files)
    problems += host_problems(
        {name: list(_origin_variables(hostvars[name], name in zones)) for name in origins}, "origin"
    )
    given: dict[str, _Given] = {}
    for zone in zones if not problems else ():
        try:
            given[zone] = _zone(hostvars[zone], zone, to, check_mode)
        except CloudflareError as error:
            problems.append(f"{zone}: {error}")
    planned: dict[str, OriginPlan] = {}
    for name in [one for one in origins if one not in excluded] if not problems else ():
        try:
            if one := _origin(hostvars[name], name, given, to):
                planned[name] = one
        except CloudflareError as error:
            problems.append(f"{name}: {error}")
    if not problems:
        problems += _unserved(planned, zones, origins, excluded)
    makes_certificate = any(not one.certificate for one in given.values())
    if not problems and makes_certificate and to != OFF and settings.get("lockdown_job"):
        problems += _gone_with_the_job(hostvars[next(iter(planned))])
    return {
        "problems": list(dict.fromkeys(problems)),
        "to": to,
        "remove": remove,
        "makes_certificate": makes_certificate,
        "origins": planned,
        "excluded": excluded,
    }


def _settings(settings: Mapping[str, Any], origins: Sequence[str], problems: list[str]) -> tuple[str, bool, list[str]]:
    to, remove, excluded = REQUIRE, False, []
    try:
        to = choice(settings.get("lockdown_to"), MODES, "lockdown_to") or REQUIRE
        remove = truth(settings.get("lockdown_remove"), "lockdown_remove") or False
        excluded = list(texts(settings.get("lockdown_exclude"), "lockdown_exclude") or ())
    except InputError as error:
        problems.append(str(error))
    if remove and to != OFF:
        problems.append("lockdown_remove goes with lockdown_to=off: as long as origins ask, the edge has to answer.")
    if not origins:
        problems.append("There is no origin: put the servers into the group origins of the inventory, a host for each.")
    unknown = [one for one in excluded if one not in origins]
    if unknown and origins:
        problems.append(f"lockdown_exclude names no origin of the inventory: {', '.join(unknown)}.")
    left = [one for one in settings.get("lockdown_limited_out") or () if one not in excluded]
    if left:
        problems.append(
            f"--limit leaves out {', '.join(left)}: name all origins and zones in it, or leave origins out with "
            "-e lockdown_exclude=NAME."
        )
    return to, remove, excluded


def _origin_variables(variables: Mapping[str, Any], is_zone: bool) -> Iterator[str]:
    prefixes = [
        one for one in _ORIGIN_PREFIXES if not (is_zone and one == "lockdown_")
    ]  # of zones it is judged already
    yield from unknown_variables(variables, prefixes)
    if "origin_client_auth_mode" in variables:
        yield "origin_client_auth_mode is what this playbook decides: leave it out, and use lockdown_to."


def _zone(variables: Mapping[str, Any], zone: str, to: str, check_mode: bool) -> _Given:
    """Raises CloudflareError for what cannot be."""

    def value(name: str) -> Any:
        return value_of(variables, ROLE_PREFIX + name)

    listed_urls = texts(value("verify_urls"), f"{ROLE_PREFIX}verify_urls")
    site = str(value("zone_name") or zone).strip().rstrip(".")
    urls = (f"https://{site}/",) if listed_urls is None else checked_urls(listed_urls, f"{ROLE_PREFIX}verify_urls")
    if not urls:
        raise InputError(
            f"{ROLE_PREFIX}verify_urls is empty, so that nothing would prove that the edge gets in: name URLs that the "
            "origin answers, or leave it out."
        )
    if truth(value("manage"), f"{ROLE_PREFIX}manage") is False:
        raise InputError(f"{ROLE_PREFIX}manage is false, so that its edge would present nothing: leave the zone out.")
    defaults = {"verify_retries": 5, "verify_delay": 5, "verify_settle": 10}
    numbers = tuple(number(value(name), ROLE_PREFIX + name, default) for name, default in defaults.items())
    if to == OFF:
        return _Given(_certificate(variables)[0], urls, numbers)
    if f"{ROLE_PREFIX}client_auth_enabled" in variables and not truth(
        value("client_auth_enabled"), f"{ROLE_PREFIX}client_auth_enabled"
    ):
        raise InputError(
            f"{ROLE_PREFIX}client_auth_enabled is not true, so that its edge would present nothing: leave it out. To "
            "undo a lockdown, use lockdown_to=off."
        )
    only = texts(value("only"), f"{ROLE_PREFIX}only")
    missing = [one for one in ("client_auth", "certificate") if only is not None and one not in only]
    if missing:
        raise InputError(
            f"{ROLE_PREFIX}only lacks {' and '.join(missing)}, without which an origin can require nothing."
        )
    text, key, passphrase = _certificate(variables)
    if not text:
        return _Given("", urls, numbers)
    leaf = _leaf(text, key, passphrase, check_mode)
    fewest = number(value("min_days_remaining"), f"{ROLE_PREFIX}min_days_remaining", 30)
    days = leaf.description["days_remaining"]
    if too_few_days(days, fewest):
        raise InputError(
            f"{ROLE_PREFIX}certificate expires in {days} {'day' if days == 1 else 'days'}, and at least {fewest} days "
            f"are asked for ({ROLE_PREFIX}min_days_remaining): renew it."
        )
    return _Given(text, urls, numbers)


def _certificate(variables: Mapping[str, Any]) -> tuple[str, str, str]:
    """Certificate, key and passphrase of a zone, each blank where there is none."""
    found = []
    for option, default in (
        ("certificate", environment_file(CERTIFICATE_FILE)),
        ("private_key", environment_file(KEY_FILE)),
        ("private_key_passphrase", os.environ.get(KEY_OPENER, "")),
    ):
        name = ROLE_PREFIX + option
        found.append(str(value_of(variables, name) or "").strip() if name in variables else default)
    return found[0], found[1], found[2]


def _leaf(text: str, key: str, passphrase: str, check_mode: bool) -> ClientCertificate:
    options = {"certificate": text, "private_key": key, "private_key_passphrase": passphrase}
    sources = sources_of(options)
    try:
        if not key and not check_mode:
            raise InputError("certificate needs private_key beside it, since Cloudflare has to present it.")
        leaf = load_client_certificate(text, key, passphrase) if key else load_leaf(text)
        # Cloudflare takes such a certificate, and an origin that requires one does not; nginx and Apache refuse one for
        # servers only even while they ask.
        refused = [one for one in leaf.warnings if "refuse" in one]
        if refused:
            raise InputError(" ".join(refused))
    except CloudflareError as error:
        raise InputError(in_the_users_names(str(error), sources)) from None
    return leaf


def _origin(variables: Mapping[str, Any], name: str, given: Mapping[str, _Given], to: str) -> OriginPlan | None:
    """None where it serves no zone of the run. Raises CloudflareError for what cannot be."""
    said = texts(value_of(variables, "origin_client_auth_zones"), "origin_client_auth_zones")
    served = list(dict.fromkeys(said or given))
    zones = [zone for zone in served if zone in given]
    others = [zone for zone in served if zone not in given]
    if not zones:
        return None
    if others:
        raise InputError(
            f"it serves {', '.join(others)} as well (origin_client_auth_zones), and what it requires holds for all of "
            "them: name them in the same run."
        )
    urls = list(dict.fromkeys(url for zone in zones for url in given[zone].urls))
    retries, delay, settle = map(max, zip(*(given[zone].numbers for zone in zones)))
    planned: OriginPlan = {
        "zones": zones,
        "urls": urls,
        "retries": retries,
        "delay": delay,
        "settle": settle,
        "ca": [],
        "made": False,
    }
    if to == OFF:
        return planned
    certificates = {given[zone].certificate: zone for zone in zones}
    made = certificates.pop("", None) is not None
    ca = value_of(variables, "origin_client_auth_ca")
    text = ca if isinstance(ca, str) else "\n".join(map(str, ca or ()))
    if text.strip():
        try:
            pems = [one["certificate"] for one in load_authorities(text)[0]]
        except CloudflareError as error:
            raise InputError(f"origin_client_auth_{error}") from None
        for certificate, zone in certificates.items():
            issuer = untrusted(certificate, text)
            if issuer:
                raise InputError(
                    f"origin_client_auth_ca lacks the authority '{issuer}' that issued the certificate of {zone}, "
                    "which the origin would refuse. Add it."
                )
        return {**planned, "ca": pems, "made": made}
    pems = []
    for certificate, zone in certificates.items():
        trusted = trusted_with(certificate)
        if trusted is None:
            issuer = untrusted(certificate, certificate)
            raise InputError(
                f"origin_client_auth_ca is missing: the PEM of the authority '{issuer or ''}', which issued the "
                f"certificate of {zone}."
            )
        pems.append(trusted)
    return {**planned, "ca": list(dict.fromkeys(pems)), "made": made}


def _unserved(
    planned: Mapping[str, OriginPlan], zones: Sequence[str], origins: Sequence[str], excluded: Sequence[str]
) -> Iterator[str]:
    served = {zone for one in planned.values() for zone in one["zones"]}
    unserved = [zone for zone in zones if zone not in served]
    if unserved:
        out = f"; excluded: {listed(excluded)}" if excluded else ""
        yield (
            f"No origin serves {', '.join(unserved)} (origins: {listed(origins)}{out}): put its origin into the group "
            "origins, and the zone into origin_client_auth_zones of it."
        )


def _gone_with_the_job(variables: Mapping[str, Any]) -> Iterator[str]:
    """Why AWX would lose the certificate that is to be made. variables: of the origin that it is made for."""
    directory = value_of(variables, "client_certificate_directory")
    if directory and os.path.isdir(str(directory)):
        return
    where = (
        f"client_certificate_directory is {directory}, which does not exist in the container of the job"
        if directory
        else "there is no certificate, and one that is made would be in the container of the job"
    )
    yield (
        f"In AWX, files end with the job: {where}. Fill in the credential of the client certificate, or set "
        "client_certificate_directory to a directory that AWX exposes to its jobs ('Paths to expose to isolated jobs')."
    )
