"""pika and aio-pika in a vendor's hands, on both brokers: round trips, what is refused, what is reported."""

from __future__ import annotations

import asyncio

import aio_pika
import orjson
import pika
import pika.exceptions
import pytest
from aiormq.exceptions import ChannelAccessRefused
from pika.credentials import ExternalCredentials

from sandbox.net.tls import client_context
from tests.support.hub.brokers import BROKERS
from tests.support.hub.queues import appointment_message as message
from tests.support.hub.queues import emptied, taken
from tests.support.sandboxes import eventually

VHOST = "15-15_v2.0"
PLATFORM, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
PERSISTENT = pika.BasicProperties(content_type="application/json", delivery_mode=2, priority=0)


@pytest.fixture(params=BROKERS)
async def place(hub_on, data, request):
    async with hub_on(request.param) as found:
        for client in (PLATFORM, SAMU):
            await emptied(data, found, client)
        yield found


class PikaVendor:
    """Blocking code, as a vendor writes it; runs in a thread beside the hub's loop."""

    def __init__(self, place):
        self.place = place

    def connect(self, user):
        return pika.BlockingConnection(
            pika.ConnectionParameters(
                "127.0.0.1",
                self.place.port,
                VHOST,
                ExternalCredentials(),
                ssl_options=pika.SSLOptions(client_context(self.place.context.pki, user), "127.0.0.1"),
                heartbeat=5,
            )
        )

    def round_trip(self):
        with self.connect(PLATFORM) as sas, self.connect(SAMU) as lrm:
            sending, reading = sas.channel(), lrm.channel()
            sending.confirm_delivery()
            declared = reading.queue_declare(f"{SAMU}.message", passive=True)
            assert declared.method.message_count == 0
            sending.basic_publish("hubsante", PLATFORM, message(PLATFORM, SAMU), PERSISTENT)
            reading.basic_qos(prefetch_count=10)
            method, properties, body = next(reading.consume(f"{SAMU}.message", inactivity_timeout=10))
            assert (method.exchange, method.routing_key) == ("distribution", f"{SAMU}.message")
            assert properties.headers == {"x-death-original-routing-key": PLATFORM}
            assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
            reading.basic_ack(method.delivery_tag)
            reading.cancel()
            assert reading.basic_get(f"{SAMU}.message") == (None, None, None)
        return orjson.loads(body)["distributionID"]

    def forbidden(self):
        codes = []
        with self.connect(SAMU) as lrm:
            for attempt in (
                lambda channel: channel.queue_declare("mine"),
                lambda channel: channel.queue_declare(f"{SAMU}.message"),
                lambda channel: next(channel.consume(f"{PLATFORM}.ack")),
                lambda channel: channel.basic_get("dispatch"),
                lambda channel: channel.exchange_declare("mine"),
                lambda channel: self._publish(channel, "hubsante", PLATFORM),
                lambda channel: self._publish(channel, "distribution", f"{PLATFORM}.ack"),
                lambda channel: channel.queue_declare("missing", passive=True),
            ):
                with pytest.raises(pika.exceptions.ChannelClosedByBroker) as caught:
                    attempt(lrm.channel())
                codes.append(caught.value.reply_code)
        return codes

    @staticmethod
    def _publish(channel, exchange, key):
        channel.confirm_delivery()
        channel.basic_publish(exchange, key, b"{}", PERSISTENT)


async def test_pika_makes_the_round_trip(place):
    vendor = PikaVendor(place)
    assert await asyncio.to_thread(vendor.round_trip) == f"{PLATFORM}_1"
    (exchange,) = await eventually(place.context.journal.take)  # told once its way is confirmed
    assert (exchange.actor, exchange.flow, exchange.status, exchange.ref) == ("hub", "INT_L02", 0, f"{PLATFORM}_1")
    assert exchange.action == f"{PLATFORM} → {SAMU}"


async def test_pika_is_refused_what_is_forbidden(place):
    codes = await asyncio.to_thread(PikaVendor(place).forbidden)
    assert codes == [403] * 7 + [404]


async def connect(place, user):
    url = f"amqps://127.0.0.1:{place.port}/{VHOST}?auth=external"
    return await aio_pika.connect_robust(url, ssl_context=client_context(place.context.pki, user))


async def test_aio_pika_makes_the_round_trip(place):
    async with await connect(place, PLATFORM) as sas, await connect(place, SAMU) as lrm:
        sending, reading = await sas.channel(), await lrm.channel()
        await reading.set_qos(prefetch_count=50)
        queue = await reading.declare_queue(f"{SAMU}.message", passive=True)
        exchange = await sending.get_exchange("hubsante")
        properties = {"content_type": "application/json", "delivery_mode": 2}
        for number in range(20):
            body = message(PLATFORM, SAMU, str(number))
            confirmed = await exchange.publish(aio_pika.Message(body, **properties), PLATFORM)
            assert confirmed.name == "Basic.Ack"
        got = []
        async with queue.iterator(timeout=10) as deliveries:
            async for delivery in deliveries:
                async with delivery.process():
                    got.append(orjson.loads(delivery.body)["distributionID"])
                if len(got) == 20:
                    break
        assert got == [f"{PLATFORM}_{number}" for number in range(20)]


async def test_aio_pika_is_refused_what_is_forbidden(place):
    async with await connect(place, SAMU) as lrm:
        channel = await lrm.channel()
        with pytest.raises(ChannelAccessRefused, match=f"access to queue '{SAMU}.message'"):
            await channel.declare_queue(f"{SAMU}.message", durable=True)
        channel = await lrm.channel()
        exchange = await channel.get_exchange("hubsante")
        with pytest.raises(ChannelAccessRefused, match=f"access to topic '{PLATFORM}' in exchange 'hubsante'"):
            await exchange.publish(aio_pika.Message(b"{}"), PLATFORM)


async def test_error_report_of_a_bad_message_comes_back_to_its_sender(place):
    async with await connect(place, SAMU) as lrm:
        channel = await lrm.channel()
        exchange = await channel.get_exchange("hubsante")
        bad = aio_pika.Message(
            b"not json", content_type="text/plain", delivery_mode=2, headers={"b": bytearray(b"\xff"), "t": 2.5}
        )
        await exchange.publish(bad, SAMU)
        queue = await channel.get_queue(f"{SAMU}.info")
        report = await taken(lrm, queue.name)
        await report.ack()
        content = orjson.loads(report.body)["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
        assert content["error"]["errorCode"]["statusCode"] == 101


async def test_message_that_an_lrm_rejects_is_reported_to_its_sender_as_500(place):
    async with await connect(place, PLATFORM) as sas, await connect(place, SAMU) as lrm:
        sending = await sas.channel()
        exchange = await sending.get_exchange("hubsante")
        body = message(PLATFORM, SAMU)
        await exchange.publish(aio_pika.Message(body, content_type="application/json", delivery_mode=2), PLATFORM)
        delivery = await taken(lrm, f"{SAMU}.message")
        arrived = asyncio.Event()
        reports = []

        async def take(report):
            reports.append(orjson.loads(report.body))
            await report.ack()
            arrived.set()

        await (await sending.get_queue(f"{PLATFORM}.info")).consume(take)
        await delivery.reject(requeue=False)
        async with asyncio.timeout(10):
            await arrived.wait()
        error = reports[0]["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["error"]
        assert error["errorCode"] == {"statusCode": 500, "statusString": "DEAD_LETTER_QUEUED"}
        assert error["referencedDistributionID"] == f"{PLATFORM}_1"
