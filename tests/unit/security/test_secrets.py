# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing that a run leaves holds a secret: neither what it prints, nor logs, caches, artifacts, nor files of its own.

The runs go through successes and through every kind of failure, at the highest verbosity. Each of them also leaks two
secrets on purpose, which have to be found.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Reply
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TOOLS, environment
from ansible_collections.originsec.cloudflare.tests.unit.security.servers import REALM, tls_emulator
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

TOKENS = {
    "token of the environment": "canary-token-of-the-environment",
    "token as an option": "canary-token-as-an-option",
    "token of module_defaults": "canary-token-of-module-defaults",
    "token of the role": "canary-token-of-the-role",
    "unknown token": "canary-token-that-is-unknown",
    "token of two words": "Bearer canary-token-of-two-words",
    "API key": "cfk_canary-global-api-key",
    "malformed API key": "canary-malformed-api-key",
    "passphrase": "canary-passphrase",
    "wrong passphrase": "canary-wrong-passphrase",
    "password of the proxy": REALM[1],
    "password of the vault": "canary-password-of-the-vault",
    "planted token": "canary-token-that-is-planted",
}

PLAYBOOK = """\
- name: Leak
  hosts: localhost
  gather_facts: false
  vars_files: [plant.json]  # since ansible-core >= 2.22 masks what it finds in a vault
  tasks:
    - ansible.builtin.debug:
        msg: "{{ plant.token }} {{ plant.key }}"
    - ansible.builtin.set_fact:
        planted: "{{ plant.key }}"
        cacheable: true

- name: Look and change
  hosts: localhost
  gather_facts: false
  vars_files: [vault.json]
  module_defaults:
    group/originsec.cloudflare.cloudflare:
      zone_id: "{{ zones.good }}"
  tasks:
    - originsec.cloudflare.auto_origin_tls_kex: {enabled: true}
    - originsec.cloudflare.origin_pqe: {value: preferred, api_token: canary-token-as-an-option}
    - originsec.cloudflare.origin_tls_compliance_modes:
        modes: [pqh]
        api_email: ops@example.com
        api_key: "{{ secrets['API key'] }}"
    - originsec.cloudflare.origin_tls_client_auth:
        certificate: "{{ certificate }}"
        private_key: "{{ keys.encrypted }}"
        private_key_passphrase: "{{ secrets.passphrase }}"
        enabled: true
    - originsec.cloudflare.origin_tls_client_auth_info:
    - originsec.cloudflare.origin_tls_info:
    - originsec.cloudflare.auto_origin_tls_kex: {enabled: true, zone_id: "{{ zones.repeating }}"}
      register: repeated
    - originsec.cloudflare.origin_tls_info: {zone_id: "{{ zones.echoing_to_anybody }}"}
      register: echo_of_the_environment
      ignore_errors: true
    - ansible.builtin.assert:
        that:
          - repeated.auto_origin_tls_kex.id is search('of [*]+')
          - echo_of_the_environment.msg is search('You sent [*]+ .code 1.')

- name: Fail
  hosts: localhost
  gather_facts: false
  vars_files: [vault.json]
  module_defaults:
    group/originsec.cloudflare.cloudflare:
      zone_id: "{{ zones.good }}"
      api_token: "{{ secrets['token of module_defaults'] }}"
      timeout: 5
      retries: 0
  tasks:
    - ignore_errors: true
      block:
        - originsec.cloudflare.auto_origin_tls_kex: {enabled: true, api_token: "{{ secrets['unknown token'] }}"}
          register: unknown_token
        - originsec.cloudflare.auto_origin_tls_kex: {enabled: true, api_token: "{{ secrets['token of two words'] }}"}
          register: two_words
        - originsec.cloudflare.auto_origin_tls_kex:
            enabled: true
            api_token: ""
            api_email: ops@example.com
            api_key: "{{ secrets['malformed API key'] }}"
          register: malformed_api_key
        - originsec.cloudflare.origin_tls_info: {zone_id: "{{ zones.echoing }}"}
          register: echo_of_the_token
        - originsec.cloudflare.origin_tls_client_auth:
            zone_id: "{{ zones.echoing_keys }}"
            certificate: "{{ certificate }}"
            private_key: "{{ keys.plain }}"
          register: echo_of_the_key
        - originsec.cloudflare.origin_tls_client_auth:
            certificate: "{{ certificate }}"
            private_key: "{{ keys.encrypted }}"
            private_key_passphrase: "{{ secrets['wrong passphrase'] }}"
          register: wrong_passphrase
        - originsec.cloudflare.origin_tls_client_auth:
            certificate: "{{ certificate }}"
            private_key: "{{ keys.other }}"
          register: other_key
        - originsec.cloudflare.origin_tls_client_auth:
            certificate: "{{ certificate }}"
            private_key: "{{ keys.plain[:150] ~ keys.plain[170:] }}"
          register: damaged_key
        - originsec.cloudflare.origin_tls_client_auth:
            certificate: "{{ keys.plain ~ certificate }}"
          register: key_in_the_certificate
        - originsec.cloudflare.origin_tls_info: {zone_id: "{{ zones.down }}", retries: 1}
          register: retries_exhausted
        - originsec.cloudflare.origin_tls_info: {api_base_url: "http://127.0.0.1:9"}
          register: connection_refused
        - originsec.cloudflare.origin_tls_info: {api_base_url: "{{ tls_url }}"}
          register: untrusted
        - originsec.cloudflare.origin_tls_info: {api_base_url: "https://api.example.test"}
          register: proxy_down
        - originsec.cloudflare.auto_origin_tls_kex:
            enabled: true
            zone_id: "{{ secrets['token of the environment'] }}"
          register: token_as_zone
        - originsec.cloudflare.origin_tls_info:
            zone_id: ""
            zone_name: "{{ secrets['password of the proxy'] }}"
            ca_path: " {{ secrets['token of module_defaults'] }}"
        - originsec.cloudflare.origin_pqe:
            value: "{{ secrets['token of the environment'] }}"
            timeout: "{{ secrets['token of module_defaults'] }}"
            api_email: "{{ secrets['token of the environment'] }}"
          register: token_as_value
        - originsec.cloudflare.origin_tls_client_auth:
            certificate: " {{ keys.other }} "
            certificate_id: "{{ secrets.passphrase }}"
            private_key_passphrase: " {{ secrets.passphrase }} "
            state: "{{ secrets.passphrase }}"
            api_base_url: "https://{{ secrets.passphrase }}/?{{ secrets['token of the environment'] }}"
          register: passphrase_as_state
    - ansible.builtin.assert:
        that:
          - unknown_token.msg is search('Invalid access token')
          - two_words.msg is search('white space inside')
          - malformed_api_key.msg is search('The API key is malformed')
          - echo_of_the_token.msg is search('You sent [*]+ .code 1.')
          - ansible_check_mode or echo_of_the_key.msg is search('And this key')
          - wrong_passphrase.msg is search('cannot be decrypted')
          - other_key.msg is search('does not belong to certificate')
          - damaged_key.msg is search('cannot be parsed')
          - key_in_the_certificate.msg is search('private_key')
          - retries_exhausted.msg is search('tried 2 times')
          - connection_refused.msg is search('refused')
          - untrusted.msg is search('ca_path')
          - proxy_down.msg is search('the proxy that the environment names')
          - token_as_zone.msg is search("not '[*]+'")
          - token_as_value.msg is search('timeout')
          - passphrase_as_state.msg is search('[*]+')

- name: Harden
  hosts: zones
  gather_facts: false
  vars_files: [vault.json]
  roles:
    - role: originsec.cloudflare.zone_hardening
      zone_hardening_api_token: "{{ secrets['token of the role'] }}"
      zone_hardening_certificate: "{{ certificate }}"
      zone_hardening_private_key: "{{ keys.encrypted }}"
      zone_hardening_private_key_passphrase: "{{ secrets[which_passphrase] }}"
"""

