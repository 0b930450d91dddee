"""The agenda of one practitioner: his typed slots and his closed periods; every change makes another agenda. Pure.

No two slots of an agenda overlap, at whatever places: a person is in one place at a time. What has begun is never
changed: a change of a whole series leaves the occurrences that have begun as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from operator import attrgetter

import msgspec

from sandbox.population.agendas.calendar import Region
from sandbox.sas.agenda.local_time import instant, local
from sandbox.sas.agenda.refusals import Cause, Refusal
from sandbox.sas.agenda.series import (
    FOREVER,
    Occurrence,
    Series,
    SlotId,
    before,
    expanded,
    occurrence_of,
    overlap,
    shifts_between,
    trimmed,
    without,
)

MOST_SERIES = 1000  # typed slots and series of one practitioner
MOST_CLOSURES = 200
HISTORY_DAYS = 92  # days for which slots that are over are kept
_EPOCH = date(1970, 1, 1).toordinal()


class Scope(StrEnum):
    """How much of a series a change is about: one occurrence, this and the following ones, or all that have not
    begun."""

    ONE = "one"
    FOLLOWING = "following"
    ALL = "all"


class Closure(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A closed period or leave: slots that overlap it are not offered. `start`, `end` in epoch seconds; `place`: id of
    the only place that is closed, "" for all of them."""

    id: str
    start: int
    end: int
    label: str = ""
    place: str = ""

    def covers(self, slot: Occurrence) -> bool:
        """Whether the slot is not offered because of it."""
        return slot.start < self.end and slot.end > self.start and self.place in ("", slot.kind.place)


