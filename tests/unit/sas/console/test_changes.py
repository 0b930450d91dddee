"""Which pages learn that something of an orientation was written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from sandbox.sas.console.changes import watched
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Delete, Put, Store
from sandbox.web.sse import Channel

MINE = b'{"account": "claire"}'


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[tuple[Store, asyncio.Event]]:
    """A watched store, and the event that is set when the orientations of « claire » have changed."""
    channel, inner = Channel(), open_store(tmp_path)
    store = watched(inner, channel)
    with channel.listening("claire") as changed:
        yield store, changed
    await store.close()


@pytest.mark.parametrize(
    ("writes", "there"),
    [
        ([Put("appointments", "a", MINE)], True),
        ([Put("appointments", "a", b'{"account": "paul"}')], False),
        ([Put("other", "a", MINE)], False),
        ([Put("l02", "a", b"{}")], True),
        ([Put("l02", "of-a-stranger", b"{}")], False),
        ([Delete("appointments", "a")], False),
        ([Put("other", "x", b"{}"), Put("l02", "a", b"{}")], True),
    ],
)
async def test_the_owner_of_an_orientation_learns_of_appointments_and_messages(
    watching: tuple[Store, asyncio.Event], writes: list[Put | Delete], there: bool
) -> None:
    store, changed = watching
    await store.commit(Put("appointments", "a", MINE))
    changed.clear()
    await store.commit(*writes)
    assert changed.is_set() is there


async def test_what_is_watched_is_the_same_store(watching: tuple[Store, asyncio.Event]) -> None:
    store, _ = watching
    await store.commit(Put("other", "x", b'{"a": 1}'))
    await store.barrier()
    assert store.get("other", "x") == b'{"a": 1}'
    assert list(store.items("other")) == [("x", b'{"a": 1}')]
    assert store.count("other") == 1
    assert store.table("other").all() == [{"a": 1}]


class CountedReads:
    """A store that counts how often a row is read."""

    def __init__(self, store: Store) -> None:
        self._store, self.reads = store, 0

    def get(self, table: str, key: str) -> bytes | None:
        self.reads += 1
        return self._store.get(table, key)

    def commit(self, *writes: Put | Delete) -> Awaitable[None]:
        return self._store.commit(*writes)


async def test_rows_are_read_for_their_owner_only_while_a_page_listens(tmp_path: Path) -> None:
    inner, channel = open_store(tmp_path), Channel()
    counted = CountedReads(inner)
    store = watched(counted, channel)
    await store.commit(Put("appointments", "a", MINE), Put("l02", "a", b"{}"))
    assert counted.reads == 0
    with channel.listening("claire") as changed:
        await store.commit(Put("l02", "a", b"{}"))
        assert changed.is_set()
    assert counted.reads == 1
    await store.commit(Put("l02", "a", b"{}"))
    assert counted.reads == 1
    await inner.close()
