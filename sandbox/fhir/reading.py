"""What the SAS core understands of an editor's answer (INT_R01, INT_R04, SOS Médecins). Pure; never raises.

Liberal: a bad entry loses only itself, a curable defect (an id without prefix, a phone in another form, a date without
offset, a consultation type sent as text) is cured; each gives a Finding with the requirement that it fails. The
lists are those of the guide's recurrent errors. Whether a slot answers the query is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from sandbox.fhir import nos
from sandbox.fhir.answers import Agenda, FreeSlot, Reading, SlotPlace, Terms
from sandbox.fhir.nodes import NOTHING, Node, node_of, nodes_of, reference_of, text_of
from sandbox.fhir.quick import read_quickly
from sandbox.fhir.rules import Finding
from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.identifiers import SYSTEM_PERSON, national_phone, prefixed_person, prefixed_structure

__all__ = ["FreeSlot", "Reading", "SlotPlace", "read_bundle"]

_ESTABLISHMENTS = (nos.ESTABLISHMENT, nos.ESTABLISHMENT_SHORT)


def read_bundle(body: bytes) -> Reading:
    """Understand the body of a 200. A body that is no searchset gives no slots and a finding R01-13."""
    quick = read_quickly(body, _Reader)
    if quick is not None:
        return quick
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
    _schedules: dict[str, Agenda] = field(default_factory=dict)

    def wrong(self, requirement: str, path: str, text: str) -> None:
        self.findings.append(Finding(requirement, path, text))

    def read(self, bundle: Node) -> Reading:
        entries = [(path, text_of(entry, "fullUrl"), entry) for path, entry in nodes_of(bundle, "entry", "Bundle")]
        slots = self.sort((path, url, entry.get("resource")) for path, url, entry in entries)
        return self.finish(bundle, [*map(self.slot, slots)])

    def sort(self, entries: Iterable[tuple[str, str, object]]) -> list[Node]:
        """Keep the resources (path, fullUrl, resource) to be referred to; the Slots among them."""
        slots: list[Node] = []
        for path, url, resource in entries:
            if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
                self.wrong("R01-13", f"{path}.resource", "not a resource")
                continue
            self._resources[f"{resource['resourceType']}/{resource.get('id')}"] = resource
            if url:
                self._resources.setdefault(url, resource)
            if resource["resourceType"] == "Slot":
                slots.append(resource)
        return slots

    def finish(self, bundle: Node, slots: Sequence[FreeSlot | None]) -> Reading:
        """The answer understood; `slots`: what became of each Slot of it."""
        if bundle.get("type") != "searchset":
            self.findings.insert(0, Finding("R01-14", "Bundle.type", f"'{bundle.get('type')}' is not searchset"))
        following = next((text_of(link, "url") for _, link in nodes_of(bundle, "link", "") if _is_next(link)), None)
        total = bundle.get("total")
        self._count(total, len(slots), following)
        whole = total if isinstance(total, int) and not isinstance(total, bool) else None
        return Reading([slot for slot in slots if slot is not None], self.findings, whole, following or None)

    def agenda(self, reference: str) -> tuple[str, Agenda] | None:
        """Id and agenda of the Schedule that a reference names; None when it names none."""
        before = len(self.findings)
        key = self._resolve({"reference": reference}, "Schedule", "", "R01-12")
        if key is None:
            del self.findings[before:]
            return None
        return key.partition("/")[2], self._schedule(key)

    def terms(self, slot: Node) -> Terms | None:
        """What a Slot has in common with others of its kind; None when something is wrong with it."""
        before = len(self.findings)
        types, reasons = self._types(slot, "")
        cpts = self._cpts(slot, "")
        codes = {text_of(coding, "code") for _, coding in nodes_of(node_of(slot, "appointmentType"), "coding", "")}
        visibilities = self._visibilities(slot, "")
        if len(self.findings) > before or not codes & {nos.ROUTINE, nos.WALKIN}:
            del self.findings[before:]
            return None
        return Terms(visibilities, types, reasons, _specialties(slot), nos.WALKIN in codes, cpts)

    def _count(self, total: object, slots: int, following: str | None) -> None:
        """⚠ For SOS, `total` may count the Schedules instead of the Slots: both are right."""
        schedules = len({key for key in self._resources if key.startswith("Schedule/")})
        if following is None and total not in (slots, schedules):
            self.wrong("R01-13", "Bundle.total", f"{total!r}, but there are {slots} slots")

    def slot(self, slot: Node) -> FreeSlot | None:
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
            schedule=schedule.partition("/")[2], slot_id=text_of(slot, "id"), start=start, end=end,
            practitioner=known.practitioner, family=known.family, given=known.given,
            visibilities=self._visibilities(slot, path), types=types, reasons=reasons,
            specialties=_specialties(slot), walkin=walkin, comment=comment, phone=known.phone, place=known.place,
            structure=known.structure, cpts=self._cpts(slot, path), sos=known.sos, site=known.site,
        )  # fmt: skip

    def _instant(self, slot: Node, key: str, path: str) -> datetime | None:
        text = text_of(slot, key)
        try:
            instant = parse_datetime(text)
        except (ValueError, OverflowError):
            self.wrong("R01-11", f"{path}.{key}", f"'{text}' is not an instant")
            return None
        if len(text) != 29:  # YYYY-MM-DDThh:mm:ss.sss+hh:mm
            self.wrong("R01-45", f"{path}.{key}", f"'{text}' has not three decimals and an offset")
        return instant

    def _visibilities(self, slot: Node, path: str) -> tuple[str, ...]:
        meta = node_of(slot, "meta")
        codes = [text_of(coding, "code") for _, coding in nodes_of(meta, "security", path)]
        unknown = [code for code in codes if code not in nos.VISIBILITIES]
        if unknown or not codes:
            self.wrong("R01-46" if unknown else "R01-23", f"{path}.meta.security", f"visibilities are {codes}")
        return tuple(code for code in codes if code in nos.VISIBILITIES)

    def _types(self, slot: Node, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Consultation types and reasons; a type sent as text, or a reason as a code, is put right."""
        types: dict[str, None] = {}
        reasons: dict[str, None] = {}
        for where, concept in nodes_of(slot, "serviceType", path):
            text = text_of(concept, "text")
            if text in nos.CONSULTATIONS:
                self.wrong("R01-24", f"{where}.text", f"consultation type '{text}' as text")
                types[text] = None
            elif text:
                reasons[text] = None
            for place, coding in nodes_of(concept, "coding", where):
                system, code = text_of(coding, "system"), text_of(coding, "code")
                if system == nos.CONSULTATION and code in nos.CONSULTATIONS:
                    types[code] = None
                elif system not in _ESTABLISHMENTS:
                    self.wrong("R01-48", place, f"'{system}|{code}' is no consultation type")
                    reasons.update({label: None for label in [text_of(coding, "display")] if label})
        return tuple(types), tuple(reasons)

    def _booking(self, slot: Node, path: str) -> tuple[bool, str | None]:
        codes = [text_of(coding, "code") for _, coding in nodes_of(node_of(slot, "appointmentType"), "coding", path)]
        comment = text_of(slot, "comment") or None
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
        for where, concept in nodes_of(slot, "serviceType", path):
            if not any(text_of(coding, "code") == nos.CPTS for _, coding in nodes_of(concept, "coding", where)):
                continue
            references = [
                extension.get("valueReference")
                for _, extension in nodes_of(concept, "extension", where)
                if extension.get("url") == nos.SERVICE_TYPE
            ]
            service = self._resolve(references[0] if references else None, "HealthcareService", where, "R04-2")
            if service is not None:
                found |= self._organization(self._resources.get(service), service)
        seen = any(text_of(coding, "code") == "CPTS" for _, coding in nodes_of(node_of(slot, "meta"), "security", path))
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
        return {finess: text_of(organization, "name")} if finess else {}

    def _structure(self, owner: Node, path: str, requirement: str) -> str | None:
        values = [text_of(identifier, "value") for _, identifier in nodes_of(owner, "identifier", path)]
        value = values[0] if values else ""
        if not value or prefixed_structure(value) != value:
            self.wrong(requirement, f"{path}.identifier.value", f"'{value}' is no prefixed id of a structure")
        return prefixed_structure(value) or None

    def _schedule(self, key: str) -> Agenda:
        if key not in self._schedules:
            self._schedules[key] = self._understand(key)
        return self._schedules[key]

    def _understand(self, key: str) -> Agenda:
        schedule = self._resources.get(key)
        if schedule is None:
            self.wrong("R01-12", key, "not in the answer")
            return Agenda()
        actors = [self._resources.get(reference_of(actor), NOTHING) for _, actor in nodes_of(schedule, "actor", key)]
        kinds: dict[str, Node] = {}
        for actor in actors:
            kinds.setdefault(str(actor.get("resourceType")), actor)
        if "Location" in kinds:
            return self._site(kinds["Location"], key)
        return self._person(kinds.get("Practitioner", NOTHING), kinds.get("PractitionerRole", NOTHING), key)

    def _person(self, practitioner: Node, role: Node, key: str) -> Agenda:
        for requirement, kind, actor in (
            ("R01-15", "Practitioner", practitioner),
            ("R01-19", "PractitionerRole", role),
        ):
            if not actor:
                self.wrong(requirement, f"{key}.actor", f"no {kind} in the answer")
        if not practitioner and role:  # the role may still say who
            practitioner = self._resources.get(reference_of(role.get("practitioner")), NOTHING)
        name = next((name for _, name in nodes_of(practitioner, "name", key)), NOTHING)
        given = name.get("given")
        organization = node_of(node_of(role, "organization"), "identifier")
        structure = self._structure({"identifier": [organization]}, key, "R01-20") if organization else None
        return Agenda(
            practitioner=self._national_id(practitioner, key) if practitioner else None,
            family=text_of(name, "family"),
            given=" ".join(each for each in given if isinstance(each, str)) if isinstance(given, list) else "",
            phone=self._phone(role, key) or self._phone(practitioner, key),
            place=self._place(role, key) if role else None,
            structure=structure,
        )

    def _national_id(self, practitioner: Node, key: str) -> str | None:
        """The national id, with its prefix; one of another system than the national one is not taken for it."""
        for path, identifier in nodes_of(practitioner, "identifier", key):
            value = text_of(identifier, "value")
            if identifier.get("system") != SYSTEM_PERSON or not value:
                continue
            if prefixed_person(value) != value:
                self.wrong("R01-17", f"{path}.value", f"'{value}' lacks its prefix")
            return prefixed_person(value)
        self.wrong("R01-16", f"{key} → Practitioner.identifier", "no national id")
        return None

    def _phone(self, owner: Node, key: str) -> str | None:
        for path, telecom in nodes_of(owner, "telecom", f"{key} → {owner.get('resourceType')}"):
            value = text_of(telecom, "value")
            if telecom.get("system") != "phone" or not value:
                continue
            national = national_phone(value)
            if national != value:
                self.wrong("R01-35", f"{path}.value", f"'{value}' has not the form +33…")
            return national
        return None

    def _place(self, role: Node, key: str) -> SlotPlace | None:
        """The Location contained in the role (an answer with several keeps the one that is referred to)."""
        wanted = {text_of(location, "reference").lstrip("#") for _, location in nodes_of(role, "location", key)}
        held = [each for _, each in nodes_of(role, "contained", key) if each.get("resourceType") == "Location"]
        location = next((each for each in held if each.get("id") in wanted), None)
        if location is None:
            self.wrong("R01-22", f"{key} → PractitionerRole.contained", "its Location is not in it")
            return None
        return self._address(location, key)

    def _address(self, location: Node, key: str) -> SlotPlace:
        address = node_of(location, "address")
        lines = address.get("line")
        line = " ".join(each for each in lines if isinstance(each, str)) if isinstance(lines, list) else ""
        postal_code, city = text_of(address, "postalCode"), text_of(address, "city")
        for requirement, name, value in (("R01-38", "line", line), ("R01-39", "city", city)):
            if not value:
                self.wrong(requirement, f"{key} → Location.address.{name}", "missing")
        if len(postal_code) != 5 or not (postal_code.isascii() and postal_code.isdigit()):
            self.wrong("R01-40", f"{key} → Location.address.postalCode", f"'{postal_code}' has not five digits")
        own = next((text_of(identifier, "value") for _, identifier in nodes_of(location, "identifier", key)), "")
        return SlotPlace(line, postal_code, city, own)

    def _site(self, location: Node, key: str) -> Agenda:
        organization = self._resources.get(reference_of(location.get("managingOrganization")))
        sos = None
        if organization is None:
            self.wrong("SOS-6", f"{key} → Location.managingOrganization", "its Organization is not in the answer")
        else:
            siret = self._structure(organization, f"{key} → Organization", "SOS-6")
            sos = (siret, text_of(organization, "name")) if siret else None
        if not text_of(location, "name"):
            self.wrong("SOS-5", f"{key} → Location.name", "missing")
        return Agenda(
            phone=self._phone(location, key), place=self._address(location, key), sos=sos,
            site=text_of(location, "name") or None,
        )  # fmt: skip

    def _resolve(self, value: object, kind: str, path: str, requirement: str) -> str | None:
        """`<kind>/<id>` that a reference names, relative or absolute; None with a finding when it names none."""
        reference = reference_of(value)
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
    for path, concept in nodes_of(slot, "specialty", ""):
        codes = [text_of(coding, "code") for _, coding in nodes_of(concept, "coding", path)]
        found.update(dict.fromkeys([code for code in codes if code] or [text_of(concept, "text")]))
    return tuple(each for each in found if each)
