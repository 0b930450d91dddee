"""Each of ANS's recurrent errors has its quirks, and each defect is detected by those who can: our rules, the official
profiles, or only a reader who knows the query and the agenda.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import orjson
import pytest

from sandbox.editor.fhir.quirks.answers import search_of
from sandbox.editor.fhir.quirks.registry import TRANSFORMATIONS, apply_quirks
from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.fhir.profiles import check
from sandbox.fhir.queries.search import slot_query
from sandbox.kernel.character import EVERYBODY, QUIRKS
from tests.actors.editor.slots.answers import Json, thin

ONE, TWO, PAIR, CPTS, SITES = (
    "practitioner_one_site", "practitioner_two_sites", "practitioner_pair", "practitioner_cpts", "sos_two_sites",
)  # fmt: skip

# error that ANS finds in real editors -> the quirks that reproduce it
ERRORS = {
    "ids without prefix in the answer": ["unprefixed-ids"],
    "slots not found because of the prefix": ["unfound-by-prefix"],
    "badly formed phone": ["bad-phone"],
    "missing visibility codes": ["no-visibility"],
    "reasons sent as codes, or types sent as text": ["reasons-as-codes", "types-as-text"],
    "missing specialties": ["no-specialty"],
    "CPTS slot without HealthcareService or Organization": ["cpts-without-service", "cpts-without-organization"],
    "several practitioners' slots attached to the wrong one": ["wrong-practitioner"],
    "several places merged into one Schedule": ["merged-places"],
    "an error or a 404 instead of an empty bundle": ["error-if-empty", "not-found-if-empty"],
    "empty elements": ["empty-elements"],
    "slots outside the window or in the past": ["outside-window", "past-slots"],
    "busy slots": ["busy-slots"],
    "dates without offset": ["no-offset"],
}

# quirk -> an example that shows it, and the requirements that our rules name; none: the answer is well formed
OURS = {
    "unprefixed-ids": (ONE, {"R01-17", "R01-20"}),
    "bad-phone": (ONE, {"R01-35"}),
    "no-visibility": (ONE, {"R01-23"}),
    "reasons-as-codes": (TWO, {"R01-48"}),
    "types-as-text": (ONE, {"R01-24"}),
    "no-specialty": (ONE, set()),
    "cpts-without-service": (CPTS, {"R04-2"}),
    "cpts-without-organization": (CPTS, {"R04-3"}),
    "wrong-practitioner": (PAIR, set()),
    "merged-places": (TWO, set()),
    "empty-elements": (ONE, {""}),
    "outside-window": (ONE, set()),
    "past-slots": (ONE, set()),
    "busy-slots": (ONE, {"R01-10"}),
    "no-offset": (ONE, {"R01-45"}),
    "unfound-by-prefix": (TWO, set()),
}
IN_PROFILES = [("unprefixed-ids", CPTS), ("unprefixed-ids", SITES), ("no-offset", ONE), ("empty-elements", ONE)]


def played(editors, name: str, *quirks: str) -> tuple[Json, Json]:
    """The correct answer about an example, and the same with these quirks."""
    body, query = editors.body(name, 24), editors.query(name, 24)
    answer = apply_quirks(dict.fromkeys(quirks, EVERYBODY), body, search_of(editors.population, query, editors.now))
    assert answer.status == 200
    return json.loads(body), answer.document


def test_every_error_of_the_list_has_its_switches_and_no_switch_is_of_another_list() -> None:
    assert sorted(name for names in ERRORS.values() for name in names) == sorted(QUIRKS)


@pytest.mark.parametrize("quirk", OURS)
def test_our_rules_name_the_defect_and_no_other_on_an_answer_that_had_none(editors, quirk) -> None:
    name, requirements = OURS[quirk]
    before, after = played(editors, name, quirk)
    assert check(before) == []
    assert after != before
    assert {finding.requirement for finding in check(after)} == requirements


@pytest.mark.parametrize(("quirk", "name"), IN_PROFILES)
def test_official_profiles_see_what_they_can_see(editors, official, quirk, name) -> None:
    before, after = played(editors, name, quirk)
    assert official(thin(before)) == []
    assert official(thin(after))


@pytest.mark.parametrize("quirk", [name for name in OURS if not OURS[name][1]])
def test_well_formed_defect_is_still_well_formed_for_the_official_profiles(editors, official, quirk) -> None:
    _, after = played(editors, OURS[quirk][0], quirk)
    assert official(thin(after)) == []


@pytest.mark.parametrize("page", [1, 5, 40])
def test_quirk_keeps_to_its_page(editors, page) -> None:
    """A page with quirks still links to the next one, and every slot is sent once."""
    server = editors.server("agenda-azur")
    query = editors.query(TWO, 24).replace("_count=1000", f"_count={page}")
    body = answer_slots(server, query)
    for quirk in (name for name in OURS if name not in ("unfound-by-prefix", "busy-slots")):
        answer = apply_quirks({quirk: EVERYBODY}, body, search_of(editors.population, query, editors.now)).document
        assert answer["link"] == json.loads(body)["link"]
        sent = [entry["resource"]["id"] for entry in answer["entry"]]
        assert len(sent) == len({(entry["fullUrl"]) for entry in answer["entry"]})
        assert answer["total"] >= json.loads(body)["total"]


ORDERED = [*TRANSFORMATIONS]
MISSING = ("cpts-without-service", "cpts-without-organization")  # a missing element shows no other defect


@pytest.fixture(scope="module")
def named() -> dict[tuple[str, ...], set[str]]:
    """The requirements that our rules report, by example and quirks; cached."""
    return {}


@pytest.mark.parametrize("first", [name for name in OURS if name != "unfound-by-prefix"])
def test_two_quirks_together_show_both_defects_and_make_no_third(editors, named, first) -> None:
    def found(*quirks: str) -> set[str]:
        key = (OURS[first][0], *sorted(quirks, key=ORDERED.index))
        if key not in named:
            named[key] = {finding.requirement for finding in check(played(editors, *key)[1])}
        return named[key]

    for second in (name for name in OURS if name not in (first, "unfound-by-prefix")):
        both, apart = found(first, second), found(first) | found(second)
        assert both == apart or (both < apart and {first, second} & {*MISSING}), second


def test_past_and_outside_are_so_by_the_clock_and_the_window(editors) -> None:
    _, past = played(editors, ONE, "past-slots")
    _, outside = played(editors, ONE, "outside-window")
    starts = [datetime.fromisoformat(entry["resource"]["start"]) for entry in past["entry"][:1]]
    assert starts[0] < editors.now
    slots = [entry["resource"] for entry in outside["entry"] if entry["resource"]["resourceType"] == "Slot"]
    assert datetime.fromisoformat(slots[-1]["start"]) > editors.now + timedelta(hours=24)


def test_quirks_of_a_lenient_search_are_those_of_what_was_processed(editors) -> None:
    window = (editors.now, editors.now + timedelta(hours=24))
    query = slot_query(["819800000010"], *window, cpts=True) + "&foo=bar"
    body = answer_slots(editors.server("agenda-azur"), query, lenient=True)
    answer = apply_quirks({"no-visibility": EVERYBODY}, body, search_of(editors.population, query, editors.now))
    assert answer.document["link"] == orjson.loads(body)["link"]
    assert answer.document["total"] == orjson.loads(body)["total"] > 0


def test_sos_answers_are_damaged_like_the_others(editors) -> None:
    query = editors.query(SITES, 24)
    body = answer_schedules(editors.server("garde-plus"), query)
    answer = apply_quirks({"no-offset": EVERYBODY}, body, search_of(editors.population, query, editors.now))
    assert {finding.requirement for finding in check(answer.document)} == {"R01-45"}
