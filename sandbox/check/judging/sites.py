"""Judges how the resources of an SOS Médecins answer belong together: slots, agendas, sites, associations. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.check.judging.agendas import zone_of
from sandbox.check.judging.answer import Answer, Asked, Node, actors, codings, identifiers, key_of
from sandbox.check.judging.times import judge_offsets, judge_overlaps
from sandbox.check.verdicts import Fault, Text
from sandbox.fhir.reader.nodes import NOTHING, nodes_of, reference_of, text_of
from sandbox.kernel.clock import PARIS
from sandbox.kernel.identifiers import SYSTEM_STRUCTURE, prefixed_structure


def judge_sites(answer: Answer, asked: Asked) -> Iterator[Fault]:
    """An answer to a search of SOS Médecins slots."""
    yield from _schedules(answer, asked)
    if "Location" in asked.types:
        for site in answer.of("Location"):
            yield from _site(answer, asked, site)
    if "Organization" in asked.types:
        yield from _associations(answer, asked)
    zones = {key_of(each): zone_of(_site_of(answer, each)) for each in answer.of("Schedule")}
    yield from judge_offsets(answer, lambda slot: zones.get(reference_of(slot.get("schedule")), PARIS))
    yield from judge_overlaps(answer)


def kit_suite(answer: Answer) -> Iterator[Fault]:
    """What the kit's SOS suite asks for beyond the profiles: a phone of every site, types AMB and VR only. (⚠ The guide
    admits HH, so that is tolerated.)"""
    for site in answer.of("Location"):
        if not any(text_of(each, "value") for _, each in nodes_of(site, "telecom", "")):
            text = "le téléphone du lieu manque", "the site has no phone"
            yield _fault(answer, "SOS-11", f"{key_of(site)}.telecom", text, "—", "+33…")
    for slot in answer.slots:
        if "HH" in [text_of(each, "code") for each in codings(slot.get("serviceType"))]:
            text = Text(
                "type HH : la suite SOS du kit ne l'admet pas", "type HH: the kit's SOS suite does not admit it"
            )
            yield Fault("SOS-11", f"{key_of(slot)}.serviceType", text, "HH", "AMB, VR", answer.exchange, tolerated=True)


def _fault(answer: Answer, id: str, path: str, text: tuple[str, str], found: str = "", expected: str = "") -> Fault:
    return Fault(
        id, path, Text(*text), found, expected, answer.exchange, place=path.rpartition("/")[2].partition(".")[0]
    )


def _site_of(answer: Answer, schedule: Node) -> Node:
    return next((answer.by_key[each] for each in actors(schedule) if each in answer.by_key), NOTHING)


def _schedules(answer: Answer, asked: Asked) -> Iterator[Fault]:
    used: dict[str, str] = {}
    for schedule in answer.of("Schedule"):
        own, named = key_of(schedule), [each for each in actors(schedule) if each.startswith("Location/")]
        if len(named) > 1:
            text = "un Schedule pour plusieurs lieux", "one Schedule for several sites"
            yield _fault(answer, "SOS-4", f"{own}.actor", text, ", ".join(named), "1")
        for reference in named:
            if used.setdefault(reference, own) != own:
                text = "plusieurs Schedule pour un lieu", "several Schedules for one site"
                yield _fault(answer, "SOS-4", f"{own}.actor", text, reference, used[reference])
            if "Location" in asked.types and reference not in answer.by_key:
                text = "la Location n'est pas dans la réponse", "the Location is not in the answer"
                yield _fault(answer, "SOS-4", f"{own}.actor", text, reference)
    for slot in answer.slots:
        if reference_of(slot.get("schedule")) and answer.get(slot.get("schedule")) is None:
            text = "le Schedule du créneau n'est pas dans la réponse", "the Schedule of the slot is not in the answer"
            yield _fault(answer, "SOS-4", f"{key_of(slot)}.schedule", text, reference_of(slot.get("schedule")))


def _site(answer: Answer, asked: Asked, site: Node) -> Iterator[Fault]:
    own = key_of(site)
    for value in identifiers(site, SYSTEM_STRUCTURE):
        if value[:1] not in ("1", "3", "4") or prefixed_structure(value) != value:
            text = "identifiant national de lieu mal préfixé", "a national identifier of a site without its prefix"
            yield _fault(answer, "SOS-11", f"{own}.identifier.value", text, value, "1…, 3…, 4…")
    managing = reference_of(site.get("managingOrganization"))
    if managing and "Organization" in asked.types and managing not in answer.by_key:
        text = "l'Organization n'est pas dans la réponse", "the Organization is not in the answer"
        yield _fault(answer, "SOS-6", f"{own}.managingOrganization", text, managing)


def _associations(answer: Answer, asked: Asked) -> Iterator[Fault]:
    for organization in answer.of("Organization"):
        own, held = key_of(organization), identifiers(organization, SYSTEM_STRUCTURE)
        if not text_of(organization, "name"):
            yield _fault(answer, "SOS-6", f"{own}.name", ("l'association n'a pas de nom", "no name"), "—")
        if held and not any(prefixed_structure(each) in asked.ids for each in held):
            text = "cette association n'a pas été demandée", "nobody asked for this association"
            expected = ", ".join(sorted(asked.ids))
            yield _fault(answer, "SOS-6", f"{own}.identifier.value", text, ", ".join(held), expected)
