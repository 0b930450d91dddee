from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Town
from sandbox.kernel.text.words import folded
from sandbox.population.people import Population
from sandbox.population.procedural import Settled
from sandbox.sas.directory.areas import FALLBACK_RADIUS_KM, RADIUS_KM, Area, area_of, distance_km
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.specialties import GENERAL_MEDICINE
from tests.support.directories import SHARED

BORDEAUX = "33063"
REFERENCE = SHARED / "reference" / "geo" / "search_radius_by_department.csv"


@pytest.mark.parametrize(
    "typed", ["Bordeaux", "bordeaux", " BORDEAUX ", "33000 Bordeaux", "Bordeaux (33)", "Bordeaux 33063"]
)
def test_town_is_found_however_its_name_is_typed(directory: Directory, typed: str) -> None:
    town = directory.town(name=typed)
    assert town is not None
    assert town.insee == BORDEAUX


@pytest.mark.parametrize(("typed", "name"), [("st malo", "Saint-Malo"), ("Villenave d Ornon", "Villenave-d'Ornon")])
def test_town_is_found_without_accents_hyphens_and_in_short(directory: Directory, typed: str, name: str) -> None:
    town = directory.town(name=typed)
    assert town is not None
    assert town.name == name


def test_insee_code_is_stronger_than_name(directory: Directory) -> None:
    town = directory.town(BORDEAUX, "Lyon")
    assert town is not None
    assert town.name == "Bordeaux"


@pytest.mark.parametrize(("insee", "name"), [("", ""), ("99999", ""), ("", "Trifouillis"), ("", "33000")])
def test_unknown_town_is_none(directory: Directory, insee: str, name: str) -> None:
    assert directory.town(insee, name) is None


def test_folding_forgets_case_accents_and_punctuation() -> None:
    assert folded("Saint-Médard-en-Jalles") == folded("ST MEDARD EN JALLES")


def test_distance_is_the_great_circle() -> None:
    assert distance_km(44.8378, -0.5792, 45.7640, 4.8357) == pytest.approx(436, abs=3)
    assert distance_km(1.0, 2.0, 1.0, 2.0) == 0


def test_area_follows_the_departement_and_grows(population: Population) -> None:
    area = area_of(population.towns[BORDEAUX])
    assert (area.radius_km, area.enlarged().radius_km) == (10.0, 15.0)
    assert area_of(Town("48095", "Mende", "48000", "48", 44.5, 3.5)).radius_km == 50.0
    assert area_of(Town("97302", "Cayenne", "97300", "973", 4.9, -52.3)).radius_km == FALLBACK_RADIUS_KM[0]


@pytest.mark.skipif(not REFERENCE.exists(), reason="../shared is absent")
def test_radii_are_those_of_the_platform() -> None:
    with REFERENCE.open(encoding="utf-8") as file:
        rows = {row["code"].replace("20A", "2A").replace("20B", "2B"): row for row in csv.DictReader(file)}
    told = {code: (float(row["city_radius_km"]), float(row["enlargement_km"])) for code, row in rows.items()}
    for code, radius in told.items():
        assert RADIUS_KM.get(code, FALLBACK_RADIUS_KM) == (radius if any(radius) else FALLBACK_RADIUS_KM), code


@pytest.mark.parametrize("radius", [0.5, 3.0, 10.0, 60.0])
@pytest.mark.parametrize("insee", [BORDEAUX, "35238", "69123"])
def test_candidates_are_exactly_those_within_the_radius(
    directory: Directory, population: Population, insee: str, radius: float
) -> None:
    town = population.towns[insee]
    area = Area(town.lat, town.lon, radius, 5.0)
    expected = {
        practitioner.id
        for practitioner in population.practitioners()
        if practitioner.editor
        and practitioner.specialty in GENERAL_MEDICINE
        and any(distance_km(town.lat, town.lon, place.lat, place.lon) <= radius for place in practitioner.places)
    }
    assert {found.practitioner.id for found in directory.candidates("SM54", area)} == expected


def test_candidate_distance_is_that_of_the_nearest_place(directory: Directory, population: Population) -> None:
    town = population.towns[BORDEAUX]
    for found in directory.candidates("SM54", area_of(town)):
        nearest = min(distance_km(town.lat, town.lon, place.lat, place.lon) for place in found.practitioner.places)
        assert math.isclose(found.distance_km, nearest)


def test_the_three_codes_of_general_medicine_are_one_specialty(directory: Directory, population: Population) -> None:
    area = area_of(population.towns[BORDEAUX])
    assert directory.candidates("SM26", area) == directory.candidates("SM54", area) != []
    assert all(found.practitioner.specialty == "SM04" for found in directory.candidates("SM04", area))


def test_those_already_asked_are_left_out(directory: Directory, population: Population) -> None:
    area = area_of(population.towns[BORDEAUX])
    everybody = directory.candidates("SM54", area)
    asked = {found.practitioner.id for found in everybody[:7]}
    rest = directory.candidates("SM54", area, asked)
    assert [found for found in everybody if found.practitioner.id not in asked] == rest


