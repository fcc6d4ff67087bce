# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inventory sources that were not read, or not all of them."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.originsec.cloudflare.plugins.plugin_utils._sources import note, source_problems


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    """Also in a directory of sources; a list of hosts, and files for other plugins, are none of its business."""
    (tmp_path / "inventory" / "group_vars").mkdir(parents=True)
    names = ("read", "short", "broken", "unread")
    paths = {name: tmp_path / "inventory" / f"{name}.cloudflare.yml" for name in names}
    for path in (*paths.values(), tmp_path / "inventory" / "group_vars" / "x.cloudflare.yml", tmp_path / "hosts.yml"):
        path.write_text("")
    note(str(paths["read"]), [])
    note(str(paths["short"]), ["Cloudflare listed 50 zones, and says that there are 60."])
    note(str(paths["broken"]), ["it could not be read: Invalid access token."])
    assert source_problems(
        [str(tmp_path / "inventory"), str(tmp_path / "hosts.yml"), "a.example,", "/etc/ansible/hosts"]
    ) == [
        f"{paths['broken']}: it could not be read: Invalid access token.",
        f"{paths['short']}: Cloudflare listed 50 zones, and says that there are 60.",
        f"{paths['unread']}: it could not be read, and Ansible said why at the beginning.",
    ]
    gone = str(tmp_path / "gone.yml")
    assert source_problems([gone]) == [f"{gone} could not be read: there is no such file."]
    note(str(paths["short"]), [])
    assert source_problems([str(paths["short"])]) == [], "it was read again, and all of it"
