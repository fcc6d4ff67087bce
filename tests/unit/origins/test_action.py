# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller makes of the authorities before anything is sent to an origin."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action.normal import ActionModule as NormalAction
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.originsec.cloudflare.plugins.action.origin_client_auth import ActionModule
from ansible_collections.originsec.cloudflare.plugins.module_utils import _edge
from ansible_collections.originsec.cloudflare.plugins.module_utils._edge import Pull
from ansible_collections.originsec.cloudflare.plugins.module_utils._hardening import Interrupted
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


ALIVE = Pull(200, ray=True, cache_status="DYNAMIC")
DARK = Pull(520, ray=True)
URL = "https://shop.example.com/"


class Origin:
    """What the module does, on paper: mode is that of the server, and failing what it raises where it is changed."""

    def __init__(self, mode: str, authority: Issued, failing: BaseException | None = None) -> None:
        self.mode, self.authority, self.failing = mode, authority, failing
        self.ran: list[tuple[str, bool]] = []

    def run(self, action: Any, *_arguments: Any) -> dict[str, Any]:
        wanted, check = action.arguments["mode"], action.check_mode
        assert "verify_urls" not in action.arguments
        self.ran.append((wanted, check))
        result = {"changed": wanted != self.mode, "mode": wanted, "previous_mode": self.mode, "files": ["/etc/x"]}
        if not check:
            self.mode = wanted
            failing, self.failing = self.failing, None
            if failing:
                raise failing
        return {**result, "previous_ca": [self.authority.pem]}


def seen(
    monkeypatch: pytest.MonkeyPatch, origin: Origin, mode: str, pulls: list[Pull], check_mode: bool = False
) -> dict[str, Any]:
    """pulls: what the URL answers, one after the other, and then the last of them."""
    answers = iter(pulls)
    monkeypatch.setattr(_edge.Verification, "pull", lambda *_: next(answers, pulls[-1]))
    monkeypatch.setattr(NormalAction, "run", lambda action, *_: origin.run(action))
    args = {"mode": mode, "ca": origin.authority.pem, "verify_urls": URL, "verify_retries": 0}
    action = ActionModule(
        task=Mock(args={**args, "verify_settle": 0, "verify_delay": 0}, async_val=0, check_mode=check_mode, diff=False),
        connection=Mock(has_native_async=False),
        play_context=Mock(),
        loader=Mock(),
        templar=Mock(),
        shared_loader_obj=Mock(),
    )
    return action.run(task_vars={})


def test_a_site_that_stays_there(monkeypatch: pytest.MonkeyPatch, authority: Issued) -> None:
    origin = Origin("ask", authority)
    result = seen(monkeypatch, origin, "require", [ALIVE])
    assert (result["changed"], result["dark"], origin.ran) == (True, [], [("require", True), ("require", False)])
    assert result["verified"] == {URL: {"before": 200, "after": 200, "proved": True, "reason": None}}
    again = seen(monkeypatch, origin, "require", [Pull(200, ray=True, cache_status="HIT")])
    assert (again["changed"], again["verified"][URL]["proved"], origin.ran[2:]) == (False, False, [("require", True)])
    assert "cache" in again["verified"][URL]["reason"]
    planned = seen(monkeypatch, origin, "off", [DARK], check_mode=True)
    assert (planned["changed"], planned["dark"], origin.mode) == (True, [URL], "require")


def test_a_site_that_goes_dark(monkeypatch: pytest.MonkeyPatch, authority: Issued) -> None:
    """Put back in the same task, whatever it is that ends it."""
    origin = Origin("ask", authority)
    result = seen(monkeypatch, origin, "require", [ALIVE, DARK, ALIVE])
    assert result["msg"] == (
        f"{URL} answered 520 after the change, and 200 before. The origin is back in the mode ask. {URL} answers as "
        "before."
    )
    assert (result["failed"], result["changed"], result["mode"], result["files"]) == (True, False, "ask", [])
    assert (origin.mode, origin.ran[-1]) == ("ask", ("ask", False))
    assert "Still dark" in seen(monkeypatch, Origin("ask", authority), "require", [ALIVE, DARK])["msg"]
    for failing, told in (
        (AnsibleConnectionFailure("The line is cut."), "The line is cut. The origin is back in the mode ask."),
        (Interrupted(), "The run was interrupted. The origin is back in the mode ask."),
        (KeyboardInterrupt(), "The task was ended from outside, by its timeout for example. The origin is back"),
    ):
        origin = Origin("ask", authority, failing)
        assert told in seen(monkeypatch, origin, "require", [ALIVE])["msg"]
        assert origin.mode == "ask"


def test_a_site_that_is_dark_already(monkeypatch: pytest.MonkeyPatch, authority: Issued) -> None:
    """Nothing is made stricter, but to be less strict may bring it back."""
    origin = Origin("ask", authority)
    result = seen(monkeypatch, origin, "require", [DARK])
    assert "It was so before anything was changed" in result["msg"]
    assert (result["failed"], result["mode"], origin.ran) == (True, "ask", [("require", True)])
    assert seen(monkeypatch, origin, "off", [DARK, ALIVE])["mode"] == "off"
    origin = Origin("ask", authority)
    assert "Still dark" in seen(monkeypatch, origin, "off", [DARK])["msg"]
    assert origin.mode == "ask"


def test_urls_that_are_none(authority: Issued) -> None:
    assert "verify_urls must hold URLs" in refused(ca=authority.pem, verify_urls=["shop"])
    assert "verify_settle must be a whole number" in refused(ca=authority.pem, verify_settle="x")
