# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS to the API, as `ansible-playbook` does it: whose certificates are accepted, and what is said of the others."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TOOLS, environment
from ansible_collections.originsec.cloudflare.tests.unit.security.servers import results, tls_emulator
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

PLAYBOOK = """\
- hosts: all
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  environment: "{{ variables }}"
  tasks:
    - originsec.cloudflare.auto_origin_tls_kex:
        api_base_url: "{{ url }}"
        api_token: "{{ token }}"
        zone_name: example.com
        enabled: false
        ca_path: "{{ options.ca_path | default(omit) }}"
        validate_certs: "{{ options.validate_certs | default(omit) }}"
"""


@dataclass(frozen=True)
class Case:
    """The options and the variables of a task, what its server's certificate is like, and why it is refused."""

    options: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    reason: str = "unable to get local issuer certificate"


ACCEPTED = {
    "ca_path, a file": Case({"ca_path": "right.pem"}),
    "ca_path, a directory": Case({"ca_path": "both"}),
    "REQUESTS_CA_BUNDLE, a file": Case({}, {"REQUESTS_CA_BUNDLE": "right.pem"}),
    "REQUESTS_CA_BUNDLE, a directory": Case({}, {"REQUESTS_CA_BUNDLE": "both"}),
    "ca_path wins": Case({"ca_path": "right.pem"}, {"REQUESTS_CA_BUNDLE": "wrong.pem"}),
    "validate_certs wins": Case({"validate_certs": False}, {"REQUESTS_CA_BUNDLE": "wrong.pem"}),
}
RIGHT = {"ca_path": "right.pem"}
REFUSED = {
    "nobody named its authority": Case(),
    # The documentation says that requests has authorities of its own
    "SSL_CERT_FILE is OpenSSL's": Case({}, {"SSL_CERT_FILE": "right.pem"}),
    "another ca_path": Case({"ca_path": "wrong.pem"}, {"REQUESTS_CA_BUNDLE": "right.pem"}),
    "for another name": Case(RIGHT, {}, {"address": "127.0.0.2"}, "certificate is not valid for '127.0.0.1'"),
    "expired": Case(RIGHT, {}, {"ends": -1}, "certificate has expired"),
    "not yet valid": Case(RIGHT, {}, {"starts": 1}, "certificate is not yet valid"),
}


@dataclass(frozen=True)
class Result:
    result: dict[str, Any]
    connections: int
    requests: int


@pytest.fixture(scope="module")
def outcomes(authority: Issued, openssl: Program, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """What came of each case, all of them hosts of one play, each with a server of its own."""
    directory = tmp_path_factory.mktemp("tls")
    wrong = issue("another authority", authority=True, usage=None)
    (directory / "both").mkdir()
    for name, one in (("right.pem", authority), ("wrong.pem", wrong)):
        (directory / name).write_text(one.pem)
        (directory / "both" / name).write_text(one.pem)
    subprocess.run([openssl.path, "rehash", str(directory / "both")], env=openssl.environment, check=True)

    with contextlib.ExitStack() as stack:
        servers, hosts = {}, {}
        for name, case in {**ACCEPTED, **REFUSED}.items():
            server = issue("server", issuer=authority, usage=None, **{"address": "127.0.0.1", **case.server})
            servers[name] = emulator, _connections = stack.enter_context(tls_emulator(server, directory))
            hosts[name] = {
                "url": emulator.url,
                "token": emulator.add_token(),
                "options": {
                    option: str(directory / value) if option == "ca_path" else value
                    for option, value in case.options.items()
                },
                "variables": {variable: str(directory / value) for variable, value in case.variables.items()},
            }
        (directory / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        (directory / "play.yml").write_text(PLAYBOOK)
        finished = subprocess.run(
            [str(TOOLS / "ansible-playbook"), "-i", "inventory.json", "play.yml"],
            cwd=directory,
            env=environment(directory, ANSIBLE_STDOUT_CALLBACK="minimal", ANSIBLE_REMOTE_TMP=str(directory / "remote")),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "InsecureRequestWarning" not in finished.stdout + finished.stderr
        found = results(finished.stdout)
        return {
            name: Result(found[name], len(connections), len(emulator.journal))
            for name, (emulator, connections) in servers.items()
        }


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(outcomes: dict[str, Result], case: str) -> None:
    assert outcomes[case].result["auto_origin_tls_kex"]["enabled"] is False
    assert (outcomes[case].connections, outcomes[case].requests) == (1, 2)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_once_and_without_a_request(outcomes: dict[str, Result], case: str) -> None:
    """Once, although there are five retries: nothing gets better by waiting."""
    assert REFUSED[case].reason in outcomes[case].result["msg"]
    assert "name the file of its authority in ca_path" in outcomes[case].result["msg"]
    assert (outcomes[case].connections, outcomes[case].requests) == (1, 0)
