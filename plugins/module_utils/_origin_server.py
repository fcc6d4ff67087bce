# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""What the servers of origins have in common: virtual hosts, what covers them, and the files that are written.

Each server has a file of its own, which reads its configuration and says what the files have to hold. None of it
changes anything; that is done in _origin_change.
"""

from __future__ import annotations

import abc
import contextlib
import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ._origin_system import Finished, Process, System

NAME = "originsec-client-auth"
"""The files that are written are called so, whatever comes after it."""

HEADER = "# Written by the Ansible role originsec.cloudflare.origin_client_auth, whose mode 'off' removes it.\n"

DEPTH = 9
"""Certificates between a client's and an authority's: more than anyone has, since servers' defaults are too low."""

_AUTHORITY = re.compile(r"(?:#[^\n]*\n)*-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
"""A certificate with what is said of it above."""

OFF, ASK, REQUIRE = MODES = ("off", "ask", "require")

COVERED, OPEN, OWN, PLAIN = "covered", "open", "own", "plain"
"""States of a virtual host: covered by what the role writes; TLS that lets everyone in whatever the role writes;
requires a certificate by settings of its own; no TLS at all."""


class OriginError(Exception):
    """Anything that keeps the origin from what is wanted, as one message; facts: what is known nevertheless."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts


@dataclass(frozen=True)
class Directive:
    """A setting of nginx or Apache. block: what is inside of it, None where it is none. where: file and line."""

    name: str
    arguments: tuple[str, ...]
    where: str
    block: tuple[Directive, ...] | None = None

    def all(self, name: str) -> list[Directive]:
        return [one for one in self.block or () if one.name == name]

    def last(self, name: str) -> Directive | None:
        return next(reversed(self.all(name)), None)


@dataclass(frozen=True)
class Listen:
    """address: ``*`` for all, an IP address, or the path of a socket. port: 0 where it has none.

    reachable: whether a client over TCP gets there, which UDP and the sockets of Unix are not for.
    """

    address: str
    port: int
    tls: bool
    proxy_protocol: bool = False
    reachable: bool = True

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address and "/" not in self.address else self.address
        return f"{address}:{self.port}" if self.port else address


@dataclass(frozen=True)
class Site:
    """A virtual host, or what the server has in its place.

    names: as they are configured, the patterns among them. where: file and line. why: it is not covered, in words.
    probed: the server name that leads to it, empty where it needs none, None where there is none.
    """

    names: tuple[str, ...]
    listens: tuple[Listen, ...]
    where: str
    state: str
    why: str = ""
    probed: str | None = None

    @property
    def label(self) -> str:
        return self.names[0] if self.names else self.where

    def has_name(self, name: str) -> bool:
        patterns = [f"*{pattern}" if pattern.startswith(".") else pattern for pattern in self.names]
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns) or f".{name}" in self.names


@dataclass(frozen=True)
class Found:
    """What the configuration says, whatever the role has written.

    conflicts: what keeps the role from asking for certificates, in words. groups: settings that limit the groups of the
    key exchange, with file and line.
    """

    sites: tuple[Site, ...]
    conflicts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """None is a file that there is not."""

    path: str
    before: bytes | None
    after: bytes | None


class Server(abc.ABC):
    """A server that runs. All of it reads only, but for ``reload``."""

    kind: str
    title: str
    """As in a sentence."""

    def __init__(self, system: System, process: Process) -> None:
        self.system = system
        self.process = process

    @classmethod
    @abc.abstractmethod
    def masters(cls, processes: Sequence[Process]) -> list[Process]:
        """Those that are to be told to reload."""

    @property
    @abc.abstractmethod
    def units(self) -> tuple[str, ...]:
        """What it may be called in systemd."""

    @property
    @abc.abstractmethod
    def version(self) -> str: ...

    @property
    @abc.abstractmethod
    def authorities(self) -> str:
        """The path that files with authorities begin with; they are in a directory that is there."""

    @abc.abstractmethod
    def found(self) -> Found:
        """Raises OriginError for a configuration that cannot be read."""

    @abc.abstractmethod
    def mode(self) -> str:
        """The mode that the role's files stand for."""

    @abc.abstractmethod
    def files(self, mode: str, authorities: Sequence[str]) -> list[File]:
        """All that is to be written, in an order in which the configuration is whole at every step.

        authorities: the PEM of each of them.
        """

    def mistakes(self) -> list[str]:
        """What its own test does not see, and would end the server."""
        return []

    @abc.abstractmethod
    def test(self) -> Finished:
        """Its own test of what is on disk."""

    @abc.abstractmethod
    def reload(self) -> Finished:
        """In its own way."""

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """What has to be so while it reloads, in whichever way."""
        yield

    @property
    def start(self) -> Process:
        """What to start where it has ended."""
        return self.process

    def text(self, path: str) -> str | None:
        """Every byte of the file survives it, see ``encoded``."""
        content = self.system.read(path)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def file(self, path: str, text: str | None) -> File:
        return File(path, self.system.read(path), None if text is None else encoded(text))

    def trusted(self) -> list[str]:
        """The authorities that the role has written, each as ``files`` takes it."""
        several = sorted(self.system.glob(f"{self.authorities}-*.pem"), key=lambda path: (len(path), path))
        texts = [self.text(path) or "" for path in (f"{self.authorities}.pem", *several)]
        return [one for text in texts for one in _AUTHORITY.findall(text.replace(HEADER, ""))]

    def bundle(self, mode: str, authorities: Sequence[str]) -> File:
        """One file with all authorities; none where nobody is asked."""
        return self.file(f"{self.authorities}.pem", None if mode == OFF else HEADER + "".join(authorities))


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def in_order(mode: str, authorities: Sequence[File], others: Sequence[File]) -> list[File]:
    """What refers to the authorities comes after them, and goes before them."""
    gone = [file for file in authorities if file.after is None]
    kept = [file for file in authorities if file.after is not None]
    return [*kept, *others, *gone]
