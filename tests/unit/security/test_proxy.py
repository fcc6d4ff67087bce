# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way through a real forward proxy, tinyproxy, which the environment of `ansible` names."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._client import ApiKey, ApiToken, Client
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import CloudflareError, ConnectionFailedError
from ansible_collections.originsec.cloudflare.plugins.module_utils._options import make_client
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.security.conftest import TOKEN
from ansible_collections.originsec.cloudflare.tests.unit.security.servers import (
    REALM,
    AdHoc,
    Proxy,
    Recorder,
    free_port,
    proxying,
    serving,
    tls_emulator,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

USER, PASSWORD = REALM
THROUGH_THE_PROXY = "This went through the proxy that the environment names (HTTPS_PROXY, NO_PROXY)."


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cloudflare(server_certificate: Issued, tmp_path: Path) -> Iterator[Emulator]:
    with tls_emulator(server_certificate, tmp_path) as (emulator, _connections):
        emulator.add_token(token=TOKEN)
        yield emulator


@pytest.fixture
def proxy(tinyproxy: Program, cloudflare: Emulator, tmp_path: Path) -> Iterator[Proxy]:
    with proxying(tinyproxy, tmp_path / "proxy", _port(cloudflare)) as proxy:
        yield proxy


@pytest.fixture
def guarded_proxy(tinyproxy: Program, cloudflare: Emulator, tmp_path: Path) -> Iterator[Proxy]:
    """One that asks for a password."""
    with proxying(tinyproxy, tmp_path / "proxy", _port(cloudflare), password=True) as proxy:
        yield proxy


@pytest.fixture
def trusting(ad_hoc: AdHoc, cloudflare: Emulator, authority: Issued, tmp_path: Path) -> AdHoc:
    """With the URL and the authority of the emulator in the environment."""
    (tmp_path / "ca.pem").write_text(authority.pem)
    urls = {"CLOUDFLARE_BASE_URL": cloudflare.url, "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")}
    return AdHoc(ad_hoc.home, {**ad_hoc.variables, **urls})


def _port(emulator: Emulator) -> int:
    return int(emulator.origin.rpartition(":")[2])


def test_https_goes_through_the_proxy_unseen(trusting: AdHoc, cloudflare: Emulator, proxy: Proxy) -> None:
    result, output = trusting({}, HTTPS_PROXY=proxy.url())
    assert "auto_origin_tls_kex" in result, output
    assert proxy.targets() == [f"127.0.0.1:{_port(cloudflare)}"]
    assert TOKEN not in proxy.log.read_text()
    assert len(cloudflare.journal) == 2


def test_no_proxy_is_honoured(trusting: AdHoc, cloudflare: Emulator, proxy: Proxy) -> None:
    result, output = trusting({}, HTTPS_PROXY=proxy.url(), NO_PROXY="example.org,127.0.0.1")
    assert "auto_origin_tls_kex" in result, output
    assert proxy.targets() == []
    assert len(cloudflare.journal) == 2


def test_what_is_not_encrypted_goes_to_loopback_and_nowhere_else(
    ad_hoc: AdHoc, tinyproxy: Program, tmp_path: Path
) -> None:
    with Emulator() as emulator, proxying(tinyproxy, tmp_path / "proxy", _port(emulator)) as proxy:
        emulator.add_token(token=TOKEN)
        emulator.add_zone("example.com")
        variables = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), proxy.url())
        result, output = ad_hoc({"api_base_url": emulator.url}, **variables)
    assert "auto_origin_tls_kex" in result, output
    assert "Request" not in proxy.log.read_text()
    assert len(emulator.journal) == 2


def test_a_proxy_with_a_password(trusting: AdHoc, guarded_proxy: Proxy) -> None:
    result, output = trusting({}, HTTPS_PROXY=guarded_proxy.url(f"{USER}:{PASSWORD}@"))
    assert "auto_origin_tls_kex" in result, output
    assert len(guarded_proxy.targets()) == 1
    assert PASSWORD not in output


@pytest.mark.parametrize(
    ("user", "status"),
    [("", "407 Proxy Authentication Required"), (f"{USER}:not-{PASSWORD}@", "401 Unauthorized")],
    ids=["no password", "wrong password"],
)
def test_a_proxy_that_refuses(
    trusting: AdHoc, cloudflare: Emulator, guarded_proxy: Proxy, user: str, status: str
) -> None:
    result, output = trusting({"retries": 0}, HTTPS_PROXY=guarded_proxy.url(user))
    assert status in result["msg"]
    assert THROUGH_THE_PROXY in result["msg"]
    assert guarded_proxy.targets() == [f"127.0.0.1:{_port(cloudflare)}"]
    assert cloudflare.journal == []
    for secret in (PASSWORD, TOKEN):
        assert secret not in output


