# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin, loaded as Ansible loads it, and by the commands that use inventories."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.loader import init_plugin_loader, inventory_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import SETTINGS_READ, Emulator, Fault, Zone
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TOOLS, environment

NAME = "originsec.cloudflare.zones"
ROOT = Path(__file__).resolve().parents[6]
ROOT_PACKAGE = "ansible_collections.originsec.cloudflare"
ACCOUNT = "0123456789abcdef0123456789abcdef"
OTHER_ACCOUNT = "f" * 32
LOADED: dict[str, ModuleType] = {}
"""What Ansible's loader has imported: it keeps the classes, also where a worker comes back to this file later on."""


@pytest.fixture(scope="module")
def _collections() -> Iterator[None]:
    """Collections as Ansible finds them, where a test runner has not provided for it."""
    if AnsibleCollectionConfig.collection_finder:
        yield
        return
    imported = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("ansible_collections")}
    init_plugin_loader([str(ROOT)])
    sys.modules.update(LOADED)
    yield
    AnsibleCollectionConfig.collection_finder._remove()
    for name in [name for name in sys.modules if name.startswith("ansible_collections")]:
        LOADED[name] = sys.modules.pop(name)
    sys.modules.update(imported)


@dataclass
class Inventory:
    """What the plugin makes of sources, one after the other."""

    directory: Path
    options: dict[str, Any]
    data: InventoryData = field(default_factory=InventoryData)
    warnings: list[str] = field(default_factory=list)

    def read(self, *, cache: bool = True, **options: Any) -> Inventory:
        path = self.directory / "our.cloudflare.yml"
        path.write_text(yaml.safe_dump({"plugin": NAME, **self.options, **options}))
        plugin = inventory_loader.get(NAME)
        assert plugin.verify_file(str(path))
        before, plugin.display.warning = plugin.display.warning, self.warnings.append
        try:
            plugin.parse(self.data, DataLoader(), str(path), cache=cache)
            if plugin.get_option("cache"):
                plugin.update_cache_if_changed()
        finally:
            plugin.display.warning = before
        self.data.reconcile_inventory()
        return self

    @property
    def hosts(self) -> dict[str, dict[str, Any]]:
        return {name: host.get_vars() for name, host in self.data.hosts.items()}

    @property
    def groups(self) -> dict[str, list[str]]:
        return {name: sorted(map(str, hosts)) for name, hosts in self.data.get_groups_dict().items()}


@pytest.fixture
def inventory(_collections: None, tmp_path: Path, emulator: Emulator, token: str) -> Inventory:
    return Inventory(tmp_path, {"api_base_url": emulator.url, "api_token": token, "retries": 0})


def test_a_zone_is_a_host(inventory: Inventory, zone: Zone) -> None:
    hosts = inventory.read().hosts
    assert set(hosts) == {"example.com"}
    own = {name: value for name, value in hosts["example.com"].items() if name.startswith(("cloudflare_", "ansible_"))}
    assert own == {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "cloudflare_zone_id": zone.id,
        "cloudflare_zone_name": "example.com",
        "cloudflare_zone_status": "active",
        "cloudflare_zone_paused": False,
        "cloudflare_zone_plan": "Pro Website",
        "cloudflare_account_id": ACCOUNT,
        "cloudflare_account_name": "Example",
    }
    assert inventory.groups == {"all": ["example.com"], "ungrouped": [], "zones": ["example.com"]}
    assert inventory.warnings == []


@pytest.mark.parametrize(("zones", "requests"), [(1, 1), (50, 1), (51, 2), (1000, 20)])
def test_a_request_lists_fifty_zones(inventory: Inventory, emulator: Emulator, zones: int, requests: int) -> None:
    for number in range(zones):
        emulator.add_zone(f"zone{number}.example")
    assert len(inventory.read().groups["zones"]) == zones
    assert [exchange.query["per_page"] for exchange in emulator.journal] == ["50"] * requests


