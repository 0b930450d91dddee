"""The journal of all roles: the latest exchanges, read with a cursor, and counters for the metrics."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from itertools import islice

from sandbox.kernel.journal import Exchange


class JournalView:
    """The last `capacity` Exchanges, numbered from 1 in order of arrival."""

    def __init__(self, capacity: int = 20_000) -> None:
        self._ring: deque[Exchange] = deque(maxlen=capacity)
        self.last = 0
        self.counts: Counter[tuple[str, str, str, int]] = Counter()

    def take(self, role: str, exchanges: Sequence[Exchange]) -> None:
        """Add a batch. `role`: the role that sent it; the actors are in the exchanges themselves."""
        for exchange in exchanges:
            self._ring.append(exchange)
            self.counts[exchange.actor, exchange.flow, exchange.direction, exchange.status] += 1
        self.last += len(exchanges)

    def since(
        self,
        cursor: int = 0,
        *,
        flow: str | None = None,
        actor: str | None = None,
        ref: str | None = None,
        most: int = 500,
    ) -> tuple[list[Exchange], int]:
        """At most `most` exchanges after `cursor` that match, oldest first, and the cursor for the next call."""
        first = self.last - len(self._ring)
        found: list[Exchange] = []
        reached = max(cursor, first)
        for exchange in islice(self._ring, reached - first, None):
            if len(found) == most:
                break
            reached += 1
            if (
                (flow is None or exchange.flow == flow)
                and (actor is None or exchange.actor == actor)
                and (ref is None or exchange.ref == ref)
            ):
                found.append(exchange)
        return found, reached

    def concerning(self, term: str, most: int) -> list[Exchange]:
        """The last `most` exchanges, oldest first, of a distributionID, or of all messages about an appointment, with
        the acknowledgements and errors that answer them."""
        named = {exchange.ref for exchange in self._ring if exchange.about == term and exchange.ref}
        ids = {term, *named}
        ids |= {exchange.ref for exchange in self._ring if exchange.about in ids and exchange.ref}
        found = [exchange for exchange in self._ring if exchange.ref in ids or exchange.about in ids]
        return sorted(found[-most:], key=lambda exchange: exchange.at)
