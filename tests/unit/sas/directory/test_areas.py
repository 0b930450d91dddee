"""The platform's table of radii and centres without the platform's file: as it was compared with that, and plausible.

`test_radii_are_those_of_the_platform`, `test_centres_and_radii_of_departements_are_those_of_the_platform` and
`test_towns_lie_within_the_radius_of_their_departements_barycentre` compare with the file where it is at hand.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

import pytest

from sandbox.kernel.model import Town
from sandbox.population.geography.departments import COLLECTIVITIES, DEPARTMENTS
from sandbox.population.geography.gazetteer import french_towns
from sandbox.sas.directory.areas import area_of, area_of_department, distance_km

OVERSEAS = {"971", "972", "973", "974", "976"} | COLLECTIVITIES
PARIS = (48.8566, 2.3522)
# What was compared. When it is another: compare with the platform's file (../shared) before this digest is changed.
COMPARED = "6678f009c5e139ee"


@pytest.fixture(scope="module")
def towns() -> dict[str, list[Town]]:
    """By département."""
    found: dict[str, list[Town]] = defaultdict(list)
    for town, _ in french_towns():
        found[town.department].append(town)
    return found


def row(code: str, towns: list[Town]) -> str:
    department, town = DEPARTMENTS[code], area_of(towns[0])
    whole = area_of_department(code, towns)
    centre = "" if code in OVERSEAS else f" {whole.radius_km:g} {whole.lat:.2f} {whole.lon:.2f}"
    return f"{code} {department.name} {department.territory} {town.radius_km:g} {town.enlargement_km:g}{centre}"


def test_the_table_is_the_one_that_was_compared_with_the_platforms(towns: dict[str, list[Town]]) -> None:
    table = "\n".join(row(code, towns[code]) for code in sorted(DEPARTMENTS))
    assert hashlib.blake2b(table.encode(), digest_size=8).hexdigest() == COMPARED, table


@pytest.mark.parametrize(
    ("code", "town", "whole"),
    [
        ("33", (10.0, 5.0), 143.0),
        ("75", (5.0, 3.0), 14.0),
        ("2B", (40.0, 20.0), 116.0),
        ("48", (50.0, 25.0), 102.0),
        ("01", (20.0, 10.0), 108.0),
        ("974", (10.0, 5.0), 60.0),
        ("973", (20.0, 10.0), 60.0),
    ],
)
def test_some_of_it_in_numbers(
    towns: dict[str, list[Town]], code: str, town: tuple[float, float], whole: float
) -> None:
    around = area_of(towns[code][0])
    assert (around.radius_km, around.enlargement_km) == town
    assert area_of_department(code, towns[code]).radius_km == whole


def test_every_departement_has_areas_and_its_own_is_the_larger(towns: dict[str, list[Town]]) -> None:
    for code in DEPARTMENTS:
        town, whole = area_of(towns[code][0]), area_of_department(code, towns[code])
        assert 5 <= town.radius_km < whole.radius_km <= 143, code
        assert town.radius_km / 2 <= town.enlargement_km == whole.enlargement_km < town.radius_km, code


def test_the_denser_the_departement_the_smaller_the_area(towns: dict[str, list[Town]]) -> None:
    radius = {code: area_of(towns[code][0]).radius_km for code in DEPARTMENTS}
    people: dict[str, int] = defaultdict(int)
    for town, inhabitants in french_towns():
        people[town.department] += inhabitants
    small = [people[code] for code in radius if radius[code] <= 10 and code not in OVERSEAS]
    large = [people[code] for code in radius if radius[code] >= 40]
    assert sum(small) / len(small) > 5 * sum(large) / len(large)


def test_towns_lie_within_the_area_of_their_departement(towns: dict[str, list[Town]]) -> None:
    for code in DEPARTMENTS.keys() - OVERSEAS:
        area = area_of_department(code, [])
        for town in towns[code]:
            assert distance_km(area.lat, area.lon, town.lat, town.lon) <= area.radius_km * 1.01, town


def test_centres_lie_where_the_departements_lie(towns: dict[str, list[Town]]) -> None:
    """Within some kilometres of the middle of its towns."""
    centres = {code: area_of_department(code, []) for code in DEPARTMENTS.keys() - OVERSEAS}
    for code, area in centres.items():
        mine = towns[code]
        lat, lon = (sum(each) / len(mine) for each in zip(*((town.lat, town.lon) for town in mine), strict=True))
        assert distance_km(area.lat, area.lon, lat, lon) < 45, code
    assert distance_km(centres["75"].lat, centres["75"].lon, *PARIS) < 2


@pytest.mark.parametrize(
    ("code", "territory"), [("33", "SAS-33"), ("2A", "SAS-20A"), ("2B", "SAS-20B"), ("974", "SAS-974")]
)
def test_territories_are_coded_as_the_sas_codes_them(code: str, territory: str) -> None:
    assert DEPARTMENTS[code].territory == territory
