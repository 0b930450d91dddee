"""Judges how the resources of a practitioners' answer belong together: slots, agendas, people, places, CPTS. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from sandbox.check.judging.answer import Answer, Asked, Node, actors, identifiers, key_of, services, visibilities
from sandbox.check.judging.times import judge_offsets, judge_overlaps
from sandbox.check.verdicts import Fault, Text
from sandbox.fhir.reader.nodes import NOTHING, node_of, nodes_of, reference_of, text_of
from sandbox.kernel.clock import PARIS
from sandbox.kernel.identifiers import SYSTEM_PERSON, prefixed_person

_ZONES: Mapping[str, ZoneInfo] = {
    "971": ZoneInfo("America/Guadeloupe"),
    "972": ZoneInfo("America/Martinique"),
    "973": ZoneInfo("America/Cayenne"),
    "974": ZoneInfo("Indian/Reunion"),
    "975": ZoneInfo("America/Miquelon"),
    "976": ZoneInfo("Indian/Mayotte"),
    "977": ZoneInfo("America/St_Barthelemy"),
    "978": ZoneInfo("America/Marigot"),
}  # first digits of a postal code -> time there; Paris elsewhere


def zone_of(location: Node) -> ZoneInfo:
    """The time zone of a Location."""
    return _ZONES.get(text_of(node_of(location, "address"), "postalCode")[:3], PARIS)


def judge_agendas(answer: Answer, asked: Asked) -> Iterator[Fault]:
    """An answer to INT_R01 or INT_R04. What was not asked to be included is not looked for."""
    if "Schedule" in asked.types:
        yield from _schedules_of_slots(answer)
    if "PractitionerRole" in asked.types:
        for schedule in answer.of("Schedule"):
            yield from _schedule(answer, schedule)
        yield from _roles(answer)
        yield from _people(answer, asked)
        yield from _specialties(answer)
    if "HealthcareService" in asked.types:
        yield from _cpts(answer)
    zones = {key_of(each): zone_of(_place(answer, each)) for each in answer.of("Schedule")}
    yield from judge_offsets(answer, lambda slot: zones.get(reference_of(slot.get("schedule")), PARIS))
    if len(asked.ids) == 1:  # of several people, slots that are at the wrong one overlap too
        yield from judge_overlaps(answer)


def _fault(answer: Answer, id: str, path: str, text: tuple[str, str], found: str = "", expected: str = "") -> Fault:
    return Fault(
        id, path, Text(*text), found, expected, answer.exchange, place=path.rpartition("/")[2].partition(".")[0]
    )


def _schedules_of_slots(answer: Answer) -> Iterator[Fault]:
    for slot in answer.slots:
        reference = reference_of(slot.get("schedule"))
        if reference and answer.get(slot.get("schedule")) is None:
            text = "le Schedule du créneau n'est pas dans la réponse", "the Schedule of the slot is not in the answer"
            yield _fault(answer, "R01-12", f"{key_of(slot)}.schedule.reference", text, reference, "Schedule/<id>")


def _place(answer: Answer, schedule: Node) -> Node:
    """The contained Location of a Schedule's PractitionerRole."""
    for reference in actors(schedule):
        role = answer.by_key.get(reference, NOTHING)
        for _, each in nodes_of(role, "contained", ""):
            return each
    return NOTHING


def _schedule(answer: Answer, schedule: Node) -> Iterator[Fault]:
    own, named = key_of(schedule), actors(schedule)
    for id, kind in (("R01-15", "Practitioner"), ("R01-19", "PractitionerRole")):
        of_kind = [each for each in named if each.startswith(f"{kind}/")]
        if not of_kind:
            text = f"aucun {kind} parmi les actor du Schedule", f"no {kind} among the actors of the Schedule"
            yield _fault(answer, id, f"{own}.actor", text, ", ".join(named) or "—", f"{kind}/<id>")
        if len(of_kind) > 1:
            text = (
                f"un Schedule pour plusieurs {kind} : il en faut un par lieu",
                f"one Schedule for several {kind}: there is one for each place",
            )
            yield _fault(answer, "R01-42", f"{own}.actor", text, ", ".join(of_kind), "1")
        for reference in of_kind if _has_people(answer) else ():
            if reference not in answer.by_key:
                text = f"le {kind} nommé n'est pas dans la réponse", f"the {kind} that is named is not in the answer"
                yield _fault(answer, "R01-43", f"{own}.actor", text, reference, f"{kind}/<id>")


