"""The specialties that a regulator can search for: labels of TRE_R38 codes (nomenclature of the Ordre)."""

from __future__ import annotations

from collections.abc import Mapping

SPECIALTIES: Mapping[str, str] = {
    "SM54": "Médecine générale",
    "SM53": "Spécialiste en Médecine générale",
    "SM26": "Qualifié en Médecine générale",
    "SM59": "Médecine d'urgence",
    "SM40": "Pédiatrie",
    "SM18": "Gériatrie",
    "SM04": "Cardiologie et Maladies vasculaires",
    "SM73": "Médecine cardiovasculaire",
    "SM61": "Médecine vasculaire",
    "SM15": "Dermatologie et Vénéréologie",
    "SM16": "Endocrinologie et Métabolisme",
    "SM19": "Gynécologie médicale",
    "SM20": "Gynécologie-obstétrique",
    "SM24": "Gastro-entérologie et Hépatologie",
    "SM27": "Médecine interne",
    "SM32": "Neurologie",
    "SM34": "ORL et Chirurgie cervico-faciale",
    "SM39": "Oto-rhino-laryngologie",
    "SM38": "Ophtalmologie",
    "SM41": "Pneumologie",
    "SM42": "Psychiatrie",
    "SM48": "Rhumatologie",
    "SM50": "Stomatologie",
    "SM57": "Allergologie",
    "SM58": "Maladies infectieuses et tropicales",
}

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
