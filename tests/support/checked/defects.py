"""Defects of a vendor's answers, each with the requirements that must find it, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.fhir import nos
from sandbox.kernel.clock import PARIS, fhir_instant
from tests.support.checked.stand_in import CPTS, NOW, PAIR, PHONELESS, TWO, Edit, Json


@dataclass(frozen=True)
class Defect:
    """`found`: requirements; `behaviour`: of the stand-in, or `edit`: of each answer; `path`: where it must be found;
    `tolerated`: it does not fail."""

    found: tuple[str, ...]
    edit: Edit | None = None
    behaviour: str = ""
    path: str = ""
    tolerated: bool = False


def of(bundle: Json, *kinds: str) -> Iterator[Json]:
    """The resources of these types."""
    return (each["resource"] for each in bundle.get("entry", ()) if each["resource"]["resourceType"] in kinds)


def each(change: Callable[[Json], Any], *kinds: str) -> Edit:
    """The change on each resource of these types."""

    def edit(bundle: Json, _: str) -> None:
        for resource in of(bundle, *kinds):
            change(resource)

    return edit


def put(kind: str, **values: Any) -> Edit:
    return each(lambda resource: resource.update(values), kind)


def drop(kind: str, *names: str) -> Edit:
    return each(lambda resource: [resource.pop(name, None) for name in names], kind)


def in_place(**values: Any) -> Edit:
    """On the address of the contained Locations."""
    return each(lambda role: role["contained"][0]["address"].update(values), "PractitionerRole")


def without(bundle: Json, gone: Callable[[Json], bool]) -> None:
    """Remove entries; `total` follows."""
    if "entry" in bundle:
        bundle["entry"] = [each for each in bundle["entry"] if not gone(each["resource"])]
        bundle["total"] = sum(1 for _ in of(bundle, "Slot"))
        if not bundle["entry"]:
            del bundle["entry"]


def _missing(kind: str) -> Edit:
    return lambda bundle, _: without(bundle, lambda resource: resource["resourceType"] == kind)


def _bundle(**values: Any) -> Edit:
    return lambda bundle, _: bundle.update(values)


def _entries(**values: Any) -> Edit:
    def edit(bundle: Json, _: str) -> None:
        for entry in bundle.get("entry", ()):
            for name, value in values.items():
                if value is None:
                    entry.pop(name)
                else:
                    entry[name] = value

    return edit


def _times(change: Callable[[str], str]) -> Edit:
    return each(lambda slot: slot.update(start=change(slot["start"]), end=change(slot["end"])), "Slot")


def _fixed_offset(text: str) -> str:
    """The same instant, always as in summer."""
    moved = datetime.fromisoformat(text).astimezone(PARIS)
    return fhir_instant(moved.astimezone(datetime.fromisoformat("2026-07-01T00:00:00+02:00").tzinfo))


def _zulu(text: str) -> str:
    return fhir_instant(datetime.fromisoformat(text).astimezone(UTC)).replace("+00:00", "Z")


def _extra(start: datetime, **values: Any) -> Edit:
    """Each agenda has a slot more, at that time."""

    def edit(bundle: Json, _: str) -> None:
        first: dict[str, Json] = {}
        for entry in bundle.get("entry", ()):
            if entry["resource"]["resourceType"] == "Slot":
                first.setdefault(entry["resource"]["schedule"]["reference"], entry)
        for entry in first.values():
            id, end = f"{entry['resource']['id']}-x", start + timedelta(minutes=15)
            slot = {**entry["resource"], "id": id, "start": fhir_instant(start), "end": fhir_instant(end), **values}
            bundle["entry"].insert(0, {**entry, "fullUrl": entry["fullUrl"] + "-x", "resource": slot})
            bundle["total"] += 1

    return edit


def _overlapping(bundle: Json, query: str) -> None:
    for slot in list(of(bundle, "Slot"))[:1]:
        later = datetime.fromisoformat(slot["start"]) + timedelta(minutes=5)
        _extra(later.astimezone(PARIS))(bundle, query)


def _merged(bundle: Json, query: str) -> None:
    """The slots of the second place are in the Schedule of the first, which names both roles."""
    schedules = [each for each in of(bundle, "Schedule") if each["id"] in ("b", "c")]
    if TWO in query and len(schedules) == 2:
        schedules[0]["actor"] += schedules[1]["actor"][1:]
        _into(bundle, "c", "b")
        without(bundle, lambda resource: resource["resourceType"] == "Schedule" and resource["id"] == "c")


def _one_place(bundle: Json, query: str) -> None:
    """The second place is not known at all."""
    if TWO in query:
        _into(bundle, "c", "b")
        gone = (("Schedule", "c"), ("PractitionerRole", "r-c"))
        without(bundle, lambda resource: (resource["resourceType"], resource["id"]) in gone)


def _wrong_owner(bundle: Json, query: str) -> None:
    if all(id in query for id in PAIR):
        _into(bundle, "e", "f")


def _into(bundle: Json, old: str, new: str) -> None:
    for slot in of(bundle, "Slot"):
        if slot["schedule"]["reference"] == f"Schedule/{old}":
            slot["schedule"]["reference"] = f"Schedule/{new}"


def _known_phone(bundle: Json, query: str) -> None:
    if PHONELESS in query:
        for role in of(bundle, "PractitionerRole"):
            role["telecom"] = [{"system": "phone", "value": "+33102030405"}]


def _twice(bundle: Json, _: str) -> None:
    people = [each for each in bundle.get("entry", ()) if each["resource"]["resourceType"] == "Practitioner"]
    bundle.setdefault("entry", []).extend(people)
    if not bundle["entry"]:
        del bundle["entry"]


def _empty_entry(bundle: Json, _: str) -> None:
    bundle.setdefault("entry", [])


def _as_text(slot: Json) -> None:
    slot["serviceType"][0] = {"text": "AMB"}


def _as_code(slot: Json) -> None:
    slot["serviceType"][1] = {"coding": [{"system": nos.CONSULTATION, "code": "MOTIF", "display": "Consultation"}]}


def _stranger(bundle: Json, query: str) -> None:
    if "identifier" in query:
        for person in of(bundle, "Practitioner"):
            person["identifier"][0]["value"] = "819999999905"


def _unprefixed(owner: Json) -> None:
    owner["identifier"][0]["value"] = owner["identifier"][0]["value"][1:]


def _unprefixed_structure(role: Json) -> None:
    role["organization"]["identifier"]["value"] = "990000019"


def _other_holder(role: Json) -> None:
    role["practitioner"]["reference"] = "Practitioner/another"


INSTANT = r"Slot/[a-z]-\d+\.start"
PRACTITIONERS: Mapping[str, Defect] = {
    "no organization": Defect(
        ("R01-20",), drop("PractitionerRole", "organization"), path="PractitionerRole/r-a.organization"
    ),
    "structure without prefix": Defect(
        ("R01-20",), each(_unprefixed_structure, "PractitionerRole"),
        path="PractitionerRole/r-a.organization.identifier.value",
    ),
    "no specialty": Defect(
        ("R01-41",), each(lambda one: one.pop("specialty", None), "Slot", "PractitionerRole"),
        path="Slot/a-0.specialty", tolerated=True,
    ),
    "empty element of slots": Defect(("R01-9",), put("Slot", serviceCategory=[]), path="Slot/a-0.serviceCategory"),
    "empty element of people": Defect(("R01-32",), put("Practitioner", birthDate="")),
    "empty element of roles": Defect(("R01-31",), put("PractitionerRole", period={})),
    "empty element of places": Defect(
        ("R01-37",), each(lambda one: one["contained"][0].update(description=""), "PractitionerRole"),
        path=r"PractitionerRole/r-a.contained\[0\].description",
    ),
    "empty element of agendas": Defect(("R01-13",), put("Schedule", comment="")),
    "merged places": Defect(("R01-42",), _merged, path="Schedule/b.actor"),
    "one place of two": Defect(("R01-42",), _one_place),
    "wrong owner": Defect(("R01-44",), _wrong_owner, path="Slot/e-0.schedule.reference"),
    "wrong system of visibility": Defect(
        ("R01-23",), each(lambda one: one["meta"]["security"][0].update(system="urn:x"), "Slot"),
        path=r"Slot/a-0.meta.security\[0\].system",
    ),
    "unknown visibility": Defect(("R01-46",), each(lambda one: one["meta"]["security"][0].update(code="TOUS"), "Slot")),
    "no visibility": Defect(("R01-23",), each(lambda one: one["meta"].pop("security"), "Slot")),
    "wrong system of types": Defect(
        ("R01-24",), each(lambda one: one["serviceType"][0]["coding"][0].update(system="urn:x"), "Slot")
    ),
    "unknown type": Defect(("R01-48",), each(lambda one: one["serviceType"][0]["coding"][0].update(code="XX"), "Slot")),
    "types as text": Defect(("R01-24",), each(_as_text, "Slot")),
    "reasons as codes": Defect(("R01-48",), each(_as_code, "Slot")),
    "no serviceType": Defect(("R01-24",), drop("Slot", "serviceType"), path="Slot/a-0.serviceType"),
    "wrong system of appointmentType": Defect(
        ("R01-49",), each(lambda one: one["appointmentType"]["coding"][0].update(system="urn:x"), "Slot")
    ),
    "unknown appointmentType": Defect(
        ("R01-49",), each(lambda one: one["appointmentType"]["coding"][0].update(code="EMERGENCY"), "Slot")
    ),
    "no appointmentType": Defect(("R01-49",), drop("Slot", "appointmentType")),
    "no profile of slots": Defect(
        ("R01-9",), each(lambda one: one["meta"].pop("profile"), "Slot"), path="Slot/a-0.meta.profile"
    ),
    "several profiles": Defect(("R01-9",), each(lambda one: one["meta"]["profile"].append("urn:x"), "Slot")),
    "another profile": Defect(
        ("R01-9",), each(lambda one: one["meta"].update(profile=[nos.CPTS_SLOT_PROFILE]), "Slot")
    ),
    "no profile of people": Defect(("R01-32",), drop("Practitioner", "meta")),
    "no profile of roles": Defect(("R01-31",), drop("PractitionerRole", "meta")),
    "no profile of places": Defect(("R01-37",), each(lambda one: one["contained"][0].pop("meta"), "PractitionerRole")),
    "no profile of the Bundle": Defect(("R01-13",), lambda bundle, _: bundle.pop("meta"), path="Bundle.meta.profile"),
    "no link self": Defect(("R01-L",), lambda bundle, _: bundle.pop("link"), path="Bundle.link"),
    "another link self": Defect(("R01-L",), _bundle(link=[{"relation": "self", "url": "https://agenda.invalid/fhir/Slot"}])),
    "no fullUrl": Defect(("R01-13",), _entries(fullUrl=None), path=r"Bundle.entry\[0\].fullUrl"),
    "no search.mode": Defect(("R01-13",), _entries(search=None), path=r"Bundle.entry\[0\].search.mode"),
    "wrong search.mode": Defect(("R01-13",), _entries(search={"mode": "match"})),
    "phone without system": Defect(
        ("R01-35",), each(lambda one: [each.pop("system") for each in one.get("telecom", ())], "Practitioner"),
        path=r"Practitioner/p819900000011.telecom\[0\].system",
    ),
    "malformed phone": Defect(
        ("R01-35",),
        each(lambda one: [each.update(value="01 02 03 04 05") for each in one.get("telecom", ())], "PractitionerRole"),
    ),
    "phone that is not known": Defect(("R01-36",), _known_phone, path="PractitionerRole/r-d.telecom"),
    "offset of summer in winter": Defect(("R01-45",), _times(_fixed_offset), path=r"Slot/a-[23].start"),
    "no offset": Defect(("R01-45",), _times(lambda text: text[:-6]), path=INSTANT),
    "no milliseconds": Defect(("R01-45",), _times(lambda text: text.replace(".000", "")), path=INSTANT),
    "UTC": Defect(
        ("R01-45",), _times(_zulu)
    ),
    "no role.practitioner": Defect(("R01-21",), drop("PractitionerRole", "practitioner")),
    "another role.practitioner": Defect(
        ("R01-21",), each(_other_holder, "PractitionerRole"), path="PractitionerRole/r-a.practitioner.reference"
    ),
    "no contained place": Defect(("R01-22",), drop("PractitionerRole", "contained")),
    "no line": Defect(("R01-38",), each(lambda one: one["contained"][0]["address"].pop("line"), "PractitionerRole")),
    "no city": Defect(("R01-39",), each(lambda one: one["contained"][0]["address"].pop("city"), "PractitionerRole")),
    "short postal code": Defect(("R01-40",), in_place(postalCode="3300")),
    "html": Defect(("ROB-6",), behaviour="html", path="HTTP Content-Type"),
    "empty entry": Defect(("R01-8",), _empty_entry, path="Bundle.entry"),
    "twice the same": Defect(("R01-13",), _twice),
    "slow": Defect(("R01-P",), behaviour="slow", tolerated=True),
    "too slow": Defect(("R01-P",), behaviour="too-slow"),
    "404 if empty": Defect(("R01-8",), behaviour="absent-if-empty"),
    "500 if empty": Defect(("R01-8",), behaviour="fails-if-empty"),
    "includes everything": Defect(("R01-30",), behaviour="includes-all"),
    "slots over each other": Defect(("R01-47",), _overlapping),
    "busy": Defect(("R01-10",), put("Slot", status="busy"), path="Slot/a-0.status"),
    "a past slot": Defect(("R01-5",), _extra(NOW - timedelta(days=5)), path=r"Slot/a-\d-x.start"),
    "start is ignored": Defect(("R01-5",), behaviour="ignores-start"),
    "end is ignored": Defect(("R01-6",), behaviour="ignores-end"),
    "a later slot": Defect(("R01-6",), _extra(NOW + timedelta(days=20))),
    "no Schedule": Defect(("R01-12", "R01-28"), _missing("Schedule")),
    "no Practitioner": Defect(("R01-43",), _missing("Practitioner"), path="Schedule/a.actor"),
    "no PractitionerRole": Defect(("R01-43",), _missing("PractitionerRole")),
    "Schedule without its Practitioner": Defect(("R01-15",), each(lambda one: one["actor"].pop(0), "Schedule")),
    "Schedule without its role": Defect(("R01-19",), each(lambda one: one["actor"].pop(1), "Schedule")),
    "id without prefix": Defect(
        ("R01-18",), each(_unprefixed, "Practitioner"),
        path=r"Practitioner/p819900000011.identifier\[0\].value",
    ),
    "another practitioner": Defect(("R01-16", "R01-44"), _stranger),
    "no national identifier": Defect(("R01-16",), drop("Practitioner", "identifier")),
    "wrong type of identifier": Defect(
        ("R01-17",), each(lambda one: one["identifier"][0]["type"]["coding"][0].update(code="RPPS"), "Practitioner")
    ),
    "no name": Defect(("R01-33",), drop("Practitioner", "name")),
    "no booking URL": Defect(("R01-25",), drop("Slot", "comment"), path="Slot/a-0.comment"),
    "booking URL that is none": Defect(("R01-25",), put("Slot", comment="rdv?slot=1")),
    "booking URL without query": Defect(("R01-25",), put("Slot", comment="https://agenda.invalid/rdv"), tolerated=True),
    "ends before it begins": Defect(
        ("R01-11",), each(lambda one: one.update(start=one["end"], end=one["start"]), "Slot"), path="Slot/a-0.end"
    ),
    "wrong total": Defect(
        ("R01-13",), lambda bundle, _: bundle.update(total=bundle["total"] and 99), path="Bundle.total"
    ),
    "wrong type of Bundle": Defect(("R01-14",), _bundle(type="collection"), path="Bundle.type"),
    "found with prefix only": Defect(("R01-29",), behaviour="wants-prefix"),
    "found without prefix only": Defect(("R01-29",), behaviour="wants-no-prefix"),
    "status is ignored": Defect(("R01-27",), behaviour="any-status"),
}  # fmt: skip


def _two_services(bundle: Json, _: str) -> None:
    for service in of(bundle, "HealthcareService"):
        service["providedBy"]["reference"] = f"Organization/o{CPTS[0]}"
    without(bundle, lambda one: one["resourceType"] == "Organization" and one["id"] == f"o{CPTS[1]}")


COMMUNITIES: Mapping[str, Defect] = {
    "no HealthcareService": Defect(("R04-2",), _missing("HealthcareService"), path=r"Slot/g-0.serviceType.extension"),
    "no Organization": Defect(
        ("R04-3",), _missing("Organization"), path="HealthcareService/1999000016.providedBy.reference"
    ),
    "no reference": Defect(
        ("R04-2",), each(lambda one: one.update(serviceType=one["serviceType"][:2]), "Slot"),
        path="Slot/g-0.serviceType",
    ),
    "FINESS without prefix": Defect(
        ("R04-4",), each(lambda one: one["identifier"][0].update(value="999000016"), "Organization"),
        path=r"Organization/o1999000016.identifier\[0\].value",
    ),
    "one Organization of two services": Defect(("R04-3",), _two_services),
    "Organization without name": Defect(("R04-4",), drop("Organization", "name")),
    "profile of INT_R01": Defect(("R04-1",), lambda bundle, _: bundle["meta"].update(profile=[nos.BUNDLE_PROFILE])),
    "slots by the profile of INT_R01": Defect(
        ("R01-9",), each(lambda one: one["meta"].update(profile=[nos.SLOT_PROFILE]), "Slot")
    ),
    "pages": Defect(("R04-1",), lambda bundle, _: bundle["link"].append({"relation": "next", "url": "https://x.invalid"})),
    "one CPTS of a slot in two": Defect(
        ("R04-5",), each(lambda one: one.update(serviceType=one["serviceType"][:3]), "Slot")
    ),
    "no CPTS at all": Defect(
        ("R04-2",),
        each(lambda one: one["meta"].update(security=[{"system": nos.VISIBILITY, "code": "PUBLIC"}]), "Slot"),
    ),
}  # fmt: skip


def _same_schedule(bundle: Json, _: str) -> None:
    schedules = list(of(bundle, "Schedule"))
    if len(schedules) > 1:
        schedules[-1]["actor"] = schedules[0]["actor"]


def _first_association(bundle: Json, query: str) -> None:
    sites = list(of(bundle, "Organization"))
    if len(sites) > 1:
        gone = {each["id"] for each in sites[1:]}
        without(bundle, lambda one: one["resourceType"] == "Organization" and one["id"] in gone)


SITES: Mapping[str, Defect] = {
    "two agendas of a site": Defect(("SOS-4",), _same_schedule),
    "no name of the site": Defect(("SOS-5",), drop("Location", "name"), path="Location/s.name"),
    "malformed hours": Defect(
        ("SOS-5",), each(lambda one: one["hoursOfOperation"][0].update(openingTime="8h"), "Location"),
        path=r"Location/s.hoursOfOperation\[0\].openingTime",
    ),
    "no phone of the site": Defect(("SOS-11",), drop("Location", "telecom"), path="Location/s.telecom"),
    "SIRET without prefix": Defect(
        ("SOS-6",), each(_unprefixed, "Organization")
    ),
    "no association": Defect(("SOS-6",), _first_association),
    "visibility PRO": Defect(("SOS-7",), each(lambda one: one["meta"]["security"][0].update(code="PRO"), "Slot")),
    "home visits": Defect(
        ("SOS-11",), each(lambda one: one["serviceType"][0]["coding"][0].update(code="HH"), "Slot"), tolerated=True
    ),
    "404 if empty": Defect(("SOS-10",), behaviour="absent-if-empty"),
    "start is ignored": Defect(("SOS-2",), behaviour="ignores-start"),
    "end is ignored": Defect(("SOS-2",), behaviour="ignores-end"),
    "no profile": Defect(("SOS-3",), each(lambda one: one.pop("meta"), "Schedule"), path="Schedule/s.meta.profile"),
    "search.mode of INT_R01": Defect(("SOS-3",), _entries(search={"mode": "include"})),
    "found with prefix only": Defect(("SOS-1",), behaviour="wants-prefix"),
    "no _has": Defect(("SOS-1",), behaviour="only-plain", tolerated=True),
    "no milliseconds": Defect(("R01-45",), _times(lambda text: text.replace(".000", "")), path=r"Slot/s-0.start"),
}  # fmt: skip
MANNERS: Mapping[str, Defect] = {
    "crashes": Defect(("ROB-1", "ROB-2"), behaviour="crashes"),
    "errors in a form of its own": Defect(("ROB-1", "ROB-2"), behaviour="plain-errors", tolerated=True),
    "chokes": Defect(("ROB-3",), behaviour="chokes"),
    "takes anything": Defect(("ROB-4",), behaviour="takes-anything"),
    "reads anything": Defect(("ROB-5",), behaviour="reads-anything"),
    "no reads": Defect(("ROB-7",), behaviour="no-reads"),
    "no POST": Defect(("ROB-8",), behaviour="no-post"),
    "html": Defect(("ROB-6",), behaviour="html"),
}
STATEMENT: Mapping[str, Defect] = {
    "kind": Defect(("CAP-1",), behaviour="odd-kind", path="CapabilityStatement.kind"),
    "version": Defect(("CAP-1",), behaviour="old-fhir", path="CapabilityStatement.fhirVersion"),
    "a search that is not stated": Defect(("CAP-1",), behaviour="undeclared"),
}
