# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task gives is the same whether it ran in Ansible's own process or as a module.

The same playbooks are run both ways. Compared are the results as they are registered, all that is printed, and the
writes that the API saw.

What may differ, since it tells of the way itself: the interpreter that Ansible discovers for a module where none is
set; tracebacks, where ansible-core is asked for them; that ansible-core >= 2.19 prints "Action failed" where it
printed "Module failed"; and that a module's answer was parsed, which ansible-core >= 2.22 registers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import READ_PERMISSIONS, Emulator, Fault
from ansible_collections.originsec.cloudflare.tests.unit.plugins.action.playbook import Run, play
from ansible_collections.originsec.cloudflare.tests.unit.support import issue

pytestmark = pytest.mark.long

TOKEN = "canary_token_0123456789abcdefghijklmnop"
READER = "reader_token_0123456789abcdefghijklmnop"
ZONE, ELSEWHERE, BROKEN = "0123456789abcdef" * 2, "123456789abcdef0" * 2, "23456789abcdef01" * 2
PASSPHRASE = "canary passphrase"

# name of the registered result: the task. A name that begins with "fails" is of one that does.
KEX = """
kex_check: {auto_origin_tls_kex: {enabled: true}, check_mode: true, diff: true}
kex_change: {auto_origin_tls_kex: {enabled: true}, diff: true}
kex_unchanged: {auto_origin_tls_kex: {enabled: "yes"}, diff: true}
kex_without_diff: {auto_origin_tls_kex: {enabled: false}, diff: false}
kex_by_name: {auto_origin_tls_kex: {enabled: false, zone_id: "", zone: EXAMPLE.com}}
kex_alias_as_well: {auto_origin_tls_kex: {enabled: false, zone_id: "", zone: example.com, zone_name: example.com}}
fails_kex_retries:
  auto_origin_tls_kex: {enabled: false}
  until: fails_kex_retries is failed
  retries: 1
  delay: 0
kex_omitted: {auto_origin_tls_kex: {enabled: false, api_email: "{{ omit }}", timeout: "30"}}
kex_changed_when: {auto_origin_tls_kex: {enabled: false}, changed_when: true}
kex_no_log: {auto_origin_tls_kex: {enabled: true}, no_log: true}
kex_skipped: {auto_origin_tls_kex: {enabled: true}, when: false}
kex_delegated: {auto_origin_tls_kex: {enabled: true}, delegate_to: localhost, run_once: true, throttle: 1}
kex_notifies: {auto_origin_tls_kex: {enabled: false}, notify: Handler}
kex_loop:
  auto_origin_tls_kex: {enabled: "{{ item.enabled }}", zone_id: "{{ item.zone }}"}
  loop:
    - {enabled: true, zone: "{{ zone }}"}
    - {enabled: true, zone: "{{ elsewhere }}"}
    - {enabled: false, zone: "{{ zone }}"}
  loop_control: {label: "{{ item.enabled }}", index_var: index, extended: true}
fails_kex_loop:
  auto_origin_tls_kex: {enabled: false, zone_id: "{{ item }}"}
  loop: ["{{ zone }}", nothing, "{{ elsewhere }}"]
fails_kex_when_told: {auto_origin_tls_kex: {enabled: false}, failed_when: true}
fails_kex_echo: {auto_origin_tls_kex: {enabled: true, zone_id: "{{ broken }}", retries: 0}}
fails_kex_check: {auto_origin_tls_kex: {enabled: true, zone_id: "{{ broken }}", retries: 0}, check_mode: true}
fails_kex_html: {auto_origin_tls_kex: {enabled: true, zone_id: "{{ broken }}", retries: 0, timeout: 60}}
fails_kex_unknown_option: {auto_origin_tls_kex: {enabled: true, colour: blue, state: present}}
fails_kex_missing_option: {auto_origin_tls_kex: {zone_id: "{{ broken }}"}}
fails_kex_empty: {auto_origin_tls_kex: {}}
fails_kex_wrong_type: {auto_origin_tls_kex: {enabled: perhaps}}
fails_kex_secret_of_wrong_type:
  auto_origin_tls_kex: {enabled: true, api_token: {a: "{{ token }}"}, timeout: "{{ token }}"}
fails_kex_two_credentials: {auto_origin_tls_kex: {enabled: true, api_key: "{{ token }}", api_email: a@example.com}}
fails_kex_wrong_token: {auto_origin_tls_kex: {enabled: true, api_token: "wrong_{{ token }}"}}
fails_kex_permission: {auto_origin_tls_kex: {enabled: true, api_token: "{{ reader }}"}}
fails_kex_timeout: {auto_origin_tls_kex: {enabled: true, timeout: 0}}
fails_kex_refused: {auto_origin_tls_kex: {enabled: true, api_base_url: "http://127.0.0.1:9", retries: 0}}
fails_kex_plain_http: {auto_origin_tls_kex: {enabled: true, api_base_url: "http://api.example.com"}}
fails_kex_ca_path:
  auto_origin_tls_kex: {enabled: true, ca_path: $NOWHERE/ca.pem}
  environment: {NOWHERE: /nonexistent}
fails_kex_no_such_zone: {auto_origin_tls_kex: {enabled: true, zone_id: "", zone_name: nowhere.example}}
fails_kex_date_as_zone: {auto_origin_tls_kex: {enabled: true, zone_id: "", zone_name: 2026-01-02}}
fails_kex_number_as_zone: {auto_origin_tls_kex: {enabled: true, zone_id: 12345}}
fails_kex_unsafe: {auto_origin_tls_kex: {enabled: true, zone_id: "", zone_name: "{{ unsafe }}"}}
fails_kex_undefined: {auto_origin_tls_kex: {enabled: "{{ nothing_of_this_name }}"}}
"""
PQE = """
pqe_check: {origin_pqe: {value: off}, check_mode: true, diff: true}
pqe_change: {origin_pqe: {value: off}}
pqe_warns_in_a_loop: {origin_pqe: {value: "{{ item }}"}, loop: [preferred, preferred, supported]}
fails_pqe_choice: {origin_pqe: {value: always}}
"""
COMPLIANCE = """
compliance_change: {origin_tls_compliance_modes: {modes: [pqh, fips]}, diff: true}
compliance_string: {origin_tls_compliance_modes: {modes: "fips,pqh"}, diff: true}
compliance_clear: {origin_tls_compliance_modes: {modes: []}, diff: true}
fails_compliance_unknown: {origin_tls_compliance_modes: {modes: [{a: b}]}}
fails_compliance_impossible: {origin_tls_compliance_modes: {modes: [pqh, cnsa2]}}
"""
ENVIRONMENT = """
environment_credentials:
  auto_origin_tls_kex: {enabled: true, api_token: "", api_base_url: ""}
  environment: {CLOUDFLARE_API_TOKEN: "{{ vaulted_token }}", CLOUDFLARE_BASE_URL: "{{ api }}", NUMBER: 1, FLAG: true}
environment_is_over: {auto_origin_tls_kex: {enabled: true}}
fails_environment_without: {auto_origin_tls_kex: {enabled: true, api_token: ""}}
fails_environment_echo:
  auto_origin_tls_kex: {enabled: true, api_token: "", zone_id: "{{ broken }}", retries: 0}
  environment: {CF_API_TOKEN: "{{ token }}"}
fails_environment_elsewhere:
  auto_origin_tls_kex: {enabled: true, api_token: "", zone_id: "{{ token }}", ca_path: "{{ token }}"}
  environment: {CF_API_TOKEN: "{{ token }}"}
fails_environment_as_number:
  auto_origin_tls_kex: {enabled: true, api_token: "", timeout: "{{ token }}"}
  environment: {CLOUDFLARE_API_KEY: " {{ token }} "}
fails_environment_wrong: {auto_origin_tls_kex: {enabled: true, api_token: ""}, environment: [{CF_API_TOKEN: "a b"}]}
"""
CLIENT_AUTH = """
auth_check:
  origin_tls_client_auth: {certificate: "{{ first }}", private_key: "{{ key }}", enabled: true}
  check_mode: true
  diff: true
auth_upload: {origin_tls_client_auth: {certificate: "{{ first }}", private_key: "{{ key }}", enabled: true}, diff: true}
auth_unchanged: {origin_tls_client_auth: {certificate: "{{ first }}", private_key: "{{ vaulted_key }}"}, diff: true}
auth_encrypted:
  origin_tls_client_auth:
    certificate: "{{ first }}"
    private_key: "{{ encrypted_key }}"
    private_key_passphrase: "{{ passphrase }}"
auth_one_letter:
  origin_tls_client_auth: {certificate: "{{ first }}", private_key: "{{ short_key }}", private_key_passphrase: e}
fails_auth_one_letter:
  origin_tls_client_auth: {certificate: "{{ first }}", private_key: "{{ short_key }}", private_key_passphrase: a}
auth_warns: {origin_tls_client_auth: {certificate: "{{ server }}", private_key: "{{ server_key }}"}, check_mode: true}
auth_key_in_certificate: {origin_tls_client_auth: {state: absent, certificate: "{{ other }}{{ other_key }}"}}
fails_auth_half_way:
  origin_tls_client_auth: {certificate: "{{ first }}", private_key: "{{ key }}", enabled: true, zone_id: "{{ broken }}"}
fails_auth_mismatch: {origin_tls_client_auth: {certificate: "{{ first }}", private_key: "{{ other_key }}"}}
fails_auth_passphrase: {origin_tls_client_auth: {certificate: "{{ first }}", private_key: "{{ encrypted_key }}"}}
fails_auth_nothing: {origin_tls_client_auth: {}}
fails_auth_last: {origin_tls_client_auth: {state: absent, certificate: "{{ first }}"}}
auth_info: {origin_tls_client_auth_info: {}}
fails_auth_info_id: {origin_tls_client_auth_info: {certificate_id: ../zones}}
info_all: {origin_tls_info: {}}
info_subset: {origin_tls_info: {gather_subset: [ssl, kex]}, check_mode: true}
fails_info_subset: {origin_tls_info: {gather_subset: [ssl, colour]}}
auth_absent: {origin_tls_client_auth: {state: absent, certificate: "{{ first }}", enabled: false}, diff: true}
"""
TRANSACTION = """
tls_check:
  origin_tls: &tls
    auto_origin_tls_kex: y
    ssl_mode: strict
    compliance_modes: "fips, pqh"
    client_auth_enabled: true
    certificate: "{{ first }}"
    private_key: "{{ encrypted_key }}"
    private_key_passphrase: "{{ passphrase }}"
    verify_urls: "{{ site }},{{ site }}shop"
    verify_settle: 0
    verify_delay: 0
    verify_retries: 1
  check_mode: true
  diff: true
tls_check_without_key:
  origin_tls: {certificate: "{{ first }}", client_auth_enabled: true, verify_urls: []}
  check_mode: true
tls_change: {origin_tls: *tls, diff: true}
tls_unchanged: {origin_tls: *tls, diff: true}
tls_by_name: {origin_tls: {zone_id: "", zone_name: example.com, auto_origin_tls_kex: true}}
tls_rotation:
  origin_tls:
    certificate: "{{ other }}"
    private_key: "{{ other_key }}"
    verify_urls: ["{{ site }}"]
    verify_settle: 0
tls_blank: {origin_tls: {ssl_mode: "", compliance_modes: "", certificate: "", verify_urls: "", only: ""}}
tls_off_is_a_word: {origin_tls: {origin_pqe: off, required_ssl_modes: [off, strict], verify_urls: []}}
tls_only: {origin_tls: {auto_origin_tls_kex: false, origin_pqe: preferred, only: origin_pqe, verify_urls: []}}
fails_tls_half_way:
  origin_tls: {auto_origin_tls_kex: true, client_auth_enabled: false, zone_id: "{{ broken }}", verify_urls: []}
fails_tls_dark:
  origin_tls: {auto_origin_tls_kex: false, verify_urls: ["{{ site }}dark"], verify_retries: 0, verify_settle: 0}
fails_tls_mode: {origin_tls: {ssl_mode: flexible}}
fails_tls_days: {origin_tls: {certificate: "{{ first }}", private_key: "{{ key }}", min_days_remaining: 9999}}
fails_tls_key: {origin_tls: {certificate: "{{ first }}", private_key: "{{ other_key }}"}}
fails_tls_only: {origin_tls: {only: [certificates]}}
fails_tls_url: {origin_tls: {verify_urls: example.com}}
fails_tls_permission: {origin_tls: {auto_origin_tls_kex: false, api_token: "{{ reader }}", verify_urls: []}}
"""
SECTIONS = {
    "kex": KEX,
    "settings": PQE + COMPLIANCE + ENVIRONMENT,
    "client_auth": CLIENT_AUTH,
    "transaction": TRANSACTION,
}


