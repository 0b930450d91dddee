"""The slot searches as an editor offers them: what its CapabilityStatement states, and what its parser takes. Pure.

Both come from one source, so that the statement and the parser cannot differ: `capability` renders an Offer, `search`
refuses (or, on `Prefer: handling=lenient`, ignores) what is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

SCHEDULE, ACTOR = "Slot:schedule", "Schedule:actor"
SERVICE, SERVICE_ORGANIZATION = "Slot:service-type-reference", "HealthcareService:organization"
SITE, SITE_ORGANIZATION = "Schedule:actor:Location", "Location:organization"

PRACTITIONERS = "schedule.actor:Practitioner.identifier"
ASSOCIATIONS = "actor:Location.organization.identifier"
HAS = "_has:Slot:schedule:"
INCLUDE = ("_include", "_include:iterate", "_include:recurse")
REVINCLUDE = ("_revinclude", "_revinclude:iterate", "_revinclude:recurse")


class Parameter(NamedTuple):
    """One search parameter. `kind`: a search parameter type of FHIR; `note`: for people, French."""

    name: str
    kind: str
    note: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One search. `names`: every parameter that a request may have (`_format` belongs to all: FHIR R4, 3.1.0.1.11).

    `by_include`, `by_revinclude`: the values that may be asked for, in lower case -> as stated.
    """

    parameters: tuple[Parameter, ...]
    includes: tuple[str, ...]
    revincludes: tuple[str, ...] = ()
    names: frozenset[str] = field(init=False)
    by_include: Mapping[str, str] = field(init=False)
    by_revinclude: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        modifiers = (*INCLUDE, *(REVINCLUDE if self.revincludes else ()))
        include = {name.lower(): name for name in self.includes}
        if SITE in self.includes:
            include["schedule:actor"] = SITE  # as FHIR writes it when the target type is left open
        object.__setattr__(self, "names", frozenset(("_format", *modifiers, *(each.name for each in self.parameters))))
        object.__setattr__(self, "by_include", MappingProxyType(include))
        object.__setattr__(self, "by_revinclude", MappingProxyType({name.lower(): name for name in self.revincludes}))


_WINDOW = "ge et le, un de chaque ; avec ou sans décalage horaire et millisecondes"


@cache
def slot_offer(cpts: bool) -> Offer:
    """`GET Slot`: INT_R01, with `cpts` INT_R04 too."""
    return Offer(
        (
            Parameter("start", "date", _WINDOW),
            Parameter("status", "token", "free"),
            Parameter(PRACTITIONERS, "token", "1 à 25 identifiants nationaux, avec ou sans préfixe"),
            Parameter("_count", "number", "taille de page, 1000 au plus"),
            Parameter("_after", "string", "page suivante, telle que le lien « next » la donne"),
        ),
        (SCHEDULE, ACTOR, *((SERVICE, SERVICE_ORGANIZATION) if cpts else ())),
    )


SCHEDULE_OFFER = Offer(
    (
        Parameter(f"{HAS}start", "date", _WINDOW),
        Parameter(f"{HAS}status", "token", "free"),
        Parameter("start", "date", f"autre écriture de {HAS}start"),
        Parameter("status", "token", f"autre écriture de {HAS}status"),
        Parameter(ASSOCIATIONS, "token", "1 à 25 SIRET, avec ou sans préfixe"),
        Parameter("_count", "number", "acceptée ; ces réponses ont une seule page"),
    ),
    (SITE, SITE_ORGANIZATION),
    (SCHEDULE,),
)  # `GET Schedule`: SOS Médecins
