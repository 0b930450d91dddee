"""What the SAS core understands of an editor's answer (INT_R01, INT_R04, SOS Médecins). Pure; never raises.

Liberal: a bad entry loses only itself, a curable defect (an id without prefix, a phone in another form, a date without
offset, a consultation type sent as text) is cured; each gives a Finding with the requirement that it fails. The
lists are those of the guide's recurrent errors. Whether a slot answers the query is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from sandbox.fhir import nos
from sandbox.fhir.rules import Finding
from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.identifiers import SYSTEM_PERSON, national_phone, prefixed_person, prefixed_structure

Node = Mapping[str, Any]
_NOTHING: Node = {}
_ESTABLISHMENTS = (nos.ESTABLISHMENT, nos.ESTABLISHMENT_SHORT)


@dataclass(frozen=True, slots=True)
class SlotPlace:
    """Where a slot is held, as the editor says; "" for what it does not say. `id`: its own id of the place."""

    line: str = ""
    postal_code: str = ""
    city: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class FreeSlot:
    """One free slot with everything that belongs to it.

    `practitioner`: prefixed national id, None for SOS and when the answer does not say; `schedule`: id without type;
    `specialties`: codes, or texts where there is no code; `cpts`: (FINESS, name) of each CPTS; `sos`: (SIRET, name)
    of the association, `site` the name of its consultation site.
    """

    schedule: str
    slot_id: str
    start: datetime
    end: datetime
    practitioner: str | None = None
    family: str = ""
    given: str = ""
    visibilities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()
    walkin: bool = False
    comment: str | None = None
    phone: str | None = None
    place: SlotPlace | None = None
    structure: str | None = None
    cpts: tuple[tuple[str, str], ...] = ()
    sos: tuple[str, str] | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer understood. `total` as it says, None when it does not or is no Bundle; `following`: its `next` link."""

    slots: list[FreeSlot]
    findings: list[Finding]
    total: int | None = None
    following: str | None = None


@dataclass(frozen=True, slots=True)
class _Schedule:
    """What a Schedule says of all its slots."""

    practitioner: str | None = None
    family: str = ""
    given: str = ""
    phone: str | None = None
    place: SlotPlace | None = None
    structure: str | None = None
    sos: tuple[str, str] | None = None
    site: str | None = None


def read_bundle(body: bytes) -> Reading:
    """Understand the body of a 200. A body that is no searchset gives no slots and a finding R01-13."""
    try:
        bundle = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Reading([], [Finding("R01-13", "Bundle", f"not JSON: {error}")])
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        return Reading([], [Finding("R01-13", "Bundle", "not a Bundle")])
    return _Reader().read(bundle)


