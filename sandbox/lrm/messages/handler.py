"""What one LRM does with a message of its `.message` queue: store it, then send the final acknowledgement (guide,
INT_L02).

The orientation, the line in its case file and the outbox entry of the acknowledgement are one write, so that a crash at
any moment neither loses nor duplicates any of them: a message that was not acked is delivered again, and recognised by
its distributionID. Many deliveries are handled at once and share their writes to the disk; each is checked and applied
in the order of delivery, before anything is awaited. `handle` returns (and the delivery is acked) only when its write
is on disk; the outbox is woken after that. Wrong behaviour that the World asks for is in `faults.lrm`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import Message, MessageError, document_of, read, text_at
from sandbox.edxl.schemas import CONTENTS
from sandbox.faults.lrm import AFTER, BEFORE, DURING, PLAIN, Handling, LrmFaults
from sandbox.kernel.errors import StoreError
from sandbox.kernel.flows import Flow
from sandbox.lrm.ledger.ledger import ConflictError, Ledger, Taken
from sandbox.lrm.ledger.records import Received
from sandbox.lrm.messages.answers import Answers
from sandbox.net.amqp.deliveries import SENDER_HEADER, Delivery, HangUp
from sandbox.net.context import Context
from sandbox.store.protocol import Put, Store
from sandbox.web.sse import Channel

MESSAGES, NOTICES = "messages", "notices"  # topics of `changes`
_KINDS = {"create": "création", "update": "mise à jour", "cancel": "annulation"}

_log = logging.getLogger(__name__)


class MessageHandler:
    """The handler of one LRM's queue. `faults`: the behaviours that the World asks for; `changes` notifies the pages of
    changes."""

    def __init__(
        self, context: Context, client_id: str, store: Store, ledger: Ledger, answers: Answers, changes: Channel
    ) -> None:
        self.queue = f"{client_id}.message"
        self.faults = LrmFaults(client_id, context.chance(f"faults:{client_id}"))
        self._actor = f"lrm:{client_id}"
        self._clock, self._journal = context.clock, context.journal_of(self._actor)
        self._store, self._ledger, self._answers, self._changes = store, ledger, answers, changes

    async def handle(self, delivery: Delivery) -> None:
        """Handle one delivery; it is acked when this returns. Raises HangUp when the connection is to break, StoreError
        when nothing can be stored; the delivery then comes again."""
        try:
            await self._read(delivery)
        except (HangUp, StoreError):
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours: the message would come again for ever
            _log.exception("%s: a message of %s cannot be taken", self._actor, delivery.queue)
            cause = f"The LRM failed on this message ({type(error).__name__})"
            await self._refuse_unusable(delivery, _failed(delivery, cause))

    async def _read(self, delivery: Delivery) -> None:
        try:
            message = read(delivery.body, delivery.content_type)
        except MessageError as error:
            await self._refuse_unusable(delivery, error)
            return
        unusable = _unusable(message)
        if unusable is not None:
            await self._refuse(message, *unusable)
            return
        await self._take(message, self.faults.handling(kind_of(message)))

    async def _take(self, message: Message, handling: Handling) -> None:
        if handling.cut == BEFORE:
            self._journal_message(message, note="disconnected before storing", fault=handling.faults)
            raise HangUp
        if handling.refusal is not None and not handling.stores:
            await self._refuse(message, HubCode(handling.refusal.code), handling.refusal.cause, handling)
            return
        taken, conflicts = self._apply(message)
        writes = [write for each in taken for write in each.writes]
        if conflicts:
            await self._refuse(message, HubCode.CONFLICT, "; ".join(conflicts), handling, writes)
            return
        self._journal_message(message, note="; ".join(each.note for each in taken), fault=handling.faults)
        answer = self._answer(message, handling)
        history = self._remember(message, ", ".join(each.done for each in taken), _answered(handling))
        try:
            await self._commit(*writes, history, *answer, cut=handling.cut)
        except ValueError:  # no row can store it
            self._undo(message)
            raise
        self._changes.tell(MESSAGES)
        self._changes.tell(NOTICES)

    def _apply(self, message: Message) -> tuple[list[Taken], list[str]]:
        """Apply each appointment of a message, in order; returns the effects of those that could be applied and the
        errors of the others."""
        taken: list[Taken] = []
        conflicts: list[str] = []
        for each in message.each():
            assert each.appointment is not None
            try:
                now = self._clock.now()
                found = self._ledger.take(dict(each.appointment), message.distribution_id, message.sender, now)
            except ConflictError as conflict:
                conflicts.append(str(conflict))
            else:
                taken.append(found)
        return taken, conflicts

    def _undo(self, message: Message) -> None:
        self._ledger.history.forget(message.distribution_id)
        for each in message.each():
            if each.appointment is not None:
                self._ledger.undo(each.appointment["appointmentId"])

    def _answer(self, message: Message, handling: Handling) -> tuple[Put, ...]:
        if handling.refusal is not None:
            return self._answers.refuse(message, HubCode(handling.refusal.code), handling.refusal.cause)
        return self._answers.acknowledge(message, handling)

    async def _refuse(
        self, message: Message, code: HubCode, cause: str, handling: Handling = PLAIN, writes: Sequence[Put] = ()
    ) -> None:
        """Answer with an error. `writes`: those of the appointments of the message that were applied nevertheless."""
        self._journal_message(message, int(code), note=cause[:200], fault=handling.faults)
        text = f"{int(code)} {code.name} : {cause}"
        notice = self._notice(self.queue, message.sender, "refusé", text, message.distribution_id)
        history = self._remember(message, "refusé", f"erreur {int(code)} {code.name}")
        acknowledged = handling.refusal is not None and handling.refusal.acknowledged
        answer = self._answers.refuse(message, code, cause, acknowledged=acknowledged)
        await self._commit(*writes, notice, history, *answer, cut=handling.cut)
        self._changes.tell(NOTICES)

    async def _refuse_unusable(self, delivery: Delivery, error: MessageError) -> None:
        """Answer a message that cannot be read to its sender, if the sender is known; a notice informs people."""
        identifier = error.distribution_id
        sender = text_at(error.document, "senderID") or str(delivery.headers.get(SENDER_HEADER) or "")
        action, status, cause = f"consume {self.queue}", int(error.code), error.cause[:200]
        self._journal.received(Flow.INT_L02, action, sender, ref=identifier, status=status, note=cause)
        notice = self._notice(delivery.queue, sender, "invalide", error.cause, identifier)
        answered = f"erreur {int(error.code)} {error.code.name}" if sender else ""
        history = self._ledger.history.add_received(
            Received(
                number=self._ledger.history.next_number(),
                at=self._clock.now().isoformat(timespec="seconds"),
                sender=sender,
                distribution_id=identifier,
                what="illisible",
                done="refusé",
                answer=answered,
            )
        )
        answer = self._answers.error(sender, error.code, error.cause, error.document, identifier) if sender else ()
        await self._commit(notice, history, *answer)
        self._changes.tell(NOTICES)

    def _remember(self, message: Message, done: str, answer: str) -> Put:
        """The line in the history of received messages (requirement L02-13)."""
        ids = [each.appointment["appointmentId"] for each in message.each() if each.appointment is not None]
        return self._ledger.history.add_received(
            Received(
                number=self._ledger.history.next_number(),
                at=self._clock.now().isoformat(timespec="seconds"),
                sender=message.sender,
                distribution_id=message.distribution_id,
                what=_KINDS[kind_of(message)] if message.appointment is not None else message.content,
                done=done,
                answer=answer,
                appointments=tuple(ids),
            )
        )

    def _notice(self, queue: str, sender: str, kind: str, text: str, ref: str) -> Put:
        at = self._clock.now()
        return self._ledger.history.add_notice(at=at, queue=queue, sender=sender, kind=kind, text=text, ref=ref)

    async def _commit(self, *writes: Put, cut: str = "") -> None:
        stored = self._store.commit(*writes)
        if cut == DURING:
            raise HangUp
        await stored
        asyncio.get_running_loop().call_soon(self._answers.wake)  # after the AMQP ack that follows when this returns
        if cut == AFTER:
            raise HangUp

    def _journal_message(self, message: Message, status: int = 0, *, note: str, fault: str) -> None:
        action, ref = f"consume {self.queue}", message.distribution_id
        self._journal.received(Flow.INT_L02, action, message.sender, ref=ref, status=status, note=note, fault=fault)


def kind_of(message: Message) -> str:
    """`create`, `update` or `cancel` (an update with the status cancelled)."""
    appointment = message.appointment or {}
    if appointment.get("method") == "CreateAppointment":
        return "create"
    return "cancel" if appointment.get("status") == "cancelled" else "update"


def _unusable(message: Message) -> tuple[HubCode, str] | None:
    """The reason why a message does not belong in the queue of business messages; None when it does."""
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


def _answered(handling: Handling) -> str:
    """The answer to a message that was taken, in French for people."""
    if handling.refusal is not None:
        return f"erreur {handling.refusal.code} {HubCode(handling.refusal.code).name}"
    if not handling.steps:
        return ""
    steps = ", ".join(step or "sans étape" for step in handling.steps)
    return f"acquittement {steps}{' (retenu)' if handling.held or handling.delay else ''}"


def _failed(delivery: Delivery, cause: str) -> MessageError:
    """The error for a message whose handling failed, with as much of the message as can be read."""
    try:
        document = document_of(delivery.body, delivery.content_type)
    except MessageError as error:
        return MessageError(HubCode.INTERNAL_CLIENT_ERROR, cause, None, error.distribution_id)
    return MessageError(HubCode.INTERNAL_CLIENT_ERROR, cause, document, text_at(document, "distributionID"))
