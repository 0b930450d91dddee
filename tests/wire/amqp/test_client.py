"""Our own client against the embedded broker: what needs a hand inside it, a disk that sleeps or refuses, a hub that is
not there yet. What it does with a broker's deliveries is played on both, in `tests/wire/hub/test_own_client.py`."""

from __future__ import annotations

import asyncio
import socket

import aio_pika
import orjson
import pytest
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from yarl import URL

from sandbox.kernel.errors import PeerTimeout, PeerUnreachable, StoreError
from sandbox.net.amqp import client as amqp_client
from sandbox.net.amqp import deliveries
from sandbox.net.amqp.client import AmqpClient

PLATFORM, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"


class Box:
    """A handler that keeps what it gets."""

    def __init__(self, wanted=1, failing=0):
        self.wanted, self.failing = wanted, failing
        self.seen, self.full = [], asyncio.Event()

    async def __call__(self, delivery):
        if self.failing:
            self.failing -= 1
            raise StoreError("not yet")
        self.seen.append(orjson.loads(delivery.body)["distributionID"].rpartition("_")[2])
        if len({*self.seen}) >= self.wanted:
            self.full.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(amqp_client, "RECONNECT", (0.02, 0.1))
    monkeypatch.setattr(deliveries, "STORE_PAUSE", 0.02)


@pytest.fixture
async def clients(site):
    made = []

    def make(user, queue=None, handler=None):
        client = AmqpClient(site.context(), f"test:{user}", user)
        if queue is not None:
            client.consume(queue, handler)
        made.append(client)
        return client

    yield make
    for client in made:
        await client.stop()


async def full(box):
    async with asyncio.timeout(15):
        await box.full.wait()


@pytest.mark.requirement("L02-12")
async def test_client_waits_for_the_hub_and_comes_back_to_the_next_one(site, clients, message):
    box = Box(wanted=2)
    lrm, sas = clients(SAMU, f"{SAMU}.message", box), clients(PLATFORM)
    await lrm.start()
    await sas.start()
    first = asyncio.create_task(sas.publish(message(PLATFORM, SAMU, "first")))
    await asyncio.sleep(0)
    assert not sas.connected
    hub = site.hub()
    await hub.start()
    await first
    await hub.stop()
    hub = site.hub()
    await hub.start()
    await sas.publish(message(PLATFORM, SAMU, "second"))
    await full(box)
    assert [*dict.fromkeys(box.seen)] == ["first", "second"]  # the hub may have stopped before the ack of the first one
    await hub.stop()


async def test_publish_without_a_hub_is_unreachable(clients, monkeypatch):
    monkeypatch.setattr(amqp_client, "PUBLISH_TIMEOUT", 0.1)
    sas = clients(PLATFORM)
    await sas.start()
    with pytest.raises(PeerUnreachable, match="no connection"):
        await sas.publish(b"{}")


async def test_publish_without_a_confirm_is_a_timeout(hub, clients, monkeypatch):
    sas = clients(PLATFORM)
    await sas.start()
    await sas.publish(b"{}")
    monkeypatch.setattr(amqp_client, "PUBLISH_TIMEOUT", 0.2)
    hub._running.broker.records.on_work = None  # the disk no longer completes writes
    with pytest.raises(PeerTimeout):
        await sas.publish(b"{}")


async def test_publish_that_the_disk_refuses_is_unreachable(hub, clients):
    sas = clients(PLATFORM)
    await sas.start()
    hub._running.broker.records.accepting = False
    with pytest.raises(PeerUnreachable, match="nack"):
        await sas.publish(b"{}")


async def test_connection_lost_before_the_confirm_is_unreachable(hub, clients):
    sas = clients(PLATFORM)
    await sas.start()
    await sas.publish(b"{}")
    asked = asyncio.Event()
    hub._running.broker.records.on_work = asked.set  # nobody writes
    waiting = asyncio.create_task(sas.publish(b"{}"))
    await asked.wait()
    for connection in list(hub._running.server.connections):
        connection.transport.abort()
    with pytest.raises(PeerUnreachable):
        await waiting


async def test_a_connection_that_cannot_be_made_leaves_nothing_to_the_collector(monkeypatch):
    made = []

    class Remembered(aio_pika.Connection):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(aio_pika, "Connection", Remembered)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(CONNECTION_EXCEPTIONS):
            await amqp_client.connected(
                URL.build(scheme="amqp", host="127.0.0.1", port=nobody.getsockname()[1]), None, 5
            )
    assert [connection.is_closed for connection in made] == [True]
