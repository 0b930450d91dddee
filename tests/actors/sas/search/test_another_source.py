"""A source of slots other than the editors, defined here: the search finds, merges and shows its slots with theirs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from sandbox.fhir.queries.search import parse_slot_query
from sandbox.fhir.reader.reading import FreeSlot
from sandbox.kernel.model import Place, Practitioner
from sandbox.sas.api.answers import page
from sandbox.sas.console.results_view import ResultsView
from sandbox.sas.directory.origins import Origin, SourceName
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.cards import Card, booking_url
from sandbox.sas.search.criteria import Criteria, read_criteria
from sandbox.sas.search.events import FAILED, LATE, OK, Done, Event, Found, Results, SourceAnswer
from sandbox.sas.search.lots import Lot
from sandbox.sas.search.run import run, whole
from sandbox.sas.search.sources import Call, narrowed
from tests.actors.sas.sas_core import NOW, Core, Gate, reply
from tests.actors.sas.search.test_candidates import switch
from tests.actors.sas.searching import SOON, nothing, open_editors
from tests.unit.sas.search.bundles import bundle, practitioner_bundle

TYPED = SourceName("sas-agenda", "Agenda SAS", Origin.SAS_AGENDA, precedence=1)
LATER = NOW + timedelta(hours=2)


@dataclass
class TypedSlots:
    """A source of slots that are typed by hand, kept in memory."""

    slots: dict[str, list[FreeSlot]] = field(default_factory=dict)
    ending: str = OK
    asked: list[frozenset[str]] = field(default_factory=list)

    def add(self, person: Practitioner, place: Place, start: datetime) -> None:
        page = f"/sas/rendez-vous?creneau={start:%H%M}"
        end = start + timedelta(minutes=20)
        slot = FreeSlot(place.id, f"typed-{start:%H%M}", start, end, person.id, comment=page)
        self.slots.setdefault(person.id, []).append(slot)

    def lists(self, id: str) -> bool:
        return id in self.slots

    def calls(self, lot: Lot, criteria: Criteria) -> Sequence[Call]:
        asked = frozenset(self.slots) & lot.owners()
        now = asyncio.get_running_loop().time()
        return [TypedCall(TYPED, asked, now, now + 0.1, local=True, typed=self, criteria=criteria)] if asked else []

    async def close(self) -> None:
        pass


@dataclass(eq=False, slots=True, kw_only=True)
class TypedCall(Call):
    typed: TypedSlots
    criteria: Criteria

    async def answer(self) -> SourceAnswer:
        self.typed.asked.append(self.asked)
        if self.typed.ending == LATE:
            await asyncio.Event().wait()
        if self.typed.ending == FAILED:
            return self.outcome(FAILED, "illisible", "store")
        self.slots = narrowed([slot for id in sorted(self.asked) for slot in self.typed.slots[id]], self.criteria)
        return self.outcome(OK, slots=len(self.slots))

    def give_up(self, task: asyncio.Task[SourceAnswer], code: str) -> SourceAnswer:
        task.cancel()
        return self.outcome(LATE, "pas de réponse", code)


@pytest.fixture
def typed() -> TypedSlots:
    return TypedSlots()


@pytest.fixture
def both(core: Core, typed: TypedSlots) -> Aggregator:
    """The editors and the other source."""
    sources = [core.sas.editors, typed]
    return Aggregator(core.sas.aggregator.directory, SPECIALTIES, sources, core.context.settings)


def criteria(both: Aggregator, **values: str) -> Criteria:
    return read_criteria({"town": "Bordeaux", "order": "distance", **values}, both.directory, SPECIALTIES, NOW)


async def events_of(both: Aggregator, made: Criteria) -> list[Event]:
    async with contextlib.aclosing(run(made, both)) as events:
        return [event async for event in events]


def with_two_places(both: Aggregator) -> Practitioner:
    found = both.candidates("SM54", criteria(both).area)
    return next(each.practitioner for each in found if len(each.practitioner.places) == 2)


def all_cards(results: Results) -> list[Card]:
    return [card for lot in sorted(results.lots) for card in results.lots[lot].cards]


def cards_of(results: Results, person: Practitioner) -> dict[str, dict[str, int]]:
    """By source, the places of the practitioner's cards and their numbers of slots."""
    return {
        card.source: {place.id: len(place.slots) for place in card.places}
        for card in all_cards(results)
        if card.id == person.id
    }


