# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""One zone, one transaction: read, judge, change, verify through the edge, clean up; or put everything back.

All of it happens in one process, because a rollback that is made of tasks is not sound: an unreachable host, the
timeout of a task or a signal ends the play between two of them.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ._certificates import ClientCertificate, load_certificate, load_client_certificate, load_leaf, require_cryptography
from ._client import Client
from ._client_auth import (
    AwaitActive,
    AwaitListed,
    Delete,
    Enable,
    Record,
    State,
    Step,
    UnsafeError,
    Upload,
    plan,
    warnings,
)
from ._client_auth import Wanted as WantedClientAuth
from ._client_auth_calls import ClientAuthCalls
from ._edge import Pull, Verification, checked_urls
from ._errors import CloudflareError, InputError
from ._hostname_calls import HostnameCalls
from ._hostnames import (
    Associate,
    Association,
    HostnameState,
    HostnameStep,
    Pin,
    WantedHostname,
    plan_hostnames,
    preview,
)
from ._options import ascii_name, find_zone, read_zone
from ._posture import (
    ASPECTS,
    SSL_MODES,
    TO_BE_GONE,
    HostnamePosture,
    Posture,
    either,
    listed,
    number,
    texts,
    too_few_days,
    truth,
)
from ._setting import (
    AUTO_ORIGIN_TLS_KEX,
    COMPLIANCE_MODES,
    GLOBAL_CLIENT_AUTH,
    ORIGIN_PQE,
    SSL_AUTOMATIC_MODE,
    SSL_MODE,
    Setting,
    is_ssl_automatic,
)

if TYPE_CHECKING:
    from ._probe import Target

INTERRUPTED = "The run was interrupted."
"""In the message of a run that Ctrl-C or another signal ended, which nobody may be there to read."""

_INACTIVE = ("initializing", "pending", "moved")


class HardeningError(CloudflareError):
    """The zone was not hardened; the message and the facts say what became of it."""


@dataclass(frozen=True)
class Wanted:
    """What a task wants of a zone, judged without a request.

    certificate: None where none was given; without a key in check mode only. only: the aspects to manage, None for all.
    """

    posture: Posture
    certificate: ClientCertificate | None
    hostnames: tuple[WantedHostname, ...]
    exclusive: bool | None
    verify_urls: tuple[str, ...] | None
    verification: Verification
    origins: tuple[Target, ...]
    require_enforcement: bool
    allow_inactive_zones: bool
    rollback: bool
    wait_timeout: int
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_options(cls, params: Mapping[str, Any], client: Client, check_mode: bool) -> Wanted:
        """Raises InputError for all that can be judged offline."""
        posture = Posture.from_options(params)
        certificate, notes = _certificate(params, check_mode) if posture.fingerprints else (None, ())
        if certificate:
            # The chain is sent along, but it is the leaf that the edge presents.
            posture = replace(posture, fingerprints=(certificate.fingerprint,))
        elif not posture.fingerprints and str(params.get("private_key") or "").strip() and not params.get("only"):
            raise InputError("private_key needs certificate beside it.")
        _refuse(posture, certificate)
        hostnames, notes_on_hostnames = _hostnames(params, check_mode) if posture.hostnames else ((), ())
        posture = replace(posture, hostnames=tuple(_hostname_posture(one) for one in hostnames))
        urls = texts(params["verify_urls"], "verify_urls")
        return cls(
            posture,
            certificate,
            hostnames,
            truth(params["exclusive"], "exclusive"),
            None if urls is None else checked_urls(urls, "verify_urls"),
            Verification(
                (),
                number(params["verify_retries"], "verify_retries", 5),
                number(params["verify_delay"], "verify_delay", 5),
                number(params["verify_settle"], "verify_settle", 10),
                client.verify,
            ),
            _origins(params, certificate),
            bool(params["require_enforcement"]),
            bool(params["allow_inactive_zones"]),
            bool(params["rollback"]),
            number(params["wait_timeout"], "wait_timeout", 300),
            (*notes, *notes_on_hostnames),
        )

    def client_auth(self, exclusive: bool) -> WantedClientAuth:
        return WantedClientAuth(
            certificate=self.certificate, enabled=self.posture.client_auth_enabled, exclusive=exclusive
        )


def _certificate(params: Mapping[str, Any], check_mode: bool) -> tuple[ClientCertificate, tuple[str, ...]]:
    require_cryptography()
    private_key = str(params["private_key"] or "")
    if private_key.strip():
        certificate = load_client_certificate(params["certificate"], private_key, params["private_key_passphrase"])
        return certificate, certificate.warnings
    if check_mode:
        certificate = load_leaf(params["certificate"])
        note = "private_key was not given, so it was not checked that it belongs to certificate and can be decrypted."
        return certificate, (*certificate.warnings, note)
    raise InputError("certificate needs private_key beside it, since Cloudflare has to present it.")


def _refuse(posture: Posture, certificate: ClientCertificate | None) -> None:
    """What would not be right afterwards, whatever the zone is like now."""
    if posture.ssl_mode and posture.required_ssl_modes and posture.ssl_mode not in posture.required_ssl_modes:
        raise InputError(
            f"ssl_mode is {posture.ssl_mode}, and {either(posture.required_ssl_modes)} is asked for "
            "(required_ssl_modes): change one of them. Nothing was changed."
        )
    days = certificate.description["days_remaining"] if certificate else None
    if certificate and too_few_days(days, posture.min_days_remaining):
        raise InputError(
            f"certificate expires in {days} {'day' if days == 1 else 'days'}, and {posture.days_in_words()} are asked "
            "for (min_days_remaining): renew it. Nothing was changed."
        )


