"""Reads a Slot of an editor's answer in detail, with findings. Pure; never raises."""

from __future__ import annotations

from datetime import datetime

from sandbox.fhir import nos
from sandbox.fhir.reader.answers import FreeSlot, Terms
from sandbox.fhir.reader.held import LONGEST_TEXT, HeldResources
from sandbox.fhir.reader.nodes import Node, node_of, nodes_of, text_of
from sandbox.fhir.reader.schedules import ScheduleReader
from sandbox.fhir.rules import Findings
from sandbox.kernel.clock import parse_datetime

MOST_REASONS = 20  # reasons of one slot
LONGEST_ID = 64  # characters (FHIR R4, 2.24.0.1)
LONGEST_URL = 2048  # characters of the URL of a linked page
_ESTABLISHMENTS = (nos.ESTABLISHMENT, nos.ESTABLISHMENT_SHORT)


class SlotReader:
    """The Slots of one answer."""

    def __init__(self, held: HeldResources, schedules: ScheduleReader) -> None:
        self._held, self._schedules = held, schedules

    def slot(self, slot: Node) -> FreeSlot | None:
        """A free slot with everything that belongs to it; None, with a finding, for one that cannot be used."""
        path = self._held.name(slot)
        self._held.check_types(slot)
        if slot.get("status") != "free":
            self._held.findings.wrong("R01-10", f"{path}.status", "{} instead of free", slot.get("status"))
            return None
        start, end = (self._instant(slot, key, path) for key in ("start", "end"))
        schedule = self._held.resolve(slot.get("schedule"), "Schedule", f"{path}.schedule", "R01-12")
        if start is None or end is None or schedule is None or self._has_long_id(slot, schedule, path):
            return None
        if not start < end:
            self._held.findings.wrong("R01-11", f"{path}.end", "not after the start")
            return None
        types, reasons = self._types(slot, path)
        walkin, comment = self._booking(slot, path)
        known = self._schedules.agenda(schedule)
        return FreeSlot(
            schedule=schedule.partition("/")[2], slot_id=text_of(slot, "id"), start=start, end=end,
            practitioner=known.practitioner, family=known.family, given=known.given,
            visibilities=self._visibilities(slot, path), types=types, reasons=reasons,
            specialties=_specialties(slot), walkin=walkin, comment=comment, phone=known.phone, place=known.place,
            structure=known.structure, cpts=self._cpts(slot, path), sos=known.sos, site=known.site,
        )  # fmt: skip

    def terms(self, slot: Node) -> Terms | None:
        """The values that a Slot shares with others of its kind; None, without a finding, when something is wrong."""
        before, self._held.findings = self._held.findings, Findings()
        self._held.check_types(slot)
        types, reasons = self._types(slot, "")
        cpts = self._cpts(slot, "")
        codes = {text_of(coding, "code") for _, coding in nodes_of(node_of(slot, "appointmentType"), "coding", "")}
        visibilities = self._visibilities(slot, "")
        wrong, self._held.findings = len(self._held.findings), before
        if wrong or not codes & {nos.ROUTINE, nos.WALKIN}:
            return None
        return Terms(visibilities, types, reasons, _specialties(slot), nos.WALKIN in codes, cpts)

    def _has_long_id(self, slot: Node, schedule: str, path: str) -> bool:
        """True, with a finding, when the id of the Slot or of its Schedule exceeds LONGEST_ID."""
        too_long = max(len(text_of(slot, "id")), len(schedule.partition("/")[2])) > LONGEST_ID
        if too_long:
            self._held.findings.wrong(
                "R01-9", f"{path}.id", f"an id of over {LONGEST_ID} characters, its own or its Schedule's"
            )
        return too_long

    def _instant(self, slot: Node, key: str, path: str) -> datetime | None:
        text = text_of(slot, key)
        try:
            instant = parse_datetime(text)
        except (ValueError, OverflowError):
            self._held.findings.wrong("R01-11", f"{path}.{key}", f"{key} is {{}} instead of an instant", slot.get(key))
            return None
        if len(text) != 29:  # YYYY-MM-DDThh:mm:ss.sss+hh:mm
            self._held.findings.wrong("R01-45", f"{path}.{key}", "{} has not three decimals and an offset", text)
        return instant

    def _visibilities(self, slot: Node, path: str) -> tuple[str, ...]:
        meta = node_of(slot, "meta")
        codes = [text_of(coding, "code") for _, coding in nodes_of(meta, "security", path)]
        unknown = [code for code in codes if code not in nos.VISIBILITIES]
        if unknown or not codes:
            requirement = "R01-46" if unknown else "R01-23"
            cause = "{} instead of " + ", ".join(nos.VISIBILITIES)
            self._held.findings.wrong(requirement, f"{path}.meta.security", cause, ", ".join(codes) or None)
        return tuple(code for code in codes if code in nos.VISIBILITIES)

    def _types(self, slot: Node, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Consultation types and reasons; a type sent as text, or a reason sent as a code, is corrected."""
        types: dict[str, None] = {}
        reasons: dict[str, None] = {}
        for where, concept in nodes_of(slot, "serviceType", path):
            text = text_of(concept, "text")
            if text in nos.CONSULTATIONS:
                self._held.findings.wrong("R01-24", f"{where}.text", "the consultation type {} as text", text)
                types[text] = None
            elif text:
                reasons[self._short(text, where)] = None
            for place, coding in nodes_of(concept, "coding", where):
                system, code = text_of(coding, "system"), text_of(coding, "code")
                if system == nos.CONSULTATION and code in nos.CONSULTATIONS:
                    types[code] = None
                elif system not in _ESTABLISHMENTS:
                    self._held.findings.wrong("R01-48", place, "{} is no consultation type", f"{system}|{code}")
                    if label := text_of(coding, "display"):
                        reasons[self._short(label, place)] = None
        if len(reasons) > MOST_REASONS:
            self._held.findings.wrong(
                "R01-41", f"{path}.serviceType", f"more than {MOST_REASONS} reasons: the others are left out"
            )
        return tuple(types), tuple(reasons)[:MOST_REASONS]

    def _booking(self, slot: Node, path: str) -> tuple[bool, str | None]:
        codes = [text_of(coding, "code") for _, coding in nodes_of(node_of(slot, "appointmentType"), "coding", path)]
        comment = text_of(slot, "comment") or None
        if not set(codes) & {nos.ROUTINE, nos.WALKIN}:
            cause = f"{{}} instead of {nos.ROUTINE} or {nos.WALKIN}"
            self._held.findings.wrong("R01-49", f"{path}.appointmentType", cause, ", ".join(codes) or None)
        walkin = nos.WALKIN in codes or (nos.ROUTINE not in codes and comment is None)
        if comment is None and not walkin:
            self._held.findings.wrong("R01-25", f"{path}.comment", "a bookable slot without its booking URL")
        elif comment is not None and not _is_page(comment):
            self._held.findings.wrong("R01-25", f"{path}.comment", "{} is no URL of a page", comment)
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
            service = self._held.resolve(references[0] if references else None, "HealthcareService", where, "R04-2")
            if service is not None:
                found |= self._organization(self._held.resources.get(service), service)
        seen = any(text_of(coding, "code") == "CPTS" for _, coding in nodes_of(node_of(slot, "meta"), "security", path))
        if seen and not named:
            self._held.findings.wrong("R04-2", f"{path}.serviceType", "seen by CPTS, but by none that it names")
        return tuple(found.items())

    def _organization(self, service: Node | None, path: str) -> dict[str, str]:
        """FINESS and name of the Organization behind a HealthcareService."""
        if service is None:
            self._held.findings.wrong("R04-2", path, "the HealthcareService is not in the answer")
            return {}
        key = self._held.resolve(service.get("providedBy"), "Organization", f"{path}.providedBy", "R04-3")
        organization = self._held.resources.get(key or "")
        if organization is None:
            self._held.findings.wrong("R04-3", f"{path}.providedBy", "the Organization is not in the answer")
            return {}
        finess = self._held.structure(organization, self._held.name(organization), "R04-4")
        return {finess: text_of(organization, "name")[:LONGEST_TEXT]} if finess else {}

    def _short(self, text: str, path: str) -> str:
        """The part of a reason that is kept."""
        if len(text) > LONGEST_TEXT:
            self._held.findings.wrong("R01-41", path, f"a reason of over {LONGEST_TEXT} characters is cut")
        return text[:LONGEST_TEXT]


def _is_page(url: str) -> bool:
    return url.startswith(("http://", "https://")) and len(url) <= LONGEST_URL


def _specialties(slot: Node) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for path, concept in nodes_of(slot, "specialty", ""):
        codes = [text_of(coding, "code") for _, coding in nodes_of(concept, "coding", path)]
        found.update(dict.fromkeys([code for code in codes if code] or [text_of(concept, "text")]))
    return tuple(each[:LONGEST_TEXT] for each in found if each)[:MOST_REASONS]