def _has_people(answer: Answer) -> bool:
    """False when the includes were not followed at all, which is said once."""
    return any(True for kind in ("Practitioner", "PractitionerRole") for _ in answer.of(kind))


def _roles(answer: Answer) -> Iterator[Fault]:
    """A role belongs to one Schedule, and to its practitioner."""
    used: dict[str, str] = {}
    for schedule in answer.of("Schedule"):
        named = actors(schedule)
        people = [each for each in named if each.startswith("Practitioner/")]
        roles = [each for each in named if each.startswith("PractitionerRole/")]
        for reference in roles:
            first = used.setdefault(reference, key_of(schedule))
            if first != key_of(schedule):
                text = "un PractitionerRole pour plusieurs Schedule", "one PractitionerRole for several Schedules"
                yield _fault(answer, "R01-42", f"{key_of(schedule)}.actor", text, reference, "1")
            holder = reference_of(answer.by_key.get(reference, NOTHING).get("practitioner"))
            if holder and len(people) == len(roles) == 1 and holder != people[0]:
                text = (
                    "le PractitionerRole n'est pas celui du Practitioner du Schedule",
                    "the PractitionerRole is not that of the Schedule's Practitioner",
                )
                yield _fault(answer, "R01-21", f"{reference}.practitioner.reference", text, holder, people[0])


def _people(answer: Answer, asked: Asked) -> Iterator[Fault]:
    for person in answer.of("Practitioner"):
        held = identifiers(person, SYSTEM_PERSON)
        if held and not any(prefixed_person(each) in asked.ids for each in held):
            text = "ce professionnel n'a pas été demandé", "nobody asked for this practitioner"
            yield _fault(
                answer, "R01-16", f"{key_of(person)}.identifier.value", text, ", ".join(held),
                ", ".join(sorted(asked.ids)[:5]),
            )  # fmt: skip
    known: dict[str, str] = {}
    for person in answer.of("Practitioner"):
        for each in identifiers(person, SYSTEM_PERSON):
            first = known.setdefault(each, key_of(person))
            if first != key_of(person):
                text = "deux Practitioner pour une personne", "two Practitioners for one person"
                yield _fault(answer, "R01-44", key_of(person), text, each, first)


def _specialties(answer: Answer) -> Iterator[Fault]:
    """⚠ Optional in the profiles, but among ANS's recurrent errors when it is missing: reported, not failed."""
    roles = {key_of(role): "specialty" in role for role in answer.of("PractitionerRole")}
    stated = {
        key_of(schedule): any(roles.get(each, False) for each in actors(schedule)) for schedule in answer.of("Schedule")
    }
    for slot in answer.slots:
        if "specialty" not in slot and not stated.get(reference_of(slot.get("schedule")), True):
            text = Text("la spécialité manque", "the specialty is missing")
            yield Fault(
                "R01-41", f"{key_of(slot)}.specialty", text, "—", "code ou texte", answer.exchange, tolerated=True,
                place=f'"{slot.get("id")}"',
            )  # fmt: skip


def _cpts(answer: Answer) -> Iterator[Fault]:
    for slot in answer.slots:
        for reference in services(slot) if "CPTS" in visibilities(slot) else ():
            if reference not in answer.by_key:
                text = "le HealthcareService n'est pas dans la réponse", "the HealthcareService is not in the answer"
                yield _fault(answer, "R04-2", f"{key_of(slot)}.serviceType.extension", text, reference)
    provided: dict[str, str] = {}
    for service in answer.of("HealthcareService"):
        own, organization = key_of(service), reference_of(service.get("providedBy"))
        if organization and organization not in answer.by_key:
            text = "l'Organization n'est pas dans la réponse", "the Organization is not in the answer"
            yield _fault(answer, "R04-3", f"{own}.providedBy.reference", text, organization)
        if organization and provided.setdefault(organization, own) != own:
            text = "deux HealthcareService d'une même Organization", "two HealthcareServices of one Organization"
            yield _fault(answer, "R04-3", f"{own}.providedBy.reference", text, organization, provided[organization])
    for organization_ in answer.of("Organization"):
        if not text_of(organization_, "name"):
            text = "l'Organization n'a pas de nom", "the Organization has no name"
            yield _fault(answer, "R04-4", f"{key_of(organization_)}.name", text)
