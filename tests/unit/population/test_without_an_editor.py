"""Who serves patients without an interfaced editor: people of the SAS agenda, communities, structures, and those who
accept one more patient (« extra »), in plausible numbers everywhere."""

from __future__ import annotations

import gc
import shutil
import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from sandbox.config import Settings, load_settings
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import UsageError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import national_phone
from sandbox.population.agendas.agenda import day_plan
from sandbox.population.agendas.calendar import is_public_holiday, region_of
from sandbox.population.geography.distances import distance_km
from sandbox.population.load import load_population, personas_directory
from sandbox.population.procedural import TYPING, index_of
from sandbox.sas.directory.participation import accepts_extra
from tests.support.watchdog import untraced


@pytest.fixture(scope="module")
def france():
    return load_population(load_settings({"preset": "national"}, {}))


@pytest.fixture(scope="module")
def minimal():
    return load_population(load_settings({"preset": "minimal"}, {}))


@pytest.fixture(scope="module")
def typing(france):
    return [france.procedural.numbered(number) for number in france.procedural.typing]


# --- people of the SAS agenda ---


def test_one_more_practitioner_in_25_types_slots(france, typing):
    assert len(typing) == 4_000
    for person in typing:
        assert person.editor == ""
        assert index_of(person.id) >= TYPING
        assert france.types_slots(person.id)
        assert person.stored_id == person.id
        assert person.password == f"agenda-{region_code(person)}"
    assert not any(france.types_slots(person.id) for person in islice_of(france, 200))
    assert not france.types_slots("nobody")


def region_code(person):
    insee = person.places[0].insee
    return insee[:3] if insee[:2] in ("97", "98") else insee[:2]


def islice_of(france, count):
    return [france.procedural.numbered(number) for number in range(count)]


def test_handmade_people_of_the_sas_agenda_are_those_without_an_editor(minimal):
    assert {person.id for person in minimal.handmade() if minimal.types_slots(person.id)} == {
        "819800000127", "819800000135", "819800000143"
    }  # fmt: skip


def test_they_have_places_phones_and_cpts_like_everybody(france, typing):
    places = Counter(len(person.places) for person in typing)
    assert 0.70 < places[1] / len(typing) < 0.85
    assert places[2] > 400
    assert sum(person.phone is not None for person in typing) / len(typing) > 0.9
    members = [person for person in typing if person.cpts]
    assert 0.4 < len(members) / len(typing) < 0.75
    for person in members[:200]:
        assert all(person.places[0].insee in france.cpts[finess].zone for finess in person.cpts)
    for person in typing[:200]:
        for place in person.places:
            assert france.place(place.id) == (person, place)


def test_their_weeks_are_what_somebody_types_in(typing):
    weeks = [place.agenda for person in typing for place in person.places]
    monday, metropole = date(2026, 11, 23), region_of("33063")
    sizes = Counter(
        sum(len(day_plan(1, "x", monday + timedelta(days=day), every_slot(week), metropole)) for day in range(7))
        for week in {(week.slot_minutes, week.patients): week for week in weeks}.values()
    )
    assert all(8 <= size <= 20 for size in sizes)
    assert Counter(week.patients for week in weeks).keys() == {1, 2}
    assert 0.1 < sum(week.patients == 2 for week in weeks) / len(weeks) < 0.35
    assert {week.leave for week in weeks} == {0}


def every_slot(week):
    """The week with all its slots: nobody takes one."""
    return replace(week, occupation=0.0, own_patients=0.0)


def test_weeks_without_weight_mean_that_nobody_else_types_slots(tmp_path):
    personas = shutil.copytree(personas_directory(Settings()), tmp_path / "personas")
    agendas = personas / "agendas.yaml"
    lines = [line for line in agendas.read_text("utf-8").splitlines() if not line.lstrip().startswith("typed:")]
    agendas.write_text("\n".join(lines), encoding="utf-8")
    population = load_population(Settings(personas=str(personas), practitioners=100))
    assert len(population) == 115
    assert not population.types_slots("819990000001")


