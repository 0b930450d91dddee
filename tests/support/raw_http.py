"""HTTP as octets, for requests that no correct client sends: over TCP, or over TLS with a certificate of the
sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass
class Heard:
    """An answer as received; header names in lower case; of several headers with one name, the last."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, *parts: bytes) -> None:
        """Send octets; that the server has closed the connection is no error here."""
        for part in parts:
            self.writer.write(part)
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await self.writer.drain()

    async def hear(self, *, bodiless: bool = False) -> Heard:
        """Read the next answer."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        length = 0 if bodiless else int(headers.get("content-length", "0"))
        return Heard(int(lines[0].split()[1]), headers, await self.reader.readexactly(length))

    async def is_over(self) -> bool:
        """Whether the server has closed the connection and sent nothing more."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            return await self.reader.read() == b""
        return True


@contextlib.asynccontextmanager
async def line(address: tuple[str, int], tls: ssl.SSLContext | None = None) -> AsyncIterator[Line]:
    """A connection to host and port."""
    reader, writer = await asyncio.open_connection(*address[:2], ssl=tls, limit=1 << 20)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
