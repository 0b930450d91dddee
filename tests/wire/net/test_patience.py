"""The time-outs of a listener: for heads, for bodies, for readers; the answers to them, and where they are reported."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.net.context import Context
from sandbox.net.descriptors import Capacity
from sandbox.net.http import connection
from sandbox.net.http import server as http_server
from sandbox.net.http.body import read_body
from sandbox.net.http.edge import Edge
from sandbox.net.http.fhir_http import answering, fhir_response
from sandbox.net.http.server import Listener
from sandbox.net.tls import client_context, server_context
from sandbox.pki.authority import Pki
from tests.support.raw_http import Line, line

POST = b"POST / HTTP/1.1\r\nHost: sas\r\nContent-Length: %d\r\n\r\n"


async def taking(request: Request) -> Response:
    return fhir_response(b'{"octets":%d}' % len(await read_body(request)), 201)


async def fhir(scope: Scope, receive: Receive, send: Send) -> None:
    await (await answering(taking)(Request(scope, receive)))(scope, receive, send)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener's time-outs are a fraction of a second here."""
    for name, seconds in (("SLOWEST_HEAD", 0.3), ("BODY_GRACE", 0.3), ("SLOWEST_BODY", 0.6), ("UNREAD", 0.3)):
        monkeypatch.setattr(connection, name, seconds)


@pytest.fixture(params=["tls", "plain"])
async def caller(request: pytest.FixtureRequest, pki: Pki, context: Context, sock: socket.socket):  # type: ignore[no-untyped-def]
    """A connection to a FHIR port."""
    secured = request.param == "tls"
    tls = server_context(pki, client_certificate="optional") if secured else None
    listener = Listener(Edge(fhir, context, lambda _: ("sas", "INT_R03")), sock, tls=tls)
    await listener.start()
    async with line(sock.getsockname(), client_context(pki, "sas") if secured else None) as talk:
        yield talk
    await listener.stop()


async def dribble(caller: Line, octets: int, every: float) -> None:
    for _ in range(octets):
        await caller.say(b" ")
        await asyncio.sleep(every)


async def test_head_that_does_not_end_is_refused(caller: Line, context: Context) -> None:
    await caller.say(b"GET /Slot HTTP/1.1\r\nHost: sas\r\nX: ")
    dribbling = asyncio.create_task(dribble(caller, 100, 0.02))
    heard = await caller.hear()
    assert (heard.status, heard.headers["connection"]) == (408, "close")
    assert heard.json()["issue"][0]["code"] == "timeout"
    (exchange,) = context.journal.take()
    assert (exchange.action, exchange.status) == ("GET /Slot", 408)
    dribbling.cancel()


async def test_body_of_an_octet_at_a_time_is_refused(caller: Line, context: Context) -> None:
    await caller.say(POST % 100_000)
    dribbling = asyncio.create_task(dribble(caller, 100, 0.02))
    heard = await caller.hear()
    assert (heard.status, heard.headers["connection"]) == (408, "close")
    assert heard.json()["resourceType"] == "OperationOutcome"
    (exchange,) = context.journal.take()
    assert exchange.status == 408
    dribbling.cancel()
    assert await caller.is_over()


