# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.modules import origin_tls_client_auth
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue, run_module

KEYS = {
    *("id", "status", "fingerprint_sha256", "subject", "issuer", "serial_number", "signature", "not_before"),
    *("not_after", "days_remaining", "expired", "key_type", "key_size", "uploaded_on", "expires_on", "certificate"),
}


@pytest.fixture
def params(options: dict[str, Any], client_certificate: Issued) -> dict[str, Any]:
    return {**options, "certificate": client_certificate.pem, "private_key": client_certificate.key_pem}


def foreseen_matches(foreseen: dict[str, Any], done: dict[str, Any]) -> bool:
    """Whether a check foresaw all but what only Cloudflare knows."""

    def comparable(result: dict[str, Any]) -> Any:
        unknown = ("id", "uploaded_on")
        certificates = [{k: v for k, v in one.items() if k not in unknown} for one in result["certificates"]]
        one = {k: v for k, v in (result["certificate"] or {}).items() if k not in unknown}
        return {**result, "certificates": certificates, "certificate": one}

    return bool(comparable(foreseen) == comparable(done))


def test_first_upload(params: dict[str, Any], emulator: Emulator, zone: Zone, client_certificate: Issued) -> None:
    params["enabled"] = True
    foreseen = run_module(origin_tls_client_auth, params, check=True, diff=True)
    assert set(emulator.count()) == {"GET"}
    done = run_module(origin_tls_client_auth, params, diff=True)
    assert foreseen_matches(foreseen, done)
    assert done["changed"]
    assert done["enabled"]
    assert zone.aop_enabled
    assert done["previous"] == {"enabled": False, "certificates": []}
    assert done["certificates"] == [done["certificate"]]
    assert done["removed"] == []
    assert set(done["certificate"]) == KEYS
    assert done["certificate"]["status"] == "active"
    assert done["certificate"]["fingerprint_sha256"] == client_certificate.fingerprint
    assert done["certificate"]["certificate"] == client_certificate.pem
    assert emulator.active(zone) == [done["certificate"]["id"]]

    emulator.journal.clear()
    again = run_module(origin_tls_client_auth, params, diff=True)
    assert not again["changed"]
    assert again["certificate"] == done["certificate"]
    assert again["diff"]["before"] == again["diff"]["after"]
    assert emulator.count() == {"GET": 2}


@pytest.mark.parametrize(
    "written",
    [
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: textwrap.indent(pem, "    "),
        lambda pem: pem.replace("\n", "\\n"),
        lambda pem: pem.rstrip("\n"),
        lambda pem: f"Subject: CN=first\n{pem}and more text",
    ],
    ids=["CRLF", "indented", "literal newlines", "no final newline", "text around it"],
)
def test_the_same_certificate_written_otherwise(params: dict[str, Any], written: Callable[[str], str]) -> None:
    assert run_module(origin_tls_client_auth, params)["changed"]
    params["certificate"], params["private_key"] = written(params["certificate"]), written(params["private_key"])
    assert not run_module(origin_tls_client_auth, params)["changed"]


