"""An editor's answers to slot searches (INT_R01, INT_R04, SOS Médecins) and reads: query string in, bytes out. Pure
but for the clock.

Which form: INT_R04's (CPTS profiles for all its slots, one page) when `Slot:service-type-reference` was asked of an
editor that speaks INT_R04; else INT_R01's, paged by `_count` with a `next` link. An answer none of whose slots is seen
by a CPTS « looks as in INT_R01 » whatever was asked, and so do those of an editor that does not speak INT_R04.

Practitioners of other editors, and unknown ones, are found nowhere: an empty bundle, never an error (R01-8). Slots
come by practitioner in the order asked, then place, then time, then what was asked to be included of them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sandbox.editor.agenda import Agenda, Stretch, Week, Window, week_of
from sandbox.editor.manners import Manners
from sandbox.fhir import search
from sandbox.fhir.resources import (
    Specialty,
    cpts_resource,
    practitioner_resource,
    role_resource,
    schedule_resource,
    service_resource,
    site_resource,
    site_schedule_resource,
    sos_resource,
)
from sandbox.fhir.slots import R01, R04, SOS, Form, Renderer
from sandbox.kernel.bounded import make_room
from sandbox.kernel.clock import Clock
from sandbox.kernel.errors import Issue, RequestError, malformed
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import ConsultationSite, Editor, Place, Practitioner, SosAssociation
from sandbox.population.agenda import Planned, slot_id, split_slot_id
from sandbox.population.people import Population

KEPT = 2048  # practitioners held at most, with what was found of them last


@dataclass(frozen=True, slots=True, eq=False)
class _Card:
    """A practitioner whose agenda this editor holds."""

    person: Practitioner
    specialty: Specialty
    weeks: tuple[Week, ...]


@dataclass(slots=True, eq=False)
class _Found:
    """What is free of a practitioner's agendas, for any `now` in [since, until[, as long as `under` is the same.

    `under`: the days asked of each schedule, and what is booked there. `rendered`: entries of the slots, by form;
    `company`: those of what goes with them.
    """

    card: _Card
    stretches: list[Stretch]
    under: object = None
    since: float = math.inf
    until: float = -math.inf
    rendered: dict[str, list[bytes]] = field(default_factory=dict)
    company: bytes = b""
    count: int = field(init=False)

    def __post_init__(self) -> None:
        self.count = sum([last - first for _, _, first, last in self.stretches])


@dataclass(frozen=True)
class Desk:
    """Where an editor answers from. `fhir_base`, `ui_base`: public URLs of its FHIR base and of its pages.

    Of its manners the answers made here only know the page size; quirks are played on what is answered.
    """

    editor: Editor
    population: Population
    agenda: Agenda
    clock: Clock
    fhir_base: str
    ui_base: str
    manners: Manners = field(default_factory=Manners)

    @cached_property
    def renderer(self) -> Renderer:
        """What renders with this desk's URLs; keeps the fragments of people and places."""
        return Renderer(self.fhir_base, self.ui_base, self.editor.system)

    @cached_property
    def kept(self) -> dict[str, _Found]:
        """What was found of practitioners asked for lately, by the id asked."""
        return {}

    def forget(self) -> None:
        """Other people have come: nothing that is kept of the former holds."""
        self.kept.clear()
        vars(self).pop("renderer", None)


_Placed = tuple[Practitioner, Place]
_Sited = tuple[SosAssociation, ConsultationSite]


def answer_slots(desk: Desk, raw_query: str) -> bytes:
    """`GET Slot?…`: the searchset. Raises RequestError 400 (the query), 404 (this editor has no such search)."""
    _supported(desk, Flow.INT_R01, Flow.INT_R04)
    query = search.parse_slot_query(raw_query)
    window = Window(query.start, query.end, desk.clock.now())
    found = _free(desk, query.practitioners, window)
    total = sum([each.count for each in found])
    form = R04 if _names_cpts(desk, query, found) else R01
    following = None
    if form is R01:
        found, last = _page(found, query, total, desk.manners.page)
        following = _following(query.text, last) if last is not None else None
    entries: list[bytes] = []
    for each in found:
        rendered = each.rendered.get(form.name)
        entries += _render(desk.renderer, form, each) if rendered is None else rendered
    entries += _included(desk, query.includes, found)
    return desk.renderer.bundle(form, total, "Slot", query.text, entries, following)


def _free(desk: Desk, ids: Iterable[str], window: Window) -> list[_Found]:
    """What is free of those practitioners whose agenda this editor holds, in the order asked.

    Nothing is searched anew where what was found last still holds.
    """
    now, booked, kept = window.now, desk.agenda.booked.get, desk.kept
    found: dict[str, _Found] = {}
    for each in ids:
        last = kept.get(each)
        card = last.card if last is not None else _card(desk, each)
        if card is None:
            continue
        if len(card.weeks) == 1:
            ((schedule, rhythm),) = card.weeks
            under: object = (window[rhythm], booked(schedule))
        else:
            under = [(window[rhythm], booked(schedule)) for schedule, rhythm in card.weeks]
        if last is None or not last.since <= now < last.until or last.under != under:
            stretches = desk.agenda.search(card.weeks, window)
            until = min([stretch.view.until for stretch in stretches], default=math.inf)  # none comes by itself
            last = kept[each] = _Found(card, stretches, under, now, until)
        found[card.person.id] = last
    return list(found.values())


