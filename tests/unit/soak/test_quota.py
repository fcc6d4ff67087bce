# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet of a hundred zones: a small quota is never exceeded, and far from the limit nothing waits.

N requests at q per window of w seconds fall into ceil(N / q) windows at least, of which the last need not be over, so
that no client takes less than (ceil(N / q) - 1) * w on the emulator's clock.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.modules import auto_origin_tls_kex, origin_tls_client_auth
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit import support
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, QuotaClock, run_module

ZONES, FORKS, QUOTA, WINDOW = 100, 10, 100, 3

# A first upload, and enabling, is six requests; where there is a certificate to remove it is one more; to tell all of a
# zone is six.
REQUESTS = ZONES // 2 * (6 + 1)

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - originsec.cloudflare.origin_tls_client_auth:
        zone_id: "{{ zone_id }}"
        certificate: "{{ certificate }}"
        private_key: "{{ private_key }}"
        enabled: true
        exclusive: true
      when: to_be_changed
    - originsec.cloudflare.auto_origin_tls_kex:
        zone_id: "{{ zone_id }}"
        enabled: false
      when: not to_be_changed
"""


@pytest.fixture
def fleet(emulator: Emulator) -> dict[str, dict[str, Any]]:
    """Variables by host. Every other zone is to get a certificate, and the others are as they are wanted."""
    zones = [emulator.add_zone(f"zone{number}.example") for number in range(ZONES)]
    return {zone.name: {"zone_id": zone.id, "to_be_changed": zone in zones[::2]} for zone in zones}


def assert_all_done(emulator: Emulator) -> None:
    assert {exchange.status for exchange in emulator.journal} == {200}
    assert len(emulator.journal) == REQUESTS
    assert [len(emulator.active(zone)) for zone in emulator.zones.values()] == [1, 0] * (ZONES // 2)
    assert [zone.aop_enabled for zone in emulator.zones.values()] == [True, False] * (ZONES // 2)


@pytest.mark.fleet
def test_a_small_quota_is_never_exceeded(
    fleet: dict[str, dict[str, Any]], emulator: Emulator, token: str, client_certificate: Issued, tmp_path: Path
) -> None:
    emulator.quota, emulator.window, emulator.block = QUOTA, WINDOW, WINDOW
    clock = QuotaClock(emulator)
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "certificate": client_certificate.pem,
        "private_key": client_certificate.key_pem,
    }
    (tmp_path / "inventory.json").write_text(json.dumps({"all": {"hosts": fleet, "vars": variables}}))
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"--inventory={tmp_path}/inventory.json",
            f"--forks={FORKS}",
            str(tmp_path / "play.yml"),
        ],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(Path(support.__file__).parents[5]),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "CLOUDFLARE_API_TOKEN": token,
            "CLOUDFLARE_BASE_URL": emulator.url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=400,
    )
    assert run.returncode == 0, run.stdout
    assert_all_done(emulator)
    assert clock.ran >= (math.ceil(REQUESTS / QUOTA) - 1) * WINDOW
    assert len(re.findall(r"^zone\d+\.example +: ok=\d .* unreachable=0 +failed=0 ", run.stdout, re.MULTILINE)) == ZONES
    assert "seconds for Cloudflare's rate limit" in run.stdout


def test_far_from_the_limit_nothing_waits(
    fleet: dict[str, dict[str, Any]],
    emulator: Emulator,
    token: str,
    client_certificate: Issued,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    pair = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    for zone in fleet.values():
        options = {"api_base_url": emulator.url, "api_token": token, "zone_id": zone["zone_id"]}
        if zone["to_be_changed"]:
            result = run_module(origin_tls_client_auth, {**options, **pair, "enabled": True, "exclusive": True})
        else:
            result = run_module(auto_origin_tls_kex, {**options, "enabled": False})
        assert "warnings" not in result
    assert waits == []
    assert_all_done(emulator)
