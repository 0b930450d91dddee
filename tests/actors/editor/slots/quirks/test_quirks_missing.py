"""Quirks by which something is missing or attached elsewhere: CPTS, places, people, the whole answer."""

from __future__ import annotations

import copy

import pytest

from sandbox.editor.fhir.quirks.answers import search_of
from sandbox.editor.fhir.quirks.registry import apply_quirks
from sandbox.kernel.character import EVERYBODY
from tests.actors.editor.slots.example_searches import (
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
    ExampleSearch,
    differences,
    requirements,
    resources,
    understood,
)


@pytest.mark.parametrize(
    ("quirk", "kind", "requirement"),
    [("cpts-without-service", "HealthcareService", "R04-2"), ("cpts-without-organization", "Organization", "R04-3")],
)
def test_what_a_cpts_consists_of_is_missing_and_nothing_else(searched, quirk: str, kind: str, requirement: str) -> None:
    for example in (CPTS, TWO_CPTS):
        search = searched(example)
        after = search.with_quirks(quirk)
        assert resources(search.before, kind)
        kept = [entry for entry in search.before["entry"] if entry["resource"]["resourceType"] != kind]
        assert after == {**search.before, "entry": kept}
        assert requirements(after)[0] == {requirement}
        assert requirement in requirements(after)[1]
        assert len(understood(after).slots) == search.before["total"]
    for example in (ONE, SITES):
        search = searched(example)
        assert search.with_quirks(quirk) == search.before


def test_cpts_that_others_slots_name_too_stays(among) -> None:
    search = among(COMMUNE, "819800000077", "819800000085")  # both in 1339900011, the second in 1339900029 too
    after = search.with_quirks(cpts_without_service=frozenset({"819800000085"}))
    assert [each["id"] for each in resources(after, "HealthcareService")] == ["1339900011"]
    assert search.with_quirks(cpts_without_service=frozenset({"819800000077"})) == search.before


@pytest.mark.parametrize("example", [TWO, SITES])
def test_places_are_merged_into_one_schedule_that_names_them_all(searched, example: str) -> None:
    search = searched(example)
    after = search.with_quirks("merged-places")
    first, second = resources(search.before, "Schedule")
    (schedule,) = resources(after, "Schedule")
    assert schedule["id"] == first["id"]
    assert schedule["actor"] == first["actor"] + [each for each in second["actor"] if each not in first["actor"]]
    assert {slot["schedule"]["reference"] for slot in resources(after, "Slot")} == {f"Schedule/{first['id']}"}
    restored = copy.deepcopy(after)
    for slot, before in zip(resources(restored, "Slot"), resources(search.before, "Slot"), strict=True):
        slot["schedule"] = before["schedule"]
    kept = [entry for entry in search.before["entry"] if entry["resource"]["resourceType"] != "Schedule"]
    assert [each for each in restored["entry"] if each["resource"]["resourceType"] != "Schedule"] == kept
    assert after["total"] == search.before["total"]
    assert {slot.place for slot in understood(after).slots} == {understood(search.before).slots[0].place}
    assert requirements(after) == (set(), set())


def test_merged_slots_without_their_schedules(editors) -> None:
    query = (
        editors.query(TWO, 24).replace("_include=Slot:schedule&", "").replace("_include:iterate=Schedule:actor&", "")
    )
    search = ExampleSearch(editors, query, AZUR)
    after = search.with_quirks("merged-places")
    assert set(differences(search.before, after)) == {".entry[Slot].resource.schedule.reference"}


def test_one_place_is_not_merged(searched) -> None:
    for example in (ONE, PAIR):
        search = searched(example)
        assert search.with_quirks("merged-places") == search.before


@pytest.mark.parametrize("example", [PAIR, ASSOCIATIONS])
def test_slots_are_attached_to_another_practitioners_schedule(searched, example: str) -> None:
    search = searched(example)
    after = search.with_quirks("wrong-practitioner")
    assert set(differences(search.before, after)) == {".entry[Slot].resource.schedule.reference"}
    for slot, before in zip(understood(after).slots, understood(search.before).slots, strict=True):
        assert (slot.practitioner, slot.sos) != (before.practitioner, before.sos)
        assert slot.slot_id == before.slot_id
    assert requirements(after) == (set(), set())


def test_who_is_alone_in_an_answer_keeps_his_slots(searched) -> None:
    for example in (ONE, TWO, SITES):
        search = searched(example)
        assert search.with_quirks("wrong-practitioner") == search.before


def test_only_those_stored_as_they_were_asked_are_found(among) -> None:
    unprefixed, prefixed = "819800000044", "819800000036"  # as the agenda stores them
    search = among(AZUR, prefixed, unprefixed)
    alone = among(AZUR, prefixed)
    after = search.with_quirks("unfound-by-prefix")
    assert {**after, "link": []} == {**alone.before, "link": []}
    assert after["link"] == search.before["link"]
    assert requirements(after) == (set(), set())
    nobody = among(AZUR, unprefixed).with_quirks("unfound-by-prefix")
    assert nobody["total"] == 0
    assert "entry" not in nobody
    stored = ExampleSearch(search.editors, search.query.replace("%7C8198", "%7C198"), AZUR)
    kept = stored.with_quirks("unfound-by-prefix")
    assert {each["id"] for each in resources(kept, "Practitioner")} == {unprefixed}


def test_associations_are_only_found_without_their_prefix(among) -> None:
    siret = "399900300000018"
    search = among(GARDE, siret)
    assert "entry" not in search.with_quirks("unfound-by-prefix")
    plain = ExampleSearch(search.editors, search.query.replace(siret, siret[1:]), GARDE)
    assert plain.before["total"] == search.before["total"]
    assert plain.with_quirks("unfound-by-prefix") == plain.before


def test_cpts_of_who_is_not_found_goes_with_him(among) -> None:
    search = among(COMMUNE, "819800000077", "819800000085")  # the second is stored without prefix
    after = search.with_quirks("unfound-by-prefix")
    assert {**after, "link": []} == {**among(COMMUNE, "819800000077").before, "link": []}


@pytest.mark.parametrize(("quirk", "status"), [("not-found-if-empty", 404), ("error-if-empty", 500)])
def test_nothing_free_is_an_error_and_something_is_not(searched, quirk: str, status: int) -> None:
    search = searched("practitioner_no_slots")
    surroundings = search_of(search.server.population, search.query, search.editors.now)
    answer = apply_quirks({quirk: EVERYBODY}, search.body, surroundings)
    assert answer.status == status
    assert answer.document["resourceType"] == "OperationOutcome"
    assert apply_quirks({quirk: frozenset({"819800000010"})}, search.body, surroundings).status == 200
    assert apply_quirks({quirk: frozenset({"819800000069"})}, search.body, surroundings).status == status
    other = searched(ONE)
    assert other.with_quirks(quirk) == other.before


def test_who_is_not_found_may_be_an_error_too(among) -> None:
    search = among(AZUR, "819800000044")
    surroundings = search_of(search.server.population, search.query, search.editors.now)
    quirks = dict.fromkeys(("unfound-by-prefix", "not-found-if-empty"), EVERYBODY)
    assert apply_quirks(quirks, search.body, surroundings).status == 404
