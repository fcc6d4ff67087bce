# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""The requests for Authenticated Origin Pulls by hostname, the waits between them, and the execution of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ._client import Client
from ._client_auth import ACTIVE, AwaitActive, AwaitListed, Delete
from ._client_auth_calls import ClientAuthCalls, Patience
from ._errors import CloudflareError, NotFoundError, ResponseError
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

_NO_SUCH_CALL = (404, 405)
_IN_USE = 1433
_ASSOCIATIONS_PER_PAGE = 1000


@dataclass(frozen=True)
class HostnameChange:
    """From one state to another. removed: ids of certificates."""

    before: HostnameState
    after: HostnameState
    changed: bool
    removed: list[str]


class HostnameCalls:
    """The requests for a zone's hostnames. certificates: those for the store, which is the zone level's code.

    done: what was changed, in words.
    """

    def __init__(self, client: Client, zone_id: str, wait_timeout: int = 300) -> None:
        self.client = client
        self._path = f"zones/{zone_id}/origin_tls_client_auth/hostnames"
        self._wait_timeout = wait_timeout
        self.certificates = ClientAuthCalls(
            client, zone_id, wait_timeout, store="origin_tls_client_auth/hostnames/certificates"
        )

    @property
    def done(self) -> list[str]:
        return self.certificates.done

    def read(self, hostnames: Iterable[str] | None, certificates: bool = True) -> HostnameState:
        """One request for all associations where Cloudflare lists them, else one for each hostname.

        hostnames: None for all associations, which raises CloudflareError where they cannot be listed. certificates:
        whether to read the store as well, with one request more.
        """
        listed = self._list()
        if listed is None and hostnames is None:
            raise CloudflareError(
                "Cloudflare does not list the associations of this zone's hostnames: name the hostnames instead."
            )
        found = listed if listed is not None else [self.find(hostname) for hostname in hostnames or ()]
        associations = {one.hostname: one for one in found if one}
        records = self.certificates.records() if certificates else ()
        return HostnameState(associations, records, complete=listed is not None)

    def overview(self) -> dict[str, Any] | None:
        """All associations and, where there are any, their certificates, as in return values; None without a list."""
        listed = self._list()
        if listed is None:
            return None
        associations = {one.hostname: one for one in listed if one}
        state = HostnameState(associations, self.certificates.records() if associations else ())
        return {"associations": state.result(), "certificates": [record.result() for record in state.records]}

    def find(self, hostname: str) -> Association | None:
        try:
            item = self.client.request("GET", f"{self._path}/{hostname}")
        except NotFoundError:
            return None
        return Association.from_api(item)

    def _list(self) -> list[Association | None] | None:
        """All associations; None where Cloudflare has no such call."""
        try:
            items = list(self.client.pages(self._path, {"status": "all"}, per_page=_ASSOCIATIONS_PER_PAGE))
        except CloudflareError as error:
            if error.status in _NO_SUCH_CALL:
                return None
            raise
        return [Association.from_api(item) for item in items]

    def execute(self, step: HostnameStep, state: HostnameState) -> HostnameState:
        """Take the step, and return the state after it."""
        if isinstance(step, Associate):
            return self._associate(step, state)
        if isinstance(step, Delete):
            return self._delete_unused(step, state)
        return replace(state, records=self.certificates.execute(step, state.store).records)

    def put(self, pins: Sequence[Pin], state: HostnameState) -> None:
        """Change these associations in one call; others stay. Cloudflare demands a certificate to void one, too."""
        config = [
            {"hostname": pin.hostname, "cert_id": Associate.certificate_id(pin, state), "enabled": pin.enabled}
            for pin in pins
        ]
        items = self.client.request("PUT", self._path, {"config": config})
        if not isinstance(items, list):
            raise ResponseError(f"PUT {self.client.base_url}/{self._path} did not answer with a list.")
        self.done.extend(map(_in_words, pins))

    def _associate(self, step: Associate, state: HostnameState) -> HostnameState:
        self.put(step.pins, state)
        if not step.wait:
            return step.preview(state)
        patience = Patience(self.client, self._wait_timeout)
        try:
            for pin in step.pins:
                state = state.with_association(pin.hostname, self._await(pin, state, patience))
        except CloudflareError as error:
            error.may_be_done = True  # whatever became of the reading, the change was accepted
            raise
        return state

    def _await(self, pin: Pin, state: HostnameState, patience: Patience) -> Association | None:
        """The association once the edge has it, or None once it is void."""
        wanted_id = Associate.certificate_id(pin, state)
        time_is_over = False
        while True:
            found = self.find(pin.hostname)
            if pin.enabled is None and found is None:
                return None
            same = found is not None and (found.certificate_id, found.enabled) == (wanted_id, pin.enabled)
            if found is not None and same and found.status == ACTIVE:
                return found
            if time_is_over:
                if found == state.associations.get(pin.hostname):
                    self.done.remove(_in_words(pin))  # it was accepted, and came to nothing
                what = f"'{found.status}'" if found else "not there"
                raise CloudflareError(
                    f"The association of {pin.hostname} is {what}, and not as it was asked for, after "
                    f"{self._wait_timeout} seconds (wait_timeout). Run again to go on waiting."
                )
            time_is_over = not patience.pause()

    def delete(self, certificate_id: str) -> None:
        """Delete a certificate; an association that was re-pinned or voided a moment ago may count for a while."""
        patience = Patience(self.client, self._wait_timeout)
        while True:
            try:
                return self.certificates.delete(certificate_id)
            except CloudflareError as error:
                if _IN_USE not in error.codes or not patience.pause():
                    raise

    def _delete_unused(self, step: Delete, state: HostnameState) -> HostnameState:
        """Delete a certificate; one that a hostname turns out to use which is not listed stays."""
        try:
            (self.delete if state.complete else self.certificates.delete)(str(step.certificate_id))
        except CloudflareError as error:
            if state.complete or _IN_USE not in error.codes:
                raise
            return state
        return replace(state, records=step.preview(state.store).records)


def _in_words(pin: Pin) -> str:
    what = "voided" if pin.enabled is None else "enabled" if pin.enabled else "disabled"
    return f"{what} the association of {pin.hostname}"


def apply_hostname(
    calls: HostnameCalls, wanted: WantedHostname, exclusive: bool, wait: bool, check_mode: bool
) -> HostnameChange:
    """Read, plan, and do it; in check mode the same without the doing.

    Raises CloudflareError, whose ``done`` tells what had been changed.
    """
    calls.done.clear()
    before = after = calls.read([wanted.hostname], certificates=wanted.present or exclusive)
    steps = plan_hostnames(before, [wanted], exclusive, wait)
    taken: list[HostnameStep] = []
    try:
        while steps:
            step = steps.pop(0)
            after = preview(step, after) if check_mode else calls.execute(step, after)
            taken.append(step)
            if isinstance(step, AwaitListed):
                steps = [one for one in plan_hostnames(after, [wanted], exclusive, wait) if isinstance(one, Delete)]
    except CloudflareError as error:
        error.done = tuple(calls.done)
        association = after.associations.get(wanted.hostname)
        error.facts = {"association": association.result() if association else None}
        raise
    foreseen = any(not isinstance(step, (AwaitActive, AwaitListed)) for step in taken)
    gone = {record.id for record in before.records} - {record.id for record in after.records}
    removed = [str(one.certificate_id) for one in taken if isinstance(one, Delete) and one.certificate_id in gone]
    return HostnameChange(before, after, foreseen if check_mode else bool(calls.done), removed)