@dataclass(frozen=True, slots=True)
class Agenda:
    """What one practitioner has typed. `owner`: prefixed national id; `regions`: where his places are, by their ids
    (slots at other places are not offered); `serial`: the number of the next series or closure."""

    owner: str
    regions: Mapping[str, Region]
    series: tuple[Series, ...] = ()
    closures: tuple[Closure, ...] = ()
    serial: int = 1

    def typed(self, start: float, end: float) -> list[Occurrence]:
        """The slots that overlap a window (epoch seconds, the end excluded), by time, closed periods included."""
        days: dict[str, tuple[int, int]] = {}
        found: list[Occurrence] = []
        for series in self.series:
            place = series.kind.place
            if (region := self.regions.get(place)) is None:
                continue
            if place not in days:
                days[place] = local(region.zone, start)[0] - 1, local(region.zone, end)[0]
            found += expanded(self.owner, series, region, days[place])
        found = [slot for slot in found if slot.start < end and slot.end > start]
        return sorted(found, key=attrgetter("start", "end"))

    def occurrences(self, start: float, end: float) -> list[Occurrence]:
        """The slots that begin in a window (epoch seconds) and are not in a closed period, by time."""
        return [slot for slot in self.typed(start, end) if slot.start >= start and not self.closed(slot)]

    def away(self, start: float, end: float, places: Iterable[str]) -> bool:
        """Whether each of these places (ids) is closed from `start` to `end` (epoch seconds) by one closed period."""
        whole = {closure.place for closure in self.closures if closure.start <= start and closure.end >= end}
        return "" in whole or whole.issuperset(places)

    def closed(self, slot: Occurrence) -> Closure | None:
        """The closed period that a slot is in."""
        return next((closure for closure in self.closures if closure.covers(slot)), None)

    def occurrence(self, series: str, day: int) -> Occurrence | None:
        """The slot of a series on a day, also in a closed period."""
        found = self.find(series)
        region = self.regions.get(found.kind.place) if found is not None else None
        if found is None or region is None or not found.has(day):
            return None
        return occurrence_of(self.owner, found, day, region)

    def offered(self, id: SlotId) -> Occurrence | None:
        """The slot with that id, unless it is in a closed period."""
        slot = self.occurrence(id.series, id.day) if id.owner == self.owner else None
        return slot if slot is not None and self.closed(slot) is None else None

    def find(self, id: str) -> Series | None:
        """The series with that id."""
        return next((series for series in self.series if series.id == id), None)

    # Changes

    def add(self, draft: Series) -> tuple[Agenda, Series]:
        """The agenda with one more series, which gets an id. Raises Refusal 409 when it overlaps another, 422 when
        there are too many."""
        if len(self.series) >= MOST_SERIES:
            raise Refusal(
                Cause.MANY,
                f"an agenda has at most {MOST_SERIES} slots and series",
                f"L'agenda contient déjà {MOST_SERIES} créneaux et séries : supprimez-en avant d'en ajouter.",
            )
        made = trimmed(draft if draft.id else msgspec.structs.replace(draft, id=str(self.serial)))
        assert made is not None, "a draft has a first day"
        self._require_free(made)
        return replace(self, series=(*self.series, made), serial=self.serial + (not draft.id)), made

    def remove(self, slot: Occurrence, scope: Scope, now: float) -> Agenda:
        """The agenda without that slot, and with `scope` the others of its series. Raises Refusal 422 for a slot that
        has begun."""
        _require_future(slot, now)
        kept = self._rest(slot, scope, now)
        others = [series for series in self.series if series.id != slot.series]
        return replace(self, series=(*others, kept) if kept is not None else tuple(others))

    def change(self, slot: Occurrence, draft: Series, scope: Scope, now: float) -> tuple[Agenda, Series]:
        """The agenda with that slot as `draft` says, and with `scope` the others of its series moved alike.

        `draft.first` is the new day of the slot. The new series keeps the id when nothing else is left of the old one.
        Without an end of its own (`draft.last` is its first day) it ends where the old one does; days that were taken
        out of the old one are missing in it too. Raises Refusal 422 for a slot that has begun or that would begin in
        the past, 409 when it would overlap another.
        """
        old = self.find(slot.series)
        assert old is not None
        rest = self.remove(slot, scope, now)
        kind = msgspec.structs.replace(draft.kind, holidays=scope is Scope.ONE or old.kind.holidays)
        made = msgspec.structs.replace(draft, kind=kind, id=old.id if rest.find(old.id) is None else "")
        if scope is not Scope.ONE and old.weekly:
            made = self._moved(old, made, slot, self._first(slot, scope, now))
        region = self.regions[made.kind.place]
        first = trimmed(made)
        begun = first is not None and occurrence_of(self.owner, first, first.first, region)
        if first is None or (begun and begun.start <= now):
            raise _past("it would begin in the past", "Le créneau commencerait dans le passé.", "start")
        return rest.add(first)

    def close(self, closure: Closure) -> tuple[Agenda, Closure]:
        """The agenda with one more closed period, which gets an id. Raises Refusal 422 when there are too many."""
        if len(self.closures) >= MOST_CLOSURES:
            raise Refusal(
                Cause.MANY,
                f"an agenda has at most {MOST_CLOSURES} closed periods",
                f"L'agenda contient déjà {MOST_CLOSURES} fermetures : supprimez-en avant d'en ajouter.",
            )
        made = msgspec.structs.replace(closure, id=f"f{self.serial}")
        closures = sorted((*self.closures, made), key=attrgetter("start", "end", "id"))
        return replace(self, closures=tuple(closures), serial=self.serial + 1), made

    def reopen(self, id: str) -> Agenda:
        """The agenda without a closed period. Raises Refusal 404."""
        kept = tuple(closure for closure in self.closures if closure.id != id)
        if len(kept) == len(self.closures):
            raise unknown_closure(id)
        return replace(self, closures=kept)

    def tidied(self, today: int) -> Agenda:
        """The agenda without what ended more than HISTORY_DAYS ago. `today`: proleptic ordinal."""
        oldest = today - HISTORY_DAYS
        kept = tuple(series for series in self.series if series.last >= oldest)
        closures = tuple(each for each in self.closures if each.end >= (oldest - _EPOCH) * 86400)
        return replace(self, series=kept, closures=closures)

    def _rest(self, slot: Occurrence, scope: Scope, now: float) -> Series | None:
        """What stays of a slot's series."""
        series = self.find(slot.series)
        assert series is not None
        if scope is Scope.ONE:
            return without(series, slot.day)
        return before(series, self._first(slot, scope, now))

    def _first(self, slot: Occurrence, scope: Scope, now: float) -> int:
        """The first day of the slot's series that a change is about."""
        series = self.find(slot.series)
        assert series is not None
        if scope is not Scope.ALL:
            return slot.day
        zone = self.regions[series.kind.place].zone
        today, _ = local(zone, now)
        return today if instant(zone, today, series.start) > now else today + 1

    @staticmethod
    def _moved(old: Series, draft: Series, slot: Occurrence, first: int) -> Series:
        """The days of `old` from `first` on, moved as the draft moves the slot."""
        shift = draft.first - slot.day
        begin = next(old.days(first, slot.day)) + shift
        end = old.last if old.last == FOREVER else old.last + shift
        skipped = tuple(day + shift for day in old.skipped if day >= first)
        return msgspec.structs.replace(
            draft, first=begin, last=draft.last if draft.last > draft.first else end, skipped=skipped
        )

    def _require_free(self, made: Series) -> None:
        zone = self.regions[made.kind.place].zone
        for other in self.series:
            region = self.regions.get(other.kind.place)
            if region is not None and overlap(made, other, shifts_between(zone, region.zone)):
                raise self._overlapping(made, other)

    def _overlapping(self, made: Series, other: Series) -> Refusal:
        at = f"{other.start // 60:02d}:{other.start % 60:02d}"
        return Refusal(
            Cause.OVERLAP,
            f"the slot overlaps the slot {self.owner}-{other.id} at {at}: a practitioner is in one place at a time",
            f"Ce créneau en chevauche un autre de votre agenda, qui commence à {at}.",
            "start",
            status=409,
        )


def _require_future(slot: Occurrence, now: float) -> None:
    if slot.start <= now:
        raise _past("the slot has begun: what is over stays as it was", "Ce créneau a déjà commencé.", "id")


def _past(detail: str, french: str, where: str) -> Refusal:
    return Refusal(Cause.PAST, detail, french, where)


def unknown_slot(id: str) -> Refusal:
    """404: there is no such slot."""
    return Refusal(Cause.UNKNOWN, f"no slot '{id}'", "Ce créneau n'existe pas, ou plus.", "id", status=404)


def unknown_closure(id: str) -> Refusal:
    """404: there is no such closed period."""
    detail = f"no closed period '{id}'"
    return Refusal(Cause.UNKNOWN, detail, "Cette fermeture n'existe pas, ou plus.", "id", status=404)
