# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe against origins that are as they should not be, all on the loopback interface."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.originsec.cloudflare.plugins.module_utils import _probe
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import InputError, MissingLibraryError
from ansible_collections.originsec.cloudflare.plugins.module_utils._probe import Target, probe
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

pytest.importorskip("OpenSSL", minversion="26", reason="needs pyOpenSSL >= 26")

from ansible_collections.originsec.cloudflare.tests.origin.origin import CLASSICAL, HYBRID, Firewall, Origin

OPTIONS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 443,
    "server_name": "shop.example.com",
    "certificate": None,
    "private_key": None,
    "private_key_passphrase": None,
    "timeout": 5,
}


@pytest.fixture(scope="module")
def server() -> Issued:
    return issue("shop.example.com", usage=ExtendedKeyUsageOID.SERVER_AUTH)


@pytest.fixture(scope="module")
def client(authority: Issued) -> Issued:
    return issue("client", issuer=authority)


@pytest.fixture(scope="module")
def asking(authority: Issued) -> dict[str, Any]:
    """Of an origin that serves those who present no certificate, too."""
    return {"client_certificates": "optional", "client_ca": authority.pem}


def probed(port: int, client: Issued | None = None, **options: Any) -> dict[str, Any]:
    given = {"certificate": client.pem, "private_key": client.key_pem} if client else {}
    return probe(Target.from_options({**OPTIONS, "port": port, **given, **options}))


def of(result: dict[str, Any], *keys: str) -> tuple[Any, ...]:
    return tuple(result[key] for key in keys)


@contextlib.contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """The port of a server that does this with every connection, and then closes it."""
    open_: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _address = listener.accept()
                open_.append(one)
                with contextlib.suppress(OSError), one:
                    answer(one)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        for one in (*open_, listener):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
    thread.join(10)


# ---------------------------------------------------------------------------------------------- key exchange


@pytest.mark.parametrize(
    ("settings", "version", "group", "post_quantum", "classical", "connections"),
    [
        ({}, "TLSv1.3", HYBRID, True, True, 2),
        ({"groups": HYBRID}, "TLSv1.3", HYBRID, True, False, 2),
        ({"groups": CLASSICAL}, "TLSv1.3", "x25519", False, True, 2),
        ({"groups": "P-384"}, "TLSv1.3", "secp384r1", False, True, 2),  # by a HelloRetryRequest
        ({"groups": f"X25519 / {HYBRID}"}, "TLSv1.3", "x25519", True, True, 2),  # prefers the classical one
        ({"groups": "SecP384r1MLKEM1024:X25519"}, "TLSv1.3", "x25519", False, True, 2),
        ({"versions": ("1.2", "1.2")}, "TLSv1.2", "x25519", False, True, 1),
        ({"versions": ("1.0", "1.0")}, "TLSv1", "x25519", False, True, 1),
    ],
)
def test_key_exchange(
    server: Issued,
    settings: dict[str, Any],
    version: str,
    group: str,
    post_quantum: bool,
    classical: bool,
    connections: int,
) -> None:
    with Origin(server.pem, server.key_pem, **settings) as origin:
        result = probed(origin.port)
    keys = ("reachable", "tls_version", "group", "post_quantum", "classical_supported", "error")
    assert of(result, *keys) == (True, version, group, post_quantum, classical, None)
    assert result["cipher"]
    assert len(origin.connections) == connections
    assert {one.server_name for one in origin.connections} == {"shop.example.com"}
    assert origin.requests == []  # nobody is asked for anything who asks for no certificate


