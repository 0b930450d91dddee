"""Which offers there are beside free slots: who takes one more patient, on what conditions, and which is nearest."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import pytest

from sandbox.config import Settings
from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import Practitioner
from sandbox.population.load import load_population
from sandbox.population.people import Population
from sandbox.sas.directory.areas import distance_km
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.participation import EXTRA, accepts_extra, extra_conditions, kinds_of
from sandbox.sas.directory.specialties import GENERAL_MEDICINE, SPECIALTIES
from sandbox.sas.offers.found import MOST, MOST_STRUCTURES, Offers, offers_extra, offers_of, structures_of
from sandbox.sas.search.criteria import Criteria, read_criteria

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
PHONE = re.compile(r"\+\d{11,12}")


def criteria(directory: Directory, **values: str) -> Criteria:
    return read_criteria({"insee": "33063", **values}, directory, SPECIALTIES, NOW)


def offers(directory: Directory, **values: str) -> Offers:
    return offers_of(criteria(directory, **values), directory, SPECIALTIES)


def around(asked: Criteria, population: Population) -> list[tuple[float, Practitioner]]:
    """General practitioners with a place in the area of a search in the Gironde, with the distance of the nearest."""
    area, found = asked.area, []
    settled = [(each.id, each.spots) for each in population.procedural.settled_in("33")]
    settled += [(each.id, tuple((at.lat, at.lon) for at in each.places)) for each in population.handmade()]
    for id, spots in settled:
        distance = min((distance_km(area.lat, area.lon, *spot) for spot in spots), default=area.radius_km + 1)
        person = population.practitioner(id)
        if person is not None and person.specialty in GENERAL_MEDICINE and distance <= area.radius_km:
            found.append((distance, person))
    return found


def eligible(people: Any) -> list[Practitioner]:
    return [each for each in people if not kinds_of(each) or "cpts" in kinds_of(each)]


def test_about_three_in_ten_of_the_eligible_accept_and_nobody_else(france: Population) -> None:
    people = [*islice(france.procedural, 6000)]
    fit = eligible(people)
    assert sum(accepts_extra(each, 7) for each in fit) / len(fit) == pytest.approx(EXTRA / 100, abs=0.03)
    assert not any(accepts_extra(each, 7) for each in people if each not in fit)


@pytest.mark.parametrize("said", [True, False])
def test_what_a_persona_says_decides_for_every_seed(population: Population, said: bool) -> None:
    person, grouped = eligible(population.handmade())[0], replace
    assert all(accepts_extra(grouped(person, extra=said), seed) is said for seed in range(20))
    within = next(each for each in population.practitioners() if kinds_of(each) in ({"cds"}, {"msp"}))
    assert not accepts_extra(replace(within, extra=True), 0)  # nobody does who is in a MSP or CDS only


@pytest.mark.parametrize("seed", [0, 1, 42, 2026])
def test_the_example_holds_for_every_seed(seed: int) -> None:
    population = load_population(Settings(seed=seed))
    example: Any = population.examples["practitioner_extra"]
    directory = Directory(population)
    found = offers_of(criteria(directory, insee=example["insee"]), directory, SPECIALTIES)
    assert example["id"] in {each.id for each in found.extra}


def test_conditions_are_french_the_same_each_time_and_of_many_kinds(france: Population) -> None:
    people = [*islice(france.procedural, 3000)]
    texts = [extra_conditions(each, 1) for each in people]
    assert texts == [extra_conditions(each, 1) for each in people]
    assert texts != [extra_conditions(each, 2) for each in people]
    assert len(Counter(texts)) > 20
    aged = [each for each, text in zip(people, texts, strict=True) if " ans" in text]
    assert aged
    assert all(each.specialty in GENERAL_MEDICINE for each in aged)


def test_they_are_the_nearest_of_their_specialty(national: Directory) -> None:
    asked = criteria(national)
    found = offers(national).extra
    willing = [
        (distance, person.id)
        for distance, person in around(asked, national.population)
        if offers_extra(person, national) and not national.away(person, asked.days)
    ]
    assert len(willing) > MOST == len(found)
    assert [each.id for each in found] == [id for _, id in sorted(willing)[:MOST]]
    for each in found:
        known = national.population.place(each.place)
        assert known is not None
        person, place = known
        assert (person.id, place.line, place.city) == (each.id, each.line, each.city)
        assert each.distance_km == pytest.approx(
            distance_km(asked.area.lat, asked.area.lon, place.lat, place.lon), abs=0.06
        )
        assert PHONE.fullmatch(each.phone or "")


def test_people_of_disabled_editors_can_be_called_too(france: Population) -> None:
    everywhere, silent = Directory(france), Directory(france, lambda: set(france.editors))
    asked = criteria(everywhere)
    assert offers_of(asked, silent, SPECIALTIES).extra == offers_of(asked, everywhere, SPECIALTIES).extra


def test_people_of_the_sas_agenda_can_be_called_too(national: Directory) -> None:
    people = (person for _, person in around(criteria(national), national.population))
    person = next(each for each in people if not each.editor and offers_extra(each, national))
    place = person.places[0]
    found = offers(national, lat=f"{place.lat}", lon=f"{place.lon}", radius="1")
    assert person.id in {each.id for each in found.extra}


def test_structures_are_those_in_the_area_nearest_first(national: Directory) -> None:
    asked = criteria(national)
    found = structures_of(asked, national)
    assert [each.distance_km for each in found] == sorted(each.distance_km for each in found)
    assert 0 < len(found) <= MOST_STRUCTURES
    assert all(each.distance_km <= asked.area.radius_km + 0.05 for each in found)
    assert offers(national).structures == found[:MOST]
    assert all(PHONE.fullmatch(each.phone or "") and national.population.structure(each.id) for each in found)


def test_where_there_is_none_the_area_is_enlarged_unless_it_was_given(national: Directory) -> None:
    asked = criteria(national, insee="97302", specialty="SM40")
    tiny = replace(asked, place=replace(asked.place, area=replace(asked.area, radius_km=0.001, enlargement_km=60.0)))
    assert structures_of(tiny, national)
    assert offers_of(tiny, national, SPECIALTIES).structures
    assert structures_of(criteria(national, radius="0.001"), national) == []
    assert offers(national, within="0.001") == Offers(
        extra=[], marketplaces=offers(national).marketplaces, structures=[]
    )


def test_communities_are_those_of_the_town(population: Population, directory: Directory) -> None:
    for insee in ("33063", "35238", "69123"):
        found = {each.id for each in offers(directory, insee=insee).marketplaces}
        assert found == {each.id for each in population.communities.values() if insee in each.zone}


def test_filters_of_kinds_hold_for_each_of_them(directory: Directory) -> None:
    some = offers(directory, kind="cpts")
    assert some.structures == []
    assert {each.kind for each in some.marketplaces} == {"CPTS"}
    for each in some.extra:
        person = directory.practitioner(each.id)
        assert person is not None
        assert person.cpts


def test_in_the_largest_city_they_take_no_longer_than_a_search_may(national: Directory) -> None:
    asked = read_criteria({"place": "Paris"}, national, SPECIALTIES, NOW)
    found = offers_of(asked, national, SPECIALTIES)
    assert len(found.extra) == len(found.structures) == MOST
