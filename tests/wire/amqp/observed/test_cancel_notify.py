"""Third-party clients whose queue is deleted are told so, on both brokers, and go on with the connection."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import aio_pika
import pika
import pytest
from pamqp.commands import Basic, Queue
from pika.credentials import ExternalCredentials

from sandbox.net.tls import client_context
from tests.wire.amqp.observed.talk import DISPATCHER, GONE, VHOST, Broker

MESSAGE, ACK = f"{GONE}.message", f"{GONE}.ack"


async def delete(broker: Broker, queue: str) -> None:
    """As who takes a client away does."""
    async with broker.party() as party:
        talk = await party.get(DISPATCHER)
        talk.say(Queue.Delete(0, queue))
        assert await talk.hear() == "queue.delete-ok"


async def test_pika_hears_of_it_and_consumes_another(broker: Broker) -> None:
    consuming, heard = threading.Event(), []

    def vendor() -> tuple[str, int]:
        connection = pika.BlockingConnection(
            pika.ConnectionParameters(
                *("127.0.0.1", broker.port, VHOST, ExternalCredentials()),
                ssl_options=pika.SSLOptions(client_context(broker.pki, GONE), "127.0.0.1"),
            )
        )
        channel = connection.channel()
        channel.add_on_cancel_callback(lambda frame: heard.append(frame.method.consumer_tag))
        tag: str = channel.basic_consume(MESSAGE, lambda *_: None)
        consuming.set()
        channel.start_consuming()  # until there is nothing to consume
        left: int = channel.queue_declare(ACK, passive=True).method.message_count
        connection.close()
        return tag, left

    work = asyncio.create_task(asyncio.to_thread(vendor))
    assert await asyncio.to_thread(consuming.wait, 20)
    await delete(broker, MESSAGE)
    tag, left = await asyncio.wait_for(work, 20)
    assert (heard, left) == ([tag], 0)


@pytest.mark.parametrize("robust", [False, True], ids=["plain", "robust"])
async def test_aio_pika_hears_of_it_and_goes_on(broker: Broker, robust: bool) -> None:
    connect: Any = aio_pika.connect_robust if robust else aio_pika.connect
    url = f"amqps://127.0.0.1:{broker.port}/{VHOST}?auth=external"
    async with await connect(url, ssl_context=client_context(broker.pki, GONE)) as connection:
        channel = await connection.channel()
        cancels: asyncio.Queue[Basic.Cancel] = asyncio.Queue()
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(cancels.put)
        consumed = await channel.get_queue(MESSAGE, ensure=False)
        tag = await consumed.consume(asyncio.Queue[Any]().put)
        await delete(broker, MESSAGE)
        async with asyncio.timeout(10):
            cancel = await cancels.get()
        assert (cancel.consumer_tag, cancel.nowait) == (tag, True)
        other = await (await connection.channel()).declare_queue(ACK, passive=True)
        assert other.declaration_result.consumer_count == 0
