# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""Apache: one file of the main server, whose settings each virtual host has unless it has its own."""

from __future__ import annotations

import fnmatch
import os
import re
import signal
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ._origin_server import (
    ASK,
    COVERED,
    DEPTH,
    HEADER,
    NAME,
    OFF,
    OPEN,
    OWN,
    PLAIN,
    REQUIRE,
    Directive,
    File,
    Found,
    Listen,
    OriginError,
    Server,
    Site,
    in_order,
)
from ._origin_system import Finished, Process, System

_VERIFY = {ASK: "optional_no_ca", REQUIRE: "require"}
_AUTHORITIES = ("sslcacertificatefile", "sslcacertificatepath")
_ARGUMENT = re.compile(r""""((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|(\S+)""")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_DEEPEST = 20
"""Includes within includes."""


def lines(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of all that is no comment, those joined that a backslash joins."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first or number
        joined += line
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        if joined.strip() and not joined.lstrip().startswith("#"):
            yield first, joined.strip()
        joined, first = "", 0


class Apache(Server):
    kind = "apache"
    title = "Apache"
    units = ("apache2", "httpd")

    def __init__(self, system: System, process: Process) -> None:
        super().__init__(system, process)
        self._command_line = list(_without_k(process.arguments))
        told = self._told("-V")
        version = re.search(r"Server version: Apache/(\S+)", told)
        self._version = version[1] if version else "unknown"
        built = dict(re.findall(r'-D (HTTPD_ROOT|SERVER_CONFIG_FILE)="([^"]*)"', told))
        given = dict(zip(self._command_line, self._command_line[1:]))
        self._root = given.get("-d") or built.get("HTTPD_ROOT") or "/etc/apache2"
        self.configuration = os.path.join(
            self._root, given.get("-f") or built.get("SERVER_CONFIG_FILE") or "apache2.conf"
        )

    @classmethod
    def masters(cls, processes: Sequence[Process]) -> list[Process]:
        ours = {one.pid: one for one in processes if one.name in ("apache2", "httpd")}
        return [one for one in ours.values() if one.parent not in ours]

    @property
    def version(self) -> str:
        return self._version

    @property
    def authorities(self) -> str:
        return os.path.join(os.path.dirname(self.configuration), NAME)

    @property
    def start(self) -> Process:
        return replace(self.process, arguments=(*self._command_line, "-k", "start"))

    def found(self) -> Found:
        main = self._whole()
        conflicts = [
            f"{one.where} has a {_spelled(name)} for all virtual hosts already: remove it, the role takes its place."
            for name in ("sslverifyclient", "sslcacertificatefile")
            for one in main.all(name)
            if not _is_ours(one)
        ]
        warnings = [
            f"{one.where}: Apache also accepts client certificates of the authorities in SSLCACertificatePath."
            for one in main.all("sslcacertificatepath")
        ]
        warnings += [f"{one.where}: the role cannot see the virtual hosts of a macro." for one in main.all("use")]
        hosts = main.all("virtualhost")
        engine = main.last("sslengine")
        sites = [_site(host, main, engine, conflicts) for host in hosts]
        if len([site for site in sites if site.state != PLAIN]) == 1:
            sites = [replace(site, probed=site.probed or "") for site in sites]
        groups = [
            f"{one.where}: SSLOpenSSLConfCmd {' '.join(one.arguments)}" for one in _group_settings([main, *hosts])
        ]
        return Found(tuple(sites), tuple(conflicts), tuple(warnings), tuple(groups))

    def mode(self) -> str:
        text = self.text(self._drop_in()) or ""
        return next((mode for mode, value in _VERIFY.items() if f"SSLVerifyClient {value}\n" in text), OFF)

    def files(self, mode: str, authorities: Sequence[str]) -> list[File]:
        bundle = self.bundle(mode, authorities)
        text = None
        if mode != OFF:
            text = (
                f"{HEADER}<IfModule ssl_module>\n    SSLCACertificateFile {bundle.path}\n"
                f"    SSLVerifyClient {_VERIFY[mode]}\n    SSLVerifyDepth {DEPTH}\n</IfModule>\n"
            )
        return in_order(mode, [bundle], [self.file(self._drop_in(), text)])

    def mistakes(self) -> list[str]:
        """Its test does not see any of these, and a graceful restart ends it."""
        main = self._whole()
        levels = [main, *main.all("virtualhost")]
        found = [
            f"{one.where}: the OpenSSL of Apache knows not all groups in '{one.arguments[1]}'."
            for one in _group_settings(levels)
            if self.system.knows_groups(self.process, one.arguments[1]) is False
        ]
        for level in levels:
            for one in level.all("sslcacertificatefile"):
                text = self.text(self._absolute(one.arguments[0])) if one.arguments else None
                if not _has_certificate(text or ""):
                    found.append(f"{one.where}: there is no certificate in {' '.join(one.arguments)}.")
        return found

    def test(self) -> Finished:
        return self.system.run([self.process.program, *self._command_line, "-t"], self.process)

    def reload(self) -> Finished:
        self.system.signal(self.process.pid, signal.SIGUSR1)
        return Finished(0, "")

    def _told(self, option: str) -> str:
        return self.system.run([self.process.program, *self._command_line, option], self.process).output

    def _whole(self) -> Directive:
        """All settings, those in conditions that are met as if they were outside."""
        loaded = set(re.findall(r"^ (\w+) \(", self._told("-M"), re.MULTILINE))
        given = list(zip(self._command_line, self._command_line[1:]))
        variables = dict(self.process.environment)
        variables |= dict.fromkeys((value for option, value in given if option == "-D"), "")
        reader = _Reader(self, loaded, variables)
        return Directive("", (), self.configuration, tuple(reader.read(self.configuration, 0)))

    def _absolute(self, path: str) -> str:
        return os.path.join(self._root, path)

    def _drop_in(self) -> str:
        """Where the file goes. Raises OriginError where the main server would not include it."""
        main = self._whole()
        for one in (*main.all("includeoptional"), *main.all("include")):
            pattern = self._absolute(one.arguments[0]) if one.arguments else ""
            path = os.path.join(os.path.dirname(pattern), f"{NAME}.conf")
            if (
                fnmatch.fnmatch(path, pattern)
                and not re.search("mods-|modules|sites-|vhosts", pattern)  # which are for other things
                and self.system.is_directory(os.path.dirname(pattern))
            ):
                return path
        directory = os.path.join(os.path.dirname(self.configuration), "conf-enabled")
        raise OriginError(
            f"{self.configuration} includes no directory that a file could be put into. Add 'IncludeOptional "
            f"{directory}/*.conf' to it, and make the directory."
        )


class _Reader:
    """Of Apache's files; variables is what ``Define`` adds to."""

    def __init__(self, apache: Apache, loaded: set[str], variables: dict[str, str]) -> None:
        self._apache = apache
        self._loaded = loaded
        self._variables = variables

    def read(self, path: str, depth: int) -> Iterator[Directive]:
        text = self._apache.text(path)
        if text is None:
            raise OriginError(f"There is no {path}, which Apache reads.")
        yield from self._block(lines(text), path, "", depth)

    def _block(self, numbered: Iterator[tuple[int, str]], path: str, section: str, depth: int) -> Iterator[Directive]:
        for number, line in numbered:
            line = _VARIABLE.sub(lambda found: self._variables.get(found[1], found[0]), line)
            where = f"{path}:{number}"
            if line.startswith("</"):
                return
            if line.startswith("<"):
                name, _blank, rest = line[1:].rstrip(">").strip().partition(" ")
                name = name.lower()
                block = tuple(self._block(numbered, path, name, depth))
                if not name.startswith("if"):
                    yield Directive(name, _arguments(rest), where, block)
                elif self._is_met(name, rest.strip()):
                    yield from block
                continue
            name, _blank, rest = line.partition(" ") if "\t" not in line.split(" ")[0] else line.partition("\t")
            one = Directive(name.lower(), _arguments(rest), where)
            if one.name == "define" and one.arguments:
                self._variables[one.arguments[0]] = " ".join(one.arguments[1:])
            yield one
            if one.name in ("include", "includeoptional") and one.arguments and depth < _DEEPEST:
                yield from self._included(one.arguments[0], depth)

    def _included(self, pattern: str, depth: int) -> Iterator[Directive]:
        pattern = self._apache._absolute(pattern)
        system = self._apache.system
        for path in system.glob(os.path.join(pattern, "*") if system.is_directory(pattern) else pattern):
            yield from self.read(path, depth + 1)

    def _is_met(self, name: str, condition: str) -> bool:
        """Conditions on versions and requests are taken as met: they hide nothing that way."""
        negated, what = condition.startswith("!"), condition.lstrip("!").strip('"')
        if name == "ifmodule":
            module = re.sub(r"^mod_(\w+)\.c$", r"\1_module", what)
            return (module in self._loaded) is not negated
        if name == "ifdefine":
            return (what in self._variables) is not negated
        return True


def _without_k(arguments: Sequence[str]) -> Iterator[str]:
    """Without what it was told to do, such as to start."""
    skipped = False
    for one in arguments:
        if not skipped and one != "-k":
            yield one
        skipped = one == "-k"


def _arguments(text: str) -> tuple[str, ...]:
    found = (one.group(1) or one.group(2) or one.group(3) or "" for one in _ARGUMENT.finditer(text))
    return tuple(one.replace('\\"', '"') for one in found)


def _is_ours(directive: Directive) -> bool:
    return os.path.basename(directive.where.rpartition(":")[0]) == f"{NAME}.conf"


def _spelled(name: str) -> str:
    return {"sslverifyclient": "SSLVerifyClient", "sslcacertificatefile": "SSLCACertificateFile"}.get(
        name, "SSLCACertificatePath"
    )


def _group_settings(levels: Sequence[Directive]) -> list[Directive]:
    return [
        one
        for level in levels
        for one in level.all("sslopensslconfcmd")
        if len(one.arguments) == 2 and one.arguments[0].lower() in ("groups", "curves")
    ]


def _has_certificate(text: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", text, re.DOTALL)
    try:
        context.load_verify_locations(cadata="".join(blocks))
    except (ssl.SSLError, ValueError):
        return False
    return True


def _site(host: Directive, main: Directive, engine: Directive | None, conflicts: list[str]) -> Site:
    names = tuple(
        re.sub(r"^\w+://|:\d+$", "", name).lower()
        for directive in ("servername", "serveralias")
        for one in host.all(directive)
        for name in one.arguments
    )
    engine = host.last("sslengine") or engine
    tls = bool(engine and engine.arguments and engine.arguments[0].lower() != "off")
    state, why = COVERED, ""
    verify = host.last("sslverifyclient")
    authorities = [one for name in _AUTHORITIES for one in host.all(name)]
    if not tls:
        state = PLAIN
    elif verify and [one.lower() for one in verify.arguments] == ["require"]:
        state, why = OWN, f"it has its own SSLVerifyClient require ({verify.where})"
    elif verify:
        state, why = OPEN, f"it has its own SSLVerifyClient {' '.join(verify.arguments)} ({verify.where})"
    elif authorities:
        one = authorities[0]
        conflicts.append(
            f"{one.where} has a {_spelled(one.name)} and no SSLVerifyClient, so that this virtual host would check "
            "certificates against another bundle: remove it, or add the SSLVerifyClient that is meant."
        )
    probed = next((name for name in names if not re.search(r"[*?]", name)), None)
    return Site(names, tuple(_listens(host, main, tls)), host.where, state, why, probed)


def _listens(host: Directive, main: Directive, tls: bool) -> Iterator[Listen]:
    """Where the virtual host is reached; an asterisk stands for whatever Apache listens on."""
    sockets = [_address(one.arguments[0]) for one in main.all("listen") if one.arguments]
    for text in host.arguments:
        address, port = _address(text)
        for at, number in sockets:
            if port in (number, 0) and "*" in (address, at):
                yield Listen(at if address == "*" else address, number, tls)
            elif (address, port) == (at, number):
                yield Listen(address, port, tls)


def _address(text: str) -> tuple[str, int]:
    """Port 0 stands for all."""
    if text.isdigit():
        return "*", int(text)
    address, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        address, port = text, ""
    address = address.strip("[]")
    return "*" if address in ("_default_", "0.0.0.0", "") else address, int(port) if port.isdigit() else 0  # noqa: S104
