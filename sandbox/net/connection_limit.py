"""Limits how many connections one client certificate may have at a TLS listener, so that no partner can use all of
them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import cast

from sandbox.kernel.seldom import Seldom

_LINGER = 2.0  # s that a refused client has to read the reason and close

_log = logging.getLogger(__name__)


class ConnectionLimit:
    """The limit of one listener. `most`: connections per certificate (by its CN); `answer`: octets that a refused
    client gets, after its own first octets, because clients may treat an answer that precedes their request as a
    fault."""

    def __init__(self, most: int, answer: bytes = b"", refused: Callable[[str, str], None] | None = None) -> None:
        self._most, self._answer, self._refused = most, answer, refused
        self._present: Counter[str] = Counter()
        self._told = Seldom(_log)

    def enter(self, cn: str, address: str) -> asyncio.Protocol | None:
        """Count one more connection, until `leave`. Returns the protocol that refuses it when it is above the limit,
        else None."""
        self._present[cn] += 1
        if self._present[cn] <= self._most:
            return None
        why = f"'{cn}' has {self._most} connections already, the next ones are refused"
        if self._told.warning("TLS: %s", why) and self._refused is not None:
            self._refused(why, address)
        return _TurnedAway(self._answer)

    def leave(self, cn: str) -> None:
        """Count one connection less."""
        self._present[cn] -= 1
        if not self._present[cn]:
            del self._present[cn]


class _TurnedAway(asyncio.Protocol):
    """The protocol of a connection above the limit: it sends the answer and closes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._late = asyncio.get_running_loop().call_later(_LINGER, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        answer, self._answer = self._answer, b""
        self._transport.write(answer)
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._late.cancel()
