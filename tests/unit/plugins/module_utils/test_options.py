# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.errors import AnsibleFallbackNotFound

from ansible_collections.originsec.cloudflare.plugins.module_utils import _options
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import (
    CloudflareError,
    InputError,
    MissingLibraryError,
    NotFoundError,
)
from ansible_collections.originsec.cloudflare.plugins.module_utils._options import (
    find_zone,
    from_environment,
    make_client,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import SETTINGS_READ, Emulator, Fault, Zone

ZONE_ID = "023e105f4ecef8ad9ca31a8372d0c353"


def params(**given: Any) -> dict[str, Any]:
    """Options as Ansible hands them over: every one is there, most are None."""
    defaults: dict[str, Any] = dict.fromkeys(_options.api_options())
    defaults.update(api_base_url=_options.DEFAULT_BASE_URL, validate_certs=True, timeout=30, retries=5)
    return {**defaults, **given}


def usable(**given: Any) -> dict[str, Any]:
    return params(**{"api_token": "t" * 40, "zone_id": ZONE_ID, **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"api_token": None}, "There are no credentials: set api_token"),
        ({"api_token": " \n"}, "There are no credentials"),
        ({"api_key": "k" * 37}, "Set either api_token or api_key with api_email, not both"),
        ({"api_token": None, "api_key": "k" * 37}, "set api_email or CLOUDFLARE_EMAIL"),
        ({"api_token": "Bearer abc"}, r"API token \(.*\) has white space inside.*without the word Bearer"),
        ({"api_token": "abc\ndef"}, "has white space inside"),
        ({"api_token": '"abc"'}, "has quotes around it"),
        ({"api_token": "tökén"}, "characters that it cannot have"),
        ({"api_token": "abc\x00def"}, "characters that it cannot have"),
        ({"api_token": None, "api_key": "a b", "api_email": "a@b"}, r"API key \(.*\) has white space"),
        ({"api_token": None, "api_key": "ab", "api_email": "a @b"}, r"e-mail address \(.*\) has white space"),
        ({"zone_id": None}, "exactly one of zone_id and zone_name, not neither"),
        ({"zone_id": "", "zone_name": ""}, "not neither"),
        ({"zone_name": "example.com"}, "exactly one of zone_id and zone_name, not both"),
        ({"zone_id": "example.com"}, "32 hexadecimal characters, not 'example.com'. The name of a zone goes into"),
        ({"zone_id": ZONE_ID + "0"}, "32 hexadecimal"),
        ({"zone_id": "../" + ZONE_ID[3:]}, "32 hexadecimal"),
        ({"zone_id": None, "zone_name": ZONE_ID}, "is the id of a zone, not its name: it goes into zone_id"),
        ({"zone_id": None, "zone_name": "exa mple.com"}, "not a domain name"),
        ({"zone_id": None, "zone_name": "https://example.com/"}, "not a domain name"),
        ({"zone_id": None, "zone_name": "b\u00fccher..example"}, "not a domain name"),
        ({"api_base_url": "http://api.cloudflare.com/client/v4"}, "send the credentials unencrypted"),
        ({"api_base_url": "http://127.0.0.1.example.com"}, "send the credentials unencrypted"),
        ({"api_base_url": "ftp://api.cloudflare.com"}, "api_base_url must look like"),
        ({"api_base_url": "api.cloudflare.com"}, "api_base_url must look like"),
        ({"api_base_url": "https://user:password@api.cloudflare.com"}, "neither user nor query"),
        ({"api_base_url": "https://api.cloudflare.com/?a=b"}, "neither user nor query"),
        ({"api_base_url": "https://[::1/"}, "api_base_url must look like"),
        ({"api_base_url": "https://api.cloudflare.com:port/"}, "api_base_url must look like"),
        ({"timeout": 0}, "timeout must be at least 1 second and at most 600, not 0"),
        ({"timeout": 601}, "at most 600, not 601"),
        ({"api_base_url": "https://api..cloudflare.com"}, "api_base_url must look like"),
        ({"api_base_url": "https://a b/x"}, "api_base_url must look like"),
        ({"api_base_url": "https://" + 64 * "a" + ".com"}, "api_base_url must look like"),
        ({"ca_path": __file__}, "ca_path .* cannot be read as certificates in PEM"),
        ({"retries": -1}, "retries must not be negative"),
        ({"ca_path": "/nonexistent/ca.pem"}, "ca_path /nonexistent/ca.pem cannot be read"),
    ],
)
def test_bad_input(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make_client(usable(**given))
    for secret in ("abc", "k" * 37, "tökén", "password"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/v4", "http://127.1.2.3/", "http://[::1]:1", "http://localhost:1", "https://gateway.test/v4/"],
)
def test_base_urls_that_are_fine(url: str) -> None:
    assert make_client(usable(api_base_url=url)).base_url == url.rstrip("/")


def test_a_blank_base_url_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_client(usable(api_base_url=" ")).base_url == _options.DEFAULT_BASE_URL
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://gateway.test/v4")
    assert make_client(usable(api_base_url="")).base_url == "https://gateway.test/v4"


@pytest.mark.parametrize(
    ("options", "environment", "headers"),
    [
        ({"api_token": " token\n"}, {}, {"Authorization": "Bearer token"}),
        ({}, {"CLOUDFLARE_API_TOKEN": "first", "CF_API_TOKEN": "second"}, {"Authorization": "Bearer first"}),
        ({}, {"CLOUDFLARE_API_TOKEN": "", "CF_API_TOKEN": " second "}, {"Authorization": "Bearer second"}),
        (
            {},
            {"CLOUDFLARE_API_TOKEN": " ", "CLOUDFLARE_API_KEY": "key", "CLOUDFLARE_EMAIL": "a@b"},
            {"X-Auth-Email": "a@b", "X-Auth-Key": "key"},
        ),
        # In the environment the token wins
        (
            {},
            {"CLOUDFLARE_API_TOKEN": "token", "CLOUDFLARE_API_KEY": "key", "CLOUDFLARE_EMAIL": "a@b"},
            {"Authorization": "Bearer token"},
        ),
        # An option wins over the environment, whichever scheme each is of
        ({"api_token": "option"}, {"CLOUDFLARE_API_KEY": "key"}, {"Authorization": "Bearer option"}),
        (
            {"api_key": "key", "api_email": "a@b"},
            {"CLOUDFLARE_API_TOKEN": "token"},
            {"X-Auth-Email": "a@b", "X-Auth-Key": "key"},
        ),
        ({"api_key": "key"}, {"CLOUDFLARE_EMAIL": "a@b"}, {"X-Auth-Email": "a@b", "X-Auth-Key": "key"}),
        ({"api_email": "a@b"}, {"CLOUDFLARE_API_KEY": "key"}, {"X-Auth-Email": "a@b", "X-Auth-Key": "key"}),
        ({"api_email": "a@b"}, {"CLOUDFLARE_API_TOKEN": "token"}, {"Authorization": "Bearer token"}),
    ],
)
def test_credentials(
    options: dict[str, str], environment: dict[str, str], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    class Request:
        headers: dict[str, str] = {}  # noqa: RUF012 - one request

    request: Any = Request()
    request.headers = {}
    _options._credentials(params(**options))(request)
    assert request.headers == headers


def test_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", " https://gateway.test ")
    assert from_environment("UNSET_VARIABLE", "CLOUDFLARE_BASE_URL") == "https://gateway.test"
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "")
    with pytest.raises(AnsibleFallbackNotFound):
        from_environment("UNSET_VARIABLE", "CLOUDFLARE_BASE_URL")


def test_missing_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_options, "REQUESTS_IMPORT_ERROR", "the traceback")
    with pytest.raises(MissingLibraryError) as caught:
        make_client(usable())
    assert (caught.value.library, caught.value.import_traceback) == ("requests, with urllib3 >= 1.26", "the traceback")


