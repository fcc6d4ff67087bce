# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API's table of endpoints, and what each of them does.

Where nothing is on record about the API, the emulator is lenient. What had to be something is marked *assumed*.
"""

from __future__ import annotations

import copy
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import unquote

from .certificates import ParsedCertificate, check_private_key, pem_blocks
from .model import (
    COMPLIANCE_GROUPS,
    SETTINGS_READ,
    SETTINGS_WRITE,
    SSL_READ,
    SSL_WRITE,
    ZONE_READ,
    Association,
    Certificate,
    Identity,
    NotJsonError,
    RefusalError,
    Zone,
    timestamp,
)

if TYPE_CHECKING:
    from .emulator import Emulator

_SSL_MODES = ("off", "flexible", "full", "strict", "origin_pull")
_PATTERNS = {
    "{zone}": "(?P<zone>[0-9a-f]{32})",
    "{certificate}": "(?P<certificate>(?!(?:settings|hostnames)$)[^/]{1,36})",
    "{hostname}": "(?P<hostname>(?!certificates$)[^/]+)",
    "{setting}": "(?P<setting>[^/]+)",
}


@dataclass
class Call:
    """What a handler gets: the request, already allowed to be made.

    certificates: the store of the path's level; elsewhere: the other one. names: of the path, such as certificate.
    """

    identity: Identity
    query: dict[str, str]
    body: Any
    zone: Zone
    names: dict[str, str]
    hostname_level: bool

    @property
    def certificates(self) -> dict[str, Certificate]:
        return self.zone.hostname_certificates if self.hostname_level else self.zone.certificates

    @property
    def elsewhere(self) -> dict[str, Certificate]:
        return self.zone.certificates if self.hostname_level else self.zone.hostname_certificates


Handler = Callable[[Call], Any]


class Page(dict[str, Any]):
    """A result that comes with a result_info."""


@dataclass(frozen=True)
class Route:
    """permissions: each of them alone is enough. unchanged: the answer to a write that nothing came of."""

    method: str
    path: re.Pattern[str]
    permissions: tuple[str, ...]
    handler: Handler
    unchanged: Handler | None = None


class Endpoints:
    """The handlers. They raise RefusalError for whatever the API refuses."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.routes = [
            *self._zone_routes(),
            *self._certificate_routes("/zones/{zone}/origin_tls_client_auth"),
            *self._certificate_routes("/zones/{zone}/origin_tls_client_auth/hostnames/certificates"),
            *self._association_routes(),
        ]

    def _zone_routes(self) -> list[Route]:
        zone, settings = "/zones/{zone}", "/zones/{zone}/settings"
        compliance, pqe = f"{settings}/origin_tls_compliance_modes", f"{zone}/cache/origin_post_quantum_encryption"
        aop, automatic = f"{zone}/origin_tls_client_auth/settings", f"{settings}/ssl_automatic_mode"
        reading, writing = (SETTINGS_READ,), (SETTINGS_WRITE,)
        return [
            _route("GET", "/zones", (ZONE_READ,), self._list_zones),
            _route("GET", zone, (ZONE_READ,), lambda call: call.zone.describe()),
            _route("GET", settings, reading, self._read_aggregate),
            _route("GET", f"{settings}/ssl", reading, self._read_ssl),
            _route("PATCH", f"{settings}/ssl", writing, self._write_ssl),
            _route("GET", automatic, (SETTINGS_READ, SSL_READ), self._read_automatic),
            _route("PATCH", automatic, (SETTINGS_WRITE, SSL_WRITE), self._write_automatic),
            _route("GET", f"{settings}/tls_client_auth", reading, self._read_global),
            _route("PATCH", f"{settings}/tls_client_auth", writing, self._write_global),
            _route("GET", f"{settings}/auto_origin_tls_kex", reading, self._read_kex),
            _route("PATCH", f"{settings}/auto_origin_tls_kex", writing, self._write_kex),
            _route("GET", pqe, (SETTINGS_READ, ZONE_READ), self._read_pqe),
            _route("PUT", pqe, writing, self._write_pqe),
            _route("GET", compliance, reading, self._read_compliance),
            _route("PUT", compliance, writing, self._write_compliance),
            _route("PATCH", compliance, writing, self._write_compliance),
            _route("DELETE", compliance, writing, self._clear_compliance),
            _route("GET", aop, (SSL_READ,), lambda call: {"enabled": call.zone.aop_enabled}),
            _route("PUT", aop, (SSL_WRITE,), self._enable),
            # Whatever is left
            _route("GET", f"{settings}/{{setting}}", reading, self._unknown_setting),
            _route("PATCH", f"{settings}/{{setting}}", writing, self._unknown_setting),
        ]

    def _certificate_routes(self, store: str) -> list[Route]:
        return [
            _route("GET", store, (SSL_READ,), self._list_certificates),
            _route("POST", store, (SSL_WRITE,), self._upload),
            _route("GET", f"{store}/{{certificate}}", (SSL_READ,), self._read_certificate),
            _route("DELETE", f"{store}/{{certificate}}", (SSL_WRITE,), self._delete_certificate),
        ]

    def _association_routes(self) -> list[Route]:
        hostnames = "/zones/{zone}/origin_tls_client_auth/hostnames"
        return [
            _route("GET", hostnames, (SSL_READ,), self._list_associations),
            _route("PUT", hostnames, (SSL_WRITE,), self._associate, unchanged=self._unchanged_associations),
            _route("GET", f"{hostnames}/{{hostname}}", (SSL_READ,), self._read_association),
        ]

    # -- zones

    def _list_zones(self, call: Call) -> Page:
        query = call.query
        zones = [zone for zone in self._emulator.zones.values() if call.identity.sees(zone)]
        if "name" in query:
            zones = [zone for zone in zones if _matches(query["name"], zone.name)]
        if "account.name" in query:
            zones = [zone for zone in zones if _matches(query["account.name"], zone.account_name)]
        if "status" in query:
            zones = [zone for zone in zones if zone.status == query["status"]]
        if "account.id" in query:
            zones = [zone for zone in zones if zone.account_id == query["account.id"]]
        return _page(zones, query, (5, 20, 50), Zone.describe)

    # -- settings

    @staticmethod
    def _field(call: Call, name: str, type_: type) -> Any:
        """The one field that a setting takes; anything else in its place is refused (the code is assumed)."""
        if not isinstance(call.body, dict) or not isinstance(call.body.get(name), type_):
            raise RefusalError(400, 1007, f"Invalid value for zone setting: '{name}' ({type_.__name__}) is required")
        return call.body[name]

    @staticmethod
    def _modified(zone: Zone, setting: str) -> None:
        zone.modified_on = {**zone.modified_on, setting: timestamp()}

    @staticmethod
    def _editable(zone: Zone, setting: str) -> bool:
        return zone.refuses.get(setting) not in (1057, 1135)

    @staticmethod
    def _may_write(zone: Zone, setting: str) -> None:
        if setting in zone.refuses:
            code = zone.refuses[setting]
            messages = {
                1005: "Internal error",
                1057: f"Zone setting {setting} can not be modified for this zone",
                1135: f"Zone setting {setting} is not available for your plan",
            }
            raise RefusalError(500 if code == 1005 else 400, code, messages.get(code, f"Cannot write {setting}"))

    def _setting(self, zone: Zone, id_: str, value: str) -> dict[str, Any]:
        """As most settings are shown; modified_on is null where they never were modified."""
        modified_on = zone.modified_on.get(id_)
        return {"id": id_, "value": value, "editable": self._editable(zone, id_), "modified_on": modified_on}

    def _choice(self, call: Call, id_: str, choices: Iterable[str]) -> str:
        """The value that is to be written, unless that is refused."""
        value: str = self._field(call, "value", str)
        if value not in choices:
            raise RefusalError(400, 1007, f"Invalid value for zone setting {id_}")
        self._may_write(call.zone, id_)
        return value

    def _unknown_setting(self, call: Call) -> None:
        raise RefusalError(400, 1006, f"Undefined zone setting: {call.names['setting']}")

    def _read_aggregate(self, call: Call) -> list[dict[str, Any]]:
        return [self._read_ssl(call), self._read_global(call)]

    def _read_ssl(self, call: Call) -> dict[str, Any]:
        seen_live = {"certificate_status": "active", "validation_errors": []}
        return {**self._setting(call.zone, "ssl", self._emulator.ssl_mode(call.zone)), **seen_live}

    def _write_ssl(self, call: Call) -> dict[str, Any]:
        zone, emulator = call.zone, self._emulator
        mode = self._choice(call, "ssl", _SSL_MODES)
        if mode == "origin_pull" and not zone.plan.startswith("Enterprise"):
            raise RefusalError(400, 1135, "The value origin_pull is not available for your plan")
        if zone.ssl_automatic_mode == "auto" and emulator.ssl_write_ends_automatic:
            zone.ssl_automatic_mode = "custom"
        if zone.ssl_automatic_mode == "auto":
            zone.ssl_written = mode, emulator.now() + emulator.ssl_automatic_delay
        else:
            zone.ssl_mode, zone.ssl_written = mode, None
        self._modified(zone, "ssl")
        return {**self._read_ssl(call), "value": mode}

    def _automatic_exists(self, zone: Zone) -> None:
        if zone.ssl_automatic_failure == "text":
            raise NotJsonError(404, "404 page not found\n")
        if zone.ssl_automatic_failure == "404":
            raise RefusalError(404, 1000, "Not found")  # the code is assumed
        if zone.ssl_automatic_failure:
            raise RefusalError(400, 1006, "Undefined zone setting: ssl_automatic_mode")

    def _read_automatic(self, call: Call) -> dict[str, Any]:
        self._automatic_exists(call.zone)
        return self._setting(call.zone, "ssl_automatic_mode", call.zone.ssl_automatic_mode)

    def _write_automatic(self, call: Call) -> dict[str, Any]:
        self._automatic_exists(call.zone)
        zone = call.zone
        # What was written and is not put back yet stays (assumed)
        mode = self._choice(call, "ssl_automatic_mode", ("auto", "custom"))
        zone.ssl_mode, zone.ssl_written = self._emulator.ssl_mode(zone), None
        zone.ssl_automatic_mode = mode
        self._modified(zone, "ssl_automatic_mode")
        return self._read_automatic(call)

    def _read_global(self, call: Call) -> dict[str, Any]:
        return self._setting(call.zone, "tls_client_auth", "on" if call.zone.global_aop_enabled else "off")

    def _write_global(self, call: Call) -> dict[str, Any]:
        call.zone.global_aop_enabled = self._choice(call, "tls_client_auth", ("on", "off")) == "on"
        self._modified(call.zone, "tls_client_auth")
        return self._read_global(call)

    def _read_kex(self, call: Call) -> dict[str, Any]:
        modified_on = call.zone.modified_on.get("kex", "2024-01-02T00:00:00.000000Z")
        return {"id": "auto_origin_tls_kex", "enabled": call.zone.kex_enabled, "modified_on": modified_on}

    def _write_kex(self, call: Call) -> dict[str, Any]:
        call.zone.kex_enabled = self._field(call, "enabled", bool)
        self._modified(call.zone, "kex")
        return self._read_kex(call)

    def _optionally_modified(self, zone: Zone, setting: str, id_: str, value: Any) -> dict[str, Any]:
        answer = {"id": id_, "value": value, "editable": self._editable(zone, id_)}
        return {**answer, "modified_on": zone.modified_on[setting]} if setting in zone.modified_on else answer

    def _pqe_exists(self) -> None:
        gone = self._emulator.pqe_gone
        if gone:
            raise RefusalError(gone, 1000, "This endpoint has been removed")  # the code is assumed

    def _read_pqe(self, call: Call) -> dict[str, Any]:
        self._pqe_exists()
        return self._optionally_modified(call.zone, "pqe", "origin_pqe", call.zone.pqe_value)

    def _write_pqe(self, call: Call) -> dict[str, Any]:
        self._pqe_exists()
        body = call.body if isinstance(call.body, dict) else {}
        if body.get("value") not in ("preferred", "supported", "off"):
            raise RefusalError(400, 1146, "Invalid value for zone setting origin_pqe")
        self._may_write(call.zone, "origin_pqe")
        call.zone.pqe_value = body["value"]
        self._modified(call.zone, "pqe")
        return self._read_pqe(call)

    def _read_compliance(self, call: Call) -> dict[str, Any]:
        zone = call.zone
        return self._optionally_modified(zone, "compliance", self._emulator.compliance_id, zone.compliance_modes)

    def _write_compliance(self, call: Call) -> dict[str, Any]:
        modes = self._field(call, "value", list)
        unknown = [mode for mode in modes if not isinstance(mode, str) or mode not in COMPLIANCE_GROUPS]
        if unknown:
            raise RefusalError(400, 1007, f"Invalid value for zone setting origin_tls_cmpl: {unknown[0]}")
        if modes and not set.intersection(*(COMPLIANCE_GROUPS[mode] for mode in modes)):
            raise RefusalError(400, 1007, "Invalid value for zone setting origin_tls_cmpl: no algorithm is left")
        self._may_write(call.zone, self._emulator.compliance_id)
        call.zone.compliance_modes = sorted(set(modes))  # assumed: no order is promised
        self._modified(call.zone, "compliance")
        return self._read_compliance(call)

    def _clear_compliance(self, call: Call) -> dict[str, Any]:
        self._may_write(call.zone, self._emulator.compliance_id)
        call.zone.compliance_modes = []
        self._modified(call.zone, "compliance")
        answer = self._read_compliance(call)
        del answer["value"]
        return answer

    def _enable(self, call: Call) -> dict[str, Any]:
        call.zone.aop_enabled = self._field(call, "enabled", bool)
        return {"enabled": call.zone.aop_enabled}

    # -- client certificates, of the zone and of its hostnames

    def _describe(self, certificate: Certificate, status: str | None = None) -> dict[str, Any]:
        return {
            "id": certificate.id,
            "certificate": certificate.pem(),
            "issuer": certificate.parsed.issuer,
            "signature": certificate.parsed.signature,
            "serial_number": certificate.parsed.serial_number,
            "expires_on": certificate.parsed.expires_on,
            "uploaded_on": certificate.uploaded_on,
            "status": status or certificate.shown_status or self._emulator.status(certificate),
        }

    def _list_certificates(self, call: Call) -> list[dict[str, Any]] | None:
        emulator = self._emulator
        known = [
            certificate
            for certificate in call.certificates.values()
            if emulator.now() - certificate.uploaded_at >= emulator.list_lag
        ]
        if not known and not call.hostname_level:
            return None  # a zone that never had a certificate, as far as the list knows
        listed = [
            self._describe(certificate)
            for certificate in known
            if emulator.status(certificate) not in ("pending_deletion", "deleted")  # assumed: a timed out one is back
        ]
        return None if call.hostname_level and emulator.hostname_list_null and not listed else listed

    def _change(self, zone: Zone) -> None:
        """Of either level: only one at a time (that the levels share it is assumed)."""
        now = self._emulator.now()
        if now - zone.changed_at < self._emulator.change_duration:
            # the code is assumed
            raise RefusalError(409, 1409, "Another change of this zone's client certificates is in progress")
        zone.changed_at = now

    def _upload(self, call: Call) -> dict[str, Any]:
        emulator = self._emulator
        body = call.body if isinstance(call.body, dict) else {}
        pem, key = body.get("certificate"), body.get("private_key")
        if not isinstance(pem, str) or not isinstance(key, str):
            raise RefusalError(400, 1408, "Both 'certificate' and 'private_key' are required")
        try:
            label, der = pem_blocks(pem)[0]
            if label != "CERTIFICATE":
                raise ValueError(label)
            parsed = ParsedCertificate.from_der(der)
        except (ValueError, IndexError):
            raise RefusalError(400, 1408, "The certificate could not be parsed.") from None
        if parsed.is_ca:
            raise RefusalError(400, 1412, "Only a leaf certificate (CA:FALSE) may be uploaded.")
        try:
            objection = check_private_key(key, parsed.public_key)
        except (ValueError, IndexError):
            objection = "The private key could not be parsed."
        if objection:
            raise RefusalError(400, 1407, objection)  # no code for this is on record
        twins = [other for other in call.certificates.values() if other.parsed.der == parsed.der]
        if any(emulator.status(twin) != "deleted" for twin in twins):
            raise RefusalError(400, 1406, "This certificate has already been submitted for this zone.")
        if call.hostname_level:
            # Those that are being deleted count no more (assumed)
            kept = [certificate for certificate in call.certificates.values() if certificate.deleted_at is None]
            if len(kept) >= emulator.hostname_certificate_limit:
                # the code is assumed
                raise RefusalError(400, 1410, "The zone has as many hostname certificates as it may have")
        self._change(call.zone)
        revived = twins[-1].id if twins and call.hostname_level and emulator.old_ids_revive else None
        uploaded = emulator.upload(call.zone, pem, key, hostname_level=call.hostname_level, id_=revived)
        # Only a deployment that takes no time at all is over by the time of the answer
        return self._describe(uploaded, "initializing" if emulator.deployment_delay else None)

    def _certificate(self, call: Call) -> Certificate:
        id_ = call.names["certificate"]
        if id_ in call.certificates:
            return call.certificates[id_]
        if id_ in call.elsewhere:
            raise RefusalError(400, 1415, "The certificate id is not valid")
        raise RefusalError(404, 1551, "No certificate with that id was found")

    def _read_certificate(self, call: Call) -> dict[str, Any]:
        return self._describe(self._certificate(call))

    def _delete_certificate(self, call: Call) -> dict[str, Any]:
        certificate = self._certificate(call)
        status = self._emulator.status(certificate)
        if status == "deleted":
            raise RefusalError(404, 1552, "The certificate has been deleted")
        if status == "pending_deletion":
            raise RefusalError(400, 1414, "The certificate is already being deleted")
        if status in ("initializing", "pending_deployment"):  # assumed: it is pending from the start
            raise RefusalError(400, 1434, "The certificate cannot be deleted while its deployment is pending")
        if call.hostname_level and self._uses(call.zone)[certificate.id]:
            raise RefusalError(400, 1433, "The certificate is in use by a hostname")
        self._change(call.zone)
        # Not the object that a stale answer still shows
        deleted = copy.copy(certificate)
        deleted.deleted_at, deleted.deletion_times_out = self._emulator.now(), self._emulator.deletion_times_out
        call.certificates[certificate.id] = deleted
        return self._describe(deleted, status="pending_deletion")

    # -- associations

    def _uses(self, zone: Zone) -> Counter[str]:
        """How many associations each hostname certificate has, those included whose voiding is not done."""
        status = self._emulator.association_status
        return Counter(one.certificate_id for one in zone.associations.values() if status(one) != "deleted")

    def _describe_association(
        self, zone: Zone, association: Association, *, written: bool = False, short: bool = False
    ) -> dict[str, Any]:
        """written: it is the answer to the request that changed it."""
        status = self._emulator.association_status(association)
        voiding = status in ("pending_deletion", "deletion_timed_out") and not written
        described = {
            "hostname": association.hostname,
            "cert_id": association.certificate_id,
            "enabled": association.was_enabled if voiding else association.enabled,
            "status": association.shown_status or status,
            "created_at": association.created_on,
            "updated_at": association.updated_on,
        }
        if short:
            return described
        certificate = self._describe(zone.hostname_certificates[association.certificate_id])
        return {
            **described,
            "cert_status": certificate["status"],
            "cert_uploaded_on": certificate["uploaded_on"],
            "cert_updated_at": certificate["uploaded_on"],
            **{name: certificate[name] for name in ("certificate", "issuer", "signature", "serial_number")},
            "expires_on": certificate["expires_on"],
        }

    def _readable(self, zone: Zone) -> list[Association]:
        """All but those whose voiding is done, where they are not shown any more."""
        emulator = self._emulator
        return [
            one
            for one in zone.associations.values()
            if emulator.void_associations_stay or emulator.association_status(one) != "deleted"
        ]

    def _list_associations(self, call: Call) -> Page:
        emulator = self._emulator
        if emulator.association_list == "404":
            raise RefusalError(404, 1000, "Not found")  # the code is assumed
        if emulator.association_list == "405":
            raise RefusalError(405, 10405, "Method not allowed for this authentication scheme")
        wanted = call.query.get("status", "active")
        listed = [
            one
            for one in self._readable(call.zone)
            if emulator.now() - one.created_at >= emulator.list_lag
            and wanted in ("all", emulator.association_status(one))
        ]
        short = emulator.association_list == "short"
        return _page(listed, call.query, (1, 50, 1000), partial(self._describe_association, call.zone, short=short))

    def _read_association(self, call: Call) -> dict[str, Any]:
        hostname = unquote(call.names["hostname"]).lower()
        for association in self._readable(call.zone):
            if association.hostname == hostname:
                return self._describe_association(call.zone, association)
        raise RefusalError(404, 1553, "No association with that hostname was found")

    def _associate(self, call: Call) -> list[dict[str, Any]]:
        """All of them or none."""
        zone, emulator = call.zone, self._emulator
        changed = {}
        for item in _config(call):
            if not isinstance(item.get("cert_id"), str) or not item["cert_id"]:
                raise RefusalError(400, 1404, "A certificate id is required")
            certificate = zone.hostname_certificates.get(item["cert_id"])
            if certificate is None or certificate.deleted_at is not None:
                raise RefusalError(400, 1415, "The certificate id is not valid, or the certificate has been deleted")
            # Assumed: as null, the Go that reads it takes what is missing
            if not isinstance(item.get("enabled"), (bool, type(None))):
                raise RefusalError(400, 6003, "Invalid request", chain=(6100, "enabled must be a boolean or null"))
            hostname = item["hostname"].lower()
            changed[hostname] = self._changed(zone, hostname, certificate.id, item.get("enabled"))
        after = zone.copy()
        after.associations.update(changed)
        if any(number > emulator.association_limit for number in self._uses(after).values()):
            # the code is assumed
            raise RefusalError(400, 1411, "The certificate has as many associations as it may have")
        self._change(zone)
        zone.associations = after.associations
        answered = [one for name, one in zone.associations.items() if name in changed or emulator.put_answers_all]
        described = partial(self._describe_association, zone, written=True)
        return [described(one) for one in sorted(answered, key=lambda one: one.hostname)]  # the order is assumed

    def _changed(self, zone: Zone, hostname: str, certificate_id: str, enabled: bool | None) -> Association:
        emulator = self._emulator
        now, at = timestamp(), emulator.now()
        before = zone.associations.get(hostname)
        if before and emulator.association_status(before) == "deleted":
            before = None
        if before is None:
            # To void what is not there is no error (assumed)
            changed_at = -math.inf if enabled is None else at
            times_out = enabled is not None and emulator.association_times_out
            return Association(hostname, certificate_id, enabled, now, at, now, changed_at, times_out=times_out)
        if enabled is None:
            # Assumed: in use is what it has, whatever the request named
            certificate_id = before.certificate_id
        after = replace(before, certificate_id=certificate_id, enabled=enabled, updated_on=now)
        if (before.certificate_id, before.enabled) == (certificate_id, enabled):
            return after  # nothing to deploy
        was_enabled = before.enabled if enabled is None else None
        return replace(
            after,
            was_enabled=was_enabled,
            changed_at=at,
            deployed=emulator.obeyed(before),
            times_out=emulator.association_times_out,
        )

    def _unchanged_associations(self, call: Call) -> list[dict[str, Any]]:
        names = {item["hostname"].lower() for item in _config(call)}
        return [
            self._describe_association(call.zone, one) for one in self._readable(call.zone) if one.hostname in names
        ]


