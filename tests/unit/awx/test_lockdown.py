# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job templates that lock origins down, run as AWX runs jobs; what lockdown does is in tests/unit/origins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import Credential, Job

pytestmark = pytest.mark.long

ORIGIN = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


def test_lockdown(
    tmp_path: Path, emulator: Emulator, inventory: dict[str, Any], credentials: list[Credential], secrets: list[str]
) -> None:
    """An origin that cannot be reached; then a job that would make a certificate that is gone with its container."""
    inventory["origins"] = {"hosts": ["web1.example"]}
    inventory["_meta"]["hostvars"]["web1.example"] = ORIGIN
    inventory["zones"]["vars"] = {"lockdown_to": "require", "zone_hardening_verify_settle": 0}
    answers = {"survey_lockdown_to": "ask", "survey_lockdown_remove": "as in the inventory"}

    def lock_down(name: str, attached: list[Credential]) -> Job:
        return Job(tmp_path / name, inventory, attached, answers, playbook="playbooks/lockdown.yml").run()

    given = lock_down("given", credentials)
    assert given.status == ("failed", 2), given.output
    report = given.stats["artifact_data"]["lockdown"]
    assert report["stopped"].startswith("web1.example: Look failed. It cannot be reached"), given.output
    assert report["to"] == "ask"
    assert "web1.example" in given.stats["failures"]
    made = lock_down("made", credentials[:1])
    assert made.status == ("failed", 2), made.output
    assert "In AWX, files end with the job" in made.output
    assert emulator.count() == {}
    for job in (given, made):
        assert job.leaks(secrets) == set()
