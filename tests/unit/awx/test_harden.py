# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job template "Harden zones", from the setup playbook to the artifacts of its jobs, run as AWX runs jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import NAMES, TOKEN, Credential, Job
from ansible_collections.originsec.cloudflare.tests.unit.awx.controller import Awx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

pytestmark = pytest.mark.long

LEAK = """\
- hosts: zones
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.debug:
        msg: "{{ lookup('ansible.builtin.env', 'CLOUDFLARE_API_TOKEN') }}"
    - ansible.builtin.debug:
        msg: "{{ lookup('ansible.builtin.file', lookup('ansible.builtin.env', 'CLOUDFLARE_CLIENT_KEY_FILE')) }}"
"""


def test_harden(
    tmp_path: Path,
    asked: Awx,
    emulator: Emulator,
    zones: list[Zone],
    inventory: dict[str, Any],
    credentials: list[Credential],
    answers: dict[str, Any],
    client_certificate: Issued,
    secrets: list[str],
) -> None:
    playbook = asked.one("job_templates", "Harden zones")["playbook"]

    first = Job(tmp_path / "first", inventory, credentials, answers, playbook, id="1").run()
    assert first.status == ("successful", 0), first.output
    assert set(first.stats["changed"]) == set(NAMES)
    assert set(first.stats["ok"]) >= set(NAMES)
    assert (first.stats["failures"], first.stats["dark"]) == ({}, {})
    # What set_stats kept becomes the job's artifacts, for the next node of a workflow.
    reports = first.stats["artifact_data"]["zone_hardening"]
    assert {name: report["changed"] for name, report in reports.items()} == dict.fromkeys(NAMES, True)
    for zone in zones:
        assert (zone.kex_enabled, zone.aop_enabled, len(emulator.active(zone))) == (True, True, 1)
        assert reports[zone.name]["zone_id"] == zone.id
        assert reports[zone.name]["certificate"]["fingerprint_sha256"] == client_certificate.fingerprint
    second = Job(tmp_path / "second", inventory, credentials, answers, playbook, id="2").run()
    assert second.status == ("successful", 0), second.output
    assert second.stats["changed"] == {}
    again = second.stats["artifact_data"]["zone_hardening"]
    assert {name: report["changed"] for name, report in again.items()} == dict.fromkeys(NAMES, False)

    for job in (first, second):
        assert len(job.events) > 10 * len(NAMES)
        assert job.leaks(secrets) == set()


def test_check_mode_changes_nothing(
    tmp_path: Path,
    emulator: Emulator,
    zones: list[Zone],
    inventory: dict[str, Any],
    credentials: list[Credential],
    answers: dict[str, Any],
    secrets: list[str],
) -> None:
    """A job of type "check", limited to one zone, at the highest verbosity."""
    job = Job(
        tmp_path / "check", inventory, credentials, answers, arguments=f"--check --diff -vvvv -l {NAMES[0]}"
    ).run()
    assert job.status == ("successful", 0), job.output
    assert set(job.stats["changed"]) == {NAMES[0]}
    assert set(emulator.count()) == {"GET"}
    (report,) = job.stats["artifact_data"]["zone_hardening"].values()
    assert (report["changed"], report["check_mode"]) == (True, True), "a forecast"
    assert len(job.events) > 10
    assert job.leaks(secrets) == set()


def test_answers_of_the_survey_reach_the_role(
    tmp_path: Path,
    zones: list[Zone],
    inventory: dict[str, Any],
    credentials: list[Credential],
    answers: dict[str, Any],
) -> None:
    """They are text where they mean a boolean, and win over the inventory, but for what is left as it is there."""
    zones[0].kex_enabled = zones[1].kex_enabled = True
    exempt = inventory["_meta"]["hostvars"][NAMES[1]]
    exempt |= {"zone_hardening_client_auth_enabled": False, "zone_hardening_auto_origin_tls_kex": True}
    assert set(answers.values()) == {"as in the inventory"}
    answers = {**answers, "survey_zone_hardening_auto_origin_tls_kex": "false"}
    job = Job(tmp_path / "job", inventory, credentials, answers, arguments=f"-l {NAMES[0]},{NAMES[1]}").run()
    assert job.status == ("successful", 0), job.output
    assert [(zone.kex_enabled, zone.aop_enabled) for zone in zones] == [(False, True), (False, False), (False, False)]


def test_the_key_exchange_needs_no_certificate(
    tmp_path: Path, asked: Awx, zones: list[Zone], inventory: dict[str, Any], credentials: list[Credential]
) -> None:
    """The other job template: whether client certificates are presented stays as it is, whatever the inventory says."""
    zones[0].aop_enabled = True
    answers = asked.answers(asked.one("job_templates", "Harden the key exchange of zones"))
    job = Job(tmp_path / "job", inventory, credentials[:1], answers).run()
    assert job.status == ("successful", 0), job.output
    assert [(zone.kex_enabled, zone.aop_enabled) for zone in zones] == [(True, True), (True, False), (True, False)]


def test_a_failed_job_tells_why_and_nothing_else(
    tmp_path: Path,
    emulator: Emulator,
    zones: list[Zone],
    inventory: dict[str, Any],
    credentials: list[Credential],
    answers: dict[str, Any],
    secrets: list[str],
) -> None:
    answers = {**answers, "survey_zone_hardening_min_days_remaining": 3000}
    job = Job(tmp_path / "job", inventory, credentials, answers, arguments="-vvvv").run()
    assert job.status == ("failed", 2)
    assert set(job.stats["failures"]) == set(NAMES)
    assert "zone_hardening_min_days_remaining" in job.output
    assert not emulator.count(), "a certificate is judged before the first request"
    assert "zone_hardening" not in job.stats.get("artifact_data", {}), (
        "no report of an earlier job, and none of this one"
    )
    assert job.leaks(secrets) == set()


def test_leaks_are_found(
    tmp_path: Path,
    zones: list[Zone],
    inventory: dict[str, Any],
    credentials: list[Credential],
    secrets: list[str],
    encrypted_key: str,
) -> None:
    """The tests above would notice a secret in an event, in a fact and in what is printed."""
    job = Job(tmp_path / "job", inventory, credentials, playbook="leak.yml")
    (tmp_path / "job" / "private" / "project").mkdir(parents=True)
    (tmp_path / "job" / "private" / "project" / "leak.yml").write_text(LEAK)
    job.run()
    assert job.status == ("successful", 0), job.output
    for secret in (TOKEN, encrypted_key.splitlines()[1]):
        assert {Path(name).parts[0] for name in job.leaks([secret])} == {"job_events", "stdout"}
    assert job.leaks(secrets) == job.leaks([TOKEN, encrypted_key.splitlines()[1]])
