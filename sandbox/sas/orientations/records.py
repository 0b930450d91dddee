"""What the SAS core keeps of one appointment: the row of its table, from which L02 messages are built too.

No patient appears here (guide, « Sécurité »: patient data stays with the editor and the LRM).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.sas.directory.origins import Origin


class Ending(StrEnum):
    """Why a request to a community was cancelled: the regulator withdrew it, the community refused it, nobody answered
    in time, or the community's editor did not take it (its interface refuses the request itself)."""

    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    REJECTED = "rejected"


class Details(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an appointment made in the SAS platform itself says beside the rest.

    `slot`: id of the typed slot (SAS agenda); `place`: id of the place of consultation, of the typed slot or of the
    practitioner who accepts one more patient; `all_day`: no hour was agreed, only the day of `start`. Of a request
    to a community: `community` is its id, `need` what the patient needs in a few words (no personal data), `town`
    the INSEE code of where he is, `ending` why it was cancelled, and `reason` what the editor said when it did not
    take it. Its time to answer ends with the record's `end` as long as it is pending.
    """

    slot: str = ""
    place: str = ""
    all_day: bool = False
    community: str = ""
    need: str = ""
    town: str = ""
    ending: Ending | None = None
    reason: str = ""


NO_DETAILS = Details()


class AppointmentRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of one appointment, from wherever it was made.

    `id`: UUID made by the SAS core (`appointmentId` of L02); `version`: from 1, one more per accepted change;
    `origin`: where it was made; a row without it is an editor's;
    `sender`: identifier (system, value) by which the origin knows it; `editor`: slug of the editor that sent it, ""
    when no editor did or its identifiers are not those of a known one; `regulator`: as INT_R03 gave it;
    `practitioner`: prefixed national id, None while one is still sought;
    `organization`: prefixed structure id where the sender or the directory knows one;
    `created`: as sent, else the reception of version 1 (then `created_given` is false);
    `category`: decided by the SAS core, `category_given` when the sender's extension decided it;
    `account`: id of the regulator's account; `territory`: his, when the appointment became his: its LRM is told;
    `received`: when this version was accepted; `flagged`: a terminal status was corrected at some version;
    `details`: what only appointments made in the SAS platform itself have.
    All datetimes are aware.
    """

    id: str
    version: int
    editor: str
    sender: Identifier
    regulator: Identifier
    status: AppointmentStatus
    start: datetime
    end: datetime
    created: datetime
    category: OrientationCategory
    received: datetime
    practitioner: str | None = None
    organization: str | None = None
    sos: bool = False
    participant_status: str = "accepted"
    created_given: bool = True
    category_given: bool = False
    flagged: bool = False
    account: str = ""
    territory: str = ""
    marketplace: bool = False
    origin: Origin = Origin.EDITOR
    details: Details = NO_DETAILS

    def may_be_changed_by(self, editor: str) -> bool:
        """True for the editor with this slug if it sent the appointment or serves the community that was asked, and for
        any editor if the sender is not known; false for other appointments made in the SAS platform itself."""
        if self.origin is Origin.MARKETPLACE:
            return self.editor == editor
        return self.origin is Origin.EDITOR and self.editor in ("", editor)

    def appointment(self) -> Appointment:
        """The same version as INT_R03 carried it: what a repeated request is compared with."""
        return Appointment(
            identifier=self.sender,
            operator=self.regulator,
            status=self.status,
            start=self.start,
            end=self.end,
            created=self.created if self.created_given else None,
            practitioner=self.practitioner,
            category=self.category if self.category_given else None,
            sos=self.sos,
            participant_status=self.participant_status,
            marketplace=self.marketplace,
        )


_decoder = msgspec.json.Decoder(AppointmentRecord)
_encoder = msgspec.json.Encoder()


def encode(record: AppointmentRecord) -> bytes:
    """The row as one JSON object, UTF-8."""
    return _encoder.encode(record)


def decode(row: bytes) -> AppointmentRecord:
    """The record of a row that `encode` wrote."""
    return _decoder.decode(row)


class _Owned(msgspec.Struct):
    account: str = ""
    practitioner: str | None = None
    origin: Origin = Origin.EDITOR


_owner = msgspec.json.Decoder(_Owned)


def account_in(row: bytes) -> str:
    """The account id of a row, read without decoding the rest of it."""
    return _owner.decode(row).account


def practitioner_in(row: bytes) -> str | None:
    """The practitioner (prefixed national id) in whose SAS agenda the appointment of a row is; None for any other
    appointment. Read without decoding the rest of the row."""
    held = _owner.decode(row)
    return held.practitioner if held.origin is Origin.SAS_AGENDA else None
