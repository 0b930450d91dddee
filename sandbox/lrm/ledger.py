"""The durable memory of one LRM: orientations, case files and notices, and the rules by which messages change them.

Methods that change something return the writes, for the caller to commit together with what else must be atomic
with them. What stands in memory beside the store is an index of the orientations that wait to be attached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import islice
from typing import Any

import msgspec

from sandbox.kernel.bounded import make_room
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import Issue, RequestError
from sandbox.lrm.dashboard import DayCounts, Tally
from sandbox.lrm.records import (
    Call,
    CaseFile,
    Change,
    Entry,
    Notice,
    Operator,
    Orientation,
    Received,
    case_file_decoder,
    encode,
    noted,
    notice_decoder,
    orientation_decoder,
    received_decoder,
    taken,
)
from sandbox.store.protocol import Put, Store

ORIENTATIONS, CASE_FILES, NOTICES, RECEIVED = "orientations", "case_files", "notices", "received"
MOST_CASE_FILES = 20_000
MOST_NOTICES = 200
MOST_RECEIVED = 1_000  # lines of the history of messages
LONGEST_TEXT = 500  # characters of a notice
MOST_REGULATORS = 200  # whom orientations named

_STATUSES = {
    "pending": "en attente",
    "booked": "réservé",
    "fulfilled": "honoré",
    "noshow": "non honoré",
    "cancelled": "annulé",
}


class ConflictError(Exception):
    """A creation of an appointment that is already there (409 of INT_L02)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a message did: the writes (none for a redelivery), a word for the journal, the same for people."""

    writes: tuple[Put, ...]
    note: str
    done: str


class Ledger:
    """See the module. `client_id` numbers the case files; `zone` is that of the LRM's territory."""

    def __init__(self, store: Store, client_id: str, zone: tzinfo = PARIS) -> None:
        self._store, self._zone = store, zone
        self._prefix = client_id.rpartition(".")[2].upper()
        self._unattached: dict[str, None] = {}
        self._tally = Tally(zone)
        self._regulators: dict[str, Operator] = {}  # by e-mail
        for key, row in store.items(ORIENTATIONS):
            orientation = orientation_decoder.decode(row)
            self._meet(orientation)
            self._tally.put(orientation)
            if orientation.case_file is None:
                self._unattached[key] = None
        notices = (notice_decoder.decode(row) for _, row in store.items(NOTICES))
        self._notices = sorted(notices, key=lambda notice: notice.number)
        rows = sorted(
            map(received_decoder.decode, (row for _, row in store.items(RECEIVED))), key=lambda row: row.number
        )
        self._received = deque(rows, MOST_RECEIVED)

    # ---- messages

    def take(self, appointment: dict[str, Any], distribution_id: str, sender: str, now: datetime) -> Taken:
        """Apply one message. Raises ConflictError for a creation of what exists, StoreError when nothing can be stored.

        A redelivery changes nothing; an update of something unknown creates it with the data at hand; an update
        of an attached orientation is written into its case file, without anybody's action.
        """
        self._store.check()
        key, method = appointment["appointmentId"], appointment["method"]
        change = Change(now.isoformat(timespec="seconds"), distribution_id, method, appointment["status"])
        known = self.orientation(key)
        if known is None:
            return self._create(appointment, change, sender)
        if known.has_taken(distribution_id):
            return Taken((), "redelivered: nothing changed", "déjà reçu, rien de changé")
        if method == "CreateAppointment":
            raise ConflictError(f"appointment {key} already exists, created by {known.history[0].distribution_id}")
        after = taken(known, appointment, change)
        self._tally.put(after)
        writes = (_put(after), *self._follow(after, change))
        return Taken(writes, f"updated: {appointment['status']}", "orientation mise à jour")

    def undo(self, appointment_id: str) -> None:
        """What `take` gave for a new orientation could not be written, and never will be."""
        if self.orientation(appointment_id) is None:
            self._unattached.pop(appointment_id, None)
            self._tally.remove(appointment_id)

    def _create(self, appointment: dict[str, Any], change: Change, sender: str) -> Taken:
        key = appointment["appointmentId"]
        note, done = "created", "orientation créée"
        if change.method == "UpdateAppointment":
            note, done = "created by an update of an unknown appointment", "orientation créée : elle était inconnue"
            change = msgspec.structs.replace(change, note="créé par une mise à jour d'un rendez-vous inconnu")
        orientation = Orientation(key, appointment, sender, (change,))
        self._unattached[key] = None
        self._meet(orientation)
        self._tally.put(orientation)
        return Taken((_put(orientation),), note, done)

    def _meet(self, orientation: Orientation) -> None:
        """Remember the regulator, whoever made his account."""
        named = orientation.appointment["regulator"]
        email = named["regulatorEmail"]
        if email.lower() not in self._regulators:
            make_room(self._regulators, MOST_REGULATORS)
            self._regulators[email.lower()] = Operator(named["regulatorName"], named["regulatorFirstname"], email)

    def _follow(self, orientation: Orientation, change: Change) -> tuple[Put, ...]:
        case_file = self.case_file(orientation.case_file) if orientation.case_file else None
        if case_file is None:
            return ()
        text = f"Rendez-vous mis à jour par la plateforme : {summary(orientation.appointment, self._zone)}"
        return (_put_case_file(noted(case_file, Entry(change.at, text))),)

    def consulted(self, orientation: Orientation, distribution_id: str) -> tuple[Put, ...]:
        """The write that remembers that a regulator has seen the orientation as that message made it."""
        return (_put(msgspec.structs.replace(orientation, consulted=distribution_id)),)

    # ---- reading

    def orientation(self, appointment_id: str) -> Orientation | None:
        """One orientation, None when it is unknown."""
        row = self._store.get(ORIENTATIONS, appointment_id)
        return orientation_decoder.decode(row) if row is not None else None

    def orientations(self) -> Iterator[Orientation]:
        """All of them, the newest first."""
        rows = [row for _, row in self._store.items(ORIENTATIONS)]
        return (orientation_decoder.decode(row) for row in reversed(rows))

    def regulators(self) -> list[Operator]:
        """Whom orientations named lately, each once."""
        return [*self._regulators.values()]

    def unattached(self, most: int) -> list[Orientation]:
        """Those that wait for a case file, the newest first, at most `most`."""
        newest = [key for key, _ in zip(reversed(self._unattached), range(most), strict=False)]
        return [found for key in newest if (found := self.orientation(key)) is not None]

    def counts(self) -> dict[str, int]:
        """How many orientations, how many of them wait, how many case files."""
        return {
            "orientations": self._store.count(ORIENTATIONS),
            "unattached": len(self._unattached),
            "caseFiles": self._store.count(CASE_FILES),
        }

    def of_day(self, day: date) -> DayCounts:
        """How many orientations first arrived on that day, by category and status."""
        return self._tally.of_day(day)

    def case_file(self, number: str) -> CaseFile | None:
        """One case file, None when it is unknown."""
        row = self._store.get(CASE_FILES, number)
        return case_file_decoder.decode(row) if row is not None else None

    def case_files(self, most: int) -> list[CaseFile]:
        """The newest first, at most `most`."""
        rows = [row for _, row in self._store.items(CASE_FILES)]
        return [case_file_decoder.decode(row) for row in reversed(rows[-most:])]

    def notices(self) -> list[Notice]:
        """What came to `.ack` and `.info`, the newest first."""
        return self._notices[::-1]

    def history(self, most: int) -> list[Received]:
        """The messages received and what became of them, the newest first, at most `most`."""
        return list(islice(reversed(self._received), most))

    def forget(self, distribution_id: str) -> None:
        """The line about a message could not be written, and never will be."""
        if self._received and self._received[-1].distribution_id == distribution_id:
            self._received.pop()

    # ---- what people do

    def next_number(self) -> int:
        """The number of the next case file. Raises RequestError 422 when there are too many."""
        count = self._store.count(CASE_FILES)
        if count >= MOST_CASE_FILES:
            raise RequestError(
                422, Issue("too-costly", f"Il y a déjà {MOST_CASE_FILES} dossiers : réinitialisez le bac à sable.")
            )
        return count + 1

    def open_case(
        self, number: int, call: Call, now: datetime, operator: Operator | None = None
    ) -> tuple[CaseFile, tuple[Put, ...]]:
        """A new case file for a call, and its writes."""
        at = now.isoformat(timespec="seconds")
        name = f"{self._prefix}-{number:05}"
        by = f" par {operator.given} {operator.family}" if operator is not None else ""
        case_file = CaseFile(name, at, call, history=(Entry(at, f"Dossier ouvert{by}"),), operator=operator)
        return case_file, (_put_case_file(case_file),)

    def searched(self, number: str, now: datetime) -> tuple[Put, ...]:
        """The write that notes that the SAS platform is called from a case file. Raises RequestError 404."""
        case_file = self._known_case_file(number)
        at = now.isoformat(timespec="seconds")
        noted_file = noted(case_file, Entry(at, "Recherche d'une offre de soins dans la plateforme SAS"))
        return (_put_case_file(msgspec.structs.replace(noted_file, searched=at)),)

    def wanted(self, number: str, specialty: str, doctor: str, now: datetime) -> tuple[Put, ...]:
        """The write that changes what is searched for: specialty (TRE_R38 code), the patient's doctor (id or name,
        empty: none). Raises RequestError 404."""
        case_file = self._known_case_file(number)
        call = msgspec.structs.replace(case_file.call, specialty=specialty, doctor=doctor, doctor_name=doctor)
        entry = Entry(now.isoformat(timespec="seconds"), "Besoin de soins modifié")
        return (_put_case_file(msgspec.structs.replace(noted(case_file, entry), call=call)),)

    def _known_case_file(self, number: str) -> CaseFile:
        case_file = self.case_file(number)
        if case_file is None:
            raise RequestError(404, Issue("not-found", "Dossier inconnu."))
        return case_file

    def attach(self, appointment_id: str, number: str, now: datetime) -> tuple[Put, ...]:
        """The writes that attach an orientation to a case file; none when it is attached to that one already.

        Raises RequestError 404 for an unknown one of either, 409 when it is attached to another case file.
        """
        self._store.check()
        orientation, case_file = self.orientation(appointment_id), self.case_file(number)
        if orientation is None or case_file is None:
            what = "Orientation inconnue." if orientation is None else "Dossier inconnu."
            raise RequestError(404, Issue("not-found", what))
        if orientation.case_file == number:
            return ()
        if orientation.case_file is not None:
            detail = f"Cette orientation est déjà rattachée au dossier {orientation.case_file}."
            raise RequestError(409, Issue("conflict", detail))
        self._unattached.pop(appointment_id, None)
        text = f"Orientation rattachée : {summary(orientation.appointment, self._zone)}"
        entry = Entry(now.isoformat(timespec="seconds"), text)
        file = msgspec.structs.replace(noted(case_file, entry), orientations=(*case_file.orientations, appointment_id))
        return _put(msgspec.structs.replace(orientation, case_file=number)), _put_case_file(file)

    def detach(self, appointment_id: str, number: str, now: datetime) -> tuple[Put, ...]:
        """The writes that take an orientation out of a case file again; none when it is not in that one.

        Raises RequestError 404 for an unknown one of either.
        """
        self._store.check()
        orientation, case_file = self.orientation(appointment_id), self._known_case_file(number)
        if orientation is None:
            raise RequestError(404, Issue("not-found", "Orientation inconnue."))
        if orientation.case_file != number:
            return ()
        self._unattached[appointment_id] = None
        text = f"Orientation détachée : {summary(orientation.appointment, self._zone)}"
        entry = Entry(now.isoformat(timespec="seconds"), text)
        others = tuple(key for key in case_file.orientations if key != appointment_id)
        file = msgspec.structs.replace(noted(case_file, entry), orientations=others)
        return _put(msgspec.structs.replace(orientation, case_file=None)), _put_case_file(file)

    def note(self, *, at: datetime, queue: str, sender: str, kind: str, text: str, ref: str) -> tuple[Put, ...]:
        """The write that keeps a notice; the oldest of 200 makes room. Raises StoreError when nothing can be stored."""
        self._store.check()
        number = self._notices[-1].number + 1 if self._notices else 0
        notice = Notice(number, at.isoformat(timespec="seconds"), queue, sender, kind, text[:LONGEST_TEXT], ref)
        self._notices = [*self._notices, notice][-MOST_NOTICES:]
        return (Put(NOTICES, str(number % MOST_NOTICES), encode(notice)),)

    def received(
        self,
        *,
        at: datetime,
        sender: str,
        distribution_id: str,
        what: str,
        done: str,
        answer: str,
        appointments: tuple[str, ...] = (),
    ) -> tuple[Put, ...]:
        """The write that keeps a line of the history; the oldest of 1,000 makes room."""
        self._store.check()
        number = self._received[-1].number + 1 if self._received else 0
        row = Received(
            number=number,
            at=at.isoformat(timespec="seconds"),
            sender=sender,
            distribution_id=distribution_id,
            what=what,
            done=done,
            answer=answer,
            appointments=appointments,
        )
        self._received.append(row)
        return (Put(RECEIVED, str(number % MOST_RECEIVED), encode(row)),)


def summary(appointment: dict[str, Any], zone: tzinfo = PARIS) -> str:
    """One line for people: status, time in `zone`, whom."""
    start = datetime.fromisoformat(appointment["start"]).astimezone(zone)
    person = appointment.get("practitioner")
    whom = f", {person['firstName']} {person['lastName']}" if person else ""
    status = _STATUSES.get(appointment["status"], appointment["status"])
    return f"{status}, le {start:%d/%m/%Y} à {start:%H:%M}{whom}"


def _put(orientation: Orientation) -> Put:
    return Put(ORIENTATIONS, orientation.appointment_id, encode(orientation))


def _put_case_file(case_file: CaseFile) -> Put:
    return Put(CASE_FILES, case_file.number, encode(case_file))
