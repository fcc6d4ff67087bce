# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures: an emulator with one zone, a client for it, and certificates made on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._client import ApiToken, Client
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

VARIABLES = (
    *("CLOUDFLARE_API_TOKEN", "CF_API_TOKEN", "CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL", "CLOUDFLARE_BASE_URL"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)

# How long an example takes depends on what else the machine does, and tests whose examples share a fixture reset it.
hypothesis.settings.register_profile(
    "busy machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("busy machine")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the developer's shell holds is not part of a test."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def zone(emulator: Emulator) -> Zone:
    return emulator.add_zone("example.com")


@pytest.fixture
def token(emulator: Emulator) -> str:
    return emulator.add_token()


@pytest.fixture
def client(emulator: Emulator, token: str) -> Client:
    return Client(ApiToken(token), emulator.url, retries=0)


@pytest.fixture
def options(emulator: Emulator, zone: Zone, token: str) -> dict[str, Any]:
    """What every module needs to reach the zone."""
    return {"api_base_url": emulator.url, "api_token": token, "zone_id": zone.id}


@pytest.fixture(scope="session")
def client_certificate() -> Issued:
    return issue("first")


@pytest.fixture(scope="session")
def other_certificate() -> Issued:
    return issue("second")


@pytest.fixture(scope="session")
def authority() -> Issued:
    return issue("authority", authority=True, usage=None)


@pytest.fixture(scope="session")
def other_authority() -> Issued:
    return issue("other authority", authority=True, usage=None)
