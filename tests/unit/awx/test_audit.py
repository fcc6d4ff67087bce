# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job template "Audit zones", run as AWX runs jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import NAMES, Credential, Job
from ansible_collections.originsec.cloudflare.tests.unit.awx.controller import Awx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

pytestmark = pytest.mark.long


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
    playbook, answers = asked.one("job_templates", "Audit zones")["playbook"], asked.answers("Audit zones")

    def audit(number: int, fail_on_drift: str) -> Job:
        told = {**answers, "survey_audit_fail_on_drift": fail_on_drift}
        directory = tmp_path / str(number)
        return Job(directory, inventory, credentials, told, playbook, id=str(number)).run()

    well = audit(1, "true")
    assert well.status == ("successful", 0), well.output
    assert well.stats["artifact_data"]["zone_audit"]["compliant"] == len(NAMES)

    zones[1].aop_enabled = False
    tolerated, failed = audit(2, answers["survey_audit_fail_on_drift"]), audit(3, "true")
    assert tolerated.status == ("successful", 0), tolerated.output
    assert failed.status == ("failed", 2)
    assert set(failed.stats["failures"]) == {zones[1].name}
    for job in (tolerated, failed):
        assert "client_auth" in job.output
        assert job.stats["artifact_data"]["zone_audit"]["drift"] == 1
        rows = job.stats["artifact_data"]["zone_audit_report"]["zones"]
        assert {row["zone"]: row["status"] for row in rows} == {**dict.fromkeys(NAMES, "compliant"), NAMES[1]: "drift"}

    assert set(emulator.count()) == {"GET"}
    for job in (well, tolerated, failed):
        assert job.leaks(secrets) == set()
