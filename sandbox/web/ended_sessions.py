"""Sessions and tokens that were ended before their time: copies of them are refused afterwards.

Sessions and tokens are signed and not stored; only those that were ended are recorded. Each has a name that contains
when it began (`<random>.<epoch seconds>`) and expires `session_hours` later, by the wall clock; its record is then
removed. When more than MOST were ended within that time, the oldest records are removed too, and everything that began
no later than those counts as ended. So the table stays bounded, and nothing that was ended becomes valid again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sandbox.net.context import Context
from sandbox.store.protocol import Delete, Put, Store

MOST = 20_000
_FLOOR = "floor"  # one more row: what began at its time or earlier is over


class _Row(msgspec.Struct):
    begun: int


class EndedSessions:
    """The ended sessions of one role. `store`: where they are durable; None: they are kept until the role ends.
    `table`: the name of their table there."""

    def __init__(self, context: Context, store: Store | None = None, table: str = "ended", most: int = MOST) -> None:
        self._clock, self._entropy, self._store, self._table, self._most = (
            context.clock,
            context.entropy,
            store,
            table,
            most,
        )
        self._life = context.settings.session_hours * 3600
        rows = store.items(table) if store is not None else ()
        found = {key: msgspec.json.decode(row, type=_Row).begun for key, row in rows}
        self._floor = found.pop(_FLOOR, -1)
        self._begun = found

    def __len__(self) -> int:
        return len(self._begun)

    def name(self) -> str:
        """The name of a session that begins now."""
        return f"{self._entropy.token(16)}.{int(self._clock.real())}"

    def over(self, name: str) -> bool:
        """True when that session is over: ended, too old, or not one of ours."""
        key, begun = _parts(name)
        return key in self._begun or begun <= self._floor or begun + self._life <= self._clock.real()

    async def end(self, name: str) -> None:
        """End a session; durable when this returns. Raises StoreError."""
        key, begun = _parts(name)
        if key in self._begun and self._store is not None:
            await self._store.barrier()  # another request has just ended it
        if self.over(name):
            return
        floor = self._floor
        self._begun[key] = begun
        gone = dict.fromkeys(self._forgotten())
        for each in gone:
            del self._begun[each]
        if self._store is not None:
            writes = [(key, begun)] if self._floor == floor else [(key, begun), (_FLOOR, self._floor)]
            puts = (Put(self._table, name, msgspec.json.encode(_Row(at))) for name, at in writes)
            await self._store.commit(*puts, *(Delete(self._table, each) for each in gone))

    def _forgotten(self) -> Iterable[str]:
        """The records to remove: of sessions too old to be accepted anyway and, when there are too many, the oldest
        ones, which raise the floor."""
        now = self._clock.real()
        yield from [key for key, begun in self._begun.items() if begun + self._life <= now]
        if len(self._begun) > self._most:
            oldest = sorted(self._begun.items(), key=lambda each: each[1])[: max(1, self._most // 8)]
            self._floor = max(self._floor, oldest[-1][1])
            yield from [key for key, begun in self._begun.items() if begun <= self._floor]


def _parts(name: str) -> tuple[str, int]:
    key, _, begun = name.partition(".")
    good = begun.isascii() and begun.isdigit() and len(begun) <= 12
    return key, int(begun) if good else -1
