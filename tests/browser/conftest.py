# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real browser. Playwright comes from PyPI; the browser itself is Debian's package chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

# No sandbox, since the tests run as root in containers; and nothing that would call home.
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """With an empty profile of its own, which Playwright removes."""
    path = shutil.which("chromium")
    assert path, "There is no chromium: apt-get install --no-install-recommends chromium fonts-dejavu-core"
    with sync_playwright() as playwright:
        # It makes a socket there, whose path may have 107 characters
        environment = {**os.environ, "TMPDIR": "/tmp"}
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS, env=environment)
        yield chromium
        chromium.close()
