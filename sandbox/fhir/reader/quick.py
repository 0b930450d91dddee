"""The quick way through an answer: resources decoded by type, nothing judged. Pure.

An answer has few kinds of slots and many slots: what a slot does not share with others are its id, its times, its
Schedule and its comment. The rest is kept as the octets that came, by which `reading.py` knows it again. What is kept
is bounded by octets. Large answers are read in a thread: whatever is shared changes in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from threading import Lock
from typing import Annotated, Any, Protocol, Union

import msgspec

from sandbox.fhir.reader.answers import Agenda, FreeSlot, Reading, Terms
from sandbox.fhir.reader.nodes import Node
from sandbox.fhir.rules import Findings
from sandbox.kernel.bounded import Kept
from sandbox.kernel.clock import within_calendar
from sandbox.kernel.errors import JsonError
from sandbox.kernel.text.json_input import Limits, check_utf8, read_json

RESOURCE = Limits(octets=64 << 20)
MOST_ENTRIES = 20_000  # of one page
_UNREADABLE = (ValueError, RecursionError)  # msgspec's own, UnicodeDecodeError, nesting
_INSTANT = Annotated[str, msgspec.Meta(max_length=29)]
_ID = Annotated[str, msgspec.Meta(max_length=64)]
_TOTAL = Annotated[int, msgspec.Meta(ge=-(1 << 62), le=1 << 62)]
_URL = Annotated[str, msgspec.Meta(max_length=2048)]

_EMPTY = msgspec.Raw(b"null")
_PAGES = ("http://", "https://")
_RAW = ("meta", "serviceType", "specialty", "appointmentType")


class _Reference(msgspec.Struct, gc=False):
    reference: _URL


class QuickSlot(msgspec.Struct, tag_field="resourceType", tag="Slot", gc=False):
    """A Slot. What is raw is as it came, `null` when it did not."""

    id: _ID
    status: str
    start: _INSTANT
    end: _INSTANT
    schedule: _Reference
    comment: _URL = ""
    meta: msgspec.Raw = _EMPTY
    serviceType: msgspec.Raw = _EMPTY  # noqa: N815 - FHIR's name
    specialty: msgspec.Raw = _EMPTY
    appointmentType: msgspec.Raw = _EMPTY  # noqa: N815 - FHIR's name


class QuickLink(msgspec.Struct, gc=False):
    """A link of the Bundle."""

    relation: str = ""
    url: str = ""


class QuickEntry(msgspec.Struct, gc=False):
    """An entry of the Bundle."""

    resource: msgspec.Raw
    fullUrl: str = ""  # noqa: N815 - FHIR's name


class QuickBundle(msgspec.Struct, tag_field="resourceType", tag="Bundle"):
    """The Bundle."""

    type: str
    total: _TOTAL | None = None
    link: list[QuickLink] = []
    entry: list[QuickEntry] = []


def _beside(kind: str, elements: str) -> type[msgspec.Struct]:
    """A resource beside the Slots, each element as it came; one with others is none of these."""
    fields = [(name, msgspec.Raw, _EMPTY) for name in f"id meta text extension {elements}".split()]
    return msgspec.defstruct(kind, fields, tag_field="resourceType", tag=kind, forbid_unknown_fields=True, gc=False)


_BESIDE = (
    _beside("Schedule", "identifier active actor"),
    _beside("Practitioner", "identifier active name telecom"),
    _beside(
        "PractitionerRole", "contained identifier active code practitioner organization location specialty telecom"
    ),
    _beside("Location", "identifier status name telecom address managingOrganization"),
    _beside("Organization", "identifier active type name telecom"),
    _beside("HealthcareService", "identifier active providedBy type name"),
)
_KINDS: dict[Any, bytes] = {kind: kind.__name__.encode() for kind in _BESIDE}
_RESOURCE: Any = Union[QuickSlot, *_BESIDE]
_ENTRY: Any = msgspec.defstruct("_Entry", [("resource", _RESOURCE)], gc=False)
_USUAL: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    msgspec.defstruct("_Bundle", [("entry", list[_ENTRY], [])], bases=(QuickBundle,), tag="Bundle")
)


class Detailed(Protocol):
    """What reads a resource in detail and tells what is wrong with it (`reading.py`)."""

    def sort(self, entries: Iterable[tuple[str, str, object]]) -> list[Node]: ...
    def slot(self, slot: Node) -> FreeSlot | None: ...
    def finish(self, bundle: Node, slots: Sequence[FreeSlot | None]) -> Reading: ...
    def agenda(self, reference: str) -> tuple[str, Agenda] | None: ...
    def terms(self, slot: Node) -> Terms | None: ...


_BUNDLE = msgspec.json.Decoder(QuickBundle)
_SLOT = msgspec.json.Decoder(QuickSlot)
_TERMS = Kept[Terms](4 << 20, 1 << 16)  # kinds of slots that are known again
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def quick_bundle(body: bytes) -> QuickBundle | None:
    """The Bundle, when it has the form that all have that nothing is wrong with."""
    try:
        return _BUNDLE.decode(body)
    except _UNREADABLE:
        return None


def envelope_of(body: bytes) -> Node:
    """A Bundle whose entries are still octets, or any other object. Raises JsonError when it is none."""
    try:
        held = _OBJECT.decode(body)
    except RecursionError:
        raise JsonError("far too many levels of objects and arrays") from None
    except msgspec.ValidationError:
        raise JsonError("not an object") from None
    except ValueError as error:
        raise JsonError(f"not JSON ({error})") from None
    return {key: raw if key == "entry" else read_json(raw, RESOURCE, repeated=True) for key, raw in held.items()}


def entries_of(bundle: Node, told: Findings) -> Iterator[tuple[str, msgspec.Raw]]:
    """Path and octets of each entry of what `envelope_of` gave. Raises JsonError when they are too many."""
    octets = bundle.get("entry")
    if octets is None:
        return
    try:
        entries = _LIST.decode(octets)
    except msgspec.ValidationError:
        cause = "entry is {} instead of a list"
        told.wrong("R01-13", "Bundle.entry", cause, read_json(octets, RESOURCE, repeated=True))
        return
    _count(len(entries))
    for at, entry in enumerate(entries):
        yield f"Bundle.entry[{at}]", entry


def _count(entries: int) -> None:
    if entries > MOST_ENTRIES:
        raise JsonError(f"{entries} entries (at most {MOST_ENTRIES})", "$.entry")


class _Company(msgspec.Struct):
    """What the resources beside the Slots say: agendas by reference, and the kinds of slots that refer to them."""

    agendas: dict[str, tuple[str, Agenda] | None]
    terms: dict[bytes, Terms | None]


_COMPANIES = Kept[_Company](16 << 20, 1 << 20)  # that are known again: the same people are asked about all day
_KEEPING = Lock()
_Others = list[tuple[str, str, msgspec.Raw]]


def read_quickly(body: bytes, make: Callable[[], Detailed]) -> Reading | None:
    """The answer understood: of its Slots only the unusual ones are looked at in detail, by what `make` gives. None
    when it has not the form of a Bundle. Raises JsonError."""
    typed = _typed(body)
    if typed is not None:
        _count(len(typed.entry))
        key, slots = _parted(typed)
        if (known := _again(typed, slots, key)) is not None:
            return known
    bundle = quick_bundle(body)
    if bundle is None:
        return None
    check_utf8(body)
    slots, others = _sorted(bundle)
    if typed is None:
        key = b"\n".join([resource for _, _, resource in others])
        if (known := _again(bundle, slots, key)) is not None:
            return known
    company = _Company({}, {})
    reading = _in_detail(bundle, slots, others, company, make())
    if not reading.findings:
        with _KEEPING:
            _COMPANIES.keep(key, company, _size(key, company))
    return reading


def _size(key: bytes, company: _Company) -> int:
    """Octets that a company takes, roughly: what is said is there as octets and as texts."""
    return 3 * len(key) + sum(_taken(shape) for shape in company.terms) + 1000 * len(company.agendas)


def _taken(shape: bytes) -> int:
    return 3 * len(shape) + 1000


def _typed(body: bytes) -> Any:
    """The Bundle read at one go, when its resources have no other elements than those that we know of."""
    try:
        return _USUAL.decode(body)
    except _UNREADABLE:
        return None


def _parted(typed: Any) -> tuple[bytes, list[QuickSlot]]:
    """What the resources beside the Slots say, and the Slots."""
    slots: list[QuickSlot] = []
    beside: list[bytes] = []
    for entry in typed.entry:
        resource = entry.resource
        if type(resource) is QuickSlot:
            slots.append(resource)
        else:
            beside += _elements(resource)
    return b"\n".join(beside), slots


def _elements(resource: Any) -> tuple[bytes, ...]:
    return _KINDS[type(resource)], *msgspec.structs.astuple(resource)


def _again(bundle: QuickBundle, slots: Sequence[QuickSlot], key: bytes) -> Reading | None:
    """The answer, when all that it says was seen before and nothing was wrong with it."""
    company = _COMPANIES.get(key)
    if company is None or bundle.total != len(slots) or bundle.type != "searchset":
        return None
    usual = _usual(slots, company)
    if usual is None:
        return None
    following = next((link.url.strip() for link in bundle.link if link.relation == "next"), None)
    return Reading(usual, [], bundle.total, following or None, len(slots))


def _usual(slots: Iterable[QuickSlot], company: _Company) -> list[FreeSlot] | None:
    """The Slots, when all that they say and refer to was seen before and nothing was wrong with it."""
    found: list[FreeSlot] = []
    agendas, terms = company.agendas, company.terms
    for slot in slots:
        times, shape, comment = _times(slot.start, slot.end), _shape(slot), slot.comment
        held, kind = agendas.get(slot.schedule.reference), _TERMS.get(shape) or terms.get(shape)
        if times is None or held is None or kind is None or slot.status != "free" or not comment.startswith(_PAGES):
            return None
        schedule, agenda = held
        found.append(
            FreeSlot(
                schedule, slot.id.strip(), times[0], times[1], agenda.practitioner, agenda.family, agenda.given,
                kind.visibilities, kind.types, kind.reasons, kind.specialties, kind.walkin, comment.strip(),
                agenda.phone, agenda.place, agenda.structure, kind.cpts, agenda.sos, agenda.site,
            )
        )  # fmt: skip
    return found


def _in_detail(
    bundle: QuickBundle, slots: Iterable[QuickSlot], others: _Others, company: _Company, detailed: Detailed
) -> Reading:
    """The same, told what is wrong; `company` learns."""
    unusual = detailed.sort((path, url, read_json(octets, RESOURCE, repeated=True)) for path, url, octets in others)
    agendas, terms = company.agendas, company.terms
    found: list[FreeSlot | None] = []
    for slot in slots:
        times = _times(slot.start, slot.end)
        if times is None or slot.status != "free":
            found.append(detailed.slot(_as_node(slot)))
            continue
        reference, shape, comment = slot.schedule.reference, _shape(slot), slot.comment.strip() or None
        if reference not in agendas:
            agendas[reference] = detailed.agenda(reference)
        agenda = agendas[reference]
        kind = _TERMS.get(shape) or (terms[shape] if shape in terms else _learn(terms, shape, slot, detailed))
        if agenda is None or kind is None or not _is_bookable(comment, kind.walkin):
            found.append(detailed.slot(_as_node(slot)))
        else:
            found.append(_free_slot(slot.id.strip(), *times, comment, agenda[0], agenda[1], kind))
    found += map(detailed.slot, unusual)
    links = [{"relation": link.relation, "url": link.url} for link in bundle.link]
    return detailed.finish({"type": bundle.type, "total": bundle.total, "link": links}, found)


def _sorted(bundle: QuickBundle) -> tuple[list[QuickSlot], _Others]:
    """The Slots, and the path, fullUrl and octets of whatever else there is."""
    _count(len(bundle.entry))
    slots: list[QuickSlot] = []
    others: _Others = []
    decode = _SLOT.decode
    for at, entry in enumerate(bundle.entry):
        try:
            slots.append(decode(entry.resource))
        except _UNREADABLE:
            others.append((f"Bundle.entry[{at}]", entry.fullUrl.strip(), entry.resource))
    return slots, others


def _free_slot(
    id: str, start: datetime, end: datetime, comment: str | None, schedule: str, agenda: Agenda, kind: Terms
) -> FreeSlot:
    return FreeSlot(
        schedule, id, start, end, agenda.practitioner, agenda.family, agenda.given, kind.visibilities, kind.types,
        kind.reasons, kind.specialties, kind.walkin, comment, agenda.phone, agenda.place, agenda.structure, kind.cpts,
        agenda.sos, agenda.site,
    )  # fmt: skip


def _learn(terms: dict[bytes, Terms | None], shape: bytes, slot: QuickSlot, detailed: Detailed) -> Terms | None:
    """What Slots of that shape have in common: known again in any answer, but for CPTS, whose references mean what
    they do in this one only."""
    found = terms[shape] = detailed.terms(_as_node(slot))
    if found is not None and not found.cpts:
        with _KEEPING:
            _TERMS.keep(shape, found, _taken(shape))
    return found


def _shape(slot: QuickSlot) -> bytes:
    """All that is raw: the same for Slots of one kind."""
    return b"\n".join((slot.meta, slot.serviceType, slot.specialty, slot.appointmentType))


def _as_node(slot: QuickSlot) -> Node:
    """The Slot as it came."""
    raw = {name: read_json(getattr(slot, name), RESOURCE, repeated=True) for name in _RAW}
    return {
        "resourceType": "Slot", "id": slot.id, "status": slot.status, "start": slot.start, "end": slot.end,
        "schedule": {"reference": slot.schedule.reference}, "comment": slot.comment, **raw,
    }  # fmt: skip


def _is_bookable(comment: str | None, walkin: bool) -> bool:
    return walkin if comment is None else comment.startswith(_PAGES)


@lru_cache(maxsize=4096)
def exact_instant(text: str) -> datetime | None:
    """`YYYY-MM-DDThh:mm:ss.sss+hh:mm`; None for any other form, and for years that no page shows. Slots of many
    agendas begin at the same times."""
    if len(text) != 29 or text[10] != "T" or text[19] != "." or text[23] not in "+-" or text[26] != ":":
        return None
    try:
        instant = within_calendar(datetime.fromisoformat(text))
    except ValueError:
        return None
    return instant.replace(tzinfo=_offset(text[23:], instant.tzinfo))


@lru_cache(maxsize=64)
def _offset(_: str, offset: tzinfo | None) -> tzinfo | None:
    """One object for each offset: instants that share it are compared without asking for it."""
    return offset


@lru_cache(maxsize=4096)
def _times(start: str, end: str) -> tuple[datetime, datetime] | None:
    """Both instants, when they are in that form and in that order: compared once, not for each agenda."""
    begins, ends = exact_instant(start), exact_instant(end)
    return (begins, ends) if begins is not None and ends is not None and begins < ends else None
