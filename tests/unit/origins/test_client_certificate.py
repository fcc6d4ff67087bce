# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role that makes the certificate: what it makes, when it renews, and what it says where it cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ansible_collections.originsec.cloudflare.plugins.module_utils._certificates import (
    load_authorities,
    load_client_certificate,
)
from ansible_collections.originsec.cloudflare.tests.tools.ansible_collection import collection
from ansible_collections.originsec.cloudflare.tests.unit.origins.machine import COLLECTIONS
from ansible_collections.originsec.cloudflare.tests.unit.origins.servers import Origin
from ansible_collections.originsec.cloudflare.tests.unit.support import CACHE

pytestmark = pytest.mark.servers

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Make the client certificate
      ansible.builtin.include_role:
        name: originsec.cloudflare.client_certificate
    - name: Write the report
      ansible.builtin.copy:
        content: "{{ client_certificate_report | default({}) | to_json }}"
        dest: "{{ report }}"
        mode: "0600"
      check_mode: false
      run_once: true
"""
PASSPHRASES: dict[str, Any] = {
    "client_certificate_key_passphrase": "correct horse",
    "client_certificate_authority_key_passphrase": "battery staple",
}


class Role:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.made = directory / "made"

    def run(self, *arguments: str, collections: list[Path] | None = None, **variables: Any) -> dict[str, Any]:
        """The report, with ``output`` and whether it ``failed``."""
        report = self.directory / "report.json"
        report.unlink(missing_ok=True)
        (self.directory / "play.yml").write_text(PLAYBOOK)
        # Two hosts, for which there is one certificate
        (self.directory / "hosts").write_text("one ansible_connection=local\ntwo ansible_connection=local\n")
        given = {"client_certificate_directory": str(self.made), "report": str(report), **variables}
        if collections is None:
            collections = [collection("community.crypto", CACHE / "collections")]
        finished = subprocess.run(
            [
                *(shutil.which("ansible-playbook") or "ansible-playbook", "-i", str(self.directory / "hosts")),
                *("-e", json.dumps(given), *arguments, str(self.directory / "play.yml")),
            ],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, [COLLECTIONS, *collections])),
                "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
                "ANSIBLE_LOCAL_TEMP": str(self.directory / "tmp"),
                "ANSIBLE_NOCOLOR": "1",
                "LC_ALL": "C.UTF-8",
                "TMPDIR": "/tmp",  # where ansible-core makes a socket, whose path may have 107 characters
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        found = json.loads(report.read_text()) if report.exists() else {}
        return {**found, "output": finished.stdout, "failed": finished.returncode != 0}

    def read(self, name: str) -> str:
        return (self.made / name).read_text()


@pytest.fixture
def role(tmp_path: Path) -> Role:
    return Role(tmp_path)


def test_made_once_and_renewed_in_time(role: Role) -> None:
    planned = role.run("--check")
    assert not planned["failed"], planned["output"]
    assert "A new authority and a client certificate of it" in planned["output"]
    assert not role.made.exists()

    made = role.run()
    assert not made["failed"], made["output"]
    assert (made["changed"], made["new_authority"]) == (True, True)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [role.made, *role.made.iterdir()]}
    keys = {"client.key": "0o600", "authority.key": "0o600"}
    assert modes == {"made": "0o700", "client.pem": "0o644", "authority.pem": "0o644", **keys}
    loaded = load_client_certificate(role.read("client.pem"), role.read("client.key"), None)
    assert (loaded.warnings, loaded.fingerprint) == ((), made["fingerprint_sha256"])
    assert load_authorities(role.read("authority.pem"))[1] == []
    leaf = x509.load_pem_x509_certificate(role.read("client.pem").encode())
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert [one.dotted_string for one in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value] == [
        "1.3.6.1.5.5.7.3.2"
    ]

    # Where nothing is to be renewed, the key of the authority may be elsewhere
    elsewhere = role.directory / "authority.key"
    (role.made / "authority.key").rename(elsewhere)
    before = {path.name: path.read_bytes() for path in role.made.iterdir()}
    again = role.run()
    assert (again["failed"], again["changed"]) == (False, False)
    assert "changed=0" in again["output"].replace("changed=1", "changed=0", 1)  # the report of this test
    assert {path.name: path.read_bytes() for path in role.made.iterdir()} == before

    locked = role.run(client_certificate_renew_days=400)
    assert locked["failed"]
    assert f"the key of its authority is not in {role.made}/authority.key" in " ".join(locked["output"].split())
    renewed = role.run(client_certificate_renew_days=400, client_certificate_authority_key=str(elsewhere))
    assert (renewed["changed"], renewed["new_authority"]) == (True, False), renewed["output"]
    assert renewed["fingerprint_sha256"] != made["fingerprint_sha256"]
    assert role.read("authority.pem") == before["authority.pem"].decode()


def test_passphrases_and_a_new_authority(role: Role) -> None:
    old = role.run(**PASSPHRASES, client_certificate_authority_days=20)
    assert not old["failed"], old["output"]
    assert "ENCRYPTED" in role.read("client.key")
    assert "ENCRYPTED" in role.read("authority.key")
    before = role.read("authority.pem")
    new = role.run(**PASSPHRASES)
    assert (new["failed"], new["new_authority"]) == (False, True), new["output"]
    assert [Path(one).read_text() for one in new["authorities"]] == [role.read("authority.pem"), before]
    load_client_certificate(role.read("client.pem"), role.read("client.key"), "correct horse")
    authority = x509.load_pem_x509_certificate(role.read("authority.pem").encode())
    x509.load_pem_x509_certificate(role.read("client.pem").encode()).verify_directly_issued_by(authority)
    for secret in PASSPHRASES.values():
        assert secret not in new["output"].replace(json.dumps(secret), "")


def test_without_community_crypto(role: Role) -> None:
    failed = role.run(collections=[])
    assert failed["failed"]
    assert "The collection community.crypto is missing" in " ".join(failed["output"].split())
    assert not role.made.exists()


def test_what_it_makes_passes_the_servers(origin: Origin, role: Role) -> None:
    assert not role.run()["failed"]
    client = (str(role.made / "client.pem"), str(role.made / "client.key"))
    report = origin.machine.apply("require", role.read("authority.pem"))
    assert report["mode"] == "require"
    assert origin.answers(client)
    assert not origin.answers()
