# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values as users write them, and where a zone differs from them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE, BOOLEANS_TRUE
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import InputError
from ansible_collections.originsec.cloudflare.plugins.module_utils._posture import (
    ASPECTS,
    COMPLIANCE_MODES,
    KINDS,
    PQE_VALUES,
    SSL_MODES,
    TO_BE_GONE,
    Posture,
    choice,
    clean,
    days_in_words,
    either,
    number,
    texts,
    too_few_days,
    truth,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

BLANKS = [None, "", " ", "\n", "\t \r\n"]

# ------------------------------------------------------------------------------------------------------------- parsers

words = st.text(st.sampled_from("aZ0-./: \u00e9\u2603\u00a0"), min_size=1).map(str.strip).filter(bool)
pads = st.sampled_from(["", " ", "\t", "  "])


@given(st.lists(words), st.sampled_from([",", "\n", "\r\n", ", ", " ,\n"]), pads)
def test_lists_and_texts_come_to_the_same(items: list[str], separator: str, pad: str) -> None:
    expected = tuple(items) if items else None
    assert texts(separator.join(f"{pad}{item}{pad}" for item in items) + separator, "x") in (expected, ())
    assert texts(items, "x") == tuple(items)
    assert texts([separator.join(items)], "x") == tuple(items)


@pytest.mark.parametrize("blank", BLANKS)
def test_blanks_are_null(blank: str | None) -> None:
    assert texts(blank, "x") is None
    assert truth(blank, "x") is None
    assert choice(blank, SSL_MODES, "x") is None
    assert number(blank, "x", 7) == 7


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a,b,", ("a", "b")),
        (",a,,b", ("a", "b")),
        ("a\nb", ("a", "b")),
        ("a, b\r\n", ("a", "b")),
        (["a,b", "c\n"], ("a", "b", "c")),
        ([None, "", "a"], ("a",)),
        ([False, "full"], ("off", "full")),
        ([], ()),
        (",", ()),
        (("a",), ("a",)),
    ],
)
def test_texts(value: Any, expected: tuple[str, ...]) -> None:
    assert texts(value, "x") == expected


@pytest.mark.parametrize("value", [1, True, {"a": 1}, 1.5])
def test_what_is_no_list(value: Any) -> None:
    with pytest.raises(InputError, match="zone_hardening_origins must be a list, or text with commas, not"):
        texts(value, "zone_hardening_origins")


@pytest.mark.parametrize("value", [*sorted(map(str, BOOLEANS_TRUE | BOOLEANS_FALSE)), True, False, 0, 1, " Yes\n", "N"])
def test_booleans_are_those_of_ansible(value: Any) -> None:
    text = str(value).strip().lower()
    assert truth(value, "x") == (text in {str(one).lower() for one in BOOLEANS_TRUE})


@pytest.mark.parametrize("value", ["ja", "enabled", "tru", 2, [], "{{ omit }}"])
def test_what_is_no_boolean(value: Any) -> None:
    with pytest.raises(InputError, match="zone_hardening_rollback must be a boolean, true or false, not"):
        truth(value, "zone_hardening_rollback")


@given(st.integers(0, 10**9), pads)
def test_numbers(value: int, pad: str) -> None:
    assert number(value, "x", 3) == number(f"{pad}{value}{pad}", "x", 3) == value


@pytest.mark.parametrize("value", [-1, "-1", "a", "1.5", 1.5, True, [], {}])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(InputError, match="x must be a whole number that is not negative, not"):
        number(value, "x", 3)


@pytest.mark.parametrize(
    ("value", "expected"), [(False, "off"), ("OFF", "off"), (" Strict ", "strict"), ("origin_pull", "origin_pull")]
)
def test_choices(value: Any, expected: str) -> None:
    assert choice(value, SSL_MODES, "x") == expected


@pytest.mark.parametrize("value", ["ful", "on", True, "full,strict", 0, ["full"]])
def test_what_is_no_choice(value: Any) -> None:
    """Also 0, which equals False."""
    with pytest.raises(InputError, match="x must be off, flexible, full, strict or origin_pull, not"):
        choice(value, SSL_MODES, "x")


@given(st.text())
def test_text_of_others_is_one_line_that_can_be_printed(text: str) -> None:
    assert clean(text).isprintable()
    assert len(clean(text * 100)) <= 600


