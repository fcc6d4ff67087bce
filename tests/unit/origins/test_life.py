# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role and the four servers as Debian packages them: from a fresh install to locked, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.originsec.cloudflare.tests.unit.origins.machine import Machine
from ansible_collections.originsec.cloudflare.tests.unit.origins.servers import (
    ApacheOrigin,
    HAProxyOrigin,
    NginxOrigin,
    Origin,
    on_disk,
    pulling,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

pytestmark = pytest.mark.servers


def test_from_a_fresh_install_to_locked_and_back(
    origin: Origin, authority: Issued, leaf: Issued, tmp_path: Path
) -> None:
    """Bytes and modes of before come back, the client that has a certificate never misses an answer."""
    client = on_disk(tmp_path, leaf)
    machine = origin.machine
    before = machine.files("/etc")
    with pulling(origin, client) as seen:
        planned = machine.apply("ask", authority.pem, check_mode=True)
        assert (planned["changed"], planned["mode"], machine.files("/etc")) == (True, "ask", before)
        assert origin.answers()

        reports, output = machine.play(["ask", "require"], {"origin_client_auth_ca": authority.pem}, "--diff")
        assert f"+# CN=authority, until {reports[0]['ca'][0]['not_after']}, SHA-256 {authority.fingerprint}" in output
        assert [one["changed"] for one in reports] == [True, True]
        assert reports[0]["files"] == planned["files"]
        assert [one["previous_mode"] for one in reports] == ["off", "ask"]
        assert [(one["probes"][0]["asked"], one["probes"][0]["refused"]) for one in reports] == [
            (True, False),
            (True, True),
        ]
        assert reports[1]["post_quantum"] is False  # OpenSSL 3.0
        assert not origin.answers()
        assert origin.answers(client)
        changed = {path for path, file in machine.files("/etc").items() if before.get(path) != file}
        assert changed == set(reports[0]["files"])

        off, again = machine.apply("off"), machine.apply("off")
        assert (off["changed"], off["probes"][0]["asked"], again["changed"]) == (True, False, False)
    assert origin.answers()
    assert machine.files("/etc") == before
    assert seen.failures == []
    assert seen.answered > 20


def test_rotation(
    origin: Origin, authority: Issued, leaf: Issued, other_authority: Issued, other_leaf: Issued, tmp_path: Path
) -> None:
    """Two authorities at once, of which Caddy would read the first only if they were in one file."""
    old, new = on_disk(tmp_path, leaf, "old"), on_disk(tmp_path, other_leaf, "new")
    apply = origin.machine.apply
    assert apply("require", authority.pem)["changed"]
    assert origin.answers(old)
    assert not origin.answers(new)
    with pulling(origin, old) as seen:
        assert apply("require", authority.pem, other_authority.pem)["changed"]
        assert not apply("require", authority.pem, other_authority.pem)["changed"]
    assert seen.failures == []
    assert origin.answers(old)
    with pulling(origin, new) as seen:
        assert apply("require", other_authority.pem)["changed"]
        assert not apply("require", other_authority.pem)["changed"]
    assert seen.failures == []
    assert not origin.answers(old)
    assert not origin.answers()


def test_who_gets_in(origin: Origin, authority: Issued, other_leaf: Issued, tmp_path: Path) -> None:
    """While the origin asks, everyone does, with a certificate of nobody as well. Then only who has the right usage.

    But nginx and Apache refuse one that is for servers only at any time, as long as its authority is known.
    """
    stranger = on_disk(tmp_path, other_leaf, "stranger")
    server_only = on_disk(tmp_path, issue(issuer=authority, usage=ExtendedKeyUsageOID.SERVER_AUTH), "server")
    no_usage = on_disk(tmp_path, issue(issuer=authority, usage=None), "none")
    origin.machine.apply("ask", authority.pem)
    assert all(origin.answers(one) for one in (None, stranger, no_usage))
    assert bool(origin.answers(server_only)) is (origin.package in ("haproxy", "caddy"))
    origin.machine.apply("require", authority.pem)
    assert [bool(origin.answers(one)) for one in (None, stranger, server_only, no_usage)] == [False, False, False, True]


def test_a_leaf_that_signed_itself(origin: Origin, tmp_path: Path, client_certificate: Issued) -> None:
    client = on_disk(tmp_path, client_certificate)
    origin.machine.apply("require", client_certificate.pem)
    assert origin.answers(client)
    assert not origin.answers()


@pytest.mark.parametrize("kind", [NginxOrigin, ApacheOrigin, HAProxyOrigin])
def test_post_quantum_where_openssl_can(kind: type[Origin], tmp_path: Path, server: Issued, authority: Issued) -> None:
    with Machine(tmp_path, kind.package, "trixie") as machine:
        origin = kind(machine, server)
        origin.start()
        report = machine.apply("ask", authority.pem)
        assert report["post_quantum"] is True
        assert report["probes"][0]["post_quantum"] is True
        assert machine.apply("require", authority.pem)["mode"] == "require"
