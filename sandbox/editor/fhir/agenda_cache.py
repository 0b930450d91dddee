"""A cache of the agendas that an editor was asked for last, bounded in octets.

Per agenda it keeps the draws of its schedules for the last window, which slots are free, and the rendered entries of
those slots; it never keeps a whole answer. No cached value refers back to the cache, so evicted ones are freed at once.
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

CACHE_OCTETS = 128 << 20  # the most that all editors of a process hold together
FIXED_OCTETS = 3072  # roughly what a cached agenda takes beside its rendered entries


class CachedAgenda(msgspec.Struct, eq=False, gc=False):
    """The agenda of a practitioner or site, and what was found in it last.

    What is free holds for any `now` in [since, until[, as long as `window` and `version` (of the bookings) stay the
    same. `rendered`: entries of the slots, by name of the form. `included`: entries of what goes with the slots, empty
    until asked for; `included_by_places` keeps them by which places have free slots. `joined`: slots and included
    entries in one piece in the most frequent form, replacing `rendered` of that form.
    """

    person: Practitioner | None
    specialty: Specialty
    weeks: tuple[Week, ...]
    free: tuple[FreeSlots, ...] = ()  # one per week
    count: int = 0
    window: Window | None = None
    version: int = -1
    since: float = math.inf
    until: float = -math.inf
    rendered: dict[str, bytes] = {}
    included: bytes = b""
    joined: bytes = b""
    included_by_places: dict[tuple[bool, ...], bytes] = {}
    sent_before: bool = False  # exactly these slots
    weight: int = 0  # octets that the cache counts for it

    def is_current(self, agenda: Agenda, window: Window, now: float) -> bool:
        """True when what was found last is what would be found now."""
        return self.window is window and self.since <= now < self.until and self.version == agenda.version

    def refresh(self, agenda: Agenda, window: Window, now: float) -> None:
        """Find what is free at `now`; what was rendered is dropped unless the same slots are free."""
        before, same = self.free or (None,) * len(self.weeks), bool(self.free)
        found, since, until = [], -math.inf, math.inf
        for week, last in zip(self.weeks, before, strict=True):
            free = agenda.free_slots(week, window, now, last)
            same = same and last is not None and free.flags == last.flags and free.mask is last.mask
            if free.since > since:
                since = free.since
            if free.until < until:
                until = free.until
            found.append(free)
        if not same:
            self.rendered, self.included, self.joined, self.sent_before = {}, b"", b"", False
            self.count = sum([free.flags.bit_count() for free in found])
        self.free, self.window, self.version = tuple(found), window, agenda.version
        self.since, self.until = since, until

    def only(self, free: Iterable[FreeSlots]) -> CachedAgenda:
        """The same agenda with these slots alone; it is not part of a cache."""
        kept = tuple(free)
        return CachedAgenda(self.person, self.specialty, self.weeks, kept, sum(each.count for each in kept))

    def render(self, renderer: Renderer, form: Form) -> bytes:
        """The entries of the free slots, by place, then time; kept when they are asked for a second time.

        So the answers to a search across the country, asked for once only, neither take memory nor evict the agendas
        that are asked for all day.
        """
        entries = [
            renderer.slots(
                form,
                free.week.schedule.encode(),
                kinds(form, self.specialty, free.week.pattern.palette),
                free.week.zone,
                free.mask,
                free.all_codes(),
                free.marks,
            )
            for free in self.free
            if free.flags
        ]
        found = entries[0] if len(entries) == 1 else b"".join(entries)
        if self.sent_before:
            self.rendered[form.name] = found
        self.sent_before = True
        return found

    def render_included(self, renderer: Renderer) -> bytes:
        """The entries of what goes with the free slots: the practitioner, Schedules and roles."""
        key = tuple([free.flags != 0 for free in self.free])
        found = self.included_by_places.get(key)
        if found is None and self.person is not None:
            found = self.included_by_places[key] = renderer.included(self.person, [place for _, place in self.placed()])
        self.included = found or b""
        return self.included

    def join(self, form: Form) -> bool:
        """Make one piece of the slots, if they are kept, and of what goes with them. True when there is a new one."""
        slots = self.rendered.pop(form.name, b"")
        if slots:
            self.joined = slots + self.included
        return bool(slots)

    def placed(self) -> list[tuple[Practitioner, Place]]:
        """The practitioner with each place that has free slots."""
        if self.person is None:
            return []
        open_schedules = {free.week.schedule for free in self.free if free.flags}
        return [(self.person, place) for place in self.person.places if place.id in open_schedules]


def cached_agenda_of(holder: Practitioner | ConsultationSite) -> CachedAgenda:
    """A new, empty one: of a practitioner with the schedules of all places, or of a site."""
    if isinstance(holder, ConsultationSite):
        return CachedAgenda(None, (None, None), (week_of(holder),))
    return CachedAgenda(
        holder, (holder.specialty, holder.specialty_text), tuple([week_of(place) for place in holder.places])
    )


class AgendaCache:
    """The cached agendas of one editor; the oldest are evicted when all together hold more than `most` octets."""

    def __init__(self, most: int = CACHE_OCTETS) -> None:
        self.agendas: dict[str, CachedAgenda] = {}  # by the id asked for
        self._most, self._octets = most, 0

    def update(self, changed: Iterable[CachedAgenda]) -> None:
        """Count these agendas anew, which were rendered; when the cache is too full, evict its oldest eighth."""
        for cached in changed:
            weight = FIXED_OCTETS + sum(map(len, cached.rendered.values()))
            weight += sum(map(len, cached.included_by_places.values())) + len(cached.joined)
            self._octets += weight - cached.weight
            cached.weight = weight
        while self._octets > self._most and self.agendas:
            for key in list(islice(self.agendas, 1 + len(self.agendas) // 8)):
                self._octets -= self.agendas.pop(key).weight
