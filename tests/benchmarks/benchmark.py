# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a zone costs in each way, and how that grows: ``python tests/benchmarks/benchmark.py [--write GUIDE]``.

CPU is net of an empty play over the same hosts, whose start-up weighs as much as dozens of zones. With ``--before``,
the role of another version of the collection is measured in the same run.

Runs ansible-playbook of the same environment, with the collection that ANSIBLE_COLLECTIONS_PATH finds, on the emulator
in a process of its own, whose CPU is not counted.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = Path(__file__).resolve().parent
EMULATOR = HERE.parent / "emulator"
TOKEN = "benchmark_token_0123456789abcdefghijklmn"
IN_PROCESS = "originsec_cloudflare_in_process"

# Work, way, and the command after ansible-playbook, or after python where it is a script
WAYS = [
    ("Three settings", "modules, in Ansible's process", "settings.yml", []),
    ("Three settings", "modules, in a process each", "settings.yml", ["-e", f"{IN_PROCESS}=false"]),
    ("Three settings", "``ansible.builtin.uri``", "settings_uri.yml", []),
    ("Three settings", "a script with Cloudflare's SDK", "sdk.py", ["settings"]),
    ("Hardening", "the role, in Ansible's process", "harden.yml", []),
    ("Hardening", "the role, in a process each", "harden.yml", ["-e", f"{IN_PROCESS}=false"]),
    ("Hardening", "``ansible.builtin.uri``", "harden_uri.yml", []),
    ("Hardening", "a script with Cloudflare's SDK", "sdk.py", ["harden"]),
]
FLOOR: tuple[str, str, str, list[str]] = ("Nothing", "three ``debug`` tasks", "debug.yml", [])
EMPTY = "empty.yml"
ROLE = WAYS[4]
BEFORE: tuple[str, str, str, list[str]] = ("Hardening", "the role as it was before", "harden_before.yml", [])
BEGIN, END = ".. The figures: `make bench` writes them.\n", ".. End of the figures.\n"


@dataclass(frozen=True)
class Cost:
    """Of one run, in seconds and requests; memory is that of its largest process, in MiB."""

    zones: int
    wall: float
    cpu: float
    requests: int
    memory: float

    def cells(self, empty: Cost | None = None) -> list[str]:
        """For each zone. empty: the cost of an empty play, whose CPU does not count; none for scripts."""
        return [
            f"{self.wall / self.zones:.3f}",
            f"{(self.cpu - (empty.cpu if empty else 0)) / self.zones:.3f}",
            f"{self.requests / self.zones:.1f}",
        ]


class Cloudflare:
    """The emulator, without a rate limit, and the inventory of its zones."""

    def __init__(self, directory: Path, zones: int) -> None:
        self.inventory = directory / f"{zones}.json"
        self.zones = zones
        self._ready = directory / "url"
        self._ready.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, str(EMULATOR), "--token", TOKEN, "--ready-file", str(self._ready)],
            stdout=subprocess.DEVNULL,
        )
        while not self._ready.exists():
            time.sleep(0.02)
        self.url = self._ready.read_text()
        self._control("PATCH", "settings", {"quota": 10**9})
        hosts = {}
        for number in range(zones):
            zone = self._control("POST", "zones", {"name": f"zone{number:04}.example"})
            hosts[zone["name"]] = {"cloudflare_zone_id": zone["id"]}
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "zone_hardening_verify_urls": [],
            **certificate(),
        }
        self.inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
        self.rotation = directory / "rotation.json"
        self.rotation.write_text(json.dumps({**certificate(), "zone_hardening_exclusive": True}))

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def requests(self) -> int:
        """How many there were since the last call."""
        count = len(self._control("GET", "journal"))
        self._control("DELETE", "journal")
        return count

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.url.removesuffix('/client/v4')}/emulator/{path}"
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as answer:
            return json.load(answer)["result"]


@contextmanager
def cloudflare(zones: int) -> Iterator[Cloudflare]:
    with tempfile.TemporaryDirectory() as directory:
        emulator = Cloudflare(Path(directory), zones)
        try:
            yield emulator
        finally:
            emulator.stop()


