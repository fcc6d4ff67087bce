# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: zones
short_description: The zones of Cloudflare accounts as hosts
version_added: 1.0.0
description:
  - Makes every zone that the credentials can see a host, whose name is the zone's as in DNS (international names in
    punycode). All of them are in the group C(zones), over which the playbook C(originsec.cloudflare.harden) runs.
  - The hosts have C(ansible_connection=local), so that tasks run on the controller, with the Python of Ansible itself.
    O(compose) may set other values.
  - Needs a YAML file whose name ends in C(.cloudflare.yml) or C(.cloudflare.yaml).
  - A request lists 50 zones, so that 1,000 zones take 20 requests.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - constructed
  - inventory_cache
options:
  plugin:
    description:
      - Says that the file is for this plugin.
    type: str
    required: true
    choices:
      - originsec.cloudflare.zones
  api_base_url:
    description:
      - The base URL of the API.
      - Unencrypted V(http) is refused unless the host is a loopback address.
    type: str
    default: https://api.cloudflare.com/client/v4
    env:
      - name: CLOUDFLARE_BASE_URL
  account_id:
    description:
      - Only the zones of the account with this id, 32 hexadecimal characters.
    type: str
  names:
    description:
      - Only the zones with these names. They must match exactly, but for case; international names may be given in
        Unicode or in punycode. There is a warning for a name that is not found.
      - Each name takes a request. For more than a handful, list all zones and use C(--limit).
    type: list
    elements: str
    default: []
  name_contains:
    description:
      - Only the zones whose name contains this text, whatever the case. International names are compared in punycode.
    type: str
  statuses:
    description:
      - Only the zones with one of these statuses. An empty list stands for every status.
      - Traffic of a zone goes through Cloudflare only if it is V(active).
    type: list
    elements: str
    choices:
      - active
      - initializing
      - moved
      - pending
    default: []
notes:
  - The token needs the permission C(Zone Read).
  - All options but O(compose), O(groups) and O(keyed_groups) may be templates, which see the variables given with
    C(--extra-vars). An option that does not exist is refused.
  - The variables of a host are C(cloudflare_zone_id), C(cloudflare_zone_name), C(cloudflare_zone_status) (V(active),
    for example), C(cloudflare_zone_paused), C(cloudflare_zone_plan) (V(Pro Website), for example),
    C(cloudflare_account_id) and C(cloudflare_account_name). What Cloudflare
    does not tell is V(null). Neither they nor the cache hold a secret, and no text of Cloudflare's is ever taken for a
    template.
  - Zones of several accounts can have one name, of which at most one is active. The host is the active one, also where
    an earlier inventory source has made another one a host. Where not exactly one is active, no host is made of any.
    Either way a warning names them all; O(account_id) or O(statuses) settles it.
  - Inventories with other credentials, another O(api_base_url) or other filters have other entries in the cache.
seealso:
  - ref: ansible_collections.originsec.cloudflare.docsite.guide_fleet
    description: A guide to many zones.
  - plugin: ansible.builtin.constructed
    plugin_type: inventory
"""

EXAMPLES = r"""
# our.cloudflare.yml, which needs this line only: all zones, with the token from the variable CLOUDFLARE_API_TOKEN
# AWX needs an inventory source from a project with this file, and a credential that sets the variable.
plugin: originsec.cloudflare.zones

# The token from wherever a lookup gets it. From Ansible Vault, it is what this prints:
# ansible-vault encrypt_string --stdin-name api_token
api_token: "{{ lookup('ansible.builtin.file', '/run/secrets/cloudflare') }}"

# Some of the zones of one account. In place of name_contains, names takes a list of whole names.
account_id: 01a7362d577a6c3019a474fd6f485823
name_contains: shop
statuses:
  - active

# Groups such as plan_Pro_Website and status_active, a group of two zones that one begins with, and a variable of the
# role zone_hardening
strict: true
keyed_groups:
  - prefix: plan
    key: cloudflare_zone_plan
  - prefix: status
    key: cloudflare_zone_status
groups:
  canaries: cloudflare_zone_name in ['shop.example.com', 'shop.example.org']
compose:
  zone_hardening_verify_urls: "['https://' ~ cloudflare_zone_name ~ '/']"

# Ask Cloudflare once an hour at most; ansible-playbook --flush-cache asks at once
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/cloudflare-zones
cache_timeout: 3600
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils._client import VERSION, Client
from ..module_utils._core import register_secrets
from ..module_utils._errors import CloudflareError, InputError, MissingLibraryError, ResponseError
from ..module_utils._module import pacing
from ..module_utils._options import api_options, ascii_name, make_client_without_zone
from ..module_utils._secrets import Secrets
from ..plugin_utils._core import InventoryPlugin
from ..plugin_utils._sources import SUFFIXES, note

