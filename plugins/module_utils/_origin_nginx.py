# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""nginx: one file in the ``http`` block, whose settings each virtual host has unless it has its own."""

from __future__ import annotations

import fnmatch
import os
import re
import signal
from collections.abc import Iterator, Sequence

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

_VERIFY = {ASK: "optional_no_ca", REQUIRE: "on"}
_OURS = ("ssl_client_certificate", "ssl_verify_client", "ssl_verify_depth")

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<end>[;{}])|"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'"""
    r"""|(?P<word>(?:\\.|\$\{|[^\s;{}"'\#])(?:\\.|\$\{|[^\s;{])*)""",
    re.DOTALL,
)
_DEEPEST = 20
"""Includes within includes."""


def parse(text: str, path: str) -> list[Directive]:
    """The directives of a file, those in blocks within theirs. Raises OriginError where braces do not match."""
    tokens = _tokens(text)
    directives = _block(tokens, path, inside=False)
    return list(directives)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, text, line), kind is ``word`` or ``end``."""
    at = 0
    last = ""
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise OriginError(f"nginx's configuration cannot be read at line {text.count(chr(10), 0, at) + 1} of it.")
        line = text.count("\n", 0, at) + 1
        at = found.end()
        if found["end"]:
            yield "end", found["end"], line
            if found["end"] == "{" and last.endswith("_by_lua_block"):
                at = _behind_lua(text, at)
                yield "end", "}", line
            last = ""
        else:
            for kind in ("double", "single", "word"):
                if found[kind] is not None:
                    yield "word", found[kind], line
                    last = last or found[kind]


def _behind_lua(text: str, at: int) -> int:
    """Where a block of Lua ends, which is no text of nginx; at: behind its first brace."""
    depth = 1
    while at < len(text) and depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at


def _block(tokens: Iterator[tuple[str, str, int]], path: str, inside: bool) -> Iterator[Directive]:
    words: list[str] = []
    where = ""
    for kind, text, line in tokens:
        if kind == "word":
            where = where if words else f"{path}:{line}"
            words.append(text)
            continue
        if text == "}":
            if not inside:
                raise OriginError(f"{path}:{line}: nginx's configuration has a '}}' too many.")
            return
        if words:
            block = tuple(_block(tokens, path, inside=True)) if text == "{" else None
            yield Directive(words[0], tuple(words[1:]), where, block)
        words = []
    if inside:
        raise OriginError(f"{path}: nginx's configuration has a '{{' without its '}}'.")


class Nginx(Server):
    kind = "nginx"
    title = "nginx"
    units = ("nginx", "openresty")

    def __init__(self, system: System, process: Process) -> None:
        super().__init__(system, process)
        told = system.run([process.program, "-V"]).output
        title = " ".join(process.arguments)
        version = re.search(r"nginx version: \S+?/(\S+)", told)
        self._version = version[1] if version else "unknown"
        built = dict(re.findall(r"--(prefix|conf-path)=(\S+)", told))
        given = dict(re.findall(r"\s-([cpge])\s+(.+?)(?=\s-[a-zA-Z]\s|$)", title))
        prefix = given.get("p") or built.get("prefix") or "/etc/nginx"
        self.configuration = os.path.join(prefix, given.get("c") or built.get("conf-path") or "conf/nginx.conf")
        self._command_line = [text for option, value in given.items() for text in (f"-{option}", value)]

    @classmethod
    def masters(cls, processes: Sequence[Process]) -> list[Process]:
        return [one for one in processes if one.arguments and one.arguments[0].startswith("nginx: master process")]

    @property
    def version(self) -> str:
        return self._version

    @property
    def authorities(self) -> str:
        return os.path.join(os.path.dirname(self.configuration), NAME)

    @property
    def start(self) -> Process:
        one = self.process
        options = tuple(self._command_line)
        return Process(one.pid, one.parent, one.program, options, one.environment, one.directory, one.user, one.group)

    def found(self) -> Found:
        whole = self._whole()
        http = _merged(whole, "http")
        conflicts = [
            f"{one.where} has a {name} for all virtual hosts already: remove it, the role takes its place."
            for name in _OURS
            for one in http.all(name)
            if not self._is_ours(one)
        ]
        servers = http.all("server")
        sockets = {
            (listen.address, listen.port) for server in servers for listen in _listens(server, set()) if listen.tls
        }
        sites = [self._site(server, http, servers, sockets, conflicts) for server in servers]
        sites += [_stream_site(server) for server in _merged(whole, "stream").all("server") if _speaks_tls(server)]
        trusted = [one for level in (http, *servers) for one in level.all("ssl_trusted_certificate")]
        warnings = [
            f"{one.where}: nginx also accepts client certificates of the authorities in ssl_trusted_certificate."
            for one in trusted
        ]
        groups = [
            f"{one.where}: ssl_ecdh_curve {' '.join(one.arguments)}"
            for level in (http, *servers)
            for one in level.all("ssl_ecdh_curve")
        ]
        return Found(tuple(sites), tuple(conflicts), tuple(warnings), tuple(groups))

    def mode(self) -> str:
        text = self.text(self._drop_in()) or ""
        return next((mode for mode, value in _VERIFY.items() if f"ssl_verify_client {value};" in text), OFF)

    def files(self, mode: str, authorities: Sequence[str]) -> list[File]:
        bundle = self.bundle(mode, authorities)
        text = None
        if mode != OFF:
            text = (
                f"{HEADER}ssl_client_certificate {bundle.path};\n"
                f"ssl_verify_client {_VERIFY[mode]};\nssl_verify_depth {DEPTH};\n"
            )
        return in_order(mode, [bundle], [self.file(self._drop_in(), text)])

    def test(self) -> Finished:
        return self.system.run([self.process.program, *self._command_line, "-t", "-q"])

    def reload(self) -> Finished:
        self.system.signal(self.process.pid, signal.SIGHUP)
        return Finished(0, "")

    def _whole(self) -> Directive:
        return Directive("", (), self.configuration, tuple(self._read(self.configuration, 0)))

    def _read(self, path: str, depth: int) -> Iterator[Directive]:
        text = self.text(path)
        if text is None:
            raise OriginError(f"There is no {path}, which nginx was started with.")
        yield from self._included(parse(text, path), depth)

    def _included(self, directives: Sequence[Directive], depth: int) -> Iterator[Directive]:
        """With what is included in place, and the directive that includes as well."""
        for one in directives:
            if one.block is not None:
                yield Directive(one.name, one.arguments, one.where, tuple(self._included(one.block, depth)))
                continue
            yield one
            if one.name == "include" and one.arguments and depth < _DEEPEST:
                for path in self.system.glob(self._absolute(one.arguments[0])):
                    yield from self._read(path, depth + 1)

    def _absolute(self, path: str) -> str:
        return os.path.join(os.path.dirname(self.configuration), path)

    def _drop_in(self) -> str:
        """Where the file goes. Raises OriginError where nothing in ``http`` would include it."""
        for one in _merged(self._whole(), "http").all("include"):
            pattern = self._absolute(one.arguments[0]) if one.arguments else ""
            path = os.path.join(os.path.dirname(pattern), f"{NAME}.conf")
            if (
                fnmatch.fnmatch(path, pattern)
                and "sites-" not in pattern  # which is for virtual hosts
                and self.system.is_directory(os.path.dirname(pattern))
            ):
                return path
        directory = os.path.join(os.path.dirname(self.configuration), "conf.d")
        raise OriginError(
            f"The http block of {self.configuration} includes no directory that a file could be put into. Add "
            f"'include {directory}/*.conf;' to it, and make the directory."
        )

    def _is_ours(self, directive: Directive) -> bool:
        return os.path.basename(directive.where.rpartition(":")[0]) == f"{NAME}.conf"

    def _site(
        self,
        server: Directive,
        http: Directive,
        servers: Sequence[Directive],
        sockets: set[tuple[str, int]],
        conflicts: list[str],
    ) -> Site:
        listens = _listens(server, sockets)
        names = tuple(name for one in server.all("server_name") for name in one.arguments if name not in ("", "_"))
        state, why = COVERED, ""
        verify, authorities = server.last("ssl_verify_client"), server.last("ssl_client_certificate")
        if not any(listen.tls for listen in listens):
            state = PLAIN
        elif verify and verify.arguments == ("on",):
            state, why = OWN, f"it has its own ssl_verify_client on ({verify.where})"
        elif verify:
            state, why = OPEN, f"it has its own ssl_verify_client {' '.join(verify.arguments)} ({verify.where})"
        elif authorities:
            conflicts.append(
                f"{authorities.where} has a ssl_client_certificate and no ssl_verify_client, so that this virtual "
                "host would check certificates against another bundle: remove it, or add the ssl_verify_client that is "
                "meant."
            )
        return Site(names, listens, server.where, state, why, _probed(server, names, servers, http))


def _probed(server: Directive, names: Sequence[str], servers: Sequence[Directive], http: Directive) -> str | None:
    reject = server.last("ssl_reject_handshake") or http.last("ssl_reject_handshake")
    if reject and reject.arguments == ("on",):
        return None
    for name in names:
        if not name.startswith("~"):
            return f"{NAME}{name[1:]}" if name.startswith("*") else name.lstrip(".").replace(".*", ".example")
    # Without a name it is reached where it is the default, be it as the only one
    default = any({"default_server", "default"} & set(one.arguments) for one in server.all("listen"))
    return "" if default or len(servers) == 1 else None


def _merged(whole: Directive, name: str) -> Directive:
    """All that is in the blocks of this name; there may be several files, but hardly ever several blocks."""
    return Directive(name, (), whole.where, tuple(one for block in whole.all(name) for one in block.block or ()))


def _speaks_tls(server: Directive) -> bool:
    return any("ssl" in one.arguments[1:] for one in server.all("listen"))


def _stream_site(server: Directive) -> Site:
    verify = server.last("ssl_verify_client")
    enforced = verify is not None and verify.arguments == ("on",)
    why = "it is in the stream block, which the settings of http do not reach"
    return Site((), _listens(server, set()), server.where, OWN if enforced else OPEN, "" if enforced else why)


def _listens(server: Directive, sockets: set[tuple[str, int]]) -> tuple[Listen, ...]:
    """sockets: on which another virtual host says that TLS is spoken."""
    ssl = server.last("ssl")
    listens = []
    for one in server.all("listen") or [Directive("listen", ("80",), server.where)]:
        address, port = _address(one.arguments[0])
        quic = "quic" in one.arguments
        tls = "ssl" in one.arguments or quic or (address, port) in sockets or (ssl and ssl.arguments == ("on",))
        reachable = not quic and not address.startswith("unix:")
        listens.append(Listen(address, port, bool(tls), "proxy_protocol" in one.arguments, reachable))
    return tuple(listens)


def _address(text: str) -> tuple[str, int]:
    if text.startswith("unix:"):
        return text, 0
    found = re.fullmatch(r"(?:(?:\[(?P<six>[^]]+)\]|(?P<four>[^:]+)):)?(?P<port>\d+)", text)
    if found:
        return found["six"] or found["four"] or "*", int(found["port"])
    return text.strip("[]"), 80
