"""Who is told when something of an orientation is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.sas.console.changes import watched
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Delete, Put
from sandbox.web.sse import Channel

MINE = b'{"account": "claire"}'


@pytest.fixture
async def told(tmp_path) -> Iterator[tuple]:
    """A watched store, the channel, and the mark of « claire »."""
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
async def test_the_owner_is_told_of_appointments_and_messages(told, writes, there: bool) -> None:
    store, changed = told
    await store.commit(Put("appointments", "a", MINE))
    changed.clear()
    await store.commit(*writes)
    assert changed.is_set() is there


async def test_what_is_watched_is_the_same_store(told) -> None:
    store, _ = told
    await store.commit(Put("other", "x", b'{"a": 1}'))
    await store.barrier()
    assert store.get("other", "x") == b'{"a": 1}'
    assert list(store.items("other")) == [("x", b'{"a": 1}')]
    assert store.count("other") == 1
    assert store.table("other").all() == [{"a": 1}]


async def test_while_nobody_looks_nothing_is_read(tmp_path) -> None:
    store = watched(open_store(tmp_path), Channel())
    await store.commit(Put("appointments", "a", b'{"account": 3}'))  # would be an error if it were read
    await store.close()
