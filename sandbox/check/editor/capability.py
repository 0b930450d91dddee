"""CAP-1: the statement of capabilities, and whether it states the searches that the editor declares."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from sandbox.check.evidence import Exchange
from sandbox.check.group import Subject
from sandbox.check.target import Target
from sandbox.check.verdicts import Fault, Observed, Passed, Text
from sandbox.fhir.rules import walk
from sandbox.kernel.errors import JsonError
from sandbox.kernel.text.json_input import Limits, read_json

IDS = frozenset({"CAP-1"})
_LIMITS = Limits(octets=16 << 20, elements=200_000)
# flow -> (resource, interaction) that serve it
_SERVED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "INT_R01": (("Slot", "search-type"),),
    "INT_R04": (("Slot", "search-type"),),
    "SOS": (("Schedule", "search-type"),),
    "INT_R02": (("Practitioner", "create"), ("Practitioner", "update")),
}


async def check(subject: Subject) -> AsyncIterator[Observed]:
    """GET /metadata."""
    exchange = await subject.wire.get("metadata")
    faults = list(_faults(exchange, subject.target))
    for fault in faults:
        yield fault
    if not faults:
        yield Passed("CAP-1", exchange)


def _faults(exchange: Exchange, target: Target) -> Iterator[Fault]:
    if exchange.status != 200:
        found = str(exchange.status) if exchange.answered else exchange.why
        yield _fault(exchange, "HTTP", "pas de réponse 200", "no answer 200", found, "200")
        return
    try:
        document = read_json(exchange.body, _LIMITS)
    except JsonError as error:
        yield _fault(exchange, "CapabilityStatement", "illisible", "cannot be read", str(error), "JSON")
        return
    if not isinstance(document, dict) or document.get("resourceType") != "CapabilityStatement":
        found = str(document.get("resourceType")) if isinstance(document, dict) else type(document).__name__
        yield _fault(
            exchange, "resourceType", "pas un CapabilityStatement", "not a CapabilityStatement", found,
            "CapabilityStatement",
        )  # fmt: skip
        return
    yield from _content(exchange, document, target)


def _content(exchange: Exchange, document: Mapping[str, Any], target: Target) -> Iterator[Fault]:
    for element, expected in (("kind", "instance"), ("fhirVersion", "4.0.1")):
        if document.get(element) != expected:
            yield _fault(
                exchange, f"CapabilityStatement.{element}", f"{element} est faux", f"{element} is wrong",
                str(document.get(element)), expected,
            )  # fmt: skip
    stated = {
        (resource.get("type"), code)
        for _, resource in walk(document, "", "rest.resource")
        if isinstance(resource, dict)
        for _, code in walk(resource, "", "interaction.code")
    }
    for flow in sorted(_SERVED.keys() & set(target.flows)):
        for kind, code in _SERVED[flow]:
            if (kind, code) not in stated:
                yield _fault(
                    exchange, "CapabilityStatement.rest.resource", f"{flow} : {kind} {code} n'est pas déclaré",
                    f"{flow}: {kind} {code} is not stated", "", f"{kind} {code}",
                )  # fmt: skip


def _fault(exchange: Exchange, path: str, fr: str, en: str, found: str, expected: str) -> Fault:
    return Fault("CAP-1", path, Text(fr, en), found, expected, exchange)
