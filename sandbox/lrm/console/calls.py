"""Synthetic calls: the caller, the patient, the place and the reason. Pure: the same LRM, number and seed give the same
call.

Names are drawn from lists of common French names and never describe a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from sandbox.kernel.model import Practitioner, Town
from sandbox.lrm.ledger.records import Call

T = TypeVar("T")

FAMILIES = (
    *("Martin", "Bernard", "Petit", "Robert", "Richard", "Durand", "Dubois", "Moreau", "Laurent", "Simon"),
    *("Michel", "Lefebvre", "Leroy", "Roux", "David", "Bertrand", "Morel", "Fournier", "Girard", "Bonnet"),
)
GIVENS = (
    *("Camille", "Louise", "Jeanne", "Inès", "Chloé", "Léa", "Manon", "Alice", "Nadia", "Sophie"),
    *("Gabriel", "Louis", "Jules", "Adam", "Hugo", "Paul", "Karim", "Théo", "Lucas", "Marc"),
)
STREETS = (
    *("rue des Lilas", "avenue de la République", "rue du Moulin", "place de l'Église", "rue Victor-Hugo"),
    *("chemin des Vignes", "rue de la Fontaine", "boulevard Pasteur", "allée des Acacias", "rue Jean-Jaurès"),
)
REASONS = (
    *("fièvre depuis deux jours", "douleur à l'oreille", "toux persistante", "mal de gorge"),
    *("lombalgie aiguë", "éruption cutanée", "vomissements", "brûlures urinaires"),
    *("renouvellement urgent d'un traitement", "plaie superficielle de la main"),
)
SPECIALTIES = {
    "SM54": "Médecine générale",
    "SM40": "Pédiatrie",
    "SM04": "Cardiologie et maladies vasculaires",
    "SM15": "Dermatologie et vénéréologie",
    "SM38": "Ophtalmologie",
    "SM42": "Psychiatrie",
}
_WANTED = ("SM54",) * 6 + ("SM40", "SM15")  # most calls are for a general practitioner
CALLERS = ("le patient", "sa conjointe", "son conjoint", "sa mère", "son père", "une voisine")


def synthetic_call(
    seed: int, client_id: str, number: int, towns: Sequence[Town], doctors: Sequence[Practitioner] = ()
) -> Call:
    """The call behind an LRM's case file `number`. `towns`: those of its territory, at least one.

    One caller in three has a regular doctor, one of `doctors`.
    """
    draws = iter(hashlib.shake_256(f"call/{seed}/{client_id}/{number}".encode()).digest(64))

    def pick(values: Sequence[T]) -> T:
        return values[(next(draws) << 8 | next(draws)) % len(values)]

    town = pick(towns)
    doctor = pick(doctors) if doctors and next(draws) % 3 == 0 else None
    return Call(
        caller=pick(CALLERS),
        phone=f"+3363998{(next(draws) << 8 | next(draws)) % 10_000:04}",  # range reserved for fiction by the regulator
        family=pick(FAMILIES),
        given=pick(GIVENS),
        age=1 + pick(range(95)),
        line=f"{1 + pick(range(120))} {pick(STREETS)}",
        postal_code=town.postal_code,
        city=town.name,
        insee=town.insee,
        reason=pick(REASONS),
        specialty=pick(_WANTED),
        doctor=doctor.id if doctor is not None else "",
        doctor_name=f"{doctor.given} {doctor.family}" if doctor is not None else "",
    )
