# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller makes of the authorities before anything is sent to an origin."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action.normal import ActionModule as NormalAction
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.originsec.cloudflare.plugins.action.origin_client_auth import ActionModule
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue


def act(**options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The result, and the options that the module was run with."""
    action = ActionModule(
        task=Mock(args=options, async_val=0, check_mode=False, diff=False, environment=None),
        connection=Mock(has_native_async=False),
        play_context=Mock(),
        loader=Mock(),
        templar=Mock(),
        shared_loader_obj=Mock(),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NormalAction, "run", lambda *_arguments: {"changed": True, "warnings": ["of the module"]})
        return action.run(task_vars={}), action.arguments


def refused(**options: Any) -> str:
    with pytest.raises(AnsibleActionFail) as failed:
        act(mode="require", **options)
    return str(failed.value)


def test_one_text_or_a_list(authority: Issued, other_authority: Issued) -> None:
    both = authority.pem + other_authority.pem
    for given in (both, [authority.pem, other_authority.pem], [both, authority.pem], both.replace("\n", "\\n")):
        result, sent = act(mode="ask", ca=given, server="", check={"port": 1})
        assert [one["fingerprint_sha256"] for one in result["ca"]] == [
            authority.fingerprint,
            other_authority.fingerprint,
        ]
        assert [text.splitlines(keepends=True)[1:] for text in sent["ca"]] == [
            one.pem.splitlines(keepends=True) for one in (authority, other_authority)
        ]
        assert sent["ca"][0].startswith(f"# CN=authority, until {result['ca'][0]['not_after']}, SHA-256 ")
        assert (sent["check"], "server" in sent) == ({"port": 1}, False)
        assert result["warnings"] == ["of the module"]


@pytest.mark.parametrize("mode", ["off", False])
def test_off_needs_none(mode: Any) -> None:
    """YAML reads off without quotes as a bool."""
    result, sent = act(mode=mode, ca="rubbish")
    assert (sent["mode"], sent["ca"], result["ca"]) == ("off", [], [])


def test_what_cannot_be_right(authority: Issued) -> None:
    assert refused(ca=[]).startswith("ca is missing")
    assert refused(ca="").startswith("ca is missing")
    assert "It is the path of a file" in refused(ca="/etc/ssl/authority.pem")
    assert refused(ca=authority.pem.replace("MII", "MIX")).startswith("ca cannot be parsed")
    assert "holds a private key, which has no business on an origin" in refused(ca=authority.pem + authority.key_pem)
    intermediate = issue("intermediate", issuer=authority, authority=True, usage=None)
    assert "ca has 'CN=intermediate' without its issuer 'CN=authority'" in refused(ca=intermediate.pem)
    assert act(mode="ask", ca=[intermediate.pem, authority.pem])[0]["changed"]
    expired = issue("expired", authority=True, usage=None, ends=-1)
    assert "All certificates in ca have expired" in refused(ca=expired.pem)


def test_what_is_warned_of(authority: Issued) -> None:
    def warned(*certificates: Issued) -> str:
        return " ".join(act(mode="ask", ca="".join(one.pem for one in certificates))[0]["warnings"])

    expired = issue("expired", authority=True, usage=None, ends=-1)
    assert "ca: 'CN=expired' expired on " in warned(authority, expired)
    server_only = issue("server", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    assert "ca: 'CN=server' has an extended key usage without clientAuth" in warned(server_only)
    many = [issue(f"authority {number}", key=authority.key, authority=True, usage=None) for number in range(21)]
    assert "ca holds 21 certificates" in warned(*many)
    assert warned(authority) == "of the module"
