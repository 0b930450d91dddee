"""Judges each resource of an answer by the profile that it must have there. Pure.

The rules are those of `fhir.profiles`. A resource that states another profile, or none, is judged by the right one all
the same, so that one fault does not hide others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.check.judging.answer import Answer, Asked, Node, codings, identifiers, key_of, visibilities
from sandbox.check.judging.sentences import fault_of
from sandbox.check.judging.shell import profile_of
from sandbox.check.verdicts import Fault, Text
from sandbox.fhir import nos
from sandbox.fhir.profiles import check
from sandbox.fhir.reader.nodes import node_of, nodes_of, text_of
from sandbox.fhir.rules import Finding
from sandbox.kernel.identifiers import SYSTEM_STRUCTURE

# flow -> type of resource -> requirement of a finding that has none of its own
_GENERAL: Mapping[str, Mapping[str, str]] = {
    "INT_R01": {"Slot": "R01-9", "PractitionerRole": "R01-31", "Practitioner": "R01-32", "Location": "R01-37"},
    "INT_R04": {
        "Slot": "R01-9", "PractitionerRole": "R01-31", "Practitioner": "R01-32", "Location": "R01-37",
        "HealthcareService": "R04-1", "Organization": "R04-1",
    },
    "SOS": {},
}  # fmt: skip
# requirements about practitioners' answers -> those about SOS that ask for the same
_AT_SOS: Mapping[str, str] = {
    "R01-23": "SOS-7", "R01-46": "SOS-7", "R01-35": "SOS-5", "R01-37": "SOS-5", "R01-38": "SOS-5", "R01-39": "SOS-5",
    "R01-40": "SOS-5", "R01-9": "SOS-3", "R01-12": "SOS-4", "R04-2": "SOS-3",
}  # fmt: skip
_CONTAINED = "PractitionerRole.contained["


def judge_resources(answer: Answer, asked: Asked, ig: str | None) -> Iterator[Fault]:
    """What is wrong with the resources, each by itself."""
    for _, resource in answer.resources:
        kind = str(resource.get("resourceType"))
        wanted = profile_of(kind, answer, asked)
        if not wanted:
            continue
        yield from _stated(answer, asked, resource, wanted)
        for finding in check(_as(resource, wanted[0]), ig):
            if _counts(finding, resource, ig):
                yield fault_of(finding, _requirement(finding, kind, asked.flow), resource, answer.exchange)
        yield from _more(answer, asked, resource)


def general_requirement(kind: str, asked: Asked) -> str:
    """The requirement that a resource of that type is well made."""
    return _GENERAL[asked.flow].get(kind, asked.bundle_requirement)


def _requirement(finding: Finding, kind: str, flow: str) -> str:
    if not finding.requirement and finding.path.startswith(_CONTAINED):
        kind = "Location"
    bundle = {"INT_R01": "R01-13", "INT_R04": "R04-1", "SOS": "SOS-3"}[flow]
    found = finding.requirement or _GENERAL[flow].get(kind, bundle)
    if found == "R01-17" and finding.path.endswith(".value"):
        found = "R01-18"  # the form, and so the prefix
    return _AT_SOS.get(found, found) if flow == "SOS" else found


def _counts(finding: Finding, resource: Node, ig: str | None) -> bool:
    """False for what follows from another finding, or repeats it."""
    if finding.text.startswith("CPTS visibility and references"):
        return bool(visibilities(resource))  # without any visibility that is what is wrong
    if finding.path.startswith(_CONTAINED) and finding.text == "empty element":
        return ".Location." not in finding.path  # the resource around it has said so
    if finding.path.startswith("Location.identifier") and ig != "1.1.0":
        return not identifiers(resource, SYSTEM_STRUCTURE)  # a national identifier of a site: later versions admit it
    return True


def _as(resource: Node, profile: str) -> dict[str, Any]:
    """The resource under that profile, its contained Locations under theirs."""
    meta = {**node_of(resource, "meta"), "profile": [profile]}
    copy = {**resource, "meta": meta}
    if resource.get("resourceType") == "PractitionerRole" and isinstance(resource.get("contained"), list):
        copy["contained"] = [
            {**each, "meta": {"profile": [nos.LOCATION_PROFILE]}} if _is_location(each) else each
            for each in resource["contained"]
        ]
    return copy


def _is_location(value: object) -> bool:
    return isinstance(value, dict) and value.get("resourceType") == "Location"


def _stated(answer: Answer, asked: Asked, resource: Node, wanted: tuple[str, ...]) -> Iterator[Fault]:
    """The profile of a resource, and those of the Locations that it contains."""
    kind = str(resource.get("resourceType"))
    yield from _profile(answer, general_requirement(kind, asked), resource, key_of(resource), wanted)
    if kind == "PractitionerRole":
        for path, each in nodes_of(resource, "contained", key_of(resource)):
            if _is_location(each):
                yield from _profile(answer, "R01-37", each, path, (nos.LOCATION_PROFILE,))


def _profile(answer: Answer, id: str, resource: Node, path: str, wanted: tuple[str, ...]) -> Iterator[Fault]:
    stated = node_of(resource, "meta").get("profile")
    if isinstance(stated, list) and len(stated) == 1 and stated[0] in wanted:
        return
    kind = str(resource.get("resourceType"))
    if not stated:
        text = Text(f"{kind} : meta.profile manque", f"{kind}: meta.profile is missing")
    elif isinstance(stated, list) and len(stated) > 1:
        text = Text(f"{kind} : plusieurs meta.profile", f"{kind}: several meta.profile")
    else:
        text = Text(f"{kind} : mauvais meta.profile", f"{kind}: wrong meta.profile")
    found = ", ".join(map(str, stated)) if isinstance(stated, list) else str(stated or "—")
    yield Fault(id, f"{path}.meta.profile", text, found or "—", " / ".join(wanted), answer.exchange)


def _more(answer: Answer, asked: Asked, resource: Node) -> Iterator[Fault]:
    """What the profile rules are silent about."""
    kind = str(resource.get("resourceType"))
    if "telecom" in resource:
        yield from _telecom(answer, asked, resource)
    if kind == "Slot":
        yield from _slot(answer, asked, resource)
    if kind == "Practitioner":
        yield from _name(answer, resource)


def _telecom(answer: Answer, asked: Asked, resource: Node) -> Iterator[Fault]:
    id = "SOS-5" if asked.flow == "SOS" else "R01-35"
    for path, telecom in nodes_of(resource, "telecom", key_of(resource)):
        if telecom and not text_of(telecom, "system"):
            text = Text("téléphone sans system", "a phone without system")
            yield Fault(id, f"{path}.system", text, "—", "phone", answer.exchange, place=f'"{resource.get("id")}"')


def _slot(answer: Answer, asked: Asked, slot: Node) -> Iterator[Fault]:
    own = key_of(slot)
    texts = {text_of(each, "text") for _, each in nodes_of(slot, "serviceType", "")}
    typed = any(coding.get("system") == nos.CONSULTATION for coding in codings(slot.get("serviceType")))
    if not typed and not texts & nos.CONSULTATIONS.keys():
        text = Text("aucun type de consultation codé", "no coded consultation type")
        expected = ", ".join(nos.CONSULTATIONS)
        yield Fault("R01-24", f"{own}.serviceType", text, "—", expected, answer.exchange, place=f'"{slot.get("id")}"')
    comment = text_of(slot, "comment")
    if comment.startswith("http") and "?" not in comment:
        text = Text(
            "l'URL de réservation n'a pas de paramètres : des appelants lui ajoutent « &origin=… »",
            "the booking URL has no query string: some callers append `&origin=…`",
        )
        yield Fault("R01-25", f"{own}.comment", text, comment, "…?…", answer.exchange, tolerated=True, place=comment)


def _name(answer: Answer, practitioner: Node) -> Iterator[Fault]:
    names = [each for _, each in nodes_of(practitioner, "name", "")]
    own, place = key_of(practitioner), f'"{practitioner.get("id")}"'
    if not any(text_of(each, "family") for each in names):
        text = Text("le nom manque", "the family name is missing")
        yield Fault("R01-33", f"{own}.name.family", text, "—", "1", answer.exchange, place=place)
    if not any(isinstance(each.get("given"), list) and any(each["given"]) for each in names):
        text = Text("le prénom manque", "the given name is missing")
        yield Fault("R01-33", f"{own}.name.given", text, "—", "1", answer.exchange, place=place)
