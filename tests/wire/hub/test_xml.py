"""JSON and XML through the hub on both brokers: each client receives everything in the form it is registered with."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from sandbox.edxl import build
from sandbox.edxl.codes import JSON, XML, HubCode
from sandbox.edxl.message import Message, read, written
from sandbox.edxl.schemas import CATEGORIES
from tests.support.hub.brokers import BROKERS, OTHER, SPARE, connected
from tests.unit.edxl.corpus import APPOINTMENT
from tests.wire.hub.conftest import Opened

SPEAKS = {SPARE: JSON, OTHER: XML}
DIRECTIONS = [(SPARE, OTHER), (OTHER, SPARE), (OTHER, OTHER)]
_numbers = itertools.count(1)


@dataclass
class Client:
    """One client of the hub, and what came to its queues."""

    id: str
    connection: AbstractConnection
    arrived: asyncio.Queue[tuple[str, AbstractIncomingMessage]]

    async def send(self, body: bytes, form: str) -> None:
        channel = await self.connection.channel()
        exchange = await channel.get_exchange("hubsante", ensure=False)
        mode = aio_pika.DeliveryMode.PERSISTENT
        await exchange.publish(aio_pika.Message(body, content_type=form, delivery_mode=mode), self.id, mandatory=False)
        await channel.close()

    async def take(self) -> tuple[str, Message]:
        """Kind of queue, and the message, read as its content type says, which is the client's."""
        kind, found = await asyncio.wait_for(self.arrived.get(), 20)
        assert found.content_type == SPEAKS[self.id]
        return kind, read(found.body, found.content_type)


Clients = dict[str, Client]


@pytest_asyncio.fixture(params=BROKERS)
async def clients(hub_on: Opened, data: Path, request: pytest.FixtureRequest) -> AsyncIterator[Clients]:
    vendor = {"client_id": OTHER, "format": "xml"}
    async with (
        hub_on(request.param, external_lrms=[vendor]) as place,
        connected(data, place, SPARE) as spare,
        connected(data, place, OTHER) as other,
    ):
        yield {SPARE: await _listening(SPARE, spare), OTHER: await _listening(OTHER, other)}


async def _listening(client: str, connection: AbstractConnection) -> Client:
    found = Client(client, connection, asyncio.Queue())
    channel = await connection.channel()
    for kind in ("message", "ack", "info"):
        queue = await channel.get_queue(f"{client}.{kind}", ensure=False)
        await queue.purge()

        async def arrived(message: AbstractIncomingMessage, kind: str = kind) -> None:
            await message.ack()
            found.arrived.put_nowait((kind, message))

        await queue.consume(arrived)
    return found


def address(sender: str, recipient: str) -> build.Address:
    now = datetime.now(UTC)
    return build.Address(f"{sender}_{next(_numbers)}", sender, recipient, now, now + timedelta(hours=1))


def every_message(sender: str, recipient: str) -> list[tuple[str, bytes]]:
    """Kind of queue, and the message in JSON: each category created, updated, cancelled; Ack; Error."""
    found = []
    for category in CATEGORIES:
        created = {**APPOINTMENT, "orientationCategory": category}
        updated = {**created, "method": "UpdateAppointment", "status": "fulfilled"}
        for content in (created, updated, {**updated, "status": "cancelled"}):
            found.append(("message", build.report(address(sender, recipient), content)))
    pending = {
        name: value for name, value in APPOINTMENT.items() if name not in ("end", "practitioner", "organization")
    }
    found.append(("message", build.report(address(sender, recipient), {**pending, "status": "pending"})))
    found.append(("ack", build.ack(address(sender, recipient), f"{recipient}_1", step="INTEGRE")))
    found.append(("ack", build.ack(address(sender, recipient), f"{recipient}_1", refused_by=f"{sender}_2")))
    source: Any = {"distributionID": f"{recipient}_1"}
    error = build.error(
        address(sender, recipient), HubCode.CONFLICT, "déjà là", source=source, referenced=f"{recipient}_1"
    )
    found.append(("info", error))
    return found


@pytest.mark.requirement("L02-14")
async def test_every_message_arrives_the_same_in_its_recipients_form(clients: Clients) -> None:
    for sender, recipient in DIRECTIONS:
        for kind, body in every_message(sender, recipient):
            await clients[sender].send(written(body, SPEAKS[sender]), SPEAKS[sender])
            queue, message = await clients[recipient].take()
            assert (queue, message.document) == (kind, orjson.loads(body))


REPORT = build.report(address(OTHER, SPARE), APPOINTMENT)
IN_XML = written(REPORT, XML)


@pytest.mark.requirement("L02-14")
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"booked", b"gone", HubCode.INVALID_MESSAGE),
        (b"</senderID>", b"", HubCode.UNRECOGNIZED_MESSAGE_FORMAT),
        (
            b"<edxlD",
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><edxlD',
            HubCode.UNRECOGNIZED_MESSAGE_FORMAT,
        ),
        (
            b"<edxlD",
            b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><edxlD',
            HubCode.UNRECOGNIZED_MESSAGE_FORMAT,
        ),
        (b"Actual</distributionStatus>", b"Test</distributionStatus>", HubCode.MESSAGE_CONVERSION_ERROR),
        (SPARE.encode() + b"</explicit", b"fr.health.nobody</explicit", HubCode.UNROUTABLE_MESSAGE),
    ],
)
async def test_an_error_about_xml_comes_back_as_xml(clients: Clients, old: bytes, new: bytes, code: HubCode) -> None:
    assert old in IN_XML
    await clients[OTHER].send(IN_XML.replace(old, new, 1), XML)
    kind, message = await clients[OTHER].take()
    assert kind == "info"
    assert message.error is not None
    assert message.error["errorCode"] == {"statusCode": int(code), "statusString": code.name}
    assert message.error["referencedDistributionID"] == orjson.loads(REPORT)["distributionID"]


async def test_who_speaks_xml_may_send_json_and_is_answered_in_xml(clients: Clients) -> None:
    await clients[OTHER].send(b"{}", JSON)
    _, message = await clients[OTHER].take()
    assert message.error is not None
    assert message.error["errorCode"]["statusCode"] == HubCode.INVALID_MESSAGE
