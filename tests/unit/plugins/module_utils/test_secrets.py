# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._options import api_options
from ansible_collections.originsec.cloudflare.plugins.module_utils._secrets import (
    PART,
    WHOLE,
    Secrets,
    parsed,
    restored,
    withhold,
)
from ansible_collections.originsec.cloudflare.plugins.modules.origin_tls_client_auth import MODULE
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

TOKEN = "Canary_token-0123456789"
PASSPHRASE = "canary passphrase"
NESTED = {
    "hosts": {
        "type": "list",
        "elements": "dict",
        "options": {"key": {"type": "str", "no_log": True}, "key_passphrase": {"type": "str", "no_log": True}},
    },
}


def known(environment: dict[str, str] | None = None, **options: Any) -> Secrets:
    return Secrets(MODULE.argument_spec, options, environment or {})


@pytest.mark.parametrize("name", ["CLOUDFLARE_API_TOKEN", "CF_API_TOKEN", "CLOUDFLARE_API_KEY"])
def test_credentials_of_the_environment_are_known(name: str) -> None:
    secrets = known({name: f" {TOKEN}\n"})
    assert secrets.hide({"id": f"of {TOKEN}", "name": TOKEN}) == {"id": f"of {PART}", "name": WHOLE}
    assert TOKEN in secrets.registered


@pytest.mark.parametrize("value", [TOKEN, f"\t{TOKEN} ", {"a": [TOKEN]}, [TOKEN]])
def test_credentials_in_options_are_known_whatever_they_are_wrapped_in(value: Any) -> None:
    assert known(api_token=value).hide_in(f"not '{TOKEN.lower()}'") == f"not '{PART}'"


def test_a_number_is_a_secret_too() -> None:
    options: dict[str, Any] = {"api_key": 1234567890}
    shown = known(**options).hide({"invocation": {"module_args": {**options, "timeout": 1234567890, "retries": 5}}})
    assert shown["invocation"]["module_args"] == {"api_key": WHOLE, "timeout": WHOLE, "retries": 5}


@pytest.mark.parametrize(
    "hosts",
    [
        {"key": TOKEN, "key_passphrase": PASSPHRASE},
        [json.dumps({"key": TOKEN, "key_passphrase": PASSPHRASE})],
        [f"key={TOKEN} key_passphrase='{PASSPHRASE}'"],
        f"key={TOKEN} key_passphrase='{PASSPHRASE}',x=y rubbish",
    ],
)
def test_what_is_nested_is_known_however_it_is_written(hosts: Any) -> None:
    """Ansible makes dictionaries of texts, and shows what it refuses."""
    options = parsed(NESTED, {"hosts": hosts})
    shown = Secrets(NESTED, options, {}).hide({"msg": f"not {TOKEN}", "invocation": {"module_args": options}})
    assert not any(secret in json.dumps(shown) for secret in (TOKEN, PASSPHRASE))


def test_short_ones_are_withheld_however_they_are_written() -> None:
    for hosts in ({"key": "ab"}, "key=ab", ['{"key": "ab"}']):
        options = parsed(NESTED, {"hosts": hosts})
        withheld = withhold(NESTED, options)
        assert [*withheld.values()] == ["ab"]
        assert "ab" not in json.dumps(options).replace(WHOLE, "")
        assert restored(options, withheld)["hosts"] in ({"key": "ab"}, [{"key": "ab"}])


def test_what_is_nested_is_known() -> None:
    options = {"hosts": [{"key": TOKEN}, {"key_passphrase": PASSPHRASE}, None]}
    assert Secrets(NESTED, options, {}).hide_in(f"{TOKEN}, {PASSPHRASE}") == f"{PART}, {PART}"


def test_a_private_key_is_known_in_any_option_and_however_it_is_quoted(client_certificate: Issued) -> None:
    key = client_certificate.key_pem
    secrets = known(zone_name=key)
    for quoted in (key, f"{key} ", repr(key), json.dumps(key), f"invalid literal: {key!r}"):
        assert client_certificate.key_pem.splitlines()[1] not in secrets.hide_in(quoted)


def test_a_passphrase_is_masked_in_messages_and_options_only() -> None:
    secrets = known(private_key_passphrase="production")
    told = {"msg": "not 'Production'", "warnings": ["production."], "error": "production"}
    shown = secrets.hide({**told, "zone": "production", "invocation": {"module_args": {"private_key": "production"}}})
    assert shown == {
        "msg": f"not '{PART}'",
        "warnings": [f"{PART}."],
        "error": WHOLE,
        "zone": "production",
        "invocation": {"module_args": {"private_key": WHOLE}},
    }


