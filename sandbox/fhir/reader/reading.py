"""What the SAS core understands of an editor's answer (INT_R01, INT_R04, SOS Médecins). Pure; never raises.

Liberal: a bad entry loses only itself, a curable defect (an id without prefix, a phone in another form, a date without
offset, a consultation type sent as text) is cured; each cause gives a Finding with the requirement that it fails, whose
path names the resource in which the fault is. Only an answer that cannot be read as JSON is lost whole. The lists are
those of the guide's recurrent errors. Whether a slot answers the query is the caller's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.fhir import nos
from sandbox.fhir.reader.answers import Agenda, FreeSlot, Reading, SlotPlace, Terms
from sandbox.fhir.reader.elements import BUNDLE, RESOURCES, mistyped, well_typed
from sandbox.fhir.reader.nodes import NOTHING, Node, node_of, nodes_of, reference_of, text_of
from sandbox.fhir.reader.quick import RESOURCE, entries_of, envelope_of, read_quickly
from sandbox.fhir.rules import Finding, Findings
from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.errors import JsonError
from sandbox.kernel.identifiers import SYSTEM_PERSON, national_phone, prefixed_person, prefixed_structure
from sandbox.kernel.text.json_input import Limits, check_size, check_utf8, read_json, shortened

__all__ = ["FreeSlot", "Reading", "SlotPlace", "read_bundle"]

ANSWER = Limits(octets=64 << 20, elements=500_000)
LONGEST_TEXT = 200  # characters of a reason, a name or a line of an address that are kept
MOST_REASONS = 20  # of one slot
LONGEST_ID = 64  # characters (FHIR R4, 2.24.0.1)
LONGEST_URL = 2048  # of a page that is linked to
_ESTABLISHMENTS = (nos.ESTABLISHMENT, nos.ESTABLISHMENT_SHORT)
_INDEX = re.compile(r"\[\d+\]")


def read_bundle(body: bytes) -> Reading:
    """Understand the body of a 200. A body that is no Bundle, or no JSON within the limits, gives no slots and one
    finding R01-13 whose path is `Bundle`. Large bodies take long: not in an event loop."""
    try:
        check_size(body, ANSWER)
        return read_quickly(body, _Reader) or _read_slowly(body)
    except JsonError as error:
        return Reading([], [Finding("R01-13", "Bundle", f"cannot be read: {error}")])


def _read_slowly(body: bytes) -> Reading:
    """Resource by resource. Raises JsonError."""
    check_utf8(body)
    envelope = envelope_of(body)
    if envelope.get("resourceType") != "Bundle":
        return Reading([], [Finding("R01-13", "Bundle", "not a Bundle")])
    return _Reader().read(envelope)


@dataclass(slots=True)
class _Reader:
    told: Findings = field(default_factory=Findings)
    _resources: dict[str, Node] = field(default_factory=dict)
    _schedules: dict[str, Agenda] = field(default_factory=dict)
    _unnamed: dict[int, tuple[str, Node]] = field(default_factory=dict)

    def read(self, bundle: Node) -> Reading:
        """`bundle`: its entries are still octets."""
        entries = []
        for path, octets in entries_of(bundle, self.told):
            entry = read_json(octets, RESOURCE, repeated=True)
            if isinstance(entry, dict):
                entries.append((path, text_of(entry, "fullUrl"), entry.get("resource")))
            else:
                self.told.wrong("R01-13", path, "an entry is {} instead of an object", entry)
        slots = self.sort(entries)
        return self.finish(bundle, [*map(self.slot, slots)])

    def sort(self, entries: Iterable[tuple[str, str, object]]) -> list[Node]:
        """Keep the resources (path, fullUrl, resource) to be referred to; the Slots among them."""
        slots: list[Node] = []
        for path, url, resource in entries:
            if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
                self.told.wrong("R01-13", f"{path}.resource", "an entry without a resource")
                continue
            if not text_of(resource, "id"):
                self._unnamed[id(resource)] = f"{path}.resource", resource
            self._resources[f"{resource['resourceType']}/{resource.get('id')}"] = resource
            if url:
                self._resources.setdefault(url, resource)
            if resource["resourceType"] == "Slot":
                slots.append(resource)
            else:
                self._check_types(resource)
        return slots

    def finish(self, bundle: Node, slots: Sequence[FreeSlot | None]) -> Reading:
        """The answer understood; `slots`: what became of each Slot of it."""
        for path, wanted, value in mistyped(bundle, BUNDLE, "Bundle"):
            self.told.wrong("R01-13", path, f"{_element(path)} is {{}} instead of {wanted}", value)
        if bundle.get("type") != "searchset":
            self.told.wrong("R01-14", "Bundle.type", "{} instead of searchset", bundle.get("type"))
        further = (text_of(link, "url") for _, link in nodes_of(bundle, "link", "") if _is_next(link))
        following = next(further, None) or None  # an empty URL leads nowhere
        total = bundle.get("total")
        whole = total if isinstance(total, int) and not isinstance(total, bool) else None
        found = [slot for slot in slots if slot is not None]
        reading = Reading(found, [], whole, following, len(slots), self._count_schedules())
        if following is None and total not in reading.totals:
            self.told.wrong("R01-13", "Bundle.total", f"{{}}, but there are {len(slots)} slots", total)
        reading.findings.extend(self.told.all())
        return reading

    def _count_schedules(self) -> int:
        return len({key for key in self._resources if key.startswith("Schedule/")})

    def agenda(self, reference: str) -> tuple[str, Agenda] | None:
        """Id and agenda of the Schedule that a reference names; None when it names none."""
        key = self._key({"reference": reference}, "Schedule")
        return None if key is None else (key.partition("/")[2], self._schedule(key))

    def terms(self, slot: Node) -> Terms | None:
        """What a Slot has in common with others of its kind; None, and nothing told, when something is wrong."""
        before, self.told = self.told, Findings()
        self._check_types(slot)
        types, reasons = self._types(slot, "")
        cpts = self._cpts(slot, "")
        codes = {text_of(coding, "code") for _, coding in nodes_of(node_of(slot, "appointmentType"), "coding", "")}
        visibilities = self._visibilities(slot, "")
        wrong, self.told = len(self.told), before
        if wrong or not codes & {nos.ROUTINE, nos.WALKIN}:
            return None
        return Terms(visibilities, types, reasons, _specialties(slot), nos.WALKIN in codes, cpts)

    def slot(self, slot: Node) -> FreeSlot | None:
        path = self._name(slot)
        self._check_types(slot)
        if slot.get("status") != "free":
            self.told.wrong("R01-10", f"{path}.status", "{} instead of free", slot.get("status"))
            return None
        start, end = (self._instant(slot, key, path) for key in ("start", "end"))
        schedule = self._resolve(slot.get("schedule"), "Schedule", f"{path}.schedule", "R01-12")
        if start is None or end is None or schedule is None or self._is_endless(slot, schedule, path):
            return None
        if not start < end:
            self.told.wrong("R01-11", f"{path}.end", "not after the start")
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

    def _is_endless(self, slot: Node, schedule: str, path: str) -> bool:
        """True for ids that nobody could show or send back."""
        endless = max(len(text_of(slot, "id")), len(schedule.partition("/")[2])) > LONGEST_ID
        if endless:
            self.told.wrong("R01-9", f"{path}.id", f"an id of over {LONGEST_ID} characters, its own or its Schedule's")
        return endless

    def _instant(self, slot: Node, key: str, path: str) -> datetime | None:
        text = text_of(slot, key)
        try:
            instant = parse_datetime(text)
        except (ValueError, OverflowError):
            self.told.wrong("R01-11", f"{path}.{key}", f"{key} is {{}} instead of an instant", slot.get(key))
            return None
        if len(text) != 29:  # YYYY-MM-DDThh:mm:ss.sss+hh:mm
            self.told.wrong("R01-45", f"{path}.{key}", "{} has not three decimals and an offset", text)
        return instant

    def _visibilities(self, slot: Node, path: str) -> tuple[str, ...]:
        meta = node_of(slot, "meta")
        codes = [text_of(coding, "code") for _, coding in nodes_of(meta, "security", path)]
        unknown = [code for code in codes if code not in nos.VISIBILITIES]
        if unknown or not codes:
            requirement = "R01-46" if unknown else "R01-23"
            cause = "{} instead of " + ", ".join(nos.VISIBILITIES)
            self.told.wrong(requirement, f"{path}.meta.security", cause, ", ".join(codes) or None)
        return tuple(code for code in codes if code in nos.VISIBILITIES)

    def _types(self, slot: Node, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Consultation types and reasons; a type sent as text, or a reason as a code, is put right."""
        types: dict[str, None] = {}
        reasons: dict[str, None] = {}
        for where, concept in nodes_of(slot, "serviceType", path):
            text = text_of(concept, "text")
            if text in nos.CONSULTATIONS:
                self.told.wrong("R01-24", f"{where}.text", "the consultation type {} as text", text)
                types[text] = None
            elif text:
                reasons[self._short(text, where)] = None
            for place, coding in nodes_of(concept, "coding", where):
                system, code = text_of(coding, "system"), text_of(coding, "code")
                if system == nos.CONSULTATION and code in nos.CONSULTATIONS:
                    types[code] = None
                elif system not in _ESTABLISHMENTS:
                    self.told.wrong("R01-48", place, "{} is no consultation type", f"{system}|{code}")
                    if label := text_of(coding, "display"):
                        reasons[self._short(label, place)] = None
        if len(reasons) > MOST_REASONS:
            self.told.wrong(
                "R01-41", f"{path}.serviceType", f"more than {MOST_REASONS} reasons: the others are left out"
            )
        return tuple(types), tuple(reasons)[:MOST_REASONS]

    def _booking(self, slot: Node, path: str) -> tuple[bool, str | None]:
        codes = [text_of(coding, "code") for _, coding in nodes_of(node_of(slot, "appointmentType"), "coding", path)]
        comment = text_of(slot, "comment") or None
        if not set(codes) & {nos.ROUTINE, nos.WALKIN}:
            cause = f"{{}} instead of {nos.ROUTINE} or {nos.WALKIN}"
            self.told.wrong("R01-49", f"{path}.appointmentType", cause, ", ".join(codes) or None)
        walkin = nos.WALKIN in codes or (nos.ROUTINE not in codes and comment is None)
        if comment is None and not walkin:
            self.told.wrong("R01-25", f"{path}.comment", "a bookable slot without its booking URL")
        elif comment is not None and not _is_page(comment):
            self.told.wrong("R01-25", f"{path}.comment", "{} is no URL of a page", comment)
            comment = None
        return walkin, comment

    def _cpts(self, slot: Node, path: str) -> tuple[tuple[str, str], ...]:
        found: dict[str, str] = {}
        named = False
        for where, concept in nodes_of(slot, "serviceType", path):
            if not any(text_of(coding, "code") == nos.CPTS for _, coding in nodes_of(concept, "coding", where)):
                continue
            named = True
            references = [
                extension.get("valueReference")
                for _, extension in nodes_of(concept, "extension", where)
                if extension.get("url") == nos.SERVICE_TYPE
            ]
            service = self._resolve(references[0] if references else None, "HealthcareService", where, "R04-2")
            if service is not None:
                found |= self._organization(self._resources.get(service), service)
        seen = any(text_of(coding, "code") == "CPTS" for _, coding in nodes_of(node_of(slot, "meta"), "security", path))
        if seen and not named:
            self.told.wrong("R04-2", f"{path}.serviceType", "seen by CPTS, but by none that it names")
        return tuple(found.items())

    def _organization(self, service: Node | None, path: str) -> dict[str, str]:
        """FINESS and name of the Organization behind a HealthcareService."""
        if service is None:
            self.told.wrong("R04-2", path, "the HealthcareService is not in the answer")
            return {}
        key = self._resolve(service.get("providedBy"), "Organization", f"{path}.providedBy", "R04-3")
        organization = self._resources.get(key or "")
        if organization is None:
            self.told.wrong("R04-3", f"{path}.providedBy", "the Organization is not in the answer")
            return {}
        finess = self._structure(organization, self._name(organization), "R04-4")
        return {finess: text_of(organization, "name")[:LONGEST_TEXT]} if finess else {}

    def _structure(self, owner: Node, path: str, requirement: str) -> str | None:
        values = [text_of(identifier, "value") for _, identifier in nodes_of(owner, "identifier", path)]
        value = values[0] if values else ""
        if not value or prefixed_structure(value) != value:
            cause = "{} instead of the prefixed id of a structure"
            self.told.wrong(requirement, f"{path}.identifier.value", cause, value or None)
        return prefixed_structure(value) or None

    def _schedule(self, key: str) -> Agenda:
        if key not in self._schedules:
            self._schedules[key] = self._understand(key)
        return self._schedules[key]

    def _understand(self, key: str) -> Agenda:
        schedule = self._resources.get(key)
        if schedule is None:
            self.told.wrong("R01-12", key, "the Schedule is not in the answer")
            return Agenda()
        actors = [self._resources.get(reference_of(actor), NOTHING) for _, actor in nodes_of(schedule, "actor", key)]
        kinds: dict[str, Node] = {}
        for actor in actors:
            kinds.setdefault(str(actor.get("resourceType")), actor)
        if "Location" in kinds and self._is_site(kinds, key):
            return self._site(kinds["Location"])
        return self._person(kinds.get("Practitioner", NOTHING), kinds.get("PractitionerRole", NOTHING), key)

    def _is_site(self, kinds: dict[str, Node], key: str) -> bool:
        """Is the Location the actor: it is that of an association, or there is no person beside it."""
        person = kinds.keys() & {"Practitioner", "PractitionerRole"}
        if not person or reference_of(kinds["Location"].get("managingOrganization")):
            return True
        self.told.wrong("R01-42", f"{key}.actor", "a Location beside the person: its place is in the PractitionerRole")
        return False

    def _person(self, practitioner: Node, role: Node, key: str) -> Agenda:
        for requirement, kind, actor in (
            ("R01-15", "Practitioner", practitioner),
            ("R01-19", "PractitionerRole", role),
        ):
            if not actor:
                self.told.wrong(requirement, f"{key}.actor", f"the {kind} is not in the answer")
        if not practitioner and role:  # the role may still say who
            practitioner = self._resources.get(reference_of(role.get("practitioner")), NOTHING)
        name = next((name for _, name in nodes_of(practitioner, "name", "")), NOTHING)
        given = name.get("given")
        organization = node_of(node_of(role, "organization"), "identifier")
        structure = None
        if role:
            where = f"{self._name(role)}.organization"
            structure = self._structure({"identifier": [organization]}, where, "R01-20")
        return Agenda(
            practitioner=self._national_id(practitioner) if practitioner else None,
            family=text_of(name, "family")[:LONGEST_TEXT],
            given=_joined(given),
            phone=self._phone(role) or self._phone(practitioner),
            place=self._place(role) if role else None,
            structure=structure,
        )

    def _national_id(self, practitioner: Node) -> str | None:
        """The national id, with its prefix; one of another system than the national one is not taken for it."""
        name = self._name(practitioner)
        for path, identifier in nodes_of(practitioner, "identifier", name):
            value = text_of(identifier, "value")
            if identifier.get("system") != SYSTEM_PERSON or not value:
                continue
            if prefixed_person(value) != value:
                self.told.wrong("R01-17", f"{path}.value", "{} lacks its prefix", value)
            return prefixed_person(value)
        self.told.wrong("R01-16", f"{name}.identifier", "no national id")
        return None

    def _phone(self, owner: Node) -> str | None:
        for path, telecom in nodes_of(owner, "telecom", self._name(owner)):
            value = text_of(telecom, "value")
            if telecom.get("system") != "phone" or not value:
                continue
            national = national_phone(value[:LONGEST_TEXT])
            if national != value:
                self.told.wrong("R01-35", f"{path}.value", "{} has not the form +33…", value)
            return national
        return None

    def _place(self, role: Node) -> SlotPlace | None:
        """The Location contained in the role (an answer with several keeps the one that is referred to)."""
        wanted = {text_of(location, "reference").lstrip("#") for _, location in nodes_of(role, "location", "")}
        name = self._name(role)
        for path, each in nodes_of(role, "contained", name):
            if each.get("resourceType") == "Location" and text_of(each, "id") in wanted:
                return self._address(each, path)
        self.told.wrong("R01-22", f"{name}.contained", "the Location is not in the PractitionerRole")
        return None

    def _address(self, location: Node, path: str) -> SlotPlace:
        address = node_of(location, "address")
        line = _joined(address.get("line"))
        postal_code, city = text_of(address, "postalCode"), text_of(address, "city")
        for requirement, name, value in (("R01-38", "line", line), ("R01-39", "city", city)):
            if not value:
                self.told.wrong(requirement, f"{path}.address.{name}", f"an address without {name}")
        if len(postal_code) != 5 or not (postal_code.isascii() and postal_code.isdigit()):
            cause = "the postal code is {} instead of five digits"
            self.told.wrong("R01-40", f"{path}.address.postalCode", cause, postal_code or None)
        own = next((text_of(identifier, "value") for _, identifier in nodes_of(location, "identifier", path)), "")
        return SlotPlace(line, postal_code[:LONGEST_TEXT], city[:LONGEST_TEXT], own[:LONGEST_TEXT])

    def _site(self, location: Node) -> Agenda:
        path = self._name(location)
        organization = self._resources.get(reference_of(location.get("managingOrganization")))
        sos = None
        if organization is None:
            self.told.wrong("SOS-6", f"{path}.managingOrganization", "the Organization is not in the answer")
        else:
            siret = self._structure(organization, self._name(organization), "SOS-6")
            sos = (siret, text_of(organization, "name")[:LONGEST_TEXT]) if siret else None
        if not text_of(location, "name"):
            self.told.wrong("SOS-5", f"{path}.name", "a Location without a name")
        return Agenda(
            phone=self._phone(location), place=self._address(location, path), sos=sos,
            site=text_of(location, "name")[:LONGEST_TEXT] or None,
        )  # fmt: skip

    def _resolve(self, value: object, kind: str, path: str, requirement: str) -> str | None:
        """`<kind>/<id>` that a reference names, relative or absolute; None with a finding when it names none."""
        key = self._key(value, kind)
        if key is None:
            self.told.wrong(requirement, path, f"{{}} instead of a reference to a {kind}", reference_of(value) or None)
        return key

    def _key(self, value: object, kind: str) -> str | None:
        reference = reference_of(value)
        held = self._resources.get(reference)
        if held is not None and held.get("resourceType") == kind:
            return f"{kind}/{held.get('id')}"
        parts = reference.split("/")[-2:]
        return "/".join(parts) if len(parts) == 2 and parts[0] == kind and parts[1] else None

    def _name(self, resource: Node) -> str:
        """Where a resource is: by type and id, by its entry when it has no id."""
        if id(resource) in self._unnamed:
            return self._unnamed[id(resource)][0]
        kind, own = str(resource.get("resourceType")), shortened(text_of(resource, "id"))
        return f"{kind}/{own}" if own else kind

    def _check_types(self, resource: Node) -> None:
        if well_typed(resource):
            return
        elements, requirement = RESOURCES[resource["resourceType"]]
        for path, wanted, value in mistyped(resource, elements, ""):
            self.told.wrong(
                requirement, self._name(resource) + path, f"{_element(path)} is {{}} instead of {wanted}", value
            )

    def _short(self, text: str, path: str) -> str:
        """What is kept of a reason."""
        if len(text) > LONGEST_TEXT:
            self.told.wrong("R01-41", path, f"a reason of over {LONGEST_TEXT} characters is cut")
        return text[:LONGEST_TEXT]


def _joined(texts: object) -> str:
    """The texts of a list in one line."""
    found = [each for each in texts if isinstance(each, str)] if isinstance(texts, list) else []
    return " ".join(found)[:LONGEST_TEXT]


def _element(path: str) -> str:
    """The element of a path, wherever it is in lists."""
    return _INDEX.sub("", path).lstrip(".")


def _is_page(url: str) -> bool:
    return url.startswith(("http://", "https://")) and len(url) <= LONGEST_URL


def _is_next(link: Node) -> bool:
    return link.get("relation") == "next"


def _specialties(slot: Node) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for path, concept in nodes_of(slot, "specialty", ""):
        codes = [text_of(coding, "code") for _, coding in nodes_of(concept, "coding", path)]
        found.update(dict.fromkeys([code for code in codes if code] or [text_of(concept, "text")]))
    return tuple(each[:LONGEST_TEXT] for each in found if each)[:MOST_REASONS]
