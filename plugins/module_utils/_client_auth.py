# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""Authenticated Origin Pulls: the state, and a pure plan from it to what is wanted.

There is no call to replace a certificate, so a rotation is upload, wait until active, delete; and the order of the
steps is what keeps the edge able to present a certificate throughout.

Source: https://developers.cloudflare.com/ssl/origin-configuration/authenticated-origin-pull/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Callable, Protocol

from ._certificates import ClientCertificate, describe, load_certificate, load_client_certificate, require_cryptography
from ._errors import CloudflareError, InputError, ResponseError

ACTIVE = "active"
_DELETED = frozenset({"pending_deletion", "deleted"})
_TIMED_OUT = frozenset({"deployment_timed_out", "deletion_timed_out"})
TO_BE_GONE = _DELETED | {"deletion_timed_out"}  # to delete it once more changes nothing
_SSL_MODES_WITHOUT_EFFECT = ("off", "flexible")


class UnsafeError(CloudflareError):
    """The change would leave the edge with nothing to present, or would have no effect; nothing was changed."""


@dataclass(frozen=True)
class Record:
    """A certificate as Cloudflare keeps it. id: None where check mode foresees an upload.

    uploaded_here: whether this run uploaded it. listed: whether a list has shown it yet; what lags there may not be the
    only one that does.
    """

    id: str | None
    status: str
    description: Mapping[str, Any]
    uploaded_on: str | None = None
    expires_on: str | None = None
    uploaded_here: bool = False
    listed: bool = True

    @property
    def fingerprint(self) -> str | None:
        value: str | None = self.description["fingerprint_sha256"]
        return value

    @property
    def exists(self) -> bool:
        """Whether it counts as present: not deleted, and not given up by Cloudflare."""
        return self.status not in _DELETED | _TIMED_OUT

    @property
    def expired(self) -> bool:
        return bool(self.description["expired"])

    @property
    def age(self) -> tuple[bool, str, str]:
        """Sorts by the time of the upload, the latest last; the id decides between equal times, for every run alike."""
        # Without the Z, a time with a fraction sorts after the same second without one.
        return self.id is None, str(self.uploaded_on or "").rstrip("Z"), self.id or ""

    def known_as(self, description: Mapping[str, Any]) -> Record:
        """With this description, where the response had none that can be read: it is known whose record it is."""
        return replace(self, description=description) if self.fingerprint is None else self

    def result(self) -> dict[str, Any]:
        """As in return values."""
        return {
            "id": self.id,
            "status": self.status,
            **self.description,
            "uploaded_on": self.uploaded_on,
            "expires_on": self.expires_on,
        }

    @classmethod
    def from_api(cls, item: Any) -> Record:
        certificate_id = item.get("id") if isinstance(item, dict) else None
        if not isinstance(certificate_id, str) or not re.fullmatch("[0-9A-Za-z_-]{1,36}", certificate_id):
            raise ResponseError(
                "Cloudflare answered with a client certificate that has no id, or none that can be one."
            )
        description = describe(item.get("certificate"))
        for name in ("issuer", "serial_number", "signature"):  # where the certificate itself could not be read
            description[name] = item.get(name) if description[name] is None else description[name]
        return cls(
            certificate_id, str(item.get("status")), description, item.get("uploaded_on"), item.get("expires_on")
        )