def _hostnames(params: Mapping[str, Any], check_mode: bool) -> tuple[tuple[WantedHostname, ...], tuple[str, ...]]:
    wanted: list[WantedHostname] = []
    notes: list[str] = []
    for one in params["hostnames"]:
        hostname = ascii_name(str(one["hostname"]).strip(), "hostnames: hostname")
        if any(hostname == other.hostname for other in wanted):  # written once in Unicode, once in punycode
            raise InputError(f"hostnames names {hostname} more than once.")
        certificate: ClientCertificate | None = None
        try:
            if str(one.get("certificate") or "").strip():
                certificate, warned = _certificate({**_NO_PAIR, **one}, check_mode)
                notes += [f"{hostname}: {note}" for note in warned]
            elif str(one.get("private_key") or "").strip():
                raise InputError("private_key needs certificate beside it.")
        except InputError as error:
            raise InputError(f"hostnames, {hostname}: {error}") from error
        if certificate is None and one.get("enabled") is None:
            raise InputError(
                f"hostnames, {hostname}: there is nothing to manage: give certificate, or enabled, or both."
            )
        wanted.append(WantedHostname(hostname, True, certificate, None, one.get("enabled")))
    return tuple(wanted), tuple(notes)


_NO_PAIR = {"private_key": None, "private_key_passphrase": None}


def _hostname_posture(wanted: WantedHostname) -> HostnamePosture:
    fingerprints = (wanted.certificate.fingerprint,) if wanted.certificate else ()
    return HostnamePosture(wanted.hostname, wanted.enabled, fingerprints)


def _origins(params: Mapping[str, Any], certificate: ClientCertificate | None) -> tuple[Target, ...]:
    origins = texts(params["origins"], "origins") or ()
    if params["require_enforcement"] and not origins:
        raise InputError("require_enforcement needs to know the origins: set origins.")
    if not origins:
        return ()
    from ._probe import Target  # only here, since it brings pyOpenSSL with it

    authorities = str(params["origins_ca"] or "")
    if authorities.strip():
        try:
            load_certificate(authorities)
        except InputError as error:
            raise InputError(f"origins_ca: {error}") from error
    return tuple(Target.from_text(origin, "origins", certificate, authorities) for origin in origins)


# --------------------------------------------------------------------------------------------------------- changes


class Change(Protocol):
    """A change that can be undone. aspect: of ASPECTS."""

    aspect: str

    @property
    def what(self) -> str:
        """The step, in words."""

    @property
    def todo(self) -> str:
        """What a person has to do where it could not be undone; blank where there is nothing to undo."""

    def execute(self, zone: _Zone) -> bool:
        """Make the change. Whether there was something to change."""

    def undo(self, zone: _Zone) -> None:
        """Put back what was there before, also where nobody knows whether the change was made."""


@dataclass
class _SetSetting:
    aspect: str
    setting: Setting
    found: Any
    wanted: Any

    @property
    def what(self) -> str:
        return f"Set {ASPECTS[self.aspect]} to {_in_words(self.wanted)}"

    @property
    def todo(self) -> str:
        return f"set {ASPECTS[self.aspect]} to {_in_words(self.found)}"

    def execute(self, zone: _Zone) -> bool:
        self._write(zone, self.wanted)
        return True

    def undo(self, zone: _Zone) -> None:
        self._write(zone, self.found)

    def _write(self, zone: _Zone, value: Any) -> None:
        zone.found[self.aspect] = self.setting.write(zone.client, zone.id, value)[self.setting.field]


@dataclass
class _SetSslMode(_SetSetting):
    """automatic: whether Automatic SSL/TLS is on, which puts a mode back that somebody writes."""

    automatic: bool

    @property
    def todo(self) -> str:
        return f"{super().todo}{', and then Automatic SSL/TLS to on' if self.automatic else ''}"

    def execute(self, zone: _Zone) -> bool:
        if self.automatic:
            SSL_AUTOMATIC_MODE.write(zone.client, zone.id, "custom")
        try:
            return super().execute(zone)
        except CloudflareError as error:
            error.may_be_done = error.may_be_done or self.automatic  # which is off by now
            raise

    def undo(self, zone: _Zone) -> None:
        super().undo(zone)
        if self.automatic:
            SSL_AUTOMATIC_MODE.write(zone.client, zone.id, "auto")


@dataclass
class _Upload:
    """known: the ids before. record: None while nobody knows whether it was done."""

    step: Upload
    known: frozenset[str | None]
    aspect: str = "certificate"
    record: Record | None = None
    what: str = "Upload the client certificate"

    @property
    def todo(self) -> str:
        if self.record:
            return f"remove the certificate {self.record.id}"
        return f"remove the certificate with the fingerprint {self.step.certificate.fingerprint}, if the zone has it"

    def execute(self, zone: _Zone) -> bool:
        self.record = self._calls(zone).upload(self.step.certificate)
        self._keep(zone, self.record)
        return self.record.uploaded_here

    def undo(self, zone: _Zone) -> None:
        calls = self._calls(zone)
        if self.record is None:
            found = calls.find_uploaded(self.step.certificate, self.known)
            if found is None:
                raise CloudflareError("whether it was uploaded is not known, and Cloudflare's list does not show it")
            self.record = replace(found, uploaded_here=not calls.was_there(found))
        # A certificate that was there before is never deleted.
        if not self.record.uploaded_here:
            return
        self._delete(zone, self.record)

    def _calls(self, zone: _Zone) -> ClientAuthCalls:
        return zone.calls

    def _keep(self, zone: _Zone, record: Record) -> None:
        zone.state = zone.state.with_record(record)

    def _delete(self, zone: _Zone, record: Record) -> None:
        if zone.may_be_enabled and not zone.state.without(record.id).works:
            raise CloudflareError("Authenticated Origin Pulls may still be enabled, with nothing else to present")
        zone.calls.delete(str(record.id))
        zone.state = zone.state.without(record.id)


