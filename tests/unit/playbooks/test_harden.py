# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks originsec.cloudflare.harden and harden_canary over fleets, by ansible-playbook."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Exchange, Fault
from ansible_collections.originsec.cloudflare.tests.unit.playbooks.test_audit import Fleet, Run
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, QuotaClock, issue

FILES = {"CLOUDFLARE_CLIENT_CERTIFICATE_FILE": "client.pem", "CLOUDFLARE_CLIENT_KEY_FILE": "client.key"}
ZONES = 14

FACTS = """
- ansible.builtin.import_playbook: originsec.cloudflare.harden
- hosts: zones
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} has the report of {{ ansible_facts.zone_hardening_report.zone_name }}"
"""


@pytest.fixture
def fleet(tmp_path: Path, emulator: Emulator, token: str, client_certificate: Issued) -> Fleet:
    """Zones whose sites the emulator answers for, too, so that its journal tells what came before what."""
    (tmp_path / "client.pem").write_text(client_certificate.pem)
    (tmp_path / "client.key").write_text(client_certificate.key_pem)
    zones = {zone.name: zone for zone in (emulator.add_zone(f"zone{number}.example") for number in range(ZONES))}
    hosts = {name: {"cloudflare_zone_id": zone.id} for name, zone in zones.items()}
    emulator.faults.append(Fault(path="//site/.*", status=200, times=10**6))
    variables = {
        "zone_hardening_verify_urls": [f"{emulator.origin}/site/{{{{ inventory_hostname }}}}"],
        "zone_hardening_verify_retries": 1,
        "zone_hardening_verify_delay": 0,
    }
    return Fleet(tmp_path, emulator, token, zones, hosts, variables)


def about(fleet: Fleet, exchange: Exchange) -> str:
    """The name of the zone that a request is about."""
    named = exchange.query.get("name") or exchange.path.removeprefix("//site/")
    return next((zone.name for zone in fleet.zones.values() if zone.id in exchange.path), named)


def said(run: Run) -> list[int]:
    """The numbers in what it says before it starts: zones, requests, at most, the limit, minutes, at most."""
    told, *_batches = run.output.split("PLAY [Harden the zones]")
    (line,) = re.findall(r'"msg": "(\d+ zones?: .*)"', told)
    return [int(number) for number in re.findall(r"\d+", line.replace("1,200", "1200"))]


def test_no_zone_takes_more_requests_than_it_says(fleet: Fleet) -> None:
    """Whatever is asked for, and with the defaults exactly as many; and facts are each zone's own."""
    emulator = fleet.emulator
    for name in list(fleet.hosts)[2:]:
        del fleet.hosts[name]
    everything, usual = fleet.hosts
    emulator.upload(fleet.zones[everything], issue("old").pem)
    fleet.hosts[everything] = {
        "zone_hardening_compliance_modes": ["pqh"],
        "zone_hardening_origin_pqe": "preferred",
        "zone_hardening_exclusive": True,
    }

    first = fleet.run("harden", **FILES)
    assert first.returncode == 0, first.output
    taken = Counter(about(fleet, exchange) for exchange in emulator.journal if "site" not in exchange.path)
    zones, requests, at_most, *_rest = said(first)
    assert (zones, taken[everything] * zones) == (2, at_most)
    assert taken[usual] * zones < at_most

    (fleet.directory / "facts.yml").write_text(FACTS)
    again = fleet.run("facts.yml", **FILES)
    assert again.returncode == 0, again.output
    assert "changed=1" not in again.output
    taken = Counter(about(fleet, exchange) for exchange in emulator.journal if "site" not in exchange.path)
    assert taken[usual] * zones == requests
    for name in fleet.hosts:
        assert f"{name} has the report of {name}" in again.output, "ansible issue 87148"


BATCHES = [
    ["zone5.example"],
    ["zone9.example", *(f"zone{number}.example" for number in (0, 1, 2, 3, 4, 6, 7, 8, 10))],
    ["zone11.example", "zone12.example", "zone13.example"],
]


@pytest.mark.parametrize(("bad", "begun"), [(None, 3), ("zone5.example", 1), ("zone4.example", 2)])
def test_canaries(fleet: Fleet, bad: str | None, begun: int) -> None:
    """One, verified, then ten, then the rest. What fails is put back, those beside it are done, no others are begun."""
    canaries = dict.fromkeys(("server.example", "zone5.example", "zone9.example"))
    (fleet.directory / "canaries.json").write_text(json.dumps({"canaries": {"hosts": canaries}}))
    fleet.emulator.faults.insert(0, Fault(path=f"//site/{bad}", status=520, times=10**6))
    run = fleet.run("harden_canary", "-icanaries.json", **FILES, ANSIBLE_STRATEGY="free")
    assert run.returncode == (2 if bad else 0), run.output
    assert ("Put back as before: whether Authenticated Origin Pulls are enabled" in run.output) == bool(bad)

    done = {name for batch in BATCHES[:begun] for name in batch} - {bad}
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
    fleet.hosts, fleet.variables = {}, {}
    (fleet.directory / "zones.cloudflare.yml").write_text("plugin: originsec.cloudflare.zones\n")
    run = fleet.run("harden", "-izones.cloudflare.yml", **FILES)
    assert run.returncode == 0, run.output
    assert Counter(exchange.status for exchange in emulator.journal) == {200: 4 + 25 * 13 + 175 * 4}
    assert all(zone.kex_enabled and zone.aop_enabled and len(emulator.active(zone)) == 1 for zone in zones)
    assert said(run) == [200, 800, 4600, 1200, 5, 25]
    assert run.output.count("PLAY [Harden the zones]") == 2, "a batch is a hundred"
    assert clock.ran >= 2 * emulator.window
    assert "seconds for Cloudflare's rate limit" in run.output
