"""Bodies and preferences of FHIR's HTTP, below the ports that use them."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from sandbox.kernel.errors import RequestError
from sandbox.net.fhir_http import read_body, wants_representation


def request(headers: dict[str, str], *messages: dict[str, Any]) -> Request:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": pairs}, receive)


async def test_a_body_that_ends_too_early_is_malformed():
    torn = request({}, {"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"})
    with pytest.raises(RequestError) as caught:
        await read_body(torn)
    assert caught.value.status == 400


async def test_a_body_in_pieces_is_put_together():
    pieces = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.request", "body": b"}"}]
    assert await read_body(request({"content-type": "application/json+fhir; charset=utf-8"}, *pieces)) == b"{}"


@pytest.mark.parametrize(
    ("prefer", "wanted"),
    [
        ("return=representation", True),
        ("handling=strict; return=representation", True),
        ("respond-async, Return=Representation", True),
        ("return=minimal", False),
        ("", False),
    ],
)
def test_the_representation_is_sent_only_when_preferred(prefer: str, wanted: bool):
    assert wants_representation(request({"prefer": prefer})) is wanted