def _route(
    method: str, path: str, permissions: tuple[str, ...], handler: Handler, unchanged: Handler | None = None
) -> Route:
    for placeholder, pattern in _PATTERNS.items():
        path = path.replace(placeholder, pattern)
    return Route(method, re.compile(path), permissions, handler, unchanged)


def _config(call: Call) -> list[dict[str, Any]]:
    """The items of a request to associate; how others are refused is assumed."""
    config = call.body.get("config") if isinstance(call.body, dict) else None
    if not isinstance(config, list) or not config:
        raise RefusalError(400, 6003, "Invalid request", chain=(6100, "config must be a list of associations"))
    for item in config:
        if not isinstance(item, dict) or not isinstance(item.get("hostname"), str) or not item["hostname"]:
            raise RefusalError(400, 6003, "Invalid request", chain=(6100, "hostname is required"))
    return config


def _matches(query: str, name: str) -> bool:
    operator, _colon, value = query.rpartition(":")
    matches: dict[str, Callable[[], bool]] = {
        "not_equal": lambda: name != value,
        "contains": lambda: value in name,
        "starts_with": lambda: name.startswith(value),
        "ends_with": lambda: name.endswith(value),
    }
    return matches.get(operator, lambda: name == value)()


def _page(
    items: list[Any], query: dict[str, str], sizes: tuple[int, int, int], described: Callable[[Any], Any]
) -> Page:
    """sizes: the least, the default and the largest number of items on a page."""
    least, usual, most = sizes
    page, per_page = _number(query.get("page", "1")), _number(query.get("per_page", str(usual)))
    if page < 1 or not least <= per_page <= most:  # how this is refused is assumed
        complaint = f"per_page must be {least}..{most}, page at least 1"
        raise RefusalError(400, 6003, "Invalid request", chain=(6100, complaint))
    shown = items[(page - 1) * per_page : page * per_page]
    return Page(
        result=[described(item) for item in shown],
        result_info={
            "page": page,
            "per_page": per_page,
            "count": len(shown),
            "total_count": len(items),
            "total_pages": math.ceil(len(items) / per_page),
        },
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
