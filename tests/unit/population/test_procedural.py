"""Procedural practitioners: the same person for the same seed and number, valid, in proportion."""

from __future__ import annotations

import re
from collections import Counter
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.config import Settings
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import FINESS, L02_RPPS, has_luhn, national_phone, prefixed_person
from sandbox.population import names
from sandbox.population.load import load_population
from sandbox.population.procedural import MOST, SPECIALTIES, TYPING, id_of, index_of, practitioner_at

COUNT = 2000


@pytest.fixture(scope="module")
def population():
    return load_population(Settings(practitioners=COUNT))


@pytest.fixture(scope="module")
def procedural(population):
    """Those whose agenda an editor holds."""
    return numbered(population, range(COUNT))


def numbered(population, numbers):
    return [population.procedural.numbered(number) for number in numbers]


@given(st.integers(0, MOST - 1))
def test_number_can_be_read_back_from_the_id(number):
    national_id = id_of(number)
    assert L02_RPPS.fullmatch(national_id)
    assert has_luhn(national_id[1:])
    assert index_of(national_id) == number


@given(st.integers(0, MOST - 1))
def test_number_can_be_read_back_from_an_adeli_too(number):
    assert index_of(f"099{number:07d}") == number


@pytest.mark.parametrize(
    "other",
    ["", "819800000010", "819900000002", "0339900015", "8199000000019", "8199abcdefg0", "8199000000²1", "099abcdefg",
     "09900000010"],
)  # fmt: skip
def test_other_ids_are_nobodys_number(other):
    assert index_of(other) is None


def test_same_seed_and_number_is_the_same_person_whatever_the_population(population):
    other = load_population(Settings(practitioners=10))
    numbers = [*range(10), *other.procedural.typing]
    assert len(numbers) == 11
    people = numbered(other, numbers)
    assert list(other.practitioners())[-11:] == people == numbered(population, numbers)
    reseeded = load_population(Settings(practitioners=10, seed=7))
    assert all(one != another for one, another in zip(people, numbered(reseeded, numbers), strict=True))


