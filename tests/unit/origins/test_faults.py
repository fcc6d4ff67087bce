# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong with real servers: everything is back as it was, and they answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.tests.unit.origins.machine import Machine, free_port, wait_until
from ansible_collections.originsec.cloudflare.tests.unit.origins.servers import (
    SITE,
    ApacheOrigin,
    CaddyOrigin,
    HAProxyOrigin,
    NginxOrigin,
    Origin,
    on_disk,
    pulling,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

pytestmark = pytest.mark.servers

END = """
import contextlib, os, signal, sys
for process in filter(str.isdigit, os.listdir("/proc")):
    with contextlib.suppress(OSError):
        if open(f"/proc/{process}/comm").read().strip() == sys.argv[1]:
            os.kill(int(process), signal.SIGTERM)
"""
BACK = "Everything is back as it was, and"


def test_a_reload_that_fails_or_does_nothing_or_ends_the_server(origin: Origin, authority: Issued) -> None:
    before = origin.machine.files("/etc")
    apply = origin.machine.apply

    failed = apply("require", authority.pem, reload_command="sh -c 'echo no such thing; exit 3'")
    assert "failed: 'sh -c 'echo no such thing; exit 3'' ended with 3. no such thing" in failed["msg"].replace(
        "'\"'\"'", "'"
    )
    assert failed["put_back"]

    nothing = apply("require", authority.pem, reload_command="true", check={"timeout": 1})
    assert "The probe failed after the reload: 127.0.0.1:" in nothing["msg"]
    assert "it does not ask for a client certificate" in nothing["msg"]
    assert BACK in nothing["msg"]
    assert (nothing["mode"], nothing["changed"], nothing["files"]) == ("off", False, [])
    assert origin.machine.files("/etc") == before
    assert origin.answers()

    origin.machine.write("/etc/end.py", END)
    before = origin.machine.files("/etc")
    ended = apply(
        "require", authority.pem, reload_command=f"python3 /etc/end.py {origin.package}", check={"timeout": 2}
    )
    assert "The reload ended" in ended["msg"] or "The probe failed" in ended["msg"]
    assert BACK in ended["msg"]
    wait_until(lambda: bool(origin.answers()), ended["msg"])
    assert origin.machine.files("/etc") == before
    assert apply("require", authority.pem)["mode"] == "require"
    assert not origin.answers()


def test_a_default_server_that_answers_nobody(tmp_path: Path, server: Issued, authority: Issued) -> None:
    with Machine(tmp_path, "nginx") as machine:
        origin = NginxOrigin(machine, server)
        tls = f"ssl_certificate {origin.certificate}; ssl_certificate_key {origin.certificate};"
        origin.more = f"server {{ listen 127.0.0.1:{origin.port} ssl default_server; {tls} return 444; }}"
        origin.start()
        steps = [("ask", True), ("ask", False), ("require", True), ("ask", True), ("off", True), ("off", False)]
        for mode, changed in steps:
            answer = machine.apply(mode, authority.pem)
            assert (answer.get("msg"), answer["changed"], answer["mode"]) == (None, changed, mode)


def test_authorities_that_are_none(origin: Origin, authority: Issued) -> None:
    """The module judges as well, with the OpenSSL of the origin."""
    before = origin.machine.files("/etc")
    lines = authority.pem.splitlines()
    damaged = "\n".join([lines[0], *lines[2:]])
    for text in ("", "no PEM", damaged):
        failed = origin.machine.apply("require", text)
        assert "ca cannot be read on the origin by OpenSSL" in failed["msg"]
    assert origin.machine.files("/etc") == before
    assert origin.answers()


def test_a_configuration_that_is_broken_already(origin: Origin, authority: Issued) -> None:
    path = {
        "nginx": "/etc/nginx/conf.d/broken.conf",
        "apache2": "/etc/apache2/sites-enabled/zz.conf",
        "haproxy": "/etc/haproxy/haproxy.cfg",
        "caddy": "/etc/caddy/Caddyfile",
    }[origin.package]
    text = origin.machine.run("cat", path, check=False) if origin.package in ("haproxy", "caddy") else ""
    origin.machine.write(path, f"{text}\nNoSuchThing on;\n")
    before = origin.machine.files("/etc")
    failed = origin.machine.apply("ask", authority.pem)
    assert "Nothing was changed: " in failed["msg"]
    assert "does not take its configuration as it is. " in failed["msg"]
    assert "NoSuchThing" in failed["msg"] or "subject does not qualify" in failed["msg"]
    assert origin.machine.files("/etc") == before
    assert origin.answers()


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_killed_at_every_step(origin: Origin, authority: Issued, leaf: Issued, tmp_path: Path, name: str) -> None:
    """Someone with a certificate is answered all the time; the next run gets there, or it had got there already."""
    client = on_disk(tmp_path, leaf)
    machine = origin.machine
    fresh = machine.files("/etc")
    with pulling(origin, client) as seen:
        for at in range(1, 20):
            answer = machine.apply("require", authority.pem, signal=name, at=at)
            if not answer.get("failed") and "died" not in answer:
                break
            if name == "SIGTERM":
                assert f"The run was ended by SIGTERM. {BACK}" in answer["msg"]
                assert machine.files("/etc") == fresh
            else:
                assert machine.apply("require", authority.pem)["mode"] == "require"
                assert not origin.answers()
                assert machine.apply("off")["mode"] == "off"
                assert machine.files("/etc") == fresh
        assert at > 4
    assert seen.failures == []
    machine.apply("require", authority.pem)
    assert not origin.answers()


def test_killed_before_the_reload_that_nobody_can_see(
    origin: Origin, authority: Issued, other_authority: Issued, other_leaf: Issued, tmp_path: Path
) -> None:
    """The files are right and the server asks, but for the certificates of before: only a mark tells."""
    new = on_disk(tmp_path, other_leaf)
    apply = origin.machine.apply
    apply("require", authority.pem)
    writes = {"caddy": 3}.get(origin.package, 2)  # the mark, and all files that differ
    assert "died" in apply("require", authority.pem, other_authority.pem, signal="SIGKILL", at=writes)
    assert not origin.answers(new)
    assert apply("require", authority.pem, other_authority.pem, check_mode=True)["changed"]
    again = apply("require", authority.pem, other_authority.pem)
    assert (again["changed"], again["files"]) == (True, [])
    assert origin.answers(new)


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    with Machine(tmp_path, request.param) as machine:
        yield machine


@pytest.mark.parametrize("machine", ["nginx"], indirect=True)
def test_virtual_hosts_of_nginx(machine: Machine, server: Issued, authority: Issued) -> None:
    """Each that stays open is named, since nginx judges by server and not by listener."""
    plain = free_port()
    origin = NginxOrigin(machine, server)
    tls = f"listen 127.0.0.1:{origin.port} ssl; ssl_certificate {origin.certificate}; "
    tls += f"ssl_certificate_key {origin.certificate};"
    origin.more = (
        f"server {{ {tls} server_name open.example.com; ssl_verify_client off; return 200; }}\n"
        f"server {{ {tls} server_name own.example.com; "
        "ssl_client_certificate /etc/nginx/own.pem; ssl_verify_client on; }\n"
        f"server {{ {tls} server_name *.wild.example.com; return 200; }}\n"
        f"server {{ listen 127.0.0.1:{plain}; server_name {SITE}; return 301 https://$host; }}\n"
    )
    machine.write("/etc/nginx/own.pem", authority.pem)
    origin.start()
    report = machine.apply("require", authority.pem)
    assert report["covered"] == [SITE, "*.wild.example.com"]
    assert (report["open"], report["own"], report["plain"]) == (["open.example.com"], ["own.example.com"], [SITE])
    assert report["hosts"][1]["why"] == ("it has its own ssl_verify_client off (/etc/nginx/sites-enabled/shop:7)")
    seen = {one["server_name"]: (one["asked"], one["refused"], one["status"]) for one in report["probes"] if one["tls"]}
    assert seen == {
        SITE: (True, True, 400),
        "open.example.com": (False, False, 200),
        "own.example.com": (True, True, 400),
        "originsec-client-auth.wild.example.com": (True, True, 400),
    }
    assert [one["status"] for one in report["probes"] if not one["tls"]] == [301]
    allowed = machine.apply("require", authority.pem, allow_open=["open.example.com"])
    assert (allowed["open"], allowed["open_allowed"]) == ([], ["open.example.com"])
    assert origin.answers(name="open.example.com") == ""


@pytest.mark.parametrize("machine", ["apache2"], indirect=True)
@pytest.mark.parametrize("wrong", ["groups", "authorities"])
def test_what_would_end_apache(machine: Machine, server: Issued, authority: Issued, wrong: str) -> None:
    """It passes configtest, and with a graceful restart the running server is gone."""
    origin = ApacheOrigin(machine, server)
    origin.start()
    machine.write("/etc/apache2/empty.pem", "no certificate\n")
    setting = {
        "groups": "SSLOpenSSLConfCmd Groups X25519:NoSuchGroup",
        "authorities": "SSLVerifyClient optional\nSSLCACertificateFile /etc/apache2/empty.pem",
    }[wrong]
    path = "/etc/apache2/sites-enabled/shop.conf"
    machine.write(path, machine.read(path).replace("SSLEngine on", f"SSLEngine on\n{setting}"))
    assert "Syntax OK" in machine.run("apachectl", "configtest")
    failed = machine.apply("ask", authority.pem)
    assert "Nothing was changed: Apache would end at the next reload, whoever asks for it." in failed["msg"]
    assert {
        "groups": f"{path}:5: the OpenSSL of Apache knows not all groups in 'X25519:NoSuchGroup'.",
        "authorities": f"{path}:6: there is no certificate in /etc/apache2/empty.pem.",
    }[wrong] in failed["msg"]
    assert origin.answers()
    machine.run("apachectl", "graceful")
    wait_until(lambda: not origin.answers(), "Apache has learned to survive it: the check may go.")


@pytest.mark.parametrize("machine", ["caddy"], indirect=True)
def test_caddy_reads_one_certificate_of_a_file(
    machine: Machine, server: Issued, authority: Issued, other_authority: Issued, other_leaf: Issued, tmp_path: Path
) -> None:
    """Why there is a file for each authority."""
    origin = CaddyOrigin(machine, server)
    origin.start()
    machine.apply("require", authority.pem)
    machine.write("/etc/caddy/originsec-client-auth-1.pem", authority.pem + other_authority.pem)
    command = f"HOME=/tmp caddy reload --force --config {origin.directory}/Caddyfile --adapter caddyfile"
    machine.run("sh", "-c", command)
    assert not origin.answers(on_disk(tmp_path, other_leaf))
    report = machine.apply("require", authority.pem, other_authority.pem)
    assert report["changed"]
    assert origin.answers(on_disk(tmp_path, other_leaf))


@pytest.mark.parametrize("machine", ["haproxy"], indirect=True)
def test_haproxy_without_a_master(machine: Machine, server: Issued, authority: Issued) -> None:
    """Another process takes over, as the init script of Debian has it; a plain bind is named."""

    class Alone(HAProxyOrigin):
        def run(self) -> None:
            self.machine.run("haproxy", "-D", "-f", "/etc/haproxy/haproxy.cfg", "-p", "/run/haproxy.pid")

    plain = free_port()
    origin = Alone(machine, server, f"frontend plain\n\tbind 127.0.0.1:{plain}\n\thttp-request redirect scheme https\n")
    origin.start()
    before = machine.files("/etc")
    for mode in ("ask", "require"):
        report = machine.apply(mode, authority.pem)
        assert (report.get("msg"), report["mode"], report["covered"]) == (None, mode, ["sites"])
        assert report["plain"] == ["plain"]
        assert [one["status"] for one in report["probes"]] == [302, 200 if mode == "ask" else None]
    assert not origin.answers()
    assert machine.apply("off")["mode"] == "off"
    assert machine.files("/etc") == before


SYSTEMCTL = """#!/bin/sh
echo "$@" >> /run/systemctl.log
case "$1" in
is-active) test -e /run/active ;;
reload) kill -HUP "$(cat /run/nginx.pid)" ;;
start) nginx ;;
esac
"""


@pytest.mark.parametrize("machine", ["nginx"], indirect=True)
def test_where_systemd_runs(
    machine: Machine, server: Issued, authority: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reloads, and starts, unless the server was started without it."""
    origin = NginxOrigin(machine, server)
    origin.start()
    machine.write("/run/systemd/bin/systemctl", SYSTEMCTL)
    machine.run("chmod", "+x", "/run/systemd/bin/systemctl")
    machine.run("mkdir", "-p", "/run/systemd/system")
    monkeypatch.setenv("PATH", "/run/systemd/bin", prepend=":")
    assert machine.apply("ask", authority.pem)["mode"] == "ask"
    assert machine.read("/run/systemctl.log").split("\n")[:-1] == ["is-active nginx", "is-active openresty"]
    machine.write("/run/active", "")
    assert machine.apply("require", authority.pem)["mode"] == "require"
    assert machine.read("/run/systemctl.log").split("\n")[2:-1] == ["is-active nginx", "reload nginx"]
    ended = machine.apply("ask", authority.pem, reload_command="nginx -s stop", check={"timeout": 2})
    assert BACK in ended["msg"]
    assert "start nginx" in machine.read("/run/systemctl.log")
    assert machine.apply("require", authority.pem)["changed"] is False


@pytest.mark.parametrize("machine", ["nginx"], indirect=True)
def test_nothing_to_reload_or_to_protect(machine: Machine, authority: Issued) -> None:
    missing = machine.apply("ask", authority.pem)
    assert missing["msg"].startswith("Here none of nginx, Apache, HAProxy and Caddy runs, and nothing can be reloaded")
    missing = machine.apply("ask", authority.pem, server="apache")
    assert missing["msg"].startswith("Here Apache does not run")
    machine.run("nginx")
    plain = machine.apply("ask", authority.pem)
    assert plain["msg"] == "nginx has no virtual host that speaks TLS, so there is none to protect."
