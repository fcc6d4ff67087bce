# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""HTTP to the Cloudflare v4 API: session, authentication, retries, pacing, paging, typed errors. Knows no Ansible.

Source: https://developers.cloudflare.com/api/
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import ssl
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ._errors import ConnectionFailedError, InputError, ResponseError, advice, error_type, token_page

REQUESTS_IMPORT_ERROR: str | None = None
try:
    import requests
    from urllib3.exceptions import (
        ConnectTimeoutError,
        HTTPError,
        InsecureRequestWarning,
        InvalidHeader,
        ProxyError,
        ReadTimeoutError,
    )
    from urllib3.util import Retry, parse_url

    if not hasattr(Retry, "DEFAULT_ALLOWED_METHODS"):
        raise ImportError("urllib3 is older than 1.26")
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()

VERSION = "1.0.0"
"""Of the collection; a test holds it equal to galaxy.yml, which does not travel with a module."""

# What passes by itself: another change under way, the rate limit, and a gateway or server in trouble.
_NOT_DONE = frozenset({409, 429})
_PASSING = _NOT_DONE | {500, 502, 503, 504, *range(520, 528)}

_HIDDEN = "********"

_BACKOFF_SECONDS = 0.5
_LONGEST_BLOCK_SECONDS = 300
DEADLINE_SECONDS = 2 * _LONGEST_BLOCK_SECONDS
"""For one call with all its repetitions: a whole block, and as much again for what comes before and after it.

No try begins later, nor waits longer for a connection or an answer than is left of it.
"""

_QUOTA = 1200
_RESERVE = 0.1
"""The share of the quota that is left alone, for the requests that others have under way and for a person at work."""

_LONGEST_TOLD = 2000
"""Characters of what a response may add to a message, whatever somebody has put in it."""

_MOST_ERRORS = 100
"""Of a response that are looked at: more than anybody reads, and hiding secrets in each takes time."""

_LIMIT = re.compile(r'"([^"]*)"((?:\s*;\s*\w+=\d+)+)')  # "default";r=1193;t=204


@dataclass(frozen=True)
class ApiToken:
    """An API token, sent as a bearer token. Being the session's auth it also keeps ~/.netrc out."""

    secret: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.secret}"
        return request


@dataclass(frozen=True)
class ApiKey:
    """The global API key of a user, with their e-mail address."""

    email: str
    secret: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Auth-Email"] = self.email
        request.headers["X-Auth-Key"] = self.secret
        return request


