"""The agendas of all practitioners of the SAS agenda: a row for each who has changed something, and who may log in.

Who has changed nothing has no row and takes no memory: his agenda follows from the weeks of his places (`week`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sandbox.kernel.identifiers import prefixed_person
from sandbox.kernel.model import Practitioner
from sandbox.net.context import Context
from sandbox.sas.agenda.agenda import Agenda
from sandbox.sas.agenda.rows import decode, encode
from sandbox.sas.agenda.week import first_agenda
from sandbox.store.protocol import Put, Store

TABLE = "agendas"


class Agendas:
    """The table of agendas."""

    def __init__(self, context: Context, store: Store) -> None:
        self._population, self._clock, self._store = context.population, context.clock, store

    def account(self, login: str) -> Practitioner | None:
        """The practitioner whose demonstration account has that national id, with or without its prefix."""
        person = self._population.practitioner(prefixed_person(login.strip()))
        return person if person is not None and person.password else None

    def lists(self, id: str) -> bool:
        """Whether the practitioner with that prefixed id has an agenda here: he has typed slots, or no editor."""
        if self._store.get(TABLE, id) is not None:
            return True
        person = self._population.practitioner(id)
        return person is not None and not person.editor

    def row(self, id: str) -> bytes | None:
        """The row of a practitioner who has changed something."""
        return self._store.get(TABLE, id)

    def of(self, person: Practitioner) -> Agenda:
        """The agenda of a practitioner."""
        row = self.row(person.id)
        if row is not None:
            return decode(row, person)
        return first_agenda(person, self._population.seed, self._clock.now().date())

    def put(self, agenda: Agenda) -> Put:
        """The write that makes it the agenda of its owner; what ended long ago is left out."""
        return Put(TABLE, agenda.owner, encode(agenda.tidied(self._clock.now().toordinal())))


class Occupancy:
    """Who has which slot: kept in memory, rebuilt from the appointments at the start."""

    def __init__(self) -> None:
        self._slots: dict[str, dict[str, str]] = {}  # slot by appointment, by practitioner
        self._over: dict[str, dict[str, str]] = {}  # the same of cancelled appointments
        self._taken: Counter[str] = Counter()

    def note(self, practitioner: str, appointment: str, slot: str, *, holds: bool) -> None:
        """The present state of an appointment: its slot (id), and whether it holds a place there."""
        present, over = self._slots.setdefault(practitioner, {}), self._over.setdefault(practitioner, {})
        former = present.pop(appointment, None)
        if former is not None:
            self._free(former)
        over.pop(appointment, None)
        (present if holds else over)[appointment] = slot
        if holds:
            self._taken[slot] += 1

    def _free(self, slot: str) -> None:
        self._taken[slot] -= 1
        if not self._taken[slot]:
            del self._taken[slot]

    def taken(self, slot: str) -> int:
        """How many places of a slot (id) are taken."""
        return self._taken.get(slot, 0)

    def holding(self, practitioner: str) -> Mapping[str, str]:
        """The slots (ids) of a practitioner's appointments that hold a place, by the id of the appointment."""
        return self._slots.get(practitioner, {})

    def all(self, practitioner: str) -> Mapping[str, str]:
        """The same with those of his cancelled appointments."""
        return {**self._over.get(practitioner, {}), **self.holding(practitioner)}
