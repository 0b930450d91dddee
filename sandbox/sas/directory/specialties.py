"""The specialties that a regulator can search for."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.kernel.specialties import SPECIALTIES

__all__ = ["GENERAL_MEDICINE", "SPECIALTIES"]

# Professions other than doctors: codes of TRE_G15, and what ANS's LRM simulator sends for a nurse.
_PROFESSIONS: Mapping[str, str] = {
    "INF": "infirmier",
    "21": "pharmacien",
    "40": "chirurgien-dentiste",
    "50": "sage-femme",
    "60": "infirmier",
    "69": "infirmier psychiatrique",
    "70": "masseur-kinésithérapeute",
    "80": "pédicure-podologue",
    "91": "orthophoniste",
    "92": "orthoptiste",
    "94": "ergothérapeute",
    "95": "diététicien",
    "96": "psychomotricien",
}


def profession(parameter: str) -> str:
    """The profession that a `specialty` parameter names by its code (`urn:oid:…|INF`); "" for anything else."""
    _, bar, code = parameter.rpartition("|")
    return _PROFESSIONS.get(code.strip().upper(), "") if bar else ""


GENERAL_MEDICINE = frozenset({"SM26", "SM53", "SM54"})  # R38 has three codes for general practitioners
