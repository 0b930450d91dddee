"""From free slots to the cards that a regulator reads. Pure.

A card is one practitioner with all his places, or one SOS association with its consultation sites. Slots are
deduplicated and sorted; what an editor sent that was not asked for, or is over, is dropped and told as a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from sandbox.fhir.reader.reading import FreeSlot, SlotPlace
from sandbox.fhir.rules import Finding, Findings
from sandbox.kernel.model import ConsultationSite, Editor, Place, Practitioner, SosAssociation
from sandbox.kernel.text.json_input import shortened
from sandbox.kernel.text.words import folded
from sandbox.sas.directory.areas import Area, distance_km
from sandbox.sas.search.queries import EditorQuery

MOST_SLOTS = 600  # of one card: days of three places, every five minutes
MOST_PLACES = 20  # of one card, that the directory does not know
MOST_SCHEDULES = 100  # of one card, that the directory does not know and whose addresses are compared
LONGEST_LINE = 200  # characters of an address that are compared
Known = TypeVar("Known", Place, ConsultationSite)
Labels: TypeAlias = Mapping[str, str]  # name of each R38 code


class CardSlot(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One free slot. `start`, `end` ISO 8601 with offset; `url` of the editor's page, without `origin`."""

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
    """A place of consultation or site, with its free slots by time. `id` is the Schedule's; `group`: `MSP` or `CDS`
    that it is in, `name` the name of that."""

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
        """The slots of one day of that zone, for the card's columns."""
        return [slot for slot in self.slots if slot.start.astimezone(zone).date() == day]


class CardCpts(msgspec.Struct, frozen=True):
    """A CPTS through which some of the slots are offered."""

    finess: str
    name: str


