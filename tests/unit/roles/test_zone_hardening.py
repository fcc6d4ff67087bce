# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role around the transaction: its variables, however they are written, its hosts, its result and its messages.

The transaction itself is tested in plugins/module_utils/test_hardening.py, what ends a run in test_interruptions.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import (
    READ_PERMISSIONS,
    SETTINGS_WRITE,
    Emulator,
    Zone,
)
from ansible_collections.originsec.cloudflare.tests.unit.roles.role import COLLECTIONS, PLAYBOOK, Ansible
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

ROLE = Path(COLLECTIONS) / "ansible_collections" / "originsec" / "cloudflare" / "roles" / "zone_hardening"


def test_check_then_harden_then_nothing(
    ansible: Ansible, emulator: Emulator, zone: Zone, client_certificate: Issued
) -> None:
    ansible.variables["zone_hardening_compliance_modes"] = ["pqh", "fips"]
    ansible.variables["zone_hardening_origin_pqe"] = False  # a bare off
    foreseen = ansible.run("--check", "--diff")
    assert foreseen.returncode == 0, foreseen.output
    assert ansible.writes() == []

    done = ansible.run("--diff")
    assert done.returncode == 0, done.output
    (id_,) = zone.certificates
    assert ansible.state() == {
        "kex": True,
        "modes": ["fips", "pqh"],
        "pqe": "off",
        "ssl": "full",
        "enabled": True,
        "certificates": {id_},
    }
    assert foreseen.recap() == done.recap()
    assert done.recap()["changed"] == 1
    report = done.reports["example.com"]
    same = ("changed", "changes", "drift", "before", "removed", "left_over")
    assert {name: foreseen.reports["example.com"][name] for name in same} == {name: report[name] for name in same}
    assert report["changes"] == [
        *("auto_origin_tls_kex", "compliance_modes", "origin_pqe", "client_auth", "certificate")
    ]
    assert report["verified"] == {ansible.url: {"before": 200, "after": 200, "proved": True, "reason": None}}
    assert report["certificate"]["fingerprint_sha256"] == client_certificate.fingerprint
    assert "BEGIN" not in done.output

    again = ansible.run()
    assert again.recap()["changed"] == 0
    assert emulator.count() == {"GET": 6}


def test_steady_state_is_one_task_of_four_requests(ansible: Ansible, emulator: Emulator) -> None:
    assert ansible.run().recap()["changed"] == 1
    ansible.playbook = "[{hosts: all, gather_facts: false, roles: [originsec.cloudflare.zone_hardening]}]"
    steady = ansible.run()
    assert emulator.count() == {"GET": 4}
    assert steady.output.count("TASK [") == 2  # with the validation of the arguments
    del ansible.variables["zone_hardening_zone_id"]
    assert ansible.run().recap()["changed"] == 0
    assert emulator.count() == {"GET": 5}


@pytest.mark.long
def test_answers_of_a_survey_are_text(ansible: Ansible, zone: Zone) -> None:
    urls = [ansible.url, f"{ansible.url}shop"]
    ansible.variables |= {
        "zone_hardening_required_ssl_modes": "strict, full",
        "zone_hardening_compliance_modes": "pqh, fips,pqh",
        "zone_hardening_verify_urls": "\n".join(urls),
        "zone_hardening_client_auth_enabled": "true",
        "zone_hardening_auto_origin_tls_kex": "y",
        "zone_hardening_verify_settle": "0",
        "zone_hardening_only": "auto_origin_tls_kex,compliance_modes\nclient_auth,certificate",
    }
    done = ansible.run()
    assert done.returncode == 0, done.output
    assert (zone.kex_enabled, zone.compliance_modes, zone.aop_enabled) == (True, ["fips", "pqh"], True)
    assert list(done.reports["example.com"]["verified"]) == urls
    assert ansible.run().reports["example.com"]["changes"] == []

    zone.ssl_mode = "flexible"
    refused = ansible.run()
    assert "The SSL mode is flexible, and full or strict is asked for (zone_hardening_required_ssl_modes)" in (
        refused.output
    )
    assert ansible.writes() == []


NULLABLE = ("ssl_mode", "auto_origin_tls_kex", "compliance_modes", "origin_pqe", "client_auth_enabled", "exclusive")
OTHERS = (
    *("certificate", "private_key", "private_key_passphrase", "required_ssl_modes"),
    *("verify_urls", "origins", "only"),
)


