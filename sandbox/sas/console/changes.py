"""Notifies the live pages when data that they show was written: by INT_R03, the hub, an editor's answer or a person.

Topics: the id of the account whose orientations have changed; ACCOUNTS, the regulators and what editors know of them;
MESSAGES, any message to an LRM; `agenda_topic`, the typed slots and the appointments of a practitioner; EDITORS, what
the platform knows of the editors, regulators' accounts at them included.
Everything is written through the store, so the store is what is watched; while no page listens, the extra cost of a
write is one look-up in an empty dictionary.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from sandbox.sas.agenda import agendas
from sandbox.sas.orientations import appointments
from sandbox.sas.orientations.l02 import message_table
from sandbox.sas.orientations.records import account_in, practitioner_in
from sandbox.sas.regulators import account_calls, accounts
from sandbox.store.protocol import Delete, Put, Store
from sandbox.web.sse import Channel

ACCOUNTS, MESSAGES, EDITORS = "accounts", "messages", "editors"
_TOPICS = {
    account_calls.TABLE: (ACCOUNTS, EDITORS),
    accounts.TABLE: (ACCOUNTS, EDITORS),
    message_table.TABLE: (MESSAGES,),
}


class Watched:
    """A store that calls `wrote` with every row that is put, once the store has taken the commit."""

    def __init__(self, store: Store, wrote: Callable[[Put], None]) -> None:
        self._store, self._wrote = store, wrote

    def get(self, table: str, key: str) -> bytes | None:
        """As Store."""
        return self._store.get(table, key)

    def items(self, table: str) -> Iterator[tuple[str, bytes]]:
        """As Store."""
        return self._store.items(table)

    def count(self, table: str) -> int:
        """As Store."""
        return self._store.count(table)

    @property
    def failure(self) -> str | None:
        """As Store."""
        return self._store.failure

    def check(self) -> None:
        """As Store."""
        self._store.check()

    def commit(self, *writes: Put | Delete) -> Awaitable[None]:
        """As Store."""
        written = self._store.commit(*writes)
        for write in writes:
            if isinstance(write, Put):
                self._wrote(write)
        return written

    async def barrier(self) -> None:
        """As Store."""
        await self._store.barrier()

    def table(self, name: str) -> Any:
        """As Store; what is written through the view is not announced."""
        return self._store.table(name)

    async def close(self) -> None:
        """As Store."""
        await self._store.close()


def watched(store: Store, changes: Channel) -> Store:
    """The same store; writes to it are announced on `changes`, by topic."""

    def wrote(put: Put) -> None:
        if not changes:
            return
        for topic in _TOPICS.get(put.table, ()):
            changes.tell(topic)
        if (key := _account(store, put)) is not None:
            changes.tell(key)
        if (owner := _practitioner(put)) is not None:
            changes.tell(agenda_topic(owner))

    return Watched(store, wrote)


def agenda_topic(practitioner: str) -> tuple[str, str]:
    """The topic of a practitioner's agenda (prefixed national id)."""
    return agendas.TABLE, practitioner


def _practitioner(put: Put) -> str | None:
    """The practitioner whose SAS agenda a row is about."""
    if put.table == agendas.TABLE:
        return put.key
    return practitioner_in(put.value) if put.table == appointments.TABLE else None


def _account(store: Store, put: Put) -> str | None:
    """Id of the account whose orientation a row belongs to. A row of L02 messages has the key of its appointment; a row
    for a message that another party published belongs to no account."""
    if put.table == appointments.TABLE:
        return account_in(put.value)
    row = store.get(appointments.TABLE, put.key) if put.table == message_table.TABLE else None
    return account_in(row) if row is not None else None
