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
from cryptography.hazmat.primitives.serialization import Encoding

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from cryptography.hazmat.primitives.asymmetric import mldsa

from ansible_collections.originsec.cloudflare.tests.emulator.edge import Edge
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.origin.origin import HYBRID, NO_CERTIFICATE, Origin
from ansible_collections.originsec.cloudflare.tests.unit.edge.nginx import Nginx
from ansible_collections.originsec.cloudflare.tests.unit.edge.playbook import Harden, client
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

pytestmark = pytest.mark.life


@contextlib.contextmanager
def visited(edge: Edge, *zones: Zone) -> Iterator[dict[str, list[int]]]:
    """While it lasts, each has a visitor who keeps coming. The lists hold what they were answered, 0 for nothing."""
    statuses: dict[str, list[int]] = {zone.name: [] for zone in zones}
    over = threading.Event()

    def visit(name: str) -> None:
        connection = http.client.HTTPConnection(edge.url.removeprefix("http://"), timeout=30)
        while not over.wait(0.02):
            try:
                connection.request("GET", "/", headers={"Host": name})
                answer = connection.getresponse()
                answer.read()
                statuses[name].append(answer.status)
            except (OSError, http.client.HTTPException):
                connection.close()
                statuses[name].append(0)
        connection.close()

    visitors = [threading.Thread(target=visit, args=(name,)) for name in statuses]
    for visitor in visitors:
        visitor.start()
    try:
        yield statuses
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()


def more(statuses: dict[str, list[int]], number: int = 20) -> dict[str, int]:
    """Wait until every site has answered so many more; how many it has answered now."""
    wanted = {name: len(one) + number for name, one in statuses.items()}
    deadline = time.monotonic() + 30
    while any(len(statuses[name]) < wanted[name] for name in wanted):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return {name: len(one) for name, one in statuses.items()}


def presents(emulator: Emulator, zone: Zone) -> list[bytes]:
    return [zone.certificates[id_].parsed.der for id_ in emulator.active(zone)]


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_no_pull_fails_from_the_hardening_to_the_rotation(
    nginx: Callable[[str, list[Issued]], Nginx],
    emulator: Emulator,
    edge: Edge,
    harden: Harden,
    authority: Issued,
    other_authority: Issued,
    server: Issued,
) -> None:
    """The steps of the guides, up to a certificate of another authority, before an nginx, and before an origin that is
    post-quantum from the key agreement to the client certificate. Somebody else is at Cloudflare, too.
    """
    authorities = [
        issue(name, key=mldsa.MLDSA65PrivateKey.generate(), authority=True, usage=None) for name in ("old", "new")
    ]
    olds = [issue("old", issuer=authority), issue("old", key=mldsa.MLDSA44PrivateKey.generate(), issuer=authorities[0])]
    news = [
        issue("new", issuer=other_authority),
        issue("new", key=mldsa.MLDSA87PrivateKey.generate(), issuer=authorities[1]),
    ]
    emulator.deployment_delay = emulator.deletion_delay = 1
    with (
        nginx("optional", [authority]) as classical,
        Origin(
            *(server.pem, server.key_pem),
            groups=HYBRID,
            client_certificates="optional",
            client_ca=authorities[0].pem,
        ) as quantum,
    ):
        origins = {"https": f"127.0.0.1:{quantum.port}"}
        zones = [
            emulator.add_zone("classical.example", origins=classical.origins),
            emulator.add_zone("quantum.example", origins=origins),
        ]
        stranger = emulator.add_zone("stranger.example", origins=origins)

        def present(certificates: list[Issued], enforced: bool) -> None:
            wanted = {
                zone.name: {
                    **client(certificate),
                    "zone_hardening_origins": [zone.origins["https"]],
                    "zone_hardening_require_enforcement": enforced,
                }
                for zone, certificate in zip(zones, certificates)
            }
            wanted["quantum.example"]["zone_hardening_compliance_modes"] = ["pqh"]
            harden(wanted)

        def straight() -> tuple[int, str]:
            answer = requests.get(f"https://{classical.origins['https']}/", verify=False, timeout=10)
            return answer.status_code, answer.text

        with visited(edge, *zones) as statuses:
            more(statuses)
            present(olds, enforced=False)
            more(statuses)
            assert (straight(), edge.pull(stranger.name).status) == ((200, "nginx\n"), 200)
            classical.reload("on", [authority])
            quantum.client_certificates = "required"
            status, page = straight()
            assert (status, NO_CERTIFICATE in page, edge.pull(stranger.name).status) == (400, True, 520)
            more(statuses)

            classical.reload("on", [authority, other_authority])
            quantum.client_ca = authorities[0].pem + authorities[1].pem
            before = more(statuses)
            present(news, enforced=True)
            rotation = {name: len(one) - before[name] for name, one in statuses.items()}
            classical.reload("on", [other_authority])
            quantum.client_ca = authorities[1].pem
            more(statuses)
    for zone, new in zip(zones, news):
        pulls, rotating = statuses[zone.name], rotation[zone.name]
        failed = [status for status in pulls if status != 200]
        print(f"{zone.name}: {len(pulls)} pulls, {rotating} of them in the rotation, {len(failed)} failed")
        assert failed == []
        assert rotating > 20
        assert presents(emulator, zone) == [new.certificate.public_bytes(Encoding.DER)]
    logged = [one for one in classical.pulls() if one.status == "200"]
    assert list(dict.fromkeys(logged)) == [
        ("200", "NONE", "-"),
        ("200", "SUCCESS", "CN=old"),
        ("200", "SUCCESS", "CN=new"),
    ]
    served = [one for one in quantum.connections if not one.error]
    assert {(one.version, one.group) for one in served} == {("TLSv1.3", HYBRID)}
    assert list(dict.fromkeys(one.client for one in served)) == [None, olds[1].fingerprint, news[1].fingerprint]


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
        with visited(edge, zone) as statuses:
            more(statuses)
            requests.delete(f"{url}/{next(iter(zone.certificates))}", headers=headers, timeout=10)
            emulator.deployment_delay = 0.2
            body = {"certificate": new.pem, "private_key": new.key_pem}
            requests.post(url, headers=headers, json=body, timeout=10)
            more(statuses, 50)
    assert set(statuses[zone.name]) == {200, 400}
    assert statuses[zone.name][-1] == 200
