"""Quirks that change elements of single resources, in place. They show in searches and in reads. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

from sandbox.editor.fhir.quirks.answers import Node
from sandbox.fhir import nos
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_STRUCTURE

Edit = Callable[[Node], None]


def _unprefixed(resource: Node) -> None:
    own = resource.get("organization", {}).get("identifier")
    for identifier in [*resource.get("identifier", ()), *([own] if own else ())]:
        if identifier["system"] in (SYSTEM_PERSON, SYSTEM_STRUCTURE):
            identifier["value"] = identifier["value"][1:]


def _bad_phone(resource: Node) -> None:
    for telecom in resource.get("telecom", ()):
        digits = f"0{telecom['value'][-9:]}"
        telecom["value"] = " ".join(digits[at : at + 2] for at in range(0, 10, 2))


def _no_visibility(resource: Node) -> None:
    if resource["resourceType"] == "Slot":
        resource["meta"].pop("security", None)


def _types_as_text(resource: Node) -> None:
    for concept in resource.get("serviceType", ()):
        if concept.get("coding", [{}])[0].get("system") == nos.CONSULTATION:
            concept["text"] = concept.pop("coding")[0]["code"]


def _reasons_as_codes(resource: Node) -> None:
    for concept in resource.get("serviceType", ()):
        if "text" in concept and "coding" not in concept and concept["text"] not in nos.CONSULTATIONS:
            concept["coding"] = [{"system": nos.CONSULTATION, "code": "MOTIF", "display": concept.pop("text")}]


def _no_specialty(resource: Node) -> None:
    resource.pop("specialty", None)


def _no_offset(resource: Node) -> None:
    if resource["resourceType"] == "Slot":
        for name in ("start", "end"):
            resource[name] = resource[name][:-6]


_EMPTY: Mapping[str, Node] = {
    "Slot": {"serviceCategory": []},
    "Schedule": {"comment": ""},
    "Practitioner": {"birthDate": "", "address": []},
    "PractitionerRole": {"period": {}},
    "Location": {"description": "", "position": {}},
    "Organization": {"alias": []},
    "HealthcareService": {"comment": ""},
}  # elements that our answers never have


def _empty(resource: Node) -> None:
    resource.update(copy.deepcopy(_EMPTY[resource["resourceType"]]))


EDITS: Mapping[str, Edit] = {
    "unprefixed-ids": _unprefixed,
    "bad-phone": _bad_phone,
    "no-visibility": _no_visibility,
    "types-as-text": _types_as_text,
    "reasons-as-codes": _reasons_as_codes,
    "no-specialty": _no_specialty,
    "no-offset": _no_offset,
    "empty-elements": _empty,
}
