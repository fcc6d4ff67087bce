# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module with something to do, and what may be seen of its zone before, meanwhile and after."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ansible_collections.originsec.cloudflare.plugins.modules import (
    auto_origin_tls_kex,
    origin_pqe,
    origin_tls_client_auth,
    origin_tls_client_auth_hostname,
    origin_tls_client_auth_info,
    origin_tls_compliance_modes,
    origin_tls_info,
    ssl_mode,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Certificate, Emulator, Exchange, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import issue, run_module

Options = dict[str, Any]

OLD, NEW = issue("old"), issue("new")
PAIR: Options = {"certificate": NEW.pem, "private_key": NEW.key_pem}
SHOP = "shop.example.com"
SECRET_LINES = NEW.key_pem.splitlines()[1:-1]

_ZONE_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Scenario:
    """prepare: makes a fresh zone ready, and tells the options besides those that every module has."""

    module: ModuleType
    prepare: Callable[[Emulator, Zone], Options]
    by_name: bool = False


def _given(**options: Any) -> Callable[[Emulator, Zone], Options]:
    return lambda _emulator, _zone: options


def _holding_old(emulator: Emulator, zone: Zone, enabled: bool = True) -> str:
    zone.aop_enabled = enabled
    return emulator.upload(zone, OLD.pem).id


def _rotation(emulator: Emulator, zone: Zone) -> Options:
    _holding_old(emulator, zone)
    return {**PAIR, "exclusive": True}


def _enablement(emulator: Emulator, zone: Zone) -> Options:
    _holding_old(emulator, zone, enabled=False)
    return {"enabled": True}


def _absence(emulator: Emulator, zone: Zone) -> Options:
    _holding_old(emulator, zone)
    return {"state": "absent", "certificate": OLD.pem, "enabled": False}


def _absence_by_id(emulator: Emulator, zone: Zone) -> Options:
    return {"state": "absent", "certificate_id": _holding_old(emulator, zone), "enabled": False}


def _absence_beside_another(emulator: Emulator, zone: Zone) -> Options:
    _holding_old(emulator, zone)
    emulator.upload(zone, NEW.pem)
    return {"state": "absent", "certificate": OLD.pem}


def _deleted_certificate(emulator: Emulator, zone: Zone) -> Options:
    """Not on the list, but there by its id."""
    id_ = _holding_old(emulator, zone, enabled=False)
    zone.certificates[id_].deleted_at = emulator.now()
    return {"certificate_id": id_}


def _hostname(emulator: Emulator, zone: Zone) -> None:
    emulator.associate(zone, SHOP, emulator.upload(zone, OLD.pem, hostname_level=True))


def _hostname_rotation(emulator: Emulator, zone: Zone) -> Options:
    _hostname(emulator, zone)
    return {**PAIR, "hostname": SHOP, "exclusive": True}


def _hostname_absence(emulator: Emulator, zone: Zone) -> Options:
    _hostname(emulator, zone)
    return {"hostname": SHOP, "state": "absent", "exclusive": True}


def _automatic_mode(_emulator: Emulator, zone: Zone) -> Options:
    zone.ssl_automatic_mode = "auto"
    return {"mode": "strict"}


SCENARIOS = {
    "kex": Scenario(auto_origin_tls_kex, _given(enabled=True)),
    "pqe": Scenario(origin_pqe, _given(value="off")),
    "compliance": Scenario(origin_tls_compliance_modes, _given(modes=["fips", "pqh"])),
    "kex by name": Scenario(auto_origin_tls_kex, _given(enabled=True), by_name=True),
    "first upload": Scenario(origin_tls_client_auth, _given(**PAIR, enabled=True)),
    "rotation": Scenario(origin_tls_client_auth, _rotation),
    "enablement": Scenario(origin_tls_client_auth, _enablement),
    "absence": Scenario(origin_tls_client_auth, _absence),
    "absence by id": Scenario(origin_tls_client_auth, _absence_by_id),
    "absence beside another": Scenario(origin_tls_client_auth, _absence_beside_another),
    "hostname rotation": Scenario(origin_tls_client_auth_hostname, _hostname_rotation),
    "hostname absence": Scenario(origin_tls_client_auth_hostname, _hostname_absence),
    "ssl mode": Scenario(ssl_mode, _automatic_mode),
    "client auth info": Scenario(origin_tls_client_auth_info, _deleted_certificate),
    "info": Scenario(origin_tls_info, _given()),
}


