"""An editor's answers to slot searches (INT_R01, INT_R04, SOS Médecins) and reads: query string in, bytes out. Pure
but for the clock.

Which form: INT_R04's (CPTS profiles for all its slots, one page) when `Slot:service-type-reference` was asked; else
INT_R01's, paged by `_count` with a `next` link. An answer none of whose slots is seen by a CPTS « looks as in INT_R01 »
whatever was asked. An editor that does not speak INT_R04 does not offer that include: it refuses it (`fhir/search`).

Practitioners of other editors, and unknown ones, are found nowhere: an empty bundle, never an error (R01-8). Slots
come by practitioner in the order asked, then place, then time, then what was asked to be included of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import cast
from urllib.parse import quote

from sandbox.editor.agenda import Agenda, FreeSlots, Window
from sandbox.editor.fhir.agenda_cache import OCTETS, AgendaCache, CachedAgenda, file_of
from sandbox.editor.switches import EditorSwitches
from sandbox.fhir.queries import search
from sandbox.fhir.resources import (
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
from sandbox.kernel.flows import IG_VERSIONS, Flow
from sandbox.kernel.model import ConsultationSite, Editor, Place, Practitioner, SosAssociation
from sandbox.population.agendas.agenda import Planned, slot_id, split_slot_id
from sandbox.population.people import Population


@dataclass(frozen=True)
class Desk:
    """Where an editor answers from. `fhir_base`, `ui_base`: public URLs of its FHIR base and of its pages.

    `room`: octets that it may hold ready. Of its manners the answers made here only know the page size; quirks are
    played on what is answered. `ig`: the version of the guide by which the answers are valid.
    """

    editor: Editor
    population: Population
    agenda: Agenda
    clock: Clock
    fhir_base: str
    ui_base: str
    manners: EditorSwitches = field(default_factory=EditorSwitches)
    room: int = OCTETS
    ig: str = IG_VERSIONS[0]

    @cached_property
    def renderer(self) -> Renderer:
        """What renders with this desk's URLs; keeps the fragments of people and places."""
        return Renderer(self.fhir_base, self.ui_base, self.editor.system, self.ig)

    @cached_property
    def offers_slots(self) -> bool:
        """True when the editor is interfaced for a search of practitioners."""
        return self.editor.speaks(Flow.INT_R01) or self.editor.speaks(Flow.INT_R04)

    @cached_property
    def offers_cpts(self) -> bool:
        """True when it answers what INT_R04 adds."""
        return self.editor.speaks(Flow.INT_R04)

    @cached_property
    def shelf(self) -> AgendaCache:
        """What was found of agendas asked for lately."""
        return AgendaCache(self.room)

    def forget(self) -> None:
        """Other people have come: nothing that is kept of the former holds."""
        for kept in ("shelf", "renderer"):
            vars(self).pop(kept, None)


_Placed = tuple[Practitioner, Place]
_Sited = tuple[SosAssociation, ConsultationSite]


def answer_slots(desk: Desk, raw_query: str, *, lenient: bool = False) -> bytes:
    """`GET Slot?…`: the searchset. Raises RequestError as `slots_in_pieces`."""
    return b"".join(slots_in_pieces(desk, raw_query, lenient=lenient))


def slots_in_pieces(desk: Desk, raw_query: str, *, lenient: bool = False) -> list[bytes]:
    """`GET Slot?…`: the searchset, its octets in pieces.

    Raises RequestError 400 (the query), 404 (this editor has no such search).
    """
    if not desk.offers_slots:
        raise _unsupported(desk, Flow.INT_R01, Flow.INT_R04)
    query = search.parse_slot_query(raw_query, cpts=desk.offers_cpts, lenient=lenient)
    usual = query.includes == _USUAL and query.count == search.PAGE and query.after is None
    if usual and (at_hand := _at_hand(desk, query)) is not None:
        return desk.renderer.pieces(R01, at_hand[0], "Slot", query.text, at_hand[1])
    found = _free(desk, query)
    total = sum([each.count for each in found])
    form = R04 if search.SERVICE in query.includes and _names_cpts(found) else R01
    following = None
    if form is R01 and (query.after is not None or total > desk.manners.page or query.count != search.PAGE):
        found, last = _page(found, query, total, desk.manners.page)
        following = _following(query.text, last) if last is not None else None
    slots, included = _rendered(desk, form, found), _included(desk, query.includes, found)
    if query.includes != _USUAL:
        return desk.renderer.pieces(form, total, "Slot", query.text, [*slots, *included], following)
    entries = list(chain.from_iterable(zip(slots, included, strict=True)))  # the order in which they will be at hand
    if usual and following is None:
        desk.shelf.settle([each for each in found if each.join(R01)])
    return desk.renderer.pieces(form, total, "Slot", query.text, entries, following)