def test_a_list_that_was_cut_short_is_told_and_not_kept(inventory: Inventory, emulator: Emulator) -> None:
    """As is one that could not be read; with a cache, Cloudflare is asked again."""
    for number in range(60):
        emulator.add_zone(f"zone{number}.example")
    inventory.options |= {"cache": True, "cache_plugin": "ansible.builtin.jsonfile"}
    inventory.options["cache_connection"] = str(inventory.directory)
    sources = sys.modules[f"{ROOT_PACKAGE}.plugins.plugin_utils._sources"]
    path = str(inventory.directory / "our.cloudflare.yml")
    nothing: dict[str, Any] = {"success": True, "errors": [], "messages": [], "result": []}
    emulator.faults.append(Fault(path="/zones", skip=1, body=nothing))
    assert len(inventory.read().groups["zones"]) == 50
    short = "Cloudflare listed 50 zones, and says that there are 60."
    assert inventory.warnings == [short]
    assert sources.source_problems([path]) == [f"{path}: {short}"]
    assert len(inventory.read().groups["zones"]) == 60
    assert sources.source_problems([path]) == []
    with pytest.raises(AnsibleParserError):
        inventory.read(api_token="revoked")
    (problem,) = sources.source_problems([path])
    assert problem.startswith(f"{path}: it could not be read: GET ")
    assert "Invalid access token" in problem
    assert "revoked" not in problem.partition("Invalid")[0]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("our.cloudflare.yml", True),
        ("our.cloudflare.yaml", True),
        ("cloudflare.json", False),
        ("our.yml", False),
        ("missing.cloudflare.yml", False),
    ],
)
@pytest.mark.usefixtures("_collections")
def test_names_of_files(tmp_path: Path, name: str, ours: bool) -> None:
    if not name.startswith("missing"):
        (tmp_path / name).touch()
    assert inventory_loader.get(NAME).verify_file(str(tmp_path / name)) == ours


def test_examples(inventory: Inventory, emulator: Emulator) -> None:
    for name in ("example.com", "xn--bcher-kva.example", "shop.example.com"):
        emulator.add_zone(name, account_id="01a7362d577a6c3019a474fd6f485823")
    module = importlib.import_module(type(inventory_loader.get(NAME)).__module__)
    example = yaml.safe_load(module.EXAMPLES)
    assert example.pop("plugin") == NAME
    read = inventory.read(**{**example, **inventory.options, "cache_connection": str(inventory.directory)})
    assert set(read.hosts) == {"shop.example.com"}
    assert set(read.groups) - {"all", "ungrouped", "zones"} == {"canaries", "plan_Pro_Website", "status_active"}
    assert inventory.warnings == []


# --------------------------------------------------------------------------------------------- which zones


@pytest.mark.parametrize(
    ("options", "found", "queries"),
    [
        ({"account_id": ACCOUNT.upper()}, "shop blog", [{"account.id": ACCOUNT}]),
        ({"statuses": ["pending"]}, "blog", [{"status": "pending"}]),
        ({"statuses": ["pending", "moved"]}, "blog buch", [{}]),
        ({"name_contains": "SHO"}, "shop", [{"name": "contains:sho"}]),
        ({"names": ["shop.example"]}, "shop", [{"name": "shop.example"}]),
        ({"names": "Shop.Example.,blog.example"}, "shop blog", [{"name": "blog.example"}, {"name": "shop.example"}]),
        ({"names": ["bücher.example"]}, "buch", [{"name": "xn--bcher-kva.example"}]),
        ({"names": ["xn--bcher-kva.example"]}, "buch", [{"name": "xn--bcher-kva.example"}]),
        (
            {"names": ["shop.example", "blog.example"], "name_contains": "op"},
            "shop",
            [{"name": "blog.example"}, {"name": "shop.example"}],
        ),
        (
            {"name_contains": "o", "statuses": ["active"], "account_id": ACCOUNT},
            "shop",
            [{"name": "contains:o", "status": "active", "account.id": ACCOUNT}],
        ),
        ({"account_id": " ", "names": [], "name_contains": "", "statuses": None}, "shop blog buch", [{}]),
    ],
)
def test_filters(
    inventory: Inventory, emulator: Emulator, options: dict[str, Any], found: str, queries: list[dict[str, str]]
) -> None:
    emulator.add_zone("shop.example")
    emulator.add_zone("blog.example", status="pending")
    emulator.add_zone("xn--bcher-kva.example", status="moved", account_id=OTHER_ACCOUNT)
    names = {"shop": "shop.example", "blog": "blog.example", "buch": "xn--bcher-kva.example"}
    assert set(inventory.read(**options).hosts) == {names[word] for word in found.split()}
    paging = {"page": "1", "per_page": "50"}
    assert [exchange.query for exchange in emulator.journal] == [{**query, **paging} for query in queries]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"names": ["example.com", "exmaple.com"]}, "No zone exmaple.com that"), ({"name_contains": "q"}, "No zone that")],
)
def test_what_is_not_found_is_told(inventory: Inventory, zone: Zone, options: dict[str, Any], named: str) -> None:
    (warning,) = inventory.read(**options).warnings
    assert named in warning
    assert "permission 'Zone Read'" in warning


