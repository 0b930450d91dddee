"""The contextual call's parameters, form by form (INT_L01)."""

from __future__ import annotations

import pytest

from sandbox.kernel.model import Practitioner, Territory, Town
from sandbox.sas.directory.areas import area_of
from sandbox.sas.directory.places import ADDRESS, DEPARTMENT, TOWN, Locality
from sandbox.sas.directory.towns import Towns
from sandbox.sas.search.contextual import (
    PreferredDoctor,
    form_text,
    is_named,
    lrm_of,
    place_of,
    read_practitioner,
    read_specialty,
)

GIRONDE = Territory("SAS-33", "Gironde", "33", "fr.health.samu330", "urn:oid:1.2.250.1.999.9.33")
BORDEAUX = Town("33063", "Bordeaux", "33000", "33", 44.84, -0.58)
RPPS = "urn:oid:1.2.250.1.71.4.2.1"


@pytest.mark.parametrize(
    "origin",
    ["urn:oid:1.2.250.1.999.9.33", "1.2.250.1.999.9.33", "URN:OID:1.2.250.1.999.9.33", "fr.health.samu330", " SAS-33 "],
)
def test_an_lrm_is_known_by_its_oid_or_a_registered_name(origin: str) -> None:
    assert lrm_of(origin, [GIRONDE]) is GIRONDE


@pytest.mark.parametrize("origin", ["", "urn:oid:1.2.250.1.999.9.3", "samu", "urn:oid:"])
def test_any_other_origin_is_unknown(origin: str) -> None:
    assert lrm_of(origin, [GIRONDE]) is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("urn:oid:1.2.250.1.71.4.2.5|SM54", "SM54"),
        ("  mal  de gorge ", "mal de gorge"),
        ("SM40", "SM40"),
        ("", ""),
        ("urn:oid:1.2.250.1.71.4.2.5|", ""),
    ],
)
def test_a_specialty_is_what_follows_the_bar(text: str, read: str) -> None:
    assert read_specialty(text) == read


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        (f"{RPPS}|819800000010", PreferredDoctor(id="819800000010")),
        (f" {RPPS.upper()}|819800000010 ", PreferredDoctor(id="819800000010")),
        ("819800000010", PreferredDoctor(id="819800000010")),
        ("Dr  Amélie Duvallon", PreferredDoctor(name="Dr Amélie Duvallon")),
        ("", PreferredDoctor(error="sas_pf_002")),
        ("   ", PreferredDoctor(error="sas_pf_002")),
        (f"{RPPS}|19800000010", PreferredDoctor(error="sas_pf_001")),  # without its prefix
        (f"{RPPS}|0339900015", PreferredDoctor(error="sas_pf_001")),  # an ADELI
        (f"{RPPS}|81980000001X", PreferredDoctor(error="sas_pf_001")),
        (f"{RPPS}|", PreferredDoctor(error="sas_pf_001")),
        ("urn:oid:1.2.250.1.71.4.2.2|819800000010", PreferredDoctor(error="sas_pf_001")),
        ("x|819800000010", PreferredDoctor(error="sas_pf_001")),
        (RPPS, PreferredDoctor(error="sas_pf_001")),
        ("urn Duvallon", PreferredDoctor(error="sas_pf_001")),
        ("oid Duvallon", PreferredDoctor(error="sas_pf_001")),
        ("Duvallon:", PreferredDoctor(error="sas_pf_001")),
        ("0339900015", PreferredDoctor(error="sas_pf_001")),
        ("12345", PreferredDoctor(error="sas_pf_001")),
    ],
)
def test_a_preferred_doctor_is_an_rpps_or_a_name_and_nothing_else(text: str, wish: PreferredDoctor) -> None:
    assert read_practitioner(text) == wish


@pytest.mark.parametrize(
    "name",
    ["Duvallon", "amelie duvallon", "DUVALLON Amélie", "Dr Duvallon", "Docteure Amélie DUVALLON", "Pr. duvallon"],
)
def test_a_doctor_is_known_by_his_name_however_it_is_written(name: str) -> None:
    assert is_named(Practitioner("819800000010", "DUVALLON", "Amélie", "agenda-azur", ()), name)


@pytest.mark.parametrize("name", ["Amélie", "Duval", "Amélie Dupont", "dr"])
def test_half_a_name_is_not_enough(name: str) -> None:
    assert not is_named(Practitioner("819800000010", "DUVALLON", "Amélie", "agenda-azur", ()), name)


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"place": " Bordeaux ", "city": "Pessac"}, "Bordeaux"),
        (
            {"streetnumber": "n° 12", "streetname": "cours de l'Exemple", "city": "Bordeaux"},
            "12 cours de l'Exemple, Bordeaux",
        ),
        ({"streetname": "cours de l'Exemple", "inseecode": "33063"}, "cours de l'Exemple, 33063"),
        ({"streetnumber": "12", "city": "Bordeaux"}, "Bordeaux"),
        ({}, ""),
    ],
)
def test_the_place_of_a_call_as_people_would_type_it(values: dict[str, str], place: str) -> None:
    assert place_of(values) == place


@pytest.mark.parametrize(
    ("kind", "label", "text"),
    [
        (TOWN, "Bordeaux", "33000 Bordeaux"),
        (ADDRESS, "12 cours de l'Exemple, Bordeaux", "12 cours de l'Exemple, 33000 Bordeaux"),
        (DEPARTMENT, "Gironde (33)", "Gironde (33)"),
    ],
)
def test_a_place_is_written_so_that_the_form_understands_it_again(kind: str, label: str, text: str) -> None:
    assert form_text(Locality(kind, label, BORDEAUX, area_of(BORDEAUX))) == text


@pytest.mark.parametrize(
    ("code", "city"),
    [
        *((str(code), "75056") for code in (75101, 75116, 75120)),
        *((str(code), "69123") for code in (69381, 69389)),
        *((str(code), "13055") for code in (13201, 13216)),
    ],
)
def test_arrondissements_of_three_cities_are_their_city(code: str, city: str) -> None:
    towns = {insee: Town(insee, insee, "", insee[:2], 45.0, 3.0) for insee in ("75056", "69123", "13055")}
    assert Towns(towns).town(code) is towns[city]
    assert Towns({}).town(code) is None