class Card(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`id`: prefixed national id or SIRET; `distance_km` of the nearest place; `editor` that answered for it.

    `external`: that editor is a vendor's real server. `kind`: `practitioner`, `sos`, or `cpts`: the one card `through`
    which these CPTS are shown. `member_of`: FINESS of the CPTS that he takes part through; `cpts`: those that some of
    the slots are offered to. `extra`: he would take a patient beside his agenda.
    """

    kind: str
    id: str
    name: str
    editor: str
    editor_name: str
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

    @property
    def groups(self) -> tuple[str, ...]:
        """`MSP`, `CDS`: the kinds of structures that his places are in."""
        return tuple(sorted({place.group for place in self.places if place.group is not None}))


def admissible(
    slots: Iterable[FreeSlot], query: EditorQuery, start: datetime, end: datetime
) -> tuple[list[FreeSlot], list[Finding]]:
    """The slots that answer the query, and what is wrong with the others.

    Dropped: a practitioner or association that was not asked about, a slot outside the window (so a past one too:
    the window never starts before now), a slot of nobody, whose cause was told when the answer was read.
    """
    kept: list[FreeSlot] = []
    told = Findings()
    first, last, offset = start, end, None
    expected = query.asked
    for slot in slots:
        asked = slot.practitioner if slot.sos is None else slot.sos[0]
        if asked not in expected:
            if asked is not None:
                told.wrong("R01-16", f"Slot/{shortened(slot.slot_id)}", "{} was not asked about", asked)
            continue
        begin = slot.start
        if begin.tzinfo is not offset:  # within one offset instants are compared at once
            offset = begin.tzinfo
            first, last = start.astimezone(offset), end.astimezone(offset)
        if first <= begin <= last:
            kept.append(slot)
        else:
            requirement, side = ("R01-5", "before") if begin < first else ("R01-6", "after")
            told.wrong(
                requirement, f"Slot/{shortened(slot.slot_id)}.start", f"{{}} is {side} the window", begin.isoformat()
            )
    return kept, told.all()


def practitioner_card(
    practitioner: Practitioner,
    slots: Iterable[FreeSlot],
    *,
    editor: Editor,
    area: Area,
    labels: Labels,
    extra: bool = False,
) -> Card:
    """One practitioner: the directory says who he is, the editor where and when he is free.

    Places that have no slot in the window keep their line; a place that the directory does not know is added. Of
    an external editor the directory knows no Schedules: its places are told by their structure, else by their address.
    """
    slots = list(slots)
    held = _by_schedule(slots)
    marks = _marks(held, lambda slot: slot.structure) if editor.external else {}
    found = [(place, _taken(held, marks.get(place.structure, [place.id]))) for place in practitioner.places]
    found, unknown = _completed(found, held, editor)
    places = [_known_place(place, some, area) for place, some in found] + unknown
    return Card(
        kind="practitioner",
        id=practitioner.id,
        name=f"{practitioner.given} {practitioner.family}",
        editor=editor.slug,
        editor_name=editor.name,
        external=editor.external,
        distance_km=_nearest(places),
        specialty=practitioner.specialty,
        specialty_label=labels.get(practitioner.specialty or "", practitioner.specialty_text),
        phone=next((slot.phone for slot in slots if slot.phone), None),
        cpts=_cpts(slots),
        member_of=practitioner.cpts,
        extra=extra,
        places=_in_order(places),
    )


def association_card(association: SosAssociation, slots: Iterable[FreeSlot], *, editor: Editor, area: Area) -> Card:
    """One SOS association: its sites in the area, and those that offer slots anyway.

    Of an external editor the directory knows no Schedules: its sites are told by their names, else by their address.
    """
    held = _by_schedule(slots)
    marks = _marks(held, lambda slot: slot.site) if editor.external else {}
    found = [(site, _taken(held, marks.get(site.name, [site.id]))) for site in association.sites]
    found, unknown = _completed(found, held, editor)
    places = [_site(site, some, area) for site, some in found if some or _distance(site, area) <= area.radius_km]
    places += unknown
    return Card(
        kind="sos",
        id=association.siret,
        name=association.name,
        editor=editor.slug,
        editor_name=editor.name,
        external=editor.external,
        distance_km=_nearest(places),
        places=_in_order(places),
    )


def booking_url(url: str, origin: str) -> str:
    """The editor's page with `origin` appended, by `?` or `&` as needed (single sign-on)."""
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
    """The Schedules of each place, by what marks the place in its slots."""
    found: dict[str | None, list[str]] = {}
    for schedule, slots in held.items():
        found.setdefault(mark(slots[0]), []).append(schedule)
    return found


def _taken(held: dict[str, list[FreeSlot]], schedules: Iterable[str]) -> list[FreeSlot]:
    """Take the slots of some Schedules out of `held`."""
    return [slot for schedule in schedules for slot in held.pop(schedule, ())]


def _completed(
    found: list[tuple[Known, list[FreeSlot]]], held: dict[str, list[FreeSlot]], editor: Editor
) -> tuple[list[tuple[Known, list[FreeSlot]]], list[CardPlace]]:
    """The known places with the slots that are `held` for their address, and places for the rest of these.

    A known place of an external editor that then has no slot is left out when there is such a rest: it may be one of
    those, under another structure or name than the directory has.
    """
    held = dict(islice(held.items(), MOST_SCHEDULES))
    addresses = _marks(held, lambda slot: _address(slot.place) if slot.place else None)
    found = [(place, some or _taken(held, addresses.get(_address(place), ()))) for place, some in found]
    rest: dict[str | None, list[str]] = _marks(
        held, lambda slot: f"{slot.site} {_address(slot.place)}" if slot.place else slot.schedule
    )
    unknown = [_unknown_place(some[0], _taken(held, some)) for some in [*rest.values()][:MOST_PLACES]]
    if editor.external and unknown:
        found = [(place, some) for place, some in found if some]
    return found, unknown


def _address(place: Place | ConsultationSite | SlotPlace) -> str:
    return folded(f"{place.line[:LONGEST_LINE]} {place.postal_code[:5]}")


def _card_slots(slots: Sequence[FreeSlot]) -> tuple[CardSlot, ...]:
    """By time, at most MOST_SLOTS; of several with the same beginning and end at one place, the first."""
    distinct: dict[tuple[datetime, datetime], CardSlot] = {}
    for slot in slots:
        if (slot.start, slot.end) not in distinct:
            distinct[slot.start, slot.end] = CardSlot(
                id=slot.slot_id,
                start=slot.start,
                end=slot.end,
                url=slot.comment if slot.comment and slot.comment.startswith(("http://", "https://")) else None,
                visibilities=tuple(slot.visibilities),
                types=tuple(slot.types),
                reasons=tuple(slot.reasons),
                cpts=tuple(name for _, name in slot.cpts),
                walkin=slot.walkin,
            )
    return tuple(distinct[key] for key in sorted(distinct)[:MOST_SLOTS])


def _known_place(place: Place, slots: Sequence[FreeSlot], area: Area) -> CardPlace:
    return CardPlace(
        id=place.id,
        line=place.line,
        postal_code=place.postal_code,
        city=place.city,
        distance_km=_distance(place, area),
        name=place.group.name if place.group is not None else None,
        group=place.group.kind if place.group is not None else None,
        slots=_card_slots(slots),
    )


def _site(site: ConsultationSite, slots: Sequence[FreeSlot], area: Area) -> CardPlace:
    return CardPlace(
        id=site.id,
        line=site.line,
        postal_code=site.postal_code,
        city=site.city,
        distance_km=_distance(site, area),
        name=site.name,
        phone=site.phone,
        slots=_card_slots(slots),
    )


def _unknown_place(schedule: str, slots: Sequence[FreeSlot]) -> CardPlace:
    first = slots[0]
    place = first.place
    return CardPlace(
        id=schedule,
        line=place.line if place else "",
        postal_code=place.postal_code if place else "",
        city=place.city if place else "",
        name=first.site,
        slots=_card_slots(slots),
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
