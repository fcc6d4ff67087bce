# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""The requests for client certificates, the waits between them, and the execution of a plan."""

from __future__ import annotations

import datetime
import email.utils
import math
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ._certificates import ClientCertificate
from ._client import Client
from ._client_auth import (
    ACTIVE,
    TO_BE_GONE,
    AwaitActive,
    AwaitListed,
    Delete,
    Enable,
    Record,
    State,
    Step,
    Upload,
    Wanted,
    plan,
)
from ._errors import CloudflareError, NotFoundError, ResponseError
from ._setting import CLIENT_AUTH_ENABLEMENT, SSL_MODE


@dataclass
class ClientAuthCalls:
    """The requests for one zone's client certificates, and what has become of them.

    wait_timeout: seconds that each wait may take; time for which the rate limit holds requests back does not count.
    store: where the certificates are, below the zone. done: what ``apply`` has changed, in words. uploaded, deleted:
    ids of certificates, also of an earlier ``apply`` with these calls.
    """

    client: Client
    id: str
    wait_timeout: int = 300
    store: str = "origin_tls_client_auth"
    done: list[str] = field(default_factory=list)
    uploaded: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    @property
    def _path(self) -> str:
        return f"zones/{self.id}/{self.store}"

    def read(self) -> State:
        """The state, with what was uploaded here also where the list does not show it yet."""
        enabled = CLIENT_AUTH_ENABLEMENT.read(self.client, self.id)["enabled"]
        state = State(enabled is True, self.records())
        for certificate_id in sorted(self.uploaded.difference(str(record.id) for record in state.records)):
            lagging = self.find(certificate_id)
            if lagging:
                state = state.with_record(replace(lagging, uploaded_here=True, listed=False))
        return state

    def records(self) -> tuple[Record, ...]:
        items = self.client.request("GET", self._path)
        if not isinstance(items, (list, type(None))):  # null: the zone never had a certificate
            raise ResponseError(f"GET {self.client.base_url}/{self._path} did not answer with a list.")
        records = [Record.from_api(item) for item in items or ()]
        return tuple({one.id: replace(one, uploaded_here=one.id in self.uploaded) for one in records}.values())

    def find(self, certificate_id: str) -> Record | None:
        """The certificate with this id, also where it lags behind in the list or was deleted long ago."""
        try:
            return Record.from_api(self.client.request("GET", f"{self._path}/{certificate_id}"))
        except NotFoundError:
            return None

    def ssl_mode(self) -> str:
        return str(SSL_MODE.read(self.client, self.id)["value"])

    def upload(self, certificate: ClientCertificate) -> Record:
        """Upload, or adopt what is there: a fresh upload lags the list, and one may have been cut off half-way.

        Only a record of the very same certificate is ever adopted. While its deleted twin is still being deleted,
        Cloudflare refuses the upload, so that is waited out. An upload of unknown outcome is looked for, and repeated
        as often as any other request: if it was done after all, Cloudflare refuses the second one as a duplicate.
        """
        body = {"certificate": certificate.pem, "private_key": certificate.private_key}
        # Whether a response said that it was done, or none that it was not; else it was there all along, and the list
        # lagged.
        ours = perhaps = False
        while_refused = Patience(self.client, seconds=self.wait_timeout)
        after_failures = Patience(self.client, times=self.client.retries)
        record: Record | None = None
        try:
            while record is None:
                last = while_refused.left <= 0
                try:
                    posted = Record.from_api(self.client.request("POST", self._path, body))
                    record = posted.known_as(certificate.description)
                    ours = True
                except CloudflareError as error:
                    exists = _EXISTS in error.codes
                    if not exists and not error.may_be_done:
                        raise
                    perhaps = perhaps or error.may_be_done
                    record = self._look_for(certificate, while_refused if exists else None)
                    if not record and (last if exists else not after_failures.pause()):
                        raise
        except CloudflareError as error:
            if not perhaps:
                error.may_be_done = False  # also where it was the list that could not be read
                raise
            message = (
                f"{error} Whether the certificate {certificate.fingerprint} was uploaded is not known: run again, "
                "which finds it, or uploads it."
            )
            unknown = CloudflareError(message, status=error.status, codes=error.codes)
            unknown.may_be_done = True
            raise unknown from error
        ours = ours or (perhaps and not self.was_there(record))
        if ours:
            self.uploaded.add(str(record.id))
            self.deleted.discard(str(record.id))  # one that was deleted may come back under its id
            self.done.append(f"uploaded the certificate {certificate.fingerprint}")
        # Whatever showed this one, other certificates may be missing from what was read before.
        return replace(record, uploaded_here=ours, listed=False)

    def _look_for(self, certificate: ClientCertificate, patience: Patience | None) -> Record | None:
        """The record of the certificate in the list, which may lag.

        With patience the list is read until a deleted twin should be gone, so that the key is not sent at every look.
        """
        twin_gone_at = time.monotonic() + _DELETION_SECONDS
        while True:
            record = State(False, self.records()).present(certificate.fingerprint)
            if record or not patience or time.monotonic() >= twin_gone_at or not patience.pause():
                return record

    def find_uploaded(self, certificate: ClientCertificate, known: Collection[str | None]) -> Record | None:
        """An upload that was cut off, in the list, which may lag; None if it is not shown for a minute.

        known: the ids that the list showed before.
        """
        patience = Patience(self.client, min(_LIST_LAG_SECONDS, self.wait_timeout))
        while True:
            for record in self.records():
                if record.exists and record.fingerprint == certificate.fingerprint and record.id not in known:
                    return record
            if not patience.pause():
                return None

    def was_there(self, record: Record) -> bool:
        """Whether it was uploaded before the first request, by Cloudflare's clock, or nobody can tell."""
        try:
            uploaded = datetime.datetime.strptime(f"{str(record.uploaded_on)[:19]}+0000", "%Y-%m-%dT%H:%M:%S%z")
            began = email.utils.parsedate_to_datetime(str(self.client.first_date))
            return uploaded < began - datetime.timedelta(seconds=1)  # for clocks that do not quite agree
        except (TypeError, ValueError):
            return True

    def execute(self, step: Step, state: State) -> State:
        """Take the step, and return the state after it."""
        if isinstance(step, Upload):
            return state.with_record(self.upload(step.certificate))
        if isinstance(step, AwaitActive):
            return step.each(state, self.await_active)
        if isinstance(step, AwaitListed):
            return self.await_listed(step, state)
        if isinstance(step, Enable):
            self.enable(step.enabled)
        elif isinstance(step, Delete):
            self.delete(str(step.certificate_id))
        return step.preview(state)

    def enable(self, enabled: bool) -> None:
        CLIENT_AUTH_ENABLEMENT.write(self.client, self.id, enabled)
        self.done.append(f"{'enabled' if enabled else 'disabled'} Authenticated Origin Pulls")

    def await_active(self, record: Record) -> Record:
        """The record once it is active; by id, since the list lags."""
        patience = Patience(self.client, self.wait_timeout, first=DEPLOYMENT_SECONDS)
        time_is_over = False
        while record.status != ACTIVE:
            if not record.exists:
                raise CloudflareError(
                    f"Certificate {record.id} will not become active: its status is '{record.status}'. "
                    "What was active before still is. Run again to upload it anew."
                )
            if time_is_over:
                raise CloudflareError(
                    f"Certificate {record.id} is '{record.status}', not active, after {self.wait_timeout} seconds "
                    "(wait_timeout). What was active before still is. Run again to go on waiting."
                )
            time_is_over = not patience.pause() or patience.left <= 0
            found = Record.from_api(self.client.request("GET", f"{self._path}/{record.id}"))
            known = found.known_as(record.description)
            record = replace(known, uploaded_here=record.uploaded_here, listed=record.listed)
        return record

    def await_listed(self, step: AwaitListed, state: State) -> State:
        """The state as the list shows it once it shows the upload, which itself stays as it is known already."""
        own = next((one for one in state.records if one.exists and one.fingerprint == step.fingerprint), None)
        if own is None:
            raise ResponseError(
                "Cloudflare answered with another certificate than the one that was uploaded: run again."
            )
        patience = Patience(self.client, self.wait_timeout)
        while True:
            listed = self.records()
            if any(record.id == own.id for record in listed):
                others = (one for one in listed if one.id != own.id and one.id not in self.deleted)
                return step.preview(replace(state, records=(*others, own)))
            found = self.find(str(own.id))
            if found is None or not found.exists:
                raise CloudflareError(
                    f"Certificate {own.id} was removed by somebody else while this task ran, so that no other one was "
                    "removed here. Run again to upload it anew."
                )
            if not patience.pause():
                raise CloudflareError(
                    f"Cloudflare's list does not show the upload {own.id} after {self.wait_timeout} seconds "
                    "(wait_timeout), so it may lack others that are to be removed, and none was removed. Run again."
                )

    def delete(self, certificate_id: str) -> None:
        """Delete it and see that it goes. Gone already is fine, and a deployment that is pending is waited out."""
        patience = Patience(self.client, self.wait_timeout)
        while True:
            try:
                answer = self.client.request("DELETE", f"{self._path}/{certificate_id}")
            except CloudflareError as error:
                if _DEPLOYING in error.codes and patience.pause():
                    continue
                if not _DELETED_ALREADY.intersection(error.codes):
                    raise
                break
            if isinstance(answer, dict) and str(answer.get("status")) in TO_BE_GONE:
                break
            try:
                record = self.find(certificate_id)
                if record is None or record.status in TO_BE_GONE:
                    break
                if not patience.pause():
                    raise CloudflareError(
                        f"Cloudflare accepted the deletion of certificate {certificate_id}, but its status is still "
                        f"'{record.status}' after {self.wait_timeout} seconds (wait_timeout). Run again."
                    )
            except CloudflareError as error:
                error.may_be_done = True
                raise
        self.uploaded.discard(certificate_id)
        self.deleted.add(certificate_id)
        self.done.append(f"deleted the certificate {certificate_id}")


