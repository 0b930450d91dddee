"""kill -9 of the broker, on both: what was confirmed is there when it comes back, and its clients find it again.

That nothing comes twice is asked of the embedded one only: RabbitMQ does not write acknowledgements before it goes on,
so that after a kill it may deliver again what was answered for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from yarl import URL

import sandbox
from sandbox.config import EMBEDDED
from sandbox.net.amqp.client import connected
from sandbox.net.context import derived_secret
from tests.support.contexts import MASTER_SECRET
from tests.support.hub import rabbit
from tests.support.hub.brokers import BROKERS, VHOST, beside, bound, plain_password
from tests.support.hub.queues import appointment_message as message

PLATFORM, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
PROGRAM = Path(__file__).parents[2] / "support" / "hub" / "hub_process.py"
INBOX = f"{SAMU}.message"


@dataclass
class Victim:
    """A broker to be killed. `again` starts it on what the disk has."""

    port: int
    password: str
    kill: Callable[[], Awaitable[None]]
    again: Callable[[], Awaitable[None]]

    async def connect(self, user: str) -> Any:
        url = URL.build(scheme="amqp", host="127.0.0.1", port=self.port, user=user, password=self.password)
        return await connected(url / VHOST, None, 10)


class Embedded:
    """The embedded broker and its dispatcher, a process of their own."""

    def __init__(self, directory: Path) -> None:
        with bound() as sock:
            self.port: int = sock.getsockname()[1]
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), str(self.port), str(self._directory)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(sandbox.__file__).parents[1])},
        )
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"ready\n"

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@pytest.fixture(params=BROKERS)
async def victim(request: pytest.FixtureRequest, data: Path, tmp_path: Path) -> AsyncIterator[Victim]:
    async with AsyncExitStack() as stack:
        if request.param == EMBEDDED:
            hub = Embedded(tmp_path)
            await hub.start()
            stack.push_async_callback(hub.kill)
            yield Victim(hub.port, derived_secret(MASTER_SECRET, "hub-password"), hub.kill, hub.start)
            return
        node: rabbit.Node = request.getfixturevalue("plain_node")
        await stack.enter_async_context(beside(data, node.port, mtls=False))

        async def kill() -> None:
            await asyncio.to_thread(node.kill)

        async def again() -> None:
            await asyncio.to_thread(node.restart)

        yield Victim(node.port, plain_password(), kill, again)


async def publish(exchange: Any, confirmed: list[str], unique: str) -> None:
    body = message(PLATFORM, SAMU, unique)
    await exchange.publish(aio_pika.Message(body, content_type="application/json", delivery_mode=2), PLATFORM)
    confirmed.append(f"{PLATFORM}_{unique}")


def id_of(delivery: Any) -> str:
    found: str = orjson.loads(delivery.body)["distributionID"]
    return found


async def back(victim: Victim) -> Any:
    """A connection, once the broker takes them again: a RabbitMQ listens before it does."""
    async with asyncio.timeout(30):
        while True:
            with suppress(*CONNECTION_EXCEPTIONS):
                return await victim.connect(SAMU)
            await asyncio.sleep(0.1)


async def drained(victim: Victim, wanted: set[str]) -> list[Any]:
    """What comes, acknowledged, until all that is wanted has."""
    found: list[Any] = []
    async with await back(victim) as lrm:
        queue = await (await lrm.channel()).get_queue(INBOX, ensure=False)
        async with asyncio.timeout(30), queue.iterator() as deliveries:
            async for delivery in deliveries:
                found.append(delivery)
                await delivery.ack()
                if wanted <= {id_of(each) for each in found}:
                    break
    return found


async def test_confirmed_messages_survive(victim: Victim, request: pytest.FixtureRequest) -> None:
    confirmed: list[str] = []
    sas, lrm = await victim.connect(PLATFORM), await victim.connect(SAMU)
    exchange = await (await sas.channel()).get_exchange("hubsante", ensure=False)
    await asyncio.gather(*(publish(exchange, confirmed, str(number)) for number in range(200)))
    queue = await (await lrm.channel()).get_queue(INBOX, ensure=False)
    arrived: asyncio.Queue[Any] = asyncio.Queue()
    await queue.consume(arrived.put)
    acknowledged = []
    async with asyncio.timeout(20):
        for number in range(50):
            delivery = await arrived.get()
            if number < 40:
                acknowledged.append(id_of(delivery))
                await delivery.ack()
        await publish(exchange, confirmed, "200")  # once this is confirmed, what came before it is on the disk too
    under_way = [asyncio.create_task(publish(exchange, confirmed, str(number))) for number in range(300, 330)]
    await asyncio.sleep(0)
    await victim.kill()
    await asyncio.gather(*under_way, return_exceptions=True)
    for connection in (sas, lrm):
        await connection.close()

    await victim.again()
    wanted = set(confirmed) - set(acknowledged)
    found = await drained(victim, wanted)
    ids = [id_of(each) for each in found]
    assert wanted <= set(ids)
    if "embedded" in request.node.name:
        assert len(ids) == len(set(ids))
        assert not set(ids) & set(acknowledged[:39])
        assert all(each.redelivered for each in found)
