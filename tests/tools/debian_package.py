# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs of Debian for the tests, unpacked into a directory: nothing is installed, and nobody has to be root.

    python tests/tools/debian_package.py tests/output/debian tinyproxy-bin

prints the directory. apt keeps its lists and packages in the cache as well, and reads no more of the system than its
sources and what is installed already.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")


@dataclass(frozen=True)
class Program:
    """Where it is, and what has to be in its environment."""

    path: str
    environment: dict[str, str] = field(default_factory=dict)


def program(name: str, package: str, cache: Path, suite: str = "") -> Program:
    """The program that is installed, else that of the package; that of the package if it is to be of a certain suite.

    Raises FileNotFoundError where there is no apt-get, and with a suite where this is not Debian.
    """
    installed = os.pathsep.join([os.environ.get("PATH", os.defpath), *(f"/{directory}" for directory in PROGRAMS)])
    if not suite and (path := shutil.which(name, path=installed)):
        return Program(path)
    tree = unpacked(cache, package, suite=suite)
    path = shutil.which(name, path=os.pathsep.join(str(tree / directory) for directory in PROGRAMS))
    if path is None:
        raise LookupError(f"The package {package} has no program {name}.")
    libraries = os.pathsep.join(sorted({str(library.parent) for library in tree.glob("**/lib*.so.*")}))
    if suite:
        # Its C library may be newer than the system's, and has to be loaded by what belongs to it
        loader = next(tree.glob("**/ld-linux*.so.*"))
        script = tree / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join([str(loader), "--library-path", libraries, path])} "$@"\n')
        script.chmod(0o755)
        return Program(str(script))
    return Program(path, {"LD_LIBRARY_PATH": libraries} if libraries else {})


def unpacked(cache: Path, *packages: str, suite: str = "") -> Path:
    """The tree of these packages, with what they depend on and the system does not have.

    suite: of Debian, such as trixie, in place of the system's; then with everything that they depend on.
    """
    tree = cache / "+".join([*filter(None, [suite]), *packages])
    if tree.is_dir():
        return tree
    cache.mkdir(parents=True, exist_ok=True)
    # Of its own, and renamed in one step: another run may be about the same
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        work = Path(directory).resolve()
        for name in ("lists/partial", "archives/partial", "tree"):
            (work / name).mkdir(parents=True)
        options = {
            "Dir::State::lists": work / "lists",
            "Dir::Cache": work,
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "Debug::NoLocking": "1",  # of the system's own state, which is only read
            "APT::Sandbox::User": "",
        }
        if suite:
            (work / "sources").write_text(_source(suite))
            (work / "status").touch()
            options |= {
                "Dir::Etc::SourceList": work / "sources",
                "Dir::Etc::SourceParts": "-",
                "Dir::State::status": work / "status",
            }
        apt = ["apt-get", "--quiet=2", *(f"--option={name}={value}" for name, value in options.items())]
        _run(*apt, "update")
        _run(*apt, "install", "--download-only", "--no-install-recommends", "--yes", *packages)
        for archive in (work / "archives").glob("*.deb"):
            _run("dpkg-deb", "--extract", str(archive), str(work / "tree"))
        (work / "tree").chmod(0o755)
        try:
            (work / "tree").rename(tree)
        except OSError:
            if not tree.is_dir():
                raise
    return tree


def _source(suite: str) -> str:
    """From the same place as what the system has."""
    directory = Path("/etc/apt")
    for path in (*directory.glob("sources.list"), *directory.glob("sources.list.d/*")):
        if found := re.search(r"\S+://\S+/debian/?(?=\s)", path.read_text()):
            return f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {found[0]} {suite} main\n"
    raise FileNotFoundError("APT has no source of Debian.")


def _run(*command: str) -> None:
    finished = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{finished.stdout}")


if __name__ == "__main__":
    print(unpacked(Path(sys.argv[1]), *sys.argv[2:]))
