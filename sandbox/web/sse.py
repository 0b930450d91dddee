"""Server-sent events: pages that follow what happens (HTML Living Standard, « Server-sent events »).

A `Channel` notifies its listeners that a topic has changed. Each listener has at most one pending mark per topic, so
slow readers need no more memory than others. Each event carries the whole present state, so a missed event is made up
for by the next one. `stream` is the answer: events as they come, a comment as heartbeat where nothing comes, an end
after an hour (EventSource comes back by itself), at once when the server stops.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Hashable, Iterator
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from sandbox.kernel.errors import Issue, RequestError

HEARTBEAT_S = 15.0
LONGEST_S = 3600.0
MOST_STREAMS = 1024  # open at once, of one console
RETRY_MS = 2000  # how long a browser waits before it comes back


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `name` as scripts listen to it, `id` comes back as Last-Event-ID."""

    data: str
    name: str = "message"
    id: str = ""

    def encode(self) -> bytes:
        """As it goes over the wire; every line of the data is a field of its own."""
        lines = [f"event: {self.name}"] if self.name != "message" else []
        lines += [f"id: {self.id}"] if self.id else []
        lines += [f"data: {line}" for line in self.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
        return ("\n".join(lines) + "\n\n").encode()


class Channel:
    """Notifies listeners that a topic has changed, without waiting for them."""

    def __init__(self) -> None:
        self._listeners: dict[Hashable, set[asyncio.Event]] = defaultdict(set)

    def __bool__(self) -> bool:
        """True while there are listeners."""
        return bool(self._listeners)

    def tell(self, topic: Hashable) -> None:
        """Notify the listeners that the topic has changed."""
        for changed in self._listeners.get(topic, ()):
            changed.set()

    @contextlib.contextmanager
    def listening(self, topic: Hashable) -> Iterator[asyncio.Event]:
        """An event that is set at each change: clear it, then read the present state."""
        changed = asyncio.Event()
        self._listeners[topic].add(changed)
        try:
            yield changed
        finally:
            self._listeners[topic].discard(changed)
            if not self._listeners[topic]:
                del self._listeners[topic]


class Streams:
    """The open streams of one console, so that they end when it stops."""

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S, longest_s: float = LONGEST_S) -> None:
        self.heartbeat_s, self.longest_s = heartbeat_s, longest_s
        self.stopping = asyncio.Event()
        self.open = 0

    def stop(self) -> None:
        """End all streams, and begin no more."""
        self.stopping.set()

    def answer(self, events: AsyncGenerator[Event, None]) -> EventStream:
        """The answer that carries `events`. Raises RequestError 503 when we stop, or too many are open."""
        if self.stopping.is_set() or self.open >= MOST_STREAMS:
            raise RequestError(503, Issue("transient", "Le suivi en direct n'est pas disponible pour l'instant."))
        return EventStream(self, events)


class EventStream:
    """An ASGI answer that lasts: until its events end, the browser has gone, an hour is over or the console stops."""

    def __init__(self, streams: Streams, events: AsyncGenerator[Event, None]) -> None:
        self._streams, self._events = streams, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        self._streams.open += 1
        sending = asyncio.create_task(self._send(send))
        gone = asyncio.create_task(_gone(receive))
        tasks = [sending, gone, asyncio.create_task(self._beat(send)), asyncio.create_task(self._stopped())]
        try:
            await asyncio.wait(tasks, timeout=self._streams.longest_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.open -= 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not sending.cancelled():
            sending.result()  # raised for the server, which logs it
        if gone.cancelled():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        async with contextlib.aclosing(self._events) as events:
            await _write(send, f"retry: {RETRY_MS}\n\n".encode())
            async for event in events:
                await _write(send, event.encode())

    async def _beat(self, send: Send) -> None:
        """Send a comment now and then, so that proxies keep the connection and a browser that has gone is noticed."""
        while True:
            await asyncio.sleep(self._streams.heartbeat_s)
            await _write(send, b": \n\n")

    async def _stopped(self) -> None:
        await self._streams.stopping.wait()


_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def _write(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
