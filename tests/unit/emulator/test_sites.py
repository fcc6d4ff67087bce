# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sites that the emulator serves over plain HTTP, for tests that need neither TLS nor an origin."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Zone
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import AOP_SETTINGS, KEX, SSL, Api, result

HOST = "example.com"


def get(emulator: Emulator, host: str = HOST, path: str = "/", method: str = "GET") -> requests.Response:
    url = f"{emulator.origin}/site/{host}{path}"
    return requests.request(method, url, allow_redirects=False, timeout=10)


def proof(response: requests.Response) -> tuple[int, bool, str | None]:
    return response.status_code, "CF-Ray" in response.headers, response.headers.get("CF-Cache-Status")


def test_by_path_and_by_proxy(emulator: Emulator, zone: Zone) -> None:
    for response in (
        get(emulator),
        get(emulator, path=""),
        get(emulator, path="/shop?a=b"),
        requests.get(f"http://{HOST}/shop", proxies={"http": emulator.origin}, timeout=10),
        requests.get(f"http://{HOST}:8080", proxies={"http": emulator.origin}, timeout=10),
    ):
        assert proof(response) == (200, True, "DYNAMIC")
        assert response.text == "site\n"
    head = get(emulator, method="HEAD")
    assert (proof(head), head.headers["Content-Length"], head.text) == ((200, True, "DYNAMIC"), "5", "")
    assert [(exchange.method, exchange.path) for exchange in emulator.journal] == [
        ("GET", "//site/example.com/"),
        ("GET", "//site/example.com"),
        ("GET", "//site/example.com/shop"),
        ("GET", "//site/example.com/shop"),
        ("GET", "//site/example.com/"),
        ("HEAD", "//site/example.com/"),
    ]
    assert [exchange.status for exchange in emulator.journal] == [200] * 6
    assert emulator.count() == {}


def test_the_api_is_no_site(emulator: Emulator, api: Api, zone: Zone) -> None:
    """Also through a proxy, which is asked for the emulator itself."""
    api.session.proxies = {"http": emulator.origin}
    assert api.get("/zones/{zone}")["id"] == zone.id
    assert emulator.count() == {"GET": 1}


def test_status_headers_and_body(emulator: Emulator, zone: Zone) -> None:
    site = emulator.site(HOST)
    site.status, site.body, site.headers = 404, "nothing\n", {"Server": "nginx", "CF-Cache-Status": "MISS"}
    response = get(emulator)
    assert (proof(response), response.text) == ((404, True, "MISS"), "nothing\n")
    assert response.headers["Server"] == "nginx"
    statuses = iter([200, 503])
    site.status = lambda: next(statuses)
    assert [get(emulator).status_code for _time in range(2)] == [200, 503]


@pytest.mark.parametrize("status", [520, 521, 522, 523, 524, 525, 526, 527, 530])
def test_statuses_of_the_edge(emulator: Emulator, zone: Zone, status: int) -> None:
    emulator.site(HOST).status = status
    assert proof(get(emulator)) == (status, True, None)


def test_unproved(emulator: Emulator, zone: Zone) -> None:
    site = emulator.site(HOST)
    site.cache_status = "HIT"
    assert proof(get(emulator)) == (200, True, "HIT")
    site.cache_status = None
    assert proof(get(emulator)) == (200, True, None)
    site.challenge = True
    assert (proof(get(emulator)), get(emulator).headers["CF-Mitigated"]) == ((403, True, None), "challenge")
    site.challenge, site.redirect = False, "https://example.com/"
    assert (proof(get(emulator)), get(emulator).headers["Location"]) == ((301, True, None), "https://example.com/")
    site.redirect, site.ray = None, False
    assert proof(get(emulator)) == (200, False, None)


def test_dark_and_slow(emulator: Emulator, zone: Zone) -> None:
    emulator.site(HOST).dark = True
    with pytest.raises(requests.ConnectionError):
        get(emulator)
    assert emulator.journal[-1].status is None
    emulator.site(HOST).dark, emulator.site(HOST).delay = False, 0.5
    started = time.monotonic()
    assert get(emulator).status_code == 200
    assert time.monotonic() - started >= 0.5


def test_dark_while_the_zone_is_so(emulator: Emulator, api: Api, zone: Zone) -> None:
    """As far as the edge knows."""
    site = emulator.site(HOST)
    site.dark_while = {"aop_enabled": True, "kex_enabled": True}
    emulator.edge_delay = 8
    result(api("PUT", AOP_SETTINGS, {"enabled": True}))
    emulator.advance(60)
    assert proof(get(emulator)) == (200, True, "DYNAMIC")
    result(api("PATCH", KEX, {"enabled": True}))
    emulator.advance(7)
    assert proof(get(emulator)) == (200, True, "DYNAMIC")
    emulator.advance(1)
    assert proof(get(emulator)) == (520, True, None)
    site.dark_status = 400
    assert proof(get(emulator)) == (400, True, "DYNAMIC")
    site.cache_status = "HIT"
    assert proof(get(emulator)) == (200, True, "HIT")
    site.cache_status, site.dark_while = "DYNAMIC", {"ssl_mode": "strict"}
    zone.ssl_automatic_mode, emulator.ssl_automatic_delay = "auto", 60
    result(api("PATCH", SSL, {"value": "strict"}))
    emulator.advance(8)
    assert get(emulator).status_code == 400
    emulator.advance(60)
    assert get(emulator).status_code == 200


@pytest.mark.parametrize("attributes", [{"paused": True}, {"status": "pending"}, {"status": "moved"}], ids=str)
def test_no_edge_in_front(emulator: Emulator, zone: Zone, attributes: dict[str, Any]) -> None:
    site = emulator.site(HOST)
    site.challenge, site.dark_while, zone.aop_enabled = True, {"aop_enabled": True}, True
    for name, value in attributes.items():
        setattr(zone, name, value)
    assert proof(get(emulator)) == (200, False, None)


def test_a_site_counts_for_the_hosts_below_it(emulator: Emulator, zone: Zone) -> None:
    emulator.site(HOST).status = 503
    emulator.site("www.example.com").status = 404
    hosts = ("example.com", "shop.example.com", "www.example.com", "a.www.example.com", "elsewhere.example")
    assert [get(emulator, host).status_code for host in hosts] == [503, 503, 404, 404, 200]


def test_faults_go_first(emulator: Emulator, zone: Zone) -> None:
    emulator.faults.append(Fault(path="//site/example.com/", status=502, times=2))
    emulator.faults.append(Fault(path="//site/.*", drop=True))
    assert [get(emulator).status_code for _time in range(2)] == [502, 502]
    with pytest.raises(requests.ConnectionError):
        get(emulator)
    assert get(emulator).status_code == 200


def test_from_another_process(emulator: Emulator, zone: Zone) -> None:
    door = f"{emulator.origin}/emulator/sites/{HOST}"
    body = {"status": 503, "cache_status": None, "dark_while": {"aop_enabled": True}}
    assert requests.patch(door, json=body, timeout=10).status_code == 200
    assert proof(get(emulator)) == (503, True, None)
    zone.aop_enabled = True
    assert proof(get(emulator)) == (520, True, None)
    assert requests.patch(door, json={"nothing": 1}, timeout=10).status_code == 400