PLANTED = {"planted token", "planted key"}

PLAY = ["-i", "../inventory/inventory.json", "play.yml"]
AS_MODULES = "--extra-vars=originsec_cloudflare_in_process=false"

# Stands in for the module of this name. Machines that test often have no system's log; those of users have.
SYSLOG = """\
import os

LOG_USER, LOG_INFO = 8, 6

def openlog(*arguments):
    pass

def syslog(priority, message):
    with open(os.environ["SYSLOG"], "a") as file:
        file.write(message + "\\n")
"""


@dataclass
class Secrets:
    """What nobody may find, by name, and how to find it."""

    certificate: str
    keys: dict[str, str]

    def __post_init__(self) -> None:
        self._needles = dict(TOKENS)
        pieces = {name: textwrap.wrap("".join(pem.splitlines()[1:-1]), 20) for name, pem in self.keys.items()}
        # What two keys have in common, or a certificate shows, is no secret
        count = Counter(piece for of_key in pieces.values() for piece in of_key)
        for name, of_key in pieces.items():
            own = [piece for piece in of_key if count[piece] == 1 and piece not in _unwrapped(self.certificate)]
            self._needles.update({f"{name} key, part {number}": piece for number, piece in enumerate(own)})

    def within(self, text: str) -> set[str]:
        """The names of those that this text holds, however lines were broken or escaped."""
        unwrapped = _unwrapped(text)
        found = {name for name, needle in self._needles.items() if needle in text or needle in unwrapped}
        return {name.partition(",")[0] for name in found}

    def leaked(self, paths: Iterable[Path]) -> dict[str, set[str]]:
        """The names of the secrets that were found, and the files, by name, that hold them."""
        leaks = defaultdict(set)
        for path in paths:
            for name in self.within(path.read_text(errors="replace")):
                leaks[name].add(path.name.removeprefix("s1_"))
        return dict(leaks)


