"""Slots and what belongs to them as FHIR JSON bytes: fragments per person and place once, slots by template. Pure.

Guide, « Réponse » of INT_R01, INT_R04 and SOS Médecins. A slot costs one bytes template; nobody builds a model or a
dictionary per slot, and a bundle is one `b"".join`. Empty elements are never sent, ids always carry their prefix,
phones always have the national form.

What a slot says does not depend on the form of the answer (`Form`), only its profile does: a slot that CPTS see always
names them (includes never change what was matched), and the reference resolves by a read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
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
from sandbox.kernel.model import (
    ConsultationSite,
    Cpts,
    Palette,
    Place,
    Practitioner,
    SlotKind,
    SosAssociation,
)

KEPT = 8192  # fragments of each kind held at most
INSTANTS_KEPT = 32_768  # instants held at most, per zone: a month of every other minute


class Batch(Protocol):
    """Slots of one schedule to be rendered, in columns: starts in epoch seconds (whole minutes), all of one length
    (seconds), what each shares with others as an index of the palette.
    """

    @property
    def starts(self) -> Sequence[int]: ...
    @property
    def length(self) -> int: ...
    @property
    def codes(self) -> Sequence[int]: ...
    @property
    def palette(self) -> Palette: ...


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


_INCLUDED = b'{"fullUrl":"%b/%b/%b","resource":%b,"search":{"mode":"include"}},'


class Renderer:
    """Renders for one editor: `base` its public FHIR base, `ui_base` that of its pages, `system` its own OID."""

    def __init__(self, base: str, ui_base: str, system: str) -> None:
        self._url = orjson.dumps(base.rstrip("/"))[1:-1]
        self._base, self._ui, self._system = base.rstrip("/"), ui_base.rstrip("/"), system
        self._shapes: dict[Hashable, bytes] = {}
        self._templates: dict[Hashable, dict[int, bytes]] = {}  # the same by code of each palette
        self._entries: dict[Hashable, bytes] = {}

    def slots(self, form: Form, schedule: str, specialty: Specialty, zone: ZoneInfo, batch: Batch) -> list[bytes]:
        """The entries of these slots, one each, every one followed by a comma."""
        key, instants, palette = schedule.encode(), _instants(zone), batch.palette
        templates = _held(self._templates, (form.name, specialty, palette), dict[int, bytes])
        length, entries = batch.length, []
        for start, code in zip(batch.starts, batch.codes, strict=True):
            template = templates.get(code)
            if template is None:
                template = templates[code] = self.template(form, palette.kinds[code], specialty)
            stamp, begin = instants[start]
            slot = key + stamp
            entries.append(template % (slot, slot, key, begin, instants[start + length][1], slot))
        return entries

    def slot(self, form: Form, schedule: str, specialty: Specialty, zone: ZoneInfo, slot: Timed) -> bytes:
        """The resource alone."""
        key, instants = schedule.encode(), _instants(zone)
        stamp, begin = instants[slot.start]
        template = _slot_template(self._ui, form, slot.kind, specialty)
        return template % (key + stamp, key, begin, instants[slot.end][1], key + stamp)

    def template(self, form: Form, kind: SlotKind, specialty: Specialty) -> bytes:
        """The entry of a slot with `%b` for: id, id again, schedule id, start, end, id again (in the booking URL)."""

        def build() -> bytes:
            resource = _slot_template(self._ui, form, kind, specialty)
            url = f"{self._base}/Slot/".replace("%", "%%").encode()
            return b'{"fullUrl":"%b%%b","resource":%b,"search":{"mode":"%b"}},' % (url, resource, form.mode.encode())

        return _held(self._shapes, (form.name, kind, specialty), build)

    def schedule(self, practitioner: Practitioner, place: Place) -> bytes:
        """Entry of the Schedule of a practitioner at a place."""
        return self._entry("Schedule", place.id, lambda: schedule_resource(practitioner, place))

    def company(self, practitioner: Practitioner, places: Sequence[Place]) -> bytes:
        """Entries of what goes with slots at these places: the practitioner, and per place Schedule and role."""
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
        return self._entry("Organization", cpts.finess, lambda: cpts_resource(cpts))

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
            return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}},' % (url, resource(), mode.encode())

        return _held(self._entries, (kind, key), build)

    def bundle(
        self, form: Form, total: int, search: str, text: str, entries: Sequence[bytes], following: str | None = None
    ) -> bytes:
        """The searchset. `search`: the resource type searched; `text`, `following`: query of `self` and of `next`."""
        link = [{"relation": "self", "url": f"{self._base}/{search}?{text}"}]
        if following is not None:
            link.append({"relation": "next", "url": f"{self._base}/{search}?{following}"})
        head = b'{"resourceType":"Bundle","meta":{"profile":["%b"]},"type":"searchset","total":%d,"link":%b' % (
            form.bundle.encode(), total, orjson.dumps(link),
        )  # fmt: skip
        if not entries:
            return head + b"}"
        # Every entry ends with a comma: the last one's is cut.
        return b"".join((head, b',"entry":[', *entries[:-1], entries[-1][:-1], b"]}"))


T = TypeVar("T")


def _held(cache: dict[Hashable, T], key: Hashable, build: Callable[[], T]) -> T:
    found = cache.get(key)
    if found is None:
        make_room(cache, KEPT)
        found = cache[key] = build()
    return found


def _slot_template(ui_base: str, form: Form, kind: SlotKind, specialty: Specialty) -> bytes:
    """The Slot with `%b` for: id, schedule id, start, end, id again (in the booking URL)."""
    service_types = [
        *({"coding": [{"system": nos.CONSULTATION, "code": code}]} for code in kind.types),
        *([{"text": kind.reason}] if kind.reason else ()),
        *(_cpts_type(finess) for finess in kind.cpts),
    ]
    shared = {
        "meta": {
            "profile": [form.slot],
            "security": [{"system": nos.VISIBILITY, "code": code} for code in kind.visibilities],
        },
        "serviceType": service_types,
        "specialty": [] if form is SOS else specialties(specialty),
        "appointmentType": {"coding": [{"system": nos.BOOKING, "code": nos.WALKIN if kind.walkin else nos.ROUTINE}]},
    }
    body = dumps(shared)[1:-1].replace(b"%", b"%%")
    url = ui_base.replace("%", "%%").encode()
    return (
        b'{"resourceType":"Slot","id":"%b",'
        + body
        + b',"schedule":{"reference":"Schedule/%b"},"status":"free","start":"%b","end":"%b","comment":"'
        + url
        + b'/rdv?slot=%b"}'
    )


def _cpts_type(finess: str) -> dict[str, Any]:
    return {
        "extension": [{"url": nos.SERVICE_TYPE, "valueReference": {"reference": f"HealthcareService/{finess}"}}],
        "coding": [{"system": nos.ESTABLISHMENT, "code": nos.CPTS}],
    }


class _Instants(dict[int, tuple[bytes, bytes]]):
    """How a zone writes instants (epoch seconds, whole minutes), each worked out once.

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
