"""Which cards a search shows, and in which order (contextual call, « Merging », « Participation »). Pure.

Within a lot: the preferred doctor, then those with slots, participants of the SAS before others, near or shuffled as
the search says. A CPTS whose zone holds the searched town has one card: that of the first of its members with slots;
its other members are removed. The slots of two sources are never on one card: where an editor and another source have
slots of one person at one place, the editor's are shown; elsewhere the other source's, on a card of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, overload

import msgspec

from sandbox.fhir.reader.reading import FreeSlot
from sandbox.kernel.model import SosAssociation
from sandbox.sas.directory.areas import Area, distance_km
from sandbox.sas.directory.directory import Candidate, Directory
from sandbox.sas.directory.origins import SourceName
from sandbox.sas.directory.participation import kinds_of, takes_part
from sandbox.sas.directory.places import DEPARTMENT
from sandbox.sas.search.cards import (
    Card,
    CardCpts,
    Labels,
    association_card,
    offered_elsewhere,
    practitioner_card,
)
from sandbox.sas.search.criteria import Criteria
from sandbox.sas.search.lots import Lot, rank

_Key: TypeAlias = tuple[bool, bool, float, bool, bytes]


class Answers:
    """What the sources answered so far. Owners of slots are practitioners and associations (prefixed national ids,
    SIRET).

    `answered`: by owner, a source that answered about that owner; `offering`: by owner, the sources that have slots of
    that owner, the one that takes precedence first.
    """

    def __init__(self) -> None:
        self.answered: dict[str, SourceName] = {}
        self.offering: dict[str, list[SourceName]] = {}
        self._slots: dict[str, dict[str, list[FreeSlot]]] = {}  # by slug of the source and owner

    def add(self, source: SourceName, asked: Iterable[str], slots: Iterable[FreeSlot]) -> None:
        """One answer of a source about `asked`; `slots` pass the filters of the search."""
        held = self._slots.setdefault(source.slug, {})
        for slot in slots:
            owner = slot.sos[0] if slot.sos is not None else slot.practitioner or ""
            if owner in held:
                held[owner].append(slot)
            else:
                held[owner] = [slot]
        for owner in asked:
            self.answered.setdefault(owner, source)
            if owner in held:
                others = self.offering.get(owner)
                self.offering[owner] = [source] if others is None else sorted([*others, source], key=_precedence)

    def slots(self, owner: str, source: SourceName) -> Sequence[FreeSlot]:
        """The owner's slots from one source that answered."""
        return self._slots[source.slug].get(owner, ())


def _precedence(source: SourceName) -> int:
    return source.precedence


@dataclass(frozen=True, slots=True)
class Outline:
    """A person or association that may have cards, and the data that decide whether and where these are shown.
    `member_of`: FINESS of the person's CPTS whose area contains the searched town."""

    owner: Candidate | SosAssociation
    id: str
    key: _Key
    area: Area
    member_of: tuple[str, ...] = ()


class Entry(NamedTuple):
    """One card of a list, before it is built: its owner and the source of its slots. `through`: FINESS of the CPTS
    whose only card it is; `replaced`: ids of places that are left out, where a source that takes precedence has slots.
    """

    outline: Outline
    source: SourceName
    through: tuple[str, ...] = ()
    replaced: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """Prefixed national id or SIRET."""
        return self.outline.id


Entries: TypeAlias = tuple[list[Entry], list[Entry]]  # with slots, and without


class Drawn(Sequence[Card]):
    """The cards of some entries, each built when it is read: a page shows few of the cards that are found."""

    def __init__(self, merger: Merger, entries: Sequence[Entry]) -> None:
        self._merger, self._entries = merger, entries

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Card: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Card]: ...
    def __getitem__(self, index: int | slice) -> Card | Sequence[Card]:
        if isinstance(index, slice):
            return Drawn(self._merger, self._entries[index])
        return self._merger.draw(self._entries[index])


