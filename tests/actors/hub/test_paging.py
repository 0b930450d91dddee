"""Message contents that are paged out come back complete, across queues, dead-lettering, restarts and compactions."""

from __future__ import annotations

import os

import pytest

from sandbox.amqp.broker.load import Load
from sandbox.amqp.broker.message import Message
from sandbox.hub.embedded import paging
from sandbox.hub.embedded.messages import MessageLog
from sandbox.hub.embedded.paging import Paging


def bodies(queue):
    return [entry.message.content()[1] for entry in queue.ready]


@pytest.fixture
def paged(stage):
    """A stage whose messages are all paged out."""
    stage.broker.load.page_above = 0
    return stage


async def test_messages_are_put_aside_and_read_back(paged):
    log = MessageLog.open(paged.directory, paged.broker)
    log.start()
    for number in range(5):
        paged.publish(b"%d" % number)
    queue = paged.vhost.queues["dispatch"]
    assert paged.broker.load.resident == 0
    assert paged.broker.load.octets == 5
    assert [entry.message.size for entry in queue.ready] == [1] * 5
    assert bodies(queue) == [b"0", b"1", b"2", b"3", b"4"]
    queue.purge()
    assert (paged.broker.load.octets, paged.broker.load.resident) == (0, 0)
    await log.stop()


async def test_put_aside_messages_come_back_after_a_restart_put_aside(paged):
    log = MessageLog.open(paged.directory, paged.broker)
    log.start()
    paged.publish(b"a")
    paged.publish(b"b")
    await log.stop()
    paged.broker, paged.vhost = paged.fresh()
    paged.broker.load.page_above = 0
    log = MessageLog.open(paged.directory, paged.broker)
    queue = paged.vhost.queues["dispatch"]
    assert bodies(queue) == [b"a", b"b"]
    assert paged.broker.load.resident == 0
    await log.stop()


async def test_snapshot_holds_the_contents(paged):
    log = MessageLog.open(paged.directory, paged.broker)
    paged.publish(b"whole")
    assert b"whole" in b"".join(paged.broker.records.snapshot())
    await log.stop()


def test_disk_that_refuses_leaves_messages_in_memory(tmp_path, caplog):
    aside = Paging(tmp_path / "missing")
    assert aside.write(b"\0\0", b"x") is None
    assert aside.write(b"\0\0", b"x") is None
    assert caplog.text.count("stay in memory") == 1
    load = Load(page_above=0, write=aside.write)
    message = Message("e", "k", b"\0\0", b"x", True)
    assert load.settle(message) is message


def test_file_that_lost_octets_is_an_error(tmp_path):
    segment = paging.Segment(tmp_path)
    with pytest.raises(OSError, match="0 of 5 octets"):
        segment.read(5, 0)


def test_short_write_is_an_error(tmp_path, monkeypatch):
    segment = paging.Segment(tmp_path)
    monkeypatch.setattr(os, "pwritev", lambda *arguments: 1)
    with pytest.raises(OSError, match="only 1 octets"):
        segment.append(b"ab", b"c")


def test_files_have_no_name_and_end_with_their_last_message(tmp_path, monkeypatch):
    monkeypatch.setattr(paging, "SEGMENT", 4)
    aside = Paging(tmp_path)
    first, second = aside.write(b"", b"aaaa"), aside.write(b"", b"bbbb")
    descriptors = {page._segment._descriptor for page in (first, second)}
    assert len(descriptors) == 2
    assert list(tmp_path.iterdir()) == []
    descriptor = first._segment._descriptor
    del first
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert second.read() == (b"", b"bbbb")