@dataclass(frozen=True)
class State:
    """What is so in a zone. ssl_mode: None where nobody asked."""

    enabled: bool
    records: tuple[Record, ...]
    ssl_mode: str | None = None

    @property
    def works(self) -> bool:
        """Whether what the edge presents is a valid certificate."""
        in_use = self.in_use()
        return in_use is not None and not in_use.expired

    def present(self, fingerprint: str) -> Record | None:
        return next((one for one in self.records if one.exists and one.fingerprint == fingerprint), None)

    def in_use(self) -> Record | None:
        """The certificate that the edge presents: the most recently uploaded active one."""
        active = (record for record in self.records if record.status == ACTIVE)
        return max(active, key=lambda record: record.age, default=None)

    def with_record(self, record: Record) -> State:
        others = (one for one in self.records if one.id is None or one.id != record.id)  # foreseen, they have no id
        return replace(self, records=(*others, record))

    def without(self, certificate_id: str | None) -> State:
        return replace(self, records=tuple(one for one in self.records if one.id != certificate_id))

    def result(self) -> dict[str, Any]:
        """As in return values: what remains, deleted certificates left out."""
        return {
            "enabled": self.enabled,
            "certificates": [record.result() for record in self.records if record.status not in _DELETED],
        }

    def facts(self) -> dict[str, Any]:
        """As the info modules return it: everything that Cloudflare lists."""
        in_use = self.in_use()
        return {
            "enabled": self.enabled,
            "certificates": [record.result() for record in self.records],
            "active_certificate": in_use.result() if in_use else None,
        }

    def diff(self) -> dict[str, Any]:
        """As in diffs: no PEM, and no id, which check mode cannot foresee."""
        shown = ("fingerprint_sha256", "subject", "not_after")
        kept = [record for record in self.records if record.status not in _DELETED]
        certificates = [{"status": one.status, **{name: one.description[name] for name in shown}} for one in kept]
        return {
            "enabled": self.enabled,
            "certificates": sorted(certificates, key=lambda one: (str(one["fingerprint_sha256"]), one["status"])),
        }


@dataclass(frozen=True)
class Wanted:
    """What the options ask for. enabled: None leaves it alone."""

    present: bool = True
    certificate: ClientCertificate | None = None
    certificate_id: str | None = None
    enabled: bool | None = None
    exclusive: bool = False
    wait: bool = True

    def matches(self, record: Record) -> bool:
        if self.certificate:
            return record.fingerprint == self.certificate.fingerprint
        return self.certificate_id is not None and record.id == self.certificate_id

    @classmethod
    def from_options(cls, params: Mapping[str, Any]) -> Wanted:
        """What origin_tls_client_auth is asked for; raises InputError for all that can be judged offline."""
        require_cryptography()
        certificate_id = checked_id(params["certificate_id"])
        if params["wait_timeout"] < 0:
            raise InputError(f"wait_timeout must not be negative, as {params['wait_timeout']} is.")
        if params["state"] == "absent":
            return cls(
                present=False,
                certificate=_certificate_to_remove(
                    _not_blank(params["certificate"]), certificate_id, params["exclusive"]
                ),
                certificate_id=certificate_id,
                enabled=params["enabled"],
            )
        if certificate_id:
            raise InputError("certificate_id names what is to be removed, with state: absent; here give certificate.")
        pair = certificate_with_key(params)
        if not pair:
            if params["exclusive"]:
                raise InputError(
                    f"exclusive needs certificate beside it, which is {_how_missing(params, 'certificate')}."
                )
            if params["enabled"] is None:
                raise InputError("There is nothing to manage: give certificate with private_key, or enabled, or both.")
            return cls(enabled=params["enabled"])
        return cls(
            certificate=pair,
            enabled=params["enabled"],
            exclusive=params["exclusive"],
            wait=params["wait"],
        )


def certificate_with_key(params: Mapping[str, Any]) -> ClientCertificate | None:
    """What is to be uploaded, None where neither of the two options is given; raises InputError for one of them."""
    certificate, private_key = (_not_blank(params[option]) for option in ("certificate", "private_key"))
    if certificate and not private_key:
        raise InputError(
            "certificate needs private_key beside it, since Cloudflare has to present it, and private_key is "
            f"{_how_missing(params, 'private_key')}."
        )
    if private_key and not certificate:
        raise InputError(f"private_key needs certificate beside it, which is {_how_missing(params, 'certificate')}.")
    if not certificate:
        return None
    return load_client_certificate(certificate, private_key, params["private_key_passphrase"])


