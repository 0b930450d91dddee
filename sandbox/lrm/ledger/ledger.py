"""What one LRM stores: orientations, case files, the history of messages, and the rules by which messages and people
change orientations and case files together.

Methods that change something return the writes, for the caller to commit together with whatever else must be written
in the same step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import Issue, RequestError
from sandbox.lrm.ledger.case_files import CaseFiles
from sandbox.lrm.ledger.message_history import MessageHistory
from sandbox.lrm.ledger.orientations import Orientations
from sandbox.lrm.ledger.records import Change, Orientation, taken
from sandbox.store.protocol import Put, Store

_STATUSES = {
    "pending": "en attente",
    "booked": "réservé",
    "fulfilled": "honoré",
    "noshow": "non honoré",
    "cancelled": "annulé",
}


class ConflictError(Exception):
    """A creation of an appointment that exists already (409 of INT_L02)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The effect of a message. `writes`: none for a redelivery; `note`: for the journal; `done`: in French, for
    people."""

    writes: tuple[Put, ...]
    note: str
    done: str


class Ledger:
    """The store of one LRM. `client_id`: case file numbers are made from it; `zone`: that of the LRM's territory."""

    def __init__(self, store: Store, client_id: str, zone: tzinfo = PARIS) -> None:
        self._store, self._zone = store, zone
        self.orientations = Orientations(store, zone)
        self.case_files = CaseFiles(store, client_id)
        self.history = MessageHistory(store)

    def counts(self) -> dict[str, int]:
        """How many orientations, how many of them wait for a case file, how many case files."""
        return {
            "orientations": self.orientations.count,
            "unattached": self.orientations.waiting,
            "caseFiles": self.case_files.count,
        }

    def take(self, appointment: dict[str, Any], distribution_id: str, sender: str, now: datetime) -> Taken:
        """Apply one message. Raises ConflictError for a creation of what exists, StoreError when nothing can be stored.

        A redelivery changes nothing; an update of an unknown appointment creates it with the data of the message; an
        update of an attached orientation is written into its case file automatically.
        """
        self._store.check()
        key, method = appointment["appointmentId"], appointment["method"]
        change = Change(now.isoformat(timespec="seconds"), distribution_id, method, appointment["status"])
        known = self.orientations.get(key)
        if known is None:
            return self._create(appointment, change, sender)
        if known.has_taken(distribution_id):
            return Taken((), "redelivered: nothing changed", "déjà reçu, rien de changé")
        if method == "CreateAppointment":
            raise ConflictError(f"appointment {key} already exists, created by {known.history[0].distribution_id}")
        after = taken(known, appointment, change)
        writes = (self.orientations.update(after), *self._note_update(after, change))
        return Taken(writes, f"updated: {appointment['status']}", "orientation mise à jour")

    def undo(self, appointment_id: str) -> None:
        """Undo `take` for a new orientation whose write failed for good."""
        self.orientations.forget(appointment_id)

    def _create(self, appointment: dict[str, Any], change: Change, sender: str) -> Taken:
        note, done = "created", "orientation créée"
        if change.method == "UpdateAppointment":
            note, done = "created by an update of an unknown appointment", "orientation créée : elle était inconnue"
            change = msgspec.structs.replace(change, note="créé par une mise à jour d'un rendez-vous inconnu")
        orientation = Orientation(appointment["appointmentId"], appointment, sender, (change,))
        return Taken((self.orientations.create(orientation),), note, done)

    def _note_update(self, orientation: Orientation, change: Change) -> tuple[Put, ...]:
        """The line about an update in the case file of the orientation, if it is attached to one."""
        case_file = self.case_files.get(orientation.case_file) if orientation.case_file else None
        if case_file is None:
            return ()
        text = f"Rendez-vous mis à jour par la plateforme : {summary(orientation.appointment, self._zone)}"
        return (self.case_files.note(case_file, change.at, text),)

    def attach(self, appointment_id: str, number: str, now: datetime) -> tuple[Put, ...]:
        """The writes that attach an orientation to a case file; none when it is attached to that one already.

        Raises RequestError 404 for an unknown one of either, 409 when it is attached to another case file.
        """
        self._store.check()
        orientation = self._known_orientation(appointment_id)
        case_file = self.case_files.known(number)
        if orientation.case_file == number:
            return ()
        if orientation.case_file is not None:
            detail = f"Cette orientation est déjà rattachée au dossier {orientation.case_file}."
            raise RequestError(409, Issue("conflict", detail))
        text = f"Orientation rattachée : {summary(orientation.appointment, self._zone)}"
        keys = (*case_file.orientations, appointment_id)
        noted = self.case_files.note(case_file, now.isoformat(timespec="seconds"), text, keys)
        return self.orientations.attach(orientation, number), noted

    def detach(self, appointment_id: str, number: str, now: datetime) -> tuple[Put, ...]:
        """The writes that take an orientation out of a case file again; none when it is not in that one.

        Raises RequestError 404 for an unknown one of either.
        """
        self._store.check()
        case_file = self.case_files.known(number)
        orientation = self._known_orientation(appointment_id)
        if orientation.case_file != number:
            return ()
        text = f"Orientation détachée : {summary(orientation.appointment, self._zone)}"
        keys = tuple(key for key in case_file.orientations if key != appointment_id)
        noted = self.case_files.note(case_file, now.isoformat(timespec="seconds"), text, keys)
        return self.orientations.detach(orientation), noted

    def _known_orientation(self, appointment_id: str) -> Orientation:
        orientation = self.orientations.get(appointment_id)
        if orientation is None:
            raise RequestError(404, Issue("not-found", "Orientation inconnue."))
        return orientation


def summary(appointment: dict[str, Any], zone: tzinfo = PARIS) -> str:
    """One line for people: status, time in `zone`, practitioner."""
    start = datetime.fromisoformat(appointment["start"]).astimezone(zone)
    person = appointment.get("practitioner")
    whom = f", {person['firstName']} {person['lastName']}" if person else ""
    status = _STATUSES.get(appointment["status"], appointment["status"])
    return f"{status}, le {start:%d/%m/%Y} à {start:%H:%M}{whom}"