def test_a_zone_that_is_listed_on_two_pages_is_one_host(inventory: Inventory, emulator: Emulator, zone: Zone) -> None:
    emulator.faults.append(Fault(body={"success": True, "result": [zone.describe(), zone.describe()]}))
    assert set(inventory.read().hosts) == {zone.name}
    assert inventory.warnings == []


# ------------------------------------------------------------------------------------------ one name, two zones


@pytest.mark.parametrize(
    ("statuses", "host"),
    [
        (["active", "pending"], 0),
        (["moved", "active"], 1),
        (["pending", "pending"], None),
        (["active", "active"], None),
    ],
)
def test_of_two_zones_of_one_name_the_host_is_the_active_one(
    inventory: Inventory, emulator: Emulator, zone: Zone, statuses: list[str], host: int | None
) -> None:
    accounts = zip(statuses, (ACCOUNT, OTHER_ACCOUNT))
    zones = [emulator.add_zone("twice.example", status=status, account_id=account) for status, account in accounts]
    hosts = inventory.read().hosts
    assert zone.name in hosts
    assert hosts.get("twice.example", {}).get("cloudflare_zone_id") == (None if host is None else zones[host].id)
    (warning,) = inventory.warnings
    for one in zones:
        assert f"{one.id} ({one.status}, account {one.account_id})" in warning
    assert (f"The host is {zones[host or 0].id}" if host is not None else "No host is made of any") in warning
    assert "Set account_id or statuses to choose" in warning


@pytest.mark.parametrize(
    ("first", "second", "host"),
    [("active", "pending", 0), ("pending", "active", 1), ("pending", "moved", 0), ("active", "active", 0)],
)
def test_two_sources_with_zones_of_one_name(
    inventory: Inventory, emulator: Emulator, first: str, second: str, host: int
) -> None:
    zones = [
        emulator.add_zone("twice.example", status=first),
        emulator.add_zone("twice.example", status=second, account_id=OTHER_ACCOUNT),
    ]
    inventory.read(account_id=ACCOUNT)
    assert inventory.warnings == []
    inventory.read(account_id=OTHER_ACCOUNT)
    assert inventory.hosts["twice.example"]["cloudflare_zone_id"] == zones[host].id
    assert len(inventory.warnings) == 1


def test_two_sources_with_the_same_zone(inventory: Inventory, zone: Zone) -> None:
    inventory.read().read(names=[zone.name])
    assert inventory.hosts[zone.name]["cloudflare_zone_id"] == zone.id
    assert inventory.warnings == []


# --------------------------------------------------------------------------------------------- constructed


def test_constructed_groups_and_variables(inventory: Inventory, emulator: Emulator) -> None:
    emulator.add_zone("shop.example")
    emulator.add_zone("blog.example", status="pending", plan="Free Website")
    inventory.read(
        leading_separator=False,
        keyed_groups=[{"prefix": "plan", "key": "cloudflare_zone_plan"}, {"key": "cloudflare_zone_status"}],
        groups={"canaries": "cloudflare_zone_name == 'shop.example'"},
        compose={"url": "'https://' ~ cloudflare_zone_name ~ '/'", "ansible_connection": "'ssh'", "missing": "nothing"},
    )
    shop, blog = ["shop.example"], ["blog.example"]
    groups = {"plan_Pro_Website": shop, "plan_Free_Website": blog, "active": shop, "pending": blog, "canaries": shop}
    assert {name: inventory.groups[name] for name in groups} == groups
    assert inventory.hosts["shop.example"]["url"] == "https://shop.example/"
    assert inventory.hosts["shop.example"]["ansible_connection"] == "ssh"
    assert "missing" not in inventory.hosts["shop.example"]


