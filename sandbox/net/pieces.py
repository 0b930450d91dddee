"""A body in pieces: they go to the kernel as they are, without being copied into one first.

An application may send one as the `body` of `http.response.body` where its scope says `gathers`: on our own listener,
without TLS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any


class Pieces:
    """Octets in several pieces, none of which changes any more."""

    __slots__ = ("parts", "size")

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.parts, self.size = parts, sum(map(len, parts))

    def __len__(self) -> int:
        return self.size


class Gathering:
    """A transport that also takes pieces; all else is the transport's own."""

    __slots__ = ("_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self.is_closing = transport, transport.is_closing

    def write(self, data: bytes | bytearray | memoryview | Pieces) -> None:
        """Send octets, or pieces of them."""
        if type(data) is Pieces:
            self._transport.writelines(data.parts)
        else:
            self._transport.write(data)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