@pytest.mark.parametrize(("blank", "names"), [(None, NULLABLE), ("", NULLABLE + OTHERS)])
@pytest.mark.long
def test_blanks_leave_alone(ansible: Ansible, zone: Zone, blank: str | None, names: tuple[str, ...]) -> None:
    """An empty answer is one, and a template makes one of null."""
    zone.kex_enabled, zone.compliance_modes = True, ["fips"]
    before = ansible.state()
    ansible.variables |= {"zone_hardening_certificate": "", "zone_hardening_private_key": ""}
    ansible.variables |= {f"zone_hardening_{name}": blank for name in names}
    run = ansible.run()
    assert run.returncode == 0, run.output
    assert run.reports["example.com"]["changes"] == []
    assert ansible.state() == before
    assert ansible.emulator.count() == {"GET": 1}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "days": ({"min_days_remaining": 90}, "zone_hardening_certificate expires in 89 days"),
    "key": (
        {"private_key": issue().key_pem},
        "zone_hardening_private_key does not belong to",
    ),
    "number": ({"wait_timeout": "soon"}, "wait_timeout"),
    "choice": ({"origin_pqe": "prefered"}, "prefered"),
    "boolean": ({"auto_origin_tls_kex": "ture"}, "ture"),
    "URL": ({"verify_urls": ["example.com"]}, "zone_hardening_verify_urls must hold URLs"),
    "misspelt": ({"verify_url": ["https://a/"]}, "did you mean zone_hardening_verify_urls?"),
    "aspect": ({"only": "certificates"}, "certificates"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.long
def test_what_cannot_be_right_is_named_as_the_user_named_it(ansible: Ansible, case: str) -> None:
    variables, message = REFUSED[case]
    ansible.variables |= {f"zone_hardening_{name}": value for name, value in variables.items()}
    run = ansible.run()
    assert run.returncode == 2
    assert message in run.output
    assert ansible.emulator.journal == []


@pytest.mark.parametrize(
    ("permissions", "message", "undone"),
    [
        (frozenset({SETTINGS_WRITE}), "'SSL and Certificates Read'", ""),
        (READ_PERMISSIONS, "'Zone Settings Write'", "Nothing was changed."),
    ],
)
@pytest.mark.long
def test_missing_permissions(
    ansible: Ansible, emulator: Emulator, permissions: frozenset[str], message: str, undone: str
) -> None:
    ansible.token = emulator.add_token(permissions=permissions)
    before = ansible.state()
    run = ansible.run()
    assert message in run.output
    assert undone in run.output
    assert ansible.state() == before


@pytest.mark.long
def test_six_zones_at_once(ansible: Ansible, emulator: Emulator) -> None:
    ansible.playbook = PLAYBOOK.replace("- hosts: all", "- hosts: all\n  serial: [1, 5]")
    names = [f"zone{number}.example" for number in range(6)]
    issued = {name: issue(name) for name in names}
    for name in ("zone_hardening_zone_id", "zone_hardening_verify_urls"):
        del ansible.variables[name]
    ansible.variables |= {
        "certificates": {name: one.pem for name, one in issued.items()},
        "keys": {name: one.key_pem for name, one in issued.items()},
        "zone_hardening_certificate": "{{ certificates[inventory_hostname] }}",
        "zone_hardening_private_key": "{{ keys[inventory_hostname] }}",
        "zone_hardening_verify_urls": f"{emulator.origin}/site/{{{{ inventory_hostname }}}}/",
    }
    zones = {name: emulator.add_zone(name) for name in names}
    run = ansible.run("-i" + ",".join(names), "--forks=6")
    assert run.returncode == 0, run.output
    for name, zone in zones.items():
        assert [one.parsed.issuer for one in zone.certificates.values()] == [f"CN={name}"]
        assert zone.aop_enabled
        assert run.reports[name]["zone_id"] == zone.id
        assert run.reports[name]["certificate"]["fingerprint_sha256"] == issued[name].fingerprint
        assert list(run.reports[name]["verified"]) == [f"{emulator.origin}/site/{name}/"]


def test_a_failure_that_is_rescued_is_over(ansible: Ansible, emulator: Emulator, zone: Zone) -> None:
    """The second run for the zone knows nothing of the first."""
    ansible.playbook = """
- hosts: all
  gather_facts: false
  tasks:
    - block:
        - ansible.builtin.include_role:
            name: originsec.cloudflare.zone_hardening
      rescue:
        - ansible.builtin.debug:
            msg: "Rescued {{ zone_hardening_report.undone | join(', ') }}"
        - ansible.builtin.include_role:
            name: originsec.cloudflare.zone_hardening
          vars:
            zone_hardening_client_auth_enabled: false
"""
    emulator.site("example.com").dark_while = {"aop_enabled": True}
    run = ansible.run()
    assert run.returncode == 0, run.output
    assert "Rescued client_auth, certificate, auto_origin_tls_kex" in run.output
    assert (zone.kex_enabled, zone.aop_enabled, len(zone.certificates)) == (True, False, 2)


@pytest.mark.parametrize(
    "variables",
    [
        {"ansible_connection": "ssh", "ansible_host": "192.0.2.1"},
        {"ansible_become": True, "ansible_become_method": "ansible.builtin.su"},
        {"ansible_python_interpreter": "/nonexistent/python"},
    ],
    ids=lambda variables: next(iter(variables)),
)
@pytest.mark.long
def test_what_the_inventory_says_of_machines_does_not_reach_a_zone(
    ansible: Ansible, tmp_path: Path, zone: Zone, variables: dict[str, Any]
) -> None:
    """A host is a zone, for which everything runs on the controller."""
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"example.com": {}}, "vars": variables}}))
    ansible.environment = {"ANSIBLE_BECOME": "true", "ANSIBLE_TRANSPORT": "ssh"}
    ansible.playbook = "[{hosts: all, gather_facts: false, roles: [originsec.cloudflare.zone_hardening]}]"
    run = ansible.run(f"-i{inventory}")
    assert run.returncode == 0, run.output
    assert zone.aop_enabled


