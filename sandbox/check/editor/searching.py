"""The searches that the groups make: as the SAS core writes them, and narrower ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

from sandbox.check.evidence import Exchange
from sandbox.check.group import Subject
from sandbox.check.judging.answer import Answer, Asked, joined, next_page, read_answer
from sandbox.check.judging.judge import judged
from sandbox.check.target import Target
from sandbox.check.verdicts import Fault, Observed, Text
from sandbox.fhir.queries.offers import ASSOCIATIONS, PRACTITIONERS
from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.kernel.clock import fhir_instant
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_STRUCTURE, prefixed_person, prefixed_structure

MOST_PAGES = 200  # of one answer that are followed
DAYS = 3  # every example has free slots within
_PEOPLE = frozenset({"Schedule", "Practitioner", "PractitionerRole"})
_TYPES = {
    "INT_R01": _PEOPLE,
    "INT_R04": _PEOPLE | {"HealthcareService", "Organization"},
    "SOS": frozenset({"Slot", "Location", "Organization"}),
}  # flow -> what its includes send
_PRACTITIONERS = (
    "practitioner_one_site",
    "practitioner_two_sites",
    "practitioner_adeli",
    "practitioner_cpts",
    "practitioner_two_cpts_one_slot",
    "practitioner_two_cpts_two_slots",
)
_ASSOCIATIONS = ("sos_one_site", "sos_two_sites", "sos_associations")


def main_example(target: Target) -> str | None:
    """The practitioner with whom most is tried."""
    return next((target.example(name)[0] for name in _PRACTITIONERS if target.example(name)), None)


def served_search(target: Target) -> tuple[str, str] | None:
    """A flow that the target serves, and an example of it; None when there is none."""
    person = main_example(target)
    for flow in ("INT_R01", "INT_R04"):
        if person is not None and target.speaks(flow):
            return flow, person
    if not target.speaks("SOS"):
        return None
    return next((("SOS", target.example(name)[0]) for name in _ASSOCIATIONS if target.example(name)), None)


@dataclass(frozen=True, slots=True)
class Made:
    """A search that was made: its answer, if one could be read, and what was observed about it."""

    asked: Asked
    exchange: Exchange
    answer: Answer | None
    observed: list[Observed]

    @property
    def slot_ids(self) -> set[str]:
        """Ids of the Slots in the answer."""
        return set() if self.answer is None else {str(slot.get("id")) for slot in self.answer.slots}


class Searcher:
    """Makes the searches of one flow at one target."""

    def __init__(self, subject: Subject, flow: str) -> None:
        self._subject, self.flow = subject, flow
        self.kind = "Schedule" if flow == "SOS" else "Slot"  # what is searched

    def window(self, days: float = DAYS) -> tuple[datetime, datetime]:
        """From now on."""
        start = self._subject.now
        return start, start + timedelta(days=days)

    async def usual(self, ids: Iterable[str], window: tuple[datetime, datetime] | None = None) -> Made:
        """As the SAS core asks, with everything included; judged."""
        start, end = window or self.window()
        return await self._judged(self.asked(ids, start, end))

    def asked(self, ids: Iterable[str], start: datetime, end: datetime) -> Asked:
        """The usual search."""
        people = list(ids)
        if self.flow == "SOS":
            query, prefixed = schedule_query(people, start, end), map(prefixed_structure, people)
        else:
            query = slot_query(people, start, end, cpts=self.flow == "INT_R04")
            prefixed = map(prefixed_person, people)
        return Asked(self.flow, frozenset(prefixed), start, end, self._subject.now, query, _TYPES[self.flow])

    async def unjudged(self, asked: Asked) -> Made:
        """The same search, its answer only read: nothing is observed."""
        return await self.followed(asked, await self.send(asked.query))

    async def followed(self, asked: Asked, exchange: Exchange) -> Made:
        """A search that was made, with all pages of its answer; nothing is observed."""
        return Made(asked, exchange, (await self._pages(asked, exchange))[0], [])

    async def _judged(self, asked: Asked) -> Made:
        exchange = await self.send(asked.query)
        answer, faults = await self._pages(asked, exchange)
        return Made(asked, exchange, answer, judged(answer, faults, asked, self._subject.target.ig))

    async def _pages(self, asked: Asked, exchange: Exchange) -> tuple[Answer | None, list[Fault]]:
        """The answer of all pages after the first exchange, and how they came. Only INT_R01 is paged."""
        answer, faults = read_answer(exchange, asked.flow)
        if answer is None or asked.flow != "INT_R01":
            return answer, faults
        pages, met = [answer], set[str]()
        while (url := next_page(pages[-1])) and url not in met and len(pages) < MOST_PAGES:
            met.add(url)
            if not url.startswith(f"{self._subject.target.fhir}/"):
                text = Text("le lien next n'est pas sous la base de la cible", "the link next is not below the base")
                expected = f"{self._subject.target.fhir}/…"
                faults.append(Fault("R01-13", "Bundle.link", text, url, expected, pages[-1].exchange))
                break
            page, wrong = read_answer(await self._subject.wire.get(url), asked.flow)
            faults += wrong
            if page is None:
                break
            pages.append(page)
        return joined(pages), faults

    async def send(self, query: str) -> Exchange:
        """GET with that query."""
        return await self._subject.wire.get(f"{self.kind}?{query}")


def with_ids(asked: Asked, written: Iterable[str]) -> Asked:
    """The same search, its identifiers written in that way, without prefix for instance."""
    name, system = (ASSOCIATIONS, SYSTEM_STRUCTURE) if asked.flow == "SOS" else (PRACTITIONERS, SYSTEM_PERSON)
    value = ",".join(quote(f"{system}|{each}", safe=":,.-") for each in written)
    return replace(asked, query=_replaced(asked.query, name, value))


def without_includes(asked: Asked, *kept: str) -> Asked:
    """The same search without `_include`s but those kept (`_include=Slot:schedule`)."""
    parts = [
        each for each in asked.query.split("&") if each in kept or not each.startswith(("_include", "_revinclude"))
    ]
    types = {"Schedule"} if "_include=Slot:schedule" in kept else set[str]()
    return replace(asked, query="&".join(parts), types=frozenset(types))


def with_bounds(asked: Asked, start: datetime, end: datetime) -> Asked:
    """The same search in another window."""
    name = "_has:Slot:schedule:start" if asked.flow == "SOS" else "start"
    old = [f"{name}=ge{_quoted(asked.start)}", f"{name}=le{_quoted(asked.end)}"]
    new = [f"{name}=ge{_quoted(start)}", f"{name}=le{_quoted(end)}"]
    query = asked.query.replace(old[0], new[0]).replace(old[1], new[1])
    return replace(asked, query=query, start=start, end=end)


def with_status(asked: Asked, status: str) -> Asked:
    """The same search for another status."""
    return replace(asked, query=asked.query.replace("status=free", f"status={status}"))


def _quoted(instant: datetime) -> str:
    return quote(fhir_instant(instant), safe=":,.-")


def _replaced(query: str, name: str, value: str) -> str:
    return "&".join(f"{name}={value}" if part.partition("=")[0] == name else part for part in query.split("&"))
