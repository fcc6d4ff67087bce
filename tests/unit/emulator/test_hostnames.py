# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hostname-level Authenticated Origin Pulls: a store of certificates of its own, and the associations with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Zone
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import (
    AOP,
    AOP_CERTIFICATE,
    HOSTNAME,
    HOSTNAMES,
    STORE,
    STORE_CERTIFICATE,
    Api,
    chain,
    refusal,
    result,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

WWW, SHOP = "www.example.com", "shop.example.com"
SHORT = ["hostname", "cert_id", "enabled", "status", "created_at", "updated_at"]
FULL = [
    *(*SHORT, "cert_status", "cert_uploaded_on", "cert_updated_at"),
    *("certificate", "issuer", "signature", "serial_number", "expires_on"),
]


def item(certificate: str | None, enabled: bool | None = True, hostname: str = WWW) -> dict[str, Any]:
    return {"hostname": hostname, "cert_id": certificate, "enabled": enabled}


def delete(api: Api, certificate: str) -> Any:
    return api("DELETE", STORE_CERTIFICATE, certificate=certificate)


def status(api: Api, certificate: str) -> str:
    found: str = api.get(STORE_CERTIFICATE, certificate=certificate)["status"]
    return found


def listed(api: Api, **params: Any) -> list[str]:
    """The hostnames on the list of associations."""
    return [one["hostname"] for one in result(api("GET", HOSTNAMES, params=params))]


def bare(association: dict[str, Any]) -> tuple[str, Any, str]:
    return association["cert_id"], association["enabled"], association["status"]


@pytest.fixture
def first(emulator: Emulator, zone: Zone, client_certificate: Issued) -> str:
    """The id of a hostname certificate."""
    return emulator.upload(zone, client_certificate.pem, hostname_level=True).id


@pytest.fixture
def second(emulator: Emulator, zone: Zone, other_certificate: Issued) -> str:
    return emulator.upload(zone, other_certificate.pem, hostname_level=True).id


# -- the store


def test_life_cycle(emulator: Emulator, api: Api, client_certificate: Issued) -> None:
    emulator.deployment_delay, emulator.deletion_delay, emulator.list_lag = 60, 10, 30
    uploaded = result(api.upload(client_certificate, path=STORE))
    id_ = uploaded["id"]
    assert uploaded["status"] == "initializing"
    assert result(api("GET", STORE)) == []
    emulator.advance(30)
    assert [one["id"] for one in api.get(STORE)] == [id_]
    assert status(api, id_) == "pending_deployment"
    assert refusal(delete(api, id_)) == (400, [1434])
    emulator.advance(30)
    assert api.get(STORE) == [{**uploaded, "status": "active"}]
    assert result(delete(api, id_)) == {**uploaded, "status": "pending_deletion"}
    assert (api.get(STORE), status(api, id_)) == ([], "pending_deletion")
    assert refusal(delete(api, id_)) == (400, [1414])
    emulator.advance(10)
    assert refusal(delete(api, id_)) == (404, [1552])
    assert api.get(STORE_CERTIFICATE, certificate=id_) == {**uploaded, "status": "deleted"}


def test_attributes_are_those_of_the_zone_level(api: Api, client_certificate: Issued) -> None:
    hostname, zone = (result(api.upload(client_certificate, path=path)) for path in (STORE, AOP))
    assert list(hostname) == list(zone)
    changing = {"id", "uploaded_on"}
    assert {name: value for name, value in hostname.items() if name not in changing} == {
        name: value for name, value in zone.items() if name not in changing
    }
    assert "PRIVATE KEY" not in json.dumps([hostname, api.get(STORE)])


def test_an_empty_list_may_be_null(emulator: Emulator, api: Api, client_certificate: Issued) -> None:
    assert api.get(STORE) == []
    emulator.hostname_list_null = True
    assert api.get(STORE) is None
    id_ = result(api.upload(client_certificate, path=STORE))["id"]
    assert [one["id"] for one in api.get(STORE)] == [id_]
    result(delete(api, id_))
    assert api.get(STORE) is None


def test_the_stores_are_separate(api: Api, emulator: Emulator, zone: Zone, client_certificate: Issued) -> None:
    """The same certificate can be in both, and neither knows the other's."""
    ids = {path: result(api.upload(client_certificate, path=path))["id"] for path in (AOP, STORE)}
    assert [[one["id"] for one in api.get(path)] for path in ids] == [[ids[AOP]], [ids[STORE]]]
    for path, other in ((AOP_CERTIFICATE, ids[STORE]), (STORE_CERTIFICATE, ids[AOP])):
        assert refusal(api("GET", path, certificate=other)) == (400, [1415])
        assert refusal(api("DELETE", path, certificate=other)) == (400, [1415])
    assert refusal(api.associate(item(ids[AOP]))) == (400, [1415])
    elsewhere = emulator.upload(emulator.add_zone("other.example"), client_certificate.pem, hostname_level=True)
    for unknown in (elsewhere.id, "0" * 32):
        assert refusal(api("GET", STORE_CERTIFICATE, certificate=unknown)) == (404, [1551])
        assert refusal(delete(api, unknown)) == (404, [1551])
    assert emulator.active(zone) == [ids[AOP]]


@pytest.mark.parametrize("revives", [False, True])
def test_uploaded_again(emulator: Emulator, api: Api, client_certificate: Issued, revives: bool) -> None:
    """1406 at first, then it revives, perhaps under the id that it had."""
    emulator.deletion_delay, emulator.old_ids_revive, emulator.deployment_delay = 10, revives, 3
    id_ = result(api.upload(client_certificate, path=STORE))["id"]
    assert refusal(api.upload(client_certificate, path=STORE)) == (400, [1406])
    emulator.advance(3)
    result(delete(api, id_))
    assert refusal(api.upload(client_certificate, path=STORE)) == (400, [1406])
    emulator.advance(10)
    again = result(api.upload(client_certificate, path=STORE))
    assert ((again["id"] == id_), again["status"]) == (revives, "initializing")
    emulator.advance(3)
    assert [(one["id"], one["status"]) for one in api.get(STORE)] == [(again["id"], "active")]
    assert revives or status(api, id_) == "deleted"


def test_what_the_zone_level_refuses_is_refused(api: Api, client_certificate: Issued) -> None:
    assert refusal(api.upload(issue("authority", authority=True), path=STORE)) == (400, [1412])
    garbage = {"certificate": "garbage", "private_key": client_certificate.key_pem}
    assert refusal(api("POST", STORE, garbage)) == (400, [1408])
    assert api.get(STORE) == []


def test_ten_certificates_a_zone(emulator: Emulator, api: Api, zone: Zone, other_certificate: Issued) -> None:
    kept = [emulator.upload(zone, issue(f"{number}").pem, hostname_level=True).id for number in range(10)]
    assert refusal(api.upload(other_certificate, path=STORE))[0] == 400
    result(api.upload(other_certificate))  # the zone level has no such limit
    result(delete(api, kept[0]))
    result(api.upload(other_certificate, path=STORE))
    api.zone = emulator.add_zone("other.example")
    result(api.upload(other_certificate, path=STORE))


def test_409_another_change_is_under_way(
    emulator: Emulator, api: Api, client_certificate: Issued, other_certificate: Issued
) -> None:
    emulator.change_duration = 10
    id_ = result(api.upload(client_certificate, path=STORE))["id"]
    assert refusal(api.upload(other_certificate, path=STORE))[0] == 409
    assert refusal(api.associate(item(id_)))[0] == 409
    assert refusal(delete(api, id_))[0] == 409
    emulator.advance(10)
    result(api.associate(item(id_)))
    assert refusal(api.upload(other_certificate, path=STORE))[0] == 409


# -- associations


def test_association(emulator: Emulator, api: Api, first: str, client_certificate: Issued) -> None:
    emulator.association_delay = 10
    (association,) = result(api.associate(item(first)))
    assert list(association) == FULL
    certificate = api.get(STORE_CERTIFICATE, certificate=first)
    assert bare(association) == (first, True, "pending_deployment")
    assert (association["cert_status"], association["cert_uploaded_on"]) == ("active", certificate["uploaded_on"])
    assert {name: association[name] for name in FULL[9:]} == {name: certificate[name] for name in FULL[9:]}
    assert association["created_at"] == association["updated_at"]
    assert api.get(HOSTNAME) == association
    emulator.advance(10)
    assert api.get(HOSTNAME) == {**association, "status": "active"}
    assert api.get(HOSTNAME, hostname="WWW.Example.com")["hostname"] == WWW


def test_put_is_an_upsert_by_hostname(emulator: Emulator, api: Api, first: str, second: str) -> None:
    """Others stay; a new cert_id re-pins in place. The order is not that of the request."""
    answer = result(api.associate(item(first, hostname=WWW), item(second, hostname=SHOP)))
    assert [(one["hostname"], one["cert_id"]) for one in answer] == [(SHOP, second), (WWW, first)]
    emulator.advance(10)
    emulator.association_delay = 10
    (changed,) = result(api.associate(item(second)))
    assert bare(changed) == (second, True, "pending_deployment")
    assert changed["created_at"] == answer[1]["created_at"] < changed["updated_at"]
    assert api.get(HOSTNAME, hostname=SHOP) == answer[0]
    (again,) = result(api.associate(item(second, hostname=SHOP)))
    assert again["status"] == "active"  # there was nothing to deploy
    assert listed(api, status="all") == [WWW, SHOP]


def test_put_may_answer_all(emulator: Emulator, api: Api, first: str) -> None:
    result(api.associate(item(first, hostname=SHOP)))
    emulator.put_answers_all = True
    assert [one["hostname"] for one in result(api.associate(item(first)))] == [SHOP, WWW]


@pytest.mark.parametrize("enabled", [True, False, None])
@pytest.mark.parametrize("missing", [None, "", 7, ...])
def test_1404_an_id_is_demanded_in_every_item(api: Api, zone: Zone, first: str, enabled: Any, missing: Any) -> None:
    wanting = {"hostname": SHOP, "enabled": enabled, **({} if missing is ... else {"cert_id": missing})}
    assert refusal(api.associate(item(first), wanting)) == (400, [1404])
    assert zone.associations == {}  # all or none


def test_1415_the_id_is_not_valid_or_the_certificate_deleted(emulator: Emulator, api: Api, zone: Zone) -> None:
    emulator.deletion_delay = 10
    deleted = emulator.upload(zone, issue("deleted").pem, hostname_level=True).id
    result(delete(api, deleted))
    for wrong in ("0" * 32, deleted):
        assert refusal(api.associate(item(wrong))) == (400, [1415])
        assert refusal(api.associate(item(wrong, None))) == (400, [1415])
    emulator.advance(10)
    assert refusal(api.associate(item(deleted))) == (400, [1415])
    assert zone.associations == {}


@pytest.mark.parametrize(
    "body", [None, {}, [], {"config": []}, {"config": {}}, {"config": [7]}, {"config": [{"cert_id": "a"}]}]
)
def test_other_bodies_are_refused(api: Api, body: Any) -> None:
    response = api("PUT", HOSTNAMES, body)
    assert (refusal(response), chain(response)) == ((400, [6003]), [6100])


@pytest.mark.parametrize("enabled", ["true", 1, 0, []])
def test_enabled_is_a_boolean_or_null(api: Api, zone: Zone, first: str, enabled: Any) -> None:
    assert refusal(api.associate(item(first, enabled)))[0] == 400
    assert zone.associations == {}


def test_disabled(api: Api, first: str) -> None:
    (association,) = result(api.associate(item(first, False)))
    assert bare(association) == (first, False, "active")
    assert api.get(HOSTNAME) == association
    assert refusal(delete(api, first)) == (400, [1433])  # still in use


@pytest.mark.parametrize("stays", [False, True])
def test_voiding_takes_its_time(emulator: Emulator, api: Api, zone: Zone, first: str, stays: bool) -> None:
    emulator.void_delay, emulator.void_associations_stay = 120, stays
    result(api.associate(item(first), item(first, hostname=SHOP)))
    (voided,) = result(api.associate(item(first, None)))
    assert bare(voided) == (first, None, "pending_deletion")
    emulator.advance(119)
    assert bare(api.get(HOSTNAME)) == (first, True, "pending_deletion")
    assert listed(api) == [SHOP]
    assert listed(api, status="pending_deletion") == [WWW]
    result(api.associate(item(first, None)))
    emulator.advance(1)  # the second request has not put it off
    if stays:
        assert bare(api.get(HOSTNAME)) == (first, None, "deleted")
    else:
        assert refusal(api("GET", HOSTNAME)) == (404, [1553])
    assert listed(api, status="all") == ([WWW, SHOP] if stays else [SHOP])
    (back,) = result(api.associate(item(first)))
    assert bare(back) == (first, True, "active")
    assert back["created_at"] > voided["created_at"]


def test_1553_no_association(api: Api, first: str) -> None:
    assert refusal(api("GET", HOSTNAME)) == (404, [1553])
    (voided,) = result(api.associate(item(first, None)))  # is no error
    assert bare(voided) == (first, None, "deleted")
    assert refusal(api("GET", HOSTNAME)) == (404, [1553])


def test_1433_in_use(emulator: Emulator, api: Api, first: str, second: str) -> None:
    emulator.void_delay = 60
    result(api.associate(item(first), item(first, False, SHOP)))
    assert refusal(delete(api, first)) == (400, [1433])
    result(api.associate(item(second)))  # re-pinned
    assert refusal(delete(api, first)) == (400, [1433])
    result(api.associate(item(second, None, SHOP)))  # what is voided has the first, whatever the request names
    emulator.advance(59)
    assert refusal(delete(api, first)) == (400, [1433])
    emulator.advance(1)
    assert result(delete(api, first))["status"] == "pending_deletion"
    assert refusal(delete(api, second)) == (400, [1433])


def test_a_hundred_associations_a_certificate(emulator: Emulator, api: Api, first: str, second: str) -> None:
    many = [item(first, hostname=f"{number}.example.com") for number in range(100)]
    assert len(result(api.associate(*many))) == 100
    assert refusal(api.associate(item(first)))[0] == 400
    assert refusal(api("GET", HOSTNAME)) == (404, [1553])
    result(api.associate(item(first, False, "7.example.com"), item(second)))
    assert refusal(api.associate(item(first)))[0] == 400
    result(api.associate(item(first, None, "7.example.com")))
    result(api.associate(item(first)))


# -- the list


def test_list(emulator: Emulator, api: Api, first: str) -> None:
    emulator.association_delay = 10
    result(api.associate(item(first)))
    emulator.advance(10)
    result(api.associate(item(first, hostname=SHOP)))
    assert listed(api) == listed(api, status="active") == [WWW]
    assert listed(api, status="pending_deployment") == [SHOP]
    assert listed(api, status="all") == [WWW, SHOP]
    assert [list(one) for one in api.get(HOSTNAMES)] == [FULL]
    emulator.association_list = "short"
    assert [list(one) for one in api.get(HOSTNAMES)] == [SHORT]
    assert list(api.get(HOSTNAME)) == FULL


def test_list_has_pages(emulator: Emulator, api: Api, zone: Zone, first: str) -> None:
    certificate = zone.hostname_certificates[first]
    names = [f"{number:02}.example.com" for number in range(120)]
    for name in names:
        emulator.associate(zone, name, certificate)
    response = api("GET", HOSTNAMES)
    assert [one["hostname"] for one in result(response)] == names[:50]
    info = {"page": 1, "per_page": 50, "count": 50, "total_count": 120, "total_pages": 3}
    assert response.json()["result_info"] == info
    assert listed(api, page=3) == names[100:]
    assert listed(api, per_page=1, page=7) == [names[6]]
    assert listed(api, per_page=1000) == names
    for wrong in ({"per_page": 0}, {"per_page": 1001}, {"page": 0}):
        assert refusal(api("GET", HOSTNAMES, params=wrong))[0] == 400


def test_list_may_not_be_there(emulator: Emulator, api: Api, first: str) -> None:
    result(api.associate(item(first)))
    emulator.association_list = "404"
    assert refusal(api("GET", HOSTNAMES))[0] == 404
    emulator.association_list = "405"
    assert refusal(api("GET", HOSTNAMES)) == (405, [10405])
    assert bare(api.get(HOSTNAME)) == (first, True, "active")


def test_list_lags_behind(emulator: Emulator, api: Api, first: str) -> None:
    emulator.list_lag = 30
    result(api.associate(item(first)))
    assert (listed(api), api.get(HOSTNAME)["hostname"]) == ([], WWW)
    emulator.advance(30)
    assert listed(api) == [WWW]


def test_changes_that_time_out(emulator: Emulator, api: Api, zone: Zone, first: str, second: str) -> None:
    """The edge goes on as before."""
    result(api.associate(item(first)))
    emulator.advance(10)
    emulator.association_times_out, emulator.association_delay, emulator.void_delay = True, 10, 10
    result(api.associate(item(second)))
    emulator.advance(9)
    assert bare(api.get(HOSTNAME)) == (second, True, "pending_deployment")
    emulator.advance(1)
    assert bare(api.get(HOSTNAME)) == (second, True, "deployment_timed_out")
    assert emulator.presented(zone, WWW) is zone.hostname_certificates[first]
    result(api.associate(item(second, None)))
    emulator.advance(10)
    assert bare(api.get(HOSTNAME)) == (second, True, "deletion_timed_out")
    assert refusal(delete(api, second)) == (400, [1433])
    emulator.association_times_out = False
    result(api.associate(item(second)))
    emulator.advance(10)
    assert bare(api.get(HOSTNAME)) == (second, True, "active")
    assert emulator.presented(zone, WWW) is zone.hostname_certificates[second]


def test_statuses_that_nobody_knows_yet(emulator: Emulator, api: Api, zone: Zone, first: str) -> None:
    certificate = zone.hostname_certificates[first]
    emulator.associate(zone, WWW, certificate)
    zone.associations = {
        name: type(one)(**{**vars(one), "shown_status": "fromthefuture"}) for name, one in zone.associations.items()
    }
    certificate.shown_status = "held"
    assert (api.get(HOSTNAME)["status"], api.get(HOSTNAME)["cert_status"]) == ("fromthefuture", "held")
    assert status(api, first) == "held"


# -- with the emulator's other means


def test_stale_and_ignored(emulator: Emulator, api: Api, first: str, second: str) -> None:
    result(api.associate(item(first)))
    emulator.faults.append(Fault("PUT", ignore=True))
    assert [bare(one) for one in result(api.associate(item(second)))] == [(first, True, "active")]
    emulator.faults.append(Fault("PUT", stale=True))
    assert [bare(one) for one in result(api.associate(item(second)))] == [(first, True, "active")]
    emulator.faults.append(Fault("GET", stale=True))
    assert bare(api.get(HOSTNAME)) == (first, True, "active")
    assert bare(api.get(HOSTNAME)) == (second, True, "active")
    emulator.faults.append(Fault("DELETE", ignore=True))
    assert result(delete(api, first))["status"] == "active"
    emulator.faults.append(Fault("DELETE", stale=True))
    assert result(delete(api, first))["status"] == "active"
    assert status(api, first) == "deleted"


def test_journal_tells_what_is_not_covered(
    emulator: Emulator, api: Api, zone: Zone, client_certificate: Issued, other_certificate: Issued
) -> None:
    """A hostname that is enabled with a certificate that the edge has not got yet."""
    emulator.deployment_delay = 10
    id_ = result(api.upload(client_certificate, path=STORE))["id"]
    result(api.associate(item(id_), item(id_, False, SHOP)))
    assert [exchange.uncovered for exchange in emulator.journal] == [[], [WWW]]
    emulator.advance(10)
    api.get(HOSTNAME)
    assert emulator.journal[-1].uncovered == []


def test_enablement_of_the_zone_is_another_matter(api: Api, emulator: Emulator, zone: Zone, first: str) -> None:
    result(api.associate(item(first)))
    assert (zone.aop_enabled, emulator.active(zone), api.get(AOP)) == (False, [], None)
