"""Our HTTP listener under our HTTP client, over mTLS and plain, and what the journal says of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send

from sandbox.kernel.errors import PeerError, PeerTimeout, PeerUnreachable
from sandbox.kernel.journal import Exchange
from sandbox.net.context import Context
from sandbox.net.http import connection
from sandbox.net.http.client import Callee, HttpClient, Reply
from sandbox.net.http.server import Listener
from sandbox.net.tls import server_context
from sandbox.pki.authority import Pki
from sandbox.pki.subjects import sas_subject

Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def mirror(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with the request and the caller that it received."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    peer = scope["peer"]
    lines = [scope["method"], scope["scheme"], scope["raw_path"].decode(), scope["query_string"].decode()]
    lines += [peer.cn if peer else "-", body.decode()]
    await answer(send, 200, "\n".join(lines).encode(), (b"x-mirror", b"yes"))


@contextlib.asynccontextmanager
async def listening(app: Any, sock: socket.socket, **options: Any) -> AsyncIterator[str]:
    listener = Listener(app, sock, **options)
    port = sock.getsockname()[1]
    await listener.start()
    try:
        yield f"{'https' if options.get('tls') else 'http'}://127.0.0.1:{port}"
    finally:
        await listener.stop()


@contextlib.asynccontextmanager
async def raw_server(sock: socket.socket, serve: Raw) -> AsyncIterator[str]:
    """A server that may violate the protocol. Its connections are closed with it."""
    running: set[asyncio.Task[None]] = set()

    async def until_it_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(cast("asyncio.Task[None]", asyncio.current_task()))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(until_it_ends, sock=sock)
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*running)


@contextlib.asynccontextmanager
async def calling(context: Context, identity: str | None = "sas") -> AsyncIterator[HttpClient]:
    client = HttpClient(context, "sas", identity)
    try:
        yield client
    finally:
        await client.close()


async def get(client: HttpClient, url: str, **options: Any) -> Reply:
    return await client.request("GET", url, callee=Callee("agenda-azur", "INT_R01"), **options)


def only(context: Context) -> Exchange:
    (exchange,) = context.journal.take()
    return exchange


async def test_call_over_mtls_is_answered_knows_its_peer_and_is_journalled(
    pki: Pki, context: Context, sock: socket.socket
) -> None:
    tls = server_context(pki, client_certificate="required")
    async with listening(mirror, sock, tls=tls) as base, calling(context) as client:
        query = "start=ge2026-11-22T10%3A00%3A00.000%2B01%3A00&_include=Slot%3Aschedule"
        reply = await client.request(
            "POST", f"{base}/a%20b/Slot?{query}", callee=Callee("x", "INT_R01", "r-1"), body="é".encode()
        )
    assert reply.status == 200
    assert reply.headers["X-Mirror"] == "yes"
    assert reply.body.decode().split("\n") == ["POST", "https", "/a%20b/Slot", query, sas_subject().cn, "é"]
    exchange = only(context)
    assert (exchange.direction, exchange.status, exchange.ref) == ("out", 200, "r-1")
    assert exchange.action == "POST /a b/Slot"
    assert exchange.size == len(reply.body)
    assert exchange.ms > 0


async def test_connections_are_kept_and_used_again(pki: Pki, context: Context, sock: socket.socket) -> None:
    clients = set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        clients.add(scope["client"])
        await answer(send, 200, b"", (b"content-length", b"0"))

    tls = server_context(pki, client_certificate="required")
    async with listening(app, sock, tls=tls) as base, calling(context) as client:
        for _ in range(5):
            await get(client, base)
    assert len(clients) == 1


async def test_plain_http_needs_no_pki(plain_context: Context, sock: socket.socket) -> None:
    async with listening(mirror, sock) as base, calling(plain_context) as client:
        reply = await get(client, f"{base}/x")
    assert reply.body.split(b"\n")[1:5] == [b"http", b"/x", b"", b"-"]


async def test_caller_without_certificate_reaches_a_port_where_it_is_optional(
    pki: Pki, context: Context, sock: socket.socket
) -> None:
    tls = server_context(pki, client_certificate="optional")
    async with listening(mirror, sock, tls=tls) as base, calling(context, None) as client:
        assert (await get(client, base)).body.split(b"\n")[4] == b"-"


async def test_refused_handshake_is_told_to_both_sides(pki: Pki, context: Context, sock: socket.socket) -> None:
    refused: list[tuple[str, str]] = []
    tls = server_context(pki, client_certificate="required")
    async with (
        listening(mirror, sock, tls=tls, refused=lambda *told: refused.append(told)) as base,
        calling(context, None) as client,
    ):
        with pytest.raises(PeerUnreachable, match=r"TLS handshake refused: .*certificate required"):
            await client.request("POST", base, callee=Callee("x", "INT_R01"), body=b"{}")
    assert refused == [("peer did not return a certificate", "127.0.0.1")]
    assert "certificate required" in only(context).note


async def test_server_of_another_ca_is_not_trusted(pki: Pki, context: Context, sock: socket.socket) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki.bad["other_ca"].cert, pki.bad["other_ca"].key)
    async with listening(mirror, sock, tls=tls) as base, calling(context) as client:
        with pytest.raises(PeerUnreachable, match=r"server certificate refused: .*self-signed"):
            await get(client, base)


async def test_nobody_listening_is_connection_refused(plain_context: Context, sock: socket.socket) -> None:
    async with calling(plain_context) as client:
        with pytest.raises(PeerUnreachable, match="connection refused"):
            await get(client, f"http://127.0.0.1:{sock.getsockname()[1]}")


async def test_unknown_host_is_named(plain_context: Context) -> None:
    async with calling(plain_context) as client:
        with pytest.raises(PeerUnreachable, match=r"unknown host nowhere\.invalid"):
            await get(client, "http://nowhere.invalid/")


@pytest.mark.parametrize("url", ["http://", "nonsense", "ftp://127.0.0.1/x"])
async def test_url_that_cannot_be_called_is_a_peer_error(plain_context: Context, url: str) -> None:
    async with calling(plain_context) as client:
        with pytest.raises(PeerError, match="no usable HTTP answer"):
            await get(client, url)


async def test_slow_answer_is_a_timeout(plain_context: Context, sock: socket.socket) -> None:
    over = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await over.wait()

    async with listening(app, sock) as base, calling(plain_context) as client:
        with pytest.raises(PeerTimeout, match=r"within 0\.05 s"):
            await get(client, base, timeout=0.05)
        over.set()
    exchange = only(plain_context)
    assert (exchange.status, exchange.note) == (0, "no complete answer within 0.05 s")


async def test_call_that_its_caller_gives_up_is_journalled(plain_context: Context, sock: socket.socket) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await over.wait()
        await answer(send, 200, b"")

    async with listening(app, sock) as base, calling(plain_context) as client:
        call = asyncio.create_task(get(client, base))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        over.set()
    assert only(plain_context).note == "given up by the caller"


async def test_answer_over_the_limit_is_refused(plain_context: Context, sock: socket.socket) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, b"0" * (1 << 21), (b"content-type", b"text/plain"))

    async with listening(app, sock) as base, calling(plain_context) as client:
        with pytest.raises(PeerError, match="answer over 1 MiB"):
            await client.request("GET", base, callee=Callee("agenda-azur", "INT_R01", largest=1 << 20))


async def test_redirect_is_an_answer(plain_context: Context, sock: socket.socket) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 302, b"", (b"location", b"/elsewhere"))

    async with listening(app, sock) as base, calling(plain_context) as client:
        assert (await get(client, base)).status == 302


async def test_answer_cut_off_is_no_answer(plain_context: Context, sock: socket.socket) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        writer.close()

    async with raw_server(sock, serve) as base, calling(plain_context) as client:
        with pytest.raises(PeerError, match="answer cut off"):
            await get(client, base)


async def test_answer_that_is_no_http_is_no_answer(plain_context: Context, sock: socket.socket) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 smtp.example ready\r\n")
        writer.close()

    async with raw_server(sock, serve) as base, calling(plain_context) as client:
        with pytest.raises(PeerError):
            await get(client, base)


@pytest.mark.parametrize(("method", "repeated"), [("GET", True), ("PUT", True), ("POST", False)])
async def test_idle_connection_that_the_server_closed_is_retried_for_idempotent_methods_only(
    plain_context: Context, sock: socket.socket, method: str, repeated: bool
) -> None:
    """The server takes the second request of a connection and hangs up without an answer."""
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.close()

    async with raw_server(sock, serve) as base, calling(plain_context) as client:
        await get(client, base)
        call = client.request(method, base, callee=Callee("x", "INT_R03"))
        if repeated:
            assert (await call).status == 200
            assert requests == 3
        else:
            with pytest.raises(PeerUnreachable, match=r"connection (closed|reset)"):
                await call
            assert requests == 2


async def test_closed_client_opens_again(plain_context: Context, sock: socket.socket) -> None:
    async with listening(mirror, sock) as base, calling(plain_context) as client:
        await get(client, base)
        await client.close()
        assert (await get(client, base)).status == 200


async def test_listener_lets_a_running_request_end_and_takes_no_new_one(
    plain_context: Context, sock: socket.socket
) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await over.wait()
        await answer(send, 200, b"done")

    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    listener = Listener(app, sock)
    await listener.start()
    async with calling(plain_context) as client:
        call = asyncio.create_task(get(client, base))
        await asked.wait()
        stopping = asyncio.create_task(listener.stop())
        while sock.fileno() >= 0:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        with pytest.raises(PeerUnreachable, match="connection refused"):
            await get(client, base)
        over.set()
        assert (await call).body == b"done"
        await stopping


@pytest.mark.parametrize("secured", [False, True])
async def test_listener_cuts_what_outlives_its_grace_quietly(
    pki: Pki, context: Context, sock: socket.socket, caplog: pytest.LogCaptureFixture, secured: bool
) -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    tls = server_context(pki, client_certificate="required") if secured else None
    listener = Listener(app, sock, tls=tls)
    await listener.start()
    async with calling(context) as client:
        base = f"{'https' if secured else 'http'}://127.0.0.1:{sock.getsockname()[1]}"
        call = asyncio.create_task(client.request("POST", base, callee=Callee("x", "UI")))
        await asked.wait()
        with caplog.at_level(logging.WARNING):
            await listener.stop(grace=0.01)
        with pytest.raises(PeerUnreachable):
            await call
    assert cancelled.is_set()
    assert [record for record in caplog.records if record.exc_info] == []


async def test_listener_stops_at_once_while_a_handshake_is_under_way(pki: Pki, sock: socket.socket) -> None:
    listener = Listener(mirror, sock, tls=server_context(pki, client_certificate="required"))
    await listener.start()
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    writer.write(b"\x16\x03\x01")  # the first octets of a hello
    await writer.drain()
    while not listener._secured:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    async with asyncio.timeout(2):
        await listener.stop(grace=60)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_listener_that_cannot_listen_raises(sock: socket.socket) -> None:
    listener = Listener(mirror, sock)
    sock.close()
    with pytest.raises((OSError, ValueError)):
        await listener.start()
    await listener.stop()


async def _raw(sock: socket.socket, *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    received = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return received


async def test_endless_head_is_cut_off(sock: socket.socket) -> None:
    async with listening(mirror, sock):
        received = await _raw(sock, b"GET / HTTP/1.1\r\nX-Long: ", *[b"x" * 10_000] * 7)
    assert received.startswith(b"HTTP/1.1 431 ")


async def test_slow_head_is_cut_off(sock: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SLOWEST_HEAD", 0.02)
    async with listening(mirror, sock):
        assert (await _raw(sock, b"GET / HT")).startswith(b"HTTP/1.1 408 ")


async def test_head_in_two_parts_is_served(sock: socket.socket) -> None:
    async with listening(mirror, sock):
        received = await _raw(sock, b"GET / HTTP/1.1\r\nHost: a\r\nConn", b"ection: close\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 ")


async def test_connection_that_asks_nothing_is_closed(sock: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE", 0.02)
    async with listening(mirror, sock):
        assert await _raw(sock) == b""


async def test_answer_carries_a_date_and_no_server_name(plain_context: Context, sock: socket.socket) -> None:
    async with listening(mirror, sock) as base, calling(plain_context) as client:
        reply = await get(client, base)
    assert "Date" in reply.headers
    assert "Server" not in reply.headers
