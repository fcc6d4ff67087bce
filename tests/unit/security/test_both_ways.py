# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A secret that is typed into any other option stays hidden, and a short one spoils no return value; in both ways.

The options are those of the argument specs, so that no option is forgotten.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import re
import socket
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Callable

import pytest
from ansible.module_utils.common.parameters import PASS_VARS

from ansible_collections.originsec.cloudflare.plugins.module_utils._module import CloudflareModule, Result
from ansible_collections.originsec.cloudflare.plugins.modules import (
    auto_origin_tls_kex,
    origin_client_auth,
    origin_tls_client_auth,
    origin_tls_probe,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.plugins.action.test_in_process import make_action
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, run_module

MODULES = tuple(
    module
    for path in sorted(Path(auto_origin_tls_kex.__file__).parent.glob("*.py"))
    for module in [importlib.import_module(f"{auto_origin_tls_kex.__package__}.{path.stem}")]
    if hasattr(module, "MODULE")  # the one of the origin's side has no option for a secret
)
NEEDED: dict[str, dict[str, Any]] = {
    "auto_origin_tls_kex": {"enabled": True},
    "origin_pqe": {"value": "supported"},
    "origin_tls": {"verify_urls": []},
    "origin_tls_client_auth": {"enabled": True},
    "origin_tls_client_auth_global": {"enabled": True},
    "origin_tls_client_auth_hostname": {"hostname": "www.example.com", "enabled": False},
    "origin_tls_compliance_modes": {"modes": []},
    "origin_tls_probe": {"host": "127.0.0.1", "port": 9},
    "ssl_mode": {"mode": "strict"},
}
SECRET = "Canary_of_the-secret.0123456789"
Way = Callable[[ModuleType, dict[str, Any]], dict[str, Any]]


def in_process(module: ModuleType, options: dict[str, Any]) -> dict[str, Any]:
    action = make_action(module.MODULE, args=options, diff=True)
    result: dict[str, Any] = action.run(task_vars={"ansible_inject_invocation": True})
    return result


def as_module(module: ModuleType, options: dict[str, Any]) -> dict[str, Any]:
    # ansible-core >= 2.21 wants to be asked for what it did anyway
    asked = {"_ansible_inject_invocation": True} if "inject_invocation" in PASS_VARS else {}
    return run_module(module, {**options, **asked}, diff=True)


@pytest.fixture(params=[in_process, as_module], ids=["in-process", "module"])
def way(request: pytest.FixtureRequest) -> Way:
    way: Way = request.param
    return way


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What modules wrote into the system's log, a line each."""
    path = tmp_path / "syslog"
    path.write_text("")

    def syslog(_priority: int, message: str) -> None:
        with path.open("a") as file:
            file.write(f"{message}\n")

    monkeypatch.setattr("syslog.syslog", syslog)
    for name in ("basic", "_internal._logging"):  # the latter with ansible-core >= 2.22
        with contextlib.suppress(ImportError):
            module = importlib.import_module(f"ansible.module_utils.{name}")
            monkeypatch.setattr(module, "has_journal", False, raising=False)
    return path


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
@pytest.mark.parametrize("source", ["environment", "option", "passphrase", "proxy"])
def test_a_secret_in_any_other_option_is_hidden(
    source: str,
    module: ModuleType,
    way: Way,
    options: dict[str, Any],
    log: Path,
    client_certificate: Issued,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = module.MODULE.argument_spec
    given = {**options, **NEEDED.get(module.__name__.rpartition(".")[2], {})}
    if module is origin_tls_probe:
        pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")
        given = dict(NEEDED["origin_tls_probe"])
        # A name server may take long to say that it does not know
        monkeypatch.setattr(socket, "getaddrinfo", _unknown_host)
    if source == "environment":
        given.pop("api_token", None)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", f" {SECRET}\n")
    elif source == "proxy":
        monkeypatch.setenv("all_proxy", f"http://user:{SECRET}@127.0.0.1:9")
    elif source == "option" and "api_token" in spec:
        given["api_token"] = f" {SECRET}\n"
    elif source == "passphrase" and "private_key_passphrase" in spec:
        given |= {"certificate": client_certificate.pem, "private_key": client_certificate.key_pem}
        given["private_key_passphrase"] = f"{SECRET} "
    else:
        pytest.skip("there is no such option")
    for name in (name for name, definition in spec.items() if not definition.get("no_log")):
        if name == "origins" and not hasattr(pytest.importorskip("OpenSSL.SSL").Connection, "get_group_name"):
            continue  # without pyOpenSSL >= 26 it is left to the host where the module runs
        zone = {"zone_id": ""} if name == "zone_name" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = way(module, {**given, **zone, name: SECRET})
        assert name in result["invocation"]["module_args"]
        for shown in (json.dumps(result), log.read_text()):
            assert SECRET.lower() not in shown.lower(), name
        assert not {"deprecations", "warnings"} & result.keys(), name


def test_a_secret_is_hidden_in_warnings_and_diffs_as_well(
    way: Way, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CF_API_TOKEN", SECRET)
    outcome = Result(
        "", {"found": SECRET}, before={"id": SECRET}, after={"id": f"of {SECRET}"}, warnings=[f"a {SECRET}"]
    )
    module = CloudflareModule({}, lambda *_: outcome)
    result = way(SimpleNamespace(MODULE=module, main=module.main), options)  # type: ignore[arg-type]
    assert "a ********" in str(result["warnings"])
    assert result["diff"] == {"before": {"id": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}, "after": {"id": "of ********"}}
    assert SECRET not in json.dumps(result, default=str)


def _unknown_host(*_arguments: Any, **_keywords: Any) -> Any:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("value", ["{key}", "{certificate}{key}", " {key}", "prefix {key}"])
def test_a_private_key_in_any_other_option_is_hidden(
    value: str, way: Way, options: dict[str, Any], log: Path, client_certificate: Issued
) -> None:
    key = client_certificate.key_pem
    text = value.format(key=key, certificate=client_certificate.pem)
    for name in ("certificate", "zone_id", "zone_name", "api_email", "ca_path", "timeout", "state"):
        result = way(origin_tls_client_auth, {**options, "enabled": True, name: text})
        shown = re.sub(r"\\+n|\s", "", json.dumps(result) + log.read_text())
        for line in key.splitlines()[1:-1]:
            assert line not in shown, name


def test_what_has_no_business_on_an_origin_is_hidden_there_too(log: Path, client_certificate: Issued) -> None:
    """No option is for a secret, but a key may be pasted in place of an authority, and a command hold a password."""
    key = client_certificate.key_pem
    command = f"curl http://admin:{SECRET}@127.0.0.1:2019/load"
    result = as_module(origin_client_auth, {"mode": "ask", "ca": [key], "reload_command": command})
    assert result["failed"]
    shown = json.dumps(result) + log.read_text()
    assert SECRET not in shown
    assert not any(line in shown for line in key.splitlines()[1:-1])
    assert result["invocation"]["module_args"]["mode"] == "ask"


@pytest.mark.parametrize("passphrase", ["a", "1", "0", "e", "true", "active", "True", 1, True])
def test_a_short_passphrase_spoils_no_return_value(
    passphrase: Any,
    way: Way,
    options: dict[str, Any],
    emulator: Emulator,
    zone: Zone,
    log: Path,
    client_certificate: Issued,
) -> None:
    key = client_certificate.encoded_key(passphrase=str(passphrase))
    pair = {"certificate": client_certificate.pem, "private_key": key, "private_key_passphrase": passphrase}
    result = way(origin_tls_client_auth, {**options, **pair, "enabled": True})
    assert "failed" not in result, result
    assert result["zone_id"] == zone.id
    assert result["certificate"]["id"] == emulator.active(zone)[-1]
    assert result["certificate"]["fingerprint_sha256"] == client_certificate.fingerprint
    assert result["certificate"]["status"] == "active"
    assert (result["changed"], result["enabled"]) == (True, True)
    assert result["invocation"]["module_args"]["enabled"] is True
    assert result["invocation"]["module_args"]["private_key_passphrase"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    if way is as_module:
        assert re.search(r"private_key_passphrase=(NOT_LOGGING_PARAMETER|\$REDACTED\$) ", log.read_text())


@pytest.mark.parametrize("passphrase", ["{fingerprint}", "{zone}"])
def test_a_passphrase_spoils_no_return_value_however_long_it_is(
    passphrase: str, way: Way, options: dict[str, Any], zone: Zone, client_certificate: Issued
) -> None:
    text = passphrase.format(fingerprint=client_certificate.fingerprint[:16], zone=zone.id)
    options = {**options, "zone_id": "", "zone_name": zone.name}  # where the passphrase was typed it is hidden
    key = client_certificate.encoded_key(passphrase=text)
    pair = {"certificate": client_certificate.pem, "private_key": key, "private_key_passphrase": text}
    result = way(origin_tls_client_auth, {**options, **pair, "enabled": True})
    assert result["certificate"]["fingerprint_sha256"] == client_certificate.fingerprint
    assert result["zone_id"] == zone.id


def test_nothing_is_left_to_ansible_that_would_mask_ids(
    options: dict[str, Any], client_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ansible-core >= 2.22 has once as a secret, it masks in all that it prints until it ends."""
    registered: set[str] = set()
    for target in ("module_utils._masking", "plugin_utils._in_process"):
        module = f"ansible_collections.originsec.cloudflare.plugins.{target}.register_secrets"
        monkeypatch.setattr(module, registered.update)
    key = client_certificate.encoded_key(passphrase="a")
    pair = {"certificate": client_certificate.pem, "private_key": key, "private_key_passphrase": "a"}
    for way in (in_process, as_module):
        way(origin_tls_client_auth, {**options, **pair, "enabled": True})
        assert {options["api_token"], key.strip()} <= registered
        assert all(len(text) >= 8 for text in registered)
        registered.clear()


def test_no_hidden_option_has_an_alias() -> None:
    """Secrets are found under the name of an option."""
    for module in MODULES:
        for definition in module.MODULE.argument_spec.values():
            assert not (definition.get("no_log") and definition.get("aliases"))


def test_the_log_is_the_one_that_modules_write_to(log: Path, options: dict[str, Any]) -> None:
    as_module(auto_origin_tls_kex, {**options, "enabled": True})
    assert "enabled=True" in log.read_text()