def certificate() -> dict[str, str]:
    """The variables of a client certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "benchmark")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "zone_hardening_certificate": made.public_bytes(encoding).decode(),
        "zone_hardening_private_key": private.decode(),
    }


def run(emulator: Cloudflare, file: str, arguments: list[str], forks: int, collections: str = "") -> Cost:
    """One run over all zones; it must succeed. collections: where the collection is found, if not as usual."""
    if file.endswith(".py"):
        command = [sys.executable, str(HERE / file), *arguments, str(emulator.inventory)]
    else:
        playbook = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [playbook, f"-i{emulator.inventory}", f"--forks={forks}", str(HERE / file), *arguments]
    environment = {**os.environ, "CLOUDFLARE_API_TOKEN": TOKEN, "CLOUDFLARE_BASE_URL": emulator.url}
    if collections:
        environment["ANSIBLE_COLLECTIONS_PATH"] = collections
    with tempfile.TemporaryFile("w+") as output:
        began = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{output.read()[-4000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(emulator.zones, wall, cpu, emulator.requests(), usage.ru_maxrss / 1024)


def table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for first, *others in [headings, *rows]:
        lines += [f"   * - {first}", *(f"     - {cell}".rstrip() for cell in others)]
    return "\n".join(lines) + "\n"


def compare(zones: int, forks: int, before: str) -> str:
    """Each way, in the first run, which changes everything, in the steady state, and for the role in a rotation."""
    rows: list[list[str]] = []
    with cloudflare(zones) as emulator:
        empty = run(emulator, EMPTY, [], forks)
    ways = [*((*way, "") for way in WAYS), *([(*BEFORE, before)] if before else [])]
    for work, way, file, arguments, collections in ways:
        net = None if file.endswith(".py") else empty
        with cloudflare(zones) as emulator:
            first, steady = (run(emulator, file, arguments, forks, collections) for _time in range(2))
            cells = [*first.cells(net), *steady.cells(net)]
            if way == ROLE[1]:  # beside what it is compared with, since a machine's speed changes
                floor = run(emulator, *FLOOR[2:], forks)
                rows.insert(0, [*FLOOR[:2], *[""] * 3, *floor.cells(empty), *[""] * 3])
                print(*rows[0], sep="\t", flush=True)
            if "role" in way:
                rotation = [*arguments, "-e", f"@{emulator.rotation}"]
                cells += run(emulator, file, rotation, forks, collections).cells(net)
        rows.append([work, way, *cells, *[""] * (9 - len(cells))])
        print(*rows[-1], sep="\t", flush=True)
    runs, units = ("First run", "Steady state", "Rotation"), ("seconds", "CPU seconds", "requests")
    return table(["Work", "Way", *(f"{one}: {unit}" for one in runs for unit in units)], rows)


def grow(numbers: list[int], forks: int) -> str:
    """The role in the steady state, over ever more zones."""
    rows = []
    for zones in numbers:
        with cloudflare(zones) as emulator:
            run(emulator, "sdk.py", ["harden"], forks)
            empty = run(emulator, EMPTY, [], forks)
            cost = run(emulator, ROLE[2], ROLE[3], forks)
        rows.append([str(zones), f"{cost.wall:.1f}", *cost.cells(empty), f"{cost.memory:.0f}"])
        print(*rows[-1], sep="\t", flush=True)
    headings = ["Zones", "Seconds in all", "Seconds a zone", "CPU seconds a zone", "Requests a zone", "Memory in MiB"]
    return table(headings, rows)


def machine() -> str:
    """This machine in words; neither its name nor a path."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("ansible-core", "requests", "cryptography", "cloudflare")
    )
    return (
        f"Measured on {datetime.date.today():%Y-%m-%d} on a machine with {os.cpu_count()} cores "
        f"({cpu[1] if cpu else platform.machine()}) and {memory:.0f} GiB of memory, with {platform.system()}, "
        f"Python {platform.python_version()}, {packages}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zones", type=int, default=60, help="how many to compare the ways with (default: 60)")
    parser.add_argument("--growth", default="10,100,1000", help="how many to go through (default: 10,100,1000)")
    parser.add_argument("--forks", type=int, default=10, help="of Ansible (default: 10)")
    parser.add_argument("--before", default="", metavar="DIR", help="where ansible_collections has what was before")
    parser.add_argument("--write", type=Path, metavar="GUIDE", help="put the figures into this guide")
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.growth.split(",") if number]
    figures = "\n".join(
        [
            f"{machine()} Ansible had {arguments.forks} forks; the emulated API answered at once, and without a limit.",
            "",
            f"For each of {arguments.zones} zones:",
            "",
            compare(arguments.zones, arguments.forks, arguments.before),
            "The role in the steady state:",
            "",
            grow(numbers, arguments.forks),
        ]
    )
    print(f"\n{figures}")
    if arguments.write:
        guide = arguments.write.read_text()
        before, after = guide.split(BEGIN)[0], guide.split(END)[1]
        arguments.write.write_text(f"{before}{BEGIN}\n{figures}\n{END}{after}")


if __name__ == "__main__":
    main()