@dataclass(frozen=True)
class Sight:
    """presented: the fingerprint of the certificate that an origin is shown, None where Authenticated Origin Pulls
    are off, "" where there is none to show. kept: the fingerprints of all certificates of the zone and its hostnames.
    hostnames: with the fingerprint of the certificate, and whether it is shown. automatic: Automatic SSL/TLS."""

    settings: tuple[Any, ...]
    presented: str | None
    kept: frozenset[str]
    hostnames: frozenset[tuple[str, str, bool]]
    automatic: str

    @property
    def outside(self) -> tuple[Any, ...]:
        """What makes a difference to an origin."""
        return self.settings, self.presented, self.hostnames


@dataclass(frozen=True, order=True)
class Request:
    """The nth (from 0) of its kind in a run; ids in the path are patterns."""

    method: str
    path: str
    nth: int

    def __str__(self) -> str:
        path = self.path.replace("[0-9a-f]{32}", "{zone}", 1).replace("[0-9a-f]{32}", "{certificate}")
        return f"{self.method} {path} #{self.nth + 1}"


@dataclass(frozen=True)
class Clean:
    """A run without a fault: what it asks for, and what it is to reach."""

    requests: list[Request]
    wanted: Sight


Cleanly = Callable[[str], Clean]
"""The clean run of a scenario."""


class Stage:
    """A fresh zone, made ready for a scenario, and a user of its own, whose quota nobody else uses up."""

    def __init__(self, emulator: Emulator, scenario: Scenario) -> None:
        emulator.faults.clear()
        emulator.journal.clear()
        self.emulator = emulator
        self.scenario = scenario
        self.zone = emulator.add_zone(f"zone{next(_ZONE_NUMBERS)}.example")
        self.token = emulator.add_token(user=self.zone.name)
        named = {"zone_name": self.zone.name} if scenario.by_name else {"zone_id": self.zone.id}
        self.options = {"api_base_url": emulator.url, "api_token": self.token, **named}
        self.options |= scenario.prepare(emulator, self.zone)
        # What stale answers show: another time, when the settings were those that are wanted
        self.zone.before = Zone(
            self.zone.name,
            self.zone.id,
            kex_enabled=True,
            pqe_value="off",
            compliance_modes=["fips", "pqh"],
            ssl_mode="strict",
            ssl_automatic_mode=self.zone.ssl_automatic_mode,
        )
        emulator.advance(60)
        self.old = self.look()

    def run(self, **options: Any) -> dict[str, Any]:
        return run_module(self.scenario.module, {**self.options, **options}, diff=True)

    def look(self) -> Sight:
        zone = self.zone
        active = self.emulator.active(zone)
        shown = _fingerprint(zone.certificates[active[-1]]) if active else ""
        return Sight(
            (zone.kex_enabled, zone.pqe_value, tuple(zone.compliance_modes), self.emulator.ssl_mode(zone)),
            shown if zone.aop_enabled else None,
            frozenset(_fingerprint(one) for one in self._certificates() if one.deleted_at is None),
            frozenset(
                (name, _fingerprint(zone.hostname_certificates[one.certificate_id]), one.enabled)
                for name, one in zone.associations.items()
                if one.enabled is not None
            ),
            zone.ssl_automatic_mode,
        )

    def _certificates(self) -> list[Certificate]:
        return [*self.zone.certificates.values(), *self.zone.hostname_certificates.values()]

    def requests(self) -> list[Request]:
        counter: Counter[tuple[str, str]] = Counter()
        found = []
        for exchange in self.emulator.journal:
            kind = exchange.method, re.sub("[0-9a-f]{32}", "[0-9a-f]{32}", exchange.path)
            found.append(Request(*kind, counter[kind]))
            counter[kind] += 1
        return found

    def like(self, request: Request) -> list[Exchange]:
        """The exchanges of the request's kind, from the nth on."""
        method, path = request.method, request.path
        same = [one for one in self.emulator.journal if one.method == method and re.fullmatch(path, one.path)]
        return same[request.nth :]

    def was_dark(self) -> bool:
        return any(
            exchange.uncovered or (exchange.aop_enabled and not exchange.active) for exchange in self.emulator.journal
        )

    def mischief(self) -> Iterator[str]:
        """What must not have happened at any time."""
        if self.was_dark():
            yield "the edge had nothing to present"
        if any(number > 1 for number in Counter(map(_fingerprint, self._certificates())).values()):
            yield "a certificate was uploaded twice"

    def flaws(self, result: dict[str, Any]) -> Iterator[str]:
        """What no result may be, whatever has happened."""
        if result.get("failed") and not (isinstance(result["msg"], str) and result["msg"]):
            yield f"no message: {result}"
        text = json.dumps(result)
        if "Traceback" in text or "exception" in result:
            yield f"a traceback: {text}"
        if self.token in text or any(line in text for line in SECRET_LINES):
            yield f"a secret: {text}"


def _fingerprint(certificate: Certificate) -> str:
    return hashlib.sha256(certificate.parsed.der).hexdigest()
