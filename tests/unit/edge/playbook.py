# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook, run where the name of every site leads to the edge."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TOOLS, environment
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

if TYPE_CHECKING:  # it needs pyOpenSSL, and tests are skipped before they need it
    from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge

VERIFY = {
    "zone_hardening_verify_urls": ["http://{{ inventory_hostname }}/"],
    "zone_hardening_verify_retries": 0,
    "zone_hardening_verify_delay": 0,
    "zone_hardening_verify_settle": 0,
}


def client(certificate: Issued) -> dict[str, Any]:
    """The variables of a zone whose edge is to present it."""
    return {"zone_hardening_certificate": certificate.pem, "zone_hardening_private_key": certificate.key_pem}


@dataclass
class Harden:
    directory: Path
    emulator: Emulator
    edge: Edge
    token: str

    def __call__(self, zones: dict[str, dict[str, Any]], expected: int = 0) -> dict[str, dict[str, Any]]:
        """The zones of its report, by name. zones: the variables of each; expected: how it ends."""
        report = self.directory / "report.json"
        inventory = self.directory / "inventory.json"
        inventory.write_text(json.dumps({"zones": {"hosts": zones, "vars": VERIFY}}))
        finished = subprocess.run(
            [
                *(str(TOOLS / "ansible-playbook"), "-i", str(inventory), "originsec.cloudflare.harden"),
                *("-e", f"harden_report={report}"),
            ],
            env=environment(
                self.directory,
                ANSIBLE_FORKS="2",
                ANSIBLE_PIPELINING="true",
                ANSIBLE_REMOTE_TMP=str(self.directory / "remote"),
                CLOUDFLARE_API_TOKEN=self.token,
                CLOUDFLARE_BASE_URL=self.emulator.url,
                http_proxy=self.edge.url,
                no_proxy="127.0.0.1",
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )
        assert finished.returncode == expected, finished.stdout
        return {one["zone"]: one for one in json.loads(report.read_text())["zones"]}
