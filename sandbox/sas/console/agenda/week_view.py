"""What a practitioner's page shows of a week of his agenda. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sandbox.kernel.model import Place, Practitioner
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.agenda.agenda import Agenda, Closure
from sandbox.sas.agenda.series import Occurrence
from sandbox.sas.console.results_view import VISIBILITIES, WORDS

BACK, AHEAD = timedelta(weeks=12), timedelta(weeks=104)  # how far from today weeks are shown

Taken = Callable[[Occurrence], int]  # how many places of a slot are taken


class State(StrEnum):
    """How a slot stands: it has begun; it is in a closed period; all its places are taken; patients are accepted."""

    PAST = "past"
    CLOSED = "closed"
    FULL = "full"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class ShownSlot:
    """A slot of the week. `place`: its town, "" when all of the week are at one place; `words`: for whom and how;
    `weekly`: it is one of a series."""

    slot: Occurrence
    place: str
    taken: int
    state: State
    words: str
    weekly: bool


@dataclass(frozen=True, slots=True)
class AgendaDay:
    """`closures`: those that touch the day."""

    date: date
    slots: tuple[ShownSlot, ...]
    closures: tuple[Closure, ...]


@dataclass(frozen=True, slots=True)
class AgendaWeek:
    """From Monday to Sunday; `earlier`, `later`: a day of the week before and after, None where none is shown."""

    days: tuple[AgendaDay, ...]
    today: date
    zone: ZoneInfo
    earlier: date | None
    later: date | None

    @property
    def monday(self) -> date:
        """The first day."""
        return self.days[0].date

    @property
    def sunday(self) -> date:
        """The last day."""
        return self.days[-1].date

    @property
    def empty(self) -> bool:
        """True when nothing is typed for the week."""
        return not any(day.slots for day in self.days)


def home_zone(person: Practitioner) -> ZoneInfo:
    """The time zone of a practitioner's first place; that of Paris for somebody without a place."""
    return zone_of(person.places[0].insee if person.places else "75")


def place_of(person: Practitioner, id: str) -> Place | None:
    """The practitioner's place with that id, as he has it now."""
    return next((place for place in person.places if place.id == id), None)


def place_zone(person: Practitioner, id: str) -> ZoneInfo:
    """The time zone of one of his places; that of the first for a place that he has no more."""
    place = place_of(person, id)
    return zone_of(place.insee) if place is not None else home_zone(person)


def agenda_week(person: Practitioner, agenda: Agenda, taken: Taken, day: date, now: datetime) -> AgendaWeek:
    """The week of `day`, or the nearest one that is shown."""
    zone = home_zone(person)
    today = now.astimezone(zone).date()
    first, last = today - BACK, today + AHEAD
    day = min(max(day, first), last)
    monday = day - timedelta(days=day.weekday())
    dates = [monday + timedelta(days=number) for number in range(7)]
    slots = [slot for slot in agenda.typed(*_span(monday, 7, zone)) if slot.begins.date() in dates]
    several = len({slot.kind.place for slot in slots}) > 1
    found: dict[date, list[ShownSlot]] = {each: [] for each in dates}
    for slot in slots:
        place, held = place_of(person, slot.kind.place) if several else None, taken(slot)
        state, town = state_of(slot, agenda, held, now), place.city if place is not None else ""
        found[slot.begins.date()].append(ShownSlot(slot, town, held, state, kind_words(slot), is_weekly(agenda, slot)))
    return AgendaWeek(
        days=tuple(AgendaDay(each, tuple(found[each]), _closures(agenda, each, zone)) for each in dates),
        today=today,
        zone=zone,
        earlier=monday - timedelta(days=1) if monday > first else None,
        later=monday + timedelta(days=7) if monday + timedelta(days=7) <= last else None,
    )


def place_name(place: Place | None) -> str:
    """Where a slot is, in a few words: the structure or the street, and the town."""
    if place is None:
        return "lieu supprimé"
    return f"{place.group.name if place.group is not None else place.line}, {place.city}"


def kind_words(slot: Occurrence) -> str:
    """For whom a slot is, and how the consultation takes place."""
    kind = slot.kind
    named = [VISIBILITIES.get(code, code) for code in kind.visibilities]
    return ", ".join([*named, *([WORDS[kind.type]] if kind.type in WORDS else []), *kind.reasons])


def is_weekly(agenda: Agenda, slot: Occurrence) -> bool:
    """Whether a slot is one of a series."""
    series = agenda.find(slot.series)
    return series is not None and series.weekly


def state_of(slot: Occurrence, agenda: Agenda, taken: int, now: datetime) -> State:
    """How a slot stands."""
    if slot.start <= now.timestamp():
        return State.PAST
    if agenda.closed(slot) is not None:
        return State.CLOSED
    return State.FULL if taken >= slot.kind.max_patients else State.FREE


def _closures(agenda: Agenda, day: date, zone: ZoneInfo) -> tuple[Closure, ...]:
    start, end = _span(day, 1, zone)
    return tuple(closure for closure in agenda.closures if closure.start < end and closure.end > start)


def _span(day: date, days: int, zone: ZoneInfo) -> Sequence[float]:
    """Epoch seconds from the beginning of a day to that of a later one."""
    return [datetime.combine(day + timedelta(days=each), time(), zone).timestamp() for each in (0, days)]


def day_asked(text: str | None, default: date) -> date:
    """The day of an address (`YYYY-MM-DD`), else `default`; one that is no day, or centuries away, too."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return default
    return day if 2000 <= day.year < 2099 else default
