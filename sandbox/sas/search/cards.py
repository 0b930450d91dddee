"""From free slots to the cards that a regulator reads. Pure.

A card is one practitioner with his places, or one SOS association with its consultation sites, and the slots of one
source. Of several slots with the same beginning and end at one place the first is kept; slots are sorted by time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from sandbox.fhir.reader.reading import FreeSlot, SlotPlace
from sandbox.kernel.model import ConsultationSite, Place, Practitioner, SosAssociation
from sandbox.kernel.text.words import folded
from sandbox.sas.directory.areas import Area, distance_km
from sandbox.sas.directory.origins import Origin, SourceName

MOST_SLOTS = 600  # of one card: days of three places, every five minutes
MOST_PLACES = 20  # of one card, that the directory does not know
MOST_SCHEDULES = 100  # of one card, that the directory does not know and whose addresses are compared
LONGEST_LINE = 200  # characters of an address that are compared
_SCHEMES = ("http://", "https://")  # of a page where an editor's slot is booked
_OWN_SCHEMES = (*_SCHEMES, "/sas/")  # … another source's: also of the SAS platform itself
Known = TypeVar("Known", Place, ConsultationSite)
Labels: TypeAlias = Mapping[str, str]  # name of each R38 code


class CardSlot(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One free slot. `start`, `end` ISO 8601 with offset; `url` of the page where it is booked, without `origin`."""

    id: str
    start: datetime
    end: datetime
    url: str | None = None
    visibilities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    cpts: tuple[str, ...] = ()
    walkin: bool = False


