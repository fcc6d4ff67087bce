# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role, run by ansible-playbook, on the emulator and in front of an edge that can go dark."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import (
    READ_PERMISSIONS,
    SETTINGS_WRITE,
    Emulator,
    Fault,
    Zone,
)
from ansible_collections.originsec.cloudflare.tests.unit import support
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

COLLECTIONS = Path(support.__file__).parents[5]
ROLE = COLLECTIONS / "ansible_collections" / "originsec" / "cloudflare" / "roles" / "zone_hardening"

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: originsec.cloudflare.zone_hardening
    - ansible.builtin.copy:
        content: "{{ zone_hardening_report | to_json }}"
        dest: "{{ reports }}/{{ inventory_hostname }}.json"
        mode: "0600"
      delegate_to: localhost
      connection: local
      check_mode: false
      changed_when: false
      vars:
        ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""

REFUSED = {"success": False, "errors": [{"code": 1, "message": "Not today"}], "result": None}


@dataclass
class Run:
    """What came of a run: its output, and the numbers of the recap per host."""

    returncode: int
    output: str
    reports: dict[str, Any]

    def recap(self, host: str = "example.com") -> dict[str, int]:
        line = re.search(rf"^{re.escape(host)} +: (.*)$", self.output, re.MULTILINE)
        assert line, self.output
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line[1])}


@dataclass
class Ansible:
    """ansible-playbook with the role, in a directory of its own."""

    directory: Path
    emulator: Emulator
    token: str
    variables: dict[str, Any] = field(default_factory=dict)
    playbook: str = PLAYBOOK

    def command(self, *arguments: str) -> list[str]:
        (self.directory / "play.yml").write_text(self.playbook)
        (self.directory / "variables.json").write_text(json.dumps({"reports": str(self.directory), **self.variables}))
        ansible = str(Path(sys.executable).with_name("ansible-playbook"))
        inventory = [] if any(argument.startswith("-i") for argument in arguments) else ["-iexample.com,"]
        return [
            ansible,
            *inventory,
            str(self.directory / "play.yml"),
            f"-e@{self.directory}/variables.json",
            *arguments,
        ]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(self.directory / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "CLOUDFLARE_API_TOKEN": self.token,
            "CLOUDFLARE_BASE_URL": self.emulator.url,
        }

    def run(self, *arguments: str) -> Run:
        for report in self.directory.glob("*.example*.json"):
            report.unlink()
        self.emulator.journal.clear()
        finished = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert self.token not in finished.stdout
        reports = {
            path.stem: json.loads(path.read_text())
            for path in self.directory.glob("*.json")
            if path.name != "variables.json"
        }
        return Run(finished.returncode, finished.stdout, reports)


@pytest.fixture
def ansible(tmp_path: Path, emulator: Emulator, zone: Zone, token: str, client_certificate: Issued) -> Ansible:
    variables = {
        "zone_hardening_zone_id": zone.id,
        "zone_hardening_certificate": client_certificate.pem,
        "zone_hardening_private_key": client_certificate.key_pem,
        "zone_hardening_verify_retries": 1,
        "zone_hardening_verify_delay": 0,
    }
    return Ansible(tmp_path, emulator, token, variables)


