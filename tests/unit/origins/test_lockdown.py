# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook lockdown, with the four servers of Debian, real TLS, and an edge that visitors pull through."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.emulator.model import Association, Fault
from ansible_collections.originsec.cloudflare.tests.tools.ansible_collection import collection
from ansible_collections.originsec.cloudflare.tests.unit.docs.test_guides import blocks, follow
from ansible_collections.originsec.cloudflare.tests.unit.origins.lockdown import Lockdown, visited
from ansible_collections.originsec.cloudflare.tests.unit.origins.machine import Machine, wait_until
from ansible_collections.originsec.cloudflare.tests.unit.origins.servers import (
    SITE,
    HAProxyOrigin,
    NginxOrigin,
    Origin,
    on_disk,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import CACHE, Issued

pytestmark = pytest.mark.servers


@pytest.fixture
def edge(emulator: Emulator) -> Iterator[Edge]:
    with Edge(emulator) as edge:
        yield edge


@pytest.fixture
def lockdown(tmp_path: Path, emulator: Emulator, edge: Edge, token: str, origin: Origin) -> Lockdown:
    """Any of the four as the origin of SITE, whose certificate is yet to be made."""
    emulator.add_zone(SITE, origins={"https": f"127.0.0.1:{origin.port}"})
    collections = [collection("community.crypto", CACHE / "collections")]
    return Lockdown(tmp_path, emulator, edge, token, {"web1": origin}, collections=collections)


def test_from_a_fresh_install_to_locked_down_and_back(
    lockdown: Lockdown, other_authority: Issued, other_leaf: Issued, tmp_path: Path
) -> None:
    """With a certificate that is made, then with one of another authority; the visitors notice nothing."""
    (origin,) = lockdown.origins.values()
    before = origin.machine.files("/etc")
    with visited(lockdown.edge) as visits:
        locked = lockdown.run()
        assert (locked.report["done"], locked.modes) == (True, {"web1": "require"})
        assert SITE in locked.report["origins"][0]["refused"][0] or origin.package == "haproxy"
        assert not origin.answers()
        (made,) = lockdown.presented()
        again = lockdown.run()
        assert (again.changed, again.report["done"], again.modes) == (0, True, locked.modes), again.output

        lockdown.give(other_leaf, other_authority)
        rotated = lockdown.run()
        assert rotated.report["done"]
        assert lockdown.presented() == [other_leaf.fingerprint] != [made]
        assert not origin.answers(lockdown.made)
        assert origin.answers(on_disk(tmp_path, other_leaf))
        assert lockdown.run().changed == 0

        undone = lockdown.run("-e", "lockdown_to=off", "-e", "lockdown_remove=true")
        assert (undone.report["done"], undone.modes) == (True, {"web1": "off"})
        assert (lockdown.zone.aop_enabled, lockdown.presented()) == (False, [])
        assert origin.answers()
        assert origin.machine.files("/etc") == before
    assert visits.failures == []
    assert len(visits.statuses) > 100


@pytest.fixture
def site(tmp_path: Path, emulator: Emulator, edge: Edge, token: str, server: Issued) -> Iterator[Lockdown]:
    """The same with an nginx, and a certificate that was given."""
    with Machine(tmp_path / "web1", "nginx") as machine:
        origin = NginxOrigin(machine, server)
        origin.start()
        emulator.add_zone(SITE, origins={"https": f"127.0.0.1:{origin.port}"})
        yield Lockdown(tmp_path, emulator, edge, token, {"web1": origin})


def test_what_fails_goes_back_to_where_the_site_answered(site: Lockdown, authority: Issued, leaf: Issued) -> None:
    site.give(leaf, authority)
    origin = site.origins["web1"]
    fresh = origin.machine.files("/etc")

    drop_in = "/etc/nginx/conf.d/originsec-client-auth.conf"
    fails = f"sh -c 'if test -e {drop_in}; then exit 3; else kill -HUP $(cat /run/nginx.pid); fi'"
    site.of_origins["web1"] = {"origin_client_auth_reload_command": fails}
    reload = site.run(expected=2)
    assert "web1: Ask failed. The reload of nginx failed: " in reload.report["stopped"]
    assert "ended with 3.  Everything is back as it was, and nginx answers." in reload.report["stopped"]
    assert (reload.modes, site.emulator.count(), origin.machine.files("/etc")) == ({"web1": "off"}, {}, fresh)
    site.of_origins.clear()

    # What was set for the hostname wins over the zone, so that the edge presents nothing
    site.zone.associations[SITE] = Association(SITE, "none", False, "", 0.0, "", 0.0)
    dark = site.run(expected=2)
    assert "web1: Require failed. http://shop.example.com/ answered 400" in dark.report["stopped"]
    assert "The origin is back in the mode ask. http://shop.example.com/ answers as before." in dark.report["stopped"]
    assert dark.modes == {"web1": "ask"}
    assert origin.answers()
    assert site.edge.pull(SITE).status == 200
    site.zone.associations.clear()
    assert site.run().modes == {"web1": "require"}

    # As when the edge's certificate has expired, or somebody took it away
    site.zone.aop_enabled = False
    assert site.edge.pull(SITE).status == 400
    back = site.run()
    assert (back.report["done"], back.modes, site.zone.aop_enabled) == (True, {"web1": "require"}, True)
    assert site.edge.pull(SITE).status == 200

    # Dark for another reason: the origin is as it was
    locked = origin.machine.files("/etc")
    origins, site.zone.origins = site.zone.origins, {"https": "127.0.0.1:9"}
    away = site.run(expected=2)
    assert "answered 521" in away.report["stopped"]
    assert "still is when the origin asks nobody for a certificate" in away.report["stopped"]
    assert (away.modes, origin.machine.files("/etc")) == ({"web1": "require"}, locked)
    site.zone.origins = origins
    assert site.edge.pull(SITE).status == 200


def test_an_origin_that_was_brought_back_and_no_further(site: Lockdown, authority: Issued, leaf: Issued) -> None:
    """It is said that it is open, also where its zone is what fails."""
    site.give(leaf, authority)
    site.run()
    site.zone.aop_enabled = False
    refusal = {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}], "result": None}
    path = ".*/origin_tls_client_auth/settings"
    site.emulator.faults.append(Fault(method="PUT", path=path, status=403, body=refusal))
    stopped = site.run(expected=2)
    assert "Harden the zone failed. " in stopped.report["stopped"]
    assert (stopped.modes, stopped.report["origins"][0]["previous_mode"]) == ({"web1": "off"}, "require")
    assert "off (before: require), it answers anyone" in stopped.output
    assert site.origins["web1"].answers()
    assert site.run().modes == {"web1": "require"}