def test_candidates_have_an_interfaced_editor(directory: Directory, population: Population) -> None:
    for found in directory.candidates("SM54", area_of(population.towns[BORDEAUX])):
        flows = population.editors[found.practitioner.editor].flows
        assert Flow.INT_R01 in flows or Flow.INT_R04 in flows


def test_associations_are_those_with_a_site_in_the_area(directory: Directory, population: Population) -> None:
    near = directory.associations(area_of(population.towns[BORDEAUX]))
    assert near
    assert all(any(site.insee.startswith("33") for site in found.sites) for found in near)
    assert directory.associations(Area(0.0, 0.0, 5.0, 1.0)) == []


def test_practitioner_is_found_with_and_without_prefix(directory: Directory, population: Population) -> None:
    someone = next(iter(population.practitioners()))
    assert directory.practitioner(someone.id) == directory.practitioner(someone.id[1:]) == someone


def test_association_is_told_only_when_its_editor_serves_one(directory: Directory, population: Population) -> None:
    for slug in population.editors:
        served = [sos.siret for sos in population.sos.values() if sos.editor == slug]
        assert directory.association_of(slug) == (served[0] if len(served) == 1 else None)


@pytest.mark.parametrize(
    ("typed", "insee"),
    [
        ("Saint-Denis", "97411"),
        ("Saint-Denis (93)", "93066"),
        ("saint denis 974", "97411"),
        ("Ajaccio (2A)", "2A004"),
        ("69001 Lyon", "69123"),
        ("Mamoudzou", "97611"),
    ],
)
def test_any_town_of_france_is_found_by_name(national: Directory, typed: str, insee: str) -> None:
    town = national.town(name=typed)
    assert town is not None
    assert town.insee == insee


@pytest.mark.parametrize("typed", ["saint", "sa", "pa", "33", "lhay", "reunion", "vi"])
def test_what_is_offered_while_somebody_types_leads_where_it_says(national: Directory, typed: str) -> None:
    offered = national.places.towns.beginning(typed, 200)
    assert len(set(offered)) == len(offered)
    for text in offered:
        place = national.places.locality(text)
        assert place is not None
        assert place.label in (text, text.partition(" (")[0])  # Paris is a town and a département


def test_towns_of_one_name_are_offered_with_their_departement(national: Directory) -> None:
    offered = national.places.towns.beginning("saint denis", 20)
    assert {"Saint-Denis (93)", "Saint-Denis (974)"} <= {*offered}
    assert "Saint-Denis" not in offered


@given(st.integers(0, 5000), st.floats(0.3, 12), st.sampled_from(["SM54", "SM40", "SM04"]))
@settings(max_examples=15, deadline=None)
def test_any_search_of_the_country_finds_exactly_those_within_the_radius(
    france: Population, national: Directory, at: int, radius: float, specialty: str
) -> None:
    town = next(islice(france.towns.values(), at, None))
    area = Area(town.lat, town.lon, radius, 5.0)
    wanted = GENERAL_MEDICINE if specialty in GENERAL_MEDICINE else {specialty}
    expected = {}
    for person in people_around(france, area):
        near = min(distance_km(town.lat, town.lon, place.lat, place.lon) for place in person.places)
        if person.editor and person.specialty in wanted and near <= radius:
            expected[person.id] = near
    assert {found.id: found.distance_km for found in national.candidates(specialty, area)} == pytest.approx(expected)


def people_around(france: Population, area: Area):
    """Everybody hand-made, and everybody in the départements nearby, by another way than the index."""
    yield from france.handmade()
    for code, (south, north, west, east) in france.procedural.departments.items():
        if south - 0.2 <= area.lat <= north + 0.2 and west - 0.3 <= area.lon <= east + 0.3:
            for each in france.procedural.settled_in(code):
                person = france.practitioner(each.id)
                assert person is not None
                yield person


class Watched:
    """A population that notes which départements are read; `procedural` of it is itself."""

    def __init__(self, population: Population) -> None:
        self.population, self.read = population, list[str]()

    @property
    def current(self) -> Watched:
        return self

    @property
    def procedural(self) -> Watched:
        return self

    @property
    def departments(self) -> Any:
        return self.population.procedural.departments

    def settled_in(self, code: str) -> Iterable[Settled]:
        self.read.append(code)
        return self.population.procedural.settled_in(code)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.population, name)


def test_a_search_reads_its_area_not_the_country(france: Population) -> None:
    watched = Watched(france)
    fresh = Directory(watched)  # type: ignore[arg-type]
    town = fresh.town(name="Mamoudzou")
    assert town is not None
    assert watched.read == []
    once = fresh.candidates("SM54", area_of(town))
    assert once
    assert watched.read == ["976"]
    assert fresh.candidates("SM54", area_of(town)) == once
    assert watched.read == ["976"]