def test_a_proxy_that_is_down(trusting: AdHoc) -> None:
    result, output = trusting({"retries": 0}, HTTPS_PROXY=f"http://{USER}:{PASSWORD}@127.0.0.1:{free_port()}")
    assert "Connection refused" in result["msg"]
    assert THROUGH_THE_PROXY in result["msg"]
    for secret in (PASSWORD, TOKEN):
        assert secret not in output


@pytest.mark.parametrize("auth", [ApiToken(TOKEN), ApiKey("ops@example.com", TOKEN)], ids=["token", "key"])
def test_a_proxy_is_shown_no_credentials_but_its_own(auth: ApiToken | ApiKey, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Recorder(status=407)) as recorder:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:{PASSWORD}@127.0.0.1:{recorder.port}")
        with pytest.raises(ConnectionFailedError, match="407"):
            Client(auth, "https://api.example.test/client/v4", retries=0).request("GET", "zones")
    (seen,) = recorder.requests
    assert seen.startswith("CONNECT api.example.test:443 HTTP/1.")
    assert "Proxy-Authorization: Basic" in seen
    for header in (TOKEN, "Bearer", "\nAuthorization", "X-Auth", "/client/v4"):
        assert header not in seen


@pytest.mark.parametrize(
    ("scheme", "host"),
    [
        *(("http://", host) for host in ("h..x:1", "", ":80", "[::1", "127.0.0.1:port", "127.0.0.1:99999", "[::1]:9")),
        *((scheme, "127.0.0.1:9") for scheme in ("https://", "socks5://", "ftp://", "")),
    ],
)
@pytest.mark.parametrize("rest", ["", "#rest", "/rest", "?rest", "@rest", "%zz", " rest"])
def test_a_proxy_that_cannot_be_one(scheme: str, host: str, rest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a password in its URL, perhaps with something that ought to be escaped. It never comes out."""
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}{USER}:{PASSWORD}{rest}@{host}")
    options = {"zone_name": "example.com", "api_token": TOKEN, "api_base_url": "https://127.0.0.1:9"}
    with pytest.raises(CloudflareError, match="HTTPS_PROXY") as caught:
        make_client({**options, "validate_certs": True, "timeout": 5, "retries": 0}).request("GET", "zones")
    # ansible-core >= 2.19 shows it all where its user asks for tracebacks
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "url",
    [
        *(
            f"{scheme}user:Top@SecretPart#9@proxy.example:3128"
            for scheme in ("http://", "https://", "socks5://", "//", "")
        ),
        *(
            f"http://{user}@proxy.example:3128"
            for user in ("user:80/SecretPart", "user:80?SecretPart", "user:80#SecretPart")
        ),
        *(f"http://{user}@proxy.example:3128" for user in ("user:p@SecretPart", "SecretPart#p", "user:p@SecretPart/p")),
    ],
)
def test_no_part_of_a_password_is_taken_for_a_host(url: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, url)
    options = {"zone_name": "example.com", "api_token": TOKEN, "api_base_url": "https://127.0.0.1:9"}
    with pytest.raises(CloudflareError, match="cannot be parsed") as caught:
        make_client({**options, "validate_certs": True, "timeout": 5, "retries": 0}).request("GET", "zones")
    assert "secretpart" not in "".join(traceback.format_exception(caught.value)).lower()


@pytest.mark.parametrize("password", ["Top%40Hush%239", "Top Hush", "Top:Hush", "Top%2FHush", "To\\pHush"])
def test_a_password_that_can_be_parsed_is_not_shown_either(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", f"http://user:{password}@127.0.0.1:{free_port()}")
    options = {"zone_name": "example.com", "api_token": TOKEN, "api_base_url": "https://api.example.test"}
    with pytest.raises(CloudflareError, match=r"the proxy that the environment names|cannot be parsed") as caught:
        make_client({**options, "validate_certs": True, "timeout": 5, "retries": 0}).request("GET", "zones")
    assert "hush" not in "".join(traceback.format_exception(caught.value)).lower()
