"""What control asks of a request that changes something: who may send it, and its body as a value."""

from __future__ import annotations

from typing import TypeVar

from starlette.requests import Request

from sandbox.kernel.errors import JsonError, RequestError, malformed
from sandbox.kernel.text.json_input import read_as

T = TypeVar("T")

BODY_LIMIT = 64 * 1024


async def body_as(request: Request, kind: type[T]) -> T:
    """A JSON body as `kind`. The content type is required: no page of another site can send it unasked."""
    refuse_foreign_page(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RequestError(415, *malformed("expected Content-Type: application/json", "Content-Type").issues)
    octets = b""
    async for chunk in request.stream():
        octets += chunk
        if len(octets) > BODY_LIMIT:
            raise RequestError(413, *malformed(f"the body is over {BODY_LIMIT} octets").issues)
    try:
        return read_as(octets, kind)
    except JsonError as error:
        if error.where.startswith("$."):
            raise malformed(error.reason, error.where.removeprefix("$.")) from None
        raise malformed(f"the body cannot be read: {error}") from None


def refuse_foreign_page(request: Request) -> None:
    """A browser names the page that sends a change; only our own may."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host', '')}":
        raise RequestError(403, *malformed(f"changes from the page {origin} are not accepted", "Origin").issues)
