"""Quirks by which something is missing or hangs elsewhere: CPTS, places, people, the whole answer."""

from __future__ import annotations

import copy

import pytest

from sandbox.editor.fhir.quirks import play, scene_of
from sandbox.kernel.character import EVERYBODY
from tests.actors.editor.slots.stages import (
    ASSOCIATIONS,
    AZUR,
    COMMUNE,
    CPTS,
    GARDE,
    ONE,
    PAIR,
    SITES,
    TWO,
    TWO_CPTS,
    Stage,
    differences,
    requirements,
    resources,
    understood,
)


@pytest.mark.parametrize(
    ("quirk", "kind", "requirement"),
    [("cpts-without-service", "HealthcareService", "R04-2"), ("cpts-without-organization", "Organization", "R04-3")],
)
def test_what_a_cpts_consists_of_is_missing_and_nothing_else(stage, quirk: str, kind: str, requirement: str) -> None:
    for example in (CPTS, TWO_CPTS):
        scene = stage(example)
        after = scene.play(quirk)
        assert resources(scene.before, kind)
        kept = [entry for entry in scene.before["entry"] if entry["resource"]["resourceType"] != kind]
        assert after == {**scene.before, "entry": kept}
        assert requirements(after)[0] == {requirement}
        assert requirement in requirements(after)[1]
        assert len(understood(after).slots) == scene.before["total"]
    for example in (ONE, SITES):
        scene = stage(example)
        assert scene.play(quirk) == scene.before


def test_cpts_that_others_slots_name_too_stays(among) -> None:
    scene = among(COMMUNE, "819800000077", "819800000085")  # both in 1339900011, the second in 1339900029 too
    after = scene.play(cpts_without_service=frozenset({"819800000085"}))
    assert [each["id"] for each in resources(after, "HealthcareService")] == ["1339900011"]
    assert scene.play(cpts_without_service=frozenset({"819800000077"})) == scene.before


@pytest.mark.parametrize("example", [TWO, SITES])
def test_places_are_merged_into_one_schedule_that_names_them_all(stage, example: str) -> None:
    scene = stage(example)
    after = scene.play("merged-places")
    first, second = resources(scene.before, "Schedule")
    (schedule,) = resources(after, "Schedule")
    assert schedule["id"] == first["id"]
    assert schedule["actor"] == first["actor"] + [each for each in second["actor"] if each not in first["actor"]]
    assert {slot["schedule"]["reference"] for slot in resources(after, "Slot")} == {f"Schedule/{first['id']}"}
    restored = copy.deepcopy(after)
    for slot, before in zip(resources(restored, "Slot"), resources(scene.before, "Slot"), strict=True):
        slot["schedule"] = before["schedule"]
    kept = [entry for entry in scene.before["entry"] if entry["resource"]["resourceType"] != "Schedule"]
    assert [each for each in restored["entry"] if each["resource"]["resourceType"] != "Schedule"] == kept
    assert after["total"] == scene.before["total"]
    assert {slot.place for slot in understood(after).slots} == {understood(scene.before).slots[0].place}
    assert requirements(after) == (set(), set())


def test_merged_slots_without_their_schedules(office) -> None:
    query = office.query(TWO, 24).replace("_include=Slot:schedule&", "").replace("_include:iterate=Schedule:actor&", "")
    scene = Stage(office, query, AZUR)
    after = scene.play("merged-places")
    assert set(differences(scene.before, after)) == {".entry[Slot].resource.schedule.reference"}


def test_one_place_is_not_merged(stage) -> None:
    for example in (ONE, PAIR):
        scene = stage(example)
        assert scene.play("merged-places") == scene.before


@pytest.mark.parametrize("example", [PAIR, ASSOCIATIONS])
def test_slots_hang_on_somebody_else(stage, example: str) -> None:
    scene = stage(example)
    after = scene.play("wrong-practitioner")
    assert set(differences(scene.before, after)) == {".entry[Slot].resource.schedule.reference"}
    for slot, before in zip(understood(after).slots, understood(scene.before).slots, strict=True):
        assert (slot.practitioner, slot.sos) != (before.practitioner, before.sos)
        assert slot.slot_id == before.slot_id
    assert requirements(after) == (set(), set())


def test_who_is_alone_in_an_answer_keeps_his_slots(stage) -> None:
    for example in (ONE, TWO, SITES):
        scene = stage(example)
        assert scene.play("wrong-practitioner") == scene.before


def test_only_those_stored_as_they_were_asked_are_found(among) -> None:
    unprefixed, prefixed = "819800000044", "819800000036"  # as the agenda stores them
    scene = among(AZUR, prefixed, unprefixed)
    alone = among(AZUR, prefixed)
    after = scene.play("unfound-by-prefix")
    assert {**after, "link": []} == {**alone.before, "link": []}
    assert after["link"] == scene.before["link"]
    assert requirements(after) == (set(), set())
    nobody = among(AZUR, unprefixed).play("unfound-by-prefix")
    assert nobody["total"] == 0
    assert "entry" not in nobody
    stored = Stage(scene.office, scene.query.replace("%7C8198", "%7C198"), AZUR)
    kept = stored.play("unfound-by-prefix")
    assert {each["id"] for each in resources(kept, "Practitioner")} == {unprefixed}


def test_associations_are_only_found_without_their_prefix(among) -> None:
    siret = "399900300000018"
    scene = among(GARDE, siret)
    assert "entry" not in scene.play("unfound-by-prefix")
    plain = Stage(scene.office, scene.query.replace(siret, siret[1:]), GARDE)
    assert plain.before["total"] == scene.before["total"]
    assert plain.play("unfound-by-prefix") == plain.before


def test_cpts_of_who_is_not_found_goes_with_him(among) -> None:
    scene = among(COMMUNE, "819800000077", "819800000085")  # the second is stored without prefix
    after = scene.play("unfound-by-prefix")
    assert {**after, "link": []} == {**among(COMMUNE, "819800000077").before, "link": []}


@pytest.mark.parametrize(("quirk", "status"), [("not-found-if-empty", 404), ("error-if-empty", 500)])
def test_nothing_free_is_an_error_and_something_is_not(stage, quirk: str, status: int) -> None:
    scene = stage("practitioner_no_slots")
    surroundings = scene_of(scene.desk.population, scene.query, scene.office.now)
    answer = play({quirk: EVERYBODY}, scene.body, surroundings)
    assert answer.status == status
    assert answer.document["resourceType"] == "OperationOutcome"
    assert play({quirk: frozenset({"819800000010"})}, scene.body, surroundings).status == 200
    assert play({quirk: frozenset({"819800000069"})}, scene.body, surroundings).status == status
    other = stage(ONE)
    assert other.play(quirk) == other.before


def test_who_is_not_found_may_be_an_error_too(among) -> None:
    scene = among(AZUR, "819800000044")
    surroundings = scene_of(scene.desk.population, scene.query, scene.office.now)
    quirks = dict.fromkeys(("unfound-by-prefix", "not-found-if-empty"), EVERYBODY)
    assert play(quirks, scene.body, surroundings).status == 404
