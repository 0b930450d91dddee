"""A short connection to the hub as one of its clients: publish a few messages, wait for their answers, disconnect.

For commands, which have no role and no context: the hub's address and the client's credentials come from
endpoints.json. Answers to other messages that wait in the client's queues are left there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError
from yarl import URL

from sandbox.edxl.message import Message, MessageError, read
from sandbox.kernel.errors import NobodyAnswers
from sandbox.net.amqp.client import connected

CONNECT_TIMEOUT = 10.0
CONFIRM_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Access:
    """The address of the hub and the client's credentials. `tls` None: plain AMQP with `password`."""

    url: str
    client_id: str
    tls: ssl.SSLContext | None = None
    password: str = ""


def access(document: Mapping[str, Any], client_id: str) -> Access:
    """From endpoints.json (absolute certificate paths). Raises KeyError when it has no certificate of that client."""
    hub, tls = document["hub"], document["tls"]
    if hub["password"] is not None:
        return Access(hub["amqp"], client_id, None, hub["password"])
    files = tls["clients"][client_id]
    context = ssl.create_default_context(cafile=tls["ca"])
    context.load_cert_chain(files["cert"], files["key"])
    return Access(hub["amqp"], client_id, context)


class OneShotClient:
    """One connection. `strays`: other messages that were delivered meanwhile; they stay in their queues."""

    def __init__(self, client_id: str, channel: AbstractChannel) -> None:
        self._client_id, self._channel = client_id, channel
        self._ours: set[str] = set()
        self.strays: asyncio.Queue[Message] = asyncio.Queue()
        self._come: asyncio.Queue[Message] = asyncio.Queue()

    async def publish(
        self,
        body: bytes,
        distribution_id: str,
        *,
        content_type: str | None = "application/json",
        persistent: bool = True,
    ) -> None:
        """Publish; returns once the hub has confirmed it. `distribution_id`: the one that answers will refer to.

        Raises NobodyAnswers.
        """
        self._ours.add(distribution_id)
        try:
            await self._publish(body, content_type, 2 if persistent else 1)
        except (*CONNECTION_EXCEPTIONS, DeliveryError, TimeoutError) as error:
            raise NobodyAnswers(f"Hub Santé: {error or type(error).__name__}") from None
        except Exception as error:
            if type(error) is not Exception:  # what aiormq raises for a connection lost without a reason
                raise
            raise NobodyAnswers("Hub Santé: connection lost before the confirm") from None

    async def _publish(self, body: bytes, content_type: str | None, delivery_mode: int) -> None:
        exchange = await self._channel.get_exchange("hubsante", ensure=False)
        message = aio_pika.Message(body, content_type=content_type, delivery_mode=delivery_mode, priority=0)
        await exchange.publish(message, routing_key=self._client_id, mandatory=False, timeout=CONFIRM_TIMEOUT)

    def expect(self, distribution_ids: Iterable[str]) -> None:
        """Wait also for answers to these messages, which an earlier connection sent."""
        self._ours.update(distribution_ids)

    async def answers(self, count: int, seconds: float) -> Sequence[Message]:
        """The next `count` answers, fewer when they have not come within `seconds`."""
        found: list[Message] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(found) < count:
                    found.append(await self._come.get())
        return found

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Acknowledge an answer to one of our messages; any other message goes back to its queue when the connection
        ends."""
        try:
            found = read(message.body, message.content_type)
        except MessageError:
            return
        if referenced(found) in self._ours:
            self._come.put_nowait(found)  # before the acknowledgement: the connection may be lost while it is sent
            await message.ack()
        else:
            self.strays.put_nowait(found)


def referenced(message: Message) -> str:
    """The distributionID that an acknowledgement or an error is about; of any other message its own."""
    if message.reference is not None:
        return str(message.reference["distributionID"])
    if message.error is not None:
        return str(message.error["referencedDistributionID"])
    return message.distribution_id


@contextlib.asynccontextmanager
async def one_shot_connection(where: Access) -> AsyncIterator[AbstractConnection]:
    """Connect, disconnect at the end. Raises NobodyAnswers."""
    url = URL(where.url).with_user(where.client_id).with_password(where.password or None)
    if where.tls is not None:
        url = url.with_user(None).update_query(auth="external")
    try:
        connection = await connected(url, where.tls, CONNECT_TIMEOUT)
    except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
        raise NobodyAnswers(f"Hub Santé at {where.url}: {error or type(error).__name__}") from None
    async with connection:
        yield connection


@contextlib.asynccontextmanager
async def one_shot_client(where: Access) -> AsyncIterator[OneShotClient]:
    """Connect, consume the client's `.ack` and `.info`, disconnect at the end. Raises NobodyAnswers."""
    async with one_shot_connection(where) as connection:
        channel = await connection.channel()
        client = OneShotClient(where.client_id, channel)
        reading = await connection.channel()
        await reading.set_qos(prefetch_count=100)
        for suffix in ("ack", "info"):
            queue = await reading.get_queue(f"{where.client_id}.{suffix}", ensure=False)
            await queue.consume(client.take)
        yield client
