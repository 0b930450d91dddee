"""Slots and the resources around them as FHIR JSON bytes: fragments per person and place are rendered once, slots by
template. Pure.

Guide, « Réponse » of INT_R01, INT_R04 and SOS Médecins. A slot costs one bytes template, without a model or a
dictionary, and a bundle is one `b"".join`. Empty elements are never sent, ids always carry their prefix,
phones always have the national form.

What a slot says does not depend on the form of the answer (`Form`), only its profile does: a slot that CPTS see always
names them (includes never change what was matched), and the reference resolves by a read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, compress
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

import orjson

from sandbox.fhir import nos
from sandbox.fhir.resources import (
    Specialty,
    cpts_resource,
    dumps,
    practitioner_resource,
    role_resource,
    schedule_resource,
    service_resource,
    site_resource,
    site_schedule_resource,
    sos_resource,
    specialties,
)
from sandbox.kernel.bounded import make_room
from sandbox.kernel.flows import IG_VERSIONS
from sandbox.kernel.model import (
    ConsultationSite,
    Cpts,
    Palette,
    Place,
    Practitioner,
    SlotKind,
    SosAssociation,
)

KEPT = 8192  # largest number of fragments of each kind that are kept
FRAMES_KEPT = 256  # largest number of batches of candidates that are kept, per editor
KINDS_KEPT = 2048  # largest number of combinations of palette and specialty that are kept
INSTANTS_KEPT = 32_768  # largest number of instants that are kept, per zone: a month of every other minute


class Candidates(Protocol):
    """Slots that may be rendered, by time: starts in epoch seconds (whole minutes), all of one length (seconds).

    They are compared by identity; what they have in common is rendered once.
    """

    @property
    def starts(self) -> Sequence[int]: ...
    @property
    def length(self) -> int: ...


class Timed(Protocol):
    """One slot to be rendered: start and end in epoch seconds (whole minutes), and what it shares with others."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def kind(self) -> SlotKind: ...


@dataclass(frozen=True, slots=True)
class Form:
    """One form of answer: the profiles of its Bundle and of its Slots; `mode` is `search.mode` of its Slots."""

    name: str
    bundle: str
    slot: str
    mode: str = "match"


R01 = Form("INT_R01", nos.BUNDLE_PROFILE, nos.SLOT_PROFILE)
R04 = Form("INT_R04", nos.CPTS_BUNDLE_PROFILE, nos.CPTS_SLOT_PROFILE)
SOS = Form("SOS", nos.SOS_BUNDLE_PROFILE, nos.SOS_SLOT_PROFILE, "include")


_INCLUDED = b',{"fullUrl":"%b/%b/%b","resource":%b,"search":{"mode":"include"}}'
_KEY = b"\0"  # placeholder of the schedule id: an octet that JSON never has