_EXISTS, _DEPLOYING = 1406, 1434
_DELETED_ALREADY = {1414, 1551, 1552}

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
DEPLOYMENT_SECONDS = 2.1
"""A deployment typically takes two, and to look earlier would only cost a request."""
_DELETION_SECONDS = 10.0
"""For which Cloudflare typically keeps refusing to take a deleted certificate again."""
_LIST_LAG_SECONDS = 60
"""For which an upload of unknown outcome is looked for in a list that may lag some tens of seconds."""


class Patience:
    """Pauses between tries, ever longer ones, for so many seconds, or so many times.

    The time for which the rate limit holds the client back does not count, since nothing could be looked at meanwhile.
    first: seconds of the first pause.
    """

    def __init__(
        self, client: Client, seconds: float = math.inf, times: float = math.inf, first: float = _FIRST_PAUSE
    ) -> None:
        self._client = client
        self._deadline = time.monotonic() - client.waited + seconds
        self._times = times
        self._next = first
        self._following = _FIRST_PAUSE * 2

    @property
    def left(self) -> float:
        """Seconds until the time is over; none or less once it is."""
        return self._deadline + self._client.waited - time.monotonic()

    def pause(self) -> bool:
        """Sleep for a while, at the end until the time is over, for a last look; False once it is, without sleeping."""
        left = self.left
        if left <= 0 or self._times <= 0:
            return False
        time.sleep(min(self._next, left))
        self._times -= 1
        self._next, self._following = self._following, min(self._following * 2, _LONGEST_PAUSE)
        return True


