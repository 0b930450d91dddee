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
from datetime import date, datetime
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
from sandbox.kernel.model import (
    ConsultationSite,
    Cpts,
    Place,
    Practitioner,
    SlotKind,
    SosAssociation,
)

KEPT = 8192  # fragments of each kind held at most


class Timed(Protocol):
    """A slot to be rendered: start and end in epoch seconds (whole minutes), and what it shares with others."""

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


class Renderer:
    """Renders for one editor: `base` its public FHIR base, `ui_base` that of its pages, `system` its own OID."""

    def __init__(self, base: str, ui_base: str, system: str) -> None:
        self._base, self._ui, self._system = base.rstrip("/"), ui_base.rstrip("/"), system
        self._templates: dict[Hashable, bytes] = {}
        self._entries: dict[Hashable, bytes] = {}

    def slots(self, form: Form, schedule: str, specialty: Specialty, zone: ZoneInfo, slots: Sequence[Timed]) -> bytes:
        """The entries of these slots of one schedule on one day, by time, each followed by a comma."""
        schedule_id = schedule.encode()
        local = _clock_of(slots, zone)
        templates: dict[int, bytes] = {}  # kinds are shared objects: their id is a cheaper key than their value
        entries = []
        for slot in slots:
            kind, start = slot.kind, slot.start
            template = templates.get(id(kind))
            if template is None:
                template = templates[id(kind)] = self._template(form, kind, specialty)
            key = schedule_id + _stamp(start)
            entries.append(template % (key, key, schedule_id, local(start), local(slot.end), key))
        return b"".join(entries)

    def slot(self, form: Form, schedule: str, specialty: Specialty, zone: ZoneInfo, slot: Timed) -> bytes:
        """The resource alone."""
        schedule_id, local = schedule.encode(), _clock_of([slot], zone)
        key = schedule_id + _stamp(slot.start)
        template = _slot_template(self._ui, form, slot.kind, specialty)
        return template % (key, schedule_id, local(slot.start), local(slot.end), key)

    def _template(self, form: Form, kind: SlotKind, specialty: Specialty) -> bytes:
        def build() -> bytes:
            resource = _slot_template(self._ui, form, kind, specialty)
            url = f"{self._base}/Slot/".replace("%", "%%").encode()
            return b'{"fullUrl":"%b%%b","resource":%b,"search":{"mode":"%b"}},' % (url, resource, form.mode.encode())

        return _held(self._templates, (form.name, kind, specialty), build)

    def schedule(self, practitioner: Practitioner, place: Place) -> bytes:
        """Entry of the Schedule of a practitioner at a place."""
        return self._entry("Schedule", place.id, lambda: schedule_resource(practitioner, place))

    def practitioner(self, practitioner: Practitioner) -> bytes:
        """Entry of the Practitioner."""
        return self._entry("Practitioner", practitioner.id, lambda: practitioner_resource(practitioner))

    def role(self, practitioner: Practitioner, place: Place) -> bytes:
        """Entry of the PractitionerRole at a place."""
        return self._entry("PractitionerRole", place.id, lambda: role_resource(practitioner, place, self._system))

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
        if len(cache) >= KEPT:
            del cache[next(iter(cache))]
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


_STAMPS = tuple(b"T%02d%02dZ" % divmod(minute, 60) for minute in range(1440))
_EPOCH_DAY = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=1024)
def _date(day: int) -> tuple[bytes, bytes]:
    """`YYYY-MM-DD` and `.YYYYMMDD` of a day since 1970-01-01."""
    text = date.fromordinal(_EPOCH_DAY + day).isoformat()
    return text.encode(), b"." + text.replace("-", "").encode()


def _stamp(instant: int) -> bytes:
    """`.YYYYMMDDTHHMMZ`: the end of a slot id."""
    day, minute = divmod(instant // 60, 1440)
    return _date(day)[1] + _STAMPS[minute]


@lru_cache(maxsize=64)
def _clock(offset: int) -> tuple[bytes, ...]:
    """`Thh:mm:00.000+hh:mm` of each minute of a day at this offset (seconds)."""
    hours, minutes = divmod(abs(offset) // 60, 60)
    zone = b"%b%02d:%02d" % (b"-" if offset < 0 else b"+", hours, minutes)
    return tuple(b"T%02d:%02d:00.000%b" % (*divmod(minute, 60), zone) for minute in range(1440))


def _clock_of(slots: Sequence[Timed], zone: ZoneInfo) -> Callable[[int], bytes]:
    """What writes the instants of these slots of one day as `YYYY-MM-DDThh:mm:ss.sss+hh:mm` (R01-45)."""
    if not slots or (offset := _offset(slots[0].start, zone)) != _offset(slots[-1].end, zone):
        return lambda instant: _local(instant, _offset(instant, zone))  # a night when the clocks change
    return lambda instant: _local(instant, offset)


def _local(instant: int, offset: int) -> bytes:
    day, minute = divmod((instant + offset) // 60, 1440)
    return _date(day)[0] + _clock(offset)[minute]


def _offset(instant: int, zone: ZoneInfo) -> int:
    shift = datetime.fromtimestamp(instant, zone).utcoffset()
    return int(shift.total_seconds()) if shift is not None else 0
