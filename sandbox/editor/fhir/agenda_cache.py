"""What an editor found of practitioners and sites asked for lately, ready to be sent: bounded in octets.

Kept are, per agenda, what its schedules drew for the days last asked, which of it is free, and the entries of those
slots as one piece of bytes; never a whole answer. Nothing kept points back at the shelf: what goes is freed at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice

import msgspec

from sandbox.editor.agenda import Agenda, FreeSlots, Week, Window, week_of
from sandbox.fhir.resources import Specialty
from sandbox.fhir.slots import Form, Renderer, kinds
from sandbox.kernel.model import ConsultationSite, Place, Practitioner

OCTETS = 128 << 20  # held at most by all editors of a process together
BARE = 3072  # octets that a file takes beside what is rendered of it, roughly


class CachedAgenda(msgspec.Struct, eq=False, gc=False):
    """One agenda, and what was found of it last.

    What is free holds for any `now` in [since, until[, as long as window and version of the bookings are the same.
    `rendered`: entries of the slots, by form; `included`: entries of what goes with them (`included_by_places`: by the places
    concerned), empty until asked for; `whole`: both in one piece, in the form that is asked for all day, and then in
    the place of what is `rendered` in it.
    """

    person: Practitioner | None
    specialty: Specialty
    weeks: tuple[Week, ...]
    shares: tuple[FreeSlots, ...] = ()
    count: int = 0
    window: Window | None = None
    version: int = -1
    since: float = math.inf
    until: float = -math.inf
    rendered: dict[str, bytes] = {}
    included: bytes = b""
    whole: bytes = b""
    included_by_places: dict[tuple[bool, ...], bytes] = {}
    again: bool = False  # these very slots were sent before
    weight: int = 0  # octets that the shelf counts it for

    def holds(self, agenda: Agenda, window: Window, now: float) -> bool:
        """True when what was found last is what would be found now."""
        return self.window is window and self.since <= now < self.until and self.version == agenda.version

    def look(self, agenda: Agenda, window: Window, now: float) -> None:
        """Find what is free at `now`."""
        held, same = self.shares or (None,) * len(self.weeks), bool(self.shares)
        shares, since, until = [], -math.inf, math.inf
        for week, last in zip(self.weeks, held, strict=True):
            share = agenda.look(week, window, now, last)
            same = same and last is not None and share.flags == last.flags and share.lanes is last.lanes
            if share.since > since:
                since = share.since
            if share.until < until:
                until = share.until
            shares.append(share)
        if not same:
            self.rendered, self.included, self.whole, self.again = {}, b"", b"", False
            self.count = sum([share.flags.bit_count() for share in shares])
        self.shares, self.window, self.version = tuple(shares), window, agenda.version
        self.since, self.until = since, until

    def only(self, shares: Iterable[FreeSlots]) -> CachedAgenda:
        """The same agenda with these slots alone, on no shelf."""
        kept = tuple(shares)
        return CachedAgenda(self.person, self.specialty, self.weeks, kept, sum(share.count for share in kept))

    def render(self, renderer: Renderer, form: Form) -> bytes:
        """The entries of the free slots, by place, then time; kept when they are asked for again.

        What is asked for once only, as in a search across the country, does not drive out what is asked for all day,
        and costs no memory that must be found first.
        """
        entries = [
            renderer.slots(
                form,
                share.week.schedule.encode(),
                kinds(form, self.specialty, share.week.rhythm.palette),
                share.week.zone,
                share.lanes,
                share.all_codes(),
                share.marks,
            )
            for share in self.shares
            if share.flags
        ]
        found = entries[0] if len(entries) == 1 else b"".join(entries)
        if self.again:
            self.rendered[form.name] = found
        self.again = True
        return found

    def render_included(self, renderer: Renderer) -> bytes:
        """The entries of what goes with the free slots: the practitioner, and Schedules and roles."""
        key = tuple([share.flags != 0 for share in self.shares])
        found = self.included_by_places.get(key)
        if found is None and self.person is not None:
            found = self.included_by_places[key] = renderer.included(self.person, [place for _, place in self.placed()])
        self.included = found or b""
        return self.included

    def join(self, form: Form) -> bool:
        """Make one piece of the slots, if they are kept, and of what goes with them; whether there is a new one."""
        slots = self.rendered.pop(form.name, b"")
        if slots:
            self.whole = slots + self.included
        return bool(slots)

    def placed(self) -> list[tuple[Practitioner, Place]]:
        """The practitioner, and where there are free slots."""
        if self.person is None:
            return []
        seen = {share.week.schedule for share in self.shares if share.flags}
        return [(self.person, place) for place in self.person.places if place.id in seen]


def file_of(where: Practitioner | ConsultationSite) -> CachedAgenda:
    """A new file: of a practitioner with the schedules of all places, or of a site."""
    if isinstance(where, ConsultationSite):
        return CachedAgenda(None, (None, None), (week_of(where),))
    return CachedAgenda(
        where, (where.specialty, where.specialty_text), tuple([week_of(place) for place in where.places])
    )


class AgendaCache:
    """The files of one editor, the oldest of which go when they hold more than `most` octets."""

    def __init__(self, most: int = OCTETS) -> None:
        self.files: dict[str, CachedAgenda] = {}  # by the id asked
        self._most, self._octets = most, 0

    def settle(self, files: Iterable[CachedAgenda]) -> None:
        """These files were filled: the oldest eighth of a shelf that is too full goes."""
        for file in files:
            weight = BARE + sum(map(len, file.rendered.values())) + sum(map(len, file.included_by_places.values()))
            weight += len(file.whole)
            self._octets += weight - file.weight
            file.weight = weight
        while self._octets > self._most and self.files:
            for key in list(islice(self.files, 1 + len(self.files) // 8)):
                self._octets -= self.files.pop(key).weight
