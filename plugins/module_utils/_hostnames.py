# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""Authenticated Origin Pulls by hostname: associations, and a pure plan from what is so to what is wanted.

A hostname is associated with a certificate of a store of its own, beside the zone's. The association takes precedence
over the zone's certificate, also where it is off. To change it is one call that re-pins it in place, so a rotation is
upload, wait until active, associate, delete.

Source: https://developers.cloudflare.com/ssl/origin-configuration/authenticated-origin-pull/set-up/per-hostname/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Union

from ._certificates import ClientCertificate
from ._client_auth import ACTIVE, TO_BE_GONE, AwaitActive, AwaitListed, Delete, Record, State, UnsafeError, Upload
from ._errors import InputError, ResponseError

_VOID = frozenset({"pending_deletion", "deleted"})


@dataclass(frozen=True)
class Association:
    """What the edge presents for a hostname. certificate_id: None where check mode foresees an upload.

    fingerprint: of a certificate that check mode foresees. enabled: False stops the certificate of the zone as well.
    """

    hostname: str
    certificate_id: str | None
    enabled: bool
    status: str
    fingerprint: str | None = None

    def result(self) -> dict[str, Any]:
        """As in return values."""
        return {
            "hostname": self.hostname,
            "certificate_id": self.certificate_id,
            "enabled": self.enabled,
            "status": self.status,
        }

    @classmethod
    def from_api(cls, item: Any) -> Association | None:
        """None for an association that is void, also while Cloudflare is still removing it."""
        if not isinstance(item, dict) or not isinstance(item.get("hostname"), str):
            raise ResponseError("Cloudflare answered with an association that has no hostname.")
        enabled, status = item.get("enabled"), str(item.get("status"))
        if not isinstance(enabled, bool) or status in _VOID:
            return None
        return cls(item["hostname"].lower(), str(item.get("cert_id") or "") or None, enabled, status)


@dataclass(frozen=True)
class HostnameState:
    """Associations by hostname, and the certificates of the store.

    complete: whether these are all associations of the zone, which takes a list that Cloudflare does not always give.
    """

    associations: Mapping[str, Association]
    records: tuple[Record, ...] = ()
    complete: bool = False

    @property
    def store(self) -> State:
        """The certificates as the zone level's plan has them."""
        return State(False, self.records)

    def record_of(self, association: Association) -> Record | None:
        if association.certificate_id is None and association.fingerprint:
            return self.store.present(association.fingerprint)
        return next((one for one in self.records if one.id == association.certificate_id), None)

    def with_association(self, hostname: str, association: Association | None) -> HostnameState:
        associations = {name: one for name, one in self.associations.items() if name != hostname}
        if association:
            associations[hostname] = association
        return replace(self, associations=associations)

    def result(self) -> list[dict[str, Any]]:
        """The associations, as in return values."""
        return [self.associations[name].result() for name in sorted(self.associations)]

    def diff(self) -> dict[str, Any]:
        """By hostname, as in diffs: no id, which check mode cannot foresee."""
        records = {name: self.record_of(one) for name, one in self.associations.items()}
        return {
            name: {"enabled": self.associations[name].enabled, "fingerprint_sha256": record and record.fingerprint}
            for name, record in sorted(records.items())
        }


@dataclass(frozen=True)
class WantedHostname:
    """What is wanted of a hostname. enabled: None leaves it alone, or enables an association that is new.

    certificate, certificate_id: one of them, or neither to keep what it is associated with.
    """

    hostname: str
    present: bool = True
    certificate: ClientCertificate | None = None
    certificate_id: str | None = None
    enabled: bool | None = None

    def record(self, state: HostnameState) -> Record | None:
        """The certificate that is wanted, where the store has it."""
        if self.certificate:
            return state.store.present(self.certificate.fingerprint)
        if self.certificate_id:
            return next((one for one in state.records if one.id == self.certificate_id and one.exists), None)
        association = state.associations.get(self.hostname)
        return state.record_of(association) if association else None


@dataclass(frozen=True)
class Pin:
    """A hostname, the fingerprint or else the id of its certificate, and whether it is enabled; None voids it."""

    hostname: str
    fingerprint: str | None
    certificate_id: str | None
    enabled: bool | None


@dataclass(frozen=True)
class Associate:
    """Change associations, in one call, and wait until they are deployed, or gone where they are void."""

    pins: tuple[Pin, ...]
    wait: bool = True

    def preview(self, state: HostnameState) -> HostnameState:
        for pin in self.pins:
            association = None
            if pin.enabled is not None:
                id_ = self.certificate_id(pin, state)
                association = Association(pin.hostname, id_, pin.enabled, ACTIVE, pin.fingerprint)
            state = state.with_association(pin.hostname, association)
        return state

    @staticmethod
    def certificate_id(pin: Pin, state: HostnameState) -> str | None:
        """The id by which Cloudflare knows the certificate of a pin."""
        if pin.certificate_id or not pin.fingerprint:
            return pin.certificate_id
        record = state.store.present(pin.fingerprint)
        return record.id if record else None


