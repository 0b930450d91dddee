"""The preset `national`: the country around the hand-made people, with as many people and places as in reality."""

from __future__ import annotations

import re
import shutil
import time
import tracemalloc
from collections import Counter
from datetime import date
from itertools import combinations

import pytest

from sandbox.config import Settings, load_settings
from sandbox.kernel.errors import ConfigError, UsageError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import FINESS, SIRET, has_luhn, national_phone
from sandbox.population.agendas.agenda import zone_of
from sandbox.population.agendas.calendar import region_of
from sandbox.population.country import territories
from sandbox.population.load import load_population, personas_directory
from tests.support.planned_slots import day_slots
from tests.support.watchdog import untraced

NATIONAL = load_settings({"preset": "national"}, {})
COLLECTIVITIES = {"975": "America/Miquelon", "977": "America/St_Barthelemy", "978": "America/Marigot",
                  "986": "Pacific/Wallis", "987": "Pacific/Tahiti", "988": "Pacific/Noumea"}  # fmt: skip
PREFIX = {"971": "+590", "972": "+596", "973": "+594", "974": "+262", "976": "+262"}


@pytest.fixture(scope="module")
def france():
    return load_population(NATIONAL)


@pytest.fixture(scope="module")
def demo():
    return load_population(load_settings({"preset": "demo"}, {}))


def test_numbers_are_those_of_the_real_country(france):
    assert len(france) == 100_015 + 4_000
    assert len(france.editors) == 26
    assert len(france.sos) == 60
    assert sum(len(association.sites) for association in france.sos.values()) == 150
    assert {len(association.sites) for association in france.sos.values()} == {1, 2, 3, 4, 5, 6}
    assert len(france.cpts) == 800
    assert len({town.department for town in france.towns.values()}) == 101 + 6


def test_loading_it_is_quick_and_derives_nobody(france):
    with untraced():
        begun = time.process_time()
        again = load_population(NATIONAL)
        assert time.process_time() - begun < 0.5
    assert again.procedural.numbered.cache_info().currsize == 0
    assert again.communities._found.cache_info().currsize == 0


def test_handmade_people_live_in_every_preset(france, demo):
    minimal = load_population(load_settings({"preset": "minimal"}, {}))
    for population in (france, demo, minimal):
        assert list(population.handmade()) == list(minimal.handmade())
        assert population.examples == minimal.examples
        assert population.regulators[: len(minimal.regulators)] == minimal.regulators
        assert population.territories.items() >= minimal.territories.items()
        assert population.cpts.items() >= minimal.cpts.items()
        assert population.sos.items() >= minimal.sos.items()
        assert population.editors.items() >= minimal.editors.items()
        assert population.towns.items() >= minimal.towns.items()


def test_demo_stays_in_its_three_territories(demo):
    assert len(demo) == 2_015 + 80
    assert set(demo.territories) == {"SAS-33", "SAS-35", "SAS-69"}
    assert {town.department for town in demo.towns.values()} == {"33", "35", "69"}


def test_every_departement_has_its_share_of_practitioners(france):
    people = Counter(
        {code: sum(1 for _ in france.procedural.settled_in(code)) for code in france.procedural.departments}
    )
    assert sum(people.values()) == 104_000
    assert len(people) == 107
    assert people["75"] > 3_000
    assert min(number for code, number in people.items() if code not in COLLECTIVITIES) > 40
    assert 300 < sum(people[code] for code in COLLECTIVITIES) < 1500
    low, high = france.procedural.recipe.shares["59"]
    assert abs(people["59"] - (high - low) / 2**32 * 104_000) < 6