class Renderer:
    """Renders for one editor: `base` its public FHIR base, `ui_base` that of its pages, `system` its own OID; valid by
    version `ig` of the guide.

    Entries begin with a comma, as all but the first follow another.
    """

    def __init__(self, base: str, ui_base: str, system: str, ig: str = IG_VERSIONS[0]) -> None:
        self._ig = ig
        self._url = orjson.dumps(base.rstrip("/"))[1:-1]
        self._base, self._ui, self._system = base.rstrip("/"), ui_base.rstrip("/").encode(), system
        self._frames: dict[Candidates, Sequence[bytes]] = {}
        self._entries: dict[Hashable, bytes] = {}

    def slots(
        self, form: Form, schedule: bytes, kinds: Mapping[int, bytes], zone: ZoneInfo, candidates: Candidates,
        codes: Sequence[int], marks: Sequence[int],
    ) -> bytes:  # fmt: skip
        """The entries of those candidates of a schedule that have a mark. `codes`: index of each one's kind."""
        frames = self._frames.get(candidates)
        if frames is None:
            make_room(self._frames, FRAMES_KEPT)
            frames = self._frames[candidates] = self._framed(zone, candidates)
        pieces = zip(compress(frames, marks), map(kinds.__getitem__, compress(codes, marks)))  # noqa: B905
        return b"".join(chain.from_iterable(pieces)).replace(_KEY, schedule)

    def slot(self, form: Form, schedule: str, specialty: Specialty, zone: ZoneInfo, slot: Timed) -> bytes:
        """The resource alone."""
        instants, key = _instants(zone), schedule.encode()
        stamp, begin = instants[slot.start]
        frame = self._frame(stamp, begin, instants[slot.end][1])
        return (frame + kind_part(form, slot.kind, specialty) + b"}").replace(_KEY, key)

    def _framed(self, zone: ZoneInfo, candidates: Candidates) -> list[bytes]:
        """The first part of each entry, which depends on the time; the part that depends on the kind follows it."""
        instants, length = _instants(zone), candidates.length
        frames = []
        for start in candidates.starts:
            stamp, begin = instants[start]
            head = b',{"fullUrl":"%b/Slot/%b%b","resource":' % (self._url, _KEY, stamp)
            frames.append(head + self._frame(stamp, begin, instants[start + length][1]))
        return frames

    def _frame(self, stamp: bytes, begin: bytes, end: bytes) -> bytes:
        """The part of a Slot that depends on its time."""
        return (
            b'{"resourceType":"Slot","id":"%b%b","schedule":{"reference":"Schedule/%b"},"status":"free",'
            b'"start":"%b","end":"%b","comment":"%b/rdv?slot=%b%b"'
        ) % (_KEY, stamp, _KEY, begin, end, self._ui, _KEY, stamp)

    def schedule(self, practitioner: Practitioner, place: Place) -> bytes:
        """Entry of the Schedule of a practitioner at a place."""
        return self._entry("Schedule", place.id, lambda: schedule_resource(practitioner, place))

    def included(self, practitioner: Practitioner, places: Sequence[Place]) -> bytes:
        """Entries of the resources that accompany slots at these places: the practitioner, and per place Schedule and
        role."""
        person = practitioner.id.encode()
        entries = [_INCLUDED % (self._url, b"Practitioner", person, practitioner_resource(practitioner))]
        for place in places:
            key = place.id.encode()
            entries.append(_INCLUDED % (self._url, b"Schedule", key, schedule_resource(practitioner, place)))
            role = role_resource(practitioner, place, self._system)
            entries.append(_INCLUDED % (self._url, b"PractitionerRole", key, role))
        return b"".join(entries)

    def service(self, cpts: Cpts) -> bytes:
        """Entry of a CPTS's HealthcareService."""
        return self._entry("HealthcareService", cpts.finess, lambda: service_resource(cpts))

    def cpts(self, cpts: Cpts) -> bytes:
        """Entry of a CPTS's Organization."""
        return self._entry("Organization", cpts.finess, lambda: cpts_resource(cpts, self._ig))

    def site_schedule(self, site: ConsultationSite) -> bytes:
        """Entry of a consultation site's Schedule: what an SOS search matches."""
        return self._entry("Schedule", site.id, lambda: site_schedule_resource(site), "match")

    def site(self, sos: SosAssociation, site: ConsultationSite) -> bytes:
        """Entry of a consultation site's Location."""
        return self._entry("Location", site.id, lambda: site_resource(sos, site, self._system))

    def sos(self, sos: SosAssociation) -> bytes:
        """Entry of an association's Organization."""
        return self._entry("Organization", sos.siret, lambda: sos_resource(sos))

    def _entry(self, kind: str, key: str, resource: Callable[[], bytes], mode: str = "include") -> bytes:
        def build() -> bytes:
            url = orjson.dumps(f"{self._base}/{kind}/{key}")
            return b',{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (url, resource(), mode.encode())

        return _held(self._entries, (kind, key), build, KEPT)

    def bundle(
        self, form: Form, total: int, search: str, text: str, entries: Sequence[bytes], following: str | None = None
    ) -> bytes:
        """The searchset as one octet string; arguments as in `pieces`."""
        return b"".join(self.pieces(form, total, search, text, entries, following))

    def pieces(
        self, form: Form, total: int, search: str, text: str, entries: Sequence[bytes], following: str | None = None
    ) -> list[bytes]:
        """The searchset, in pieces. `search`: the resource type searched; `text`, `following`: query of `self` and of
        `next`, percent-encoded."""
        url = b"%b/%b?" % (self._url, search.encode())
        more = b"" if following is None else b',{"relation":"next","url":"%b%b"}' % (url, following.encode())
        head = (
            b'{"resourceType":"Bundle","meta":{"profile":["%b"]},"type":"searchset","total":%d,'
            b'"link":[{"relation":"self","url":"%b%b"}%b]'
        ) % (form.bundle.encode(), total, url, text.encode(), more)
        if not entries:
            return [head, b"}"]
        # Every entry begins with a comma: the comma of the first one is cut.
        return [head + b',"entry":[', entries[0][1:], *entries[1:], b"]}"]


