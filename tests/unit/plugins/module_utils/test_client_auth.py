# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.originsec.cloudflare.plugins.module_utils import _certificates, _client, _client_auth_calls
from ansible_collections.originsec.cloudflare.plugins.module_utils._certificates import (
    ClientCertificate,
    describe,
    load_client_certificate,
)
from ansible_collections.originsec.cloudflare.plugins.module_utils._client import ApiToken, Client
from ansible_collections.originsec.cloudflare.plugins.module_utils._client_auth import (
    AwaitActive,
    AwaitListed,
    Delete,
    Enable,
    Record,
    State,
    Step,
    UnsafeError,
    Upload,
    Wanted,
    plan,
    warnings,
)
from ansible_collections.originsec.cloudflare.plugins.module_utils._client_auth_calls import (
    Change,
    apply,
)
from ansible_collections.originsec.cloudflare.plugins.module_utils._client_auth_calls import (
    ClientAuthCalls as Calls,
)
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import (
    CloudflareError,
    InputError,
    MissingLibraryError,
    ResponseError,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Zone as EmulatedZone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

# ---------------------------------------------------------------------------------- the plan, as a property

STATUSES = (
    *("initializing", "pending_deployment", "active", "active", "pending_deletion", "deleted"),
    *("deployment_timed_out", "deletion_timed_out", "a status of 2027"),
)


TO_BE_GONE = ("pending_deletion", "deleted", "deletion_timed_out")


def record(id_: str, status: str = "active", fingerprint: str | None = None, expired: bool = False) -> Record:
    description = {**dict.fromkeys(describe("")), "fingerprint_sha256": fingerprint or id_, "expired": expired}
    return Record(id_, status, description, uploaded_on=f"2026-01-01T00:00:00.{id_[-1]}Z")


def test_what_can_be_read_is_believed_and_the_rest_is_what_the_api_says(client_certificate: Issued) -> None:
    told = {"id": "1", "status": "active", "issuer": "CN=told", "serial_number": "7", "signature": "told"}
    unread = Record.from_api({**told, "certificate": "none"})
    assert [unread.description[name] for name in ("issuer", "serial_number", "signature")] == ["CN=told", "7", "told"]
    read = Record.from_api({**told, "certificate": client_certificate.pem})
    assert (read.description["issuer"], read.description["signature"]) == ("CN=first", "ecdsa-with-SHA256")
    assert unread.known_as(read.description).fingerprint == client_certificate.fingerprint
    assert read.known_as({**read.description, "fingerprint_sha256": "other"}) is read


def test_what_modules_return_of_a_state() -> None:
    listed = State(True, (record("1"), record("2", "pending_deletion"))).result()
    assert (listed["enabled"], [one["id"] for one in listed["certificates"]]) == (True, ["1"])


def test_pauses_grow_up_to_ten_seconds(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=lambda: sum(slept))
    monkeypatch.setattr(_client_auth_calls, "time", clock)
    patience = _client_auth_calls.Patience(client, seconds=40)
    while patience.pause():
        pass
    assert slept == [0.5, 1, 2, 4, 8, 10, 10, 4.5]


def certificate(fingerprint: str) -> ClientCertificate:
    description = {**describe(""), "fingerprint_sha256": fingerprint, "expired": False, "not_after": "2027"}
    return ClientCertificate("", fingerprint, description)


@st.composite
def states(draw: st.DrawFn) -> State:
    """At most one record of each fingerprint exists, since Cloudflare refuses a second.

    What is wanted, a, may have been uploaded earlier in the run, and lag the list.
    """
    records: list[Record] = []
    for number in range(draw(st.integers(0, 5))):
        status = draw(st.sampled_from(STATUSES))
        one = record(f"id{number}", status, draw(st.sampled_from("abc")), draw(st.booleans()))
        if not (one.exists and any(other.exists and other.fingerprint == one.fingerprint for other in records)):
            records.append(one)
    # What is wanted is never expired, which is checked before
    uploaded_here, listed = draw(st.sampled_from([(False, True), (True, True), (True, False)]))
    records = [
        replace(record(str(one.id), one.status, "a"), uploaded_here=uploaded_here, listed=listed)
        if one.fingerprint == "a"
        else one
        for one in records
    ]
    return State(draw(st.booleans()), tuple(records), draw(st.sampled_from([None, "full", "flexible", "off"])))


present = st.builds(
    Wanted,
    certificate=st.sampled_from([certificate("a"), None]),
    enabled=st.sampled_from([None, True, False]),
    exclusive=st.booleans(),
    wait=st.booleans(),
).map(lambda wanted: wanted if wanted.certificate else Wanted(enabled=wanted.enabled))
absent = st.builds(
    Wanted,
    present=st.just(False),
    certificate=st.just(certificate("a")),
    enabled=st.sampled_from([None, True, False]),
)
absent_by_id = st.builds(
    Wanted,
    present=st.just(False),
    certificate_id=st.sampled_from(["id0", "id1", "1d2"]),
    enabled=st.sampled_from([None, True, False]),
)


def after(state: State, steps: list[Step]) -> State:
    for step in steps:
        state = step.preview(state)
    return state


@given(states(), st.one_of(present, absent, absent_by_id))
def test_a_plan_reaches_what_is_wanted_safely_and_only_once(state: State, wanted: Wanted) -> None:
    try:
        steps = plan(state, wanted)
    except UnsafeError:
        # Refused only where something would be enabled, or removed while enabled
        assert wanted.enabled or (not wanted.present and state.enabled)
        return

    reached = after(state, steps)
    if wanted.enabled is not None:
        assert reached.enabled == wanted.enabled
    if wanted.present and wanted.certificate:
        there = reached.present("a")
        assert there
        if wanted.wait:
            assert there.status == "active"
        if wanted.exclusive and there.status == "active":
            others = [one for one in reached.records if one.status not in TO_BE_GONE and one != there]
            assert there.listed
            # Only what another run uploaded after it
            assert not others or (there.uploaded_here and all(one.age > there.age for one in others))
    if not wanted.present:
        assert not any(wanted.matches(one) and one.exists for one in reached.records)
        assert {one.id for one in state.records if not wanted.matches(one)} <= {one.id for one in reached.records}

    assert plan(reached, wanted) == []

    for step in steps:
        following = step.preview(state)
        if following.enabled and (state.works or not state.enabled):
            assert following.works
        if isinstance(step, Delete) and wanted.exclusive:
            there = state.present("a")
            assert there is None or (there.status == "active" and there.listed)
        if isinstance(step, Upload):
            assert state.present("a") is None
        state = following


@given(states(), st.one_of(present, absent, absent_by_id))
def test_a_plan_that_is_cut_off_converges(state: State, wanted: Wanted) -> None:
    try:
        steps = plan(state, wanted)
    except UnsafeError:
        return
    for done in range(len(steps)):
        halfway = after(state, steps[:done])
        reached = after(halfway, plan(halfway, wanted))
        assert reached.enabled == after(state, steps).enabled
        assert plan(reached, wanted) == []


def test_order_of_a_rotation() -> None:
    state = State(False, (record("old"),), "full")
    steps = plan(state, Wanted(certificate=certificate("new"), enabled=True, exclusive=True))
    assert steps == [Upload(certificate("new")), AwaitActive("new"), AwaitListed("new"), Enable(True), Delete("old")]


def test_a_later_upload_of_another_run_is_left_to_it() -> None:
    """Else two runs at once might each remove the certificate of the other."""
    ours, older, later = replace(record("2"), uploaded_here=True), record("1"), record("3")
    exclusive = Wanted(certificate=certificate("2"), exclusive=True)
    state = State(True, (older, ours, later))
    assert plan(state, exclusive) == [Delete("1")]
    assert plan(State(True, (older, record("2"), later)), exclusive) == [Delete("1"), Delete("3")]
    (warning,) = warnings(exclusive, state.without("1"))
    assert "3 (None), and not the wanted one: somebody else uploaded it while this task ran" in warning
    # The same for both where Cloudflare tells no times
    first, second = replace(ours, uploaded_on=None), replace(record("1"), uploaded_on=None)
    assert plan(State(True, (first, second)), exclusive) == [Delete("1")]
    other = State(True, (replace(first, uploaded_here=False), replace(second, uploaded_here=True)))
    assert plan(other, Wanted(certificate=certificate("1"), exclusive=True)) == []


def test_without_waiting_nothing_is_enabled_or_removed() -> None:
    state = State(True, (record("old"),))
    wanted = Wanted(certificate=certificate("new"), exclusive=True, wait=False)
    assert plan(state, wanted) == [Upload(certificate("new"))]
    with pytest.raises(UnsafeError, match="there is no active one"):
        plan(State(False, ()), Wanted(certificate=certificate("new"), enabled=True, wait=False))


def test_a_dead_record_of_the_wanted_certificate_makes_way() -> None:
    state = State(True, (record("1", "deployment_timed_out", "new"), record("old")))
    steps = plan(state, Wanted(certificate=certificate("new"), exclusive=True))
    assert steps == [Delete("1"), Upload(certificate("new")), AwaitActive("new"), AwaitListed("new"), Delete("old")]


def test_disabling_comes_before_removing() -> None:
    state = State(True, (record("old"),))
    assert plan(state, Wanted(present=False, certificate_id="old", enabled=False)) == [Enable(False), Delete("old")]


@pytest.mark.parametrize("mode", ["off", "flexible"])
def test_enabling_without_effect_is_refused(mode: str) -> None:
    with pytest.raises(UnsafeError, match=f"no effect in the zone's SSL mode '{mode}'"):
        plan(State(False, (record("old"),), mode), Wanted(enabled=True))


@pytest.mark.parametrize("records", [(), (record("old", "pending_deployment"),), (record("old", expired=True),)])
def test_enabling_without_a_certificate_is_refused(records: tuple[Record, ...]) -> None:
    with pytest.raises(UnsafeError, match=r"there is no active one|has expired"):
        plan(State(False, records, "full"), Wanted(enabled=True))


def test_removing_the_last_certificate_is_refused() -> None:
    wanted = Wanted(present=False, certificate_id="1")
    for others in (
        [record("1"), record("2", "initializing")],
        [record("1", expired=True)],
        [record("1"), record("2", expired=True)],
        # It would be active by the time that Cloudflare lets go of it
        [record("1", "pending_deployment")],
        # The edge would go over to one that has expired
        [record("0"), record("2", expired=True), Record("1", "active", record("1").description, "2027")],
    ):
        with pytest.raises(UnsafeError, match="Certificate 1 is the last one that the edge could present"):
            plan(State(True, tuple(others)), wanted)
    assert plan(State(True, (record("1"), record("2"))), wanted) == [Delete("1")]
    assert plan(State(True, (record("1", expired=True), record("2", expired=True))), wanted) == [Delete("1")]
    assert plan(State(True, (record("1", "deployment_timed_out"),)), wanted) == [Delete("1")]


def test_enabling_what_would_be_presented_expired_is_refused() -> None:
    state = State(False, (record("1"), record("2", expired=True)), "full")
    with pytest.raises(UnsafeError, match="the latest active certificate, 2, has expired"):
        plan(state, Wanted(enabled=True))
    with pytest.raises(UnsafeError, match="exclusive: true to remove the others"):
        plan(state, Wanted(certificate=certificate("1"), enabled=True))
    exclusive = Wanted(certificate=certificate("1"), enabled=True, exclusive=True)
    assert plan(state, exclusive) == [Delete("2"), Enable(True)]


def test_what_has_expired_is_removed_before_what_hides_it() -> None:
    state = State(True, (record("1"), record("2", expired=True), record("3")))
    assert plan(state, Wanted(certificate=certificate("1"), exclusive=True)) == [Delete("2"), Delete("3")]


def test_what_cloudflare_fails_to_delete_is_not_deleted_over_and_over() -> None:
    state = State(True, (record("1"), record("2", "deletion_timed_out")))
    assert plan(state, Wanted(present=False, certificate_id="2")) == []
    assert plan(state, Wanted(certificate=certificate("1"), exclusive=True)) == []


def test_in_use_is_the_most_recent_active_one() -> None:
    def uploaded(id_: str, on: str | None, status: str = "active") -> Record:
        return Record(id_, status, record(id_).description, on)

    records = (
        uploaded("b", "2026-01-01T00:00:00.5Z"),
        uploaded("a", "2026-01-01T00:00:00Z"),
        uploaded("c", "2027-01-01T00:00:00Z", "pending_deployment"),
        uploaded("d", None),
    )
    in_use = State(True, records).in_use()
    assert in_use
    assert in_use.id == "b"
    assert State(True, ()).in_use() is None


# --------------------------------------------------------------------------------- against the emulator


def wanted(issued: Issued, **options: Any) -> Wanted:
    return Wanted(certificate=load_client_certificate(issued.pem, issued.key_pem, None), **options)


@pytest.fixture
def zone(emulator: Emulator) -> EmulatedZone:
    return emulator.add_zone("example.com")


@pytest.fixture
def aop(emulator: Emulator, token: str, zone: EmulatedZone) -> Calls:
    return Calls(Client(ApiToken(token), emulator.url, retries=1), zone.id, wait_timeout=5)


@pytest.fixture
def clock(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses move the emulator's clock, which is also the client's, in place of the hands on the wall."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        emulator.advance(seconds)

    for module in (_client, _client_auth_calls):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep, monotonic=emulator.now))
    return pauses


