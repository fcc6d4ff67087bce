# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters and the lookup of the playbook harden: what is refused, and what is told of a fleet."""

from __future__ import annotations

import csv
import io
import json
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible import context
from ansible.errors import AnsibleFilterError, AnsibleLookupError
from ansible.module_utils.common.collections import ImmutableDict

from ansible_collections.originsec.cloudflare.plugins.filter import (
    fleet_problems,
    harden_fleet,
    harden_report,
    report_paths,
    tags_select_nothing,
)
from ansible_collections.originsec.cloudflare.plugins.lookup.environment_file import LookupModule
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._role_action import in_the_users_names

FILTERS = {
    module.__name__.rpartition(".")[2]: module
    for module in (fleet_problems, harden_fleet, harden_report, report_paths, tags_select_nothing)
}
OURS, THEIRS = "a" * 64, "b" * 64


def certificate(fingerprint: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"id of {fingerprint[:1]}",
        "subject": "CN=edge",
        "fingerprint_sha256": fingerprint,
        "not_after": "2027-01-01T00:00:00Z",
        "days_remaining": 300,
        **more,
    }


def facts(kex: bool, enabled: bool, *fingerprints: str) -> dict[str, Any]:
    certificates = [certificate(one) for one in fingerprints]
    active = certificates[0] if certificates else None
    client_auth = {"enabled": enabled, "certificates": certificates, "active_certificate": active}
    return {"ssl_mode": "strict", "auto_origin_tls_kex": kex, "compliance_modes": [], "client_auth": client_auth}


def result(*changes: str, **more: Any) -> dict[str, Any]:
    """Of the module origin_tls, for a zone whose certificate is rotated."""
    return {
        "zone_id": "f" * 32,
        "changed": bool(changes),
        "changes": list(changes),
        "before": facts(False, False, THEIRS),
        "after": facts(True, True, OURS),
        "certificate": certificate(OURS),
        "removed": [f"id of {THEIRS[:1]}"],
        "not_verified": None,
        **more,
    }


ROTATION = ("auto_origin_tls_kex", "client_auth", "certificate", "superseded")


def told(results: dict[str, Any], check_mode: bool = False) -> Any:
    hostvars = {zone: {"zone_hardening_report": one} if one else {} for zone, one in results.items()}
    return json.loads(json.dumps(harden_fleet.harden_fleet(hostvars, list(results), check_mode)))


def lines(fleet: Any) -> list[str]:
    return harden_report.harden_report(fleet, "txt", limited=True).splitlines()


@pytest.mark.parametrize("name", FILTERS)
def test_each_is_documented_under_its_name(name: str) -> None:
    module: ModuleType = FILTERS[name]
    assert yaml.safe_load(module.DOCUMENTATION)["name"] == name
    assert list(module.FilterModule().filters()) == [name]


@pytest.mark.parametrize("check_mode", [False, True])
def test_all_formats_tell_the_same(check_mode: bool) -> None:
    results = {
        "same.example": result(),
        "done.example": result(*ROTATION),
        "bad.example": {"failed": True, "msg": "Refused. <b>Nothing</b> was changed."},
        "exempt.example": {"skipped": True, "changed": False},
        "later.example": None,
    }
    fleet = told(results, check_mode)
    statuses = {zone["zone"]: zone["status"] for zone in fleet["zones"]}
    done = "would change" if check_mode else "changed"
    assert statuses["done.example"] == done
    texts = {name: harden_report.harden_report(fleet, name) for name in ("json", "csv", "prom", "xml", "html", "md")}

    assert json.loads(texts["json"]) == fleet
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert {row["zone"]: row["status"] for row in rows} == statuses
    for zone, status in statuses.items():
        (line,) = [line for line in texts["prom"].splitlines() if f'zone="{zone}"' in line]
        assert f'status="{status}"' in line
    for status, number in Counter(statuses.values()).items():
        mode = "true" if check_mode else "false"
        assert f'originsec_harden_zones{{check_mode="{mode}",status="{status}"}} {number}\n' in texts["prom"]
    tests = ET.fromstring(texts["xml"]).iter("testcase")
    assert {test.attrib["name"]: [child.tag for child in test] for test in tests} == {
        "same.example": [],
        "done.example": [],
        "bad.example": ["failure"],
        "exempt.example": ["skipped"],
        "later.example": ["skipped"],
    }
    assert "<b>Nothing" not in texts["html"]
    assert [zone for zone in statuses if zone not in texts["html"]] == []
    assert [zone for zone in ("done.example", "bad.example") if zone not in texts["md"]] == []
    with pytest.raises(AnsibleFilterError, match="pdf"):
        harden_report.harden_report(fleet, "pdf")


