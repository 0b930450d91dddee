"""An editor's answers to slot searches (INT_R01, INT_R04, SOS Médecins) and reads: query string in, bytes out. Pure
but for the clock.

Which form: INT_R04's (CPTS profiles for all its slots, one page) when `Slot:service-type-reference` was asked of an
editor that speaks INT_R04; else INT_R01's, paged by `_count` with a `next` link. An answer none of whose slots is seen
by a CPTS « looks as in INT_R01 » whatever was asked, and so do those of an editor that does not speak INT_R04.

Practitioners of other editors, and unknown ones, are found nowhere: an empty bundle, never an error (R01-8). Slots
come by practitioner in the order asked, then place, then time, then what was asked to be included of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sandbox.editor.agenda import Agenda, View, Week, Window, week_of
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
from sandbox.kernel.clock import Clock
from sandbox.kernel.errors import Issue, RequestError, malformed
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import ConsultationSite, Editor, Place, Practitioner, SosAssociation
from sandbox.population.agenda import Planned, slot_id, split_slot_id
from sandbox.population.people import Population


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


@dataclass(slots=True)
class _Found:
    """Free slots of one day of one schedule. `view` is set when they are all of that day's."""

    week: Week
    specialty: Specialty
    slots: tuple[Planned, ...]
    view: View | None

    def rendered(self, renderer: Renderer, form: Form) -> bytes:
        """Their entries; a whole day's are rendered once."""
        if self.view is None:
            return renderer.slots(form, self.week.schedule, self.specialty, self.week.zone, self.slots)
        key = (renderer, form.name)
        entries = self.view.rendered.get(key)
        if entries is None:
            entries = renderer.slots(form, self.week.schedule, self.specialty, self.week.zone, self.slots)
            self.view.rendered[key] = entries
        return entries


_Placed = tuple[Practitioner, Place]
_Sited = tuple[SosAssociation, ConsultationSite]


def answer_slots(desk: Desk, raw_query: str) -> bytes:
    """`GET Slot?…`: the searchset. Raises RequestError 400 (the query), 404 (this editor has no such search)."""
    _supported(desk, Flow.INT_R01, Flow.INT_R04)
    query = search.parse_slot_query(raw_query)
    placed = _placed(desk, query.practitioners)
    window = Window(query.start, query.end, desk.clock.now())
    found: list[_Found] = []
    for person, place in placed:
        found += _search(desk.agenda, window, week_of(place), (person.specialty, person.specialty_text))
    total = sum(len(each.slots) for each in found)
    form = R04 if _names_cpts(desk, query, found) else R01
    following = None
    if form is R01:
        found, last = _page(found, query, [place.id for _, place in placed], desk.manners.page)
        following = _following(query.text, last) if last is not None else None
    renderer = desk.renderer
    entries = [each.rendered(renderer, form) for each in found]
    entries += _included(desk, query.includes, placed, found)
    return renderer.bundle(form, total, "Slot", query.text, entries, following)


def answer_schedules(desk: Desk, raw_query: str) -> bytes:
    """`GET Schedule?…`: the searchset; `total` counts the slots, as in the guide's own example.

    Raises RequestError 400 (the query), 404 (this editor has no such search).
    """
    _supported(desk, Flow.SOS)
    query = search.parse_schedule_query(raw_query)
    window = Window(query.start, query.end, desk.clock.now())
    matched: list[_Sited] = []
    found: list[_Found] = []
    for sos, site in _sited(desk, query.sirets):
        slots = _search(desk.agenda, window, week_of(site), (None, None))
        if slots:
            matched.append((sos, site))
            found += slots
    renderer = desk.renderer
    entries = [renderer.site_schedule(site) for _, site in matched]
    if search.SCHEDULE in query.includes:
        entries += [each.rendered(renderer, SOS) for each in found]
    if search.SITE in query.includes:
        entries += [renderer.site(sos, site) for sos, site in matched]
        if search.SITE_ORGANIZATION in query.includes:
            entries += [renderer.sos(sos) for sos in {sos.siret: sos for sos, _ in matched}.values()]
    total = sum(len(each.slots) for each in found)
    return renderer.bundle(SOS, total, "Schedule", query.text, entries)


def _supported(desk: Desk, *flows: Flow) -> None:
    if not any(desk.editor.speaks(flow) for flow in flows):
        detail = f"{desk.editor.name} does not offer this search ({', '.join(flows)})"
        raise RequestError(404, Issue("not-supported", detail))


