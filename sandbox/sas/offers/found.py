"""The offers beside free slots (« offre complémentaire »): practitioners who take one more patient, communities that
can be asked, MSP and CDS. Pure: nobody is called for them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from heapq import nsmallest
from itertools import islice
from operator import attrgetter
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sandbox.kernel.identifiers import national_phone
from sandbox.kernel.model import Community, Place, Practitioner, Structure, Town
from sandbox.population.people import Population
from sandbox.sas.directory.areas import Area, distance_km
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.participation import extra_conditions, kinds_of
from sandbox.sas.directory.people_index import everybody
from sandbox.sas.search.cards import Labels
from sandbox.sas.search.criteria import Criteria

MOST = 20  # offers of each kind
MOST_LOOKED_AT = 1000  # practitioners whose data are read for them: a filter may leave few of the thousands of a city
MOST_STRUCTURES = 100  # where structures alone are looked for
STRUCTURE_KINDS = ("MSP", "CDS")
_CONDITIONS = {
    "MSP": "prévenir l'accueil par téléphone ; un professionnel présent prend le patient",
    "CDS": "sans rendez-vous aux heures d'ouverture ; tiers payant",
}

Kilometres = Annotated[float, Meta(description="kilometres")]


class _Offer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    id: str
    name: str
    phone: str | None = None
    conditions: Annotated[str, Meta(description="in French")]
    distance_km: Kilometres


class _Addressed(_Offer, frozen=True, omit_defaults=True, kw_only=True):
    line: str
    postal_code: str
    city: str


class ExtraOffer(_Addressed, frozen=True, omit_defaults=True, kw_only=True):
    """A practitioner who takes a patient outside the agenda, once he has agreed by telephone. `place`: id of his
    nearest place; `group`: the MSP or CDS that it is in."""

    place: str
    specialty: str | None = None
    specialty_label: str | None = None
    group: str | None = None


class MarketplaceOffer(_Offer, frozen=True, omit_defaults=True, kw_only=True):
    """A community whose members can be asked to take the patient. `distance_km`: to the first town of its zone."""

    kind: Literal["CPTS", "SOS", "group"]


class StructureOffer(_Addressed, frozen=True, omit_defaults=True, kw_only=True):
    """A MSP or CDS to which the patient can be sent; its `id` is the FINESS."""

    kind: Literal["MSP", "CDS"]


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """The offers beside free slots, the nearest first, at most 20 of each kind."""

    extra: list[ExtraOffer]
    marketplaces: list[MarketplaceOffer]
    structures: list[StructureOffer]


def offers_of(criteria: Criteria, directory: Directory, labels: Labels) -> Offers:
    """The offers for what a search looks for: in its area, or in the enlarged one where there is none of a kind.

    `labels`: name of each specialty by its code.
    """
    kinds, areas = criteria.filters.kinds, _areas(criteria)
    wanted = [kind for kind in STRUCTURE_KINDS if not kinds or kind.lower() in kinds]
    return Offers(
        extra=next(filter(None, (_extra(criteria, area, directory, labels) for area in areas)), []),
        marketplaces=_marketplaces(criteria, directory),
        structures=next(filter(None, (structures_in(area, directory, wanted, MOST) for area in areas)), []),
    )


def structures_of(criteria: Criteria, directory: Directory) -> list[StructureOffer]:
    """The MSP and CDS around a place, of the kinds that the search names; those of the enlarged area where there is
    none."""
    wanted = [kind for kind in STRUCTURE_KINDS if not criteria.filters.kinds or kind.lower() in criteria.filters.kinds]
    found = (structures_in(area, directory, wanted, MOST_STRUCTURES) for area in _areas(criteria))
    return next(filter(None, found), [])


def _areas(criteria: Criteria) -> tuple[Area, ...]:
    """The area of a search and the enlarged one; only the former where the search says how far it goes."""
    area, within = criteria.area, criteria.filters.within_km
    if within is not None:
        return (replace(area, radius_km=min(within, area.radius_km)),)
    return (area,) if criteria.radius_km is not None else (area, area.enlarged())


def offers_extra(person: Practitioner, directory: Directory) -> bool:
    """True when a regulator can be told to call that practitioner: he accepts one more patient, and his number is
    known."""
    return bool(person.places and national_phone(person.phone or "")) and directory.accepts_extra(person)


def _extra(criteria: Criteria, area: Area, directory: Directory, labels: Labels) -> list[ExtraOffer]:
    kinds = criteria.filters.kinds
    candidates = directory.candidates(criteria.specialty, area, lists=everybody)
    nearest = (each.practitioner for each in sorted(candidates, key=attrgetter("distance_km", "id")))
    willing = (
        person
        for person in islice(nearest, MOST_LOOKED_AT)
        if offers_extra(person, directory)
        and not (kinds and kinds.isdisjoint(kinds_of(person)))
        and not directory.away(person, criteria.days)
    )
    return [extra_offer(person, area, directory, labels) for person in islice(willing, MOST)]


def extra_offer(person: Practitioner, area: Area, directory: Directory, labels: Labels) -> ExtraOffer:
    """The offer of a practitioner for whom `offers_extra` holds, seen from the centre of the area."""
    place = min(person.places, key=lambda each: _km(area, each))
    return ExtraOffer(
        id=person.id,
        name=f"{person.given} {person.family}",
        phone=national_phone(person.phone or ""),
        conditions=extra_conditions(person, directory.population.seed),
        distance_km=_km(area, place),
        line=place.line,
        postal_code=place.postal_code,
        city=place.city,
        place=place.id,
        specialty=person.specialty,
        specialty_label=labels.get(person.specialty) if person.specialty else person.specialty_text,
        group=place.group.kind if place.group is not None else None,
    )


def _marketplaces(criteria: Criteria, directory: Directory) -> list[MarketplaceOffer]:
    kinds, off, population = criteria.filters.kinds, directory.disabled(), directory.population
    found = (
        _marketplace(each, criteria.area, population)
        for each in population.communities_of(criteria.town.insee)
        if each.editor not in off and (not kinds or each.kind.lower() in kinds)
    )
    return nsmallest(MOST, found, key=attrgetter("distance_km", "id"))


def _marketplace(community: Community, area: Area, population: Population) -> MarketplaceOffer:
    home, editor = population.towns[community.zone[0]], population.editors[community.editor]
    return MarketplaceOffer(
        id=community.id,
        name=community.name,
        phone=national_phone(community.phone or ""),
        conditions=f"un membre répond par {editor.name} dans le délai demandé",
        distance_km=_km(area, home),
        kind=community.kind,
    )


def structures_in(area: Area, directory: Directory, kinds: Collection[str], most: int) -> list[StructureOffer]:
    """The MSP and CDS of some kinds in an area, the nearest first."""
    there = directory.population.structures_near(area.lat, area.lon, area.radius_km)
    return [structure_offer(each, area) for each in islice((one for one, _ in there if one.kind in kinds), most)]


def structure_offer(structure: Structure, area: Area) -> StructureOffer:
    """A structure as an offer, seen from the centre of the area."""
    return StructureOffer(
        id=structure.finess,
        name=structure.name,
        phone=national_phone(structure.phone or ""),
        conditions=_CONDITIONS[structure.kind],
        distance_km=_km(area, structure),
        line=structure.line,
        postal_code=structure.postal_code,
        city=structure.city,
        kind=structure.kind,
    )


def _km(area: Area, at: Place | Structure | Town) -> float:
    return round(distance_km(area.lat, area.lon, at.lat, at.lon), 1)
