"""HEAD wherever GET works: the same head, nothing after it, whatever the application is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.net.context import Context
from sandbox.net.http.edge import Edge
from sandbox.net.http.server import Listener
from sandbox.web.sse import Event, Streams
from tests.support.raw_http import line


class Console:
    """A page, one that also takes forms, and two streams that never end."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.streams = Streams()
        routes = [
            Route("/page", self.page, methods=["GET", "POST"]),
            Route("/lines", self.lines),
            Route("/events", self.events),
        ]
        self.app = Starlette(routes=routes)

    async def page(self, request: Request) -> Response:
        return PlainTextResponse(f"asked by {request.method}", headers={"x-own": "yes"})

    async def lines(self, request: Request) -> Response:
        return StreamingResponse(self._endless("lines", b"{}\n"), media_type="application/x-ndjson")

    def events(self, request: Request) -> Response:
        return self.streams.answer(self._endless("events", Event("now")))  # type: ignore[return-value]

    async def _endless(self, name: str, what):  # type: ignore[no-untyped-def]
        try:
            while True:
                yield what
                await asyncio.sleep(0.01)
        finally:
            self.ended.append(name)


@pytest.fixture(params=["with an edge", "without"])
async def console(
    request: pytest.FixtureRequest, plain_context: Context, sock: socket.socket
) -> AsyncIterator[Console]:
    console = Console()
    app = Edge(console.app, plain_context, lambda _: ("x", "UI")) if request.param == "with an edge" else console.app
    listener = Listener(app, sock)
    await listener.start()
    yield console
    await listener.stop()


async def test_head_has_the_head_of_get_and_no_body(console: Console, sock: socket.socket) -> None:
    async with line(sock.getsockname()) as caller:
        heads = []
        for method in (b"GET", b"HEAD", b"GET"):
            await caller.say(method + b" /page HTTP/1.1\r\nHost: a\r\n\r\n")
            heard = await caller.hear(bodiless=method == b"HEAD")
            heads.append((heard.status, {**heard.headers, "date": ""}, heard.body))
    assert heads[0] == heads[2] == (200, heads[1][1], b"asked by GET")
    assert heads[1][1]["content-length"] == "12"


@pytest.mark.parametrize("stream", ["lines", "events"])
async def test_stream_ends_with_its_head(console: Console, sock: socket.socket, stream: str) -> None:
    async with line(sock.getsockname()) as caller, asyncio.timeout(5):
        await caller.say(b"HEAD /%b HTTP/1.1\r\nHost: a\r\n\r\n" % stream.encode())
        assert (await caller.hear(bodiless=True)).headers["content-type"].startswith(("application/x-nd", "text/event"))
        await caller.say(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")  # the connection is free for the next
        assert (await caller.hear()).body == b"asked by GET"
        while console.ended != [stream]:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


async def test_head_is_journalled_as_such(plain_context: Context, sock: socket.socket) -> None:
    listener = Listener(Edge(Console().app, plain_context, lambda _: ("x", "UI")), sock)
    await listener.start()
    async with line(sock.getsockname()) as caller:
        await caller.say(b"HEAD /page HTTP/1.1\r\nHost: a\r\n\r\n")
        await caller.hear(bodiless=True)
    await listener.stop()
    (exchange,) = plain_context.journal.take()
    assert (exchange.action, exchange.status, exchange.size) == ("HEAD /page", 200, 0)
