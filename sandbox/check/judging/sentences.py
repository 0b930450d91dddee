"""Findings of the profile rules as Faults: where, what was found and expected, a sentence in both languages. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.check.evidence import Exchange
from sandbox.check.judging.answer import key_of
from sandbox.check.verdicts import Fault, Text
from sandbox.fhir.rules import Finding

_INDEX = re.compile(r"\[\d+\]")
# text of a finding -> French and English sentence about {element}; groups: found, expected
_KINDS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), fr, en)
    for pattern, fr, en in (
        (r"missing \((?P<expected>at least \d+)\)", "{element} manque", "{element} is missing"),
        (r"(?P<found>\d+) of them \((?P<expected>at most \d+)\)", "{element} trop de fois", "too many {element}"),
        (r"'(?P<found>.*)' has not the form (?P<expected>.*)", "{element} est mal écrit", "{element} is malformed"),
        (
            r"'(?P<found>.*)' does not refer to (?P<expected>.*)",
            "{element} ne renvoie pas au bon type",
            "{element} refers to another type",
        ),
        (
            r"system '(?P<found>.*)' is no (?P<expected>consultation type)",
            "{element} : mauvais système",
            "{element}: wrong system",
        ),
        (r"'(?P<found>.*)' is not (?P<expected>.*)", "{element} n'est pas admis", "{element} is not admitted"),
        (r"(?P<found>empty element)", "{element} est vide : il ne doit pas être envoyé", "{element} is empty"),
        (
            r"not exactly one profile of the guide: (?P<found>.*)",
            "{element} ne dit pas exactement un profil du guide",
            "{element} does not state exactly one profile of the guide",
        ),
        (
            r"consultation type '(?P<found>.*)' as text",
            "type de consultation envoyé en texte",
            "consultation type as text",
        ),
        (r"not after the start", "la fin n'est pas après le début", "the end is not after the start"),
        (r"missing: the (?P<expected>booking URL).*", "l'URL de réservation manque", "the booking URL is missing"),
        (
            r"CPTS visibility and references to CPTS do not go together",
            "la visibilité CPTS et les références aux CPTS ne vont pas ensemble",
            "CPTS visibility and references to CPTS do not go together",
        ),
        (
            r"not exactly one (?P<expected>reference to a HealthcareService)",
            "pas exactement une référence à un HealthcareService",
            "not exactly one reference to a HealthcareService",
        ),
        (r"missing", "{element} manque", "{element} is missing"),
    )
)  # fmt: skip
# last elements of a path -> what is expected there, instead of a regular expression
_EXPECTED: Mapping[str, str] = {
    "start": "YYYY-MM-DDThh:mm:ss.sss+hh:mm",
    "end": "YYYY-MM-DDThh:mm:ss.sss+hh:mm",
    "telecom.value": "+33 / +262 / +590 / +594 / +596 et neuf chiffres",
    "address.postalCode": "cinq chiffres",
    "comment": "http(s)://…",
    "openingTime": "hh:mm:ss",
    "closingTime": "hh:mm:ss",
    "location.reference": "#<id>",
}


def fault_of(finding: Finding, requirement: str, resource: Mapping[str, Any], exchange: Exchange) -> Fault:
    """A finding about a resource of an answer, whose path begins with its type."""
    where = finding.path.partition(".")[2]
    path = f"{key_of(resource)}.{where}" if where else key_of(resource)
    element = _INDEX.sub("", finding.path)
    for pattern, fr, en in _KINDS:
        if match := pattern.fullmatch(finding.text):
            parts = {"found": "", "expected": "", **match.groupdict("")}
            return Fault(
                requirement, path, Text(fr.format(element=element), en.format(element=element)),
                "" if parts["found"] == "empty element" else parts["found"], _expected(element, parts["expected"]),
                exchange, cause=f"{element}: {en}", place=f'"{resource.get("id")}"',
            )  # fmt: skip
    return Fault(
        requirement, path, Text(f"{element} : {finding.text}", f"{element}: {finding.text}"), exchange=exchange
    )


def _expected(element: str, words: str) -> str:
    tail = next((each for each in _EXPECTED if element.endswith(f".{each}")), None)
    if tail is not None and not words.startswith("at "):
        return _EXPECTED[tail]
    return words.replace("at least", "au moins").replace("at most", "au plus").replace(" or ", ", ")
