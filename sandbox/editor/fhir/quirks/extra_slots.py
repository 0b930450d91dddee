"""Quirks that send additional slots: past ones, ones after the window asked for, busy ones. Pure.

Added slots have ids and booking URLs of their own.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from sandbox.editor.fhir.quirks.answers import Answer, Concerns, Node, Search, entries_of, schedule_of
from sandbox.kernel.clock import fhir_instant
from sandbox.population.agendas.agenda import slot_id

_LONGEST_WINDOW = timedelta(days=3660)  # for a longer window no slot outside of it is added


def _past(first: Node, search: Search, zone: ZoneInfo) -> datetime:
    """The hour of the first slot, on a day before today."""
    start = datetime.fromisoformat(first["start"])
    return _shifted(
        start, zone, -(start - search.now).days - 2
    )  # one day more than needed, as the clocks may have changed


def _outside(last: Node, search: Search, zone: ZoneInfo) -> datetime:
    """The hour of the last slot, on a day after the window."""
    start = datetime.fromisoformat(last["start"])
    return _shifted(start, zone, (search.end - start).days + 2)


def _shifted(start: datetime, zone: ZoneInfo, days: int) -> datetime:
    moved = start.astimezone(zone) + timedelta(days=days)
    return datetime.fromtimestamp(
        moved.timestamp(), zone
    )  # an hour that is skipped when the clocks change becomes the next


def add_past_slots(answer: Answer, search: Search, concerns: Concerns) -> Answer:
    """Each agenda has one slot more, before its first one and before today."""
    for schedule, entries in _agendas_of(answer.document, search, concerns):
        start = _past(entries[0]["resource"], search, search.zone(schedule))
        _insert(answer.document, entries[0], _copied(entries[0], schedule, start), after=False)
    return answer


def add_slots_outside_window(answer: Answer, search: Search, concerns: Concerns) -> Answer:
    """Each agenda has one slot more, after the window."""
    if search.end - search.now > _LONGEST_WINDOW:
        return answer
    for schedule, entries in _agendas_of(answer.document, search, concerns):
        start = _outside(entries[-1]["resource"], search, search.zone(schedule))
        _insert(answer.document, entries[-1], _copied(entries[-1], schedule, start))
    return answer


def add_busy_slots(answer: Answer, search: Search, concerns: Concerns) -> Answer:
    """Each agenda with room for a slot between two free ones has one more there, whose status is busy."""
    for schedule, entries in _agendas_of(answer.document, search, concerns):
        for entry, following in pairwise(entries):
            end = datetime.fromisoformat(entry["resource"]["end"])
            if end + _length(entry["resource"]) <= datetime.fromisoformat(following["resource"]["start"]):
                busy = _copied(entry, schedule, datetime.fromtimestamp(end.timestamp(), search.zone(schedule)))
                busy["resource"]["status"] = "busy"
                _insert(answer.document, entry, busy)
                break
    return answer


def _length(slot: Node) -> timedelta:
    return datetime.fromisoformat(slot["end"]) - datetime.fromisoformat(slot["start"])


def _copied(entry: Node, schedule: str, start: datetime) -> Node:
    """The same slot at another time (aware, local), with an id and a booking URL of its own."""
    made = copy.deepcopy(entry)
    slot = made["resource"]
    old, new = slot["id"], slot_id(schedule, int(start.timestamp()))
    end = datetime.fromtimestamp(start.timestamp() + _length(slot).total_seconds(), start.tzinfo)
    slot.update(id=new, start=fhir_instant(start), end=fhir_instant(end), comment=slot["comment"].replace(old, new))
    made["fullUrl"] = made["fullUrl"].replace(old, new)
    return made


def _insert(bundle: Node, beside: Node, made: Node, *, after: bool = True) -> None:
    entries = bundle["entry"]
    entries.insert(next(at for at, entry in enumerate(entries) if entry is beside) + after, made)
    bundle["total"] += 1


def _agendas_of(bundle: Node, search: Search, concerns: Concerns) -> list[tuple[str, list[Node]]]:
    """The schedules concerned, each with the entries of its slots."""
    found: dict[str, list[Node]] = {}
    for entry in entries_of(bundle, "Slot"):
        found.setdefault(schedule_of(entry["resource"]), []).append(entry)
    return [(schedule, entries) for schedule, entries in found.items() if concerns(search.owner(schedule))]
