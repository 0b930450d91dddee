"""The specialties that practitioners have: labels of TRE_R38 codes (nomenclature of the Ordre). Pure data."""

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
    "SM02": "Anesthésie-réanimation",
    "SM05": "Chirurgie générale",
    "SM29": "Médecine physique et de réadaptation",
    "SM44": "Radio-diagnostic",
    "SCD01": "Orthopédie dento-faciale",
    "SCD02": "Chirurgie orale",
    "SCD03": "Médecine bucco-dentaire",
}