def test_numbers_of_the_sas_agenda_are_not_those_of_others():
    with pytest.raises(UsageError, match="0 to 9000000"):
        load_settings({"practitioners": "9000001"}, {})
    many = load_population(Settings(practitioners=9_000_000))
    assert many.procedural.typing == range(TYPING, TYPING + 360_000)


# --- communities ---


def test_communities_are_in_every_departement(france):
    communities = france.communities
    assert 250 < len(communities) < 320
    kinds = Counter(each.kind for each in communities.values())
    assert kinds["SOS"] == 30
    assert kinds["group"] == 1
    there = {france.towns[each.zone[0]].department for each in communities.values()}
    assert len(there) == 107
    assert {each.editor for each in communities.values()} == {"entraide-commune", "garde-vigie", "agenda-aubier"}
    assert all(france.editors[each.editor].speaks(Flow.PDM) for each in communities.values())


def test_members_of_a_community_are_those_of_its_cpts_or_association(france):
    for community in france.communities.values():
        people = [france.doctor(member) for member in community.members]
        assert 1 <= len(people) <= 6
        assert len(set(community.members)) == len(people)
        if community.id.startswith("cpts-") and community.id[5:].isdigit():
            assert all(community.organization in person.cpts for person in people)
            assert community.zone == france.cpts[community.organization].zone
        if community.kind == "SOS":
            assert {france.association_of(member).siret for member in community.members} == {community.organization}
        assert community.phone is None or national_phone(community.phone)


def test_communities_of_a_town_are_those_whose_zone_has_it(france):
    everybody = list(france.communities.values())
    for insee in ("33063", "35238", "75056", "97411", "97105", "97611", "48095", "2A004", "98818"):
        found = france.communities_of(insee)
        assert {each.id for each in found} == {each.id for each in everybody if insee in each.zone}
        assert all(france.community(each.id) is each for each in found)
    assert france.communities_of("99999") == []
    assert france.community("cpts-339800002") is None
    assert france.community("nobody") is None
    assert "cpts-339800001" in france.communities


def test_an_association_is_served_by_its_own_editor_where_that_has_communities(france):
    own = [each for each in france.communities.values() if each.kind == "SOS" and each.id != "sos-bordeaux"]
    its_own = [each for each in own if france.editors[france.sos[each.organization].editor].speaks(Flow.PDM)]
    assert its_own
    assert all(each.editor == france.sos[each.organization].editor for each in its_own)
    assert "sos-99904000000013" in {each.id for each in own}
    assert all(each.name.endswith(" à la demande") and "bac à sable" not in each.name for each in own)


def test_a_cpts_without_members_has_no_community():
    empty = load_population(load_settings({"preset": "national", "practitioners": 0}, {}))
    assert empty.community("cpts-339800001") is None
    assert {each.kind for each in empty.communities.values()} == {"CPTS", "SOS", "group"}
    assert [each.id for each in empty.communities.values() if each.kind == "CPTS"] == ["cpts-rive-gauche"]


def test_demo_has_the_communities_of_the_persona_files():
    demo = load_population(load_settings({"preset": "demo"}, {}))
    assert list(demo.communities) == ["cpts-rive-gauche", "sos-bordeaux", "cabinets-rennes"]


# --- structures ---


def test_structures_near_a_point_are_all_those_at_that_distance(france):
    towns = [france.towns[insee] for insee in ("33281", "75056", "97411", "97105", "48095")]
    structures = france.procedural.recipe.structures
    for town in towns:
        found = france.structures_near(town.lat, town.lon, 12)
        assert [distance for _, distance in found] == sorted(distance for _, distance in found)
        for each, distance in found:
            assert distance == distance_km(town.lat, town.lon, each.lat, each.lon) <= 12
            assert france.structure(each.finess) == each
            assert each.phone is None or str(national_phone(each.phone)).startswith("+")
        all_of_them = {
            group.finess
            for other in france.towns.values()
            if other.department == town.department
            for group in {structures.drawn(other, number) for number in range(99)}
            if distance_km(town.lat, town.lon, group.lat, group.lon) <= 12
        }
        assert all_of_them <= {each.finess for each, _ in found}
    assert "1339900110" in {each.finess for each, _ in france.structures_near(towns[0].lat, towns[0].lon, 1)}
    assert france.structures_near(0.0, 0.0, 50) == []


