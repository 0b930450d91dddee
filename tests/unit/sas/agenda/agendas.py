"""Agendas for tests: one practitioner with two places in Paris' zone and one far away."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from sandbox.kernel.clock import PARIS
from sandbox.population.agendas.calendar import region_of
from sandbox.sas.agenda.agenda import Agenda
from sandbox.sas.agenda.series import FOREVER, Kind, Occurrence, Series

OWNER = "819800000127"
REGIONS = {"cabinet": region_of("33063"), "annexe": region_of("33318"), "guadeloupe": region_of("97105")}
MONDAY = date(2026, 11, 23).toordinal()
NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS).timestamp()
YEAR = 366 * 86400


def agenda(*series: Series) -> Agenda:
    return Agenda(OWNER, REGIONS, series, serial=100)


def series(
    day: int = MONDAY + 1, start: int = 540, length: int = 30, *, weeks: int = 1, place: str = "cabinet", id: str = "a"
) -> Series:
    """A single slot, or a series of so many weeks (0: for ever)."""
    last = FOREVER if weeks == 0 else day + 7 * (weeks - 1)
    return Series(id, day, last, start, length, Kind(place))


def at(day: int, minute: int, zone: ZoneInfo = PARIS) -> datetime:
    there = date.fromordinal(day)
    return datetime(there.year, there.month, there.day, minute // 60, minute % 60, tzinfo=zone)


def times(slots: Iterable[Occurrence]) -> set[tuple[int, int, str]]:
    return {(slot.start, slot.end, slot.kind.place) for slot in slots}


def drafts(*, least_day: int = MONDAY - 14) -> st.SearchStrategy[Series]:
    """Series of a few weeks or for ever, dense enough to get into each other's way; some across midnight."""
    return st.builds(
        lambda day, start, length, weeks, place: series(day, start * 30, length * 15, weeks=weeks, place=place, id=""),
        st.integers(least_day, MONDAY + 30),
        st.integers(0, 47),
        st.integers(1, 12),
        st.sampled_from([0, 1, 1, 2, 3, 20]),
        st.sampled_from(sorted(REGIONS)),
    )
