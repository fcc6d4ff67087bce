# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That it is the API and not our idea of it: Cloudflare's own SDK drives every endpoint, and checks every answer."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
from cloudflare import APIResponseValidationError, BadRequestError, Cloudflare, NotFoundError
from cloudflare.types.origin_tls_client_auth import HostnameUpdateResponse
from cloudflare.types.zones import SSL, TLSClientAuth
from cryptography import x509
from pydantic import ValidationError

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import (
    AUTOMATIC,
    ENDPOINTS,
    HOSTNAMES,
    SETTINGS,
    STORE_CERTIFICATE,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

BEYOND = {f"GET {SETTINGS}", f"GET {AUTOMATIC}", f"PATCH {AUTOMATIC}", f"GET {HOSTNAMES}"}
"""What the SDK has no call for."""


def strict(emulator: Emulator, **credentials: str) -> Cloudflare:
    return Cloudflare(**credentials, base_url=emulator.url, _strict_response_validation=True, max_retries=0)


@pytest.fixture(params=["token", "key"])
def sdk(request: pytest.FixtureRequest, emulator: Emulator) -> Cloudflare:
    """One for each scheme of authentication."""
    if request.param == "token":
        return strict(emulator, api_token=emulator.add_token())
    email = "someone@example.com"
    return strict(emulator, api_email=email, api_key=emulator.add_key(email))


def some(value: Any) -> Any:
    assert value is not None
    return value


def complaints(error: APIResponseValidationError) -> list[tuple[Any, ...]]:
    """Where the SDK found something wrong."""
    assert isinstance(error.__cause__, ValidationError)
    return [found["loc"] for found in error.__cause__.errors()]


def test_zones(sdk: Cloudflare, emulator: Emulator) -> None:
    zones = [emulator.add_zone(f"{number:02}.example.com", plan="Enterprise Website") for number in range(45)]
    named = sdk.zones.list(name="07.example.com")
    assert [zone.id for zone in named.result] == [zones[7].id]
    assert (some(named.result_info).page, some(named.result_info).per_page) == (1, 20)
    page = sdk.zones.list(per_page=20, page=3)
    assert [zone.name for zone in page.result] == [f"{number:02}.example.com" for number in range(40, 45)]
    emulator.journal.clear()
    assert [zone.id for zone in sdk.zones.list(per_page=20)] == [zone.id for zone in zones]  # follows the pages
    assert [exchange.query.get("page") for exchange in emulator.journal[:3]] == [None, "2", "3"]
    zone = some(sdk.zones.get(zone_id=zones[7].id))
    assert (zone.id, zone.name, zone.status, zone.paused) == (zones[7].id, "07.example.com", "active", False)
    assert (zone.type, zone.plan.name) == ("full", "Enterprise Website")
    assert (zone.account.id, zone.account.name) == (zones[7].account_id, "Example")
    assert zone.created_on < zone.modified_on


def test_kex(sdk: Cloudflare, zone: Zone) -> None:
    before = sdk.ssl.auto_origin_tls_kex.get(zone_id=zone.id)
    assert (before.id, before.enabled) == ("auto_origin_tls_kex", False)
    edited = sdk.ssl.auto_origin_tls_kex.edit(zone_id=zone.id, enabled=True)
    assert edited.enabled
    assert edited.modified_on > before.modified_on
    assert sdk.ssl.auto_origin_tls_kex.get(zone_id=zone.id).model_dump() == edited.model_dump()
    assert not sdk.ssl.auto_origin_tls_kex.edit(zone_id=zone.id, enabled=False).enabled


def test_pqe(sdk: Cloudflare, zone: Zone) -> None:
    resource = sdk.origin_post_quantum_encryption
    with pytest.warns(DeprecationWarning, match="deprecated"):
        before = some(resource.get(zone_id=zone.id))
    assert (before.id, before.value, before.editable, before.modified_on) == ("origin_pqe", "supported", True, None)
    for value in ("preferred", "off", "supported"):
        with pytest.warns(DeprecationWarning, match="deprecated"):
            updated = some(resource.update(zone_id=zone.id, value=value))
        assert (updated.id, updated.value, updated.editable) == ("origin_pqe", value, True)
        assert isinstance(updated.modified_on, datetime.datetime)
        with pytest.warns(DeprecationWarning, match="deprecated"):
            assert resource.get(zone_id=zone.id).model_dump() == updated.model_dump()


def test_compliance(sdk: Cloudflare, emulator: Emulator, zone: Zone) -> None:
    emulator.compliance_id = "origin_tls_compliance_modes"  # as the reference has it
    resource = sdk.origin_tls_compliance_modes
    before = some(resource.get(zone_id=zone.id))
    assert (before.id, before.value, before.editable) == ("origin_tls_compliance_modes", [], True)
    assert before.modified_on is None
    updated = some(resource.update(zone_id=zone.id, value=["fips", "pqh"]))
    assert (updated.id, sorted(updated.value), updated.editable) == (before.id, ["fips", "pqh"], True)
    assert some(resource.edit(zone_id=zone.id, value=["pqh"])).value == ["pqh"]
    assert some(resource.get(zone_id=zone.id)).value == ["pqh"]
    deleted = some(resource.delete(zone_id=zone.id))
    assert (deleted.id, deleted.editable) == ("origin_tls_compliance_modes", True)
    assert some(resource.get(zone_id=zone.id)).value == []


def test_compliance_id_seen_live_is_not_the_references(sdk: Cloudflare, emulator: Emulator, zone: Zone) -> None:
    resource = sdk.origin_tls_compliance_modes
    assert emulator.compliance_id == "origin_tls_cmpl"
    with pytest.raises(APIResponseValidationError) as raised:
        resource.get(zone_id=zone.id)
    # Nothing else is wrong with the answer.
    assert complaints(raised.value) == [("result", "id")]
    emulator.compliance_id = "origin_tls_compliance_modes"
    assert some(resource.get(zone_id=zone.id)).value == []


@pytest.mark.parametrize("mode", ["off", "flexible", "full", "strict"])
def test_ssl(sdk: Cloudflare, zone: Zone, mode: str) -> None:
    zone.ssl_mode = mode
    setting: Any = sdk.zones.settings.get("ssl", zone_id=zone.id)
    assert (setting.id, setting.value, setting.editable) == ("ssl", mode, True)


def test_ssl_origin_pull(sdk: Cloudflare, zone: Zone) -> None:
    """The reference is at odds with itself: the setting has this value, the call that reads it has not."""
    zone.ssl_mode = "origin_pull"
    with pytest.raises(APIResponseValidationError) as raised:
        sdk.zones.settings.get("ssl", zone_id=zone.id)
    setting = SSL.model_validate(some(raised.value.body)["result"], strict=True)
    assert (setting.id, setting.value) == ("ssl", "origin_pull")
    zone.ssl_mode = "strict"
    assert sdk.zones.settings.get("ssl", zone_id=zone.id)


@pytest.mark.parametrize("mode", ["off", "flexible", "full", "strict"])
def test_ssl_is_written(sdk: Cloudflare, zone: Zone, mode: str) -> None:
    edited: Any = sdk.zones.settings.edit("ssl", zone_id=zone.id, value=mode)
    assert (edited.id, edited.value, edited.editable) == ("ssl", mode, True)
    assert isinstance(edited.modified_on, datetime.datetime)
    assert edited.model_extra == {"certificate_status": "active", "validation_errors": []}
    read: Any = sdk.zones.settings.get("ssl", zone_id=zone.id)
    assert (read.value, zone.ssl_mode) == (mode, mode)


def test_global(sdk: Cloudflare, zone: Zone) -> None:
    before: Any = sdk.zones.settings.get("tls_client_auth", zone_id=zone.id)
    assert isinstance(before, TLSClientAuth)
    assert (before.value, before.editable, before.modified_on) == ("off", True, None)
    edited: Any = sdk.zones.settings.edit("tls_client_auth", zone_id=zone.id, value="on")
    assert isinstance(edited, TLSClientAuth)
    assert (edited.value, zone.global_aop_enabled) == ("on", True)
    assert isinstance(edited.modified_on, datetime.datetime)
    with pytest.raises(BadRequestError) as invalid:
        sdk.zones.settings.edit("tls_client_auth", zone_id=zone.id, value="maybe")
    assert [error.code for error in invalid.value.errors] == [1007]


def test_certificates(sdk: Cloudflare, zone: Zone, client_certificate: Issued, other_certificate: Issued) -> None:
    resource = sdk.origin_tls_client_auth.zone_certificates
    ids = {}
    for issued in (client_certificate, other_certificate):
        created = some(resource.create(zone_id=zone.id, certificate=issued.pem, private_key=issued.key_pem))
        ids[created.id] = issued
        assert created.status == "active"
        assert created.private_key is None
        uploaded_on = some(created.uploaded_on)
        assert abs(datetime.datetime.now(datetime.timezone.utc) - uploaded_on) < datetime.timedelta(minutes=1)
    listed = resource.list(zone_id=zone.id).result
    assert {certificate.id for certificate in listed} == set(ids)
    for certificate in listed:
        issued = ids[certificate.id]
        assert some(resource.get(certificate.id or "", zone_id=zone.id)).model_dump() == certificate.model_dump()
        assert x509.load_pem_x509_certificate((certificate.certificate or "").encode()) == issued.certificate
        assert certificate.issuer == issued.certificate.issuer.rfc4514_string()
        assert certificate.signature == "ECDSAWithSHA256"
        assert certificate.expires_on == issued.certificate.not_valid_after_utc
        assert certificate.status == "active"
        assert certificate.model_extra == {"serial_number": str(issued.certificate.serial_number)}
    first, second = list(ids)
    deleted = some(resource.delete(first or "", zone_id=zone.id))
    assert (deleted.id, deleted.status) == (first, "pending_deletion")
    assert [certificate.id for certificate in resource.list(zone_id=zone.id)] == [second]
    assert some(resource.get(first or "", zone_id=zone.id)).status == "deleted"


def test_null_list_seen_live_is_not_the_references(
    sdk: Cloudflare, emulator: Emulator, zone: Zone, client_certificate: Issued
) -> None:
    resource = sdk.origin_tls_client_auth.zone_certificates
    with pytest.raises(APIResponseValidationError) as raised:
        resource.list(zone_id=zone.id)
    assert complaints(raised.value) == [("result",)]
    assert raised.value.body == {"success": True, "errors": [], "messages": [], "result": None}
    uploaded = emulator.upload(zone, client_certificate.pem)
    resource.delete(uploaded.id, zone_id=zone.id)
    assert resource.list(zone_id=zone.id).result == []


def test_aop_settings(sdk: Cloudflare, zone: Zone) -> None:
    resource = sdk.origin_tls_client_auth.settings
    assert some(resource.get(zone_id=zone.id)).enabled is False
    assert some(resource.update(zone_id=zone.id, enabled=True)).enabled is True
    assert some(resource.get(zone_id=zone.id)).enabled is True
    assert zone.aop_enabled


def test_hostname_certificates(
    sdk: Cloudflare, zone: Zone, client_certificate: Issued, other_certificate: Issued
) -> None:
    resource, auth = sdk.origin_tls_client_auth.hostname_certificates, sdk.origin_tls_client_auth
    assert resource.list(zone_id=zone.id).result == []
    first, second = (
        some(resource.create(zone_id=zone.id, certificate=issued.pem, private_key=issued.key_pem))
        for issued in (client_certificate, other_certificate)
    )
    assert (first.status, second.status) == ("active", "active")
    listed = resource.list(zone_id=zone.id).result
    assert [(one.id, one.status, one.model_extra) for one in listed] == [
        (first.id, "active", {}),
        (second.id, "active", {}),
    ]
    read = some(resource.get(some(first.id), zone_id=zone.id))
    assert read.model_dump() == listed[0].model_dump()
    assert x509.load_pem_x509_certificate(some(read.certificate).encode()) == client_certificate.certificate
    assert read.serial_number == str(client_certificate.certificate.serial_number)
    assert some(resource.delete(some(second.id), zone_id=zone.id)).status == "pending_deletion"
    auth.hostnames.update(
        zone_id=zone.id, config=[{"hostname": "a.example.com", "cert_id": some(first.id), "enabled": True}]
    )
    with pytest.raises(BadRequestError) as used:
        resource.delete(some(first.id), zone_id=zone.id)
    assert [error.code for error in used.value.errors] == [1433]


def test_hostnames(sdk: Cloudflare, emulator: Emulator, zone: Zone, client_certificate: Issued) -> None:
    resource = sdk.origin_tls_client_auth.hostnames
    certificate = emulator.upload(zone, client_certificate.pem, hostname_level=True).id

    def associate(enabled: bool | None, *hostnames: str) -> list[HostnameUpdateResponse]:
        config: Any = [{"hostname": name, "cert_id": certificate, "enabled": enabled} for name in hostnames]
        updated: list[HostnameUpdateResponse] = resource.update(zone_id=zone.id, config=config).result
        return updated

    answer = associate(True, "b.example.com", "a.example.com")
    assert [(one.hostname, one.cert_id, one.enabled, one.status, one.cert_status) for one in answer] == [
        (name, certificate, True, "active", "active") for name in ("a.example.com", "b.example.com")
    ]
    assert {name for name, value in answer[0].model_dump().items() if value is None} == {"id", "private_key"}
    assert answer[0].model_extra == {}
    read = some(resource.get("a.example.com", zone_id=zone.id))
    assert {**answer[0].model_dump(exclude={"id", "private_key"})} == read.model_dump()
    assert read.expires_on == client_certificate.certificate.not_valid_after_utc
    emulator.void_delay = emulator.association_delay = 60
    assert [(one.enabled, one.status) for one in associate(False, "a.example.com")] == [(False, "pending_deployment")]
    assert [(one.enabled, one.status) for one in associate(None, "a.example.com")] == [(None, "pending_deletion")]
    emulator.advance(60)
    with pytest.raises(NotFoundError) as void:
        resource.get("a.example.com", zone_id=zone.id)
    assert [error.code for error in void.value.errors] == [1553]
    emulator.void_associations_stay = True
    assert some(resource.get("a.example.com", zone_id=zone.id)).enabled is None


def test_errors(sdk: Cloudflare, emulator: Emulator, zone: Zone, client_certificate: Issued) -> None:
    resource = sdk.origin_tls_client_auth.zone_certificates
    emulator.upload(zone, client_certificate.pem)
    with pytest.raises(BadRequestError) as existing:
        resource.create(zone_id=zone.id, certificate=client_certificate.pem, private_key=client_certificate.key_pem)
    assert [error.code for error in existing.value.errors] == [1406]
    with pytest.raises(NotFoundError) as unknown:
        resource.get("0" * 32, zone_id=zone.id)
    assert [error.code for error in unknown.value.errors] == [1551]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_endpoint(sdk: Cloudflare, emulator: Emulator, zone: Zone, client_certificate: Issued) -> None:
    """The tests above leave none of the table out."""
    emulator.compliance_id = "origin_tls_compliance_modes"
    aop, id_ = sdk.origin_tls_client_auth, zone.id
    sdk.zones.list()
    sdk.zones.get(zone_id=id_)
    sdk.ssl.auto_origin_tls_kex.get(zone_id=id_)
    sdk.ssl.auto_origin_tls_kex.edit(zone_id=id_, enabled=True)
    sdk.origin_post_quantum_encryption.get(zone_id=id_)
    sdk.origin_post_quantum_encryption.update(zone_id=id_, value="off")
    sdk.origin_tls_compliance_modes.get(zone_id=id_)
    sdk.origin_tls_compliance_modes.update(zone_id=id_, value=["fips"])
    sdk.origin_tls_compliance_modes.edit(zone_id=id_, value=["fips"])
    sdk.origin_tls_compliance_modes.delete(zone_id=id_)
    sdk.zones.settings.get("ssl", zone_id=id_)
    created = aop.zone_certificates.create(
        zone_id=id_, certificate=client_certificate.pem, private_key=client_certificate.key_pem
    )
    certificate = some(some(created).id)
    aop.zone_certificates.list(zone_id=id_)
    aop.zone_certificates.get(certificate, zone_id=id_)
    aop.zone_certificates.delete(certificate, zone_id=id_)
    aop.settings.get(zone_id=id_)
    aop.settings.update(zone_id=id_, enabled=True)
    sdk.zones.settings.edit("ssl", zone_id=id_, value="strict")
    sdk.zones.settings.get("tls_client_auth", zone_id=id_)
    sdk.zones.settings.edit("tls_client_auth", zone_id=id_, value="on")
    store = aop.hostname_certificates
    of_hostname = some(
        some(store.create(zone_id=id_, certificate=client_certificate.pem, private_key=client_certificate.key_pem)).id
    )
    store.list(zone_id=id_)
    store.get(of_hostname, zone_id=id_)
    for enabled in (True, None):
        aop.hostnames.update(
            zone_id=id_, config=[{"hostname": "www.example.com", "cert_id": of_hostname, "enabled": enabled}]
        )
        if enabled:
            aop.hostnames.get("www.example.com", zone_id=id_)
    store.delete(of_hostname, zone_id=id_)
    driven = {f"{exchange.method} {exchange.path}" for exchange in emulator.journal}
    table = {
        str(endpoint).format(
            zone=id_,
            certificate=of_hostname if endpoint.path == STORE_CERTIFICATE else certificate,
            hostname="www.example.com",
        )
        for endpoint in ENDPOINTS
        if str(endpoint) not in BEYOND
    }
    assert driven == table
    assert {exchange.status for exchange in emulator.journal} == {200}
    assert all(re.fullmatch(r"Cloudflare/Python .*", exchange.user_agent) for exchange in emulator.journal)
