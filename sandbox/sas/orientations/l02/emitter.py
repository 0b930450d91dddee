"""INT_L02, the SAS core's side: one message per version of an appointment, followed until the LRM has answered.

Sending: `due` gives the rows (message, outbox entry) that join the appointment's own commit; the outbox publishes to
the hub, in order per appointment, until the publisher confirm has come. A retry carries the same distributionID.
Following: `.ack` and `.info` of the platform's client id are consumed; a change of state is durable before the
delivery is acknowledged to the hub. A message that nobody answered before it expired is expired. Others may publish
under the platform's client id: what answers a message that is not ours gets a row too, so that `state` knows it, and
the journal says that its reference is unknown. Only the recipient of a message, and the hub, decide about it.
Sending again, by hand: what was refused or expired goes out as a new message of the same version (`again`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sandbox.edxl import build
from sandbox.edxl.codes import EXPIRIES, NO_DISTRIBUTION_ID
from sandbox.edxl.message import Message, MessageError, read, text_at
from sandbox.kernel.errors import Issue, PeerError, RequestError, StoreError, refused
from sandbox.kernel.flows import Flow
from sandbox.kernel.hub.clients import HUB_ID
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.journal import Exchange
from sandbox.kernel.model import Regulator
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.amqp.deliveries import Delivery
from sandbox.net.context import Context
from sandbox.sas.orientations.l02.content import content_of
from sandbox.sas.orientations.l02.ledger import Ledger, exists_there, may_go_again
from sandbox.sas.orientations.l02.life import ACKNOWLEDGED, DUE, EXPIRED, PUBLISHED, REFUSED, Event, State, Tracked
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.store.outbox import Entry, Outbox
from sandbox.store.protocol import Delete, Put, Store
from sandbox.tasks import keep

OUTBOX = "l02_outbox"
ACTOR = "sas"
LONGEST_CAUSE = 4000  # characters of an error's cause that are kept
LONGEST_ID = 1000  # characters of a distributionID that a row can have; ours are far shorter
GRACE = timedelta(minutes=1)  # that the hub's own report of an expiry may take
SWEEP_S = 30.0
_UNKNOWN = "answers an unknown message: nothing was sent under this distributionID"
_FOREIGN = "answers a message of another client"
_NAMELESS = "names no message"
_MEDDLING = "ignored, as the message was sent to somebody else"

_log = logging.getLogger(__name__)


class L02:
    """The messages of one SAS core. `regulator` finds who a record names; `hub` stands in for the AMQP client in
    tests."""

    def __init__(
        self,
        context: Context,
        store: Store,
        regulator: Callable[[Identifier], Regulator | None],
        *,
        hub: AmqpClient | None = None,
    ) -> None:
        self._context, self._store, self._regulator = context, store, regulator
        self._client_id = context.settings.platform_client_id
        self._life = timedelta(seconds=context.settings.message_ttl_s)
        self._hub = hub or AmqpClient(context, ACTOR, self._client_id)
        self._outbox = Outbox(store, OUTBOX, self._send, clock=context.clock, entropy=context.entropy)
        self._ledger = Ledger(store, self._client_id, context.clock)
        self._sweeper: asyncio.Task[None] | None = None

    def due(self, record: AppointmentRecord) -> tuple[Put | Delete, ...]:
        """The writes by which a version's message becomes due: commit them with the appointment, then `wake`.

        Raises RequestError 422 when the regulator belongs to no territory.
        """
        return self._due(record, creates=record.version == 1)

    def again(self, distribution_id: str, record: AppointmentRecord) -> tuple[Put | Delete, ...]:
        """The same for a message that failed, sent again by hand: a new message, with what `record` says now.

        Raises RequestError 409 unless it was refused or has expired, and no later one has taken its place.
        """
        row = self._ledger.row(record.id)
        message = row.find(distribution_id)
        if message is None or not may_go_again(row, message):
            state = message.state if message is not None else "unknown"
            detail = (
                f"message {distribution_id} is {state}: only the latest one of an appointment, refused or expired, "
                "can be sent again"
            )
            raise RequestError(409, Issue("conflict", detail, "distributionID"))
        creates = record.version == 1 and not exists_there(row)
        return self._due(record, creates=creates, sending=message.sending + 1)

    def _due(self, record: AppointmentRecord, *, creates: bool, sending: int = 0) -> tuple[Put | Delete, ...]:
        regulator = self._regulator(record.regulator)
        if regulator is None:
            raise refused(f"regulator {record.regulator.key} is not known to the SAS core")
        content = content_of(record, regulator, self._context.population, creates=creates)
        now = self._context.clock.now()
        key = self._ledger.distribution_id(record.id, record.version, sending)
        address = build.Address(key, self._client_id, content.recipient, now, now + self._life)
        message = Tracked(
            distribution_id=key,
            state=DUE,
            events=(self._event(DUE),),
            version=record.version,
            sending=sending,
            recipient=content.recipient,
        )
        for omission in content.omitted:
            self._journal("out", "build RS-SAS-RDV", content.recipient, key, note=omission)
        entry = self._outbox.put(record.id, build.report(address, content.appointment), ref=key)
        return (*self._ledger.write(record.id, message), *entry)

    def wake(self) -> None:
        """Something is due and committed: send it now."""
        self._outbox.wake()

    @property
    def waiting(self) -> int:
        """How many messages are not yet confirmed by the hub."""
        return self._outbox.depth

    @property
    def connected(self) -> bool:
        """Is the hub there."""
        return self._hub.connected

    async def start(self) -> None:
        """Connect to the hub (in the background when it is down), consume answers, send what is due."""
        self._hub.consume(f"{self._client_id}.ack", self._on_answer)
        self._hub.consume(f"{self._client_id}.info", self._on_answer)
        await self._hub.start()
        await self._outbox.start()
        self._sweeper = keep(self._sweep_for_ever, "L02 expiry")

    async def stop(self) -> None:
        """Finish what is in flight (bounded), then disconnect."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self._outbox.stop()
        await self._hub.stop()

    def state(self, distribution_id: str) -> dict[str, Any] | None:
        """One message as `GET l02/<distributionID>` shows it; None when nothing is known of it."""
        found = self._ledger.find(distribution_id)
        return found[1].document(found[0]) if found is not None else None

    def of_appointment(self, appointment_id: str) -> list[dict[str, Any]]:
        """The messages of one appointment, in the order of their sending."""
        return [message.document(appointment_id) for message in self._ledger.row(appointment_id).messages]

    def troubles(self) -> list[dict[str, Any]]:
        """The messages refused or expired lately, the latest first; `again`: whether a person may send it again."""
        return [
            {**message.document(key), "recipient": message.recipient, "again": self._may_go(key, message)}
            for key, message in self._ledger.troubles()
        ]

    def statistics(self) -> dict[str, Any]:
        """See Ledger.statistics; `waiting`: not yet confirmed by the hub; `connected`: is it there."""
        return {**self._ledger.statistics(), "waiting": self.waiting, "connected": self.connected}

    async def sweep(self) -> None:
        """What the hub took and nobody answered before it expired: expired, once that is durable."""
        cause = "no acknowledgement came before the message expired"
        for key in list(self._ledger.overdue(self._life + GRACE)):
            found = self._ledger.find(key)
            if found is not None and found[1].state == PUBLISHED:
                await self._advance(key, self._event(EXPIRED, cause=cause))

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            with contextlib.suppress(StoreError):  # the next time will do: the store says why
                await self.sweep()

    def _may_go(self, key: str | None, message: Tracked) -> bool:
        return key is not None and may_go_again(self._ledger.row(key), message)

    async def _send(self, entry: Entry) -> None:
        found = self._ledger.find(entry.ref)
        peer = found[1].recipient if found is not None else ""
        started = asyncio.get_running_loop().time()
        try:
            await self._hub.publish(entry.payload)
        except PeerError as error:
            self._journal("out", "publish hubsante", peer, entry.ref, note=f"not confirmed: {error.detail}")
            raise
        took = (asyncio.get_running_loop().time() - started) * 1000
        self._journal("out", "publish hubsante", peer, entry.ref, ms=took, size=len(entry.payload))
        await self._advance(entry.ref, self._event(PUBLISHED))

    async def _on_answer(self, delivery: Delivery) -> None:
        """One message of `.ack` or `.info`. What cannot be used is journalled and let go: it would come for ever."""
        try:
            message = read(delivery.body, delivery.content_type)
        except MessageError as error:
            _log.warning("%s: unusable message: %s", delivery.queue, error.cause[:200])
            self._journal("in", f"consume {delivery.queue}", "", "", int(error.code), note=error.cause[:200])
            return
        for each in message.each():
            await self._take_answer(delivery.queue, each)

    async def _take_answer(self, queue: str, message: Message) -> None:
        """What one content item of a message says."""
        key, event = self._verdict(message)
        said = event.step or event.cause or "" if event is not None else f"no verdict in this {message.content}"
        problem = self._problem(message.sender, key) if event is not None else None
        note = said if problem is None else f"{problem}: {said}".removesuffix(": ")
        code = event.code if event is not None else None
        ref = key[:LONGEST_ID]
        self._journal("in", f"consume {queue}", message.sender, ref, code or 0, note=note[:200])
        if event is not None and self._is_ours(key) and problem != _MEDDLING:
            await self._advance(key, event)

    def _problem(self, sender: str, key: str) -> str | None:
        """Why an answer is none to a message of ours; None when it is: its recipient answers, or the hub."""
        if not self._is_ours(key):
            return _NAMELESS if key == NO_DISTRIBUTION_ID else _FOREIGN
        found = self._ledger.find(key)
        if found is None or found[1].version is None:
            return _UNKNOWN
        return None if sender in (found[1].recipient, HUB_ID) else _MEDDLING

    def _verdict(self, message: Message) -> tuple[str, Event | None]:
        """(distributionID that is answered, what the answer says); no event when it says nothing of a message."""
        if message.reference is not None:
            key = str(message.reference["distributionID"])
            if message.reference.get("refused"):
                cause = f"refused, see error {message.reference.get('errorDistributionID', 'not given')}"
                return key, self._event(REFUSED, cause=cause)
            return key, self._event(ACKNOWLEDGED, step=message.reference.get("step"))
        if message.error is None:
            return message.distribution_id, None
        code = _code(message.error["errorCode"]["statusCode"])
        cause = str(message.error["errorCause"])[:LONGEST_CAUSE]
        state = EXPIRED if code in EXPIRIES else REFUSED
        return self._culprit(message.error), self._event(state, code=code, cause=cause)

    def _culprit(self, error: Any) -> str:
        """The message an error is about. The real hub sometimes has lost its id: then the quoted source tells."""
        referenced = str(error["referencedDistributionID"])
        if self._is_ours(referenced):
            return referenced
        return text_at(error.get("sourceMessage"), "distributionID") or referenced

    def _is_ours(self, distribution_id: str) -> bool:
        known = distribution_id.partition("_")[0] == self._client_id
        return known and len(distribution_id) <= LONGEST_ID

    async def _advance(self, key: str, event: Event) -> None:
        """Apply an event and return once that is durable; nothing new needs no write."""
        row = self._ledger.row_of(key)
        message = self._ledger.row(row).find(key) or Tracked(distribution_id=key, state=DUE)
        after = message.after(event)
        if after is message:
            await self._store.barrier()
            return
        await self._store.commit(*self._ledger.write(row, after))

    def _event(self, state: State, code: int | None = None, cause: str | None = None, step: str | None = None) -> Event:
        at = self._context.clock.now().isoformat(timespec="milliseconds")
        return Event(state, at, code, cause, step)

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
        at = self._context.clock.now().timestamp()
        self._context.journal.put(
            Exchange(at, ACTOR, Flow.INT_L02, direction, action, peer, status, ms=ms, size=size, note=note, ref=ref)
        )


def _code(number: float) -> int:
    """An error's status code; the model admits any number, a row and the journal only sensible ones."""
    return int(number) if 0 <= number < 100_000 else 0
