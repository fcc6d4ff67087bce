# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a change when things fail that do not fail with real servers, or not when they are asked to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_answer import Answer, Question
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_change import Change, Check, Wanted
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_nginx import Nginx
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_server import OriginError
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_system import Process
from ansible_collections.originsec.cloudflare.plugins.modules.origin_client_auth import RETURN, SPEC, run
from ansible_collections.originsec.cloudflare.tests.unit.origins.paper import Paper

DROP_IN = "/etc/nginx/conf.d/originsec-client-auth.conf"
BUNDLE = "/etc/nginx/originsec-client-auth.pem"
MARK = "/etc/nginx/.originsec-client-auth.pending"
VERSION = "nginx version: nginx/1.22.1\nconfigure arguments: --conf-path=/etc/nginx/nginx.conf"
SITES = (
    "server { listen 127.0.0.1:443 ssl; server_name a.example; }\n"
    "server { listen 443 ssl; listen [::]:443 ssl; listen 80; server_name b.example; }\n"
    "server { listen 0.0.0.0:444 ssl; server_name open.example; ssl_verify_client off; }\n"
)

Answering = Callable[[Paper, Question], Answer]


def honest(system: Paper, question: Question) -> Answer:
    """As what is on disk."""
    text = system.files.get(DROP_IN, "")
    asked = "ssl_verify_client" in text and question.port != 444 and question.tls
    refused = asked and "ssl_verify_client on" in text
    return Answer(asked, refused, 400 if refused else 200)


def machine(sites: str = SITES) -> Paper:
    files = {"/etc/nginx/nginx.conf": f"http {{ include conf.d/*.conf;\n{sites} }}", "/etc/nginx/conf.d/x.conf": ""}
    master = Process(7, 1, "/usr/sbin/nginx", ("nginx: master process nginx",))
    return Paper(files, {"-V": VERSION}, running=[master])


def change(system: Paper, mode: str = "require", answering: Answering = honest, **wanted: Any) -> Change:
    """One that does not wait."""
    check = wanted.pop("check", Check(timeout=0))
    return Change(
        system,
        Nginx(system, system.running[0]),
        Wanted(mode, ("PEM\n",), check, **wanted),
        ask=lambda question: answering(system, question),
        offers=lambda question: question.port == 443,
        pause=lambda _seconds: None,
        patience=0,
    )


def test_a_first_answer_that_is_late() -> None:
    """As on a machine that is busy."""
    system, waiting = machine(), [Answer(error="did not answer in time", late=True)]

    def at_first_late(system: Paper, question: Question) -> Answer:
        return waiting.pop() if waiting else honest(system, question)

    assert change(system, answering=at_first_late).make(check_mode=False)["mode"] == "require"


def test_the_report() -> None:
    system = machine()
    report = change(system).make(check_mode=False)
    assert (report["covered"], report["open"], report["plain"]) == (
        ["a.example", "b.example"],
        ["open.example"],
        ["b.example"],
    )
    assert [(one["host"], one["port"], one["tls"], one["post_quantum"]) for one in report["probes"]] == [
        ("127.0.0.1", 80, False, None),
        ("127.0.0.1", 443, True, True),
        ("127.0.0.1", 443, True, True),
        ("::1", 443, True, True),
        ("127.0.0.1", 444, True, False),
    ]
    assert report["post_quantum"] is False
    documented = yaml.safe_load(RETURN)
    of_the_action = {"ca", "verified", "dark"}
    assert set(report) - {"changed", "warnings", "diff"} == set(documented) - of_the_action
    for name in ("hosts", "probes"):
        assert set(report[name][0]) == set(documented[name]["contains"])
    assert MARK not in system.files


def test_what_is_probed() -> None:
    def probed(**check: Any) -> list[tuple[str, int, str | None]]:
        report = change(machine(), "ask", check=Check(timeout=0, **check)).make(check_mode=False)
        return [(one["host"], one["port"], one["server_name"]) for one in report["probes"] if one["tls"]]

    assert probed(server_names=("a.example",)) == [("127.0.0.1", 443, "a.example")]
    assert probed(server_names=("c.example",)) == [
        ("127.0.0.1", 443, "c.example"),
        ("::1", 443, "c.example"),
    ]
    assert probed(server_names=()) == []
    assert {one[:2] for one in probed(host="192.0.2.1", port=8443, server_names=("a.example",))} == {
        ("192.0.2.1", 8443)
    }