async def test_its_people_are_found_though_no_editor_can_be_asked_about_them(
    core: Core, both: Aggregator, typed: TypedSlots
) -> None:
    agendas = open_editors(core)
    person = core.population.of_editor("agenda-azur")[0]
    switch(core, "agenda-azur", False)
    typed.add(person, person.places[0], LATER)
    results = await whole(criteria(both, preferred=person.id), both)
    first, *others = results.cards
    assert (first.id, first.source, first.source_name, first.origin) == (
        person.id,
        "sas-agenda",
        "Agenda SAS",
        "sas-agenda",
    )
    assert {card.source for card in others} <= {"rdv-commune", "garde-plus"}
    assert others
    assert not agendas["agenda-azur"].asked
    assert "agenda-azur" not in results.states


async def test_its_state_and_its_cards_are_in_the_answer_of_the_api_like_an_editors(
    core: Core, both: Aggregator, typed: TypedSlots
) -> None:
    open_editors(core)
    person = core.population.of_editor("agenda-azur")[0]
    core.editors.answers["agenda-azur"] = nothing
    typed.add(person, person.places[0], LATER)
    answer: dict[str, Any] = msgspec.to_builtins(
        page(await whole(criteria(both, preferred=person.id), both), SPECIALTIES)
    )
    states = {editor["slug"]: editor for editor in answer["editors"]}
    assert {"agenda-azur", "rdv-commune", "sas-agenda"} <= {*states}
    mine = states["sas-agenda"]
    assert (mine["name"], mine["state"], mine["slots"]) == ("Agenda SAS", "answered", 1)
    card = answer["cards"][0]
    assert (card["editor"], card["editor_name"], card["origin"]) == ("sas-agenda", "Agenda SAS", "sas-agenda")
    assert all("origin" not in each for each in answer["cards"][1:])


async def test_slots_are_booked_where_the_source_says(core: Core, both: Aggregator, typed: TypedSlots) -> None:
    open_editors(core)
    core.editors.answers["agenda-azur"] = nothing
    person = core.population.of_editor("agenda-azur")[0]
    typed.add(person, person.places[0], LATER)
    results = await whole(criteria(both, preferred=person.id), both)
    (url,) = [slot.url for place in results.cards[0].places for slot in place.slots]
    assert url == "/sas/rendez-vous?creneau=1230"
    assert booking_url(url, "sas") == url


def only(person: Practitioner) -> Any:
    """An editor that has slots of this person alone, at the places that he has here."""

    async def answer(method: str, path: str, body: bytes | None) -> Any:
        asked = path.startswith("Slot") and person.id in parse_slot_query(path.partition("?")[2]).practitioners
        return reply(practitioner_bundle((person, SOON)) if asked else bundle([], []))

    return answer


async def test_an_editors_slots_replace_its_own_at_that_place_only(
    core: Core, both: Aggregator, typed: TypedSlots
) -> None:
    open_editors(core)
    person = with_two_places(both)
    first, second = person.places
    core.editors.answers[person.editor] = only(replace(person, places=(first,)))
    for place in person.places:
        typed.add(person, place, LATER)
    results = await whole(criteria(both, preferred=person.id), both)
    assert cards_of(results, person) == {person.editor: {first.id: 2, second.id: 0}, "sas-agenda": {second.id: 1}}
    assert [card.id for card in results.cards[:2]] == [person.id, person.id]


async def test_nothing_of_it_is_shown_where_an_editor_has_slots_at_all_places(
    core: Core, both: Aggregator, typed: TypedSlots
) -> None:
    open_editors(core)
    person = with_two_places(both)
    core.editors.answers[person.editor] = only(replace(person, places=person.places[:1]))
    typed.add(person, person.places[0], LATER)
    results = await whole(criteria(both, preferred=person.id), both)
    assert {*cards_of(results, person)} == {person.editor}


async def test_until_the_editor_answers_its_slots_are_shown(core: Core, both: Aggregator, typed: TypedSlots) -> None:
    open_editors(core)
    person = with_two_places(both)
    answer, gate = only(replace(person, places=person.places[:1])), Gate(reply({}))

    async def later(method: str, path: str, body: bytes | None) -> Any:
        await gate(method, path, body)
        return await answer(method, path, body)

    core.editors.answers[person.editor] = later
    for place in person.places:
        typed.add(person, place, LATER)
    made = criteria(both, preferred=person.id)
    results = Results(made, made.area)
    async with asyncio.timeout(5), contextlib.aclosing(run(made, both)) as events:
        async for event in events:
            results.take(event)
            if isinstance(event, Found) and not gate.opened.is_set():
                assert cards_of(results, person) == {"sas-agenda": {place.id: 1 for place in person.places}}
                gate.opened.set()
    assert {*cards_of(results, person)} == {person.editor, "sas-agenda"}
    assert cards_of(results, person)["sas-agenda"] == {person.places[1].id: 1}