def _not_blank(text: str | None) -> str:
    return text if text and text.strip() else ""


def _how_missing(params: Mapping[str, Any], option: str) -> str:
    """An option that somebody gave may be the text of a file, and a blank one counts as not given."""
    return "not given" if params[option] is None else "blank (is the file that it comes from empty?)"


def _certificate_to_remove(certificate: str, certificate_id: str | None, exclusive: bool) -> ClientCertificate | None:
    if exclusive:
        raise InputError("exclusive goes with state: present; with absent, name each certificate that is to go.")
    if bool(certificate) == bool(certificate_id):
        both = "which are both given" if certificate else "which are both blank or not given"
        raise InputError(f"state: absent needs exactly one of certificate and certificate_id, {both}.")
    return load_certificate(certificate) if certificate else None


def checked_id(certificate_id: str | None) -> str | None:
    """The id of a certificate, fit to be part of a path; None where it is blank."""
    certificate_id = (certificate_id or "").strip().lower()
    if not re.fullmatch("[0-9a-f-]{0,36}", certificate_id):
        raise InputError(
            f"certificate_id must be at most 36 hexadecimal digits and hyphens, not '{certificate_id}': "
            "origin_tls_client_auth_info shows the ids of a zone's certificates."
        )
    return certificate_id or None


class Step(Protocol):
    """One change on the way from a state to what is wanted."""

    def preview(self, state: State) -> State:
        """The state after it, as far as it can be foreseen."""


@dataclass(frozen=True)
class Upload:
    certificate: ClientCertificate

    def preview(self, state: State) -> State:
        expires_on = self.certificate.description["not_after"]
        record = Record(None, "initializing", self.certificate.description, None, expires_on)
        return state.with_record(replace(record, uploaded_here=True, listed=False))


@dataclass(frozen=True)
class AwaitActive:
    fingerprint: str

    def preview(self, state: State) -> State:
        return self.each(state, lambda record: replace(record, status=ACTIVE))

    def each(self, state: State, await_active: Callable[[Record], Record]) -> State:
        """The state in which await_active has had its way with the records that are to become active."""
        records = (
            await_active(one) if one.exists and one.fingerprint == self.fingerprint else one for one in state.records
        )
        return replace(state, records=tuple(records))


@dataclass(frozen=True)
class AwaitListed:
    """Read the list until it shows the upload: before that, it may lack what is to be removed as well.

    The steps after it are to be planned anew, from what the list shows.
    """

    fingerprint: str

    def preview(self, state: State) -> State:
        records = (replace(one, listed=True) if one.fingerprint == self.fingerprint else one for one in state.records)
        return replace(state, records=tuple(records))


@dataclass(frozen=True)
class Enable:
    enabled: bool

    def preview(self, state: State) -> State:
        return replace(state, enabled=self.enabled)


@dataclass(frozen=True)
class Delete:
    certificate_id: str | None

    def preview(self, state: State) -> State:
        return state.without(self.certificate_id)


def plan(state: State, wanted: Wanted) -> list[Step]:
    """The steps from the one to the other, in the order that keeps the zone working; none where nothing is to do.

    Raises UnsafeError where there is no such order.
    """
    steps = list(_present(state, wanted) if wanted.present else _absent(state, wanted))
    _refuse_unsafe(state, steps)
    return steps


