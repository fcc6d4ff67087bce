# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""HAProxy: words in each line ``bind`` that speaks TLS."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
    in_order,
)
from ._origin_system import Finished, Process, System

_VERIFY = {ASK: "verify optional crt-ignore-err all ca-ignore-err all", REQUIRE: "verify required"}

_WORD = re.compile(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s\#"'\\])+""")
_ITS_OWN = (
    *("HAPROXY_MWORKER", "HAPROXY_MWORKER_REEXEC", "HAPROXY_MWORKER_WAIT_ONLY", "HAPROXY_LOAD_SUCCESS"),
    *("HAPROXY_PROCESSES", "HAPROXY_CLI", "HAPROXY_MASTER_CLI", "HAPROXY_CFGFILES"),
)
_SECTIONS = (
    *("global", "defaults", "frontend", "listen", "backend", "peers", "userlist", "resolvers", "mailers", "program"),
    *("http-errors", "ring", "log-forward", "log-profile", "cache", "fcgi-app", "crt-store", "traces", "acme"),
)


@dataclass(frozen=True)
class Bind:
    """A line ``bind`` of a frontend. words: after it, without the role's. end: where in the line the last one ends."""

    frontend: str
    number: int
    words: tuple[str, ...]
    end: int

    def after(self, name: str) -> str | None:
        """The word after this one."""
        return self.words[self.words.index(name) + 1] if name in self.words[:-1] else None


def words(line: str) -> list[re.Match[str]]:
    """Those before a comment, as they are written."""
    found = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        word = _WORD.match(line, at)
        if not word:
            break
        found.append(word)
        at = word.end()
    return found


def binds(text: str) -> Iterator[Bind]:
    """Those of the sections that serve sites."""
    section, name = "", ""
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        found = words(line)
        if not found:
            continue
        told = [one[0] for one in found]
        if told[0] in _SECTIONS:
            section, name = told[0], told[1] if len(told) > 1 else ""
        elif told[0] == "bind" and section in ("frontend", "listen"):
            yield Bind(name, number, tuple(told[1:]), found[-1].end())


class HAProxy(Server):
    kind = "haproxy"
    title = "HAProxy"
    units = ("haproxy",)

    def __init__(self, system: System, process: Process) -> None:
        super().__init__(system, process)
        version = re.search(r"HAProxy version (\S+)", system.run([process.program, "-v"]).output)
        self._version = version[1] if version else "unknown"
        self._given = list(_configuration(process.arguments))
        if not self._given:
            raise OriginError("HAProxy was started without a file (-f), so there is nothing to write to.")

    @classmethod
    def masters(cls, processes: Sequence[Process]) -> list[Process]:
        """Without a master, those of before a reload finish beside the newest."""
        ours = {one.pid: one for one in processes if one.name == "haproxy"}
        return [one for one in ours.values() if one.parent not in ours][-1:]

    @property
    def version(self) -> str:
        return self._version

    @property
    def authorities(self) -> str:
        first = self._paths()[0]
        return os.path.join(os.path.dirname(first), NAME)

    def found(self) -> Found:
        sites: list[Site] = []
        conflicts: list[str] = []
        groups: list[str] = []
        for path in self._paths():
            text = self._before(path)
            for bind in binds(text):
                where = f"{path}:{bind.number}"
                sites.append(_site(bind, where, conflicts))
                if bind.after("crt-list"):
                    sites += self._listed(bind.after("crt-list") or "", sites[-1])
            for number, line in enumerate(text.splitlines(), 1):
                told = [one[0] for one in words(line)]
                names = ("curves", "ecdhe") if told[:1] == ["bind"] else ("ssl-default-bind-curves",)
                pairs = zip(told, told[1:])
                groups += [f"{path}:{number}: {name} {value}" for name, value in pairs if name in names]
        return Found(tuple(sites), tuple(conflicts), groups=tuple(groups))

    def mode(self) -> str:
        texts = [self.text(path) or "" for path in self._paths()]
        return next((mode for mode in (ASK, REQUIRE) if any(self._ours(mode) in text for text in texts)), OFF)

    def files(self, mode: str, authorities: Sequence[str]) -> list[File]:
        edited = []
        for path in self._paths():
            lines = self._before(path).splitlines(keepends=True)
            for bind in binds("".join(lines)) if mode != OFF else ():
                if _site(bind, path, []).state == COVERED:
                    line = lines[bind.number - 1]
                    lines[bind.number - 1] = line[: bind.end] + self._ours(mode) + line[bind.end :]
            edited.append(self.file(path, "".join(lines)))
        return in_order(mode, [self.bundle(mode, authorities)], edited)

    def test(self) -> Finished:
        options = [text for path in self._given for text in ("-f", path)]
        return self.system.run([self.process.program, "-c", *options], self._outside)

    def reload(self) -> Finished:
        if {"-W", "-Ws"} & set(self.process.arguments):
            self.system.signal(self.process.pid, signal.SIGUSR2)
            return Finished(0, "")
        # Without a master, another one takes over and tells this one to finish
        command = [self.process.program, *_lasting(self.process.arguments), "-sf", str(self.process.pid)]
        return self.system.run(command, self._outside)

    @property
    def start(self) -> Process:
        return replace(self._outside, arguments=tuple(_lasting(self.process.arguments)))

    @property
    def _outside(self) -> Process:
        """As it was started: by root, which it may have dropped, and without what it tells its own next life."""
        environment = {name: value for name, value in self.process.environment.items() if name not in _ITS_OWN}
        return replace(self.process, environment=environment, user=0, group=0)

    def _ours(self, mode: str) -> str:
        return f" ca-file {self.authorities}.pem {_VERIFY[mode]}"

    def _paths(self) -> list[str]:
        found = []
        for given in self._given:
            path = os.path.join(self.process.directory, given)
            found += self.system.glob(os.path.join(path, "*.cfg")) if self.system.is_directory(path) else [path]
        return found

    def _before(self, path: str) -> str:
        """The file without the role's words."""
        text = self.text(path)
        if text is None:
            raise OriginError(f"There is no {path}, which HAProxy was started with.")
        for mode in (ASK, REQUIRE):
            text = text.replace(self._ours(mode), "")
        return text

    def _listed(self, path: str, site: Site) -> Iterator[Site]:
        """The entries of a ``crt-list`` that verify in a way of their own."""
        for number, line in enumerate((self.text(path) or "").splitlines(), 1):
            entry = re.match(r"\s*([^\s#]\S*)\s+\[([^]]*)\]\s*(.*)", line)
            verify = re.search(r"(?:^|\s)verify\s+(\S+)", entry[2]) if entry else None
            if entry and verify:
                names = tuple(name for name in entry[3].split() if name[0] not in "!#") or (entry[1],)
                own = verify[1] == "required"
                why = f"it has its own verify {verify[1]} ({path}:{number})"
                probed = next((name for name in names if re.fullmatch(r"[\w.-]+", name)), None)
                yield replace(
                    site, names=names, where=f"{path}:{number}", state=OWN if own else OPEN, why=why, probed=probed
                )


def _configuration(arguments: Sequence[str]) -> Iterator[str]:
    """The files and directories that it was given."""
    given = iter(arguments)
    for one in given:
        if one == "--":
            yield from given
        elif one == "-f":
            yield next(given, "")


def _lasting(arguments: Sequence[str]) -> Iterator[str]:
    """Without what is about other processes, as at the end of a reload."""
    given = iter(arguments)
    skipping = False
    for one in given:
        if one in ("-sf", "-st"):
            skipping = True
        elif one == "-x":
            next(given, None)
        elif not (skipping and one.isdigit()):
            skipping = False
            yield one


def _site(bind: Bind, where: str, conflicts: list[str]) -> Site:
    tls = "ssl" in bind.words
    verify = bind.after("verify")
    state, why = COVERED, ""
    if not tls:
        state = PLAIN
    elif verify == "required":
        state, why = OWN, f"it has its own verify required ({where})"
    elif verify:
        state, why = OPEN, f"it has its own verify {verify} ({where})"
    elif bind.after("ca-file"):
        conflicts.append(
            f"{where} has a ca-file and no verify, so that there would be two: remove it, or add the verify "
            "that is meant."
        )
    listens = tuple(_listens(bind, tls))
    return Site((bind.frontend,), listens, where, state, why, None if "strict-sni" in bind.words else "")


def _listens(bind: Bind, tls: bool) -> Iterator[Listen]:
    proxy = "accept-proxy" in bind.words
    for text in bind.words[0].split(",") if bind.words else ():
        kind, _at, rest = text.rpartition("@")
        found = re.fullmatch(r"(.*):(\d+)(?:-\d+)?", rest)
        if found and kind in ("", "ipv4", "ipv6", "quic4", "quic6"):
            address = found[1].strip("[]") or "*"
            if kind == "ipv6" and address == "*":
                address = "::"
            yield Listen(address, int(found[2]), tls, proxy, not kind.startswith("quic"))
        else:
            yield Listen(text, 0, tls, proxy, reachable=False)
