# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""A site as visitors get it through Cloudflare: whether it answers, and whether that proves anything.

Only a response that came through Cloudflare, from the origin, and was no challenge proves that the edge and the origin
agree on a client certificate, a key exchange and an SSL mode.

Sources: https://developers.cloudflare.com/cache/concepts/cache-responses/,
https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ._client import VERSION
from ._errors import InputError
from ._posture import clean

try:
    import requests
    from urllib3.exceptions import HTTPError, InsecureRequestWarning
except ImportError:  # whoever makes the client says so
    if TYPE_CHECKING:
        raise

_FROM_THE_ORIGIN = frozenset({"DYNAMIC", "MISS", "BYPASS", "EXPIRED", "REVALIDATED"})
_DARK = frozenset({495, 496, *range(520, 528), 530})
_CERTIFICATE_TEXT = re.compile("No required SSL certificate was sent|The SSL certificate error")

_TIMEOUT_SECONDS = 30
_SHORTEST_PAUSE_SECONDS = 1
"""While an answer has to hold, whatever the delay."""
_ENOUGH_BYTES = 2048
_QUOTED_CHARACTERS = 120


@dataclass(frozen=True)
class Pull:
    """One request through Cloudflare. status: None where nothing answered. start: how the body begins, in one line."""

    status: int | None
    ray: bool = False
    cache_status: str = ""
    challenge: bool = False
    start: str = ""
    failure: str = ""

    def dark(self, before: Pull | None = None) -> bool:
        """Whether the site is not reachable, or is worse off than before."""
        if self.status is None or self.status in _DARK:
            return True
        if self.status == 400 and _CERTIFICATE_TEXT.search(self.start):
            return True
        was = before.status if before else None
        return self.status >= 400 and was is not None and was < 400 and not self.challenge

    @property
    def unproved(self) -> str:
        """Why a response proves nothing about the origin; empty where it does."""
        if self.challenge:
            return "Cloudflare challenged the request (CF-Mitigated)"
        if not self.ray:
            return "the response did not come through Cloudflare (no CF-Ray)"
        if not self.cache_status:
            return "the edge or a Worker may have answered itself (no CF-Cache-Status)"
        if self.cache_status not in _FROM_THE_ORIGIN:
            return f"the response came from Cloudflare's cache (CF-Cache-Status: {self.cache_status})"
        return ""

    def in_words(self) -> str:
        """As after the name of the URL: "answered 525 (error code: 525)"."""
        if self.status is None:
            return f"did not answer ({self.failure})"
        return f"answered {self.status}{f' ({self.start[:_QUOTED_CHARACTERS].strip()})' if self.start else ''}"


@dataclass(frozen=True)
class Verification:
    """What is pulled, and how. retries: how often, at most, and delay: after how many seconds a URL that is dark is
    pulled again. settle: for how many seconds an answer must hold after a change. verify: as for requests.
    """

    urls: tuple[str, ...]
    retries: int
    delay: int
    settle: int
    verify: bool | str = True

    def pull(self, url: str) -> Pull:
        """Request the URL once. Redirects are not followed: what the edge answers itself proves nothing."""
        try:
            with warnings.catch_warnings(), requests.Session() as session:
                warnings.simplefilter("ignore", InsecureRequestWarning)  # validate_certs: false is the user's decision
                with session.get(
                    url,
                    headers={"User-Agent": f"originsec.cloudflare/{VERSION}", "Cache-Control": "no-cache"},
                    timeout=_TIMEOUT_SECONDS,
                    allow_redirects=False,
                    stream=True,
                    verify=self.verify,
                    auth=_no_credentials,
                ) as response:
                    start = response.raw.read(_ENOUGH_BYTES, decode_content=True)
        except (OSError, HTTPError, ValueError) as error:
            return Pull(None, failure=_reason(error))
        text = " ".join(re.sub("<[^>]*>", " ", start.decode("utf-8", "replace")).split())
        headers = response.headers
        return Pull(
            response.status_code,
            ray=bool(headers.get("CF-Ray")),
            cache_status=headers.get("CF-Cache-Status", "").strip().upper(),
            challenge=bool(headers.get("CF-Mitigated")),
            start=clean(text),
        )

    def pull_all(self, before: Mapping[str, Pull] | None = None) -> dict[str, Pull]:
        """Every URL, by its name; one that is dark, or worse off than before, is pulled again before it counts."""
        return {url: self._patiently(url, (before or {}).get(url), self.retries)[0] for url in self.urls}

    def settled(self, before: Mapping[str, Pull]) -> dict[str, Pull]:
        """Every URL once its answer has held, or the one that went dark.

        Nobody knows how fast the edge picks a change up, so an answer counts when it has been the same kind for
        ``settle`` seconds, in two pulls at least; of several URLs, the waits are shared.
        """
        last: dict[str, Pull] = {}
        tries = dict.fromkeys(self.urls, self.retries)
        holds_from = time.monotonic()
        rounds = 0
        while True:
            for url in self.urls:
                last[url], used = self._patiently(url, before.get(url), tries[url])
                tries[url] -= used
                if last[url].dark(before.get(url)):
                    return last
                if used:  # it has to hold from here on
                    holds_from, rounds = time.monotonic(), 0
            rounds += 1
            left = holds_from + self.settle - time.monotonic()
            if rounds >= 2 and left <= 0:
                return last
            time.sleep(min(max(left, 0.0), max(self.delay, _SHORTEST_PAUSE_SECONDS)))

    def _patiently(self, url: str, before: Pull | None, tries: int) -> tuple[Pull, int]:
        """The pull, repeated while it is dark and tries are left; and how many of them were used."""
        pull, used = self.pull(url), 0
        while pull.dark(before) and used < tries:
            time.sleep(self.delay)
            pull, used = self.pull(url), used + 1
        return pull, used


def checked_urls(urls: Sequence[str], option: str) -> tuple[str, ...]:
    """The URLs, once each; raises InputError for what is none."""
    for url in urls:
        try:
            parts = urlsplit(url)
            usable = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
            named = not (parts.username or parts.password)
        except ValueError:
            usable = named = False
        if not usable:
            raise InputError(f"{option} must hold URLs such as https://www.example.com/, and {url!r} is none.")
        if not named:
            raise InputError(f"{option} must hold URLs without user and password: reports show them.")
    return tuple(dict.fromkeys(urls))


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Being the request's auth, it keeps ~/.netrc out."""
    return request


def _reason(error: Exception) -> str:
    """The cause that requests and urllib3 have wrapped, in one line."""
    while True:
        inner = next((one for one in (getattr(error, "reason", None), *error.args) if isinstance(one, Exception)), None)
        if inner is None:
            return clean(" ".join(str(error).split()) or type(error).__name__)
        error = inner