class CardPlace(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A place of consultation or site, with its free slots by time. `id`: that of the Schedule; `group`: `MSP` or `CDS`
    when it is in one, whose name is `name`; the `name` of a site is its own."""

    id: str
    line: str
    postal_code: str
    city: str
    distance_km: float | None = None
    name: str | None = None
    group: str | None = None
    phone: str | None = None
    slots: tuple[CardSlot, ...] = ()

    def on(self, day: date, zone: ZoneInfo) -> list[CardSlot]:
        """The slots that begin on a day of that zone: one column of the card."""
        return [slot for slot in self.slots if slot.start.astimezone(zone).date() == day]


class CardCpts(msgspec.Struct, frozen=True):
    """A CPTS through which some of the slots are offered."""

    finess: str
    name: str


class Card(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`id`: prefixed national id or SIRET; `distance_km` of the nearest place; `source`: slug of the source that the
    slots are from, of the kind `origin`.

    `external`: that source is a vendor's real server. `kind`: `practitioner`, `sos`, or `cpts`: the one card `through`
    which these CPTS are shown. `member_of`: FINESS of the CPTS that he takes part through; `cpts`: those that some of
    the slots are offered to. `extra`: he would take a patient beside his agenda.
    """

    kind: str
    id: str
    name: str
    source: str = msgspec.field(name="editor")
    source_name: str = msgspec.field(name="editor_name")
    distance_km: float
    external: bool = False
    specialty: str | None = None
    specialty_label: str | None = None
    phone: str | None = None
    cpts: tuple[CardCpts, ...] = ()
    through: tuple[CardCpts, ...] = ()
    member_of: tuple[str, ...] = ()
    extra: bool = False
    places: tuple[CardPlace, ...] = ()
    origin: Origin = Origin.EDITOR

    @property
    def key(self) -> str:
        """The `id`; with the source where that is no editor: one person may have a card of each."""
        return self.id if self.origin is Origin.EDITOR else f"{self.id}-{self.source}"

    @property
    def groups(self) -> tuple[str, ...]:
        """`MSP`, `CDS`: the kinds of structures that his places are in."""
        return tuple(sorted({place.group for place in self.places if place.group is not None}))


def practitioner_card(
    practitioner: Practitioner,
    slots: Iterable[FreeSlot],
    *,
    source: SourceName,
    area: Area,
    labels: Labels,
    extra: bool = False,
) -> Card:
    """One practitioner: the directory says who he is, the source where and when he is free.

    Places that have no slot in the window keep their line; a place that the directory does not know is added. Of an
    external source the directory knows no Schedules: its places are recognised by their structure, else by their
    address.
    """
    slots = list(slots)
    held = _by_schedule(slots)
    marks = _marks(held, lambda slot: slot.structure) if source.external else {}
    found = [(place, _taken(held, marks.get(place.structure, [place.id]))) for place in practitioner.places]
    found, unknown = _completed(found, held, source)
    places = [_known_place(place, some, area, source) for place, some in found] + unknown
    return Card(
        kind="practitioner",
        id=practitioner.id,
        name=f"{practitioner.given} {practitioner.family}",
        source=source.slug,
        source_name=source.name,
        external=source.external,
        distance_km=_nearest(places),
        specialty=practitioner.specialty,
        specialty_label=labels.get(practitioner.specialty or "", practitioner.specialty_text),
        phone=next((slot.phone for slot in slots if slot.phone), None),
        cpts=_cpts(slots),
        member_of=practitioner.cpts,
        extra=extra,
        places=_in_order(places),
        origin=source.origin,
    )


def association_card(association: SosAssociation, slots: Iterable[FreeSlot], *, source: SourceName, area: Area) -> Card:
    """One SOS association: its sites in the area, and those that offer slots anyway.

    Of an external source the directory knows no Schedules: its sites are recognised by their names, else by their
    address.
    """
    held = _by_schedule(slots)
    marks = _marks(held, lambda slot: slot.site) if source.external else {}
    found = [(site, _taken(held, marks.get(site.name, [site.id]))) for site in association.sites]
    found, unknown = _completed(found, held, source)
    near = [each for each in found if each[1] or _distance(each[0], area) <= area.radius_km]
    places = [_site(site, some, area, source) for site, some in near] + unknown
    return Card(
        kind="sos",
        id=association.siret,
        name=association.name,
        source=source.slug,
        source_name=source.name,
        external=source.external,
        distance_km=_nearest(places),
        places=_in_order(places),
        origin=source.origin,
    )


def offered_elsewhere(card: Card, places: Collection[str]) -> Card:
    """The card without the places that have no slots, or whose id is one of `places`."""
    kept = tuple(place for place in card.places if place.slots and place.id not in places)
    return msgspec.structs.replace(card, places=kept, distance_km=_nearest(kept))


def booking_url(url: str, origin: str) -> str:
    """The source's page with `origin` appended, by `?` or `&` as needed (single sign-on); a page of the SAS platform
    itself (`/sas/…`) as it is."""
    if url.startswith("/sas/"):
        return url
    page, mark, fragment = url.partition("#")
    glue = "" if page.endswith(("?", "&")) else "&" if "?" in page else "?"
    return f"{page}{glue}origin={origin}{mark}{fragment}"


def _by_schedule(slots: Iterable[FreeSlot]) -> dict[str, list[FreeSlot]]:
    held: dict[str, list[FreeSlot]] = {}
    for slot in slots:
        held.setdefault(slot.schedule, []).append(slot)
    return held


def _marks(
    held: Mapping[str, Sequence[FreeSlot]], mark: Callable[[FreeSlot], str | None]
) -> dict[str | None, list[str]]:
    """Schedules by what `mark` finds in the slots of each: that names the place."""
    found: dict[str | None, list[str]] = {}
    for schedule, slots in held.items():
        found.setdefault(mark(slots[0]), []).append(schedule)
    return found


def _taken(held: dict[str, list[FreeSlot]], schedules: Iterable[str]) -> list[FreeSlot]:
    """The slots of some Schedules, which are removed from `held`."""
    return [slot for schedule in schedules for slot in held.pop(schedule, ())]


def _completed(
    found: list[tuple[Known, list[FreeSlot]]], held: dict[str, list[FreeSlot]], source: SourceName
) -> tuple[list[tuple[Known, list[FreeSlot]]], list[CardPlace]]:
    """The known places with the slots that are `held` for their address, and places for the rest of these.

    A known place of an external source that then has no slot is left out when there is such a rest: it may be one of
    those, under another structure or name than the directory has.
    """
    held = dict(islice(held.items(), MOST_SCHEDULES))
    addresses = _marks(held, lambda slot: _address(slot.place) if slot.place else None)
    found = [(place, some or _taken(held, addresses.get(_address(place), ()))) for place, some in found]
    rest: dict[str | None, list[str]] = _marks(
        held, lambda slot: f"{slot.site} {_address(slot.place)}" if slot.place else slot.schedule
    )
    unknown = [_unknown_place(some[0], _taken(held, some), source) for some in [*rest.values()][:MOST_PLACES]]
    if source.external and unknown:
        found = [(place, some) for place, some in found if some]
    return found, unknown


def _address(place: Place | ConsultationSite | SlotPlace) -> str:
    return folded(f"{place.line[:LONGEST_LINE]} {place.postal_code[:5]}")


def _card_slots(slots: Sequence[FreeSlot], source: SourceName) -> tuple[CardSlot, ...]:
    """The slots by time, at most MOST_SLOTS; of several with the same beginning and end the first."""
    schemes = _SCHEMES if source.origin is Origin.EDITOR else _OWN_SCHEMES
    distinct: dict[tuple[datetime, datetime], CardSlot] = {}
    for slot in slots:
        if (slot.start, slot.end) not in distinct:
            distinct[slot.start, slot.end] = CardSlot(
                id=slot.slot_id,
                start=slot.start,
                end=slot.end,
                url=slot.comment if slot.comment and slot.comment.startswith(schemes) else None,
                visibilities=tuple(slot.visibilities),
                types=tuple(slot.types),
                reasons=tuple(slot.reasons),
                cpts=tuple(name for _, name in slot.cpts),
                walkin=slot.walkin,
            )
    return tuple(distinct[key] for key in sorted(distinct)[:MOST_SLOTS])


def _known_place(place: Place, slots: Sequence[FreeSlot], area: Area, source: SourceName) -> CardPlace:
    return CardPlace(
        id=place.id,
        line=place.line,
        postal_code=place.postal_code,
        city=place.city,
        distance_km=_distance(place, area),
        name=place.group.name if place.group is not None else None,
        group=place.group.kind if place.group is not None else None,
        slots=_card_slots(slots, source),
    )


def _site(site: ConsultationSite, slots: Sequence[FreeSlot], area: Area, source: SourceName) -> CardPlace:
    return CardPlace(
        id=site.id,
        line=site.line,
        postal_code=site.postal_code,
        city=site.city,
        distance_km=_distance(site, area),
        name=site.name,
        phone=site.phone,
        slots=_card_slots(slots, source),
    )


def _unknown_place(schedule: str, slots: Sequence[FreeSlot], source: SourceName) -> CardPlace:
    first = slots[0]
    place = first.place
    return CardPlace(
        id=schedule,
        line=place.line if place else "",
        postal_code=place.postal_code if place else "",
        city=place.city if place else "",
        name=first.site,
        slots=_card_slots(slots, source),
    )


def _distance(place: Place | ConsultationSite, area: Area) -> float:
    return round(distance_km(area.lat, area.lon, place.lat, place.lon), 1)


def _nearest(places: Iterable[CardPlace]) -> float:
    return min((place.distance_km for place in places if place.distance_km is not None), default=0.0)


def _in_order(places: Iterable[CardPlace]) -> tuple[CardPlace, ...]:
    """Places with slots first, then the nearest; MOST_SLOTS in all."""
    found, room = [], MOST_SLOTS
    for place in sorted(places, key=lambda place: (not place.slots, place.distance_km or 0.0, place.id)):
        found.append(place if len(place.slots) <= room else msgspec.structs.replace(place, slots=place.slots[:room]))
        room = max(0, room - len(place.slots))
    return tuple(found)


def _cpts(slots: Iterable[FreeSlot]) -> tuple[CardCpts, ...]:
    return tuple(CardCpts(finess, name) for finess, name in dict(pair for slot in slots for pair in slot.cpts).items())
