"""Twenty thousand people of the preset `national`: everything that the ecosystem must cope with, in its proportion."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from statistics import mean
from typing import Any

import pytest

from sandbox.config import load_settings
from sandbox.fhir.resources import role_resource
from sandbox.kernel.identifiers import national_phone
from sandbox.kernel.model import Practitioner
from sandbox.population.load import load_population
from sandbox.population.people import Population
from sandbox.population.procedural import FREE_TEXTS, practitioner_at

COUNT = 20_000
GENERAL = {"SM26", "SM53", "SM54"}
NATIONAL = {"preset": "national", "practitioners": COUNT}


@pytest.fixture(scope="module")
def france() -> Population:
    return load_population(load_settings(NATIONAL, {}))


@pytest.fixture(scope="module")
def people(france: Population) -> list[Practitioner]:
    return [practitioner_at(france.seed, number, france.procedural.recipe) for number in range(COUNT)]


SHARES: list[tuple[str, Callable[[Practitioner], bool], float, float]] = [
    ("general practice", lambda person: person.specialty in GENERAL, 0.86, 0.90),
    ("another specialty", lambda person: person.specialty not in (*GENERAL, None), 0.08, 0.12),
    ("a specialty in free text only", lambda person: person.specialty is None, 0.015, 0.025),
    ("no phone", lambda person: person.phone is None, 0.045, 0.055),
    ("an ADELI only", lambda person: person.id.startswith("0"), 0.015, 0.025),
    ("an id stored without its prefix", lambda person: person.stored_id != person.id, 0.45, 0.55),
    ("a phone with spaces", lambda person: " " in (person.phone or ""), 0.28, 0.35),
    ("a phone without country code", lambda person: (person.phone or "").startswith("0"), 0.58, 0.68),
    ("a place in a MSP or CDS", lambda person: any(place.group for place in person.places), 0.2, 0.28),
    ("one place", lambda person: len(person.places) == 1, 0.76, 0.81),
    ("two places", lambda person: len(person.places) == 2, 0.16, 0.20),
    ("three places", lambda person: len(person.places) == 3, 0.03, 0.05),
    ("a CPTS", lambda person: bool(person.cpts), 0.15, 0.25),
    ("two CPTS", lambda person: len(person.cpts) == 2, 0.01, 0.04),
]


@pytest.mark.parametrize(("what", "has", "least", "most"), SHARES, ids=[each[0] for each in SHARES])
def test_people_have_each_feature_in_its_proportion(
    people: list[Practitioner], what: str, has: Callable[[Practitioner], bool], least: float, most: float
) -> None:
    assert least < mean(map(has, people)) < most, what


def test_every_phone_of_an_answer_is_of_the_form_that_the_guide_wants(people: list[Practitioner]) -> None:
    phones = {str(national_phone(person.phone)) for person in people if person.phone}
    assert all(re.fullmatch(r"\+(33|262|590|594|596)[0-9]{9}", phone) for phone in phones)
    assert {phone[:4] for phone in phones} >= {"+262", "+590", "+594", "+596"}


def test_free_texts_are_those_of_people_and_go_out_as_text(people: list[Practitioner]) -> None:
    texts = Counter(person.specialty_text for person in people if person.specialty is None)
    assert set(texts) == set(FREE_TEXTS)
    person = next(each for each in people if each.specialty is None)
    assert str(person.specialty_text).encode() in role_resource(person, person.places[0], "urn:oid:1")


def test_all_weeks_and_editors_have_their_people(france: Population, people: list[Practitioner]) -> None:
    weeks = Counter((place.agenda.slot_minutes, place.agenda.leave) for person in people for place in person.places)
    assert {minutes for minutes, _ in weeks} == {10, 15, 20, 30}
    assert all(weeks.values())
    assert min(leave for _, leave in weeks) >= 4
    holders = Counter(person.editor for person in people)
    assert len(holders) == 21
    assert max(holders.values()) < 1.3 * min(holders.values())
    kinds = Counter(place.structure[0] for person in people for place in person.places)
    assert set(kinds) == set("134")


PRESETS: dict[str, dict[str, Any]] = {
    "minimal": {"people": 15, "departments": 3, "editors": 4, "territories": 3, "sos": 3, "cpts": 5},
    "demo": {"people": 2_095, "departments": 3, "editors": 4, "territories": 3, "sos": 3, "cpts": 5},
    "national": {"people": 104_015, "departments": 107, "editors": 26, "territories": 11, "sos": 60, "cpts": 800},
}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_the_numbers_that_they_promise(preset: str) -> None:
    population = load_population(load_settings({"preset": preset}, {}))
    assert {
        "people": len(population),
        "departments": len({town.department for town in population.towns.values()}),
        "editors": len(population.editors),
        "territories": len(population.territories),
        "sos": len(population.sos),
        "cpts": len(population.cpts),
    } == PRESETS[preset]


def test_every_site_has_opening_hours_that_hold_its_week(france: Population) -> None:
    for association in france.sos.values():
        assert 1 <= len(association.sites) <= 6
        for site in association.sites:
            assert site.hours
            assert {day for hours in site.hours for day in hours.days} >= set(site.agenda.days)
            assert site.agenda.holidays == "sunday"
            assert site.agenda.leave == 0
