"""The states of one L02 message as the SAS core follows it, and what is kept of each. Pure.

        ┌──────────────────────────► acknowledged ◄─┐
due ────┼─► published ──────────────►               │   an acknowledgement may overtake the publisher confirm;
        │       ├───────────────────► refused ◄─┐   │   a message reported dead may still have been read
        └───────┴───────────────────► expired ──┴───┘

`acknowledged` and `refused` are final: an event that arrives twice, or after them, does not change the state.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class MessageState(StrEnum):
    """The state of a message; also the kind of the change that led to it."""

    DUE = "due"
    PUBLISHED = "published"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    EXPIRED = "expired"


DUE, PUBLISHED, ACKNOWLEDGED, REFUSED, EXPIRED = MessageState
FINAL = frozenset({ACKNOWLEDGED, REFUSED, EXPIRED})

TRANSITIONS: dict[tuple[MessageState, MessageState], MessageState] = {
    **{(DUE, event): event for event in (PUBLISHED, ACKNOWLEDGED, REFUSED, EXPIRED)},
    **{(PUBLISHED, event): event for event in (PUBLISHED, ACKNOWLEDGED, REFUSED, EXPIRED)},
    **{(ACKNOWLEDGED, event): ACKNOWLEDGED for event in (PUBLISHED, ACKNOWLEDGED, REFUSED, EXPIRED)},
    **{(REFUSED, event): REFUSED for event in (PUBLISHED, ACKNOWLEDGED, REFUSED, EXPIRED)},
    (EXPIRED, PUBLISHED): EXPIRED,
    (EXPIRED, ACKNOWLEDGED): ACKNOWLEDGED,
    (EXPIRED, REFUSED): REFUSED,
    (EXPIRED, EXPIRED): EXPIRED,
}


class StateChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of a message's state. `at`: ISO 8601 with offset; `code` and `cause` of the error that refused,
    `step` of the acknowledgement.
    """

    state: MessageState
    at: str
    code: int | None = None
    cause: str | None = None
    step: str | None = None


class L02Message(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One message. `version` of its appointment is None for one that somebody else published; `sending`: 0 for the
    message of the version, then one more for each time that a person sent it again.

    `events`: the changes, each kind once, in the order in which they came.
    """

    distribution_id: str = msgspec.field(name="distributionID")
    state: MessageState
    events: tuple[StateChange, ...] = ()
    version: int | None = None
    sending: int = 0
    recipient: str = ""

    def after(self, change: StateChange) -> L02Message:
        """The message after `change`; the same object when it already had a change of that kind."""
        if any(known.state == change.state for known in self.events):
            return self
        state = TRANSITIONS[self.state, change.state]
        return msgspec.structs.replace(self, state=state, events=(*self.events, change))

    def at(self, state: MessageState) -> str | None:
        """When the change to that state happened, ISO 8601; None if it has not happened."""
        return next((event.at for event in self.events if event.state == state), None)

    @property
    def verdict(self) -> StateChange | None:
        """The change that led to the present state."""
        return next((event for event in reversed(self.events) if event.state == self.state), None)

    def document(self, appointment_id: str | None) -> dict[str, Any]:
        """As `GET l02/<distributionID>` shows it: code and cause are those of the present state."""
        events: list[dict[str, Any]] = [msgspec.to_builtins(event) for event in self.events]
        shown: dict[str, Any] = next((event for event in reversed(events) if event["state"] == self.state), {})
        verdict: dict[str, Any] = {name: shown[name] for name in ("code", "cause") if name in shown}
        return {
            "distributionID": self.distribution_id,
            "appointmentId": appointment_id,
            "state": str(self.state),
            **verdict,
            "events": events,
        }


class AppointmentMessages(msgspec.Struct, frozen=True):
    """All messages of one appointment, in the order of their sending: the row of table `l02` under its id.

    What somebody else published under the platform's client id has a row of its own, under its distributionID.
    """

    messages: tuple[L02Message, ...] = ()

    def find(self, distribution_id: str) -> L02Message | None:
        """The message with that id, None when it is not here."""
        return next((message for message in self.messages if message.distribution_id == distribution_id), None)

    def with_message(self, changed: L02Message) -> AppointmentMessages:
        """These messages with a changed one at its place, or at the end when it is new."""
        if self.find(changed.distribution_id) is None:
            return AppointmentMessages((*self.messages, changed))
        return AppointmentMessages(
            tuple(changed if one.distribution_id == changed.distribution_id else one for one in self.messages)
        )

    @property
    def finished(self) -> bool:
        """True when nothing more is expected of any of them."""
        return all(message.state in FINAL for message in self.messages)


_decoder = msgspec.json.Decoder(AppointmentMessages)
_encoder = msgspec.json.Encoder()


def encode(row: AppointmentMessages) -> bytes:
    """The row as one JSON object, UTF-8."""
    return _encoder.encode(row)


def decode(row: bytes) -> AppointmentMessages:
    """What `encode` wrote."""
    return _decoder.decode(row)
