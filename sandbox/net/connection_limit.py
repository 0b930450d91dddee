"""How many connections of one client certificate a TLS listener holds: so that no partner can take them all."""

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
    """Of one listener. `most`: connections by certificate (its CN); `answer`: octets for those beyond, sent after
    their first octets, as clients may take an answer before their request for a fault."""

    def __init__(self, most: int, answer: bytes = b"", refused: Callable[[str, str], None] | None = None) -> None:
        self._most, self._answer, self._refused = most, answer, refused
        self._present: Counter[str] = Counter()
        self._told = Seldom(_log)

    def enter(self, cn: str, address: str) -> asyncio.Protocol | None:
        """Count one more, until `leave`. Returns the protocol that refuses it when it is one too many, else None."""
        self._present[cn] += 1
        if self._present[cn] <= self._most:
            return None
        why = f"'{cn}' has {self._most} connections already, the next ones are refused"
        if self._told.warning("TLS: %s", why) and self._refused is not None:
            self._refused(why, address)
        return _TurnedAway(self._answer)

    def leave(self, cn: str) -> None:
        """Count one less."""
        self._present[cn] -= 1
        if not self._present[cn]:
            del self._present[cn]


class _TurnedAway(asyncio.Protocol):
    """A connection too many: one answer, then the end."""

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