try:
    from ansible.template import trust_as_template
except ImportError:  # ansible-core < 2.19 trusts every text that is not marked as unsafe

    def trust_as_template(value: str) -> str:
        return value


Zone = dict[str, Any]
"""What the inventory knows of a zone: id, name, status, plan, account_id. The cache holds no more."""

VARIABLES = {
    "id": "cloudflare_zone_id",
    "name": "cloudflare_zone_name",
    "status": "cloudflare_zone_status",
    "paused": "cloudflare_zone_paused",
    "plan": "cloudflare_zone_plan",
    "account_id": "cloudflare_account_id",
    "account_name": "cloudflare_account_name",
}
GROUP = "zones"
OF_EACH_HOST = frozenset({"compose", "groups", "keyed_groups"})


class Filters:
    """Which zones are wanted. The API takes one name and one status; whatever else there is, is sorted out here."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.account_id = str(options["account_id"] or "").strip().lower()
        self.names = {ascii_name(str(name).strip(), "names:") for name in options["names"]}
        self.part = str(options["name_contains"] or "").strip().lower()
        self.statuses = set(options["statuses"])
        if not re.fullmatch("([0-9a-f]{32})?", self.account_id):
            raise InputError(f"account_id must be 32 hexadecimal characters, not '{options['account_id']}'.")
        if not re.fullmatch("[a-z0-9._-]*", self.part):
            raise InputError(
                f"name_contains '{options['name_contains']}' can be no part of a name: give letters, digits, hyphens "
                "and dots as they are in DNS, where international names are in punycode."
            )

    def queries(self) -> list[dict[str, str]]:
        query = {"account.id": self.account_id} if self.account_id else {}
        if len(self.statuses) == 1:
            query["status"] = min(self.statuses)
        if self.names:
            return [{**query, "name": name} for name in sorted(self.names)]
        return [{**query, "name": f"contains:{self.part}"} if self.part else query]

    def let_through(self, zone: Zone) -> bool:
        return self.part in zone["name"] and (not self.statuses or zone["status"] in self.statuses)

    def key(self, client: Client) -> str:
        """A name for the cache entry of what these credentials see; nobody can work them out from it."""
        seen = [VERSION, client.base_url, client.secret, self.queries(), self.part, sorted(self.statuses)]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:24]


class InventoryModule(InventoryPlugin):
    NAME = "originsec.cloudflare.zones"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(SUFFIXES)

    def set_options(
        self, task_keys: Any = None, var_options: Any = None, direct: Mapping[str, Any] | None = None
    ) -> None:
        """Refuse options that do not exist, which Ansible would ignore, and work out templates."""
        given = dict(direct or {})
        self._know(given)
        known = self.option_definitions
        unknown = sorted(str(option) for option in given if option not in known)
        if unknown:
            raise AnsibleParserError(f"No such option: {', '.join(unknown)}. There are {', '.join(sorted(known))}.")
        for option in given.keys() - OF_EACH_HOST:
            try:
                given[option] = self.templar.template(given[option])
            except AnsibleError as error:
                raise AnsibleParserError(f"The option {option} cannot be worked out: {error}") from None
        self._know(given)
        for option in ("api_token", "api_key"):
            if isinstance(given.get(option), (Mapping, list)):  # Ansible would show it
                raise AnsibleParserError(f"The option {option} must be a text.")
        super().set_options(task_keys, var_options, given)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._missing: list[str] = []  # in sentences
        self._know({})
        try:
            with self._without_secrets():
                self._parse(path, cache)
        except AnsibleError as error:
            note(path, [f"it could not be read: {error}"])
            raise
        note(path, self._missing)

    def _parse(self, path: str, cache: bool) -> None:
        self.read_options(path)
        try:
            zones = self._zones(path, cache)
        except MissingLibraryError as error:
            raise AnsibleParserError(missing_required_lib(error.library)) from None
        except CloudflareError as error:
            raise AnsibleParserError(str(error)) from None
        self.inventory.add_group(GROUP)
        for zone in self._one_of_each_name(zones):
            self._add(zone)

    def _know(self, options: Mapping[str, Any]) -> None:
        """Keep in mind what must not be shown, of these options and of the environment."""
        self._secrets = Secrets(api_options(), options, os.environ)
        register_secrets(self._secrets.registered)

    @contextlib.contextmanager
    def _without_secrets(self) -> Iterator[None]:
        """Ansible's own errors may quote an option."""
        try:
            yield
        except AnsibleError as error:
            message = self._secrets.hide_in(str(error))
            if message == str(error):
                raise
            raise AnsibleParserError(message) from None

    def _warn(self, text: str) -> None:
        self.display.warning(self._secrets.hide_in(text))

    def _miss(self, text: str) -> None:
        """A warning that zones are missing, which audits tell as well."""
        self._missing.append(self._secrets.hide_in(text))
        self._warn(text)

    def _zones(self, path: str, cache: bool) -> list[Zone]:
        """From the cache or the API."""
        options = self.get_options()
        client, filters, caching = make_client_without_zone(options), Filters(options), options["cache"]
        key = f"{self.get_cache_key(path)}_{filters.key(client)}"
        zones: list[Zone] | None = self.cache.get(key) if caching and cache else None
        if zones is None:
            zones = self._listed(client, filters)
        if caching and not self._missing:
            self.cache[key] = zones
        missing = sorted(filters.names - {zone["name"] for zone in zones})
        if missing or not zones:
            named = f" {', '.join(missing)}" if missing else ""
            self._miss(
                f"No zone{named} that these credentials can see passes the filters. "
                "Does the token have the permission 'Zone Read', and include the zones?"
            )
        return zones

    def _listed(self, client: Client, filters: Filters) -> list[Zone]:
        """From the API."""
        listed: dict[str, Zone] = {}  # by id, because a zone that is added meanwhile moves another one to the next page
        try:
            for query in filters.queries():
                pages = client.pages("zones", query)
                found = {zone["id"]: zone for zone in map(_zone, pages)}
                if len(found) < pages.total:
                    self._miss(f"Cloudflare listed {len(found)} zones, and says that there are {pages.total}.")
                listed.update(found)
        finally:
            for warning in pacing(client.waited):
                self._warn(warning)
        return [zone for zone in listed.values() if filters.let_through(zone)]

    def _one_of_each_name(self, zones: list[Zone]) -> Iterator[Zone]:
        """All zones, but of those that share a name only the active one, with a warning."""
        by_name: dict[str, list[Zone]] = {}
        for zone in zones:
            by_name.setdefault(zone["name"], []).append(zone)
        for name, namesakes in by_name.items():
            chosen = list({zone["id"]: zone for zone in [*self._known(name), *namesakes]}.values())
            if len(chosen) > 1:
                told = "; ".join(f"{z['id']} ({z['status']}, account {z['account_id']})" for z in chosen)
                chosen = [zone for zone in chosen if zone["status"] == "active"]
                outcome = f"The host is {chosen[0]['id']}" if len(chosen) == 1 else "No host is made of any of them"
                (self._warn if len(chosen) == 1 else self._miss)(
                    f"There is more than one zone {name}: {told}. {outcome}. Set account_id or statuses to choose."
                )
            yield from (zone for zone in chosen if len(chosen) == 1 and zone in namesakes)

    def _known(self, name: str) -> list[Zone]:
        """The zone of that name that an earlier inventory source has made a host, if there is one."""
        host = self.inventory.get_host(name)
        variables = host.get_vars() if host else {}
        zone = {field: variables.get(variable) for field, variable in VARIABLES.items()}
        return [zone] if zone["id"] else []

    def _add(self, zone: Zone) -> None:
        name: Any = _marked(zone["name"])
        self.inventory.add_host(name, group=GROUP)
        self.inventory.set_variable(name, "ansible_connection", trust_as_template("local"))
        interpreter = trust_as_template("{{ ansible_playbook_python }}")
        self.inventory.set_variable(name, "ansible_python_interpreter", interpreter)
        for field, variable in VARIABLES.items():
            self.inventory.set_variable(name, variable, _marked(zone[field]))
        self.construct(name)


def _zone(record: Mapping[str, Any]) -> Zone:
    zone = {
        "id": _text(record, "id"),
        "name": _text(record, "name"),
        "status": _text(record, "status"),
        "paused": record.get("paused") is True,
        "plan": _text(record, "plan", "name"),
        "account_id": _text(record, "account", "id"),
        "account_name": _text(record, "account", "name"),
    }
    if not zone["id"] or not zone["name"]:
        raise ResponseError(
            "The list of zones has an entry without an id or a name. Is api_base_url the Cloudflare API's?"
        )
    return zone


def _text(record: Any, *path: str) -> str | None:
    for key in path:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record if isinstance(record, str) else None


def _marked(text: str | bool | None) -> str | bool | None:
    """For Ansible, so that no text of the API's is ever taken for a template.

    What can be neither a template nor an expression that calls anything is trusted, because tools that read
    ``ansible-inventory --list`` (AWX, jq) get a dictionary ``__ansible_unsafe`` in the place of any other text.
    """
    if not isinstance(text, str):
        return text
    plain = re.fullmatch("[A-Za-z0-9 ._-]*", text)
    marked: str = trust_as_template(text) if plain else wrap_var(text)
    return marked
