"""Which cards a search shows, and in which order. Pure.

Within a lot: the preferred doctor, then those with slots, participants of the SAS before others, near or shuffled as
the search says. A CPTS whose zone holds the searched town has one card: that of the first of its members with slots;
its other members are removed (contextual call, « Merging », « Participation »).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, overload

import msgspec

from sandbox.fhir.reader.reading import FreeSlot
from sandbox.kernel.model import SosAssociation
from sandbox.kernel.text.words import folded
from sandbox.sas.directory.areas import Area, distance_km
from sandbox.sas.directory.directory import Candidate, Directory
from sandbox.sas.directory.participation import kinds_of, takes_part
from sandbox.sas.directory.places import DEPARTMENT
from sandbox.sas.search.cards import Card, CardCpts, Labels, association_card, practitioner_card
from sandbox.sas.search.criteria import WITH, Criteria, Filters
from sandbox.sas.search.queries import rank


@dataclass(frozen=True, slots=True)
class Lot:
    """Who is asked about together, and around where."""

    area: Area
    candidates: Sequence[Candidate]
    associations: Sequence[SosAssociation]

    def owners(self) -> set[str]:
        """Ids of all of them."""
        return {each.id for each in self.candidates} | {each.siret for each in self.associations}


@dataclass
class Answers:
    """What editors said so far: free slots by owner (prefixed national id or SIRET); `known`: who was answered for."""

    slots: dict[str, list[FreeSlot]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def add(self, asked: Iterable[str], slots: Iterable[FreeSlot]) -> None:
        """One answer about `asked`: what passes the filters (`narrowed`)."""
        self.known.update(asked)
        held = self.slots
        for slot in slots:
            owner = slot.sos[0] if slot.sos is not None else slot.practitioner or ""
            if owner in held:
                held[owner].append(slot)
            else:
                held[owner] = [slot]


def narrowed(slots: Sequence[FreeSlot], criteria: Criteria) -> Sequence[FreeSlot]:
    """The slots that pass the filters of a search."""
    if not _narrows(criteria):
        return slots
    reason = folded(criteria.reason)
    return [slot for slot in slots if _passes(slot, criteria.filters, reason)]


def _passes(slot: FreeSlot, filters: Filters, reason: str) -> bool:
    return (
        (not filters.visibilities or not filters.visibilities.isdisjoint(slot.visibilities))
        and (not filters.types or not filters.types.isdisjoint(slot.types))
        and (not filters.booking or slot.walkin == (filters.booking != WITH))
        and (not reason or any(reason in folded(each) for each in slot.reasons))
    )


def _narrows(criteria: Criteria) -> bool:
    filters = criteria.filters
    return bool(filters.visibilities or filters.types or filters.booking or criteria.reason)


@dataclass(frozen=True, slots=True)
class Outline:
    """A card that may be drawn: whose it is, and what decides whether and where it is shown. `through`: FINESS of the
    CPTS whose one card it is."""

    owner: Candidate | SosAssociation
    id: str
    key: tuple[bool, bool, float, bool, bytes]
    area: Area
    member_of: tuple[str, ...] = ()
    through: tuple[str, ...] = ()


Outlines: TypeAlias = tuple[list[Outline], list[Outline]]  # with slots, without


class Drawn(Sequence[Card]):
    """The cards of some outlines, each drawn when it is looked at: a page shows few of those that are found."""

    def __init__(self, merger: Merger, outlines: Sequence[Outline]) -> None:
        self._merger, self.outlines = merger, outlines

    def __len__(self) -> int:
        return len(self.outlines)

    @overload
    def __getitem__(self, index: int) -> Card: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Card]: ...
    def __getitem__(self, index: int | slice) -> Card | Sequence[Card]:
        if isinstance(index, slice):
            return Drawn(self._merger, self.outlines[index])
        return self._merger.draw(self.outlines[index])


class Merger:
    """The cards of one search, from `answers`, which grow."""

    def __init__(self, criteria: Criteria, directory: Directory, labels: Labels, answers: Answers) -> None:
        self._criteria, self._directory, self._labels, self._answers = criteria, directory, labels, answers
        self._drawn: dict[tuple[str, tuple[str, ...]], Card] = {}
        self._cpts = frozenset() if criteria.spot.kind == DEPARTMENT else directory.cpts_of(criteria.town)

    def outlines(self, lot: Lot) -> list[Outline]:
        """What may be shown of a lot, in its order."""
        found = [self._of_candidate(candidate, lot.area) for candidate in lot.candidates]
        found += [self._of_association(association, lot.area) for association in lot.associations]
        return sorted((each for each in found if each is not None), key=lambda each: each.key)

    def cards(self, outlines: Iterable[Outline], represented: set[str]) -> Outlines:
        """What is known of a lot by now; `represented`: the CPTS that have their card, joined by those of this lot."""
        with_slots: list[Outline] = []
        without: list[Outline] = []
        for outline in outlines:
            if outline.id not in self._answers.known:
                continue
            if outline.id not in self._answers.slots:
                without.append(outline)
            elif (kept := self._through_cpts(outline, represented)) is not None:
                with_slots.append(kept)
        return with_slots, without

    def draw(self, outline: Outline) -> Card:
        """The card: its owner was answered for."""
        key = outline.id, outline.through
        if key not in self._drawn:
            self._drawn[key] = self._draw(outline)
        return self._drawn[key]

    def _draw(self, outline: Outline) -> Card:
        editors, slots = self._directory.population.editors, self._answers.slots.get(outline.id, ())
        if isinstance(outline.owner, SosAssociation):
            return association_card(outline.owner, slots, editor=editors[outline.owner.editor], area=outline.area)
        person = outline.owner.practitioner
        editor, extra = editors[person.editor], self._directory.accepts_extra(person)
        card = practitioner_card(person, slots, editor=editor, area=outline.area, labels=self._labels, extra=extra)
        if not outline.through:
            return card
        names = self._directory.population.cpts
        through = tuple(CardCpts(finess, names[finess].name) for finess in outline.through)
        return msgspec.structs.replace(card, kind="cpts", through=through)

    def _of_candidate(self, candidate: Candidate, area: Area) -> Outline | None:
        person = candidate.practitioner
        kinds = kinds_of(person)
        return self._outline(candidate, candidate.id, candidate.distance_km, kinds, area, person.cpts)

    def _of_association(self, association: SosAssociation, area: Area) -> Outline | None:
        away = [distance_km(area.lat, area.lon, site.lat, site.lon) for site in association.sites]
        return self._outline(association, association.siret, min(away), frozenset({"sos"}), area)

    def _outline(
        self,
        owner: Candidate | SosAssociation,
        id: str,
        away: float,
        kinds: frozenset[str],
        area: Area,
        member_of: tuple[str, ...] = (),
    ) -> Outline | None:
        filters = self._criteria.filters
        if filters.within_km is not None and away > filters.within_km:
            return None
        if filters.kinds and filters.kinds.isdisjoint(kinds):
            return None
        place = rank(id, away, self._criteria, external=self._is_external(owner))
        key = (id != self._criteria.preferred, not takes_part(kinds), *place)
        return Outline(owner, id, key, area, tuple(each for each in member_of if each in self._cpts))

    def _is_external(self, owner: Candidate | SosAssociation) -> bool:
        if isinstance(owner, SosAssociation):
            return self._directory.population.editors[owner.editor].external
        return owner.external

    def _through_cpts(self, outline: Outline, represented: set[str]) -> Outline | None:
        """The outline as it is shown; None for a further member of CPTS that have their card."""
        if not outline.member_of or outline.id == self._criteria.preferred:
            return outline
        fresh = tuple(each for each in outline.member_of if each not in represented)
        if not fresh:
            return None
        represented.update(fresh)
        return replace(outline, through=fresh)
