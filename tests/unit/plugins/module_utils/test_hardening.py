# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transaction of a zone: what it asks for, in which order, and what it puts back."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils import _hardening
from ansible_collections.originsec.cloudflare.plugins.module_utils._client_auth import UnsafeError
from ansible_collections.originsec.cloudflare.plugins.module_utils._edge import Pull, Verification
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import (
    CloudflareError,
    InputError,
    PermissionDeniedError,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Certificate, Fault
from ansible_collections.originsec.cloudflare.tests.unit.in_process import KEYS, Lab, TaskTimeout, Trouble, check_end
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

Options = dict[str, Any]

READING = [
    *("GET settings/ssl", "GET settings/auto_origin_tls_kex"),
    *("GET origin_tls_client_auth/settings", "GET origin_tls_client_auth"),
]
VISIT = "VISIT /site/example.com/"
SHOP, STATUS = "shop.example.com", "status.example.com"
KEX, SSL_MODE = "PATCH settings/auto_origin_tls_kex", "PATCH settings/ssl"
UPLOAD, ENABLE = "POST origin_tls_client_auth", "PUT origin_tls_client_auth/settings"


def pair(of: Issued | Options) -> Options:
    """Of a certificate, or of the zone's options."""
    if isinstance(of, dict):
        return {name: of[name] for name in ("certificate", "private_key")}
    return {"certificate": of.pem, "private_key": of.key_pem}


@pytest.fixture
def wanted(client_certificate: Issued) -> Options:
    """What the role wants by default, with a certificate."""
    return {"auto_origin_tls_kex": True, "client_auth_enabled": True, **pair(client_certificate)}


@pytest.fixture(scope="module")
def expired_certificate() -> Issued:
    return issue("expired", ends=-1)


def rotating(lab: Lab, old: Issued) -> Certificate:
    """The zone that has all but the certificate."""
    lab.zone.kex_enabled = lab.zone.aop_enabled = True
    return lab.upload(old)


def go_dark(lab: Lab) -> None:
    lab.site.dark_while = {"aop_enabled": True}


# -------------------------------------------------------------------------------------------------------- requests


def test_requests_of_first_run_steady_state_and_rotation(lab: Lab, wanted: Options, other_certificate: Issued) -> None:
    lab.emulator.deployment_delay = 2
    first = lab.harden(**wanted)
    (id_,) = lab.kept()
    assert lab.requests == [
        *READING,
        *("GET", VISIT),
        *(KEX, UPLOAD),
        *(f"GET origin_tls_client_auth/{id_}", ENABLE),
        *(VISIT, VISIT, VISIT),
        "GET origin_tls_client_auth",
    ]
    assert lab.count() == 10
    assert first.changes == ["auto_origin_tls_kex", "client_auth", "certificate"]
    assert first.certificate is not None
    assert (first.certificate["id"], first.certificate["status"]) == (id_, "active")

    steady = lab.harden(**wanted)
    assert lab.requests == READING
    assert (steady.changed, steady.drift, steady.verified, steady.not_verified) == (False, [], {}, None)

    rotation = lab.harden(**{**wanted, **pair(other_certificate)})
    (new,) = lab.kept()
    assert lab.requests == [
        *READING,
        *("GET", VISIT, UPLOAD, f"GET origin_tls_client_auth/{new}"),
        *(VISIT, VISIT, VISIT),
        *("GET origin_tls_client_auth", VISIT, f"DELETE origin_tls_client_auth/{id_}"),
    ]
    assert lab.count() == 9
    assert (rotation.changes, rotation.removed) == (["certificate", "superseded"], [id_])
    assert rotation.verified == {lab.url: {"before": 200, "after": 200, "proved": True, "reason": None}}
    assert lab.never_dark()


def test_a_name_costs_one_request_more(lab: Lab, wanted: Options) -> None:
    assert lab.harden(**wanted).changed
    assert not lab.harden(**wanted, zone_id="", zone_name="example.com").changed
    assert lab.count() == 5


def test_every_further_aspect_costs_one_reading(lab: Lab) -> None:
    lab.harden(ssl_mode="full", compliance_modes=[], origin_pqe="supported", global_client_auth_enabled=False)
    assert lab.count() == 4


@pytest.mark.parametrize("lag", [0, 5, 40])
def test_the_key_is_sent_once_while_the_list_lags(
    lab: Lab, wanted: Options, other_certificate: Issued, lag: int
) -> None:
    lab.emulator.deployment_delay, lab.emulator.list_lag = 2, lag
    old = rotating(lab, other_certificate)
    report = lab.harden(**wanted)
    assert report.removed == [old.id]
    assert [request for request in lab.requests if request.startswith("POST")] == [UPLOAD]
    assert lab.count() <= (9 if lag < 12 else 24)
    assert lab.never_dark()


def test_of_two_rotations_one_after_the_other_one_certificate_is_left(
    lab: Lab, wanted: Options, other_certificate: Issued
) -> None:
    lab.emulator.list_lag = 40
    assert lab.harden(**wanted).changed
    lab.harden(**{**wanted, **pair(other_certificate)})
    lab.emulator.advance(100)
    assert lab.emulator.active(lab.zone) == list(lab.kept())
    assert len(lab.kept()) == 1


def test_order_strengthens_first_and_weakens_last(lab: Lab, wanted: Options) -> None:
    lab.zone.ssl_mode, lab.zone.global_aop_enabled = "full", True
    options: Options = {**wanted, "compliance_modes": ["fips"], "origin_pqe": "off"}
    lab.harden(**options, ssl_mode="strict", global_client_auth_enabled=False)
    settings = [f"{way} {name}" for way, name in (("PATCH", "settings/auto_origin_tls_kex"),)]
    settings += ["PUT cache/origin_post_quantum_encryption", "PUT settings/origin_tls_compliance_modes"]
    client_auth = [UPLOAD, ENABLE]
    assert lab.writes() == [SSL_MODE, *settings, *client_auth, "PATCH settings/tls_client_auth"]

    lab.harden(**options, ssl_mode="full", global_client_auth_enabled=True)
    assert lab.writes() == ["PATCH settings/tls_client_auth", SSL_MODE]
    lab.harden(**{**options, "auto_origin_tls_kex": False, "client_auth_enabled": False}, ssl_mode="strict")
    assert lab.writes() == [*(SSL_MODE, KEX, ENABLE)]


# ---------------------------------------------------------------------------------------------------- verification


def test_dark_before_changes_nothing(lab: Lab, wanted: Options) -> None:
    lab.site.status, lab.site.body = 525, "error code: 525"
    message, facts = lab.fail(**wanted)
    assert lab.writes() == []
    assert lab.requests.count(VISIT) == 6
    assert f"{lab.url} answered 525 (error code: 525). It was so before anything was changed" in message
    assert message.endswith("Nothing was changed.")
    assert facts["verified"][lab.url] == {
        "before": 525,
        "after": None,
        "proved": False,
        "reason": "answered 525 (error code: 525)",
    }


DARK: dict[str, Options] = {
    "520": {},
    "403 after 200": {"dark_status": 403},
    "nginx": {"dark_status": 400, "body": "<h1>400 No required SSL certificate was sent</h1>"},
    "530": {"dark_status": 530},
    "495": {"dark_status": 495},
    "496": {"dark_status": 496},
}


@pytest.mark.parametrize("edge_delay", [0, 8])
@pytest.mark.parametrize("case", DARK)
def test_dark_after_is_put_back(lab: Lab, wanted: Options, case: str, edge_delay: int) -> None:
    """Also where the edge picks the change up 8 seconds later, and the undo as well."""
    go_dark(lab)
    lab.emulator.edge_delay = edge_delay
    for name, value in DARK[case].items():
        setattr(lab.site, name, value)
    before = lab.look()
    message, facts = lab.fail(**wanted)
    assert lab.look() == before
    status = DARK[case].get("dark_status", 520)
    assert f"{lab.url} answered {status}" in message
    assert "after the change, and 200 before." in message
    assert "Put back: Authenticated Origin Pulls, client certificate, automatic key exchange." in message
    assert message.endswith(f"{lab.url} answers as before.")
    assert facts["undone"] == ["client_auth", "certificate", "auto_origin_tls_kex"]
    assert (facts["changed"], facts["changes"], facts["left_to_do"]) == (False, [], [])
    assert facts["verified"][lab.url]["after"] == status
    assert lab.never_dark()

    lab.site.dark_while = {}
    lab.harden(**wanted)
    assert lab.zone.aop_enabled


def test_still_dark_after_it_was_put_back(lab: Lab, wanted: Options) -> None:
    statuses = iter([200])
    lab.site.status = lambda: next(statuses, 522)
    message, _facts = lab.fail(**wanted)
    assert "Put back: " in message
    assert message.endswith(f"Still dark: {lab.url} answered 522 (site).")


UNPROVED: dict[str, tuple[Options, str]] = {
    "cache": ({"cache_status": "HIT"}, "the response came from Cloudflare's cache (CF-Cache-Status: HIT)"),
    "challenge": ({"challenge": True}, "Cloudflare challenged the request (CF-Mitigated)"),
    "redirect of the edge": (
        {"redirect": "https://www.example.com/"},
        "the edge or a Worker may have answered itself (no CF-Cache-Status)",
    ),
    "no CF-Ray": ({"ray": False}, "the response did not come through Cloudflare (no CF-Ray)"),
    "no CF-Cache-Status": (
        {"cache_status": None},
        "the edge or a Worker may have answered itself (no CF-Cache-Status)",
    ),
}


@pytest.mark.parametrize("exclusive", [None, True])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("case", UNPROVED)
def test_what_proves_nothing_removes_nothing(
    lab: Lab, wanted: Options, other_certificate: Issued, case: str, late: bool, exclusive: bool | None
) -> None:
    """Also where only the very last request, before the removal, proves nothing."""
    old = rotating(lab, other_certificate)
    attributes, why = UNPROVED[case]

    def spoil(_request: str = "") -> None:
        if not late or lab.requests.count(VISIT) == 4:
            for name, value in attributes.items():
                setattr(lab.site, name, value)

    lab.after_request = spoil
    if not late:
        spoil()
    report = lab.harden(**wanted, exclusive=exclusive)
    assert (report.removed, report.left_over) == ([], [old.id])
    assert report.changes == ["certificate"]
    assert report.not_verified == f"{lab.url}: {why}"
    assert not report.verified[lab.url]["proved"]
    assert any("Superseded certificates were left" in warning and why in warning for warning in report.warnings)
    assert {old.id} < lab.kept()


def test_a_challenge_after_200_is_not_dark(lab: Lab, wanted: Options) -> None:
    def challenge(_request: str) -> None:
        lab.site.challenge = True

    lab.after_request = challenge
    assert lab.harden(**wanted).changes == ["auto_origin_tls_kex", "client_auth", "certificate"]


@pytest.mark.parametrize(
    ("exclusive", "urls", "removes"),
    [(None, True, True), (None, False, False), (True, True, True), (True, False, True), (False, True, False)],
)
def test_exclusive(
    lab: Lab, wanted: Options, other_certificate: Issued, exclusive: bool | None, urls: bool, removes: bool
) -> None:
    old = rotating(lab, other_certificate)
    options = {**wanted, "exclusive": exclusive, **({} if urls else {"verify_urls": []})}
    foreseen = lab.harden(check=True, **options)
    report = lab.harden(**options)
    assert report.removed == foreseen.removed == ([old.id] if removes else [])
    assert report.left_over == ([] if removes else [old.id])
    assert report.changes == foreseen.changes
    assert report.not_verified == (None if urls else "there is no URL to verify (verify_urls)")
    assert not any("Superseded" in warning for warning in report.warnings)
    assert lab.harden(**options).changes == []


@pytest.mark.parametrize("enabled", [False, None])
def test_a_certificate_that_is_not_presented_proves_nothing(
    lab: Lab, wanted: Options, other_certificate: Issued, enabled: bool | None
) -> None:
    old = lab.upload(other_certificate)
    report = lab.harden(**{**wanted, "client_auth_enabled": enabled})
    assert (report.removed, report.left_over) == ([], [old.id])
    assert "the edge does not present the wanted one" in "".join(report.warnings)
    assert lab.harden(**{**wanted, "client_auth_enabled": enabled}).changes == []
    assert VISIT not in lab.requests


def test_the_wanted_one_is_there_but_another_is_presented(
    lab: Lab, wanted: Options, client_certificate: Issued, other_certificate: Issued
) -> None:
    """With exclusive it is presented only once the other is gone, so that it is verified once more."""
    lab.upload(client_certificate, year=2024)
    other = rotating(lab, other_certificate)
    assert lab.harden(**wanted).changes == []
    assert lab.harden(check=True, **wanted).changes == []
    report = lab.harden(**wanted, exclusive=True)
    assert report.removed == [other.id]
    assert lab.requests[-4:] == [f"DELETE origin_tls_client_auth/{other.id}", VISIT, VISIT, VISIT]


def test_nothing_is_undone_once_superseded_certificates_go(
    lab: Lab, wanted: Options, other_certificate: Issued
) -> None:
    old = rotating(lab, other_certificate)
    lab.zone.kex_enabled = False
    lab.trouble.append(Trouble("refused", at="DELETE"))
    message, facts = lab.fail(**wanted)
    assert lab.requests[-1] == f"DELETE origin_tls_client_auth/{old.id}"
    assert "Superseded certificates are being removed already, so everything stays as it is now" in message
    assert lab.zone.kex_enabled
    assert len(lab.kept()) == 2
    assert facts["changes"] == ["auto_origin_tls_kex", "certificate"]
    lab.trouble.clear()
    assert lab.harden(**wanted).removed == [old.id]


# -------------------------------------------------------------------------------------- certificates that are there


def test_expired_certificates_in_the_way_go_first(
    lab: Lab, wanted: Options, client_certificate: Issued, expired_certificate: Issued
) -> None:
    ours = lab.upload(client_certificate, year=2024)
    expired = lab.upload(expired_certificate, year=2025)
    foreseen = lab.harden(check=True, **wanted)
    report = lab.harden(**wanted)
    assert report.removed == foreseen.removed == [expired.id]
    assert report.changes == foreseen.changes == ["auto_origin_tls_kex", "client_auth", "superseded"]
    assert lab.kept() == {ours.id}
    order = [f"DELETE origin_tls_client_auth/{expired.id}", ENABLE]
    assert lab.writes()[1:] == order


def test_an_expired_certificate_that_is_gone_is_told_when_the_rest_is_put_back(
    lab: Lab, wanted: Options, client_certificate: Issued, expired_certificate: Issued
) -> None:
    ours = lab.upload(client_certificate, year=2024)
    expired = lab.upload(expired_certificate, year=2025)
    go_dark(lab)
    message, facts = lab.fail(**wanted)
    assert lab.kept() == {ours.id}
    assert not lab.zone.aop_enabled
    assert f"Certificates that were removed, and are not put back: {expired.id}." in message
    assert (facts["changes"], facts["removed"], facts["changed"]) == (["superseded"], [expired.id], True)


def test_without_exclusive_an_expired_one_in_the_way_is_refused(
    lab: Lab, wanted: Options, client_certificate: Issued, expired_certificate: Issued
) -> None:
    lab.upload(client_certificate, year=2024)
    lab.upload(expired_certificate, year=2025)
    with pytest.raises(UnsafeError, match=r"cannot be enabled: the latest active certificate, .*, has expired"):
        lab.harden(**wanted, exclusive=False)
    assert lab.writes() == []


def test_a_twin_that_never_was_deployed_is_replaced(lab: Lab, wanted: Options, client_certificate: Issued) -> None:
    dead = lab.upload(client_certificate)
    dead.deployment_times_out = True
    report = lab.harden(**wanted)
    assert report.changes == ["auto_origin_tls_kex", "client_auth", "certificate"]
    assert report.removed == [dead.id]
    assert dead.id not in lab.kept()


def test_an_upload_of_a_run_that_was_killed_is_waited_for(
    lab: Lab, wanted: Options, client_certificate: Issued, other_certificate: Issued
) -> None:
    old = rotating(lab, other_certificate)
    lab.emulator.deployment_delay = 3
    ours = lab.emulator.upload(lab.zone, client_certificate.pem)
    report = lab.harden(**wanted)
    assert (report.removed, lab.kept()) == ([old.id], {ours.id})
    assert report.changes == ["superseded"]


def test_an_undo_keeps_an_upload_of_a_run_that_was_killed(
    lab: Lab, wanted: Options, client_certificate: Issued
) -> None:
    lab.emulator.list_lag = 20
    ours = lab.upload(client_certificate, listed=False)
    go_dark(lab)
    _message, facts = lab.fail(**wanted)
    assert lab.kept() == {ours.id}
    assert facts["undone"] == ["client_auth", "auto_origin_tls_kex"]
    assert not any(request.startswith("DELETE") for request in lab.requests)


def test_what_is_adopted_is_judged_once_more_before_the_edge_presents_it(
    lab: Lab, wanted: Options, client_certificate: Issued, expired_certificate: Issued
) -> None:
    """The list had not shown it, and it turns out to be older than the expired one, which would be presented."""
    lab.emulator.list_lag = 20
    lab.upload(client_certificate, year=2024, listed=False)
    expired = lab.upload(expired_certificate, year=2025)
    before = lab.look()
    message, _facts = lab.fail(**wanted)
    assert f"the latest active certificate, {expired.id}, has expired" in message
    assert lab.look() == before
    assert lab.never_dark()
    assert lab.harden(**wanted).removed == [expired.id]


@pytest.mark.parametrize("after_work", [False, True])
@pytest.mark.parametrize("kind", ["drop", "error", "timeout", "interrupt"])
@pytest.mark.parametrize("uploaded_on", ["2025-01-02T03:04:05Z", "2025-01-02T03:04:05.123456789Z", "who knows"])
def test_an_undo_never_deletes_what_was_there_before(
    lab: Lab, wanted: Options, client_certificate: Issued, kind: str, after_work: bool, uploaded_on: str
) -> None:
    """Not even where the list lags, so that it was not seen, and nobody knows what became of the upload."""
    lab.emulator.list_lag = 20
    ours = lab.upload(client_certificate, listed=False)
    ours.uploaded_on = uploaded_on
    go_dark(lab)
    lab.trouble.append(Trouble(kind, at=UPLOAD, after_work=after_work, lasting=False))
    before = lab.look()
    message, facts = lab.fail(**wanted)
    assert lab.look() == before
    assert not any(request.startswith("DELETE") for request in lab.requests)
    assert "Put back: " in message
    assert facts["left_to_do"] == []


@pytest.mark.parametrize("lag", [0, 30])
@pytest.mark.parametrize("kind", ["drop", "error", "timeout", "interrupt"])
def test_an_upload_of_unknown_outcome_is_undone(lab: Lab, wanted: Options, kind: str, lag: int) -> None:
    lab.emulator.list_lag, lab.emulator.deployment_delay = lag, 2
    go_dark(lab)
    lab.trouble.append(Trouble(kind, at=UPLOAD, after_work=True, lasting=False))
    before = lab.look()
    message, facts = lab.fail(**wanted)
    assert lab.look() == before
    assert "certificate" in facts["undone"]
    assert facts["left_to_do"] == []
    assert "Put back: " in message


def test_an_upload_that_the_list_never_shows_is_left_to_do(
    lab: Lab, wanted: Options, client_certificate: Issued
) -> None:
    lab.emulator.list_lag = 10_000
    lab.trouble.append(Trouble("timeout", at=UPLOAD, after_work=True))
    message, facts = lab.fail(**wanted)
    assert facts["left_to_do"] == [
        f"remove the certificate with the fingerprint {client_certificate.fingerprint}, if the zone has it, since this "
        "failed: whether it was uploaded is not known, and Cloudflare's list does not show it"
    ]
    assert facts["left_to_do"][0] in message
    assert "Put back: automatic key exchange." in message
    lab.emulator.list_lag = 0
    lab.trouble.clear()
    assert lab.harden(**wanted).changes == ["auto_origin_tls_kex", "client_auth"]


def test_the_last_certificate_stays_while_the_edge_may_present_it(lab: Lab, wanted: Options) -> None:
    go_dark(lab)

    def arm(request: str) -> None:
        if request == ENABLE:
            lab.trouble.append(Trouble("error", at=ENABLE))

    lab.after_request = arm
    message, facts = lab.fail(**wanted)
    (id_,) = lab.kept()
    assert lab.zone.aop_enabled
    assert lab.never_dark()
    assert facts["undone"] == ["auto_origin_tls_kex"]
    assert [left.partition(", since this failed: ")[0] for left in facts["left_to_do"]] == [
        "disable Authenticated Origin Pulls",
        f"remove the certificate {id_}",
    ]
    assert "Authenticated Origin Pulls may still be enabled, with nothing else to present" in message
    assert f"Still dark: {lab.url} answered 520" in message
    assert facts["changes"] == ["client_auth", "certificate"]


# --------------------------------------------------------------------------------------------------------- SSL mode


def test_automatic_ssl_is_switched_off_first_and_on_again_last(lab: Lab, wanted: Options) -> None:
    lab.zone.ssl_automatic_mode = "auto"
    go_dark(lab)
    before = lab.look()
    lab.fail(**wanted, ssl_mode="strict")
    assert lab.writes()[:2] == ["PATCH settings/ssl_automatic_mode", SSL_MODE]
    assert lab.writes()[-2:] == [SSL_MODE, "PATCH settings/ssl_automatic_mode"]
    lab.emulator.advance(100)
    assert lab.look() == before

    lab.site.dark_while = {}
    lab.harden(**wanted, ssl_mode="strict")
    lab.emulator.advance(100)
    assert lab.look()["ssl_mode"] == ("strict", "custom")


@pytest.mark.parametrize("lasting", [False, True])
def test_automatic_ssl_does_not_stay_off_where_the_mode_is_refused(lab: Lab, lasting: bool) -> None:
    lab.zone.ssl_automatic_mode = "auto"
    before = lab.look()
    lab.trouble.append(Trouble("refused", at=SSL_MODE, lasting=lasting))
    message, facts = lab.fail(ssl_mode="strict")
    if lasting:
        todo = "set SSL mode to full, and then Automatic SSL/TLS to on, since this failed: "
        assert facts["left_to_do"][0].startswith(todo)
        assert todo in message
    else:
        assert lab.look() == before
        assert "Put back: SSL mode." in message


@pytest.mark.parametrize("failure", ["404", "1006", "text"])
def test_zones_without_automatic_ssl(lab: Lab, failure: str) -> None:
    lab.zone.ssl_automatic_failure = failure
    assert lab.harden(ssl_mode="strict").changes == ["ssl_mode"]
    assert lab.writes() == [SSL_MODE]


def test_whether_automatic_ssl_is_on_is_read_before_the_first_write(lab: Lab, wanted: Options) -> None:
    """Also where the mode is lowered, which comes last."""
    lab.zone.ssl_mode = "strict"
    lab.trouble.append(Trouble("refused", at="GET settings/ssl_automatic_mode"))
    with pytest.raises(PermissionDeniedError):
        lab.harden(**wanted, ssl_mode="full")
    assert lab.writes() == []


def test_a_lowered_mode_is_put_back_first(lab: Lab, wanted: Options) -> None:
    lab.zone.ssl_mode = "strict"
    go_dark(lab)
    lab.fail(**wanted, ssl_mode="full")
    undone = lab.writes()[4:]
    assert undone[0] == SSL_MODE
    assert lab.zone.ssl_mode == "strict"


# ---------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_days_remaining": 90}, "certificate expires in 89 days, and at least 90 days are asked for"),
        ({"ssl_mode": "flexible"}, "ssl_mode is flexible, and full, strict or origin_pull is asked for"),
        ({"private_key": ""}, "certificate needs private_key beside it"),
        ({"certificate": ""}, "private_key needs certificate beside it"),
        ({"verify_urls": ["example.com"]}, "verify_urls must hold URLs"),
        ({"verify_retries": -1}, "verify_retries must be a whole number"),
        ({"wait_timeout": -1}, "wait_timeout must be a whole number"),
        ({"require_enforcement": True}, "require_enforcement needs to know the origins: set origins"),
        ({"only": ["superseded"]}, "only has superseded, and needs certificate beside it"),
        ({"certificate": "client.pem"}, "certificate holds no certificate in PEM"),
    ],
)
def test_what_is_refused_before_the_first_request(lab: Lab, wanted: Options, options: Options, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lab.harden(**{**wanted, **options})
    assert lab.requests == []


@pytest.mark.parametrize(("days", "ends"), [(89, 90), (0, 1), (30, 31)])
def test_the_last_day_counts(lab: Lab, days: int, ends: int) -> None:
    issued = issue(ends=ends)
    lab.harden(**pair(issued), min_days_remaining=days)
    with pytest.raises(InputError, match=f"expires in {days} day"):
        lab.harden(**pair(issued), min_days_remaining=days + 1)


@pytest.mark.parametrize("mode", ["off", "flexible"])
def test_modes_in_which_no_zone_is_hardened(lab: Lab, wanted: Options, mode: str) -> None:
    lab.zone.ssl_mode = mode
    with pytest.raises(
        UnsafeError, match=f"The SSL mode is {mode}, and full, strict or origin_pull is asked"
    ) as caught:
        lab.harden(**wanted)
    assert lab.requests == READING
    assert set(caught.value.facts) == KEYS
    with pytest.raises(UnsafeError, match="have no effect in the zone's SSL mode"):
        lab.harden(**wanted, required_ssl_modes=[])
    assert lab.writes() == []
    assert lab.harden(**wanted, ssl_mode="full").changed


@pytest.mark.parametrize(
    ("status", "paused"), [("pending", False), ("moved", False), ("initializing", False), ("active", True)]
)
def test_zones_without_an_edge(lab: Lab, wanted: Options, other_certificate: Issued, status: str, paused: bool) -> None:
    old = rotating(lab, other_certificate)
    lab.zone.status, lab.zone.paused = status, paused
    shown = "paused" if paused else status
    with pytest.raises(UnsafeError, match=rf"The zone example.com is {shown}: .* Set allow_inactive_zones"):
        lab.harden(**wanted, verify_urls=None)
    assert lab.writes() == []
    options = {**wanted, "verify_urls": None, "allow_inactive_zones": True}
    foreseen = lab.harden(check=True, **options)
    report = lab.harden(**options)
    assert VISIT not in lab.requests
    assert report.changes == foreseen.changes == ["certificate"]
    assert report.not_verified == "there is no URL to verify (verify_urls)"
    assert old.id in lab.kept()
    assert report.after["zone"] == {"status": status, "paused": paused}
    assert lab.harden(**options).changes == []


def test_the_default_is_the_zone_itself(lab: Lab, wanted: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    pull = Verification.pull

    def pulled(self: Verification, url: str) -> Pull:
        seen.append(url)
        return pull(self, lab.url)

    monkeypatch.setattr(Verification, "pull", pulled)
    report = lab.harden(**wanted, verify_urls=None)
    assert set(seen) == set(report.verified) == {"https://example.com/"}


@pytest.mark.parametrize(
    ("setting", "option", "wanted_value", "same"),
    [
        ("ssl", "ssl_mode", "strict", "full"),
        ("origin_pqe", "origin_pqe", "off", "supported"),
        ("origin_tls_cmpl", "compliance_modes", ["fips"], []),
        ("tls_client_auth", "global_client_auth_enabled", True, False),
    ],
)
def test_settings_that_cannot_be_edited(
    lab: Lab, wanted: Options, setting: str, option: str, wanted_value: Any, same: Any
) -> None:
    lab.zone.refuses = {setting: 1135}
    with pytest.raises(UnsafeError, match="and Cloudflare does not let it be changed in this zone"):
        lab.harden(**wanted, **{option: wanted_value})
    assert lab.writes() == []
    assert lab.harden(**wanted, **{option: same}).changed


def test_a_setting_that_takes_another_value(lab: Lab) -> None:
    """Somebody else, or the plan, determines it: it is put back, since the write was accepted."""
    lab.emulator.faults.append(Fault(method="PATCH", path=".*kex", ignore=True))
    message, facts = lab.fail(auto_origin_tls_kex=True)
    assert "but the value is False when read back" in message
    assert facts["undone"] == ["auto_origin_tls_kex"]


# --------------------------------------------------------------------------------------------------- check mode, only


def test_check_mode_foresees_what_is_done(lab: Lab, wanted: Options, other_certificate: Issued) -> None:
    rotating(lab, other_certificate)
    options: Options = {**wanted, "auto_origin_tls_kex": False, "ssl_mode": "strict", "compliance_modes": ["pqh"]}
    foreseen = lab.harden(check=True, **options)
    assert lab.writes() == []
    assert VISIT not in lab.requests
    assert foreseen.not_verified is None
    without_key = lab.harden(check=True, **{**options, "private_key": ""})
    done = lab.harden(**options)
    assert "private_key was not given" in "".join(without_key.warnings)
    for name in ("changed", "changes", "drift", "before", "removed", "left_over"):
        assert getattr(foreseen, name) == getattr(without_key, name) == getattr(done, name), name
    assert foreseen.diff == without_key.diff == done.diff
    assert foreseen.certificate is not None
    assert (foreseen.certificate["id"], foreseen.certificate["status"]) == (None, "active")


ASPECT_OPTIONS: dict[str, Options] = {
    "ssl_mode": {"ssl_mode": "strict"},
    "auto_origin_tls_kex": {"auto_origin_tls_kex": True},
    "compliance_modes": {"compliance_modes": ["fips"]},
    "origin_pqe": {"origin_pqe": "off"},
    "client_auth": {"client_auth_enabled": True},
    "global_client_auth": {"global_client_auth_enabled": True},
}


@pytest.mark.parametrize("aspect", [*ASPECT_OPTIONS, "certificate"])
def test_only_one_aspect(lab: Lab, client_certificate: Issued, other_certificate: Issued, aspect: str) -> None:
    lab.upload(other_certificate)
    everything = {name: value for options in ASPECT_OPTIONS.values() for name, value in options.items()}
    before = lab.look()
    report = lab.harden(**everything, **pair(client_certificate), only=[aspect])
    assert report.changes == [aspect]
    assert {one["aspect"] for one in report.drift} == {aspect}
    after = lab.look()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"certificates" if aspect == "certificate" else aspect}
    assert before["certificates"] <= after["certificates"]


# ------------------------------------------------------------------------------------------ failures at every request


def _of_first_run(lab: Lab, wanted: Options, _old: Issued, _expired: Issued) -> Options:
    lab.zone.ssl_automatic_mode = "auto"
    return {**wanted, "ssl_mode": "strict", "compliance_modes": ["fips"]}


def _of_rotation(lab: Lab, wanted: Options, old: Issued, _expired: Issued) -> Options:
    rotating(lab, old)
    lab.emulator.list_lag = 6
    return {**wanted, "auto_origin_tls_kex": False, "origin_pqe": "off"}


def _of_expired_in_the_way(lab: Lab, wanted: Options, old: Issued, expired: Issued) -> Options:
    lab.upload(old, year=2024)
    lab.upload(expired, year=2025)
    lab.zone.global_aop_enabled, lab.zone.ssl_mode = True, "strict"
    return {**wanted, **pair(old), "ssl_mode": "full", "global_client_auth_enabled": False}


def _of_hostnames(lab: Lab, wanted: Options, old: Issued, _expired: Issued) -> Options:
    """Set up beside the zone, one of them exempted; what is there of another is left alone."""
    lab.emulator.association_delay, lab.emulator.association_list = 2, "404"
    other = lab.upload(old, hostname_level=True)
    lab.emulator.associate(lab.zone, "other.example.com", other)
    of_new = pair(wanted)
    hostnames = [{"hostname": SHOP, **of_new}, {"hostname": STATUS, "enabled": False, **of_new}]
    return {**wanted, "hostnames": hostnames}


def _of_hostnames_rotated(lab: Lab, wanted: Options, old: Issued, expired: Issued) -> Options:
    """With the SSL mode, and an expired certificate that a hostname which is exempted by now has kept."""
    lab.emulator.association_delay, lab.zone.ssl_automatic_mode = 2, "auto"
    shop, status = (lab.upload(one, hostname_level=True) for one in (old, expired))
    lab.emulator.associate(lab.zone, SHOP, shop)
    lab.emulator.associate(lab.zone, STATUS, status, enabled=False)
    hostnames = [{"hostname": name, "enabled": True, **pair(wanted)} for name in (SHOP, STATUS)]
    return {"ssl_mode": "strict", "hostnames": hostnames}


SCENARIOS: dict[str, Callable[[Lab, Options, Issued, Issued], Options]] = {
    "first run": _of_first_run,
    "rotation": _of_rotation,
    "expired in the way": _of_expired_in_the_way,
    "hostnames": _of_hostnames,
    "hostnames rotated": _of_hostnames_rotated,
}

TROUBLES = {
    "refused": Trouble("refused", 0),
    "refused once": Trouble("refused", 0, lasting=False),
    "error": Trouble("error", 0),
    "error after work": Trouble("error", 0, after_work=True),
    "drop after work": Trouble("drop", 0, after_work=True),
    "drop once after work": Trouble("drop", 0, after_work=True, lasting=False),
    "drop from here on": Trouble("drop", 0, after_work=True, forever=True),
    "timeout": Trouble("timeout", 0),
    "timeout after work": Trouble("timeout", 0, after_work=True),
    "interrupt after work": Trouble("interrupt", 0, after_work=True),
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.long
def test_a_failure_at_every_request(
    lab: Lab, wanted: Options, other_certificate: Issued, expired_certificate: Issued, scenario: str, trouble: str
) -> None:
    def prepare() -> Options:
        lab.reset()
        lab.emulator.deployment_delay = 2
        return SCENARIOS[scenario](lab, wanted, other_certificate, expired_certificate)

    options = prepare()
    lab.harden(**options)
    requests, expected = list(lab.requests), lab.look_by_fingerprint()
    secrets = [lab.token, *wanted["private_key"].splitlines()[1:-1]]
    for number, request in enumerate(requests):
        options = prepare()
        before, useless = lab.look(), lab.useless()
        lab.trouble.append(dataclasses.replace(TROUBLES[trouble], at=number))
        told = ""
        try:
            report = lab.harden(**options)
        except (CloudflareError, TaskTimeout, KeyboardInterrupt) as error:
            told = f"{error} {json.dumps(dict(getattr(error, 'facts', {})))}"
            check_end(lab, before, useless, error)
            assert not any(secret in told for secret in secrets)
        else:
            assert not report.left_to_do
        assert lab.never_dark(), request
        assert not lab.were_bare, request
        told_of = {lab.fingerprint(id_) for id_ in before["hostname_certificates"] if id_ in told}
        lab.trouble.clear()
        lab.emulator.advance(60)
        lab.harden(**options)
        after = lab.look_by_fingerprint()
        # What a hostname had before the first run may be left for a person, who was told so
        left = set(after["hostname_certificates"]) - set(expected["hostname_certificates"])
        assert left <= told_of
        after["hostname_certificates"] = expected["hostname_certificates"]
        assert after == expected, f"not as wanted after a second run, after {trouble} at {request}"
        assert lab.never_dark(), request
        assert not lab.were_bare, request
    lab.harden(**options)
    assert not lab.writes()


def test_without_rollback_what_was_changed_stays(lab: Lab, wanted: Options) -> None:
    go_dark(lab)
    message, facts = lab.fail(**wanted, rollback=False)
    assert lab.zone.aop_enabled
    assert (
        "Since rollback is false, nothing was put back. Changed: automatic key exchange, client certificate, "
        in message
    )
    assert facts["changes"] == ["auto_origin_tls_kex", "client_auth", "certificate"]
    assert facts["not_verified"].startswith(f"{lab.url}: answered 520")


def test_without_rollback_what_is_not_known_is_said(lab: Lab, wanted: Options) -> None:
    lab.trouble.append(Trouble("error", at=ENABLE))
    message, _facts = lab.fail(**wanted, rollback=False)
    assert "Whether this was changed is not known: Authenticated Origin Pulls." in message


def test_an_error_that_nobody_foresaw_is_put_back(lab: Lab, wanted: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Verification, "settled", broken)
    before = lab.look()
    message, _facts = lab.fail(**wanted)
    assert lab.look() == before
    assert message.startswith("An unforeseen error, ZeroDivisionError: division by zero. That was the step '")


# ------------------------------------------------------------------------------------------------------------ signals


HANGUP = (signal.SIGHUP,)


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM,), HANGUP, (signal.SIGINT, signal.SIGTERM)])
@pytest.mark.parametrize("request_", [UPLOAD, ENABLE, VISIT])
def test_signals_are_put_back_once(lab: Lab, wanted: Options, request_: str, signals: tuple[int, ...]) -> None:
    """Also one that comes while everything is put back."""
    every = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(one) for one in every]

    def interrupt(request: str) -> None:
        if request == request_ or request.startswith("DELETE"):
            for one in signals:
                os.kill(os.getpid(), one)

    lab.after_request = interrupt
    before = lab.look()
    message, _facts = lab.fail(**wanted)
    assert "The run was interrupted." in message
    assert lab.look() == before
    assert [signal.getsignal(one) for one in every] == handlers


