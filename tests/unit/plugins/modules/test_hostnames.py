# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Authenticated Origin Pulls by hostname: the module that manages them, and the one that shows them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils import _client, _client_auth_calls
from ansible_collections.originsec.cloudflare.plugins.modules import (
    origin_tls_client_auth_hostname,
    origin_tls_client_auth_hostname_info,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue, run_module

HOSTNAMES = [f"h{number}.example.com" for number in range(10)]


@pytest.fixture(autouse=True)
def _clock(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses move the emulator's clock, which is also the client's."""
    for module in (_client, _client_auth_calls):
        clock = SimpleNamespace(sleep=emulator.advance, monotonic=emulator.now)
        monkeypatch.setattr(module, "time", clock)


@pytest.fixture
def hostname(options: dict[str, Any], client_certificate: Issued) -> dict[str, Any]:
    """What the module needs for the first certificate."""
    pair = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    return {**options, "hostname": "shop.example.com", **pair}


def run(params: dict[str, Any], **keywords: bool) -> dict[str, Any]:
    result = run_module(origin_tls_client_auth_hostname, params, diff=True, **keywords)
    assert not result.get("failed"), result
    return result


def refused(params: dict[str, Any]) -> str:
    result = run_module(origin_tls_client_auth_hostname, params)
    assert result["failed"]
    return str(result["msg"])


def writes(emulator: Emulator) -> list[str]:
    return [exchange.method for exchange in emulator.journal if exchange.method != "GET"]


def covered(emulator: Emulator) -> bool:
    """Whether no hostname was ever enabled with a certificate that is not active."""
    return not any(exchange.uncovered for exchange in emulator.journal)


@pytest.mark.parametrize("listing", ["full", "short", "404", "405"])
def test_from_nothing_to_unchanged(
    hostname: dict[str, Any], emulator: Emulator, zone: Zone, client_certificate: Issued, listing: Any
) -> None:
    emulator.association_list = listing
    emulator.deployment_delay, emulator.association_delay, emulator.list_lag = 2, 3, 20
    foreseen = run(hostname, check=True)
    assert not writes(emulator)

    done = run(hostname)
    assert done["changed"]
    assert foreseen["diff"] == done["diff"]
    assert (done["hostname"], done["enabled"], done["previous"]["association"]) == ("shop.example.com", True, None)
    assert done["certificate"]["fingerprint_sha256"] == client_certificate.fingerprint
    assert done["association"]["certificate_id"] == done["certificate"]["id"]
    assert done["association"]["status"] == "active"
    assert writes(emulator) == ["POST", "PUT"]
    assert covered(emulator)

    emulator.advance(60)
    emulator.journal.clear()
    again = run(hostname)
    assert not again["changed"]
    assert again["diff"]["before"] == again["diff"]["after"]
    assert len(emulator.journal) == (2 if listing in ("full", "short") else 3)


def test_ten_hostnames_with_two_certificates(
    options: dict[str, Any], emulator: Emulator, zone: Zone, client_certificate: Issued, other_certificate: Issued
) -> None:
    def wanted(number: int, issued: Issued, **others: Any) -> dict[str, Any]:
        pair = {"certificate": issued.pem, "private_key": issued.key_pem}
        return {**options, "hostname": HOSTNAMES[number], **pair, **others}

    issued = [client_certificate if number < 5 else other_certificate for number in range(10)]
    for number, one in enumerate(issued):
        assert run(wanted(number, one))["changed"]
    assert len(zone.hostname_certificates) == 2
    assert not any(run(wanted(number, one))["changed"] for number, one in enumerate(issued))

    third = issue("third")
    for number in range(5):  # rotated, and the last one takes the old certificate with it
        rotated = run(wanted(number, third, exclusive=True))
        assert rotated["changed"]
        assert len(rotated["removed"]) == (number == 4)
    assert {one["fingerprint_sha256"] for one in rotated["certificates"]} == {
        third.fingerprint,
        other_certificate.fingerprint,
    }

    exempted = run({**options, "hostname": HOSTNAMES[0], "enabled": False})
    assert (exempted["changed"], exempted["enabled"]) == (True, False)
    voided = run({**options, "hostname": HOSTNAMES[9], "state": "absent"})
    assert (voided["changed"], voided["association"]) == (True, None)
    shown = run_module(origin_tls_client_auth_hostname_info, options)
    assert [one["hostname"] for one in shown["associations"]] == HOSTNAMES[:9]
    assert [one["enabled"] for one in shown["associations"]] == [False] + [True] * 8
    assert len(shown["certificates"]) == 2
    assert covered(emulator)


def test_absent_waits_until_it_is_gone_and_is_idempotent(
    hostname: dict[str, Any], options: dict[str, Any], emulator: Emulator, zone: Zone
) -> None:
    run(hostname)
    emulator.association_delay = 130
    absent = {**options, "hostname": "SHOP.example.com.", "state": "absent"}
    assert run(absent, check=True)["changed"]
    gone = run({**absent, "exclusive": True})
    assert gone["changed"]
    assert len(gone["removed"]) == 1
    assert not [one for one in zone.hostname_certificates.values() if one.deleted_at is None]
    emulator.journal.clear()
    assert not run(absent)["changed"]
    assert emulator.count() == {"GET": 1}


def test_exclusive_leaves_what_other_hostnames_use(
    hostname: dict[str, Any], emulator: Emulator, zone: Zone, other_certificate: Issued
) -> None:
    used = emulator.upload(zone, other_certificate.pem, hostname_level=True)
    emulator.associate(zone, "other.example.com", used)
    unused = emulator.upload(zone, issue("unused").pem, hostname_level=True)
    emulator.advance(60)
    listings: list[Any] = ["full", "404"]
    for listing in listings:
        emulator.association_list = listing
        result = run({**hostname, "exclusive": True})
        assert zone.hostname_certificates[used.id].deleted_at is None
        assert zone.hostname_certificates[unused.id].deleted_at is not None
    assert result["removed"] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hostname": "not a name"}, "hostname 'not a name' is not a domain name"),
        ({"private_key": None}, "certificate needs private_key beside it, since Cloudflare has to present it, and"),
        ({"private_key": " \n"}, "private_key is blank (is the file that it comes from empty?)."),
        ({"certificate": None}, "private_key needs certificate beside it, which is not given."),
        ({"certificate": " ", "private_key": " "}, "There is nothing to manage"),
        ({"certificate_id": "2458ce5a-0c35-4c7f-82c7-8e9487d3ff60"}, "either certificate or certificate_id"),
        ({"state": "absent"}, "certificate goes with state: present"),
        ({"certificate": None, "private_key": None}, "There is nothing to manage"),
        ({"wait_timeout": -1}, "wait_timeout must not be negative"),
    ],
)
def test_refused_before_the_first_request(
    hostname: dict[str, Any], emulator: Emulator, given: dict[str, Any], message: str
) -> None:
    assert message in refused({**hostname, **given})
    assert not emulator.journal


def test_what_cannot_work_is_refused_before_a_write(
    hostname: dict[str, Any], options: dict[str, Any], emulator: Emulator, zone: Zone
) -> None:
    shop = {**options, "hostname": "shop.example.com"}
    assert "is associated with no certificate yet" in refused({**shop, "enabled": True})
    zone_level = emulator.upload(zone, issue("of the zone").pem)
    message = refused({**shop, "certificate_id": zone_level.id})
    assert "no certificate of this zone's hostnames" in message
    expired = emulator.upload(zone, issue("expired", starts=-9, ends=-1).pem, hostname_level=True)
    assert "has expired" in refused({**shop, "certificate_id": expired.id})
    emulator.deployment_delay = 60
    fresh = emulator.upload(zone, issue("fresh").pem, hostname_level=True)
    assert "is 'initializing'" in refused({**shop, "certificate_id": fresh.id})
    assert not writes(emulator)
    # To exempt a hostname takes a certificate, whichever it is
    assert run({**shop, "enabled": False})["enabled"] is False


def test_without_waiting_the_hostname_is_not_enabled_too_early(
    hostname: dict[str, Any], emulator: Emulator, zone: Zone
) -> None:
    emulator.deployment_delay = 60
    assert "is not known" in refused({**hostname, "wait": False})
    assert not writes(emulator)


@pytest.mark.parametrize(
    "fault",
    [{"drop": True}, {"drop": True, "after_work": True}, {"status": 500}, {"status": 429}],
    ids=["lost", "lost after work", "500", "429"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_passing_trouble_does_not_show(
    hostname: dict[str, Any], emulator: Emulator, zone: Zone, method: str, fault: dict[str, Any]
) -> None:
    emulator.upload(zone, issue("old").pem, hostname_level=True)
    emulator.advance(60)
    emulator.faults.append(Fault(method=method, **fault))
    result = run({**hostname, "exclusive": True, "retries": 3})
    assert len(result["removed"]) == 1
    assert not run({**hostname, "exclusive": True})["changed"]
    assert covered(emulator)


def test_a_failure_says_what_was_done(hostname: dict[str, Any], emulator: Emulator, client_certificate: Issued) -> None:
    refusal = {"success": False, "errors": [{"code": 1, "message": "Not today"}], "result": None}
    emulator.faults.append(Fault(method="PUT", status=400, body=refusal))
    result = run_module(origin_tls_client_auth_hostname, hostname)
    assert result["failed"]
    assert result["changed"]
    assert f"Done before that: uploaded the certificate {client_certificate.fingerprint}." in result["msg"]
    assert run(hostname)["changed"]
    assert len(emulator.zones) == 1


def test_the_list_of_associations_may_be_missing(options: dict[str, Any], emulator: Emulator, zone: Zone) -> None:
    certificate = emulator.upload(zone, issue("of a hostname").pem, hostname_level=True)
    emulator.associate(zone, "shop.example.com", certificate)
    emulator.association_list = "404"
    shown = run_module(origin_tls_client_auth_hostname_info, options)
    assert shown["failed"]
    assert "name the hostnames instead" in shown["msg"]
    named = run_module(
        origin_tls_client_auth_hostname_info, {**options, "hostnames": ["shop.example.com", "x.example.com"]}
    )
    assert [one["hostname"] for one in named["associations"]] == ["shop.example.com"]