# --- numbers ---


@pytest.mark.parametrize("code", ["33", "69", "974", "971", "15"])
def test_numbers_of_a_departement_are_plausible(france, code):
    people = [france.practitioner(each.id) for each in france.procedural.settled_in(code)]
    typed = sum(not person.editor for person in people)
    extra = sum(accepts_extra(person, france.seed) for person in people)
    towns = [town for town in france.towns.values() if town.department == code]
    communities = {each.id for town in towns for each in france.communities_of(town.insee)}
    structures = {
        each.finess
        for town in towns
        for each, _ in france.structures_near(town.lat, town.lon, 10)
        if each.insee in {town.insee for town in towns}
    }
    assert 0.02 < typed / len(people) < 0.06
    assert 0.15 < extra / len(people) < 0.35
    assert 1 <= len(communities) <= 15
    assert len(towns) <= len(structures) <= 2.5 * len(towns)
    kinds = Counter(france.structure(finess).kind for finess in structures)
    assert 0.05 < kinds["CDS"] / len(structures) < 0.5


def test_nothing_of_it_costs_time_or_memory_at_the_start():
    settings = load_settings({"preset": "national"}, {})
    few = load_settings({"preset": "national", "practitioners": "1"}, {})
    kept = [load_population(each) for each in (few, settings)]
    with untraced():
        begun = time.process_time()
        load_population(settings)
        assert time.process_time() - begun < 0.5
    sizes = []
    for each in (few, settings):
        gc.collect()
        tracemalloc.start()
        try:
            kept.append(load_population(each))
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    assert all(each.procedural.numbered.cache_info().currsize == 0 for each in kept)
    assert abs(sizes[1] - sizes[0]) < 64 * 1024


# --- the examples, whenever a run begins ---

BEGINNINGS = [
    "2026-11-22T10:00:00",  # Sunday
    "2026-11-25T03:10:00",  # at night
    "2026-12-25T00:01:00",  # a public holiday, at night
    "2026-12-24T20:59:00",  # the eve of several days without work
    "2026-05-01T12:30:00",
    "2026-03-28T23:59:00",  # the night in which the clocks go forward
    "2026-10-25T02:30:00",  # an hour that there is twice
    "2028-02-28T21:00:00",
]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_accounts_of_the_sas_agenda_have_typed_slots_in_the_next_three_days(minimal, beginning):
    now = datetime.fromisoformat(beginning).replace(tzinfo=PARIS)
    for account in minimal.examples["practitioners_sas_agenda"]:
        place = minimal.practitioner(account["identifier"]).places[0]
        days = [now.date() + timedelta(days=after) for after in range(4)]
        region = region_of(place.insee)
        starts = [
            slot.start
            for day in days
            for slot in day_plan(minimal.seed, place.id, day, every_slot(place.agenda), region)
            if now.timestamp() < slot.start < (now + timedelta(days=3)).timestamp()
        ]
        assert len(starts) >= 10


def test_these_beginnings_are_what_they_are_called():
    assert datetime.fromisoformat(BEGINNINGS[0]).weekday() == 6
    for at in (2, 4):
        assert is_public_holiday(datetime.fromisoformat(BEGINNINGS[at]).date(), region_of("33063"))


@pytest.mark.parametrize("preset", ["minimal", "demo", "national"])
def test_the_examples_can_be_used_in_every_preset(preset):
    population = load_population(load_settings({"preset": preset}, {}))
    examples = population.examples
    assert len(examples["practitioners_sas_agenda"]) == 3
    assert population.practitioner(examples["practitioner_extra"]["id"]) is not None
    for asked in examples["marketplaces"]:
        community = population.community(asked["id"])
        assert community in population.communities_of(asked["insee"])
        assert all(population.doctor(member) for member in community.members)
    for kind in ("structure_cds", "structure_msp"):
        structure = population.structure(examples[kind]["id"])
        near = population.structures_near(structure.lat, structure.lon, 1)
        assert near[0][0].finess == structure.finess
        assert structure.phone
    town = examples["cpts"]["insee"]
    assert town in population.cpts[examples["cpts"]["id"]].zone
