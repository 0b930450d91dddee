"""The rules of the SAS profiles, stated by us as data: what a resource must look like under its `meta.profile`.

From the definitions of `ans.fhir.fr.sas` 1.1.0 and 1.2.0 and the guide's text; rules that only the text has
(`search.mode`, dates with exactly three decimals, visibilities present) are marked with their requirement all the
same. Where sources or versions disagree every form is accepted, unless one version is chosen to judge by. A resource
of an unknown profile is only judged by the general rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.fhir import nos
from sandbox.fhir.rules import Finding, Rule, apply, general, one, some, walk
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import LOCATION_TYPES, SYSTEM_PERSON, SYSTEM_SAS, SYSTEM_STRUCTURE, TYPES

__all__ = ["BUNDLES", "PROFILES", "Finding", "check"]

Node = Mapping[str, Any]
_LOCATION_TYPES = (LOCATION_TYPES, nos.CORE_TYPES)
_PERSON_TYPES = (TYPES, nos.CORE_TYPES)


def _identifier(
    path: str, requirement: str, types: tuple[str, ...], code: str, system: str, form: str
) -> tuple[Rule, ...]:
    return (
        one(f"{path}.type", requirement),
        one(f"{path}.type.coding", requirement),
        Rule(f"{path}.type.coding.system", requirement, values=types),
        Rule(f"{path}.type.coding.code", requirement, values=(code,)),
        one(f"{path}.system", requirement, values=(system,) if system else ()),
        one(f"{path}.value", requirement, form=form),
    )


_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
_PHONE = r"\+33\d{9}|\+(262|590|594|596)\d{9}"
_STRUCTURE = r"1\d{9}|3\d{14}|4\d{14}"
_PERSON = r"8\d{11}|0[0-9A-Za-z]{9}"


def _slot(visibilities: tuple[str, ...]) -> tuple[Rule, ...]:
    return (
        some("meta.security", "R01-23"),
        Rule("meta.security.system", "R01-23", values=(nos.VISIBILITY,)),
        one("meta.security.code", "R01-46", values=visibilities),
        one("schedule", "R01-12"),
        one("schedule.reference", "R01-12", target=("Schedule",)),
        one("status", "R01-10", values=("free",)),
        one("start", "R01-45", form=_INSTANT),
        one("end", "R01-45", form=_INSTANT),
        one("appointmentType", "R01-49"),
        some("appointmentType.coding", "R01-49"),
        Rule("appointmentType.coding.system", "R01-49", values=(nos.BOOKING,)),
        one("appointmentType.coding.code", "R01-49", values=(nos.ROUTINE, nos.WALKIN)),
        Rule("specialty.coding.system", "R01-41", values=(nos.SPECIALTY,)),
        Rule("comment", "R01-25", most=1, form=r"https?://\S+"),
    )


_TELECOM = (
    Rule("telecom.system", "R01-35", values=("phone",)),
    one("telecom.value", "R01-35", form=_PHONE),
)
_ADDRESS = (
    one("address", "R01-37"),
    one("address.line", "R01-38"),
    one("address.city", "R01-39"),
    one("address.postalCode", "R01-40", form=r"\d{5}"),
)
_LOCATION = (
    some("identifier", "R01-37"),
    *_identifier("identifier", "R01-37", _LOCATION_TYPES, "INTRN", "", r".+"),
    *_ADDRESS,
)

_OFFSET = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
_BOOKING = (
    one("identifier", "R03-9"),
    one("identifier.system", "R03-9"),
    one("identifier.value", "R03-9"),
    one("status", "R03-9", values=tuple(map(str, AppointmentStatus))),
    one("start", "R03-9", form=_OFFSET),
    one("end", "R03-9", form=_OFFSET),
    Rule("created", "R03-9", most=1),
    some("participant", "R03-9"),
    one("participant.status", "R03-9", values=("accepted", "needs-action")),
    *_identifier("participant.actor.identifier", "R03-9", _PERSON_TYPES, "IDNPS", SYSTEM_PERSON, _PERSON),
)

# profile -> (resource type, rules)
PROFILES: Mapping[str, tuple[str, tuple[Rule, ...]]] = {
    nos.SLOT_PROFILE: ("Slot", _slot(nos.VISIBILITIES)),
    nos.CPTS_SLOT_PROFILE: ("Slot", _slot(nos.VISIBILITIES)),
    nos.SOS_SLOT_PROFILE: ("Slot", _slot(nos.SOS_VISIBILITIES)),
    nos.SCHEDULE_PROFILE: (
        "Schedule",
        (some("actor", "R01-12"), one("actor.reference", "R01-42", target=("Practitioner", "PractitionerRole"))),
    ),
    nos.PRACTITIONER_PROFILE: (
        "Practitioner",
        (
            some("identifier", "R01-16"),
            *_identifier("identifier", "R01-17", _PERSON_TYPES, "IDNPS", SYSTEM_PERSON, _PERSON),
            *_TELECOM,
        ),
    ),
    nos.ROLE_PROFILE: (
        "PractitionerRole",
        (
            one("practitioner", "R01-21"),
            one("practitioner.reference", "R01-21", target=("Practitioner",)),
            one("contained", "R01-22"),
            one("contained.id", "R01-22"),
            one("organization", "R01-20"),
            one("organization.identifier", "R01-20"),
            *_identifier("organization.identifier", "R01-20", _PERSON_TYPES, "IDNST", SYSTEM_STRUCTURE, _STRUCTURE),
            one("location", "R01-22"),
            one("location.reference", "R01-22", form=r"#.+"),
            *_TELECOM,
        ),
    ),
    nos.LOCATION_PROFILE: ("Location", _LOCATION),
    nos.CPTS_SERVICE_PROFILE: (
        "HealthcareService",
        (
            one("id", "R04-2"),
            one("providedBy", "R04-3"),
            one("providedBy.reference", "R04-3", target=("Organization",)),
        ),
    ),
    nos.CPTS_ORGANIZATION_PROFILE: (
        "Organization",
        (
            one("identifier", "R04-4"),
            *_identifier("identifier", "R04-4", _LOCATION_TYPES, "IDNST", SYSTEM_STRUCTURE, r"1\d{9}"),
            *_TELECOM,
        ),
    ),
    nos.SOS_SCHEDULE_PROFILE: (
        "Schedule",
        (some("actor", "SOS-4"), one("actor.reference", "SOS-4", target=("Location",))),
    ),
    nos.SOS_LOCATION_PROFILE: (
        "Location",
        (
            one("name", "SOS-5"),
            *_LOCATION,
            *_TELECOM,
            one("managingOrganization", "SOS-5"),
            one("managingOrganization.reference", "SOS-5", target=("Organization",)),
            Rule("hoursOfOperation.daysOfWeek", "SOS-5", values=("mon", "tue", "wed", "thu", "fri", "sat", "sun")),
            Rule("hoursOfOperation.openingTime", "SOS-5", most=1, form=r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d"),
            Rule("hoursOfOperation.closingTime", "SOS-5", most=1, form=r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d"),
        ),
    ),
    nos.SOS_ORGANIZATION_PROFILE: (
        "Organization",
        (
            one("identifier", "SOS-6"),
            *_identifier("identifier", "SOS-6", _LOCATION_TYPES, "IDNST", SYSTEM_STRUCTURE, r"3\d{14}"),
        ),
    ),
    nos.APPOINTMENT_PROFILE: ("Appointment", _BOOKING),
    nos.SOS_APPOINTMENT_PROFILE: ("Appointment", _BOOKING),
    nos.MARKETPLACE_APPOINTMENT_PROFILE: ("Appointment", _BOOKING),
    nos.REGULATOR_PROFILE: (
        "Practitioner",
        (
            some("identifier", "R02-1"),
            one("identifier.system", "R02-1", values=(SYSTEM_PERSON, SYSTEM_SAS)),
            one("identifier.value", "R02-1"),
            one("active", "R02-1"),
            one("name", "R02-1"),
            one("name.family", "R02-1"),
            some("name.given", "R02-1"),
            some("telecom", "R02-1"),
            Rule("telecom.system", "R02-1", values=("email",)),
            one("telecom.value", "R02-1", form=r"[^@\s]+@[^@\s]+"),
        ),
    ),
}

# What one version of the guide fixes where another admits more: by profile, judged when that version is chosen.
_BY_VERSION: Mapping[str, Mapping[str, tuple[Rule, ...]]] = {
    "1.1.0": {nos.APPOINTMENT_PROFILE: (Rule("participant.status", "R03-9", values=("accepted",)),)},
    "1.2.0": {},
}
_TYPES_OF: Mapping[str, tuple[str, str, str]] = {
    nos.PRACTITIONER_PROFILE: ("identifier", "R01-17", TYPES),
    nos.ROLE_PROFILE: ("organization.identifier", "R01-20", TYPES),
    nos.SOS_LOCATION_PROFILE: ("identifier", "R01-37", LOCATION_TYPES),
    nos.SOS_ORGANIZATION_PROFILE: ("identifier", "SOS-6", LOCATION_TYPES),
    nos.REGULATOR_PROFILE: ("identifier", "R02-1", TYPES),
    nos.APPOINTMENT_PROFILE: ("participant.actor.identifier", "R03-9", TYPES),
}  # profile -> (where its identifier is, requirement, code system of the identifier's type in every version)

# bundle profile -> (types that an answer with slots holds, requirement, profiles of entries by type, only one link)
_Bundle = tuple[tuple[str, ...], str, Mapping[str, str], bool]
_SHARED = {
    "Practitioner": nos.PRACTITIONER_PROFILE,
    "PractitionerRole": nos.ROLE_PROFILE,
    "Schedule": nos.SCHEDULE_PROFILE,
}
BUNDLES: Mapping[str, _Bundle] = {
    nos.BUNDLE_PROFILE: ((), "R01-13", {"Slot": nos.SLOT_PROFILE, **_SHARED}, False),
    nos.CPTS_BUNDLE_PROFILE: (
        ("Slot", "Schedule", "Practitioner", "PractitionerRole"),
        "R04-1",
        {
            "Slot": nos.CPTS_SLOT_PROFILE,
            **_SHARED,
            "HealthcareService": nos.CPTS_SERVICE_PROFILE,
            "Organization": nos.CPTS_ORGANIZATION_PROFILE,
        },
        True,
    ),
    nos.SOS_BUNDLE_PROFILE: (
        ("Slot", "Schedule", "Location", "Organization"),
        "SOS-3",
        {
            "Slot": nos.SOS_SLOT_PROFILE,
            "Schedule": nos.SOS_SCHEDULE_PROFILE,
            "Location": nos.SOS_LOCATION_PROFILE,
            "Organization": nos.SOS_ORGANIZATION_PROFILE,
        },
        True,
    ),
}


def check(resource: Node, ig: str | None = None) -> list[Finding]:
    """Everything that is wrong with one resource; for a Bundle, with its shell and with every entry.

    `ig`: the version of the guide to judge by; None: everything that any version admits is correct.
    """
    kind = str(resource.get("resourceType", "Resource"))
    findings = [*general(resource, kind)]
    profiles = _profiles(resource)
    if len(profiles) != 1 or profiles[0] not in (*PROFILES, *BUNDLES):
        findings.append(Finding("", f"{kind}.meta.profile", f"not exactly one profile of the guide: {profiles}"))
        return findings
    profile = profiles[0]
    if profile in BUNDLES:
        return findings + list(_bundle(resource, *BUNDLES[profile], ig))
    expected, rules = PROFILES[profile]
    if kind != expected:
        findings.append(Finding("", kind, f"profile {profile} is one of {expected}"))
    for rule in (*rules, *_fixed(profile, ig)):
        findings += apply(resource, kind, rule)
    for more in _MORE.get(kind, ()):
        findings += more(resource, ig)
    return findings


def _fixed(profile: str, ig: str | None) -> Iterator[Rule]:
    """The rules that this version adds to a profile."""
    if ig is None:
        return
    yield from _BY_VERSION[ig].get(profile, ())
    if profile in _TYPES_OF:
        path, requirement, system = _TYPES_OF[profile]
        yield Rule(f"{path}.type.coding.system", requirement, values=(system,))
    if profile == nos.CPTS_ORGANIZATION_PROFILE:
        yield Rule("identifier.type.coding.system", "R04-4", values=(nos.CPTS_ORGANIZATION_TYPES[ig],))


def _profiles(resource: Node) -> list[Any]:
    meta = resource.get("meta")
    profiles = meta.get("profile") if isinstance(meta, Mapping) else None
    return profiles if isinstance(profiles, list) else []


def _service_types(slot: Node, _: str | None) -> Iterator[Finding]:
    """Consultation types are codes, reasons texts; a slot that CPTS see names each CPTS by a HealthcareService."""
    systems = (nos.CONSULTATION, nos.ESTABLISHMENT, nos.ESTABLISHMENT_SHORT)
    named = 0
    for path, coding in walk(slot, "Slot", "serviceType.coding"):
        code, system = (coding.get(key) if isinstance(coding, Mapping) else None for key in ("code", "system"))
        if system not in systems:
            yield Finding("R01-24", path, f"system '{system}' is no consultation type")
        elif system == nos.CONSULTATION and code not in tuple(nos.CONSULTATIONS):  # it may be anything
            yield Finding("R01-48", path, f"'{code}' is not {' or '.join(nos.CONSULTATIONS)}")
    for path, concept in walk(slot, "Slot", "serviceType"):
        if not isinstance(concept, Mapping):
            yield Finding("R01-24", path, "not an object")
        elif concept.get("text") in tuple(nos.CONSULTATIONS):
            yield Finding("R01-24", f"{path}.text", f"consultation type '{concept['text']}' as text")
        if any(code == nos.CPTS for _, code in walk(concept, path, "coding.code")):
            named += 1
            yield from _cpts_reference(concept, path)
    seen = any(code == "CPTS" for _, code in walk(slot, "Slot", "meta.security.code"))
    if seen != bool(named):
        yield Finding("R04-2", "Slot.serviceType", "CPTS visibility and references to CPTS do not go together")


def _cpts_reference(concept: Any, path: str) -> Iterator[Finding]:
    references = [
        reference
        for where, extension in walk(concept, path, "extension")
        if isinstance(extension, Mapping) and extension.get("url") == nos.SERVICE_TYPE
        for _, reference in walk(extension, where, "valueReference.reference")
    ]
    if len(references) != 1 or str(references[0]).split("/")[-2:-1] != ["HealthcareService"]:
        yield Finding("R04-2", f"{path}.extension", "not exactly one reference to a HealthcareService")


def _order(slot: Node, _: str | None) -> Iterator[Finding]:
    """`start` before `end`; a booking URL on every slot that can be booked."""
    start, end = slot.get("start"), slot.get("end")
    same_offset = isinstance(start, str) and isinstance(end, str) and start[-6:] == end[-6:]
    if same_offset and not str(start) < str(end):
        yield Finding("R01-11", "Slot.end", "not after the start")
    codes = [code for _, code in walk(slot, "Slot", "appointmentType.coding.code")]
    if nos.ROUTINE in codes and "comment" not in slot:
        yield Finding("R01-25", "Slot.comment", "missing: the booking URL of a bookable slot")


def _contained(role: Node, ig: str | None) -> Iterator[Finding]:
    """The contained Location is the one that the role refers to, and conforms to its own profile."""
    for path, location in walk(role, "PractitionerRole", "contained"):
        if not isinstance(location, Mapping) or location.get("resourceType") != "Location":
            yield Finding("R01-22", path, "not a Location")
            continue
        if f"#{location.get('id')}" not in [key for _, key in walk(role, "", "location.reference")]:
            yield Finding("R01-22", f"{path}.id", "not the Location that location refers to")
        yield from (Finding(each.requirement, f"{path}.{each.path}", each.text) for each in check(location, ig))


def _operator(appointment: Node, _: str | None) -> Iterator[Finding]:
    """The regulator first, as INT_R02 gave him; SOS and the marketplace admit no other extension."""
    extensions = [
        (path, one) for path, one in walk(appointment, "Appointment", "extension") if isinstance(one, Mapping)
    ]
    found = [path for path, one in extensions if one.get("url") == nos.OPERATOR]
    profile = _profiles(appointment)[0]
    if len(found) != 1 and not (profile == nos.MARKETPLACE_APPOINTMENT_PROFILE and not found):
        yield Finding("R03-7", "Appointment.extension", f"{len(found)} FrAppointmentOperator, expected one")
    elif found and found[0] != "Appointment.extension[0]":
        yield Finding("R03-12", found[0], "FrAppointmentOperator is not the first extension")
    if profile != nos.APPOINTMENT_PROFILE and len(extensions) > len(found):
        yield Finding("R03-9", "Appointment.extension", "no extension but FrAppointmentOperator is admitted")
    for path in found:
        yield from _operator_identifier(appointment, path)


def _operator_identifier(appointment: Node, path: str) -> Iterator[Finding]:
    row = appointment["extension"][int(path.rpartition("[")[2][:-1])]
    codes = [code for _, code in walk(row, path, "valueReference.identifier.type.coding.code")]
    systems = [system for _, system in walk(row, path, "valueReference.identifier.system")]
    if (codes, systems) not in ((["IDNPS"], [SYSTEM_PERSON]), (["INTRN"], [SYSTEM_SAS])):
        where = f"{path}.valueReference.identifier"
        yield Finding("R03-7", where, f"type {codes} of system {systems}: expected IDNPS or INTRN of its own system")
    if len([*walk(row, path, "valueReference.identifier.value")]) != 1:
        yield Finding("R03-7", f"{path}.valueReference.identifier.value", "missing")


def _sought(appointment: Node, _: str | None) -> Iterator[Finding]:
    """`needs-action` is allowed only while the appointment is pending; a participant without actor has type ADM."""
    for path, participant in walk(appointment, "Appointment", "participant"):
        if not isinstance(participant, Mapping):
            continue
        if participant.get("status") == "needs-action" and appointment.get("status") != AppointmentStatus.PENDING:
            yield Finding(
                "R03-11", f"{path}.status", f"needs-action, but the appointment is '{appointment.get('status')}'"
            )
        codes = [code for _, code in walk(participant, path, "type.coding.code")]
        if "actor" not in participant and nos.ADMINISTRATIVE not in codes:
            yield Finding("R03-9", path, "neither an actor nor type ADM")


_MORE: Mapping[str, tuple[Callable[[Node, str | None], Iterable[Finding]], ...]] = {
    "Appointment": (_operator, _sought),
    "Slot": (_service_types, _order),
    "PractitionerRole": (_contained,),
}


def _bundle(
    bundle: Node,
    types: tuple[str, ...],
    requirement: str,
    profiles: Mapping[str, str],
    single: bool,
    ig: str | None,
) -> Iterator[Finding]:
    for rule in (one("type", "R01-14", values=("searchset",)), one("total", requirement), some("link", "R01-L")):
        yield from apply(bundle, "Bundle", rule)
    relations = [relation for _, relation in walk(bundle, "Bundle", "link.relation")]
    if "self" not in relations or (single and len(relations) != 1):
        yield Finding("R01-L", "Bundle.link", f"relations are {relations}")
    found: set[str] = set()
    for path, entry in walk(bundle, "Bundle", "entry"):
        yield from _entry(entry, path, requirement, profiles, ig)
        found.update(str(kind) for _, kind in walk(entry, path, "resource.resourceType"))
    if bundle.get("total"):
        yield from (Finding(requirement, "Bundle.entry", f"no {kind} in it") for kind in types if kind not in found)
    yield from _missing(bundle)


# include that the link `self` repeats -> (resources that it starts from, their references, requirement)
_INCLUDES: Mapping[str, tuple[str, str, str]] = {
    "slot:schedule": ("Slot", "schedule.reference", "R01-12"),
    "schedule:actor": ("Schedule", "actor.reference", "R01-43"),
    "slot:service-type-reference": ("Slot", "serviceType.extension.valueReference.reference", "R04-2"),
    "healthcareservice:organization": ("HealthcareService", "providedBy.reference", "R04-3"),
    "schedule:actor:location": ("Schedule", "actor.reference", "SOS-4"),
    "location:organization": ("Location", "managingOrganization.reference", "SOS-5"),
}


def _missing(bundle: Node) -> Iterator[Finding]:
    """Resources that are referred to and that the link `self` asks to include, but that the answer lacks."""
    resources = list(walk(bundle, "Bundle", "entry.resource"))
    known = {f"{each.get('resourceType')}/{each.get('id')}" for _, each in resources if isinstance(each, Mapping)}
    links = [str(url).partition("?")[2] for _, url in walk(bundle, "Bundle", "link.url")]
    asked = {value.strip().lower() for name, value in parse_qsl("&".join(links[:1])) if name.startswith("_include")}
    for kind, steps, requirement in (_INCLUDES[each] for each in sorted(asked & _INCLUDES.keys())):
        for path, resource in resources:
            if isinstance(resource, Mapping) and resource.get("resourceType") == kind:
                for where, reference in walk(resource, path, steps):
                    if "/".join(str(reference).split("/")[-2:]) not in known:
                        yield Finding(requirement, where, f"'{reference}' is not in the answer")


def _entry(entry: Any, path: str, requirement: str, profiles: Mapping[str, str], ig: str | None) -> Iterator[Finding]:
    for rule in (
        one("fullUrl", requirement),
        one("resource", requirement),
        one("search", requirement),
        one("search.mode", requirement, values=("match", "include")),
    ):
        yield from apply(entry, path, rule)
    resource = entry.get("resource") if isinstance(entry, Mapping) else None
    if not isinstance(resource, Mapping):
        yield Finding(requirement, f"{path}.resource", "not a resource")
        return
    kind = str(resource.get("resourceType"))
    if _profiles(resource) != [profiles.get(kind)]:
        yield Finding(requirement, f"{path}.resource.meta.profile", f"not the profile of a {kind} here")
    yield from (Finding(each.requirement, f"{path}.{each.path}", each.text) for each in check(resource, ig))