def test_every_status() -> None:
    fleet = told(
        {
            "same.example": result(),
            "done.example": result(*ROTATION),
            "cached.example": result(*ROTATION, not_verified="the response came from the cache"),
            "bad.example": {"failed": True, "msg": "Refused.\x1b[2J"},
            "away.example": {"unreachable": True, "msg": "No route."},
            "exempt.example": {"skipped": True, "changed": False},
            "later.example": None,
        }
    )
    assert {zone["zone"]: zone["status"] for zone in fleet["zones"]} == {
        **dict.fromkeys(("bad.example", "away.example"), "failed"),
        **dict.fromkeys(("done.example", "cached.example"), "changed"),
        "same.example": "unchanged",
        "exempt.example": "not managed",
        "later.example": "not begun",
    }
    assert sum(fleet["totals"].values()) == 7 + 7 + 1, "each zone has one status, and one is not verified"
    done = next(zone for zone in fleet["zones"] if zone["zone"] == "done.example")
    assert done["changes"] == [
        {"aspect": "auto_origin_tls_kex", "from": "off", "to": "on"},
        {"aspect": "client_auth", "from": "off", "to": "on"},
        {"aspect": "certificate", "from": THEIRS, "to": OURS},
        {"aspect": "superseded", "from": THEIRS, "to": "removed"},
    ]
    deeds = (
        "enabled automatic key exchange; enabled Authenticated Origin Pulls; "
        f"uploaded CN=edge ({OURS[:16]}), 300 days left; removed 1 other certificate"
    )
    assert lines(fleet) == [
        "7 zones: 2 failed, 2 changed, 1 unchanged, 1 not managed, 1 not begun, 1 not verified",
        "Failed:",
        "  away.example: No route.",
        "  bad.example: Refused. [2J",
        "Changed:",
        f"  cached.example: {deeds}; not verified: the response came from the cache",
        f"  done.example: {deeds}; verified",
        "Not begun: later.example",
        "Not managed: exempt.example",
    ]


def test_settings_in_words() -> None:
    """Also off, and what is a list; and in check mode as what would be done."""
    before, after = facts(True, True, OURS), {**facts(False, False, OURS), "compliance_modes": ["fips", "pqh"]}
    changes = ("ssl_mode", "auto_origin_tls_kex", "compliance_modes", "client_auth")
    fleet = told({"a.example": result(*changes, before=before, after={**after, "ssl_mode": "full"})}, check_mode=True)
    assert [(change["from"], change["to"]) for change in fleet["zones"][0]["changes"]] == [
        ("strict", "full"),
        ("on", "off"),
        ("none", "fips, pqh"),
        ("on", "off"),
    ]
    assert fleet["zones"][0]["verified"] is None
    assert lines(fleet)[1:] == [
        "Would change:",
        "  a.example: set SSL mode to full; disable automatic key exchange; set compliance modes to fips, pqh; "
        "disable Authenticated Origin Pulls",
    ]


def test_three_hundred_zones_fit_a_screen() -> None:
    """Whatever became of them; zones of which the same is to be said share a line, and the file has all of them."""
    results: dict[str, Any] = {}
    for number in range(300):
        name = f"zone{number}.example"
        results[name] = [
            result(),
            result(*ROTATION),
            {"failed": True, "msg": f"GET /zones/{number:032x}/settings/ssl failed: The token is revoked."},
            {"failed": True, "msg": f"{name} has its very own problem number {number}."},
            {"skipped": True},
            None,
        ][number % 6]
    fleet = told(results)
    shown = lines(fleet)
    assert len(shown) < 24
    assert shown[2].startswith(
        "  zone104.example, zone110.example, zone116.example, zone122.example and 46 more zones: "
    )
    assert "  and 39 more zones, which the reports have" in shown
    assert all(name in harden_report.harden_report(fleet, "txt") for name in list(results)[1::6])


def test_markdown_is_inert() -> None:
    """What others chose can neither end a cell nor mention, link or format anything."""
    odd = certificate(OURS, subject="CN=a|b")
    fleet = told(
        {
            "a.example": {"failed": True, "msg": "| <img src=x> @team [link](http://x) `code` **"},
            "b.example": result("certificate", certificate=odd),
        }
    )
    page = harden_report.harden_report(fleet, "md")
    assert "| a.example | \\| &lt;img src=x> &#64;team \\[link\\]\\(http://x\\) \\`code\\` \\*\\* |" in page
    assert f"| b.example | client certificate | {THEIRS[:16]} | {OURS[:16]} | yes |" in page
    assert page.startswith("### Report: 2 zones: 1 failed, 1 changed\n")
    with pytest.raises(AnsibleFilterError, match="The format must be json, md, txt, html, csv, prom or xml, not 'pdf'"):
        harden_report.harden_report(fleet, "pdf")


