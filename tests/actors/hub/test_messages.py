"""The broker's messages on disk: recovery, compaction, refusal."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.hub.embedded.messages import MessageLog
from sandbox.kernel.errors import StoreError, StoreLocked
from sandbox.store.embedded.log import Log


class Publisher:
    """Waits for its confirms."""

    def __init__(self, stage):
        self.records, self.batch, self.safe, self.told = stage.broker.records, 0, None, asyncio.Event()

    def settled(self, batch, *, safe):
        if batch < self.batch:
            return False
        self.safe = safe
        self.told.set()
        return True

    async def confirm(self):
        self.told.clear()
        self.batch = self.records.wait(self)
        async with asyncio.timeout(10):
            await self.told.wait()
        return self.safe


async def test_confirmed_messages_come_back(stage):
    log = MessageLog.open(stage.directory, stage.broker)
    log.start()
    for number in range(10):
        stage.publish(b"%d" % number)
    assert await Publisher(stage).confirm()
    queue = stage.vhost.queues["dispatch"]
    queue.settle(queue.take(stage.wall))
    await log.stop()
    stage.broker, stage.vhost = stage.fresh()
    log = MessageLog.open(stage.directory, stage.broker)
    assert log.recovered == 9
    assert stage.bodies("dispatch") == [b"%d" % number for number in range(1, 10)]
    await log.stop()


async def test_what_comes_while_the_disk_is_busy_is_the_next_batch(stage):
    log = MessageLog.open(stage.directory, stage.broker)
    log.start()
    publishers = [Publisher(stage) for _ in range(5)]
    for _ in publishers:
        stage.publish(b"x")
    assert all(await asyncio.gather(*(publisher.confirm() for publisher in publishers)))
    assert stage.broker.records.batch <= 4
    await log.stop()


async def test_stop_brings_the_last_batch_to_disk_and_confirms_it(stage):
    log = MessageLog.open(stage.directory, stage.broker)
    log.start()
    stage.publish(b"x")
    waiting = asyncio.create_task(Publisher(stage).confirm())
    await asyncio.sleep(0)
    await log.stop()
    assert await waiting


async def test_log_is_compacted_when_it_is_mostly_dead(stage):
    log = MessageLog.open(stage.directory, stage.broker, compact_above=50_000)
    log.start()
    publisher = Publisher(stage)
    queue = stage.vhost.queues["dispatch"]
    stage.publish(b"keep")
    for _ in range(40):
        for _ in range(5):
            stage.publish(bytes(1000))
        await publisher.confirm()
        keep = queue.take(stage.wall)
        while entry := queue.take(stage.wall):
            queue.settle(entry)
        queue.requeue([keep], stage.wall)
        await publisher.confirm()
    assert (stage.directory / "messages").stat().st_size < 120_000
    await log.stop()
    stage.broker, stage.vhost = stage.fresh()
    log = MessageLog.open(stage.directory, stage.broker)
    assert stage.bodies("dispatch") == [b"keep"]
    await log.stop()


async def test_compaction_that_fails_changes_nothing(stage, monkeypatch, caplog):
    log = MessageLog.open(stage.directory, stage.broker, compact_above=1000)
    log.start()

    async def refuse():
        raise StoreError("no room")

    monkeypatch.setattr(Log, "rotate", lambda self, prepare: refuse())
    for _ in range(3):
        stage.publish(bytes(2000))
        assert await Publisher(stage).confirm()
    await log.stop()
    assert "was not compacted" in caplog.text
    stage.broker, stage.vhost = stage.fresh()
    await MessageLog.open(stage.directory, stage.broker).stop()
    assert len(stage.bodies("dispatch")) == 3


async def test_disk_that_refuses_gives_nacks_from_then_on(stage, monkeypatch, caplog):
    log = MessageLog.open(stage.directory, stage.broker)
    log.start()

    def refuse(self, record):
        raise StoreError("disk full")

    monkeypatch.setattr(Log, "submit", refuse)
    stage.publish(b"x")
    assert await Publisher(stage).confirm() is False
    assert not stage.broker.can_accept
    assert "disk full" in caplog.text
    await log.stop()


async def test_second_hub_on_the_same_directory_is_locked_out(stage):
    log = MessageLog.open(stage.directory, stage.broker)
    with pytest.raises(StoreLocked):
        MessageLog.open(stage.directory, stage.broker)
    await log.stop()


async def test_log_of_something_else_is_refused(stage):
    stage.directory.mkdir()
    other, _ = Log.open(stage.directory / "messages")
    other.append_now(b"not a batch")
    other.close_now()
    with pytest.raises(StoreError, match="something else than messages"):
        MessageLog.open(stage.directory, stage.broker)


async def test_orphans_are_said(stage, caplog):
    log = MessageLog.open(stage.directory, stage.broker)
    log.start()
    stage.publish(b"x")
    await log.stop()
    stage.broker, stage.vhost = stage.fresh()
    del stage.vhost.queues["dispatch"]
    await MessageLog.open(stage.directory, stage.broker).stop()
    assert "1 messages belong to queues that are not configured" in caplog.text
