# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What visitors of a site get, where that is not the origin's own doing.

The emulator serves every site over plain HTTP, without an origin, for tests that need no TLS:

    site = emulator.site("example.com")  # and its subdomains, unless they have one of their own
    site.status, site.cache_status = 503, "BYPASS"
    requests.get(f"{emulator.origin}/site/example.com/shop", timeout=10)
    requests.get("http://example.com/shop", proxies={"http": emulator.origin}, timeout=10)

In another process: ``PATCH /emulator/sites/example.com`` with the attributes as JSON. Visits are in the emulator's
journal, between the requests to the API, as ``//site/example.com/shop``; its ``count()`` leaves them out. A Fault with
such a path goes first.

The edge of ``edge.py`` obeys the same objects, but asks real origins: there, what a Site says of the origin
(``status``, ``body``, ``dark_while``) has no effect.

Where the zone is paused, pending or moved there is no edge in front: the origin answers, and nothing of the edge's is
on the answer.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Callable

FROM_CACHE = frozenset({"HIT", "STALE", "UPDATING"})
EDGE_ERRORS = frozenset({*range(520, 528), 530})


@dataclass
class Site:
    """How the edge and, where there is no real one, the origin of a host answer. Set the attributes at any time.

    Every answer of the edge has ``CF-Ray``, and every answer that it got from the origin or its cache
    ``CF-Cache-Status``; what the edge answers by itself (a challenge, a redirect, 520-527 and 530) has not.
    """

    # -- the edge

    ray: bool = True
    """Whether the answer tells by CF-Ray that it came through the edge."""
    cache_status: str | None = "DYNAMIC"
    """CF-Cache-Status; None: without. With HIT, STALE and UPDATING the origin is not asked."""
    challenge: bool = False
    """403 with CF-Mitigated, from the edge itself."""
    redirect: str | None = None
    """The Location of a 301 from the edge itself."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers, which replace others of the same spelling."""
    delay: float = 0.0
    """Seconds that every answer takes."""
    dark: bool = False
    """The connection is closed without an answer."""

    # -- the origin, where there is no real one

    status: int | Callable[[], int] = 200
    """What the origin answers, or 520-527 and 530 what the edge has to answer in its place; a function is asked for
    every visit."""
    body: str = "site\n"
    dark_while: dict[str, Any] = field(default_factory=dict)
    """Attributes of the zone, such as {"aop_enabled": true}: while the edge knows them all to be so (see
    Emulator.edge_delay), it answers ``dark_status``."""
    dark_status: int = 520

    def own_answer(self) -> tuple[int, dict[str, str], str] | None:
        """What the edge answers without asking anybody: status, headers, body."""
        if self.challenge:
            return 403, {"CF-Mitigated": "challenge", **self.marks(None)}, "Just a moment...\n"
        if self.redirect is not None:
            return 301, {"Location": self.redirect, **self.marks(None)}, ""
        return None

    def marks(self, status: int | None) -> dict[str, str]:
        """The headers that the edge puts on an answer with that status; None: one that is its own."""
        marks = {"CF-Ray": f"{secrets.token_hex(8)}-EMU"} if self.ray else {}
        if self.cache_status is not None and status is not None and status not in EDGE_ERRORS:
            marks["CF-Cache-Status"] = self.cache_status
        return {**marks, **self.headers}