def _names_cpts(desk: Desk, query: search.SlotQuery, found: Sequence[_Found]) -> bool:
    """True for an INT_R04 answer; an empty one goes by what was asked."""
    if search.SERVICE not in query.includes or not desk.editor.speaks(Flow.INT_R04):
        return False
    return not found or any(slot.kind.cpts for each in found for slot in each.slots)


def _placed(desk: Desk, ids: Iterable[str]) -> list[_Placed]:
    """The places of those practitioners whose agenda this editor holds, in the order asked."""
    slug, find = desk.editor.slug, desk.population.practitioner
    people = {person.id: person for each in ids if (person := find(each)) is not None and person.editor == slug}
    return [(person, place) for person in people.values() for place in person.places]


def _sited(desk: Desk, sirets: Iterable[str]) -> Iterable[_Sited]:
    for siret in sirets:
        sos = desk.population.sos.get(siret)
        if sos is not None and sos.editor == desk.editor.slug:
            yield from ((sos, site) for site in sos.sites)


def _search(agenda: Agenda, window: Window, week: Week, specialty: Specialty) -> list[_Found]:
    """The free slots of one schedule in the window, day by day; days without any are left out."""
    found = []
    for day, whole in window.days(week.zone):
        view = agenda.view(week, day, window.now)
        if whole and view.slots:
            found.append(_Found(week, specialty, view.slots, view))
        elif not whole and (slots := window.cut(view.slots)):
            found.append(_Found(week, specialty, slots, None))
    return found


def _page(
    found: list[_Found], query: search.SlotQuery, schedules: Sequence[str], most: int
) -> tuple[list[_Found], str | None]:
    """The page asked for, of `most` slots at most, and the id of its last slot when another page follows."""
    if query.after is not None:
        found = _after(found, query.after, schedules)
    room = most if query.count is None else min(query.count, most)
    page: list[_Found] = []
    for at, each in enumerate(found):
        if len(each.slots) > room:
            if room:
                page.append(_Found(each.week, each.specialty, each.slots[:room], None))
            return page, _last_id(page)
        page.append(each)
        room -= len(each.slots)
        if not room and at + 1 < len(found):
            return page, _last_id(page)
    return page, None


def _last_id(page: Sequence[_Found]) -> str | None:
    """None for a page without room (`_count=0` asks for the total alone)."""
    return slot_id(page[-1].week.schedule, page[-1].slots[-1].start) if page else None


def _after(found: Iterable[_Found], after: str, schedules: Sequence[str]) -> list[_Found]:
    """What comes after that slot, which may be gone since: the order of schedules and times stands."""
    split = split_slot_id(after)
    order = {schedule: at for at, schedule in enumerate(schedules)}
    if split is None or split[0] not in order:
        raise malformed(f"'{after}' is no page of this search", "http._after", code="value")
    kept = []
    for each in found:
        at = order[each.week.schedule] - order[split[0]]
        slots = each.slots if at else tuple(slot for slot in each.slots if slot.start > split[1])
        if at > 0:
            kept.append(each)
        elif at == 0 and slots:
            kept.append(_Found(each.week, each.specialty, slots, None))
    return kept


def _following(text: str, last: str) -> str:
    kept = [part for part in text.split("&") if not part.startswith("_after=")]
    return "&".join((*kept, f"_after={last}"))


def _included(
    desk: Desk, includes: frozenset[str], placed: Sequence[_Placed], found: Sequence[_Found]
) -> Iterable[bytes]:
    """Entries of what was asked to be included; an iterated include needs what it iterates on."""
    seen = {each.week.schedule for each in found}
    of_page = [(person, place) for person, place in placed if place.id in seen]
    renderer = desk.renderer
    entries: list[bytes] = []
    if search.SCHEDULE in includes:
        entries += [renderer.schedule(person, place) for person, place in of_page]
        if search.ACTOR in includes:
            people = {person.id: person for person, _ in of_page}
            entries += [renderer.practitioner(person) for person in people.values()]
            entries += [renderer.role(person, place) for person, place in of_page]
    if search.SERVICE in includes:
        named = dict.fromkeys(finess for each in found for slot in each.slots for finess in slot.kind.cpts)
        cpts = [desk.population.cpts[finess] for finess in named]
        entries += [renderer.service(each) for each in cpts]
        if search.SERVICE_ORGANIZATION in includes:
            entries += [renderer.cpts(each) for each in cpts]
    return entries


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
