# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""300 zones in three accounts, audited, hardened and audited again: every number of every report is the emulator's."""

from __future__ import annotations

import csv
import hashlib
import html
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.playbooks.fleet import Fleet, Run
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

ACCOUNTS = {"shops": "1" * 32, "blogs": "2" * 32, "archive": "3" * 32}
FILES = {"CLOUDFLARE_CLIENT_CERTIFICATE_FILE": "client.pem", "CLOUDFLARE_CLIENT_KEY_FILE": "client.key"}
AUDIT_REPORTS = "audit_report=a.html,a.json,a.csv,a.prom,a.xml,a.txt"
HARDEN_REPORTS = "harden_report=h.html,h.json,h.csv,h.prom,h.xml,h.txt,h.md"
EXPIRING = "shops5.example"


@dataclass
class Truth:
    """What the emulator has, by zone: the status, and the kinds of drift."""

    statuses: dict[str, str]
    drift: dict[str, set[str]]

    @property
    def counted(self) -> Counter[str]:
        return Counter(self.statuses.values())


@pytest.fixture
def fleet(tmp_path: Path, emulator: Emulator, client_certificate: Issued) -> Fleet:
    """An inventory, a group and a token for each account; the token of the archive is revoked."""
    (tmp_path / "client.pem").write_text(client_certificate.pem)
    (tmp_path / "client.key").write_text(client_certificate.key_pem)
    (tmp_path / "group_vars").mkdir()
    zones: dict[str, Zone] = {}
    for account, account_id in ACCOUNTS.items():
        own = [
            emulator.add_zone(f"{account}{number}.example", account_id=account_id, account_name=account)
            for number in range(100)
        ]
        zones |= {zone.name: zone for zone in own}
        token = emulator.add_token(zones=own, user=account) if account != "archive" else "revoked"
        (tmp_path / f"{account}.token").write_text(token)
        lookup = f"lookup('ansible.builtin.file', '{tmp_path}/{account}.token')"
        source = {
            "plugin": "originsec.cloudflare.zones",
            "api_token": f"{{{{ {lookup} }}}}",
            "groups": {account: "true"},
        }
        (tmp_path / f"{account}.cloudflare.yml").write_text(json.dumps(source))
        (tmp_path / "group_vars" / f"{account}.json").write_text(
            json.dumps({"zone_hardening_api_token": f"{{{{ {lookup} }}}}", "zone_audit_owner": f"{account} team"})
        )
    for zone in zones.values():
        zone.kex_enabled = zone.aop_enabled = True
        emulator.upload(zone, (issue("old", ends=12) if zone.name == EXPIRING else client_certificate).pem)
    waiver = {"aspect": "ssl_mode", "reason": "moves in spring", "until": "2099-12-31"}
    waived = [f"blogs{number}.example" for number in range(3)]
    for number in range(5):
        zones[f"blogs{number + 10}.example"].paused = True
        zones[f"blogs{number + 10}.example"].kex_enabled = False
    for name in waived:
        zones[name].ssl_mode = "flexible"
    for number in range(12):
        zone = zones[f"shops{number + 20}.example"]
        zone.kex_enabled = False
        zone.aop_enabled = number % 2 == 0
    variables = {
        "zone_hardening_required_ssl_modes": ["full"],
        "zone_hardening_exclusive": True,
        "zone_hardening_verify_urls": [],
        "zone_hardening_verify_settle": 0,
    }
    hosts = {name: {"zone_hardening_waivers": [waiver]} for name in waived}
    (tmp_path / "variables.json").write_text(json.dumps({"zones": {"vars": variables, "hosts": hosts}}))
    return Fleet(tmp_path, emulator, "no token of an account", zones, timeout=1200.0)


