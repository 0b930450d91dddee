"""A disk that is full for a while: clients are told, nothing confirmed is lost, and the hub takes up work by itself.

Only on the embedded broker, whose log a test can make fail: RabbitMQ watches its disk and ends when a write fails."""

from __future__ import annotations

import errno

import pytest
from pamqp import body as content
from pamqp import commands, header

from sandbox.hub.embedded import messages
from sandbox.store.embedded.segment import Segment

VHOST, PLATFORM, SAMU = "15-15_v2.0", "fr.health.test.ptfsas", "fr.health.samu330"
Basic, Connection = commands.Basic, commands.Connection


class Disk:
    """Every log's segments on it: `full` makes their writes fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self._write = Segment._write
        disk = self

        def write(segment, octets, offset):
            if disk.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            disk._write(segment, octets, offset)

        monkeypatch.setattr(Segment, "_write", write)
        monkeypatch.setattr(messages, "RETRY", 0.02)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def publish(wire, octets):
    wire.send(Basic.Publish(0, "hubsante", PLATFORM), 1)
    wire.send(
        header.ContentHeader(0, len(octets), Basic.Properties(content_type="application/json", delivery_mode=2)), 1
    )
    wire.send(content.ContentBody(octets), 1)


async def enter(wire):
    await wire.login(capabilities={"connection.blocked": True})
    wire.send(commands.Channel.Open(), 1)
    await wire.read()
    wire.send(commands.Confirm.Select(), 1)
    await wire.read()


async def drain(wire, queue):
    """Everything in a queue, acknowledged."""
    wire.send(commands.Channel.Open(), 1)
    await wire.read()
    found = []
    while True:
        wire.send(Basic.Get(queue=queue, no_ack=True), 1)
        if isinstance(await wire.read(), Basic.GetEmpty):
            return found
        await wire.read()
        found.append((await wire.read()).value)


async def test_full_disk_blocks_then_lets_in_again_and_keeps_what_was_confirmed(site, raw, disk, message):
    hub = site.hub()
    await hub.start()
    wire = await raw()
    await enter(wire)
    publish(wire, message(PLATFORM, SAMU, "1"))
    assert isinstance(await wire.read(), Basic.Ack)

    disk.full = True
    publish(wire, message(PLATFORM, SAMU, "2"))
    assert isinstance(await wire.read(), Basic.Nack)
    assert "No space left" in str(hub.health()["disk"])
    publish(wire, message(PLATFORM, SAMU, "3"))
    blocked = await wire.read()
    assert (type(blocked), blocked.reason) == (Connection.Blocked, "low on disk")
    assert isinstance(await wire.read(), Basic.Nack)
    publish(wire, message(PLATFORM, SAMU, "4"))
    assert isinstance(await wire.read(), Basic.Nack)  # told once

    disk.full = False
    assert isinstance(await wire.read(), Connection.Unblocked)
    assert hub.health()["disk"] == "ok"
    publish(wire, message(PLATFORM, SAMU, "5"))
    assert isinstance(await wire.read(), Basic.Ack)
    await wire.close()
    await hub.stop()

    again = site.hub()
    await again.start()
    wire = await raw(SAMU)
    await wire.login()
    found = await drain(wire, f"{SAMU}.message")
    assert message_numbers(found) >= {"1", "5"}
    assert message_numbers(found) <= {"1", "2", "5"}  # the one that met the full disk may have been kept
    await wire.close()
    await again.stop()


async def test_hub_stops_while_its_disk_is_full(site, raw, disk, message):
    hub = site.hub()
    await hub.start()
    wire = await raw()
    await enter(wire)
    disk.full = True
    publish(wire, message(PLATFORM, SAMU, "1"))
    assert isinstance(await wire.read(), Basic.Nack)
    await wire.close()
    await hub.stop()
    disk.full = False
    again = site.hub()
    await again.start()
    assert again.health()["disk"] == "ok"
    await again.stop()


def message_numbers(bodies):
    return {octets.split(b'"distributionID":"')[1].split(b'"')[0].decode().rpartition("_")[2] for octets in bodies}