_USUAL = frozenset({search.SCHEDULE, search.ACTOR})  # what the SAS core asks for with individual practitioners' slots


def _at_hand(desk: Desk, query: search.SlotQuery) -> tuple[int, list[bytes]] | None:
    """How many slots, and the entries, one piece per practitioner; None unless all is kept and fits on one page."""
    agenda, known, now = desk.agenda, desk.shelf.files, desk.clock.time()
    window, version = agenda.window(query.start.timestamp(), query.end.timestamp(), now), agenda.version
    total, pieces = 0, []
    for each in query.practitioners:
        file = known.get(each)
        if file is None or file.window is not window or not file.since <= now < file.until or file.version != version:
            return None
        if file.count:
            if not file.whole:
                return None
            total += file.count
            pieces.append(file.whole)
    return (total, pieces) if total <= desk.manners.page else None


def _free(desk: Desk, query: search.SlotQuery) -> list[CachedAgenda]:
    """What is free of those practitioners whose agenda this editor holds, in the order asked.

    Nothing is searched anew where what was found last still holds.
    """
    agenda, known, now = desk.agenda, desk.shelf.files, desk.clock.time()
    window, version = agenda.window(query.start.timestamp(), query.end.timestamp(), now), agenda.version
    found = []
    for each in query.practitioners:
        file = known.get(each)
        if file is None:
            file = _file(desk, each)
            if file is None:
                continue
        if not (file.window is window and file.since <= now < file.until and file.version == version):
            file.look(agenda, window, now)
        found.append(file)
    return found


def _file(desk: Desk, id: str) -> CachedAgenda | None:
    """A new file of a practitioner whose agenda this editor holds."""
    person = desk.population.practitioner(id)
    if person is None or person.editor != desk.editor.slug:
        return None
    file = desk.shelf.files[id] = file_of(person)
    return file


def _rendered(desk: Desk, form: Form, found: Iterable[CachedAgenda]) -> list[bytes]:
    """The entries of these slots, in one piece per agenda."""
    name, seen = form.name, [each for each in found if each.count]
    pieces = [each.rendered.get(name) for each in seen]
    if None not in pieces:
        return cast(list[bytes], pieces)
    new = [each for each in seen if name not in each.rendered]
    rendered = {id(each): each.render(desk.renderer, form) for each in new}
    desk.shelf.settle([each for each in new if each.window is not None and (each.rendered or not each.weight)])
    return [rendered.get(id(each)) or each.rendered[name] for each in seen]


def answer_schedules(desk: Desk, raw_query: str, *, lenient: bool = False) -> bytes:
    """`GET Schedule?…`: the searchset; `total` counts the slots, as in the guide's own example.

    Raises RequestError 400 (the query), 404 (this editor has no such search).
    """
    if not desk.editor.speaks(Flow.SOS):
        raise _unsupported(desk, Flow.SOS)
    query = search.parse_schedule_query(raw_query, lenient=lenient)
    now, renderer = desk.clock.time(), desk.renderer
    window = desk.agenda.window(query.start.timestamp(), query.end.timestamp(), now)
    found = [(sos, site, _of_site(desk, site, window, now)) for sos, site in _sited(desk, query.sirets)]
    matched = [(sos, site) for sos, site, file in found if file.count]
    entries = [renderer.site_schedule(site) for _, site in matched]
    if search.SCHEDULE in query.includes:
        entries += _rendered(desk, SOS, [file for _, _, file in found])
    if search.SITE in query.includes:
        entries += [renderer.site(sos, site) for sos, site in matched]
        if search.SITE_ORGANIZATION in query.includes:
            entries += [renderer.sos(sos) for sos in {sos.siret: sos for sos, _ in matched}.values()]
    total = sum(file.count for _, _, file in found)
    return renderer.bundle(SOS, total, "Schedule", query.text, entries)


