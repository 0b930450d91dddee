"""Searches find the same slots as a slow reference that examines one slot after another."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.editor.agenda import HORIZON
from sandbox.editor.fhir.slots import answer_slots
from sandbox.fhir.queries.search import slot_query
from sandbox.kernel.clock import PARIS
from sandbox.population.agendas.agenda import slot_id
from sandbox.population.agendas.calendar import region_of
from tests.support.planned_slots import day_slots

IDS = ["819800000010", "819800000028", "819800000036", "819800000044", "819800000051", "819800000069", "0339900015"]
FROM = datetime(2026, 1, 1, tzinfo=PARIS).timestamp()
NOWS = st.integers(0, 400 * 86_400_000).map(lambda ms: datetime.fromtimestamp(FROM + ms / 1000, PARIS))
STARTS = st.integers(0, 400 * 24 * 12).map(lambda at: datetime.fromtimestamp(FROM + at * 300, PARIS))  # when slots go
STEPS = st.lists(st.sampled_from([0, 1, 30, 60, 61, 900, 3600, 86_400, -1800]), min_size=1, max_size=4)
SHIFTS = st.one_of(st.just(0), st.integers(-3 * 86_400_000, 32 * 86_400_000))
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def slow(population, person, start, end, now, booked):
    """The free slots of a practitioner, computed slowly: of every day around the window, the slots that nothing
    excludes."""
    for place in person.places:
        region = region_of(place.insee)
        days = range((start - timedelta(days=2)).toordinal(), (min(end, now + HORIZON) + timedelta(days=3)).toordinal())
        for day in days:
            date = datetime.fromordinal(day).date()
            for slot, taken in day_slots(population.seed, place.id, date, place.agenda, region):
                inside = max(start, now) <= slot.start <= min(end, now + HORIZON)
                key = slot_id(place.id, int(slot.start.timestamp()))
                if inside and (taken is None or taken > now) and key not in booked:
                    yield key, slot


def told(slot):
    """The content of a Slot resource as values of the domain."""
    codings = [coding["code"] for concept in slot["serviceType"] for coding in concept.get("coding", ())]
    return (
        slot["id"],
        datetime.fromisoformat(slot["start"]),
        datetime.fromisoformat(slot["end"]),
        tuple(coding["code"] for coding in slot["meta"]["security"]),
        tuple(codings),
        next((concept["text"] for concept in slot["serviceType"] if "text" in concept), None),
        slot["appointmentType"]["coding"][0]["code"] == "WALKIN",
    )


@given(
    st.lists(st.sampled_from(IDS + ["procedural"] * 3), min_size=1, max_size=5),
    st.integers(0, 390),
    st.one_of(NOWS, STARTS),
    STEPS,
    SHIFTS,
    st.integers(0, 5 * 86_400_000),
    st.sampled_from([20260101, 3]),
    st.integers(0, 3),
)
@QUICK
def test_any_search_finds_what_looking_at_every_slot_finds(
    editors_of, ids, at, now, steps, shift, length, seed, booked
):
    editors = editors_of(seed, now)
    server, people = editors.server("agenda-azur"), editors.population.of_editor("agenda-azur")
    asked = list(dict.fromkeys(people[at % len(people)].id if each == "procedural" else each for each in ids))
    taken: list[str] = []
    # What the query says has milliseconds.
    start = now.replace(microsecond=now.microsecond // 1000 * 1000) + timedelta(milliseconds=shift)
    end = start + timedelta(milliseconds=length)
    for step in steps:
        editors.now += timedelta(seconds=step)
        body = json.loads(answer_slots(server, slot_query(asked, start, end, cpts=False)))
        found = [each["resource"] for each in body.get("entry", []) if each["resource"]["resourceType"] == "Slot"]
        expected = [
            (key, slot.start, slot.end, slot.visibilities, slot.types, slot.reason, slot.walkin)
            for each in asked
            for key, slot in slow(
                editors.population, editors.population.practitioner(each), start, end, editors.now, taken
            )
        ]
        assert [told(slot) for slot in found] == expected[: len(found)]
        assert (body["total"], len(found)) == (len(expected), min(len(expected), 1000))
        for slot in found[::2][:booked]:
            server.agenda.take(slot["id"])
            taken.append(slot["id"])
        if taken and step == 0:
            server.agenda.release(taken.pop())