def test_problems_are_said_once_and_of_whom() -> None:
    """Templates that only the role's tasks can resolve are left to these, and no secret is asked for."""

    class Variables(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            assert "key" not in name or "kex" in name, "it may come from a vault"
            value = super().__getitem__(name)
            if value == "undefined":
                raise RuntimeError("as ansible-core has it")
            return value

    fine = Variables(
        zone_hardening_rollback="{{ x }}", zone_hardening_exclusive="undefined", zone_hardening_private_key=""
    )
    mine = Variables(fine, auditd_rules=[], hardening=1, zone_hardening__ours=1)
    bad = Variables(mine, zone_hardening_exclusive="ture", zone_hardening_xyzzy="", harden_verify_urls=[])
    hosts = {"a.example": fine, "b.example": mine, "c.example": bad, "d.example": bad, "e.example": bad}
    problems = fleet_problems.fleet_problems(hosts, list(hosts), {"harden_max_fail_percentage": "101"})
    assert problems == [
        "c.example and 2 more zones: harden_verify_urls is no variable of the playbooks; did you mean "
        "zone_hardening_verify_urls?",
        "c.example and 2 more zones: zone_hardening_xyzzy is no variable of the role.",
        "c.example and 2 more zones: zone_hardening_exclusive must be a boolean, true or false, not 'ture'.",
        "harden_max_fail_percentage must be a percentage, from 0 to 100, not '101'.",
    ]
    assert fleet_problems.fleet_problems(hosts, ["a.example", "b.example"], {"harden_plan": None}) == []
    assert fleet_problems.fleet_problems({}, [], {"harden_plan": 7}) == [
        "harden_plan must be a list, or text with commas, not 7."
    ]


def test_a_thousand_zones_are_judged_in_no_time() -> None:
    hosts = {f"zone{number}.example": {"zone_hardening_exclusive": "true", "a": 1} for number in range(1000)}
    began = time.process_time()
    assert fleet_problems.fleet_problems(hosts, list(hosts), {}) == []
    assert time.process_time() - began < 1


def test_paths_are_those_of_whoever_types_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert report_paths.report_paths(f" a.md,\n~/b.json, {tmp_path}/a.md") == [
        str(tmp_path / "a.md"),
        "/home/somebody/b.json",
    ]
    assert report_paths.report_paths(None) == []
    with pytest.raises(AnsibleFilterError, match="A report must be a list"):
        report_paths.report_paths(7)


def test_files_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = LookupModule()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FILE", " ~/client.pem ")
    with pytest.raises(AnsibleLookupError, match=r"FILE names ~/client.pem, which cannot be read: No such file"):
        lookup.run(["FILE"])
    (tmp_path / "client.pem").write_bytes(b"\xff")
    with pytest.raises(AnsibleLookupError, match=r"FILE names ~/client.pem, which is no text"):
        lookup.run(["FILE"])
    (tmp_path / "client.pem").write_text("\n")
    with pytest.raises(AnsibleLookupError, match=r"FILE names ~/client.pem, which is empty"):
        lookup.run(["FILE"])
    (tmp_path / "client.pem").write_text("text\n")
    monkeypatch.setenv("BLANK", " ")
    monkeypatch.setenv("HERE", "client.pem")
    assert lookup.run(["FILE", "BLANK", "HERE"]) == ["text", "", "text"]


@pytest.mark.parametrize(
    ("command", "run", "skip", "nothing"),
    [
        ("originsec.cloudflare.harden", ["all"], [], False),
        ("originsec.cloudflare.harden", ["untagged", "x"], ["x"], False),
        ("originsec.cloudflare.harden", ["x"], [], True),
        ("originsec.cloudflare.harden", ["all"], ["untagged"], True),
        ("playbooks/harden.yml", ["x"], [], True),
        ("site.yml", ["x"], [], False),
    ],
)
def test_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, run: list[str], skip: list[str], nothing: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(args=(command,)))
    assert tags_select_nothing.tags_select_nothing(run, skip, str(tmp_path / "playbooks")) is nothing


def test_messages_name_what_the_user_gave() -> None:
    message = "private_key does not belong to the certificate, and 'certificate' may be old (private_key_passphrase)."
    assert in_the_users_names(message, {"private_key": "CLOUDFLARE_CLIENT_KEY_FILE"}) == (
        "zone_hardening_private_key (CLOUDFLARE_CLIENT_KEY_FILE) does not belong to the certificate, and "
        "'zone_hardening_certificate' may be old (zone_hardening_private_key_passphrase)."
    )
