"""INT_L02, the LRM's side: take a delivery, store it, ack it, then send the final acknowledgement (guide, INT_L02).

The orientation, the line in its case file and the outbox entry of the acknowledgement are one write, so that a crash
at any moment loses neither and doubles neither: what was not acked comes again and is recognised by its
distributionID. The handler returns (and the delivery is acked) only when that write is on disk; the outbox is woken
after that.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import Message, MessageError, read, text_at
from sandbox.kernel.errors import PeerError
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import Exchange
from sandbox.lrm.ledger import ConflictError, Ledger
from sandbox.net.amqp_client import AmqpClient, Delivery
from sandbox.net.context import Context
from sandbox.store.outbox import Entry, Outbox
from sandbox.store.protocol import Put, Store

OUTBOX = "answers"
SENDER_HEADER = "x-death-original-routing-key"  # the hub writes the sender's client id there
STEP = "INTEGRE"  # this LRM integrates what it takes at once


class Consumer:
    """The three queues of one LRM. `hub` stands in for the AMQP client in tests."""

    def __init__(
        self, context: Context, client_id: str, store: Store, ledger: Ledger, *, hub: AmqpClient | None = None
    ) -> None:
        self._context, self._client_id, self._store, self._ledger = context, client_id, store, ledger
        self._actor = f"lrm:{client_id}"
        self._life = timedelta(seconds=context.settings.message_ttl_s)
        self._hub = hub or AmqpClient(context, self._actor, client_id)
        self._outbox = Outbox(store, OUTBOX, self._send, clock=context.clock, entropy=context.entropy)

    @property
    def connected(self) -> bool:
        """Is the hub there."""
        return self._hub.connected

    @property
    def waiting(self) -> int:
        """Acknowledgements and errors that the hub has not yet confirmed."""
        return self._outbox.depth

    async def start(self) -> None:
        """Connect (in the background when the hub is down) and consume the three queues."""
        self._hub.consume(f"{self._client_id}.message", self._on_message)
        self._hub.consume(f"{self._client_id}.ack", self._on_notice)
        self._hub.consume(f"{self._client_id}.info", self._on_notice)
        await self._hub.start()
        await self._outbox.start()

    async def stop(self) -> None:
        """Finish what is in flight (bounded), then disconnect."""
        await self._outbox.stop()
        await self._hub.stop()

    # ---- .message

    async def _on_message(self, delivery: Delivery) -> None:
        try:
            message = read(delivery.body)
        except MessageError as error:
            await self._refuse_unreadable(delivery, error)
            return
        if message.appointment is None:
            reason = f"a message of this queue carries an appointment, this one a {message.content}"
            await self._refuse(delivery.queue, message, HubCode.INVALID_MESSAGE, reason)
            return
        try:
            taken = self._ledger.take(dict(message.appointment), message.distribution_id, message.sender, self._now())
        except ConflictError as conflict:
            await self._refuse(delivery.queue, message, HubCode.CONFLICT, str(conflict))
            return
        self._journal("in", f"consume {delivery.queue}", message.sender, message.distribution_id, note=taken.note)
        await self._commit(*taken.writes, *self._acknowledge(message))

    def _acknowledge(self, message: Message) -> tuple[Put, ...]:
        assert message.appointment is not None
        now = self._now()
        key = self._new_id()
        address = build.Address(key, self._client_id, message.sender, now, now + self._life, message.status)
        body = build.ack(address, message.distribution_id, step=STEP)
        return self._outbox.put(message.appointment["appointmentId"], body, ref=message.distribution_id)

    async def _refuse(self, queue: str, message: Message, code: HubCode, cause: str) -> None:
        self._journal("in", f"consume {queue}", message.sender, message.distribution_id, int(code), note=cause[:200])
        sender, identifier = message.sender, message.distribution_id
        notice = self._note(queue, sender, "refusé", f"{int(code)} {code.name} : {cause}", identifier)
        answer = self._error(sender, code, cause, message.document, identifier)
        await self._commit(*notice, *answer)

    async def _refuse_unreadable(self, delivery: Delivery, error: MessageError) -> None:
        """Tell the sender as far as he can be known; who cannot be told is a notice on our page."""
        identifier = text_at(error.document, "distributionID")
        sender = text_at(error.document, "senderID") or str(delivery.headers.get(SENDER_HEADER) or "")
        action = f"consume {delivery.queue}"
        self._journal("in", action, sender, identifier, int(error.code), note=error.cause[:200])
        notice = self._note(delivery.queue, sender, "invalide", error.cause, identifier)
        answer = self._error(sender, error.code, error.cause, error.document, identifier) if sender else ()
        await self._commit(*notice, *answer)

    def _error(self, recipient: str, code: HubCode, cause: str, source: object, identifier: str) -> tuple[Put, ...]:
        address = build.error_address(self._client_id, self._context.entropy.uuid(), recipient, self._now())
        body = build.error(address, code, cause, source=source, referenced=identifier)
        return self._outbox.put(identifier or address.distribution_id, body, ref=identifier)

    # ---- .ack and .info: shown to people, answered to nobody

    async def _on_notice(self, delivery: Delivery) -> None:
        sender, kind, text, ref = _as_notice(delivery.body)
        self._journal("in", f"consume {delivery.queue}", sender, ref, note=text[:200])
        await self._store.commit(*self._note(delivery.queue, sender, kind, text, ref))

    def _note(self, queue: str, sender: str, kind: str, text: str, ref: str) -> tuple[Put, ...]:
        return self._ledger.note(at=self._now(), queue=queue, sender=sender, kind=kind, text=text, ref=ref)

    # ---- sending

    async def _commit(self, *writes: Put) -> None:
        await self._store.commit(*writes)
        asyncio.get_running_loop().call_soon(self._outbox.wake)  # after the AMQP ack that our return brings about

    async def _send(self, entry: Entry) -> None:
        started = asyncio.get_running_loop().time()
        try:
            await self._hub.publish(entry.payload)
        except PeerError as error:
            note = f"not confirmed: {error.detail}"
            self._journal("out", "publish hubsante", "hub", entry.ref, note=note)
            raise
        took = (asyncio.get_running_loop().time() - started) * 1000
        self._journal("out", "publish hubsante", "hub", entry.ref, ms=took, size=len(entry.payload))

    def _new_id(self) -> str:
        return build.new_distribution_id(self._client_id, self._context.entropy.uuid())

    def _now(self) -> datetime:
        return self._context.clock.now()

    def _journal(
        self,
        direction: str,
        action: str,
        peer: str,
        ref: str,
        status: int = 0,
        *,
        note: str = "",
        ms: float = 0.0,
        size: int = 0,
    ) -> None:
        at = self._now().timestamp()
        flow = Flow.INT_L02
        self._context.journal.put(
            Exchange(at, self._actor, flow, direction, action, peer, status, ms, size, note=note, ref=ref)
        )


def _as_notice(body: bytes) -> tuple[str, str, str, str]:
    """(sender, kind, text for people, distributionID it is about) of a message of `.ack` or `.info`."""
    try:
        message = read(body)
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
