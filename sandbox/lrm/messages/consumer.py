"""The LRM's side of INT_L02: the queues that one LRM consumes and the messages that it publishes (guide, INT_L02).

Messages of `.message` are handled by `handler`; messages of `.ack` and `.info` are shown to people, and not answered.
"""

from __future__ import annotations

import asyncio

from sandbox.edxl.message import MessageError, read, text_at
from sandbox.faults.lrm import CONSULTED
from sandbox.kernel.errors import PeerError
from sandbox.kernel.flows import Flow
from sandbox.kernel.world import World
from sandbox.lrm.ledger.ledger import Ledger
from sandbox.lrm.ledger.records import Orientation
from sandbox.lrm.messages.answers import Answers
from sandbox.lrm.messages.handler import NOTICES, MessageHandler
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.amqp.deliveries import Delivery
from sandbox.net.context import Context
from sandbox.store.outbox import Entry
from sandbox.store.protocol import Store
from sandbox.web.sse import Channel

UNDER_WAY = 500  # deliveries of the message queue that may be handled at the same time


class Consumer:
    """The consumer of the three queues of one LRM. `changes` notifies its pages of changes; `hub` replaces the AMQP
    client in measurements."""

    def __init__(
        self, context: Context, client_id: str, store: Store, ledger: Ledger, *, hub: AmqpClient | None = None
    ) -> None:
        self._context, self._client_id, self._store, self._ledger = context, client_id, store, ledger
        actor = f"lrm:{client_id}"
        self._journal = context.journal_of(actor)
        self._hub = hub or AmqpClient(context, actor, client_id)
        self.changes = Channel()
        self.answers = Answers(context, client_id, store, self._send, lambda: self.changes.tell(NOTICES))
        self._handler = MessageHandler(context, client_id, store, ledger, self.answers, self.changes)
        self.faults = self._handler.faults

    @property
    def connected(self) -> bool:
        """Whether the hub is connected."""
        return self._hub.connected

    async def start(self) -> None:
        """Connect (in the background when the hub is down) and consume the three queues."""
        self._hub.consume(f"{self._client_id}.ack", self._on_notice)
        self._hub.consume(f"{self._client_id}.info", self._on_notice)
        self._hub.consume(self._handler.queue, self._handler.handle, prefetch=UNDER_WAY, together=True)
        self._context.world.watch(self._apply_world)
        await self._hub.start()
        await self.answers.start()

    async def stop(self) -> None:
        """Finish the running work (for a bounded time), then disconnect."""
        await self.answers.stop()
        await self._hub.stop()

    async def consult(self, orientation: Orientation) -> None:
        """A regulator has opened an orientation: inform the platform, once for each message, if this is wanted."""
        last = orientation.history[-1].distribution_id
        if orientation.consulted == last or not self.faults.wants_step(CONSULTED):
            return
        answer = self.answers.consulted(orientation.appointment_id, orientation.sender, last, "Actual")
        await self._store.commit(self._ledger.orientations.consulted(orientation, last), *answer)
        self.answers.wake()

    def _apply_world(self, world: World) -> None:
        self.faults.update(world)
        self._hub.stop_hearing(frozenset((self._handler.queue,)) if self.faults.deaf else frozenset())
        self.changes.tell(NOTICES)

    async def _on_notice(self, delivery: Delivery) -> None:
        sender, kind, text, ref = _read_notice(delivery.body, delivery.content_type)
        self._journal.received(Flow.INT_L02, f"consume {delivery.queue}", sender, ref=ref, note=text[:200])
        at = self._context.clock.now()
        notice = self._ledger.history.add_notice(
            at=at, queue=delivery.queue, sender=sender, kind=kind, text=text, ref=ref
        )
        await self._store.commit(notice)
        self.changes.tell(NOTICES)

    async def _send(self, entry: Entry) -> None:
        started = asyncio.get_running_loop().time()
        try:
            await self._hub.publish(entry.payload)
        except PeerError as error:
            note = f"not confirmed: {error.detail}"
            self._journal.sent(Flow.INT_L02, "publish hubsante", "hub", ref=entry.ref, note=note)
            raise
        took = (asyncio.get_running_loop().time() - started) * 1000
        size = len(entry.payload)
        self._journal.sent(Flow.INT_L02, "publish hubsante", "hub", ref=entry.ref, ms=took, size=size)


def _read_notice(body: bytes, form: str | None) -> tuple[str, str, str, str]:
    """(sender, kind, text for people, distributionID of the message that it is about) of a message of `.ack` or
    `.info`."""
    try:
        message = read(body, form)
    except MessageError as error:
        return text_at(error.document, "senderID"), "invalide", error.cause, ""
    if message.error is not None:
        code, ref = message.error["errorCode"], message.error["referencedDistributionID"]
        text = f"{code['statusCode']} {code['statusString']} : {message.error['errorCause']}"
        return message.sender, message.kind, text, ref
    if message.reference is not None:
        ref = message.reference["distributionID"]
        return message.sender, message.kind, f"acquittement de {ref}", ref
    return message.sender, message.kind, "rendez-vous reçu hors de la file des messages", message.distribution_id
