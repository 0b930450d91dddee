"""Quirks that add slots: past ones, ones outside the window, busy ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import orjson
import pytest

from sandbox.fhir.queries.search import slot_query
from sandbox.kernel.clock import PARIS
from tests.actors.editor.slots.example_searches import (
    ALL,
    AZUR,
    GARDE,
    ONE,
    PAIR,
    SITES,
    TWO,
    ExampleSearch,
    requirements,
    resources,
)

ADDED = {"past-slots": "free", "outside-window": "free", "busy-slots": "busy"}


@pytest.mark.parametrize("example", ALL)
@pytest.mark.parametrize("quirk", ADDED)
def test_added_slots_are_the_only_difference_and_count(searched, quirk: str, example: str) -> None:
    search = searched(example)
    after = search.with_quirks(quirk)
    known = {slot["id"] for slot in resources(search.before, "Slot")}
    added = [entry for entry in after["entry"] if entry["resource"]["resourceType"] == "Slot"]
    added = [entry for entry in added if entry["resource"]["id"] not in known]
    schedules = {slot["schedule"]["reference"] for slot in resources(search.before, "Slot")}
    assert len(added) == len(schedules)
    assert {entry["resource"]["schedule"]["reference"] for entry in added} == schedules
    kept = {**after, "entry": [entry for entry in after["entry"] if entry not in added]}
    assert {**kept, "total": after["total"] - len(added)} == search.before
    for entry in added:
        slot = entry["resource"]
        assert slot["status"] == ADDED[quirk]
        assert entry["fullUrl"].endswith(f"/{slot['id']}")
        assert slot["comment"].endswith(f"slot={slot['id']}")
        start, end = (datetime.fromisoformat(slot[key]) for key in ("start", "end"))
        assert start < end
        last = search.editors.now + timedelta(hours=24)
        place = {"past-slots": start < search.editors.now, "outside-window": start > last}
        assert place.get(quirk, search.editors.now <= start <= last)
    starts = {name: [] for name in schedules}
    for slot in resources(after, "Slot"):
        starts[slot["schedule"]["reference"]].append(slot["start"])
    assert all(times == sorted(times) for times in starts.values())


@pytest.mark.parametrize("quirk", ADDED)
def test_of_added_slots_only_busy_ones_are_wrong_for_who_does_not_know_the_window(searched, quirk: str) -> None:
    ours, read = requirements(searched(TWO).with_quirks(quirk))
    expected = {"R01-10"} if quirk == "busy-slots" else set()
    assert (ours, read) == (expected, expected)


def test_busy_slot_overlaps_no_free_one(searched) -> None:
    for example in (TWO, PAIR, SITES):
        spans: dict[str, list[tuple[str, str]]] = {}
        for slot in resources(searched(example, 72).with_quirks("busy-slots"), "Slot"):
            spans.setdefault(slot["schedule"]["reference"], []).append((slot["start"], slot["end"]))
        for each in spans.values():
            assert all(end <= start for (_, end), (start, _) in pairwise(each))


def test_agenda_without_a_hole_has_no_busy_slot(searched) -> None:
    search = searched(ONE)
    one = {**search.before, "total": 1, "entry": [search.before["entry"][0]]}
    search.body = orjson.dumps(one)
    assert search.with_quirks("busy-slots") == one


def test_window_without_end_has_no_outside(editors, among) -> None:
    query = slot_query(["819800000010"], editors.now, datetime(2099, 12, 31, tzinfo=PARIS), cpts=False)
    search = ExampleSearch(editors, query, AZUR)
    assert search.with_quirks("outside-window") == search.before


@pytest.mark.parametrize("now", ["2026-03-28T22:00", "2026-03-29T01:00", "2026-10-24T22:00", "2026-10-25T08:00"])
def test_slots_on_other_days_have_the_offset_of_their_day(editors_of, now: str) -> None:
    editors = editors_of(20260101, datetime.fromisoformat(now).replace(tzinfo=PARIS))
    search = ExampleSearch(editors, editors.query(SITES, 20), GARDE)
    for slot in resources(search.with_quirks("past-slots", "outside-window"), "Slot"):
        start = datetime.fromisoformat(slot["start"])
        assert start.utcoffset() == start.astimezone(PARIS).utcoffset()
