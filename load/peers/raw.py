"""An AMQP client that writes prepared octets: it publishes and consumes as fast as one process can, over plain TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from pamqp import body as content
from pamqp import commands, frame, header

Basic, Channel, Connection = commands.Basic, commands.Channel, commands.Connection
_ACK, _DELIVER = 0x003C0050, 0x003C003C
WINDOW = 200  # publications that wait for their confirm, deliveries that wait for their ack


class Raw(asyncio.Protocol):
    """A connection with channel 1 open. `on_frame` gets (class and method id in one number, payload)."""

    def __init__(self) -> None:
        self._rest = b""
        self._answers: asyncio.Queue[int] = asyncio.Queue()
        self.on_frame: Callable[[int, bytes], None] = self._answered
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= 8:
            last = at + 7 + int.from_bytes(data[at + 3 : at + 7], "big")
            if last >= end:
                break
            if data[at] == 1:
                self.on_frame(int.from_bytes(data[at + 7 : at + 11], "big"), data[at + 11 : last])
            at = last + 1
        self._rest = data[at:]

    def _answered(self, index: int, arguments: bytes) -> None:
        self._answers.put_nowait(index)

    async def call(self, value: Any, *kinds: type) -> None:
        """Send a method on channel 1 (or 0), and wait for answers of these kinds."""
        channel = 0 if value.index >> 16 == Connection.frame_id else 1
        self.transport.write(frame.marshal(value, channel))
        for kind in kinds:
            async with asyncio.timeout(20):
                found = await self._answers.get()
            if found != cast(Any, kind).index:
                raise RuntimeError(f"{found:#x} instead of {kind.__name__}")


async def connect(port: int, user: str, password: str, vhost: str) -> Raw:
    """Log in by SASL PLAIN and open channel 1."""
    _, client = await asyncio.get_running_loop().create_connection(Raw, "127.0.0.1", port)
    client.transport.write(b"AMQP\x00\x00\x09\x01")
    async with asyncio.timeout(20):
        await client._answers.get()
    await client.call(Connection.StartOk({}, "PLAIN", f"\0{user}\0{password}", "en_US"), Connection.Tune)
    await client.call(Connection.TuneOk(2047, 131_072, 0))
    await client.call(Connection.Open(vhost), Connection.OpenOk)
    await client.call(Channel.Open(), Channel.OpenOk)
    return client


async def publish(client: Raw, user: str, body: bytes, count: int, *, patience: float = 120) -> None:
    """`count` persistent messages with confirms, `WINDOW` of them under way."""
    await client.call(commands.Confirm.Select(), commands.Confirm.SelectOk)
    properties = Basic.Properties(content_type="application/json", delivery_mode=2, priority=0)
    one = frame.marshal(Basic.Publish(0, "hubsante", user), 1)
    one += frame.marshal(header.ContentHeader(0, len(body), properties), 1)
    one += frame.marshal(content.ContentBody(body), 1)
    done = asyncio.get_running_loop().create_future()
    sent = confirmed = 0

    def more() -> None:
        nonlocal sent
        portion = min(WINDOW - (sent - confirmed), count - sent)
        sent += portion
        client.transport.write(one * portion)

    def heard(index: int, arguments: bytes) -> None:
        nonlocal confirmed
        tag, multiple = int.from_bytes(arguments[:8], "big"), arguments[8]
        if index != _ACK:
            done.set_exception(RuntimeError(f"{index:#x} instead of an ack"))
            return
        confirmed = max(confirmed, tag) if multiple else confirmed + 1
        if confirmed >= count:
            if not done.done():
                done.set_result(None)
        elif sent - confirmed <= WINDOW // 2:
            more()

    client.on_frame = heard
    more()
    async with asyncio.timeout(patience):
        await done


async def consume(client: Raw, queue: str, count: int) -> None:
    """Take and acknowledge `count` messages, prefetch `WINDOW`."""
    await client.call(Basic.Qos(0, WINDOW, False), Basic.QosOk)
    done = asyncio.get_running_loop().create_future()
    seen = 0

    def heard(index: int, arguments: bytes) -> None:
        nonlocal seen
        if index != _DELIVER:
            return
        seen += 1
        if seen % (WINDOW // 4) == 0 or seen == count:
            client.transport.write(frame.marshal(Basic.Ack(seen, True), 1))
        if seen == count:
            done.set_result(None)

    client.on_frame = heard
    await client.call(Basic.Consume(0, queue, "measured"))
    async with asyncio.timeout(120):
        await done
