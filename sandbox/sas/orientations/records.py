"""What the SAS core keeps of one appointment: the row of its table, and what L02 messages are built from.

No patient appears here (guide, « Sécurité »: patient data stays with the editor and the LRM).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment


class AppointmentRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of one appointment, whoever booked it.

    `id`: UUID made by the SAS core (`appointmentId` of L02); `version`: from 1, one more per accepted change;
    `sender`: the editor's identifier (system, value); `editor`: its slug; `regulator`: as INT_R03 gave it;
    `practitioner`: prefixed national id, None while one is still sought;
    `organization`: prefixed structure id where the sender or the directory knows one;
    `created`: as sent, else the reception of version 1 (then `created_given` is false);
    `category`: decided by the SAS core, `category_given` when the sender's extension decided it;
    `account`: id of the regulator's account; `territory`: his, when the appointment became his: its LRM is told;
    `received`: when this version was accepted; `flagged`: a terminal status was corrected at some version.
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


_owner = msgspec.json.Decoder(_Owned)


def account_in(row: bytes) -> str:
    """The account of a row, without reading the rest of it."""
    return _owner.decode(row).account
