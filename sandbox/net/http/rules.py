"""The rules of HTTP for every request, whatever its application (RFC 9110, RFC 9112).

Requests that the listener could not read come here too, as a scope that carries its `refusal`, so that they are
answered in the port's format and journalled like any other request.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.kernel.errors import RequestError
from sandbox.net.http.refusals import Answer, Refusal, answer_to, waits_for_leave

LARGEST_BODY = 1 << 20  # octets of a request, at every port; forms are smaller
REFUSAL = "refusal"  # key of a scope: the RequestError that the listener found


class HttpRules:
    """ASGI middleware: HEAD is GET without its body, bodies are bounded, and what HTTP refuses raises RequestError.

    While the application runs, its `receive` raises RequestError 413 for a body over LARGEST_BODY, and the scope's
    refusal when the body broke off (400) or came too slowly (408).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises RequestError when it must not reach the application."""
        refusal: RequestError | None = scope.get(REFUSAL)
        if refusal is not None:
            raise refusal
        method = scope.get("method", "GET")
        if method == "GET":
            await self._app(scope, receive, send)
        elif method == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, _headless(send))
        else:
            body = _Body(scope, receive, send)
            await self._app(scope, body.receive, body.send)


class Answered:
    """ASGI middleware for an application without an edge (`net/http/edge.py`): it applies the same rules, and answers
    refused requests without journalling them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = HttpRules(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except RequestError as error:
            if begun:
                raise
            await self.answer(scope, error).send(send)

    def answer(self, scope: Scope, error: RequestError) -> Answer:
        """The answer to a request that the rules refuse."""
        return answer_to(error, scope, fhir=False)


def _headless(send: Send) -> Send:
    """`send` that ends the answer after its head: the body of a stream is not waited for."""
    over = False

    async def first_only(message: Message) -> None:
        nonlocal over
        if not over:
            over = True
            await send(message)
            await send({"type": "http.response.body", "body": b""})

    return first_only


class _Body:
    """Stands between an application and a request that may have a body; it enforces the limits of bodies."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._size, self._begun, self._asked = 0, False, False

    async def receive(self) -> Message:
        """The next piece. Raises RequestError for a body that is refused, as long as there is no answer."""
        self._asked = True
        message = await self._receive()
        self._size += len(message.get("body", b""))
        refusal: RequestError | None = self._scope.get(REFUSAL)
        if refusal is None and self._size <= LARGEST_BODY:
            return message
        if self._begun:
            return {"type": "http.disconnect"}
        raise refusal or too_large()

    def send(self, message: Message) -> Awaitable[None]:
        """A message of the application's answer."""
        if not self._begun:
            self._begun = True
            if not self._asked and waits_for_leave(self._scope):
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        return self._send(message)


def too_large() -> Refusal:
    """413."""
    return Refusal(413, "too-long", f"body over {LARGEST_BODY} octets")


def check_head(scope: Scope) -> None:
    """Raise Refusal when the head of a request violates HTTP, or asks for something that no port here offers."""
    version, hosts = scope["http_version"], 0
    if version not in ("1.0", "1.1"):
        raise Refusal(505, "not-supported", f"HTTP/{version} is not spoken here (expected HTTP/1.1)")
    for name, value in scope["headers"]:
        check = _CHECKS.get(name)
        if check is not None:
            check(value)
            hosts += name == b"host"
    if hosts != 1 and not (hosts == 0 and version == "1.0"):
        found = "is missing" if hosts == 0 else f"is given {hosts} times"
        raise Refusal(400, "invalid", f"the header Host {found} (expected exactly one)", "http.Host")
    if b"%" in scope["raw_path"] and _CONTROL.search(scope["path"]):
        raise Refusal(400, "invalid", "the path contains a control character")


@lru_cache(maxsize=64)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _host(value: bytes) -> None:
    if not _is_host(value):
        raise Refusal(400, "invalid", "the header Host is not <name>[:<port>]", "http.Host")


def _expect(value: bytes) -> None:
    if value.strip().lower() != b"100-continue":
        detail = f"Expect '{_shown(value)}' cannot be met (expected only 100-continue)"
        raise Refusal(417, "not-supported", detail, "http.Expect")


def _transfer_encoding(value: bytes) -> None:
    if value.strip().lower() != b"chunked":
        detail = f"Transfer-Encoding '{_shown(value)}' is not understood (expected only chunked)"
        raise Refusal(501, "not-supported", detail, "http.Transfer-Encoding")


def _content_encoding(value: bytes) -> None:
    if value.strip().lower() not in (b"", b"identity"):
        detail = f"Content-Encoding '{_shown(value)}' is not understood (expected a body that is not compressed)"
        refused = Refusal(415, "not-supported", detail, "http.Content-Encoding", {"Accept-Encoding": "identity"})
        raise refused


def _content_length(value: bytes) -> None:
    if len(value) > 18 or int(value) > LARGEST_BODY:
        raise too_large()


_CHECKS: Mapping[bytes, Callable[[bytes], None]] = {
    b"host": _host,
    b"expect": _expect,
    b"transfer-encoding": _transfer_encoding,
    b"content-encoding": _content_encoding,
    b"content-length": _content_length,
}
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:[0-9]*)?")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def _shown(value: bytes) -> str:
    return value[:60].decode("latin-1")
