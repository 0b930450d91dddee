"""Our own client on both brokers: order, handlers that fail, connections that are cut, deliveries taken together."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from sandbox.kernel.errors import StoreError
from sandbox.net.amqp import client as amqp_client
from sandbox.net.amqp import deliveries
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.amqp.deliveries import HangUp
from tests.support.hub.brokers import BROKERS, SPARE, error_of
from tests.support.hub.queues import appointment_message as message
from tests.support.hub.queues import depth, emptied
from tests.support.sandboxes import eventually

PLATFORM, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
INBOX = f"{SAMU}.message"


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
        if len(self.seen) >= self.wanted:
            self.full.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(amqp_client, "RECONNECT", (0.02, 0.1))
    monkeypatch.setattr(deliveries, "STORE_PAUSE", 0.02)


@pytest.fixture(params=BROKERS)
async def place(hub_on, data, request):
    async with hub_on(request.param) as found:
        await emptied(data, found, SAMU)
        yield found


@pytest.fixture
async def clients(place):
    made = []

    def make(user, queue=None, handler=None, **more):
        client = AmqpClient(place.context, f"test:{user}", user)
        if queue is not None:
            client.consume(queue, handler, **more)
        made.append(client)
        return client

    yield make
    for client in made:
        await client.stop()


async def full(box):
    async with asyncio.timeout(15):
        await box.full.wait()


@pytest.mark.requirement("L02-1", "L02-2", "L02-11")
async def test_message_crosses_the_hub_in_order(place, data, clients):
    box = Box(wanted=30)
    lrm, sas = clients(SAMU, INBOX, box), clients(PLATFORM)
    await lrm.start()
    await sas.start()
    for number in range(30):
        await sas.publish(message(PLATFORM, SAMU, str(number)), headers={"x": "y"})
    await full(box)
    assert box.seen == [str(number) for number in range(30)]
    assert lrm.connected


async def test_handler_whose_store_refuses_sees_the_same_message_again_in_order(place, data, clients):
    box = Box(wanted=3, failing=2)
    lrm, sas = clients(SAMU, INBOX, box), clients(PLATFORM)
    await sas.start()
    for number in range(3):
        await sas.publish(message(PLATFORM, SAMU, str(number)))
    await lrm.start()
    await full(box)
    assert box.seen == ["0", "1", "2"]


@pytest.mark.parametrize("together", [False, True])
async def test_message_that_never_works_is_rejected_once_told_to_its_sender_and_journalled(
    place, data, clients, together
):
    calls, told = [], []

    async def handler(delivery):
        calls.append(orjson.loads(delivery.body)["distributionID"].rpartition("_")[2])
        if calls[-1] == "bad":
            raise ValueError("never")

    async def notice(delivery):
        told.append(error_of(orjson.loads(delivery.body)))

    await emptied(data, place, PLATFORM)
    sas, lrm = clients(PLATFORM, f"{PLATFORM}.info", notice), clients(SAMU, INBOX, handler, together=together)
    await sas.start()
    await sas.publish(message(PLATFORM, SAMU, "bad"))
    await sas.publish(message(PLATFORM, SAMU, "good"))
    await lrm.start()
    await eventually(lambda: told)
    assert (calls, told[0]["errorCode"]["statusCode"]) == (["bad", "good"], 500)
    assert told[0]["errorCause"].endswith(f"was dead-lettered from queue '{INBOX}' (rejected)")
    refused = [each for each in place.context.journal.take() if each.status == 700]
    assert [(each.actor, each.action, each.peer) for each in refused] == [
        (f"test:{SAMU}", f"consume {INBOX}", PLATFORM)
    ]
    await lrm.stop()
    assert await depth(data, place, INBOX) == 0


async def test_delivery_being_handled_when_the_client_stops_stays_with_the_hub(place, data, clients):
    entered = asyncio.Event()

    async def handler(delivery):
        entered.set()
        await asyncio.Event().wait()

    sas, lrm = clients(PLATFORM), clients(SAMU, INBOX, handler)
    await sas.start()
    await lrm.start()
    await sas.publish(message(PLATFORM, SAMU))
    async with asyncio.timeout(10):
        await entered.wait()
    await lrm.stop()
    assert not lrm.connected
    box = Box()
    other = clients(SAMU, INBOX, box)
    await other.start()
    await full(box)


@pytest.mark.requirement("L02-12")
async def test_connection_lost_while_a_message_is_handled_brings_it_again(place, data, clients):
    box = Box(wanted=2)

    async def handler(delivery):
        await box(delivery)
        if len(box.seen) == 1:
            await place.cut(SAMU)
            await asyncio.Event().wait()

    sas, lrm = clients(PLATFORM), clients(SAMU, INBOX, handler)
    await sas.start()
    await lrm.start()
    await sas.publish(message(PLATFORM, SAMU, "once"))
    await full(box)
    assert box.seen == ["once", "once"]


async def test_deliveries_under_way_together_begin_in_order_and_share_their_wait(place, data, clients):
    seen, gate, all_seen = [], asyncio.Event(), asyncio.Event()

    async def handler(delivery):
        seen.append(orjson.loads(delivery.body)["distributionID"].rpartition("_")[2])
        if len(seen) == 20:
            all_seen.set()
        await gate.wait()

    lrm, sas = clients(SAMU, INBOX, handler, prefetch=20, together=True), clients(PLATFORM)
    await sas.start()
    for number in range(25):
        await sas.publish(message(PLATFORM, SAMU, str(number)))
    await lrm.start()
    async with asyncio.timeout(15):
        await all_seen.wait()
    assert seen == [str(number) for number in range(20)], "no more than the prefetch"
    gate.set()
    await eventually(lambda: len(seen) == 25)
    assert seen == [str(number) for number in range(25)]
    await lrm.stop()
    assert await depth(data, place, INBOX) == 0


@pytest.mark.parametrize("error", [HangUp(), StoreError("not yet")])
async def test_what_one_handler_among_many_cannot_take_comes_again_in_order(place, data, clients, error):
    taken, failing = [], [error, error]

    async def handler(delivery):
        number = int(orjson.loads(delivery.body)["distributionID"].rpartition("_")[2])
        if number == 3 and failing:
            raise failing.pop()
        if number not in taken:
            taken.append(number)

    lrm, sas = clients(SAMU, INBOX, handler, together=True), clients(PLATFORM)
    await sas.start()
    for number in range(6):
        await sas.publish(message(PLATFORM, SAMU, str(number)))
    await lrm.start()
    await eventually(lambda: sorted(taken) == [0, 1, 2, 3, 4, 5])
    await lrm.stop()
    assert await depth(data, place, INBOX) == 0


async def test_a_queue_that_is_not_heard_keeps_its_messages(place, data, clients):
    box = Box(wanted=1)
    lrm, sas = clients(SAMU, INBOX, box), clients(PLATFORM)
    lrm.stop_hearing(frozenset((INBOX,)))
    await lrm.start()
    await sas.start()
    await sas.publish(message(PLATFORM, SAMU, "kept"))
    assert lrm.connected

    async def waits():
        return await depth(data, place, INBOX) == 1

    await eventually(waits)
    lrm.stop_hearing(frozenset())
    await full(box)
    assert box.seen == ["kept"]


@pytest.mark.parametrize("broker", BROKERS)
async def test_without_certificates_a_password_does(hub_on, broker):
    box = Box()
    async with hub_on(broker, mtls=False) as place:
        lrm, sas = AmqpClient(place.context, "lrm", SPARE), AmqpClient(place.context, "sas", PLATFORM)
        lrm.consume(f"{SPARE}.message", box)
        await lrm.start()
        await sas.start()
        await sas.publish(message(PLATFORM, SPARE))
        await full(box)
        await sas.stop()
        await lrm.stop()
