# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Caddyfile says, and which lines are added to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_caddy import Caddy, parse
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_server import OriginError
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_system import Process
from ansible_collections.originsec.cloudflare.tests.unit.origins.paper import Paper, states, written

MAIN = "/etc/caddy/Caddyfile"
OURS = "/etc/caddy/originsec-client-auth"
CONFIGURATION = """# A comment {
{
\tadmin off
\thttp_port 8080
}
(own) {
\ttls {
\t\tclient_auth {
\t\t\tmode require_and_verify
\t\t\ttrusted_ca_cert_file /x
\t\t}
\t}
}
&(named) {
\trespond x
}
a.example, www.a.example:443,
*.b.example { # with a comment
\ttls x y {
\t\tcurves x25519
\t}
\trespond "{ not a block" `}`
}
http://plain.example, :8080, plain.example:8080 {
\trespond <<END
\t\t}
\t\tEND
}
own.example {
\timport own
}
https://open.example:8443 {
\tbind 127.0.0.1 ::1
\ttls {
\t\tclient_auth {
\t\t\tmode request
\t\t}
\t}
}
:9000 {
\ttls internal
}
:9001 {
\trespond x
}
[2001:db8::1]:444 {
\ttls {
\t\tclient_auth {
\t\t}
\t}
}
import sites/*.caddy
"""


def caddy(
    text: str = CONFIGURATION, arguments: str = f"run --config {MAIN}", version: str = "2.6.2", **files: str
) -> Caddy:
    tree = {MAIN: text, **{f"/etc/caddy/sites/{name}.caddy": content for name, content in files.items()}}
    return Caddy(
        Paper(tree, {"version": f"v{version} h1:x=\n"}), Process(7, 1, "/usr/bin/caddy", tuple(arguments.split()))
    )


def test_sites() -> None:
    server = caddy(more="more.example {\n\trespond x\n}\n")
    found = server.found()
    assert states(found) == {
        "a.example": "covered",
        "plain.example": "plain",
        "own.example": "own",
        "open.example": "open",
        f"{MAIN}:40": "covered",
        f"{MAIN}:43": "plain",
        "2001:db8::1": "open",
        "more.example": "covered",
    }
    by_name = {site.label: site for site in found.sites}
    assert by_name["a.example"].names == ("a.example", "www.a.example", "*.b.example")
    assert [str(one) for one in by_name["open.example"].listens] == ["127.0.0.1:8443", "[::1]:8443"]
    assert by_name["own.example"].why == f"it has a client_auth of its own, with the mode require_and_verify ({MAIN}:8)"
    assert found.groups == (f"{MAIN}:20: curves x25519",)
    assert by_name["more.example"].where == "/etc/caddy/sites/more.caddy:1"
    assert by_name["more.example"].probed == "more.example"


def test_what_is_written_and_removed() -> None:
    server = caddy(more="more.example {\r\n\trespond x\r\n}\r\n")
    system = server.system
    assert isinstance(system, Paper)
    before = dict(system.files)
    assert written(system, server.files("ask", ["A\n", "B\n"])) == [
        *(f"{OURS}-1.pem", f"{OURS}-2.pem", f"{OURS}.caddy", MAIN, "/etc/caddy/sites/more.caddy"),
    ]
    assert system.files[f"{OURS}.caddy"].splitlines()[1:] == [
        *("tls {", "\tclient_auth {", "\t\tmode request", f"\t\ttrusted_ca_cert_file {OURS}-1.pem"),
        *(f"\t\ttrusted_ca_cert_file {OURS}-2.pem", "\t}", "}"),
    ]
    assert f"*.b.example {{ # with a comment\n\timport {OURS}.caddy\n\ttls x y {{\n" in system.files[MAIN]
    assert system.files[MAIN].count(f"import {OURS}.caddy") == 2
    assert system.files["/etc/caddy/sites/more.caddy"] == (
        f"more.example {{\r\n\timport {OURS}.caddy\r\n\trespond x\r\n}}\r\n"
    )
    assert server.mode() == "ask"
    assert written(system, server.files("ask", ["A\n", "B\n"])) == []
    assert written(system, server.files("require", ["B\n"])) == [f"{OURS}-1.pem", f"{OURS}.caddy", f"{OURS}-2.pem"]
    assert server.mode() == "require"
    assert states(server.found()) == states(caddy(more="more.example {\n}\n").found())
    assert written(system, server.files("off", [])) == [
        *(MAIN, "/etc/caddy/sites/more.caddy", f"{OURS}.caddy", f"{OURS}-1.pem"),
    ]
    assert system.files == before


@pytest.mark.parametrize(
    "text", ["a.example\n\nrespond x\n", "a.example\nrespond x", "a.example, b.example\nlog {\n}\n"]
)
def test_a_single_site_without_braces(text: str) -> None:
    server = caddy(text)
    assert list(states(server.found()).values()) == ["covered"]
    assert isinstance(server.system, Paper)
    written(server.system, server.files("ask", ["A\n"]))
    first, _break, rest = text.partition("\n")
    assert server.system.files[MAIN] == f"{first}\n\timport {OURS}.caddy\n{rest}"
    written(server.system, server.files("off", []))
    assert server.system.files[MAIN] == text


def test_variables_of_its_environment() -> None:
    server = caddy(
        "{\n\thttp_port {$HTTP:8080}\n}\n{$SITE}, b.example:{$HTTPS:8443} {\n}\n:8080 {\n}\n:{$ADMIN} {\n}\n"
    )
    server.process = replace(server.process, environment={"SITE": "a.example", "ADMIN": "9000"})
    one, *plain = server.found().sites
    assert (one.names, [str(listen) for listen in one.listens]) == (("a.example", "b.example"), ["*:443", "*:8443"])
    assert [(site.state, str(site.listens[0])) for site in plain] == [("plain", "*:8080"), ("plain", "*:9000")]
    with pytest.raises(OriginError, match=rf"{MAIN}:2: the role cannot read the port '{{env.PORT}}'"):
        caddy("{\n\thttp_port {env.PORT}\n}\n:80 {\n}\n").found()


def test_newer_versions_know_pools() -> None:
    server = caddy(version="2.10.0")
    (settings,) = (one.after for one in server.files("ask", ["A", "B"]) if one.path == f"{OURS}.caddy")
    assert f"\t\ttrust_pool file {OURS}-1.pem {OURS}-2.pem\n".encode() in (settings or b"")


def test_how_it_was_started() -> None:
    for wrong in ("run --config x.json", "run --environ --resume", "run --config x --adapter yaml"):
        with pytest.raises(OriginError, match="was not started with a Caddyfile"):
            caddy(arguments=wrong)
    server = caddy()
    assert server.version == "2.6.2"
    assert Caddy.masters([server.process, Process(8, 1, "/usr/bin/caddy", ("reload",))]) == [server.process]
    with pytest.raises(OriginError, match="There is no /Caddyfile"):
        caddy(arguments="run").found()
    for broken in ("a {\n", "}\n"):
        with pytest.raises(OriginError):
            parse(broken, MAIN)
