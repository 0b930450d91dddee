"""Weeks and opening hours of the persona files, checked: every range ends after it begins, none overlaps another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import time

from sandbox.kernel.errors import ConfigError
from sandbox.kernel.model import AgendaTemplate, OpeningHours, OpenRange
from sandbox.population.personas.schema import AgendaRow, HoursRow, RangeRow

Error = Callable[[str, str], ConfigError]

_Span = tuple[int, int, int]  # day of the week, first and last minute


def week(row: AgendaRow, path: str, error: Error) -> AgendaTemplate:
    """The week of a row at `path` of its file. Raises what `error` makes."""
    _check_order(row, path, error)
    opens, closes = _minutes(row.opens), _end(row.closes)
    if row.lunch and not opens <= _minutes(row.lunch[0]) < _minutes(row.lunch[1]) <= closes:
        raise error(f"{path}.lunch", "lunch does not lie within the opening hours")
    return AgendaTemplate(
        days=row.days,
        opens=time.fromisoformat(row.opens),
        closes=time.fromisoformat(row.closes),
        lunch=(time.fromisoformat(row.lunch[0]), time.fromisoformat(row.lunch[1])) if row.lunch else None,
        slot_minutes=row.slot_minutes,
        visibilities=row.visibilities,
        types=row.types,
        reasons=row.reasons,
        walkin=row.walkin,
        occupation=row.occupation,
        own_patients=row.own_patients,
        ranges=_ranges(row, path, error),
        holidays=row.holidays,
        leave=row.leave,
        patients=row.patients,
    )


def _ranges(row: AgendaRow, path: str, error: Error) -> tuple[OpenRange, ...]:
    taken = [(day, _minutes(row.opens), _end(row.closes)) for day in row.days]
    for at, each in enumerate(row.ranges):
        _check_order(each, f"{path}.ranges[{at}]", error)
        spans = [(day, _minutes(each.opens), _end(each.closes)) for day in each.days]
        if any(_overlap(one, other) for one in spans for other in taken):
            raise error(f"{path}.ranges[{at}]", "this range overlaps another one of the same day")
        taken += spans
    return tuple(_range(each) for each in row.ranges)


def _range(row: RangeRow) -> OpenRange:
    return OpenRange(row.days, time.fromisoformat(row.opens), time.fromisoformat(row.closes), row.without_school)


def opening(row: HoursRow, path: str, error: Error) -> OpeningHours:
    """The opening hours of a row."""
    _check_order(row, path, error)
    return OpeningHours(row.days, time.fromisoformat(row.opens), time.fromisoformat(row.closes))


def within(template: AgendaTemplate, hours: Sequence[OpeningHours]) -> bool:
    """True when all of a week lies within these opening hours."""
    open_at = [span for each in hours for span in _spans(each)]
    needed = [*_spans(template), *(span for each in template.ranges for span in _spans(each))]
    return all(
        any(day == there and begin <= opens and closes <= end for there, begin, end in open_at)
        for day, opens, closes in needed
    )


def _spans(each: AgendaTemplate | OpenRange | OpeningHours) -> Iterator[_Span]:
    opens, closes = each.opens.hour * 60 + each.opens.minute, each.closes.hour * 60 + each.closes.minute
    return ((day, opens, closes or 1440) for day in each.days)


def _check_order(row: AgendaRow | HoursRow, path: str, error: Error) -> None:
    if _minutes(row.opens) >= _end(row.closes):
        raise error(f"{path}.closes", f"closes at {row.closes}, not after it opens at {row.opens}")


def _overlap(one: _Span, other: _Span) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _end(text: str) -> int:
    """00:00 is the end of the day."""
    return _minutes(text) or 1440
