"""The outbox: order, retries, giving up, restarts."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import PeerUnreachable, StoreError
from sandbox.kernel.world import ClockSetting
from sandbox.store import outbox as outbox_module
from sandbox.store import outbox as outboxes
from sandbox.store.embedded import tables
from sandbox.store.embedded.tables import open_store
from sandbox.store.outbox import SEQUENCES, Abandon, Entry, Outbox, SendingPolicy
from sandbox.store.protocol import Delete, Put, Store
from tests.support.sandboxes import eventually

if TYPE_CHECKING:
    from conftest import Disk

CLOCK = Clock(lambda: 0.0, ClockSetting(frozen=1_700_000_000.0))


class Peer:
    """Receives entries; `behave` decides what becomes of each; `until` waits for a number of receptions."""

    def __init__(self) -> None:
        self.received: list[Entry] = []
        self.behave: Callable[[Entry], None] = lambda _: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls = 0
        self.busy: dict[str, int] = defaultdict(int)
        self.most_busy = 0
        self._changed = asyncio.Condition()

    async def send(self, entry: Entry) -> None:
        self.calls += 1
        self.busy[entry.key] += 1
        assert self.busy[entry.key] == 1, "two entries of one key at a time"
        self.most_busy = max(self.most_busy, sum(self.busy.values()))
        try:
            async with self._changed:
                self._changed.notify_all()
            await self.gate.wait()
            self.behave(entry)
            self.received.append(entry)
        finally:
            self.busy[entry.key] -= 1
            async with self._changed:
                self._changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(condition)

    def refs(self) -> list[str]:
        return [entry.ref for entry in self.received]


@pytest.fixture
def peer() -> Peer:
    return Peer()


def outbox_of(store: Store, peer: Peer, **options: Any) -> Outbox:
    policy = replace(SendingPolicy(first_pause=0.001, longest_pause=0.004), **options)
    return Outbox(store, "l02", peer.send, clock=CLOCK, entropy=seeded(1), policy=policy)


async def add(store: Store, outbox: Outbox, key: str, ref: str, payload: bytes = b"{}") -> str:
    writes = outbox.put(key, payload, ref=ref)
    await store.commit(Put("appointments", ref, b"{}"), *writes)
    outbox.wake()
    return writes[0].key


def unreachable(*refs: str, times: int = 3) -> Callable[[Entry], None]:
    """The first `times` attempts of each of these entries fail."""
    left = dict.fromkeys(refs, times)

    def behave(entry: Entry) -> None:
        if left.get(entry.ref, 0) > 0:
            left[entry.ref] -= 1
            raise PeerUnreachable("hub", "refused")

    return behave


async def test_entries_are_sent_with_their_payload_and_deleted(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    await outbox.start()
    await outbox.start()
    await add(store, outbox, "k", "text", '{"é":1}'.encode())
    await add(store, outbox, "k", "octets", b"\xff\x00")
    await peer.until(lambda: len(peer.received) == 2)
    assert [entry.payload for entry in peer.received] == ['{"é":1}'.encode(), b"\xff\x00"]
    await outbox.stop()
    assert (outbox.depth, store.count("l02"), outbox.pending()) == (0, 0, [])
    await store.close()


async def test_an_entry_is_not_sent_before_its_commit_is_on_disk(
    tmp_path: Path, peer: Peer, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "RETRY", 0.05)
    monkeypatch.setattr(outboxes, "STORE_PAUSE", 0.02)
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    await outbox.start()
    disk.full = True
    waiter = store.commit(*outbox.put("k", b"{}", ref="late"))
    outbox.wake()
    (outcome,) = await asyncio.gather(waiter, return_exceptions=True)
    assert outcome is not None
    await eventually(lambda: "No space left" in outbox.last_error)
    assert peer.calls == 0
    disk.full = False
    await peer.until(lambda: peer.refs() == ["late"])
    await outbox.stop()
    await store.close()


async def test_an_entry_whose_commit_never_came_is_not_sent(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    await outbox.start()
    outbox.put("k", b"{}", ref="never committed")
    await add(store, outbox, "k", "committed")
    await peer.until(lambda: bool(peer.received))
    await outbox.stop()
    assert peer.refs() == ["committed"]
    await store.close()


async def test_ids_without_a_commit_are_forgotten_in_the_end(
    tmp_path: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "_SWEEP", 10)
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    for number in range(100):
        writes = outbox.put("k", b"{}", ref=str(number))
        if number == 5:
            store.commit(*writes)
    assert len(outbox._new._undecided) <= 21
    await outbox.start()
    await peer.until(lambda: bool(peer.received))
    assert peer.refs() == ["5"]
    await outbox.stop()
    await store.close()


@pytest.mark.requirement("R03-10")
async def test_entries_of_one_key_keep_their_order_whatever_fails(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    peer.behave = unreachable("a0", "a3", "b1", "c4")
    await outbox.start()
    for index in range(5):
        for key in "abc":
            await add(store, outbox, key, f"{key}{index}")
    await peer.until(lambda: len(peer.received) == 15)
    for key in "abc":
        assert [ref for ref in peer.refs() if ref[0] == key] == [f"{key}{index}" for index in range(5)]
    assert [entry.attempts for entry in peer.received if entry.ref == "a3"] == [4]
    await outbox.stop()
    await store.close()


async def test_a_key_that_fails_does_not_hold_up_the_others(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer, concurrency=1, first_pause=60.0, longest_pause=60.0)
    peer.behave = unreachable("stuck", times=1_000)
    await outbox.start()
    await add(store, outbox, "a", "stuck")
    await add(store, outbox, "a", "behind")
    await add(store, outbox, "b", "free")
    await peer.until(lambda: peer.refs() == ["free"])
    stuck, behind = outbox.pending()
    assert (stuck.ref, stuck.attempts, stuck.last_error) == ("stuck", 1, "hub: refused")
    assert stuck.due is not None
    assert timedelta(seconds=30) <= stuck.due - CLOCK.now() <= timedelta(seconds=60)
    assert (behind.ref, behind.attempts, behind.due) == ("behind", 0, None)
    assert (outbox.depth, outbox.last_error, len(outbox.pending(most=1))) == (2, "hub: refused", 1)
    await outbox.stop()
    await store.close()


async def test_pauses_double_up_to_the_longest_with_jitter(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer, first_pause=100, longest_pause=800)
    peer.behave = unreachable("late", times=8)
    await outbox.start()
    await add(store, outbox, "a", "late")
    pauses = []
    for attempt in range(1, 9):
        (entry,) = await eventually(lambda attempt=attempt: put_off(outbox, attempt))
        pauses.append((entry.due - CLOCK.now()).total_seconds())
        outbox.hurry()
    await peer.until(lambda: bool(peer.received))
    for pause, whole in zip(pauses, [100, 200, 400, *[800] * 5], strict=True):
        assert whole / 2 <= pause <= whole
    assert len(set(pauses)) == 8
    await outbox.stop()
    await store.close()


def put_off(outbox: Outbox, attempts: int) -> list[Entry]:
    """The entries that wait for another attempt after so many."""
    return [entry for entry in outbox.pending() if entry.due is not None and entry.attempts == attempts]


async def test_no_more_keys_are_in_flight_than_allowed(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer, concurrency=3)
    peer.gate.clear()
    for index in range(10):
        await add(store, outbox, str(index), str(index))
    await outbox.start()
    await peer.until(lambda: peer.calls == 3)
    peer.gate.set()
    await peer.until(lambda: len(peer.received) == 10)
    assert peer.most_busy == 3
    await outbox.stop()
    await store.close()


async def test_an_abandoned_entry_is_kept_aside_and_the_next_one_goes(
    tmp_path: Path, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)

    def behave(entry: Entry) -> None:
        if entry.ref == "hopeless":
            raise Abandon("refused for good")

    peer.behave = behave
    await outbox.start()
    id = await add(store, outbox, "a", "hopeless", b"\xfe")
    await add(store, outbox, "a", "next")
    await peer.until(lambda: bool(peer.received))
    await outbox.stop()
    assert peer.refs() == ["next"]
    (failed,) = outbox.abandoned.entries()
    assert failed == Entry(id, "a", b"\xfe", "hopeless", attempts=1, last_error="refused for good")
    assert (store.count("l02"), outbox.depth, outbox.last_error) == (0, 0, "refused for good")
    row = store.table("l02.failed").get(doc_id=id)
    assert row["at"] == CLOCK.now().isoformat()
    await store.close()


async def test_a_bug_met_by_one_entry_neither_loses_it_nor_stops_the_others(
    tmp_path: Path, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer, first_pause=60.0, longest_pause=60.0)

    def behave(entry: Entry) -> None:
        if entry.ref == "odd":
            raise ZeroDivisionError("by nought")

    peer.behave = behave
    await outbox.start()
    await add(store, outbox, "a", "odd")
    await add(store, outbox, "b", "even")
    await peer.until(lambda: peer.refs() == ["even"])
    await peer.until(lambda: outbox.depth == 1)
    (odd,) = outbox.pending()
    assert odd.last_error == "ZeroDivisionError: by nought"
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]
    await outbox.stop()
    await store.close()


async def test_what_was_not_sent_is_sent_after_a_restart_in_order_and_ids_go_on(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    ids = [await add(store, outbox, "a", f"a{index}") for index in range(3)]
    await store.close()
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    assert outbox.depth == 3
    ids.append(await add(store, outbox, "a", "a3"))
    await outbox.start()
    await peer.until(lambda: len(peer.received) == 4)
    assert peer.refs() == ["a0", "a1", "a2", "a3"]
    assert ids == sorted(set(ids))
    await outbox.stop()
    await store.close()


async def test_an_id_is_never_given_twice_even_when_everything_was_sent(tmp_path: Path, peer: Peer) -> None:
    ids = []
    for _ in range(3):
        store = open_store(tmp_path)
        outbox = outbox_of(store, peer)
        await outbox.start()
        for _ in range(1_001):
            (first, *_), count = outbox.put("a", b"{}"), len(peer.received)
            store.commit(first, *_)
            ids.append(first.key)
        outbox.wake()
        await peer.until(lambda count=count: len(peer.received) == count + 1_001)  # type: ignore[misc]
        await outbox.stop()
        assert store.count("l02") == 0
        await store.close()
    assert ids == sorted(set(ids))
    assert len(ids) == 3_003


async def test_a_reservation_that_was_never_committed_is_made_again(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    outbox.put("a", b"{}")
    assert [write.table for write in outbox.put("a", b"{}")] == ["l02", SEQUENCES]
    await store.commit(*outbox.put("a", b"{}"))
    assert [write.table for write in outbox.put("a", b"{}")] == ["l02"]
    await store.close()


async def test_stopping_lets_what_is_in_flight_finish(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    peer.gate.clear()
    await outbox.start()
    await add(store, outbox, "a", "in flight")
    await add(store, outbox, "a", "next")
    await peer.until(lambda: peer.calls == 1)
    stopping = asyncio.create_task(outbox.stop())
    await asyncio.sleep(0)
    peer.gate.set()
    await stopping
    assert peer.refs() == ["in flight"]
    assert [entry.ref for entry in outbox.pending()] == ["next"]
    await outbox.stop()
    await store.close()


async def test_stopping_is_bounded_and_what_hangs_is_sent_after_the_next_start(
    tmp_path: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "DRAIN_SECONDS", 0.01)
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    peer.gate.clear()
    await outbox.start()
    await add(store, outbox, "a", "hangs")
    await peer.until(lambda: peer.calls == 1)
    await outbox.stop()
    assert outbox.depth == 1
    peer.gate.set()
    await outbox.start()
    await peer.until(lambda: peer.refs() == ["hangs"])
    await outbox.stop()
    assert store.count("l02") == 0
    await store.close()


async def test_a_failure_while_stopping_does_not_send_a_key_twice_at_a_time_later(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    peer.behave = unreachable("a0", times=1)
    peer.gate.clear()
    await outbox.start()
    for index in range(3):
        await add(store, outbox, "a", f"a{index}")
    await peer.until(lambda: peer.calls == 1)
    stopping = asyncio.create_task(outbox.stop())
    await asyncio.sleep(0)
    peer.gate.set()
    await stopping
    await outbox.start()
    await peer.until(lambda: len(peer.received) == 3)
    assert peer.refs() == ["a0", "a1", "a2"]
    await outbox.stop()
    await store.close()


async def test_entries_that_a_reset_removed_are_not_sent(tmp_path: Path, peer: Peer) -> None:
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    removed = await add(store, outbox, "a", "removed")
    await store.close()
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    await store.commit(Delete("l02", removed))
    assert outbox.pending() == []
    await outbox.start()
    await add(store, outbox, "a", "kept")
    await peer.until(lambda: peer.refs() == ["kept"])
    await outbox.stop()
    assert outbox.depth == 0
    await store.close()


async def test_a_store_that_fails_while_sending_stops_the_outbox_visibly_until_it_takes_writes_again(
    tmp_path: Path, peer: Peer, disk: Disk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "RETRY", 0.05)
    monkeypatch.setattr(outboxes, "STORE_PAUSE", 0.02)
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer, concurrency=1)
    await outbox.start()
    peer.gate.clear()
    await add(store, outbox, "a", "sent, but not marked so")
    await peer.until(lambda: peer.calls == 1)
    disk.full = True
    store.table("t").insert({})
    with pytest.raises(StoreError):
        await store.barrier()
    peer.gate.set()
    await eventually(lambda: "No space left" in outbox.last_error)
    await asyncio.sleep(0.2)  # many looks at the store
    assert (peer.calls, outbox.depth) == (1, 1)
    assert len([record for record in caplog.records if "waits for the store" in record.message]) == 1
    assert not [record for record in caplog.records if record.exc_info]
    disk.full = False
    await eventually(lambda: outbox.depth == 0)
    await add(store, outbox, "a", "next")
    await peer.until(lambda: peer.refs() == ["sent, but not marked so", "next"])
    await outbox.stop()
    await store.close()
    store = open_store(tmp_path)
    assert outbox_of(store, peer).pending() == []
    await store.close()


async def test_what_was_abandoned_while_the_store_refused_is_kept_aside_later(
    tmp_path: Path, peer: Peer, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "RETRY", 0.05)
    monkeypatch.setattr(outboxes, "STORE_PAUSE", 0.02)

    def refuse(entry: Entry) -> None:
        raise Abandon("no")

    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    peer.behave = refuse
    await outbox.start()
    peer.gate.clear()
    await add(store, outbox, "a", "never")
    await peer.until(lambda: peer.calls == 1)
    disk.full = True
    store.table("t").insert({})
    with pytest.raises(StoreError):
        await store.barrier()
    peer.gate.set()
    await eventually(lambda: outbox.last_error)
    assert outbox.abandoned.count == 0
    disk.full = False
    await eventually(lambda: outbox.abandoned.count == 1)
    assert (peer.calls, [entry.ref for entry in outbox.abandoned.of("a")]) == (1, ["never"])
    await outbox.stop()
    await store.close()


async def test_what_was_abandoned_is_found_by_key_and_dismissed_also_after_a_restart(
    tmp_path: Path, peer: Peer
) -> None:
    def refuse(entry: Entry) -> None:
        if entry.ref != "good":
            raise Abandon(f"no {entry.ref}")

    peer.behave = refuse
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer)
    await outbox.start()
    for key, ref in (("a", "1"), ("b", "2"), ("a", "3"), ("c", "good")):
        await add(store, outbox, key, ref)
    await peer.until(lambda: peer.calls == 4)
    await outbox.stop()
    assert outbox.abandoned.count == 3
    assert sorted(outbox.abandoned.all_keys()) == ["a", "b"]
    assert [entry.last_error for entry in outbox.abandoned.of("a")] == ["no 1", "no 3"]
    assert outbox.abandoned.of("c") == []
    again = outbox_of(store, peer)
    assert [entry.ref for entry in again.abandoned.of("a")] == ["1", "3"]
    await store.commit(*again.abandoned.dismiss("a"))
    assert (again.abandoned.of("a"), again.abandoned.dismiss("a"), list(again.abandoned.all_keys())) == ([], (), ["b"])
    assert again.abandoned.count == 1
    await store.close()


async def test_what_is_put_off_goes_at_once_when_hurried(tmp_path: Path, peer: Peer) -> None:
    peer.behave = unreachable("1", times=1)
    store = open_store(tmp_path)
    outbox = outbox_of(store, peer, first_pause=3600.0, longest_pause=3600.0)
    await outbox.start()
    await add(store, outbox, "k", "1")
    await add(store, outbox, "k", "2")
    await peer.until(lambda: peer.calls == 1 and not peer.busy["k"])
    await eventually(lambda: put_off(outbox, 1))
    assert [(entry.ref, entry.attempts) for entry in outbox.pending_of("k")] == [("1", 1), ("2", 0)]
    assert outbox.pending_of("other") == []
    outbox.hurry()
    await peer.until(lambda: peer.refs() == ["1", "2"])
    await outbox.stop()
    await store.close()
