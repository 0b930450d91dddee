"""The holder and address of an agenda: a practitioner at a place, or a site of an SOS association. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import Editor
from sandbox.population.agendas.agenda import zone_of
from sandbox.population.people import Population


@dataclass(frozen=True, slots=True)
class Venue:
    """`title`: the practitioner or the association; `place`: name of the site, or ""; `line` to `city`: the address;
    `zone`: its time zone."""

    title: str
    place: str
    line: str
    postal_code: str
    city: str
    phone: str | None
    zone: ZoneInfo = PARIS


def zone_at(population: Population, schedule: str) -> ZoneInfo:
    """The time zone of any schedule; that of Paris for an unknown one."""
    held, known = population.place(schedule), population.site(schedule)
    if held is not None:
        return zone_of(held[1].insee)
    return zone_of(known[1].insee) if known is not None else PARIS


def find_venue(population: Population, editor: Editor, schedule: str) -> Venue | None:
    """The venue of a schedule that this editor holds; None for another editor's or an unknown one."""
    held = population.place(schedule)
    if held is not None:
        person, place = held
        if person.editor != editor.slug:
            return None
        name = f"Dr {person.given} {person.family}"
        return Venue(name, "", place.line, place.postal_code, place.city, person.phone, zone_of(place.insee))
    known = population.site(schedule)
    if known is None or known[0].editor != editor.slug:
        return None
    association, site = known
    return Venue(association.name, site.name, site.line, site.postal_code, site.city, site.phone, zone_of(site.insee))


def schedules_of_holder(population: Population, editor: Editor, schedule: str) -> tuple[str, ...]:
    """All schedules of the practitioner or association that holds this one, this one first; none if it is unknown."""
    held = population.place(schedule)
    if held is not None:
        others = [place.id for place in held[0].places] if held[0].editor == editor.slug else []
    else:
        known = population.site(schedule)
        others = [site.id for site in known[0].sites] if known is not None and known[0].editor == editor.slug else []
    return tuple(sorted(others, key=lambda other: other != schedule))