def tasks(cases: str) -> list[dict[str, Any]]:
    """The cases as tasks, each registered under its name."""
    return [
        {
            "name": name,
            "register": name,
            "ignore_errors": True,
            **{f"originsec.cloudflare.{key}" if "origin_" in key else key: value for key, value in task.items()},
        }
        for name, task in yaml.safe_load(cases).items()
    ]


def playbook(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = [case["register"] for case in cases]
    content = "{{ dict(names | zip(q('ansible.builtin.vars', *names))) | to_json(sort_keys=true) }}"
    dump = {"ansible.builtin.copy": {"content": content, "dest": "{{ results }}"}, "vars": {"names": names}}
    return [
        {
            "hosts": "all",
            "gather_facts": False,
            "connection": "local",
            "module_defaults": {
                "group/originsec.cloudflare.cloudflare": {
                    "api_base_url": "{{ api }}",
                    "api_token": "{{ token }}",
                    "zone_id": "{{ zone }}",
                }
            },
            "tasks": [*cases, {**dump, "no_log": True}],
            "handlers": [{"name": "Handler", "ansible.builtin.debug": {"msg": "Notified"}}],
        }
    ]


def vaulted(text: str) -> dict[str, str]:
    """As Ansible has it in JSON."""
    secret = VaultSecret(PASSPHRASE.encode())
    return {"__ansible_vault": VaultLib([("default", secret)]).encrypt(text, secret).decode()}


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    """The variables that the cases use."""
    first, other, server = issue("first"), issue("other"), issue("server", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    return {
        "token": TOKEN,
        "vaulted_token": vaulted(TOKEN),
        "reader": READER,
        "unsafe": {"__ansible_unsafe": "{{ token }}"},
        "zone": ZONE,
        "elsewhere": ELSEWHERE,
        "broken": BROKEN,
        "first": first.pem,
        "key": first.key_pem,
        "vaulted_key": vaulted(first.key_pem),
        "encrypted_key": first.encoded_key(passphrase=PASSPHRASE),
        "passphrase": vaulted(PASSPHRASE),
        "short_key": first.encoded_key(passphrase="e"),
        "other": other.pem,
        "other_key": other.key_pem,
        "server": server.pem,
        "server_key": server.key_pem,
    }


def cloudflare() -> Emulator:
    """The same one every time, where the first requests for the broken zone go wrong."""
    emulator = Emulator()
    emulator.add_token(token=TOKEN)
    emulator.add_token(READ_PERMISSIONS, token=READER)
    for number, id_ in enumerate((ZONE, ELSEWHERE, BROKEN)):
        emulator.add_zone("example.com" if id_ == ZONE else f"zone{number}.example", id=id_)
    refusal = {"success": False, "errors": [{"code": 1, "message": f"You sent {TOKEN}"}], "result": None}
    emulator.faults += [
        Fault(path=f".*{BROKEN}/settings/auto.*", status=502, body="<html>Bad gateway</html>"),
        Fault(path=f".*{BROKEN}/settings/auto.*", status=400, body=refusal, times=9),
        Fault("PUT", path=f".*{BROKEN}/origin_tls_client_auth/settings", status=400, body=refusal),
        Fault(path="//site/example.com/dark", status=525, body="error code: 525", times=9),
    ]
    return emulator


@dataclass(frozen=True)
class Way:
    """What came of the playbook in one of the two ways."""

    run: Run
    registered: dict[str, Any]
    requests: list[str]


def way(directory: Path, cases: list[dict[str, Any]], given: dict[str, Any], switch: object) -> Way:
    password = directory / "password"
    password.write_text(PASSPHRASE)
    with cloudflare() as emulator:
        variables = {
            **given,
            "api": emulator.url,
            "site": f"{emulator.origin}/site/example.com/",
            "results": str(directory / "results.json"),
            "originsec_cloudflare_in_process": switch,
        }
        run = play(directory, playbook(cases), variables, "-v", f"--vault-password-file={password}")
        assert run.returncode == 0, run.output
        requests = [f"{exchange.method} {exchange.path} {exchange.status}" for exchange in emulator.journal]
    registered = json.loads(same((directory / "results.json").read_text()))
    return Way(run, registered, same("\n".join(requests)).splitlines())


def same(text: str) -> str:
    """Without what may differ, and what is new in each run: the port, rays, ids, how long it took, and when."""
    ids: dict[str, str] = {}
    text = text.replace("Action failed:", "Module failed:")
    text = re.sub(r"\b127\.0\.0\.1:\d{5}\b", "API", text)
    text = re.sub(r"\b[0-9a-f]{16}-EMU\b", "RAY", text)
    text = re.sub(r'"seconds": \d+\.\d+', '"seconds": 0', text)
    text = re.sub(r"\b[0-9a-f]{32}\b", lambda found: ids.setdefault(found[0], f"ID {len(ids)}"), text)
    return re.sub(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)Z", "TIME", text)


@pytest.mark.parametrize("section", SECTIONS)
def test_both_ways_give_the_same(section: str, given: dict[str, Any], tmp_path: Path) -> None:
    cases = tasks(SECTIONS[section])
    given = {**given, "ansible_inject_invocation": section != "kex"}  # ansible-core >= 2.21 wants to be asked for it
    here = way(tmp_path, cases, given, True)
    module = way(tmp_path, cases, given, "no")
    assert here.run.modules == 2  # those of ansible.builtin.copy
    assert module.run.modules > len(cases)

    for name, result in module.registered.items():
        for item in (result, *result.get("results", [])):
            item.pop("ansible_parsed", None)
        assert result.get("failed", False) == name.startswith("fails"), (name, result)
        assert here.registered[name] == result, name
    assert here.registered.keys() == module.registered.keys()
    assert same(here.run.output).splitlines() == same(module.run.output).splitlines()
    assert here.requests == module.requests
    for secret in (TOKEN, READER, PASSPHRASE, *given["key"].splitlines()[1:-1]):
        assert secret not in here.run.output
