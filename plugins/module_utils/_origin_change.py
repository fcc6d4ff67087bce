# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""The change of an origin: files, the server's test, reload, probe, and all of it back where one of them fails."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from ._origin_answer import Answer, Question, ask, offers_x25519mlkem768
from ._origin_server import (
    ASK,
    COVERED,
    NAME,
    OFF,
    OPEN,
    OWN,
    PLAIN,
    REQUIRE,
    File,
    Found,
    Listen,
    OriginError,
    Server,
    Site,
)
from ._origin_system import Process, System

_MOST = 50
"""Virtual hosts that are probed, so that a server with thousands of them is not kept busy."""

_IN_A_ROW = 3
"""How often the answers have to be right: workers of before may still answer for a moment."""

_PAUSE = 0.1  # seconds between two rounds


@dataclass(frozen=True)
class Check:
    """What to connect to, as seen from the origin. host, port: None for those of each virtual host.

    server_names: None for those of each virtual host, empty for no probe at all. timeout: seconds until the
    answers have to be right.
    """

    host: str | None = None
    port: int | None = None
    server_names: tuple[str, ...] | None = None
    timeout: float = 10


@dataclass(frozen=True)
class Wanted:
    """authorities: the PEM of each. reload_command: None for the server's own, or systemd's.

    allow_open: names of virtual hosts that may stay open.
    """

    mode: str
    authorities: tuple[str, ...] = ()
    check: Check = Check()
    reload_command: str | None = None
    allow_open: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A connection, and whether the role's settings are to be seen in it."""

    question: Question
    covered: bool


Asking = Callable[[Question], Answer]


class InterruptedRunError(OriginError):
    """Someone wants the run to end."""


