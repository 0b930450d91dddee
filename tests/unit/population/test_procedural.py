"""Procedural practitioners: the same person for the same seed and number, valid, in proportion."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.config import Settings
from sandbox.kernel.identifiers import L02_RPPS, has_luhn, national_phone, prefixed_person
from sandbox.population import names
from sandbox.population.load import load_population
from sandbox.population.procedural import MOST, id_of, index_of, practitioner_at

COUNT = 2000


@pytest.fixture(scope="module")
def population():
    return load_population(Settings(practitioners=COUNT))


@pytest.fixture(scope="module")
def procedural(population):
    return list(population.practitioners())[-COUNT:]


@given(st.integers(0, MOST - 1))
def test_number_can_be_read_back_from_the_id(number):
    national_id = id_of(number)
    assert L02_RPPS.fullmatch(national_id)
    assert has_luhn(national_id[1:])
    assert index_of(national_id) == number


@pytest.mark.parametrize("other", ["", "819800000010", "819900000002", "0339900015", "8199000000019", "8199abcdefg0"])
def test_other_ids_are_nobodys_number(other):
    assert index_of(other) is None


def test_same_seed_and_number_is_the_same_person_whatever_the_population(population):
    other = load_population(Settings(practitioners=10))
    assert list(other.practitioners())[-10:] == list(population.practitioners())[-COUNT:][:10]
    reseeded = load_population(Settings(practitioners=10, seed=7))
    assert list(reseeded.practitioners())[-10:] != list(other.practitioners())[-10:]


def test_people_beyond_the_count_do_not_exist(population):
    assert population.practitioner(id_of(COUNT - 1)) is not None
    assert population.practitioner(id_of(COUNT)) is None
    assert len(population) == len(list(population.practitioners())) == COUNT + 12
    with pytest.raises(IndexError):
        population._at(COUNT)
    with pytest.raises(ValueError, match="not in"):
        practitioner_at(1, MOST, population._recipe)


def test_everything_about_them_is_well_formed(population, procedural):
    for person in procedural:
        assert prefixed_person(person.stored_id) == person.id
        assert person.phone is None or str(national_phone(person.phone)).startswith("+33")
        assert 1 <= len(person.places) <= 3
        for place in person.places:
            town = population.towns[place.insee]
            assert (place.city, place.postal_code) == (town.name, town.postal_code)
            assert abs(place.lat - town.lat) <= 0.0101
            assert abs(place.lon - town.lon) <= 0.0101
            assert len(place.structure) == {"1": 10, "3": 15, "4": 15}[place.structure[0]]
            assert population.place(place.id) == (person, place)
    assert len({place.id for person in procedural for place in person.places}) == sum(
        len(person.places) for person in procedural
    )


def test_proportions_are_those_of_the_recipe(population, procedural):
    specialties = Counter(person.specialty for person in procedural)
    assert specialties.most_common(1)[0][0] == "SM54"
    assert 0.75 < specialties["SM54"] / COUNT < 0.85
    assert {"SM26", "SM53"} < set(specialties)
    assert 0.03 < sum(person.phone is None for person in procedural) / COUNT < 0.07
    assert {len(person.places) for person in procedural} == {1, 2, 3}
    towns = Counter(person.places[0].insee for person in procedural)
    assert towns["69123"] > towns["33063"] > towns["35288"] > 0
    assert {person.editor for person in procedural} == {"agenda-azur", "rdv-commune"}
    assert any(person.stored_id != person.id for person in procedural)


def test_editors_lists_are_sequences_that_share_everybody(population):
    slugs = list(population.editors)
    lists = {slug: population.of_editor(slug) for slug in slugs}
    assert sum(map(len, lists.values())) == len(population)
    azur = lists["agenda-azur"]
    assert azur[0].family == "DUVALLON"
    assert azur[-1].editor == "agenda-azur"
    assert [person.id for person in azur[5:12]] == [person.id for person in list(azur)[5:12]]
    with pytest.raises(IndexError):
        azur[len(azur)]
    assert len(lists["garde-plus"]) == 0


def test_names_are_french_word_lists_read_as_data():
    assert len(names.given_names()) > 150
    assert len(names.family_names()) > 300
    from faker.providers.person.fr_FR import Provider

    assert set(names.family_names()) == set(Provider.last_names)
    assert set(names.given_names()) == set(Provider.first_names)


def test_names_come_by_import_when_faker_does_not_write_them_as_literals(monkeypatch):
    monkeypatch.setattr(names, "_literals", dict)
    assert names._words(names.FAMILY) == names.family_names()


def test_no_source_gives_no_literals(monkeypatch):
    monkeypatch.setattr(names, "find_spec", lambda _: None)
    assert names._literals.__wrapped__() == {}
