"""Our own client against the hub: confirms, order, restarts, handlers that fail."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from sandbox.kernel.errors import PeerTimeout, PeerUnreachable
from sandbox.net import amqp_client
from sandbox.net.amqp_client import AmqpClient, HangUp
from tests.sandboxes import eventually

PLATFORM, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"


class Box:
    """A handler that keeps what it gets."""

    def __init__(self, wanted=1, failing=0):
        self.wanted, self.failing = wanted, failing
        self.seen, self.full = [], asyncio.Event()

    async def __call__(self, delivery):
        if self.failing:
            self.failing -= 1
            raise ValueError("not yet")
        self.seen.append(orjson.loads(delivery.body)["distributionID"].rpartition("_")[2])
        if len(self.seen) >= self.wanted:
            self.full.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(amqp_client, "RECONNECT", (0.02, 0.1))
    monkeypatch.setattr(amqp_client, "RETRY", (0.01, 0.02))


@pytest.fixture
async def clients(house):
    made = []

    def make(user, queue=None, handler=None):
        client = AmqpClient(house.context(), f"test:{user}", user)
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


@pytest.mark.requirement("L02-1", "L02-2", "L02-11")
async def test_message_crosses_the_hub_in_order(hub, clients, message):
    box = Box(wanted=30)
    lrm, sas = clients(SAMU, f"{SAMU}.message", box), clients(PLATFORM)
    await lrm.start()
    await sas.start()
    for number in range(30):
        await sas.publish(message(PLATFORM, SAMU, str(number)), headers={"x": "y"})
    await full(box)
    assert box.seen == [str(number) for number in range(30)]
    assert lrm.connected


@pytest.mark.requirement("L02-12")
async def test_client_waits_for_the_hub_and_comes_back_to_the_next_one(house, clients, message):
    box = Box(wanted=2)
    lrm, sas = clients(SAMU, f"{SAMU}.message", box), clients(PLATFORM)
    await lrm.start()
    await sas.start()
    first = asyncio.create_task(sas.publish(message(PLATFORM, SAMU, "first")))
    await asyncio.sleep(0)
    assert not sas.connected
    hub = house.hub()
    await hub.start()
    await first
    await hub.stop()
    hub = house.hub()
    await hub.start()
    await sas.publish(message(PLATFORM, SAMU, "second"))
    await full(box)
    assert box.seen == ["first", "second"]
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
    hub._running.broker.records.on_work = None  # the disk has fallen asleep
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


async def test_failing_handler_sees_the_same_message_again_in_order(hub, clients, message):
    box = Box(wanted=3, failing=2)
    lrm, sas = clients(SAMU, f"{SAMU}.message", box), clients(PLATFORM)
    await sas.start()
    for number in range(3):
        await sas.publish(message(PLATFORM, SAMU, str(number)))
    await lrm.start()
    await full(box)
    assert box.seen == ["0", "1", "2"]


async def test_message_that_never_works_goes_back_and_others_have_their_turn(hub, clients, message):
    done = asyncio.Event()
    calls = []

    async def handler(delivery):
        calls.append(delivery.redelivered)
        if b'_bad"' in delivery.body:
            raise ValueError("never")
        done.set()

    sas, lrm = clients(PLATFORM), clients(SAMU, f"{SAMU}.message", handler)
    await sas.start()
    await sas.publish(message(PLATFORM, SAMU, "bad"))
    await sas.publish(message(PLATFORM, SAMU, "good"))
    await lrm.start()
    async with asyncio.timeout(10):
        await done.wait()
    assert calls[:4] == [False] * 4
    await lrm.stop()
    assert [len(queue.ready) for queue in hub._running.broker.vhosts["15-15_v2.0"].queues.values() if queue.ready] == [
        1
    ]


async def test_delivery_being_handled_when_the_client_stops_stays_with_the_hub(hub, clients, message):
    entered = asyncio.Event()

    async def handler(delivery):
        entered.set()
        await asyncio.Event().wait()

    sas, lrm = clients(PLATFORM), clients(SAMU, f"{SAMU}.message", handler)
    await sas.start()
    await lrm.start()
    await sas.publish(message(PLATFORM, SAMU))
    async with asyncio.timeout(10):
        await entered.wait()
    await lrm.stop()
    assert not lrm.connected
    box = Box()
    other = clients(SAMU, f"{SAMU}.message", box)
    await other.start()
    await full(box)


@pytest.mark.requirement("L02-12")
async def test_connection_lost_while_a_message_is_handled_brings_it_again(hub, clients, message):
    box = Box(wanted=2)

    async def handler(delivery):
        await box(delivery)
        if len(box.seen) == 1:
            for connection in list(hub._running.server.connections):
                if connection.session.user == SAMU:
                    connection.transport.abort()
            await asyncio.Event().wait()

    sas, lrm = clients(PLATFORM), clients(SAMU, f"{SAMU}.message", handler)
    await sas.start()
    await lrm.start()
    await sas.publish(message(PLATFORM, SAMU, "once"))
    await full(box)
    assert box.seen == ["once", "once"]


async def test_no_mtls(plain_house, message):
    hub = plain_house.hub()
    await hub.start()
    box = Box()
    lrm = AmqpClient(plain_house.context(), "lrm", SAMU)
    lrm.consume(f"{SAMU}.message", box)
    await lrm.start()
    sas = AmqpClient(plain_house.context(), "sas", PLATFORM)
    await sas.start()
    await sas.publish(message(PLATFORM, SAMU))
    await full(box)
    for part in (sas, lrm, hub):
        await part.stop()


# ---- deliveries that are under way together


async def test_deliveries_under_way_together_begin_in_order_and_share_their_wait(hub, house, clients, message):
    seen, gate, full_house = [], asyncio.Event(), asyncio.Event()

    async def handler(delivery):
        seen.append(orjson.loads(delivery.body)["distributionID"].rpartition("_")[2])
        if len(seen) == 20:
            full_house.set()
        await gate.wait()

    lrm, sas = AmqpClient(house.context(), "test:lrm", SAMU), clients(PLATFORM)
    lrm.consume(f"{SAMU}.message", handler, prefetch=20, together=True)
    await sas.start()
    for number in range(25):
        await sas.publish(message(PLATFORM, SAMU, str(number)))
    await lrm.start()
    async with asyncio.timeout(15):
        await full_house.wait()
    assert seen == [str(number) for number in range(20)], "no more than the prefetch"
    gate.set()
    await eventually(lambda: len(seen) == 25)
    await eventually(lambda: not any("message" in queue for queue in hub.health()["queues"]))
    assert seen == [str(number) for number in range(25)]
    await lrm.stop()


@pytest.mark.parametrize("error", [HangUp(), ValueError("not yet")])
async def test_what_one_handler_among_many_cannot_take_comes_again_in_order(hub, house, clients, message, error):
    taken, failing = [], [error, error]

    async def handler(delivery):
        number = int(orjson.loads(delivery.body)["distributionID"].rpartition("_")[2])
        if number == 3 and failing:
            raise failing.pop()
        if number not in taken:
            taken.append(number)

    lrm, sas = AmqpClient(house.context(), "test:lrm", SAMU), clients(PLATFORM)
    lrm.consume(f"{SAMU}.message", handler, together=True)
    await sas.start()
    for number in range(6):
        await sas.publish(message(PLATFORM, SAMU, str(number)))
    await lrm.start()
    await eventually(lambda: sorted(taken) == [0, 1, 2, 3, 4, 5])
    await eventually(lambda: not any("message" in queue for queue in hub.health()["queues"]))
    await lrm.stop()


async def test_a_queue_that_is_not_heard_keeps_its_messages(hub, clients, message):
    box = Box(wanted=1)
    lrm, sas = clients(SAMU, f"{SAMU}.message", box), clients(PLATFORM)
    lrm.stop_hearing(frozenset((f"{SAMU}.message",)))
    await lrm.start()
    await sas.start()
    await sas.publish(message(PLATFORM, SAMU, "kept"))
    await eventually(lambda: lrm.connected and hub.health()["queues"] == {f"15-15_v2.0:{SAMU}.message": "1/0"})
    lrm.stop_hearing(frozenset())
    await full(box)
    assert box.seen == ["kept"]