def _of_site(desk: Desk, site: ConsultationSite, window: Window, now: float) -> CachedAgenda:
    file = desk.shelf.files.get(site.id)
    if file is None:
        file = desk.shelf.files[site.id] = file_of(site)
    if not file.holds(desk.agenda, window, now):
        file.look(desk.agenda, window, now)
    return file


def _unsupported(desk: Desk, *flows: Flow) -> RequestError:
    detail = f"{desk.editor.name} does not offer this search ({', '.join(flows)})"
    return RequestError(404, Issue("not-supported", detail))


def _names_cpts(found: Sequence[CachedAgenda]) -> bool:
    """True for an INT_R04 answer to a search that asks for CPTS; an empty one goes by what was asked."""
    return not any(each.count for each in found) or bool(_finess(found))


def _finess(found: Iterable[CachedAgenda]) -> Iterable[str]:
    """The CPTS that these slots name, in their order."""
    named: dict[str, None] = {}
    for each in found:
        for share in each.shares:
            if share.week.rhythm.groups:
                kinds = share.week.rhythm.palette.kinds
                named |= dict.fromkeys(finess for code in share.codes() for finess in kinds[code].cpts)
    return named.keys()


def _sited(desk: Desk, sirets: Iterable[str]) -> Iterable[_Sited]:
    for siret in sirets:
        sos = desk.population.sos.get(siret)
        if sos is not None and sos.editor == desk.editor.slug:
            yield from ((sos, site) for site in sos.sites)


def _page(
    found: list[CachedAgenda], query: search.SlotQuery, total: int, most: int
) -> tuple[list[CachedAgenda], str | None]:
    """The page asked for, of `most` slots at most, and the id of its last slot when another page follows."""
    room = most if query.count is None else min(query.count, most)
    if query.after is not None:
        found = _after(found, query.after)
    elif total <= room:
        return found, None
    page: list[CachedAgenda] = []
    last: str | None = None  # stays so on a page without room (`_count=0` asks for the total alone)
    for each in found:
        fitting: list[FreeSlots] = []
        for share in each.shares:
            if share.count and room <= 0:
                return [*page, each.only(fitting)], last
            fitting.append(share if share.count <= room else share.cut(0, room))
            if fitting[-1].count:
                last = slot_id(share.week.schedule, fitting[-1].starts()[-1])
            if share.count > room:
                return [*page, each.only(fitting)], last
            room -= share.count
        page.append(each.only(fitting))
    return page, None


def _after(found: Iterable[CachedAgenda], after: str) -> list[CachedAgenda]:
    """What comes after that slot, which may be gone since: the order of schedules and times stands."""
    split = split_slot_id(after)
    order = {week.schedule: at for at, week in enumerate(week for each in found for week in each.weeks)}
    if split is None or split[0] not in order:
        raise malformed(f"'{after}' is no page of this search", "http._after", code="value")
    here, instant = order[split[0]], split[1]
    kept = []
    for each in found:
        following = []
        for share in each.shares:
            at = order[share.week.schedule]
            if at >= here:
                following.append(share.cut(bisect_right(share.starts(), instant), share.count) if at == here else share)
        kept.append(each.only(following))
    return kept


def _following(text: str, last: str) -> str:
    kept = [part for part in text.split("&") if not part.startswith("_after=")]
    return "&".join((*kept, f"_after={quote(last)}"))


def _included(desk: Desk, includes: frozenset[str], found: Sequence[CachedAgenda]) -> list[bytes]:
    """Entries of what was asked to be included; an iterated include needs what it iterates on."""
    entries: list[bytes] = []
    if search.SCHEDULE in includes:
        seen, renderer = [each for each in found if each.count], desk.renderer
        if search.ACTOR in includes:
            entries += [each.included or each.render_included(renderer) for each in seen]
        else:
            entries += [renderer.schedule(person, place) for each in seen for person, place in each.placed()]
    if search.SERVICE in includes:
        cpts = [desk.population.cpts[finess] for finess in _finess(found)]
        entries += [desk.renderer.service(each) for each in cpts]
        if search.SERVICE_ORGANIZATION in includes:
            entries += [desk.renderer.cpts(each) for each in cpts]
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
    return cpts_resource(cpts, desk.ig) if cpts is not None and desk.editor.speaks(Flow.INT_R04) else None


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
