# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""A setting of a zone that holds one value: read, compare, write, confirm."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any

from ._client import Client
from ._errors import CloudflareError, NotFoundError, ResponseError


@dataclass(frozen=True)
class Setting:
    """Where a setting lives and what its record looks like.

    path: below /zones/{zone_id}/; never built from the id that an answer echoes. field: the one that holds the
    value. kind: the value's type; the items of a list are strings. method: of the write. null: what a value of null
    stands for. fields: the record that users get; what Cloudflare leaves out is None there.
    """

    path: str
    field: str
    kind: type = str
    method: str = "PUT"
    null: Any = None
    fields: tuple[str, ...] = ("id", "value", "editable", "modified_on")

    def read(self, client: Client, zone_id: str) -> dict[str, Any]:
        return self._record(client, zone_id, "GET")

    def write(self, client: Client, zone_id: str, value: Any) -> dict[str, Any]:
        """Set the value. Where the answer shows another one it is read back, once, and then believed."""
        answer = self._record(client, zone_id, self.method, {self.field: value})
        if self.same(answer[self.field], value):
            return answer
        try:
            current = self.read(client, zone_id)
            if not self.same(current[self.field], value):
                raise CloudflareError(
                    f"Cloudflare accepted {self.field} {value!r} for {self.path} of zone {zone_id}, but the value is "
                    f"{current[self.field]!r} when read back. Does somebody else, or the zone's plan, determine it?"
                )
        except CloudflareError as error:
            error.may_be_done = True  # the write was accepted, and a reading may be out of date
            raise
        return current

    @staticmethod
    def same(value: Any, wanted: Any) -> bool:
        """Lists are compared as sets, since no order is promised."""
        return bool(set(value) == set(wanted) if isinstance(wanted, list) else value == wanted)

    def _record(self, client: Client, zone_id: str, method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        result = client.request(method, f"zones/{zone_id}/{self.path}", body)
        where = f"{method} {client.base_url}/zones/{zone_id}/{self.path}"
        if not isinstance(result, dict) or self.field not in result:
            raise ResponseError(f"{where}: the answer has no field '{self.field}'.")
        value = self.null if result[self.field] is None else result[self.field]
        if not self._is_one(value):
            raise ResponseError(
                f"{where}: the answer's field '{self.field}' is {reprlib.repr(value)}, which is no value of it."
            )
        return {**{name: result.get(name) for name in self.fields}, self.field: value}

    def _is_one(self, value: Any) -> bool:
        items = value if isinstance(value, list) else []
        return value is None or (isinstance(value, self.kind) and all(isinstance(item, str) for item in items))


AUTO_ORIGIN_TLS_KEX = Setting(
    "settings/auto_origin_tls_kex",
    field="enabled",
    kind=bool,
    method="PATCH",
    fields=("id", "enabled", "modified_on"),
)
ORIGIN_PQE = Setting("cache/origin_post_quantum_encryption", field="value")  # PATCH is refused with 10405
COMPLIANCE_MODES = Setting("settings/origin_tls_compliance_modes", field="value", kind=list, null=[])
SSL_MODE = Setting("settings/ssl", field="value", method="PATCH")
CLIENT_AUTH_ENABLEMENT = Setting("origin_tls_client_auth/settings", field="enabled", kind=bool, fields=("enabled",))
GLOBAL_CLIENT_AUTH = Setting("settings/tls_client_auth", field="value", method="PATCH")
SSL_AUTOMATIC_MODE = Setting("settings/ssl_automatic_mode", field="value", method="PATCH")

_UNKNOWN_SETTING = 1006


def is_ssl_automatic(client: Client, zone_id: str) -> bool:
    """Whether Automatic SSL/TLS is on, which puts back an SSL mode that somebody writes; False where there is none."""
    try:
        return bool(SSL_AUTOMATIC_MODE.read(client, zone_id)["value"] == "auto")
    except NotFoundError:
        return False
    except CloudflareError as error:
        # A refusal may be no JSON where the setting does not exist; a gateway's page or a cut answer tells nothing.
        refused = isinstance(error, ResponseError) and 400 <= (error.status or 0) < 500
        if refused or _UNKNOWN_SETTING in error.codes:
            return False
        raise


def stop_automatic_ssl(client: Client, zone_id: str) -> bool:
    """Turn Automatic SSL/TLS off where it is on, before an SSL mode is written. Whether it was on."""
    automatic = is_ssl_automatic(client, zone_id)
    if automatic:
        SSL_AUTOMATIC_MODE.write(client, zone_id, "custom")
    return automatic
