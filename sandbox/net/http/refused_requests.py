"""Requests that cannot be read, or are refused while they are being read: each is answered like any other request.

It gets a scope that carries the refusal (`rules.REFUSAL`) and goes through the application in its turn, so that the
middleware journals and words the answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from sandbox.kernel.errors import RequestError
from sandbox.net.http.refusals import Refusal
from sandbox.net.http.rules import REFUSAL


class Reading(Enum):
    """Which part of a request is being read."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class RefusesRequests:
    """Mixed into uvicorn's protocol on httptools, whose attributes these are."""

    reading: Reading
    parser: Any
    transport: Any
    flow: Any
    scope: Any
    cycle: Any
    app: Any
    pipeline: Any
    logger: Any
    access_logger: Any
    access_log: bool
    server_state: Any
    headers: list[tuple[bytes, bytes]]
    url: bytes
    on_message_begin: Callable[[], None]
    on_response_complete: Callable[[], None]
    _start_asgi_task: Callable[[Any, Any], None]
    _answers: Any  # the transport for answers after which the client may still be sending

    def _unreadable(self, error: httptools.HttpParserError, line: bytes) -> Refusal:
        method = self.parser.get_method() if self.reading is Reading.HEAD and self.url else b""
        if method == b"CONNECT":
            return Refusal(501, "not-supported", "the method CONNECT is not implemented")
        return unreadable(error, line)

    def _break_off(self, error: RequestError) -> None:
        """Break off the body of a request that an application is serving; the application gets the error when it reads
        on."""
        cycle = self.cycle
        cycle.scope[REFUSAL] = error
        cycle.keep_alive, cycle.transport = False, self._answers
        cycle.message_event.set()

    def _begin_refused(self, error: RequestError, line: bytes) -> None:
        """Make a request from the readable part of a head that cannot be read, for the middleware that refuses it."""
        method, path = _told(line)
        if self.reading is Reading.HEAD and self.url:
            method, path = self.parser.get_method().decode("ascii"), _path_of(self.url)
        headers = self.headers if self.reading is Reading.HEAD else []
        self.on_message_begin()
        self.headers += headers
        self.scope["method"], self.scope["path"], self.scope["raw_path"] = method, path, path.encode()
        self.scope["query_string"] = b""
        self.scope[REFUSAL] = error
        former, self.cycle = self.cycle, self._refused_cycle()
        if former is None or former.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))

    def _refused_cycle(self) -> RequestResponseCycle:
        cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        cycle.transport, cycle.more_body = self._answers, False
        cycle.message_event.set()
        return cycle


_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,40})(?: (\S*))?")
_METHOD = re.compile(rb"[A-Z][A-Z0-9_-]*")


def unreadable(error: httptools.HttpParserError, line: bytes) -> Refusal:
    """The refusal of a request that the parser cannot read. `line`: its beginning, as far as it is known."""
    said = str(error)
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        method, _ = _told(line)
        if _METHOD.fullmatch(method.encode()) and "method encountered" in said:
            return Refusal(501, "not-supported", f"the method {method} is not implemented")
        return Refusal(400, "invalid", "this is no HTTP request (expected <METHOD> <path> HTTP/1.1)")
    if "HTTP version" in said or "PRI" in said:
        return Refusal(505, "not-supported", "this version of HTTP is not spoken here (expected HTTP/1.1)")
    if isinstance(error, (httptools.HttpParserInvalidURLError, httptools.HttpParserCallbackError)):
        return Refusal(400, "invalid", "the request target is not percent-encoded ASCII that begins with /")
    return Refusal(400, "invalid", f"malformed request: {said}")


def _told(line: bytes) -> tuple[str, str]:
    """Method and path of a line that may not be a request line: then `?` and `/`."""
    match = _LINE.match(line)
    if match is None:
        return "?", "/"
    method, target = match.groups()
    return method.decode("ascii"), _path_of(target or b"/")


def _path_of(target: bytes) -> str:
    path = target.partition(b"?")[0].decode("ascii", "replace")
    return path if path.startswith("/") and path.isprintable() else "/"
