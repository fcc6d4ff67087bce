# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""What can keep a task from being done: typed errors, each one message for the user, and advice for Cloudflare's codes.

Sources: the codes of https://developers.cloudflare.com/api/ and those that were seen live.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CloudflareError(Exception):
    """Anything that keeps a task from being done, as one message for the user.

    status: of the HTTP answer, None where there was none. codes and messages: of the answer's errors and their
    error chains, outermost first. ray: Cloudflare's name for the request. may_be_done: whether what was asked for may
    have been carried out nevertheless. done: what had been changed before, in words; facts: what of the return values
    is known nevertheless. warnings: what is to be said beside the message.
    """

    may_be_done = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        codes: tuple[int, ...] = (),
        messages: tuple[str, ...] = (),
        ray: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes
        self.messages = messages
        self.ray = ray
        self.done: tuple[str, ...] = ()
        self.facts: Mapping[str, Any] = {}
        self.warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} Done before that: {', '.join(self.done)}." if self.done else message


class InputError(CloudflareError):
    """The options cannot be right; found before the first request."""


class AuthenticationError(CloudflareError):
    """The credentials are malformed, unknown, or not for this zone."""


class PermissionDeniedError(CloudflareError):
    """The credentials are good, but a permission is missing."""


class NotFoundError(CloudflareError):
    """There is no such zone or certificate."""


class RateLimitError(CloudflareError):
    """Too many requests, also after all retries."""


class ConnectionFailedError(CloudflareError):
    """No answer: no route, no TLS, a timeout, a dropped connection."""


class ResponseError(CloudflareError):
    """An answer that is not the API's."""

    may_be_done = True


class MissingLibraryError(CloudflareError):
    """A Python library is not installed where the task runs."""

    def __init__(self, library: str, import_traceback: str | None) -> None:
        super().__init__(f"The Python library {library} is missing.")
        self.library = library
        self.import_traceback = import_traceback


_CHECK_ACCESS = (
    "The token is not valid, or its zone resources do not include this zone. "
    "Compare it with {token_page}: expired, rolled, restricted to other zones or other client addresses?"
)
_NO_ROUTE = "Cloudflare knows no such object. The id of a zone goes into zone_id, its name into zone_name."

_WHAT_TO_DO = {
    1406: "The zone holds this certificate already, or is still deleting it, which takes about ten seconds: run again.",
    1408: "Cloudflare cannot read the certificate: give one leaf certificate in PEM, with the chain, if any, after it.",
    1412: "Cloudflare accepts a leaf certificate (CA:FALSE) only, not that of a certificate authority.",
    1414: "The certificate is being deleted already.",
    1434: "A certificate can be deleted once its deployment is over: run again in a minute, or raise wait_timeout.",
    1551: "There is no certificate with this id in this zone.",
    1552: "There is no certificate with this id in this zone.",
    6102: "The e-mail address is malformed: api_email (CLOUDFLARE_EMAIL) is the address that you log in with.",
    6103: "The API key is malformed. An API token goes into api_token (CLOUDFLARE_API_TOKEN), not into api_key.",
    6111: "The API token is malformed: give it without quotes, line breaks or the word Bearer.",
    7000: _NO_ROUTE,
    7003: _NO_ROUTE,
    9103: "The API key does not belong to this e-mail address: compare both with My Profile > API Tokens.",
    9106: "Cloudflare saw no credentials; does a proxy remove the headers?",
    9109: _CHECK_ACCESS,
}
_WHAT_TO_DO_BY_STATUS = {
    401: _CHECK_ACCESS,
    409: "Another change of this zone is under way: run again when it is over.",
    429: "The limit of 1,200 requests per five minutes and user is used up; every call is refused until it is over.",
}


def error_type(status: int, codes: tuple[int, ...]) -> type[CloudflareError]:
    """The class of the error that a response with this status and these codes stands for."""
    if status == 429:
        return RateLimitError
    if not codes:
        return ResponseError
    if 10000 in codes:
        return PermissionDeniedError
    if status == 401 or {6003, 9103, 9106, 9109}.intersection(codes):
        return AuthenticationError
    if status == 404 or {1551, 1552, 7000, 7003}.intersection(codes):
        return NotFoundError
    return CloudflareError


def token_page(secret: str) -> str:
    """Where Cloudflare's dashboard shows the token; one that an account owns, and no user, tells by its prefix."""
    return "Manage Account > Account API Tokens" if secret.startswith("cfat_") else "My Profile > API Tokens"


def advice(status: int, codes: tuple[int, ...], method: str, path: str, token_page: str) -> str:
    """What to do about an error; empty where nothing is known. path: of the request's URL."""
    known = next((_WHAT_TO_DO[code] for code in reversed(codes) if code in _WHAT_TO_DO), "")
    no_prefix = "/client/v4/" not in path
    if 10000 in codes:
        return _permission(method, path, token_page)
    if no_prefix and known == _NO_ROUTE:
        return f"{known} {_PREFIX}"
    if known or status in _WHAT_TO_DO_BY_STATUS:
        return (known or _WHAT_TO_DO_BY_STATUS[status]).format(token_page=token_page)
    if status >= 500:
        return "Cloudflare's side is in trouble (https://www.cloudflarestatus.com/): run again later."
    if not codes:
        point = "Does api_base_url point to the Cloudflare API, and not to a proxy or a web site?"
        return f"{point} {_PREFIX}" if no_prefix else point
    return _PREFIX if no_prefix and status == 404 else ""


_PREFIX = "Does api_base_url end in /client/v4, as that of Cloudflare does?"


def _permission(method: str, path: str, token_page: str) -> str:
    if "/origin_tls_client_auth" in path:
        group = "SSL and Certificates"
    elif "/settings/" in path or "/cache/" in path:
        group = "Zone Settings"
    else:
        group = "Zone"
    access = "Read" if method == "GET" else "Write"
    return (
        f"The credentials lack the permission '{group} {access}', or are not valid here: "
        f"compare the token with {token_page}."
    )
