"""An editor's answers to slot searches (INT_R01, INT_R04, SOS Médecins): query string in, bytes out. Pure but for the
clock.

An answer has the form of INT_R04 (CPTS profiles for all its slots, one page) when `Slot:service-type-reference` was
asked for, else that of INT_R01, paged by `_count` with a `next` link. When no CPTS sees any of the slots, the form is
that of INT_R01 whatever was asked for. An editor that is not interfaced for INT_R04 refuses that include
(`fhir/queries/search`).

Unknown practitioners and those of other editors give an empty bundle, never an error (R01-8). Slots come by
practitioner in the order asked, then place, then time, followed by what was asked to be included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import cast

from sandbox.editor.agenda import Window
from sandbox.editor.fhir.agenda_cache import CachedAgenda, cached_agenda_of
from sandbox.editor.fhir.paging import next_query, page_of
from sandbox.editor.fhir.server import FhirServer
from sandbox.fhir.queries import search
from sandbox.fhir.slots import R01, R04, SOS, Form
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import ConsultationSite, SosAssociation


def answer_slots(server: FhirServer, raw_query: str, *, lenient: bool = False) -> bytes:
    """`GET Slot?…`: the searchset. Raises RequestError as `slots_in_pieces`."""
    return b"".join(slots_in_pieces(server, raw_query, lenient=lenient))


def slots_in_pieces(server: FhirServer, raw_query: str, *, lenient: bool = False) -> list[bytes]:
    """`GET Slot?…`: the octets of the searchset, in pieces.

    Raises RequestError 400 (the query), 404 (this editor has no such search).
    """
    if not server.offers_slots:
        raise _unsupported(server, Flow.INT_R01, Flow.INT_R04)
    query = search.parse_slot_query(raw_query, cpts=server.offers_cpts, lenient=lenient)
    usual = query.includes == _USUAL and query.count == search.PAGE and query.after is None
    if usual and (ready := _ready(server, query)) is not None:
        return server.renderer.pieces(R01, ready[0], "Slot", query.text, ready[1])
    found = _free(server, query)
    total = sum([each.count for each in found])
    form = R04 if search.SERVICE in query.includes and _seen_by_cpts(found) else R01
    following = None
    if form is R01 and (query.after is not None or total > server.switches.page or query.count != search.PAGE):
        found, last = page_of(found, query, total, server.switches.page)
        following = next_query(query.text, last) if last is not None else None
    slots, included = _rendered(server, form, found), _included(server, query.includes, found)
    if query.includes != _USUAL:
        return server.renderer.pieces(form, total, "Slot", query.text, [*slots, *included], following)
    entries = list(chain.from_iterable(zip(slots, included, strict=True)))  # the order of `CachedAgenda.joined`
    if usual and following is None:
        server.cache.update([each for each in found if each.join(R01)])
    return server.renderer.pieces(form, total, "Slot", query.text, entries, following)


_USUAL = frozenset({search.SCHEDULE, search.ACTOR})  # what the SAS core asks for with individual practitioners' slots


def _ready(server: FhirServer, query: search.SlotQuery) -> tuple[int, list[bytes]] | None:
    """How many slots, and the entries, one piece per practitioner; None unless all is cached and fits on one page."""
    agenda, known, now = server.agenda, server.cache.agendas, server.clock.time()
    window, version = agenda.window(query.start.timestamp(), query.end.timestamp(), now), agenda.version
    total, pieces = 0, []
    for each in query.practitioners:
        cached = known.get(each)
        if (
            cached is None
            or cached.window is not window
            or not cached.since <= now < cached.until
            or cached.version != version
        ):
            return None
        if cached.count:
            if not cached.joined:
                return None
            total += cached.count
            pieces.append(cached.joined)
    return (total, pieces) if total <= server.switches.page else None


def _free(server: FhirServer, query: search.SlotQuery) -> list[CachedAgenda]:
    """What is free of those practitioners whose agenda this editor holds, in the order asked.

    An agenda is searched again only where what was found last does not hold any more.
    """
    agenda, known, now = server.agenda, server.cache.agendas, server.clock.time()
    window, version = agenda.window(query.start.timestamp(), query.end.timestamp(), now), agenda.version
    found = []
    for each in query.practitioners:
        cached = known.get(each)
        if cached is None:
            cached = _new(server, each)
            if cached is None:
                continue
        if not (cached.window is window and cached.since <= now < cached.until and cached.version == version):
            cached.refresh(agenda, window, now)
        found.append(cached)
    return found


def _new(server: FhirServer, id: str) -> CachedAgenda | None:
    """The agenda of a practitioner that is not cached yet; None when this editor does not hold it."""
    person = server.population.practitioner(id)
    if person is None or person.editor != server.editor.slug:
        return None
    cached = server.cache.agendas[id] = cached_agenda_of(person)
    return cached


def _rendered(server: FhirServer, form: Form, found: Iterable[CachedAgenda]) -> list[bytes]:
    """The entries of these slots, in one piece per agenda."""
    name, seen = form.name, [each for each in found if each.count]
    pieces = [each.rendered.get(name) for each in seen]
    if None not in pieces:
        return cast(list[bytes], pieces)
    new = [each for each in seen if name not in each.rendered]
    rendered = {id(each): each.render(server.renderer, form) for each in new}
    server.cache.update([each for each in new if each.window is not None and (each.rendered or not each.weight)])
    return [rendered.get(id(each)) or each.rendered[name] for each in seen]


def _included(server: FhirServer, includes: frozenset[str], found: Sequence[CachedAgenda]) -> list[bytes]:
    """Entries of what was asked to be included; an iterated include needs what it iterates on."""
    entries: list[bytes] = []
    if search.SCHEDULE in includes:
        seen, renderer = [each for each in found if each.count], server.renderer
        if search.ACTOR in includes:
            entries += [each.included or each.render_included(renderer) for each in seen]
        else:
            entries += [renderer.schedule(person, place) for each in seen for person, place in each.placed()]
    if search.SERVICE in includes:
        cpts = [server.population.cpts[finess] for finess in _finess(found)]
        entries += [server.renderer.service(each) for each in cpts]
        if search.SERVICE_ORGANIZATION in includes:
            entries += [server.renderer.cpts(each) for each in cpts]
    return entries


def _seen_by_cpts(found: Sequence[CachedAgenda]) -> bool:
    """True when a CPTS sees some of the slots, and when there are none: an empty answer has the form asked for."""
    return not any(each.count for each in found) or bool(_finess(found))


def _finess(found: Iterable[CachedAgenda]) -> Iterable[str]:
    """The CPTS that these slots name, in their order."""
    named: dict[str, None] = {}
    for each in found:
        for free in each.free:
            if free.week.pattern.groups:
                kinds = free.week.pattern.palette.kinds
                named |= dict.fromkeys(finess for code in free.codes() for finess in kinds[code].cpts)
    return named.keys()


def answer_schedules(server: FhirServer, raw_query: str, *, lenient: bool = False) -> bytes:
    """`GET Schedule?…`: the searchset; `total` counts the slots, as in the guide's own example.

    Raises RequestError 400 (the query), 404 (this editor has no such search).
    """
    if not server.editor.speaks(Flow.SOS):
        raise _unsupported(server, Flow.SOS)
    query = search.parse_schedule_query(raw_query, lenient=lenient)
    now, renderer = server.clock.time(), server.renderer
    window = server.agenda.window(query.start.timestamp(), query.end.timestamp(), now)
    found = [(sos, site, _of_site(server, site, window, now)) for sos, site in _sites(server, query.sirets)]
    matched = [(sos, site) for sos, site, cached in found if cached.count]
    entries = [renderer.site_schedule(site) for _, site in matched]
    if search.SCHEDULE in query.includes:
        entries += _rendered(server, SOS, [cached for _, _, cached in found])
    if search.SITE in query.includes:
        entries += [renderer.site(sos, site) for sos, site in matched]
        if search.SITE_ORGANIZATION in query.includes:
            entries += [renderer.sos(sos) for sos in {sos.siret: sos for sos, _ in matched}.values()]
    total = sum(cached.count for _, _, cached in found)
    return renderer.bundle(SOS, total, "Schedule", query.text, entries)


def _of_site(server: FhirServer, site: ConsultationSite, window: Window, now: float) -> CachedAgenda:
    cached = server.cache.agendas.get(site.id)
    if cached is None:
        cached = server.cache.agendas[site.id] = cached_agenda_of(site)
    if not cached.is_current(server.agenda, window, now):
        cached.refresh(server.agenda, window, now)
    return cached


def _sites(server: FhirServer, sirets: Iterable[str]) -> Iterable[tuple[SosAssociation, ConsultationSite]]:
    for siret in sirets:
        sos = server.population.sos.get(siret)
        if sos is not None and sos.editor == server.editor.slug:
            yield from ((sos, site) for site in sos.sites)


def _unsupported(server: FhirServer, *flows: Flow) -> RequestError:
    detail = f"{server.editor.name} does not offer this search ({', '.join(flows)})"
    return RequestError(404, Issue("not-supported", detail))
