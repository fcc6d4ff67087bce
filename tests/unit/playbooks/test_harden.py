# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks originsec.cloudflare.harden and harden_canary over fleets, by ansible-playbook."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Exchange, Fault
from ansible_collections.originsec.cloudflare.tests.unit.playbooks.fleet import Fleet, Run
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, QuotaClock

FILES = {"CLOUDFLARE_CLIENT_CERTIFICATE_FILE": "client.pem", "CLOUDFLARE_CLIENT_KEY_FILE": "client.key"}
ZONES = 14

THROUGH_CLOUDFLARE = {"CF-Ray": "8d3c5e0f1a2b3c4d-FRA", "CF-Cache-Status": "DYNAMIC"}

FACTS = """
- ansible.builtin.import_playbook: originsec.cloudflare.harden
- hosts: zones
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} has the report of {{ zone_hardening_report.zone_id }}"
"""


@pytest.fixture
def fleet(tmp_path: Path, emulator: Emulator, token: str, client_certificate: Issued) -> Fleet:
    """Zones whose sites the emulator answers for, too, so that its journal tells what came before what."""
    (tmp_path / "client.pem").write_text(client_certificate.pem)
    (tmp_path / "client.key").write_text(client_certificate.key_pem)
    zones = {zone.name: zone for zone in (emulator.add_zone(f"zone{number}.example") for number in range(ZONES))}
    hosts = {name: {"cloudflare_zone_id": zone.id} for name, zone in zones.items()}
    emulator.faults.append(Fault(path="//site/.*", status=200, times=10**6, headers=THROUGH_CLOUDFLARE))
    variables = {
        "zone_hardening_verify_urls": [f"{emulator.origin}/site/{{{{ inventory_hostname }}}}/"],
        "zone_hardening_verify_retries": 1,
        "zone_hardening_verify_delay": 0,
        "zone_hardening_verify_settle": 0,
    }
    return Fleet(tmp_path, emulator, token, zones, hosts, variables)


@pytest.fixture
def small(fleet: Fleet) -> Fleet:
    """Two zones in the inventory, of those that there are."""
    fleet.hosts = dict(list(fleet.hosts.items())[:2])
    return fleet


def darken(fleet: Fleet, zone: str, status: int = 520) -> None:
    """The site is dark after the first change, and before it is not."""
    fault = Fault(path=f"//site/{zone}/", skip=1, status=status, times=10**6, headers=THROUGH_CLOUDFLARE)
    fleet.emulator.faults.insert(0, fault)


def hardened(fleet: Fleet) -> set[str]:
    return {name for name, zone in fleet.zones.items() if zone.kex_enabled and zone.aop_enabled}


def about(fleet: Fleet, exchange: Exchange) -> str:
    """The name of the zone that a request is about."""
    named = exchange.query.get("name") or exchange.path.removeprefix("//site/").rstrip("/")
    return next((zone.name for zone in fleet.zones.values() if zone.id in exchange.path), named)


def summary(run: Run) -> list[str]:
    """What the summary said, by line."""
    told = re.search(r"^TASK \[Show the summary\].*?^ok: \[.*?\] => (\{.*?^\})", run.output, re.MULTILINE | re.DOTALL)
    assert told, run.output
    lines: list[str] | str = json.loads(told[1])["msg"]
    return [lines] if isinstance(lines, str) else lines


def said(run: Run) -> list[int]:
    """The numbers in what it says before it starts: zones, requests, at most, the limit, minutes, at most."""
    told, *_batches = run.output.split("PLAY [Harden the zones]")
    (line,) = re.findall(r'"msg": "(\d+ zones?: .*)"', told)
    return [int(number) for number in re.findall(r"\d+", line.replace("1,200", "1200"))]


# ---------------------------------------------------------------------------------------------------- which zones


@pytest.mark.long
def test_zones_that_are_named_are_the_whole_set(small: Fleet) -> None:
    """Whatever the inventory has; what it says of them and of its group counts; and they can be limited."""
    first, second, third = list(small.zones)[:3]
    run = small.run("harden", "-e", json.dumps({"zones": f"{first},\n {third}\n"}), **FILES)
    assert run.returncode == 0, run.output
    assert hardened(small) == {first, third}
    assert summary(run)[0] == "2 zones: 2 changed"

    small.variables["zone_hardening_auto_origin_tls_kex"] = None
    run = small.run("harden", "-e", json.dumps({"zones": [second, first]}), "--limit", second, **FILES)
    assert run.returncode == 0, run.output
    assert summary(run)[0] == "1 zone: 1 changed"
    assert "requests if nothing is to change" not in run.output, "no talk of quotas for one zone"
    assert (small.zones[second].aop_enabled, small.zones[second].kex_enabled) == (True, False)