@pytest.fixture
def edge() -> Iterator[dict[str, Any]]:
    """What the site answers at ``url`` is up to the function ``status``."""
    site: dict[str, Any] = {"status": lambda: 200, "seen": []}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site["seen"].append(site["status"]())
            self.send_response(site["seen"][-1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    site["url"] = f"http://127.0.0.1:{server.server_port}/"
    yield site
    server.shutdown()
    server.server_close()


def state(emulator: Emulator, zone: Zone) -> dict[str, Any]:
    """All that the role may change."""
    return {
        "kex": zone.kex_enabled,
        "modes": zone.compliance_modes,
        "pqe": zone.pqe_value,
        "enabled": zone.aop_enabled,
        "active": emulator.active(zone),
    }


def writes(emulator: Emulator) -> list[str]:
    return [
        f"{exchange.method} {exchange.path.split('/', 3)[3]}"
        for exchange in emulator.journal
        if exchange.method != "GET"
    ]


def never_dark(emulator: Emulator) -> bool:
    return all(exchange.active for exchange in emulator.journal if exchange.aop_enabled)


def test_check_then_harden_then_nothing(
    ansible: Ansible, emulator: Emulator, zone: Zone, client_certificate: Issued
) -> None:
    ansible.variables["zone_hardening_compliance_modes"] = ["pqh", "fips"]
    ansible.variables["zone_hardening_origin_pqe"] = False  # a bare off
    foreseen = ansible.run("--check", "--diff")
    assert foreseen.returncode == 0, foreseen.output
    assert writes(emulator) == []

    done = ansible.run("--diff")
    assert done.returncode == 0, done.output
    assert state(emulator, zone) == {
        "kex": True,
        "modes": ["fips", "pqh"],
        "pqe": "off",
        "enabled": True,
        "active": list(zone.certificates),
    }
    assert foreseen.recap() == done.recap()
    assert done.recap()["changed"] == 4
    report = done.reports["example.com"]
    assert foreseen.reports["example.com"] == report
    assert report["changes"] == ["auto_origin_tls_kex", "compliance_modes", "origin_pqe", "client_auth"]
    assert report["before"]["client_auth_enabled"] is False
    assert report["after"] == {
        "ssl_mode": "full",
        "auto_origin_tls_kex": True,
        "compliance_modes": ["fips", "pqh"],
        "origin_pqe": "off",
        "client_auth_enabled": True,
        "certificates": [client_certificate.fingerprint],
    }
    assert report["certificate"]["fingerprint_sha256"] == client_certificate.fingerprint
    assert report["certificate"]["days_remaining"] == 89
    assert "BEGIN" not in done.output

    again = ansible.run()
    assert again.recap()["changed"] == 0
    assert not again.reports["example.com"]["changed"]
    assert writes(emulator) == []


def test_steady_state_takes_four_requests(ansible: Ansible, emulator: Emulator) -> None:
    assert ansible.run().recap()["changed"] == 2
    assert ansible.run().recap()["changed"] == 0
    assert emulator.count() == {"GET": 4}
    del ansible.variables["zone_hardening_zone_id"]
    assert ansible.run().recap()["changed"] == 0
    assert emulator.count() == {"GET": 5}


def test_answers_of_a_survey_are_text(ansible: Ansible, zone: Zone, edge: dict[str, Any]) -> None:
    edge_urls = [edge["url"], f"{edge['url']}shop"]
    ansible.variables |= {
        "zone_hardening_required_ssl_modes": "strict, full",
        "zone_hardening_compliance_modes": "pqh, fips,pqh",
        "zone_hardening_verify_urls": ", ".join(edge_urls),
        "zone_hardening_client_auth_enabled": "true",
        "zone_hardening_auto_origin_tls_kex": "yes",
    }
    done = ansible.run()
    assert done.returncode == 0, done.output
    assert (zone.kex_enabled, zone.compliance_modes, zone.aop_enabled) == (True, ["fips", "pqh"], True)
    assert done.reports["example.com"]["after"]["compliance_modes"] == ["fips", "pqh"]
    assert done.reports["example.com"]["verified"] == dict.fromkeys(edge_urls, 200)
    again = ansible.run()
    assert (again.recap()["changed"], again.reports["example.com"]["changes"]) == (0, [])

    zone.ssl_mode = "flexible"
    refused = ansible.run()
    assert "The SSL mode is flexible, and strict, full is asked for" in refused.output
    assert writes(ansible.emulator) == []


NULLABLE = ("auto_origin_tls_kex", "compliance_modes", "origin_pqe", "client_auth_enabled")
OTHERS = (
    *("certificate", "private_key", "private_key_passphrase"),
    *("required_ssl_modes", "verify_urls", "origins"),
)


@pytest.mark.parametrize(("blank", "names"), [(None, NULLABLE), ("", NULLABLE), ("", NULLABLE + OTHERS)])
def test_blanks_leave_alone(ansible: Ansible, zone: Zone, blank: str | None, names: tuple[str, ...]) -> None:
    """A template makes them of null, and an empty answer is one. Null itself, old Ansible refuses for other options."""
    zone.kex_enabled, zone.compliance_modes = True, ["fips"]
    if names == NULLABLE:
        ansible.variables["zone_hardening_certificate"] = ""
    before = state(ansible.emulator, zone)
    ansible.variables |= {f"zone_hardening_{name}": blank for name in names}
    run = ansible.run()
    assert run.returncode == 0, run.output
    assert run.reports["example.com"]["changes"] == []
    assert state(ansible.emulator, zone) == before
    assert ansible.emulator.count() == {"GET": 1}


def test_dark_edge_takes_everything_back(
    ansible: Ansible, emulator: Emulator, zone: Zone, edge: dict[str, Any]
) -> None:
    ansible.variables["zone_hardening_verify_urls"] = [edge["url"]]
    ansible.variables["zone_hardening_compliance_modes"] = ["pqh"]
    emulator.list_lag = 600
    before = state(emulator, zone)
    edge["status"] = lambda: 520 if zone.aop_enabled else 200
    run = ansible.run()
    assert run.returncode == 2
    assert "Pull through the edge failed" in run.output
    assert f"{edge['url']}: Status code was 520" in run.output
    assert "Put back as before: whether Authenticated Origin Pulls are enabled, the client certificates" in run.output
    assert "LEFT FOR YOU" not in run.output
    assert state(emulator, zone) == before
    assert edge["seen"] == [520, 520]

    emulator.list_lag = 0
    edge["status"] = lambda: 200
    assert ansible.run().returncode == 0
    assert zone.aop_enabled


def test_dark_edge_during_a_rotation(
    ansible: Ansible, emulator: Emulator, zone: Zone, edge: dict[str, Any], other_certificate: Issued
) -> None:
    ansible.variables["zone_hardening_verify_urls"] = [edge["url"]]
    assert ansible.run().returncode == 0
    before = state(emulator, zone)
    ansible.variables["zone_hardening_certificate"] = other_certificate.pem
    ansible.variables["zone_hardening_private_key"] = other_certificate.key_pem
    edge["status"] = lambda: 400 if len(emulator.active(zone)) > 1 else 200
    run = ansible.run()
    assert run.returncode == 2
    assert state(emulator, zone) == before
    assert never_dark(emulator)
    edge["status"] = lambda: 404  # the origin's own answer
    run = ansible.run()
    assert run.returncode == 0, run.output
    assert run.reports["example.com"]["verified"] == {edge["url"]: 404}
    assert run.reports["example.com"]["removed"] == before["active"]
    assert len(emulator.active(zone)) == 1
    assert never_dark(emulator)


def test_what_is_superseded_is_left_without_proof(
    ansible: Ansible, emulator: Emulator, zone: Zone, other_certificate: Issued
) -> None:
    old = emulator.upload(zone, other_certificate.pem)
    run = ansible.run()
    assert run.returncode == 0, run.output
    assert run.reports["example.com"]["left_over"] == [old.id]
    assert len(emulator.active(zone)) == 2


WRITES: dict[str, Callable[[str], Fault]] = {
    "key exchange": lambda _old: Fault(method="PATCH", path=".*kex", status=400, body=REFUSED, times=9),
    "origin pqe": lambda _old: Fault(method="PUT", path=".*encryption", status=400, body=REFUSED, times=9),
    "compliance modes": lambda _old: Fault(method="PUT", path=".*modes", status=400, body=REFUSED, times=9),
    "upload": lambda _old: Fault(method="POST", status=400, body=REFUSED, times=9),
    "enablement": lambda _old: Fault(method="PUT", path=".*auth/settings", status=400, body=REFUSED, times=9),
    "removal": lambda old: Fault(method="DELETE", path=f".*{old}", status=400, body=REFUSED, times=9),
}


@pytest.mark.parametrize("write", WRITES)
def test_every_write_that_fails_is_taken_back(
    ansible: Ansible, emulator: Emulator, zone: Zone, other_certificate: Issued, write: str
) -> None:
    old = emulator.upload(zone, other_certificate.pem)
    emulator.list_lag = 2  # seconds for which the upload of the same run is not in the list
    emulator.advance(2)
    ansible.variables["zone_hardening_compliance_modes"] = ["pqh"]
    ansible.variables["zone_hardening_origin_pqe"] = "preferred"
    ansible.variables["zone_hardening_exclusive"] = True
    before = state(emulator, zone)
    emulator.faults.append(WRITES[write](old.id))
    run = ansible.run()
    assert run.returncode == 2
    assert "Not today (code 1)" in run.output
    assert "LEFT FOR YOU" not in run.output
    assert state(emulator, zone) == before
    emulator.faults.clear()
    assert ansible.run().returncode == 0
    assert state(emulator, zone) == {
        "kex": True,
        "modes": ["pqh"],
        "pqe": "preferred",
        "enabled": True,
        "active": [list(zone.certificates)[-1]],
    }


def test_a_step_that_cannot_be_taken_back_is_named(
    ansible: Ansible, emulator: Emulator, zone: Zone, edge: dict[str, Any]
) -> None:
    ansible.variables["zone_hardening_verify_urls"] = [edge["url"]]
    edge["status"] = lambda: 525
    emulator.faults.append(Fault(method="PUT", path=".*auth/settings", skip=1, times=9, status=400, body=REFUSED))
    run = ansible.run()
    assert run.returncode == 2
    assert "LEFT FOR YOU TO DO: set enabled of origin_tls_client_auth to False, since this failed:" in run.output
    assert "Put back as before: automatic key exchange." in run.output
    assert not zone.kex_enabled


def test_without_rollback_what_was_changed_stays(ansible: Ansible, zone: Zone, edge: dict[str, Any]) -> None:
    ansible.variables["zone_hardening_verify_urls"] = [edge["url"]]
    ansible.variables["zone_hardening_rollback"] = "false"  # as a survey has it
    edge["status"] = lambda: 526
    run = ansible.run()
    assert run.returncode == 2
    assert "Nothing was put back (zone_hardening_rollback)" in run.output
    assert zone.kex_enabled


def test_preflight_writes_nothing(ansible: Ansible, emulator: Emulator, zone: Zone) -> None:
    def refused(message: str, **variables: Any) -> None:
        before = dict(ansible.variables)
        ansible.variables.update(variables)
        run = ansible.run()
        ansible.variables = before
        assert run.returncode == 2
        assert message in run.output
        assert writes(emulator) == []

    refused("90 are asked for", zone_hardening_min_days_remaining=90)
    refused("does not belong to certificate", zone_hardening_private_key=issue().key_pem)
    refused("wait_timeout", zone_hardening_wait_timeout="soon")
    refused("must be preferred, supported or off, and not prefered.", zone_hardening_origin_pqe="prefered")
    refused("tls_kex must be a boolean, and not ture.", zone_hardening_auto_origin_tls_kex="ture")
    refused(
        "example.com does not begin with https:// or http:// (zone_hardening_verify_urls).",
        zone_hardening_verify_urls=["https://example.com/", "example.com"],
    )
    zone.ssl_mode = "flexible"
    refused("no effect in the zone's SSL mode 'flexible'")
    refused("The SSL mode is flexible", zone_hardening_client_auth_enabled=None)
    zone.ssl_mode = "full"
    ansible.token = emulator.add_token(permissions=frozenset({SETTINGS_WRITE}))
    refused("'SSL and Certificates Read'")
    ansible.token = emulator.add_token(permissions=READ_PERMISSIONS)
    run = ansible.run()
    assert "'Zone Settings Write'" in run.output
    assert "nothing, since nothing had been changed" in run.output


def test_six_zones_at_once(ansible: Ansible, emulator: Emulator) -> None:
    ansible.playbook = PLAYBOOK.replace("- hosts: all", "- hosts: all\n  serial: [1, 5]")
    names = [f"zone{number}.example" for number in range(6)]
    issued = {name: issue(name) for name in names}
    del ansible.variables["zone_hardening_zone_id"]
    ansible.variables["certificates"] = {name: one.pem for name, one in issued.items()}
    ansible.variables["keys"] = {name: one.key_pem for name, one in issued.items()}
    ansible.variables["zone_hardening_certificate"] = "{{ certificates[inventory_hostname] }}"
    ansible.variables["zone_hardening_private_key"] = "{{ keys[inventory_hostname] }}"
    zones = {name: emulator.add_zone(name) for name in names}
    run = ansible.run("-i" + ",".join(names), "--forks=6")
    assert run.returncode == 0, run.output
    for name, zone in zones.items():
        assert [one.parsed.issuer for one in zone.certificates.values()] == [f"CN={name}"]
        assert zone.aop_enabled
        assert run.reports[name]["zone_id"] == zone.id
        assert run.reports[name]["certificate"]["fingerprint_sha256"] == issued[name].fingerprint
    assert ansible.run("-i" + ",".join(names), "--limit=zone1.example").recap("zone1.example")["changed"] == 0


def test_one_zone_after_another_on_localhost(ansible: Ansible, emulator: Emulator, zone: Zone) -> None:
    """The second one fails before anything is changed, and the first one is not taken back for it."""
    ansible.playbook = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: originsec.cloudflare.zone_hardening
      vars:
        zone_hardening_zone_name: "{{ item }}"
      loop: [example.com, example.org]
"""
    del ansible.variables["zone_hardening_zone_id"]
    emulator.add_zone("example.org", ssl_mode="off")
    run = ansible.run("-ilocalhost,")
    assert run.returncode == 2
    assert "example.org: Foresee the client certificates failed" in run.output
    assert "Nothing was changed" in run.output
    assert zone.aop_enabled


def test_a_failure_that_is_rescued_is_over(
    ansible: Ansible, emulator: Emulator, zone: Zone, edge: dict[str, Any]
) -> None:
    """The second run for the zone fails before anything is changed, and the first one is not taken back again."""
    ansible.playbook = """
- hosts: all
  gather_facts: false
  tasks:
    - block:
        - ansible.builtin.include_role:
            name: originsec.cloudflare.zone_hardening
      rescue:
        - ansible.builtin.debug:
            msg: "Rescued {{ ansible_failed_result.msg }}"
        - ansible.builtin.include_role:
            name: originsec.cloudflare.zone_hardening
          vars:
            zone_hardening_min_days_remaining: 90
"""
    ansible.variables["zone_hardening_verify_urls"] = [edge["url"]]
    edge["status"] = lambda: 520
    run = ansible.run()
    assert run.returncode == 2
    assert "Rescued example.com: Pull through the edge failed" in run.output
    assert "Refuse what would not work failed: The certificate expires in 89 days" in run.output
    assert "Nothing was changed" in run.output
    assert not zone.aop_enabled
    assert emulator.active(zone) == []


@pytest.mark.parametrize(
    ("tag", "kex", "enabled"), [("preflight", False, False), ("settings", True, False), ("client_auth", False, True)]
)
def test_tags(ansible: Ansible, zone: Zone, tag: str, kex: bool, enabled: bool) -> None:
    ansible.playbook = """
- hosts: all
  gather_facts: false
  roles:
    - role: originsec.cloudflare.zone_hardening
"""
    run = ansible.run(f"--tags={tag}")
    assert run.returncode == 0, run.output
    assert (zone.kex_enabled, zone.aop_enabled) == (kex, enabled)


def test_a_run_that_is_killed_converges(
    ansible: Ansible, emulator: Emulator, zone: Zone, other_certificate: Issued
) -> None:
    """At three moments, which the requests that were made until then choose; ``KILL_AFTER=5`` chooses one."""
    emulator.upload(zone, other_certificate.pem)
    zone.aop_enabled = True
    ansible.variables["zone_hardening_exclusive"] = True
    moments = [int(os.environ["KILL_AFTER"])] if "KILL_AFTER" in os.environ else random.sample(range(3, 12), 3)
    for requests in moments:
        print(f"KILL_AFTER={requests}")
        issued = issue()
        ansible.variables["zone_hardening_certificate"] = issued.pem
        ansible.variables["zone_hardening_private_key"] = issued.key_pem
        emulator.journal.clear()
        process = subprocess.Popen(
            ansible.command(), env=ansible.environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        while process.poll() is None and len(emulator.journal) < requests:
            threading.Event().wait(0.005)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        killed = list(emulator.journal)
        run = ansible.run()
        assert run.returncode == 0, run.output
        assert all(exchange.active for exchange in [*killed, *emulator.journal])
        assert len(emulator.active(zone)) == 1
        assert (
            sum(exchange.method == "POST" and exchange.status == 200 for exchange in [*killed, *emulator.journal]) == 1
        )


def test_defaults_and_argument_specs_agree() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    options = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    optional = {f"zone_hardening_api_{name}" for name in ("token", "email", "key", "base_url")}
    assert set(options) == set(defaults) | optional
    computed = "zone_hardening_exclusive"  # which a bool in the documentation cannot be
    assert isinstance(defaults.pop(computed), str)
    assert {name: options[name].get("default") for name in defaults} == defaults


def test_the_playbook_harden_sums_up(ansible: Ansible, emulator: Emulator) -> None:
    ansible.playbook = "- ansible.builtin.import_playbook: originsec.cloudflare.harden"
    del ansible.variables["zone_hardening_zone_id"]
    ansible.variables["zones"] = "example.com, flexible.example"
    emulator.add_zone("flexible.example", ssl_mode="flexible")
    run = ansible.run("-ilocalhost,")
    assert run.returncode == 2
    assert '"example.com: changed auto_origin_tls_kex, client_auth; CN=first, 89 days left"' in run.output
    assert '"flexible.example: FAILED, as said above"' in run.output
    assert '"example.com: unchanged; CN=first, 89 days left"' in ansible.run("-ilocalhost,").output
    del ansible.variables["zones"]
    assert "There is no zone to harden" in ansible.run("-ilocalhost,").output
