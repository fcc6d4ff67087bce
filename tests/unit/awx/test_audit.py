# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job template "Audit zones", run as AWX runs jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import NAMES, Credential, Job
from ansible_collections.originsec.cloudflare.tests.unit.awx.controller import Awx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

pytestmark = pytest.mark.long

LARGE = """\
- hosts: zones[0]
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.set_stats:
        data:
          large: "{{ 'x' * 800000 }}"
"""


def test_audit(
    tmp_path: Path,
    asked: Awx,
    emulator: Emulator,
    zones: list[Zone],
    inventory: dict[str, Any],
    credentials: list[Credential],
    client_certificate: Issued,
    secrets: list[str],
) -> None:
    """The certificate of the credential is the wanted one. Drift fails the job for its zone, if the survey says so."""
    for zone in zones:
        emulator.upload(zone, client_certificate.pem)
        zone.kex_enabled = zone.aop_enabled = True
    template = asked.one("job_templates", "Audit zones")
    playbook, answers = template["playbook"], asked.answers(template)

    def audit(number: int, fail_on_drift: str, **variables: Any) -> Job:
        told = {**answers, "survey_audit_fail_on_drift": fail_on_drift, **variables}
        directory = tmp_path / str(number)
        return Job(directory, inventory, credentials, told, playbook, id=str(number)).run()

    well = audit(1, "true")
    assert well.status == ("successful", 0), well.output
    assert well.stats["artifact_data"]["zone_audit"]["compliant"] == len(NAMES)

    zones[1].aop_enabled = False
    kept = tmp_path / "exposed to jobs" / "report.json"
    kept.parent.mkdir()
    reports = [str(kept), "report.html"]
    tolerated, failed = audit(2, answers["survey_audit_fail_on_drift"], audit_report=reports), audit(3, "true")
    assert tolerated.status == ("successful", 0), tolerated.output
    assert failed.status == ("failed", 2)
    assert set(failed.stats["failures"]) == {zones[1].name}
    for job in (tolerated, failed):
        assert "client_auth" in job.output
        assert job.stats["artifact_data"]["zone_audit"]["drift"] == 1
        rows = job.stats["artifact_data"]["zone_audit_report"]["zones"]
        assert {row["zone"]: row["status"] for row in rows} == {**dict.fromkeys(NAMES, "compliant"), NAMES[1]: "drift"}

    # The artifacts stay with the job. Of files, those that are not in its container, which ends with it
    without = ("generated", "generated_at")
    written, artifact = json.loads(kept.read_text()), tolerated.stats["artifact_data"]["zone_audit_report"]
    assert {**written, **dict.fromkeys(without)} == {**artifact, **dict.fromkeys(without)}
    assert [path.relative_to(tolerated.worker).name for path in tmp_path.rglob("report.html")] == ["report.html"]

    assert set(emulator.count()) == {"GET"}
    for job in (well, tolerated, failed):
        assert job.leaks(secrets) == set()


def test_a_large_report_is_kept(tmp_path: Path, inventory: dict[str, Any]) -> None:
    """The report of 500 zones with much drift: results of more than 700,000 characters leave events, not artifacts."""
    job = Job(tmp_path / "job", inventory, [], playbook="large.yml")
    (tmp_path / "job" / "private" / "project").mkdir(parents=True)
    (tmp_path / "job" / "private" / "project" / "large.yml").write_text(LARGE)
    job.run()
    assert job.status == ("successful", 0), job.output
    assert len(job.stats["artifact_data"]["large"]) == 800_000
    (ended,) = (event for event in job.events if event["event"] == "runner_on_ok")
    assert ended["event_data"]["res"] == {}
