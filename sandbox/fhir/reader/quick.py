"""The fast way to read an answer: resources are decoded by type, without searching for errors. Pure.

An answer has many slots of few kinds: a slot has its own id, times, Schedule and comment, and shares the rest with the
others of its kind. The octets of that rest are the key under which its values are cached, as are those of the
resources beside the slots. The caches are bounded by octets. Large answers are read in a thread, so shared state
changes in one step.
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
MOST_ENTRIES = 20_000  # octets of one page
_UNREADABLE = (ValueError, RecursionError)  # msgspec's own errors, UnicodeDecodeError, nesting that is too deep
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
    """A Slot. Raw elements are the octets of the answer, `null` when absent."""

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
    """The type of a resource other than a Slot, with its elements as octets; a resource with further elements does not
    match."""
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
    """Reads resources in detail and finds what is wrong with them (`reading.py`)."""

    def sort(self, entries: Iterable[tuple[str, str, object]]) -> list[Node]: ...
    def slot(self, slot: Node) -> FreeSlot | None: ...
    def finish(self, bundle: Node, slots: Sequence[FreeSlot | None]) -> Reading: ...
    def agenda(self, reference: str) -> tuple[str, Agenda] | None: ...
    def terms(self, slot: Node) -> Terms | None: ...


_BUNDLE = msgspec.json.Decoder(QuickBundle)
_SLOT = msgspec.json.Decoder(QuickSlot)
_TERMS = Kept[Terms](4 << 20, 1 << 16)  # number of kinds of slots that are cached
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def quick_bundle(body: bytes) -> QuickBundle | None:
    """The Bundle; None when it does not have the form of a correct one."""
    try:
        return _BUNDLE.decode(body)
    except _UNREADABLE:
        return None


def envelope_of(body: bytes) -> Node:
    """A Bundle whose entries are still octets, or any other object. Raises JsonError when it is not an object."""
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
    """Path and octets of each entry of the result of `envelope_of`. Raises JsonError when there are too many."""
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


class _Known(msgspec.Struct):
    """What is cached of answers with the same resources other than Slots: agendas by reference, kinds by octets."""

    agendas: dict[str, tuple[str, Agenda] | None]
    terms: dict[bytes, Terms | None]


_KNOWN = Kept[_Known](
    16 << 20, 1 << 20
)  # by the octets of these resources: searches ask about the same practitioners repeatedly
_KEEPING = Lock()
_Others = list[tuple[str, str, msgspec.Raw]]


def read_quickly(body: bytes, make: Callable[[], Detailed]) -> Reading | None:
    """Read an answer; only unusual Slots are read in detail, by the reader that `make` returns. None when it does not
    have the form of a Bundle. Raises JsonError."""
    typed = _typed(body)
    if typed is not None:
        _count(len(typed.entry))
        key, slots = _key_and_slots(typed)
        if (known := _known_answer(typed, slots, key)) is not None:
            return known
    bundle = quick_bundle(body)
    if bundle is None:
        return None
    check_utf8(body)
    slots, others = _sorted(bundle)
    if typed is None:
        key = b"\n".join([resource for _, _, resource in others])
        if (known := _known_answer(bundle, slots, key)) is not None:
            return known
    read = _Known({}, {})
    reading = _in_detail(bundle, slots, others, read, make())
    if not reading.findings:
        with _KEEPING:
            _KNOWN.keep(key, read, _size(key, read))
    return reading


def _size(key: bytes, known: _Known) -> int:
    """Its approximate size in memory in octets: the key is kept as octets, its values as texts."""
    return 3 * len(key) + sum(_taken(shape) for shape in known.terms) + 1000 * len(known.agendas)


def _taken(shape: bytes) -> int:
    return 3 * len(shape) + 1000


def _typed(body: bytes) -> Any:
    """The Bundle, decoded in one step; None when a resource has an element that the types here do not have."""
    try:
        return _USUAL.decode(body)
    except _UNREADABLE:
        return None


def _key_and_slots(typed: Any) -> tuple[bytes, list[QuickSlot]]:
    """The octets of the resources other than Slots, as one key, and the Slots."""
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


def _known_answer(bundle: QuickBundle, slots: Sequence[QuickSlot], key: bytes) -> Reading | None:
    """The answer from the cache; None unless all its parts were read before and had no finding."""
    known = _KNOWN.get(key)
    if known is None or bundle.total != len(slots) or bundle.type != "searchset":
        return None
    usual = _usual(slots, known)
    if usual is None:
        return None
    following = next((link.url.strip() for link in bundle.link if link.relation == "next"), None)
    return Reading(usual, [], bundle.total, following or None, len(slots))


def _usual(slots: Iterable[QuickSlot], known: _Known) -> list[FreeSlot] | None:
    """The Slots from the cache; None unless all their parts were read before and had no finding."""
    found: list[FreeSlot] = []
    agendas, terms = known.agendas, known.terms
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
    bundle: QuickBundle, slots: Iterable[QuickSlot], others: _Others, known: _Known, detailed: Detailed
) -> Reading:
    """Read an answer and its findings; the values read are added to `known`."""
    unusual = detailed.sort((path, url, read_json(octets, RESOURCE, repeated=True)) for path, url, octets in others)
    agendas, terms = known.agendas, known.terms
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
    """The Slots, and the path, fullUrl and octets of all other entries."""
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
    """Read the values that Slots of that shape have in common, and cache them. Slots of CPTS are cached for this answer
    only, because their references may mean something else in another answer."""
    found = terms[shape] = detailed.terms(_as_node(slot))
    if found is not None and not found.cpts:
        with _KEEPING:
            _TERMS.keep(shape, found, _taken(shape))
    return found


def _shape(slot: QuickSlot) -> bytes:
    """The raw elements of a Slot as one key, equal for Slots of one kind."""
    return b"\n".join((slot.meta, slot.serviceType, slot.specialty, slot.appointmentType))


def _as_node(slot: QuickSlot) -> Node:
    """The Slot as a JSON object."""
    raw = {name: read_json(getattr(slot, name), RESOURCE, repeated=True) for name in _RAW}
    return {
        "resourceType": "Slot", "id": slot.id, "status": slot.status, "start": slot.start, "end": slot.end,
        "schedule": {"reference": slot.schedule.reference}, "comment": slot.comment, **raw,
    }  # fmt: skip


def _is_bookable(comment: str | None, walkin: bool) -> bool:
    return walkin if comment is None else comment.startswith(_PAGES)


@lru_cache(maxsize=4096)
def exact_instant(text: str) -> datetime | None:
    """The instant of `YYYY-MM-DDThh:mm:ss.sss+hh:mm`; None for any other form, and outside 1970 to 2099. Cached,
    because slots of many agendas begin at the same times."""
    if len(text) != 29 or text[10] != "T" or text[19] != "." or text[23] not in "+-" or text[26] != ":":
        return None
    try:
        instant = within_calendar(datetime.fromisoformat(text))
    except ValueError:
        return None
    return instant.replace(tzinfo=_offset(text[23:], instant.tzinfo))


@lru_cache(maxsize=64)
def _offset(_: str, offset: tzinfo | None) -> tzinfo | None:
    """The same object for equal offsets: Python compares instants with the same tzinfo object faster."""
    return offset


@lru_cache(maxsize=4096)
def _times(start: str, end: str) -> tuple[datetime, datetime] | None:
    """Both instants; None unless both have that form and `start` comes first. Cached, so they are compared once for all
    agendas."""
    begins, ends = exact_instant(start), exact_instant(end)
    return (begins, ends) if begins is not None and ends is not None and begins < ends else None
