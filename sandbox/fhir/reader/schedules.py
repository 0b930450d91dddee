"""Reads a Schedule of an editor's answer: its owner and its place. Pure; never raises."""

from __future__ import annotations

from sandbox.fhir.reader.answers import Agenda, SlotPlace
from sandbox.fhir.reader.held import LONGEST_TEXT, HeldResources
from sandbox.fhir.reader.nodes import NOTHING, Node, node_of, nodes_of, reference_of, text_of
from sandbox.kernel.identifiers import SYSTEM_PERSON, national_phone, prefixed_person


class ScheduleReader:
    """The agendas of one answer, each read once."""

    def __init__(self, held: HeldResources) -> None:
        self._held = held
        self._agendas: dict[str, Agenda] = {}

    def agenda(self, key: str) -> Agenda:
        """The agenda of the Schedule `Schedule/<id>`; an empty one, with a finding, when the answer lacks it."""
        if key not in self._agendas:
            self._agendas[key] = self._read(key)
        return self._agendas[key]

    def _read(self, key: str) -> Agenda:
        schedule = self._held.resources.get(key)
        if schedule is None:
            self._held.findings.wrong("R01-12", key, "the Schedule is not in the answer")
            return Agenda()
        actors = [
            self._held.resources.get(reference_of(actor), NOTHING) for _, actor in nodes_of(schedule, "actor", key)
        ]
        kinds: dict[str, Node] = {}
        for actor in actors:
            kinds.setdefault(str(actor.get("resourceType")), actor)
        if "Location" in kinds and self._is_site(kinds, key):
            return self._site(kinds["Location"])
        return self._person(kinds.get("Practitioner", NOTHING), kinds.get("PractitionerRole", NOTHING), key)

    def _is_site(self, kinds: dict[str, Node], key: str) -> bool:
        """Whether the Location is the actor: the Schedule belongs to an association, or has no person as another
        actor."""
        person = kinds.keys() & {"Practitioner", "PractitionerRole"}
        if not person or reference_of(kinds["Location"].get("managingOrganization")):
            return True
        self._held.findings.wrong(
            "R01-42", f"{key}.actor", "a Location beside the person: its place is in the PractitionerRole"
        )
        return False

    def _person(self, practitioner: Node, role: Node, key: str) -> Agenda:
        for requirement, kind, actor in (
            ("R01-15", "Practitioner", practitioner),
            ("R01-19", "PractitionerRole", role),
        ):
            if not actor:
                self._held.findings.wrong(requirement, f"{key}.actor", f"the {kind} is not in the answer")
        if not practitioner and role:  # the role may refer to the practitioner
            practitioner = self._held.resources.get(reference_of(role.get("practitioner")), NOTHING)
        name = next((name for _, name in nodes_of(practitioner, "name", "")), NOTHING)
        given = name.get("given")
        organization = node_of(node_of(role, "organization"), "identifier")
        structure = None
        if role:
            where = f"{self._held.name(role)}.organization"
            structure = self._held.structure({"identifier": [organization]}, where, "R01-20")
        return Agenda(
            practitioner=self._national_id(practitioner) if practitioner else None,
            family=text_of(name, "family")[:LONGEST_TEXT],
            given=_joined(given),
            phone=self._phone(role) or self._phone(practitioner),
            place=self._place(role) if role else None,
            structure=structure,
        )

    def _national_id(self, practitioner: Node) -> str | None:
        """The national id, with its prefix; an identifier of another system is not accepted as one."""
        name = self._held.name(practitioner)
        for path, identifier in nodes_of(practitioner, "identifier", name):
            value = text_of(identifier, "value")
            if identifier.get("system") != SYSTEM_PERSON or not value:
                continue
            if prefixed_person(value) != value:
                self._held.findings.wrong("R01-17", f"{path}.value", "{} lacks its prefix", value)
            return prefixed_person(value)
        self._held.findings.wrong("R01-16", f"{name}.identifier", "no national id")
        return None

    def _phone(self, owner: Node) -> str | None:
        for path, telecom in nodes_of(owner, "telecom", self._held.name(owner)):
            value = text_of(telecom, "value")
            if telecom.get("system") != "phone" or not value:
                continue
            national = national_phone(value[:LONGEST_TEXT])
            if national != value:
                self._held.findings.wrong("R01-35", f"{path}.value", "{} has not the form +33…", value)
            return national
        return None

    def _place(self, role: Node) -> SlotPlace | None:
        """The Location contained in the role (if there are several, the one that is referred to)."""
        wanted = {text_of(location, "reference").lstrip("#") for _, location in nodes_of(role, "location", "")}
        name = self._held.name(role)
        for path, each in nodes_of(role, "contained", name):
            if each.get("resourceType") == "Location" and text_of(each, "id") in wanted:
                return self._address(each, path)
        self._held.findings.wrong("R01-22", f"{name}.contained", "the Location is not in the PractitionerRole")
        return None

    def _address(self, location: Node, path: str) -> SlotPlace:
        address = node_of(location, "address")
        line = _joined(address.get("line"))
        postal_code, city = text_of(address, "postalCode"), text_of(address, "city")
        for requirement, name, value in (("R01-38", "line", line), ("R01-39", "city", city)):
            if not value:
                self._held.findings.wrong(requirement, f"{path}.address.{name}", f"an address without {name}")
        if len(postal_code) != 5 or not (postal_code.isascii() and postal_code.isdigit()):
            cause = "the postal code is {} instead of five digits"
            self._held.findings.wrong("R01-40", f"{path}.address.postalCode", cause, postal_code or None)
        own = next((text_of(identifier, "value") for _, identifier in nodes_of(location, "identifier", path)), "")
        return SlotPlace(line, postal_code[:LONGEST_TEXT], city[:LONGEST_TEXT], own[:LONGEST_TEXT])

    def _site(self, location: Node) -> Agenda:
        path = self._held.name(location)
        organization = self._held.resources.get(reference_of(location.get("managingOrganization")))
        sos = None
        if organization is None:
            self._held.findings.wrong("SOS-6", f"{path}.managingOrganization", "the Organization is not in the answer")
        else:
            siret = self._held.structure(organization, self._held.name(organization), "SOS-6")
            sos = (siret, text_of(organization, "name")[:LONGEST_TEXT]) if siret else None
        if not text_of(location, "name"):
            self._held.findings.wrong("SOS-5", f"{path}.name", "a Location without a name")
        return Agenda(
            phone=self._phone(location), place=self._address(location, path), sos=sos,
            site=text_of(location, "name")[:LONGEST_TEXT] or None,
        )  # fmt: skip


def _joined(texts: object) -> str:
    """The texts of a list in one line."""
    found = [each for each in texts if isinstance(each, str)] if isinstance(texts, list) else []
    return " ".join(found)[:LONGEST_TEXT]
