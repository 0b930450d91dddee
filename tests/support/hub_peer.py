"""The hub as a function: what a client publishes is kept, what it consumes is handed to it by the test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import Message, read
from sandbox.net.amqp.deliveries import Delivery


class FakeHubPeer:
    """Stands in for `AmqpClient`. `published`: bodies in the order in which they came; `failures` are raised by the
    next publications, the first one first; while `gate` is cleared no publication is confirmed; `begun` is set when
    the first one begins; `unheard`: queues that are not consumed for now; `handlers` by queue."""

    def __init__(self) -> None:
        self.connected = True
        self.published: list[bytes] = []
        self.failures: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.unheard: frozenset[str] = frozenset()
        self.handlers: dict[str, Callable[[Delivery], Awaitable[None]]] = {}
        self._grown = asyncio.Condition()
        self._answers = itertools.count(1)

    def consume(
        self,
        queue: str,
        handler: Callable[[Delivery], Awaitable[None]],
        *,
        prefetch: int = 50,
        together: bool = False,
    ) -> None:
        self.handlers[queue] = handler

    def stop_hearing(self, queues: frozenset[str]) -> None:
        self.unheard = queues

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def publish(self, body: bytes, *, headers: dict[str, Any] | None = None) -> None:
        self.begun.set()
        if self.failures:
            raise self.failures.pop(0)
        async with self._grown:
            self.published.append(body)
            self._grown.notify_all()
        await self.gate.wait()

    async def messages(self, count: int) -> list[Message]:
        """What was published, once there are `count` messages."""
        async with asyncio.timeout(5), self._grown:
            await self._grown.wait_for(lambda: len(self.published) >= count)
        return [read(body) for body in self.published]

    async def deliver(self, queue: str, body: bytes, **headers: Any) -> None:
        """Hand over one delivery; returns when the client would ack it."""
        async with asyncio.timeout(5):
            await self.handlers[queue](Delivery(queue=queue, body=body, headers=headers, redelivered=False))

    async def acknowledge(self, message: Message, step: str | None = None) -> None:
        """The recipient of a message acknowledges it."""
        await self.deliver(
            f"{message.sender}.ack", build.ack(self._answer_to(message), message.distribution_id, step=step)
        )

    async def refuse(self, message: Message, code: HubCode, cause: str) -> None:
        """The recipient of a message answers it with an error."""
        referenced = message.distribution_id
        error = build.error(self._answer_to(message), code, cause, source=None, referenced=referenced)
        await self.deliver(f"{message.sender}.info", error)

    def _answer_to(self, message: Message) -> build.Address:
        """The envelope of an answer; no two have the same distributionID."""
        id = build.new_distribution_id(message.recipient, f"answer-{next(self._answers)}")
        return build.Address(id, message.recipient, message.sender, message.sent, message.expires)