async def test_an_editor_that_has_nothing_leaves_its_slots(core: Core, both: Aggregator, typed: TypedSlots) -> None:
    open_editors(core)
    person = with_two_places(both)
    core.editors.answers[person.editor] = nothing
    typed.add(person, person.places[1], LATER)
    results = await whole(criteria(both, preferred=person.id), both)
    assert cards_of(results, person) == {"sas-agenda": {person.places[0].id: 0, person.places[1].id: 1}}
    assert person.id not in {card.id for card in results.without_slots}


async def test_two_cards_of_one_person_are_two_on_the_page(core: Core, both: Aggregator, typed: TypedSlots) -> None:
    person = with_two_places(both)
    open_editors(core, lambda _: SOON)
    core.editors.answers[person.editor] = only(replace(person, places=person.places[:1]))
    typed.add(person, person.places[1], LATER)
    made = criteria(both, preferred=person.id)
    view = ResultsView.of(await whole(made, both), core.population, running=False)
    keys = [shown.card.key for shown in view.cards]
    assert keys[:2] == [person.id, f"{person.id}-sas-agenda"]
    assert len(set(keys)) == len(keys)
    assert {mark.spot.card for mark in view.drawing.free} >= {*keys[:2]}


async def test_a_source_that_fails_is_not_asked_again_and_makes_the_results_partial(
    core: Core, both: Aggregator, typed: TypedSlots
) -> None:
    open_editors(core, lambda _: [])
    for each in both.candidates("SM54", criteria(both).area):
        typed.add(each.practitioner, each.practitioner.places[0], LATER)
    typed.ending = FAILED
    results = await whole(criteria(both), both)
    assert len(typed.asked) == 1
    assert results.partial
    assert [(each.slug, each.code) for each in results.failures] == [("sas-agenda", "store")]
    assert len(results.without_slots) > 25  # about the later lots only the editors were asked


async def test_a_source_that_hangs_is_given_up_at_its_own_deadline(
    core: Core, both: Aggregator, typed: TypedSlots
) -> None:
    open_editors(core)
    person = core.population.of_editor("agenda-azur")[0]
    typed.add(person, person.places[0], LATER)
    typed.ending = LATE
    async with asyncio.timeout(3):
        events = await events_of(both, criteria(both, preferred=person.id))
    mine = [event for event in events if isinstance(event, SourceAnswer) and event.source == "sas-agenda"]
    assert [(event.state, event.code) for event in mine] == [("late", "timeout")]
    assert isinstance(events[-1], Done)
    assert events[-1].partial


async def test_filters_hold_for_it_too(core: Core, both: Aggregator, typed: TypedSlots) -> None:
    open_editors(core, lambda _: [])
    person = core.population.of_editor("agenda-azur")[0]
    typed.add(person, person.places[0], LATER)
    assert (await whole(criteria(both, preferred=person.id), both)).cards
    assert not (await whole(criteria(both, preferred=person.id, type="HH"), both)).cards


async def test_its_quick_answer_does_not_hurry_the_search_past_the_editors(
    core: Core, both: Aggregator, typed: TypedSlots
) -> None:
    agendas = open_editors(core, lambda _: [])
    gates = {slug: Gate(reply({})) for slug in agendas}

    def held(slug: str) -> Any:
        async def answer(method: str, path: str, body: bytes | None) -> Any:
            await gates[slug](method, path, body)
            return await agendas[slug](method, path, body)

        return answer

    core.editors.answers.update({slug: held(slug) for slug in agendas})
    person = core.population.of_editor("agenda-azur")[0]
    typed.add(person, person.places[0], LATER)
    searching = asyncio.create_task(whole(criteria(both, preferred=person.id), both))
    await asyncio.wait({searching}, timeout=0.3)  # longer than the shortest wait for editors that hang
    assert sum(core.sas.editors.editor(slug).running for slug in agendas) <= len(agendas)
    for gate in gates.values():
        gate.opened.set()
    results = await searching
    assert not results.partial
