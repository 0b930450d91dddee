"""The examination's connection to the hub: it publishes, and keeps what comes to its three queues.

What was in the queues before the first message, or is about somebody else's, is left there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from sandbox.check.lrm.replies import Reply, reply
from sandbox.kernel.errors import NobodyAnswers
from sandbox.net.amqp.one_shot_client import Access, OneShotClient, one_shot_connection

TIMEOUT_S = 10.0
_QUIET_S = 0.3  # s in which the queues show what was left in them
_MOST_WAITING = 1000  # deliveries of others that are held unacknowledged


class Post:
    """`lrm`: client id of the LRM; `replies`: what came to us, oldest first, as far as nobody has taken it;
    `disturbed`: monotonic seconds when something else came last."""

    def __init__(self, where: Access, lrm: str, connection: AbstractConnection, client: OneShotClient) -> None:
        self.sender, self.lrm = where.client_id, lrm
        self.replies: list[Reply] = []
        self.published: dict[str, float] = {}  # distributionID -> monotonic seconds
        self.disturbed = 0.0
        self._connection, self._client = connection, client
        self._came = asyncio.Event()

    async def publish(self, body: bytes, distribution_id: str, form: str) -> None:
        """Publish; returns once the hub has confirmed it. Raises NobodyAnswers."""
        self.published[distribution_id] = time.monotonic()
        await self._client.publish(body, distribution_id, content_type=form)

    async def wait(self, fits: Callable[[Reply], bool], seconds: float) -> Reply | None:
        """Take the first reply that fits, waiting for it; None when there is none in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                while True:
                    if (found := self.take(fits)) is not None:
                        return found
                    self._came.clear()
                    await self._came.wait()
        return self.take(fits)

    def take(self, fits: Callable[[Reply], bool]) -> Reply | None:
        """Take the first reply that fits."""
        for at, each in enumerate(self.replies):
            if fits(each):
                return self.replies.pop(at)
        return None

    async def inspect(self, queue: str) -> tuple[int, int] | None:
        """Messages that are ready in a queue and its consumers, by a passive declare; None when there is no such queue.

        Raises NobodyAnswers.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S), self._connection.channel() as channel:
                found = (await channel.declare_queue(queue, passive=True)).declaration_result
        except TimeoutError:
            raise NobodyAnswers("Hub Santé: no answer to a passive declare") from None
        except CONNECTION_EXCEPTIONS as error:
            if "NOT_FOUND" in str(error):
                return None
            raise NobodyAnswers(f"Hub Santé: {error or type(error).__name__}") from None
        return found.message_count or 0, found.consumer_count or 0

    async def on_delivery(self, queue: str, delivery: AbstractIncomingMessage) -> None:
        """Keep what is about our messages, or comes from the LRM since we write to it."""
        found = reply(queue, delivery.body, delivery.content_type, time.monotonic())
        ours = found.about in self.published or found.source in self.published
        if ours or (self.published and found.sender == self.lrm):
            await delivery.ack()
            self.replies.append(found)
            self._came.set()
        else:
            self.disturbed = found.at


@contextlib.asynccontextmanager
async def posted(where: Access, lrm: str) -> AsyncIterator[Post]:
    """Connect and consume our queues; disconnect at the end. Raises NobodyAnswers."""
    async with one_shot_connection(where) as connection:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                publishing, reading = await connection.channel(), await connection.channel()
                post = Post(where, lrm, connection, OneShotClient(where.client_id, publishing))
                await reading.set_qos(prefetch_count=_MOST_WAITING)
                for suffix in ("ack", "info", "message"):
                    queue = await reading.get_queue(f"{where.client_id}.{suffix}", ensure=False)
                    await queue.consume(partial(post.on_delivery, suffix))
        except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise NobodyAnswers(f"Hub Santé at {where.url}: the queues of {where.client_id}: {why}") from None
        await asyncio.sleep(_QUIET_S)
        yield post
