"""Each quirk makes its own defect and nothing else: documents before and after, our rules, the SAS core's findings."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.editor.quirks import EDITS, PLAYERS, play, play_read, scene_of
from sandbox.editor.slots import answer_schedules, answer_slots, read
from sandbox.fhir.profiles import check
from sandbox.fhir.reading import Reading, read_bundle
from sandbox.fhir.search import schedule_query, slot_query
from sandbox.kernel.character import EVERYBODY, QUIRKS
from sandbox.kernel.clock import PARIS

Json = dict[str, Any]
AZUR, COMMUNE, GARDE = "agenda-azur", "rdv-commune", "garde-plus"
ONE, TWO, PAIR, SITES = "practitioner_one_site", "practitioner_two_sites", "practitioner_pair", "sos_two_sites"
CPTS, TWO_CPTS, ASSOCIATIONS = "practitioner_cpts", "practitioner_two_cpts_one_slot", "sos_associations"
ALL = [ONE, TWO, PAIR, CPTS, TWO_CPTS, SITES, ASSOCIATIONS]


class Stage:
    """One search: its correct answer, and the same with quirks."""

    def __init__(self, office, query: str, slug: str) -> None:
        self.office, self.query, self.desk = office, query, office.desk(slug)
        answer = answer_schedules if slug == GARDE else answer_slots
        self.body = answer(self.desk, query)

    @property
    def before(self) -> Json:
        return orjson.loads(self.body)

    def play(self, *names: str, **concerned: frozenset[str]) -> Json:
        """The document with these quirks for everybody, and those (`_` for `-`) for some."""
        quirks = dict.fromkeys(names, EVERYBODY) | {name.replace("_", "-"): ids for name, ids in concerned.items()}
        scene = scene_of(self.desk.population, self.query, self.office.now)
        answer = play(quirks, self.body, scene)
        assert answer.status == 200
        return answer.document


@pytest.fixture
def stage(office) -> Callable[..., Stage]:
    def make(name: str, hours: float = 24) -> Stage:
        return Stage(office, office.query(name, hours), office.example(name)[0])

    return make


@pytest.fixture
def among(office) -> Callable[..., Stage]:
    """A search for these ids of an editor."""

    def make(slug: str, *ids: str, hours: float = 24) -> Stage:
        window = (office.now, office.now + timedelta(hours=hours))
        if slug == GARDE:
            return Stage(office, schedule_query(ids, *window), slug)
        return Stage(office, slot_query(ids, *window, cpts=slug == COMMUNE), slug)

    return make


def resources(bundle: Json, *kinds: str) -> list[Json]:
    found = [entry["resource"] for entry in bundle.get("entry", ())]
    return [each for each in found if not kinds or each["resourceType"] in kinds]


def differences(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Paths (indexes left out) at which two documents differ, with one example of each."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in {*before, *after}:
            found |= differences(before.get(key), after.get(key), f"{path}.{key}")
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        found = {}
        for one, other in zip(before, after, strict=True):
            kind = one.get("resource", {}).get("resourceType", "") if isinstance(one, dict) else ""
            found |= differences(one, other, f"{path}[{kind}]")
        return found
    return {} if before == after else {path: (before, after)}


def understood(document: Json) -> Reading:
    return read_bundle(orjson.dumps(document))


def requirements(document: Json) -> tuple[set[str], set[str]]:
    """The requirements named by our own rules, and by what the SAS core reads."""
    ours, read = check(document), understood(document).findings
    return {each.requirement for each in ours}, {each.requirement for each in read}


def test_every_quirk_that_is_told_is_played_in_that_order() -> None:
    assert tuple(PLAYERS) == tuple(QUIRKS)
    assert all(sentence.endswith(".") for sentence in QUIRKS.values())


@pytest.mark.parametrize("name", ALL)
def test_the_correct_answer_has_no_finding_and_no_quirk_leaves_it_alone(stage, name: str) -> None:
    scene = stage(name)
    assert requirements(scene.before) == (set(), set())
    assert scene.play() == scene.before


# quirk -> where it may change something, and the requirements that our rules and the SAS core name
ENTRY = ".entry[{}].resource"
SPOILT = {
    "unprefixed-ids": (
        [
            ENTRY.format("Practitioner") + ".identifier[].value",
            ENTRY.format("PractitionerRole") + ".organization.identifier.value",
            ENTRY.format("Organization") + ".identifier[].value",
        ],
        {"R01-17", "R01-20", "R04-4", "SOS-6"},
        {"R01-17", "R01-20", "R04-4", "SOS-6"},
    ),
    "bad-phone": (
        [ENTRY.format(kind) + ".telecom[].value" for kind in ("Practitioner", "PractitionerRole", "Location")]
        + [ENTRY.format("Organization") + ".telecom[].value"],
        {"R01-35"},
        {"R01-35"},
    ),
    "no-visibility": ([ENTRY.format("Slot") + ".meta.security"], {"R01-23", "R04-2"}, {"R01-23"}),
    "types-as-text": (
        [ENTRY.format("Slot") + ".serviceType[].coding", ENTRY.format("Slot") + ".serviceType[].text"],
        {"R01-24"},
        {"R01-24"},
    ),
    "reasons-as-codes": (
        [ENTRY.format("Slot") + ".serviceType[].coding", ENTRY.format("Slot") + ".serviceType[].text"],
        {"R01-48"},
        {"R01-48"},
    ),
    "no-specialty": ([ENTRY.format(kind) + ".specialty" for kind in ("Slot", "PractitionerRole")], set(), set()),
    "no-offset": ([ENTRY.format("Slot") + key for key in (".start", ".end")], {"R01-45"}, {"R01-45"}),
    "empty-elements": (
        [
            ENTRY.format("Slot") + ".serviceCategory",
            ENTRY.format("Schedule") + ".comment",
            *(ENTRY.format("Practitioner") + key for key in (".birthDate", ".address")),
            ENTRY.format("PractitionerRole") + ".period",
            *(ENTRY.format("Location") + key for key in (".description", ".position")),
            ENTRY.format("Organization") + ".alias",
            ENTRY.format("HealthcareService") + ".comment",
        ],
        {""},
        set(),
    ),
}


@pytest.mark.parametrize("example", ALL)
@pytest.mark.parametrize("quirk", SPOILT)
def test_spoilt_elements_are_the_only_difference_and_the_findings_name_them(stage, quirk: str, example: str) -> None:
    scene = stage(example)
    after = scene.play(quirk)
    paths, ours, read = SPOILT[quirk]
    changed = differences(scene.before, after)
    assert set(changed) <= set(paths)
    found = requirements(after)
    assert found[0] <= ours
    assert found[1] <= read
    told = bool(found[0] or found[1]) or not (ours or read)
    assert told == bool(changed) or quirk == "no-specialty"


@pytest.mark.parametrize("quirk", SPOILT)
def test_every_place_that_a_quirk_spoils_is_spoilt_somewhere(stage, quirk: str) -> None:
    changed: set[str] = set()
    ours: set[str] = set()
    read: set[str] = set()
    for example in ALL:
        scene = stage(example)
        after = scene.play(quirk)
        changed |= set(differences(scene.before, after))
        found = requirements(after)
        ours, read = ours | found[0], read | found[1]
    assert (changed, ours, read) == (set(SPOILT[quirk][0]), *SPOILT[quirk][1:])


CURED = ["unprefixed-ids", "bad-phone", "types-as-text", "reasons-as-codes", "no-offset", "empty-elements"]


@pytest.mark.parametrize("quirk", CURED)
def test_what_the_sas_core_can_cure_it_reads_as_if_nothing_were_wrong(stage, quirk: str) -> None:
    for example in (ONE, TWO_CPTS, SITES):
        scene = stage(example)
        assert understood(scene.play(quirk)).slots == understood(scene.before).slots


def test_the_forms_of_the_defects(stage) -> None:
    scene = stage(TWO)
    assert resources(scene.play("unprefixed-ids"), "Practitioner")[0]["identifier"][0]["value"] == "19800000028"
    assert resources(scene.play("bad-phone"), "Practitioner")[0]["telecom"][0]["value"] == "02 61 91 00 02"
    assert {len(slot["start"]) for slot in resources(scene.play("no-offset"), "Slot")} == {23}
    types = [kind for slot in resources(scene.play("types-as-text"), "Slot") for kind in slot["serviceType"]]
    assert {"text": "AMB"} in types
    assert not any("coding" in kind for kind in types)
    reasons = [kind for slot in resources(scene.play("reasons-as-codes"), "Slot") for kind in slot["serviceType"]]
    assert not any("text" in kind for kind in reasons)
    assert "Visite de contrôle" in {kind["coding"][0].get("display") for kind in reasons}
    for kind in ("Slot", "PractitionerRole"):
        assert all("specialty" in each for each in resources(scene.before, kind))
        assert not any("specialty" in each for each in resources(scene.play("no-specialty"), kind))
    emptied = [value for each in resources(scene.play("empty-elements")) for value in each.values()]
    assert all(empty in emptied for empty in ("", [], {}))


def test_types_and_reasons_may_be_exchanged_in_one_answer(stage) -> None:
    scene = stage(TWO)
    after = scene.play("types-as-text", "reasons-as-codes")
    assert requirements(after)[1] == {"R01-24", "R01-48"}
    assert understood(after).slots == understood(scene.before).slots


ADDED = {"past-slots": "free", "outside-window": "free", "busy-slots": "busy"}


@pytest.mark.parametrize("example", ALL)
@pytest.mark.parametrize("quirk", ADDED)
def test_added_slots_are_the_only_difference_and_count(stage, quirk: str, example: str) -> None:
    scene = stage(example)
    after = scene.play(quirk)
    known = {slot["id"] for slot in resources(scene.before, "Slot")}
    added = [entry for entry in after["entry"] if entry["resource"]["resourceType"] == "Slot"]
    added = [entry for entry in added if entry["resource"]["id"] not in known]
    schedules = {slot["schedule"]["reference"] for slot in resources(scene.before, "Slot")}
    assert len(added) == len(schedules)
    assert {entry["resource"]["schedule"]["reference"] for entry in added} == schedules
    kept = {**after, "entry": [entry for entry in after["entry"] if entry not in added]}
    assert {**kept, "total": after["total"] - len(added)} == scene.before
    for entry in added:
        slot = entry["resource"]
        assert slot["status"] == ADDED[quirk]
        assert entry["fullUrl"].endswith(f"/{slot['id']}")
        assert slot["comment"].endswith(f"slot={slot['id']}")
        start, end = (datetime.fromisoformat(slot[key]) for key in ("start", "end"))
        assert start < end
        last = scene.office.now + timedelta(hours=24)
        place = {"past-slots": start < scene.office.now, "outside-window": start > last}
        assert place.get(quirk, scene.office.now <= start <= last)
    starts = {name: [] for name in schedules}
    for slot in resources(after, "Slot"):
        starts[slot["schedule"]["reference"]].append(slot["start"])
    assert all(times == sorted(times) for times in starts.values())


@pytest.mark.parametrize("quirk", ADDED)
def test_of_added_slots_only_busy_ones_are_wrong_for_who_does_not_know_the_window(stage, quirk: str) -> None:
    ours, read = requirements(stage(TWO).play(quirk))
    expected = {"R01-10"} if quirk == "busy-slots" else set()
    assert (ours, read) == (expected, expected)


def test_busy_slot_overlaps_no_free_one(stage) -> None:
    for example in (TWO, PAIR, SITES):
        spans: dict[str, list[tuple[str, str]]] = {}
        for slot in resources(stage(example, 72).play("busy-slots"), "Slot"):
            spans.setdefault(slot["schedule"]["reference"], []).append((slot["start"], slot["end"]))
        for each in spans.values():
            assert all(end <= start for (_, end), (start, _) in pairwise(each))


def test_agenda_without_a_hole_has_no_busy_slot(stage) -> None:
    scene = stage(ONE)
    one = {**scene.before, "total": 1, "entry": [scene.before["entry"][0]]}
    scene.body = orjson.dumps(one)
    assert scene.play("busy-slots") == one


def test_window_without_end_has_no_outside(office, among) -> None:
    query = slot_query(["819800000010"], office.now, datetime(9999, 12, 31, tzinfo=PARIS), cpts=False)
    scene = Stage(office, query, AZUR)
    assert scene.play("outside-window") == scene.before


@pytest.mark.parametrize("now", ["2026-03-28T22:00", "2026-03-29T01:00", "2026-10-24T22:00", "2026-10-25T08:00"])
def test_slots_on_other_days_have_the_offset_of_their_day(office_of, now: str) -> None:
    office = office_of(20260101, datetime.fromisoformat(now).replace(tzinfo=PARIS))
    scene = Stage(office, office.query(SITES, 20), GARDE)
    for slot in resources(scene.play("past-slots", "outside-window"), "Slot"):
        start = datetime.fromisoformat(slot["start"])
        assert start.utcoffset() == start.astimezone(PARIS).utcoffset()


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


@pytest.mark.parametrize("quirk", [name for name in QUIRKS if not name.startswith("cpts") and "empty" not in name])
def test_quirk_of_one_practitioner_leaves_the_others_alone(among, quirk: str) -> None:
    ids = ["819800000028", "819800000044", "819800000010"]
    scene = among(AZUR, *ids)
    after = scene.play(**{quirk.replace("-", "_"): frozenset({ids[0]})})
    assert after != scene.before

    def of_others(document: Json) -> list[Json]:
        of = scene_of(scene.desk.population, scene.query, scene.office.now).owner_of
        kept = []
        for entry in document["entry"]:
            owner = of(entry["resource"])
            if owner != ids[0] and not str(entry["resource"]["id"]).startswith("kerbrieuc"):
                kept.append(entry)
        return kept

    assert of_others(after) == of_others(scene.before)
    assert scene.play(**{quirk.replace("-", "_"): frozenset({"819800000101"})}) == scene.before


@pytest.mark.parametrize("quirk", EDITS)
def test_what_is_read_has_the_same_defect_as_in_a_search(stage, quirk: str) -> None:
    for example in (TWO, TWO_CPTS, SITES):
        scene = stage(example)
        for resource in resources(scene.play(quirk)):
            body = read(scene.desk, resource["resourceType"], resource["id"])
            assert json.loads(play_read({quirk: EVERYBODY}, body, scene.desk.population)) == resource


def test_read_without_such_a_quirk_or_of_somebody_else_is_untouched(stage) -> None:
    scene = stage(ONE)
    body = read(scene.desk, "Practitioner", "819800000010")
    assert play_read({"busy-slots": EVERYBODY}, body, scene.desk.population) is body
    other = play_read({"bad-phone": frozenset({"819800000028"})}, body, scene.desk.population)
    assert json.loads(other) == json.loads(body)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(st.sampled_from(list(QUIRKS))), example=st.sampled_from([*ALL, "practitioner_no_slots"]))
def test_any_quirks_together_give_an_answer_that_counts_its_slots(stage, names: set[str], example: str) -> None:
    scene = stage(example)
    quirks = {name: EVERYBODY for name in QUIRKS if name in names}
    answer = play(quirks, scene.body, scene_of(scene.desk.population, scene.query, scene.office.now))
    assert answer.status == 200 or names & {"not-found-if-empty", "error-if-empty"}
    if answer.status == 200:
        assert answer.document["total"] == len(resources(answer.document, "Slot"))
        ids = [slot["id"] for slot in resources(answer.document, "Slot")]
        assert len(ids) == len(set(ids))
        understood(answer.document)