def _unwrapped(text: str) -> str:
    return re.sub(r"\\+[nr]|[\s\"',]", "", text)


class WatchingEmulator(Emulator):
    """An emulator that looks around whenever it is asked for something, which is when a module runs."""

    def __init__(self, secrets: Secrets, left: Path) -> None:
        super().__init__()
        self.secrets, self.left = secrets, left
        self.exposed: set[str] = set()
        """Secrets where others can read them."""
        self.guarded: set[str] = set()
        """Those in files of Ansible's own."""

    def handle(self, method: str, target: str, headers: Any, raw: bytes) -> Reply:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            self._look_into(process, self.exposed)
        for path in _temporary_files(self.left):
            self._look_into(path, self.exposed if _open_to_others(path, self.left) else self.guarded)
        return super().handle(method, target, headers, raw)

    def _look_into(self, path: Path, found: set[str]) -> None:
        with contextlib.suppress(OSError):  # the process is over, the file has gone
            found |= {f"{name} in {path.name}" for name in self.secrets.within(path.read_text(errors="replace"))}


def _files(directory: Path) -> Iterator[Path]:
    for root, _directories, names in os.walk(directory):
        yield from (Path(root, name) for name in names if Path(root, name).is_file())


def _temporary_files(left: Path) -> list[Path]:
    return [path for directory in (left / "tmp", left / "remote", left / "home") for path in _files(directory)]


def _open_to_others(path: Path, root: Path) -> bool:
    """Whether another user could read it, if they could get as far as the root."""
    inner = [parent for parent in path.parents if root in parent.parents]
    try:
        return bool(path.stat().st_mode & 0o044) and all(parent.stat().st_mode & 0o011 for parent in inner)
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def secrets(client_certificate: Issued, other_certificate: Issued) -> Secrets:
    keys = {
        "plain": client_certificate.key_pem,
        "encrypted": client_certificate.encoded_key(passphrase=TOKENS["passphrase"]),
        "other": other_certificate.key_pem,
        "planted": issue("planted").key_pem,
    }
    return Secrets(client_certificate.pem, keys)


@dataclass
class Run:
    """One that is under way, or over. ``left`` is where it leaves whatever it leaves."""

    left: Path
    emulator: WatchingEmulator
    process: subprocess.Popen[bytes]