def test_a_key_exchange_without_a_group(tmp_path: Path) -> None:
    issued = issue("rsa", key=rsa.generate_private_key(65537, 2048))
    path = tmp_path / "server.pem"
    path.write_text(issued.pem + issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256")
    with answering(lambda one: context.wrap_socket(one, server_side=True)) as port:
        result = probed(port)
    keys = ("reachable", "cipher", "group", "post_quantum", "classical_supported", "error")
    assert of(result, *keys) == (True, "AES128-GCM-SHA256", None, False, True, None)


@pytest.mark.parametrize(
    ("action", "what"), [("drop", "did not answer within 1 seconds"), ("reset", "reset the connection")]
)
def test_a_firewall_that_lets_no_large_hello_pass(server: Issued, client: Issued, action: str, what: str) -> None:
    with (
        Origin(server.pem, server.key_pem, client_certificates="required", client_ca=client.pem) as origin,
        Firewall(origin.port, limit=1400, action=action) as firewall,
    ):
        result = probed(firewall.port, client, timeout=1)
    large, small, third = firewall.hellos
    assert large > 1400 > max(small, third)  # the certificate is presented in a way that passes
    keys = ("reachable", "group", "post_quantum", "classical_supported", "client_certificate_required")
    assert of(result, *keys) == (True, "x25519", False, True, True)
    assert f"{what} when a ClientHello of {large + 5} bytes had a post-quantum key share" in result["error"]
    assert f"answered one of {small + 5} bytes without: something on the way, such as a firewall" in result["error"]


def test_a_server_that_refuses_a_post_quantum_key_share(server: Issued) -> None:
    """An alert is the server's own, so it is not put down to a firewall."""

    def relay(one: socket.socket) -> None:
        hello = one.recv(65536)
        if len(hello) > 1400:
            one.sendall(bytes.fromhex("15030300020228"))  # handshake_failure
            return
        with socket.create_connection(("127.0.0.1", origin.port)) as further:
            further.sendall(hello)
            while data := further.recv(65536):
                one.sendall(data)
                further.sendall(one.recv(65536))

    with Origin(server.pem, server.key_pem) as origin, answering(relay) as port:
        result = probed(port)
    assert of(result, "reachable", "group", "post_quantum") == (True, "x25519", False)
    assert "refused with the TLS alert 'handshake failure' when a ClientHello" in result["error"]
    assert "its TLS library refuses what it ought to ignore" in result["error"]


# ------------------------------------------------------------------------------------------ no TLS to be had


def _slowly(one: socket.socket) -> None:
    one.sendall(bytes.fromhex("1603034000"))
    while True:
        one.sendall(b"\x02")
        time.sleep(0.05)


def _begins_a_huge_record(one: socket.socket) -> None:
    """Which OpenSSL calls a failure of the record layer in the end."""
    one.sendall(bytes.fromhex("16 0303 4000") + bytes(30000))
    one.recv(9999)


def _knows_no_such_name(one: socket.socket) -> None:
    one.recv(9999)
    one.sendall(bytes.fromhex("15030300020270"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda one: time.sleep(1.2), "did not answer within 1 seconds, with a post-quantum key share in the"),
        (lambda one: one.recv(9999), "closed the connection, with a post-quantum"),
        (_slowly, "did not answer within 1 seconds, with"),
        (lambda one: one.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), "speaks no TLS that OpenSSL takes (wrong version"),
        (_knows_no_such_name, "refused with the TLS alert 'unrecognized name', with"),
        (_begins_a_huge_record, "speaks no TLS that OpenSSL takes (wrong version number), with"),
    ],
    ids=["silent", "closes", "drips", "SSH", "unknown name", "garbage"],
)
def test_what_speaks_no_tls(answer: Callable[[socket.socket], object], error: str) -> None:
    started = time.monotonic()
    with answering(answer) as port:
        result = probed(port, timeout=1)
        took = time.monotonic() - started
    assert took < 2.9
    assert result["error"].startswith(f"127.0.0.1:{port} {error}")
    assert result.pop("reachable") is False
    assert result.pop("error")
    assert set(result.values()) == {None}


def test_an_origin_from_before_secure_renegotiation() -> None:
    """Its handshake goes on after the ServerHello, which OpenSSL refuses unless told otherwise."""

    def begin(one: socket.socket) -> None:
        one.recv(9999)
        one.sendall(bytes.fromhex("16 0301 002a 02 000026 0301" + 32 * "aa" + "00 002f 00"))

    with answering(begin) as port:
        result = probed(port)
    assert result["tls_version"] == "TLSv1"
    assert result["error"].startswith(f"127.0.0.1:{port} closed the connection, with")


def test_what_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = probed(port)
    assert of(result, "reachable", "error") == (False, f"127.0.0.1:{port} cannot be reached: Connection refused.")
    result = probed(443, host="origin.invalid")
    assert result["reachable"] is False
    assert result["error"].startswith("origin.invalid cannot be resolved: ")