def test_a_hangup_that_nohup_has_ignored_stays_so(lab: Lab, wanted: Options) -> None:
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        lab.after_request = lambda _request: os.kill(os.getpid(), signal.SIGHUP)
        assert lab.harden(**wanted).changes
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, handler)


def test_a_signal_at_the_moment_of_a_failure(lab: Lab, wanted: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    go_dark(lab)
    before = lab.look()
    taken_over = _hardening.signals_taken_over

    class Late:
        """As the original, but the signal comes when it is to be ignored."""

        def __init__(self) -> None:
            self.original = taken_over()
            self.sent = False

        def __enter__(self) -> Callable[[], None]:
            ignore = self.original.__enter__()

            def late() -> None:
                if not self.sent:
                    self.sent = True
                    os.kill(os.getpid(), signal.SIGINT)
                ignore()

            return late

        def __exit__(self, *arguments: Any) -> bool | None:
            return self.original.__exit__(*arguments)

    monkeypatch.setattr(_hardening, "signals_taken_over", Late)
    message, _facts = lab.fail(**wanted)
    assert lab.look() == before
    assert "answered 520" in message


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_python_drops_comes_again(lab: Lab, wanted: Options) -> None:
    """What a signal's handler raises while an object is finalized, such as a closed connection, goes nowhere."""
    before, alarm = lab.look(), signal.getsignal(signal.SIGALRM)

    class Finalized:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    def finalize(request: str) -> None:
        if request.startswith("POST"):
            Finalized()
            time.sleep(2)

    lab.after_request = finalize
    message, _facts = lab.fail(**wanted)
    assert message.startswith("The run was interrupted.")
    assert lab.look() == before
    assert signal.getsignal(signal.SIGALRM) == alarm
    assert signal.alarm(0) == 0


def test_the_tasks_timeout_does_not_end_the_undo(lab: Lab, wanted: Options) -> None:
    """ansible-core's alarm is switched off as soon as something is put back."""

    def expire(_signal: int, _frame: object) -> None:
        raise TaskTimeout

    def set_alarm(request: str) -> None:
        if request.startswith("POST"):
            signal.alarm(1)

    handler = signal.signal(signal.SIGALRM, expire)
    try:
        lab.after_request = set_alarm
        go_dark(lab)
        before = lab.look()
        lab.fail(**wanted)
        assert signal.alarm(0) == 0
        assert lab.look() == before
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


# ------------------------------------------------------------------------------------------------------------ secrets


def test_no_secret_is_in_a_result(lab: Lab, client_certificate: Issued) -> None:
    options: Options = {
        "client_auth_enabled": True,
        "certificate": client_certificate.pem,
        "private_key": client_certificate.encoded_key(passphrase="a passphrase"),
        "private_key_passphrase": "a passphrase",
    }
    report = lab.harden(**options)
    told = json.dumps([report.result(), report.diff, report.warnings])
    assert "BEGIN" not in told
    assert "a passphrase" not in told
    for line in client_certificate.key_pem.splitlines()[1:-1]:
        assert line not in told


def test_what_was_uploaded_while_other_zones_were_hardened_is_older_than_this_run(
    lab: Lab, wanted: Options, client_certificate: Issued
) -> None:
    """A client serves many zones."""
    client = lab.client()
    client.first_date = "Wed, 01 Jan 2025 00:00:00 GMT"
    lab.emulator.list_lag = 20
    ours = lab.upload(client_certificate, listed=False)
    go_dark(lab)
    lab.trouble.append(Trouble("timeout", at=UPLOAD, after_work=True))
    lab.fail(**wanted, client=client)
    assert lab.kept() == {ours.id}
