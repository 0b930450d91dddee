"""The parameters of the search page, as a regulator or an LRM in his name (INT_L01) gives them. Pure.

    origin        assigning authority of the LRM: only in a contextual call
    specialty     `urn:oid:<oid>|<code>`, a code, a label, a reason or any words; none, or unknown: general medicine
    practitioner  preferred doctor: `urn:oid:1.2.250.1.71.4.2.1|8…` or his name
    streetnumber, streetname, inseecode, city      where the patient is; people type `place` instead

A preferred doctor who cannot be found never stops a search (sas_pf_001, sas_pf_002); a place that cannot be found does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sandbox.kernel.identifiers import RPPS, SYSTEM_PERSON
from sandbox.kernel.model import Practitioner, Territory
from sandbox.kernel.text.words import folded
from sandbox.sas.directory.places import ADDRESS, DEPARTMENT, Locality

NOT_FOUND, NOT_ASKED = "sas_pf_001", "sas_pf_002"

_TITLE = re.compile(r"^(?:docteure?|dr|dre|pr|professeure?)\s+")


@dataclass(frozen=True, slots=True)
class PreferredDoctor:
    """The preferred doctor as the caller gives it: an id, a name, or the reason why there is neither (`error`, a
    code)."""

    id: str = ""
    name: str = ""
    error: str = ""


def lrm_of(origin: str, territories: Iterable[Territory]) -> Territory | None:
    """The territory of the calling LRM: found by its assigning authority (with or without `urn:oid:`), by the name
    under which it is registered at the hub, or by the territory's code."""
    wanted = origin.strip().lower()
    for territory in territories if wanted else ():
        oid = territory.origin.lower()
        if wanted in (oid, oid.removeprefix("urn:oid:"), territory.samu.lower(), territory.code.lower()):
            return territory
    return None


def read_specialty(text: str) -> str:
    """The code or the words of a `specialty` parameter: what follows the bar of `urn:oid:…|SM54`, else all of it."""
    return " ".join(text.rpartition("|")[2].split())


def read_practitioner(text: str) -> PreferredDoctor:
    """The preferred doctor that a `practitioner` parameter names. NOT_FOUND for an id that is no prefixed RPPS (ADELI
    numbers included), for any other system, and for a text that looks like a system (with `urn`, `oid` or `:`)."""
    wanted = " ".join(text.split())
    if not wanted:
        return PreferredDoctor(error=NOT_ASKED)
    system, bar, value = wanted.rpartition("|")
    if bar:
        good = system.lower() == SYSTEM_PERSON and RPPS.fullmatch(value.strip())
        return PreferredDoctor(id=value.strip()) if good else PreferredDoctor(error=NOT_FOUND)
    if RPPS.fullmatch(wanted):
        return PreferredDoctor(id=wanted)
    lower = wanted.lower()
    if ":" in lower or re.search(r"\b(?:urn|oid)\b", lower) or not re.search(r"[^\W\d]", lower):
        return PreferredDoctor(error=NOT_FOUND)
    return PreferredDoctor(name=wanted)


def is_named(person: Practitioner, name: str) -> bool:
    """True when `name` is the person's family name, alone or with the given name before or after it; titles are
    ignored."""
    wanted = _TITLE.sub("", folded(name))
    family, given = folded(person.family), folded(person.given)
    return wanted in (family, f"{given} {family}", f"{family} {given}")


def place_of(values: Mapping[str, str]) -> str:
    """The place of a search as one text, for the field of the form."""
    if values.get("place", "").strip():
        return values["place"].strip()
    town = next((text for name in ("city", "town", "inseecode", "insee") if (text := values.get(name, "").strip())), "")
    number = "".join(char for char in values.get("streetnumber", "") if char in "0123456789")
    street = values.get("streetname", "").strip()
    line = " ".join(part for part in (number, street) if part) if street else ""
    return ", ".join(part for part in (line, town) if part)


def form_text(place: Locality) -> str:
    """A place as text for the form, with the postal code, so that towns of the same name are not confused."""
    if place.kind == DEPARTMENT:
        return place.label
    town = f"{place.town.postal_code} {place.town.name}"
    line = place.label.removesuffix(place.town.name) if place.kind == ADDRESS else ""
    return line + town
