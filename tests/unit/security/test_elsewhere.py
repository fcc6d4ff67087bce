# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials go to the API and to nobody else, and nobody else's go to the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._client import ApiKey, ApiToken, Client
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import ResponseError
from ansible_collections.originsec.cloudflare.tests.unit.security.conftest import TOKEN
from ansible_collections.originsec.cloudflare.tests.unit.security.servers import Recorder, serving, tls_emulator
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

SCHEMES = [ApiToken(TOKEN), ApiKey("ops@example.com", TOKEN)]


@pytest.mark.parametrize("auth", SCHEMES, ids=["token", "key"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_redirect_to_another_host_is_not_followed(auth: ApiToken | ApiKey, status: int, method: str) -> None:
    with serving(Recorder()) as elsewhere:
        location = {"Location": f"http://localhost:{elsewhere.port}/client/v4/zones"}
        with serving(Recorder(status, location)) as redirecting:
            client = Client(auth, f"http://127.0.0.1:{redirecting.port}", retries=0)
            body = None if method in ("GET", "DELETE") else {"private_key": "canary"}
            with pytest.raises(ResponseError, match="redirected, which is not followed"):
                client.request(method, "zones", body)
    assert len(redirecting.requests) == 1
    assert TOKEN in redirecting.requests[0]
    assert elsewhere.requests == []


@pytest.mark.parametrize("auth", SCHEMES, ids=["token", "key"])
@pytest.mark.parametrize("entry", ["machine 127.0.0.1", "default"])
@pytest.mark.parametrize("variable", ["HOME", "NETRC"])
def test_netrc_is_not_read(
    auth: Any,
    entry: str,
    variable: str,
    authority: Issued,
    server_certificate: Issued,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over TLS, where requests would look into it: it looks at the environment for proxies."""
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"{entry} login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv(variable, str(tmp_path if variable == "HOME" else netrc))
    (tmp_path / "ca.pem").write_text(authority.pem)
    with tls_emulator(server_certificate, tmp_path) as (emulator, _connections):
        emulator.add_token(token=TOKEN)
        emulator.add_key("ops@example.com", key=TOKEN)
        client = Client(auth, emulator.url, verify=str(tmp_path / "ca.pem"), retries=0)
        (zone,) = client.pages("zones", {})
    assert zone["name"] == "example.com"
