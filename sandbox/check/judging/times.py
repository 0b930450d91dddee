"""Judges when slots are: in the window, not past, at the offset of their date, not over each other. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.check.judging.answer import Answer, Asked, Node, instant_of, key_of
from sandbox.check.verdicts import Fault, Text
from sandbox.fhir.reader.nodes import reference_of, text_of

LENIENCE = timedelta(seconds=90)  # between the two clocks, and while the answer was made


def judge_window(answer: Answer, asked: Asked) -> Iterator[Fault]:
    """Slots before, after, or already past. (An outdated slot is not reported as one before the window too.)"""
    sos = asked.flow == "SOS"
    for slot in answer.slots:
        start = instant_of(slot, "start")
        if start is None:
            continue
        if start < asked.now - LENIENCE:
            text = Text("créneau déjà passé", "a slot in the past")
            yield _at(answer, slot, "SOS-2" if sos else "R01-5", text, start, f">= {_shown(asked.now)}")
        elif start < asked.start - timedelta(seconds=1):
            text = Text("créneau avant la période demandée", "a slot before the window")
            yield _at(answer, slot, "SOS-2" if sos else "R01-5", text, start, f">= {_shown(asked.start)}")
        elif start > asked.end:
            text = Text("créneau après la période demandée", "a slot after the window")
            yield _at(answer, slot, "SOS-2" if sos else "R01-6", text, start, f"<= {_shown(asked.end)}")


def _at(answer: Answer, slot: Node, id: str, text: Text, start: datetime, expected: str) -> Fault:
    return Fault(
        id, f"{key_of(slot)}.start", text, _shown(start), expected, answer.exchange, place=f'"{slot.get("id")}"'
    )


def _shown(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def judge_offsets(answer: Answer, zone: Callable[[Node], ZoneInfo]) -> Iterator[Fault]:
    """The offset is that of the place on that date. `zone`: of a slot."""
    for slot in answer.slots:
        for name in ("start", "end"):
            written, instant = text_of(slot, name), instant_of(slot, name)
            if instant is None or len(written) < 6 or written[-6] not in "+-" or written[-3] != ":":
                continue  # without offset: the profile rules say so
            right = instant.astimezone(zone(slot))
            if right.utcoffset() != instant.utcoffset():
                text = Text("le décalage n'est pas celui du lieu à cette date", "the offset is not that of the place")
                yield Fault(
                    "R01-45", f"{key_of(slot)}.{name}", text, written, right.isoformat(timespec="milliseconds"),
                    answer.exchange, place=f'"{slot.get("id")}"',
                )  # fmt: skip


def judge_overlaps(answer: Answer) -> Iterator[Fault]:
    """Two free slots of one agenda do not overlap; unavailability is not sent."""
    agendas: dict[str, list[tuple[datetime, datetime, Node]]] = {}
    for slot in answer.slots:
        start, end = instant_of(slot, "start"), instant_of(slot, "end")
        if start is not None and end is not None and start < end and slot.get("status") == "free":
            agendas.setdefault(reference_of(slot.get("schedule")), []).append((start, end, slot))
    for slots in agendas.values():
        slots.sort(key=lambda each: each[:2])
        latest: tuple[datetime, Node] | None = None
        for start, end, slot in slots:
            if latest is not None and start < latest[0] and key_of(slot) != key_of(latest[1]):
                text = Text("deux créneaux d'un agenda se recouvrent", "two slots of an agenda overlap")
                expected = f">= {_shown(latest[0])} ({key_of(latest[1])})"
                yield _at(answer, slot, "R01-47", text, start, expected)
            if latest is None or end > latest[0]:
                latest = end, slot
