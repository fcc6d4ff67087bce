# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""The options that every module has, the client that they make, and the zone that they name.

Whatever can be judged without a request is judged in ``make_client``. A blank text option or environment variable
counts as unset: AWX hands over every optional field of a credential, empty or not.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from ansible.module_utils.errors import AnsibleFallbackNotFound

from ._client import DEADLINE_SECONDS, REQUESTS_IMPORT_ERROR, ApiKey, ApiToken, Client
from ._errors import InputError, MissingLibraryError, NotFoundError, ResponseError
from ._posture import texts
from ._secrets import KEY_VARIABLES, TOKEN_VARIABLES

DEFAULT_BASE_URL = "https://api.cloudflare.com/client/v4"

# Compiled once, by the process that all workers are forked from
_ZONE_ID = re.compile("[0-9a-fA-F]{32}")
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_ZONE_NAME = re.compile(rf"({_LABEL}\.)+[a-z0-9-]{{2,63}}")
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")

_zone_ids: WeakKeyDictionary[Client, dict[str, str]] = WeakKeyDictionary()
"""What a client has found, by name. It serves more than one task where they are the items of a loop."""


def from_environment(*names: str) -> str:
    """The first of these variables that is set and not blank; made for an argument spec's ``fallback``."""
    for name in names:
        if os.environ.get(name, "").strip():
            return os.environ[name].strip()
    raise AnsibleFallbackNotFound


def api_options() -> dict[str, dict[str, Any]]:
    """The part of the argument spec that every module shares; documented in doc_fragments/_api.py.

    The credentials have no ``fallback``: an option has to win over the environment's other scheme, so ``make_client``
    must know which of them came from where.
    """
    return {
        "api_token": {"type": "str", "no_log": True},
        "api_email": {"type": "str"},
        "api_key": {"type": "str", "no_log": True},
        "api_base_url": {
            "type": "str",
            "default": DEFAULT_BASE_URL,
            "fallback": (from_environment, ["CLOUDFLARE_BASE_URL"]),
        },
        "zone_id": {"type": "str"},
        "zone_name": {"type": "str", "aliases": ["zone"]},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "timeout": {"type": "int", "default": 30},
        "retries": {"type": "int", "default": 5},
    }


def make_client(params: Mapping[str, Any]) -> Client:
    """The client for a module's options; raises InputError for what cannot be right, before any request is made."""
    client = make_client_without_zone(params)
    _check_zone(params)
    return client


def make_client_without_zone(params: Mapping[str, Any]) -> Client:
    """The client for options that name no zone, which are those of an inventory; raises InputError like make_client."""
    if REQUESTS_IMPORT_ERROR:
        raise MissingLibraryError("requests, with urllib3 >= 1.26", REQUESTS_IMPORT_ERROR)
    if not 1 <= params["timeout"] <= DEADLINE_SECONDS:
        raise InputError(f"timeout must be at least 1 second and at most {DEADLINE_SECONDS}, not {params['timeout']}.")
    if params["retries"] < 0:
        raise InputError(f"retries must not be negative, as {params['retries']} is.")
    return Client(_credentials(params), _base_url(params), _verification(params), params["timeout"], params["retries"])


