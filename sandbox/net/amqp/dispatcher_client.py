"""The client by which the hub's dispatcher reads messages from a RabbitMQ's queues and publishes what follows from
them.

A delivery is acknowledged once everything published for it is confirmed, so no message is lost, whichever process ends
at whatever moment. After a lost connection a message may be delivered again and published again, with the same
distributionID. Confirms are pipelined: up to `PREFETCH` messages are under way, and messages are published in the order
in which they were read. Several such clients may read the same queues at the same time: the broker gives each message
to one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity, DeliveryError
from yarl import URL

from sandbox.kernel.errors import PeerUnreachable
from sandbox.tasks import keep

PREFETCH = 200
CONNECT_TIMEOUT = 10.0  # s for a connection and all that is looked for on it
CONFIRM_TIMEOUT = 30.0  # s for a confirm; beyond, the connection starts afresh
RECONNECT = (0.2, 5.0)  # s, first and longest pause between attempts
_GOODBYE = 2.0  # s for connection.close
_TOO_LARGE = re.compile(r"larger than configured max size (\d+)")  # RabbitMQ's 406
_FAILURES = (AMQPError, OSError, ConnectionError, TimeoutError, RuntimeError)

_log = logging.getLogger(__name__)


class _Unsendable(Exception):
    """The broker will never accept these publications."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as it was read."""

    queue: str
    routing_key: str
    body: bytes
    content_type: str | None
    delivery_mode: int | None
    headers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A persistent message to publish to `exchange`. `expiration_ms` None: it stays as long as its queue keeps it."""

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    expiration_ms: int | None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Carried:
    """What is published for a message that was read: after `hold` seconds or, with `swap`, as soon as a later message
    has overtaken it, if that comes first.

    `done` is called once that is confirmed."""

    outgoing: Sequence[Outgoing]
    done: Callable[[], None]
    hold: float = 0.0
    swap: bool = False


@dataclass(frozen=True)
class Work:
    """What a DispatcherClient does with the messages that it reads.

    `prepare`: on each new connection, checks that what is needed exists, or declares it (raises PeerUnreachable with
    what is missing). `allowed`: set while messages may be taken. `decide`: what is published for a message.
    `unroutable`: what is published instead when no queue takes the first publication. `failed`: what is published
    instead when the publications cannot be made, or the broker does not accept them (called inside the `except`
    clause).
    """

    queues: tuple[str, ...]
    prepare: Callable[[AbstractConnection], Awaitable[None]]
    allowed: asyncio.Event
    decide: Callable[[Taken], Carried]
    unroutable: Callable[[Taken], Sequence[Outgoing]]
    failed: Callable[[Taken], Sequence[Outgoing]]


class DispatcherClient:
    """One connection to one virtual host. `url` with user and password where there is no certificate."""

    def __init__(self, url: URL, tls: Callable[[], ssl.SSLContext] | None, work: Work) -> None:
        self._url, self._tls, self._work = url, tls, work
        self._up, self._stopping = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._passed = asyncio.Event()
        self._connection: AbstractConnection | None = None
        self._lost = asyncio.Event()
        self._most = sys.maxsize  # octets of the largest body that the broker accepts, as far as its errors have shown
        self.trouble = "not connected yet"

    @property
    def connected(self) -> bool:
        """True while it reads its queues."""
        return self._up.is_set()

    async def start(self) -> None:
        """Connect, and return once it reads its queues. Raises PeerUnreachable when the broker cannot be reached or
        lacks something that `prepare` needs."""
        await self._attempt()
        self._task = keep(self._stay_connected, "hub dispatcher")

    async def depths(self, queues: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Ready messages and consumers of each queue that exists. Raises PeerUnreachable."""
        connection = self._connection
        if connection is None or not self.connected:
            raise PeerUnreachable("RabbitMQ", self.trouble or "not connected")
        found: dict[str, tuple[int, int]] = {}
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                for queue in queues:
                    if (depth := await _depth(connection, queue)) is not None:
                        found[queue] = depth
        except _FAILURES as error:
            raise PeerUnreachable("RabbitMQ", _why(error)) from None
        return found

    async def delete(self, queues: Iterable[str]) -> dict[str, int]:
        """Delete queues and return how many messages were ready in each, 0 for one that does not exist. Raises
        PeerUnreachable."""
        connection = self._connection
        if connection is None or not self.connected:
            raise PeerUnreachable("RabbitMQ", self.trouble or "not connected")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                channel = await connection.channel(publisher_confirms=False)
                found = {queue: (await channel.queue_delete(queue)).message_count or 0 for queue in queues}
                await channel.close()
        except _FAILURES as error:
            raise PeerUnreachable("RabbitMQ", _why(error)) from None
        return found

    async def stop(self) -> None:
        """Finish what is under way (bounded), then disconnect; what was not confirmed stays with the broker."""
        self._stopping.set()
        if self._under_way and self._work.allowed.is_set():
            await asyncio.wait([*self._under_way], timeout=_GOODBYE)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task], timeout=2 * _GOODBYE)
        await self._hang_up()

    def renew(self) -> None:
        """Open a new connection, because what `prepare` checks has changed; messages under way stay with the broker."""
        self._lost.set()

    # -- the connection

    async def _stay_connected(self) -> None:
        pause = RECONNECT[0]
        while not self._stopping.is_set():
            if self._connection is not None:
                await self._lost.wait()
                self._up.clear()
                await self._hang_up()
                _log.warning("hub: %s:%s is gone, connecting again", self._url.host, self._url.port)
            try:
                await self._attempt()
                pause = RECONNECT[0]
            except PeerUnreachable as error:
                self.trouble = str(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RECONNECT[1])

    async def _attempt(self) -> None:
        """Connect and read. Raises PeerUnreachable."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._connect()
        except _FAILURES as error:
            await self._hang_up()
            raise PeerUnreachable("RabbitMQ", f"{self._url.host}:{self._url.port}: {_why(error)}") from None
        except PeerUnreachable:
            await self._hang_up()
            raise

    async def _connect(self) -> None:
        self._lost = lost = asyncio.Event()
        self._connection = connection = await aiormq.connect(self._url, context=self._tls and self._tls())
        connection.closing.add_done_callback(lambda _: lost.set())
        await self._work.prepare(connection)
        channel = await connection.channel(publisher_confirms=True)
        channel.closing.add_done_callback(lambda _: lost.set())
        await channel.basic_qos(prefetch_count=PREFETCH)
        for queue in self._work.queues:
            await channel.basic_consume(queue, self._reader(queue))
        self._up.set()
        self.trouble = ""

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        self._up.clear()
        if connection is not None:
            with contextlib.suppress(*_FAILURES):
                await asyncio.wait_for(connection.close(), _GOODBYE)

    # -- messages

    def _reader(self, queue: str) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
        async def read(message: DeliveredMessage) -> None:
            task = asyncio.current_task()
            if self._stopping.is_set() or task is None:
                return  # it goes back to its queue with the connection
            self._under_way.add(task)
            try:
                await self._carry(queue, message)
            except _FAILURES as error:
                if (found := _TOO_LARGE.search(str(error))) is not None:
                    self._most = int(found[1])  # it is delivered again, and `failed` decides about it then
                _log.warning("hub: a message of %s stays where it is: %s", queue, _why(error))
                self._lost.set()
            finally:
                self._under_way.discard(task)

        return read

    async def _carry(self, queue: str, message: DeliveredMessage) -> None:
        taken = _taken(queue, message)
        channel = cast(Channel, message.channel)  # its `wait=False` is not in the abstract class
        await self._work.allowed.wait()
        carried = self._work.decide(taken)
        await self._held_back(carried)
        async with asyncio.timeout(CONFIRM_TIMEOUT):
            try:
                if not await self._published(channel, carried.outgoing):
                    await self._published(channel, self._work.unroutable(taken))
            except _Unsendable:
                await _published(channel, self._work.failed(replace(taken, body=b"")))
            await channel.basic_ack(message.delivery_tag or 0, wait=False)
        carried.done()

    async def _published(self, channel: Channel, outgoing: Sequence[Outgoing]) -> bool:
        """Publish; False when no queue took one of them. Raises _Unsendable for what would fail each time."""
        if any(len(each.body) > self._most for each in outgoing):
            raise _Unsendable
        try:
            return await _published(channel, outgoing)
        except _FAILURES:
            raise
        except Exception as error:
            raise _Unsendable from error

    async def _held_back(self, carried: Carried) -> None:
        """Wait until this message may be published. One that is not held releases the messages that waited to be
        overtaken."""
        if not carried.hold:
            self._passed.set()
            self._passed = asyncio.Event()
        elif carried.swap:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._passed.wait(), carried.hold)
        else:
            await asyncio.sleep(carried.hold)


async def _published(channel: Channel, outgoing: Sequence[Outgoing]) -> bool:
    """Publish and wait for the confirms; False when no queue took one of them."""
    for each in outgoing:
        properties = aiormq.spec.Basic.Properties(
            content_type=each.content_type,
            delivery_mode=2,
            headers=dict(each.headers),
            expiration=None if each.expiration_ms is None else str(each.expiration_ms),
        )
        try:
            await channel.basic_publish(
                each.body,
                exchange=each.exchange,
                routing_key=each.routing_key,
                properties=properties,
                mandatory=True,
                wait=False,
            )
        except DeliveryError:
            _log.warning("hub: no queue '%s'", each.routing_key)
            return False
    return True


def _taken(queue: str, message: DeliveredMessage) -> Taken:
    properties = message.header.properties
    return Taken(
        queue=queue,
        routing_key=message.routing_key or "",
        body=message.body,
        content_type=properties.content_type,
        delivery_mode=properties.delivery_mode,
        headers=dict(properties.headers or {}),
    )


async def _depth(connection: AbstractConnection, name: str) -> tuple[int, int] | None:
    """Ready messages and consumers of a queue, None when it does not exist. It uses a channel of its own, as the broker
    closes the channel then."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        found = await channel.queue_declare(name, passive=True)
    except ChannelNotFoundEntity:
        return None
    await channel.close()
    return found.message_count or 0, found.consumer_count or 0


async def queue_exists(connection: AbstractConnection, name: str) -> bool:
    """True when the queue exists. It uses a channel of its own, as a broker closes the channel when it does not."""
    return await _passive(connection, lambda channel: channel.queue_declare(name, passive=True))


async def exchange_exists(connection: AbstractConnection, name: str) -> bool:
    """True when the exchange exists; on a channel of its own, like `queue_exists`."""
    return await _passive(connection, lambda channel: channel.exchange_declare(name, passive=True))


async def _passive(connection: AbstractConnection, look: Callable[[AbstractChannel], Awaitable[object]]) -> bool:
    channel = await connection.channel(publisher_confirms=False)
    try:
        await look(channel)
    except ChannelNotFoundEntity:
        return False
    await channel.close()
    return True


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__
