# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Apache's configuration says, and what is written to it."""

from __future__ import annotations

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_apache import Apache, lines
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_server import OriginError
from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_system import Process
from ansible_collections.originsec.cloudflare.tests.unit.origins.paper import Paper, states, written
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

MAIN = "/etc/apache2/apache2.conf"
ANSWERS = {
    "-V": "Server version: Apache/2.4.71 (Debian)\n"
    ' -D HTTPD_ROOT="/etc/apache2"\n -D SERVER_CONFIG_FILE="apache2.conf"\n',
    "-M": "Loaded Modules:\n core_module (static)\n ssl_module (shared)\n",
}


def apache(main: str = "", site: str = "", **files: str) -> Apache:
    """main: of the main file; site: in sites-enabled; files: beside the main file."""
    tree = {
        MAIN: f"Include ports.conf\n{main}\n"
        "IncludeOptional conf-enabled/*.conf\nIncludeOptional sites-enabled/*.conf\n",
        "/etc/apache2/ports.conf": "Listen 80\n<IfModule ssl_module>\n\tListen 443\n</IfModule>\n"
        "<IfModule !ssl_module>\nListen 1\n</IfModule>\n",
        "/etc/apache2/conf-enabled/empty.conf": "",
        "/etc/apache2/sites-enabled/site.conf": site,
        **{f"/etc/apache2/{name}": text for name, text in files.items()},
    }
    process = Process(7, 1, "/usr/sbin/apache2", ("-D", "SSL", "-k", "start"), {"APACHE_LOG_DIR": "/var/log"})
    return Apache(Paper(tree, ANSWERS), process)


def test_lines() -> None:
    assert list(lines("# a\n\n b \\\n  c\nd\n#e \\\nf\n")) == [(3, "b   c"), (5, "d")]


def test_virtual_hosts() -> None:
    server = apache(
        "Define PORT 443\n<IfDefine SSL>\nListen 192.0.2.1:8443\n</IfDefine>\n<IfDefine !SSL>\nListen 2\n</IfDefine>",
        "<VirtualHost *:80>\nServerName a.example\nRedirect / https://a.example/\n</VirtualHost>\n"
        "<VirtualHost *:${PORT}>\nServerName https://A.example:443\nServerAlias www.a.example *.a.example\n"
        "SSLEngine on\n<Location /x>\nSSLVerifyClient none\n</Location>\n</VirtualHost>\n"
        '<IfVersion >= 2.4>\n<VirtualHost _default_:443 192.0.2.1:8443>\nServerName "b.example"\nSSLEngine On\n'
        "SSLVerifyClient require\n</VirtualHost>\n</IfVersion>\n"
        "<VirtualHost *>\n\tSSLEngine\ton\n\tServerName\tc.example\n\tSSLVerifyClient\toptional\n</VirtualHost>\n"
        "<VirtualHost *:443>\nServerAlias *.d.example\nInclude inside\nSSLEngine off\n</VirtualHost>\n",
        **{"inside/one": "SSLEngine on\n"},
    )
    found = server.found()
    assert states(found) == {"a.example": "covered", "b.example": "own", "c.example": "open", "*.d.example": "plain"}
    assert [[str(one) for one in site.listens] for site in found.sites] == [
        ["*:80"],
        ["*:443"],
        ["*:443", "192.0.2.1:8443"],
        ["*:80", "*:443", "192.0.2.1:8443"],
        ["*:443"],
    ]
    assert [site.probed for site in found.sites] == ["a.example", "a.example", "b.example", "c.example", None]
    assert found.sites[1].names == ("a.example", "www.a.example", "*.a.example")
    assert found.sites[1].where == "/etc/apache2/sites-enabled/site.conf:5"
    alone = apache(site="<VirtualHost *:443>\nSSLEngine on\n</VirtualHost>").found()
    assert alone.sites[0].probed == ""


def test_what_is_written_and_removed() -> None:
    server = apache(site="<VirtualHost *:443>\nSSLEngine on\n</VirtualHost>")
    system = server.system
    assert isinstance(system, Paper)
    before = dict(system.files)
    drop_in, bundle = "/etc/apache2/conf-enabled/originsec-client-auth.conf", "/etc/apache2/originsec-client-auth.pem"
    assert written(system, server.files("ask", ["PEM\n"])) == [bundle, drop_in]
    assert "    SSLVerifyClient optional_no_ca\n" in system.files[drop_in]
    assert (server.mode(), server.found().conflicts) == ("ask", ())
    assert written(system, server.files("require", ["PEM\n"])) == [drop_in]
    assert written(system, server.files("require", ["PEM\n"])) == []
    assert server.mode() == "require"
    assert written(system, server.files("off", [])) == [drop_in, bundle]
    assert system.files == before


def test_what_is_in_the_way(authority: Issued) -> None:
    (conflict,) = apache("SSLVerifyClient optional").found().conflicts
    assert conflict.startswith(f"{MAIN}:2 has a SSLVerifyClient for all virtual hosts already")
    (conflict,) = (
        apache(site="<VirtualHost *:443>\nSSLEngine on\nSSLCACertificatePath /x\n</VirtualHost>").found().conflicts
    )
    assert "site.conf:3 has a SSLCACertificatePath and no SSLVerifyClient" in conflict
    found = apache("SSLCACertificatePath /x\nUse VHost a b\nSSLOpenSSLConfCmd Groups X25519\n").found()
    assert [one.partition(": ")[2] for one in found.warnings] == [
        "Apache also accepts client certificates of the authorities in SSLCACertificatePath.",
        "the role cannot see the virtual hosts of a macro.",
    ]
    assert found.groups == (f"{MAIN}:4: SSLOpenSSLConfCmd Groups X25519",)

    server = apache("SSLOpenSSLConfCmd Groups x\nSSLCACertificateFile a.pem\nSSLCACertificateFile b.pem")
    assert isinstance(server.system, Paper)
    server.system.files["/etc/apache2/a.pem"] = authority.pem
    assert server.mistakes() == [f"{MAIN}:4: there is no certificate in b.pem."]
    server.system.known = False
    assert f"{MAIN}:2: the OpenSSL of Apache knows not all groups in 'x'." in server.mistakes()

    nowhere = apache()
    assert isinstance(nowhere.system, Paper)
    del nowhere.system.files["/etc/apache2/conf-enabled/empty.conf"]
    with pytest.raises(OriginError, match=r"Add 'IncludeOptional /etc/apache2/conf-enabled/\*.conf' to it"):
        nowhere.files("ask", ["PEM"])
    del nowhere.system.files[MAIN]
    with pytest.raises(OriginError, match=f"There is no {MAIN}"):
        nowhere.found()


def test_how_it_was_started() -> None:
    server = apache()
    assert server.start.arguments == ("-D", "SSL", "-k", "start")
    worker = Process(8, 7, "/usr/sbin/apache2")
    assert Apache.masters([worker, server.process, Process(9, 1, "/usr/sbin/nginx")]) == [server.process]
