from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sandbox.fhir.reader.reading import FreeSlot, read_bundle
from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import Editor, Practitioner
from sandbox.population.people import Population
from sandbox.sas.directory.areas import Area
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.cards import association_card, booking_url, practitioner_card
from sandbox.sas.search.editors import source_of
from tests.unit.sas.search.bundles import bundle, practitioner_bundle, practitioner_resources, slot, sos_bundle

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
AREA = Area(44.8378, -0.5792, 10.0, 5.0)


@pytest.fixture
def person(population: Population) -> Practitioner:
    """Somebody with two places."""
    return next(each for each in population.practitioners() if len(each.places) == 2)


def card_of(person: Practitioner, population: Population, slots: list[FreeSlot], editor: Editor | None = None):
    source = source_of(editor or population.editors[person.editor])
    return practitioner_card(person, slots, source=source, area=AREA, labels=SPECIALTIES)


def test_places_are_merged_on_one_card_and_their_slots_sorted(person: Practitioner, population: Population) -> None:
    first, second = person.places
    slots = [slot(second.id, NOW + timedelta(hours=hour)) for hour in (3, 1, 2)]
    reading = read_bundle(bundle(slots, practitioner_resources(person)))
    card = card_of(person, population, reading.slots)
    assert [place.id for place in card.places] == [second.id, first.id]
    assert [each.start - NOW for each in card.places[0].slots] == [timedelta(hours=hour) for hour in (1, 2, 3)]
    assert card.places[1].slots == ()
    assert (card.kind, card.id, card.phone) == ("practitioner", person.id, "+33102030405")
    assert person.family in card.name


def test_the_same_slot_twice_is_one(person: Practitioner, population: Population) -> None:
    start = NOW + timedelta(hours=1)
    twice = [slot(person.places[0].id, start, id="a"), slot(person.places[0].id, start, id="b")]
    card = card_of(person, population, read_bundle(bundle(twice, practitioner_resources(person))).slots)
    assert [each.id for each in card.places[0].slots] == ["a"]


def test_the_same_time_at_two_places_is_two(person: Practitioner, population: Population) -> None:
    start = NOW + timedelta(hours=1)
    slots = [slot(place.id, start) for place in person.places]
    card = card_of(person, population, read_bundle(bundle(slots, practitioner_resources(person))).slots)
    assert [len(place.slots) for place in card.places] == [1, 1]


def test_a_place_that_the_directory_does_not_know_is_added(person: Practitioner, population: Population) -> None:
    elsewhere = replace(person.places[0], id="elsewhere", line="9 quai Inconnu", city="Ailleurs", postal_code="33999")
    answer = bundle([slot("elsewhere", NOW)], practitioner_resources(person, [elsewhere]))
    card = card_of(person, population, read_bundle(answer).slots)
    assert card.places[0].line == "9 quai Inconnu"
    assert card.places[0].distance_km is None
    assert len(card.places) == 3


def test_slots_fall_into_local_days(person: Practitioner, population: Population) -> None:
    late = datetime(2026, 11, 23, 23, 30, tzinfo=PARIS)
    card = card_of(person, population, read_bundle(practitioner_bundle((person, [late]))).slots)
    (place,) = [place for place in card.places if place.slots]
    assert len(place.on(late.date(), PARIS)) == 1
    assert place.on(late.date() + timedelta(days=1), PARIS) == []


@pytest.mark.parametrize("comment", ["javascript:alert(1)", "data:text/html,x", "/rdv"])
def test_only_web_addresses_become_links(person: Practitioner, population: Population, comment: str) -> None:
    answer = bundle([slot(person.places[0].id, NOW, comment=comment)], practitioner_resources(person))
    card = card_of(person, population, read_bundle(answer).slots)
    assert [each.url for place in card.places for each in place.slots] in ([None], [])


def test_an_association_shows_its_sites(population: Population) -> None:
    association = max(population.sos.values(), key=lambda each: len(each.sites))
    site = association.sites[0]
    area = Area(site.lat, site.lon, 10.0, 5.0)
    reading = read_bundle(sos_bundle(association, [NOW + timedelta(hours=1)]))
    editor = population.editors[association.editor]
    card = association_card(association, reading.slots, source=source_of(editor), area=area)
    assert (card.kind, card.id, card.name) == ("sos", association.siret, association.name)
    assert {place.id for place in card.places} == {each.id for each in association.sites}
    assert all(place.name and len(place.slots) == 1 for place in card.places)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://e/rdv?slot=1", "http://e/rdv?slot=1&origin=sas"),
        ("http://e/rdv", "http://e/rdv?origin=sas"),
        ("http://e/rdv?", "http://e/rdv?origin=sas"),
        ("http://e/rdv?a=1&", "http://e/rdv?a=1&origin=sas"),
        ("http://e/rdv?a=1#jour", "http://e/rdv?a=1&origin=sas#jour"),
        ("/sas/rendez-vous?creneau=1", "/sas/rendez-vous?creneau=1"),
    ],
)
def test_origin_is_appended_as_needed(url: str, expected: str) -> None:
    assert booking_url(url, "sas") == expected


