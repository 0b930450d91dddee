"""Server-sent events as a browser receives them: what is sent, what ends a stream, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from sandbox.kernel.errors import RequestError
from sandbox.web.sse import Channel, Event, Streams

Chunks = asyncio.Queue[bytes | None]


class Reader:
    """A browser that listens to one stream; `read` gives the next chunk, None at the end."""

    def __init__(self, streams: Streams, events: AsyncGenerator[Event, None]) -> None:
        self.chunks: Chunks = asyncio.Queue()
        self.left = asyncio.Event()
        self.headers: dict[bytes, bytes] = {}
        self.task = asyncio.create_task(streams.answer(events)({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
        else:
            self.chunks.put_nowait(message["body"] if message["more_body"] else None)

    async def read(self) -> bytes | None:
        async with asyncio.timeout(5):
            return await self.chunks.get()


@contextlib.asynccontextmanager
async def reading(streams: Streams, events: AsyncGenerator[Event, None]) -> AsyncIterator[Reader]:
    reader = Reader(streams, events)
    try:
        assert await reader.read() == b"retry: 2000\n\n"
        yield reader
    finally:
        reader.task.cancel()
        await asyncio.gather(reader.task, return_exceptions=True)


async def endless(closed: asyncio.Event) -> AsyncGenerator[Event, None]:
    try:
        yield Event("un")
        await asyncio.Event().wait()
    finally:
        closed.set()


def test_each_line_of_the_data_is_a_field_and_no_line_can_be_forged() -> None:
    event = Event("a\r\nb\rc\n", "liste", "7")
    assert event.encode() == b"event: liste\nid: 7\ndata: a\ndata: b\ndata: c\ndata: \n\n"
    assert Event("x").encode() == b"data: x\n\n"


async def test_events_are_sent_as_they_come_and_the_stream_ends_with_them() -> None:
    async def two() -> AsyncGenerator[Event, None]:
        yield Event("un")
        yield Event("deux")

    streams = Streams()
    async with reading(streams, two()) as reader:
        assert reader.headers[b"content-type"].startswith(b"text/event-stream")
        assert reader.headers[b"cache-control"] == b"no-store"
        assert [await reader.read() for _ in range(3)] == [b"data: un\n\n", b"data: deux\n\n", None]
        await reader.task
    assert streams.open == 0


async def test_where_nothing_comes_there_is_a_heartbeat() -> None:
    async with reading(Streams(heartbeat_s=0.01), endless(asyncio.Event())) as reader:
        assert [await reader.read() for _ in range(3)] == [b"data: un\n\n", b": \n\n", b": \n\n"]


@pytest.mark.parametrize("why", ["the browser leaves", "the console stops", "an hour is over"])
async def test_a_stream_that_ends_closes_what_fed_it(why: str) -> None:
    streams = Streams(longest_s=0.02 if why == "an hour is over" else 60)
    closed = asyncio.Event()
    async with reading(streams, endless(closed)) as reader:
        assert streams.open == 1
        assert await reader.read() == b"data: un\n\n"
        if why == "the browser leaves":
            reader.left.set()
        elif why == "the console stops":
            streams.stop()
        async with asyncio.timeout(5):
            await reader.task
            await closed.wait()
        assert reader.chunks.empty() if why == "the browser leaves" else await reader.read() is None
    assert streams.open == 0


async def test_an_error_in_a_stream_is_not_swallowed() -> None:
    async def broken() -> AsyncGenerator[Event, None]:
        yield Event("un")
        raise ValueError("broken")

    async with reading(Streams(), broken()) as reader:
        with pytest.raises(ValueError, match="broken"):
            await reader.task


async def test_a_console_that_stops_begins_no_stream() -> None:
    streams = Streams()
    streams.stop()
    events = endless(asyncio.Event())
    with pytest.raises(RequestError) as refused:
        streams.answer(events)
    assert refused.value.status == 503
    await events.aclose()


async def test_a_channel_marks_a_change_once_however_often_it_is_told() -> None:
    channel = Channel()
    channel.tell("nobody listens")
    assert not channel
    with channel.listening("a") as one, channel.listening("a") as two, channel.listening("b") as other:
        for _ in range(3):
            channel.tell("a")
        assert [one.is_set(), two.is_set(), other.is_set()] == [True, True, False]
        one.clear()
        channel.tell("a")
        assert one.is_set()
    assert not channel
