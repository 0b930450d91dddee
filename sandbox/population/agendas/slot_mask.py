"""Which slots of a week are free: all candidates of a schedule are compared with one subtraction. Pure.

A candidate is a slot that a week may offer. For each one, two octets are drawn from a digest of the schedule and the
week. The lower octet says of which kind the slot is. Eight bits of the pair, its outcome, say whether the slot is kept
for the practitioner's own patients, how long before its start somebody takes it, or that nobody takes it. Outcomes are
in ascending order of how long the slot stays free. A slot is therefore free at an instant when its draw reaches a
threshold, and the threshold is the same for all schedules of a timetable.

The draws of a week are one big integer with a lane of 16 bits per candidate. Only the lower 15 bits of a draw count, so
the top bit of each lane can receive the result of the comparison: one subtraction compares a whole week.

Thresholds are computed for the beginning and the end of a minute (`Minute`). What is free at the end was free during
the whole minute. Instants are compared only where a slot stops being free within that minute.
"""

from __future__ import annotations

import hashlib
import math
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.kernel.bounded import make_room
from sandbox.population.agendas.leave import absent

OUTCOMES = 256
MINUTE_S = 60
_SHORTEST, _DOUBLINGS = 300, 12  # seconds of the shortest lead time; the longest is 2^12 times that: 14 days
_JUST_AFTER = 2**-20  # seconds, less than a microsecond: at its very start a slot still is offered
_WEEKS_KEPT, _MASKS_KEPT = 16, 64  # held per timetable

Parts = tuple[tuple[int, int, int], ...]  # week (Mondays since the year 1), its first candidate, the one after its last


def lead_times(own: float, occupation: float) -> tuple[float, ...]:
    """By outcome, in descending order: how many seconds before its start a slot stops being free.

    `own`: share of slots kept for the practitioner's own patients; `occupation`: share of the others that are taken.
    """
    kept = int(own * OUTCOMES)
    taken = int(occupation * (OUTCOMES - kept))
    drawn = (_lead_time(1 - each / taken) for each in range(1, taken + 1))
    return (*[math.inf] * kept, *drawn, *[-_JUST_AFTER] * (OUTCOMES - kept - taken))


def _lead_time(share: float) -> int:
    """How many seconds before its start a slot is taken; `share` in [0, 1[."""
    return int(_SHORTEST * 2 ** (_DOUBLINGS * math.sqrt(share)))


Free = tuple[int, float, float]  # flags: the top bit of each lane that is free, at any instant in [since, until[


class Minute(NamedTuple):
    """A minute (epoch seconds), and what must have been drawn in each lane to be free at its beginning and its end."""

    since: int
    until: int
    at_beginning: int
    at_end: int


