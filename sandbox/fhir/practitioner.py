"""Regulator accounts on the wire: Practitioner of profile FrPractitionerRegul (guide, INT_R02).

Accepted: what the profile asks for, with or without `meta`; `id` is only a hint. Emitted: exactly the profile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from sandbox.fhir import nos
from sandbox.fhir.document import (
    IDENTIFIER_SHAPE,
    Check,
    Node,
    Problems,
    Shape,
    check_rest,
    check_strings,
    load_resource,
)
from sandbox.fhir.models import check_model
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, TYPES, Identifier, regulator_identifier

# The type code of each system; other pairs are refused (R02: « type ↔ system »).
TYPE_OF_SYSTEM = {SYSTEM_PERSON: "IDNPS", SYSTEM_SAS: "INTRN"}

_EMAIL = re.compile(r"[^@\s<>,;:()\[\]\"]+@[^@\s<>,;:()\[\]\".]+(?:\.[^@\s<>,;:()\[\]\".]+)+")
_SHAPE: Shape = {
    "resourceType": str,
    "id": str,
    "meta": {"profile": [str], "source": str},
    "identifier": IDENTIFIER_SHAPE,
    "active": bool,
    "name": {"family": str, "given": [str]},
    "telecom": {"system": str, "value": str},
}


@dataclass(frozen=True, slots=True)
class RegulatorAccount:
    """One regulator as INT_R02 sends them. `identifiers`: national and/or technical, in the order received."""

    identifiers: tuple[Identifier, ...]
    active: bool
    family: str
    given: tuple[str, ...]
    email: str

    def identifier(self, system: str) -> Identifier | None:
        """The identifier of that system, if the regulator has one."""
        return next((found for found in self.identifiers if found.system == system), None)

    @property
    def operator(self) -> Identifier:
        """The identifier that names the regulator in INT_R03: the national one, else the technical one."""
        return self.identifier(SYSTEM_PERSON) or self.identifiers[0]


def is_email(text: str) -> bool:
    """True for something that looks like one e-mail address with a domain (at most 254 characters, RFC 5321)."""
    return len(text) <= 254 and _EMAIL.fullmatch(text) is not None


def parse_regulator(body: bytes, *, check: Check = check_model) -> RegulatorAccount:
    """The account in a Practitioner body.

    Raises RequestError with all that is wrong, each with its FHIRPath: 400 when something mandatory is missing or
    unreadable, 422 when only rules refuse it (type code that does not fit the system, telecom that is no e-mail).
    `check` judges elements outside those of the profile.
    """
    document = load_resource(body, "Practitioner")
    problems = Problems()
    identifiers = _identifiers(problems, document)
    active = _active(problems, document)
    family, given = _name(problems, document)
    email = _email(problems, document)
    check_strings(problems, body, document)
    check_rest(problems, document, _SHAPE, check)
    problems.raise_any()
    return RegulatorAccount(identifiers, active, family, given, email)


def _identifiers(problems: Problems, document: Node) -> tuple[Identifier, ...]:
    found: list[Identifier] = []
    rows = problems.rows(document, "identifier", "Practitioner")
    for row, path in rows:
        identifier = _identifier(problems, row, path)
        if any(other.system == identifier.system for other in found):
            problems.refused("at most one identifier per system", path)
        found.append(identifier)
    if rows and not any(identifier.system in TYPE_OF_SYSTEM for identifier in found):
        problems.refused(
            f"neither a national (IDNPS, {SYSTEM_PERSON}) nor a technical identifier (INTRN, {SYSTEM_SAS})",
            "Practitioner.identifier",
        )
    return tuple(sorted(found, key=lambda one: one.system not in TYPE_OF_SYSTEM))


def _identifier(problems: Problems, row: Node, path: str) -> Identifier:
    code = problems.type_code(row, path)
    system = problems.text(row, "system", path)
    value = problems.text(row, "value", path)
    check_type(problems, code, system, path)
    return regulator_identifier(Identifier(system, value, code))


def check_type(problems: Problems, code: str, system: str, path: str) -> None:
    """Refuse a type code that does not fit its system (IDNPS: national, INTRN: given by the SAS core)."""
    expected = TYPE_OF_SYSTEM.get(system)
    if not code or not system or expected == code:
        return
    if expected is not None or code in TYPE_OF_SYSTEM.values():
        fits = next((name for name, kind in TYPE_OF_SYSTEM.items() if kind == code), None)
        want = f"'{code}' goes with {fits}" if fits else f"{system} goes with '{expected}'"
        problems.refused(f"type '{code}' does not fit system {system} ({want})", f"{path}.type.coding[0].code")


def _active(problems: Problems, document: Node) -> bool:
    value = document.get("active")
    if isinstance(value, bool):
        return value
    if value is None:
        problems.malformed("active is missing", "Practitioner.active", "required")
    else:
        problems.malformed("active is not a boolean", "Practitioner.active", "structure")
    return False


def _name(problems: Problems, document: Node) -> tuple[str, tuple[str, ...]]:
    names = []
    for row, path in problems.rows(document, "name", "Practitioner"):
        names.append((problems.text(row, "family", path), _given(problems, row, path)))
    return names[0] if names else ("", ())


def _given(problems: Problems, row: Node, path: str) -> tuple[str, ...]:
    """One given name by the profile; several are accepted and joined."""
    value = row.get("given")
    if isinstance(value, list) and value and all(isinstance(name, str) and name.strip() for name in value):
        return tuple(name.strip() for name in value)
    missing = value is None or value in ([], "")
    problems.malformed(
        "given is missing or empty" if missing else "given is not a list of non-empty strings",
        f"{path}.given",
        "required" if missing else "structure",
    )
    return ()


def _email(problems: Problems, document: Node) -> str:
    found = ""
    for row, path in problems.rows(document, "telecom", "Practitioner"):
        system = problems.text(row, "system", path)
        value = problems.text(row, "value", path)
        if system and system != "email":
            problems.refused(f"telecom is an e-mail here, not '{system}'", f"{path}.system", "value")
        elif value and not is_email(value):
            problems.refused(f"'{value}' is not an e-mail address", f"{path}.value", "value")
        found = found or value
    return found


def render_regulator(account: RegulatorAccount, *, id: str | None = None) -> bytes:
    """The Practitioner resource, profile FrPractitionerRegul (`name.given` is 1..1 there: several are joined)."""
    document: dict[str, Any] = {"resourceType": "Practitioner"}
    if id is not None:
        document["id"] = id
    document |= {
        "meta": {"source": SYSTEM_SAS, "profile": [nos.REGULATOR_PROFILE]},
        "identifier": [render_identifier(identifier) for identifier in account.identifiers],
        "active": account.active,
        "name": [{"family": account.family, "given": [" ".join(account.given)]}],
        "telecom": [{"system": "email", "value": account.email}],
    }
    return orjson.dumps(document)


def render_identifier(identifier: Identifier) -> dict[str, Any]:
    """An Identifier with its type coding; `type` falls back to that of its system."""
    code = identifier.type or TYPE_OF_SYSTEM.get(identifier.system, "INTRN")
    return {
        "type": {"coding": [{"system": TYPES, "code": code}]},
        "system": identifier.system,
        "value": identifier.value,
    }