def test_what_does_not_answer_before() -> None:
    def dead(_system: Paper, _question: Question) -> Answer:
        return Answer(error="Connection refused")

    system = machine()
    with pytest.raises(OriginError, match=r"nginx runs, but does not answer already. 127.0.0.1:443 \(a.example\)"):
        change(system, answering=dead).make(check_mode=False)
    assert DROP_IN not in system.files

    def half(system: Paper, question: Question) -> Answer:
        return dead(system, question) if question.host == "::1" else honest(system, question)

    # What cannot be reached is told, and not demanded, unless it was asked for by name
    system = machine()
    report = change(system, answering=half).make(check_mode=False)
    assert [one["error"] for one in report["probes"]].count("Connection refused") == 1
    assert change(system, answering=half).make(check_mode=False)["changed"] is False
    with pytest.raises(OriginError, match="does not answer already"):
        change(machine(), answering=half, check=Check(server_names=("b.example",))).make(check_mode=False)


def refusing(system: Paper, question: Question) -> Answer:
    """A server that dies of it."""
    return Answer(error="Connection refused") if DROP_IN in system.files else honest(system, question)


def failing(system: Paper, question: Question) -> Answer:
    """Sites that need what the role brought down."""
    return Answer(True, status=502) if DROP_IN in system.files else honest(system, question)


def strict(system: Paper, question: Question) -> Answer:
    """One that refuses although it is to ask only."""
    return Answer(True, refused=DROP_IN in system.files, status=200)


def open_refused(system: Paper, question: Question) -> Answer:
    """A virtual host that the role does not cover."""
    refused = DROP_IN in system.files and question.port == 444
    return Answer(True, refused=True) if refused else honest(system, question)


@pytest.mark.parametrize(
    ("answering", "mode", "told"),
    [
        (refusing, "ask", "127.0.0.1:443 (a.example): Connection refused"),
        (failing, "ask", "127.0.0.1:443 (a.example): it answers 502, and answered 200 before"),
        (strict, "ask", "(a.example): it refuses who presents no client certificate"),
        (strict, "off", ""),
        (open_refused, "ask", "(open.example): it refuses who presents no client certificate, as it did not before"),
        (lambda _system, _question: Answer(None, status=200), "require", "it still answers who presents no client"),
    ],
)
def test_a_probe_that_fails(answering: Answering, mode: str, told: str) -> None:
    system = machine()
    before = dict(system.files)
    if mode == "off":  # which nothing was written for, but the server still asks
        with pytest.raises(OriginError, match="it still asks for a client certificate"):
            change(system, mode, answering).make(check_mode=False)
        return
    with pytest.raises(OriginError) as failed:
        change(system, mode, answering).make(check_mode=False)
    assert "The probe failed after the reload: 127.0.0.1:44" in str(failed.value)
    assert told in str(failed.value)
    assert str(failed.value).endswith("Everything is back as it was, and nginx answers.")
    assert (system.files, len(system.signals)) == (before, 2)
    assert (failed.value.facts["mode"], failed.value.facts["put_back"]) == ("off", True)


def test_a_server_that_asks_in_a_way_that_python_cannot_see() -> None:
    def blind(system: Paper, question: Question) -> Answer:
        return Answer(None, honest(system, question).refused, 200)

    for mode in ("ask", "require", "off"):
        assert change(machine(), mode, blind).make(check_mode=False)["mode"] == mode


def test_a_virtual_host_that_answers_nobody() -> None:
    """As the ``return 444`` of a default server, which nobody could tell from a refusal once it asks."""

    def closing(system: Paper, question: Question) -> Answer:
        answer = honest(system, question)
        if question.server_name != "a.example" or answer.refused:
            return answer
        return Answer(answer.asked, bool(answer.asked), error="" if answer.asked else "closed", silent=True)

    system = machine()
    steps = [("ask", True), ("ask", False), ("require", True), ("ask", True), ("off", True), ("off", False)]
    for mode, changed in steps:
        report = change(system, mode, closing).make(check_mode=False)
        assert (report["changed"], report["mode"]) == (changed, mode)


def test_its_own_test_fails_of_the_new_files() -> None:
    class Picky(Paper):
        def run(self, *arguments: Any, **others: Any) -> Any:
            finished = super().run(*arguments, **others)
            picky = "-t" in arguments[0] and DROP_IN in self.files
            return type(finished)(1, "unknown directive") if picky else finished

    paper = machine()
    system = Picky(**vars(paper))
    before = dict(system.files)
    with pytest.raises(OriginError, match=r"nginx does not take the new configuration. unknown directive Everything"):
        change(system).make(check_mode=False)
    assert system.files == before


