"""Which cards a search shows, and in which order. Pure.

Within a lot: the preferred doctor, then those with slots, participants of the SAS before others, near or shuffled as
the search says. A CPTS whose zone holds the searched town has one card: that of the first of its members with slots;
its other members are removed (contextual call, « Merging », « Participation »).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from sandbox.fhir.reading import FreeSlot
from sandbox.kernel.model import SosAssociation
from sandbox.sas.areas import Area
from sandbox.sas.cards import Card, CardCpts, Labels, association_card, practitioner_card
from sandbox.sas.criteria import WITH, Criteria
from sandbox.sas.directory import Candidate, Directory
from sandbox.sas.places import DEPARTMENT, folded
from sandbox.sas.queries import rank

Cards = tuple[list[Card], list[Card]]  # with slots, without


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

    criteria: Criteria
    slots: dict[str, list[FreeSlot]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def add(self, asked: Iterable[str], slots: Iterable[FreeSlot]) -> None:
        """One answer about `asked`; only what passes the filters is kept."""
        self.known.update(asked)
        for slot in slots if not _narrows(self.criteria) else filter(self._passes, slots):
            owner = slot.sos[0] if slot.sos is not None else slot.practitioner or ""
            self.slots.setdefault(owner, []).append(slot)

    def _passes(self, slot: FreeSlot) -> bool:
        filters, reason = self.criteria.filters, folded(self.criteria.reason)
        return (
            (not filters.visibilities or not filters.visibilities.isdisjoint(slot.visibilities))
            and (not filters.types or not filters.types.isdisjoint(slot.types))
            and (not filters.booking or slot.walkin == (filters.booking != WITH))
            and (not reason or any(reason in folded(each) for each in slot.reasons))
        )


def _narrows(criteria: Criteria) -> bool:
    filters = criteria.filters
    return bool(filters.visibilities or filters.types or filters.booking or criteria.reason)


class Merger:
    """The cards of one search. `cards` are made once per owner and number of slots."""

    def __init__(self, criteria: Criteria, directory: Directory, labels: Labels) -> None:
        self._criteria, self._directory, self._labels = criteria, directory, labels
        self._made: dict[str, Card] = {}
        self.cpts = frozenset() if criteria.spot.kind == DEPARTMENT else directory.cpts_of(criteria.town)

    def cards(self, lot: Lot, answers: Answers, represented: set[str]) -> Cards:
        """The cards of a lot; `represented`: FINESS of the CPTS that have their card, to which those of this lot join."""
        known = [card for card in self._all(lot, answers) if self._is_wanted(card)]
        known.sort(key=self._key)
        with_slots: list[Card] = []
        for card in known:
            if card.slot_count and (kept := self._through_cpts(card, represented)) is not None:
                with_slots.append(kept)
        return with_slots, [card for card in known if not card.slot_count]

    def forget(self, owners: Iterable[str]) -> None:
        """Somebody answered for them: their cards are made anew."""
        for owner in owners:
            self._made.pop(owner, None)

    def _all(self, lot: Lot, answers: Answers) -> Iterable[Card]:
        editors = self._directory.population.editors
        for candidate in lot.candidates:
            if candidate.id in answers.known:
                if candidate.id not in self._made:
                    person = candidate.practitioner
                    self._made[candidate.id] = practitioner_card(
                        person,
                        answers.slots.get(candidate.id, ()),
                        editor=editors[person.editor],
                        area=lot.area,
                        labels=self._labels,
                    )
                yield self._made[candidate.id]
        for association in lot.associations:
            if association.siret in answers.known:
                slots = answers.slots.get(association.siret, ())
                yield association_card(association, slots, editor=editors[association.editor], area=lot.area)

    def _is_wanted(self, card: Card) -> bool:
        filters = self._criteria.filters
        if filters.within_km is not None and card.distance_km > filters.within_km:
            return False
        return not filters.kinds or not filters.kinds.isdisjoint(card.kinds)

    def _key(self, card: Card) -> tuple[bool, bool, float, bytes]:
        preferred = card.id == self._criteria.preferred
        return (not preferred, not card.participant, *rank(card.id, card.distance_km, self._criteria))

    def _through_cpts(self, card: Card, represented: set[str]) -> Card | None:
        """The card as it is shown; None for a further member of CPTS that have their card."""
        own = [finess for finess in card.member_of if finess in self.cpts]
        fresh = [finess for finess in own if finess not in represented]
        if not own or card.id == self._criteria.preferred:
            return card
        if not fresh:
            return None
        represented.update(fresh)
        names = self._directory.population.cpts
        return msgspec.structs.replace(
            card, kind="cpts", through=tuple(CardCpts(each, names[each].name) for each in fresh)
        )
