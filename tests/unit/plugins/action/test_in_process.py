# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a task runs in Ansible's own process, what the items of a loop share, and what stays out of sight."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible.template import Templar
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from ansible_collections.originsec.cloudflare.plugins.module_utils._client import Client
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import CloudflareError
from ansible_collections.originsec.cloudflare.plugins.module_utils._module import (
    CloudflareModule,
    Module,
    Params,
    Result,
)
from ansible_collections.originsec.cloudflare.plugins.plugin_utils import _in_process
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit.plugins.action.playbook import COLLECTIONS, play
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, debian_program, issue

PROBE = "originsec.cloudflare.origin_tls_probe"
KEX = "originsec.cloudflare.auto_origin_tls_kex"
PQE = "originsec.cloudflare.origin_pqe"
CLIENT_AUTH = "originsec.cloudflare.origin_tls_client_auth"


@pytest.fixture
def connections(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The addresses from which the emulator was connected to."""
    accept, seen = emulator._server.get_request, []

    def counted() -> Any:
        request = accept()
        seen.append(request[1])
        return request

    monkeypatch.setattr(emulator._server, "get_request", counted)
    return seen


def tasks(options: dict[str, Any], *cases: dict[str, Any]) -> list[dict[str, Any]]:
    """A play of these tasks, none of which ends it."""
    common = {
        "gather_facts": False,
        "ignore_errors": True,
        "module_defaults": {"group/originsec.cloudflare.cloudflare": options},
    }
    return [{"hosts": "all", "connection": "local", **common, "tasks": list(cases)}]


# ---------------------------------------------------------------------------------------------- where a task runs


@pytest.mark.long
def test_what_this_process_cannot_do_is_left_to_the_module(
    options: dict[str, Any], emulator: Emulator, tmp_path: Path
) -> None:
    cases: dict[str, dict[str, Any]] = {
        f"{_in_process.SWITCH} is off": {"vars": {_in_process.SWITCH: "{{ 'no' }}"}},
        "it is to run asynchronously": {"async": 60, "poll": 1},
        "the connection is ssh, not local": {"delegate_to": "far.example"},
    }
    plays = tasks(
        options,
        *({KEX: {"enabled": True}, "name": reason, **keywords} for reason, keywords in cases.items()),
        {KEX: {"enabled": True}, "vars": {_in_process.SWITCH: "{{ 'yes' }}"}},
    )
    far = {"name": "far.example", "ansible_connection": "ssh", "ansible_ssh_executable": "/bin/false"}
    plays.insert(0, {"hosts": "all", "gather_facts": False, "tasks": [{"add_host": far}]})
    plays[1] |= {"hosts": "localhost", "ignore_unreachable": True}
    run = play(tmp_path, plays, {}, "-vvv")
    for reason in cases:
        assert f"{KEX} runs as a module, since {reason}." in run.output
    assert run.output.count("runs as a module, since") == 3
    assert emulator.count() == {"GET": 3, "PATCH": 1}


@pytest.mark.parametrize(
    ("reason", "transport", "become", "platform"),
    [
        ("", "local", None, "linux"),
        ("not local", "docker", None, "linux"),
        ("become another user", "local", "sudo", "linux"),
        ("macOS", "local", None, "darwin"),
    ],
)
def test_an_obstacle(
    reason: str, transport: str, become: str | None, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    action = make_action(CloudflareModule({}, lambda *_: Result("", {})))
    action._connection = SimpleNamespace(transport=transport, become=become)
    assert reason in action._obstacle({})
    assert bool(action._obstacle({})) == bool(reason)


@pytest.mark.long
def test_delegated_from_afar_it_runs_here(options: dict[str, Any], tmp_path: Path) -> None:
    plays = tasks(options, {KEX: {"enabled": True}, "delegate_to": "localhost"})
    plays[0]["connection"] = "ssh"
    run = play(tmp_path, plays, {}, "-ifar.example,")
    assert "changed: [far.example -> localhost]" in run.output
    assert run.modules == 0


@pytest.mark.parametrize("library", ["requests", "cryptography.x509"])
@pytest.mark.long
def test_a_library_that_is_missing_here_may_be_there(library: str, options: dict[str, Any], tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(f"import sys\nsys.modules['{library}'] = None\n")
    plays = tasks(options, {"originsec.cloudflare.origin_tls_info": {}})
    run = play(tmp_path, plays, {}, "-vvv", PYTHONPATH=str(hidden))
    assert "runs as a module, since a Python library is missing here" in run.output
    assert (run.returncode, run.modules) == (0, 1)


@pytest.mark.long
def test_a_probe_runs_here_too_and_says_the_same(tmp_path: Path, client_certificate: Issued) -> None:
    pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")
    from ansible_collections.originsec.cloudflare.tests.origin.origin import Origin

    server = issue("shop.example.com")
    pair = {"certificate": "{{ certificate }}", "private_key": "{{ private_key }}"}
    variables = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    with Origin(server.pem, server.key_pem, client_certificates="optional", client_ca=client_certificate.pem) as origin:
        probe = {"host": "127.0.0.1", "port": origin.port}
        mistaken = {**probe, "certificate": "{{ private_key }}"}
        cases: list[dict[str, Any]] = [{PROBE: {**probe, **pair}}, {PROBE: mistaken}, {PROBE: {}}]
        plays = [{**tasks({}, *cases)[0], "vars": variables}]
        here, module = (play(tmp_path, plays, {_in_process.SWITCH: switch}, "-v") for switch in (True, False))
    assert (here.modules, module.modules) == (0, len(cases))
    assert '"client_certificate_accepted": true' in here.output
    assert here.output.replace("Action failed", "Module failed") == module.output.replace(
        "Action failed", "Module failed"
    )
    for secret in secrets(client_certificate):
        assert secret not in here.output


# ------------------------------------------------------------------------------------- what the items of a loop share


@pytest.mark.long
def test_items_share_a_connection_and_what_was_looked_up(
    options: dict[str, Any], emulator: Emulator, connections: list[Any], tmp_path: Path
) -> None:
    emulator.add_zone("example.org")
    options["zone_id"] = ""
    names = ["example.com", "example.org", "EXAMPLE.com", "nowhere.example", "nowhere.example"]
    run = play(tmp_path, tasks(options, {KEX: {"enabled": False, "zone_name": "{{ item }}"}, "loop": names}), {})
    assert run.modules == 0
    assert len(connections) == 1
    paths = [exchange.path.partition("?")[0] for exchange in emulator.journal]
    assert paths.count("/zones") == 4
    assert len(paths) == 4 + 3


@pytest.mark.long
def test_items_with_other_credentials_share_nothing(
    options: dict[str, Any], emulator: Emulator, connections: list[Any], tmp_path: Path
) -> None:
    del options["api_token"]
    tokens = [emulator.add_token(), "no_token_of_anybody_0123456789abcdefghij"]
    tokens.append(emulator.add_token())
    cases = [
        {KEX: {"enabled": False, "api_token": "{{ item }}"}, "loop": [*tokens, tokens[-1]]},
        {KEX: {"enabled": False}, "loop": tokens, "environment": {"CLOUDFLARE_API_TOKEN": "{{ item }}"}},
    ]
    play(tmp_path, tasks(options, *cases), {})
    assert [exchange.status for exchange in emulator.journal] == [200, 403, 200, 200, 200, 403, 200]
    assert len(connections) == 6


def test_the_environment_of_an_item_ends_with_it(options: dict[str, Any], emulator: Emulator, tmp_path: Path) -> None:
    environments = [{"CF_API_TOKEN": options.pop("api_token")}, {}, {"CF_API_TOKEN": "two words"}]
    run = play(
        tmp_path, tasks(options, {KEX: {"enabled": False}, "loop": environments, "environment": "{{ item }}"}), {}
    )
    assert run.output.count("ok: [localhost]") == 1
    assert "There are no credentials" in run.output
    assert "white space inside" in run.output
    assert len(emulator.journal) == 1


def test_a_client_never_crosses_a_fork(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"validate_certs": True, "ca_path": None, "timeout": 30, "retries": 5, "zone_name": None}
    params.update({"api_email": None, "api_key": None, **options})
    parents = _in_process._shared_client(params)
    assert _in_process._shared_client(params) is parents
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert _in_process._shared_client(params) is not parents


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "CLOUDFLARE_API_TOKEN"])
def test_a_client_belongs_to_an_environment(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"validate_certs": True, "ca_path": None, "timeout": 30, "retries": 5, "zone_name": None}
    params.update({"api_email": None, "api_key": None, **options})
    before = _in_process._shared_client(params)
    monkeypatch.setenv(name, "another")
    assert _in_process._shared_client(params) is not before


# ------------------------------------------------------------------------------------------------ without a playbook


def make_action(module: Module, **task: Any) -> Any:
    """An action that is ready to run, as Ansible's worker makes it."""

    class Action(_in_process.InProcessAction):
        pass

    Action.module = module
    loader = DataLoader()
    context = PlayContext()
    return Action(
        task=Task.load({"action": KEX, **task}, loader=loader),
        connection=connection_loader.get("local", context, os.devnull),
        play_context=context,
        loader=loader,
        templar=Templar(loader),
        shared_loader_obj=None,
    )


def test_the_environment_is_restored_after_a_crash(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    seen: dict[str, str] = {}

    def crash(params: Params, client: Client, check_mode: bool) -> Result:
        seen.update(os.environ)
        raise RuntimeError("a bug")

    monkeypatch.setenv("KEPT", "before")
    before = dict(os.environ)
    variables = {"KEPT": "during", "ADDED": 1}
    action = make_action(CloudflareModule({}, crash), args=options, environment=[variables])
    with pytest.raises(RuntimeError, match="a bug"):
        action.run(task_vars={})
    assert (seen["KEPT"], seen["ADDED"]) == ("during", "1")
    assert dict(os.environ) == before


def test_an_item_has_its_own_warnings_only(options: dict[str, Any]) -> None:
    def warn_once(params: Params, client: Client, check_mode: bool) -> Result:
        client.waited += params["seconds"]
        if params["seconds"] == 9:
            raise CloudflareError("It failed.")
        return Result("", {}, warnings=["Careful"] if params["seconds"] else [])

    module = CloudflareModule({"seconds": {"type": "int"}}, warn_once)
    results = [make_action(module, args={**options, "seconds": seconds}).run(task_vars={}) for seconds in (7, 0, 8, 9)]
    assert [len(result.get("warnings", [])) for result in results] == [2, 0, 2, 1]
    assert "Waited 8 seconds" in results[2]["warnings"][1]
    assert results[3]["failed"]
    assert "Waited 9 seconds" in results[3]["warnings"][0]


def test_what_is_deprecated_is_told(options: dict[str, Any]) -> None:
    deprecated = [{"name": "old", "version": "9.0.0", "collection_name": "originsec.cloudflare"}]
    module = CloudflareModule(
        {"new": {"type": "str", "aliases": ["old"], "deprecated_aliases": deprecated}}, lambda *_: Result("", {})
    )
    result = make_action(module, args={**options, "old": "x"}).run(task_vars={})
    assert "Alias 'old' is deprecated" in result["deprecations"][0]["msg"]


@pytest.mark.parametrize(("name", "libraries"), [(KEX, ()), (CLIENT_AUTH, ("cryptography.x509",)), (PROBE, ())])
@pytest.mark.long
def test_what_a_worker_needs_is_imported_before_the_fork(name: str, libraries: tuple[str, ...]) -> None:
    """Ansible loads the class of the action before it forks, and each worker would have to import what is missing."""
    action = f"ansible_collections.originsec.cloudflare.plugins.action.{name.rpartition('.')[2]}"
    needed = ["ansible.plugins.filter.core", "ansible.plugins.filter.mathstuff", "ansible.plugins.test.core"]
    needed += [action.replace(".action.", ".modules."), "requests", *libraries]
    script = f"import sys, {action}; print([name for name in {needed} if name not in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    missing = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    )
    assert missing.stdout == "[]\n"


@pytest.mark.parametrize("switch", [True, False])
@pytest.mark.long
def test_binary_files_are_named(
    switch: bool, options: dict[str, Any], client_certificate: Issued, tmp_path: Path
) -> None:
    """As Ansible's own lookup reads them."""
    plain = serialization.NoEncryption()
    files = {
        "client.der": client_certificate.certificate.public_bytes(serialization.Encoding.DER),
        "client.p12": pkcs12.serialize_key_and_certificates(
            b"x", client_certificate.key, client_certificate.certificate, None, plain
        ),
        "key.der": client_certificate.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain
        ),
        "empty.pem": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    def file(name: str) -> str:
        return f"{{{{ lookup('ansible.builtin.file', '{tmp_path}/{name}') }}}}"

    pem, key = "{{ certificate }}", "{{ private_key }}"
    pairs = [
        (file("client.der"), key),
        (file("client.p12"), key),
        (pem, file("client.p12")),
        (pem, file("key.der")),
        (file("empty.pem"), key),
        (pem, file("empty.pem")),
    ]
    cases = [{CLIENT_AUTH: {"certificate": one, "private_key": other, "enabled": True}} for one, other in pairs]
    variables = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    run = play(tmp_path, [{**tasks(options, *cases)[0], "vars": variables}], {_in_process.SWITCH: switch})
    for message in (
        "It is a certificate in DER: 'openssl x509 -inform DER -in FILE",
        "It is PKCS#12 (.p12, .pfx): 'openssl pkcs12 -in FILE -clcerts -nokeys",
        "It is PKCS#12 (.p12, .pfx): 'openssl pkcs12 -in FILE -nocerts -nodes",
        "It is a private key in DER: 'openssl pkey -inform DER -in FILE",
        "private_key needs certificate beside it, which is blank (is the file that it comes from empty?)",
        "private_key is blank (is the file that it comes from empty?)",
    ):
        assert message in " ".join(run.output.split()), run.output
    assert "Traceback" not in run.output
    assert run.modules == (0 if switch else len(cases))


# ---------------------------------------------------------------------------------------------------------- secrets


def test_a_secret_that_is_a_word_of_ansible_hides_no_boolean(options: dict[str, Any]) -> None:
    module = CloudflareModule(
        {"word": {"no_log": True}}, lambda *_: Result("0" * 32, {"enabled": False, "nothing": None}, changed=True)
    )
    for word in ("True", "False", "None", "e"):
        result = make_action(module, args={**options, "word": word}).run(task_vars={})
        assert (result["changed"], result["enabled"], result["nothing"]) == (True, False, None)


@pytest.fixture
def upload(options: dict[str, Any], client_certificate: Issued) -> list[dict[str, Any]]:
    """A play that uploads, and fails with the key in hand."""
    pair = {"certificate": "{{ certificate }}", "private_key": "{{ private_key }}"}
    cases = [{CLIENT_AUTH: pair, "name": "Upload"}, {CLIENT_AUTH: {**pair, "colour": "blue"}, "name": "Fail"}]
    variables = {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
    return [{**tasks(options, *cases)[0], "vars": variables}]


def secrets(certificate: Issued) -> list[str]:
    """Parts of the key's PEM that stand for the whole; the rest is in every key, or in the certificate."""
    first, second = certificate.key_pem.splitlines()[1:3]
    return [first[48:], second[:16]]


@pytest.mark.long
def test_no_secret_is_printed(
    upload: list[dict[str, Any]], client_certificate: Issued, token: str, tmp_path: Path
) -> None:
    run = play(tmp_path, upload, {}, "-vvvv")
    assert "changed: [localhost]" in run.output
    assert "Unsupported parameters" in run.output
    assert run.modules == 0
    for secret in (token, *secrets(client_certificate)):
        assert secret not in run.output


@pytest.mark.parametrize("switch", [True, False])
@pytest.mark.long
def test_the_key_touches_no_disk(
    switch: bool, upload: list[dict[str, Any]], client_certificate: Issued, tmp_path: Path
) -> None:
    """As a module it does, which shows that the test can tell."""
    trace, program = tmp_path / "trace", debian_program("strace", "strace")
    strace = [program.path, "-f", "-y", "-qq", "-s", "1000000", "-e", "trace=write,writev,pwrite64", "-o", str(trace)]
    run = play(tmp_path, upload, {_in_process.SWITCH: switch}, wrapper=strace, **program.environment)
    assert "changed: [localhost]" in run.output
    written = re.findall(r"^\d+ +(?:p?write\w*)\(\d+<(/[^>]*)>, (.*)$", trace.read_text(), re.MULTILINE)
    assert written
    files = [path for path, text in written if any(secret in text for secret in secrets(client_certificate))]
    assert bool(files) == (not switch), files