# -------------------------------------------------------------------------------------------- the zone


def find(emulator: Emulator, token: str, **given: Any) -> str:
    options = params(api_token=token, api_base_url=emulator.url, retries=0, **given)
    return find_zone(make_client(options), options)


def test_an_id_costs_no_request(emulator: Emulator, token: str) -> None:
    assert find(emulator, token, zone_id=f" {ZONE_ID.upper()} ") == ZONE_ID
    assert emulator.journal == []


@pytest.mark.parametrize("name", ["example.com", "EXAMPLE.com", "example.com.", " example.com "])
def test_a_name_costs_one(emulator: Emulator, token: str, zone: Zone, name: str) -> None:
    emulator.add_zone("www.example.com")
    assert find(emulator, token, zone_name=name) == zone.id
    assert [exchange.query["name"] for exchange in emulator.journal] == ["example.com"]


@pytest.mark.parametrize("name", ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example"])
@pytest.mark.parametrize("stored", ["xn--bcher-kva.example"])
def test_international_names(emulator: Emulator, token: str, name: str, stored: str) -> None:
    zone = emulator.add_zone(stored)
    assert find(emulator, token, zone_name=name) == zone.id


def test_an_unknown_name_is_named(emulator: Emulator, token: str, zone: Zone) -> None:
    with pytest.raises(NotFoundError, match=r"no zone example\.org that these credentials can see"):
        find(emulator, token, zone_name="example.org")


def test_a_zone_of_another_token_is_not_found(emulator: Emulator, zone: Zone) -> None:
    token = emulator.add_token(zones=[emulator.add_zone("example.org")])
    with pytest.raises(NotFoundError, match=r"no zone example\.com"):
        find(emulator, token, zone_name=zone.name)


def test_two_zones_of_one_name(emulator: Emulator, token: str, zone: Zone) -> None:
    other = emulator.add_zone("example.com", status="pending")
    with pytest.raises(InputError, match=r"more than one zone example\.com.*Set zone_id instead") as caught:
        find(emulator, token, zone_name="example.com")
    assert f"{zone.id} (active)" in str(caught.value)
    assert f"{other.id} (pending)" in str(caught.value)


def test_looking_up_a_name_needs_a_permission(emulator: Emulator, zone: Zone) -> None:
    token = emulator.add_token(permissions=frozenset({SETTINGS_READ}))
    with pytest.raises(CloudflareError, match="'Zone Read'"):
        find(emulator, token, zone_name=zone.name)


def test_zones_that_match_only_roughly_are_left_out(emulator: Emulator, token: str, zone: Zone) -> None:
    result = [
        {"id": "1", "name": "www.example.com"},
        {"id": "2", "name": "not a name"},
        {"id": "3", "name": None},
        {"name": "example.com"},
    ]
    emulator.faults.append(Fault(body={"success": True, "result": result}))
    with pytest.raises(NotFoundError):
        find(emulator, token, zone_name="example.com")