def _present(state: State, wanted: Wanted) -> Iterator[Step]:
    record = state.present(wanted.certificate.fingerprint) if wanted.certificate else None
    dead = [one for one in state.records if wanted.matches(one) and one.status in _TIMED_OUT]
    if wanted.certificate:
        if record is None:
            yield from (Delete(one.id) for one in dead)  # else Cloudflare refuses the upload as a duplicate
            yield Upload(wanted.certificate)
        if wanted.wait and (record is None or record.status != ACTIVE):
            yield AwaitActive(wanted.certificate.fingerprint)
    superseded: list[Record] = []
    if wanted.certificate and wanted.exclusive and (wanted.wait or (record and record.status == ACTIVE)):
        if record is None or not record.listed:
            yield AwaitListed(wanted.certificate.fingerprint)
        gone = [] if record else dead
        superseded = [one for one in state.records if one not in (record, *gone) and one.status not in TO_BE_GONE]
        if record and record.uploaded_here:
            # A later upload is another run's, which removes ours: if either removed the other's, none would be left.
            superseded = [one for one in superseded if one.age < record.age]
    # What has expired first, or the edge might be left to present it
    yield from (Delete(one.id) for one in superseded if one.expired)
    if wanted.enabled is not None and wanted.enabled != state.enabled:
        yield Enable(wanted.enabled)
    yield from (Delete(one.id) for one in superseded if not one.expired)


def _absent(state: State, wanted: Wanted) -> Iterator[Step]:
    to_go = [one for one in state.records if wanted.matches(one) and one.status not in TO_BE_GONE]
    # Also where it is so already, before something is deleted: a reading may be out of date.
    if wanted.enabled is False and (state.enabled or to_go):
        yield Enable(False)
    yield from (Delete(one.id) for one in to_go)
    if wanted.enabled and not state.enabled:
        yield Enable(True)


def _refuse_unsafe(state: State, steps: list[Step]) -> None:
    for step in steps:
        after = step.preview(state)
        if isinstance(step, Enable) and step.enabled:
            if state.ssl_mode in _SSL_MODES_WITHOUT_EFFECT:
                raise UnsafeError(
                    f"Authenticated Origin Pulls have no effect in the zone's SSL mode '{state.ssl_mode}', in which "
                    "the edge does not use TLS to the origin: set the mode to full or strict before enabling them."
                )
            if not state.works:
                in_use = state.in_use()
                what = (
                    f"the latest active certificate, {in_use.id}, has expired" if in_use else "there is no active one"
                )
                raise UnsafeError(
                    f"Authenticated Origin Pulls cannot be enabled: {what}, so an origin that asks for a certificate "
                    "would refuse all traffic. Give certificate and private_key, with wait: true, and exclusive: true "
                    "to remove the others."
                )
        if isinstance(step, Delete) and after.enabled:
            deleted = next(record for record in state.records if record.id == step.certificate_id)
            # One that is pending would be active by the time that Cloudflare lets go of it.
            loses_the_last = deleted.exists and not deleted.expired and not after.works
            if loses_the_last or (state.in_use() and not after.in_use()):
                raise UnsafeError(
                    f"Certificate {step.certificate_id} is the last one that the edge could present, and Authenticated "
                    "Origin Pulls stay enabled: an origin that asks for a certificate would refuse all traffic. Upload "
                    "another one first, or set enabled: false as well."
                )
        state = after


def warnings(wanted: Wanted, after: State) -> Iterator[str]:
    """What a user should hear of although it was done."""
    if after.enabled and not after.works:
        yield (
            "Authenticated Origin Pulls are enabled, but the edge has no valid certificate to present: the zone has no "
            "active one, or the latest has expired. An origin that asks for one refuses all traffic."
        )
    if not wanted.certificate or not wanted.present:
        return
    yield from wanted.certificate.warnings
    in_use = after.in_use()
    if in_use and not wanted.matches(in_use):
        what_to_do = "remove it, or set exclusive: true"
        if wanted.exclusive and any(wanted.matches(record) and record.uploaded_here for record in after.records):
            what_to_do = "somebody else uploaded it while this task ran, so it was left; run again to remove it"
        yield (
            f"Cloudflare presents the most recently deployed certificate, {in_use.id} "
            f"({in_use.description['subject']}), and not the wanted one: {what_to_do}."
        )
    if wanted.exclusive and not any(wanted.matches(record) and record.status == ACTIVE for record in after.records):
        yield "The other certificates were left, since the wanted one is not active yet: run again to remove them."
