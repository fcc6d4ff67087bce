# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comparison of a zone with what is wanted: every kind of drift, at its boundaries, and hardened zones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.originsec.cloudflare.plugins.module_utils import _client_auth
from ansible_collections.originsec.cloudflare.plugins.module_utils._client import Client
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import CloudflareError, InputError
from ansible_collections.originsec.cloudflare.plugins.module_utils._posture import Posture, clean
from ansible_collections.originsec.cloudflare.plugins.modules import (
    auto_origin_tls_kex,
    origin_pqe,
    origin_tls_client_auth,
    origin_tls_compliance_modes,
    origin_tls_info,
)
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._audit import (
    KINDS,
    audit,
    fleet,
    kinds_of,
    unreadable,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

OURS, THEIRS = issue("ours"), issue("theirs")


def certificate(issued: Issued = OURS, **changes: Any) -> dict[str, Any]:
    return {
        "status": "active",
        "fingerprint_sha256": issued.fingerprint,
        "subject": issued.certificate.subject.rfc4514_string(),
        "not_after": "2027-02-01T00:00:00Z",
        "expires_on": "2027-02-01T00:00:00Z",
        "days_remaining": 89,
        **changes,
    }


def result(*certificates: dict[str, Any], enabled: bool = True, **changes: Any) -> dict[str, Any]:
    """Of origin_tls_info; the last certificate that is active is the one that the edge presents."""
    listed = list(certificates or [certificate()])
    active = [one for one in listed if one["status"] == "active"]
    found = {"ssl_mode": "strict", "auto_origin_tls_kex": True, "compliance_modes": ["pqh"], "origin_pqe": "supported"}
    client_auth = {"enabled": enabled, "certificates": listed, "active_certificate": active[-1] if active else None}
    return {"zone_id": "f" * 32, "origin_tls": {**found, "client_auth": client_auth, **changes}}


def drift(found: dict[str, Any], **variables: Any) -> list[tuple[str, str, str]]:
    row = audit("shop.example", found, Posture.from_options({"exclusive": False, **variables}, "zone_hardening_"))
    assert row["status"] == ("drift" if row["drift"] else "compliant" if row["wanted"] else "not managed")
    return [(one["kind"], one["found"], one["wanted"]) for one in row["drift"]]


def kinds(found: dict[str, Any], **variables: Any) -> list[str]:
    return [kind for kind, _found, _wanted in drift(found, **variables)]


def test_what_is_not_wanted_is_left_alone() -> None:
    found = result(certificate(days_remaining=-3), enabled=False, ssl_mode="off", auto_origin_tls_kex=False)
    for nothing in (None, ""):
        names = ("required_ssl_modes", "auto_origin_tls_kex", "compliance_modes", "origin_pqe", "client_auth_enabled")
        assert drift(found, **dict.fromkeys((*names, "certificate", "exclusive", "min_days_remaining"), nothing)) == []
    assert Posture.from_options({}).in_words() == {}


MODES = ["full", "strict", "origin_pull"]


@pytest.mark.parametrize(
    ("changes", "variables", "expected"),
    [
        ({}, {"required_ssl_modes": MODES}, None),
        ({"ssl_mode": "flexible"}, {"required_ssl_modes": MODES}, ("flexible", "full, strict or origin_pull")),
        ({"ssl_mode": "full"}, {"required_ssl_modes": "strict"}, ("full", "strict")),
        ({"ssl_mode": None}, {"required_ssl_modes": MODES}, ("unknown", "full, strict or origin_pull")),
        ({}, {"auto_origin_tls_kex": True}, None),
        ({}, {"auto_origin_tls_kex": "false"}, ("on", "off")),
        ({"auto_origin_tls_kex": None}, {"auto_origin_tls_kex": "yes"}, ("unknown", "on")),
        ({"compliance_modes": ["pqh", "fips"]}, {"compliance_modes": ["fips", "pqh", "fips"]}, None),
        ({"compliance_modes": ["pqh", "fips"]}, {"compliance_modes": "fips, pqh"}, None),
        ({}, {"compliance_modes": []}, ("pqh", "none")),
        ({"compliance_modes": []}, {"compliance_modes": ["fips"]}, ("none", "fips")),
        ({}, {"origin_pqe": "supported"}, None),
        ({}, {"origin_pqe": False}, ("supported", "off")),
        ({}, {"client_auth_enabled": "true"}, None),
        ({}, {"client_auth_enabled": False}, ("on", "off")),
        ({"enabled": False}, {"client_auth_enabled": True}, ("off", "on")),
    ],
)
def test_settings(changes: dict[str, Any], variables: dict[str, Any], expected: tuple[str, str] | None) -> None:
    names = {"required_ssl_modes": "ssl_mode", "client_auth_enabled": "client_auth"}
    (name,) = variables
    assert drift(result(**changes), **variables) == ([(names.get(name, name), *expected)] if expected else [])


def short(issued: Issued) -> str:
    return issued.fingerprint[:16]


def test_the_edge_has_to_present_a_certificate_where_one_is_wanted() -> None:
    pending = result(certificate(status="pending_deployment"))
    assert drift(pending, client_auth_enabled=True) == [
        ("certificate", "none is active, one is pending_deployment", "an active one")
    ]
    assert drift(pending, certificate=OURS.pem)[0][2] == short(OURS)
    assert kinds(pending, client_auth_enabled=False) == ["client_auth"]
    nothing = result()
    nothing["origin_tls"]["client_auth"].update(certificates=[], active_certificate=None, enabled=False)
    assert kinds(nothing, client_auth_enabled=True) == ["client_auth", "certificate"]


def test_the_edge_has_to_present_the_wanted_certificate() -> None:
    assert drift(result(certificate(OURS)), certificate=OURS.pem) == []
    other = ("certificate", f"CN=theirs ({short(THEIRS)})", short(OURS))
    assert drift(result(certificate(THEIRS)), certificate=OURS.pem) == [other]
    assert drift(result(certificate(OURS), certificate(THEIRS)), certificate=OURS.pem) == [other], "theirs is newer"
    assert drift(result(certificate(fingerprint_sha256=None, subject=None)), certificate=OURS.pem) == [
        ("certificate", "one that cannot be parsed", short(OURS))
    ]


@pytest.mark.parametrize(
    "mangled",
    [
        OURS.pem.replace("\n", "\r\n"),
        OURS.pem.replace("\n", "\\n"),
        OURS.pem.replace("\n", "\\r\\n"),
        "  " + OURS.pem.replace("\n", "\n    "),
        f"Subject: ours\n{OURS.pem}and more",
        issue("authority", authority=True).pem + OURS.pem,
        OURS.pem + issue("authority", authority=True).pem,
    ],
)
def test_the_wanted_certificate_is_known_however_it_is_written(mangled: str) -> None:
    found = result(certificate(OURS))
    assert drift(found, certificate=mangled, exclusive=True) == []
    ((kind, _found, wanted),) = drift(result(certificate(THEIRS)), certificate=mangled)
    assert kind == "certificate"
    assert short(OURS) in wanted.split(" or ")


def test_other_certificates_have_to_go_where_the_wanted_one_is_exclusive() -> None:
    both = result(certificate(THEIRS, status="deployment_timed_out"), certificate(OURS))
    assert drift(both, certificate=OURS.pem, exclusive="yes") == [
        ("superseded", f"CN=theirs ({short(THEIRS)})", "none")
    ]
    assert drift(both, certificate=OURS.pem, exclusive=False) == []
    assert drift(both, exclusive=True, client_auth_enabled=True) == [], "without a certificate, nothing is superseded"
    for status in _client_auth.TO_BE_GONE:
        gone = result(certificate(THEIRS, status=status), certificate(OURS))
        assert drift(gone, certificate=OURS.pem, exclusive=True) == []


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (30, None),
        (29, ("certificate_expiring", "29 days left")),
        (0, ("certificate_expiring", "0 days left")),
        (-1, ("certificate_expired", "expired 1 day ago")),
        (None, ("certificate_expiring", "unknown")),
    ],
)
def test_days_remaining(days: int | None, expected: tuple[str, str] | None) -> None:
    found = result(certificate(days_remaining=days, expires_on="not a time"))
    wanted = [(*expected, "at least 30 days")] if expected else []
    assert drift(found, client_auth_enabled=True, min_days_remaining="30") == wanted
    assert kinds(found, client_auth_enabled=False, min_days_remaining=30) == ["client_auth"]


