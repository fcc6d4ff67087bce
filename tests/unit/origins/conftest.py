# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each of the four servers on a machine of its own, with one site that answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.tests.unit.origins.machine import Machine
from ansible_collections.originsec.cloudflare.tests.unit.origins.servers import ORIGINS, SITE, Origin
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue


@pytest.fixture(scope="session")
def server() -> Issued:
    return issue(SITE, usage=None)


@pytest.fixture(scope="session")
def leaf(authority: Issued) -> Issued:
    return issue("edge", issuer=authority)


@pytest.fixture(scope="session")
def other_leaf(other_authority: Issued) -> Issued:
    return issue("edge", issuer=other_authority)


@pytest.fixture(params=ORIGINS)
def origin(request: pytest.FixtureRequest, tmp_path: Path, server: Issued) -> Iterator[Origin]:
    """Any of the four."""
    with Machine(tmp_path, request.param) as machine:
        one = ORIGINS[request.param](machine, server)
        one.start()
        yield one
