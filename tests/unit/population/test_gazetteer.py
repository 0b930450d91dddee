"""The dataset of towns: complete over all départements, plausible, light, and inside the wheel."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from sandbox.population.geography.departments import COLLECTIVITIES, DEPARTMENTS, department, department_of, phone_of
from sandbox.population.geography.gazetteer import FILE, POSTAL_CODES, french_towns, postal_codes

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT.parent / "shared" / "reference" / "geo" / "search_radius_by_department.csv"
# South, north, west, east in degrees.
MAINLAND = (41.3, 51.2, -5.2, 9.7)
OVERSEAS = {
    "971": (15.8, 16.6, -61.9, -60.9), "972": (14.3, 14.95, -61.3, -60.75), "973": (2.0, 5.9, -54.7, -51.5),
    "974": (-21.45, -20.8, 55.15, 55.9), "976": (-13.05, -12.6, 44.95, 45.35),
    "975": (46.7, 47.2, -56.5, -56.1), "977": (17.85, 17.97, -62.95, -62.75), "978": (18.0, 18.15, -63.2, -62.95),
    "986": (-14.4, -13.1, -178.3, -176.1), "987": (-28.0, -7.8, -155.0, -134.0), "988": (-22.8, -19.5, 163.5, 168.3),
}  # fmt: skip


def test_every_departement_has_several_of_its_towns():
    found = Counter(town.department for town, _ in french_towns())
    assert set(found) == set(DEPARTMENTS)
    assert len(found) == 101 + len(COLLECTIVITIES)
    assert {code for code, number in found.items() if number < 12} == {"75", "975", "977", "978", "986"}
    assert len(french_towns()) > 5000


def test_rows_are_well_formed_and_the_largest_come_first():
    towns = french_towns()
    assert len({town.insee for town, _ in towns}) == len(towns)
    assert [number for _, number in towns] == sorted((number for _, number in towns), reverse=True)
    for town, _ in towns:
        assert re.fullmatch(r"[0-9][0-9AB][0-9]{3}", town.insee)
        assert re.fullmatch(r"[0-9]{5}", town.postal_code)
        assert town.name == town.name.strip() != ""


def test_towns_lie_inside_france():
    for town, _ in french_towns():
        south, north, west, east = OVERSEAS.get(town.department, MAINLAND)
        assert south < town.lat < north, town
        assert west < town.lon < east, town


def test_towns_of_a_departement_lie_together():
    centres = {code: [town for town, _ in french_towns() if town.department == code] for code in DEPARTMENTS}
    del centres["987"]  # islands as far apart as Paris and Moscow
    for code, towns in centres.items():
        lat = sum(town.lat for town in towns) / len(towns)
        lon = sum(town.lon for town in towns) / len(towns)
        for town in towns:
            assert math.hypot(town.lat - lat, (town.lon - lon) * math.cos(math.radians(lat))) < 2.6, (code, town)


@pytest.mark.skipif(not REFERENCE.exists(), reason="../shared is absent")
def test_towns_lie_within_the_radius_of_their_departements_barycentre():
    with REFERENCE.open(encoding="utf-8") as file:
        rows = {row["code"].replace("20A", "2A").replace("20B", "2B"): row for row in csv.DictReader(file)}
    assert set(rows) == set(DEPARTMENTS) - COLLECTIVITIES
    for town, _ in french_towns():
        if town.department in COLLECTIVITIES:
            continue
        row = rows[town.department]
        assert DEPARTMENTS[town.department].name == row["department"]
        assert DEPARTMENTS[town.department].territory == row["territory"]
        if town.department in OVERSEAS:
            continue  # their rows hold zeros
        north, east = town.lat - float(row["lat"]), town.lon - float(row["lon"])
        km = 111.2 * math.hypot(north, east * math.cos(math.radians(town.lat)))
        assert km <= float(row["county_radius_km"]) * 1.01, town


def test_a_few_towns_that_everybody_knows():
    towns = {town.insee: (town, number) for town, number in french_towns()}
    paris, inhabitants = towns["75056"]
    assert (paris.name, paris.postal_code, paris.department) == ("Paris", "75001", "75")
    assert abs(paris.lat - 48.86) < 0.02
    assert abs(paris.lon - 2.35) < 0.02
    assert inhabitants > 2_000_000
    assert towns["97411"][0].name == "Saint-Denis"
    assert towns["2A004"][0].department == "2A"


def test_all_postal_codes_of_a_town_are_known_and_the_main_one_is_among_them():
    towns = {town.insee: town for town, _ in french_towns()}
    assert {"33800", "33000"} <= set(postal_codes()["33063"])
    assert "75116" in postal_codes()["75056"]
    for insee, codes in postal_codes().items():
        assert len(codes) > 1
        assert towns[insee].postal_code in codes
    assert "Licence Ouverte 2.0" in POSTAL_CODES.read_text("utf-8")


def test_file_is_small_read_once_and_says_where_it_comes_from():
    assert FILE.stat().st_size < 400_000
    assert french_towns() is french_towns()
    header = "".join(line for line in FILE.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    for word in ("@etalab/decoupage-administratif", "Licence Ouverte 2.0", "GeoNames", "CC BY 4.0"):
        assert word in header


def test_nothing_is_read_before_somebody_asks():
    code = (
        "from sandbox.config import Settings; from sandbox.population import load;"
        "from sandbox.population.geography import gazetteer;"
        "load.load_population(Settings(practitioners=5));"
        "raise SystemExit(gazetteer.french_towns.cache_info().currsize)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_the_wheel_carries_it():
    carried = {each.distribution_path for each in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert str(FILE.relative_to(ROOT)) in carried


@pytest.mark.parametrize(
    ("code", "territory", "digits", "phone"),
    [
        ("33", "SAS-33", "33", "0536490007"),
        ("2A", "SAS-20A", "20", "0465710007"),
        ("974", "SAS-974", "97", "0262000007"),
        ("75", "SAS-75", "75", "0199000007"),
        ("988", "SAS-988", "98", "0199000007"),
    ],
)
def test_departements_know_their_territory_and_phones_that_nobody_has(code, territory, digits, phone):
    assert (department(code).territory, department(code).digits) == (territory, digits)
    assert phone_of(code, 7) == phone_of(code, 1007) == phone


@pytest.mark.parametrize(("insee", "code"), [("33063", "33"), ("2A004", "2A"), ("97411", "974"), ("98818", "988")])
def test_departement_is_read_from_the_insee_code(insee, code):
    assert department_of(insee) == code