def _card(desk: Desk, id: str) -> _Card | None:
    person = desk.population.practitioner(id)
    if person is None or person.editor != desk.editor.slug:
        return None
    make_room(desk.kept, KEPT)
    weeks = tuple(week_of(place) for place in person.places)
    return _Card(person, (person.specialty, person.specialty_text), weeks)


def _render(renderer: Renderer, form: Form, found: _Found) -> list[bytes]:
    entries: list[bytes] = []
    for stretch in found.stretches:
        entries += _rendered(renderer, form, found.card.specialty, stretch)
    found.rendered[form.name] = entries
    return entries


def answer_schedules(desk: Desk, raw_query: str) -> bytes:
    """`GET Schedule?…`: the searchset; `total` counts the slots, as in the guide's own example.

    Raises RequestError 400 (the query), 404 (this editor has no such search).
    """
    _supported(desk, Flow.SOS)
    query = search.parse_schedule_query(raw_query)
    window = Window(query.start, query.end, desk.clock.now())
    renderer = desk.renderer
    matched: list[_Sited] = []
    slots: list[bytes] = []
    for sos, site in _sited(desk, query.sirets):
        stretches = desk.agenda.search((week_of(site),), window)
        if stretches:
            matched.append((sos, site))
        for stretch in stretches:
            slots += _rendered(renderer, SOS, (None, None), stretch)
    entries = [renderer.site_schedule(site) for _, site in matched]
    if search.SCHEDULE in query.includes:
        entries += slots
    if search.SITE in query.includes:
        entries += [renderer.site(sos, site) for sos, site in matched]
        if search.SITE_ORGANIZATION in query.includes:
            entries += [renderer.sos(sos) for sos in {sos.siret: sos for sos, _ in matched}.values()]
    return renderer.bundle(SOS, len(slots), "Schedule", query.text, entries)


def _rendered(renderer: Renderer, form: Form, specialty: Specialty, stretch: Stretch) -> Sequence[bytes]:
    """The entries of these slots; those of a view are rendered once."""
    week, view, first, last = stretch
    entries = view.rendered.get(form.name)
    if entries is None:
        entries = view.rendered[form.name] = renderer.slots(form, week.schedule, specialty, week.zone, view)
    return entries if last - first == len(entries) else entries[first:last]


def _supported(desk: Desk, *flows: Flow) -> None:
    if not any(desk.editor.speaks(flow) for flow in flows):
        detail = f"{desk.editor.name} does not offer this search ({', '.join(flows)})"
        raise RequestError(404, Issue("not-supported", detail))


def _names_cpts(desk: Desk, query: search.SlotQuery, found: Sequence[_Found]) -> bool:
    """True for an INT_R04 answer; an empty one goes by what was asked."""
    if search.SERVICE not in query.includes or not desk.editor.speaks(Flow.INT_R04):
        return False
    return not any(each.stretches for each in found) or bool(_finess(found))


def _finess(found: Iterable[_Found]) -> Iterable[str]:
    """The CPTS that these slots name, in their order."""
    named: dict[str, None] = {}
    for each in found:
        for _, view, first, last in each.stretches:
            kinds = view.palette.kinds
            named |= dict.fromkeys(finess for code in view.codes[first:last] for finess in kinds[code].cpts)
    return named.keys()


def _sited(desk: Desk, sirets: Iterable[str]) -> Iterable[_Sited]:
    for siret in sirets:
        sos = desk.population.sos.get(siret)
        if sos is not None and sos.editor == desk.editor.slug:
            yield from ((sos, site) for site in sos.sites)


def _page(found: list[_Found], query: search.SlotQuery, total: int, most: int) -> tuple[list[_Found], str | None]:
    """The page asked for, of `most` slots at most, and the id of its last slot when another page follows."""
    room = most if query.count is None else min(query.count, most)
    if query.after is not None:
        found = _after(found, query.after)
    elif total <= room:
        return found, None
    page: list[_Found] = []
    last: str | None = None  # stays so on a page without room (`_count=0` asks for the total alone)
    for each in found:
        fitting: list[Stretch] = []
        for week, view, first, end in each.stretches:
            if not room:
                return [*page, _Found(each.card, fitting)], last
            until = min(end, first + room)
            fitting.append(Stretch(week, view, first, until))
            last, room = slot_id(week.schedule, view.starts[until - 1]), room - (until - first)
            if until < end:
                return [*page, _Found(each.card, fitting)], last
        page.append(_Found(each.card, fitting))
    return page, None