NO_ZONE = {
    "limited": (["--limit", "other.example"], "no host of the pattern zones is left by --limit other.example"),
    "not limited to what is named": (
        ["--limit", "other.example", "-e", '{"zones": ["zone1.example"]}'],
        "no host of the pattern zones_given is left by --limit other.example",
    ),
    "a pattern": (["-e", "harden_hosts=zones:!zones"], "no host of the pattern zones:!zones is left."),
    "blank": (["-e", '{"zones": " ,"}'], "The variable zones is given, but names no zone"),
    "null": (["-e", '{"zones": null}'], "The variable zones is given, but names no zone"),
    "no name": (["-e", '{"zones": ["zone1.example", "zone*"]}'], "this is no name of one: zone*."),
    "tags": (["--tags", "settings"], "This playbook has no tags"),
    "skipped": (["--skip-tags", "all"], "This playbook has no tags"),
}


@pytest.mark.parametrize("case", NO_ZONE)
@pytest.mark.long
def test_no_zone_is_a_failure_that_says_why(small: Fleet, case: str) -> None:
    arguments, why = NO_ZONE[case]
    (small.directory / "other.json").write_text(json.dumps({"all": {"hosts": {"other.example": {}}}}))
    run = small.run("harden", "-iother.json", *arguments, **FILES)
    assert run.returncode == 2, run.output
    assert why in run.output
    assert small.emulator.journal == []


def test_no_inventory_is_a_failure_that_says_why(small: Fleet) -> None:
    small.hosts = {}
    run = small.run("harden", **FILES)
    assert run.returncode == 2
    assert "There is no zone to work on: put them into the group zones of the inventory" in run.output
    run = small.run("harden", "-e", "zones=zone1.example", "--limit", "zone1.example", **FILES)
    assert run.returncode not in (0, 2), "Ansible's own status for a playbook that cannot be read"
    assert "--limit chooses among the hosts of an inventory, and there is none." in run.output
    assert small.emulator.journal == []


@pytest.mark.long
def test_tags_of_whoever_imports_it_are_theirs(small: Fleet) -> None:
    (small.directory / "site.yml").write_text(
        "- ansible.builtin.import_playbook: originsec.cloudflare.harden\n  tags: cloudflare\n"
    )
    run = small.run("site.yml", "--tags", "elsewhere", **FILES)
    assert run.returncode == 0, run.output
    assert small.emulator.journal == []
    run = small.run("site.yml", "--tags", "cloudflare", **FILES)
    assert run.returncode == 0, run.output
    assert hardened(small) == set(small.hosts)


# ------------------------------------------------------------------------------ what of the inventory reaches it

ANSIBLE_CFG = "[defaults]\ntransport = ssh\ninterpreter_python = /nonexistent\n[privilege_escalation]\nbecome = true\n"
OF_MACHINES = {
    "ansible_connection": "ssh",
    "ansible_become": True,
    "ansible_become_method": "su",
    "ansible_python_interpreter": "/nonexistent",
}


@pytest.mark.parametrize("playbook", ["harden", "audit"])
@pytest.mark.parametrize("where", ["inventory", "ansible.cfg", "environment"])
@pytest.mark.long
def test_what_is_said_of_machines_does_not_reach_it(small: Fleet, playbook: str, where: str) -> None:
    environ: dict[str, str] = {}
    if where == "inventory":
        (small.directory / "all.json").write_text(json.dumps({"all": {"vars": OF_MACHINES}}))
        small.variables |= OF_MACHINES
    elif where == "ansible.cfg":
        (small.directory / "ansible.cfg").write_text(ANSIBLE_CFG)
    else:
        environ = {"ANSIBLE_BECOME": "true", "ANSIBLE_TRANSPORT": "ssh", "ANSIBLE_PYTHON_INTERPRETER": "/nonexistent"}
    report = f"{'harden' if playbook == 'harden' else 'audit'}_report=report.json"
    more = ["-iall.json"] if where == "inventory" else []
    run = small.run(playbook, *more, "-e", report, **FILES, **environ)
    assert run.returncode == 0, run.output
    assert (hardened(small) == set(small.hosts)) == (playbook == "harden")
    assert set(Counter(about(small, exchange) for exchange in small.emulator.journal)) == set(small.hosts)
    told = json.loads((small.directory / "report.json").read_text())
    assert [zone["zone"] for zone in told["zones"]] == list(small.hosts)
    assert "unreadable" not in json.dumps(told["zones"])


