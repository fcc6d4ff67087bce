# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""Caddy: a line in each site that speaks TLS, which imports one file; and a file for each authority.

Caddy reads no more than the first certificate of a file (2.6.2), so that a bundle would take sites down.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ._origin_server import (
    ASK,
    COVERED,
    HEADER,
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

_VERIFY = {ASK: "request", REQUIRE: "require_and_verify"}

_TRUST_POOL = (2, 8)
"""The version since which ``trusted_ca_cert_file`` is deprecated."""

_TOKEN = re.compile(
    r"""[^\S\n]+|\\\n|(?P<line>\n)|(?P<comment>\#[^\n]*)"""
    r"""|"(?P<quoted>(?:\\.|[^"\\])*)"|`(?P<raw>[^`]*)`|(?P<here><<(?P<mark>[\w-]+)\n.*?\n\s*(?P=mark)(?=\s|$))|(?P<word>[^\s]+)""",
    re.DOTALL,
)
_VARIABLE = re.compile(r"\{\$(\w+)(?::([^}]*))?\}")
_MIGRATE = "/proc/sys/net/ipv4/tcp_migrate_req"
"""A switch of Linux >= 5.14 for sockets with SO_REUSEPORT, such as Caddy's."""

_DEEPEST = 20
"""Imports within imports."""


@dataclass(frozen=True)
class Line:
    """Words of one line, without a brace that opens a block at its end. after: where the next line begins."""

    words: tuple[str, ...]
    number: int
    after: int
    block: tuple[Line, ...] | None = None


def parse(text: str, path: str) -> list[Line]:
    """The lines of a Caddyfile, those in blocks within theirs. Raises OriginError where braces do not match."""
    return list(_block(_lines(text), path, inside=False))


def _lines(text: str) -> Iterator[tuple[list[str], int, int]]:
    """(words, number, where the next line begins)"""
    found: list[str] = []
    number = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup in ("quoted", "raw", "here", "word"):
            number = number if found else text.count("\n", 0, token.start()) + 1
            quoted = token["quoted"] if token["quoted"] is not None else token["raw"]
            found.append(token[0] if quoted is None else f'"{quoted}"')
        # Addresses may go on after a comma
        if token.lastgroup == "line" and found and not found[-1].endswith(","):
            yield found, number, token.end()
            found = []
    if found:
        yield found, number, len(text)


def _block(lines: Iterator[tuple[list[str], int, int]], path: str, inside: bool) -> Iterator[Line]:
    for found, number, after in lines:
        if found == ["}"]:
            if not inside:
                raise OriginError(f"{path}:{number}: the Caddyfile has a '}}' too many.")
            return
        if found[-1] == "{":
            yield Line(tuple(found[:-1]), number, after, tuple(_block(lines, path, inside=True)))
        else:
            yield Line(tuple(found), number, after)
    if inside:
        raise OriginError(f"{path}: the Caddyfile has a '{{' without its '}}'.")


class Caddy(Server):
    kind = "caddy"
    title = "Caddy"
    units = ("caddy",)

    def __init__(self, system: System, process: Process) -> None:
        super().__init__(system, process)
        self._version = system.run([process.program, "version"]).output.strip().lstrip("v").partition(" ")[0]
        given = dict(zip(process.arguments, process.arguments[1:]))
        path = given.get("--config") or given.get("-config") or "Caddyfile"
        self.configuration = os.path.join(process.directory, path)
        adapter = given.get("--adapter") or given.get("-adapter") or "caddyfile"
        if adapter != "caddyfile" or path.endswith(".json") or "--resume" in process.arguments:
            raise OriginError(
                "Caddy was not started with a Caddyfile ('caddy run --config /etc/caddy/Caddyfile'), which is what the "
                "role can write to."
            )

    @classmethod
    def masters(cls, processes: Sequence[Process]) -> list[Process]:
        return [one for one in processes if one.name == "caddy" and one.arguments[:1] in (("run",), ("start",))]

    @property
    def version(self) -> str:
        return self._version or "unknown"

    @property
    def authorities(self) -> str:
        return os.path.join(os.path.dirname(self.configuration), NAME)

    def found(self) -> Found:
        conflicts: list[str] = []
        groups: list[str] = []
        sites = [
            self._site(path, site, conflicts, groups) for path in self._paths() for site in _sites(self._parsed(path))
        ]
        return Found(tuple(sites), tuple(conflicts), groups=tuple(groups))

    def mode(self) -> str:
        text = self.text(self._imported) or ""
        return next((mode for mode, value in _VERIFY.items() if f"mode {value}\n" in text), OFF)

    def files(self, mode: str, authorities: Sequence[str]) -> list[File]:
        wanted = authorities if mode != OFF else ()
        paths = [f"{self.authorities}-{number}.pem" for number, _pem in enumerate(wanted, 1)]
        pems = [self.file(path, HEADER + pem) for path, pem in zip(paths, wanted)]
        pems += [self.file(path, None) for path in self.system.glob(f"{self.authorities}-*.pem") if path not in paths]
        edited = []
        for path in self._paths():
            text = self._before(path)
            for site in reversed(_sites(parse(text, path)) if mode != OFF else []):
                if self._site(path, site, [], []).state == COVERED:
                    text = text[: site.after] + self._line(text) + text[site.after :]
            edited.append(self.file(path, text))
        imported = self.file(self._imported, self._settings(mode, paths) if mode != OFF else None)
        return in_order(mode, [*pems, imported] if mode != OFF else [imported, *pems], edited)

    def test(self) -> Finished:
        return self._caddy("validate")

    def reload(self) -> Finished:
        return self._caddy("reload", "--force")

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Has Linux hand over the connections that wait, which Caddy resets otherwise where it closes its listener."""
        before = self.system.read(_MIGRATE)
        if before == b"0\n":
            self.system.set(_MIGRATE, "1")
        try:
            yield
        finally:
            if before == b"0\n":
                self.system.set(_MIGRATE, "0")

    def _caddy(self, *command: str) -> Finished:
        """As Caddy's own user, since root would leave logs behind that Caddy may not write to."""
        options = ("--config", self.configuration, "--adapter", "caddyfile")
        return self.system.run([self.process.program, *command, *options], self.process)

    @property
    def _imported(self) -> str:
        return f"{self.authorities}.caddy"

    def _line(self, text: str) -> str:
        return f"\timport {self._imported}" + ("\r\n" if "\r\n" in text else "\n")

    def _settings(self, mode: str, paths: Sequence[str]) -> str:
        version = tuple(int(one) for one in re.findall(r"\d+", self.version)[:2])
        if version >= _TRUST_POOL:
            trusted = f"\t\ttrust_pool file {' '.join(paths)}\n"
        else:
            trusted = "".join(f"\t\ttrusted_ca_cert_file {path}\n" for path in paths)
        return f"{HEADER}tls {{\n\tclient_auth {{\n\t\tmode {_VERIFY[mode]}\n{trusted}\t}}\n}}\n"

    def _before(self, path: str) -> str:
        """The file without the role's lines."""
        text = self.text(path)
        if text is None:
            raise OriginError(f"There is no {path}, which Caddy was started with.")
        return re.sub(rf"(?m)^\timport {re.escape(self._imported)}\r?\n", "", text)

    def _parsed(self, path: str) -> list[Line]:
        return parse(self._before(path), path)

    def _paths(self) -> list[str]:
        """The Caddyfile, and what it imports outside of its sites."""
        found: list[str] = []
        waiting = [self.configuration]
        while waiting:
            path = waiting.pop(0)
            found.append(path)
            for line in self._parsed(path):
                if line.words[:1] == ("import",) and line.block is None:
                    waiting += [one for one in self._files(line.words[1:2], path) if one not in found + waiting]
        return found

    def _files(self, names: Sequence[str], path: str) -> list[str]:
        """Of an import in this file."""
        return [one for name in names for one in self.system.glob(os.path.join(os.path.dirname(path), name.strip('"')))]

    def _inside(self, lines: Sequence[Line], path: str, depth: int = 0) -> Iterator[tuple[Line, str]]:
        """(line, file) of what is in a site, what it imports included."""
        for line in lines:
            if line.words[:1] != ("import",) or depth == _DEEPEST:
                yield line, path
                continue
            snippet = f"({line.words[1]})" if len(line.words) > 1 else ""
            for other in self._paths():
                for one in self._parsed(other):
                    if one.words == (snippet,):
                        yield from self._inside(one.block or (), other, depth + 1)
            for other in self._files(line.words[1:2], path):
                yield from self._inside(self._parsed(other), other, depth + 1)

    def _site(self, path: str, site: Line, conflicts: list[str], groups: list[str]) -> Site:
        addresses = [one for word in site.words for one in self._meant(word).strip('"').split(",") if one]
        inside = list(self._inside(site.block or (), path))
        bound = [word for line, _file in inside if line.words[:1] == ("bind",) for word in line.words[1:]]
        settings = [(line, file) for line, file in inside if line.words[:1] == ("tls",)]
        names, listens = [], []
        for address in addresses:
            name, port, tls = self._address(address, bool(settings))
            names += [name] if name and name not in names else []
            listens += [Listen(host, port, tls) for host in bound or ["*"]]
        where = f"{path}:{site.number}"
        state, why = COVERED, ""
        if not any(listen.tls for listen in listens):
            state = PLAIN
        for line, file in settings:
            for one in line.block or ():
                if one.words[:1] == ("curves",):
                    groups.append(f"{file}:{one.number}: {' '.join(one.words)}")
                if one.words[:1] == ("client_auth",):
                    state, why = _own(one, file)
        probed = next((f"{NAME}{name[1:]}" if name.startswith("*") else name for name in names), "")
        return Site(tuple(names), tuple(dict.fromkeys(listens)), where, state, why, probed)

    def _address(self, text: str, has_settings: bool) -> tuple[str, int, bool]:
        """(name, port, whether it speaks TLS) of the address of a site."""
        found = re.match(r"(?:(https?)://)?(\[[^]]*\]|[^:/]*)(?::(\d+))?", text)
        scheme, name, port = found.groups() if found else (None, text, None)
        ports = {"http": self._option("http_port", 80), "https": self._option("https_port", 443)}
        number = int(port) if port else ports[scheme or ("https" if name else "http")]
        tls = scheme == "https" or (scheme is None and number != ports["http"] and bool(name or has_settings))
        return name.strip("[]").lower(), number, tls or (scheme is None and number == ports["https"])

    def _option(self, name: str, default: int) -> int:
        options = next((line.block for line in self._parsed(self.configuration)[:1] if not line.words), None) or ()
        for one in options:
            if one.words[:1] == (name,):
                port = self._meant(" ".join(one.words[1:])).strip('"')
                if not port.isdigit():
                    raise OriginError(f"{self.configuration}:{one.number}: the role cannot read the port '{port}'.")
                return int(port)
        return default

    def _meant(self, text: str) -> str:
        """With the variables of Caddy's environment in place of ``{$NAME}`` and ``{$NAME:default}``."""
        environment = self.process.environment
        return _VARIABLE.sub(lambda found: environment.get(found[1]) or found[2] or "", text)


def _sites(lines: Sequence[Line]) -> list[Line]:
    """Those of a file. One without braces is a single site, whose address is its first line."""
    if lines and lines[0].block is None and lines[0].words[0] != "import":
        return [replace(lines[0], block=tuple(lines[1:]))]
    named = (line for line in lines if line.block is not None and line.words)
    return [line for line in named if not re.match(r"[(&]", line.words[0]) and line.words[0] != "import"]


def _own(client_auth: Line, path: str) -> tuple[str, str]:
    """State, and why. What names no mode verifies, if there is something to verify with."""
    settings = {one.words[0]: one.words for one in client_auth.block or ()}
    mode = settings.get("mode", ("", "require_and_verify" if len(settings) else "require"))[-1]
    why = f"it has a client_auth of its own, with the mode {mode} ({path}:{client_auth.number})"
    return (OWN if mode == "require_and_verify" else OPEN), why
