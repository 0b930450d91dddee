"""What a client of the hub does with the messages that it is delivered: handle them, then acknowledge or reject them.

The deliveries of a queue are handled one after the other, or several at a time (`together`), so that they share one
write to disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from sandbox.edxl.codes import JSON
from sandbox.kernel.errors import StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.seldom import Seldom
from sandbox.net.context import Context

STORE_PAUSE = 1.0  # s until a handler whose store refused is tried again
SENDER_HEADER = "x-death-original-routing-key"  # the hub writes the sender's client id there
UNUSABLE = 700  # INTERNAL_CLIENT_ERROR of the hub's model

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """One message from one of our queues."""

    queue: str
    body: bytes
    headers: dict[str, Any]
    redelivered: bool
    content_type: str | None = JSON


Handler = Callable[[Delivery], Awaitable[None]]


class HangUp(Exception):
    """Raised by a handler: the connection breaks now, and what is not acknowledged comes again with the next one."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One queue and its handler; `together`: up to `prefetch` deliveries at once, else one after the other."""

    queue: str
    handler: Handler
    prefetch: int
    together: bool


class Deliveries:
    """The deliveries of one client. `actor` is for the journal and the logs. `lost`, in the methods: the event that
    ends the connection on which a message came."""

    def __init__(self, context: Context, actor: str) -> None:
        self._actor, self._journal = actor, context.journal_of(actor)
        self._refused = Seldom(_log)

    async def take(self, subscription: Subscription, lost: asyncio.Event, message: AbstractIncomingMessage) -> None:
        """Handle one delivery of a queue whose deliveries are handled together: each has a task of its own, started in
        the order of delivery."""
        if lost.is_set():
            return  # the hub delivers it again on the next connection
        try:
            usable = await self._handled(subscription, _delivery(subscription, message))
        except HangUp:
            lost.set()
        except StoreError as error:
            self._wait_for_store(error)
            await asyncio.sleep(STORE_PAUSE)
            lost.set()
        else:
            await self._answer(message, usable, lost)

    async def _answer(self, message: AbstractIncomingMessage, usable: bool, lost: asyncio.Event) -> None:
        """Acknowledge a delivery, or reject one that cannot be used."""
        if lost.is_set():
            return
        try:
            if usable:
                await message.ack()
            else:
                await message.reject(requeue=False)
        except CONNECTION_EXCEPTIONS as error:
            _log.info("%s: a delivery could not be answered (%s)", self._actor, why(error))
            lost.set()

    async def work(
        self, subscription: Subscription, inbox: asyncio.Queue[AbstractIncomingMessage], lost: asyncio.Event
    ) -> None:
        """Handle the deliveries of one queue in order. When one cannot be answered, the connection is given up
        (`lost`)."""
        while True:
            message = await inbox.get()
            try:
                usable = await self._handle(subscription, _delivery(subscription, message))
            except HangUp:
                lost.set()
                return
            await self._answer(message, usable, lost)
            if lost.is_set():
                return

    async def _handle(self, subscription: Subscription, delivery: Delivery) -> bool:
        """`_handled`, repeated after a pause while the store refuses."""
        while True:
            try:
                return await self._handled(subscription, delivery)
            except StoreError as error:
                self._wait_for_store(error)
                await asyncio.sleep(STORE_PAUSE)

    def _wait_for_store(self, error: StoreError) -> None:
        self._refused.error("%s: deliveries wait for the store: %s", self._actor, error)

    async def _handled(self, subscription: Subscription, delivery: Delivery) -> bool:
        """Call the handler once. False: it failed on this delivery and would fail again. Raises HangUp, StoreError."""
        try:
            await subscription.handler(delivery)
        except (HangUp, StoreError):
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours: the message must not come again and again
            _log.exception("%s: a message of %s cannot be used", self._actor, delivery.queue)
            note = f"rejected: the message cannot be used ({type(error).__name__})"
            self._journal.received(
                Flow.INT_L02,
                f"consume {delivery.queue}",
                str(delivery.headers.get(SENDER_HEADER) or ""),
                status=UNUSABLE,
                size=len(delivery.body),
                note=note,
            )
            return False
        return True


def _delivery(subscription: Subscription, message: AbstractIncomingMessage) -> Delivery:
    headers, again = dict(message.headers or {}), bool(message.redelivered)
    return Delivery(subscription.queue, message.body, headers, again, message.content_type)


def why(error: BaseException) -> str:
    """An error in a few words; its type where it has none."""
    return str(error) or type(error).__name__
