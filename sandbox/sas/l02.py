"""INT_L02, the SAS core's side: one message per version of an appointment, followed until the LRM has answered.

Sending: `due` gives the rows (message, outbox entry) that join the appointment's own commit; the outbox publishes to
the hub, in order per appointment, until the publisher confirm has come. A retry carries the same distributionID.
Following: `.ack` and `.info` of the platform's client id are consumed; a change of state is durable before the
delivery is acknowledged to the hub. Others may publish under the platform's client id: what answers a message that
is not ours gets a row too, so that `state` knows it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import timedelta
from typing import Any

from sandbox.edxl import build
from sandbox.edxl.codes import EXPIRIES
from sandbox.edxl.message import Message, MessageError, read, text_at
from sandbox.kernel.errors import PeerError
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import Exchange
from sandbox.net.amqp_client import AmqpClient, Delivery
from sandbox.net.context import Context
from sandbox.sas.l02_content import content_of
from sandbox.sas.l02_life import ACKNOWLEDGED, DUE, EXPIRED, FINAL, PUBLISHED, REFUSED, Event, Tracked, decode, encode
from sandbox.sas.records import AppointmentRecord
from sandbox.store.outbox import Entry, Outbox
from sandbox.store.protocol import Delete, Put, Store

TABLE = "l02"
OUTBOX = "l02_outbox"
ACTOR = "sas"
MOST_MESSAGES = 100_000  # rows kept; beyond, the oldest finished ones go
LONGEST_CAUSE = 4000  # characters of an error's cause that are kept

_log = logging.getLogger(__name__)


class L02:
    """The messages of one SAS core. `hub` stands in for the AMQP client in tests."""

    def __init__(self, context: Context, store: Store, *, hub: AmqpClient | None = None) -> None:
        self._context, self._store = context, store
        self._client_id = context.settings.platform_client_id
        self._life = timedelta(seconds=context.settings.message_ttl_s)
        self._hub = hub or AmqpClient(context, ACTOR, self._client_id)
        self._outbox = Outbox(store, OUTBOX, self._send, clock=context.clock, entropy=context.entropy)
        self._of: dict[str, tuple[str, ...]] = {}
        self._oldest: deque[tuple[str, str | None]] = deque()  # (distributionID, appointment id)
        for key, row in store.items(TABLE):
            self._remember(key, decode(row).appointment_id)

    def due(self, record: AppointmentRecord) -> tuple[Put, ...]:
        """The writes by which a version's message becomes due: commit them with the appointment, then `wake`.

        Raises RequestError 422 when the regulator belongs to no territory.
        """
        content = content_of(record, self._context.population)
        now = self._context.clock.now()
        key = build.new_distribution_id(self._client_id, self._context.entropy.uuid())
        address = build.Address(key, self._client_id, content.recipient, now, now + self._life)
        message = Tracked(
            distribution_id=key,
            state=DUE,
            events=(self._event(DUE),),
            appointment_id=record.id,
            version=record.version,
            recipient=content.recipient,
        )
        for omission in content.omitted:
            self._journal("out", "build RS-SAS-RDV", content.recipient, key, note=omission)
        self._remember(key, record.id)
        sending = self._outbox.put(record.id, build.report(address, content.appointment), ref=key)
        return (Put(TABLE, key, encode(message)), *sending)

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

    async def stop(self) -> None:
        """Finish what is in flight (bounded), then disconnect."""
        await self._outbox.stop()
        await self._hub.stop()

    def state(self, distribution_id: str) -> dict[str, Any] | None:
        """One message as `GET l02/<distributionID>` shows it; None when nothing is known of it."""
        message = self._find(distribution_id)
        return message.document() if message is not None else None

    def of_appointment(self, appointment_id: str) -> list[dict[str, Any]]:
        """The messages of one appointment, by version."""
        found = (self._find(key) for key in self._of.get(appointment_id, ()))
        return [message.document() for message in found if message is not None]

    async def _send(self, entry: Entry) -> None:
        message = self._find(entry.ref)
        peer = message.recipient if message is not None else ""
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
            message = read(delivery.body)
        except MessageError as error:
            _log.warning("%s: unusable message: %s", delivery.queue, error.cause[:200])
            self._journal("in", f"consume {delivery.queue}", "", "", int(error.code), note=error.cause[:200])
            return
        key, event = self._verdict(message)
        note = event.step or event.cause or "" if event is not None else f"no verdict in this {message.content}"
        code = event.code if event is not None else None
        self._journal("in", f"consume {delivery.queue}", message.sender, key, code or 0, note=note[:200])
        if event is not None and self._is_ours(key):
            await self._advance(key, event)

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
        return distribution_id.partition("_")[0] == self._client_id

    async def _advance(self, key: str, event: Event) -> None:
        """Apply an event and return once that is durable; nothing new needs no write."""
        known = self._find(key)
        message = known or Tracked(distribution_id=key, state=DUE)
        after = message.after(event)
        if after is message:
            await self._store.barrier()
            return
        if known is None:
            self._remember(key, None)
        await self._store.commit(Put(TABLE, key, encode(after)))

    def _find(self, distribution_id: str) -> Tracked | None:
        row = self._store.get(TABLE, distribution_id)
        return decode(row) if row is not None else None

    def _remember(self, key: str, appointment_id: str | None) -> None:
        if appointment_id is not None:
            self._of[appointment_id] = (*self._of.get(appointment_id, ()), key)
        self._oldest.append((key, appointment_id))
        if len(self._oldest) > MOST_MESSAGES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Drop the oldest message if it is finished (or never was committed); else it goes to the back of the row."""
        key, appointment_id = self._oldest.popleft()
        message = self._find(key)
        if message is not None and message.state not in FINAL:
            self._oldest.append((key, appointment_id))
            return
        if message is not None:
            self._store.commit(Delete(TABLE, key))
        if appointment_id is not None:
            siblings = tuple(other for other in self._of.pop(appointment_id, ()) if other != key)
            if siblings:
                self._of[appointment_id] = siblings

    def _event(self, state: Any, code: int | None = None, cause: str | None = None, step: str | None = None) -> Event:
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
