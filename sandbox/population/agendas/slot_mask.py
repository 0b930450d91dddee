"""The candidates of a week side by side: drawn by one digest, asked by whole columns whether they are free. Pure.

Two octets are drawn per candidate, the lower one its kind. Of the two together, 8 bits say its fate: kept for the
practitioner's own patients, or so long before its start it is taken, or never. The fates are ordered: the higher, the
longer a candidate is offered. So whether it is free at an instant is whether what was drawn reaches a threshold, which
is the same for all schedules of a pace; and each lane of two octets having one bit to spare, one subtraction of two big
integers compares a whole week.

Thresholds are worked out for the ends of a minute (`Tick`). What is free at its end was free throughout; only where a
slot goes in that very minute are instants compared.
"""

from __future__ import annotations

import hashlib
import math
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.kernel.bounded import make_room
from sandbox.population.agendas.leave import absent

FATES = 256
TICK = 60  # seconds
_SHORTEST, _DOUBLINGS = 300, 12  # seconds of the shortest lead; the longest is 2^12 times that: 14 days
_JUST_AFTER = 2**-20  # seconds, under any `now`'s microsecond: at its very start a slot still is offered
_WEEKS_KEPT, _LANES_KEPT = 16, 64  # held per pace

Parts = tuple[tuple[int, int, int], ...]  # week (Mondays since the year 1), its first candidate, that after its last


def leads(own: float, occupation: float) -> tuple[float, ...]:
    """By fate: how long before its start a slot is gone, in seconds, ever less. `own` and `occupation` are shares."""
    kept = int(own * FATES)
    taken = int(occupation * (FATES - kept))
    drawn = (_lead(1 - each / taken) for each in range(1, taken + 1))
    return (*[math.inf] * kept, *drawn, *[-_JUST_AFTER] * (FATES - kept - taken))


def _lead(share: float) -> int:
    """How long before its start a slot is taken, in seconds; `share` in [0, 1[."""
    return int(_SHORTEST * 2 ** (_DOUBLINGS * math.sqrt(share)))


Free = tuple[int, float, float]  # flags: the top bit of each lane that is free, at any instant in [since, until[


class Tick(NamedTuple):
    """A minute, and what must have been drawn in each lane to be free at its beginning and at its end."""

    since: int
    until: int
    early: int
    late: int


