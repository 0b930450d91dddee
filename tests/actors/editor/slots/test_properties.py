"""For any query, list of people, seed and time: properties of a whole answer, checked on its JSON alone.

In addition to test_invariants (which uses our rules and the SAS core's reader), this tries any choice of includes and
pages, and uses only the guide: slots only in the window, never before now, never busy, the right total, one Schedule
and one PractitionerRole per place, only what was asked for, a link `self` that repeats the query.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.kernel.clock import PARIS, fhir_instant
from sandbox.population.procedural import id_of
from tests.actors.editor.slots.answers import Answer

HAND_MADE = [f"8198000000{number}" for number in ("10", "28", "36", "44", "51", "69", "77", "85", "93")]
IDS = st.one_of(
    st.sampled_from([*HAND_MADE, "0339900015", "339900015", "19800000028"]),
    st.integers(0, 600).map(id_of),
    st.from_regex(r"[0-9]{9,12}", fullmatch=True),
)
NOWS = st.integers(0, 2 * 365 * 1440).map(lambda minute: datetime.fromtimestamp(1_767_222_000 + minute * 60, PARIS))
SHIFTS, LENGTHS = st.timedeltas(-timedelta(days=2), timedelta(days=6)), st.timedeltas(timedelta(), timedelta(days=3))
SEEDS, SLUGS = st.sampled_from([20260101, 3, 77]), st.sampled_from(["agenda-azur", "rdv-commune"])
INCLUDES = {
    "_include=Slot:schedule": {"Schedule"},
    "_include:iterate=Schedule:actor": {"Practitioner", "PractitionerRole"},
    "_include=Slot:service-type-reference": {"HealthcareService"},
    "_include:iterate=HealthcareService:organization": {"Organization"},
}
NEEDS = {"_include:iterate=Schedule:actor": "_include=Slot:schedule",
         "_include:iterate=HealthcareService:organization": "_include=Slot:service-type-reference"}  # fmt: skip
REVINCLUDES = {
    "_revinclude=Slot:schedule": {"Slot"},
    "_include=Schedule:actor:Location": {"Location"},
    "_include:iterate=Location:organization": {"Organization"},
}
SOS_NEEDS = {"_include:iterate=Location:organization": "_include=Schedule:actor:Location"}
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")


def asked(ids, start, end, more) -> str:
    tokens = quote(",".join(f"urn:oid:1.2.250.1.71.4.2.1|{id}" for id in ids), safe="")
    bounds = [f"start={sign}{quote(fhir_instant(at))}" for sign, at in (("ge", start), ("le", end))]
    return "&".join([*more, "status=free", *bounds, f"schedule.actor:Practitioner.identifier={tokens}"])


def searched(editors, slug, query):
    answer = answer_schedules if slug == "garde-plus" else answer_slots
    document = json.loads(answer(editors.server(slug), query))
    link = urlsplit(document["link"][0]["url"])
    assert document["link"][0]["relation"] == "self"
    assert parse_qsl(link.query) == parse_qsl(query)  # same parameters and values, in their order
    return Answer(document)


def judged_slots(slots, start, end, now):
    """The properties of every slot."""
    seen: dict[str, datetime] = {}
    for slot in slots:
        assert slot["status"] == "free"
        assert slot["meta"]["security"]
        assert len(slot["meta"]["profile"]) == 1
        assert INSTANT.fullmatch(slot["start"])
        assert INSTANT.fullmatch(slot["end"])
        first, last = datetime.fromisoformat(slot["start"]), datetime.fromisoformat(slot["end"])
        assert max(now, start) <= first <= end
        assert first < last
        schedule = slot["schedule"]["reference"]
        assert seen.get(schedule, first) <= first  # no overlap in a schedule, and in its order
        seen[schedule] = last
    return seen


def to_ms(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


@pytest.mark.requirement("R01-5", "R01-6", "R01-8", "R01-28", "R01-30", "R01-42", "R01-43", "R01-44", "R01-47", "R01-L")
@given(
    st.lists(IDS, min_size=1, max_size=25), NOWS, SHIFTS, LENGTHS, SEEDS, SLUGS, st.sets(st.sampled_from([*INCLUDES]))
)
@QUICK
def test_any_search_of_practitioners(editors_of, ids, now, shift, length, seed, slug, includes):
    if slug == "agenda-azur":
        includes = {each for each in includes if "Service" not in each and "service" not in each}
    editors, start = editors_of(seed, now), to_ms(now + shift)
    end = to_ms(start + length)
    answer = searched(editors, slug, asked(ids, start, end, sorted(includes)))
    kinds = Counter(entry["resource"]["resourceType"] for entry in answer.document.get("entry", ()))
    slots = list(answer.resources["Slot"].values())
    schedules = judged_slots(slots, start, end, now)
    assert answer.document["total"] == len(slots) == kinds["Slot"]
    assert "entry" not in answer.document or slots
    sent = {kind for each in includes if NEEDS.get(each, each) in includes for kind in INCLUDES[each]}
    assert set(kinds) <= {"Slot"} | sent
    people = {editors.population.place(schedule.partition("/")[2])[0].id for schedule in schedules}
    if "Schedule" in sent:
        assert {f"Schedule/{each}" for each in answer.resources["Schedule"]} == set(schedules)
    if "PractitionerRole" in sent:
        assert kinds["PractitionerRole"] == kinds["Schedule"] == len(schedules)
        assert set(answer.resources["Practitioner"]) == people
        assert {answer.actors(slot)["Practitioner"]["id"] for slot in slots} == people
    wanted = set(ids) | {f"8{id}" for id in ids} | {f"0{id}" for id in ids}
    assert people <= wanted


@pytest.mark.requirement("SOS-1", "SOS-2", "SOS-4", "SOS-10", "R01-L")
@given(NOWS, SHIFTS, LENGTHS, SEEDS, st.sets(st.sampled_from([*REVINCLUDES])), st.booleans())
@QUICK
def test_any_search_of_sos_sites(editors_of, now, shift, length, seed, includes, plain):
    editors, start = editors_of(seed, now), to_ms(now + shift)
    end = to_ms(start + length)
    has = "" if plain else "_has:Slot:schedule:"
    sirets = ",".join(f"urn:oid:1.2.250.1.71.4.2.2|{siret}" for siret in editors.population.sos)
    bounds = [f"{has}start={sign}{quote(fhir_instant(at))}" for sign, at in (("ge", start), ("le", end))]
    query = "&".join(
        [*sorted(includes), *bounds, f"{has}status=free", f"actor:Location.organization.identifier={sirets}"]
    )
    answer = searched(editors, "garde-plus", query)
    kinds = Counter(entry["resource"]["resourceType"] for entry in answer.document.get("entry", ()))
    sent = {kind for each in includes if SOS_NEEDS.get(each, each) in includes for kind in REVINCLUDES[each]}
    assert set(kinds) <= {"Schedule"} | sent
    assert bool(kinds["Schedule"]) == bool(answer.document["total"])
    if "Slot" in sent:
        slots = list(answer.resources["Slot"].values())
        schedules = judged_slots(slots, start, end, now)
        assert answer.document["total"] == len(slots)
        assert set(schedules) == {f"Schedule/{each}" for each in answer.resources["Schedule"]}
        assert {label["code"] for slot in slots for label in slot["meta"]["security"]} <= {"PUBLIC", "SNP"}
    if "Location" in sent:
        assert kinds["Location"] == kinds["Schedule"]
        for schedule in answer.resources["Schedule"].values():
            assert answer.at(schedule["actor"][0]["reference"])["resourceType"] == "Location"


@given(st.lists(st.sampled_from(HAND_MADE), min_size=1, max_size=4), NOWS, LENGTHS, SEEDS, st.integers(1, 60))
@QUICK
def test_pages_of_any_size_are_the_whole_answer_in_parts(editors_of, ids, now, length, seed, size):
    editors, server = (made := editors_of(seed, now)), made.server("agenda-azur")
    more = ["_include=Slot:schedule", "_include:iterate=Schedule:actor"]
    query = asked(ids, now, to_ms(now + length), more)
    whole = searched(editors, "agenda-azur", query)
    following, slots, pages = f"{query}&_count={size}", [], 0
    while following:
        page = json.loads(answer_slots(server, following))
        assert page["total"] == whole.document["total"]
        found = Answer(page)
        slots += found.resources["Slot"].values()
        assert {each["schedule"]["reference"] for each in found.resources["Slot"].values()} == {
            f"Schedule/{each}" for each in found.resources["Schedule"]
        }
        links = {link["relation"]: link["url"] for link in page["link"]}
        following, pages = urlsplit(links["next"]).query if "next" in links else "", pages + 1
    assert slots == list(whole.resources["Slot"].values())
    assert pages == max(1, -(-len(slots) // size))


@given(NOWS, SHIFTS, st.timedeltas(timedelta(), timedelta(days=3)), st.floats(0, 1), SEEDS)
@QUICK
def test_a_window_holds_what_its_two_halves_hold(editors_of, now, shift, length, share, seed):
    editors, start = editors_of(seed, now), to_ms(now + shift)
    end, middle = to_ms(start + length), to_ms(start + length * share)
    ids = HAND_MADE[:5]

    def found(first, last):
        return list(searched(editors, "agenda-azur", asked(ids, first, last, [])).resources["Slot"].values())

    halves = found(start, middle) + found(middle + timedelta(milliseconds=1), end)
    order = [slot["id"] for slot in found(start, end)]
    assert sorted(order) == sorted(slot["id"] for slot in halves)


@given(NOWS, SEEDS, st.sets(st.integers(0, 200), max_size=12))
@QUICK
def test_what_is_booked_is_never_sent_and_everything_else_is(editors_of, now, seed, chosen):
    editors = editors_of(seed, now)
    query = asked(HAND_MADE[:3], now, now + timedelta(days=3), [])
    before = list(searched(editors, "agenda-azur", query).resources["Slot"].values())
    taken = {before[number]["id"] for number in chosen if number < len(before)}
    for id in taken:
        editors.server("agenda-azur").agenda.take(id)
    after = searched(editors, "agenda-azur", query)
    assert list(after.resources["Slot"].values()) == [slot for slot in before if slot["id"] not in taken]
    assert after.document["total"] == len(before) - len(taken)
