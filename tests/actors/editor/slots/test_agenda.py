"""An editor's agenda: what is free, what bookings change, and that its memory is bounded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.editor import agenda as module
from sandbox.kernel.clock import PARIS


@pytest.fixture
def agenda(office):
    return office.desk("agenda-azur").agenda


def free(office, agenda, days=3):
    return agenda.free("duvallon-bordeaux", office.now, office.now + timedelta(days=days), office.now)


def key_of(slot):
    return module.slot_id(slot.schedule, int(slot.start.timestamp()))


def test_free_slots_are_in_the_window_and_found_by_their_ids(office, agenda):
    slots = free(office, agenda)
    assert slots
    for slot in slots:
        assert office.now <= slot.start <= office.now + timedelta(days=3)
        assert slot.start.tzinfo == PARIS
        assert agenda.find(key_of(slot)) == slot
        assert agenda.is_free(key_of(slot), office.now)


def test_schedule_of_another_editor_has_nothing_here(office, agenda):
    window = (office.now, office.now + timedelta(days=3), office.now)
    for schedule in ("escoubes-pessac", "sos-rennes-nord", "nowhere"):
        assert agenda.free(schedule, *window) == []
        assert agenda.week(schedule) is None


def test_taken_slot_is_found_but_not_free_and_taking_twice_is_the_same(office, agenda):
    slot = free(office, agenda)[0]
    for _ in range(2):
        agenda.take(key_of(slot))
        assert agenda.find(key_of(slot)) == slot
        assert not agenda.is_free(key_of(slot), office.now)
        assert slot not in free(office, agenda)
    agenda.release(key_of(slot))
    agenda.release(key_of(slot))
    assert slot in free(office, agenda)


def test_other_bookings_of_a_schedule_stay_when_one_is_released(office, agenda):
    one, two = free(office, agenda)[:2]
    agenda.take(key_of(one))
    agenda.take(key_of(two))
    agenda.release(key_of(one))
    assert two not in free(office, agenda)
    assert one in free(office, agenda)


def test_past_slot_is_found_but_not_free(office, agenda):
    slot = free(office, agenda)[0]
    office.now = slot.start + timedelta(hours=1)
    assert agenda.find(key_of(slot)) == slot
    assert not agenda.is_free(key_of(slot), office.now)


@pytest.mark.parametrize("key", ["", "x", "duvallon-bordeaux.20261123T0931Z", "nowhere.20261123T0930Z"])
def test_what_was_never_offered_is_not_found_and_cannot_be_taken(office, agenda, key):
    before = free(office, agenda)
    assert agenda.find(key) is None
    assert not agenda.is_free(key, office.now)
    agenda.take(key)
    agenda.release(key)
    assert free(office, agenda) == before


def test_clock_that_goes_back_shows_what_was_free_then(office, agenda):
    before = free(office, agenda)
    office.now += timedelta(hours=30)
    later = free(office, agenda)
    assert len(later) < len(before) + 40
    office.now -= timedelta(hours=30)
    assert free(office, agenda) == before


def test_kept_windows_are_bounded(office, agenda, monkeypatch):
    monkeypatch.setattr(module, "WINDOWS_KEPT", 5)
    whole = [free(office, agenda, days=days) for days in range(20)]
    assert len(agenda._windows) <= 5
    assert [free(office, agenda, days=days) for days in range(20)] == whole


def test_bookings_long_over_are_forgotten(office, agenda):
    slot = free(office, agenda)[0]
    agenda.take(key_of(slot))
    office.now += timedelta(days=10)
    other = free(office, agenda)[0]
    agenda.take(key_of(other))
    assert agenda._taken["duvallon-bordeaux"] == {int(other.start.timestamp())}


def test_sos_site_has_an_agenda_too(office):
    agenda = office.desk("garde-plus").agenda
    slots = agenda.free("sos-rennes-nord", office.now, office.now + timedelta(days=1), office.now)
    assert slots
    assert agenda.find(key_of(slots[0])) == slots[0]