@dataclass(frozen=True)
class Change:
    """From one state to another. removed: ids."""

    before: State
    after: State
    changed: bool
    removed: list[str]


def apply(calls: ClientAuthCalls, wanted: Wanted, check_mode: bool) -> Change:
    """Read, plan, and do it; in check mode the same without the doing.

    Raises CloudflareError, whose ``done`` tells what had been changed.
    """
    calls.done.clear()
    before = calls.read()
    if wanted.certificate_id and not any(wanted.matches(record) for record in before.records):
        # Not listed: deleted, or so fresh that the list lags. It must not survive by being fresh.
        lagging = calls.find(wanted.certificate_id)
        before = before.with_record(lagging) if lagging else before
    if wanted.enabled and not before.enabled:
        before = replace(before, ssl_mode=calls.ssl_mode())
    steps = plan(before, wanted)
    taken: list[Step] = []
    after = before
    try:
        while steps:
            step = steps.pop(0)
            after = step.preview(after) if check_mode else calls.execute(step, after)
            taken.append(step)
            if isinstance(step, AwaitListed):
                steps = plan(after, wanted)
    except CloudflareError as error:
        error.done = tuple(calls.done)
        # Whoever wants to undo this needs the id: the list may lag behind the upload
        if wanted.present:
            error.facts = {"certificate": next((one.result() for one in after.records if wanted.matches(one)), None)}
        raise
    foreseen = any(not isinstance(step, (AwaitActive, AwaitListed)) for step in taken)
    removed = [str(step.certificate_id) for step in taken if isinstance(step, Delete)]
    return Change(before, after, foreseen if check_mode else bool(calls.done), removed)
