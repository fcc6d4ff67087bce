# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The story of `make demo`, told while it happens; demo.py starts it with the directory to work in.

A visitor reaches an nginx of Debian through the emulated edge of Cloudflare, over TLS. Playbooks are run as a user
would. Where there is no nginx and none of Debian, an origin of Python takes its place, which no playbook can configure:
there the story does that itself, and runs `harden` in place of `lockdown`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the packages beside this one

from demo.certificates import Issued, issue  # noqa: E402
from emulator.edge import Edge  # noqa: E402
from emulator.emulator import Emulator  # noqa: E402
from origin.origin import Origin  # noqa: E402
from tools.debian_package import program  # noqa: E402

SITE, OTHER = "shop.example", "blog.example"
WIDTH = 110
"""From which on a line is broken, in characters, unless it is a table's."""
NGINX = """\
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/conf.d/*.conf;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name {site};
        ssl_certificate {directory}/server.pem;
        ssl_certificate_key {directory}/server.pem;
        location / {{ return 200 "Welcome to the shop.\\n"; }}
    }}
}}
"""


class StoryError(Exception):
    """It came out otherwise than it should, and how."""


class Story:
    """What was done so far. python: the origin that takes the place of nginx, port: where the origin listens."""

    def __init__(self, work: Path, emulator: Emulator, edge: Edge, port: int, python: Origin | None) -> None:
        self.work, self.emulator, self.edge = work, emulator, edge
        self.port, self.python = port, python
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "true",
            "CLOUDFLARE_API_TOKEN": emulator.add_token(),
            "CLOUDFLARE_BASE_URL": emulator.url,
            # The name of every site leads to the emulated edge
            "http_proxy": edge.url,
            "no_proxy": "127.0.0.1",
        }

    def tell(self) -> None:
        zone = self.emulator.add_zone(SITE, origins={"https": f"127.0.0.1:{self.port}"})
        self.emulator.add_zone(OTHER)
        server = "a small server of Python" if self.python else "nginx"
        say(f"{SITE} is served over TLS by {server}, behind an emulated Cloudflare.")
        self.visit("A visitor asks for it through Cloudflare", "the site answers")
        self.stranger("A stranger asks the origin itself, by its address", True, "so does the origin: the problem")

        say("Lock it down: the origin asks for a certificate, Cloudflare presents it, the origin requires it.")
        first, second, third = (issue(f"{whose} authority") for whose in ("Our", "Our next", "Somebody's"))
        self.give("client", issue("client of the shop", first), first)
        self.lock_down()
        self.stranger("The stranger again", False, "the origin answers nobody but Cloudflare")
        self.visit("The visitor again", "the site answers")

        say("Rotate to a certificate of another authority, while visitors keep coming.")
        self.give("next", issue("next client of the shop", second), second)
        with self.visitors() as statuses:
            self.lock_down()
        failed = len(statuses) - statuses.count(200)
        step(f"{len(statuses)} requests of visitors meanwhile", not failed and bool(statuses), f"{failed} failed")

        say("Harden with a certificate that the origin does not trust.")
        presented = self.emulator.active(zone)
        self.give("untrusted", issue("client of somebody", third), second)
        self.play("harden", ["--limit", SITE], 2)
        same = self.emulator.active(zone) == presented
        self.visit("The visitor again", "the certificate of before is back" if same else "")

        say("Audit the account: nobody has looked after the blog.")
        self.give("next", None, second)
        page = self.work / "audit.html"
        self.play("audit", [f"--extra-vars=audit_report={page.name}"])
        say(f"The whole report, for a browser: {page}")

    # ------------------------------------------------------------------------------------------------- what is done

    def visit(self, what: str, meaning: str) -> None:
        status = self.edge.pull(SITE).status
        step(what, status == 200 and bool(meaning), f"{status}, {meaning}")

    def stranger(self, what: str, answered: bool, meaning: str) -> None:
        told = direct(self.port)
        step(what, told.startswith("200") == answered, f"{told}, {meaning}")

    @contextlib.contextmanager
    def visitors(self) -> Iterator[list[int]]:
        """The statuses that visitors get, ten a second at most."""
        statuses: list[int] = []
        over = threading.Event()

        def come() -> None:
            while not over.wait(0.1):
                statuses.append(self.edge.pull(SITE).status)

        thread = threading.Thread(target=come)
        thread.start()
        try:
            yield statuses
        finally:
            over.set()
            thread.join()

    def give(self, name: str, client: Issued | None, authority: Issued) -> None:
        """From here on, this is the client certificate, and this the authority that origins are to trust."""
        certificate, key = self.work / f"{name}.pem", self.work / f"{name}.key"
        if client:
            certificate.write_text(client.pem)
            key.touch(0o600)
            key.write_text(client.key_pem)
        self.environment["CLOUDFLARE_CLIENT_CERTIFICATE_FILE"] = str(certificate)
        self.environment["CLOUDFLARE_CLIENT_KEY_FILE"] = str(key)
        local = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
        verify = {"urls": ["http://{{ inventory_hostname }}/"], "retries": 1, "delay": 1, "settle": 0}
        inventory = {
            "origins": {
                "hosts": {"web1": {**local, "origin_client_auth_zones": [SITE], "origin_client_auth_ca": authority.pem}}
            },
            "zones": {
                "hosts": {SITE: {}, OTHER: {}},
                "vars": {f"zone_hardening_verify_{option}": value for option, value in verify.items()},
            },
        }
        (self.work / "inventory.json").write_text(json.dumps(inventory, indent=2))
        self.trusted = authority.pem

    def lock_down(self) -> None:
        origin = self.python
        if not origin:
            self.play("lockdown", [f"--extra-vars=zones={SITE}"])
            return
        origin.client_ca += self.trusted
        if origin.client_certificates == "none":
            origin.client_certificates = "optional"
        self.play("harden", ["--limit", SITE])
        origin.client_certificates, origin.client_ca = "required", self.trusted

    def play(self, name: str, arguments: list[str], expected: int = 0) -> None:
        """Run a playbook, and tell the summary that it ends with. expected: its exit status."""
        command = ["ansible-playbook", "-i", "inventory.json", f"originsec.cloudflare.{name}", *arguments]
        begun = time.monotonic()
        started(f"$ ansible-playbook originsec.cloudflare.{name}")
        finished = subprocess.run(
            command,
            cwd=self.work,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        shown = re.findall(r"^ok: \[.*?\] => (\{.*?^\})", finished.stdout, re.MULTILINE | re.DOTALL)
        if finished.returncode != expected or not shown:
            raise StoryError(f"{shlex.join(command)} ended with {finished.returncode}:\n{finished.stdout}")
        summary = "\n".join(line for line in json.loads(shown[-1])["msg"] if line)
        step(f"$ ansible-playbook originsec.cloudflare.{name} ({time.monotonic() - begun:.0f} s)", True, summary)


def direct(port: int) -> str:
    """What the origin answers somebody who presents no certificate: a status, or "refused"."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        plain = socket.create_connection(("127.0.0.1", port), 10)
        with plain, context.wrap_socket(plain, server_hostname=SITE) as tls:
            tls.sendall(f"GET / HTTP/1.0\r\nHost: {SITE}\r\n\r\n".encode())
            return tls.recv(12).decode().partition(" ")[2] or "refused"
    except OSError:
        return "refused"


# ------------------------------------------------------------------------------------------------------ how it is told


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


def started(what: str) -> None:
    """On a terminal, what goes on; its line is written again when it is done."""
    if sys.stdout.isatty():
        print(f"  … {what}", end="\r", flush=True)


def step(what: str, good: bool, outcome: str) -> None:
    """What was done, and what came of it: on the same line where there is room, else on lines of its own."""
    if not good:
        raise StoryError(f"{what}: {outcome}. That should not be.")
    if "\n" not in outcome and len(what) + len(outcome) <= WIDTH:
        print(f"  ✓ {what}: {outcome}", flush=True)
        return
    print(f"  ✓ {what}:")
    for line in outcome.splitlines():
        text = line.strip()
        indent = " " * (6 + len(line) - len(line.lstrip()))
        is_row = "  " in text  # of a table
        print(indent + text if is_row else textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent))
    sys.stdout.flush()


# ---------------------------------------------------------------------------------------------------------- the origin


@contextlib.contextmanager
def an_origin(work: Path, server: Issued, without_nginx: bool) -> Iterator[tuple[int, Origin | None]]:
    """Its port, and the origin itself where it is not nginx."""
    try:
        if without_nginx:
            raise LookupError("as you wish")
        nginx = program("nginx", "nginx", work / "debian")
    except (OSError, LookupError, RuntimeError) as error:
        say(f"There is no nginx here ({str(error).splitlines()[0]}), so the story configures the origin, not lockdown.")
        with Origin(server.pem, server.key_pem, refusal="http") as origin:
            yield origin.port, origin
        return
    directory = work / "nginx"
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "conf.d").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    (directory / "server.pem").write_text(server.pem + server.key_pem)
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=port, site=SITE))
    process = subprocess.Popen(
        [nginx.path, "-p", str(directory), "-c", str(directory / "nginx.conf")],
        env={**os.environ, **nginx.environment},
        stderr=subprocess.DEVNULL,  # it complains that it may not write where its package does
    )
    try:
        for _attempt in range(500):
            if direct(port).startswith("200"):
                break
            time.sleep(0.02)
        yield port, None
    finally:
        process.terminate()
        process.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="the directory to work in")
    parser.add_argument("--without-nginx", action="store_true", help="as where there is none")
    arguments = parser.parse_args()
    work, server, without_nginx = arguments.work.resolve(), issue(SITE), arguments.without_nginx
    begun = time.monotonic()
    try:
        with Emulator() as emulator, Edge(emulator) as edge, an_origin(work, server, without_nginx) as (port, python):
            Story(work, emulator, edge, port, python).tell()
    except StoryError as error:
        sys.exit(f"\n{error}")
    say(f'That was the story, in {time.monotonic() - begun:.0f} seconds. Next: README.md, "Lock an origin down".')


if __name__ == "__main__":
    main()
