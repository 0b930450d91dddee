from __future__ import annotations

import csv

import pytest

from sandbox.kernel.model import Town
from sandbox.sas.directory.areas import area_of_department, distance_km
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.places import ADDRESS, DEPARTMENT, TOWN
from tests.support.directories import SHARED

REFERENCE = SHARED / "reference" / "geo" / "search_radius_by_department.csv"


@pytest.mark.parametrize(
    ("typed", "kind", "label", "insee"),
    [
        ("Bordeaux", TOWN, "Bordeaux", "33063"),
        ("33000", TOWN, "Bordeaux", "33063"),
        ("75011", TOWN, "Paris", "75056"),
        ("69003", TOWN, "Lyon", "69123"),
        ("Gironde", DEPARTMENT, "Gironde (33)", None),
        ("gironde (33)", DEPARTMENT, "Gironde (33)", None),
        ("Département 33", DEPARTMENT, "Gironde (33)", None),
        ("2a", DEPARTMENT, "Corse-du-Sud (2A)", None),
        ("974", DEPARTMENT, "La Réunion (974)", None),
        ("La Réunion", DEPARTMENT, "La Réunion (974)", None),
        ("12 rue du Modèle, 33000 Bordeaux", ADDRESS, "12 rue du Modèle, Bordeaux", "33063"),
        ("12 bis rue du Modèle 33000 Bordeaux", ADDRESS, "12 rue du Modèle, Bordeaux", "33063"),
        ("place des Essais, Lyon", ADDRESS, "place des Essais, Lyon", "69123"),
    ],
)
def test_a_place_is_what_people_type(national: Directory, typed: str, kind: str, label: str, insee: str | None) -> None:
    place = national.places.locality(typed)
    assert place is not None
    assert (place.kind, place.label) == (kind, label)
    assert insee in (None, place.town.insee)
    assert (place.point is not None) == (kind == ADDRESS)


@pytest.mark.parametrize("typed", ["", " ", "Trifouillis", "99", "12 rue du Modèle, Trifouillis", "99999", ", Lyon x"])
def test_what_names_no_place_is_none(national: Directory, typed: str) -> None:
    assert national.places.locality(typed) is None


@pytest.mark.parametrize(
    ("insee", "city"), [("75111", "75056"), ("69381", "69123"), ("13216", "13055"), ("33063", "33063")]
)
def test_arrondissements_are_their_city(national: Directory, insee: str, city: str) -> None:
    town = national.town(insee)
    assert town is not None
    assert town.insee == city


def test_an_address_lies_in_its_town_and_neighbours_are_near(directory: Directory) -> None:
    one, next_door, elsewhere = (
        directory.places.locality(f"{line}, Bordeaux")
        for line in ("12 rue du Modèle", "14 RUE DU MODELE", "12 rue du Décor")
    )
    assert one is not None
    assert next_door is not None
    assert elsewhere is not None
    assert one.point is not None
    assert next_door.point is not None
    assert elsewhere.point is not None
    assert distance_km(*one.point, *next_door.point) < 0.05
    assert distance_km(*one.point, *elsewhere.point) > distance_km(*one.point, *next_door.point)
    assert distance_km(*one.point, one.town.lat, one.town.lon) < 5
    assert one.area.radius_km == 10.0


def test_a_departement_has_a_radius_of_its_own(national: Directory) -> None:
    place = national.places.locality("33")
    assert place is not None
    assert place.area.radius_km == 143
    assert place.area.enlargement_km == 5.0
    overseas = national.places.locality("976")
    assert overseas is not None
    assert (overseas.area.radius_km, overseas.area.enlargement_km) == (60.0, 10.0)
    assert distance_km(overseas.area.lat, overseas.area.lon, -12.8, 45.15) < 30


@pytest.mark.skipif(not REFERENCE.exists(), reason="../shared is absent")
def test_centres_and_radii_of_departements_are_those_of_the_platform() -> None:
    nowhere = [Town("x", "x", "x", "x", 0.0, 0.0)]
    with REFERENCE.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if float(row["county_radius_km"])]
    assert len(rows) == 96
    for row in rows:
        area = area_of_department(row["code"].replace("20A", "2A").replace("20B", "2B"), nowhere)
        assert area.radius_km == float(row["county_radius_km"]), row["code"]
        assert distance_km(area.lat, area.lon, float(row["lat"]), float(row["lon"])) < 1.0, row["code"]


def test_suggestions_begin_with_what_is_typed_without_accents_and_are_few(national: Directory) -> None:
    assert national.places.towns.beginning("") == []
    assert national.places.towns.beginning("bordea")[0] == "Bordeaux"
    assert "La Réunion (974)" in national.places.towns.beginning("reunion")
    assert national.places.towns.beginning("33000") == ["Bordeaux"]
    assert national.places.towns.beginning("lhay") == national.places.towns.beginning("L’Haÿ") == ["L'Haÿ-les-Roses"]
    assert national.places.towns.beginning("vandœuvre")[0] == "Vandœuvre-lès-Nancy"
    assert len(national.places.towns.beginning("s", 7)) == 7
