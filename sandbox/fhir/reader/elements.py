"""The elements that are read from an editor's answer, and the JSON type of each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from sandbox.fhir.reader.nodes import Node

Elements: TypeAlias = "type[str] | list[Elements] | Mapping[str, Elements]"

_CODING: Elements = {"system": str, "code": str, "display": str}
_CONCEPT: Elements = {"coding": [_CODING], "text": str}
_REFERENCE: Elements = {"reference": str}
_IDENTIFIER: Elements = {"system": str, "value": str}
_TELECOM: Elements = [{"system": str, "value": str}]
_LOCATION: dict[str, Elements] = {
    "id": str,
    "name": str,
    "identifier": [_IDENTIFIER],
    "telecom": _TELECOM,
    "address": {"line": [str], "city": str, "postalCode": str},
    "managingOrganization": _REFERENCE,
}

# resource type -> the elements that are read, and the requirement that asks for its profile
RESOURCES: Mapping[str, tuple[Elements, str]] = {
    "Slot": (
        {
            "id": str,
            "meta": {"security": [_CODING]},
            "serviceType": [
                {**_CONCEPT, "extension": [{"url": str, "valueReference": _REFERENCE}]}  # type: ignore[dict-item]
            ],
            "specialty": [_CONCEPT],
            "appointmentType": {"coding": [_CODING]},
            "schedule": _REFERENCE,
            "status": str,
            "start": str,
            "end": str,
            "comment": str,
        },
        "R01-9",
    ),
    "Schedule": ({"id": str, "actor": [_REFERENCE]}, "R01-12"),
    "Practitioner": (
        {"id": str, "identifier": [_IDENTIFIER], "name": [{"family": str, "given": [str]}], "telecom": _TELECOM},
        "R01-32",
    ),
    "PractitionerRole": (
        {
            "id": str,
            "contained": [{"resourceType": str, **_LOCATION}],
            "practitioner": _REFERENCE,
            "organization": {"identifier": _IDENTIFIER},
            "location": [_REFERENCE],
            "telecom": _TELECOM,
        },
        "R01-31",
    ),
    "Location": (_LOCATION, "R01-37"),
    "Organization": ({"id": str, "identifier": [_IDENTIFIER], "name": str}, "R04-3"),
    "HealthcareService": ({"id": str, "providedBy": _REFERENCE}, "R04-2"),
}
BUNDLE: Elements = {"type": str, "link": [{"relation": str, "url": str}]}


def _type_of(wanted: Elements) -> Any:
    """The same as a msgspec type, which validates much faster but reports one error only."""
    if isinstance(wanted, type):
        return str | None
    if isinstance(wanted, list):
        return list[_type_of(wanted[0])] | None  # type: ignore[misc]
    fields = [(name, _type_of(each), None) for name, each in wanted.items()]
    return msgspec.defstruct("_Element", fields, gc=False) | None


_TYPES = {kind: _type_of(wanted) for kind, (wanted, _) in RESOURCES.items()}


def well_typed(resource: Node) -> bool:
    """True when `mistyped` finds nothing in a resource of RESOURCES; True also for any other resource."""
    kind = _TYPES.get(resource["resourceType"])
    try:
        return kind is None or msgspec.convert(resource, kind) is not None
    except msgspec.ValidationError:
        return False


def mistyped(value: Any, wanted: Elements, path: str) -> Iterator[tuple[str, str, Any]]:
    """Path, what was expected (`a string`, `a list`, `an object`), and the value found instead, for each element of a
    wrong type. Absent and null elements are not reported."""
    if value is None:
        return
    if isinstance(wanted, type):
        if not isinstance(value, str):
            yield path, "a string", value
    elif isinstance(wanted, list):
        if not isinstance(value, list):
            yield path, "a list", value
            return
        for at, each in enumerate(value):
            yield from mistyped(each, wanted[0], f"{path}[{at}]")
    elif not isinstance(value, dict):
        yield path, "an object", value
    else:
        yield from _within(value, wanted, path)


def _within(node: Node, wanted: Mapping[str, Elements], path: str) -> Iterator[tuple[str, str, Any]]:
    for key, each in wanted.items():
        if key in node:
            yield from mistyped(node[key], each, f"{path}.{key}")