# ------------------------------------------------------------------------------------- the zone's own variables


@pytest.mark.long
def test_what_is_said_of_a_zone_wins(fleet: Fleet, client_certificate: Issued, other_certificate: Issued) -> None:
    """Over the fleet's and the environment's, blank and null included; and one that is not managed is not read."""
    exempt, null, own, unmanaged, usual = list(fleet.hosts)[:5]
    fleet.hosts = {name: dict(fleet.hosts[name]) for name in (exempt, null, own, unmanaged, usual)}
    fleet.hosts[exempt] |= {"zone_hardening_certificate": "", "zone_hardening_client_auth_enabled": None}
    fleet.hosts[null] |= {"zone_hardening_certificate": None, "zone_hardening_client_auth_enabled": None}
    fleet.hosts[own] |= {
        "zone_hardening_certificate": other_certificate.pem,
        "zone_hardening_private_key": other_certificate.key_pem,
    }
    fleet.hosts[unmanaged]["zone_hardening_manage"] = "no"
    run = fleet.run("harden", "-e", "harden_report=report.json", **FILES)
    assert run.returncode == 0, run.output
    uploads = {
        name: [hashlib.sha256(one.parsed.der).hexdigest() for one in fleet.zones[name].certificates.values()]
        for name in fleet.hosts
    }
    expected: tuple[list[str], ...] = ([], [], [other_certificate.fingerprint], [], [client_certificate.fingerprint])
    assert uploads == dict(zip(fleet.hosts, expected))
    assert fleet.zones[exempt].kex_enabled
    assert not any(about(fleet, exchange) == unmanaged for exchange in fleet.emulator.journal)
    assert summary(run)[-1] == f"Not managed: {unmanaged}"
    told = json.loads((fleet.directory / "report.json").read_text())
    assert told["totals"] | {"zones": 5, "changed": 4, "not_managed": 1} == told["totals"]


# --------------------------------------------------------------------------------------------------- bad input