class Merger:
    """The cards of one search, built from `answers`, which grows during the search."""

    def __init__(self, criteria: Criteria, directory: Directory, labels: Labels, answers: Answers) -> None:
        self._criteria, self._directory, self._labels, self._answers = criteria, directory, labels, answers
        self._drawn: dict[tuple[str, str, tuple[str, ...], frozenset[str]], Card] = {}
        self._cpts = frozenset() if criteria.place.kind == DEPARTMENT else directory.cpts_of(criteria.town)

    def outlines(self, lot: Lot) -> list[Outline]:
        """The members of a lot who may be shown, in the order of the lot."""
        found = [self._of_candidate(candidate, lot.area) for candidate in lot.candidates]
        found += [self._of_association(association, lot.area) for association in lot.associations]
        return sorted((each for each in found if each is not None), key=lambda each: each.key)

    def cards(self, outlines: Iterable[Outline], represented: set[str]) -> Entries:
        """The cards of a lot in the present state of the answers. `represented`: the CPTS that have their card; those
        of this lot are added."""
        with_slots: list[Entry] = []
        without: list[Entry] = []
        answers = self._answers
        for outline in outlines:
            offering = answers.offering.get(outline.id)
            if offering is None:
                if outline.id in answers.answered:
                    without.append(Entry(outline, answers.answered[outline.id]))
            elif (through := self._through_cpts(outline, represented)) is not None:
                with_slots.append(Entry(outline, offering[0], through))
                if len(offering) > 1:
                    with_slots += self._further(with_slots[-1], offering[1:])
        return with_slots, without

    def _further(self, first: Entry, sources: Iterable[SourceName]) -> Iterator[Entry]:
        """The cards of one owner's other sources, each with the places where those before it have no slots."""
        replaced = _places(self.draw(first))
        for source in sources:
            entry = first._replace(source=source, replaced=replaced)
            if places := _places(self.draw(entry)):
                replaced |= places
                yield entry

    def draw(self, entry: Entry) -> Card:
        """Build the card of an entry."""
        key = entry.outline.id, entry.source.slug, entry.through, entry.replaced
        if key not in self._drawn:
            self._drawn[key] = self._draw(entry)
        return self._drawn[key]

    def _draw(self, entry: Entry) -> Card:
        card = self._card(entry.outline, entry.source)
        if entry.replaced:
            card = offered_elsewhere(card, entry.replaced)
        if not entry.through:
            return card
        names = self._directory.population.cpts
        through = tuple(CardCpts(finess, names[finess].name) for finess in entry.through)
        return msgspec.structs.replace(card, kind="cpts", through=through)

    def _card(self, outline: Outline, source: SourceName) -> Card:
        slots, area = self._answers.slots(outline.id, source), outline.area
        if isinstance(outline.owner, SosAssociation):
            return association_card(outline.owner, slots, source=source, area=area)
        person = outline.owner.practitioner
        extra = self._directory.accepts_extra(person)
        return practitioner_card(person, slots, source=source, area=area, labels=self._labels, extra=extra)

    def _of_candidate(self, candidate: Candidate, area: Area) -> Outline | None:
        person = candidate.practitioner
        key = self._key(candidate.id, candidate.distance_km, kinds_of(person), candidate.external)
        if key is None:
            return None
        member_of = tuple(each for each in person.cpts if each in self._cpts)
        return Outline(candidate, candidate.id, key, area, member_of)

    def _of_association(self, association: SosAssociation, area: Area) -> Outline | None:
        away = min(distance_km(area.lat, area.lon, site.lat, site.lon) for site in association.sites)
        key = self._key(association.siret, away, frozenset({"sos"}), self._directory.is_external(association.editor))
        return None if key is None else Outline(association, association.siret, key, area)

    def _key(self, id: str, away: float, kinds: frozenset[str], external: bool) -> _Key | None:
        """Sort key within a lot; None for those whom the filters exclude. `away`: distance in km."""
        filters = self._criteria.filters
        if filters.within_km is not None and away > filters.within_km:
            return None
        if filters.kinds and filters.kinds.isdisjoint(kinds):
            return None
        by_place = rank(id, away, self._criteria, external=external)
        return id != self._criteria.preferred, not takes_part(kinds), *by_place

    def _through_cpts(self, outline: Outline, represented: set[str]) -> tuple[str, ...] | None:
        """The CPTS whose card the outline's is; None for a further member of CPTS that have their card."""
        if not outline.member_of or outline.id == self._criteria.preferred:
            return ()
        fresh = tuple(each for each in outline.member_of if each not in represented)
        if not fresh:
            return None
        represented.update(fresh)
        return fresh


def _places(card: Card) -> frozenset[str]:
    return frozenset(place.id for place in card.places if place.slots)