def writes(emulator: Emulator) -> list[str]:
    return [exchange.method for exchange in emulator.journal if exchange.method != "GET"]


def never_dark(emulator: Emulator) -> bool:
    """Whether, once there was an active certificate, there was one ever after while enabled."""
    seen = False
    for exchange in emulator.journal:
        seen = seen or bool(exchange.active)
        if seen and exchange.aop_enabled and not exchange.active:
            return False
    return seen


def test_rotation(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    old = emulator.upload(zone, issue("old").pem)
    zone.aop_enabled = True
    emulator.deployment_delay, emulator.list_lag, emulator.deletion_delay = 9, 30, 10
    emulator.advance(60)

    def rerun() -> Change:
        return apply(Calls(aop.client, aop.id, 60), wanted(client_certificate, exclusive=True), check_mode=False)

    change = rerun()
    assert change.changed
    assert change.removed == [old.id]
    assert [one.status for one in change.after.records] == ["active"]
    assert writes(emulator) == ["POST", "DELETE"]
    polls, looks = ["GET"] * 4, ["GET", "GET"] * 6 + ["GET"]  # a look at the list, and one by the id where it lags
    assert [exchange.method for exchange in emulator.journal] == ["GET", "GET", "POST", *polls, *looks, "DELETE"]
    assert clock == [2.1, 1, 2, 4, 0.5, 1, 2, 4, 8, 10]
    assert never_dark(emulator)
    assert emulator.active(zone) == [change.after.records[0].id]

    emulator.journal.clear()
    assert not rerun().changed
    assert [exchange.method for exchange in emulator.journal] == ["GET", "GET"]


def test_a_deployment_that_takes_two_seconds_is_looked_at_once(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    emulator.upload(zone, issue("old").pem)
    zone.aop_enabled = True
    emulator.deployment_delay = 2
    emulator.advance(2)
    assert apply(aop, wanted(client_certificate, exclusive=True), check_mode=False).changed
    assert emulator.count() == {"GET": 2 + 1 + 1, "POST": 1, "DELETE": 1}
    assert clock == [2.1]


def test_the_next_run_while_the_list_lags_finds_the_same_certificate(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    """The key is not sent at every look. What showed up meanwhile goes as well."""
    emulator.list_lag = 18
    old = emulator.upload(zone, issue("old").pem)
    first = apply(aop, wanted(client_certificate), check_mode=False)
    emulator.journal.clear()
    again = apply(Calls(aop.client, aop.id, 60), wanted(client_certificate, exclusive=True), check_mode=False)
    assert again.changed
    assert again.removed == [old.id]
    assert again.after.records[0].id == first.after.records[0].id
    assert writes(emulator) == ["POST", "POST", "DELETE"]
    assert sum(clock) < 30


def test_an_upload_of_this_run_is_carried_through_to_the_clean_up(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    emulator.list_lag, emulator.deployment_delay = 18, 2
    old = emulator.upload(zone, issue("old").pem)
    emulator.advance(18)
    calls = Calls(aop.client, aop.id, 60)
    assert apply(calls, wanted(client_certificate, enabled=True), check_mode=False).changed
    emulator.journal.clear()
    change = apply(calls, wanted(client_certificate, exclusive=True), check_mode=False)
    assert change.removed == [old.id]
    assert writes(emulator) == ["DELETE"]
    assert not apply(calls, wanted(client_certificate, exclusive=True), check_mode=False).changed
    assert emulator.active(zone) == [change.after.records[0].id]


def test_an_upload_of_this_run_is_undone_although_the_list_lags(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, client_certificate: Issued
) -> None:
    emulator.list_lag = 600
    apply(aop, wanted(client_certificate), check_mode=False)
    gone = Wanted(present=False, certificate=wanted(client_certificate).certificate)
    assert apply(aop, gone, check_mode=False).changed
    assert emulator.active(zone) == []
    assert not apply(aop, gone, check_mode=False).changed


def test_exclusive_removes_what_the_list_did_not_show_at_first(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    emulator.list_lag = emulator.deployment_delay = 5
    aop.wait_timeout = 30
    old = emulator.upload(zone, issue("old").pem)
    emulator.advance(5)
    hidden = emulator.upload(zone, issue("uploaded a moment before").pem)
    change = apply(aop, wanted(client_certificate, exclusive=True), check_mode=False)
    assert [one.id for one in change.before.records] == [old.id]
    assert sorted(change.removed) == sorted([old.id, hidden.id])
    assert emulator.active(zone) == [change.after.records[0].id]


def test_nothing_is_removed_by_a_list_that_does_not_catch_up(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    old = emulator.upload(zone, issue("old").pem)
    emulator.list_lag = 999
    with pytest.raises(
        CloudflareError, match=r"does not show the upload \w+ after 5 seconds .*none was removed"
    ) as caught:
        apply(aop, wanted(client_certificate, enabled=True, exclusive=True), check_mode=False)
    assert caught.value.facts["certificate"]["status"] == "active"
    assert writes(emulator) == ["POST"]
    assert old.id in emulator.active(zone)


def test_an_upload_that_somebody_else_removes_at_once_is_not_waited_for(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    emulator.upload(zone, issue("old").pem)
    emulator.faults.append(Fault(method="GET", path=".*auth", skip=1, body={"success": True, "result": []}))
    emulator.deletion_delay = 3
    look = aop.find

    def find_removed(certificate_id: str) -> Record | None:
        zone.certificates[certificate_id].deleted_at = emulator.now()
        return look(certificate_id)

    aop.find = find_removed  # type: ignore[method-assign]
    with pytest.raises(CloudflareError, match="was removed by somebody else while this task ran"):
        apply(aop, wanted(client_certificate, exclusive=True), check_mode=False)
    assert clock == []
    assert writes(emulator) == ["POST"]


def test_a_lagging_list_that_still_shows_what_was_removed(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    emulator.deployment_times_out = True
    dead = emulator.upload(zone, client_certificate.pem)
    emulator.deployment_times_out = False
    listed, before = aop.records, aop.records()
    aop.records = lambda: (*before, *(one for one in listed() if one not in before))  # type: ignore[method-assign]
    change = apply(aop, wanted(client_certificate, exclusive=True), check_mode=False)
    assert change.removed == [dead.id]
    assert writes(emulator).count("DELETE") == 1


def test_waiting_for_the_rate_limit_does_not_count(
    emulator: Emulator, zone: EmulatedZone, token: str, clock: list[float], client_certificate: Issued
) -> None:
    """The reserve is reached at the first look, and the deployment is over some seconds after that."""
    emulator.quota, emulator.deployment_delay = 4, 310
    aop = Calls(Client(ApiToken(token), emulator.url, retries=1), zone.id, wait_timeout=25)
    change = apply(aop, wanted(client_certificate), check_mode=False)
    assert change.after.records[0].status == "active"
    assert aop.client.waited > 200


def test_one_more_look_is_taken_when_the_time_is_over(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    emulator.deployment_delay = aop.wait_timeout
    assert apply(aop, wanted(client_certificate), check_mode=False).changed
    assert clock == [2.1, 1, pytest.approx(1.9, abs=0.3)]
    # Also where there is no time at all
    aop.wait_timeout = 0
    emulator.deployment_delay = 60
    emulator.journal.clear()
    with pytest.raises(CloudflareError, match="not active, after 0 seconds"):
        apply(aop, wanted(issue("other")), check_mode=False)
    assert emulator.count() == {"GET": 2 + 1, "POST": 1}


def test_another_store_of_the_zone(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, client_certificate: Issued
) -> None:
    calls = Calls(aop.client, zone.id, store="origin_tls_client_auth/hostnames/certificates")
    emulator.faults.append(Fault(body={"success": True, "result": None}))
    assert calls.records() == ()
    assert emulator.journal[0].path == f"/zones/{zone.id}/origin_tls_client_auth/hostnames/certificates"


def test_a_deleted_twin_is_waited_out(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    emulator.deletion_delay = 3
    apply(aop, wanted(client_certificate), check_mode=False)
    apply(aop, Wanted(present=False, certificate=wanted(client_certificate).certificate), check_mode=False)
    change = apply(aop, wanted(client_certificate), check_mode=False)
    assert change.changed
    assert emulator.active(zone) == [change.after.records[0].id]
    assert sum(clock) >= 3


def test_a_deleted_twin_that_stays_is_an_error(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, client_certificate: Issued
) -> None:
    emulator.deletion_delay = 999
    apply(aop, wanted(client_certificate), check_mode=False)
    apply(aop, Wanted(present=False, certificate=wanted(client_certificate).certificate), check_mode=False)
    aop.wait_timeout = 0
    with pytest.raises(CloudflareError, match="is still deleting it") as caught:
        apply(aop, wanted(client_certificate), check_mode=False)
    assert 1406 in caught.value.codes


def test_another_record_is_never_adopted(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, client_certificate: Issued
) -> None:
    emulator.upload(zone, issue("other").pem)
    body = {"success": False, "errors": [{"code": 1406, "message": "exists"}], "result": None}
    emulator.faults.append(Fault(method="POST", status=400, body=body, times=99))
    aop.wait_timeout = 0
    with pytest.raises(CloudflareError, match="code 1406"):
        apply(aop, wanted(client_certificate), check_mode=False)


@pytest.mark.parametrize("fault", [{"status": 403, "body": "<html>"}, {"status": 302}])
def test_an_upload_that_somebody_else_refused_is_not_repeated(
    aop: Calls, emulator: Emulator, client_certificate: Issued, fault: dict[str, Any]
) -> None:
    emulator.faults.append(Fault(method="POST", **fault))
    with pytest.raises(ResponseError, match=f"HTTP {fault['status']}"):
        apply(aop, wanted(client_certificate), check_mode=False)
    assert writes(emulator) == ["POST"]


@pytest.mark.parametrize("retries", [0, 2])
def test_an_upload_that_stays_unknown_says_so(
    emulator: Emulator, zone: EmulatedZone, token: str, clock: list[float], client_certificate: Issued, retries: int
) -> None:
    emulator.faults.append(Fault(method="POST", status=502, times=9))
    aop = Calls(Client(ApiToken(token), emulator.url, retries=retries), zone.id)
    with pytest.raises(CloudflareError, match=r"HTTP 502.*was uploaded is not known: run again"):
        apply(aop, wanted(client_certificate), check_mode=False)
    # Settings and list are read first; each upload is looked for
    assert emulator.count() == {"GET": 2 + retries + 1, "POST": retries + 1}


def test_an_upload_that_cannot_be_looked_for_says_so(
    emulator: Emulator, zone: EmulatedZone, token: str, client_certificate: Issued
) -> None:
    aop = Calls(Client(ApiToken(token), emulator.url, retries=0), zone.id)
    emulator.faults += [Fault(method="POST", drop=True, after_work=True), Fault(method="GET", skip=2, status=403)]
    with pytest.raises(CloudflareError, match=r"GET .*HTTP 403.*was uploaded is not known: run again"):
        apply(aop, wanted(client_certificate), check_mode=False)
    assert apply(aop, wanted(client_certificate), check_mode=False).changed is False
    assert emulator.count()["POST"] == 1


@pytest.mark.parametrize(
    "fault", [{"drop": True}, {"status": 502}, {"status": 524}, {"body": "<html>"}, {"body": {"success": True}}]
)
@pytest.mark.parametrize("after_work", [False, True])
def test_an_upload_of_unknown_outcome_ends_with_one_certificate(
    aop: Calls,
    emulator: Emulator,
    zone: EmulatedZone,
    clock: list[float],
    client_certificate: Issued,
    fault: dict[str, Any],
    after_work: bool,
) -> None:
    emulator.list_lag = 2
    emulator.faults.append(Fault(method="POST", after_work=after_work, **fault))
    change = apply(aop, wanted(client_certificate), check_mode=False)
    assert change.changed
    assert emulator.active(zone) == [change.after.records[0].id]
    assert len(zone.certificates) == 1


def test_a_deployment_that_times_out_leaves_the_old_certificate(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    old = emulator.upload(zone, issue("old").pem)
    zone.aop_enabled = emulator.deployment_times_out = True
    emulator.deployment_delay = 1
    emulator.advance(1)
    with pytest.raises(CloudflareError, match=r"'deployment_timed_out'\. What was active before still is") as caught:
        apply(aop, wanted(client_certificate, exclusive=True), check_mode=False)
    assert caught.value.done == (f"uploaded the certificate {client_certificate.fingerprint}",)
    assert emulator.active(zone) == [old.id]
    assert writes(emulator) == ["POST"]
    # The next run removes what is dead, and goes through
    emulator.deployment_times_out = False
    change = apply(aop, wanted(client_certificate, exclusive=True), check_mode=False)
    assert emulator.active(zone) == [change.after.records[0].id]
    assert change.removed[-1] == old.id
    assert never_dark(emulator)


def test_not_active_in_time(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float], client_certificate: Issued
) -> None:
    emulator.deployment_delay = 999
    aop.wait_timeout = 1
    with pytest.raises(CloudflareError, match=r"not active, after 1 seconds .*Run again to go on waiting"):
        apply(aop, wanted(client_certificate), check_mode=False)
    emulator.advance(999)
    assert not apply(aop, wanted(client_certificate), check_mode=False).changed


def test_removing_what_is_being_deployed_is_waited_out(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, clock: list[float]
) -> None:
    emulator.deployment_delay = 2
    pending = emulator.upload(zone, issue().pem)
    change = apply(aop, Wanted(present=False, certificate_id=pending.id), check_mode=False)
    assert change.removed == [pending.id]
    assert writes(emulator) == ["DELETE"] * (len(clock) + 1)
    assert len(clock) > 1
    stuck = emulator.upload(zone, issue().pem)
    aop.wait_timeout = 0
    with pytest.raises(CloudflareError, match="code 1434"):
        apply(aop, Wanted(present=False, certificate_id=stuck.id), check_mode=False)


@pytest.mark.parametrize(("status", "code"), [(400, 1414), (404, 1551), (404, 1552)])
def test_gone_already_is_fine(aop: Calls, emulator: Emulator, zone: EmulatedZone, status: int, code: int) -> None:
    uploaded = emulator.upload(zone, issue().pem)
    body = {"success": False, "errors": [{"code": code, "message": "gone"}], "result": None}
    emulator.faults.append(Fault(method="DELETE", status=status, body=body))
    assert apply(aop, Wanted(present=False, certificate_id=uploaded.id), check_mode=False).removed == [uploaded.id]


def test_a_refusal_to_delete_is_an_error_with_what_was_done(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, client_certificate: Issued
) -> None:
    first, _second = emulator.upload(zone, issue("old").pem), emulator.upload(zone, issue("older").pem)
    body = {"success": False, "errors": [{"code": 1, "message": "No"}], "result": None}
    emulator.faults.append(Fault(method="DELETE", status=400, body=body, skip=1))
    steps = rf"uploaded the certificate \w+, enabled Authenticated Origin Pulls, deleted the certificate {first.id}\."
    with pytest.raises(CloudflareError, match=f"Done before that: {steps}"):
        apply(aop, wanted(client_certificate, enabled=True, exclusive=True), check_mode=False)


def test_absent_by_id_finds_what_the_list_does_not_show_yet(aop: Calls, emulator: Emulator, zone: EmulatedZone) -> None:
    emulator.list_lag = 60
    fresh = emulator.upload(zone, issue().pem)
    assert apply(aop, Wanted(present=False, certificate_id=fresh.id), check_mode=False).removed == [fresh.id]
    assert emulator.active(zone) == []
    assert not apply(aop, Wanted(present=False, certificate_id=fresh.id), check_mode=False).changed
    assert not apply(aop, Wanted(present=False, certificate_id="0" * 32), check_mode=False).changed


def test_enabling_reads_the_ssl_mode_only_when_needed(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, client_certificate: Issued
) -> None:
    zone.ssl_mode = "flexible"
    with pytest.raises(UnsafeError):
        apply(aop, wanted(client_certificate, enabled=True), check_mode=False)
    assert writes(emulator) == []
    zone.ssl_mode = "strict"
    assert apply(aop, wanted(client_certificate, enabled=True), check_mode=False).after.enabled
    emulator.journal.clear()
    assert not apply(aop, wanted(client_certificate, enabled=True), check_mode=False).changed
    assert len(emulator.journal) == 2


def test_check_mode_foresees_and_writes_nothing(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, client_certificate: Issued
) -> None:
    emulator.upload(zone, issue("old").pem)
    options = wanted(client_certificate, enabled=True, exclusive=True)
    foreseen = apply(aop, options, check_mode=True)
    assert writes(emulator) == []
    done = apply(aop, options, check_mode=False)
    assert foreseen.before == done.before
    assert foreseen.after.diff() == done.after.diff()
    assert (foreseen.changed, foreseen.removed) == (done.changed, done.removed)


@pytest.mark.parametrize("check_mode", [True, False])
def test_only_to_wait_is_no_change(
    aop: Calls,
    emulator: Emulator,
    zone: EmulatedZone,
    clock: list[float],
    client_certificate: Issued,
    check_mode: bool,
) -> None:
    emulator.deployment_delay = 2
    emulator.upload(zone, client_certificate.pem)
    change = apply(aop, wanted(client_certificate), check_mode)
    assert not change.changed
    assert bool(clock) == (not check_mode)
    assert [one.status for one in change.after.records] == ["active"]


@pytest.mark.parametrize("result", [{}, "text", 5, True])
def test_a_list_that_is_none(aop: Calls, emulator: Emulator, result: object) -> None:
    emulator.faults.append(Fault(path=".*/origin_tls_client_auth", body={"success": True, "result": result}))
    with pytest.raises(ResponseError, match="did not answer with a list"):
        aop.read()


@pytest.mark.parametrize("item", [None, "text", {}, {"id": None}, {"id": 5}])
def test_a_record_that_is_none(aop: Calls, emulator: Emulator, item: object) -> None:
    emulator.faults.append(Fault(path=".*/origin_tls_client_auth", body={"success": True, "result": [item]}))
    with pytest.raises(ResponseError, match="has no id"):
        aop.read()


def test_odd_times_are_tolerated(aop: Calls, emulator: Emulator) -> None:
    odd: list[Any] = [5, True, None, "2026", []]
    items = [{"id": str(number), "status": "active", "uploaded_on": time} for number, time in enumerate(odd)]
    emulator.faults.append(Fault(path=".*/origin_tls_client_auth", body={"success": True, "result": items}))
    assert aop.read().in_use()


def test_a_record_that_cannot_be_read_is_tolerated(
    aop: Calls, emulator: Emulator, zone: EmulatedZone, client_certificate: Issued
) -> None:
    item = {"id": "1", "status": "a status of 2027", "certificate": "nonsense", "issuer": "CN=x", "extra": 1}
    emulator.faults.append(Fault(path=".*/origin_tls_client_auth", body={"success": True, "result": [item]}, times=1))
    change = apply(aop, wanted(client_certificate), check_mode=True)
    shown = change.before.result()["certificates"][0]
    assert (shown["id"], shown["status"], shown["issuer"]) == ("1", "a status of 2027", "CN=x")
    assert (shown["fingerprint_sha256"], shown["certificate"]) == (None, "nonsense")


# ---------------------------------------------------------------------------------- options and warnings


def params(**given: Any) -> dict[str, Any]:
    names = ("certificate", "private_key", "private_key_passphrase", "certificate_id", "enabled")
    defaults = {**dict.fromkeys(names), "state": "present", "exclusive": False, "wait": True, "wait_timeout": 300}
    return {**defaults, **given}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to manage: give certificate with private_key, or enabled"),
        ({"certificate": "pem"}, "certificate needs private_key beside it, .* and private_key is not given"),
        ({"certificate": "pem", "private_key": ""}, "private_key is blank .is the file that it comes from empty"),
        ({"certificate": "pem", "private_key": " \n", "enabled": True}, "private_key is blank"),
        ({"private_key": "pem"}, "private_key needs certificate beside it, which is not given"),
        ({"private_key": "pem", "certificate": " \n", "enabled": True}, "needs certificate beside it, which is blank"),
        ({"certificate": "", "exclusive": True, "enabled": True}, "exclusive needs certificate beside it, .* blank"),
        ({"state": "absent", "certificate": "\n"}, "certificate_id, which are both blank or not given"),
        ({"exclusive": True, "enabled": True}, "exclusive needs certificate beside it"),
        ({"certificate_id": "1"}, "with state: absent; here give certificate"),
        ({"state": "absent"}, "exactly one of certificate and certificate_id"),
        ({"state": "absent", "certificate": "pem", "certificate_id": "1"}, "exactly one of"),
        ({"state": "absent", "certificate_id": "1", "exclusive": True}, "exclusive goes with state: present"),
        ({"state": "absent", "certificate_id": "../settings"}, "at most 36 hexadecimal digits and hyphens"),
        ({"state": "absent", "certificate_id": "1" * 37}, "at most 36"),
        ({"enabled": True, "wait_timeout": -1}, "wait_timeout must not be negative"),
    ],
)
def test_options_that_cannot_be_right(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Wanted.from_options(params(**given))


def test_options(client_certificate: Issued) -> None:
    pem, key = client_certificate.pem, client_certificate.key_pem
    for blank in ("", " \n"):  # an optional field that AWX hands over
        assert Wanted.from_options(params(enabled=False, certificate=blank, private_key=blank)) == Wanted(enabled=False)
    everything = params(certificate=pem, private_key=key, enabled=True, exclusive=True, wait=False)
    assert Wanted.from_options(everything) == wanted(client_certificate, enabled=True, exclusive=True, wait=False)
    gone = Wanted.from_options(params(state="absent", certificate_id=" 1F "))
    assert gone == Wanted(present=False, certificate_id="1f")
    gone = Wanted.from_options(params(state="absent", certificate=pem))
    assert gone.certificate
    assert gone.certificate.fingerprint == client_certificate.fingerprint


def test_without_cryptography_nothing_is_managed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_certificates, "CRYPTOGRAPHY_IMPORT_ERROR", "ImportError")
    with pytest.raises(MissingLibraryError, match="cryptography >= 42"):
        Wanted.from_options(params(enabled=False))


def test_warnings_of_the_certificate_itself() -> None:
    doubtful = replace(certificate("a"), warnings=("Doubtful.",))
    assert list(warnings(Wanted(certificate=doubtful), State(False, (record("a"),)))) == ["Doubtful."]
    assert list(warnings(Wanted(present=False, certificate=doubtful), State(False, ()))) == []


def test_warnings(client_certificate: Issued) -> None:
    one = wanted(client_certificate, exclusive=True, wait=False)
    own = record("1", fingerprint=client_certificate.fingerprint)
    assert list(warnings(one, State(True, (own,)))) == []
    assert list(warnings(Wanted(enabled=True), State(True, (own,)))) == []
    (left,) = warnings(one, State(False, (record("1", "initializing", client_certificate.fingerprint),)))
    assert left.startswith("The other certificates were left")
    for records in ((), (record("1", expired=True),), (record("1", "initializing"),)):
        (nothing,) = warnings(Wanted(enabled=True), State(True, records))
        assert "the edge has no valid certificate to present" in nothing
        assert list(warnings(Wanted(enabled=False), State(False, records))) == []
    (newer,) = warnings(one, State(True, (own, record("2"))))
    assert "2 (None), and not the wanted one" in newer


def test_retries_of_the_client_do_not_repeat_an_upload(
    emulator: Emulator, zone: EmulatedZone, token: str, clock: list[float], client_certificate: Issued
) -> None:
    emulator.faults.append(Fault(method="POST", status=502, after_work=True))
    aop = Calls(Client(ApiToken(token), emulator.url, retries=5), zone.id)
    apply(aop, wanted(client_certificate), check_mode=False)
    assert writes(emulator) == ["POST"]
