# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe of the origin itself, against servers that behave in one way each."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._origin_answer import (
    Answer,
    Question,
    ask,
    offers_x25519mlkem768,
)
from ansible_collections.originsec.cloudflare.tests.unit.origins.machine import free_port
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\n\r\n<center>No required SSL certificate was sent</center>"

Handling = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(handle: Handling) -> Iterator[int]:
    """A port where each connection is handled so, one after the other."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    connection, _address = listener.accept()
                    connection.settimeout(5)
                    with connection, contextlib.suppress(OSError):
                        handle(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.fixture
def tls(tmp_path: Path, server: Issued, authority: Issued) -> Callable[..., Handling]:
    (tmp_path / "server.pem").write_text(server.pem + server.key_pem)

    def handling(answer: bytes, verify: ssl.VerifyMode = ssl.CERT_NONE, **settings: ssl.TLSVersion) -> Handling:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        context.load_verify_locations(cadata=authority.pem)
        context.verify_mode = verify
        for name, value in settings.items():
            setattr(context, name, value)

        def handle(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as stream:
                stream.recv(65536)
                stream.sendall(answer)

        return handle

    return handling


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_answers(tls: Callable[..., Handling], version: ssl.TLSVersion) -> None:
    def seen(answer: bytes, verify: ssl.VerifyMode = ssl.CERT_NONE) -> Answer:
        with serving(tls(answer, verify, maximum_version=version, minimum_version=version)) as port:
            return ask(Question("127.0.0.1", port, "shop.example.com"))

    assert seen(OK) == Answer(False, False, 200)
    assert seen(OK, ssl.CERT_OPTIONAL) == Answer(True, False, 200)
    assert seen(OK, ssl.CERT_REQUIRED) == Answer(True, True)
    assert seen(REFUSED, ssl.CERT_OPTIONAL) == Answer(True, True, 400)
    assert seen(b"HTTP/1.1 495 Certificate\r\n\r\n", ssl.CERT_OPTIONAL) == Answer(True, True, 495)
    assert seen(b"HTTP/1.1 400 Bad Request\r\n\r\n") == Answer(False, False, 400)
    assert seen(b"", ssl.CERT_OPTIONAL) == Answer(True, True, silent=True)
    assert seen(b"") == Answer(False, error="closed the connection without an answer", silent=True)
    assert seen(b"220 mail\r\n") == Answer(False, False, 0)


def test_no_answers() -> None:
    nobody = ask(Question("127.0.0.1", free_port()))
    assert (nobody.alive, nobody.error) == (False, "Connection refused")
    with serving(lambda connection: connection.sendall(b"what?\r\n")) as port:
        assert ask(Question("127.0.0.1", port)).error.replace("_", " ").lower() == "wrong version number"
        assert offers_x25519mlkem768(Question("127.0.0.1", port)) is None
    silence = threading.Event()

    def hold(_connection: socket.socket) -> None:
        silence.wait(1)

    with serving(hold) as port:
        assert ask(Question("127.0.0.1", port, timeout=0.2)).error == "did not answer in time"
        assert offers_x25519mlkem768(Question("127.0.0.1", port, timeout=0.2)) is None
        silence.set()
    assert offers_x25519mlkem768(Question("127.0.0.1", free_port())) is None
    assert str(Question("::1", 443)) == "[::1]:443"


def test_without_tls_and_with_a_proxy_before_it() -> None:
    got: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        got.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.0 301 Moved\r\n\r\n")

    with serving(handle) as port:
        assert ask(Question("127.0.0.1", port, "a.example", tls=False)) == Answer(None, False, 301)
        assert got[0].startswith(b"GET / HTTP/1.1\r\nHost: a.example\r\n")
        ask(Question("127.0.0.1", port, tls=False, proxy_protocol=True))
        assert got[1].startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")


def test_the_group(tls: Callable[..., Handling]) -> None:
    """Python's own OpenSSL here is too old for it, or not."""
    offered = ssl.OPENSSL_VERSION_INFO >= (3, 5)
    with serving(tls(OK)) as port:
        for name in ("shop.example.com", "127.0.0.1", ""):
            assert offers_x25519mlkem768(Question("127.0.0.1", port, name)) is offered
    with serving(tls(OK, maximum_version=ssl.TLSVersion.TLSv1_2)) as port:
        assert offers_x25519mlkem768(Question("127.0.0.1", port)) is False
    with serving(lambda connection: None) as port:
        assert offers_x25519mlkem768(Question("127.0.0.1", port)) is None


def test_python_shows_the_messages_of_a_handshake() -> None:
    """It does so in a way that is its own, and may go."""
    assert hasattr(ssl.SSLContext, "_msg_callback")
