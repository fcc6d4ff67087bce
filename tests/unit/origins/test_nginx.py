# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nginx's configuration says, and what is written to it."""

from __future__ import annotations

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_nginx import Nginx, parse
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_server import OriginError
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_system import Process
from ansible_collections.originsec.cloudflare.tests.unit.origins.paper import Paper, written

MAIN = "/etc/nginx/nginx.conf"
TITLE = "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;"
VERSION = (
    "nginx version: nginx/1.22.1\nconfigure arguments: --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf"
)


def nginx(http: str, more: str = "", title: str = TITLE, **files: str) -> Nginx:
    """http: inside of the block; files: in sites-enabled."""
    main = f"events {{}}\nhttp {{\n{http}\ninclude conf.d/*.conf;\ninclude sites-enabled/*;\n}}\n{more}"
    tree = {MAIN: main, "/etc/nginx/conf.d/empty.conf": ""}
    tree |= {f"/etc/nginx/sites-enabled/{name}": text for name, text in files.items()}
    return Nginx(Paper(tree, {"-V": VERSION}), Process(7, 1, "/usr/sbin/nginx", (title,)))


def test_parse() -> None:
    text = (
        "a \"b;}\" 'c # d' e\\ f; # comment } {\n"
        "g { h ${i}j; k l=m#n; }\n"
        "o_by_lua_block { if a then b = { } end }\n"
        'if ($p ~ "q{2}") { return 1; }\n'
    )
    found = parse(text, "x")
    assert [(one.name, one.arguments) for one in found] == [
        ("a", ("b;}", "c # d", "e\\ f")),
        ("g", ()),
        ("o_by_lua_block", ()),
        ("if", ("($p", "~", "q{2}", ")")),
    ]
    assert [(one.name, one.arguments, one.where) for one in found[1].block or ()] == [
        ("h", ("${i}j",), "x:2"),
        ("k", ("l=m#n",), "x:2"),
    ]
    for broken in ("a { b;", "a; }", "a 'b"):
        with pytest.raises(OriginError):
            parse(broken, "x")


def test_virtual_hosts() -> None:
    server = nginx(
        "server { listen 80 default_server; }",
        "stream { server { listen 5000 ssl; } server { listen 5001 ssl; ssl_verify_client on; } server { listen 1; } }",
        a="server { listen 443 ssl; listen [::]:443 ssl; listen 80; server_name a.example www.a.example; }",
        b="server { listen 443; server_name b.example; ssl_verify_client on; }",
        c="server { listen *:443 ssl; server_name c.example; ssl_verify_client optional; include snippet; }",
        d="server { listen 192.0.2.1:8443 ssl proxy_protocol; server_name ~^x$; }",
        e="server { listen 443 quic; listen unix:/run/x ssl; server_name .e.example; }",
        f="server { listen localhost; ssl on; server_name f.*; ssl_reject_handshake on; }",
    )
    found = server.found()
    assert [(site.label, site.state) for site in found.sites] == [
        (f"{MAIN}:3", "plain"),
        ("a.example", "covered"),
        ("b.example", "own"),
        ("c.example", "open"),
        ("~^x$", "covered"),
        (".e.example", "covered"),
        ("f.*", "covered"),
        (f"{MAIN}:7", "open"),  # the stream's
        (f"{MAIN}:7", "own"),
    ]
    by_name = {site.label: site for site in found.sites}
    assert [str(one) for one in by_name["a.example"].listens] == ["*:443", "[::]:443", "*:80"]
    assert [one.tls for one in by_name["a.example"].listens] == [True, True, False]
    assert by_name["b.example"].listens[0].tls  # since another virtual host says so for the address
    assert by_name["~^x$"].listens[0].proxy_protocol
    assert [one.reachable for one in by_name[".e.example"].listens] == [False, False]
    assert str(by_name[".e.example"].listens[1]) == "unix:/run/x"
    probed = {label: site.probed for label, site in by_name.items()}
    assert (probed["a.example"], probed[".e.example"], probed["~^x$"]) == ("a.example", "e.example", None)
    assert (probed[f"{MAIN}:3"], probed["f.*"]) == ("", None)
    assert by_name[".e.example"].has_name("www.e.example")
    assert by_name[".e.example"].has_name("e.example")


def test_what_is_written_and_removed() -> None:
    server = nginx("", a="server { listen 443 ssl; }")
    system = server.system
    assert isinstance(system, Paper)
    before = dict(system.files)
    drop_in, bundle = "/etc/nginx/conf.d/originsec-client-auth.conf", "/etc/nginx/originsec-client-auth.pem"
    assert server.mode() == "off"
    assert written(system, server.files("ask", ["PEM\n"])) == [bundle, drop_in]
    assert server.mode() == "ask"
    assert f"\nssl_client_certificate {bundle};\nssl_verify_client optional_no_ca;\n" in system.files[drop_in]
    assert written(system, server.files("ask", ["PEM\n"])) == []
    assert written(system, server.files("require", ["PEM\n"])) == [drop_in]
    assert (server.mode(), server.found().conflicts) == ("require", ())
    assert written(system, server.files("off", [])) == [drop_in, bundle]
    assert system.files == before


def test_what_is_in_the_way() -> None:
    conflicts = nginx("ssl_verify_client optional;\nssl_verify_depth 2;").found().conflicts
    assert [one.partition(":4 ")[0] for one in conflicts[:1]] == [
        f"{MAIN}:3 has a ssl_verify_client for all virtual hosts already: remove it, the role takes its place."
    ]
    (conflict,) = nginx("", a="server { listen 1 ssl; ssl_client_certificate x; }").found().conflicts
    assert "would check certificates against another bundle" in conflict
    found = nginx("ssl_ecdh_curve X25519:P-256;", a="server { listen 1 ssl; ssl_trusted_certificate x; }").found()
    assert found.groups == (f"{MAIN}:3: ssl_ecdh_curve X25519:P-256",)
    assert "also accepts client certificates of the authorities in ssl_trusted_certificate" in found.warnings[0]
    nowhere = nginx("")
    assert isinstance(nowhere.system, Paper)
    del nowhere.system.files["/etc/nginx/conf.d/empty.conf"]
    with pytest.raises(OriginError, match=r"Add 'include /etc/nginx/conf.d/\*.conf;' to it"):
        nowhere.files("ask", ["PEM"])


def test_how_it_was_started() -> None:
    server = nginx("", title="nginx: master process nginx -c /srv/nginx.conf -g daemon off; -p /srv/")
    assert server.configuration == "/srv/nginx.conf"
    assert server.start.arguments == ("-c", "/srv/nginx.conf", "-g", "daemon off;", "-p", "/srv/")
    with pytest.raises(OriginError, match=r"There is no /srv/nginx.conf"):
        server.found()
    assert server.version == "1.22.1"
    assert Nginx.masters([server.process, Process(8, 7, "/usr/sbin/nginx", ("nginx: worker process",))]) == [
        server.process
    ]
