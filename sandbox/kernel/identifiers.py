"""National identifiers: their systems, their forms, their prefixes (guide, « Identifiants »).

Whatever an agenda stores, answers carry the prefixed form and a search may carry either. Generated ids honour
the Luhn check digit, incoming ones are never refused for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SYSTEM_PERSON = "urn:oid:1.2.250.1.71.4.2.1"  # IDNPS: RPPS, ADELI, FINESS/internal, …
SYSTEM_STRUCTURE = "urn:oid:1.2.250.1.71.4.2.2"  # IDNST: FINESS, SIRET, RPPS rang
SYSTEM_SAS = "urn:oid:1.2.250.1.213.3.6"  # INTRN ids that the SAS core gives to regulators
SYSTEM_ORIENTATIONS = "urn:oid:1.2.250.1.999.0.3"  # appointments made in the SAS core itself (fictitious arc)

TYPES = "http://interopsante.org/fhir/CodeSystem/fr-v2-0203"
LOCATION_TYPES = "http://interopsante.org/fhir/CodeSystem/fr-location-identifier-type"

RPPS = re.compile(r"8[0-9]{11}")
FINESS = re.compile(r"1[0-9]{9}")
SIRET = re.compile(r"3[0-9]{14}")
L02_RPPS = re.compile(r"81[0-9]{10}")  # the only practitioner id that RS-SAS-RDV admits


@dataclass(frozen=True, slots=True)
class Identifier:
    """A FHIR identifier: identity is the pair (system, value); `type` is IDNPS, INTRN, IDNST or empty."""

    system: str
    value: str
    type: str = ""

    @property
    def key(self) -> str:
        """`system|value`, as in a FHIR token search."""
        return f"{self.system}|{self.value}"


_PLAIN = bytes(octet - 48 if 48 <= octet < 58 else 0 for octet in range(256))
_DOUBLED = bytes(2 * digit - 9 * (digit > 4) for digit in _PLAIN)  # the digit sum of the doubled digit


def luhn_digit(digits: str) -> str:
    """The Luhn check digit of a row of digits.

    >>> luhn_digit("7992739871")
    '3'
    """
    octets = digits.encode("ascii", "replace")
    return str(-(sum(octets[-1::-2].translate(_DOUBLED)) + sum(octets[-2::-2].translate(_PLAIN))) % 10)


def has_luhn(digits: str) -> bool:
    """True when the last digit is the Luhn check digit of the others."""
    return digits.isascii() and digits[:-1].isdigit() and luhn_digit(digits[:-1]) == digits[-1]


def prefixed_person(value: str) -> str:
    """National id of a person with its prefix: 11 digits -> `8…` (RPPS), 9 characters -> `0…` (ADELI).

    Anything else is returned as it is: it may already carry its prefix, or be unknown.
    """
    length = len(value)
    if length == 11 and value.isascii() and value.isdigit():
        return "8" + value
    if length == 9 and value.isascii() and value[:2].isalnum():
        return "0" + value
    return value


_BARE_RPPS = re.compile(r"[0-9]{11}")


def regulator_identifier(identifier: Identifier) -> Identifier:
    """A regulator's identifier in the form that is kept and sent: a national RPPS gets its prefix where it has none.

    >>> regulator_identifier(Identifier(SYSTEM_PERSON, "19800000903", "IDNPS")).value
    '819800000903'
    """
    if identifier.system != SYSTEM_PERSON or not _BARE_RPPS.fullmatch(identifier.value):
        return identifier
    return Identifier(identifier.system, "8" + identifier.value, identifier.type)


def regulator_login(text: str) -> str:
    """The identifier with which a regulator logs in, typed or sent by another system; an RPPS without prefix gets it.

    `text`: `system|value`, the value alone, or anything else, which is left as it is.
    """
    system, bar, value = text.strip().rpartition("|")
    bare = _BARE_RPPS.fullmatch(value) and system in ("", SYSTEM_PERSON)
    return f"{system}{bar}8{value}" if bare else text


def prefixed_structure(value: str) -> str:
    """National id of a structure with its prefix: 9 -> `1…` (FINESS), 14 -> `3…` (SIRET); else as it is."""
    if value.isascii() and value.isdigit():
        if len(value) == 9:
            return "1" + value
        if len(value) == 14:
            return "3" + value
    return value


_PHONE = re.compile(r"(?:\+|00)(33|262|590|594|596)0?([0-9]{9})|0([0-9]{9})")
# The first digits, after the 0, of numbers of overseas départements, and the country code, which is not +33.
_OVERSEAS = {
    "262": "262", "263": "262", "269": "262", "692": "262", "693": "262", "639": "262",
    "590": "590", "690": "590", "691": "590", "594": "594", "694": "594", "596": "596", "696": "596", "697": "596",
}  # fmt: skip
_FICTION = "63998"  # ARCEP keeps 06 39 98 for fiction, in the middle of Mayotte's 06 39


def national_phone(text: str) -> str | None:
    """A telephone number in the guide's form (`+33` and nine digits, or an overseas prefix); None if it is none.

    >>> national_phone("01 02 03 04 05")
    '+33102030405'
    >>> national_phone("02 62 00 00 01")
    '+262262000001'
    """
    match = _PHONE.fullmatch(re.sub(r"[\s.\-()]", "", text))
    if match is None:
        return None
    country, abroad, home = match.groups()
    if country not in (None, "33"):
        return f"+{country}{abroad}"
    digits = abroad or home
    return f"+{'33' if digits.startswith(_FICTION) else _OVERSEAS.get(digits[:3], '33')}{digits}"
