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

GENERAL_MEDICINE = frozenset({"SM26", "SM53", "SM54"})  # R38 has three codes for general practitioners