@pytest.mark.parametrize("typed", ["{}", " {}.", "{}:443", "https://{}/", "shop.{}.example", "a, {}", ["a", "{}"]])
@pytest.mark.parametrize("source", ["passphrase", "proxy"])
def test_what_a_passphrase_was_typed_into_is_masked_where_it_is_repeated(source: str, typed: Any) -> None:
    given: dict[str, Any] = {"zone_name": json.loads(json.dumps(typed).format("Cloudflare"))}
    if source == "passphrase":
        secrets = known(private_key_passphrase="Cloudflare", **given)
    else:
        secrets = known({"https_proxy": "http://user:Cloudflare@proxy.example"}, **given)
    name = "shop.cloudflare.example" if "shop" in typed else "cloudflare"
    shown = secrets.hide(
        {
            "hostname": name,
            "verified": {f"https://{name}/": {"host": f"{name}:443"}},
            "subject": "O=Cloudflare.com" if "shop" in typed else "O=Cloud",
        }
    )
    assert "cloudflare" not in json.dumps({**shown, "subject": ""})
    assert shown["subject"] in ("O=Cloudflare.com", "O=Cloud")


def test_a_passphrase_that_is_a_choice_or_a_word_of_the_api_masks_neither() -> None:
    values = {"mode": "flexible", "url": "https://api.cloudflare.com/client/v4", "subject": "CN=flexible cloudflare"}
    spec = {**MODULE.argument_spec, "ssl_mode": {"type": "str", "choices": ["flexible", "full"]}}
    options = {"ssl_mode": "flexible", "private_key_passphrase": "flexible", "zone_name": "cloudfla.example"}
    assert Secrets(spec, options, {}).hide(values) == values
    shown = known(private_key_passphrase="cloudflare", api_base_url=values["url"]).hide(values)
    assert shown == {**values, "url": WHOLE}


@pytest.mark.parametrize("short", ["a", "1", "0a", "true", "True", "active", "7chars!"])
@pytest.mark.parametrize("option", ["api_token", "private_key_passphrase"])
def test_what_is_short_never_masks_part_of_a_word(option: str, short: str) -> None:
    values = {
        "id": "023e105f4ecef8ad9ca31a8372d0c353",
        "fingerprint": "0a" * 32,
        "status": "active",
        "days_remaining": 1,
        "enabled": True,
        "nothing": None,
    }
    given: dict[str, Any] = {option: short}
    secrets = known(**given)
    told = f"certificate {values['id']} is active, not '{short}'"
    shown = secrets.hide({**values, "msg": told, "invocation": {"module_args": {option: short, "enabled": True}}})
    assert {name: shown[name] for name in values} == values
    assert values["id"] in shown["msg"]
    assert shown["msg"].endswith(f"not '{PART}'")
    assert shown["invocation"] == {"module_args": {option: WHOLE, "enabled": True}}
    assert secrets.registered == frozenset()


def test_what_is_short_is_kept_from_the_validation() -> None:
    spec = {**api_options(), **NESTED}
    options = {"api_token": TOKEN, "api_key": 12, "hosts": [{"key": " a "}, {"key_passphrase": True}, {"key": TOKEN}]}
    given = json.loads(json.dumps(options))
    short = withhold(spec, given)
    assert given == {
        "api_token": TOKEN,
        "api_key": WHOLE,
        "hosts": [{"key": WHOLE}, {"key_passphrase": WHOLE}, {"key": TOKEN}],
    }
    params = restored(given, short)
    assert params == {**options, "api_key": "12", "hosts": [{"key": " a "}, {"key_passphrase": "True"}, {"key": TOKEN}]}
    assert given["api_key"] == WHOLE  # which is what the invocation shows


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("Top@SecretPart#9", ["Top@SecretPart#9", "SecretPart"]),
        ("Top%40SecretPart%239", ["Top%40SecretPart%239", "Top@SecretPart#9", "SecretPart"]),
        ("Secret/Part", ["Secret/Part", "Secret"]),
        ("Secret:Part", ["Secret:Part"]),
        ("Secret Part", ["Secret Part"]),
        ("Secret?Part", ["Secret?Part"]),
    ],
)
def test_the_password_of_a_proxy_is_known_however_it_is_written(written: str, parts: list[str]) -> None:
    names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "http_proxy", "No_Such_Proxy")
    for name, scheme in itertools.product(names, ("http://", "https://", "socks5h://", "//", "", " http://")):
        secrets = known({name: f"{scheme}user:{written}@proxy.example:3128"})
        for part in parts:
            told = secrets.hide_in(f"host '{part.lower()}', {part!r}")
            assert not re.search("secret|part", told, re.IGNORECASE), (name, scheme)
        assert secrets.hide_in("proxy.example:3128") == "proxy.example:3128"


def test_the_password_of_another_url_is_known() -> None:
    url = "https://user:Secret%40Part@api.example/client/v4"
    for secrets in (known(api_base_url=url), known({"CLOUDFLARE_BASE_URL": url})):
        assert secrets.hide_in(f"{url} Secret@Part") == f"https://user:{PART}@api.example/client/v4 {PART}"
    assert known(api_base_url="https://medium.example/@us").hide_in("@us") == "@us"
