# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers as Debian packages them, each with one site of a user; and a client that knows no rest."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.originsec.cloudflare.tests.unit.origins.machine import PATIENCE, Machine, free_port, wait_until
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

SITE = "shop.example.com"


@dataclass
class Origin:
    """A server that serves a site over TLS. server: its certificate. more: further configuration of the user."""

    machine: Machine
    server: Issued
    more: str = ""
    port: int = field(default_factory=free_port)
    name: str = SITE

    package = ""
    directory = ""
    """Where its configuration is."""

    @property
    def certificate(self) -> str:
        return f"{self.directory}/server.pem"

    def start(self) -> None:
        """Installed, with one site, and answering."""
        self.machine.write(self.certificate, self.server.pem + self.server.key_pem)
        self.configure()
        self.run()
        wait_until(lambda: bool(self.answers()), f"{self.package} does not answer: {self.machine.run('ps', 'ax')}")

    def configure(self) -> None:
        raise NotImplementedError

    def run(self) -> None:
        raise NotImplementedError

    def answers(self, client: tuple[str, str] | None = None, name: str = "") -> str:
        """The body that a client gets, who may have a certificate and its key, as paths; nothing if none."""
        try:
            return pull(self.port, client, name or self.name)
        except OSError:
            return ""


class NginxOrigin(Origin):
    package = "nginx"
    directory = "/etc/nginx"

    def configure(self) -> None:
        tls = f"ssl_certificate {self.certificate}; ssl_certificate_key {self.certificate};"
        self.machine.write(
            "/etc/nginx/sites-enabled/shop",
            f"server {{\n    listen 127.0.0.1:{self.port} ssl;\n    server_name {self.name};\n    {tls}\n"
            f'    location / {{ return 200 "ok\\n"; }}\n}}\n{self.more}',
        )

    def run(self) -> None:
        self.machine.run("nginx")


class ApacheOrigin(Origin):
    package = "apache2"
    directory = "/etc/apache2"

    def configure(self) -> None:
        run = self.machine.run
        run("a2enmod", "--quiet", "mpm_event", "authz_core", "ssl", "dir", "mime")
        run("mkdir", "-p", "/var/www/shop", "/run/apache2", "/var/log/apache2", "/run/lock")
        self.machine.write("/var/www/shop/index.html", "ok\n")
        self.machine.write("/etc/apache2/ports.conf", f"Listen 127.0.0.1:{self.port}\n")
        self.machine.write(
            "/etc/apache2/sites-enabled/shop.conf",
            f"<VirtualHost *:{self.port}>\n    ServerName {SITE}\n    DocumentRoot /var/www/shop\n    SSLEngine on\n"
            f"    SSLCertificateFile {self.certificate}\n</VirtualHost>\n{self.more}",
        )

    def run(self) -> None:
        self.machine.run("apachectl", "start")


class HAProxyOrigin(Origin):
    package = "haproxy"
    directory = "/etc/haproxy"

    def configure(self) -> None:
        self.machine.run("sh", "-c", "echo haproxy:x:999:33::/var/lib/haproxy:/bin/false >> /etc/passwd")
        self.machine.run("sh", "-c", "echo haproxy:x:999: >> /etc/group")
        self.machine.run("mkdir", "-p", "/run/haproxy")
        debian = self.machine.read("/etc/haproxy/haproxy.cfg")
        self.machine.write(
            "/etc/haproxy/haproxy.cfg",
            f"{debian}\nfrontend sites\n\tbind 127.0.0.1:{self.port} ssl crt {self.certificate} # of our shop\n"
            f'\thttp-request return status 200 content-type text/plain string "ok\\n"\n{self.more}',
        )

    def run(self) -> None:
        self.machine.run(
            *("haproxy", "-W", "-D", "-f", "/etc/haproxy/haproxy.cfg", "-p", "/run/haproxy.pid"),
            *("-S", "/run/haproxy-master.sock"),
        )


class CaddyOrigin(Origin):
    package = "caddy"
    directory = "/etc/caddy"

    def configure(self) -> None:
        self.machine.run("sh", "-c", "echo caddy:x:998:33::/var/lib/caddy:/bin/false >> /etc/passwd")
        self.machine.run("mkdir", "-p", "/var/lib/caddy", "/run/caddy")
        self.machine.run("chown", "998:33", "/var/lib/caddy", "/run/caddy")
        self.machine.write(
            "/etc/caddy/Caddyfile",
            "{\n\tadmin unix//run/caddy/admin.sock\n\tauto_https off\n}\n\n"
            f"https://{SITE}:{self.port} {{\n\tbind 127.0.0.1\n\ttls {self.certificate} {self.certificate}\n"
            f'\trespond "ok"\n}}\n{self.more}',
        )

    def run(self) -> None:
        command = "caddy run --environ --config /etc/caddy/Caddyfile"
        self.machine.start(
            "setpriv", "--reuid=998", "--regid=33", "--clear-groups", *command.split(), HOME="/var/lib/caddy"
        )


ORIGINS = {one.package: one for one in (NginxOrigin, ApacheOrigin, HAProxyOrigin, CaddyOrigin)}


def pull(port: int, client: tuple[str, str] | None = None, name: str = SITE) -> str:
    """The body of ``/``. Raises OSError where there is no answer, or one that is not 200."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if client:
        context.load_cert_chain(*client)
    answer = b""
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with plain, context.wrap_socket(plain, server_hostname=name) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        while data := tls.recv(65536):
            answer += data
    head, _blank, body = answer.decode().partition("\r\n\r\n")
    if not head.startswith("HTTP/1.1 200 "):
        raise ConnectionError(head or "no answer")
    return body


@dataclass
class Pulling:
    """What a client saw that pulls all the time, as the edge would."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)


@contextlib.contextmanager
def pulling(origin: Origin, client: tuple[str, str]) -> Iterator[Pulling]:
    seen = Pulling()
    over = threading.Event()

    def pull_on() -> None:
        while not over.is_set():
            try:
                assert pull(origin.port, client)
                seen.answered += 1
            except (OSError, AssertionError) as error:
                seen.failures.append(repr(error))
            time.sleep(0.02)

    thread = threading.Thread(target=pull_on)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(PATIENCE)


def on_disk(directory: Path, issued: Issued, name: str = "client") -> tuple[str, str]:
    """The paths of a certificate and its key."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    certificate.write_text(issued.pem)
    key.write_text(issued.key_pem)
    return str(certificate), str(key)
