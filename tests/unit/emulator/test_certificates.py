# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Client certificates: what may be uploaded, and their life from the upload until after the deletion."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Zone
from ansible_collections.originsec.cloudflare.tests.unit.emulator.api import (
    AOP,
    AOP_CERTIFICATE,
    AOP_SETTINGS,
    Api,
    refusal,
    result,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue


@pytest.fixture(scope="session")
def rsa_certificate() -> Issued:
    return issue("rsa", key=rsa.generate_private_key(65537, 2048))


def delete(api: Api, certificate: str) -> Any:
    return api("DELETE", AOP_CERTIFICATE, certificate=certificate)


# -- what is told about a certificate


def test_attributes(api: Api, client_certificate: Issued) -> None:
    uploaded = result(api.upload(client_certificate))
    assert set(uploaded) == {
        *("id", "certificate", "issuer", "signature", "serial_number"),
        *("expires_on", "uploaded_on", "status"),
    }
    certificate = client_certificate.certificate
    assert uploaded["serial_number"] == str(certificate.serial_number)
    assert uploaded["issuer"] == "CN=first"
    assert uploaded["signature"] == "ECDSAWithSHA256"
    assert uploaded["expires_on"] == certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert 0 < len(uploaded["id"]) <= 36
    assert api.get(AOP_CERTIFICATE, certificate=uploaded["id"]) == {**uploaded, "status": "active"}
    assert api.get(AOP) == [{**uploaded, "status": "active"}]


@pytest.mark.parametrize("days", [1, 365 * 40])  # UTCTime and GeneralizedTime
def test_expires_on(api: Api, days: int) -> None:
    issued = issue("lasting", ends=days)
    expires_on = result(api.upload(issued))["expires_on"]
    parsed = datetime.datetime.strptime(expires_on, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    assert parsed == issued.certificate.not_valid_after_utc


def test_issuer(api: Api) -> None:
    authority = issue("authority", authority=True)
    assert result(api.upload(issue("leaf", issuer=authority)))["issuer"] == "CN=authority"


@pytest.mark.parametrize("ends", ["\n", "", "\r\n", "\n\n"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_pem_comes_back_reformatted(api: Api, client_certificate: Issued, newline: str, ends: str) -> None:
    sent = newline.join(client_certificate.pem.splitlines()) + ends
    body = {"certificate": sent, "private_key": client_certificate.key_pem}
    came_back = result(api("POST", AOP, body))["certificate"]
    assert came_back != sent
    assert came_back.split() != sent.split()
    assert not came_back.endswith("\n")
    assert x509.load_pem_x509_certificate(came_back.encode()) == client_certificate.certificate


def test_the_key_never_comes_back(api: Api, client_certificate: Issued) -> None:
    uploaded = api.upload(client_certificate)
    id_ = result(uploaded)["id"]
    answers = [uploaded, api("GET", AOP), api("GET", AOP_CERTIFICATE, certificate=id_), delete(api, id_)]
    secret = "".join(client_certificate.key_pem.splitlines()[1:-1])[:40]
    assert all("private_key" not in answer.text and secret not in answer.text for answer in answers)


# -- the list


def test_null_until_there_was_a_certificate(api: Api, client_certificate: Issued) -> None:
    assert api.listed() is None
    id_ = result(api.upload(client_certificate))["id"]
    assert api.listed() == [id_]
    result(delete(api, id_))
    assert api.listed() == []


def test_list_lags_behind(emulator: Emulator, api: Api, client_certificate: Issued, other_certificate: Issued) -> None:
    emulator.list_lag = 30
    first = result(api.upload(client_certificate))["id"]
    assert api.listed() is None
    assert api.status(first) == "active"  # by the id that the upload gave
    emulator.advance(20)
    assert api.listed() is None
    emulator.advance(10)
    assert api.listed() == [first]
    second = result(api.upload(other_certificate))["id"]
    assert api.listed() == [first]
    assert refusal(api.upload(other_certificate)) == (400, [1406])
    emulator.advance(30)
    assert api.listed() == [first, second]


# -- the life-cycle


def test_life_cycle(emulator: Emulator, api: Api, zone: Zone, client_certificate: Issued) -> None:
    emulator.deployment_delay, emulator.deletion_delay = 60, 10
    uploaded = result(api.upload(client_certificate))
    id_ = uploaded["id"]
    seen = [uploaded["status"]]
    for _time in range(8):
        emulator.advance(10)
        seen.append(api.status(id_))
    assert seen == ["initializing"] * 2 + ["pending_deployment"] * 4 + ["active"] * 3
    assert emulator.active(zone) == [id_]
    assert result(delete(api, id_))["status"] == "pending_deletion"
    assert (api.listed(), api.status(id_)) == ([], "pending_deletion")
    emulator.advance(10)
    assert (api.listed(), api.status(id_)) == ([], "deleted")
    emulator.advance(100_000)
    tombstone = api.get(AOP_CERTIFICATE, certificate=id_)
    assert {**tombstone, "status": "initializing"} == uploaded


def test_deployment_timed_out(emulator: Emulator, api: Api, zone: Zone, client_certificate: Issued) -> None:
    emulator.deployment_delay, emulator.deployment_times_out = 60, True
    id_ = result(api.upload(client_certificate))["id"]
    emulator.advance(30)
    assert api.status(id_) == "pending_deployment"
    emulator.advance(30)
    assert api.status(id_) == "deployment_timed_out"
    assert api.listed() == [id_]
    assert emulator.active(zone) == []
    assert result(delete(api, id_))["status"] == "pending_deletion"
    assert api.status(id_) == "deleted"


def test_deletion_timed_out(emulator: Emulator, api: Api, client_certificate: Issued) -> None:
    emulator.deletion_delay, emulator.deletion_times_out = 60, True
    id_ = result(api.upload(client_certificate))["id"]
    result(delete(api, id_))
    assert api.status(id_) == "pending_deletion"
    emulator.advance(60)
    assert api.status(id_) == "deletion_timed_out"


def test_several_are_active_and_the_newest_is_used(
    emulator: Emulator, api: Api, zone: Zone, client_certificate: Issued, other_certificate: Issued
) -> None:
    first, second = (result(api.upload(issued))["id"] for issued in (client_certificate, other_certificate))
    assert {certificate["status"] for certificate in api.get(AOP)} == {"active"}
    assert emulator.active(zone) == [first, second]
    result(delete(api, second))
    assert emulator.active(zone) == [first]


def test_expired_certificates_stay(emulator: Emulator, api: Api, zone: Zone) -> None:
    expired = emulator.upload(zone, issue("expired", ends=-1).pem)
    emulator.advance(100_000)
    (listed,) = api.get(AOP)
    assert (listed["id"], listed["status"]) == (expired.id, "active")
    assert listed["expires_on"] < datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    result(delete(api, expired.id))
    assert api.listed() == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
def test_there_is_no_update(api: Api, client_certificate: Issued, other_certificate: Issued, method: str) -> None:
    id_ = result(api.upload(client_certificate))["id"]
    body = {"certificate": other_certificate.pem, "private_key": other_certificate.key_pem}
    assert refusal(api(method, AOP_CERTIFICATE, body, certificate=id_))[0] == 405
    assert api.get(AOP_CERTIFICATE, certificate=id_)["serial_number"] == str(
        client_certificate.certificate.serial_number
    )


def test_enablement_is_independent(api: Api, zone: Zone, client_certificate: Issued) -> None:
    """Neither uploading nor deleting enables or disables anything."""
    id_ = result(api.upload(client_certificate))["id"]
    assert api.get(AOP_SETTINGS) == {"enabled": False}
    result(api("PUT", AOP_SETTINGS, {"enabled": True}))
    result(delete(api, id_))
    assert api.get(AOP_SETTINGS) == {"enabled": True}


# -- errors


def test_1406_exists(emulator: Emulator, api: Api, zone: Zone, client_certificate: Issued) -> None:
    id_ = result(api.upload(client_certificate))["id"]
    assert refusal(api.upload(client_certificate)) == (400, [1406])
    reformatted = {
        "certificate": client_certificate.pem.replace("\n", "\r\n"),
        "private_key": client_certificate.key_pem,
    }
    assert refusal(api("POST", AOP, reformatted)) == (400, [1406])
    assert api.listed() == [id_]
    api.zone = emulator.add_zone("other.example")
    assert result(api.upload(client_certificate))["id"] != id_  # for this zone


def test_1406_another_certificate_of_the_same_key(api: Api, client_certificate: Issued) -> None:
    result(api.upload(client_certificate))
    result(api.upload(issue("first", key=client_certificate.key)))
    assert len(api.listed() or []) == 2


def test_1406_deleted_twin(emulator: Emulator, api: Api, client_certificate: Issued) -> None:
    emulator.deletion_delay = 10
    id_ = result(api.upload(client_certificate))["id"]
    result(delete(api, id_))
    assert api.listed() == []
    assert refusal(api.upload(client_certificate)) == (400, [1406])
    emulator.advance(10)
    again = result(api.upload(client_certificate))["id"]
    assert again != id_
    assert api.listed() == [again]
    assert (api.status(id_), api.status(again)) == ("deleted", "active")


def broken(pem: str) -> list[Any]:
    """Texts that are no certificate."""
    body = base64.b64encode(b"not DER at all").decode()
    lines = pem.splitlines()
    short = "\n".join([lines[0], lines[1], lines[-1]])
    return [
        "",
        "garbage",
        f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n",
        short,
        pem[:-30],
        None,
        7,
    ]


def test_1408_unparsable(api: Api, client_certificate: Issued) -> None:
    key = client_certificate.key_pem
    for pem in [*broken(client_certificate.pem), key]:
        assert refusal(api("POST", AOP, {"certificate": pem, "private_key": key})) == (400, [1408]), pem
    assert api.listed() is None


def test_1412_only_a_leaf(api: Api) -> None:
    assert refusal(api.upload(issue("authority", authority=True))) == (400, [1412])
    assert api.listed() is None
    result(api.upload(issue("leaf", authority=False)))
    result(api.upload(issue("silent", authority=None)))


def test_1414_is_being_deleted(emulator: Emulator, api: Api, client_certificate: Issued) -> None:
    emulator.deletion_delay = 10
    id_ = result(api.upload(client_certificate))["id"]
    result(delete(api, id_))
    emulator.advance(5)
    assert refusal(delete(api, id_)) == (400, [1414])
    emulator.advance(5)
    assert api.status(id_) == "deleted"  # the second request has not put it off


def test_1551_never_was(api: Api, emulator: Emulator, client_certificate: Issued) -> None:
    elsewhere = emulator.upload(emulator.add_zone("other.example"), client_certificate.pem)
    for unknown in ("0" * 32, elsewhere.id):
        assert refusal(delete(api, unknown)) == (404, [1551])
        assert refusal(api("GET", AOP_CERTIFICATE, certificate=unknown)) == (404, [1551])


def test_1552_is_deleted(api: Api, client_certificate: Issued) -> None:
    id_ = result(api.upload(client_certificate))["id"]
    result(delete(api, id_))
    assert refusal(delete(api, id_)) == (404, [1552])
    assert api.status(id_) == "deleted"


def test_1434_is_pending_deployment(emulator: Emulator, api: Api, client_certificate: Issued) -> None:
    emulator.deployment_delay = 60
    id_ = result(api.upload(client_certificate))["id"]
    emulator.advance(40)
    assert api.status(id_) == "pending_deployment"
    assert refusal(delete(api, id_)) == (400, [1434])
    emulator.advance(20)
    assert api.status(id_) == "active"
    assert result(delete(api, id_))["status"] == "pending_deletion"


def test_409_another_change_is_under_way(
    emulator: Emulator, api: Api, client_certificate: Issued, other_certificate: Issued
) -> None:
    emulator.change_duration = 10
    id_ = result(api.upload(client_certificate))["id"]
    assert refusal(api.upload(other_certificate))[0] == 409
    assert refusal(delete(api, id_))[0] == 409
    assert api.listed() == [id_]  # reading is no change
    elsewhere = Api(emulator, emulator.add_zone("other.example"), dict(api.session.headers))  # type: ignore[arg-type]
    result(elsewhere.upload(client_certificate))
    emulator.advance(10)
    result(delete(api, id_))
    assert refusal(api.upload(other_certificate))[0] == 409
    emulator.advance(10)
    result(api.upload(other_certificate))


# -- keys


@pytest.mark.parametrize("encoding", ["PKCS8", "TraditionalOpenSSL"])
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: str(curve.name))
def test_ecdsa_key(api: Api, curve: ec.EllipticCurve, encoding: str) -> None:
    issued = issue("ecdsa", key=ec.generate_private_key(curve))
    key = issued.encoded_key(encoding)
    assert key.startswith("-----BEGIN PRIVATE KEY" if encoding == "PKCS8" else "-----BEGIN EC PRIVATE KEY")
    assert result(api.upload(issued, key))["signature"] == "ECDSAWithSHA256"


@pytest.mark.parametrize("encoding", ["PKCS8", "TraditionalOpenSSL"])
def test_rsa_key(api: Api, rsa_certificate: Issued, encoding: str) -> None:
    key = rsa_certificate.encoded_key(encoding)
    assert key.startswith("-----BEGIN PRIVATE KEY" if encoding == "PKCS8" else "-----BEGIN RSA PRIVATE KEY")
    assert result(api.upload(rsa_certificate, key))["signature"] == "SHA256WithRSA"


def refused(api: Api, issued: Issued, key: str) -> str:
    """Why the key is refused."""
    response = api.upload(issued, key)
    assert refusal(response)[0] == 400
    assert api.listed() is None
    result(api.upload(issued))  # it was the key
    reason: str = response.json()["errors"][0]["message"]
    return reason


@pytest.mark.parametrize("encoding", ["PKCS8", "TraditionalOpenSSL"])
def test_encrypted_key(api: Api, client_certificate: Issued, encoding: str) -> None:
    key = client_certificate.encoded_key(encoding, passphrase="secret")
    assert "ENCRYPTED" in key
    assert refused(api, client_certificate, key) == "The private key must not be encrypted."


def test_ec_parameters(api: Api, client_certificate: Issued) -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    key = parameters + client_certificate.encoded_key("TraditionalOpenSSL")
    assert refused(api, client_certificate, key) == "The private key could not be parsed."


@pytest.mark.parametrize("encoding", ["PKCS8", "TraditionalOpenSSL"])
def test_key_of_another_certificate(
    api: Api, client_certificate: Issued, other_certificate: Issued, encoding: str
) -> None:
    key = other_certificate.encoded_key(encoding)
    assert refused(api, client_certificate, key) == "The private key does not match the certificate."


@pytest.mark.parametrize("encoding", ["PKCS8", "TraditionalOpenSSL"])
def test_rsa_key_of_another_certificate(api: Api, rsa_certificate: Issued, encoding: str) -> None:
    other = issue("rsa", key=rsa.generate_private_key(65537, 2048))
    reason = refused(api, rsa_certificate, other.encoded_key(encoding))
    assert reason == "The private key does not match the certificate."


def test_key_of_another_algorithm(api: Api, client_certificate: Issued, rsa_certificate: Issued) -> None:
    reason = refused(api, client_certificate, rsa_certificate.key_pem)
    assert reason == "The private key does not match the certificate."


def test_no_key(api: Api, client_certificate: Issued) -> None:
    for key in broken(client_certificate.key_pem)[:5]:
        assert refusal(api.upload(client_certificate, key))[0] == 400
    assert refusal(api("POST", AOP, {"certificate": client_certificate.pem}))[0] == 400
    assert refusal(api.upload(client_certificate, client_certificate.pem))[0] == 400
    assert api.listed() is None


def test_other_algorithms_are_refused(api: Api) -> None:
    assert refusal(api.upload(issue("ed25519", key=ed25519.Ed25519PrivateKey.generate())))[0] == 400
    assert api.listed() is None


def tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    size = bytes([length]) if length < 0x80 else b"\x82" + length.to_bytes(2, "big")
    return bytes([tag]) + size + content


@pytest.mark.parametrize("level", [44, 65, 87])
def test_ml_dsa_key_is_seed_only(api: Api, level: int) -> None:
    """RFC 9881 has three encodings of the key: the seed, the expanded key, both."""
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa", reason="cryptography is too old")
    key = getattr(mldsa, f"MLDSA{level}PrivateKey").generate()
    issued = issue("ml-dsa", key=key)
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    seed, expanded = tlv(0x80, key.private_bytes_raw()), tlv(0x04, bytes(2560))
    assert der.endswith(tlv(0x04, seed))
    start = der[2 : -len(tlv(0x04, seed))]  # version and algorithm
    for content in (expanded, tlv(0x30, tlv(0x04, key.private_bytes_raw()) + expanded), key.private_bytes_raw()):
        body = base64.b64encode(tlv(0x30, start + tlv(0x04, content))).decode()
        response = api.upload(issued, f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
        assert refusal(response)[0] == 400
        assert response.json()["errors"][0]["message"] == "The private key must be in seed-only encoding."
    assert api.listed() is None
    body = base64.b64encode(tlv(0x30, start + tlv(0x04, seed))).decode()
    accepted = api.upload(issued, f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    assert result(accepted)["signature"] == f"ML-DSA-{level}"
