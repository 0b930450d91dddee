"""What is ready at once goes out without a task: the same octets, for those requests only that allow it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from sandbox.kernel.world import Fault, World
from sandbox.net.context import Context
from sandbox.net.http import connection
from sandbox.net.http.edge import Edge, RequirePeer
from sandbox.net.http.immediate import ReadyAnswer
from sandbox.net.http.server import Listener
from sandbox.net.tls import Peer, client_context, server_context
from sandbox.pki.authority import Pki
from sandbox.pki.subjects import sas_subject

HEAD = b"content-length: %d\r\ncontent-type: text/plain\r\n"


class Actor:
    """Answers `/ready…` at once when asked at once, everything when called; remembers the way each came."""

    def __init__(self, *parts: bytes) -> None:
        self.parts, self.ways = parts or (b"ready ", b"at ", b"once"), ""
        self.called = asyncio.Event()

    def immediate(self, scope: Scope) -> ReadyAnswer | None:
        if not scope["path"].startswith("/ready"):
            return None
        if scope["query_string"] == b"broken":
            raise ValueError("not so")
        self.ways += "1"
        size = sum(map(len, self.parts))
        return ReadyAnswer(HEAD % size, self.parts, size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.ways += "c"
        self.called.set()
        body = b"".join(self.parts)
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Talk:
    """One connection to a listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def ask(
        self, target: str, lines: Sequence[str] = (), method: str = "GET", version: str = "1.1", body: str = ""
    ) -> None:
        head = "\r\n".join([f"{method} {target} HTTP/{version}", "Host: here", *lines])
        self.writer.write(f"{head}\r\n\r\n{body}".encode())

    async def answer(self) -> tuple[bytes, bytes]:
        """The head without its date, and the body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"date:")]
        length = next(int(line[16:]) for line in lines if line.startswith(b"content-length: "))
        return b"\n".join(lines), await self.reader.readexactly(length)


@pytest.fixture
async def actor(sock: socket.socket) -> Any:
    actor = Actor()
    listener = Listener(actor, sock, immediate=actor.immediate)
    await listener.start()
    yield actor
    await listener.stop()


@pytest.fixture
async def talk(actor: Actor, sock: socket.socket) -> Any:
    talk = Talk(*await asyncio.open_connection(*sock.getsockname()))
    yield talk
    talk.writer.close()


async def test_both_ways_give_the_same_octets(actor: Actor, talk: Talk) -> None:
    talk.ask("/ready?how")
    immediate = await talk.answer()
    talk.ask("/other?how")
    assert await talk.answer() == immediate
    assert actor.ways == "1c"


@pytest.mark.parametrize(
    "options",
    [
        {"method": "HEAD"},
        {"method": "POST", "body": "", "lines": ["Content-Length: 0"]},
        {"version": "1.0", "lines": ["Connection: keep-alive"]},
        {"lines": ["Connection: close"]},
        {"lines": ["Connection: upgrade", "Upgrade: h2c"]},
        {"lines": ["Expect: 100-continue"]},
        {"target": "/re%61dy"},
        {"target": "/ready?how#where"},
        {"target": "http://here/ready"},
        {"target": "/ready?broken"},
    ],
)
async def test_anything_unusual_is_called(actor: Actor, talk: Talk, options: dict[str, Any]) -> None:
    talk.ask(**{"target": "/ready", **options})
    assert (await talk.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert actor.ways == "c"


async def test_pipelined_requests_are_answered_in_their_order(actor: Actor, talk: Talk) -> None:
    for target in ("/ready", "/other", "/ready", "/ready", "/other", "/ready"):
        talk.ask(target)
    for _ in range(6):
        _, body = await talk.answer()
        assert body == b"ready at once"
    assert actor.ways.count("c") >= 2
    talk.ask("/ready")
    await talk.answer()
    assert actor.ways.endswith("1")


async def test_body_that_nobody_expects_of_a_get_is_left_aside(actor: Actor, talk: Talk) -> None:
    talk.ask("/ready", ["Content-Length: 4"], body="body")
    talk.ask("/ready")
    assert await talk.answer() == await talk.answer()
    assert actor.ways == "11"


async def test_who_does_not_read_fills_no_memory(sock: socket.socket) -> None:
    actor, asked = Actor(b"x" * 1_000_000), 200
    listener = Listener(actor, sock, immediate=actor.immediate)
    await listener.start()
    talk = Talk(*await asyncio.open_connection(*sock.getsockname(), limit=2_000_000))
    talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(asked):
        talk.ask("/ready")
    await actor.called.wait()  # at last, where one waits for room
    assert len(actor.ways) < asked
    talk.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(asked):
        assert len((await talk.answer())[1]) == 1_000_000
    talk.writer.close()
    await listener.stop()


async def test_connection_that_was_answered_at_once_is_kept_for_a_while(
    sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE", 0.05)
    actor = Actor()
    listener = Listener(actor, sock, immediate=actor.immediate)
    await listener.start()
    talk = Talk(*await asyncio.open_connection(*sock.getsockname()))
    talk.ask("/ready")
    await talk.answer()
    assert await talk.reader.read() == b""
    talk.writer.close()
    await listener.stop()


async def test_listener_that_stops_hangs_up_on_whom_it_answered(sock: socket.socket) -> None:
    actor = Actor()
    listener = Listener(actor, sock, immediate=actor.immediate)
    await listener.start()
    talk = Talk(*await asyncio.open_connection(*sock.getsockname()))
    talk.ask("/ready")
    await talk.answer()
    await listener.stop()
    assert await talk.reader.read() == b""
    talk.writer.close()


async def test_the_same_over_mtls(pki: Pki, sock: socket.socket) -> None:
    long = b"y" * 40_000
    actor = Actor(b"x", long, b"z")
    tls = server_context(pki, client_certificate="required")
    listener = Listener(actor, sock, tls=tls, immediate=actor.immediate)
    await listener.start()
    talk = Talk(*await asyncio.open_connection(*sock.getsockname(), ssl=client_context(pki, "sas"), limit=100_000))
    talk.ask("/ready")
    assert (await talk.answer())[1] == b"x" + long + b"z"
    assert actor.ways == "1"
    talk.writer.close()
    await listener.stop()


# Through the edge


def scope(scheme: str = "http", peer: Peer | None = None) -> dict[str, Any]:
    return {
        "type": "http", "method": "GET", "scheme": scheme, "path": "/ready", "query_string": b"", "headers": [],
        "peer": peer,
    }  # fmt: skip


def identify(_: Scope) -> tuple[str, str]:
    return "editor:agenda-azur", "INT_R01"


def test_answer_at_once_is_journalled_as_any(plain_context: Context) -> None:
    actor = Actor()
    subject = sas_subject()
    edge = Edge(actor, plain_context, identify, immediate=actor.immediate)
    ready = edge.immediate(scope(peer=Peer(subject.cn, subject.ou, subject.o)))
    assert ready is not None
    assert b"".join(ready.parts) == b"ready at once"
    (seen,) = plain_context.journal.take()
    assert (seen.actor, seen.flow, seen.direction, seen.action) == ("editor:agenda-azur", "INT_R01", "in", "GET /ready")
    assert (seen.peer, seen.status, seen.size, seen.fault) == (subject.cn, 200, 13, "")


def test_what_is_not_ready_is_left_to_whoever_is_called(plain_context: Context) -> None:
    actor = Actor()
    assert Edge(actor, plain_context, identify, immediate=lambda _: None).immediate(scope()) is None
    assert Edge(actor, plain_context, identify).immediate(scope()) is None
    assert RequirePeer(actor, lambda *_: True).immediate(scope()) is None
    assert plain_context.journal.waiting == 0


def test_whom_a_fault_concerns_is_called(plain_context: Context) -> None:
    actor = Actor()
    edge = Edge(actor, plain_context, identify, immediate=actor.immediate)
    fault = Fault(id="f", kind="status", target="editor:agenda-azur", params={"code": 503})
    plain_context.world.apply(World(revision=1, faults=(fault,)))
    assert edge.immediate(scope()) is None
    plain_context.world.apply(World(revision=2))
    assert edge.immediate(scope()) is not None


@pytest.mark.parametrize(
    ("scheme", "peer", "let_in"),
    [
        ("http", None, True),
        ("https", None, False),
        ("https", Peer("stranger", "1", ""), False),
        ("https", Peer("sas", "1", ""), True),
    ],
)
def test_only_who_may_come_in_is_answered(scheme: str, peer: Peer | None, let_in: bool) -> None:
    actor = Actor()
    guarded = RequirePeer(actor, lambda _, peer: peer.cn == "sas", immediate=actor.immediate)
    assert (guarded.immediate(scope(scheme, peer)) is not None) is let_in


async def test_what_comes_before_the_time_is_known_is_answered_whole(sock: socket.socket) -> None:
    actor = Actor()
    listener = Listener(actor, sock, immediate=actor.immediate)
    assert listener.opening == b"HTTP/1.1 200 OK\r\n"  # as long as nobody has told the time
    await listener.start()
    talk = Talk(*await asyncio.open_connection(*sock.getsockname()))
    talk.ask("/ready")
    head = await talk.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    talk.writer.close()
    await listener.stop()
