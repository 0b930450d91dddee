"""Many connections of one certificate to one FHIR port: those beyond the limit are told so, others are served."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack, suppress
from typing import Any

import anyio.to_thread

from sandbox.net.descriptors import Capacity
from sandbox.net.http.server import Listener
from sandbox.net.tls import client_context, server_context
from sandbox.pki.authority import Pki

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def _connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), 5)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def _ask(connection: ssl.SSLSocket) -> bytes:
    """The whole answer; of a connection that is closed with it, up to its end."""
    connection.sendall(ASK)
    answer = b""
    while not answer.endswith((b"ok", b"}")) and (more := connection.recv(4096)):
        answer += more
    return answer


def talk(port: int, pki: Pki) -> None:
    sas, editor = client_context(pki, "sas"), client_context(pki, "agenda-azur")
    with ExitStack() as stack:
        for _ in range(2):
            assert _ask(stack.enter_context(_connect(port, sas))).startswith(b"HTTP/1.1 200")
        third = stack.enter_context(_connect(port, sas))
        head, _, outcome = _ask(third).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert b"connection: close" in head
        assert "too many open connections with this client certificate" in outcome.decode()
        assert third.recv(1) == b""
        assert _ask(stack.enter_context(_connect(port, editor))).startswith(b"HTTP/1.1 200")
        silent = stack.enter_context(_connect(port, sas))
        silent.settimeout(5)
        with suppress(ConnectionError, ssl.SSLError):
            assert silent.recv(1) == b"", "who says nothing is cut after a moment"


async def test_one_certificate_cannot_take_all_connections(pki: Pki, sock: socket.socket) -> None:
    told: list[str] = []
    port = sock.getsockname()[1]
    tls = server_context(pki, client_certificate="required")
    listener = Listener(
        app,
        sock,
        tls=tls,
        refused=lambda why, address: told.append(f"{why} {address}"),
        capacity=Capacity(per_certificate=2),
    )
    await listener.start()
    try:
        await anyio.to_thread.run_sync(talk, port, pki)
        await anyio.to_thread.run_sync(_again, port, pki)
    finally:
        await listener.stop()
    assert len(told) == 1
    assert "has 2 connections already" in told[0]
    assert told[0].endswith(" 127.0.0.1")


def _again(port: int, pki: Pki) -> None:
    """Those that ended make room."""
    with _connect(port, client_context(pki, "sas")) as connection:
        assert _ask(connection).startswith(b"HTTP/1.1 200")
