"""Answers that need no waiting: a listener asks for one as soon as a request's head has been read, before it creates a
task.

Where there is no immediate answer (another method, a fault to apply, a mistake to explain) the function returns None,
and the request goes through the ASGI application like all others. The application would give the same answer: no rule
exists only here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from starlette.types import Scope


class ReadyAnswer(NamedTuple):
    """An answer 200. `head`: its header lines, each with its line end, without Date, which the listener adds; `parts`:
    the body in pieces, `size` octets in total. The pieces must not change any more, because they are sent without being
    joined first."""

    head: bytes
    parts: Sequence[bytes]
    size: int


ImmediateAnswers = Callable[[Scope], ReadyAnswer | None]
"""Asked with the ASGI scope of a GET: `path`, `query_string`, `headers`, `scheme`, `peer`; nothing is awaited."""


class Opening(Protocol):
    """A listener, as its connections see it."""

    immediate: ImmediateAnswers | None
    opening: bytes


class _Answered:
    """Stands for the request and answer of uvicorn's protocol when there is nothing left to do."""

    response_complete = True
    keep_alive = True
    message_event = asyncio.Event()


_ANSWERED = _Answered()


class AnswersImmediately:
    """Mixed into uvicorn's protocol on httptools: sends what is ready at once.

    Only for a plain GET of HTTP/1.1 on a connection that is kept, and not while another answer is under way or waits to
    be read (pipelined requests).
    """

    listener: Any  # an Opening
    parser: Any
    transport: Any
    flow: Any
    scope: Any
    cycle: Any
    url: bytes
    expect_100_continue: bool
    peer: object
    on_response_complete: Callable[[], None]

    def on_headers_complete(self) -> None:
        immediate = self.listener.immediate
        if (
            immediate is not None
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
        ):
            ready = self._ready(immediate)
            if ready is not None:
                self._send(ready)
                return
        super().on_headers_complete()  # type: ignore[misc]

    def _ready(self, immediate: ImmediateAnswers) -> ReadyAnswer | None:
        parser, scope = self.parser, self.scope
        path, _, query = self.url.partition(b"?")
        if parser.get_method() != b"GET" or b"%" in path or b"#" in query or self.expect_100_continue:
            return None
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive() or parser.should_upgrade():
            return None
        scope["method"], scope["path"], scope["query_string"] = "GET", path.decode("latin-1"), query
        scope["peer"] = self.peer
        try:
            return immediate(scope)
        except Exception:  # noqa: BLE001 - the application will fail again, where it is logged and answered
            return None

    def _send(self, ready: ReadyAnswer) -> None:
        first, *others = ready.parts
        self.transport.writelines([b"%b%b\r\n%b" % (self.listener.opening, ready.head, first), *others])
        self.cycle = _ANSWERED
        self.on_response_complete()