class _UploadForHostnames(_Upload):
    """To the store that the hostnames share."""

    def _calls(self, zone: _Zone) -> ClientAuthCalls:
        return zone.hostname_calls.certificates

    def _keep(self, zone: _Zone, record: Record) -> None:
        zone.hostnames = replace(zone.hostnames, records=zone.hostnames.store.with_record(record).records)

    def _delete(self, zone: _Zone, record: Record) -> None:
        """The associations were put back before, and Cloudflare refuses to delete what one of them still uses."""
        zone.hostname_calls.delete(str(record.id))
        zone.hostnames = replace(zone.hostnames, records=zone.hostnames.store.without(record.id).records)


@dataclass
class _Associate:
    """found: the associations before, by hostname."""

    step: Associate
    found: Mapping[str, Association]
    aspect: str = "hostnames"

    @property
    def what(self) -> str:
        return f"Associate {listed(pin.hostname for pin in self.step.pins)}"

    @property
    def todo(self) -> str:
        return "; ".join(
            f"associate {pin.hostname} with the certificate {pin.certificate_id}, {'on' if pin.enabled else 'off'}"
            if pin.enabled is not None
            else f"remove the association of {pin.hostname}"
            for pin in self._back(None)
        )

    def execute(self, zone: _Zone) -> bool:
        zone.hostnames = zone.hostname_calls.execute(self.step, zone.hostnames)
        return True

    def undo(self, zone: _Zone) -> None:
        # What it takes is not known where the call was cut off, and Cloudflare demands a certificate to void one, too.
        pins = self._back(zone.hostnames)
        zone.hostnames = zone.hostname_calls.execute(Associate(pins), zone.hostnames)

    def _back(self, state: HostnameState | None) -> tuple[Pin, ...]:
        pins = []
        for pin in self.step.pins:
            before = self.found.get(pin.hostname)
            if before:
                pins.append(Pin(pin.hostname, None, before.certificate_id, before.enabled))
            else:
                used = Associate.certificate_id(pin, state) if state else pin.certificate_id
                pins.append(Pin(pin.hostname, None, used, None))
        return tuple(pins)


@dataclass
class _Enable:
    step: Enable
    found: bool
    aspect: str = "client_auth"

    @property
    def what(self) -> str:
        return f"{'Enable' if self.step.enabled else 'Disable'} Authenticated Origin Pulls"

    @property
    def todo(self) -> str:
        return f"{'enable' if self.found else 'disable'} Authenticated Origin Pulls"

    def execute(self, zone: _Zone) -> bool:
        # Once more, since the upload may have turned out to be an older certificate that the list had not shown.
        plan(zone.state, WantedClientAuth(enabled=self.step.enabled))
        zone.state = zone.calls.execute(self.step, zone.state)
        return True

    def undo(self, zone: _Zone) -> None:
        zone.may_be_enabled = True
        zone.state = zone.calls.execute(Enable(self.found), zone.state)
        zone.may_be_enabled = False


@dataclass
class _Wait:
    """Until the certificate is active, before the edge is to present it."""

    step: AwaitActive
    aspect: str = "certificate"
    what: str = "Wait until the client certificate is active"
    todo: str = ""

    def execute(self, zone: _Zone) -> bool:
        zone.state = zone.calls.execute(self.step, zone.state)
        return False

    def undo(self, zone: _Zone) -> None:
        """Nothing was changed."""


class _WaitForHostnames(_Wait):
    def execute(self, zone: _Zone) -> bool:
        zone.hostnames = zone.hostname_calls.execute(self.step, zone.hostnames)
        return False


@dataclass
class _Remove:
    """Of a certificate that no origin accepts, and that is in the way: one that has expired or never worked."""

    step: Delete
    aspect: str
    todo: str = ""

    @property
    def what(self) -> str:
        return f"Remove the certificate {self.step.certificate_id}, which no origin accepts"

    def execute(self, zone: _Zone) -> bool:
        zone.state = zone.calls.execute(self.step, zone.state)
        return True

    def undo(self, zone: _Zone) -> None:
        """Nothing: what is gone is gone."""


class _RemoveForHostnames(_Remove):
    def execute(self, zone: _Zone) -> bool:
        zone.hostnames = zone.hostname_calls.execute(self.step, zone.hostnames)
        return True


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return listed(value) if isinstance(value, (list, tuple)) else str(value)


# What strengthens the connection comes before the client certificates, and what weakens it after them, so that it is
# never weaker than before or afterwards.
_SETTINGS: dict[str, Setting] = {
    "ssl_mode": SSL_MODE,
    "auto_origin_tls_kex": AUTO_ORIGIN_TLS_KEX,
    "origin_pqe": ORIGIN_PQE,
    "compliance_modes": COMPLIANCE_MODES,
    "global_client_auth": GLOBAL_CLIENT_AUTH,
}


def _wanted_value(posture: Posture, aspect: str) -> Any:
    """As it is written to the setting; None leaves it alone."""
    if aspect == "compliance_modes":
        return None if posture.compliance_modes is None else list(posture.compliance_modes)
    if aspect == "global_client_auth":
        shared = posture.global_client_auth_enabled
        return None if shared is None else "on" if shared else "off"
    return getattr(posture, aspect)