def test_editors_are_distinct_and_of_all_kinds(france):
    editors = france.editors.values()
    for what in ("slug", "name", "system", "ou"):
        assert len({getattr(editor, what) for editor in editors}) == 26
    for editor in editors:
        assert re.fullmatch(r"[a-z]+-[a-z]+", editor.slug)
        assert re.fullmatch(r"#[0-9a-f]{6}", editor.colour)
        assert re.fullmatch(r"3[0-9]{14}", editor.ou)
        assert {Flow.INT_R02, Flow.INT_R03} <= set(editor.flows)
    speakers = Counter(flow for editor in editors for flow in editor.flows)
    assert speakers[Flow.INT_R01] == 21
    assert 5 <= speakers[Flow.INT_R04] <= 10
    assert speakers[Flow.SOS] == 4
    assert speakers[Flow.PDM] == 3


def test_associations_have_their_sites_around_them_overseas_too(france):
    ids = [site.id for association in france.sos.values() for site in association.sites]
    assert len(set(ids)) == len(ids)
    seen = set()
    for association in france.sos.values():
        assert SIRET.fullmatch(association.siret)
        assert has_luhn(association.siret[1:])
        assert france.editors[association.editor].speaks(Flow.SOS)
        home = france.towns[association.sites[0].insee]
        seen.add(home.department)
        for site in association.sites:
            assert france.site(site.id) == (association, site)
            assert abs(site.lat - home.lat) < 0.2
            assert abs(site.lon - home.lon) < 0.25
            assert site.phone is None or national_phone(site.phone).startswith(PREFIX.get(home.department, "+33"))
    assert set(PREFIX) <= seen
    homes = [france.towns[association.sites[0].insee] for association in france.sos.values()]
    assert all(abs(a.lat - b.lat) + abs(a.lon - b.lon) > 0.1 for a, b in combinations(homes, 2))


def test_cpts_cover_the_country_and_overlap(france):
    zones = Counter(insee for cpts in france.cpts.values() for insee in cpts.zone)
    assert set(zones) == set(france.towns)
    assert 200 < sum(number > 1 for number in zones.values()) < len(zones) / 2
    for cpts in france.cpts.values():
        assert FINESS.fullmatch(cpts.finess)
        assert len({france.towns[insee].department for insee in cpts.zone}) == 1
        assert len(set(cpts.zone)) == len(cpts.zone)
        assert cpts.phone is None or national_phone(cpts.phone)


def test_some_practitioners_are_in_two_cpts(france):
    sample = [france.procedural.numbered(number) for number in range(3000)]
    members = Counter(len(person.cpts) for person in sample)
    assert 0.1 < members[1] / 3000 < 0.35
    assert 0.005 < members[2] / 3000 < 0.05
    assert set(members) == {0, 1, 2}
    assert all(finess in france.cpts for person in sample for finess in person.cpts)


def test_overseas_people_have_the_phones_and_the_hours_of_their_zone(france):
    for code, prefix in PREFIX.items():
        people = [france.practitioner(each.id) for each in list(france.procedural.settled_in(code))[:40]]
        phones = [national_phone(person.phone) for person in people if person.phone]
        assert phones
        assert all(phone.startswith(prefix) for phone in phones)
        zone = zone_of(code)
        for day in (date(2026, 11, 23), date(2026, 7, 6)):
            slots = [
                slot
                for person in people
                for place in person.places
                for slot, _ in day_slots(france.seed, place.id, day, place.agenda, region_of(place.insee))
            ]
            assert slots
            assert {slot.start.utcoffset() for slot in slots} == {zone.utcoffset(slots[0].start)}
            assert all(8 <= slot.start.hour < 22 for slot in slots)
    assert zone_of("97411").key == "Indian/Reunion"


def test_structures_of_all_departements_are_found_by_their_finess(france):
    structures = france.procedural.recipe.structures
    seen = {}
    for town in france.towns.values():
        group = structures.drawn(town, 0)
        assert FINESS.fullmatch(group.finess)
        assert seen.setdefault(group.finess, town.insee) == town.insee
        assert structures.find(group.finess) == group
        assert (group.insee, group.city) == (town.insee, town.name)
    assert len({structures.drawn(france.towns["75056"], number).finess for number in range(256)}) == 84