def given(options: Mapping[str, Any], spec: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The options as they are meant: null is not given, nor is a blank where it is no text, and text may be a list.

    spec: the argument spec; what it does not have stays, for Ansible to refuse. What a blank text is, modules say.
    """
    meant = {}
    for name, value in options.items():
        option = spec.get(name, {"type": "str"})
        if option.get("type") == "list" and option.get("elements") == "str" and isinstance(value, (str, list)):
            items = texts(value, name)
            value = None if items is None else list(items)
        is_text = option.get("type") in ("str", "path") and "choices" not in option
        blank = isinstance(value, str) and not value.strip() and not is_text
        if value is not None and not blank:
            meant[name] = value
    return meant


def find_zone(client: Client, params: Mapping[str, Any]) -> str:
    """The id of the zone that the options name; costs one request for each name that the client does not know yet."""
    if _given(params, "zone_id"):
        return str(params["zone_id"]).strip().lower()
    name = ascii_name(_given(params, "zone_name"), "zone_name")
    known = _zone_ids.setdefault(client, {})
    if name not in known:
        known[name] = _look_up(client, name)
    return known[name]


def read_zone(client: Client, zone_id: str) -> dict[str, Any]:
    """The zone's record: name, status and paused among others."""
    record = client.request("GET", f"zones/{zone_id}")
    if not isinstance(record, dict) or not record.get("name"):
        raise ResponseError(f"GET {client.base_url}/zones/{zone_id} did not answer with a zone.")
    return record


def _look_up(client: Client, name: str) -> str:
    found = [
        zone
        for zone in client.pages("zones", {"name": name})
        if _same_name(zone.get("name"), name) and _ZONE_ID.fullmatch(str(zone.get("id")))
    ]
    if not found:
        raise NotFoundError(
            f"There is no zone {name} that these credentials can see: check the spelling of zone_name, and that the "
            "token has the permission 'Zone Read' and includes the zone."
        )
    if len(found) > 1:
        zones = ", ".join(f"{zone['id']} ({zone.get('status')})" for zone in found)
        raise InputError(f"There is more than one zone {name}: {zones}. Set zone_id instead of zone_name.")
    return str(found[0]["id"])


def _given(params: Mapping[str, Any], option: str) -> str:
    return (params.get(option) or "").strip()


def _variable(*names: str) -> str:
    try:
        return from_environment(*names)
    except AnsibleFallbackNotFound:
        return ""


def _check_zone(params: Mapping[str, Any]) -> None:
    zone_id, zone_name = _given(params, "zone_id"), _given(params, "zone_name")
    if bool(zone_id) == bool(zone_name):
        raise InputError(f"Set exactly one of zone_id and zone_name, not {'both' if zone_id else 'neither'}.")
    if zone_id and not _ZONE_ID.fullmatch(zone_id):
        raise InputError(
            f"zone_id must be 32 hexadecimal characters, not '{zone_id}'. The name of a zone goes into zone_name."
        )
    if zone_name:
        if _ZONE_ID.fullmatch(zone_name):
            raise InputError(f"zone_name '{zone_name}' is the id of a zone, not its name: it goes into zone_id.")
        ascii_name(zone_name, "zone_name")


def ascii_name(name: str, option: str) -> str:
    """The name as DNS has it: lower case, punycode, no final dot. option: where it comes from, for the message."""
    encoded = punycode(name, option)
    if not _ZONE_NAME.fullmatch(encoded):
        raise InputError(f"{option} '{name}' is not a domain name, as example.com is.")
    return encoded


def punycode(name: str, option: str) -> str:
    """The name in lower-case ASCII, without a final dot, as in IDNA 2008 (UTS 46); nothing else is judged."""
    if name.isascii():
        return name.rstrip(".").lower()
    try:
        import idna  # comes with requests
    except ImportError:
        raise MissingLibraryError("idna", traceback.format_exc()) from None
    try:
        return str(idna.encode(name.rstrip("."), uts46=True).decode())
    except idna.IDNAError as error:
        raise InputError(f"{option} '{name}' is not a domain name: {error}.") from error


def _same_name(found: Any, name: str) -> bool:
    try:
        return isinstance(found, str) and ascii_name(found, "name") == name
    except InputError:
        return False


def _credentials(params: Mapping[str, Any]) -> ApiToken | ApiKey:
    """What the options give, else what the environment gives; there the token wins over the key."""
    token, key = _given(params, "api_token"), _given(params, "api_key")
    if token and key:
        raise InputError("Set either api_token or api_key with api_email, not both.")
    if not token and not key:
        token = _variable(*TOKEN_VARIABLES)
        key = "" if token else _variable(*KEY_VARIABLES)
    if token:
        _check_header("API token (api_token, CLOUDFLARE_API_TOKEN)", token)
        return ApiToken(token)
    if key:
        email = _given(params, "api_email") or _variable("CLOUDFLARE_EMAIL")
        if not email:
            raise InputError("api_key needs the user's e-mail address beside it: set api_email or CLOUDFLARE_EMAIL.")
        _check_header("API key (api_key, CLOUDFLARE_API_KEY)", key)
        _check_header("e-mail address (api_email, CLOUDFLARE_EMAIL)", email)
        return ApiKey(email, key)
    raise InputError(
        "There are no credentials: set api_token, or the environment variable CLOUDFLARE_API_TOKEN "
        "(or, for the global API key, api_email and api_key, CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY)."
    )


def _check_header(what: str, value: str) -> None:
    """Refuse what no header can carry; the value itself stays out of the message."""
    if re.search(r"\s", value):
        raise InputError(f"The {what} has white space inside. Give the bare value, one line, without the word Bearer.")
    if not value.isascii() or not value.isprintable() or value[0] in "\"'":
        raise InputError(f"The {what} has quotes around it, or characters that it cannot have. Give the bare value.")


def _base_url(params: Mapping[str, Any]) -> str:
    url = _given(params, "api_base_url") or _variable("CLOUDFLARE_BASE_URL") or DEFAULT_BASE_URL
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        bare = not (parts.username or parts.password or parts.query or parts.fragment) and parts.port != 0
    except ValueError:
        host, bare = "", False
    if not _is_host(host) or not bare or parts.scheme not in ("http", "https"):
        raise InputError(
            f"api_base_url must look like {DEFAULT_BASE_URL}: https, a host, a path, and neither user nor query."
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise InputError(
            f"api_base_url {url} would send the credentials unencrypted: use https. "
            "Plain http is for the loopback interface only."
        )
    return url


def _is_host(host: str) -> bool:
    return ":" in host or bool(_HOST.fullmatch(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _verification(params: Mapping[str, Any]) -> bool | str:
    path = params.get("ca_path")
    if not params["validate_certs"]:
        return False
    if path:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(**{"capath" if os.path.isdir(path) else "cafile": path})
        except OSError as error:
            raise InputError(
                f"ca_path {path} cannot be read as certificates in PEM on the host where the task runs: {error}."
            ) from error
    return path or True
