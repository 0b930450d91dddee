"""The typed slots of the SAS agenda as a source of the search (`SlotSource`), in memory.

What a practitioner offers on some days is expanded once and kept, within LARGEST octets for all of them; which of it is
still free is looked up at each search.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sandbox.fhir.reader.reading import FreeSlot, SlotPlace
from sandbox.kernel.bounded import Kept
from sandbox.kernel.identifiers import national_phone
from sandbox.kernel.model import Place, Practitioner
from sandbox.net.context import Context
from sandbox.sas.agenda.agendas import Agendas, Occupancy
from sandbox.sas.agenda.series import Occurrence
from sandbox.sas.directory.origins import Origin, SourceName
from sandbox.sas.search.criteria import Criteria
from sandbox.sas.search.events import LATE, OK, SourceAnswer
from sandbox.sas.search.lots import Lot
from sandbox.sas.search.reasons import sentence
from sandbox.sas.search.sources import Call, narrowed

SAS_AGENDA = SourceName("sas-agenda", "Agenda SAS", Origin.SAS_AGENDA, precedence=1)
BOOKING_PAGE = "/sas/agenda/reserver"
LARGEST = 16 << 20  # octets of all that is kept
_EACH, _SLOT = 1024, 768  # octets of what is kept of a practitioner, and of each slot: measured, rounded up
_DAY = 86400
_DEADLINE_S = 1.0


class _Offered(NamedTuple):
    """A slot that is offered, as the search has it; `start` in epoch seconds; `holds`: how many patients."""

    start: int
    holds: int
    slot: FreeSlot


class TypedSlots:
    """All practitioners of the SAS agenda."""

    def __init__(self, context: Context, agendas: Agendas, occupancy: Occupancy) -> None:
        self._clock, self._population = context.clock, context.population
        self._agendas, self._occupancy = agendas, occupancy
        self._kept: Kept[tuple[_Offered, ...]] = Kept(LARGEST, LARGEST // 16)
        context.population.watch(self._kept.clear)

    def lists(self, id: str) -> bool:
        """True for people without an editor and for those who have typed slots."""
        return self._agendas.lists(id)

    def calls(self, lot: Lot, criteria: Criteria) -> Sequence[Call]:
        """One call for all members of the lot who have an agenda here and are not away."""
        people = [each.practitioner for each in lot.candidates if self.lists(each.id)]
        people = [person for person in people if not self._away(person, criteria)]
        if not people:
            return ()
        now = asyncio.get_running_loop().time()
        asked = frozenset(person.id for person in people)
        call = TypedCall(
            SAS_AGENDA, asked, now, now + _DEADLINE_S, local=True, source_of=self, people=people, criteria=criteria
        )
        return (call,)

    def _away(self, person: Practitioner, criteria: Criteria) -> bool:
        """True when the practitioner has closed everything for all the days of the search: he is no candidate
        (contextual call, « Who is a candidate »)."""
        if self._agendas.row(person.id) is None or next(self.free(person, criteria), None) is not None:
            return False
        places = [place.id for place in person.places]
        return self._agendas.of(person).away(self._start(criteria), criteria.end.timestamp(), places)

    def _start(self, criteria: Criteria) -> float:
        return max(criteria.start.timestamp(), self._clock.time())

    async def close(self) -> None:
        """Nothing runs."""

    def free(self, person: Practitioner, criteria: Criteria) -> Iterator[FreeSlot]:
        """The free slots of a practitioner in the window of a search, by time."""
        start = self._start(criteria)
        end = criteria.end.timestamp()
        booked = bool(self._occupancy.holding(person.id))
        for each in self._offered(person, int(start) // _DAY, -(-int(end) // _DAY)):
            if start <= each.start < end and not (booked and self._full(each)):
                yield each.slot

    def _full(self, offered: _Offered) -> bool:
        return self._occupancy.taken(offered.slot.slot_id) >= offered.holds

    def _offered(self, person: Practitioner, first: int, last: int) -> tuple[_Offered, ...]:
        """What is offered from the first day to the last, in UTC (days since 1970, the last excluded)."""
        key = b"%b %d %d %d" % (person.id.encode(), first, last, hash(self._agendas.row(person.id)))
        found = self._kept.get(key)
        if found is None:
            agenda = self._agendas.of(person)
            places = {place.id: place for place in person.places}
            slots = agenda.occurrences(first * _DAY, last * _DAY)
            found = tuple(
                _Offered(slot.start, slot.kind.max_patients, self._free_slot(person, places[slot.kind.place], slot))
                for slot in slots
            )
            self._kept.keep(key, found, _EACH + _SLOT * len(found))
        return found

    def _free_slot(self, person: Practitioner, place: Place, slot: Occurrence) -> FreeSlot:
        kind, id = slot.kind, slot.id
        cpts = self._population.cpts
        seen_by = person.cpts if "CPTS" in kind.visibilities else ()
        return FreeSlot(
            place.id,
            id,
            slot.begins,
            slot.ends,
            practitioner=person.id,
            family=person.family,
            given=person.given,
            visibilities=kind.visibilities,
            types=(kind.type,),
            reasons=kind.reasons,
            specialties=tuple(filter(None, (person.specialty or person.specialty_text,))),
            comment=f"{BOOKING_PAGE}?creneau={id}&praticien={person.id}",
            phone=national_phone(person.phone or ""),
            place=SlotPlace(place.line, place.postal_code, place.city, place.id),
            structure=place.structure,
            cpts=tuple((finess, cpts[finess].name) for finess in seen_by if finess in cpts),
        )


@dataclass(eq=False, slots=True, kw_only=True)
class TypedCall(Call):
    """The question about the members of a lot."""

    source_of: TypedSlots
    people: Sequence[Practitioner]
    criteria: Criteria

    async def answer(self) -> SourceAnswer:
        """See `Call`. The answer needs no network and does not fail."""
        found = [slot for person in self.people for slot in self.source_of.free(person, self.criteria)]
        self.slots = narrowed(found, self.criteria)
        return self.outcome(OK, slots=len(self.slots))

    def give_up(self, task: asyncio.Task[SourceAnswer], code: str) -> SourceAnswer:
        """See `Call`."""
        task.cancel()
        return self.outcome(LATE, sentence(code), code)