async def test_body_that_comes_as_fast_as_expected_is_taken(caller: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LEAST_RATE", 1_000_000)
    await caller.say(POST % 500_000)
    for _ in range(5):  # 0.4 s in all, longer than the grace
        await asyncio.sleep(0.08)
        await caller.say(b" " * 100_000)
    assert (await caller.hear()).status == 201


async def test_no_body_may_take_for_ever(caller: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LEAST_RATE", 1)
    await caller.say(POST % 100_000)
    dribbling = asyncio.create_task(dribble(caller, 300, 0.01))
    began = time.monotonic()
    assert (await caller.hear()).status == 408
    assert time.monotonic() - began > 0.5
    dribbling.cancel()


async def test_body_after_the_answer_may_not_take_for_ever_either(caller: Line) -> None:
    await caller.say(b"POST / HTTP/1.1\r\nHost: sas\r\nContent-Encoding: br\r\nContent-Length: 100000\r\n\r\n")
    assert (await caller.hear()).status == 415
    async with asyncio.timeout(5):
        assert await caller.is_over()


@pytest.mark.parametrize("secured", [False, True])
async def test_who_does_not_read_his_answer_is_cut(pki: Pki, sock: socket.socket, secured: bool) -> None:
    ended = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            await send({"type": "http.response.body", "body": b"x" * 20_000_000, "more_body": True})
        ended.set()

    tls = server_context(pki, client_certificate="optional") if secured else None
    listener = Listener(endless, sock, tls=tls)
    await listener.start()
    async with line(sock.getsockname(), client_context(pki, "sas") if secured else None) as caller:
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await caller.say(b"GET / HTTP/1.1\r\nHost: sas\r\n\r\n")
        async with asyncio.timeout(5):
            await ended.wait()
    await listener.stop()


async def test_slow_application_does_not_make_its_client_late(plain_context: Context, sock: socket.socket) -> None:
    """The client has sent what it could; the listener is the one that does not read on."""

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.5)
        await fhir(scope, receive, send)

    listener = Listener(Edge(late, plain_context, lambda _: ("sas", "INT_R03")), sock)
    await listener.start()
    async with line(sock.getsockname()) as caller:
        await caller.say(b"POST / HTTP/1.1\r\nHost: sas\r\nExpect: 100-continue\r\nContent-Length: 500000\r\n\r\n")
        assert (await caller.hear()).status == 100
        await caller.say(b" " * 500_000)
        assert (await caller.hear()).status == 201
        sending = asyncio.create_task(caller.say(POST % 900_000, *[b" " * 100_000] * 9))
        assert (await caller.hear()).status == 201
        await sending
    await listener.stop()


async def test_what_is_no_http_is_told_with_port_and_peer_but_seldom(
    plain_context: Context, sock: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(Edge(fhir, plain_context, lambda _: ("sas", "INT_R03")), sock)
    port, callers = sock.getsockname()[1], []
    await listener.start()
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            async with line(("127.0.0.1", port)) as caller:
                callers.append(caller.writer.get_extra_info("sockname")[1])
                await caller.say(b"hello there\r\n\r\n")
                await caller.hear()
    await listener.stop()
    (told,) = [message for message in caplog.messages if "HTTP" in message]
    assert told.startswith(f"port {port}: 127.0.0.1:{callers[0]}: 400, this is no HTTP request")


async def test_at_most_so_many_connections_and_who_waits_longest_goes_first(
    sock: socket.socket, plain_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SLOWEST_HEAD", 30)
    listener = Listener(Edge(fhir, plain_context, lambda _: ("sas", "INT_R03")), sock, capacity=Capacity(most=2))
    await listener.start()
    async with line(sock.getsockname()) as first, line(sock.getsockname()) as second:
        await first.say(b"GET / HT")
        await second.say(POST % 2 + b"{}")
        assert (await second.hear()).status == 201
        async with line(sock.getsockname()) as third:
            await third.say(POST % 2 + b"{}")
            assert (await third.hear()).status == 201
            assert await first.is_over()
            await second.say(POST % 2 + b"{}")
            assert (await second.hear()).status == 201
    await listener.stop()


async def test_who_does_not_begin_his_handshake_goes_first(pki: Pki, context: Context, sock: socket.socket) -> None:
    tls = server_context(pki, client_certificate="optional")
    listener = Listener(Edge(fhir, context, lambda _: ("sas", "INT_R03")), sock, tls=tls, capacity=Capacity(most=2))
    await listener.start()
    async with (
        line(sock.getsockname(), client_context(pki, "sas")) as first,
        line(sock.getsockname()) as silent,
        line(sock.getsockname(), client_context(pki, "sas")) as third,
    ):
        assert await silent.is_over()
        for caller in (first, third):
            await caller.say(POST % 2 + b"{}")
            assert (await caller.hear()).status == 201
    await listener.stop()


async def test_port_goes_on_after_a_connection_that_could_not_be_taken(
    plain_context: Context, sock: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(Edge(fhir, plain_context, lambda _: ("sas", "INT_R03")), sock)
    failures, accept = [errno.EMFILE, errno.ECONNABORTED], http_server._accepted

    async def accepting(of: socket.socket) -> socket.socket:
        if failures:
            raise OSError(failures.pop(), "not now")
        return await accept(of)

    monkeypatch.setattr(http_server, "_accepted", accepting)
    await listener.start()
    async with line(sock.getsockname()) as caller:
        await caller.say(POST % 2 + b"{}")
        assert (await caller.hear()).status == 201
    await listener.stop()
    assert [message for message in caplog.messages if "no connection can be taken" in message]


@pytest.mark.parametrize("secured", [False, True])
async def test_listener_that_stops_does_not_wait_for_who_does_not_hang_up(
    pki: Pki, context: Context, sock: socket.socket, caplog: pytest.LogCaptureFixture, secured: bool
) -> None:
    tls = server_context(pki, client_certificate="optional") if secured else None
    listener = Listener(Edge(fhir, context, lambda _: ("sas", "INT_R03")), sock, tls=tls)
    await listener.start()
    async with line(sock.getsockname(), client_context(pki, "sas") if secured else None) as caller:
        await caller.say(b"hello there\r\n\r\n")
        assert (await caller.hear()).status == 400
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(2):
            await listener.stop(grace=60)
    assert not [message for message in caplog.messages if "cut" in message]