class SlotMask:
    """Consecutive candidates of a timetable. `starts`: epoch seconds, in order; `length`: of each slot, in seconds."""

    __slots__ = ("_away", "_lead_times", "_minute", "_parts", "_rising", "_top_bits", "length", "size", "starts")

    def __init__(self, starts: tuple[int, ...], length: int, parts: Parts, lead_times: tuple[float, ...]) -> None:
        self.starts, self.length = starts, length
        self.size = 2 * len(starts)
        self._parts, self._lead_times, self._rising = parts, lead_times, lead_times[::-1]
        self._top_bits = int.from_bytes(b"\0\x80" * len(starts), "little")
        self._minute = Minute(0, 0, 0, 0)
        self._away: dict[int, dict[int, int]] = {}

    def draw(self, seed: int, schedule: bytes) -> bytes:
        """The two octets of each candidate, for one schedule."""
        if len(self._parts) == 1:
            ((week, first, end),) = self._parts
            return hashlib.shake_128(b"%d/%b/%d" % (seed, schedule, week)).digest(2 * end)[2 * first :]
        digests = [
            hashlib.shake_128(b"%d/%b/%d" % (seed, schedule, week)).digest(2 * end)[2 * first :]
            for week, first, end in self._parts
        ]
        return b"".join(digests)

    def free(self, drawn: bytes, now: float) -> Free:
        """Which candidates with these draws are free at `now` (epoch seconds)."""
        minute = self._minute
        if not minute[0] <= now < minute[1]:
            minute = self._minute = self._minute_of(now)
        since, until, low, high = minute
        top_bits = self._top_bits
        lanes = int.from_bytes(drawn, "little") | top_bits
        at_end = lanes - high & top_bits
        if at_end == lanes - low & top_bits:
            return at_end, since, until
        return self._free_within(minute, drawn, at_end, now)

    def _free_within(self, minute: Minute, drawn: bytes, at_end: int, now: float) -> Free:
        """The same in a minute in which some slots stop being free, each at its own instant."""
        flags, since, until = at_end, float(minute.since), float(minute.until)
        at_beginning = (int.from_bytes(drawn, "little") | self._top_bits) - minute.at_beginning & self._top_bits
        for lane in self.flagged(at_beginning ^ at_end):
            gone = self.gone(lane, drawn)
            if gone <= now:
                since = max(since, gone)
            else:
                until = min(until, gone)
                flags |= 0x8000 << 16 * lane
        return flags, since, until

    def gone(self, lane: int, drawn: bytes) -> float:
        """The instant from which a candidate is not offered any more; -inf: it never was."""
        outcome = (drawn[2 * lane + 1] << 8 | drawn[2 * lane]) >> 7 & 255
        return self.starts[lane] - self._lead_times[outcome]

    def flagged(self, flags: int) -> Iterator[int]:
        """The lanes whose flag is set, in order."""
        return (lane for lane, mark in enumerate(self.marks(flags)) if mark)

    def marks(self, flags: int) -> bytes:
        """One octet per lane, 0 where the flag is not set."""
        return flags.to_bytes(self.size, "little")[1::2]

    @staticmethod
    def flags_at(lanes: Iterable[int]) -> int:
        """The flags of these lanes."""
        return sum(0x8000 << 16 * lane for lane in lanes)

    def flags_of(self, starts: Collection[int]) -> int:
        """The flags of the candidates that start at one of these instants."""
        return self.flags_at(lane for lane, start in enumerate(self.starts) if start in starts)

    def away(self, leave: int) -> Mapping[int, int]:
        """By leave pattern: flags of the candidates in weeks in which a holder with `leave` weeks a year is away."""
        found = self._away.get(leave)
        if found is None:
            found = self._away[leave] = {}
            at = 0
            for week, first, end in self._parts:
                flags = self.flags_at(range(at, at + end - first))
                for pattern in absent(leave, 7 * week + 1):
                    found[pattern] = found.get(pattern, 0) | flags
                at += end - first
        return found

    def turns(self, count: int) -> Iterator[int]:
        """The position of each candidate in its week, modulo `count`."""
        return (at % count for _, first, end in self._parts for at in range(first, end))

    def _minute_of(self, now: float) -> Minute:
        since = int(now // MINUTE_S) * MINUTE_S
        last, until = self._minute, since + MINUTE_S
        low = last.at_end if last.until == since else self._threshold(since)
        return Minute(since, until, low, self._threshold(until))

    def _threshold(self, now: int) -> int:
        """The least draw that is free at `now`, in each lane; 0x8000, which is never drawn, where the slot is over."""
        rising = self._rising
        least = [OUTCOMES - bisect_left(rising, start - now) << 7 for start in self.starts]
        return int.from_bytes(struct.pack(f"<{len(least)}H", *least), "little")


class Timetable:
    """When the slots of a week begin and how early they are taken; shared by all weeks that differ in kinds only.

    `starts_of(day)`: when slots may start on a day (proleptic ordinal), in order.
    """

    def __init__(
        self, starts_of: Callable[[int], tuple[int, ...]], zone: ZoneInfo, length: int, lead_times: tuple[float, ...]
    ) -> None:
        self._starts_of, self.zone, self.length, self._lead_times = starts_of, zone, length, lead_times
        self._weeks: dict[int, tuple[tuple[int, ...], Sequence[int]]] = {}
        self._masks: dict[Parts, SlotMask] = {}

    def between(self, first: float, last: float) -> SlotMask:
        """The candidates that start in [first, last], epoch seconds."""
        if first > last:
            return self._mask(())
        one, other = (datetime.fromtimestamp(each, self.zone).toordinal() for each in (first, last))
        parts = []
        for week in range((one - 1) // 7, (other - 1) // 7 + 1):
            starts, _ = self._week(week)
            begin, end = bisect_left(starts, first), bisect_right(starts, last)
            if begin < end:
                parts.append((week, begin, end))
        return self._mask(tuple(parts))

    def day(self, day: int) -> SlotMask:
        """The candidates of a day (proleptic ordinal)."""
        week, at = divmod(day - 1, 7)
        _, ends = self._week(week)
        return self._mask(((week, ends[at], ends[at + 1]),) if ends[at] < ends[at + 1] else ())

    def _week(self, week: int) -> tuple[tuple[int, ...], Sequence[int]]:
        """The starts of a week, and how many of them precede each of its days."""
        found = self._weeks.get(week)
        if found is None:
            make_room(self._weeks, _WEEKS_KEPT)
            days = [self._starts_of(7 * week + at) for at in range(1, 8)]
            ends = [0, *accumulate(map(len, days))]
            found = self._weeks[week] = (tuple(start for day in days for start in day), ends)
        return found

    def _mask(self, parts: Parts) -> SlotMask:
        found = self._masks.get(parts)
        if found is None:
            make_room(self._masks, _MASKS_KEPT)
            starts = tuple(start for week, first, end in parts for start in self._week(week)[0][first:end])
            found = self._masks[parts] = SlotMask(starts, self.length, parts, self._lead_times)
        return found
