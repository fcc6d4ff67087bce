# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils import _certificates, _options
from ansible_collections.originsec.cloudflare.plugins.modules import (
    auto_origin_tls_kex,
    origin_tls_client_auth,
    origin_tls_client_auth_info,
    origin_tls_info,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue, run_module


@pytest.mark.parametrize("library", ["requests, with urllib3 >= 1.26", "cryptography >= 42"])
def test_a_missing_library(
    library: str,
    options: dict[str, Any],
    client_certificate: Issued,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if library.startswith("requests"):
        monkeypatch.setattr(_options, "REQUESTS_IMPORT_ERROR", "Traceback: no requests")
    else:
        monkeypatch.setattr(_certificates, "CRYPTOGRAPHY_IMPORT_ERROR", "Traceback: no cryptography")
    pair = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    result = run_module(origin_tls_client_auth, {**options, **pair})
    assert result["failed"]
    assert f"Failed to import the required Python library ({library})" in result["msg"]
    assert emulator.journal == []


@pytest.mark.parametrize("module", [origin_tls_client_auth_info, origin_tls_info, origin_tls_client_auth])
def test_a_missing_cryptography_is_found_before_the_first_request(
    module: ModuleType, options: dict[str, Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_certificates, "CRYPTOGRAPHY_IMPORT_ERROR", "Traceback: no cryptography")
    params = {**options, "enabled": False} if module is origin_tls_client_auth else options
    assert "(cryptography >= 42)" in run_module(module, params)["msg"]
    assert emulator.journal == []


def test_a_key_beside_the_certificate_is_masked(
    options: dict[str, Any], client_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_INJECT_INVOCATION", "1")  # as ansible-core < 2.20 always does
    both = client_certificate.pem + client_certificate.key_pem
    result = run_module(origin_tls_client_auth, {**options, "state": "absent", "certificate": both})
    assert result["changed"] is False
    for line in client_certificate.key_pem.splitlines()[1:-1]:
        assert line not in str(result)


def test_a_failure_is_one_message(options: dict[str, Any], emulator: Emulator) -> None:
    result = run_module(auto_origin_tls_kex, {**options, "zone_id": "example.com", "enabled": True})
    assert result["failed"]
    assert not result["changed"]
    assert result["msg"].startswith("zone_id must be 32 hexadecimal characters")
    assert "exception" not in result or "Traceback" not in result["exception"]
    assert emulator.journal == []


def test_a_failure_half_way_says_what_was_changed(
    options: dict[str, Any], emulator: Emulator, zone: Zone, client_certificate: Issued
) -> None:
    emulator.upload(zone, issue("old").pem)
    body = {"success": False, "errors": [{"code": 1, "message": "No"}], "result": None}
    emulator.faults.append(Fault(method="DELETE", status=400, body=body))
    pair = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    result = run_module(origin_tls_client_auth, {**options, **pair, "exclusive": True, "retries": 0})
    assert result["failed"]
    assert result["changed"]
    assert "Done before that: uploaded the certificate" in result["msg"]
    assert result["certificate"]["id"] == emulator.active(zone)[-1]


def test_a_failure_says_how_long_the_limit_held_it_back(
    options: dict[str, Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    body = {"success": False, "errors": [{"code": 1, "message": "No"}], "result": None}
    emulator.faults += [
        Fault(method="GET", headers={"Ratelimit": '"default";r=1;t=9'}),
        Fault(method="PATCH", status=400, body=body),
    ]
    result = run_module(auto_origin_tls_kex, {**options, "enabled": True})
    assert result["failed"]
    assert "Waited 10 seconds for Cloudflare's rate limit" in str(result["warnings"])


@pytest.mark.parametrize("diff", [False, True])
def test_a_diff_only_where_it_is_asked_for(options: dict[str, Any], zone: Zone, diff: bool) -> None:
    result = run_module(auto_origin_tls_kex, {**options, "enabled": True}, diff=diff)
    assert result.get("diff") == ({"before": {"enabled": False}, "after": {"enabled": True}} if diff else None)


def test_a_secret_from_the_environment_is_masked(
    options: dict[str, Any], emulator: Emulator, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", f" {token}\n")
    del options["api_token"]
    body = {"success": False, "errors": [{"code": 1, "message": f"You sent {token}"}], "result": None}
    emulator.faults.append(Fault(status=400, body=body))
    result = run_module(auto_origin_tls_kex, {**options, "enabled": True})
    assert "You sent ********" in result["msg"]
    assert token not in str(result)


def test_an_option_with_white_space_is_masked(options: dict[str, Any], emulator: Emulator, token: str) -> None:
    body = {"success": False, "errors": [{"code": 1, "message": f"You sent {token}"}], "result": None}
    emulator.faults.append(Fault(status=400, body=body))
    result = run_module(auto_origin_tls_kex, {**options, "api_token": f" {token}\n", "enabled": True})
    assert result["failed"]
    assert token not in str(result)


def test_base_url_from_the_environment(
    options: dict[str, Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", options.pop("api_base_url"))
    assert run_module(auto_origin_tls_kex, {**options, "enabled": True})["changed"]
    assert emulator.journal