def test_people_of_the_collectivities_have_their_hours_and_a_phone_that_slots_may_carry(france):
    for code, zone in COLLECTIVITIES.items():
        people = [france.practitioner(each.id) for each in france.procedural.settled_in(code)]
        assert people
        assert {zone_of(place.insee).key for person in people for place in person.places} == {zone}
        phones = [national_phone(person.phone) for person in people if person.phone]
        prefix = "+590" if code in ("977", "978") else "+33"
        assert all(phone.startswith(prefix) for phone in phones)
        assert not any(association.sites[0].insee.startswith(code) for association in france.sos.values())
    assert {"98735", "98818", "97502", "97801"} <= set(france.towns)


def test_territories_exist_where_somebody_regulates(france):
    assert set(france.territories) == {each.territory for each in france.regulators}
    assert {"SAS-33", "SAS-75", "SAS-974", "SAS-976"} <= set(france.territories)
    assert len({each.samu for each in france.territories.values()}) == len(france.territories) == 11
    assert france.territories["SAS-974"].samu == "fr.health.samu9740"
    assert france.territories["SAS-974"].lrm_slug == "samu9740"
    for what in ("email", "identifier"):
        assert len({getattr(each, what) for each in france.regulators}) == len(france.regulators)
    assert all(re.fullmatch(r"[a-z.'-]+@samu[0-9]+\.example", each.email) for each in france.regulators)


def test_every_departement_has_a_territory_that_may_be_regulated():
    everywhere = territories()
    assert len(everywhere) == 107
    for what in ("samu", "origin", "lrm_slug"):
        assert len({getattr(each, what) for each in everywhere.values()}) == 107
    for each in everywhere.values():
        assert re.fullmatch(r"fr\.health(\.[a-z0-9-]+)+", each.samu)
        assert re.fullmatch(r"urn:oid:[0-9]+(\.(0|[1-9][0-9]*))+", each.origin)
    assert everywhere["SAS-20A"].samu == "fr.health.samu2a0"
    assert everywhere["SAS-01"].origin.endswith(".9.1")


@pytest.fixture
def personas(tmp_path):
    return shutil.copytree(personas_directory(Settings()), tmp_path / "personas")


def test_persona_files_may_name_any_town_and_territory_of_the_country(personas):
    regulators, people = personas / "regulators.yaml", personas / "practitioners.yaml"
    regulators.write_text(regulators.read_text("utf-8").replace("territory: SAS-35", "territory: SAS-29", 1), "utf-8")
    people.write_text(people.read_text("utf-8").replace('town: "35047"', 'town: "29019"', 1), "utf-8")
    france = load_population(Settings(scope="france", personas=str(personas)))
    assert france.territories["SAS-29"].samu == "fr.health.samu290"
    assert france.place("kerbrieuc-bruz")[1].city == "Brest"
    with pytest.raises(ConfigError, match="unknown town '29019'"):
        load_population(Settings(personas=str(personas)))


def test_what_a_file_says_of_a_town_wins(france):
    assert france.towns["69123"].postal_code == "69002"  # the dataset says 69001
    assert next(iter(france.towns)) == "33063"


def test_a_town_of_the_files_that_the_dataset_lacks_has_people_too(personas):
    towns = personas / "towns.yaml"
    row = '- {insee: "29999", name: Ker-Ys, postal_code: "29100", lat: 48.1, lon: -4.4, inhabitants: 3000000}'
    towns.write_text(f"{towns.read_text('utf-8')}\n{row}\n", "utf-8")
    france = load_population(Settings(scope="france", personas=str(personas), practitioners=500))
    assert any(person.places[0].city == "Ker-Ys" for person in france.practitioners())
    assert any("29999" in cpts.zone for cpts in france.cpts.values())


def test_it_takes_little_memory():
    tracemalloc.start()
    try:
        kept = load_population(NATIONAL)
        assert tracemalloc.get_traced_memory()[0] < 20 * 2**20
    finally:
        tracemalloc.stop()
    assert len(kept) > 100_000


def test_an_unknown_scope_is_refused():
    with pytest.raises(UsageError, match="scope: 'europe' is not usable"):
        load_settings({"scope": "europe"}, {})
