# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of the playbooks, done with Cloudflare's SDK in one process: ``sdk.py settings|harden INVENTORY``."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from cloudflare import Cloudflare


def settings(cloudflare: Any, zone: str, _variables: dict[str, Any]) -> None:
    if not cloudflare.ssl.auto_origin_tls_kex.get(zone_id=zone).enabled:
        cloudflare.ssl.auto_origin_tls_kex.edit(zone_id=zone, enabled=True)
    if cloudflare.origin_tls_compliance_modes.get(zone_id=zone).value != ["pqh"]:
        cloudflare.origin_tls_compliance_modes.update(zone_id=zone, value=["pqh"])
    if cloudflare.origin_post_quantum_encryption.get(zone_id=zone).value != "preferred":
        cloudflare.origin_post_quantum_encryption.update(zone_id=zone, value="preferred")


def harden(cloudflare: Any, zone: str, variables: dict[str, Any]) -> None:
    if cloudflare.zones.settings.get("ssl", zone_id=zone).value not in ("full", "strict", "origin_pull"):
        sys.exit("The SSL mode is wrong")
    if not cloudflare.ssl.auto_origin_tls_kex.get(zone_id=zone).enabled:
        cloudflare.ssl.auto_origin_tls_kex.edit(zone_id=zone, enabled=True)
    client_auth = cloudflare.origin_tls_client_auth
    pem, key = variables["zone_hardening_certificate"], variables["zone_hardening_private_key"]
    listed = client_auth.zone_certificates.list(zone_id=zone)
    if "".join(pem.split()) not in ["".join(one.certificate.split()) for one in listed]:
        uploaded = client_auth.zone_certificates.create(zone_id=zone, certificate=pem, private_key=key)
        while client_auth.zone_certificates.get(uploaded.id, zone_id=zone).status != "active":
            time.sleep(5)
    if not client_auth.settings.get(zone_id=zone).enabled:
        client_auth.settings.update(zone_id=zone, enabled=True)


def main() -> None:
    warnings.simplefilter("ignore")  # that origin_pqe is deprecated
    work = {"settings": settings, "harden": harden}[sys.argv[1]]
    inventory = json.loads(Path(sys.argv[2]).read_text())["all"]
    cloudflare = Cloudflare()
    for host in inventory["hosts"].values():
        work(cloudflare, host["cloudflare_zone_id"], inventory["vars"])


if __name__ == "__main__":
    main()