HostnameStep = Union[Upload, AwaitActive, AwaitListed, Delete, Associate]


def preview(step: HostnameStep, state: HostnameState) -> HostnameState:
    """The state after a step, as far as it can be foreseen."""
    if isinstance(step, Associate):
        return step.preview(state)
    return replace(state, records=step.preview(state.store).records)


def plan_hostnames(
    state: HostnameState, wanted: Sequence[WantedHostname], exclusive: bool = False, wait: bool = True
) -> list[HostnameStep]:
    """The steps from the one to the other, old certificates last; none where nothing is to do.

    exclusive: whether certificates that no association uses are to go. Raises UnsafeError and InputError.
    """
    steps = list(_steps(state, wanted, wait))
    if exclusive:
        after = state
        for step in steps:
            after = preview(step, after)
        # Until the list shows what was uploaded, it may lack others as well; what is to go is planned anew after that.
        fresh = next((step.certificate.fingerprint for step in steps if isinstance(step, Upload)), None)
        fresh = fresh or next((one.fingerprint for one in state.records if not one.listed), None)
        if fresh:
            steps.append(AwaitListed(fresh))
        steps += _unused(after, wanted)
    return steps


def _steps(state: HostnameState, wanted: Sequence[WantedHostname], wait: bool) -> Iterator[HostnameStep]:
    for certificate in {one.certificate.fingerprint: one.certificate for one in wanted if one.certificate}.values():
        record = state.store.present(certificate.fingerprint)
        if record is None:
            dead = [one for one in state.records if one.fingerprint == certificate.fingerprint]
            yield from (Delete(one.id) for one in dead if one.status not in TO_BE_GONE)
            yield Upload(certificate)
        if wait and (record is None or record.status != ACTIVE):
            yield AwaitActive(certificate.fingerprint)
    pins = [pin for one in wanted if (pin := _pin(state, one, wait))]
    if pins:
        yield Associate(tuple(pins), wait)


def _pin(state: HostnameState, wanted: WantedHostname, wait: bool) -> Pin | None:
    """How the association is to change; None where it is as wanted."""
    current = state.associations.get(wanted.hostname)
    if not wanted.present:
        return Pin(wanted.hostname, None, current.certificate_id, None) if current else None
    if not (wanted.certificate or wanted.certificate_id or current):
        any_one = next((one for one in state.records if one.exists), None)
        if wanted.enabled is False and any_one:
            return Pin(wanted.hostname, None, any_one.id, False)
        raise InputError(
            f"{wanted.hostname} is associated with no certificate yet: give certificate with private_key, or "
            "certificate_id. Cloudflare demands one to switch a hostname off, too."
        )
    record = wanted.record(state)
    if wanted.certificate_id and record is None:
        raise InputError(
            f"certificate_id {wanted.certificate_id} is no certificate of this zone's hostnames: "
            "origin_tls_client_auth_hostname_info shows them. Those of the zone itself are a store of their own."
        )
    enabled = wanted.enabled if wanted.enabled is not None else (current.enabled if current else True)
    same = current is not None and (record is None or record.id == current.certificate_id)
    if wanted.certificate and record is None:
        same = False
    if enabled and not (same and current and current.enabled):
        _refuse_useless(wanted, record, wait)
    if same and current and current.enabled == enabled:
        return None
    if wanted.certificate:
        return Pin(wanted.hostname, wanted.certificate.fingerprint, record.id if record else None, enabled)
    certificate_id = wanted.certificate_id or (current.certificate_id if current else None)
    return Pin(wanted.hostname, None, certificate_id, enabled)


def _refuse_useless(wanted: WantedHostname, record: Record | None, wait: bool) -> None:
    """A hostname must not be enabled with nothing to present."""
    if wanted.certificate and wait:
        return  # it was judged offline, and is active by then
    if record is None or record.expired or record.status != ACTIVE:
        what = "has expired" if record and record.expired else f"is '{record.status}'" if record else "is not known"
        raise UnsafeError(
            f"{wanted.hostname} cannot be enabled: the certificate that it would present {what}, so an origin that "
            "asks for one would refuse its traffic. Give certificate and private_key, with wait: true."
        )


def _unused(state: HostnameState, wanted: Sequence[WantedHostname]) -> Iterator[Delete]:
    """Certificates that no association uses; Cloudflare itself refuses to delete one that some other hostname uses."""
    used = {one.certificate_id for one in state.associations.values()}
    kept = {record.id for one in wanted if one.present and (record := one.record(state))}
    for record in state.records:
        if record.id not in used | kept and record.status not in TO_BE_GONE:
            yield Delete(record.id)