@pytest.mark.parametrize(("task", "number"), [("Ask for client", 2), ("Harden the zone", 1), ("Ask for client", 3)])
def test_killed_and_run_again(site: Lockdown, authority: Issued, leaf: Issued, task: str, number: int) -> None:
    """The visitors notice nothing, whichever the step."""
    site.give(leaf, authority)
    with visited(site.edge) as visits:
        output = site.kill_at(task, number)
        assert "PLAY RECAP" not in output
        locked = site.run()
    assert (locked.report["done"], locked.modes) == (True, {"web1": "require"})
    assert not site.origins["web1"].answers()
    assert visits.failures == []


def test_several_origins_of_which_one_is_down(
    site: Lockdown, authority: Issued, leaf: Issued, server: Issued, tmp_path: Path
) -> None:
    """Nothing is changed anywhere until it is dealt with, or left out by name."""
    site.give(leaf, authority)
    with Machine(tmp_path / "web2", "haproxy") as machine:
        down = HAProxyOrigin(machine, server)
        site.origins["web2"] = down
        stopped = site.run(expected=2)
        assert "web2: Look failed. Here none of nginx, Apache, HAProxy and Caddy runs" in stopped.report["stopped"]
        assert stopped.modes == {"web1": "off", "web2": "unknown"}
        assert site.emulator.count() == {}
        out = site.run("-e", "lockdown_exclude=web2")
        assert (out.modes, out.report["excluded"]) == ({"web1": "require"}, ["web2"])
        assert "Left out by lockdown_exclude" in out.output
        down.start()
        both = site.run()
        assert both.modes == {"web1": "require", "web2": "require"}
        assert not down.answers()


