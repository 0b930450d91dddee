"""An editor's agenda: what is free, what bookings change, and that its memory is bounded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.editor import agenda as module
from sandbox.kernel.clock import PARIS


@pytest.fixture
def agenda(editors):
    return editors.server("agenda-azur").agenda


def free(editors, agenda, days=3):
    return agenda.free("duvallon-bordeaux", editors.now, editors.now + timedelta(days=days), editors.now)


def key_of(slot):
    return module.slot_id(slot.schedule, int(slot.start.timestamp()))


def test_free_slots_are_in_the_window_and_found_by_their_ids(editors, agenda):
    slots = free(editors, agenda)
    assert slots
    for slot in slots:
        assert editors.now <= slot.start <= editors.now + timedelta(days=3)
        assert slot.start.tzinfo == PARIS
        assert agenda.find(key_of(slot)) == slot
        assert agenda.is_free(key_of(slot), editors.now)


def test_schedule_of_another_editor_has_nothing_here(editors, agenda):
    window = (editors.now, editors.now + timedelta(days=3), editors.now)
    for schedule in ("escoubes-pessac", "sos-rennes-nord", "nowhere"):
        assert agenda.free(schedule, *window) == []
        assert agenda.week(schedule) is None


def test_taken_slot_is_found_but_not_free_and_taking_twice_is_the_same(editors, agenda):
    slot = free(editors, agenda)[0]
    for _ in range(2):
        agenda.take(key_of(slot))
        assert agenda.find(key_of(slot)) == slot
        assert not agenda.is_free(key_of(slot), editors.now)
        assert slot not in free(editors, agenda)
    agenda.release(key_of(slot))
    agenda.release(key_of(slot))
    assert slot in free(editors, agenda)


def test_other_bookings_of_a_schedule_stay_when_one_is_released(editors, agenda):
    one, two = free(editors, agenda)[:2]
    agenda.take(key_of(one))
    agenda.take(key_of(two))
    agenda.release(key_of(one))
    assert two not in free(editors, agenda)
    assert one in free(editors, agenda)


def test_past_slot_is_found_but_not_free(editors, agenda):
    slot = free(editors, agenda)[0]
    editors.now = slot.start + timedelta(hours=1)
    assert agenda.find(key_of(slot)) == slot
    assert not agenda.is_free(key_of(slot), editors.now)


@pytest.mark.parametrize("key", ["", "x", "duvallon-bordeaux.20261123T0931Z", "nowhere.20261123T0930Z"])
def test_what_was_never_offered_is_not_found_and_cannot_be_taken(editors, agenda, key):
    before = free(editors, agenda)
    assert agenda.find(key) is None
    assert not agenda.is_free(key, editors.now)
    agenda.take(key)
    agenda.release(key)
    assert free(editors, agenda) == before


def test_clock_that_goes_back_shows_what_was_free_then(editors, agenda):
    before = free(editors, agenda)
    editors.now += timedelta(hours=30)
    later = free(editors, agenda)
    assert len(later) < len(before) + 40
    editors.now -= timedelta(hours=30)
    assert free(editors, agenda) == before


def test_kept_windows_are_bounded(editors, agenda, monkeypatch):
    monkeypatch.setattr(module, "WINDOWS_KEPT", 5)
    whole = [free(editors, agenda, days=days) for days in range(20)]
    assert len(agenda._windows) <= 5
    assert [free(editors, agenda, days=days) for days in range(20)] == whole


def test_bookings_long_over_are_forgotten(editors, agenda):
    slot = free(editors, agenda)[0]
    agenda.take(key_of(slot))
    editors.now += timedelta(days=10)
    other = free(editors, agenda)[0]
    agenda.take(key_of(other))
    assert agenda._taken["duvallon-bordeaux"] == {int(other.start.timestamp())}


def test_sos_site_has_an_agenda_too(editors):
    agenda = editors.server("garde-plus").agenda
    slots = agenda.free("sos-rennes-nord", editors.now, editors.now + timedelta(days=1), editors.now)
    assert slots
    assert agenda.find(key_of(slots[0])) == slots[0]