def test_a_disk_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was not written needs not be put back; what cannot be put back is named."""

    class Full(Paper):
        after = 2

        def write(self, path: str, content: bytes | None) -> None:
            self.after -= 1
            if self.after < 0:
                raise OSError(28, "No space left on device", path)
            super().write(path, content)

    system = Full(**vars(machine()))
    with pytest.raises(OriginError) as failed:
        change(system).make(check_mode=False)
    assert f"OSError: [Errno 28] No space left on device: '{DROP_IN}'" in str(failed.value)
    assert f"{BUNDLE} could not be put back (No space left on device): do it by hand." in str(failed.value)
    assert f"{DROP_IN} could not" not in str(failed.value)
    assert MARK in system.files


def test_a_file_that_cannot_be_put_back() -> None:
    """The others are put back nevertheless."""

    class Stuck(Paper):
        def write(self, path: str, content: bytes | None) -> None:
            if path == DROP_IN and path in self.files:
                raise OSError(30, "Read-only file system", path)
            super().write(path, content)

    system = Stuck(**vars(machine()))
    with pytest.raises(OriginError, match=r"client-auth.conf could not be put back \(Read-only file system\)"):
        change(system, answering=refusing).make(check_mode=False)
    assert BUNDLE not in system.files


@pytest.mark.parametrize("systemd", [False, True])
def test_a_server_that_does_not_come_back(systemd: bool) -> None:
    system = machine()
    system.systemd = systemd
    system.failing = {"systemctl"}

    def ending(system: Paper, question: Question) -> Answer:
        if DROP_IN in system.files:
            system.running = []
        return honest(system, question) if system.running else Answer(error="Connection refused")

    with pytest.raises(OriginError) as failed:
        change(system, answering=ending).make(check_mode=False)
    assert "The reload ended nginx. The files are back as they were, but nginx is not: " in str(failed.value)
    if systemd:
        assert "it ended, and 'systemctl start nginx' failed" in str(failed.value)
    else:
        assert system.started
    assert DROP_IN not in system.files
    assert MARK in system.files


def test_the_mark_of_a_run_that_was_killed() -> None:
    system = machine()
    change(system).make(check_mode=False)
    assert change(system).make(check_mode=False)["changed"] is False
    system.files[MARK] = ""
    planned = change(system).make(check_mode=True)
    assert (planned["changed"], MARK in system.files, len(system.signals)) == (True, True, 1)
    assert change(system).make(check_mode=False)["changed"]
    assert (MARK in system.files, len(system.signals)) == (False, 2)


def module(system: Paper, **given: Any) -> dict[str, Any]:
    options = {name: given.get(name, spec.get("default")) for name, spec in SPEC.items()}
    return run(options, False, system)


def test_which_server() -> None:
    system = machine()
    system.running.append(Process(9, 1, "/usr/sbin/haproxy", ("-f", "/x")))
    told = "Several servers run here: nginx (process 7), HAProxy (process 9). name the one"
    assert module(system, mode="off")["msg"].lower().startswith(told.lower())
    assert module(system, mode="off", server="caddy")["msg"].startswith("Here Caddy does not run")
    system.running.append(Process(10, 1, "/usr/sbin/nginx", ("nginx: master process nginx",)))
    assert "End all but one" in module(system, mode="off", server="nginx")["msg"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"reload_command": "x 'nginx"}, "reload_command cannot be divided into words: No closing quotation."),
        ({"check": {"port": 70000}}, "check: port must be from 1 to 65535, not 70000."),
        ({"check": {"port": 0}}, "check: port must be from 1 to 65535, not 0."),
    ],
)
def test_options_that_cannot_be(given: dict[str, Any], told: str) -> None:
    system = machine()
    failed = module(system, mode="off", **given)
    assert failed["msg"] == f"{told} Nothing was changed."
    assert system.signals == []


def test_who_is_not_root() -> None:
    class Locked(Paper):
        def read(self, path: str) -> bytes | None:
            raise PermissionError(13, "Permission denied", path)

    failed = module(Locked(**vars(machine())), mode="off")
    assert failed["msg"] == (
        "/etc/nginx/nginx.conf: Permission denied. It has to be root on the origin: set 'become: true'."
    )
