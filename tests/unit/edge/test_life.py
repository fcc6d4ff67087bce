# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone from its hardening to the rotation of its certificate, while visitors keep coming."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import mldsa

from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.origin.origin import HYBRID, Origin
from ansible_collections.originsec.cloudflare.tests.unit.edge.conftest import Harden, client
from ansible_collections.originsec.cloudflare.tests.unit.edge.nginx import Nginx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

VISITORS = 2


@contextlib.contextmanager
def visited(edge: Edge, name: str) -> Iterator[list[int]]:
    """While it lasts, visitors keep coming. The list holds what each was answered, 0 for nothing."""
    statuses: list[int] = []
    over = threading.Event()

    def visit() -> None:
        connection = http.client.HTTPConnection(edge.url.removeprefix("http://"), timeout=30)
        while not over.wait(0.02):
            try:
                connection.request("GET", "/", headers={"Host": name})
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            except (OSError, http.client.HTTPException):
                connection.close()
                statuses.append(0)
        connection.close()

    visitors = [threading.Thread(target=visit) for _visitor in range(VISITORS)]
    for visitor in visitors:
        visitor.start()
    try:
        yield statuses
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()


def more(statuses: list[int], number: int = 20) -> None:
    """Wait until so many more have been answered."""
    wanted = len(statuses) + number
    deadline = time.monotonic() + 30
    while len(statuses) < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def straight_to(nginx: Nginx, scheme: str = "https") -> tuple[int, str]:
    """Past the edge, without a certificate."""
    answer = requests.get(f"{scheme}://{nginx.origins[scheme]}/", verify=False, timeout=10)
    return answer.status_code, answer.text


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_no_pull_fails_from_the_hardening_to_the_rotation(
    nginx: Callable[[str, list[Issued]], Nginx],
    emulator: Emulator,
    zone: Zone,
    edge: Edge,
    harden: Harden,
    authority: Issued,
    other_authority: Issued,
) -> None:
    """The steps of the guides, the rotation to a certificate of another authority."""
    old, new = issue("old", issuer=authority), issue("new", issuer=other_authority)
    emulator.deployment_delay = emulator.deletion_delay = 2
    with nginx("optional", [authority]) as origin:
        zone.origins = origin.origins
        with visited(edge, zone.name) as statuses:
            more(statuses)
            harden({zone.name: client(old)})
            more(statuses)
            assert straight_to(origin) == (200, "nginx\n")
            origin.reload("on", [authority])
            status, page = straight_to(origin)
            assert (status, "No required SSL certificate was sent" in page) == (400, True)
            more(statuses)

            origin.reload("on", [authority, other_authority])
            before = len(statuses)
            harden({zone.name: client(new)})
            rotation = statuses[before:]
            origin.reload("on", [other_authority])
            more(statuses)
    failed = [status for status in statuses if status != 200]
    print(f"{len(statuses)} pulls, {len(failed)} failed; {len(rotation)} of them during the rotation")
    assert failed == []
    assert len(rotation) > 100
    pulls = [logged for logged in origin.pulls() if logged.status == "200"]
    assert list(dict.fromkeys(pulls)) == [
        ("200", "NONE", "-"),
        ("200", "SUCCESS", "CN=old"),
        ("200", "SUCCESS", "CN=new"),
    ]
    assert [emulator.status(certificate) for certificate in zone.certificates.values()] == ["deleted", "active"]


def test_the_visitors_notice_a_rotation_in_another_order(
    nginx: Callable[[str, list[Issued]], Nginx],
    emulator: Emulator,
    zone: Zone,
    edge: Edge,
    token: str,
    authority: Issued,
) -> None:
    """Delete, then upload: else the test above could not fail."""
    old, new = issue("old", issuer=authority), issue("new", issuer=authority)
    emulator.upload(zone, old.pem, old.key_pem)
    zone.aop_enabled = True
    url = f"{emulator.url}/zones/{zone.id}/origin_tls_client_auth"
    headers = {"Authorization": f"Bearer {token}"}
    with nginx("on", [authority]) as origin:
        zone.origins = origin.origins
        with visited(edge, zone.name) as statuses:
            more(statuses)
            requests.delete(f"{url}/{next(iter(zone.certificates))}", headers=headers, timeout=10)
            emulator.deployment_delay = 0.2
            body = {"certificate": new.pem, "private_key": new.key_pem}
            requests.post(url, headers=headers, json=body, timeout=10)
            more(statuses, 100)
    assert set(statuses) == {200, 400}
    assert statuses[-1] == 200


def test_post_quantum_from_the_key_agreement_to_the_certificate(
    zone: Zone, edge: Edge, harden: Harden, server: Issued
) -> None:
    authority = issue("authority", key=mldsa.MLDSA65PrivateKey.generate(), authority=True, usage=None)
    certificate = issue("client", key=mldsa.MLDSA44PrivateKey.generate(), issuer=authority)
    with Origin(
        server.pem, server.key_pem, groups=HYBRID, client_certificates="optional", client_ca=authority.pem
    ) as origin:
        zone.origins = {"https": f"127.0.0.1:{origin.port}"}
        harden({zone.name: {**client(certificate), "zone_hardening_compliance_modes": ["pqh"]}})
        origin.client_certificates = "required"
        assert edge.pull(zone.name).status == 200
        seen = origin.connections[-1]
        assert (seen.version, seen.group, seen.client) == ("TLSv1.3", HYBRID, certificate.fingerprint)
        zone.aop_enabled = False
        assert edge.pull(zone.name).status == 520