def test_places_of_an_external_editor_are_told_by_their_structure(person: Practitioner, population: Population) -> None:
    other = "1999999999"
    known = [replace(place, id=f"known-{at}") for at, place in enumerate(person.places)]
    known[1] = replace(known[1], structure=other)
    theirs = [replace(person.places[0], id="x"), replace(known[1], id="y"), replace(known[1], id="z")]
    elsewhere = replace(person.places[0], id="w", structure="1888888888", line="9 quai Inconnu")
    slots = [slot(place.id, NOW + timedelta(hours=at)) for at, place in enumerate([*theirs, elsewhere])]
    read = read_bundle(bundle(slots, practitioner_resources(person, [*theirs, elsewhere]))).slots
    outside = replace(population.editors[person.editor], base_url="https://agenda.exemple/fhir")
    held = replace(person, places=tuple(known))
    card = card_of(held, population, read, outside)
    assert {place.id: len(place.slots) for place in card.places} == {"known-0": 1, "known-1": 2, "w": 1}


def test_sites_of_an_external_editor_are_told_by_their_names(population: Population) -> None:
    association = next(each for each in population.sos.values() if len(each.sites) == 2)
    read = read_bundle(sos_bundle(association, [NOW])).slots
    sites = tuple(replace(site, id=f"known-{at}") for at, site in enumerate(association.sites))
    outside = replace(population.editors[association.editor], base_url="https://agenda.exemple/fhir")
    card = association_card(replace(association, sites=sites), read, source=source_of(outside), area=AREA)
    assert {place.id: len(place.slots) for place in card.places} == {"known-0": 1, "known-1": 1}


@pytest.mark.parametrize("spelt", ["same", "loosely"])
def test_a_place_whose_structure_is_unknown_is_told_by_its_address(
    person: Practitioner, population: Population, spelt: str
) -> None:
    """Two places, two Schedules: the card has no twins, and the distance is the directory's."""
    known = tuple(replace(place, id=f"known-{at}") for at, place in enumerate(person.places[:2]))
    theirs = [replace(place, id=f"x{at}", structure=f"188888888{at}") for at, place in enumerate(known)]
    if spelt == "loosely":
        theirs = [replace(place, line=place.line.upper().replace(" ", "-")) for place in theirs]
    slots = [slot(place.id, NOW + timedelta(hours=1)) for place in theirs]
    read = read_bundle(bundle(slots, practitioner_resources(person, theirs))).slots
    outside = replace(population.editors[person.editor], base_url="https://agenda.exemple/fhir")
    card = practitioner_card(
        replace(person, places=known), read, source=source_of(outside), area=AREA, labels=SPECIALTIES
    )
    assert {place.id: len(place.slots) for place in card.places} == {"known-0": 1, "known-1": 1}
    assert all(place.distance_km is not None for place in card.places)


def test_places_that_the_directory_does_not_know_have_no_empty_twins(
    person: Practitioner, population: Population
) -> None:
    known = tuple(replace(place, id=f"known-{at}") for at, place in enumerate(person.places[:2]))
    theirs = [
        replace(place, id=f"x{at}", structure=f"188888888{at}", line=f"{at} quai Inconnu")
        for at, place in enumerate(known)
    ]
    again = replace(theirs[0], id="x9")  # a second Schedule of the same place
    slots = [slot(place.id, NOW + timedelta(hours=1)) for place in [*theirs, again]]
    read = read_bundle(bundle(slots, practitioner_resources(person, [*theirs, again]))).slots
    outside = replace(population.editors[person.editor], base_url="https://agenda.exemple/fhir")
    card = practitioner_card(
        replace(person, places=known), read, source=source_of(outside), area=AREA, labels=SPECIALTIES
    )
    assert sorted(place.line for place in card.places) == ["0 quai Inconnu", "1 quai Inconnu"]
    inside = practitioner_card(
        replace(person, places=known),
        read,
        source=source_of(population.editors[person.editor]),
        area=AREA,
        labels=SPECIALTIES,
    )
    assert len(inside.places) == 4  # of an editor of ours the directory knows the Schedules


def test_a_site_whose_name_is_unknown_is_told_by_its_address(population: Population) -> None:
    association = next(each for each in population.sos.values() if len(each.sites) == 2)
    renamed = replace(association, sites=tuple(replace(site, name="Autre nom") for site in association.sites))
    read = read_bundle(sos_bundle(renamed, [NOW])).slots
    sites = tuple(replace(site, id=f"known-{at}") for at, site in enumerate(association.sites))
    outside = replace(population.editors[association.editor], base_url="https://agenda.exemple/fhir")
    card = association_card(replace(association, sites=sites), read, source=source_of(outside), area=AREA)
    assert {place.id: len(place.slots) for place in card.places} == {"known-0": 1, "known-1": 1}


def test_a_card_holds_so_many_slots_and_places_and_no_more(person: Practitioner, population: Population) -> None:
    places = [replace(person.places[0], id=f"s{at}", line=f"{at} rue") for at in range(60)]
    slots = [slot(place.id, NOW + timedelta(minutes=at)) for place in places for at in range(20)]
    read = read_bundle(bundle(slots, practitioner_resources(person, places))).slots
    card = card_of(person, population, read)
    assert sum(len(place.slots) for place in card.places) == 400
    assert len([place for place in card.places if place.slots]) == 20
    many = [slot(person.places[0].id, NOW + timedelta(seconds=at), id=f"m{at}") for at in range(700)]
    card = card_of(person, population, read_bundle(bundle(many, practitioner_resources(person))).slots)
    assert sum(len(place.slots) for place in card.places) == 600