class Client:
    """A session with the API. Paths are relative to the base URL, without a leading slash.

    timeout: seconds, for connecting and for every read. retries: how often a request is repeated at most. verify:
    False, True (the system's authorities, REQUESTS_CA_BUNDLE), or the path of a CA file or directory. waited: seconds
    for which the rate limit held requests back. first_date: the Date header of the first response.
    """

    def __init__(
        self, auth: ApiToken | ApiKey, base_url: str, verify: bool | str = True, timeout: int = 30, retries: int = 5
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.secret = auth.secret
        self.retries = retries
        self.waited = 0.0
        self.first_date: str | None = None
        self.verify = verify
        self._timeout = timeout
        self._session = requests.Session()
        self._session.auth = auth
        # Plain http is for the loopback interface: no proxy may see the credentials. TLS hides them from one.
        self._session.trust_env = not self.base_url.lower().startswith("http:")
        self._session.headers["User-Agent"] = f"originsec.cloudflare/{VERSION}"
        if self._session.trust_env:
            _check_proxy(self.base_url)

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The result of one call; a subclass of CloudflareError is raised where there is none."""
        return self._envelope(method, path, body=body).get("result")

    def pages(self, path: str, query: Mapping[str, str], per_page: int = 50) -> Listing:
        """Every item of a listing, fetched page by page as one goes through it."""
        return Listing(self, path, query, per_page)

    def _envelope(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The envelope of a response that says success, after as many tries as it takes and is allowed."""
        what = f"{method} {self.base_url}/{path}"
        retry, give_up_at = _retry_policy(self.retries), time.monotonic() + DEADLINE_SECONDS
        while True:
            timeout = min(self._timeout, max(1, math.ceil(give_up_at - time.monotonic())))
            response = self._try(method, path, body, query, timeout)
            again = _once_more(retry, method, response)
            tries = len(retry.history) + 1
            tried = f"tried {tries} times" if tries > 1 else ""
            if again is None:
                break
            pause = _pause(again, response)
            if time.monotonic() + pause > give_up_at:
                tried = (
                    f"given up after try {tries}: the next one, in {pause:.0f} seconds, would be past the deadline of "
                    f"{DEADLINE_SECONDS} seconds for one call"
                )
                break
            if not isinstance(response, Exception) and response.status_code == 429:
                self.waited += pause
            time.sleep(pause)
            retry = again

        if isinstance(response, Exception):
            cause = _cause(response)
            failure = ConnectionFailedError(
                f"{what} failed{f' ({tried})' if tried else ''}: {self._reason(response, cause, timeout)}"
            )
            failure.may_be_done = not isinstance(cause, (ConnectTimeoutError, ProxyError))
            raise failure from response
        self.first_date = self.first_date or response.headers.get("Date")
        self._keep_pace(response)
        return _checked(what, response, tried, self.secret, str((body or {}).get("private_key") or ""))

    def _try(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str] | None, timeout: int
    ) -> requests.Response | Exception:
        """One request, and what came of it: a response, read to its end, or the failure."""
        try:
            with warnings.catch_warnings():
                # validate_certs: false is the user's own decision
                warnings.simplefilter("ignore", InsecureRequestWarning)
                return self._session.request(
                    method,
                    f"{self.base_url}/{path}",
                    params=query,
                    json=body,
                    timeout=timeout,
                    # Given with the request, since REQUESTS_CA_BUNDLE overrides the session's
                    verify=self.verify,
                    # A redirect would take the credentials elsewhere
                    allow_redirects=False,
                )
        # requests' own are OSErrors; some of urllib3's get past it, and so does what it finds odd in a Location
        except (OSError, HTTPError, ValueError) as error:
            return error

    def _keep_pace(self, response: requests.Response) -> None:
        """Wait for the quota's reset when little of it is left: past it, every call of the user is blocked.

        The server counts for all forks, slices and machines, so that nothing has to be shared among them. The wait
        comes after a response, and not before a request, because the next request may be that of another task, whose
        client is a new one, perhaps on another machine, that knows nothing of this. A fleet is made of such tasks: were
        it left to each client to wait before its second request, those that make a single one would never wait, and use
        the reserve up. So the last task of a play waits, too, as nobody can tell that it is the last.
        """
        pause = _seconds_to_reset(response)
        # A 429 is a block, which was waited for as far as retries allow.
        if pause and response.status_code != 429:
            time.sleep(pause)
            self.waited += pause

    def _reason(self, error: Exception, cause: Exception, timeout: int) -> str:
        """Why there was no response, and what to do; timeout: seconds that were waited for one."""
        unusable = _unusable_bundle() if self.verify is True and self._session.trust_env else ""
        if unusable:
            return unusable
        if isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in str(error):
            return (
                "the environment names a SOCKS proxy (HTTPS_PROXY, ALL_PROXY), for which the Python library PySocks is "
                "missing on the host where the task runs: install requests[socks], or name an HTTP proxy."
            )
        if isinstance(error, requests.exceptions.SSLError):
            return (
                f"{cause}. The server's certificate was not accepted: if this is your own proxy or gateway, "
                "name the file of its authority in ca_path."
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return f"{cause}. This went through the proxy that the environment names (HTTPS_PROXY, NO_PROXY)."
        if isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError):
            return f"no answer within {timeout} seconds. Raise timeout if the network is slow."
        return f"{cause}. Is the network, or a proxy (HTTPS_PROXY), in order, and api_base_url right?"


class Listing:
    """The items of all pages. total: how many Cloudflare says there are, as far as it has said; 0 before."""

    def __init__(self, client: Client, path: str, query: Mapping[str, str], per_page: int) -> None:
        self._client, self._path, self._query, self._per_page = client, path, query, per_page
        self.total = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            query = {**self._query, "page": str(page), "per_page": str(self._per_page)}
            envelope = self._client._envelope("GET", self._path, query=query)
            items = envelope.get("result") or []
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise ResponseError(f"GET {self._client.base_url}/{self._path} did not answer with a list of objects.")
            info = envelope.get("result_info")
            total, pages = map((info if isinstance(info, dict) else {}).get, ("total_count", "total_pages"))
            self.total = total if isinstance(total, int) else self.total
            yield from items
            if not items or (page >= pages if isinstance(pages, int) else len(items) < self._per_page):
                return
            page += 1