def test_an_expired_certificate_is_drift_even_where_no_days_are_asked_for() -> None:
    assert kinds(result(certificate(days_remaining=-1)), client_auth_enabled=True) == ["certificate_expired"]
    assert kinds(result(certificate(days_remaining=0)), client_auth_enabled=True) == []


def test_a_certificate_that_cannot_be_parsed_is_drift() -> None:
    unparsed: dict[str, Any] = dict.fromkeys(("days_remaining", "not_after", "subject", "fingerprint_sha256"))
    row = audit("shop.example", result(certificate(**unparsed)), Posture(client_auth_enabled=True))
    assert kinds_of(row) == ["certificate_expiring"]
    assert row["certificate"] == {
        **unparsed,
        "subject": "(cannot be parsed)",
        "not_after": "2027-02-01T00:00:00Z",  # as Cloudflare has it
    }


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"min_days_remaining": "soon"}, "zone_hardening_min_days_remaining must be a whole number"),
        ({"auto_origin_tls_kex": "maybe"}, "zone_hardening_auto_origin_tls_kex must be a boolean"),
        ({"certificate": "client.pem"}, "zone_hardening_certificate holds no certificate in PEM"),
        (
            {"certificate": "-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----"},
            "zone_hardening_certificate holds no certificate in PEM",
        ),
    ],
)
def test_what_cannot_be_wanted_is_refused(variables: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Posture.from_options(variables, "zone_hardening_")
    assert str(caught.value).startswith(message)


def test_a_zone_that_cannot_be_read_says_why() -> None:
    for failed in ({"msg": "No permission", "failed": False}, {"msg": "No permission", "unreachable": True}):
        row = audit("shop.example", failed, Posture(client_auth_enabled=True))
        assert (row["status"], row["error"], kinds_of(row)) == ("unreadable", "No permission", ["unreadable"])
    assert audit("shop.example", {}, Posture())["error"] == "No reason was given."


def test_the_worst_zones_come_first_and_the_totals_count_them() -> None:
    wanted = Posture(client_auth_enabled=True, auto_origin_tls_kex=True, min_days_remaining=30)
    rows = [
        audit(name, found, wanted)
        for name, found in {
            "f": result(certificate(days_remaining=90)),
            "e": result(certificate(days_remaining=89)),
            "g": result(certificate(days_remaining=7), enabled=False),
            "d": result(auto_origin_tls_kex=False),
            "c": result(certificate(days_remaining=6)),
            "b": result(certificate(days_remaining=29), enabled=False),
            "a": result(certificate(days_remaining=-1)),
            "h": result(certificate(days_remaining=0)),
            "i": result(certificate(days_remaining=30)),
            "k": result(certificate(days_remaining=None)),
        }.items()
    ]
    none = audit("l", result(certificate(status="deleted"), enabled=False), Posture())
    summed = fleet([*rows, none, unreadable("z", "why")])
    assert "".join(row["zone"] for row in summed["zones"]) == "zagbhckdlief"
    assert summed["totals"] == {
        "zones": 12,
        "unreadable": 1,
        "drift": 7,
        "inactive": 0,
        "not_managed": 1,
        "waived": 0,
        "compliant": 3,
        "certificates": 9,
        "expired": 1,
        "expiring_in_7_days": 2,
        "expiring_in_30_days": 4,
        "expiring_in_90_days": 7,
    }


def test_all_rows_have_the_same_columns() -> None:
    wanted = Posture(auto_origin_tls_kex=False)
    row, unread = audit("shop.example", result(), wanted), unreadable("shop.example", "why")
    assert list(row) == list(unread)
    assert row["wanted"] == wanted.in_words()
    assert list(row["drift"][0]) == ["kind", "aspect", "found", "wanted"]
    assert {name for name, value in unread.items() if value} == {"zone", "status", "error"}


def test_text_of_others_cannot_move_a_cursor_or_turn_a_line_around() -> None:
    assert clean("a\x1b[31mb\r\nc\u202ed\u2028e\x00") == "a [31mb  c d e "
    assert clean("株式会社 Ünïcode") == "株式会社 Ünïcode"
    assert len(clean("x" * 10_000)) == 600
    hostile = result(certificate(subject="CN=\x1b[2J", not_after="\x1b[2J"), ssl_mode="strict\r")
    row = audit("shop\x07.example", hostile, Posture(required_ssl_modes=("strict",)))
    assert all(text.isprintable() for text in (row["zone"], row["ssl_mode"], row["drift"][0]["found"]) if text)
    assert row["certificate"]
    assert (row["certificate"]["subject"], row["certificate"]["not_after"]) == ("CN= [2J", " [2J")


def test_every_kind_of_drift_can_be_told_and_says_what_to_do() -> None:
    found = result(certificate(THEIRS, days_remaining=-1), certificate(days_remaining=3), enabled=False, ssl_mode="off")
    found["origin_tls"]["auto_origin_tls_kex"] = False
    variables = {
        "required_ssl_modes": MODES,
        "auto_origin_tls_kex": True,
        "compliance_modes": ["fips", "pqh"],
        "origin_pqe": "off",
        "client_auth_enabled": True,
        "certificate": THEIRS.pem,
        "exclusive": True,
        "global_client_auth_enabled": False,
        "hostnames": [{"hostname": "shop.example.com", "enabled": True}],
        "require_enforcement": True,
        "min_days_remaining": 30,
    }
    found["origin_tls"]["global_client_auth"] = True
    expiring, expired = certificate(days_remaining=3), certificate(days_remaining=-1)
    found["origin_tls"]["hostnames"] = {
        "associations": [
            {"hostname": "shop.example.com", "enabled": False, "certificate_id": "1", "status": "active"},
            {"hostname": "www.example.com", "enabled": False, "certificate_id": "1", "status": "active"},
            {"hostname": "a.example.com", "enabled": True, "certificate_id": "2", "status": "active"},
            {"hostname": "b.example.com", "enabled": True, "certificate_id": "3", "status": "active"},
        ],
        "certificates": [{**expiring, "id": "1"}, {**expiring, "id": "2"}, {**expired, "id": "3"}],
    }
    origins = [("unreachable", None), ("open", False), ("optional", True), ("enforcing", True)]
    found["origins"] = [
        {"origin": f"{enforcement}:443", "enforcement": enforcement, "post_quantum": hybrid, "error": None}
        for enforcement, hybrid in origins
    ]
    told = kinds(found, **variables)
    assert told == [kind for kind in KINDS if kind not in ("unreadable", "certificate_expired")]
    only_found = {kind for kind in told if kind.startswith(("hostname_", "origin_")) and kind != "origin_pqe"}
    assert set(Posture.from_options(variables, "zone_hardening_").in_words()) == set(told) - only_found
    assert all(kind.title and kind.task and kind.advice.endswith(".") for kind in KINDS.values())


POSTURES = st.fixed_dictionaries(
    {
        "auto_origin_tls_kex": st.sampled_from([None, True, False]),
        "compliance_modes": st.sampled_from([None, [], ["fips"], ["pqh", "fips"]]),
        "origin_pqe": st.sampled_from([None, "preferred", "off"]),
        "client_auth_enabled": st.sampled_from([None, True, False]),
        "certificate": st.booleans(),
        "exclusive": st.booleans(),
    }
)
STATES = st.fixed_dictionaries(
    {
        "kex_enabled": st.booleans(),
        "compliance_modes": st.sampled_from([[], ["pqh"], ["fips", "pqh"]]),
        "pqe_value": st.sampled_from(["preferred", "supported"]),
        "ssl_mode": st.sampled_from(MODES),
        "aop_enabled": st.booleans(),
    }
)


@settings(max_examples=60)
@given(posture=POSTURES, state=STATES, present=st.lists(st.sampled_from(["ours", "theirs"]), unique=True))
def test_a_zone_that_was_hardened_has_no_drift(
    emulator: Emulator,
    client: Client,
    posture: dict[str, Any],
    state: dict[str, Any],
    present: list[str],
) -> None:
    """By the same modules, with the same options, as the role does it."""
    zone = emulator.add_zone("shop.example", **state)
    for name in present:
        emulator.upload(zone, {"ours": OURS, "theirs": THEIRS}[name].pem)
    params = {"zone_id": zone.id}
    if posture["auto_origin_tls_kex"] is not None:
        auto_origin_tls_kex.MODULE.run({**params, "enabled": posture["auto_origin_tls_kex"]}, client, False)
    if posture["origin_pqe"] is not None:
        origin_pqe.MODULE.run({**params, "value": posture["origin_pqe"]}, client, False)
    if posture["compliance_modes"] is not None:
        origin_tls_compliance_modes.MODULE.run({**params, "modes": posture["compliance_modes"]}, client, False)
    given_certificate = posture["certificate"]
    if given_certificate or posture["client_auth_enabled"] is not None:
        options = {
            "state": "present",
            "certificate": OURS.pem if given_certificate else "",
            "private_key": OURS.key_pem if given_certificate else "",
            "private_key_passphrase": "",
            "certificate_id": "",
            "enabled": posture["client_auth_enabled"],
            "exclusive": given_certificate and posture["exclusive"],
            "wait": True,
            "wait_timeout": 5,
        }
        try:
            origin_tls_client_auth.MODULE.run({**params, **options}, client, False)
        except CloudflareError:
            return  # not hardened: there is nothing that the edge could present
    found = origin_tls_info.MODULE.run({**params, "gather_subset": ["all"], "origins": []}, client, False)
    variables = {
        **posture,
        "certificate": OURS.pem if given_certificate else "",
        "required_ssl_modes": MODES,
        "min_days_remaining": 30,
    }
    left = kinds({"zone_id": zone.id, **found.facts}, **variables)
    # Two things the role leaves alone: a newer certificate beside ours, and Authenticated Origin Pulls that are enabled
    # already, without any certificate.
    outdone = given_certificate and not posture["exclusive"] and present == ["ours", "theirs"]
    nothing = posture["client_auth_enabled"] and not given_certificate and not present
    assert left == (["certificate"] if outdone or nothing else [])