REFUSED: dict[str, tuple[dict[str, object], dict[str, str], str]] = {
    "misspelt": (
        {"zone_hardening_verify_url": []},
        {},
        "zone_hardening_verify_url is no variable of the role; did you mean zone_hardening_verify_urls?",
    ),
    "misspelt, of the playbook": (
        {"harden_fail_on_change": True},
        {},
        "harden_fail_on_change is no variable of the playbooks; did you mean harden_fail_on_changes?",
    ),
    "misspelt, of the other playbook": (
        {"audit_fail_on_drfit": True},
        {},
        "audit_fail_on_drfit is no variable of the playbooks; did you mean audit_fail_on_drift?",
    ),
    "no boolean": (
        {"harden_fail_on_changes": "perhaps"},
        {},
        "harden_fail_on_changes must be a boolean, true or false, not 'perhaps'.",
    ),
    "no boolean of the role": (
        {"zone_hardening_rollback": "maybe"},
        {},
        "zone_hardening_rollback must be a boolean, true or false, not 'maybe'.",
    ),
    "managed or not": ({"zone_hardening_manage": ""}, {}, "zone_hardening_manage must be a boolean"),
    "no percentage": ({"harden_max_fail_percentage": "few"}, {}, "harden_max_fail_percentage must be a whole number"),
    "a plan without check mode": ({"harden_plan": "plan.json"}, {}, "harden_plan is given, but not --check"),
    "no such format": (
        {"harden_report": "report.pdf"},
        {},
        "report.pdf must end in .json, .md, .txt, .html, .csv, .prom or .xml",
    ),
    "no such directory": ({"harden_report": "missing/report.md"}, {}, "cannot be written: there is no directory"),
    "no such file": (
        {},
        {"CLOUDFLARE_CLIENT_KEY_FILE": "~/key.pem"},
        "CLOUDFLARE_CLIENT_KEY_FILE names ~/key.pem, which cannot be read: No such file or directory.",
    ),
    "a directory": (
        {},
        {"CLOUDFLARE_CLIENT_CERTIFICATE_FILE": "."},
        "CLOUDFLARE_CLIENT_CERTIFICATE_FILE names ., which cannot be read: Is a directory.",
    ),
    "an empty file": (
        {},
        {"CLOUDFLARE_CLIENT_CERTIFICATE_FILE": "empty.pem"},
        "CLOUDFLARE_CLIENT_CERTIFICATE_FILE names empty.pem, which is empty.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.long
def test_what_could_not_be_done_is_refused_once_and_before_the_first_request(small: Fleet, case: str) -> None:
    variables, environ, why = REFUSED[case]
    (small.directory / "empty.pem").write_text("\n")
    small.variables |= variables
    run = small.run("harden", **{**FILES, **environ})
    assert run.returncode == 2, run.output
    assert run.output.count(why) == 1 + ("[ERROR]: Task failed" in run.output), run.output
    assert "Nothing was requested." in run.output
    assert small.emulator.journal == []


@pytest.mark.long
def test_whom_it_is_about_is_said_where_it_is_not_about_all(fleet: Fleet) -> None:
    for name in list(fleet.hosts)[3:6]:
        fleet.hosts[name]["zone_hardening_exclusiv"] = True
    run = fleet.run("harden", **FILES)
    assert "zone3.example and 2 more zones: zone_hardening_exclusiv is no variable of the role" in run.output
    assert fleet.emulator.journal == []


def test_messages_name_the_variable_that_the_value_came_from(small: Fleet, other_certificate: Issued) -> None:
    (small.directory / "client.key").write_text(other_certificate.key_pem)
    run = small.run("harden", HOME=str(small.directory), **{**FILES, "CLOUDFLARE_CLIENT_KEY_FILE": "~/client.key"})
    assert run.returncode == 2
    assert "zone_hardening_private_key (CLOUDFLARE_CLIENT_KEY_FILE) does not belong to " in " ".join(summary(run))
    assert small.emulator.journal == []


# ------------------------------------------------------------------------------------------------ plan and report


@pytest.mark.long
def test_a_plan_needs_no_key_and_can_fail_where_anything_would_change(
    fleet: Fleet, client_certificate: Issued, other_certificate: Issued
) -> None:
    old = fleet.emulator.upload(fleet.zones["zone0.example"], other_certificate.pem)
    fleet.zones["zone0.example"].aop_enabled = True
    plan = ["--check", "-e", "harden_plan=plan.json,plan.md", "-e", "harden_report=report.json"]
    public = {"CLOUDFLARE_CLIENT_CERTIFICATE_FILE": "client.pem"}
    run = fleet.run("harden", *plan, "-e", "harden_fail_on_changes=true", **public)
    assert run.returncode == 2, run.output
    assert run.failed() == set(fleet.hosts)
    assert set(fleet.emulator.count()) == {"GET"}
    assert not (fleet.directory / "report.json").exists()

    told = json.loads((fleet.directory / "plan.json").read_text())
    assert (told["version"], told["check_mode"], told["totals"]["would_change"]) == (1, True, ZONES)
    first = told["zones"][0]
    assert (first["zone"], first["zone_id"]) == ("zone0.example", fleet.zones["zone0.example"].id)
    assert first["changes"] == [
        {"aspect": "auto_origin_tls_kex", "from": "off", "to": "on"},
        {"aspect": "certificate", "from": other_certificate.fingerprint, "to": client_certificate.fingerprint},
        {"aspect": "superseded", "from": other_certificate.fingerprint, "to": "removed"},
    ]
    assert first["certificate"]["fingerprint_sha256"] == client_certificate.fingerprint
    assert (first["verified"], first["error"]) == (None, None)
    page = (fleet.directory / "plan.md").read_text()
    short = other_certificate.fingerprint[:16], client_certificate.fingerprint[:16]
    assert f"| zone0.example | client certificate | {short[0]} | {short[1]} |" in page
    assert page.startswith(f"### Plan: {ZONES} zones: {ZONES} would change\n")

    done = fleet.run("harden", "-e", "harden_report=report.json,report.txt", **FILES)
    assert done.returncode == 0, done.output
    report = json.loads((fleet.directory / "report.json").read_text())
    assert [zone["changes"] for zone in report["zones"]] == [zone["changes"] for zone in told["zones"]]
    assert {(zone["status"], zone["verified"]) for zone in report["zones"]} == {("changed", True)}
    assert old.id not in fleet.emulator.active(fleet.zones["zone0.example"])
    assert (fleet.directory / "report.txt").read_text().count("zone0.example") == 1

    again = fleet.run("harden", *plan, "-e", "harden_fail_on_changes=true", **public)
    assert again.returncode == 0, again.output
    assert summary(again) == [f"{ZONES} zones: {ZONES} unchanged"]
    for text in (run.output, done.output, again.output, page, json.dumps(report)):
        assert "BEGIN" not in text


def test_the_summary_says_what_was_done_and_why_what_was_not(fleet: Fleet) -> None:
    """Failures first, and zones of which the same is to be said together; and each failed zone is a failed host."""
    fleet.emulator.faults.insert(0, Fault(path="//site/zone5.*", status=200, times=10**6))
    darken(fleet, "zone3.example")
    darken(fleet, "zone4.example", 525)
    run = fleet.run("harden", "-e", "harden_report=report.json", **FILES)
    assert run.returncode == 2
    assert run.failed() == {"zone3.example", "zone4.example"}
    lines = summary(run)
    assert lines[0] == f"{ZONES} zones: 2 failed, {ZONES - 2} changed, 1 not verified"
    assert "[WARNING]: noop" not in run.output
    assert lines[1] == "Failed:"
    assert "answered 520" in lines[2]
    assert lines[4] == "Changed:"
    assert lines[5].startswith(
        "  zone0.example, zone1.example, zone10.example, zone11.example and 7 more zones: enabled "
    )
    assert lines[5].endswith("; verified")
    assert "; not verified: " in lines[6]
    assert lines[6].endswith("may have answered itself (no CF-Cache-Status)")
    assert hardened(fleet) == set(fleet.hosts) - {"zone3.example", "zone4.example"}
    report = json.loads((fleet.directory / "report.json").read_text())
    assert [zone["status"] for zone in report["zones"]][:3] == ["failed", "failed", "changed"]


# ------------------------------------------------------------------------------------------- how much, and how many


@pytest.mark.long
def test_a_zone_takes_as_many_requests_as_it_says(small: Fleet) -> None:
    """With the defaults; and the report of a zone is its own."""
    emulator = small.emulator
    usual = next(iter(small.hosts))
    first = small.run("harden", **FILES)
    assert first.returncode == 0, first.output
    taken = Counter(about(small, exchange) for exchange in emulator.journal if "site" not in exchange.path)
    zones, requests, at_most, *_rest = said(first)
    assert taken[usual] * zones <= at_most

    (small.directory / "facts.yml").write_text(FACTS)
    again = small.run("facts.yml", **FILES)
    assert again.returncode == 0, again.output
    assert "changed=1" not in again.output
    taken = Counter(about(small, exchange) for exchange in emulator.journal if "site" not in exchange.path)
    assert taken[usual] * zones == requests
    for name in small.hosts:
        assert f"{name} has the report of {small.zones[name].id}" in again.output, "ansible issue 87148"


BATCHES = [
    ["zone5.example"],
    ["zone9.example", *(f"zone{number}.example" for number in (0, 1, 2, 3, 4, 6, 7, 8, 10))],
    ["zone11.example", "zone12.example", "zone13.example"],
]


@pytest.mark.parametrize(("bad", "begun"), [(None, 3), ("zone5.example", 1), ("zone4.example", 2)])
@pytest.mark.long
def test_canaries(fleet: Fleet, bad: str | None, begun: int) -> None:
    """One, verified, then ten, then the rest. What fails is put back, those beside it are done, no others are begun.

    And the summary is there in any case.
    """
    canaries = dict.fromkeys(("server.example", "zone5.example", "zone9.example"))
    (fleet.directory / "canaries.json").write_text(json.dumps({"canaries": {"hosts": canaries}}))
    if bad:
        darken(fleet, bad)
    run = fleet.run("harden_canary", "-icanaries.json", **FILES, ANSIBLE_STRATEGY="free")
    assert run.returncode == (2 if bad else 0), run.output
    assert run.failed() == ({bad} if bad else set())
    done = {name for batch in BATCHES[:begun] for name in batch} - {bad}
    left = ZONES - len(done) - bool(bad)
    lines = summary(run)
    assert lines[0] == f"{ZONES} zones: " + ", ".join(
        [*(["1 failed"] if bad else []), *([f"{len(done)} changed"] if done else [])]
        + ([f"{left} not begun"] if left else [])
    )
    if bad:
        assert lines[2].startswith(f"  {bad}: ")
        assert "Put back: " in lines[2]

    for name, zone in fleet.zones.items():
        assert (zone.kex_enabled, zone.aop_enabled, len(fleet.emulator.active(zone))) == (
            (True, True, 1) if name in done else (False, False, 0)
        )
    journal = fleet.emulator.journal
    for batch in BATCHES[:begun]:
        of_batch = [exchange for exchange in journal if about(fleet, exchange) in batch]
        assert journal[: len(of_batch)] == of_batch
        assert {about(fleet, exchange) for exchange in of_batch if "site" in exchange.path} == set(batch)
        journal = journal[len(of_batch) :]
    assert journal == []


STOPPED: dict[str, tuple[list[str], dict[str, str], int]] = {
    "any error is fatal": (["-e", "harden_serial=5"], {"ANSIBLE_ANY_ERRORS_FATAL": "true"}, 5),
    "a percentage": (["-e", "harden_serial=5", "-e", "harden_max_fail_percentage=10"], {}, 5),
    "not so many": (["-e", "harden_serial=5", "-e", "harden_max_fail_percentage=20"], {}, ZONES),
    "free": (["-e", "harden_strategy=free", "-e", "harden_serial=5"], {"ANSIBLE_ANY_ERRORS_FATAL": "true"}, ZONES),
    "all": (["-e", '{"harden_serial": [2, 12]}'], {}, 2),
}


@pytest.mark.parametrize("case", STOPPED)
@pytest.mark.long
def test_whatever_ends_it_the_summary_is_there(fleet: Fleet, case: str) -> None:
    arguments, environ, begun = STOPPED[case]
    bad = ["zone0.example", "zone1.example"] if case == "all" else ["zone1.example"]
    for name in bad:
        darken(fleet, name)
    run = fleet.run("harden", *arguments, **FILES, **environ)
    assert run.returncode == 2
    assert run.failed() == set(bad)
    expected = {"failed": len(bad), "changed": begun - len(bad), "not begun": ZONES - begun}
    counted = ", ".join(f"{number} {status}" for status, number in expected.items() if number)
    assert summary(run)[0] == f"{ZONES} zones: {counted}"


@pytest.mark.fleet
def test_two_hundred_zones_under_a_quota(fleet: Fleet) -> None:
    """Listed by the inventory plugin; every eighth is new. As with Cloudflare's, they take several windows."""
    emulator, client_certificate = fleet.emulator, (fleet.directory / "client.pem").read_text()
    for number in range(ZONES, 200):
        emulator.add_zone(f"zone{number}.example")
    zones = list(emulator.zones.values())
    for zone in zones:
        if zone not in zones[::8]:
            emulator.upload(zone, client_certificate)
            zone.kex_enabled = zone.aop_enabled = True
    emulator.quota, emulator.window, emulator.block = 400, 3, 3
    clock = QuotaClock(emulator)
    fleet.hosts, variables = {}, {"zones": {"vars": fleet.variables}}
    (fleet.directory / "zones.cloudflare.yml").write_text("plugin: originsec.cloudflare.zones\n")
    (fleet.directory / "variables.json").write_text(json.dumps(variables))
    run = fleet.run("harden", "-izones.cloudflare.yml", "-ivariables.json", **FILES)
    assert run.returncode == 0, run.output
    assert all(zone.kex_enabled and zone.aop_enabled and len(emulator.active(zone)) == 1 for zone in zones)
    assert said(run)[:2] == [200, 800]
    assert run.output.count("PLAY [Harden the zones]") == 2, "a batch is a hundred"
    assert summary(run)[0] == "200 zones: 25 changed, 175 unchanged"
    assert len(summary(run)) == 3
    assert clock.ran >= 2 * emulator.window
    assert "seconds for Cloudflare's rate limit" in run.output
