"""Places as people and systems write them: every town of the dataset in every spelling, and what contradicts itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from sandbox.kernel.model import Town
from sandbox.population.geography.departments import DEPARTMENTS
from sandbox.population.geography.gazetteer import french_towns, postal_codes
from sandbox.population.people import Population
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.place_names import Contradiction, read_town
from sandbox.sas.directory.places import ADDRESS, DEPARTMENT, TOWN, Places, split_number

APOSTROPHE, HYPHEN = "\u2019", "\u2011"


def spellings(town: Town) -> Iterator[str]:
    """The ways in which one town is written, each with something that tells it from its namesakes."""
    code, home = town.postal_code, DEPARTMENTS[town.department]
    name = town.name
    yield f"{name} ({town.department})"
    yield f"{code} {name}"
    yield f"{name.upper()} {code}"
    yield f"{name.replace(chr(39), APOSTROPHE).replace('-', HYPHEN)} ({town.department})"
    yield f"{name.replace('œ', 'oe').replace('Œ', 'Oe')}, {home.name}"
    yield f"{name.replace('-', ' ').replace(chr(39), ' ')} {town.department.lower()}"
    yield f"{name.replace(chr(39), '')} {code}"
    yield f"{name.replace('Sainte-', 'Ste ').replace('Saint-', 'St ')} ({home.name})"
    yield f"{code[:-2]}99 {name.upper()} CEDEX 9"
    yield f"{name} {town.insee}"
    for further in postal_codes().get(town.insee, ()):
        yield f"{further} {name}"


def test_every_town_is_found_in_every_spelling(national: Directory) -> None:
    missed = []
    for town in national.population.towns.values():
        for text in spellings(town):
            found = national.places.towns.town(name=text)
            if found is None or found.insee != town.insee:
                missed.append((text, town.insee, found))
    assert missed == []


def test_every_postal_code_leads_to_a_town_that_has_it(national: Directory) -> None:
    for town, _ in french_towns():
        for code in national.places.towns.postal_codes(town):
            place = national.places.locality(code)
            assert place is not None, code
            assert code in national.places.towns.postal_codes(place.town)


def test_every_namesake_is_offered_with_what_tells_it_apart(national: Directory) -> None:
    names = Counter(town.name for town in national.population.towns.values())
    for name in (name for name, number in names.items() if number > 1):
        place = national.places.locality(name)
        assert place is not None
        meant = [national.places.locality(text) for text in place.others]
        assert len({found.label + found.town.insee for found in meant if found is not None}) == len(place.others)
        assert len([found for found in meant if found is not None and found.kind == TOWN]) >= names[name] - 1


@pytest.mark.parametrize(
    ("text", "insee"),
    [
        ("33800", "33063"),
        ("75116", "75056"),
        ("75000", "75056"),
        ("33076 Bordeaux Cedex", "33063"),
        ("BORDEAUX CEDEX", "33063"),
        ("33076 Bordeaux", "33063"),  # a code of a CEDEX without the word
        ("Lyon 3e arrondissement", "69123"),
        ("69003 Lyon 3ème", "69123"),
        ("Lyon 1er", "69123"),
        ("Paris 16", "75056"),
        ("Paris 16 e arr.", "75056"),
        ("Paris, XVIe arrondissement", "75056"),
        ("75111 Paris", "75056"),
        ("33 000 Bordeaux", "33063"),
        ("69 003 Lyon", "69123"),
        ("33 800", "33063"),
        ("Lyon troisième arrondissement", "69123"),
        ("Paris dix-septième", "75056"),
        ("Marseille premier arrondissement", "13055"),
        ("Vienne Isère", "38544"),
        ("Bordeaux Gironde", "33063"),
        ("Saint-Denis de La Réunion", "97411"),
        ("Neuilly-sur-Marne", "93050"),  # not a Neuilly-sur in Marne
        ("Bouscat (Le)", "33069"),
        ("Chalon s/ Saône", "71076"),
        ("Castelnau-le-Lès", "34057"),
        ("Vienne, Isère", "38544"),
        ("Saint-Denis, La Réunion", "97411"),
        ("St Denis (Réunion)", "97411"),
        ("20000 Ajaccio", "2A004"),
        ("97150 Saint-Martin", "97801"),
    ],
)
def test_a_town_by_whatever_people_write(national: Directory, text: str, insee: str) -> None:
    place = national.places.locality(text)
    assert place is not None
    assert (place.kind, place.town.insee) == (TOWN, insee)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Val-d’Oise", "Val-d'Oise (95)"),
        ("Vienne (86)", "Vienne (86)"),
        ("Département de la Gironde", "Gironde (33)"),
        ("Réunion", "La Réunion (974)"),
    ],
)
def test_a_departement_by_whatever_people_write(national: Directory, text: str, label: str) -> None:
    place = national.places.locality(text)
    assert place is not None
    assert (place.kind, place.label) == (DEPARTMENT, label)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("12B rue de l’Exemple, 33800 Bordeaux, France", "12 rue de l’Exemple, Bordeaux"),
        ("12, rue du Modèle 75002 PARIS CEDEX 02", "12 rue du Modèle, Paris"),
        ("3 quai du Test, Lyon 2e arrondissement", "3 quai du Test, Lyon"),
    ],
)
def test_an_address_in_it(national: Directory, text: str, label: str) -> None:
    place = national.places.locality(text)
    assert place is not None
    assert (place.kind, place.label) == (ADDRESS, label)


@pytest.mark.parametrize(
    ("text", "french"),
    [
        ("Lyon Isère", "Lyon est dans le département Rhône (69), le texte dit « Isère (38) »"),
        ("Bordeaux (69)", "Bordeaux est dans le département Gironde (33), le texte dit « Rhône (69) »"),
        ("33000 Lyon", "le texte dit « 33000 » ; ce code postal est celui de Bordeaux"),
        ("33700 Bordeaux", "ce code postal est celui de Mérignac"),
        ("69033 Bordeaux Cedex", "le texte dit « 69033 »"),
        ("12 rue du Modèle, 69000 Bordeaux", "ce code postal est celui de Lyon"),
        ("Lyon 10e arrondissement", "Lyon n'a pas de 10e arrondissement."),
        ("Bordeaux 1er", "Bordeaux n'a pas de 1er arrondissement."),
        ("Gironde (69)", "« 69 » n'est pas Gironde (33)"),
    ],
)
def test_a_contradiction_is_said(national: Directory, text: str, french: str) -> None:
    with pytest.raises(Contradiction) as caught:
        national.places.locality(text)
    assert french in caught.value.french
    assert caught.value.status == 400


@pytest.mark.parametrize("text", ["33076", "Cedex", "Cedex 9", "arrondissement", "3e arrondissement", "²", "٣٣", "1"])
def test_half_a_place_is_none(national: Directory, text: str) -> None:
    assert national.places.locality(text) is None


def test_what_is_not_said_is_offered(national: Directory) -> None:
    offered = {text: place.others for text in OFFERED if (place := national.places.locality(text)) is not None}
    assert offered == OFFERED


OFFERED: dict[str, tuple[str, ...]] = {
    "Saint-Denis": ("Saint-Denis (93)",),
    "Saint-Denis (93)": (),
    "3 rue du Test, Saint-Denis": ("Saint-Denis (93)",),
    "Vienne": ("Vienne (86)",),
    "Vienne (38)": (),
    "Paris": (),  # the département of that name is the town
    "33240": ("Cubzac-les-Ponts", "Peujard"),
}


def test_towns_of_the_persona_files_have_all_their_codes_too(population: Population) -> None:
    places = Places(population.towns)
    for code in ("33000", "33800", "33300", "69009", "35200"):
        place = places.locality(code)
        assert place is not None, code
    assert places.towns.beginning("33800") == ["Bordeaux"]


def test_a_town_with_namesakes_is_labelled_with_its_departement(national: Directory) -> None:
    found = {text: national.places.locality(text) for text in ("Saint-Denis", "93200", "Paris")}
    labels = {text: place.label for text, place in found.items() if place is not None}
    assert labels == {"Saint-Denis": "Saint-Denis (974)", "93200": "Saint-Denis (93)", "Paris": "Paris"}


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("12 rue de l'Exemple", ("12", "rue de l'Exemple")),
        ("12 bis, rue de l'Exemple", ("12", "rue de l'Exemple")),
        ("12b rue", ("12", "rue")),
        ("place des Essais", ("", "place des Essais")),
        ("8", ("", "8")),
    ],
)
def test_a_number_is_split_from_its_street(line: str, parts: tuple[str, str]) -> None:
    assert split_number(line) == parts


def test_a_text_is_taken_apart_even_when_it_names_nothing() -> None:
    said = read_town("99999 Nulle-Part Cedex 3")
    assert (said.name, said.codes, said.cedex) == ("nulle part", ("99999",), True)
