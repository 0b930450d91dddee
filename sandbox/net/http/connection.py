"""One connection of an HTTP listener: uvicorn's protocol, which answers every refused request with the reason.

A refused request becomes a scope that carries its refusal (`net/http/rules.py`) and goes through the application like
any other, in its turn among pipelined ones. There are limits for the octets and the time of a head, for the octets, the
time and the rate of a body, for how long an answer waits to be read, and for how long a connection idles. When a
connection ends before its client has sent everything, what still arrives is discarded for a moment, so that no reset
overtakes the answer.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.kernel.errors import RequestError
from sandbox.net.http.immediate import AnswersImmediately, ImmediateAnswers
from sandbox.net.http.refusals import Refusal
from sandbox.net.http.refused_requests import Reading, RefusesRequests
from sandbox.net.http.rules import LARGEST_BODY, too_large

KEEP_ALIVE = 75  # seconds; longer than our own client keeps idle connections, so that the caller is the one who closes
LONGEST_HEAD = 65_536  # octets of request line and headers
SLOWEST_HEAD = 15.0  # seconds from the first octet of a head to its last
BODY_GRACE = 15.0  # seconds that a body of any size may take
LEAST_RATE = 4096  # octets of a body; every so many that arrived allow it one second more
SLOWEST_BODY = 60.0  # seconds, the most that a body may take
MOST_THROWN_AWAY = 32 << 20  # octets of a refused body that are discarded before the connection is closed
LINGER = 5.0  # seconds that a client has to close a connection that we end
UNREAD = 60.0  # seconds that an answer may wait for its reader
_SLICE = 16_384  # octets that are parsed at once


class Port(Protocol):
    """The listener, as its connections see it."""

    immediate: ImmediateAnswers | None
    opening: bytes

    @property
    def stopping(self) -> bool:
        """No new connections."""
        ...

    def app_for(self, peer: Any) -> Any:
        """The ASGI application for the requests of this peer."""
        ...

    def lost(self) -> None:
        """A connection ended."""
        ...

    def unreadable(self, client: object, error: RequestError) -> None:
        """Something that cannot be read as a request arrived on a connection."""
        ...


_NOTHING, _HEAD, _BODY = Reading.NOTHING, Reading.HEAD, Reading.BODY  # looked up many times a request


class Connection(AnswersImmediately, RefusesRequests, HttpToolsProtocol):
    """One connection. `listener` is given first, the rest by uvicorn."""

    listener: Port

    def __init__(self, listener: Port, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.listener, self.timeout_keep_alive = listener, KEEP_ALIVE
        self.reading = _NOTHING
        self._octets = 0  # of what is being read
        self._since = 0.0  # when the loop's timer of what is being read began to count
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._discarding = False  # nothing is parsed any more
        self._ending = False  # our last answer is sent

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._answers: Any = _ClosingLater(self)
        self.peer = transport.get_extra_info("peer")
        self.app = self.listener.app_for(self.peer)
        self.timeout_keep_alive_task = self.loop.call_later(KEEP_ALIVE, self.transport.close)
        if self.listener.stopping:  # its handshake was under way
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._stop_timer()
        self.resume_writing()
        self.listener.lost()

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            self._throw_away(data)
            return
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        if len(data) <= _SLICE:
            self._feed(data)
        else:
            for start in range(0, len(data), _SLICE):
                if not self._discarding and not self.transport.is_closing():
                    self._feed(data[start : start + _SLICE])
        if self.reading is not _NOTHING and self._timer is None and not self._discarding:
            self._watch(SLOWEST_HEAD if self.reading is _HEAD else BODY_GRACE)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(UNREAD, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    # What the parser calls

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["transport"] = self.transport  # for faults that cut it
        self.reading, self._octets = _HEAD, 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.reading, self._octets = _BODY, 0
        if self._timer is not None:
            self._stop_timer()
        if self.scope["method"] != "GET":
            self.headers = []  # fields of a trailer are ignored
            self.cycle.transport = self._answers

    def on_message_complete(self) -> None:
        self.reading = _NOTHING
        if self._timer is not None:
            self._stop_timer()
        super().on_message_complete()

    # What answers call

    def on_response_complete(self) -> None:
        if not self._ending:
            super().on_response_complete()

    def shutdown(self) -> None:
        if self._ending:  # it only waits for its client to close
            self.transport.abort()
        else:
            super().shutdown()

    def end(self) -> None:
        """After the last answer: close; while the client may still be sending, only the writing side at first."""
        if self.reading is _NOTHING and not self._discarding:
            self.transport.close()
            return
        self._discarding = self._ending = True
        self._octets = 0
        self._stop_timer()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER, self.transport.abort)

    @property
    def waits_since(self) -> float | None:
        """When it began to wait for the client (time of the loop); None while an answer is due."""
        if self.timeout_keep_alive_task is not None:
            return self.timeout_keep_alive_task.when() - KEEP_ALIVE
        owes = self.cycle is not None and not self.cycle.response_complete
        return None if owes and (self.reading is _NOTHING or self.flow.read_paused) else self._since

    # Inside

    def _feed(self, data: bytes) -> None:
        before = self.reading
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # the client may use another protocol from now on
        except httptools.HttpParserError as error:
            line = data.partition(b"\n")[0] if before is _NOTHING else b""
            self._refuse(self._unreadable(error, line), line)
            return
        if self.reading is not _NOTHING:
            self._count(len(data))

    def _count(self, octets: int) -> None:
        self._octets += octets
        if self.reading is _HEAD:
            if self._octets > LONGEST_HEAD:
                self._refuse(Refusal(431, "too-long", f"request line and headers over {LONGEST_HEAD} octets"))
        elif self.cycle.response_complete:
            if self._octets > MOST_THROWN_AWAY:
                self.end()
        elif self._octets > 8 * LARGEST_BODY:  # the framing (chunks, a trailer) counts too
            self._refuse(too_large())

    def _refuse(self, error: RequestError, line: bytes = b"") -> None:
        """Answer what is being read with `error`, then close the connection."""
        self._discarding = True
        self._stop_timer()
        if error.status != 408:
            self.listener.unreadable(self.client, error)
        if self.reading is not _BODY:
            self._begin_refused(error, line)
        elif self.cycle.response_complete:
            self.end()
        else:
            self._break_off(error)

    def _throw_away(self, data: bytes) -> None:
        self._octets += len(data)
        if self._octets > MOST_THROWN_AWAY:
            self.transport.abort()

    def _watch(self, seconds: float) -> None:
        self._since = self.loop.time()
        self._timer = self.loop.call_later(seconds, self._timed_out)

    def _timed_out(self) -> None:
        """The timer of what is being read has fired: refuse it, or wait longer when its size allows it."""
        self._timer = None
        if self.reading is _HEAD:
            self._refuse(Refusal(408, "timeout", f"no whole request line and headers within {SLOWEST_HEAD:g} s"))
            return
        if self.flow.read_paused or getattr(self.cycle, "waiting_for_100_continue", False):  # this side does not read
            self._watch(BODY_GRACE)
            return
        left = self._since + min(BODY_GRACE + self._octets / LEAST_RATE, SLOWEST_BODY) - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._timed_out)
        else:
            detail = f"the body came too slowly (expected {LEAST_RATE} octets a second, all within {SLOWEST_BODY:g} s)"
            self._refuse(Refusal(408, "timeout", detail))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _ClosingLater:
    """A transport for answers: `close` lets what the client still sends come in."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing

    def close(self) -> None:
        self._connection.end()
