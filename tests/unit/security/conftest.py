# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.security.servers import AdHoc
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, debian_program, issue

TOKEN = "cfk_canary-token-of-the-cloudflare-api"


@pytest.fixture(scope="session")
def tinyproxy() -> Program:
    return debian_program("tinyproxy", "tinyproxy-bin")


@pytest.fixture(scope="session")
def openssl() -> Program:
    return debian_program("openssl", "openssl")


@pytest.fixture
def ad_hoc(tmp_path: Path) -> AdHoc:
    return AdHoc(tmp_path / "home", {"CLOUDFLARE_API_TOKEN": TOKEN})


@pytest.fixture(scope="session")
def server_certificate(authority: Issued) -> Issued:
    return issue("server", issuer=authority, usage=None, address="127.0.0.1")