# -------------------------------------------------------------------------------------------------------- the zone


@dataclass
class _Zone:
    """A zone in a transaction: found, by aspect, and state are what is so now, as far as it is known.

    name: blank until it is known. reads_client_auth, reads_hostnames: whether state and hostnames were read.
    may_be_enabled: whether an undo that failed may have left Authenticated Origin Pulls enabled.
    """

    client: Client
    id: str
    calls: ClientAuthCalls
    hostname_calls: HostnameCalls
    name: str = ""
    found: dict[str, Any] = field(default_factory=dict)
    state: State = field(default_factory=lambda: State(False, ()))
    reads_client_auth: bool = False
    hostnames: HostnameState = field(default_factory=lambda: HostnameState({}))
    reads_hostnames: bool = False
    may_be_enabled: bool = False

    def facts(self) -> dict[str, Any]:
        """As ``origin_tls`` of the module origin_tls_info, without PEM."""
        facts = dict(self.found)
        if "global_client_auth" in facts:
            facts["global_client_auth"] = facts["global_client_auth"] == "on"
        if self.reads_client_auth:
            client_auth = self.state.facts()
            active = client_auth["active_certificate"]
            facts["client_auth"] = {
                "enabled": client_auth["enabled"],
                "certificates": [_without_pem(one) for one in client_auth["certificates"]],
                "active_certificate": _without_pem(active) if active else None,
            }
        if self.reads_hostnames:
            facts["hostnames"] = {
                "associations": self.hostnames.result(),
                "certificates": [_without_pem(one.result()) for one in self.hostnames.records],
            }
        return facts

    def diff(self) -> dict[str, Any]:
        """As in diffs: no PEM, and no id, which check mode cannot foresee."""
        return {
            **self.facts(),
            **({"client_auth": self.state.diff()} if self.reads_client_auth else {}),
            **({"hostnames": self.hostnames.diff()} if self.reads_hostnames else {}),
        }


def _without_pem(certificate: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in certificate.items() if name != "certificate"}