def test_renewal(site: Lockdown) -> None:
    """Of what was made, when it is due, be it with the authority; and nothing when it is not."""
    site.collections = [collection("community.crypto", CACHE / "collections")]
    made = [site.run().report and site.presented()]
    with visited(site.edge) as visits:
        for days in ("400", "4000"):
            renewed = site.run("-e", f"client_certificate_renew_days={days}")
            assert (renewed.report["done"], renewed.modes) == (True, {"web1": "require"})
            made.append(site.presented())
        assert site.run().changed == 0
    assert [len(one) for one in made] == [1, 1, 1]
    assert len({*map(str, made)}) == 3
    assert visits.failures == []


def test_over_ssh_by_a_user_who_is_not_root(
    tmp_path: Path, emulator: Emulator, edge: Edge, token: str, server: Issued, authority: Issued, leaf: Issued
) -> None:
    """With sudo, as an origin is usually reached."""
    with Machine(tmp_path / "web1", "nginx", more=("openssh-server", "sudo")) as machine:
        origin = NginxOrigin(machine, server)
        origin.start()
        emulator.add_zone(SITE, origins={"https": f"127.0.0.1:{origin.port}"})
        site = Lockdown(tmp_path, emulator, edge, token, {"web1": origin}, of_origins={"web1": machine.reach_by_ssh()})
        site.give(leaf, authority)
        locked = site.run()
        assert (locked.report["done"], locked.modes) == (True, {"web1": "require"})
        assert not origin.answers()
        assert site.run("-e", "lockdown_to=off").modes == {"web1": "off"}
        assert origin.answers()


def test_the_way_back_by_hand(origin: Origin, authority: Issued) -> None:
    """What the guide says to do on the server itself; the role takes it from there."""
    (script,) = [text for _language, caption, text in blocks("guide_lockdown.rst") if caption == origin.package]
    apply = origin.machine.apply
    assert apply("require", authority.pem)["mode"] == "require"
    assert not origin.answers()
    origin.machine.run("sh", "-e", "-c", script, HOME="/tmp")
    wait_until(lambda: bool(origin.answers()), script)
    again = apply("require", authority.pem)
    assert (again["changed"], again["previous_mode"], again["mode"]) == (True, "ask", "require")
    assert not origin.answers()


@pytest.fixture
def lockdown_of_the_guide(
    tmp_path: Path, emulator: Emulator, edge: Edge, token: str, server: Issued
) -> Iterator[Lockdown]:
    with Machine(tmp_path / "web1", "nginx") as machine:
        origin = NginxOrigin(machine, server, name="shop.example")
        origin.start()
        emulator.add_zone("shop.example", origins={"https": f"127.0.0.1:{origin.port}"})
        collections = [collection("community.crypto", CACHE / "collections")]
        yield Lockdown(tmp_path, emulator, edge, token, {"web1.example": origin}, collections=collections)


def test_guide(lockdown_of_the_guide: Lockdown) -> None:
    """Its commands, in order, with one nginx as web1.example; that is what a new user types, too."""
    site = lockdown_of_the_guide
    command, variables = site.command()
    overlay = yaml.safe_load((site.directory / "inventory.json").read_text())
    overlay.pop("zones")
    (site.directory / "machine.json").write_text(json.dumps(overlay))
    exclude = "lockdown_exclude="
    stand_ins = f"""
        ansible-playbook() {{ command {command[0]} -i machine.json "${{@/{exclude}web2.example/{exclude}}}"; }}
        ansible() {{ command ansible -i machine.json "$@"; }}
    """
    output = follow("guide_lockdown.rst", site.directory, stand_ins, **{**variables, "HOME": str(site.directory)})
    print(output)
    assert "refused a direct request without a certificate: shop.example on 127.0.0.1:" in output
    titles = re.findall(r'^        "(Locked down: |The origins ask|The lockdown is undone)', output, re.MULTILINE)
    assert titles == ["The origins ask", "Locked down: ", "Locked down: ", "The origins ask", "The lockdown is undone"]
    assert site.origins["web1.example"].answers()
    assert site.presented() == []
