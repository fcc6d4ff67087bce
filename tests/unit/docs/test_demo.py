# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The story of `make demo`, with the Ansible of the tests in place of one that it installs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from ansible_collections.originsec.cloudflare.tests.demo.demo import HERE, alone
from ansible_collections.originsec.cloudflare.tests.demo.story import WIDTH
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import environment
from ansible_collections.originsec.cloudflare.tests.unit.support import CACHE

pytestmark = pytest.mark.long


@pytest.mark.parametrize("server", ["nginx", "python"])
def test_the_story_comes_out_well(tmp_path: Path, server: str) -> None:
    packages = CACHE.resolve() / "debian"
    packages.mkdir(parents=True, exist_ok=True)
    (tmp_path / "debian").symlink_to(packages)
    options = ["--without-nginx"] if server == "python" else []
    finished = subprocess.run(
        [*alone(), sys.executable, str(HERE / "story.py"), str(tmp_path), *options],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    told = finished.stdout
    locked = "originsec.cloudflare." + ("lockdown" if "by nginx" in told else "harden")
    assert told.count(locked) == 2 + (locked.endswith("harden")), told
    assert re.search(r"✓ [1-9]\d* requests of visitors meanwhile: 0 failed", told)
    assert told.count("Locked down: the origins answer nobody but") == 2 * locked.endswith("lockdown")
    assert " after the change, and 200 before. " in " ".join(told.split())
    assert "Put back: client certificate." in " ".join(told.split())
    assert "2 zones: 1 with drift, 1 compliant" in told
    assert all(len(line) <= WIDTH or "  " in line.strip() for line in told.splitlines() if line.startswith(" "))
    assert (tmp_path / "audit.html").is_file()
