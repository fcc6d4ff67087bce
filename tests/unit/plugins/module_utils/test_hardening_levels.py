# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hostnames, the shared certificate and the SSL mode in the transaction of a zone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils import _client, _client_auth_calls, _edge, _hardening
from ansible_collections.originsec.cloudflare.plugins.modules import origin_tls, origin_tls_client_auth_hostname
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Zone
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue, run_module

SHOP, STATUS = "shop.example.com", "status.example.com"


@pytest.fixture(autouse=True)
def _clock(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses move the emulator's clock, which is also the client's."""
    for module in (_client, _client_auth_calls, _edge, _hardening):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=emulator.advance, monotonic=emulator.now))


def pair(issued: Issued) -> dict[str, str]:
    return {"certificate": issued.pem, "private_key": issued.key_pem}


@pytest.fixture
def wanted(options: dict[str, Any], emulator: Emulator, client_certificate: Issued) -> dict[str, Any]:
    """Two hostnames, of which one is exempted, on a zone that is verified by two URLs."""
    return {
        **options,
        "hostnames": [
            {"hostname": SHOP, **pair(client_certificate)},
            {"hostname": STATUS, "enabled": False, **pair(client_certificate)},
        ],
        "verify_urls": [f"{emulator.origin}/site/example.com/", f"{emulator.origin}/site/{SHOP}/"],
    }


def run(params: dict[str, Any], **keywords: bool) -> dict[str, Any]:
    result = run_module(origin_tls, params, **keywords)
    assert not result.get("failed"), result["msg"]
    return result


def failed(params: dict[str, Any]) -> dict[str, Any]:
    result = run_module(origin_tls, params)
    assert result["failed"]
    return result


def associations(zone: Zone) -> dict[str, bool | None]:
    return {name: one.enabled for name, one in zone.associations.items() if one.enabled is not None}


def kept(zone: Zone) -> list[str]:
    return [one.id for one in zone.hostname_certificates.values() if one.deleted_at is None]


def requests_of_the_api(emulator: Emulator) -> int:
    return sum(emulator.count().values())


@pytest.mark.parametrize("listing", ["full", "short", "404"])
def test_hostnames_are_set_and_stay(wanted: dict[str, Any], emulator: Emulator, zone: Zone, listing: Any) -> None:
    emulator.association_list, emulator.deployment_delay, emulator.association_delay = listing, 2, 2
    foreseen = run(wanted, check=True, diff=True)
    assert foreseen["changes"] == ["hostnames"]
    assert {one.method for one in emulator.journal} == {"GET"}

    done = run(wanted, diff=True)
    assert done["changes"] == ["hostnames"]
    assert {key: value for key, value in foreseen["diff"]["after"].items() if key != "zone"} == {
        key: value for key, value in done["diff"]["after"].items() if key != "zone"
    }
    assert all(one["proved"] for one in done["verified"].values())
    assert associations(zone) == {SHOP: True, STATUS: False}
    assert [exchange.method for exchange in emulator.journal].count("PUT") == 1
    assert len(kept(zone)) == 1

    emulator.journal.clear()
    again = run(wanted)
    assert (again["changed"], again["drift"]) == (False, [])
    assert requests_of_the_api(emulator) == (3 if listing != "404" else 5)


def test_a_rotation_takes_what_it_leaves_unused(
    wanted: dict[str, Any], emulator: Emulator, zone: Zone, other_certificate: Issued
) -> None:
    run(wanted)
    (old,) = kept(zone)
    foreign = emulator.upload(zone, issue("foreign").pem, hostname_level=True)
    wanted["hostnames"] = [{"hostname": name, **pair(other_certificate)} for name in (SHOP, STATUS)]
    result = run(wanted)
    assert result["removed"] == [old]
    assert foreign.id in kept(zone)
    assert len(kept(zone)) == 2
    assert associations(zone) == {SHOP: True, STATUS: False}
    assert not any(exchange.uncovered for exchange in emulator.journal)


def test_a_certificate_goes_only_after_a_last_pull(
    wanted: dict[str, Any], emulator: Emulator, zone: Zone, other_certificate: Issued
) -> None:
    """A site that goes dark after it was verified gets its association back, since what it had is still there."""
    run(wanted)
    before, certificates = associations(zone), kept(zone)
    wanted["hostnames"] = [{"hostname": name, **pair(other_certificate)} for name in (SHOP, STATUS)]
    visits = iter([200, 200, 200])  # before, and twice after the change
    emulator.site(SHOP).status = lambda: next(visits, 525)
    result = failed({**wanted, "verify_settle": 0, "verify_retries": 0})
    assert "That was the step 'Request each URL once more" in result["msg"]
    assert "Put back: Authenticated Origin Pulls by hostname." in result["msg"]
    assert (associations(zone), kept(zone)) == (before, certificates)


def test_a_certificate_that_could_not_be_removed_is_named(
    wanted: dict[str, Any], emulator: Emulator, zone: Zone, other_certificate: Issued
) -> None:
    """The next run finds the hostnames as wanted, and would never remove it."""
    run(wanted)
    (old,) = kept(zone)
    wanted["hostnames"] = [{"hostname": name, **pair(other_certificate)} for name in (SHOP, STATUS)]
    refusal = {"success": False, "errors": [{"code": 1, "message": "Not today"}], "result": None}
    emulator.faults.append(Fault(method="DELETE", status=400, body=refusal))
    result = failed(wanted)
    assert result["left_to_do"] == [f"remove the certificate {old}, which no hostname uses any more"]
    assert f"This is left for you to do: {result['left_to_do'][0]}." in result["msg"]
    assert associations(zone) == {SHOP: True, STATUS: False}


def test_a_change_that_cannot_be_read_is_undone(wanted: dict[str, Any], emulator: Emulator, zone: Zone) -> None:
    """The associations were accepted, whatever became of the reading after it."""
    refusal = {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}], "result": None}
    path = f".*/hostnames/{STATUS}"
    emulator.faults.append(Fault(method="GET", path=path, status=403, body=refusal))
    result = failed(wanted)
    assert "Put back: Authenticated Origin Pulls by hostname." in result["msg"]
    assert (associations(zone), kept(zone)) == ({}, [])


@pytest.mark.parametrize("listing", ["full", "404"])
def test_ten_hostnames_with_two_certificates(
    wanted: dict[str, Any], emulator: Emulator, zone: Zone, other_certificate: Issued, listing: Any
) -> None:
    emulator.association_list, emulator.deployment_delay, emulator.association_delay = listing, 2, 2
    names = [f"h{number}.example.com" for number in range(10)]
    first, third = wanted["hostnames"][0], issue("third")
    reading = 3 if listing == "full" else 3 + len(names)

    def take(changed: bool = True, writes: tuple[str, ...] = ()) -> dict[str, Any]:
        """A run that is as check mode foresees it."""
        emulator.journal.clear()
        foreseen = run(wanted, check=True, diff=True)
        assert {one.method for one in emulator.journal} == {"GET"}
        emulator.journal.clear()
        done = run(wanted, diff=True)
        assert (foreseen["changed"], done["changed"]) == (changed, changed)
        assert foreseen["diff"] == done["diff"]
        assert [one.method for one in emulator.journal if one.method != "GET"] == list(writes)
        assert not any(exchange.uncovered for exchange in emulator.journal)
        if not changed:
            assert requests_of_the_api(emulator) == reading
        emulator.advance(60)
        return done

    wanted["hostnames"] = [
        {**first, "hostname": name, **(pair(other_certificate) if number >= 5 else {})}
        for number, name in enumerate(names)
    ]
    take(writes=("POST", "POST", "PUT"))
    assert associations(zone) == dict.fromkeys(names, True)
    assert len(kept(zone)) == 2
    assert emulator.count()["GET"] <= reading + 2 + 2 + len(names) + 2  # the zone, deployments, associations
    take(changed=False)

    old = zone.associations[names[0]].certificate_id
    for one in wanted["hostnames"][:5]:
        one.update(pair(third))
    assert take(writes=("POST", "PUT", "DELETE"))["removed"] == [old]
    assert len(kept(zone)) == 2
    take(changed=False)

    wanted["hostnames"][0]["enabled"] = False
    assert take(writes=("PUT",))["removed"] == []
    assert associations(zone) == {names[0]: False, **dict.fromkeys(names[1:], True)}
    take(changed=False)

    # To void one is the single module's; the transaction leaves hostnames alone that it is not given
    name = wanted["hostnames"].pop()["hostname"]
    reading = reading if listing == "full" else reading - 1
    take(changed=False)
    absent = {**{option: wanted[option] for option in ("api_base_url", "api_token", "zone_id")}, "hostname": name}
    assert run_module(origin_tls_client_auth_hostname, {**absent, "state": "absent"})["changed"]
    assert name not in associations(zone)
    take(changed=False)
    assert len(kept(zone)) == 2


def test_what_is_unproved_stays(
    wanted: dict[str, Any], emulator: Emulator, zone: Zone, other_certificate: Issued
) -> None:
    run(wanted)
    emulator.site(SHOP).cache_status = "HIT"
    wanted["hostnames"] = [{"hostname": name, **pair(other_certificate)} for name in (SHOP, STATUS)]
    result = run(wanted)
    assert result["removed"] == []
    assert "cache" in result["not_verified"]
    assert len(kept(zone)) == 2


@pytest.mark.parametrize("rotation", [False, True])
def test_a_site_that_goes_dark_gets_its_associations_back(
    wanted: dict[str, Any], emulator: Emulator, zone: Zone, other_certificate: Issued, rotation: bool
) -> None:
    emulator.association_delay = 30
    if rotation:
        run(wanted)
        wanted["hostnames"] = [{"hostname": name, **pair(other_certificate)} for name in (SHOP, STATUS)]
    before, certificates = associations(zone), kept(zone)
    statuses = iter([200])
    emulator.site(SHOP).status = lambda: next(statuses, 525)
    result = failed(wanted)
    assert "525" in result["msg"]
    assert "Put back: Authenticated Origin Pulls by hostname." in result["msg"]
    assert result["changes"] == []
    assert (associations(zone), kept(zone)) == (before, certificates)


def test_a_refused_association_takes_the_upload_back(wanted: dict[str, Any], emulator: Emulator, zone: Zone) -> None:
    refusal = {"success": False, "errors": [{"code": 1, "message": "Not today"}], "result": None}
    emulator.faults.append(Fault(method="PUT", status=400, body=refusal))
    assert "Not today" in failed(wanted)["msg"]
    assert (associations(zone), kept(zone)) == ({}, [])


def test_from_flexible_to_strict_with_client_auth_and_back(
    options: dict[str, Any], emulator: Emulator, zone: Zone, client_certificate: Issued
) -> None:
    zone.ssl_mode, zone.ssl_automatic_mode = "flexible", "auto"
    emulator.ssl_automatic_delay = 3
    params = {
        **options,
        **pair(client_certificate),
        "ssl_mode": "strict",
        "client_auth_enabled": True,
        "global_client_auth_enabled": True,
        "auto_origin_tls_kex": True,
        "verify_urls": [f"{emulator.origin}/site/example.com/"],
    }
    statuses = iter([200, 200])
    emulator.site("example.com").status = lambda: next(statuses, 526)
    result = failed(params)
    assert result["undone"][-1] == "ssl_mode"
    assert (zone.ssl_mode, zone.ssl_automatic_mode) == ("flexible", "auto")
    assert (zone.aop_enabled, zone.global_aop_enabled, zone.kex_enabled) == (False, False, False)
    assert not [one for one in zone.certificates.values() if one.deleted_at is None]

    emulator.site("example.com").status = 200
    result = run(params)
    assert set(result["changes"]) >= {"ssl_mode", "client_auth", "certificate", "global_client_auth"}
    emulator.advance(60)
    assert (zone.ssl_mode, zone.ssl_automatic_mode) == ("strict", "custom")
    assert (zone.aop_enabled, zone.global_aop_enabled) == (True, True)
    assert not run(params)["changed"]


def test_strict_is_refused_where_the_edge_would_refuse_the_origin(
    options: dict[str, Any], emulator: Emulator, zone: Zone, authority: Issued
) -> None:
    """Tried with real TLS."""
    pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")
    origins = pytest.importorskip("ansible_collections.originsec.cloudflare.tests.origin.origin")
    shown = {
        "good": issue("example.com", issuer=authority, usage=None),
        "expired": issue("example.com", issuer=authority, usage=None, ends=-1),
        "other": issue("other.example", issuer=authority, usage=None),
    }
    site = {"verify_urls": [f"{emulator.origin}/site/example.com/"], "ssl_mode": "strict"}
    said = {}
    for name, certificate in shown.items():
        with origins.Origin(certificate.pem, certificate.key_pem) as origin:
            params = {**options, **site, "origins": [f"127.0.0.1:{origin.port}"]}
            said[name] = failed({**params, "origins_ca": authority.pem})["msg"] if name != "good" else ""
            if name == "good":
                assert "no public authority has issued" in failed(params)["msg"]
                assert "name it in origins_ca" in failed(params)["msg"]
                good = {**params, "origins_ca": authority.pem}
                assert run(good, check=True)["changes"] == ["ssl_mode"]
    assert "has expired" in said["expired"]
    assert "for other names" in said["other"]
    assert zone.ssl_mode == "full"
    assert "origins_ca: certificate holds no certificate" in failed({**good, "origins_ca": "none"})["msg"]


@pytest.mark.parametrize(
    ("hostnames", "message"),
    [
        ([{"hostname": "not a name", "enabled": False}], "is not a domain name"),
        ([{"hostname": SHOP}], f"hostnames, {SHOP}: there is nothing to manage"),
        ([{"hostname": SHOP, "enabled": True}, {"hostname": "Shop.Example.com.", "enabled": False}], "more than once"),
        (
            [{"hostname": name, "enabled": True} for name in ("bücher.example.com", "xn--bcher-kva.example.com")],
            "hostnames names xn--bcher-kva.example.com more than once",
        ),
        ([{"hostname": SHOP, "private_key": "x"}], "private_key needs certificate beside it"),
        ([{"hostname": SHOP, "certificate": "x", "private_key": "x"}], "holds no certificate in PEM"),
    ],
)
def test_bad_hostnames_are_refused_before_the_first_request(
    options: dict[str, Any], emulator: Emulator, hostnames: list[dict[str, Any]], message: str
) -> None:
    assert message in failed({**options, "hostnames": hostnames})["msg"]
    assert not emulator.journal
