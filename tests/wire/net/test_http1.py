"""Our HTTP/1.1 client and whatever a server may send: every framing, cut, split, too much of anything."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.errors import PeerError, PeerTimeout, PeerTooLarge, PeerUnreachable, PeerUntrusted
from sandbox.net.context import Context
from sandbox.net.http import client as http_client
from sandbox.net.http import http1
from sandbox.net.http.client import Callee, HttpClient, Reply
from sandbox.net.http.http1 import Answer, CallFailed, Connection
from sandbox.net.tls import server_context
from sandbox.pki.authority import Pki

BODY = b'{"resourceType": "Bundle"}'
LARGEST = 1000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"
SIZED = HEAD + b"Content-Length: 26\r\n\r\n" + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + BODY[:5] + b"\r\n15;a=b\r\n" + BODY[5:] + b"\r\n0\r\n"

# What ends by itself: octets, status, body, whether the connection may be kept.
FRAMED = {
    "length": (SIZED, 200, BODY, True),
    "no body": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b"", True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "304": (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304, b"", True),
    "chunks": (CHUNKED + b"\r\n", 200, BODY, True),
    "chunks and trailer": (CHUNKED + b"X-Sum: 1\r\nContent-Encoding: gzip\r\n\r\n", 200, BODY, True),
    "close": (SIZED.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), 200, BODY, False),
    "interim": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX-Early: 1\r\n\r\n" + SIZED, 200, BODY, True),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + SIZED, 200, BODY, True),
    "1.0": (SIZED.replace(b"HTTP/1.1", b"HTTP/1.0"), 200, BODY, False),
    "1.0, kept": (SIZED.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"\r\n", b"\r\nConnection: keep-alive\r\n", 1), 200,
                  BODY, True),
    "error": (b"HTTP/1.1 500 Oops\r\nX-Empty:\r\nContent-Length: 4\r\n\r\noops", 500, b"oops", True),
    "identity": (SIZED.replace(b"\r\n", b"\r\nContent-Encoding: Identity\r\n", 1), 200, BODY, True),
}  # fmt: skip
# What ends with the connection.
UNFRAMED = {
    "until close": (HEAD + b"\r\n" + BODY, 200, BODY, False),
    "until close, 1.0": (b"HTTP/1.0 200 OK\r\n\r\n" + BODY, 200, BODY, False),
    "nothing until close": (b"HTTP/1.1 200 OK\r\n\r\n", 200, b"", False),
}


class Wire(asyncio.Transport):
    """A transport that leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.sent, self.aborted, self.unsent = b"", False, 0

    def write(self, data: Any) -> None:
        self.sent += data

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unsent


async def played(parts: Sequence[bytes], *, eof: bool = False, exc: Exception | None = None) -> tuple[Answer, bool]:
    """The answer that these octets are, and whether their connection may be kept; `eof`: then it ends."""
    connection = Connection()
    connection.connection_made(Wire())
    calling = asyncio.ensure_future(connection.call(b"GET / HTTP/1.1\r\n\r\n", LARGEST, 1e9))
    await asyncio.sleep(0)
    for part in parts:
        connection.data_received(part)
    if eof:
        if exc is None:
            connection.eof_received()
        connection.connection_lost(exc)
    try:
        async with asyncio.timeout(5):
            return await calling, connection.usable
    finally:
        if not eof:
            connection.connection_lost(None)


