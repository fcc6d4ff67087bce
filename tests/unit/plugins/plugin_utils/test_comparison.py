# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An audit compared with the one before."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import InputError
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._audit import fleet
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._audit_report import report
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._comparison import compared, previous

NOW = datetime.datetime(2026, 11, 28, tzinfo=datetime.timezone.utc)


def row(zone: str, *kinds: str) -> dict[str, Any]:
    return {"zone": zone, "status": "drift" if kinds else "compliant", "drift": [{"kind": kind} for kind in kinds]}


def test_what_is_new_gone_and_unchanged() -> None:
    before = {"a": ["ssl_mode", "client_auth"], "b": [], "c": ["unreadable"], "d": ["ssl_mode"], "e": ["ssl_mode"]}
    now = [
        row("a", "ssl_mode", "certificate"),
        row("b"),
        row("c", "ssl_mode", "hostname_off", "hostname_off"),
        {**row("d"), "status": "unreadable"},
        row("f", "superseded"),
    ]
    found = compared(now, {"generated": "2026-11-27T00:00:00Z", "zones": before})
    told = {which: [(one["zone"], one["kind"]) for one in found[which]] for which in ("new", "gone")}
    assert told["new"] == [
        *(("a", "certificate"), ("c", "ssl_mode"), ("c", "hostname_off")),
        *(("d", "unreadable"), ("f", "superseded")),
    ]
    assert told["gone"] == [("a", "client_auth"), ("c", "unreadable")], "nobody knows what became of d and e"
    assert found["unchanged"] == 1
    assert (found["zones_new"], found["zones_gone"]) == (["f"], ["e"])


def test_the_report_of_before(tmp_path: Path) -> None:
    path = tmp_path / "last.json"
    assert previous(str(path)) is None, "the first time"
    path.write_text(report(fleet([]), "json", "", False, NOW))
    assert previous(str(path)) == {"generated": "2026-11-28T00:00:00Z", "zones": {}}
    for text in ("", "{}", "[]", '{"generated": "x", "zones": [{}]}', '{"generated": "x", "zones": {"a": 1}}'):
        path.write_text(text)
        with pytest.raises(InputError, match=r"audit_previous names .*last.json, which is no audit_report in JSON"):
            previous(str(path))
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        previous(str(tmp_path))