def _unusable_bundle() -> str:
    """What is wrong with the file of authorities that the environment names, if requests cannot use it."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = os.environ.get(variable)
        if path:
            try:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.load_verify_locations(**{"capath" if os.path.isdir(path) else "cafile": path})
            except OSError as error:
                return (
                    f"the environment variable {variable} names {path}, which cannot be read as certificates in PEM on "
                    f"the host where the task runs ({error}). Correct or unset it, or set ca_path."
                )
            return ""  # the first that is set is the one that counts
    return ""


def _check_proxy(url: str) -> None:
    """Refuse a proxy whose URL cannot be parsed: requests would quote it, and with it the password."""
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url)) or ""
    # Else part of a password would be taken for the host, and be quoted as such
    usable = proxy.count("@") <= 1 and not re.search("[/?#].*@", proxy.partition("://")[2] or proxy)
    try:
        usable = usable and (not proxy or bool(parse_url(proxy).host))
    except HTTPError:
        usable = False
    if not usable:
        raise InputError(
            "The proxy that the environment names (HTTPS_PROXY, ALL_PROXY) cannot be parsed. It must look like "
            "http://user:password@proxy.example:3128, and in user and password, /, ?, # and @ are %2F, %3F, %23, %40."
        )


def _retry_policy(retries: int) -> Retry:
    class Policy(Retry):
        """Repeats what is idempotent; a POST only when it certainly was not carried out."""

        def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
            return status_code in (_NOT_DONE if method == "POST" else _PASSING)

        def get_backoff_time(self) -> float:
            # Hosts that failed together should not come back together.
            return super().get_backoff_time() * random.uniform(0.5, 1)  # noqa: S311 - no secret

        def parse_retry_after(self, retry_after: str) -> float:
            try:
                seconds = min(super().parse_retry_after(retry_after), _LONGEST_BLOCK_SECONDS)
            except (InvalidHeader, OverflowError):
                return 0  # as if it were not there
            return seconds + random.uniform(0, 1) if seconds > 0 else 0  # noqa: S311 - no secret

    return Policy(
        total=retries,
        other=0,  # a certificate that is not trusted will not be so at the next try
        allowed_methods={"GET", "PUT", "PATCH", "DELETE"},
        backoff_factor=_BACKOFF_SECONDS,
    )


def _once_more(retry: Retry, method: str, response: requests.Response | Exception) -> Retry | None:
    """The policy for the next try, or None where there is to be none."""
    try:
        if isinstance(response, Exception):
            return retry.increment(method, error=_cause(response))
        if retry.is_retry(method, response.status_code):
            return retry.increment(method, response=response.raw)
    except (OSError, HTTPError):  # used up, or the failure itself, where it does not pass
        return None
    return None


def _pause(retry: Retry, response: requests.Response | Exception) -> float:
    """Seconds until the next try."""
    if isinstance(response, Exception):
        return retry.get_backoff_time()
    asked = retry.get_retry_after(response.raw) or retry.get_backoff_time()
    return max(asked, _seconds_to_reset(response))


def _seconds_to_reset(response: requests.Response) -> int:
    """How long to hold the next request back so as to leave the reserve alone; 0 while there is enough."""
    quotas = {name: limit.get("q", _QUOTA) for name, limit in _limits(response, "Ratelimit-Policy")}
    seconds = [
        limit["t"] + 1  # the server's second may begin later than ours
        for name, limit in _limits(response, "Ratelimit")
        if limit.keys() >= {"r", "t"} and limit["r"] <= quotas.get(name, _QUOTA) * _RESERVE
    ]
    return min(max(seconds, default=0), _LONGEST_BLOCK_SECONDS + 1)


def _limits(response: requests.Response, header: str) -> Iterator[tuple[str, dict[str, int]]]:
    for name, parameters in _LIMIT.findall(response.headers.get(header, "")):
        yield name, {key: int(value) for key, value in re.findall(r"(\w+)=(\d{1,9})", parameters)}


def _cause(error: Exception) -> Exception:
    """requests wraps urllib3's errors, and there the MaxRetryError has the reason of the last try."""
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", None) or cause
    return cause if isinstance(cause, Exception) else error


def _checked(what: str, response: requests.Response, tried: str, secret: str, key: str) -> dict[str, Any]:
    """The envelope of a response that says success; anything else becomes the right error, without the secrets."""
    try:
        envelope = json.loads(response.content)
    except (ValueError, RecursionError):
        envelope = None
    if isinstance(envelope, dict) and envelope.get("success") is True:
        return envelope

    errors = _flat(envelope.get("errors")) if isinstance(envelope, dict) else []
    codes = tuple(code for code, _message in errors)
    messages = tuple(_without(secret, key, message) for _code, message in errors)
    told = "; ".join(f"{message} (code {code})" for code, message in zip(codes, messages))
    if len(told) > _LONGEST_TOLD:
        told = f"{told[:_LONGEST_TOLD]}..."
    if not told:
        told = "redirected, which is not followed" if response.is_redirect else "an answer that is not the API's"
    ray = response.headers.get("CF-Ray")
    where = ", ".join(filter(None, (f"HTTP {response.status_code}", f"cf-ray {ray}" if ray else "", tried)))
    request = response.request
    page = token_page(secret)
    what_to_do = advice(response.status_code, codes, str(request.method), str(request.path_url), page)
    message = f"{what}: {told} [{where}]. {what_to_do}".rstrip()
    kind = error_type(response.status_code, codes)
    error = kind(message, status=response.status_code, codes=codes, messages=messages, ray=ray)
    error.may_be_done = response.status_code >= 500 or (response.status_code < 300 and not codes)
    raise error


def _flat(errors: Any) -> list[tuple[int, str]]:
    """(code, message) of the first errors and of their chains, which hold the part that helps."""
    flat: list[tuple[int, str]] = []
    pending = [errors]
    while pending and len(flat) < _MOST_ERRORS:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(reversed(item))
        elif isinstance(item, dict):
            code, message = item.get("code"), str(item.get("message") or "no reason given")
            flat.append((code if isinstance(code, int) else 0, message.rstrip(".")))
            pending.append(item.get("error_chain"))
    return flat


def _without(secret: str, key: str, text: str) -> str:
    """The text without the credentials and without any part of the key, however it is wrapped or escaped."""
    for whole in filter(None, (secret, key.strip())):
        text = text.replace(whole, _HIDDEN)
    body = "".join(key.splitlines()[1:-1])
    return re.sub(r"\\+[nr]|[A-Za-z0-9+/]{12,}=*", lambda found: _HIDDEN if found[0] in body else found[0], text)