T = TypeVar("T")


def _held(cache: dict[Hashable, T], key: Hashable, build: Callable[[], T], most: int) -> T:
    found = cache.get(key)
    if found is None:
        make_room(cache, most)
        found = cache[key] = build()
    return found


class _Kinds(dict[int, bytes]):
    """The part of a slot's entry that depends on its kind, by the code of the kind."""

    def __init__(self, form: Form, specialty: Specialty, palette: Palette) -> None:
        self._form, self._specialty, self._palette = form, specialty, palette

    def __missing__(self, code: int) -> bytes:
        part = kind_part(self._form, self._palette.kinds[code], self._specialty)
        found = self[code] = part + b'},"search":{"mode":"%b"}}' % self._form.mode.encode()
        return found


_kinds: dict[Hashable, Mapping[int, bytes]] = {}


def kinds(form: Form, specialty: Specialty, palette: Palette) -> Mapping[int, bytes]:
    """What `Renderer.slots` needs of the kinds of a week, of a practitioner of that specialty."""
    return _held(_kinds, (form.name, specialty, palette), lambda: _Kinds(form, specialty, palette), KINDS_KEPT)


def kind_part(form: Form, kind: SlotKind, specialty: Specialty) -> bytes:
    """The members of a Slot that depend on its kind."""
    types = _types_part(kind.types, kind.reason) + b"".join(map(_cpts_type, kind.cpts))
    return b"".join(
        (
            _meta_part(form.slot, kind.visibilities),
            b',"serviceType":[%b]' % types[1:] if types else b"",
            b"" if form is SOS else _specialty_part(specialty),
            _BOOKED[kind.walkin],
        )
    )


_BOOKED = tuple(
    b"," + dumps({"appointmentType": {"coding": [{"system": nos.BOOKING, "code": code}]}})[1:-1]
    for code in (nos.ROUTINE, nos.WALKIN)
)


@lru_cache(maxsize=512)
def _meta_part(profile: str, visibilities: tuple[str, ...]) -> bytes:
    security = [{"system": nos.VISIBILITY, "code": code} for code in visibilities]
    return b',"meta":' + dumps({"profile": [profile], "security": security})


@lru_cache(maxsize=1024)
def _types_part(types: tuple[str, ...], reason: str | None) -> bytes:
    concepts: list[dict[str, Any]] = [{"coding": [{"system": nos.CONSULTATION, "code": code}]} for code in types]
    if reason:
        concepts.append({"text": reason})
    return b"".join(b"," + orjson.dumps(each) for each in concepts)


@lru_cache(maxsize=512)
def _specialty_part(specialty: Specialty) -> bytes:
    known = specialties(specialty)
    return b',"specialty":' + orjson.dumps(known) if known else b""


@lru_cache(maxsize=2048)
def _cpts_type(finess: str) -> bytes:
    reference = {"url": nos.SERVICE_TYPE, "valueReference": {"reference": f"HealthcareService/{finess}"}}
    coding = {"system": nos.ESTABLISHMENT, "code": nos.CPTS}
    return b"," + orjson.dumps({"extension": [reference], "coding": [coding]})


class _Instants(dict[int, tuple[bytes, bytes]]):
    """Instants (epoch seconds, whole minutes) as text in one zone, each computed once.

    `.YYYYMMDDTHHMMZ`, the end of a slot id, and `YYYY-MM-DDThh:mm:ss.sss+hh:mm` with the offset in force (R01-45).
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def __missing__(self, instant: int) -> tuple[bytes, bytes]:
        make_room(self, INSTANTS_KEPT)
        local = datetime.fromtimestamp(instant, self._zone)
        stamp = f".{local.astimezone(UTC):%Y%m%dT%H%MZ}"
        found = self[instant] = (stamp.encode(), local.isoformat(timespec="milliseconds").encode())
        return found


@lru_cache(maxsize=64)
def _instants(zone: ZoneInfo) -> _Instants:
    return _Instants(zone)