RUNS: dict[str, tuple[list[str], dict[str, str]]] = {
    "default": (["ansible-playbook", "-vvvv", *PLAY], {}),
    "minimal": (
        ["ansible-playbook", "-vvvv", *PLAY, AS_MODULES, "--diff", "--limit=localhost,echoing"],
        {"ANSIBLE_STDOUT_CALLBACK": "minimal"},
    ),
    "yaml": (
        ["ansible-playbook", "-vvvv", *PLAY, AS_MODULES, "--check", "--diff", "--limit=localhost,locked,role"],
        {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_PIPELINING": "true"},
    ),
    "ansible-runner": (
        ["ansible-runner", "run", "..", "-p", "play.yml", "-i", "1", "--artifact-dir", "{left}"],
        {},
    ),
}


@pytest.fixture(scope="module")
def runs(
    secrets: Secrets, server_certificate: Issued, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Run]]:
    """All of them at once, on an emulator each."""
    with contextlib.ExitStack() as stack:
        directory = tmp_path_factory.mktemp("runs")
        tls, _connections = stack.enter_context(tls_emulator(server_certificate, directory))
        runs, vault = {}, _vault(secrets, directory)
        for name, (command, variables) in RUNS.items():
            # Not below pytest's directory: ansible-core makes a socket in TMPDIR, whose path may have 107 characters.
            left = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
            for inner in ("tmp", "home"):
                (left / inner).mkdir(parents=True)
            emulator = WatchingEmulator(secrets, left)
            stack.enter_context(emulator)
            project = _give(directory / name / "given", emulator, secrets, vault, tls.url)
            process = subprocess.Popen(
                [str(TOOLS / command[0]), *(argument.format(left=left) for argument in command[1:])],
                cwd=project,
                env={**_environment(project, left, emulator), **variables},
                stdout=stack.enter_context((left / "output").open("wb")),
                stderr=subprocess.STDOUT,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            runs[name] = Run(left, emulator, process)
        yield runs


def _environment(project: Path, left: Path, emulator: Emulator) -> dict[str, str]:
    return environment(
        left / "home",
        ANSIBLE_CACHE_PLUGIN="jsonfile",
        ANSIBLE_CACHE_PLUGIN_CONNECTION=str(left / "cache"),
        ANSIBLE_DISPLAY_TRACEBACK="always",
        ANSIBLE_LOG_PATH=str(left / "log"),
        ANSIBLE_REMOTE_TMP=str(left / "remote"),
        ANSIBLE_VAULT_PASSWORD_FILE=str(project / "password"),
        CLOUDFLARE_API_TOKEN=TOKENS["token of the environment"],
        CLOUDFLARE_BASE_URL=emulator.url,
        HTTPS_PROXY=f"http://{':'.join(REALM)}@127.0.0.1:9",
        NO_PROXY="127.0.0.1",
        PYTHONPATH=str(project / "modules"),
        SYSLOG=str(left / "syslog"),
        TMPDIR=str(left / "tmp"),
    )


def _give(given: Path, emulator: Emulator, secrets: Secrets, vault: str, tls_url: str) -> Path:
    """Write what a run reads, as ansible-runner wants it, and return the directory of the playbook."""
    for name in ("token of the environment", "token as an option", "token of module_defaults", "token of the role"):
        emulator.add_token(token=TOKENS[name])
    emulator.add_key("ops@example.com", key=TOKENS["API key"])
    zones = {name: emulator.add_zone(f"{name}.example").id for name in ("good", "locked", "role")}
    for name, fault in _faults(secrets).items():
        zones[name] = emulator.add_zone(f"{name}.example").id
        fault.path = f"/zones/{zones[name]}/.*"
        emulator.faults.append(fault)
    inventory = {
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "tls_url": tls_url,
            "which_passphrase": "passphrase",
            "zones": zones,
        },
        "hosts": {"localhost": {}},
        "children": {
            "zones": {
                "hosts": {
                    "echoing": {"cloudflare_zone_id": zones["echoing_to_the_role"]},
                    "locked": {"cloudflare_zone_id": zones["locked"], "which_passphrase": "wrong passphrase"},
                    "role": {"cloudflare_zone_id": zones["role"]},
                }
            }
        },
    }
    files = {
        "env/cmdline": "-vvvv --diff --limit=localhost,locked,role",
        "inventory/inventory.json": json.dumps({"all": inventory}),
        "project/modules/syslog.py": SYSLOG,
        "project/password": TOKENS["password of the vault"],
        "project/plant.json": json.dumps({"plant": {"token": TOKENS["planted token"], "key": secrets.keys["planted"]}}),
        "project/play.yml": PLAYBOOK,
        "project/vault.json": vault,
    }
    for name, text in files.items():
        (given / name).parent.mkdir(parents=True, exist_ok=True)
        (given / name).write_text(text)
    return given / "project"