@dataclass
class Change:
    """One origin; ask and offers are how it is probed. patience: seconds that it has at least to come back after a
    failure, which matters more than to be told of it soon.
    """

    system: System
    server: Server
    wanted: Wanted
    ask: Asking = ask
    offers: Callable[[Question], bool | None] = offers_x25519mlkem768
    pause: Callable[[float], None] = time.sleep
    patience: float = 30

    def make(self, check_mode: bool) -> dict[str, Any]:
        """The report. Raises OriginError, with the report as far as it is known, after everything is back."""
        found = self.server.found()
        report = self._report(found)
        try:
            return self._make(found, report, check_mode)
        except OriginError as error:
            error.facts = {**report, "changed": False, "files": [], **error.facts}
            raise

    def _make(self, found: Found, report: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        server, wanted = self.server, self.wanted
        if wanted.mode != OFF:
            self._refuse(found)
        files = [one for one in server.files(wanted.mode, wanted.authorities) if one.before != one.after]
        targets = self._targets(found)
        before = {target: self._ask_twice(target.question) for target in targets}
        marker = os.path.join(os.path.dirname(server.authorities), f".{NAME}.pending")
        pending = self.system.read(marker) is not None
        # What never answers is none of the role's doing, and a reload at each run would not change it
        answering = [target for target in targets if target.covered and before[target].alive]
        stale = any(_unmet(target, before[target], wanted.mode, before[target]) for target in answering)
        report["changed"] = bool(files or pending or stale or self._dead(targets, before))
        report["files"] = [one.path for one in files]
        after = before
        if report["changed"]:
            self._precede(targets, before)
            if not check_mode:
                after = self._transact(files, marker, targets, before, report)
        self._see(report, found, targets, after)
        report["diff"] = [_diff(one) for one in files]
        report["mode"] = wanted.mode
        report["hosts"] = _hosts(found, wanted.mode)
        report |= _by_state(found, wanted)
        return report

    def _ask_twice(self, question: Question) -> Answer:
        """On a busy machine the first answer may be late, and would count as none."""
        answer = self.ask(question)
        return self.ask(question) if answer.late else answer

    def _report(self, found: Found) -> dict[str, Any]:
        mode = self.server.mode()
        return {
            "changed": False,
            "server": self.server.kind,
            "version": self.server.version,
            "previous_mode": mode,
            "previous_ca": self.server.trusted(),
            "mode": mode,
            "hosts": _hosts(found, mode),
            **_by_state(found, replace(self.wanted, mode=mode)),
            "files": [],
            "probes": [],
            "post_quantum": None,
            "groups": list(found.groups),
            "put_back": False,
            "warnings": list(found.warnings),
        }

    def _refuse(self, found: Found) -> None:
        title = self.server.title
        if not any(site.state != PLAIN for site in found.sites):
            raise OriginError(f"{title} has no virtual host that speaks TLS, so there is none to protect.")
        if found.conflicts:
            raise OriginError(f"Nothing was changed. {' '.join(found.conflicts)}")

    def _precede(self, targets: Sequence[Target], before: Mapping[Target, Answer]) -> None:
        """What has to be so before anything is changed."""
        title = self.server.title
        mistakes = self.server.mistakes()
        if mistakes:
            raise OriginError(
                f"Nothing was changed: {title} would end at the next reload, whoever asks for it. {' '.join(mistakes)}"
            )
        tested = self.server.test()
        if tested.status:
            raise OriginError(f"Nothing was changed: {title} does not take its configuration as it is. {tested.told}")
        dead = self._dead(targets, before)
        if dead:
            raise OriginError(
                f"Nothing was changed: {title} runs, but does not answer already. {'; '.join(dead[:3])}. "
                "Where it has to be reached in another way, set origin_client_auth_check."
            )

    def _dead(self, targets: Sequence[Target], before: Mapping[Target, Answer]) -> list[str]:
        """Those that have to answer and do not, in words: one that was asked for by name, or all there are."""
        dead = [f"{target.question}: {before[target].error}" for target in targets if not before[target].alive]
        return dead if len(dead) == len(targets) or self.wanted.check.server_names else []

    def _transact(
        self,
        files: Sequence[File],
        marker: str,
        targets: Sequence[Target],
        before: Mapping[Target, Answer],
        report: dict[str, Any],
    ) -> dict[Target, Answer]:
        """The answers after it."""
        demanded = [target for target in targets if before[target].alive]
        with _interruptible() as deaf:
            try:
                # A run that is killed leaves it behind, and the next one knows that it has to reload
                self.system.write(marker, b"")
                for one in files:
                    self.system.write(one.path, one.after)
                self._test()
                self._reload()
                after = self._wait(demanded, self.wanted.mode, before)
                deaf()  # it is done
            except BaseException as error:
                deaf()
                what = str(error) if isinstance(error, OriginError) else f"{type(error).__name__}: {error}"
                report["put_back"] = True
                state = self._put_back(files, marker, demanded, before)
                raise OriginError(f"{what} {state}") from error
            self.system.write(marker, None)
        return {**before, **after}

    def _test(self) -> None:
        mistakes = self.server.mistakes()
        if mistakes:
            raise OriginError(" ".join(mistakes))
        tested = self.server.test()
        if tested.status:
            raise OriginError(f"{self.server.title} does not take the new configuration. {tested.told}")

    def _reload(self) -> None:
        command = self._reload_command()
        with self.server.reloading():
            done = self.system.run(command) if command else self.server.reload()
        if done.status:
            how = f"'{shlex.join(command)}'" if command else "it"
            raise OriginError(f"The reload of {self.server.title} failed: {how} ended with {done.status}. {done.told}")

    def _reload_command(self) -> list[str]:
        """Empty for the server's own way."""
        if self.wanted.reload_command:
            return shlex.split(self.wanted.reload_command)
        unit = self._unit()
        return ["systemctl", "reload", unit] if unit else []

    def _unit(self) -> str:
        """Of systemd, where that runs the server."""
        if not self.system.has_systemd():
            return ""
        units = (unit for unit in self.server.units)
        return next((unit for unit in units if not self.system.run(["systemctl", "is-active", unit]).status), "")

    def _wait(
        self, targets: Sequence[Target], mode: str | None, before: Mapping[Target, Answer]
    ) -> dict[Target, Answer]:
        """The answers once they are right. mode: None where they only have to be as they were before."""
        timeout = self.wanted.check.timeout
        deadline = time.monotonic() + (timeout if mode is not None else max(timeout, self.patience))
        right = 0
        while True:
            after = {target: self.ask(target.question) for target in targets}
            unmet = list(filter(None, (_unmet(one, after[one], mode, before[one]) for one in targets)))
            right = 0 if unmet else right + 1
            if right == _IN_A_ROW or (right and not targets):
                self._alive()
                return after
            if unmet and time.monotonic() > deadline:
                self._alive()
                raise OriginError(f"The probe failed after the reload: {'; '.join(unmet[:3])}.")
            self.pause(_PAUSE)

    def _alive(self) -> None:
        if not self._masters():
            raise OriginError(f"The reload ended {self.server.title}.")

    def _masters(self) -> list[Process]:
        return self.server.masters(self.system.processes())

    def _put_back(
        self, files: Sequence[File], marker: str, targets: Sequence[Target], before: Mapping[Target, Answer]
    ) -> str:
        """What became of it, in words; never raises. The marker stays where the server may not run what is on disk."""
        title = self.server.title
        stuck = []
        for one in reversed(files):
            try:
                if self.system.read(one.path) != one.before:
                    self.system.write(one.path, one.before)
            except OSError as error:  # the others are put back nevertheless
                stuck.append(f"{one.path} could not be put back ({error.strerror}): do it by hand.")
        if stuck:
            return " ".join(stuck)
        try:
            if self._masters():
                self._reload()
            else:
                self._start()
            self._wait(targets, None, before)
        except (OriginError, OSError) as error:
            return f"The files are back as they were, but {title} is not: {error}"
        self.system.write(marker, None)
        return f"Everything is back as it was, and {title} answers."

    def _start(self) -> None:
        unit = self._unit() or (self.server.units[0] if self.system.has_systemd() else "")
        if unit:
            done = self.system.run(["systemctl", "start", unit])
            if done.status:
                raise OriginError(f"it ended, and 'systemctl start {unit}' failed: {done.told}")
        else:
            self.system.start(self.server.start)

    def _targets(self, found: Found) -> list[Target]:
        """What to connect to over TLS, each once."""
        check = self.wanted.check
        targets: dict[Question, Target] = {}
        sites = [site for site in found.sites if site.state != PLAIN]
        if check.server_names is None:
            pairs = [(site, site.probed) for site in sites if site.probed is not None]
        else:
            pairs = [(site, name) for name in check.server_names for site in _serving(sites, name)]
        for site, name in pairs[:_MOST]:
            for listen in site.listens:
                if listen.tls and listen.reachable:
                    question = self._question(listen, name or "")
                    targets.setdefault(question, Target(question, site.state == COVERED))
        return list(targets.values())

    def _question(self, listen: Listen, name: str) -> Question:
        check = self.wanted.check
        everywhere = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # nothing is bound to it
        host = check.host or everywhere.get(listen.address, listen.address)
        port = check.port or listen.port
        return Question(host, port, name, listen.tls, listen.proxy_protocol)

    def _plain(self, found: Found) -> list[Question]:
        """What can be reached without TLS, once for each virtual host; the name is as good as any other."""
        if self.wanted.check.server_names == ():
            return []
        questions: dict[Question, None] = {}
        for site in [one for one in found.sites if one.probed is not None][:_MOST]:
            for listen in site.listens:
                if not listen.tls and listen.reachable:
                    question = self._question(listen, site.probed or "")
                    questions[replace(question, port=listen.port)] = None
        return list(questions)

    def _see(
        self, report: dict[str, Any], found: Found, targets: Sequence[Target], answers: Mapping[Target, Answer]
    ) -> None:
        """Into the report: what was seen, the key exchange, and what is to be reached without TLS."""
        probes = [_probe(question, self.ask(question), None) for question in self._plain(found)]
        offered: dict[tuple[str, int], bool | None] = {}
        for target in targets:
            question, answer = target.question, answers[target]
            where = (question.host, question.port)
            if where not in offered and answer.alive:
                offered[where] = self.offers(question)
            probes.append(_probe(question, answer, offered.get(where)))
        report["probes"] = probes
        values = set(offered.values())
        report["post_quantum"] = False if False in values else True if values == {True} else None


def _serving(sites: Sequence[Site], name: str) -> list[Site]:
    """The virtual hosts that have a name; any may serve one that none has, such as all of HAProxy."""
    having = [site for site in sites if site.has_name(name)]
    return having or [site for site in sites if site.state == COVERED] or list(sites)


def _unmet(target: Target, answer: Answer, mode: str | None, before: Answer) -> str:
    """What is not as it has to be, in words, or nothing; mode: None for as before."""
    what = ""
    # A virtual host that answers nobody does not begin to, when it stops refusing
    as_silent = answer.silent and before.refused
    if not answer.alive and not as_silent:
        what = answer.error
    elif not target.covered or mode is None:
        if answer.refused and not before.refused:
            what = "it refuses who presents no client certificate, as it did not before"
    elif mode == OFF:
        if answer.asked:
            what = "it still asks for a client certificate"
    elif answer.asked is False:
        what = "it does not ask for a client certificate"
    elif mode == ASK and answer.refused and not as_silent:
        what = "it refuses who presents no client certificate"
    elif mode == REQUIRE and not answer.refused:
        what = "it still answers who presents no client certificate"
    if not what and before.status and before.status < 500 <= answer.status:
        what = f"it answers {answer.status}, and answered {before.status} before"
    return what and f"{target.question}: {what}"


def _hosts(found: Found, mode: str) -> list[dict[str, Any]]:
    return [
        {
            "names": list(site.names),
            "where": site.where,
            "state": _state(site, mode),
            "why": site.why or None,
            "tls": [str(one) for one in site.listens if one.tls],
            "plain": [str(one) for one in site.listens if not one.tls],
        }
        for site in found.sites
    ]


def _state(site: Site, mode: str) -> str:
    return OPEN if site.state == COVERED and mode == OFF else site.state


def _by_state(found: Found, wanted: Wanted) -> dict[str, list[str]]:
    """The names of virtual hosts by what becomes of them, each once; those that may stay open are apart."""
    named: dict[str, list[str]] = {name: [] for name in (COVERED, OPEN, "open_allowed", OWN, PLAIN)}
    for site in found.sites:
        state = _state(site, wanted.mode)
        if state == OPEN and {site.label, *site.names} & set(wanted.allow_open):
            state = "open_allowed"
        states = {state, PLAIN} if any(not listen.tls for listen in site.listens) else {state}
        for one in states:
            named[one] += [site.label] if site.label not in named[one] else []
    return named


def _probe(question: Question, answer: Answer, post_quantum: bool | None) -> dict[str, Any]:
    return {
        "host": question.host,
        "port": question.port,
        "server_name": question.server_name or None,
        "tls": question.tls,
        "asked": answer.asked,
        "refused": answer.refused if answer.alive else None,
        "status": answer.status or None,
        "post_quantum": post_quantum,
        "error": answer.error or None,
    }


def _diff(file: File) -> dict[str, str]:
    def told(content: bytes | None) -> str:
        """Without the base64 of certificates, which says nothing to anyone."""
        lines = (content or b"").decode(errors="replace").splitlines(keepends=True)
        shown, inside = [], False
        for line in lines:
            inside = inside or line.startswith("-----BEGIN")
            if not inside:
                shown.append(line)
            inside = inside and not line.startswith("-----END")
        return "".join(shown)

    def name(content: bytes | None) -> str:
        return "/dev/null" if content is None else file.path

    return {
        "before": told(file.before),
        "after": told(file.after),
        "before_header": name(file.before),
        "after_header": name(file.after),
    }


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Signals that would end the process raise InterruptedRunError, until the function that it gives is called."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise InterruptedRunError(f"The run was ended by {signal.Signals(number).name}.")

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}

    def deaf() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    try:
        yield deaf
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