@dataclass
class Report:
    """What became of a zone, or in check mode would. All but warnings and diff are return values of origin_tls.

    diff: of the whole zone, before and after.
    """

    zone_id: str
    zone_name: str | None = None
    changed: bool = False
    drift: list[dict[str, str]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    certificate: dict[str, Any] | None = None
    origins: dict[str, list[str]] = field(default_factory=dict)
    verified: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_verified: str | None = None
    inactive: str | None = None
    removed: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    left_to_do: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    diff: tuple[dict[str, Any], dict[str, Any]] = ({}, {})

    def result(self) -> dict[str, Any]:
        """The return values."""
        return {name: value for name, value in vars(self).items() if name not in ("warnings", "diff")}


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP, while a transaction is open."""


def harden(params: Mapping[str, Any], client: Client, check_mode: bool) -> Report:
    """Bring a zone to the desired state. Raises CloudflareError, whose facts are the return values as far as known."""
    wanted = Wanted.from_options(params, client, check_mode)
    return _Transaction(client, find_zone(client, params), wanted, check_mode).run()


class _Transaction:
    def __init__(self, client: Client, zone_id: str, wanted: Wanted, check_mode: bool) -> None:
        self._wanted = wanted
        self._check_mode = check_mode
        timeout = wanted.wait_timeout
        self._zone = _Zone(
            client, zone_id, ClientAuthCalls(client, zone_id, timeout), HostnameCalls(client, zone_id, timeout)
        )
        self._report = Report(zone_id, warnings=list(wanted.warnings))
        self._verification = wanted.verification
        self._begun: list[Change] = []  # to undo, in this order
        self._made: list[str] = []  # aspects
        self._cleaning = False
        self._diff_before: dict[str, Any] = {}
        self._hostnames_before = HostnameState({})

    def run(self) -> Report:
        """Read and judge; in check mode, foresee; else change, verify and clean up, or put everything back."""
        zone, wanted = self._zone, self._wanted
        zone.client.first_date = None  # a client serves many zones
        try:
            self._read()
            self._judge()
            changes, superseded = self._plan()
            if changes or superseded or wanted.origins:
                self._read_zone(refuse_inactive=bool(changes or superseded))
            if wanted.posture.exclusive is None and not self._verification.urls:
                superseded = []
            self._probe()
            if changes or superseded:
                (self._foresee if self._check_mode else self._change)(changes, superseded)
            self._require_enforcement()
        except CloudflareError as error:
            error.facts = self._finished().result()
            error.done = ()  # the message and the facts have it
            raise
        if wanted.posture.manages_client_auth:
            self._report.warnings += warnings(wanted.client_auth(exclusive=False), zone.state)
        return self._finished()

    @contextlib.contextmanager
    def _step(self, what: str) -> Iterator[dict[str, Any]]:
        """A step of the report."""
        began = time.monotonic()
        step: dict[str, Any] = {"what": what, "outcome": "failed", "seconds": 0.0}
        self._report.steps.append(step)
        try:
            yield step
            if step["outcome"] == "failed":
                step["outcome"] = "done"
        finally:
            step["seconds"] = round(time.monotonic() - began, 3)

    # ------------------------------------------------------------------------------------------------ look and judge

    def _read(self) -> None:
        """The SSL mode, and what is wanted: a request for each setting, and two for client certificates."""
        zone, posture = self._zone, self._wanted.posture
        with self._step("Read the zone"):
            for aspect, setting in _SETTINGS.items():
                wanted = _wanted_value(posture, aspect)
                if aspect != "ssl_mode" and wanted is None:
                    continue
                record = setting.read(zone.client, zone.id)
                zone.found[aspect] = record[setting.field]
                locked = record.get("editable") is False
                if locked and wanted is not None and not setting.same(record[setting.field], wanted):
                    raise UnsafeError(
                        f"{aspect} is {_in_words(record[setting.field])}, and Cloudflare does not let it be changed in "
                        "this zone, which may be due to its plan. Nothing was changed. Leave it alone (null)."
                    )
            if posture.manages_client_auth:
                zone.reads_client_auth = True
                zone.state = replace(zone.calls.read(), ssl_mode=posture.ssl_mode or zone.found["ssl_mode"])
            if posture.hostnames:
                zone.reads_hostnames = True
                zone.hostnames = zone.hostname_calls.read([one.hostname for one in posture.hostnames])
                self._hostnames_before = zone.hostnames
        self._report.before, self._diff_before = zone.facts(), zone.diff()
        self._report.drift = [one.result() for one in posture.drift(self._report.before)]

    def _read_zone(self, refuse_inactive: bool) -> None:
        """Its name, and whether the edge is in front of it: else nothing that is set has effect or can be proved."""
        zone = self._zone
        with self._step("Read the zone's name and status"):
            record = read_zone(zone.client, zone.id)
        zone.name = str(record.get("name") or "")
        zone.found["zone"] = {"status": record.get("status"), "paused": record.get("paused") is True}
        self._report.zone_name = zone.name
        self._report.before["zone"] = self._diff_before["zone"] = zone.found["zone"]
        status = "paused" if zone.found["zone"]["paused"] else str(record.get("status"))
        inactive = status == "paused" or status in _INACTIVE
        if inactive and refuse_inactive and not self._wanted.allow_inactive_zones:
            self._report.inactive = status
            raise UnsafeError(
                f"The zone {zone.name} is {status}: Cloudflare's edge is not in front of it, so nothing that is set "
                "has effect, and nothing can be verified. Nothing was changed. Set allow_inactive_zones to harden it "
                "nevertheless."
            )
        urls = self._wanted.verify_urls
        names = dict.fromkeys([zone.name, *(one.hostname for one in self._wanted.hostnames)])
        default = () if inactive or not zone.name else tuple(f"https://{name}/" for name in names)
        self._verification = replace(self._verification, urls=default if urls is None else urls)

    def _plan(self) -> tuple[list[Change], list[Delete]]:
        """What is to change, in order, and which certificates are to go once that is verified."""
        posture, zone = self._wanted.posture, self._zone
        changes: dict[str, _SetSetting] = {}
        for aspect, setting in _SETTINGS.items():
            found, wanted = zone.found.get(aspect), _wanted_value(posture, aspect)
            if wanted is not None and not setting.same(found, wanted):
                changes[aspect] = _SetSetting(aspect, setting, found, wanted)
                if aspect == "ssl_mode":
                    automatic = is_ssl_automatic(zone.client, zone.id)
                    changes[aspect] = _SetSslMode(aspect, setting, found, wanted, automatic)
        last: list[Change] = []
        shared, mode = changes.get("global_client_auth"), changes.get("ssl_mode")
        if shared and shared.wanted == "off":
            last.append(changes.pop("global_client_auth"))
        if mode and _strength(mode.wanted) < _strength(mode.found):
            last.append(changes.pop("ssl_mode"))
        steps, superseded = self._client_auth_plan() if posture.manages_client_auth else ([], [])
        hostnames = map(self._hostname_change_of, plan_hostnames(zone.hostnames, self._wanted.hostnames))
        return [*changes.values(), *map(self._change_of, steps), *hostnames, *last], superseded

    def _client_auth_plan(self) -> tuple[list[Step], list[Delete]]:
        wanted, state = self._wanted, self._zone.state
        exclusive = self._exclusive
        try:
            steps = plan(state, wanted.client_auth(exclusive=False))
        except UnsafeError:
            if not exclusive:
                raise
            # Expired certificates that are in the way go first.
            steps = plan(state, wanted.client_auth(exclusive=True))
            while isinstance(steps[-1], Delete):
                steps.pop()
            steps = [step for step in steps if not isinstance(step, AwaitListed)]
        if not exclusive:
            return steps, []
        for step in steps:
            state = step.preview(state)
        superseded = [one for one in plan(state, wanted.client_auth(exclusive=True)) if isinstance(one, Delete)]
        if superseded and wanted.posture.exclusive is None and not self._presents_wanted(state):
            self._leave_superseded("the edge does not present the wanted one")
            return steps, []
        return steps, superseded

    def _presents_wanted(self, state: State) -> bool:
        """Whether what the origins are shown is the wanted certificate, so that they can prove that they take it."""
        presented = state.in_use()
        return state.enabled and presented is not None and self._wanted.client_auth(exclusive=True).matches(presented)

    def _leave_superseded(self, why: str) -> None:
        self._report.warnings.append(
            f"Superseded certificates were left, since nothing has proved that the origin takes the wanted one: {why}."
        )

    @property
    def _exclusive(self) -> bool:
        """Whether superseded certificates are to go, which by default takes something that can prove the new one."""
        posture = self._wanted.posture
        if not posture.fingerprints:
            return False
        return self._wanted.verify_urls != () if posture.exclusive is None else posture.exclusive

    def _change_of(self, step: Step) -> Change:
        state = self._zone.state
        if isinstance(step, Upload):
            return _Upload(step, frozenset(record.id for record in state.records))
        if isinstance(step, Enable):
            return _Enable(step, state.enabled)
        if isinstance(step, AwaitActive):
            return _Wait(step)
        if not isinstance(step, Delete):
            raise TypeError(step)
        wanted = self._wanted.certificate
        ours = [record for record in state.records if record.id == step.certificate_id and wanted]
        same = any(wanted and record.fingerprint == wanted.fingerprint for record in ours)
        return _Remove(step, "certificate" if same else "superseded")

    def _hostname_change_of(self, step: HostnameStep) -> Change:
        state = self._zone.hostnames
        if isinstance(step, Upload):
            return _UploadForHostnames(step, frozenset(record.id for record in state.records), "hostnames")
        if isinstance(step, AwaitActive):
            return _WaitForHostnames(step, "hostnames")
        if isinstance(step, Associate):
            return _Associate(step, state.associations)
        if not isinstance(step, Delete):
            raise TypeError(step)
        return _RemoveForHostnames(step, "hostnames")

    def _judge(self) -> None:
        """Refuse what reading tells, before anything is written."""
        posture, mode = self._wanted.posture, self._zone.found["ssl_mode"]
        if not posture.ssl_mode and posture.required_ssl_modes and mode not in posture.required_ssl_modes:
            raise UnsafeError(
                f"The SSL mode is {mode}, and {either(posture.required_ssl_modes)} is asked for (required_ssl_modes): "
                "set ssl_mode as well, or the mode at Cloudflare first. Nothing was changed."
            )

    def _probe(self) -> None:
        """See what the origins make of the edge's handshake, and refuse what one of them would not answer."""
        wanted, zone = self._wanted, self._zone
        if not wanted.origins:
            return
        from ._probe import origin_problems, origins_by_enforcement, probe

        presents = wanted.posture.client_auth_enabled
        if presents is None:
            presents = zone.state.enabled
        probed = {}
        for target in wanted.origins:
            with self._step(f"Try the edge's handshake with {target}"):
                probed[str(target)] = probe(replace(target, server_name=zone.name))
        self._report.origins = origins_by_enforcement(probed)
        problems = origin_problems(
            probed,
            presents,
            certificate=wanted.certificate is not None and wanted.certificate.private_key is not None,
            ssl_mode=wanted.posture.ssl_mode or zone.found["ssl_mode"],
            raised=wanted.posture.ssl_mode not in (None, zone.found["ssl_mode"]),
            modes=wanted.posture.compliance_modes or (),
        )
        if problems:
            raise UnsafeError(f"{' '.join(problems)} Nothing was changed.")

    def _require_enforcement(self) -> None:
        origins = self._report.origins
        unenforced = [*origins.get("optional", ()), *origins.get("open", ())]
        if self._wanted.require_enforcement and unenforced:
            raise CloudflareError(
                f"{' and '.join(unenforced)} {'answers' if len(unenforced) == 1 else 'answer'} without a client "
                "certificate, so anybody who knows the address can still go around Cloudflare. Set "
                "'ssl_verify_client on' in nginx, or what does the same elsewhere (require_enforcement). The zone "
                "itself is as wanted."
            )

    # -------------------------------------------------------------------------------------------------------- change

    def _foresee(self, changes: Sequence[Change], superseded: Sequence[Delete]) -> None:
        zone, report = self._zone, self._report
        for change in changes:
            if isinstance(change, _SetSetting):
                zone.found[change.aspect] = change.wanted
            elif isinstance(change, (_UploadForHostnames, _WaitForHostnames, _RemoveForHostnames, _Associate)):
                zone.hostnames = preview(change.step, zone.hostnames)
            elif isinstance(change, (_Upload, _Enable, _Wait, _Remove)):
                zone.state = change.step.preview(zone.state)
            if not isinstance(change, _Wait):
                self._made.append(change.aspect)
            if isinstance(change, _Remove):
                report.removed.append(str(change.step.certificate_id))
        for unused in self._unused_by_hostnames():
            zone.hostnames = preview(unused, zone.hostnames)
            report.removed.append(str(unused.certificate_id))
        for step in superseded:
            zone.state = step.preview(zone.state)
            self._made.append("superseded")
            report.removed.append(str(step.certificate_id))

    def _change(self, changes: Sequence[Change], superseded: Sequence[Delete]) -> None:
        """Make the changes, verify and clean up, or put everything back."""
        with signals_taken_over() as ignore_signals:
            before: dict[str, Pull] = {}
            try:
                before = self._pull_before()
                for change in changes:
                    self._execute(change)
                self._verify(before)
                if superseded or (self._exclusive and any(isinstance(change, _Upload) for change in changes)):
                    self._clean_up(before)
                self._clean_up_hostnames(before)
            except BaseException as error:
                try:
                    ignore_signals()
                except BaseException:  # a signal of this very moment, after which there is no other
                    ignore_signals()
                self._fail(error, before)

    def _execute(self, change: Change) -> None:
        with self._step(change.what):
            if isinstance(change, _Wait):
                change.execute(self._zone)
                return
            self._begun.append(change)
            try:
                changed = change.execute(self._zone)
            except CloudflareError as error:
                if not error.may_be_done:
                    self._begun.remove(change)
                raise
            if not changed:
                self._begun.remove(change)
                return
            self._made.append(change.aspect)
            if isinstance(change, _Remove):
                self._report.removed.append(str(change.step.certificate_id))

    def _pull_before(self) -> dict[str, Pull]:
        if not self._verification.urls:
            return {}
        with self._step("Request each URL through Cloudflare, before anything is changed"):
            before = self._verification.pull_all()
            for url, pull in before.items():
                reason = pull.in_words() if pull.dark() else None
                self._report.verified[url] = {"before": pull.status, "after": None, "proved": False, "reason": reason}
            dark = [f"{url} {pull.in_words()}" for url, pull in before.items() if pull.dark()]
            if dark:
                raise UnsafeError(
                    f"{'; '.join(dark)}. It was so before anything was changed, so that nothing could be verified "
                    "afterwards. Mend the site first, or name other URLs in verify_urls; where this change is what "
                    "mends it, make it with verify_urls: []."
                )
        return before

    def _verify(self, before: Mapping[str, Pull]) -> None:
        """See that every URL answers as before, and whether that proves anything."""
        verification = self._verification
        if not verification.urls:
            return
        with self._step("Request each URL through Cloudflare, until the response has held"):
            self._judge_pulls(verification.settled(before), before)

    def _judge_pulls(self, after: Mapping[str, Pull], before: Mapping[str, Pull]) -> None:
        for url, pull in after.items():
            reason = pull.in_words() if pull.dark(before.get(url)) else pull.unproved
            self._report.verified[url].update(after=pull.status, proved=not reason, reason=reason or None)
        dark = [_compared(url, pull, before[url]) for url, pull in after.items() if pull.dark(before.get(url))]
        if dark:
            raise CloudflareError(f"{'; '.join(dark)}.")

    @property
    def _proved(self) -> bool:
        verified = self._report.verified
        return bool(verified) and all(one["proved"] for one in verified.values())

    @property
    def _why_unproved(self) -> str:
        reasons = [f"{url}: {one['reason'] or 'the task failed before'}" for url, one in self._report.verified.items()]
        return "; ".join(reasons) or "there is no URL to verify (verify_urls)"

    def _clean_up(self, before: Mapping[str, Pull]) -> None:
        """Remove superseded certificates, where the new one has proved itself or nothing was to be verified."""
        zone, report, exclusive = self._zone, self._report, self._wanted.posture.exclusive
        verifies = bool(self._verification.urls)
        if exclusive is None and not verifies:
            return
        wanted_one = self._wanted.client_auth(exclusive=True)
        if self._proved or not verifies:
            for step in plan(zone.state, wanted_one):
                if isinstance(step, AwaitListed):
                    with self._step("Read the list of certificates until it shows the upload"):
                        zone.state = zone.calls.execute(step, zone.state)
        steps = [step for step in plan(zone.state, wanted_one) if isinstance(step, Delete)]
        if not steps:
            return
        proves = self._presents_wanted(zone.state)
        if exclusive is None and not proves:
            self._leave_superseded("the edge does not present the wanted one")
            return
        if not self._prove_once_more(before):
            return
        for step in steps:
            with self._step(f"Remove the superseded certificate {step.certificate_id}"):
                self._cleaning = True
                zone.state = zone.calls.execute(step, zone.state)
                self._made.append("superseded")
                report.removed.append(str(step.certificate_id))
        # Where another one was presented until now, only this shows what the origin makes of the wanted one.
        if not proves:
            self._verify(before)

    def _prove_once_more(self, before: Mapping[str, Pull]) -> bool:
        """Whether superseded certificates may go: every URL proves it at this moment, or there is nothing to verify."""
        if not self._verification.urls:
            return True
        if self._proved:
            with self._step("Request each URL once more"):
                self._judge_pulls(self._verification.pull_all(before), before)
        if not self._proved:
            self._leave_superseded(self._why_unproved)
        return self._proved

    def _unused_by_hostnames(self) -> list[Delete]:
        """The certificates of hostnames that this run has superseded, and that no association uses any more."""
        zone, exclusive = self._zone, self._wanted.exclusive
        verifies = bool(self._verification.urls)
        if not self._wanted.hostnames or exclusive is False or (exclusive is None and not verifies):
            return []
        before = self._hostnames_before.associations
        used = {one.certificate_id for one in zone.hostnames.associations.values()}
        gone = dict.fromkeys(
            association.certificate_id
            for one in self._wanted.hostnames
            if (association := before.get(one.hostname)) and association.certificate_id not in used
        )
        return [Delete(certificate_id) for certificate_id in gone]

    def _clean_up_hostnames(self, before: Mapping[str, Pull]) -> None:
        unused = self._unused_by_hostnames()
        if not unused or not self._prove_once_more(before):
            return
        for step in unused:
            with self._step(f"Remove the certificate {step.certificate_id}, which no hostname uses any more"):
                self._cleaning = True
                kept = len(self._zone.hostnames.records)
                self._zone.hostnames = self._zone.hostname_calls.execute(step, self._zone.hostnames)
                if len(self._zone.hostnames.records) < kept:  # else a hostname that is not listed uses it
                    self._report.removed.append(str(step.certificate_id))

    # ----------------------------------------------------------------------------------------------------- put back

    def _fail(self, error: BaseException, before: Mapping[str, Pull]) -> NoReturn:
        """Put everything back, and say in one message what failed, what is back and what is left to do."""
        report = self._report
        cause = _cause(error)
        failed_step = next((step["what"] for step in reversed(report.steps) if step["outcome"] == "failed"), None)
        told = [cause, *([f"That was the step '{failed_step}'."] if failed_step else [])]
        if self._cleaning:
            told.append(
                "Superseded certificates are being removed already, so everything stays as it is now: run again to "
                "remove the rest."
            )
            # The next run finds the associations as wanted, and does not know what they had before.
            kept = {record.id for record in self._zone.hostnames.records}
            report.left_to_do += [
                f"remove the certificate {unused.certificate_id}, which no hostname uses any more"
                for unused in self._unused_by_hostnames()
                if unused.certificate_id in kept
            ]
            told += self._left_to_do()
        elif not self._begun:
            told.append("Nothing was changed.")
        elif not self._wanted.rollback:
            told.append(
                f"Since rollback is false, nothing was put back. Changed: {self._listed(self._made) or 'nothing'}."
            )
            unknown = [change.aspect for change in self._begun if change.aspect not in self._made]
            if unknown:
                told.append(f"Whether this was changed is not known: {self._listed(unknown)}.")
        else:
            self._undo()
            if report.undone:
                told.append(f"Put back: {self._listed(report.undone)}.")
            told += [*self._pull_again(before), *self._left_to_do()]
        if report.removed:
            told.append(f"Certificates that were removed, and are not put back: {', '.join(report.removed)}.")
        raise HardeningError(" ".join(told)) from error

    def _left_to_do(self) -> list[str]:
        left = self._report.left_to_do
        return [f"This is left for you to do: {'; '.join(left)}."] if left else []

    @staticmethod
    def _listed(aspects: Sequence[str]) -> str:
        return ", ".join(ASPECTS[aspect] for aspect in dict.fromkeys(aspects))

    def _undo(self) -> None:
        report = self._report
        for change in reversed(self._begun):
            if isinstance(change, _Remove):
                if change.step.certificate_id not in report.removed:
                    report.left_to_do.append(f"see whether the certificate {change.step.certificate_id} is still there")
                continue
            try:
                with self._step(f"Put back: {ASPECTS[change.aspect]}"):
                    change.undo(self._zone)
            except Exception as error:  # whatever it is, the other changes are put back
                report.left_to_do.append(f"{change.todo}, since this failed: {_cause(error).rstrip('.')}")
                if change.aspect not in self._made:  # as far as anybody knows
                    self._made.append(change.aspect)
            else:
                report.undone.append(change.aspect)
                if change.aspect in self._made:
                    self._made.remove(change.aspect)

    def _pull_again(self, before: Mapping[str, Pull]) -> list[str]:
        """Whether the site answers as it did, in words."""
        if not before:
            return []
        with self._step("Request each URL again"):
            again = self._verification.pull_all(before)
        back = [url for url, pull in again.items() if not pull.dark(before[url])]
        dark = [f"{url} {pull.in_words()}" for url, pull in again.items() if pull.dark(before[url])]
        return [
            *([f"{' and '.join(back)} {'answers' if len(back) == 1 else 'answer'} as before."] if back else []),
            *([f"Still dark: {'; '.join(dark)}."] if dark else []),
        ]

    # ---------------------------------------------------------------------------------------------------------- report

    def _finished(self) -> Report:
        report, zone, wanted = self._report, self._zone, self._wanted
        report.changes = [aspect for aspect in ASPECTS if aspect in self._made]
        report.changed = bool(report.changes)
        report.after, report.diff = zone.facts(), (self._diff_before, zone.diff())
        if wanted.certificate:
            record = zone.state.present(wanted.certificate.fingerprint)
            report.certificate = _without_pem(record.result()) if record else None
            report.left_over = [
                str(one.id)
                for one in zone.state.records
                if one.status not in TO_BE_GONE and one.fingerprint != wanted.certificate.fingerprint
            ]
        if report.changed and not self._check_mode and not self._proved:
            report.not_verified = self._why_unproved
        return report


def _strength(mode: str) -> int:
    return SSL_MODES.index(mode) if mode in SSL_MODES else -1


def _compared(url: str, after: Pull, before: Pull) -> str:
    return f"{url} {after.in_words()} after the change, and {before.status} before"


def _cause(error: BaseException) -> str:
    """In a sentence. A task's timeout and the signals of Ctrl-C are not errors of this collection's."""
    if isinstance(error, Interrupted):
        return INTERRUPTED
    if isinstance(error, CloudflareError):
        return str(error)
    if not isinstance(error, Exception):
        return "The task was ended from outside, by its timeout for example."
    return f"An unforeseen error, {type(error).__name__}: {error}."


@contextlib.contextmanager
def signals_taken_over() -> Iterator[Callable[[], None]]:
    """SIGINT, SIGTERM and SIGHUP raise Interrupted, and are ignored from then on, as when the function is called.

    Interrupted is raised again each second until it is called, since Python can drop an exception of a handler.

    ansible-core sends a worker SIGINT and, milliseconds later, SIGTERM, and its own handlers leave at once. A terminal
    that is closed sends SIGHUP, which reaches the workers of ansible-core < 2.19, unless nohup has it ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    taken = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        taken.append(signal.SIGHUP)
    alarm = signal.getsignal(signal.SIGALRM)  # of the timeout of the task

    def ignore() -> None:
        signal.alarm(0)
        for one in taken:
            signal.signal(one, signal.SIG_IGN)

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        ignore()
        # It is dropped if an object is being finalized, such as a connection that is closed
        signal.signal(signal.SIGALRM, interrupt)
        signal.alarm(1)
        raise Interrupted

    before = {one: signal.signal(one, interrupt) for one in taken}
    try:
        yield ignore
    finally:
        if signal.getsignal(signal.SIGALRM) is interrupt:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, alarm)
        for one, handler in before.items():
            signal.signal(one, handler)