def truth(fleet: Fleet, client_certificate: Issued) -> Truth:
    """Worked out from the zones, not by the code that is tested."""
    statuses: dict[str, str] = {}
    drift: dict[str, set[str]] = {}
    for name, zone in fleet.zones.items():
        if name.startswith("archive"):
            continue
        kinds = {
            *([] if zone.kex_enabled else ["auto_origin_tls_kex"]),
            *([] if zone.aop_enabled else ["client_auth"]),
            *([] if zone.ssl_mode == "full" else ["ssl_mode"]),
        }
        (active,) = fleet.emulator.active(zone)
        if hashlib.sha256(zone.certificates[active].parsed.der).hexdigest() != client_certificate.fingerprint:
            kinds |= {"certificate", "certificate_expiring", "superseded"}
        if zone.paused:
            statuses[name], drift[name] = "inactive", set()
        elif kinds == {"ssl_mode"}:
            statuses[name], drift[name] = "waived", set()
        else:
            statuses[name], drift[name] = "drift" if kinds else "compliant", kinds
    return Truth(statuses, drift)


def run(fleet: Fleet, playbook: str, *arguments: str) -> Run:
    sources = [f"-i{account}.cloudflare.yml" for account in ACCOUNTS]
    return fleet.run(playbook, *sources, "-ivariables.json", *arguments, **FILES, ANSIBLE_FORKS="4")


def on_screen(run: Run, task: str) -> list[str]:
    told = re.search(rf"^TASK \[{task}\].*?^ok: \[.*?\] => (\{{.*?^\}})", run.output, re.MULTILINE | re.DOTALL)
    assert told, run.output
    lines: list[str] = json.loads(told[1])["msg"]
    return lines


def tiles(page: str) -> dict[str, int]:
    found = re.findall(r"<dt>([^<]*)</dt><dd>([\d,]+)</dd>", page)
    return {html.unescape(name): int(number.replace(",", "")) for name, number in found}


def metrics(text: str, name: str, label: str) -> dict[str, float]:
    """Of a metric, the values by one label."""
    found = re.findall(rf'^{name}\{{(?:.*,)?{label}="([^"]*)".*\}} (\S+)$', text, re.MULTILINE)
    return {value: float(number) for value, number in found}


def agrees(fleet: Fleet, run: Run, expected: Truth) -> None:
    """Screen and reports of an audit with the truth, and with one another."""
    counted, zones = expected.counted, len(expected.statuses)
    words = {"drift": "with drift", "inactive": "not active", "waived": "waived", "compliant": "compliant"}
    line = ", ".join(f"{counted[status]} {words[status]}" for status in words if counted[status])
    lines = on_screen(run, "Show what was found")
    assert lines[0] == f"{zones} zones: {line}"
    unread = [one for one in lines if one.startswith("Incomplete: ")]
    assert len(unread) == 2
    assert "archive.cloudflare.yml: it could not be read: " in unread[0]
    assert "Invalid access token" in unread[0]
    assert unread[1].endswith("200 zones are in this audit, and audit_expected_zones is 300.")
    assert len(lines) < 40

    page, told, table, prom, xml, text = (
        (fleet.directory / f"a.{format_}").read_text() for format_ in ("html", "json", "csv", "prom", "xml", "txt")
    )
    report = json.loads(told)
    found = {row["zone"]: row for row in report["zones"]}
    assert {name: row["status"] for name, row in found.items()} == expected.statuses
    assert {name: {one["kind"] for one in row["drift"]} for name, row in found.items()} == expected.drift
    assert {row["owner"] for row in report["zones"]} == {"shops team", "blogs team"}
    assert len(report["incomplete"]) == 2
    soon = sum(row["certificate"]["days_remaining"] < 30 for row in report["zones"])
    assert report["totals"] | {**counted, "zones": zones, "expiring_in_30_days": soon} == report["totals"]

    shown = tiles(page)
    assert {words[status]: shown.get(words[status], 0) for status in words} == {
        words[status]: counted[status] for status in words
    }
    assert shown["within 30 days"] == soon
    assert len(set(re.findall(r'id="zone-(\d+)"', page))) == zones
    assert Counter(re.findall(r'data-status="([^"]*)"', page)) == counted

    rows = list(csv.DictReader(table.splitlines()))
    assert {row["zone"]: row["status"] for row in rows if row["zone"]} == expected.statuses
    assert {row["zone"]: set(row["drift"].split()) for row in rows if row["zone"]} == expected.drift
    assert [row["status"] for row in rows if not row["zone"]] == ["incomplete", "incomplete"]

    assert metrics(prom, "originsec_audit_zones", "status") == {
        **dict.fromkeys(("unreadable", "not managed", *words), 0),
        **counted,
    }
    drifted = Counter(re.findall(r'^originsec_zone_drift\{.*kind="(.*?)".*\} 1$', prom, re.MULTILINE))
    assert drifted == Counter(kind for kinds in expected.drift.values() for kind in kinds)
    days = metrics(prom, "originsec_zone_certificate_days_remaining", "zone")
    assert days == {name: row["certificate"]["days_remaining"] for name, row in found.items()}
    assert "\noriginsec_audit_complete 0\n" in prom
    assert "\noriginsec_audit_expected_zones 300\n" in prom

    suite: Any = ElementTree.fromstring(xml).find("testsuite")
    assert {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": zones + 2,
        "failures": counted["drift"],
        "errors": 2,
        "skipped": counted["waived"] + counted["inactive"],
    }
    assert text.splitlines()[0] == lines[0]
    assert all(name in text for name, kinds in expected.drift.items() if kinds)


