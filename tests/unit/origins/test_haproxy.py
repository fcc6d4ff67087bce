# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy's configuration says, and which words are added to it."""

from __future__ import annotations

import signal

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_haproxy import HAProxy, words
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_server import OriginError
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_system import Process
from ansible_collections.originsec.cloudflare.tests.unit.origins.paper import Paper, states, written

MAIN = "/etc/haproxy/haproxy.cfg"
BUNDLE = "/etc/haproxy/originsec-client-auth.pem"
ARGUMENTS = ("-sf", "5", "6", "-x", "sockpair@3", "-Ws", "-f", MAIN, "-p", "/run/haproxy.pid")
CONFIGURATION = r"""global
    ssl-default-bind-curves X25519
defaults
    bind :1 ssl # there is no such thing here
frontend sites
    bind :80
    bind *:443,[::]:443 ssl crt "/etc/my certs/a.pem" alpn h2 # of a # and b
    bind quic4@:443 ssl crt a.pem
    bind ipv6@:8443 ssl crt a\ b.pem accept-proxy strict-sni curves P-256
listen own
    bind 192.0.2.1:443 ssl verify required ca-file x
    bind /run/x.sock ssl verify optional
peers others
    bind :10000 ssl
backend x
    server s 127.0.0.1:1 ssl verify none
"""


def haproxy(text: str = CONFIGURATION, arguments: tuple[str, ...] = ARGUMENTS, **files: str) -> HAProxy:
    tree = {MAIN: text, **{f"/etc/haproxy/{name}": content for name, content in files.items()}}
    environment = {"HAPROXY_MWORKER": "1", "SITE": "x"}
    system = Paper(tree, {"-v": "HAProxy version 2.6.12-1 2023/12/16"})
    return HAProxy(system, Process(7, 1, "/usr/sbin/haproxy", arguments, environment, "/"))


def test_words() -> None:
    assert [one[0] for one in words(" a \"b #c\"d 'e\\' f\\ g # h")] == ["a", '"b #c"d', "'e\\'", "f\\ g"]
    assert words("# a") == []


def test_binds() -> None:
    found = haproxy().found()
    assert [(site.label, site.state) for site in found.sites] == [
        *(("sites", "plain"), ("sites", "covered"), ("sites", "covered"), ("sites", "covered")),
        *(("own", "own"), ("own", "open")),
    ]
    assert [[str(one) for one in site.listens] for site in found.sites] == [
        *(["*:80"], ["*:443", "[::]:443"], ["*:443"], ["[::]:8443"], ["192.0.2.1:443"], ["/run/x.sock"]),
    ]
    assert [site.listens[0].reachable for site in found.sites] == [True, True, False, True, True, False]
    assert found.sites[3].listens[0].proxy_protocol
    assert [site.probed for site in found.sites] == ["", "", "", None, "", ""]
    assert found.groups == (f"{MAIN}:2: ssl-default-bind-curves X25519", f"{MAIN}:9: curves P-256")
    (conflict,) = haproxy("frontend a\n bind :1 ssl ca-file x\n").found().conflicts
    assert "has a ca-file and no verify" in conflict


def test_a_list_of_certificates() -> None:
    listed = "a.pem [verify none] a.example !b.example # c\nb.pem [alpn h2] b.example\n# c.pem [verify none]\n"
    listed += "d.pem [ca-file x verify required]\ne.pem\n"
    found = haproxy("frontend a\n bind :1 ssl crt-list /etc/haproxy/list\n", list=listed).found()
    assert states(found) == {"a": "covered", "a.example": "open", "d.pem": "own"}
    assert found.sites[1].probed == "a.example"
    assert found.sites[1].where == "/etc/haproxy/list:1"


def test_what_is_written_and_removed() -> None:
    text = CONFIGURATION.replace("alpn h2 # of a", "alpn h2 # of a\t") + "\n\n# the end, without a line break \udcff"
    server = haproxy(text.replace("\udcff", "é"))
    system = server.system
    assert isinstance(system, Paper)
    before = dict(system.files)
    assert written(system, server.files("ask", ["PEM\n"])) == [BUNDLE, MAIN]
    words_of_ours = f" ca-file {BUNDLE} verify optional crt-ignore-err all ca-ignore-err all"
    assert f'crt "/etc/my certs/a.pem" alpn h2{words_of_ours} # of a\t # and b\n' in system.files[MAIN]
    assert system.files[MAIN].count(words_of_ours) == 3
    assert server.mode() == "ask"
    assert server.found() == haproxy().found()
    assert written(system, server.files("ask", ["PEM\n"])) == []
    assert written(system, server.files("require", ["PEM\n"])) == [MAIN]
    assert system.files[MAIN].count(f" ca-file {BUNDLE} verify required") == 3
    assert server.mode() == "require"
    # What the user changes meanwhile stays
    system.files[MAIN] = system.files[MAIN].replace("listen own", "listen mine")
    assert written(system, server.files("off", [])) == [MAIN, BUNDLE]
    assert system.files == {**before, MAIN: before[MAIN].replace("listen own", "listen mine")}


def test_how_it_was_started() -> None:
    server = haproxy()
    assert (server.version, server.authorities) == ("2.6.12-1", "/etc/haproxy/originsec-client-auth")
    assert server.start.arguments == ("-Ws", "-f", MAIN, "-p", "/run/haproxy.pid")
    assert server.start.environment == {"SITE": "x"}
    server.reload()
    assert isinstance(server.system, Paper)
    assert server.system.signals == [signal.SIGUSR2]

    alone = haproxy(arguments=("-D", "--", "/etc/haproxy"), **{"b.cfg": "frontend b\n bind :2 ssl\n"})
    assert states(alone.found()) == {"b": "covered", "sites": "covered", "own": "open"}
    alone.reload()
    assert isinstance(alone.system, Paper)
    assert alone.system.ran[-1] == "/usr/sbin/haproxy -D -- /etc/haproxy -sf 7"

    older, newer = Process(7, 1, "/usr/sbin/haproxy"), Process(8, 1, "/usr/sbin/haproxy")
    assert HAProxy.masters([older, newer, Process(9, 8, "/usr/sbin/haproxy")]) == [newer]
    with pytest.raises(OriginError, match="without a file"):
        haproxy(arguments=("-W",))
    del alone.system.files["/etc/haproxy/b.cfg"], alone.system.files[MAIN]
    with pytest.raises(OriginError, match=f"There is no {MAIN}"):
        HAProxy(alone.system, server.process).found()
