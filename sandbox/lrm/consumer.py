"""INT_L02, the LRM's side: take a delivery, store it, ack it, then send the final acknowledgement (guide, INT_L02).

The orientation, the line in its case file and the outbox entry of the acknowledgement are one write, so that a crash
at any moment loses neither and doubles neither: what was not acked comes again and is recognised by its
distributionID. Many deliveries are under way at once and share their way to the disk; each is judged and applied in
the order of delivery, before anything is waited for. The handler returns (and the delivery is acked) only when its
write is on disk; the outbox is woken after that. What the World makes this LRM get wrong is in `manners`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import Message, MessageError, document_of, read, text_at
from sandbox.edxl.schemas import CONTENTS
from sandbox.faults.lrm import AFTER, BEFORE, DURING, LrmFaults
from sandbox.kernel.errors import PeerError, StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import Exchange
from sandbox.kernel.world import World
from sandbox.lrm.answers import Answers, HeldAnswer
from sandbox.lrm.handling import CONSULTED, PLAIN, Handling, kind_of, manner_of
from sandbox.lrm.ledger import ConflictError, Ledger, Taken
from sandbox.lrm.records import Orientation
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.amqp.deliveries import SENDER_HEADER, Delivery, HangUp
from sandbox.net.context import Context
from sandbox.store.outbox import Entry
from sandbox.store.protocol import Put, Store
from sandbox.web.sse import Channel

UNDER_WAY = 500  # deliveries of the message queue that may be under way at once
_log = logging.getLogger(__name__)
MESSAGES, NOTICES = "messages", "notices"  # topics of `changes`


class Consumer:
    """The three queues of one LRM. `changes` tells its pages; `hub` stands in for the AMQP client in tests."""

    def __init__(
        self, context: Context, client_id: str, store: Store, ledger: Ledger, *, hub: AmqpClient | None = None
    ) -> None:
        self._context, self._client_id, self._store, self._ledger = context, client_id, store, ledger
        self._actor = f"lrm:{client_id}"
        self._queue = f"{client_id}.message"
        self._hub = hub or AmqpClient(context, self._actor, client_id)
        self._faults = LrmFaults(client_id, context.chance(f"faults:{client_id}"))
        self.changes = Channel()
        self.answers = Answers(context, client_id, store, self._send, lambda: self.changes.tell(NOTICES))

    @property
    def connected(self) -> bool:
        """Is the hub there."""
        return self._hub.connected

    @property
    def waiting(self) -> int:
        """Acknowledgements and errors that the hub has not yet confirmed."""
        return self.answers.waiting

    @property
    def hits(self) -> Mapping[str, int]:
        """How often each behaviour struck."""
        return self._faults.hits()

    async def start(self) -> None:
        """Connect (in the background when the hub is down) and consume the three queues."""
        self._hub.consume(f"{self._client_id}.ack", self._on_notice)
        self._hub.consume(f"{self._client_id}.info", self._on_notice)
        self._hub.consume(self._queue, self._on_message, prefetch=UNDER_WAY, together=True)
        self._context.world.watch(self._follow)
        await self._hub.start()
        await self.answers.start()

    async def stop(self) -> None:
        """Finish what is in flight (bounded), then disconnect."""
        await self.answers.stop()
        await self._hub.stop()

    def _follow(self, world: World) -> None:
        self._faults.update(world)
        self._hub.stop_hearing(frozenset((self._queue,)) if self._faults.deaf else frozenset())
        self.changes.tell(NOTICES)

    # ---- .message

    async def _on_message(self, delivery: Delivery) -> None:
        try:
            await self._judge(delivery)
        except (HangUp, StoreError):
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours: the message would come again for ever
            _log.exception("%s: a message of %s cannot be taken", self._actor, delivery.queue)
            cause = f"The LRM failed on this message ({type(error).__name__})"
            await self._refuse_unusable(delivery, _failed(delivery, cause))

    async def _judge(self, delivery: Delivery) -> None:
        try:
            message = read(delivery.body, delivery.content_type)
        except MessageError as error:
            await self._refuse_unusable(delivery, error)
            return
        unusable = _unusable(message)
        if unusable is not None:
            await self._refuse(message, *unusable)
            return
        await self._take(message, self._manner(message))

    def _manner(self, message: Message) -> Handling:
        struck = self._faults.strike(kind_of(message))
        return manner_of(struck, self._faults.chance) if struck else PLAIN

    async def _take(self, message: Message, manner: Handling) -> None:
        if manner.cut == BEFORE:
            self._received(message, note="disconnected before storing", fault=manner.faults)
            raise HangUp
        if manner.refusal is not None and not manner.stores:
            await self._refuse(message, manner.refusal.code, manner.refusal.cause, manner)
            return
        taken, conflicts = self._apply(message)
        writes = [write for each in taken for write in each.writes]
        if conflicts:
            await self._refuse(message, HubCode.CONFLICT, "; ".join(conflicts), manner, writes)
            return
        self._received(message, note="; ".join(each.note for each in taken), fault=manner.faults)
        answer = self._answer(message, manner)
        history = self._remember(message, ", ".join(each.done for each in taken), _answered(manner))
        try:
            await self._commit(*writes, *history, *answer, cut=manner.cut)
        except ValueError:  # no row can hold it
            self._undo(message)
            raise
        self.changes.tell(MESSAGES)
        self.changes.tell(NOTICES)

    def _apply(self, message: Message) -> tuple[list[Taken], list[str]]:
        """Each of its appointments, in order: what that did, and why it could not be done."""
        taken: list[Taken] = []
        conflicts: list[str] = []
        for each in message.each():
            assert each.appointment is not None
            try:
                found = self._ledger.take(dict(each.appointment), message.distribution_id, message.sender, self._now())
            except ConflictError as conflict:
                conflicts.append(str(conflict))
            else:
                taken.append(found)
        return taken, conflicts

    def _undo(self, message: Message) -> None:
        self._ledger.forget(message.distribution_id)
        for each in message.each():
            if each.appointment is not None:
                self._ledger.undo(each.appointment["appointmentId"])

    def _answer(self, message: Message, manner: Handling) -> tuple[Put, ...]:
        if manner.refusal is not None:
            return self.answers.refuse(message, manner.refusal.code, manner.refusal.cause)
        return self.answers.acknowledge(message, manner)

    async def _refuse(
        self, message: Message, code: HubCode, cause: str, manner: Handling = PLAIN, writes: Sequence[Put] = ()
    ) -> None:
        """`writes`: of those of its appointments that were taken all the same."""
        self._received(message, int(code), note=cause[:200], fault=manner.faults)
        identifier = message.distribution_id
        notice = self._note(self._queue, message.sender, "refusé", f"{int(code)} {code.name} : {cause}", identifier)
        history = self._remember(message, "refusé", f"erreur {int(code)} {code.name}")
        acknowledged = manner.refusal is not None and manner.refusal.acknowledged
        answer = self.answers.refuse(message, code, cause, acknowledged=acknowledged)
        await self._commit(*writes, *notice, *history, *answer, cut=manner.cut)
        self.changes.tell(NOTICES)

    async def _refuse_unusable(self, delivery: Delivery, error: MessageError) -> None:
        """Tell the sender as far as he can be known; who cannot be told is a notice on our page."""
        identifier = error.distribution_id
        sender = text_at(error.document, "senderID") or str(delivery.headers.get(SENDER_HEADER) or "")
        self._journal("in", f"consume {self._queue}", sender, identifier, int(error.code), note=error.cause[:200])
        notice = self._note(delivery.queue, sender, "invalide", error.cause, identifier)
        answered = f"erreur {int(error.code)} {error.code.name}" if sender else ""
        history = self._ledger.received(
            at=self._now(), sender=sender, distribution_id=identifier, what="illisible", done="refusé", answer=answered
        )
        answer = self.answers.error(sender, error.code, error.cause, error.document, identifier) if sender else ()
        await self._commit(*notice, *history, *answer)
        self.changes.tell(NOTICES)

    def _remember(self, message: Message, done: str, answer: str) -> tuple[Put, ...]:
        """The line of the history of what was received (requirement L02-13)."""
        ids = [each.appointment["appointmentId"] for each in message.each() if each.appointment is not None]
        return self._ledger.received(
            at=self._now(),
            sender=message.sender,
            distribution_id=message.distribution_id,
            what=_KINDS[kind_of(message)] if message.appointment is not None else message.content,
            done=done,
            answer=answer,
            appointments=tuple(ids),
        )

    async def consult(self, orientation: Orientation) -> None:
        """A regulator has opened an orientation: the platform is told, once for each message, if that is wanted."""
        last = orientation.history[-1].distribution_id
        if orientation.consulted == last or not self._faults.wants_step(CONSULTED):
            return
        answer = self.answers.consulted(orientation.appointment_id, orientation.sender, last, "Actual")
        await self._commit(*self._ledger.consulted(orientation, last), *answer)

    # ---- what is held back

    def held(self) -> list[HeldAnswer]:
        """The acknowledgements that wait for their moment, or for a person."""
        return self.answers.held()

    # ---- .ack and .info: shown to people, answered to nobody

    async def _on_notice(self, delivery: Delivery) -> None:
        sender, kind, text, ref = _as_notice(delivery.body, delivery.content_type)
        self._journal("in", f"consume {delivery.queue}", sender, ref, note=text[:200])
        await self._store.commit(*self._note(delivery.queue, sender, kind, text, ref))
        self.changes.tell(NOTICES)

    def _note(self, queue: str, sender: str, kind: str, text: str, ref: str) -> tuple[Put, ...]:
        return self._ledger.note(at=self._now(), queue=queue, sender=sender, kind=kind, text=text, ref=ref)

    # ---- sending

    async def _commit(self, *writes: Put, cut: str = "") -> None:
        stored = self._store.commit(*writes)
        if cut == DURING:
            raise HangUp
        await stored
        asyncio.get_running_loop().call_soon(self.answers.wake)  # after the AMQP ack that our return brings about
        if cut == AFTER:
            raise HangUp

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

    def _received(self, message: Message, status: int = 0, *, note: str, fault: str) -> None:
        action = f"consume {self._queue}"
        self._journal("in", action, message.sender, message.distribution_id, status, note=note, fault=fault)

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
        fault: str = "",
    ) -> None:
        at = self._now().timestamp()
        flow = Flow.INT_L02
        self._context.journal.put(
            Exchange(at, self._actor, flow, direction, action, peer, status, ms, size, note=note, fault=fault, ref=ref)
        )


_KINDS = {"create": "création", "update": "mise à jour", "cancel": "annulation"}


def _unusable(message: Message) -> tuple[HubCode, str] | None:
    """Why the queue of business messages is no place for a message; None when it is."""
    ids: set[str] = set()
    for each in message.each():
        if each.content not in CONTENTS:
            return HubCode.SCHEMA_NOT_FOUND, f"this LRM reads appointments only, this message carries a {each.content}"
        if each.appointment is None:
            return (
                HubCode.INVALID_MESSAGE,
                f"a message of this queue carries an appointment, this one a {each.content}",
            )
        key = each.appointment["appointmentId"]
        if key in ids:
            return HubCode.INVALID_MESSAGE, f"appointment {key} stands in this message twice"
        ids.add(key)
    return None


def _answered(manner: Handling) -> str:
    """What answers a message that was taken, for people."""
    if manner.refusal is not None:
        return f"erreur {manner.refusal.code:d} {manner.refusal.code.name}"
    if not manner.steps:
        return ""
    steps = ", ".join(step or "sans étape" for step in manner.steps)
    return f"acquittement {steps}{' (retenu)' if manner.held or manner.delay else ''}"


def _failed(delivery: Delivery, cause: str) -> MessageError:
    """A message on which we failed, with as much of it as can be read."""
    try:
        document = document_of(delivery.body, delivery.content_type)
    except MessageError as error:
        return MessageError(HubCode.INTERNAL_CLIENT_ERROR, cause, None, error.distribution_id)
    return MessageError(HubCode.INTERNAL_CLIENT_ERROR, cause, document, text_at(document, "distributionID"))


def _as_notice(body: bytes, form: str | None) -> tuple[str, str, str, str]:
    """(sender, kind, text for people, distributionID it is about) of a message of `.ack` or `.info`."""
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