@dataclass(slots=True)
class _Reader:
    findings: list[Finding] = field(default_factory=list)
    _resources: dict[str, Node] = field(default_factory=dict)
    _schedules: dict[str, _Schedule] = field(default_factory=dict)

    def wrong(self, requirement: str, path: str, text: str) -> None:
        self.findings.append(Finding(requirement, path, text))

    def read(self, bundle: Node) -> Reading:
        if bundle.get("type") != "searchset":
            self.wrong("R01-14", "Bundle.type", f"'{bundle.get('type')}' is not searchset")
        slots: list[Node] = []
        for path, entry in _nodes(bundle, "entry", "Bundle"):
            resource = entry.get("resource")
            if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
                self.wrong("R01-13", f"{path}.resource", "not a resource")
                continue
            self._resources[f"{resource['resourceType']}/{resource.get('id')}"] = resource
            if url := _text(entry, "fullUrl"):
                self._resources.setdefault(url, resource)
            if resource["resourceType"] == "Slot":
                slots.append(resource)
        found = [slot for slot in map(self._slot, slots) if slot is not None]
        total = bundle.get("total")
        following = next((_text(link, "url") for _, link in _nodes(bundle, "link", "") if _is_next(link)), None)
        self._count(total, len(slots), following)
        whole = total if isinstance(total, int) and not isinstance(total, bool) else None
        return Reading(found, self.findings, whole, following or None)

    def _count(self, total: object, slots: int, following: str | None) -> None:
        """⚠ For SOS, `total` may count the Schedules instead of the Slots: both are right."""
        schedules = len({key for key in self._resources if key.startswith("Schedule/")})
        if following is None and total not in (slots, schedules):
            self.wrong("R01-13", "Bundle.total", f"{total!r}, but there are {slots} slots")

    def _slot(self, slot: Node) -> FreeSlot | None:
        path = f"Slot/{slot.get('id')}"
        if slot.get("status") != "free":
            self.wrong("R01-10", f"{path}.status", f"'{slot.get('status')}' is not free")
            return None
        start, end = (self._instant(slot, key, path) for key in ("start", "end"))
        schedule = self._resolve(slot.get("schedule"), "Schedule", f"{path}.schedule", "R01-12")
        if start is None or end is None or schedule is None:
            return None
        if not start < end:
            self.wrong("R01-11", f"{path}.end", "not after the start")
            return None
        types, reasons = self._types(slot, path)
        walkin, comment = self._booking(slot, path)
        known = self._schedule(schedule)
        return FreeSlot(
            schedule=schedule.partition("/")[2], slot_id=_text(slot, "id"), start=start, end=end,
            practitioner=known.practitioner, family=known.family, given=known.given,
            visibilities=self._visibilities(slot, path), types=types, reasons=reasons,
            specialties=_specialties(slot), walkin=walkin, comment=comment, phone=known.phone, place=known.place,
            structure=known.structure, cpts=self._cpts(slot, path), sos=known.sos, site=known.site,
        )  # fmt: skip

    def _instant(self, slot: Node, key: str, path: str) -> datetime | None:
        text = _text(slot, key)
        try:
            instant = parse_datetime(text)
        except (ValueError, OverflowError):
            self.wrong("R01-11", f"{path}.{key}", f"'{text}' is not an instant")
            return None
        if len(text) != 29:  # YYYY-MM-DDThh:mm:ss.sss+hh:mm
            self.wrong("R01-45", f"{path}.{key}", f"'{text}' has not three decimals and an offset")
        return instant

    def _visibilities(self, slot: Node, path: str) -> tuple[str, ...]:
        meta = _node(slot, "meta")
        codes = [_text(coding, "code") for _, coding in _nodes(meta, "security", path)]
        unknown = [code for code in codes if code not in nos.VISIBILITIES]
        if unknown or not codes:
            self.wrong("R01-46" if unknown else "R01-23", f"{path}.meta.security", f"visibilities are {codes}")
        return tuple(code for code in codes if code in nos.VISIBILITIES)

    def _types(self, slot: Node, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Consultation types and reasons; a type sent as text, or a reason as a code, is put right."""
        types: dict[str, None] = {}
        reasons: dict[str, None] = {}
        for where, concept in _nodes(slot, "serviceType", path):
            text = _text(concept, "text")
            if text in nos.CONSULTATIONS:
                self.wrong("R01-24", f"{where}.text", f"consultation type '{text}' as text")
                types[text] = None
            elif text:
                reasons[text] = None
            for place, coding in _nodes(concept, "coding", where):
                system, code = _text(coding, "system"), _text(coding, "code")
                if system == nos.CONSULTATION and code in nos.CONSULTATIONS:
                    types[code] = None
                elif system not in _ESTABLISHMENTS:
                    self.wrong("R01-48", place, f"'{system}|{code}' is no consultation type")
                    reasons.update({label: None for label in [_text(coding, "display")] if label})
        return tuple(types), tuple(reasons)

    def _booking(self, slot: Node, path: str) -> tuple[bool, str | None]:
        codes = [_text(coding, "code") for _, coding in _nodes(_node(slot, "appointmentType"), "coding", path)]
        comment = _text(slot, "comment") or None
        if not set(codes) & {nos.ROUTINE, nos.WALKIN}:
            self.wrong("R01-49", f"{path}.appointmentType", f"codes are {codes}")
        walkin = nos.WALKIN in codes or (nos.ROUTINE not in codes and comment is None)
        if comment is None and not walkin:
            self.wrong("R01-25", f"{path}.comment", "missing: the booking URL of a bookable slot")
        elif comment is not None and not comment.startswith(("http://", "https://")):
            self.wrong("R01-25", f"{path}.comment", f"'{comment}' is no URL of a page")
            comment = None
        return walkin, comment

    def _cpts(self, slot: Node, path: str) -> tuple[tuple[str, str], ...]:
        found: dict[str, str] = {}
        for where, concept in _nodes(slot, "serviceType", path):
            if not any(_text(coding, "code") == nos.CPTS for _, coding in _nodes(concept, "coding", where)):
                continue
            references = [
                extension.get("valueReference")
                for _, extension in _nodes(concept, "extension", where)
                if extension.get("url") == nos.SERVICE_TYPE
            ]
            service = self._resolve(references[0] if references else None, "HealthcareService", where, "R04-2")
            if service is not None:
                found |= self._organization(self._resources.get(service), service)
        seen = any(_text(coding, "code") == "CPTS" for _, coding in _nodes(_node(slot, "meta"), "security", path))
        if seen and not found:
            self.wrong("R04-2", f"{path}.serviceType", "seen by CPTS, but by none that the answer names")
        return tuple(found.items())

    def _organization(self, service: Node | None, path: str) -> dict[str, str]:
        """FINESS and name of the Organization behind a HealthcareService."""
        if service is None:
            self.wrong("R04-2", path, "not in the answer")
            return {}
        key = self._resolve(service.get("providedBy"), "Organization", f"{path}.providedBy", "R04-3")
        organization = self._resources.get(key or "")
        if organization is None:
            self.wrong("R04-3", f"{path}.providedBy", "its Organization is not in the answer")
            return {}
        finess = self._structure(organization, key or "", "R04-4")
        return {finess: _text(organization, "name")} if finess else {}

    def _structure(self, owner: Node, path: str, requirement: str) -> str | None:
        values = [_text(identifier, "value") for _, identifier in _nodes(owner, "identifier", path)]
        value = values[0] if values else ""
        if not value or prefixed_structure(value) != value:
            self.wrong(requirement, f"{path}.identifier.value", f"'{value}' is no prefixed id of a structure")
        return prefixed_structure(value) or None

    def _schedule(self, key: str) -> _Schedule:
        if key not in self._schedules:
            self._schedules[key] = self._understand(key)
        return self._schedules[key]

    def _understand(self, key: str) -> _Schedule:
        schedule = self._resources.get(key)
        if schedule is None:
            self.wrong("R01-12", key, "not in the answer")
            return _Schedule()
        actors = [self._resources.get(_reference(actor), _NOTHING) for _, actor in _nodes(schedule, "actor", key)]
        kinds: dict[str, Node] = {}
        for actor in actors:
            kinds.setdefault(str(actor.get("resourceType")), actor)
        if "Location" in kinds:
            return self._site(kinds["Location"], key)
        return self._person(kinds.get("Practitioner", _NOTHING), kinds.get("PractitionerRole", _NOTHING), key)

    def _person(self, practitioner: Node, role: Node, key: str) -> _Schedule:
        for requirement, kind, actor in (
            ("R01-15", "Practitioner", practitioner),
            ("R01-19", "PractitionerRole", role),
        ):
            if not actor:
                self.wrong(requirement, f"{key}.actor", f"no {kind} in the answer")
        if not practitioner and role:  # the role may still say who
            practitioner = self._resources.get(_reference(role.get("practitioner")), _NOTHING)
        name = next((name for _, name in _nodes(practitioner, "name", key)), _NOTHING)
        given = name.get("given")
        organization = _node(_node(role, "organization"), "identifier")
        structure = self._structure({"identifier": [organization]}, key, "R01-20") if organization else None
        return _Schedule(
            practitioner=self._national_id(practitioner, key) if practitioner else None,
            family=_text(name, "family"),
            given=" ".join(each for each in given if isinstance(each, str)) if isinstance(given, list) else "",
            phone=self._phone(role, key) or self._phone(practitioner, key),
            place=self._place(role, key) if role else None,
            structure=structure,
        )

    def _national_id(self, practitioner: Node, key: str) -> str | None:
        """The national id, with its prefix; one of another system than the national one is not taken for it."""
        for path, identifier in _nodes(practitioner, "identifier", key):
            value = _text(identifier, "value")
            if identifier.get("system") != SYSTEM_PERSON or not value:
                continue
            if prefixed_person(value) != value:
                self.wrong("R01-17", f"{path}.value", f"'{value}' lacks its prefix")
            return prefixed_person(value)
        self.wrong("R01-16", f"{key} → Practitioner.identifier", "no national id")
        return None

    def _phone(self, owner: Node, key: str) -> str | None:
        for path, telecom in _nodes(owner, "telecom", f"{key} → {owner.get('resourceType')}"):
            value = _text(telecom, "value")
            if telecom.get("system") != "phone" or not value:
                continue
            national = national_phone(value)
            if national != value:
                self.wrong("R01-35", f"{path}.value", f"'{value}' has not the form +33…")
            return national
        return None

    def _place(self, role: Node, key: str) -> SlotPlace | None:
        """The Location contained in the role (an answer with several keeps the one that is referred to)."""
        wanted = {_text(location, "reference").lstrip("#") for _, location in _nodes(role, "location", key)}
        held = [each for _, each in _nodes(role, "contained", key) if each.get("resourceType") == "Location"]
        location = next((each for each in held if each.get("id") in wanted), None)
        if location is None:
            self.wrong("R01-22", f"{key} → PractitionerRole.contained", "its Location is not in it")
            return None
        return self._address(location, key)

    def _address(self, location: Node, key: str) -> SlotPlace:
        address = _node(location, "address")
        lines = address.get("line")
        line = " ".join(each for each in lines if isinstance(each, str)) if isinstance(lines, list) else ""
        postal_code, city = _text(address, "postalCode"), _text(address, "city")
        for requirement, name, value in (("R01-38", "line", line), ("R01-39", "city", city)):
            if not value:
                self.wrong(requirement, f"{key} → Location.address.{name}", "missing")
        if len(postal_code) != 5 or not postal_code.isdigit():
            self.wrong("R01-40", f"{key} → Location.address.postalCode", f"'{postal_code}' has not five digits")
        own = next((_text(identifier, "value") for _, identifier in _nodes(location, "identifier", key)), "")
        return SlotPlace(line, postal_code, city, own)

    def _site(self, location: Node, key: str) -> _Schedule:
        organization = self._resources.get(_reference(location.get("managingOrganization")))
        sos = None
        if organization is None:
            self.wrong("SOS-6", f"{key} → Location.managingOrganization", "its Organization is not in the answer")
        else:
            siret = self._structure(organization, f"{key} → Organization", "SOS-6")
            sos = (siret, _text(organization, "name")) if siret else None
        if not _text(location, "name"):
            self.wrong("SOS-5", f"{key} → Location.name", "missing")
        return _Schedule(
            phone=self._phone(location, key), place=self._address(location, key), sos=sos,
            site=_text(location, "name") or None,
        )  # fmt: skip

    def _resolve(self, value: object, kind: str, path: str, requirement: str) -> str | None:
        """`<kind>/<id>` that a reference names, relative or absolute; None with a finding when it names none."""
        reference = _reference(value)
        held = self._resources.get(reference)
        if held is not None and held.get("resourceType") == kind:
            return f"{kind}/{held.get('id')}"
        parts = reference.split("/")[-2:]
        if len(parts) == 2 and parts[0] == kind and parts[1]:
            return "/".join(parts)
        self.wrong(requirement, path, f"'{reference}' names no {kind}")
        return None


def _is_next(link: Node) -> bool:
    return link.get("relation") == "next"


def _specialties(slot: Node) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for path, concept in _nodes(slot, "specialty", ""):
        codes = [_text(coding, "code") for _, coding in _nodes(concept, "coding", path)]
        found.update(dict.fromkeys([code for code in codes if code] or [_text(concept, "text")]))
    return tuple(each for each in found if each)


def _reference(value: object) -> str:
    """The reference as the resources are keyed: relative when it ends with `<type>/<id>` of any base."""
    reference = _text(value, "reference") if isinstance(value, Mapping) else ""
    parts = reference.rsplit("/", 2)
    return "/".join(parts[-2:]) if reference.startswith("http") and len(parts) > 1 else reference


def _text(node: Node, key: str) -> str:
    value = node.get(key)
    return value.strip() if isinstance(value, str) else ""


def _node(node: Node, key: str) -> Node:
    value = node.get(key)
    return value if isinstance(value, Mapping) else _NOTHING


def _nodes(node: Node, key: str, path: str) -> Iterator[tuple[str, Node]]:
    """The objects in a list, with their paths; whatever is none is passed over."""
    values = node.get(key)
    for index, value in enumerate(values if isinstance(values, Sequence) and not isinstance(values, str) else ()):
        if isinstance(value, Mapping):
            yield f"{path}.{key}[{index}]", value
