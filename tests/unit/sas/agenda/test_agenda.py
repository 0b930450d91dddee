"""Changes of an agenda: what each scope changes, what is refused, and that no two slots ever overlap."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sandbox.sas.agenda import agenda as module
from sandbox.sas.agenda.agenda import Agenda, Closure, Scope
from sandbox.sas.agenda.refusals import Cause, Refusal
from sandbox.sas.agenda.series import FOREVER, Occurrence, Series, SlotId
from tests.unit.sas.agenda.agendas import MONDAY, NOW, YEAR, agenda, at, drafts, series, times

HOUR, DAY = 3600, 86400


def slot(held: Agenda, id: str, day: int) -> Occurrence:
    found = held.occurrence(id, day)
    assert found is not None
    return found


def all_of(held: Agenda) -> list[Occurrence]:
    return held.typed(NOW - YEAR / 2, NOW + YEAR / 2)


def days(held: Agenda, id: str) -> list[int]:
    return [each.day for each in all_of(held) if each.series == id and each.day < MONDAY + 60]


@pytest.fixture
def weekly() -> Agenda:
    """Tuesdays at nine for five weeks, two of them in the past."""
    return agenda(series(MONDAY - 13, weeks=5))


TUESDAYS = [MONDAY - 13, MONDAY - 6, MONDAY + 1, MONDAY + 8, MONDAY + 15]


def test_one_occurrence_is_removed(weekly: Agenda) -> None:
    left = weekly.remove(slot(weekly, "a", MONDAY + 8), Scope.ONE, NOW)
    assert days(left, "a") == [*TUESDAYS[:3], TUESDAYS[4]]


def test_the_following_ones_are_removed(weekly: Agenda) -> None:
    left = weekly.remove(slot(weekly, "a", MONDAY + 8), Scope.FOLLOWING, NOW)
    assert days(left, "a") == TUESDAYS[:3]


def test_all_are_removed_but_those_that_have_begun(weekly: Agenda) -> None:
    left = weekly.remove(slot(weekly, "a", MONDAY + 8), Scope.ALL, NOW)
    assert days(left, "a") == TUESDAYS[:2]
    today = at(MONDAY + 1, 540).timestamp()
    assert days(weekly.remove(slot(weekly, "a", MONDAY + 8), Scope.ALL, today), "a") == TUESDAYS[:3]


def test_what_has_begun_is_not_removed(weekly: Agenda) -> None:
    with pytest.raises(Refusal) as refused:
        weekly.remove(slot(weekly, "a", MONDAY - 6), Scope.ONE, NOW)
    assert (refused.value.status, refused.value.cause) == (422, Cause.PAST)


def test_one_occurrence_gets_another_time_and_is_then_a_slot_of_its_own(weekly: Agenda) -> None:
    changed, made = weekly.change(slot(weekly, "a", MONDAY + 8), series(MONDAY + 9, 600, id=""), Scope.ONE, NOW)
    assert made == series(MONDAY + 9, 600, id="100")
    assert days(changed, "a") == [*TUESDAYS[:3], TUESDAYS[4]]
    assert days(changed, "100") == [MONDAY + 9]


def test_a_single_slot_keeps_its_id() -> None:
    single = agenda(series())
    changed, made = single.change(slot(single, "a", MONDAY + 1), series(start=600, id=""), Scope.ONE, NOW)
    assert made == series(start=600)
    assert changed.series == (made,)


def test_the_following_ones_move_alike_and_end_where_they_did(weekly: Agenda) -> None:
    changed, _ = weekly.change(slot(weekly, "a", MONDAY + 8), series(MONDAY + 9, 600, id=""), Scope.FOLLOWING, NOW)
    assert days(changed, "a") == TUESDAYS[:3]
    assert days(changed, "100") == [MONDAY + 9, MONDAY + 16]


def test_all_that_have_not_begun_move_alike(weekly: Agenda) -> None:
    changed, _ = weekly.change(slot(weekly, "a", MONDAY + 15), series(MONDAY + 16, 600, id=""), Scope.ALL, NOW)
    assert days(changed, "a") == TUESDAYS[:2]
    assert days(changed, "100") == [MONDAY + 2, MONDAY + 9, MONDAY + 16]


def test_a_whole_series_of_the_future_keeps_its_id_and_what_was_taken_out_stays_out() -> None:
    held = agenda(msgspec.structs.replace(series(weeks=4), skipped=(MONDAY + 8,)))
    changed, made = held.change(slot(held, "a", MONDAY + 15), series(MONDAY + 15, 600, id=""), Scope.ALL, NOW)
    assert made.id == "a"
    assert days(changed, "a") == [MONDAY + 1, MONDAY + 15, MONDAY + 22]


def test_a_series_gets_another_end() -> None:
    held = agenda(series(weeks=0))
    until = msgspec.structs.replace(series(start=600, id=""), last=MONDAY + 15)
    changed, made = held.change(slot(held, "a", MONDAY + 1), until, Scope.ALL, NOW)
    assert days(changed, "a") == [MONDAY + 1, MONDAY + 8, MONDAY + 15]
    _, made = held.change(slot(held, "a", MONDAY + 1), series(start=600, id=""), Scope.ALL, NOW)
    assert made.last == FOREVER


def test_a_single_slot_becomes_a_series() -> None:
    held = agenda(series())
    changed, _ = held.change(slot(held, "a", MONDAY + 1), series(weeks=3, id=""), Scope.ALL, NOW)
    assert days(changed, "a") == TUESDAYS[2:]


def test_a_series_that_is_free_on_public_holidays_stays_so_and_one_day_may_be_put_on_one() -> None:
    kind = msgspec.structs.replace(series().kind, holidays=False)
    held = agenda(msgspec.structs.replace(series(weeks=0), kind=kind))
    changed, made = held.change(slot(held, "a", MONDAY + 1), series(start=600, id=""), Scope.ALL, NOW)
    assert not made.kind.holidays
    christmas = date(2026, 12, 25).toordinal()
    changed, made = held.change(slot(held, "a", MONDAY + 1), series(christmas, id=""), Scope.ONE, NOW)
    assert changed.occurrence(made.id, christmas) is not None


def test_nothing_is_moved_into_the_past(weekly: Agenda) -> None:
    moved = series(MONDAY - 1, 540, id="")
    for scope in Scope:
        with pytest.raises(Refusal) as refused:
            weekly.change(slot(weekly, "a", MONDAY + 1), moved, scope, NOW)
        assert refused.value.cause is Cause.PAST
    earlier = series(MONDAY + 13, 540, id="")  # two days: the first that has not begun would have
    with pytest.raises(Refusal) as refused:
        weekly.change(slot(weekly, "a", MONDAY + 15), earlier, Scope.ALL, NOW)
    assert refused.value.cause is Cause.PAST


def test_a_slot_that_overlaps_another_is_refused_at_whatever_place(weekly: Agenda) -> None:
    for place in ("cabinet", "annexe"):
        with pytest.raises(Refusal) as refused:
            weekly.add(series(MONDAY + 8, 555, place=place, id=""))
        assert (refused.value.status, refused.value.cause) == (409, Cause.OVERLAP)
    assert weekly.add(series(MONDAY + 8, 570, id=""))[1].id == "100"


def test_a_slot_far_away_is_compared_by_the_instant(weekly: Agenda) -> None:
    with pytest.raises(Refusal):
        weekly.add(series(MONDAY + 8, 240, place="guadeloupe", id=""))  # four o'clock there is nine o'clock here
    weekly.add(series(MONDAY + 8, 540, place="guadeloupe", id=""))


def test_there_is_an_end_to_what_can_be_typed(monkeypatch: pytest.MonkeyPatch, weekly: Agenda) -> None:
    monkeypatch.setattr(module, "MOST_SERIES", 1)
    with pytest.raises(Refusal) as refused:
        weekly.add(series(id=""))
    assert (refused.value.status, refused.value.cause) == (422, Cause.MANY)
    monkeypatch.setattr(module, "MOST_CLOSURES", 0)
    with pytest.raises(Refusal) as refused:
        weekly.close(Closure("", int(NOW), int(NOW) + DAY))
    assert refused.value.cause is Cause.MANY


# Closed periods


def test_slots_of_a_closed_period_are_typed_and_not_offered(weekly: Agenda) -> None:
    start = int(at(MONDAY + 8, 560).timestamp())
    closed, made = weekly.close(Closure("", start, start + DAY, "Formation"))
    assert made.id == "f100"
    assert [each.day for each in closed.occurrences(NOW, NOW + YEAR)] == [MONDAY + 1, MONDAY + 15]
    assert days(closed, "a") == TUESDAYS
    parts = SlotId(closed.owner, "a", MONDAY + 8)
    assert closed.offered(parts) is None
    assert closed.closed(slot(closed, "a", MONDAY + 8)) == made
    assert closed.reopen("f100").offered(parts) == slot(weekly, "a", MONDAY + 8)
    with pytest.raises(Refusal) as refused:
        closed.reopen("f101")
    assert refused.value.status == 404


def test_one_place_may_be_closed_alone(weekly: Agenda) -> None:
    start = int(at(MONDAY, 0).timestamp())
    elsewhere, _ = weekly.close(Closure("", start, start + 7 * DAY, place="annexe"))
    assert elsewhere.occurrences(NOW, NOW + 7 * DAY)
    here, _ = weekly.close(Closure("", start, start + 7 * DAY, place="cabinet"))
    assert not here.occurrences(NOW, NOW + 7 * DAY)


def test_a_slot_of_somebody_else_or_of_no_series_is_not_offered(weekly: Agenda) -> None:
    assert weekly.offered(SlotId("819800000135", "a", MONDAY + 1)) is None
    assert weekly.offered(SlotId(weekly.owner, "b", MONDAY + 1)) is None
    assert weekly.offered(SlotId(weekly.owner, "a", MONDAY + 2)) is None


def test_slots_at_a_place_that_is_no_more_are_not_there(weekly: Agenda) -> None:
    left = Agenda(weekly.owner, {}, weekly.series)
    assert all_of(left) == []
    assert left.occurrence("a", MONDAY + 1) is None


def test_what_ended_long_ago_is_left_out() -> None:
    old = agenda(series(MONDAY - 100, id="old"), series(MONDAY - 90, id="kept"), series(weeks=0))
    old, _ = old.close(Closure("", int(NOW) - 100 * DAY, int(NOW) - 99 * DAY))
    tidy = old.tidied(MONDAY)
    assert [each.id for each in tidy.series] == ["kept", "a"]
    assert not tidy.closures


# Whatever is done

SCOPES = st.sampled_from(list(Scope))


def apply(held: Agenda, choice: int, draft: Series, scope: Scope, action: str) -> Agenda:
    """One change; a refusal leaves the agenda as it is."""
    coming = [each for each in all_of(held) if each.start > NOW]
    try:
        if action == "add" or not coming:
            return held.add(draft)[0]
        chosen = coming[choice % len(coming)]
        if action == "remove":
            return held.remove(chosen, scope, NOW)
        return held.change(chosen, draft, scope, NOW)[0]
    except Refusal:
        return held


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1000), drafts(least_day=MONDAY + 1), SCOPES, st.sampled_from(["add", "change", "remove"])
        ),
        max_size=15,
    )
)
def test_no_two_slots_overlap_after_any_changes(steps: list[tuple[int, Series, Scope, str]]) -> None:
    held = agenda()
    for choice, draft, scope, action in steps:
        held = apply(held, choice, draft, scope, action)
    slots = all_of(held)
    assert all(one.end <= other.start for one, other in pairwise(slots))
    assert all(slot.start < slot.end for slot in slots)
    assert len({slot.id for slot in slots}) == len(slots)


@settings(max_examples=150, deadline=None)
@given(st.lists(drafts(), min_size=1, max_size=6), st.integers(0, 1000), drafts(least_day=MONDAY + 1), SCOPES)
def test_a_change_touches_exactly_the_slots_of_its_scope(
    typed: list[Series], choice: int, draft: Series, scope: Scope
) -> None:
    held = agenda()
    for each in typed:
        held = apply(held, 0, each, Scope.ONE, "add")
    coming = [each for each in all_of(held) if each.start > NOW]
    assume(coming)
    chosen = coming[choice % min(10, len(coming))]
    mine = [each for each in coming if each.series == chosen.series]
    touched = {
        Scope.ONE: [chosen],
        Scope.FOLLOWING: [each for each in mine if each.day >= chosen.day],
        Scope.ALL: mine,
    }[scope]
    left = held.remove(chosen, scope, NOW)
    assert times(all_of(left)) == times(all_of(held)) - times(touched)
    try:
        changed, made = held.change(chosen, msgspec.structs.replace(draft, last=draft.first), scope, NOW)
    except Refusal:
        return
    others = [each for each in all_of(changed) if each.series != made.id]
    kept = [each for each in all_of(left) if each.series != made.id]
    assert times(others) == times(kept)
    new = {each.day for each in all_of(changed) if each.series == made.id}
    shift = draft.first - chosen.day
    window = MONDAY - 100, MONDAY + 100
    assert {day for day in new if window[0] < day < window[1]} == {
        each.day + shift for each in touched if window[0] < each.day + shift < window[1]
    }


def test_who_has_closed_every_place_from_the_first_to_the_last_instant_is_away() -> None:
    held = agenda(series(MONDAY + 1))
    assert not held.away(100, 200, ["here", "there"])
    whole = Closure("a", 100, 200)
    assert replace(held, closures=(whole,)).away(100, 200, ["here", "there"])
    assert not replace(held, closures=(whole,)).away(99, 200, ["here", "there"])
    assert not replace(held, closures=(whole,)).away(100, 201, ["here", "there"])
    here, there = Closure("b", 0, 300, place="here"), Closure("c", 0, 300, place="there")
    assert replace(
        held,
        closures=(
            here,
            there,
        ),
    ).away(100, 200, ["here", "there"])
    assert not replace(held, closures=(here,)).away(100, 200, ["here", "there"])
