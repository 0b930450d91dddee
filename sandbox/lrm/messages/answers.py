"""The answers of one LRM: acknowledgements and errors, which are sent through the outbox at once or are held back.

Every method that makes an answer returns its writes, to be committed with what it answers: an answer exists if and
only if the message it answers was taken. An answer that is held back is in a table of its own until it is due or a
person sends it, and moves to the outbox in one write; so a crash neither loses an answer nor sends one that is held.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec
import orjson

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import Message
from sandbox.faults.lrm import PLAIN, Handling
from sandbox.kernel.errors import StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.net.context import Context
from sandbox.store.outbox import STORE_PAUSE, Entry, Outbox, SendingPolicy
from sandbox.store.protocol import Delete, Put, Store

OUTBOX, HELD = "answers", "answers.held"
CONCURRENCY = 256  # answers that may wait for their publisher confirm at the same time, each of another appointment
MOST_HELD = 5_000  # most answers that are held back; further ones are sent at once

_log = logging.getLogger(__name__)


class HeldAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer that is held back. `id`: unique in its LRM; `due`: ISO 8601, empty: a person sends it; `ref`: what it
    answers."""

    id: str
    key: str
    payload: str
    ref: str
    due: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(HeldAnswer).decode


class Answers:
    """The answers of one LRM. `send` publishes one entry; `changed` is called when the list of what is held has
    changed."""

    def __init__(
        self,
        context: Context,
        client_id: str,
        store: Store,
        send: Callable[[Entry], Awaitable[None]],
        changed: Callable[[], None],
    ) -> None:
        self._context, self._client_id, self._store, self._changed = context, client_id, store, changed
        self._life = timedelta(seconds=context.settings.message_ttl_s)
        self._outbox = Outbox(
            store, OUTBOX, send, clock=context.clock, entropy=context.entropy, policy=SendingPolicy(CONCURRENCY)
        )
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._releasing: set[asyncio.Task[None]] = set()
        self._refused, self._stopped = Seldom(_log), False

    @property
    def waiting(self) -> int:
        """Answers that the hub has not yet confirmed."""
        return self._outbox.depth

    async def start(self) -> None:
        """Send waiting and future answers; answers that an earlier process held back are sent when they are due."""
        await self._outbox.start()
        now = self._now()
        for answer in self.held():
            if answer.due:
                self._at(answer.id, (datetime.fromisoformat(answer.due) - now).total_seconds())

    async def stop(self) -> None:
        """Finish the running sends (for a bounded time)."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._releasing:
            await asyncio.wait(self._releasing)
        await self._outbox.stop()

    def wake(self) -> None:
        """Send new answers, which are already committed."""
        self._outbox.wake()

    # ---- making

    def acknowledge(self, message: Message, handling: Handling = PLAIN) -> tuple[Put, ...]:
        """The acknowledgements of a message that was taken, one for each step."""
        assert message.appointment is not None
        key = message.appointment["appointmentId"]
        writes: list[Put] = []
        for step in handling.steps:
            referenced = message.distribution_id
            if not handling.right_reference:
                referenced = build.new_distribution_id(message.sender, self._context.entropy.uuid())
            body = build.ack(self._address(message), referenced, step=step)
            writes += self._answer(
                key, body if handling.valid else _without_reference(body), message.distribution_id, handling
            )
        return tuple(writes)

    def refuse(self, message: Message, code: HubCode, cause: str, *, acknowledged: bool = False) -> tuple[Put, ...]:
        """The error that refuses a message, and with `acknowledged` an acknowledgement that says so, too."""
        error = self.error(message.sender, code, cause, message.document, message.distribution_id)
        if not acknowledged:
            return error
        refused_by = orjson.loads(orjson.loads(error[0].value)["payload"])["distributionID"]
        body = build.ack(self._address(message), message.distribution_id, step="ERREUR", refused_by=refused_by)
        return (*error, *self._outbox.put(message.distribution_id, body, ref=message.distribution_id))

    def error(self, recipient: str, code: HubCode, cause: str, source: object, identifier: str) -> tuple[Put, ...]:
        """An error report about the message `identifier`, whose document is `source`."""
        address = build.error_address(self._client_id, self._context.entropy.uuid(), recipient, self._now())
        body = build.error(address, code, cause, source=source, referenced=identifier)
        return self._outbox.put(identifier or address.distribution_id, body, ref=identifier)

    def consulted(self, appointment_id: str, sender: str, distribution_id: str, status: str) -> tuple[Put, ...]:
        """The acknowledgement with the step CONSULTE: a regulator has opened the orientation."""
        body = build.ack(self._fresh_address(sender, status), distribution_id, step="CONSULTE")
        return self._outbox.put(appointment_id, body, ref=distribution_id)

    def _answer(self, key: str, body: bytes, ref: str, handling: Handling) -> tuple[Put, ...]:
        if not (handling.held or handling.delay) or self._store.count(HELD) >= MOST_HELD:
            return self._outbox.put(key, body, ref=ref)
        due = "" if handling.held else (self._now() + timedelta(seconds=handling.delay)).isoformat()
        answer = HeldAnswer(self._context.entropy.uuid(), key, body.decode(), ref, due)
        if due:
            self._at(answer.id, handling.delay)
        return (Put(HELD, answer.id, _encode(answer)),)

    # ---- what is held back

    def held(self) -> list[HeldAnswer]:
        """The answers that are held back until they are due or a person sends them, the oldest first."""
        return [_decode(row) for _, row in self._store.items(HELD)]

    async def release(self, id: str) -> bool:
        """Send a held answer now; False when it is no longer held. Raises StoreError."""
        timer = self._timers.pop(id, None)
        if timer is not None:
            timer.cancel()
        row = self._store.get(HELD, id)
        if row is None:
            return False
        answer = _decode(row)
        written = self._store.commit(
            Delete(HELD, id), *self._outbox.put(answer.key, answer.payload.encode(), ref=answer.ref)
        )
        self._outbox.wake()
        self._changed()
        await written
        return True

    def _at(self, id: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timers[id] = loop.call_later(max(0.0, seconds), self._due, id)

    def _due(self, id: str) -> None:
        task = asyncio.get_running_loop().create_task(self._release_in_time(id), name=f"held answer {id}")
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def _release_in_time(self, id: str) -> None:
        """Send an answer when it is due; when the store refuses, try again later."""
        try:
            await self.release(id)
        except StoreError as error:
            self._refused.error("%s: held answers wait: %s", self._client_id, error)
            if not self._stopped:
                self._at(id, STORE_PAUSE)

    # ---- inside

    def _address(self, message: Message) -> build.Address:
        return self._fresh_address(message.sender, message.status)

    def _fresh_address(self, recipient: str, status: str) -> build.Address:
        now = self._now()
        key = build.new_distribution_id(self._client_id, self._context.entropy.uuid())
        return build.Address(key, self._client_id, recipient, now, now + self._life, status)

    def _now(self) -> datetime:
        return self._context.clock.now()


def _without_reference(body: bytes) -> bytes:
    """The acknowledgement with a reference that names no message, which violates RC-REF."""
    document = orjson.loads(body)
    document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["reference"] = {"refused": False}
    return orjson.dumps(document)