@pytest.mark.parametrize(
    "options", [{"compose": {"a": "nothing"}}, {"groups": {"a": "nothing"}}, {"keyed_groups": [{"key": "nothing"}]}]
)
def test_strict(inventory: Inventory, zone: Zone, options: dict[str, Any]) -> None:
    inventory.read(**options)
    with pytest.raises(AnsibleError, match="nothing"):
        inventory.read(strict=True, **options)


# -------------------------------------------------------------------------------------------- credentials


def test_credentials_from_the_environment(
    inventory: Inventory, emulator: Emulator, zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AWX hands them over: optional fields are there, and empty."""
    del inventory.options["api_token"], inventory.options["api_base_url"]
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", emulator.url)
    for name in ("CF_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", token)
    assert zone.name in inventory.read().hosts
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", " ")
    with pytest.raises(AnsibleParserError, match="There are no credentials"):
        inventory.read()
    monkeypatch.setenv("CLOUDFLARE_API_KEY", emulator.add_key("user@example.com"))
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "user@example.com")
    assert zone.name in inventory.read().hosts


def test_templated_options(inventory: Inventory, zone: Zone, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TOKEN", token)
    template = "{{ lookup('ansible.builtin.env', 'OUR_TOKEN') }}"
    inventory.read(api_token=template, timeout="{{ 10 + 5 }}", names=["{{ 'example' }}.com"], validate_certs="{{ 1 }}")
    assert set(inventory.hosts) == {zone.name}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"acount_id": ACCOUNT}, "No such option: acount_id. There are account_id, api_base_url"),
        ({"account_id": "shop"}, "account_id must be 32 hexadecimal characters, not 'shop'"),
        ({"names": ["exa mple.com"]}, "names: 'exa mple.com' is not a domain name"),
        ({"names": [{"a": "b"}]}, "is not a domain name"),
        ({"name_contains": "bü"}, "name_contains 'bü' can be no part of a name"),
        ({"statuses": ["activ"]}, "activ"),
        ({"timeout": "soon"}, "timeout.*'soon'"),
        ({"timeout": 0}, "timeout must be at least 1 second"),
        ({"api_token": "{{ nothing }}"}, "The option api_token cannot be worked out: 'nothing' is undefined"),
        ({"api_token": {"canary": "canary-secret"}}, "The option api_token must be a text"),
        ({"api_token": "canary secret"}, r"API token \(api_token, CLOUDFLARE_API_TOKEN\) has white space"),
        ({"api_token": None, "api_key": ["canary-secret"]}, "The option api_key must be a text"),
        ({"api_key": "canary-secret"}, "Set either api_token or api_key with api_email, not both"),
        ({"api_base_url": "http://api.cloudflare.com/"}, "would send the credentials unencrypted"),
        ({"api_base_url": "http://127.0.0.1:9"}, "Is the network, or a proxy .* in order, and api_base_url right"),
        ({"ca_path": "/nonexistent/ca.pem"}, "ca_path /nonexistent/ca.pem cannot be read"),
        ({"plugin": "constructed"}, "Incorrect plugin name"),
    ],
)
def test_bad_options_get_one_message(
    inventory: Inventory, emulator: Emulator, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(AnsibleError, match=message) as caught:
        inventory.read(**options)
    assert "canary" not in str(caught.value)
    assert emulator.journal == []
    assert inventory.hosts == {}


# --------------------------------------------------------------------------------------------- bad answers


@pytest.mark.parametrize("variable", ["CLOUDFLARE_API_TOKEN", "HTTPS_PROXY"])
@pytest.mark.parametrize(
    "option", ["statuses", "timeout", "names", "name_contains", "account_id", "api_base_url", "ca_path", "retries"]
)
def test_a_secret_in_another_option_is_hidden(
    option: str, variable: str, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "Canary_of_the-secret!0123456789"
    monkeypatch.setenv(variable, secret if variable.startswith("CLOUDFLARE") else f"http://user:{secret}@127.0.0.1:9")
    value: Any = [secret] if option in ("statuses", "names") else secret
    with pytest.raises(AnsibleError, match=r"\*{8}|api_base_url must") as caught:
        inventory.read(**{option: value})
    assert secret.lower() not in "".join(traceback.format_exception(caught.value)).lower()


def test_a_secret_is_hidden_in_warnings_as_well(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CF_API_TOKEN", "canary-token.example")
    inventory.read(names=["canary-token.example"])
    (warning,) = inventory.warnings
    assert "No zone ********" in warning


def test_credentials_that_are_not_good(inventory: Inventory, emulator: Emulator) -> None:
    with pytest.raises(
        AnsibleParserError, match=r"Invalid access token \(code 9109\).*The token is not valid"
    ) as caught:
        inventory.read(api_token="canary-wrong")
    assert "canary" not in str(caught.value)
    with pytest.raises(AnsibleParserError, match="lack the permission 'Zone Read'"):
        inventory.read(api_token=emulator.add_token(permissions=frozenset({SETTINGS_READ})))


@pytest.mark.parametrize(
    "result", [[{"id": "a" * 32}], [{"name": "example.com"}], [{"id": 1, "name": "example.com"}], ["zone"], {"a": "b"}]
)
def test_answers_that_are_not_zones(inventory: Inventory, emulator: Emulator, result: Any) -> None:
    emulator.faults.append(Fault(body={"success": True, "result": result}))
    with pytest.raises(AnsibleParserError, match=r"without an id or a name|did not answer with a list"):
        inventory.read()
    assert inventory.hosts == {}


def test_what_cloudflare_does_not_tell_is_none(inventory: Inventory, emulator: Emulator) -> None:
    zone = {"id": "a" * 32, "name": "example.com", "plan": None, "account": {"id": 1}, "status": "held", "new": "field"}
    emulator.faults.append(Fault(body={"success": True, "result": [zone]}))
    variables = inventory.read().hosts["example.com"]
    assert [variables[f"cloudflare_{name}"] for name in ("zone_status", "zone_plan", "account_id")] == [
        "held",
        None,
        None,
    ]


def test_a_connection_that_is_lost_is_made_again(inventory: Inventory, emulator: Emulator, zone: Zone) -> None:
    emulator.faults.append(Fault(drop=True))
    assert zone.name in inventory.read(retries=1).hosts


def test_a_wait_for_the_rate_limit_is_told(
    inventory: Inventory, emulator: Emulator, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.quota = 10
    for _request in range(8):
        inventory.read()
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    assert inventory.warnings == []
    (warning,) = inventory.read().warnings
    assert 295 < sum(waits) <= 301
    assert f"Waited {sum(waits)} seconds for Cloudflare's rate limit" in warning


def test_missing_requests(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    options = sys.modules["ansible_collections.originsec.cloudflare.plugins.module_utils._options"]
    monkeypatch.setattr(options, "REQUESTS_IMPORT_ERROR", "the traceback")
    with pytest.raises(AnsibleParserError, match=r"requests, with urllib3 >= 1\.26") as caught:
        inventory.read()
    assert "the traceback" not in str(caught.value)


# ---------------------------------------------------------------------------------------------- the cache


@pytest.fixture
def cached(inventory: Inventory, zone: Zone) -> Inventory:
    directory = inventory.directory / "cache"
    inventory.options |= {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(directory)}
    return inventory


def test_from_the_cache_without_a_request(cached: Inventory, emulator: Emulator, zone: Zone) -> None:
    hosts = cached.read().hosts
    cached.data = InventoryData()
    assert cached.read(compose={"a": "'b'"}).hosts == {zone.name: {**hosts[zone.name], "a": "b"}}
    assert emulator.count() == {"GET": 1}
    emulator.add_zone("new.example")
    assert "new.example" in cached.read(cache=False).hosts, "as --flush-cache and meta: refresh_inventory ask for"
    cached.data = InventoryData()
    assert "new.example" in cached.read().hosts
    assert emulator.count() == {"GET": 2}


def test_an_empty_list_is_cached_too(cached: Inventory, emulator: Emulator) -> None:
    cached.read(names=["example.org"]).read(names=["example.org"])
    assert emulator.count() == {"GET": 1}
    assert len(cached.warnings) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"api_token": "other"},
        {"account_id": ACCOUNT},
        {"names": ["example.com"]},
        {"name_contains": "example"},
        {"statuses": ["active"]},
        {"statuses": ["active", "pending"]},
        {"names": ["example.com"], "name_contains": "example"},
    ],
)
def test_other_credentials_and_filters_are_other_entries(
    cached: Inventory, emulator: Emulator, options: dict[str, Any]
) -> None:
    emulator.add_token(token="other")
    cached.read().read(**options).read(**options)
    assert emulator.count() == {"GET": 2}


def test_the_cache_expires(cached: Inventory, emulator: Emulator) -> None:
    cached.read(cache_timeout=1)
    (entry,) = (cached.directory / "cache").iterdir()
    os.utime(entry, (0, 0))
    cached.read(cache_timeout=1)
    assert emulator.count() == {"GET": 2}


def test_neither_cache_nor_variables_hold_a_secret(cached: Inventory, token: str) -> None:
    cached.read()
    (entry,) = (cached.directory / "cache").iterdir()
    digests = [hashlib.new(name, token.encode()).hexdigest() for name in ("md5", "sha1", "sha256")]
    for secret in (token, *(digest[:12] for digest in digests)):
        assert secret not in entry.name + entry.read_text() + json.dumps(cached.hosts, default=str)


def test_the_memory_cache(cached: Inventory, emulator: Emulator, zone: Zone) -> None:
    assert zone.name in cached.read(cache_plugin="memory", cache_connection=None).hosts
    assert emulator.count() == {"GET": 1}


# --------------------------------------------------------------------------------- by the commands of Ansible


@dataclass
class Commands:
    """ansible-inventory and others, with an inventory file that holds no more than the plugin's name."""

    directory: Path
    variables: dict[str, str]
    output: str = ""

    def run(self, command: str, *arguments: str, source: str = "", **variables: str) -> str:
        """What it printed; ``output`` has its complaints besides."""
        path = self.directory / "our.cloudflare.yml"
        path.write_text(f"plugin: {NAME}\n{source}")
        finished = subprocess.run(
            [str(TOOLS / command), "-i", str(path), *arguments],
            env=environment(self.directory, **{"ANSIBLE_NOCOLOR": "1", **self.variables, **variables}),
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        self.output = finished.stderr + finished.stdout
        return finished.stdout


@pytest.fixture
def commands(tmp_path: Path, emulator: Emulator, token: str) -> Commands:
    return Commands(tmp_path, {"CLOUDFLARE_BASE_URL": emulator.url, "CLOUDFLARE_API_TOKEN": token})


CACHE = "cache: true\ncache_plugin: jsonfile\ncache_connection: cache\n"


@pytest.mark.long
def test_a_thousand_zones(commands: Commands, emulator: Emulator) -> None:
    for number in range(1000):
        emulator.add_zone(f"zone{number:03}.example")
    listed = json.loads(commands.run("ansible-inventory", "--list", source=CACHE))
    assert emulator.count() == {"GET": 20}
    assert len(listed["zones"]["hosts"]) == len(listed["_meta"]["hostvars"]) == 1000
    # Plain texts, for AWX and others that read this
    ids = {variables["cloudflare_zone_id"] for variables in listed["_meta"]["hostvars"].values()}
    assert ids == set(emulator.zones)
    graph = commands.run("ansible-inventory", "--graph", source=CACHE)
    assert [line for line in graph.splitlines() if "@" in line] == ["@all:", "  |--@ungrouped:", "  |--@zones:"]
    assert graph.count("  |  |--zone") == 1000
    assert emulator.count() == {"GET": 20}, "the second one is from the cache"
    (commands.directory / "look.yml").write_text("- hosts: zones\n")
    commands.run("ansible-playbook", "look.yml", "--list-hosts", "--flush-cache", source=CACHE)
    assert emulator.count() == {"GET": 40}


def test_as_awx_does(commands: Commands, emulator: Emulator, zone: Zone, token: str) -> None:
    """An inventory update: the variables of a credential, and the output of ansible-inventory --export."""
    blank = dict.fromkeys(("CF_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"), "")
    path = commands.directory / "our.cloudflare.yml"
    path.write_text(f"plugin: {NAME}\n")
    variables = environment(commands.directory, ANSIBLE_INVENTORY_UNPARSED_FAILED="True", **commands.variables, **blank)
    code = (
        "import json, sys, ansible_runner\n"
        "answer, error = ansible_runner.get_inventory(action='list', inventories=[sys.argv[1]], export=True,\n"
        "    response_format='json', quiet=True)\n"
        "print(json.dumps(answer))\nprint(error, file=sys.stderr)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, str(path)], env=variables, capture_output=True, text=True, check=True
    )
    assert json.loads(finished.stdout)["_meta"]["hostvars"][zone.name]["cloudflare_zone_id"] == zone.id
    assert token not in finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("source", "variables", "message"),
    [
        ("", {"CLOUDFLARE_API_TOKEN": "canary-wrong"}, "Invalid access token (code 9109)"),
        ("", {"CLOUDFLARE_API_TOKEN": ""}, "There are no credentials: set api_token"),
        ("", {"CLOUDFLARE_BASE_URL": "ftp://canary@host"}, "api_base_url must look like https"),
        ("api_token: canary token\n", {}, "has white space inside"),
        ("acount_id: a\n", {}, "No such option: acount_id."),
    ],
)
@pytest.mark.long
def test_one_message_and_no_secret(
    commands: Commands, token: str, source: str, variables: dict[str, str], message: str
) -> None:
    commands.run("ansible-inventory", "--list", "-vvvv", source=source, **variables)
    told = " ".join(commands.output.split())
    # ansible-core >= 2.19 prints the message of every plugin's failure twice
    assert told.count(message) in (1, 2)
    assert token not in commands.output
    assert "canary" not in commands.output
    commands.run("ansible-inventory", "--list", source=source, **variables)
    assert "Traceback" not in commands.output


def test_credentials_from_the_vault(commands: Commands, zone: Zone, token: str) -> None:
    (commands.directory / "password").write_text("password")
    encrypted = VaultLib([("default", VaultSecret(b"password"))]).encrypt(token).decode()
    source = "api_token: !vault |\n" + "".join(f"  {line}\n" for line in encrypted.splitlines())
    unset = {"CLOUDFLARE_API_TOKEN": ""}
    commands.run("ansible-inventory", "--list", "--vault-password-file", "password", source=source + CACHE, **unset)
    assert zone.name in commands.output
    commands.run("ansible-inventory", "--list", "-vvvv", source=source, **unset)
    assert "Attempting to decrypt but no vault secrets found" in " ".join(commands.output.split())
    assert token not in commands.output


PLAYBOOK = """\
- hosts: zones
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
    - ansible.builtin.debug:
        msg: "NAME {{ inventory_hostname }} {{ cloudflare_zone_name }} PLAN {{ cloudflare_zone_plan }} MORE {{ more }}"
"""


def test_texts_of_the_api_are_no_templates(commands: Commands, emulator: Emulator) -> None:
    trap = "{{ lookup('ansible.builtin.pipe', 'touch trapped') }}"
    emulator.add_zone(trap, plan=trap, status=trap)
    (commands.directory / "look.yml").write_text(PLAYBOOK)
    source = "compose:\n  more: cloudflare_zone_status\nkeyed_groups:\n  - key: cloudflare_zone_plan\n"
    for _run in ("fresh", "from the cache"):
        commands.run("ansible-playbook", "look.yml", source=source + CACHE)
        assert f"NAME {trap} {trap} PLAN {trap} MORE {trap}" in commands.output.replace("\\", "")
        assert "failed=0" in commands.output
    assert not (commands.directory / "trapped").exists()
    assert emulator.count() == {"GET": 1}


def test_a_playbook_finds_the_zones_and_runs_here(commands: Commands, emulator: Emulator, zone: Zone) -> None:
    (commands.directory / "look.yml").write_text(
        "- hosts: zones\n"
        "  gather_facts: false\n"
        "  tasks:\n"
        "    - originsec.cloudflare.origin_tls_info:\n"
        "        zone_id: '{{ cloudflare_zone_id }}'\n"
        "        gather_subset: [ssl]\n"
    )
    commands.run("ansible-playbook", "look.yml", "-e", "account=" + ACCOUNT, source="account_id: '{{ account }}'\n")
    assert "failed=0" in commands.output
    assert "ok=1" in commands.output
    assert [exchange.path for exchange in emulator.journal] == ["/zones", f"/zones/{zone.id}/settings/ssl"]