def test_each_address_gets_its_share_of_the_time(server: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _number in range(3):  # from then on it drops what would connect
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        with Origin(server.pem, server.key_pem) as origin:
            addresses = (full.getsockname(), ("127.0.0.1", origin.port))
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_keywords: found)
            started = time.monotonic()
            result = probed(origin.port, timeout=2)
    assert of(result, "reachable", "error") == (True, None)
    assert 0.9 < time.monotonic() - started < 1.9  # half of it, once


def test_an_address_of_a_family_that_this_machine_does_not_have(
    server: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as IPv6 where the kernel is without it."""
    with Origin(server.pem, server.key_pem) as origin:
        families = (socket.AF_UNSPEC, socket.AF_INET)
        found = [(family, socket.SOCK_STREAM, 6, "", ("127.0.0.1", origin.port)) for family in families]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_keywords: found)
        assert of(probed(origin.port), "reachable", "error") == (True, None)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_keywords: found[:1])
        error = probed(origin.port)["error"]
    assert error == f"127.0.0.1:{origin.port} cannot be reached: Address family not supported by protocol."


def test_ipv6(server: Issued) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no ::1")
    with Origin(server.pem, server.key_pem, client_certificates="optional", host="::1") as origin:
        result = probed(origin.port, host="[::1]", server_name=None)
    assert of(result, "reachable", "error") == (True, None)
    assert {one.server_name for one in origin.connections} == {None}
    assert [one.headers["host"] for one in origin.requests] == [f"[::1]:{origin.port}"]


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


# --------------------------------------------------------------------------------------- client certificates

REFUSALS = {
    ("1.2", "tls"): "refused with the TLS alert 'unknown ca' when the client certificate was presented.",
    ("1.3", "tls"): "refused with the TLS alert 'unknown ca' when the client certificate was presented.",
    ("1.2", "http"): "answered 400 (The SSL certificate error) when the client certificate was presented.",
    ("1.3", "http"): "answered 400 (The SSL certificate error) when the client certificate was presented.",
}


@pytest.mark.parametrize("refusal", ["tls", "http"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("mode", ["none", "optional", "required"])
@pytest.mark.parametrize("presented", ["trusted", "untrusted", None])
def test_client_certificates(
    server: Issued,
    authority: Issued,
    client: Issued,
    other_certificate: Issued,
    refusal: str,
    version: str,
    mode: str,
    presented: str | None,
) -> None:
    given = {"trusted": client, "untrusted": other_certificate, None: None}[presented]
    settings: dict[str, Any] = {"client_certificates": mode, "refusal": refusal, "versions": (version, version)}
    with Origin(server.pem, server.key_pem, client_ca=authority.pem, **settings) as origin:
        result = probed(origin.port, given)
    asked = mode != "none"
    accepted = presented == "trusted" if asked and given else None
    error = f"127.0.0.1:{origin.port} {REFUSALS[version, refusal]}" if accepted is False else None
    assert of(
        result,
        *("reachable", "client_certificate_requested", "client_certificate_required", "client_certificate_accepted"),
        "error",
    ) == (True, asked, mode == "required", accepted, error)
    assert result["tls_version"] == f"TLSv{version}"
    assert result["server_certificate"]["names"] == ["shop.example.com"]
    assert len(origin.connections) == 1 + (version == "1.3") + bool(asked and given)
    assert {one.client for one in origin.requests} <= {None, given.fingerprint if given else None}


KEYS: dict[str, Callable[[], Any]] = {"rsa": lambda: rsa.generate_private_key(65537, 2048)}
with contextlib.suppress(ImportError):
    from cryptography.hazmat.primitives.asymmetric import mldsa

    KEYS |= {
        "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate,
        "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
        "ml-dsa-87": mldsa.MLDSA87PrivateKey.generate,
    }


@pytest.mark.parametrize("kind", KEYS)
def test_kinds_of_client_certificates(server: Issued, kind: str) -> None:
    authority = issue("authority", authority=True, usage=None, key=KEYS[kind]())
    middle = issue("intermediate", authority=True, usage=None, key=KEYS[kind](), issuer=authority)
    client = issue("client", issuer=middle, key=KEYS[kind]())
    options: dict[str, Any] = {"certificate": client.pem + middle.pem, "private_key": client.key_pem}
    with Origin(server.pem, server.key_pem, client_certificates="required", client_ca=authority.pem) as origin:
        result = probed(origin.port, **options)
        assert of(result, "client_certificate_accepted", "error") == (True, None)
        assert origin.requests[-1].client == client.fingerprint
        origin.client_ca = client.pem
        assert probed(origin.port, **options)["client_certificate_accepted"] is False


@pytest.mark.parametrize(("mode", "required"), [("optional", False), ("required", True)])
def test_ml_dsa_is_not_for_tls_1_2(server: Issued, mode: str, required: bool) -> None:
    """The handshake goes on without the certificate, which must not be taken for an accepted one."""
    if "ml-dsa-44" not in KEYS:
        pytest.skip("cryptography is older than ML-DSA")
    client = issue("client", key=KEYS["ml-dsa-44"]())
    settings: dict[str, Any] = {"client_certificates": mode, "client_ca": client.pem}
    with Origin(server.pem, server.key_pem, versions=("1.2", "1.2"), **settings) as origin:
        result = probed(origin.port, client)
    assert of(result, "client_certificate_required", "client_certificate_accepted") == (required, False)
    assert "takes no client certificate of the type ml-dsa-44 in TLSv1.2, so it was not presented" in result["error"]


@pytest.mark.parametrize(
    ("status", "required", "accepted"), [(495, True, False), (496, True, False), (400, False, True), (403, False, True)]
)
def test_statuses_without_a_word_of_the_certificate(
    server: Issued, client: Issued, asking: dict[str, Any], status: int, required: bool, accepted: bool
) -> None:
    with Origin(server.pem, server.key_pem, status=status, **asking) as origin:
        result = probed(origin.port, client)
    assert of(result, "client_certificate_required", "client_certificate_accepted") == (required, accepted)
    assert (result["error"] or "") == {
        400: "",
        403: f"127.0.0.1:{origin.port} answered 403, also with the client certificate, which counts as accepted.",
    }.get(status, f"127.0.0.1:{origin.port} answered {status} when the client certificate was presented.")


def test_a_status_that_the_certificate_changes(server: Issued, client: Issued, asking: dict[str, Any]) -> None:
    class Application(Origin):
        def _answer(self, connection: Any, told: Any) -> None:
            self.status = 204 if told.client else 403
            super()._answer(connection, told)

    with Application(server.pem, server.key_pem, **asking) as origin:
        result = probed(origin.port, client)
    keys = ("client_certificate_required", "client_certificate_accepted", "error")
    assert of(result, *keys) == (True, True, None)


def test_a_refusal_that_comes_byte_by_byte(server: Issued, client: Issued, asking: dict[str, Any]) -> None:
    class Slow(Origin):
        def _answer(self, connection: Any, told: Any) -> None:
            connection.recv(65536)
            for byte in b"HTTP/1.1 496 Whatever\r\n\r\n":
                connection.sendall(bytes([byte]))
                time.sleep(0.01)

    with Slow(server.pem, server.key_pem, **asking) as origin:
        result = probed(origin.port, client)
    assert of(result, "client_certificate_required", "client_certificate_accepted") == (True, False)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_failure_before_the_client_certificate_is_no_refusal(server: Issued, client: Issued, version: str) -> None:
    """The last byte of what the origin sends first is damaged on the way, when it has asked for one already."""

    def relay(one: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", origin.port)) as further:
            further.sendall(one.recv(65536))
            further.settimeout(0.1)
            flight = b""
            with contextlib.suppress(socket.timeout):
                while data := further.recv(65536):
                    flight += data
            one.sendall(flight[:-1] + bytes([flight[-1] ^ 1]))
            one.recv(65536)

    settings: dict[str, Any] = {"client_certificates": "optional", "versions": (version, version)}
    with Origin(server.pem, server.key_pem, client_ca=client.pem, **settings) as origin, answering(relay) as port:
        result = probed(port, client)
    keys = ("reachable", "client_certificate_required", "client_certificate_accepted")
    assert of(result, *keys) == (False, None, None)
    assert "speaks no TLS that OpenSSL takes" in result["error"]


def test_an_origin_that_never_answers_a_request(server: Issued, client: Issued, asking: dict[str, Any]) -> None:
    class Busy(Origin):
        def _answer(self, connection: Any, told: Any) -> None:
            time.sleep(1.5)

    with Busy(server.pem, server.key_pem, **asking) as origin:
        with_it = probed(origin.port, client, timeout=1)
        without = probed(origin.port, timeout=1)
    keys = ("reachable", "client_certificate_required", "client_certificate_accepted")
    assert of(with_it, *keys) == (True, False, True)
    assert "after the handshake, so the client certificate counts as accepted" in with_it["error"]
    assert of(without, *keys) == (True, False, None)
    assert "after the handshake, so it counts as content without a certificate" in without["error"]


def test_an_origin_that_hangs_up_without_a_word(server: Issued, client: Issued, asking: dict[str, Any]) -> None:
    class Rude(Origin):
        def _answer(self, connection: Any, told: Any) -> None:
            if told.client:
                super()._answer(connection, told)

    with Rude(server.pem, server.key_pem, **asking) as origin:
        result = probed(origin.port, client)
    keys = ("client_certificate_required", "client_certificate_accepted", "error")
    assert of(result, *keys) == (True, True, None)


# --------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": ""}, "host '' is neither the name of a host"),
        ({"host": "https://origin.example.com"}, "host 'https://origin.example.com' is neither"),
        ({"host": "origin..example.com"}, "is neither the name of a host"),
        ({"server_name": "shop.example.com\r\nX: y"}, "server_name 'shop.example.com\r\nX: y' is neither"),
        ({"port": 0}, "port must be at least 1"),
        ({"port": 65536}, "port must be at least 1 and at most 65535, not 65536"),
        ({"timeout": 0}, "timeout must be at least 1 second"),
        ({"timeout": 3601}, "timeout must be at least 1 second"),
        ({"certificate": "x"}, "Set certificate and private_key together"),
        ({"private_key": "x"}, "Set certificate and private_key together"),
        ({"certificate": "x", "private_key": "x"}, "certificate holds no certificate in PEM"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Target.from_options({**OPTIONS, **options})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "host", "server_name", "text"),
    [
        ({"host": "Origin.Example.com."}, "origin.example.com", "shop.example.com", "origin.example.com:443"),
        ({"host": "müller.example", "server_name": ""}, *("xn--mller-kva.example",) * 2, "xn--mller-kva.example:443"),
        # As everywhere since 2008; in 2003 it was strasse.example
        ({"host": "Straße.example.", "server_name": ""}, *("xn--strae-oqa.example",) * 2, "xn--strae-oqa.example:443"),
        ({"host": " [2001:DB8::1] ", "server_name": None}, "2001:db8::1", "2001:db8::1", "[2001:db8::1]:443"),
        ({"host": "localhost", "certificate": "", "private_key": ""}, "localhost", "shop.example.com", "localhost:443"),
    ],
)
def test_names(options: dict[str, Any], host: str, server_name: str, text: str) -> None:
    target = Target.from_options({**OPTIONS, **options})
    assert (target.host, target.server_name, str(target), target.client) == (host, server_name, text, None)


@pytest.mark.parametrize("what", ["missing", "old pyOpenSSL", "old cryptography", "old OpenSSL"])
def test_a_missing_library(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    if what == "missing":
        monkeypatch.setattr(_probe, "PYOPENSSL_IMPORT_ERROR", "the traceback")
    elif what == "old pyOpenSSL":
        monkeypatch.delattr("OpenSSL.SSL.Connection.get_group_name")
    elif what == "old cryptography":
        monkeypatch.setattr("OpenSSL._util.lib", object())
    else:
        monkeypatch.setattr(_probe, "_BOTH", "*X25519MLKEM4096:*X25519")
    with pytest.raises(MissingLibraryError) as caught:
        Target.from_options(OPTIONS)
    assert caught.value.library == "pyOpenSSL >= 26, with cryptography >= 47 and OpenSSL >= 3.5"
    assert caught.value.import_traceback == ("the traceback" if what == "missing" else None)
