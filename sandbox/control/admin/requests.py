"""What control asks of a request that changes something: who may send it, and its body as a value."""

from __future__ import annotations

from typing import TypeVar

from starlette.requests import Request

from sandbox.kernel.errors import RequestError, malformed
from sandbox.net.http.body import read_json_body

T = TypeVar("T")


async def body_as(request: Request, kind: type[T]) -> T:
    """A JSON body as `kind`, from our own pages and from programs."""
    refuse_foreign_page(request)
    return await read_json_body(request, kind)


def refuse_foreign_page(request: Request) -> None:
    """A browser names the page that sends a change; only our own may."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host', '')}":
        raise RequestError(403, *malformed(f"changes from the page {origin} are not accepted", "Origin").issues)
