"""Answers to L02 messages: what the recipient acknowledges, what the recipient or the hub reports as an error.

They arrive in the queues `.ack` and `.info` of the platform's client id. A change of state is durable before the
delivery is acknowledged to the hub. Others may publish under the platform's client id: an answer to a message that is
not in the table gets a row too, so that `L02.state` finds it, and the journal says that its reference is unknown. Only
the recipient of a message, and the hub, decide about it.
"""

from __future__ import annotations

import logging
from typing import Any

from sandbox.edxl.codes import EXPIRIES, NO_DISTRIBUTION_ID
from sandbox.edxl.message import Message, MessageError, read, text_at
from sandbox.kernel.flows import Flow
from sandbox.kernel.hub.clients import HUB_ID
from sandbox.kernel.journal import ActorJournal
from sandbox.net.amqp.deliveries import Delivery
from sandbox.sas.orientations.l02.message_table import MessageTable
from sandbox.sas.orientations.l02.states import ACKNOWLEDGED, EXPIRED, REFUSED, StateChange

LONGEST_CAUSE = 4000  # characters of an error's cause that are stored
LONGEST_ID = 1000  # longest distributionID that a row can have; the sandbox's own are far shorter
_UNKNOWN = "answers an unknown message: nothing was sent under this distributionID"
_FOREIGN = "answers a message of another client"
_WITHOUT_ID = "names no message"
_NOT_THE_RECIPIENT = "ignored, as the message was sent to somebody else"

_log = logging.getLogger(__name__)


class AnswerConsumer:
    """Takes the deliveries of both queues. `client_id`: the platform's, with which its own distributionIDs begin."""

    def __init__(self, table: MessageTable, client_id: str, journal: ActorJournal) -> None:
        self._table, self._client_id, self._journal = table, client_id, journal

    async def take(self, delivery: Delivery) -> None:
        """Handle one delivery. One that cannot be read is journalled and dropped: if it was rejected, it would be
        delivered again for ever.

        Raises StoreError, after which the hub delivers it again.
        """
        try:
            message = read(delivery.body, delivery.content_type)
        except MessageError as error:
            _log.warning("%s: unusable message: %s", delivery.queue, error.cause[:200])
            status, note = int(error.code), error.cause[:200]
            self._journal.received(Flow.INT_L02, f"consume {delivery.queue}", "", status=status, note=note)
            return
        for each in message.each():
            await self._take_one(delivery.queue, each)

    async def _take_one(self, queue: str, message: Message) -> None:
        """Journal one content item, and apply what it says about a message."""
        key, change = self._change(message)
        said = change.step or change.cause or "" if change is not None else f"no verdict in this {message.content}"
        problem = self._problem(message.sender, key) if change is not None else None
        note = said if problem is None else f"{problem}: {said}".removesuffix(": ")
        code = change.code if change is not None else None
        ref = key[:LONGEST_ID]
        action, peer = f"consume {queue}", message.sender
        self._journal.received(Flow.INT_L02, action, peer, ref=ref, status=code or 0, note=note[:200])
        if change is not None and self._is_ours(key) and problem != _NOT_THE_RECIPIENT:
            await self._table.advance(key, change)

    def _problem(self, sender: str, key: str) -> str | None:
        """Why an answer is not accepted as an answer to one of our messages; None when its recipient, or the hub, sent
        it."""
        if not self._is_ours(key):
            return _WITHOUT_ID if key == NO_DISTRIBUTION_ID else _FOREIGN
        found = self._table.find(key)
        if found is None or found[1].version is None:
            return _UNKNOWN
        return None if sender in (found[1].recipient, HUB_ID) else _NOT_THE_RECIPIENT

    def _change(self, message: Message) -> tuple[str, StateChange | None]:
        """(distributionID of the answered message, the resulting change); no change when the content is not an
        answer."""
        if message.reference is not None:
            key = str(message.reference["distributionID"])
            if message.reference.get("refused"):
                cause = f"refused, see error {message.reference.get('errorDistributionID', 'not given')}"
                return key, self._table.change(REFUSED, cause=cause)
            return key, self._table.change(ACKNOWLEDGED, step=message.reference.get("step"))
        if message.error is None:
            return message.distribution_id, None
        code = _code(message.error["errorCode"]["statusCode"])
        cause = str(message.error["errorCause"])[:LONGEST_CAUSE]
        state = EXPIRED if code in EXPIRIES else REFUSED
        return self._answered_id(message.error), self._table.change(state, code=code, cause=cause)

    def _answered_id(self, error: Any) -> str:
        """The distributionID of the message that an error is about. When the real hub has left it out, it is read from
        the quoted source message."""
        referenced = str(error["referencedDistributionID"])
        if self._is_ours(referenced):
            return referenced
        return text_at(error.get("sourceMessage"), "distributionID") or referenced

    def _is_ours(self, distribution_id: str) -> bool:
        known = distribution_id.partition("_")[0] == self._client_id
        return known and len(distribution_id) <= LONGEST_ID


def _code(number: float) -> int:
    """An error's status code; 0 for a number that is no code: the model admits any."""
    return int(number) if 0 <= number < 100_000 else 0