def test_rotation(
    params: dict[str, Any],
    emulator: Emulator,
    zone: Zone,
    other_certificate: Issued,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", emulator.advance)
    first = run_module(origin_tls_client_auth, {**params, "enabled": True})["certificate"]["id"]
    emulator.deployment_delay = 2
    emulator.advance(2)
    emulator.journal.clear()
    pair = {"certificate": other_certificate.pem, "private_key": other_certificate.key_pem}
    foreseen = run_module(origin_tls_client_auth, {**params, **pair, "exclusive": True}, check=True, diff=True)
    done = run_module(origin_tls_client_auth, {**params, **pair, "exclusive": True}, diff=True)
    assert foreseen_matches(foreseen, done)
    assert done["removed"] == [first]
    assert [one["fingerprint_sha256"] for one in done["certificates"]] == [other_certificate.fingerprint]
    assert [one["id"] for one in done["previous"]["certificates"]] == [first]
    writes = [exchange.method for exchange in emulator.journal if exchange.method != "GET"]
    assert writes == ["POST", "DELETE"]
    assert all(exchange.active for exchange in emulator.journal)
    before_delete = emulator.journal[-2]
    assert len(before_delete.active) == 2
    assert emulator.active(zone) == [done["certificate"]["id"]]


def test_without_exclusive_the_old_one_stays(params: dict[str, Any], other_certificate: Issued) -> None:
    run_module(origin_tls_client_auth, params)
    pair = {"certificate": other_certificate.pem, "private_key": other_certificate.key_pem}
    done = run_module(origin_tls_client_auth, {**params, **pair})
    assert (len(done["certificates"]), done["removed"]) == (2, [])
    # The older one is there, but not the one in use: that is said
    again = run_module(origin_tls_client_auth, params)
    assert not again["changed"]
    assert "set exclusive: true" in str(again["warnings"])


@pytest.mark.parametrize("by", ["certificate", "certificate_id"])
def test_absent(params: dict[str, Any], options: dict[str, Any], emulator: Emulator, zone: Zone, by: str) -> None:
    uploaded = run_module(origin_tls_client_auth, {**params, "enabled": True})["certificate"]
    gone = {
        **options,
        "state": "absent",
        by: {"certificate": params["certificate"], "certificate_id": uploaded["id"]}[by],
    }
    refused = run_module(origin_tls_client_auth, gone)
    assert f"Certificate {uploaded['id']} is the last one that the edge could present" in refused["msg"]
    assert emulator.active(zone) == [uploaded["id"]]

    emulator.journal.clear()
    gone["enabled"] = False
    foreseen = run_module(origin_tls_client_auth, gone, check=True, diff=True)
    assert set(emulator.count()) == {"GET"}
    done = run_module(origin_tls_client_auth, gone, diff=True)
    assert foreseen == done
    assert (done["enabled"], done["certificates"], done["certificate"]) == (False, [], None)
    assert done["removed"] == [uploaded["id"]]
    assert done["previous"] == {"enabled": True, "certificates": [uploaded]}
    assert [exchange.method for exchange in emulator.journal if exchange.method != "GET"] == ["PUT", "DELETE"]
    emulator.journal.clear()
    assert not run_module(origin_tls_client_auth, gone)["changed"]
    # By id, one request more tells what is deleted from what the list does not show yet
    assert emulator.count() == {"GET": 2 if by == "certificate" else 3}


def test_enablement_alone(params: dict[str, Any], options: dict[str, Any], emulator: Emulator, zone: Zone) -> None:
    refused = run_module(origin_tls_client_auth, {**options, "enabled": True})
    assert "there is no active one" in refused["msg"]
    run_module(origin_tls_client_auth, params)
    zone.ssl_mode = "flexible"
    refused = run_module(origin_tls_client_auth, {**options, "enabled": True})
    assert "SSL mode 'flexible'" in refused["msg"]
    assert not zone.aop_enabled
    zone.ssl_mode = "strict"
    for enabled in (True, False):
        done = run_module(origin_tls_client_auth, {**options, "enabled": enabled})
        assert done["changed"]
        assert done["enabled"] == zone.aop_enabled == enabled
        assert done["certificate"] is None
        assert not run_module(origin_tls_client_auth, {**options, "enabled": enabled})["changed"]


@pytest.mark.parametrize("check", [False, True])
def test_what_can_be_judged_offline_takes_no_request(
    params: dict[str, Any], emulator: Emulator, other_certificate: Issued, check: bool
) -> None:
    expired = issue("expired", starts=-3, ends=-1)
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"private_key": other_certificate.key_pem}, "does not belong to certificate"),
        ({"certificate": expired.pem, "private_key": expired.key_pem}, "expired on"),
        ({"private_key": other_certificate.encoded_key(passphrase="swordfish")}, "is encrypted"),
        ({"private_key": None}, "needs private_key"),
    ]
    del params["zone_id"]
    params["zone_name"] = "example.com"
    for given, message in mistakes:
        result = run_module(origin_tls_client_auth, {**params, **given}, check=check)
        assert result["failed"]
        assert message in result["msg"]
    assert emulator.journal == []


def test_a_key_with_a_passphrase(params: dict[str, Any], client_certificate: Issued, emulator: Emulator) -> None:
    params["private_key"] = client_certificate.encoded_key(passphrase="swordfish")
    params["private_key_passphrase"] = "swordfish"
    result = run_module(origin_tls_client_auth, params)
    assert result["changed"]
    sent = next(exchange.body for exchange in emulator.journal if exchange.method == "POST")
    assert sent["private_key"] == client_certificate.key_pem


def test_no_secret_and_no_pem_where_they_do_not_belong(
    params: dict[str, Any], options: dict[str, Any], client_certificate: Issued
) -> None:
    for extra in ({}, {"exclusive": True}, {"private_key": issue().key_pem}):
        result = run_module(origin_tls_client_auth, {**params, **extra}, diff=True)
        result.pop("invocation", None)
        text = json.dumps(result)
        assert "PRIVATE KEY" not in text
        assert params["api_token"] not in text
        for line in client_certificate.key_pem.splitlines()[1:-1]:
            assert line not in text
        assert "BEGIN" not in json.dumps(result.get("diff"))


def test_a_zone_that_lost_its_only_certificate_is_mended(
    params: dict[str, Any], zone: Zone, emulator: Emulator
) -> None:
    zone.aop_enabled = True
    assert run_module(origin_tls_client_auth, {**params, "enabled": True})["changed"]
    assert len(emulator.active(zone)) == 1


def test_an_extended_key_usage_without_client_authentication_is_a_warning(options: dict[str, Any]) -> None:
    from cryptography.x509.oid import ExtendedKeyUsageOID

    server = issue(usage=ExtendedKeyUsageOID.SERVER_AUTH)
    result = run_module(origin_tls_client_auth, {**options, "certificate": server.pem, "private_key": server.key_pem})
    assert result["changed"]
    assert "without clientAuth" in str(result["warnings"])