def _after(found: Iterable[_Found], after: str) -> list[_Found]:
    """What comes after that slot, which may be gone since: the order of schedules and times stands."""
    split = split_slot_id(after)
    order = {week.schedule: at for at, week in enumerate(week for each in found for week in each.card.weeks)}
    if split is None or split[0] not in order:
        raise malformed(f"'{after}' is no page of this search", "http._after", code="value")
    here, instant = order[split[0]], split[1]
    kept = []
    for each in found:
        following = []
        for week, view, first, last in each.stretches:
            at = order[week.schedule]
            begin = max(first, bisect_right(view.starts, instant)) if at == here else first
            if at >= here and begin < last:
                following.append(Stretch(week, view, begin, last))
        kept.append(_Found(each.card, following))
    return kept


def _following(text: str, last: str) -> str:
    kept = [part for part in text.split("&") if not part.startswith("_after=")]
    return "&".join((*kept, f"_after={last}"))


def _included(desk: Desk, includes: frozenset[str], found: Sequence[_Found]) -> list[bytes]:
    """Entries of what was asked to be included; an iterated include needs what it iterates on."""
    entries: list[bytes] = []
    if search.SCHEDULE in includes:
        actors = search.ACTOR in includes
        for each in found:
            if each.stretches:
                entries += (
                    (each.company or _company(desk.renderer, each),) if actors else _schedules(desk.renderer, each)
                )
    if search.SERVICE in includes:
        cpts = [desk.population.cpts[finess] for finess in _finess(found)]
        entries += [desk.renderer.service(each) for each in cpts]
        if search.SERVICE_ORGANIZATION in includes:
            entries += [desk.renderer.cpts(each) for each in cpts]
    return entries


def _company(renderer: Renderer, found: _Found) -> bytes:
    """The practitioner of these slots, and their Schedules and roles."""
    found.company = renderer.company(found.card.person, _places(found))
    return found.company


def _schedules(renderer: Renderer, found: _Found) -> list[bytes]:
    return [renderer.schedule(found.card.person, place) for place in _places(found)]


def _places(found: _Found) -> list[Place]:
    seen = {stretch.week.schedule for stretch in found.stretches}
    return [place for place in found.card.person.places if place.id in seen]


def read(desk: Desk, resource_type: str, key: str) -> bytes | None:
    """`GET <type>/<id>`: every `fullUrl` and reference of our answers resolves. None: no such resource here (404).

    A Slot is readable as long as it is offered; one that has started or was taken is gone.
    """
    reader = _READERS.get(resource_type)
    return None if reader is None else reader(desk, key)


def _read_slot(desk: Desk, key: str) -> bytes | None:
    split = split_slot_id(key)
    week = desk.agenda.week(split[0]) if split is not None else None
    found = desk.agenda.find(key) if desk.agenda.is_free(key, desk.clock.now()) else None
    if split is None or week is None or found is None:
        return None
    planned = Planned.of(found)
    placed = desk.population.place(week.schedule)
    if placed is None:
        return desk.renderer.slot(SOS, week.schedule, (None, None), week.zone, planned)
    specialty = (placed[0].specialty, placed[0].specialty_text)
    form = R04 if planned.kind.cpts else R01
    return desk.renderer.slot(form, week.schedule, specialty, week.zone, planned)


def _read_schedule(desk: Desk, key: str) -> bytes | None:
    if placed := _own_place(desk, key):
        return schedule_resource(*placed)
    sited = _own_site(desk, key)
    return site_schedule_resource(sited[1]) if sited else None


def _read_practitioner(desk: Desk, key: str) -> bytes | None:
    person = desk.population.practitioner(key)
    own = person is not None and person.id == key and person.editor == desk.editor.slug
    return practitioner_resource(person) if own and person is not None else None


def _read_role(desk: Desk, key: str) -> bytes | None:
    placed = _own_place(desk, key)
    return role_resource(*placed, desk.editor.system) if placed else None


def _read_service(desk: Desk, key: str) -> bytes | None:
    cpts = desk.population.cpts.get(key)
    return service_resource(cpts) if cpts is not None and desk.editor.speaks(Flow.INT_R04) else None


def _read_location(desk: Desk, key: str) -> bytes | None:
    sited = _own_site(desk, key)
    return site_resource(*sited, desk.editor.system) if sited else None


def _read_organization(desk: Desk, key: str) -> bytes | None:
    sos = desk.population.sos.get(key)
    if sos is not None and sos.editor == desk.editor.slug:
        return sos_resource(sos)
    cpts = desk.population.cpts.get(key)
    return cpts_resource(cpts) if cpts is not None and desk.editor.speaks(Flow.INT_R04) else None


def _own_place(desk: Desk, schedule: str) -> _Placed | None:
    placed = desk.population.place(schedule)
    return placed if placed is not None and placed[0].editor == desk.editor.slug else None


def _own_site(desk: Desk, schedule: str) -> _Sited | None:
    sited = desk.population.site(schedule)
    return sited if sited is not None and sited[0].editor == desk.editor.slug else None


_READERS: Mapping[str, Callable[[Desk, str], bytes | None]] = {
    "Slot": _read_slot,
    "Schedule": _read_schedule,
    "Practitioner": _read_practitioner,
    "PractitionerRole": _read_role,
    "HealthcareService": _read_service,
    "Location": _read_location,
    "Organization": _read_organization,
}