def _vault(secrets: Secrets, directory: Path) -> str:
    """The secrets as ansible-vault encrypts them."""
    (directory / "password").write_text(TOKENS["password of the vault"])
    vault = {
        "secrets": {name: text for name, text in TOKENS.items() if name not in PLANTED},
        "keys": {name: pem for name, pem in secrets.keys.items() if f"{name} key" not in PLANTED},
        "certificate": secrets.certificate,
    }
    encrypted = subprocess.run(
        [str(TOOLS / "ansible-vault"), "encrypt", "--vault-password-file", "password"],
        cwd=directory,
        env=environment(directory),
        input=json.dumps(vault),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return encrypted.stdout


def _faults(secrets: Secrets) -> dict[str, Fault]:
    """By zone. What a request held is echoed in the ways in which a server might quote it."""
    sent = TOKENS["token of module_defaults"]
    repeated = {"id": f"of {TOKENS['token of the environment']}", "enabled": True}
    return {
        "repeating": Fault(times=99, body={"success": True, "result": repeated}),
        "echoing_to_anybody": Fault(times=99, status=400, body=_echo(TOKENS["token of the environment"])),
        "echoing": Fault(times=99, status=400, body=_echo(sent)),
        "echoing_keys": Fault(times=99, status=400, body=_echo(sent, secrets.keys["plain"]), method="POST"),
        "echoing_to_the_role": Fault(
            times=99, status=400, body=_echo(TOKENS["token of the role"], secrets.keys["plain"]), method="POST"
        ),
        "down": Fault(times=99, status=503, body=f"<html>You sent {sent}</html>"),
    }


def _echo(token: str, key: str = "") -> dict[str, Any]:
    body = "".join(key.splitlines()[1:-1])
    said = [f"You sent {token}", f"'Authorization: Bearer {token}'"]
    if key:
        said += [f"And this key: {form}" for form in (key, json.dumps(key), repr(key), body, body[60:130])]
    return {
        "success": False,
        "errors": [{"code": code, "message": message} for code, message in enumerate(said, 1)],
        "result": None,
    }


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.long
def test_what_a_run_leaves(runs: dict[str, Run], secrets: Secrets, name: str) -> None:
    run = runs[name]
    returncode = run.process.wait(600)
    files = [path for path in _files(run.left) if path.name != "command"]  # ansible-runner writes its environment there
    text = (run.left / "output").read_text()

    # It was what it should be. Else it would be no wonder that nothing is found.
    assert text.count("All assertions passed") >= 2, text[-5000:]
    assert returncode == 2, text[-5000:]  # a zone could not be hardened
    as_modules = AS_MODULES in RUNS[name][0]
    if as_modules:
        assert (run.left / "syslog").read_text().count("Invoked with") > 20
    assert sum(path.stat().st_size for path in files) > 100_000
    reports = {"cache", "fact_cache", "job_events"} & {path.parent.name for path in files}
    assert reports == ({"fact_cache", "job_events"} if name == "ansible-runner" else {"cache"})

    leaked = secrets.leaked(files)
    places = {"output", "log", "localhost"} | ({"stdout"} if name == "ansible-runner" else set())
    for planted in PLANTED:
        assert places - leaked.pop(planted) == ({"localhost"} if planted == "planted token" else set())
    assert leaked == {}
    assert run.emulator.exposed == set()
    assert bool(run.emulator.guarded) == (name == "minimal")  # pipelining and Ansible's own process write no files
    assert _temporary_files(run.left) == []