def test_words() -> None:
    assert [either(items) for items in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a or b", "a, b or c"]
    assert [days_in_words(days) for days in (None, 0, 1, 2, -1, -2)] == [
        *("unknown", "0 days left", "1 day left", "2 days left", "expired 1 day ago", "expired 2 days ago"),
    ]
    assert [too_few_days(days, 30) for days in (29, 30, 31, None, -1)] == [True, False, False, True, True]


# ------------------------------------------------------------------------------------------------------------- posture


def test_survey_answers(client_certificate: Issued) -> None:
    """All text, as AWX has it, and the same as in YAML."""
    answers = {
        "required_ssl_modes": "strict, full\n",
        "ssl_mode": "Strict",
        "auto_origin_tls_kex": "y",
        "compliance_modes": "pqh,fips,pqh",
        "origin_pqe": False,
        "client_auth_enabled": "yes",
        "certificate": f"\n{client_certificate.pem}\n",
        "exclusive": "n",
        "global_client_auth_enabled": "off",
        "min_days_remaining": "14",
    }
    written = {
        "required_ssl_modes": ["full", "strict"],
        "ssl_mode": "strict",
        "auto_origin_tls_kex": True,
        "compliance_modes": ["fips", "pqh"],
        "origin_pqe": "off",
        "client_auth_enabled": True,
        "certificate": client_certificate.pem,
        "exclusive": False,
        "global_client_auth_enabled": False,
        "min_days_remaining": 14,
    }
    posture = Posture.from_options(answers)
    assert posture == Posture.from_options(written)
    assert posture == Posture(
        required_ssl_modes=("full", "strict"),
        ssl_mode="strict",
        auto_origin_tls_kex=True,
        compliance_modes=("fips", "pqh"),
        origin_pqe="off",
        client_auth_enabled=True,
        fingerprints=(client_certificate.fingerprint,),
        exclusive=False,
        global_client_auth_enabled=False,
        min_days_remaining=14,
    )
    assert posture.limited(tuple(ASPECTS)) == posture


@pytest.mark.parametrize("blank", BLANKS)
def test_blanks_leave_alone(blank: str | None) -> None:
    options = dict.fromkeys([*ASPECTS, "required_ssl_modes", "certificate", "client_auth_enabled", "only"], blank)
    assert Posture.from_options(options) == Posture()
    assert list(Posture().drift({"ssl_mode": "off"})) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"required_ssl_modes": "strict, ful"}, "p_required_ssl_modes must be off, flexible, .* not 'ful'"),
        ({"required_ssl_modes": "strictfull"}, "p_required_ssl_modes must be"),
        ({"compliance_modes": ["fips", "cnsa"]}, "p_compliance_modes must be fips or pqh, not 'cnsa'"),
        ({"ssl_mode": "Full (strict)"}, "p_ssl_mode must be"),
        ({"origin_pqe": "on"}, "p_origin_pqe must be preferred, supported or off, not 'on'"),
        ({"auto_origin_tls_kex": "enabled"}, "p_auto_origin_tls_kex must be a boolean"),
        ({"client_auth_enabled": "maybe"}, "p_client_auth_enabled must be a boolean"),
        ({"certificate": "client.pem"}, "p_certificate holds no certificate in PEM"),
        ({"min_days_remaining": "a month"}, "p_min_days_remaining must be a whole number"),
        ({"only": "certificates"}, "p_only must be ssl_mode, .* not 'certificates'"),
        ({"only": []}, "p_only is empty, so that nothing would be managed"),
        ({"only": ","}, "p_only is empty, so that nothing would be managed"),
        ({"only": "superseded"}, "p_only has superseded, and needs certificate beside it"),
    ],
)
def test_what_is_misspelt_is_named_as_the_user_named_it(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Posture.from_options(options, "p_")


def posture_of(aspects: set[str], fingerprint: str = "aa") -> Posture:
    """One that wants these aspects, and differs from FOUND in all of them."""
    return Posture(
        ssl_mode="strict",
        auto_origin_tls_kex=True,
        compliance_modes=("fips",),
        origin_pqe="off",
        client_auth_enabled=True,
        fingerprints=(fingerprint,),
        exclusive=True,
        global_client_auth_enabled=True,
    ).limited(tuple(aspects))


def record(fingerprint: str, status: str = "active", days: int | None = 100) -> dict[str, Any]:
    return {"fingerprint_sha256": fingerprint, "status": status, "days_remaining": days, "subject": f"CN={fingerprint}"}


FOUND: dict[str, Any] = {
    "ssl_mode": "full",
    "auto_origin_tls_kex": False,
    "compliance_modes": [],
    "origin_pqe": "supported",
    "client_auth": {"enabled": False, "certificates": [record("bb")], "active_certificate": record("bb")},
    "global_client_auth": False,
}


@given(st.sets(st.sampled_from(sorted(set(ASPECTS) - {"hostnames"}))))
def test_only_limits_what_differs(only: set[str]) -> None:
    certificates = only & {"certificate", "superseded"} if "certificate" in only else set()
    expected = only - {"certificate", "superseded"} | certificates
    if "client_auth" in only:
        expected.add("certificate")  # one of them, whichever: none is left out where the edge is to present one
    drift = [one.aspect for one in posture_of(only).drift(FOUND)]
    assert set(drift) - {"certificate"} == expected - {"certificate"}
    assert ("certificate" in drift) == ("certificate" in only)
    assert drift == [aspect for aspect in ASPECTS if aspect in drift]


@given(
    st.sampled_from(SSL_MODES),
    st.sets(st.sampled_from(SSL_MODES)),
    st.none() | st.sampled_from(SSL_MODES),
    st.lists(st.sampled_from(COMPLIANCE_MODES), unique=True),
    st.none() | st.sets(st.sampled_from(COMPLIANCE_MODES)),
    st.sampled_from(PQE_VALUES),
    st.none() | st.sampled_from(PQE_VALUES),
)
def test_settings_differ_where_they_are_not_as_wanted(
    mode: str,
    required: set[str],
    wanted_mode: str | None,
    modes: list[str],
    wanted_modes: set[str] | None,
    pqe: str,
    wanted_pqe: str | None,
) -> None:
    posture = Posture(
        required_ssl_modes=tuple(required),
        ssl_mode=wanted_mode,
        compliance_modes=None if wanted_modes is None else tuple(wanted_modes),
        origin_pqe=wanted_pqe,
    )
    found = {"ssl_mode": mode, "compliance_modes": modes, "origin_pqe": pqe}
    drift = {one.aspect: one for one in posture.drift(found)}
    assert ("ssl_mode" in drift) == (mode != wanted_mode if wanted_mode else bool(required) and mode not in required)
    assert ("compliance_modes" in drift) == (wanted_modes is not None and set(modes) != wanted_modes)
    assert ("origin_pqe" in drift) == (wanted_pqe not in (None, pqe))
    for one in drift.values():
        assert one.found
        assert one.wanted
        assert one.found != one.wanted


CERTIFICATES: dict[str, tuple[list[dict[str, Any]], dict[str, Any] | None, dict[str, str]]] = {
    "none": ([], None, {"certificate": "none is active"}),
    "pending": ([record("aa", "initializing")], None, {"certificate": "none is active, one is initializing"}),
    "wanted": ([record("aa")], record("aa"), {}),
    "another": ([record("bb")], record("bb"), {"certificate": "CN=bb (bb)", "superseded": "CN=bb (bb)"}),
    "and another": ([record("aa"), record("bb")], record("aa"), {"superseded": "CN=bb (bb)"}),
    "and one that goes": ([record("aa"), *(record("bb", status) for status in TO_BE_GONE)], record("aa"), {}),
    "29 days": ([record("aa", days=29)], record("aa", days=29), {"certificate_expiring": "29 days left"}),
    "30 days": ([record("aa", days=30)], record("aa", days=30), {}),
    "expired": ([record("aa", days=-1)], record("aa", days=-1), {"certificate_expired": "expired 1 day ago"}),
    "not to be parsed": ([record("aa", days=None)], record("aa", days=None), {"certificate_expiring": "unknown"}),
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_certificates_differ(case: str) -> None:
    certificates, active, expected = CERTIFICATES[case]
    posture = Posture(client_auth_enabled=True, fingerprints=("aa",), exclusive=None, min_days_remaining=30)
    client_auth = {"enabled": True, "certificates": certificates, "active_certificate": active}
    found = {"ssl_mode": "full", "client_auth": client_auth}
    assert {one.kind: one.found for one in posture.drift(found)} == expected
    assert {one.aspect for one in posture.drift(found)} == {KINDS[kind] for kind in expected}
    not_exclusive = Posture(client_auth_enabled=True, fingerprints=("aa",), min_days_remaining=30)
    assert "superseded" not in {one.kind for one in not_exclusive.drift(found)}


def test_any_certificate_of_a_chain_may_be_the_leaf(client_certificate: Issued, authority: Issued) -> None:
    posture = Posture.from_options({"certificate": authority.pem + client_certificate.pem})
    assert set(posture.fingerprints) == {authority.fingerprint, client_certificate.fingerprint}
    active = record(client_certificate.fingerprint)
    client_auth = {"enabled": True, "certificates": [active], "active_certificate": active}
    assert list(posture.drift({"ssl_mode": "full", "client_auth": client_auth})) == []
