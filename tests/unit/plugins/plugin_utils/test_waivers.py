# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may differ for a while: read from variables, shown by the audit, left alone by harden."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import InputError
from ansible_collections.originsec.cloudflare.plugins.module_utils._posture import ASPECTS, Posture
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._audit import About, audit, failing
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._waivers import waivers, without_waived
from ansible_collections.originsec.cloudflare.tests.unit.plugins.plugin_utils.test_audit import certificate, result

LAST = datetime.date(2027, 1, 31)
NEXT = datetime.date(2027, 2, 1)
WANTED = Posture(client_auth_enabled=True, min_days_remaining=30, auto_origin_tls_kex=True)


def waiver(aspect: str, until: Any = "2027-01-31", **more: Any) -> dict[str, Any]:
    return {"aspect": aspect, "reason": "moving", "until": until, **more}


@pytest.mark.parametrize("until", ["2027-01-31", LAST, datetime.datetime(2027, 1, 31, 12), " 2027-01-31 "], ids=str)
def test_until_that_day_it_is_no_drift(until: Any) -> None:
    """YAML makes a date of a day that is not quoted."""
    for day, status in ((LAST, "waived"), (NEXT, "drift")):
        about = About.from_variables({}, {"waivers": [waiver("client_auth", until)]}, day)
        row = audit("a.example", result(enabled=False), WANTED, about)
        assert row["status"] == status
        told = row["waived"] if status == "waived" else row["drift"]
        assert (told[0]["kind"], told[0]["found"], told[0]["wanted"]) == ("client_auth", "off", "on")
        assert bool(failing({"a.example": row}, ["any"])) == (status == "drift")
    assert row["waived"] == []


def test_a_kind_is_waived_alone_and_an_aspect_with_all_of_its_kinds() -> None:
    found = result(certificate(days_remaining=3), auto_origin_tls_kex=False)
    found["origins"] = [{"origin": "a:443", "enforcement": "open", "post_quantum": None, "error": None}]
    for aspect, drift in {
        "certificate_expiring": ["origin_open", "auto_origin_tls_kex"],
        "certificate": ["origin_open", "auto_origin_tls_kex"],
        "superseded": ["origin_open", "certificate_expiring", "auto_origin_tls_kex"],
        "origins": ["certificate_expiring", "auto_origin_tls_kex"],
    }.items():
        row = audit("a", found, WANTED, About(waivers=waivers([waiver(aspect)], LAST)))
        assert [one["kind"] for one in row["drift"]] == drift
        assert row["status"] == "drift", "for the rest"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("ssl_mode", "must be a list of dictionaries"),
        (["ssl_mode"], "must be a list of dictionaries"),
        ([waiver("ssl")], "aspect must be one of "),
        ([waiver("ssl_mode", reason=" ")], "the waiver of ssl_mode needs a reason"),
        ([waiver("ssl_mode", "soon")], "the waiver of ssl_mode needs a day .* not 'soon'"),
        ([waiver("ssl_mode", None)], "set its variable to null"),
        ([waiver("ssl_mode", untill="x")], "has untill, but takes aspect, reason and until"),
    ],
)
def test_what_is_no_waiver_is_refused(given: Any, why: str) -> None:
    with pytest.raises(InputError, match=f"zone_hardening_waivers.*{why}"):
        waivers(given, LAST)


def test_harden_leaves_it_alone() -> None:
    """And no SSL mode that is waived keeps the zone from being hardened, nor is superseded what cannot be replaced."""

    def left(*aspects: str, only: Any = None, day: datetime.date = LAST) -> dict[str, Any]:
        return without_waived({"only": only}, waivers([waiver(aspect) for aspect in aspects], day))

    assert left() == left("client_auth", day=NEXT) == left("certificate_expiring", "origins") == {}
    assert left("client_auth") == {"only": [aspect for aspect in ASPECTS if aspect != "client_auth"]}
    assert set(ASPECTS) - set(left("certificate")["only"]) == {"certificate", "superseded"}
    assert left("ssl_mode", only="ssl_mode, client_auth") == {"only": ["client_auth"], "required_ssl_modes": []}


def test_a_zone_of_which_nothing_is_desired_is_not_managed() -> None:
    """Never compliant; nor is one that is not active, of which only that is said."""
    assert audit("a", result(enabled=False), Posture())["status"] == "not managed"
    assert audit("a", {"skipped": True}, WANTED)["status"] == "not managed"
    differing = result(enabled=False)
    for state in ("paused", "pending", "moved", "initializing"):
        zone = {"status": "active" if state == "paused" else state, "paused": state == "paused"}
        told = result(enabled=False, zone=zone)
        for row in (audit("a", told, WANTED), audit("a", differing, WANTED, About(state=state))):
            assert (row["status"], row["state"], row["drift"]) == ("inactive", state, [])
            assert failing({"a": row}, ["any"]) == {}
            assert failing({"a": row}, ["inactive"]) == {"a": f"It is {state}, so that nothing that is set has effect."}
        assert audit("a", told, WANTED, About(allow_inactive=True))["status"] == "drift"
    assert audit("a", result(zone={"status": "active", "paused": False}), WANTED, About(state="paused"))["status"] == (
        "compliant"
    ), "what was read wins over the inventory"
