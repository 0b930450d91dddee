"""Made-up regulators for INT_R02, new at each run, and their bodies: right, and wrong in every way that is refused.

All of them are called CONTROLE, their e-mails end in `.example`, which belongs to nobody (RFC 2606), and their
structure has a FINESS of département 99, which does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from sandbox.check.verdicts import Text
from sandbox.fhir.practitioner import RegulatorAccount, render_regulator
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier, luhn_digit

FAMILY, DOMAIN = "CONTROLE", "recette-sas.example"
_FINESS = "99000001"


class Newcomers:
    """Regulators whom no server knows yet."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._run, self._count = entropy.token(4), 0

    def email(self) -> str:
        """A new e-mail."""
        self._count += 1
        return f"controle-{self._run}-{self._count}@{DOMAIN}"

    def technical(self) -> Identifier:
        """A new identifier as the SAS core gives them: a UUID."""
        return Identifier(SYSTEM_SAS, self._entropy.uuid(), "INTRN")

    def national(self) -> Identifier:
        """A new national identifier of somebody with a professional card: `3`, FINESS, `/`, internal id."""
        finess = _FINESS + luhn_digit(_FINESS)
        return Identifier(SYSTEM_PERSON, f"3{finess}/{self._digits(8)}", "IDNPS")

    def person(self, *identifiers: Identifier) -> RegulatorAccount:
        """A new regulator; without identifiers, with a technical one."""
        return RegulatorAccount(identifiers or (self.technical(),), True, FAMILY, ("Essai",), self.email())

    def free_form(self) -> Identifier:
        """A new technical identifier that is no UUID."""
        return Identifier(SYSTEM_SAS, f"agent.{self._digits(6)}", "INTRN")

    def _digits(self, count: int) -> str:
        return "".join(str(octet % 10) for octet in self._entropy.octets(count))


def with_identifier(account: RegulatorAccount, identifier: Identifier) -> RegulatorAccount:
    """The same person with that one identifier."""
    return replace(account, identifiers=(identifier,))


def document(account: RegulatorAccount, id: str | None = None) -> dict[str, Any]:
    """The body of an account as plain values."""
    found: dict[str, Any] = orjson.loads(render_regulator(account, id=id))
    return found


def without_meta(account: RegulatorAccount) -> bytes:
    """A body without `meta`."""
    return orjson.dumps({name: value for name, value in document(account).items() if name != "meta"})


class Wrong(NamedTuple):
    """A body that is refused. `path`: of what is wrong; `text`: what accepting it means; `spoil` makes a right body
    wrong, in place."""

    path: str
    text: Text
    spoil: Callable[[dict[str, Any]], None]

    def body(self, account: RegulatorAccount) -> bytes:
        """The body of an account with this mistake."""
        found = document(account)
        self.spoil(found)
        return orjson.dumps(found)


def _without(element: str) -> Callable[[dict[str, Any]], None]:
    return lambda body: body.pop(element)


def _put(element: str, values: Mapping[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Change members of the only row of an element; None takes one away."""

    def spoil(body: dict[str, Any]) -> None:
        row = {**body[element][0], **values}
        body[element] = [{name: value for name, value in row.items() if value is not None}]

    return spoil


def _typed(code: str, system: str) -> Callable[[dict[str, Any]], None]:
    def spoil(body: dict[str, Any]) -> None:
        row = body["identifier"][0]
        row["type"]["coding"][0]["code"] = code
        row["system"] = system

    return spoil


def _wrong(path: str, fr: str, en: str, spoil: Callable[[dict[str, Any]], None]) -> Wrong:
    text = Text(f"un compte {fr} est accepté", f"an account {en} is accepted")
    return Wrong(f"Practitioner.{path}", text, spoil)


WRONG: tuple[Wrong, ...] = (
    _wrong("identifier", "sans identifiant", "without identifier", _without("identifier")),
    _wrong("name", "sans nom", "without name", _without("name")),
    _wrong("name[0].family", "sans nom de famille", "without family name", _put("name", {"family": None})),
    _wrong("name[0].family", "au nom de famille vide", "with an empty family name", _put("name", {"family": ""})),
    _wrong("name[0].given", "sans prénom", "without given name", _put("name", {"given": None})),
    _wrong("telecom", "sans telecom", "without telecom", _without("telecom")),
    _wrong("telecom[0].value", "à l'e-mail vide", "with an empty e-mail", _put("telecom", {"value": ""})),
    _wrong(
        "telecom[0].value",
        "dont l'e-mail n'en est pas un (« essai »)",
        'whose e-mail is none ("essai")',
        _put("telecom", {"value": "essai"}),
    ),
    _wrong(
        "telecom[0].system",
        "dont le telecom est un téléphone",
        "whose telecom is a phone",
        _put("telecom", {"system": "phone", "value": "+33102030405"}),
    ),
    _wrong("active", "sans active", "without active", _without("active")),
    _wrong(
        "identifier[0].type",
        "dont l'identifiant est de type INTRN dans le système national",
        "whose identifier has type INTRN in the national system",
        _typed("INTRN", SYSTEM_PERSON),
    ),
    _wrong(
        "identifier[0].type",
        "dont l'identifiant est de type IDNPS dans le système du SAS",
        "whose identifier has type IDNPS in the system of the SAS",
        _typed("IDNPS", SYSTEM_SAS),
    ),
)
