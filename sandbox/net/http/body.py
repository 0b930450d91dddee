"""Bodies of requests, read within a limit: as octets, or as JSON of a type that msgspec knows."""

from __future__ import annotations

from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from sandbox.kernel.errors import Issue, JsonError, RequestError, malformed
from sandbox.kernel.text.json_input import read_as
from sandbox.kernel.text.numbers import whole_number
from sandbox.net.http.rules import LARGEST_BODY

T = TypeVar("T")

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
JSON_TYPES = frozenset({"application/fhir+json", "application/json+fhir", JSON, "text/json"})
LARGEST_JSON = 64 * 1024  # octets of what is posted to the APIs; resources of FHIR may be larger


async def read_body(request: Request, most: int = LARGEST_BODY, *, form: bool = False) -> bytes:
    """The whole body, at most `most` octets.

    Raises RequestError: 413 when it is larger (by its Content-Length, or seen while reading), 415 when its
    Content-Type is none of JSON's (with `form`: not `application/x-www-form-urlencoded`), 400 when the client
    went away in the middle. A missing Content-Type is accepted.
    """
    kind = media_type(request)
    if kind and kind not in ({FORM} if form else JSON_TYPES):
        expected = FORM if form else "application/fhir+json or application/json"
        detail = f"Content-Type '{kind}' is not understood (expected {expected})"
        raise RequestError(415, Issue("not-supported", detail, "http.Content-Type"))
    return await collected(request, most)


async def collected(request: Request, most: int) -> bytes:
    """The whole body, whatever its Content-Type. Raises RequestError 413 and 400 as `read_body` does."""
    if (whole_number(request.headers.get("content-length", "")) or 0) > most:
        raise _too_large(most)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise _too_large(most)
            chunks.append(chunk)
    except ClientDisconnect:
        raise RequestError(400, Issue("invalid", "the body ended before its announced length")) from None
    return b"".join(chunks)


async def read_json_body(
    request: Request, kind: type[T], most: int = LARGEST_JSON, *, name: str = "", typed: bool = True
) -> T:
    """The JSON body as `kind`.

    `typed`: its Content-Type must be `application/json`, which no page of another site can send unasked. `name`: what
    errors call the body (`no account`), with the place in their text; without it errors point to the member. Raises
    RequestError 413 and 400 as `read_body` does, 415 for another Content-Type, 400 for what cannot be read.
    """
    if typed and media_type(request) != JSON:
        raise RequestError(415, *malformed(f"expected Content-Type: {JSON}", "Content-Type").issues)
    octets = await (collected if typed else read_body)(request, most)
    try:
        return read_as(octets, kind)
    except JsonError as error:
        raise _unreadable(error, name) from None


def media_type(request: Request) -> str:
    """The Content-Type without parameters, in lower case; "" without one."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _unreadable(error: JsonError, name: str) -> RequestError:
    if name:
        return malformed(f"the body is {name}: {error}", "body")
    if error.where.startswith("$."):
        return malformed(error.reason, error.where.removeprefix("$."))
    return malformed(f"the body cannot be read: {error}")


def _too_large(most: int) -> RequestError:
    return RequestError(413, Issue("too-long", f"body over {most} octets"))
