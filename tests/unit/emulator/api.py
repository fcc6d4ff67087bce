# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API without any client of ours: its table of endpoints, and plain requests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import requests

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

KEX = "/zones/{zone}/settings/auto_origin_tls_kex"
PQE = "/zones/{zone}/cache/origin_post_quantum_encryption"
COMPLIANCE = "/zones/{zone}/settings/origin_tls_compliance_modes"
SETTINGS = "/zones/{zone}/settings"
SSL = "/zones/{zone}/settings/ssl"
AUTOMATIC = "/zones/{zone}/settings/ssl_automatic_mode"
GLOBAL = "/zones/{zone}/settings/tls_client_auth"
AOP = "/zones/{zone}/origin_tls_client_auth"
AOP_CERTIFICATE = "/zones/{zone}/origin_tls_client_auth/{certificate}"
AOP_SETTINGS = "/zones/{zone}/origin_tls_client_auth/settings"
HOSTNAMES = "/zones/{zone}/origin_tls_client_auth/hostnames"
HOSTNAME = "/zones/{zone}/origin_tls_client_auth/hostnames/{hostname}"
STORE = "/zones/{zone}/origin_tls_client_auth/hostnames/certificates"
STORE_CERTIFICATE = "/zones/{zone}/origin_tls_client_auth/hostnames/certificates/{certificate}"


@dataclass(frozen=True)
class Endpoint:
    """A row of the API's table: a call, the area of permissions that it belongs to, and a body that is accepted.

    also: permissions of other areas that do as well.
    """

    method: str
    path: str
    area: str
    body: Any = None
    also: frozenset[str] = frozenset()

    @property
    def permissions(self) -> frozenset[str]:
        """Each of them alone is enough."""
        read = {f"{self.area} Read"} if self.method == "GET" else set()
        return frozenset({f"{self.area} Write", *read, *self.also})

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ENDPOINTS = (
    Endpoint("GET", "/zones", "Zone"),
    Endpoint("GET", "/zones/{zone}", "Zone"),
    Endpoint("GET", KEX, "Zone Settings"),
    Endpoint("PATCH", KEX, "Zone Settings", {"enabled": True}),
    Endpoint("GET", PQE, "Zone Settings", also=frozenset({"Zone Read", "Zone Write"})),
    Endpoint("PUT", PQE, "Zone Settings", {"value": "preferred"}),
    Endpoint("GET", COMPLIANCE, "Zone Settings"),
    Endpoint("PUT", COMPLIANCE, "Zone Settings", {"value": ["fips"]}),
    Endpoint("PATCH", COMPLIANCE, "Zone Settings", {"value": ["fips"]}),
    Endpoint("DELETE", COMPLIANCE, "Zone Settings"),
    Endpoint("GET", SETTINGS, "Zone Settings"),
    Endpoint("GET", SSL, "Zone Settings"),
    Endpoint("PATCH", SSL, "Zone Settings", {"value": "strict"}),
    Endpoint(
        "GET", AUTOMATIC, "Zone Settings", also=frozenset({"SSL and Certificates Read", "SSL and Certificates Write"})
    ),
    Endpoint("PATCH", AUTOMATIC, "Zone Settings", {"value": "custom"}, also=frozenset({"SSL and Certificates Write"})),
    Endpoint("GET", GLOBAL, "Zone Settings"),
    Endpoint("PATCH", GLOBAL, "Zone Settings", {"value": "on"}),
    Endpoint("GET", AOP, "SSL and Certificates"),
    Endpoint("POST", AOP, "SSL and Certificates"),  # its body is a certificate made on the spot
    Endpoint("GET", AOP_CERTIFICATE, "SSL and Certificates"),
    Endpoint("DELETE", AOP_CERTIFICATE, "SSL and Certificates"),
    Endpoint("GET", AOP_SETTINGS, "SSL and Certificates"),
    Endpoint("PUT", AOP_SETTINGS, "SSL and Certificates", {"enabled": True}),
    Endpoint("GET", STORE, "SSL and Certificates"),
    Endpoint("POST", STORE, "SSL and Certificates"),
    Endpoint("GET", STORE_CERTIFICATE, "SSL and Certificates"),
    Endpoint("DELETE", STORE_CERTIFICATE, "SSL and Certificates"),
    Endpoint("GET", HOSTNAMES, "SSL and Certificates"),
    Endpoint("PUT", HOSTNAMES, "SSL and Certificates"),  # its body names a certificate
    Endpoint("GET", HOSTNAME, "SSL and Certificates"),
)

RATE_LIMIT = re.compile(r'"default";r=\d+;t=\d+')
RATE_LIMIT_POLICY = re.compile(r'"default";q=\d+;w=\d+')


class Api:
    """Calls with the given headers; ``{zone}`` in a path is the zone's id."""

    def __init__(self, emulator: Emulator, zone: Zone, headers: dict[str, str]) -> None:
        self.emulator = emulator
        self.zone = zone
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update(headers)

    @classmethod
    def with_token(cls, emulator: Emulator, zone: Zone, token: str) -> Api:
        return cls(emulator, zone, {"Authorization": f"Bearer {token}"})

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        certificate: str = "",
        hostname: str = "www.example.com",
        params: dict[str, Any] | None = None,
        timeout: float = 10,
    ) -> requests.Response:
        url = self.emulator.url + path.format(zone=self.zone.id, certificate=certificate, hostname=hostname)
        return self.session.request(method, url, params=params, json=body, timeout=timeout)

    def get(self, path: str, **options: Any) -> Any:
        return result(self("GET", path, **options))

    def upload(self, issued: Issued, key: str | None = None, path: str = AOP) -> requests.Response:
        return self("POST", path, {"certificate": issued.pem, "private_key": issued.key_pem if key is None else key})

    def associate(self, *items: dict[str, Any]) -> requests.Response:
        return self("PUT", HOSTNAMES, {"config": list(items)})

    def status(self, certificate: str) -> str:
        status: str = self.get(AOP_CERTIFICATE, certificate=certificate)["status"]
        return status

    def listed(self) -> list[str] | None:
        """The ids on the list of certificates."""
        certificates = self.get(AOP)
        return None if certificates is None else [certificate["id"] for certificate in certificates]


def result(response: requests.Response) -> Any:
    """The result of an answer that has to be a success, in an envelope that has to be right."""
    answer = response.json()
    assert (answer["success"], answer["errors"], answer["messages"]) == (True, [], []), answer
    assert response.status_code in (200, 201, 202)
    assert response.headers["Content-Type"] == "application/json"
    return answer["result"]


def refusal(response: requests.Response) -> tuple[int, list[int]]:
    """Status and codes of an answer that has to be a failure, in an envelope that has to be right."""
    answer = response.json()
    assert (answer["success"], answer["messages"], answer["result"]) == (False, [], None), answer
    assert all(error["message"] for error in answer["errors"])
    return response.status_code, [error["code"] for error in answer["errors"]]


def chain(response: requests.Response) -> list[int]:
    """The codes of the first error's chain."""
    return [error["code"] for error in response.json()["errors"][0].get("error_chain", [])]