def test_people_beyond_the_count_do_not_exist(population):
    assert population.practitioner(list(population.practitioners())[-1].id) is not None
    for number in (COUNT, TYPING - 1, TYPING + COUNT // 25):
        assert population.practitioner(id_of(number)) is None
        assert not population.types_slots(id_of(number))
    assert len(population) == len(list(population.practitioners())) == COUNT + COUNT // 25 + 15
    with pytest.raises(ValueError, match="not in"):
        practitioner_at(1, MOST, population.procedural.recipe)


def test_everything_about_them_is_well_formed(population, procedural):
    for person in procedural:
        assert re.fullmatch("8[0-9]{11}|0[0-9A-Za-z]{9}", person.id)
        assert prefixed_person(person.stored_id) == person.id
        assert person.phone is None or str(national_phone(person.phone)).startswith("+33")
        assert (person.specialty is None) == (person.specialty_text is not None)
        assert len({place.insee[:2] for place in person.places}) == 1
        assert 1 <= len(person.places) <= 3
        for place in person.places:
            town = population.towns[place.insee]
            assert (place.city, place.postal_code) == (town.name, town.postal_code)
            assert abs(place.lat - town.lat) <= population.procedural.recipe.width(town) + 1e-5
            assert abs(place.lon - town.lon) <= population.procedural.recipe.width(town) + 1e-5
            assert len(place.structure) == {"1": 10, "3": 15, "4": 15}[place.structure[0]]
            assert population.place(place.id) == (person, place)
    assert len({place.id for person in procedural for place in person.places}) == sum(
        len(person.places) for person in procedural
    )


def test_proportions_are_those_of_the_recipe(population, procedural):
    specialties = Counter(person.specialty for person in procedural)
    assert specialties.most_common(1)[0][0] == "SM54"
    assert 0.7 < specialties["SM54"] / COUNT < 0.82
    assert {"SM26", "SM53"} < set(specialties)
    assert 0.01 < specialties[None] / COUNT < 0.03
    assert set(specialties) - {None} <= {code for code, _ in SPECIALTIES}
    assert 0.03 < sum(person.phone is None for person in procedural) / COUNT < 0.07
    assert 0.01 < sum(person.id.startswith("0") for person in procedural) / COUNT < 0.03
    assert {len(person.places) for person in procedural} == {1, 2, 3}
    assert {person.editor for person in procedural} == {"agenda-azur", "rdv-commune"}
    assert any(" " in (person.phone or "") for person in procedural)


@pytest.mark.parametrize("count", [50, 300, COUNT])
def test_towns_have_their_share_of_any_count_to_within_three_people(population, procedural, count):
    towns = Counter(person.places[0].insee for person in procedural[:count])
    total = sum(inhabitants for _, inhabitants in population.procedural.recipe.towns)
    for town, inhabitants in population.procedural.recipe.towns:
        assert abs(towns[town.insee] - count * inhabitants / total) < 3, town


def test_editors_store_ids_with_or_without_their_prefix_as_they_declare(population, procedural):
    habits = {slug: editor.stores for slug, editor in population.editors.items()}
    assert habits == {
        "agenda-azur": "mixed", "rdv-commune": "bare", "garde-plus": "bare", "entraide-commune": "prefixed"
    }  # fmt: skip
    assert all(person.stored_id in (person.id, person.id[1:]) for person in procedural)
    share = {
        slug: mean(person.stored_id != person.id for person in procedural if person.editor == slug)
        for slug in ("agenda-azur", "rdv-commune")
    }
    assert share["rdv-commune"] == 1
    assert 0.4 < share["agenda-azur"] < 0.6


def test_some_consult_in_a_msp_or_cds_with_others_at_its_address(population, procedural):
    places = [place for person in procedural for place in person.places]
    grouped = [place for place in places if place.group]
    assert 0.16 < len(grouped) / len(places) < 0.24
    for place in grouped:
        group = place.group
        assert place.structure == group.finess
        assert FINESS.fullmatch(group.finess)
        for what in ("line", "postal_code", "city", "insee", "lat", "lon"):
            assert getattr(place, what) == getattr(group, what)
        assert population.structure(group.finess) == population.structure(group.finess[1:]) == group
        assert group.code == {"MSP": "603", "CDS": "124"}[group.kind]
    per_group = Counter(place.group for place in grouped)
    assert 1.5 < mean(per_group.values()) < 20
    assert 0.1 < mean(group.kind == "CDS" for group in per_group) < 0.4
    assert len({group.finess for group in per_group}) == len(per_group)


@pytest.mark.parametrize("finess", ["1339700099", "1009700000", "133970000", "133970000x", "1339800000", ""])
def test_other_finess_are_no_structures(population, finess):
    assert population.structure(finess) is None


def test_who_has_an_adeli_only_is_not_found_by_a_number_that_is_not_his(population, procedural):
    old = next(person for person in procedural if person.id.startswith("0"))
    number = index_of(old.id)
    assert population.practitioner(old.id) == population.practitioner(old.id[1:]) == old
    assert population.practitioner(id_of(number)) is None
    young = next(person for person in procedural if person.id.startswith("8"))
    assert population.practitioner(f"099{index_of(young.id):07d}") is None


def test_members_of_a_cpts_have_slots_that_it_sees(population, procedural):
    for person in procedural:
        groups = {group for place in person.places for group in place.agenda.cpts}
        assert {finess for group in groups for finess in group} == set(person.cpts)
        seen = any("CPTS" in kind for place in person.places for kind in place.agenda.visibilities)
        assert seen == bool(person.cpts)
        if person.cpts:
            assert population.editors[person.editor].speaks(Flow.INT_R04)
            assert all(person.places[0].insee in population.cpts[finess].zone for finess in person.cpts)
    shapes = Counter(person.places[0].agenda.cpts for person in procedural)
    assert any(len(groups) == 2 for groups in shapes)  # two that see slots in turn
    assert any(len(group) == 2 for groups in shapes for group in groups)  # two that see the same slots
    alone = shapes.most_common(2)[1][0]
    assert [len(group) for group in alone] == [1]


def test_those_who_settled_in_a_departement_are_those_whose_places_lie_there(population):
    procedural = list(population.procedural)
    assert set(population.procedural.departments) == {"33", "35", "69"}
    for code, (south, north, west, east) in population.procedural.departments.items():
        there = list(population.procedural.settled_in(code))
        expected = [person for person in procedural if person.places[0].insee.startswith(code)]
        assert [each.id for each in there] == [person.id for person in expected]
        for each, person in zip(there, expected, strict=True):
            assert (each.editor, each.specialty) == (person.editor, person.specialty)
            assert each.spots == tuple((place.lat, place.lon) for place in person.places)
            assert all(south <= lat <= north and west <= lon <= east for lat, lon in each.spots)


def test_nobody_settles_where_there_are_no_procedural_people():
    assert load_population(Settings()).procedural.departments == {}


def test_editors_lists_are_sequences_that_share_everybody(population):
    slugs = ["", *population.editors]
    lists = {slug: population.of_editor(slug) for slug in slugs}
    assert sum(map(len, lists.values())) == len(population)
    azur = lists["agenda-azur"]
    assert azur[0].family == "DUVALLON"
    assert azur[-1].editor == "agenda-azur"
    assert [person.id for person in azur[5:12]] == [person.id for person in list(azur)[5:12]]
    with pytest.raises(IndexError):
        azur[len(azur)]
    assert len(lists["garde-plus"]) == 0
    assert [person.id for person in lists[""] if not population.types_slots(person.id)] == []
    assert len(lists[""]) == 3 + COUNT // 25


def test_names_are_french_word_lists_read_as_data():
    assert len(names.given_names()) > 150
    assert len(names.family_names()) > 300
    from faker.providers.person.fr_FR import Provider

    assert set(names.family_names()) == set(Provider.last_names)
    assert set(names.given_names()) == set(Provider.first_names)


def test_names_are_imported_when_the_source_does_not_write_them_as_literals(tmp_path):
    source = tmp_path / "provider.py"
    source.write_text("first_names_female = ('Ada', 'Zoé')\nlast_names = tuple(sorted(first_names_female))\n", "utf-8")
    found = names.string_tuples(source)
    assert found == {"first_names_female": ("Ada", "Zoé")}
    assert names.words(("first_names_female",), found) == ("Ada", "Zoé")
    assert names.words(names.FAMILY, found) == names.family_names()


def test_names_are_imported_when_there_is_no_source(tmp_path):
    assert names.words(names.GIVEN, names.string_tuples(tmp_path / "missing.py")) == names.given_names()