def hardened_agrees(fleet: Fleet, run: Run, before: Truth) -> None:
    """Screen and reports of harden with what the emulator had before."""
    expected = {"drift": "changed", "inactive": "not active", "waived": "unchanged", "compliant": "unchanged"}
    statuses = {name: expected[status] for name, status in before.statuses.items()}
    counted: Mapping[str, int] = Counter(statuses.values())
    lines = on_screen(run, "Show the summary")
    assert lines[0] == "200 zones: 5 not active, 13 changed, 182 unchanged, 13 not verified"
    assert len(lines) < 20
    page, told, table, prom, xml, text, markdown = (
        (fleet.directory / f"h.{format_}").read_text()
        for format_ in ("html", "json", "csv", "prom", "xml", "txt", "md")
    )
    report = json.loads(told)
    assert {row["zone"]: row["status"] for row in report["zones"]} == statuses
    assert Counter(re.findall(r'data-status="([^"]*)"', page)) == counted
    assert {name: number for name, number in tiles(page).items() if number} == counted
    assert {row["zone"]: row["status"] for row in csv.DictReader(table.splitlines()) if row["zone"]} == statuses
    found = {name: number for name, number in metrics(prom, "originsec_harden_zones", "status").items() if number}
    assert found == counted
    suite: Any = ElementTree.fromstring(xml).find("testsuite")
    assert [int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")] == [201, 0, 1, 5]
    assert text.splitlines()[0] == lines[0]
    assert lines[0] in markdown


@pytest.mark.fleet
def test_every_number_of_every_report_is_the_emulators(fleet: Fleet, client_certificate: Issued) -> None:
    before = truth(fleet, client_certificate)
    assert before.counted == {"compliant": 179, "drift": 13, "waived": 3, "inactive": 5}
    gate = ["-e", "audit_expected_zones=300", "-e", "audit_fail_on=client_auth", "-e", "audit_previous=a.json"]
    first = run(fleet, "audit", *gate, "-e", AUDIT_REPORTS)
    assert first.returncode == 2, first.output
    assert first.failed() == {name for name, kinds in before.drift.items() if "client_auth" in kinds} | {"localhost"}
    assert "There is no a.json yet, so nothing was compared." in first.output
    assert set(fleet.emulator.count()) == {"GET"}
    agrees(fleet, first, before)

    done = run(fleet, "harden", "-e", HARDEN_REPORTS)
    assert done.returncode == 2, "since the archive was not read"
    assert done.failed() == {"localhost"}
    hardened_agrees(fleet, done, before)

    after = truth(fleet, client_certificate)
    assert after.counted == {"compliant": 192, "waived": 3, "inactive": 5}
    again = run(fleet, "audit", *gate, "-e", AUDIT_REPORTS)
    assert again.returncode == 2
    assert again.failed() == {"localhost"}, "whatever audit_fail_on says"
    agrees(fleet, again, after)
    gone = sum(map(len, before.drift.values()))
    assert f": 0 new, {gone} gone, 0 unchanged" in " ".join(on_screen(again, "Show what was found"))
    report = json.loads((fleet.directory / "a.json").read_text())
    assert len(report["compared"]["gone"]) == gone
    assert f'originsec_audit_findings{{change="gone"}} {gone}' in (fleet.directory / "a.prom").read_text()
