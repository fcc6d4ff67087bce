# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.originsec.cloudflare.tests.tools.debian_package import Program
from ansible_collections.originsec.cloudflare.tests.unit.support import debian_program
from ansible_collections.originsec.cloudflare.tests.unit.tls.ml_dsa import POST_QUANTUM


@pytest.fixture(scope="session")
def openssl() -> Program:
    return debian_program("openssl", "openssl", POST_QUANTUM)