def pieces(octets: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """The octets, cut at these places."""
    ends = sorted({cut % len(octets) for cut in cuts} | {0, len(octets)})
    return (octets[start:end] for start, end in pairwise(ends))


async def failure(parts: Sequence[bytes], **how: Any) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await played(parts, **how)
    return caught.value


@pytest.mark.parametrize("name", [*FRAMED, *UNFRAMED])
async def test_every_framing_is_read(name: str) -> None:
    octets, status, body, kept = {**FRAMED, **UNFRAMED}[name]
    answer, usable = await played([octets], eof=name in UNFRAMED)
    assert (answer.status, answer.body, usable) == (status, body, kept)
    assert dict(answer.headers).get(b"x-sum") is None  # of a trailer
    assert b"x-early" not in dict(answer.headers)  # of an interim answer


@given(st.sampled_from([*FRAMED, *UNFRAMED]), st.lists(st.integers(0, 400), max_size=12))
def test_octets_may_come_in_any_pieces(name: str, cuts: list[int]) -> None:
    octets = {**FRAMED, **UNFRAMED}[name][0]
    whole = asyncio.run(played([octets], eof=name in UNFRAMED))
    assert asyncio.run(played([*pieces(octets, cuts)], eof=name in UNFRAMED)) == whole


@pytest.mark.parametrize("name", FRAMED)
async def test_octet_by_octet_is_the_same(name: str) -> None:
    octets, status, body, kept = FRAMED[name]
    answer, usable = await played([bytes([octet]) for octet in octets])
    assert (answer.status, answer.body, usable) == (status, body, kept)


@pytest.mark.parametrize("name", FRAMED)
async def test_answer_that_ends_before_its_end_is_none_wherever_it_is_cut(name: str) -> None:
    octets = FRAMED[name][0]
    for size in range(1, len(octets)):
        error = await failure([octets[:size]], eof=True)
        assert (error.kind, error.detail, error.unheard) == (PeerError, "answer cut off", False), octets[:size]


@pytest.mark.parametrize("name", UNFRAMED)
async def test_reset_is_not_the_end_of_an_answer_without_length(name: str) -> None:
    octets = UNFRAMED[name][0]
    for size in range(1, len(octets) + 1):
        error = await failure([octets[:size]], eof=True, exc=ConnectionResetError())
        assert (error.kind, error.detail) == (PeerError, "answer cut off")


async def test_end_without_any_octet_says_that_nothing_was_heard() -> None:
    closed, reset = await failure([], eof=True), await failure([], eof=True, exc=ConnectionResetError())
    assert (closed.kind, closed.detail) == (PeerUnreachable, "connection closed without an answer")
    assert (reset.kind, reset.detail) == (PeerUnreachable, "connection reset")
    assert closed.unheard
    assert reset.unheard


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD + b"Content-Length: 1001\r\n\r\n"],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"64\r\n" + b" " * 100 + b"\r\n"] * 11],
        [HEAD + b"\r\n", *[b" " * 100] * 11],
    ],
)
async def test_body_over_the_limit_is_refused_as_soon_as_that_is_known(parts: list[bytes]) -> None:
    error = await failure(parts)
    assert (error.kind, error.detail) == (PeerTooLarge, "answer over 0.000953674 MiB")


async def test_body_of_the_limit_is_read() -> None:
    answer, _ = await played([HEAD + b"Content-Length: 1000\r\n\r\n", b" " * 1000])
    assert len(answer.body) == LARGEST


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\n", b"X-Again: 1\r\n" * 1000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;a=", b"y" * 10_000),
        (CHUNKED, b"X-After: 1\r\n" * 1000),
    ],
)
async def test_whatever_is_not_body_has_a_limit_too(start: bytes, endless: bytes) -> None:
    error = await failure([start, *[endless] * 8])
    assert error.kind is PeerError
    assert error.detail == "no usable HTTP answer (over 64 KiB beside the body)"


@pytest.mark.parametrize(
    "octets",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 smtp.example ready\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        HEAD + b" folded: no\r\nBad\x00Name: 1\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_refused(octets: bytes) -> None:
    error = await failure([octets])
    assert error.kind is PeerError
    assert error.detail.startswith("no usable HTTP answer (")


async def test_encoded_body_is_refused_and_its_encoding_named() -> None:
    error = await failure([SIZED.replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)])
    assert (error.kind, error.detail) == (PeerError, "answer encoded as gzip, which was not asked for")


@pytest.mark.parametrize("more", [SIZED, b"HTTP/1.1 2", b"\r\nnonsense"])
async def test_octets_after_the_answer_spoil_the_connection_not_the_answer(more: bytes) -> None:
    answer, usable = await played([SIZED + more])
    assert (answer.body, usable) == (BODY, False)


async def test_octets_that_nobody_asked_for_end_the_connection() -> None:
    connection, wire = Connection(), Wire()
    connection.connection_made(wire)
    connection.data_received(SIZED)
    assert wire.aborted
    assert not connection.usable


async def test_connection_that_ended_before_its_first_call_says_so() -> None:
    connection = Connection()
    connection.connection_made(Wire())
    connection.connection_lost(ConnectionResetError())
    with pytest.raises(CallFailed, match="connection reset"):
        await connection.call(b"", LARGEST, 1e9)


async def test_answer_before_the_request_was_sent_whole_spoils_the_connection() -> None:
    connection, wire = Connection(), Wire()
    connection.connection_made(wire)
    calling = asyncio.ensure_future(connection.call(b"POST", LARGEST, 1e9))
    await asyncio.sleep(0)
    wire.unsent = 1
    connection.data_received(SIZED)
    assert (await calling).body == BODY
    assert not connection.usable
    connection.connection_lost(None)


# With sockets


