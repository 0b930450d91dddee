"""For any window, list of ids, seed and time: the guarantees of the guide about an answer always hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.fhir.profiles import check
from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.fhir.reader.reading import read_bundle
from sandbox.kernel.clock import PARIS
from sandbox.population.procedural import id_of

HAND_MADE = [f"8198000000{number}" for number in ("10", "28", "36", "44", "51", "69", "77", "85", "93")]
IDS = st.one_of(
    st.sampled_from([*HAND_MADE, "0339900015", "339900015", "19800000028"]),
    st.integers(0, 600).map(id_of),
    st.from_regex(r"[0-9]{9,12}", fullmatch=True),
)
NOWS = st.integers(0, 2 * 365 * 86_400_000).map(
    lambda ms: datetime.fromtimestamp(1_767_222_000 + ms / 1000, PARIS)  # from 2026-01-01
)
SHIFTS = st.timedeltas(-timedelta(days=3), timedelta(days=5))
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def judge(body: bytes, start: datetime, end: datetime, now: datetime) -> list[str]:
    """Check all guarantees of an answer; returns the ids of its slots."""
    bundle = json.loads(body)
    assert check(bundle) == []
    resources = {}
    for entry in bundle.get("entry", []):
        resource = entry["resource"]
        key = f"{resource['resourceType']}/{resource['id']}"
        assert key not in resources
        assert entry["fullUrl"].endswith(f"/{key}")
        resources[key] = resource
    slots = [each for each in resources.values() if each["resourceType"] == "Slot"]
    by_schedule: dict[str, list[tuple[datetime, datetime]]] = {}
    for slot in slots:
        first, last = datetime.fromisoformat(slot["start"]), datetime.fromisoformat(slot["end"])
        assert start <= first <= end
        assert now <= first < last
        assert slot["schedule"]["reference"] in resources
        by_schedule.setdefault(slot["schedule"]["reference"], []).append((first, last))
    for times in by_schedule.values():
        assert all(one[1].astimezone(UTC) <= two[0].astimezone(UTC) for one, two in pairwise(times))
    for resource in resources.values():
        for reference in references(resource):
            assert reference in resources, reference
    assert bundle["total"] == len(slots)
    return [slot["id"] for slot in slots]


def references(node):
    if isinstance(node, dict):
        own = node.get("reference")
        if isinstance(own, str) and not own.startswith("#"):
            yield own
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


@pytest.mark.requirement("R01-5", "R01-6", "R01-10", "R01-43", "R01-45")
@given(st.lists(IDS, min_size=1, max_size=6), NOWS, SHIFTS, st.timedeltas(timedelta(), timedelta(days=4)),
       st.sampled_from([20260101, 1, 99]), st.sampled_from(["agenda-azur", "rdv-commune"]))  # fmt: skip
@QUICK
def test_any_search_of_practitioners_keeps_the_guides_invariants(editors_of, ids, now, shift, length, seed, slug):
    editors = editors_of(seed, now)
    start = now + shift
    query = slot_query(ids, start, start + length, cpts=slug == "rdv-commune")
    body = answer_slots(editors.server(slug), query)
    # what the query says has milliseconds only
    bounds = [(each - timedelta(microseconds=each.microsecond % 1000)) for each in (start, start + length)]
    found = judge(body, *bounds, now)
    assert body == answer_slots(editors.server(slug), query)  # cached answers are the same as new ones
    reading = read_bundle(body)
    assert reading.findings == []
    assert [slot.slot_id for slot in reading.slots] == found


@pytest.mark.requirement("SOS-2", "SOS-3")
@given(NOWS, SHIFTS, st.timedeltas(timedelta(), timedelta(days=2)), st.sampled_from([20260101, 5]))
@QUICK
def test_any_search_of_sos_sites_keeps_the_guides_invariants(editors_of, now, shift, length, seed):
    editors = editors_of(seed, now)
    start = now + shift
    query = schedule_query(editors.population.sos, start, start + length)
    body = answer_schedules(editors.server("garde-plus"), query)
    bounds = [(each - timedelta(microseconds=each.microsecond % 1000)) for each in (start, start + length)]
    judge(body, *bounds, now)
    assert read_bundle(body).findings == []


@given(NOWS, st.lists(st.integers(0, 6 * 24 * 60), min_size=1, max_size=6))
@QUICK
def test_as_time_goes_by_the_kept_days_show_what_a_fresh_agenda_would(editors_of, population, now, steps):
    held = editors_of(population.seed, now)
    for minutes in sorted(steps):
        held.now = now + timedelta(minutes=minutes)
        fresh = editors_of(population.seed, held.now)
        assert held.body("practitioner_two_sites") == fresh.body("practitioner_two_sites")
