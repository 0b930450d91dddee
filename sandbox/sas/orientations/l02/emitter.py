"""INT_L02, the SAS core's side: one message per version of an appointment, followed until the LRM has answered.

`due` returns the rows (message, outbox entry) that are committed together with the appointment. The outbox then
publishes to the hub, in order per appointment, and repeats that until the publisher confirm arrives; a retry carries
the same distributionID. `answers` applies the answers. A message that was not answered in time gets the state expired.
A person may send a refused or expired message again: `again` makes a new message of the same version.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sandbox.edxl import build
from sandbox.kernel.errors import Issue, PeerError, RequestError, StoreError, refused
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Regulator
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.context import Context
from sandbox.sas.orientations.l02.answers import AnswerConsumer
from sandbox.sas.orientations.l02.content import content_of
from sandbox.sas.orientations.l02.message_table import MessageTable, exists_there, may_go_again
from sandbox.sas.orientations.l02.states import DUE, EXPIRED, PUBLISHED, L02Message
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.store.outbox import Entry, Outbox
from sandbox.store.protocol import Delete, Put, Store
from sandbox.tasks import keep

OUTBOX = "l02_outbox"
ACTOR = "sas"
GRACE = timedelta(minutes=1)  # allowance for the time that the hub needs to report an expiry
SWEEP_S = 30.0


class L02:
    """The messages of one SAS core. `regulator` finds the person that a record names; tests give a
    `hub` in place of the AMQP client."""

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
        self._journal = context.journal_of(ACTOR)
        self._life = timedelta(seconds=context.settings.message_ttl_s)
        self._hub = hub or AmqpClient(context, ACTOR, self._client_id)
        self._outbox = Outbox(store, OUTBOX, self._send, clock=context.clock, entropy=context.entropy)
        self._table = MessageTable(store, self._client_id, context.clock)
        self._answers = AnswerConsumer(self._table, self._client_id, self._journal)
        self._sweeper: asyncio.Task[None] | None = None

    def due(self, record: AppointmentRecord) -> tuple[Put | Delete, ...]:
        """The writes that make the message of a version due: commit them together with the appointment, then call
        `wake`.

        Raises RequestError 422 when the regulator belongs to no territory.
        """
        return self._due(record, creates=record.version == 1)

    def again(self, distribution_id: str, record: AppointmentRecord) -> tuple[Put | Delete, ...]:
        """The writes of a new message that replaces a failed one, with the present content of `record`.

        Raises RequestError 409 unless the message was refused or has expired and no later message has replaced it.
        """
        row = self._table.row(record.id)
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
        key = self._table.distribution_id(record.id, record.version, sending)
        address = build.Address(key, self._client_id, content.recipient, now, now + self._life)
        message = L02Message(
            distribution_id=key,
            state=DUE,
            events=(self._table.change(DUE),),
            version=record.version,
            sending=sending,
            recipient=content.recipient,
        )
        for omission in content.omitted:
            self._journal.sent(Flow.INT_L02, "build RS-SAS-RDV", content.recipient, ref=key, note=omission)
        entry = self._outbox.put(record.id, build.report(address, content.appointment), ref=key)
        return (*self._table.write(record.id, message), *entry)

    def wake(self) -> None:
        """Send the due messages, now that they are committed."""
        self._outbox.wake()

    @property
    def waiting(self) -> int:
        """How many messages are not yet confirmed by the hub."""
        return self._outbox.depth

    @property
    def connected(self) -> bool:
        """True while the hub is connected."""
        return self._hub.connected

    async def start(self) -> None:
        """Connect to the hub (in the background when it is down), consume answers, send the due messages."""
        self._hub.consume(f"{self._client_id}.ack", self._answers.take)
        self._hub.consume(f"{self._client_id}.info", self._answers.take)
        await self._hub.start()
        await self._outbox.start()
        self._sweeper = keep(self._sweep_for_ever, "L02 expiry")

    async def stop(self) -> None:
        """Finish the running operations (for a bounded time), then disconnect."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self._outbox.stop()
        await self._hub.stop()

    def state(self, distribution_id: str) -> dict[str, Any] | None:
        """One message as `GET l02/<distributionID>` shows it; None when it is not known."""
        found = self._table.find(distribution_id)
        return found[1].document(found[0]) if found is not None else None

    def of_appointment(self, appointment_id: str) -> list[dict[str, Any]]:
        """The messages of one appointment, in the order of their sending."""
        return [message.document(appointment_id) for message in self._table.row(appointment_id).messages]

    def troubles(self) -> list[dict[str, Any]]:
        """Messages that were refused or expired lately, the latest first; `again`: whether a person may send the
        message again."""
        return [
            {**message.document(key), "recipient": message.recipient, "again": self._may_go(key, message)}
            for key, message in self._table.troubles()
        ]

    def statistics(self) -> dict[str, Any]:
        """See MessageTable.statistics; `waiting`: messages not yet confirmed by the hub; `connected`: whether it is."""
        return {**self._table.statistics(), "waiting": self.waiting, "connected": self.connected}

    async def sweep(self) -> None:
        """Mark messages that were published and not answered in time as expired; returns once that is durable."""
        cause = "no acknowledgement came before the message expired"
        for key in list(self._table.overdue(self._life + GRACE)):
            found = self._table.find(key)
            if found is not None and found[1].state == PUBLISHED:
                await self._table.advance(key, self._table.change(EXPIRED, cause=cause))

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            with contextlib.suppress(StoreError):  # tried again at the next sweep; the store logs the reason
                await self.sweep()

    def _may_go(self, key: str | None, message: L02Message) -> bool:
        return key is not None and may_go_again(self._table.row(key), message)

    async def _send(self, entry: Entry) -> None:
        found = self._table.find(entry.ref)
        peer = found[1].recipient if found is not None else ""
        started = asyncio.get_running_loop().time()
        try:
            await self._hub.publish(entry.payload)
        except PeerError as error:
            note = f"not confirmed: {error.detail}"
            self._journal.sent(Flow.INT_L02, "publish hubsante", peer, ref=entry.ref, note=note)
            raise
        took = (asyncio.get_running_loop().time() - started) * 1000
        size = len(entry.payload)
        self._journal.sent(Flow.INT_L02, "publish hubsante", peer, ref=entry.ref, ms=took, size=size)
        await self._table.advance(entry.ref, self._table.change(PUBLISHED))
