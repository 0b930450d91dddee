"""The recording client: what a server does is told, never raised, and nothing waits for long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from sandbox.check.evidence import LONGEST_URL, as_data
from sandbox.check.wire import MOST_SILENT, Wire
from tests.support.checked.stand_in import target

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def wire_to(talk: Talk) -> AsyncIterator[Wire]:
    """A client of a server that talks like that."""
    talks: list[asyncio.Task[None]] = []

    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.create_task(whole(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with Wire(replace(target(), fhir=f"http://127.0.0.1:{port}/fhir")) as wire:
            yield wire
        await asyncio.gather(*talks)


def saying(octets: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not (await reader.readline()).isspace():
            pass
        writer.write(octets)

    return talk


async def test_an_answer_is_kept_with_its_request() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Type: text/html; charset=x\r\nContent-Length: 2\r\n\r\nok"
    async with wire_to(saying(answer)) as wire:
        exchange = await wire.get("Slot?start=ge2026-01-01T00:00:00%2B01:00")
    assert (exchange.status, exchange.body, exchange.media_type) == (302, b"ok", "text/html")
    assert exchange.url.endswith("/fhir/Slot?start=ge2026-01-01T00:00:00%2B01:00")
    assert exchange.header("location") == "/x"
    assert "→ 302" in exchange.summary


@pytest.mark.parametrize("octets", [b"", b"no HTTP at all", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_what_is_no_answer_is_told(octets: bytes) -> None:
    async with wire_to(saying(octets)) as wire:
        exchange = await wire.get("Slot")
    assert (exchange.answered, exchange.failure) == (False, "closed")
    assert exchange.why


async def test_a_silent_server_is_not_waited_for_again_and_again() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass

    async with wire_to(talk) as wire:
        for _ in range(MOST_SILENT):
            assert (await wire.call("GET", "Slot", timeout=0.05)).failure == "timeout"
        exchange = await wire.call("GET", "Slot", timeout=30)
    assert exchange.failure == "timeout"
    assert exchange.why.startswith("not called")


async def test_evidence_of_a_long_url_is_short() -> None:
    async with wire_to(saying(b"")) as wire:
        exchange = await wire.get(f"Slot?x={'y' * 50_000}")
    assert len(as_data(exchange)["url"]) == LONGEST_URL + 1
