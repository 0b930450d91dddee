"""What a practitioner types on the nights when the clocks change, and overseas; what his week shows of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import Place, Practitioner
from sandbox.sas.agenda.agenda import Agenda, Closure
from sandbox.sas.agenda.refusals import Refusal
from sandbox.sas.agenda.week import regions_of
from sandbox.sas.console.agenda.slot_form import blank, blank_closure, read_closure, read_slot
from sandbox.sas.console.agenda.week_view import State, agenda_week, home_zone, place_name, place_zone

NOW = datetime(2026, 3, 20, 12, tzinfo=PARIS)
PLACE = Place("essai-bordeaux", "1339900144", "3 rue du Brouillon", "33000", "Bordeaux", "33063", 44.8, -0.6)
ISLAND = replace(PLACE, id="essai-saint-denis", city="Saint-Denis", postal_code="97400", insee="97411")
PERSON = Practitioner("819800000127", "Essai", "Ana", "", (PLACE,))


def typed(person: Practitioner = PERSON, **changes: str) -> dict[str, Any]:
    return {**blank(person, date(2026, 3, 29)), **changes}


def test_a_local_time_of_the_place_is_meant() -> None:
    person = replace(PERSON, places=(ISLAND, PLACE))
    draft, errors = read_slot(typed(person, debut="08:00", fin="08:30"), person)
    assert errors == {}
    assert draft is not None
    assert draft.start.astimezone(UTC).hour == 4
    assert str(home_zone(person)) == "Indian/Reunion"
    assert [str(place_zone(person, each)) for each in ("essai-bordeaux", "gone")] == ["Europe/Paris", "Indian/Reunion"]


@pytest.mark.parametrize(("begin", "end", "minutes"), [("01:30", "03:30", 60), ("02:30", "04:00", 30)])
def test_on_the_night_of_march_a_slot_loses_the_hour_that_does_not_exist(begin: str, end: str, minutes: int) -> None:
    draft, _ = read_slot(typed(debut=begin, fin=end), PERSON)
    assert draft is not None
    agenda, _ = Agenda(PERSON.id, regions_of(PERSON)).add(draft.series(PERSON, NOW))
    (slot,) = agenda.typed(NOW.timestamp(), NOW.timestamp() + 20 * 86400)
    assert (slot.end - slot.start) / 60 == minutes


def test_a_slot_within_the_hour_that_does_not_exist_is_refused() -> None:
    draft, errors = read_slot(typed(debut="02:30", fin="03:00"), PERSON)
    assert errors == {}
    assert draft is not None
    with pytest.raises(Refusal) as refused:
        draft.series(PERSON, NOW)
    assert refused.value.french == "La fin du créneau doit être après son début."


def test_the_week_of_two_places_says_where_each_slot_is_and_what_is_closed() -> None:
    elsewhere = replace(PLACE, id="essai-talence", city="Talence", insee="33522")
    person = replace(PERSON, places=(PLACE, elsewhere))
    agenda = Agenda(person.id, regions_of(person))
    for changes in ({"debut": "09:00", "fin": "10:00"}, {"debut": "11:00", "fin": "12:00", "lieu": elsewhere.id}):
        draft, _ = read_slot(typed(person, **changes), person)
        assert draft is not None
        agenda, _ = agenda.add(draft.series(person, NOW))
    day = datetime(2026, 3, 29, tzinfo=PARIS).timestamp()
    agenda, _ = agenda.close(Closure("", int(day), int(day + 36000), "Essai"))
    week = agenda_week(person, agenda, lambda slot: slot.kind.max_patients, date(2026, 3, 29), NOW)
    sunday = week.days[-1]
    assert [each.place for each in sunday.slots] == ["Bordeaux", "Talence"]
    assert [each.state for each in sunday.slots] == [State.CLOSED, State.FULL]
    assert [each.label for each in sunday.closures] == ["Essai"]
    assert [len(day.slots) for day in week.days[:-1]] == [0] * 6


def test_the_first_and_the_last_week_lead_no_further() -> None:
    agenda = Agenda(PERSON.id, regions_of(PERSON))
    first = agenda_week(PERSON, agenda, lambda _: 0, date(2001, 1, 1), NOW)
    last = agenda_week(PERSON, agenda, lambda _: 0, date(2090, 1, 1), NOW)
    assert (first.earlier, last.later) == (None, None)
    assert first.later is not None
    assert last.earlier is not None
    assert first.empty


def test_whole_days_of_a_closed_period_follow_the_clocks() -> None:
    values = {**blank_closure(date(2026, 3, 29)), "libelle": "Essai"}
    draft, errors = read_closure(values, PERSON)
    assert errors == {}
    assert draft is not None
    closure = draft.closure(PERSON, NOW)
    assert (closure.end - closure.start) / 3600 == 23


def test_somebody_without_a_place_lives_in_paris() -> None:
    person = replace(PERSON, places=())
    assert home_zone(person) == PARIS
    assert blank(person, date(2026, 3, 29))["lieu"] == ""
    assert place_name(None) == "lieu supprimé"
