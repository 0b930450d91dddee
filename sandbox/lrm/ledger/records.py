"""The rows of one LRM's store: orientations, case files, notices, messages received.

Only case files hold (synthetic) patient data, and none of it is ever journalled or logged.
"""

from __future__ import annotations

from typing import Any

import msgspec

MOST_CHANGES = 200  # entries kept in one orientation's or one case file's history


class Change(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One message that made or changed an orientation. `at`: ISO 8601; `distribution_id`: the message's."""

    at: str
    distribution_id: str = msgspec.field(name="distributionID")
    method: str
    status: str
    note: str = ""


class Orientation(msgspec.Struct, frozen=True, rename="camel"):
    """One appointment as the platform sent it. `appointment`: the last RS-SAS-RDV; `case_file`: its number if attached.

    `history`: the messages taken, oldest first, each once however often it was delivered. `consulted`: the last
    message that a regulator has seen, as the platform was told.
    """

    appointment_id: str
    appointment: dict[str, Any]
    sender: str
    history: tuple[Change, ...]
    case_file: str | None = None
    consulted: str = ""

    def has_taken(self, distribution_id: str) -> bool:
        """Whether that message was applied before, which makes this one a redelivery."""
        return any(change.distribution_id == distribution_id for change in self.history)


class Entry(msgspec.Struct, frozen=True):
    """One line of a case file's history, in French. `at`: ISO 8601."""

    at: str
    text: str


class Call(msgspec.Struct, frozen=True, rename="camel"):
    """What the caller said; all of it is synthetic. `phone` +33…, `insee` of the town, `line` number and street.

    `specialty`: TRE_R38 code of the specialty that is wanted; `doctor`: the patient's regular doctor, a prefixed id or
    a name, empty when there is none; `doctor_name` for people.
    """

    caller: str
    phone: str
    family: str
    given: str
    age: int
    line: str
    postal_code: str
    city: str
    insee: str
    reason: str
    specialty: str = "SM54"
    doctor: str = ""
    doctor_name: str = ""


class Operator(msgspec.Struct, frozen=True):
    """The regulator who opened a case file."""

    family: str
    given: str
    email: str


class CaseFile(msgspec.Struct, frozen=True, rename="camel"):
    """A case file (DRM). `number`: unique in its LRM; `opened`: ISO 8601; `orientations`: appointment ids, as attached.

    `searched`: when the SAS platform was last called from it, ISO 8601; empty: never.
    """

    number: str
    opened: str
    call: Call
    orientations: tuple[str, ...] = ()
    history: tuple[Entry, ...] = ()
    operator: Operator | None = None
    searched: str = ""


class Notice(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What came to the LRM's own `.ack` or `.info` queue, or was refused. `number` counts them; `at`: ISO 8601."""

    number: int
    at: str
    queue: str
    sender: str
    kind: str
    text: str
    ref: str = ""


class Received(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A message that came to the LRM's `.message` queue, and what became of it (requirement L02-13).

    `number` counts them; `at`: ISO 8601; `what`: création, mise à jour, annulation, or what else it holds; `done`: what
    the LRM did with it; `answer`: what it answers, empty: nothing. `done` and `answer` are in French.
    """

    number: int
    at: str
    sender: str
    distribution_id: str = msgspec.field(name="distributionID")
    what: str
    done: str
    answer: str = ""
    appointments: tuple[str, ...] = ()


encode = msgspec.json.Encoder().encode
orientation_decoder = msgspec.json.Decoder(Orientation)
case_file_decoder = msgspec.json.Decoder(CaseFile)
notice_decoder = msgspec.json.Decoder(Notice)
received_decoder = msgspec.json.Decoder(Received)


def taken(orientation: Orientation, appointment: dict[str, Any], change: Change) -> Orientation:
    """The orientation after one more message; an update carries the whole appointment."""
    history = (*orientation.history, change)[-MOST_CHANGES:]
    return msgspec.structs.replace(orientation, appointment=appointment, history=history)


def noted(case_file: CaseFile, entry: Entry) -> CaseFile:
    """The case file with one more line in its history."""
    return msgspec.structs.replace(case_file, history=(*case_file.history, entry)[-MOST_CHANGES:])
