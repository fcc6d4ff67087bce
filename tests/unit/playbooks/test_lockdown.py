# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps the playbook lockdown from requesting anything; tests/unit/origins has what it does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit.playbooks.fleet import Fleet
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

ORIGIN = {
    "ansible_connection": "ssh",
    "ansible_host": "127.0.0.1",
    "ansible_port": 1,
    "ansible_ssh_common_args": "-o ConnectTimeout=5",
}


@pytest.fixture
def fleet(tmp_path: Path, emulator: Emulator, token: str, client_certificate: Issued) -> Fleet:
    """A zone whose certificate signed itself, and an origin that cannot be reached."""
    zone = emulator.add_zone("shop.example")
    (tmp_path / "origins.json").write_text(json.dumps({"origins": {"hosts": {"web1": ORIGIN}}}))
    given = {
        "zone_hardening_certificate": client_certificate.pem,
        "zone_hardening_private_key": client_certificate.key_pem,
    }
    return Fleet(tmp_path, emulator, token, {zone.name: zone}, {zone.name: {}}, given)


REFUSED = {
    "no origin": ([], "There is no origin: put the servers into the group origins of the inventory"),
    "unknown": (["-iorigins.json", "-e", "lockdown_too=ask"], "lockdown_too is no variable of the playbooks"),
    "limit": (["-iorigins.json", "--limit", "shop.example"], "--limit leaves out web1"),
    "excluded": (
        ["-iorigins.json", "-e", "lockdown_exclude=web1"],
        "No origin serves shop.example (origins: web1",
    ),
    "tags": (["-iorigins.json", "--tags", "ask"], "This playbook has no tags"),
    "survey": (
        [*("-iorigins.json", "-e", "survey_lockdown_to=ask", "-e", "survey_lockdown_remove=true")],
        "lockdown_remove goes with lockdown_to=off",
    ),
    "job": (
        [*("-iorigins.json", "-e", "awx_job_id=1", "-e", '{"zone_hardening_certificate": ""}')],
        "In AWX, files end with the job",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.long
def test_what_is_refused(fleet: Fleet, case: str) -> None:
    arguments, why = REFUSED[case]
    run = fleet.run("lockdown", *arguments)
    assert run.returncode == 2, run.output
    assert why in " ".join(run.output.split())
    assert fleet.emulator.journal == []


@pytest.mark.long
def test_an_origin_that_cannot_be_reached(fleet: Fleet) -> None:
    """It is said where everything stands, and in a file as well. What a survey leaves as it is comes from elsewhere."""
    survey = ["-e", "survey_lockdown_to='as in the inventory'", "-e", "survey_lockdown_exclude=''"]
    run = fleet.run("lockdown", "-iorigins.json", "-e", "lockdown_report=report.json", *survey)
    assert run.returncode == 2, run.output
    assert run.failed() == {"web1"}
    assert fleet.emulator.journal == []
    report = json.loads((fleet.directory / "report.json").read_text())
    assert report["stopped"].startswith("web1: Look failed. It cannot be reached: ")
    assert (report["done"], report["origins"][0]["mode"], report["zones"][0]["presents"]) == (False, "unknown", None)
