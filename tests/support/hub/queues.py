"""Messages that tests send to a hub, and what they read of its queues."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from sandbox.edxl import build
from sandbox.kernel.hub.queues import client_queues
from tests.support.hub.brokers import SPARE, Reachable, connected

APPOINTMENT = {
    "appointmentId": "11111111-2222-4333-8444-555555555555",
    "method": "CreateAppointment",
    "created": "2026-01-05T10:00:00+01:00",
    "status": "booked",
    "orientationCategory": "PS",
    "start": "2026-01-06T09:00:00+01:00",
    "end": "2026-01-06T09:15:00+01:00",
    "practitioner": {"rppsId": "810100000001", "lastName": "TEST", "firstName": "Anne"},
    "regulator": {
        "regulatorId": "3990000000/1",
        "regulatorName": "ESSAI",
        "regulatorFirstname": "Paul",
        "regulatorEmail": "paul.essai@example.invalid",
    },
}


def appointment_message(sender: str, recipient: str, unique: str = "1") -> bytes:
    """A message of an appointment (INT_L02) that the dispatcher accepts."""
    sent = datetime.now(UTC)
    address = build.Address(f"{sender}_{unique}", sender, recipient, sent, sent + timedelta(hours=1))
    return build.report(address, APPOINTMENT)


def acknowledgement(sender: str, recipient: str, unique: str, *, lives: float = 3600) -> bytes:
    now = datetime.now(UTC)
    address = build.Address(f"{sender}_{unique}", sender, recipient, now, now + timedelta(seconds=lives))
    return build.ack(address, f"{recipient}_1")


async def publish(connection: AbstractConnection, key: str, *bodies: bytes) -> None:
    channel = await connection.channel()
    exchange = await channel.get_exchange("hubsante", ensure=False)
    message = aio_pika.DeliveryMode.PERSISTENT
    await asyncio.gather(
        *(
            exchange.publish(
                aio_pika.Message(body, content_type="application/json", delivery_mode=message), key, mandatory=False
            )
            for body in bodies
        )
    )


async def receive(connection: AbstractConnection, queue: str, count: int, seconds: float = 20) -> list[dict[str, Any]]:
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=500)
    found: list[dict[str, Any]] = []
    source = await channel.get_queue(queue, ensure=False)
    async with asyncio.timeout(seconds), source.iterator() as messages:
        async for message in messages:
            found.append(json.loads(message.body))
            await message.ack()
            if len(found) == count:
                return found
    raise AssertionError(found)


async def taken(connection: AbstractConnection, queue: str) -> AbstractIncomingMessage:
    """The next message of a queue, which the caller acknowledges or rejects."""
    channel = await connection.channel()
    source = await channel.get_queue(queue, ensure=False)
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    tag = await source.consume(arrived.put)
    async with asyncio.timeout(20):
        found = await arrived.get()
    await source.cancel(tag)
    return found


async def emptied(data: Path, place: Reachable, client: str) -> None:
    """Remove what an earlier test left in a client's queues."""
    async with connected(data, place, client) as connection:
        channel = await connection.channel()
        for queue in client_queues(client):
            await (await channel.get_queue(queue, ensure=False)).purge()


async def depth(data: Path, place: Reachable, queue: str) -> int:
    """Messages that are ready in a queue."""
    async with connected(data, place, SPARE) as connection:
        found = await (await connection.channel()).declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0


async def exists(data: Path, place: Reachable, queue: str) -> bool:
    """Whether there is such a queue."""
    try:
        await depth(data, place, queue)
    except aio_pika.exceptions.ChannelClosed:
        return False
    return True