Manner = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What each connection asked (heads), and what is done about it."""

    def __init__(self, manner: Manner) -> None:
        self.manner = manner
        self.connections: list[list[bytes]] = []
        self.ended = asyncio.Event()
        self.running: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads: list[bytes] = []
        self.running.add(cast("asyncio.Task[None]", asyncio.current_task()))
        self.connections.append(heads)
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                await self.manner(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended.set()
            writer.close()


@contextlib.asynccontextmanager
async def serving(
    sock: socket.socket, manner: Manner, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Server, str]]:
    server = Server(manner)
    listening = await asyncio.start_server(server.serve, sock=sock, ssl=tls)
    try:
        yield server, f"{'http' if tls is None else 'https'}://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        listening.close()
        await asyncio.gather(*server.running)


@contextlib.asynccontextmanager
async def calling(context: Context) -> AsyncIterator[HttpClient]:
    client = HttpClient(context, "sas", None)
    try:
        yield client
    finally:
        await client.close()


async def get(client: HttpClient, url: str, **options: Any) -> Reply:
    return await client.request("GET", url, callee=Callee("x", "INT_R01"), **options)


async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(SIZED)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    raise ConnectionResetError


@pytest.mark.parametrize("name", [*FRAMED, *UNFRAMED])
async def test_next_call_takes_the_connection_that_may_be_kept(
    plain_context: Context, sock: socket.socket, name: str
) -> None:
    octets, status, body, kept = {**FRAMED, **UNFRAMED}[name]

    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(octets)
        if not kept:
            raise ConnectionResetError  # ends the connection, not the answer

    async with serving(sock, manner) as (server, base), calling(plain_context) as client:
        for _ in range(2):
            reply = await get(client, base)
            assert (reply.status, reply.body) == (status, body)
    assert len(server.connections) == (1 if kept else 2)


async def test_request_says_what_it_must(plain_context: Context, sock: socket.socket) -> None:
    async with serving(sock, good) as (server, base), calling(plain_context) as client:
        await get(client, f"{base}/a%20b/Slot?start=ge1%2B2,é".replace("é", "%C3%A9"), headers={"Accept": "x/y"})
        await client.request("PUT", base, callee=Callee("x", "UI"))
    asked, put = server.connections[0]
    assert asked.split(b"\r\n") == [
        b"GET /a%20b/Slot?start=ge1%2B2,%C3%A9 HTTP/1.1", f"Host: {base[7:]}".encode(), b"User-Agent: sas-sandbox",
        b"Accept-Encoding: identity", b"Accept: x/y", b"", b"",
    ]  # fmt: skip
    assert put.startswith(b"PUT / HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 0\r\n" in put


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("/a b", {}), ("/é", {}), ("/a\r\nX: 1", {}), ("/#part", {}), ("@127.0.0.1/", {}), ("?query", {}),
        ("/", {"X": "1\r\nY: 2"}), ("/", {"X\n": "1"}), ("/", {"X:": "1"}), ("/", {"X": "—"}),
    ],
)  # fmt: skip
async def test_what_would_be_another_request_is_not_sent(
    plain_context: Context, sock: socket.socket, url: str, headers: dict[str, str]
) -> None:
    async with serving(sock, good) as (server, base), calling(plain_context) as client:
        with pytest.raises(PeerError, match="no usable HTTP answer"):
            await get(client, base + url, headers=headers)
    assert server.connections == []


async def test_kept_connection_that_the_server_closed_is_not_used(plain_context: Context, sock: socket.socket) -> None:
    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SIZED)
        raise ConnectionResetError

    async with serving(sock, manner) as (server, base), calling(plain_context) as client:
        await get(client, base)
        await server.ended.wait()
        (pool,) = client._pools.values()
        while pool._idle[0].usable:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        assert (await client.request("POST", base, callee=Callee("x", "UI"), body=b"x")).status == 200
    assert len(server.connections) == 2


async def test_call_is_repeated_once_only(plain_context: Context, sock: socket.socket) -> None:
    asked = 0

    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise ConnectionResetError
        writer.write(SIZED)

    async with serving(sock, manner) as (_, base), calling(plain_context) as client:
        await get(client, base)
        with pytest.raises(PeerUnreachable, match=r"connection (closed|reset)"):
            await get(client, base)
    assert asked == 3


async def test_call_that_was_answered_in_part_is_not_repeated(plain_context: Context, sock: socket.socket) -> None:
    asked = 0

    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(SIZED if asked == 1 else SIZED[:-1])
        if asked > 1:
            raise ConnectionResetError

    async with serving(sock, manner) as (_, base), calling(plain_context) as client:
        await get(client, base)
        with pytest.raises(PeerError, match="answer cut off"):
            await get(client, base)
    assert asked == 2


async def test_calls_beyond_the_limit_wait_for_their_turn(
    plain_context: Context, sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "CONNECTIONS", 2)
    async with serving(sock, good) as (server, base), calling(plain_context) as client:
        replies = await asyncio.gather(*(get(client, base) for _ in range(20)))
    assert [reply.body for reply in replies] == [BODY] * 20
    assert len(server.connections) == 2


async def test_call_that_gets_no_turn_is_a_timeout(
    plain_context: Context, sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "CONNECTIONS", 1)
    asked = asyncio.Event()

    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await silent(reader, writer)

    async with serving(sock, manner) as (server, base), calling(plain_context) as client:
        first = asyncio.create_task(get(client, base))
        await asked.wait()
        with pytest.raises(PeerTimeout, match=r"within 0\.01 s"):
            await get(client, base, timeout=0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await server.ended.wait()


@pytest.mark.parametrize("given_up", [True, False])
async def test_connection_of_a_call_that_nobody_waits_for_is_closed(
    plain_context: Context, sock: socket.socket, given_up: bool
) -> None:
    asked = asyncio.Event()

    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SIZED[:-1])
        asked.set()
        await silent(reader, writer)

    async with serving(sock, manner) as (server, base), calling(plain_context) as client:
        call = asyncio.create_task(get(client, base, timeout=7.0 if given_up else 0.05))
        await asked.wait()
        if given_up:
            call.cancel()
        with pytest.raises(asyncio.CancelledError if given_up else PeerTimeout):
            await call
        await server.ended.wait()


async def test_idle_connection_is_closed_after_a_while(
    plain_context: Context, sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "KEEP_ALIVE", 0.02)
    async with serving(sock, good) as (server, base), calling(plain_context) as client:
        await get(client, base)
        await get(client, base)
        await server.ended.wait()
        assert (await get(client, base)).status == 200
    assert len(server.connections) == 2


async def test_call_under_way_outlives_the_end_of_its_client_but_its_connection_does_not(
    plain_context: Context, sock: socket.socket
) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await over.wait()
        writer.write(SIZED)

    async with serving(sock, manner) as (server, base), calling(plain_context) as client:
        call = asyncio.create_task(get(client, base))
        await asked.wait()
        await client.close()
        over.set()
        assert (await call).body == BODY
        await server.ended.wait()


async def test_name_whose_first_address_refuses_is_reached_at_its_second(
    plain_context: Context, sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for = []
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))

        async def addresses(host: str, port: int) -> list[Any]:
            asked_for.append((host, port))
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each.getsockname()) for each in (nobody, sock)]

        async with serving(sock, good) as (server, _), calling(plain_context) as client:
            monkeypatch.setattr(http1, "addresses", addresses)
            assert (await get(client, "http://Éditeur.example:8080/x")).status == 200
    assert asked_for == [("éditeur.example", 8080)]
    assert b"\r\nHost: xn--diteur-9ua.example:8080\r\n" in server.connections[0][0]


async def test_server_on_ipv6_is_called_by_its_address(plain_context: Context) -> None:
    try:
        sock = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:  # a machine without IPv6
        async with calling(plain_context) as client:
            with pytest.raises(PeerUnreachable):
                await get(client, "http://[::1]:9/x")
        return
    port = sock.getsockname()[1]
    async with serving(sock, good) as (server, _), calling(plain_context) as client:
        assert (await get(client, f"http://[::1]:{port}/x")).status == 200
    assert f"\r\nHost: [::1]:{port}\r\n".encode() in server.connections[0][0]


@pytest.mark.parametrize(("url", "port"), [("http://h.example/x", 80), ("https://h.example", 443)])
async def test_site_without_port_has_that_of_its_scheme(
    plain_context: Context, monkeypatch: pytest.MonkeyPatch, url: str, port: int
) -> None:
    asked_for = []

    async def addresses(*where: object) -> list[Any]:
        asked_for.append(where)
        raise OSError("this name has no address")

    monkeypatch.setattr(http1, "addresses", addresses)
    async with calling(plain_context) as client:
        with pytest.raises(PeerUnreachable):
            await get(client, url)
    assert asked_for == [("h.example", port)]


@pytest.mark.parametrize("trusted", [True, False])
async def test_without_a_pki_a_server_is_judged_by_the_authorities_of_the_machine(
    plain_context: Context, sock: socket.socket, pki: Pki, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    tls = server_context(pki, client_certificate="optional")
    async with serving(sock, good, tls) as (server, base), calling(plain_context) as client:
        if trusted:
            assert (await get(client, base)).body == BODY
            assert (await get(client, base)).body == BODY
            assert len(server.connections) == 1, "the context is kept, and so is the connection"
        else:
            with pytest.raises(PeerUntrusted, match="server certificate refused"):
                await get(client, base)


async def test_server_that_never_shakes_hands_is_a_timeout(sock: socket.socket, plain_context: Context) -> None:
    """A plain server under https: nothing stays open (a socket that does would warn)."""
    async with serving(sock, good) as (server, base), calling(plain_context) as client:
        with pytest.raises(PeerTimeout):
            await get(client, base.replace("http:", "https:"), timeout=0.05)
        await server.ended.wait()


def test_reply_is_looked_up_without_regard_to_case() -> None:
    reply = Reply(200, http_client.Headers(raw=[(b"content-type", b"a/b")]), b"")
    assert cast(Any, reply.headers)["Content-Type"] == "a/b"