def test_defaults_and_argument_specs_agree() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    options = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    connection = (
        *("api_token", "api_email", "api_key", "api_base_url"),
        *("validate_certs", "ca_path", "timeout", "retries"),
    )
    assert set(options) <= set(defaults) | {f"zone_hardening_{name}" for name in connection}
    assert set(defaults) <= set(options)
    # What the playbooks take from the environment is nobody's to set.
    shown = {
        name: "" if isinstance(value, str) and "zone_hardening__" in value else value
        for name, value in defaults.items()
    }
    assert {name: options[name].get("default") for name in defaults} == shown


REMOVE = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: originsec.cloudflare.zone_hardening}
      vars: {zone_hardening_client_auth_enabled: false, zone_hardening_only: client_auth}
    - ansible.builtin.include_role: {name: originsec.cloudflare.zone_hardening, tasks_from: remove}
"""


@pytest.mark.long
def test_a_certificate_that_is_to_go_has_to_be_known(ansible: Ansible, emulator: Emulator, zone: Zone) -> None:
    """Else it would stay, and lockdown_remove would look like done."""
    theirs = emulator.upload(zone, issue("theirs").pem)
    ansible.playbook = REMOVE
    certificate = ansible.variables.pop("zone_hardening_certificate")
    ansible.variables.pop("zone_hardening_private_key")
    unknown = ansible.run()
    assert unknown.returncode == 2
    assert "Nobody knows which certificate is to be removed" in unknown.output
    assert "The zone has CN=theirs." in " ".join(unknown.output.split())
    ansible.variables["zone_hardening_certificate"] = certificate
    assert ansible.run().returncode == 0
    assert ansible.state()["certificates"] == {theirs.id}
    zone.certificates.clear()
    del ansible.variables["zone_hardening_certificate"]
    assert ansible.run().returncode == 0


@pytest.mark.long
def test_the_examples_of_every_entry_point(
    ansible: Ansible, tmp_path: Path, zone: Zone, client_certificate: Issued
) -> None:
    """As ansible-doc shows them, with an inventory of one zone."""
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    assert {f"{name}.yml" for name in specs} == {file.name for file in (ROLE / "tasks").glob("[!t]*.yml")}
    inventory = tmp_path / "zones.yml"
    inventory.write_text(yaml.safe_dump({"zones": {"hosts": {"example.com": {}}}}))
    (tmp_path / "client.pem").write_text(client_certificate.pem)
    (tmp_path / "client.key").write_text(client_certificate.key_pem)
    ansible.variables = {"zone_hardening_verify_urls": [ansible.url]}
    for name, returncode, said in (("audit", 2, "certificate, auto_origin_tls_kex"), ("main", 0, ""), ("audit", 0, "")):
        ansible.playbook = specs[name]["examples"]
        run = ansible.run(f"-i{inventory}")
        assert (run.returncode, said in run.output) == (returncode, True), run.output
    assert zone.aop_enabled
    assert len(zone.certificates) == 1
    ansible.playbook = specs["remove"]["examples"]
    run = ansible.run(f"-i{inventory}")
    assert run.returncode == 0, run.output
    assert not zone.aop_enabled
    assert ansible.state()["certificates"] == set()