class SlotMask:
    """Candidates of a pace that follow each other. `starts`: epoch seconds, by time; `length`: seconds."""

    __slots__ = ("_away", "_leads", "_parts", "_rising", "_tick", "_tops", "length", "size", "starts")

    def __init__(self, starts: tuple[int, ...], length: int, parts: Parts, leads: tuple[float, ...]) -> None:
        self.starts, self.length = starts, length
        self.size = 2 * len(starts)
        self._parts, self._leads, self._rising = parts, leads, leads[::-1]
        self._tops = int.from_bytes(b"\0\x80" * len(starts), "little")
        self._tick = Tick(0, 0, 0, 0)
        self._away: dict[int, dict[int, int]] = {}

    def drawn(self, seed: int, schedule: bytes) -> bytes:
        """The two octets of each lane, for one schedule."""
        if len(self._parts) == 1:
            ((week, first, end),) = self._parts
            return hashlib.shake_128(b"%d/%b/%d" % (seed, schedule, week)).digest(2 * end)[2 * first :]
        digests = [
            hashlib.shake_128(b"%d/%b/%d" % (seed, schedule, week)).digest(2 * end)[2 * first :]
            for week, first, end in self._parts
        ]
        return b"".join(digests)

    def free(self, drawn: bytes, now: float) -> Free:
        """What is free at `now` (epoch seconds) of what was drawn."""
        tick = self._tick
        if not tick[0] <= now < tick[1]:
            tick = self._tick = self._ticked(now)
        since, until, low, high = tick
        tops = self._tops
        lanes = int.from_bytes(drawn, "little") | tops
        late = lanes - high & tops
        if late == lanes - low & tops:
            return late, since, until
        return self._within(tick, drawn, late, now)

    def _within(self, tick: Tick, drawn: bytes, late: int, now: float) -> Free:
        """The same in a minute in which slots go: each to its instant."""
        flags, since, until = late, float(tick.since), float(tick.until)
        early = (int.from_bytes(drawn, "little") | self._tops) - tick.early & self._tops
        for lane in self.flagged(early ^ late):
            gone = self.gone(lane, drawn)
            if gone <= now:
                since = max(since, gone)
            else:
                until = min(until, gone)
                flags |= 0x8000 << 16 * lane
        return flags, since, until

    def gone(self, lane: int, drawn: bytes) -> float:
        """The instant from which a candidate is not offered any more; -inf: it never was."""
        fate = (drawn[2 * lane + 1] << 8 | drawn[2 * lane]) >> 7 & 255
        return self.starts[lane] - self._leads[fate]

    def flagged(self, flags: int) -> Iterator[int]:
        """The lanes whose flag is set, in order."""
        return (lane for lane, mark in enumerate(self.marks(flags)) if mark)

    def marks(self, flags: int) -> bytes:
        """One octet per lane, 0 where the flag is not set."""
        return flags.to_bytes(self.size, "little")[1::2]

    def flags_of(self, starts: Collection[int]) -> int:
        """The flags of the lanes that begin at one of these instants."""
        return sum(0x8000 << 16 * lane for lane, start in enumerate(self.starts) if start in starts)

    def away(self, leave: int) -> Mapping[int, int]:
        """Flags of the lanes in whose weeks people with so many weeks of leave a year are away, by pattern."""
        found = self._away.get(leave)
        if found is None:
            found = self._away[leave] = {}
            at = 0
            for week, first, end in self._parts:
                flags = sum(0x8000 << 16 * lane for lane in range(at, at + end - first))
                for pattern in absent(leave, 7 * week + 1):
                    found[pattern] = found.get(pattern, 0) | flags
                at += end - first
        return found

    def turns(self, count: int) -> Iterator[int]:
        """The place of each candidate in its week, modulo `count`."""
        return (at % count for _, first, end in self._parts for at in range(first, end))

    def _ticked(self, now: float) -> Tick:
        since = int(now // TICK) * TICK
        last, until = self._tick, since + TICK
        low = last.late if last.until == since else self._threshold(since)
        return Tick(since, until, low, self._threshold(until))

    def _threshold(self, now: int) -> int:
        """The least that is free at `now`, in each lane; 0x8000, which is never drawn, for those that are over."""
        rising = self._rising
        least = [FATES - bisect_left(rising, start - now) << 7 for start in self.starts]
        return int.from_bytes(struct.pack(f"<{len(least)}H", *least), "little")


class Timetable:
    """When slots of a week begin, and how fast they go, whatever their kinds: shared by all weeks alike in that.

    `grid(day)`: the starts that a day (proleptic ordinal) may have, by time.
    """

    def __init__(
        self, grid: Callable[[int], tuple[int, ...]], zone: ZoneInfo, length: int, leads: tuple[float, ...]
    ) -> None:
        self._grid, self.zone, self.length, self._leads = grid, zone, length, leads
        self._weeks: dict[int, tuple[tuple[int, ...], Sequence[int]]] = {}
        self._lanes: dict[Parts, SlotMask] = {}

    def between(self, first: float, last: float) -> SlotMask:
        """The candidates that start in [first, last], epoch seconds."""
        if first > last:
            return self._held(())
        one, other = (datetime.fromtimestamp(each, self.zone).toordinal() for each in (first, last))
        parts = []
        for week in range((one - 1) // 7, (other - 1) // 7 + 1):
            starts, _ = self._week(week)
            begin, end = bisect_left(starts, first), bisect_right(starts, last)
            if begin < end:
                parts.append((week, begin, end))
        return self._held(tuple(parts))

    def day(self, day: int) -> SlotMask:
        """The candidates of a day (proleptic ordinal)."""
        week, at = divmod(day - 1, 7)
        _, ends = self._week(week)
        return self._held(((week, ends[at], ends[at + 1]),) if ends[at] < ends[at + 1] else ())

    def _week(self, week: int) -> tuple[tuple[int, ...], Sequence[int]]:
        """The starts of a week, and how many there are until each of its days begins."""
        found = self._weeks.get(week)
        if found is None:
            make_room(self._weeks, _WEEKS_KEPT)
            days = [self._grid(7 * week + at) for at in range(1, 8)]
            ends = [0, *accumulate(map(len, days))]
            found = self._weeks[week] = (tuple(start for day in days for start in day), ends)
        return found

    def _held(self, parts: Parts) -> SlotMask:
        found = self._lanes.get(parts)
        if found is None:
            make_room(self._lanes, _LANES_KEPT)
            starts = tuple(start for week, first, end in parts for start in self._week(week)[0][first:end])
            found = self._lanes[parts] = SlotMask(starts, self.length, parts, self._leads)
        return found
