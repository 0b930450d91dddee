"""The patient of an appointment: checking what the regulator typed, inventing one. Pure.

Patients are synthetic and known only where the appointment was made (at an editor, or in the SAS core): nothing of them
goes into INT_R03, L02, a log, the journal, a URL or a cookie (guide, « Sécurité »).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import msgspec

from sandbox.kernel.entropy import Entropy
from sandbox.kernel.identifiers import national_phone

FIELDS = ("family", "given", "birth_date", "sex", "phone", "reason")
SEXES = {"": "Non précisé", "F": "Féminin", "M": "Masculin"}
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[ '’.\-])*")
_FRENCH_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_OLDEST = 130  # years


class Patient(msgspec.Struct, frozen=True):
    """`phone` in the guide's form (`+33…`); `sex` a key of SEXES; `reason` may be empty."""

    family: str
    given: str
    birth_date: date
    phone: str
    reason: str = ""
    sex: str = ""


def typed(form: Mapping[str, object]) -> dict[str, str]:
    """The patient's fields of a form, white space reduced to single spaces; "" for a missing field."""
    return {name: " ".join(str(form.get(name) or "").split()) for name in FIELDS}


def check_patient(values: Mapping[str, str], today: date) -> tuple[Patient | None, dict[str, str]]:
    """The patient, or None and the errors by field, in French for the regulator."""
    errors: dict[str, str] = {}
    for name, label in (("family", "le nom"), ("given", "le prénom")):
        errors[name] = _name_error(values[name], label)
    born, errors["birth_date"] = _birth_date(values["birth_date"], today)
    phone = national_phone(values["phone"])
    if phone is None:
        errors["phone"] = "Saisissez un numéro français à dix chiffres, par exemple 06 12 34 56 78."
    if values["sex"] not in SEXES:
        errors["sex"] = "Choisissez dans la liste."
    if len(values["reason"]) > 300:
        errors["reason"] = "Le motif dépasse 300 caractères."
    errors = {name: text for name, text in errors.items() if text}
    if errors or born is None or phone is None:
        return None, errors
    return Patient(values["family"], values["given"], born, phone, values["reason"], values["sex"]), {}


# Names that cannot be mistaken for those of a real patient; telephone numbers that ARCEP keeps for fiction
# (06 39 98 xx xx).
_FAMILIES = ("Fictif", "Exemple", "Essai", "Modèle", "Imaginaire", "Factice", "Simulé", "Témoin")
_GIVEN = {
    "F": ("Camille", "Inès", "Louise", "Maëlle", "Rose", "Zoé", "Anne-Laure", "Fatou"),
    "M": ("Basile", "Émile", "Idir", "Jean-Marc", "Noé", "Théo", "Yann", "Malo"),
}
_REASONS = (
    "Fièvre depuis deux jours",
    "Douleur à l'oreille",
    "Toux persistante",
    "Douleur lombaire",
    "Éruption cutanée",
)


def invented(entropy: Entropy, today: date) -> dict[str, str]:
    """The fields of a patient who does not exist, as somebody would type them."""

    def drawn(choices: Sequence[str]) -> str:
        return choices[int(entropy.chance() * len(choices))]

    sex = drawn(("F", "M"))
    born = today - timedelta(days=1 + int(entropy.chance() * 90 * 365))
    digits = f"{int(entropy.chance() * 10_000):04d}"
    return {
        "family": drawn(_FAMILIES),
        "given": drawn(_GIVEN[sex]),
        "birth_date": born.strftime("%d/%m/%Y"),
        "sex": sex,
        "phone": f"06 39 98 {digits[:2]} {digits[2:]}",
        "reason": drawn(_REASONS),
    }


def _name_error(text: str, label: str) -> str:
    if not text:
        return f"Saisissez {label}."
    if len(text) > 80 or not _NAME.fullmatch(text):
        return "Lettres, espaces, apostrophes et traits d'union seulement, 80 caractères au plus."
    return ""


def _birth_date(text: str, today: date) -> tuple[date | None, str]:
    """`YYYY-MM-DD` as browsers send it, or `JJ/MM/AAAA` as people type it."""
    if match := _FRENCH_DATE.fullmatch(text):
        day, month, year = match.groups()
        text = f"{year}-{month:>02}-{day:>02}"
    try:
        born = date.fromisoformat(text)
    except ValueError:
        return None, "Saisissez la date de naissance, par exemple 31/01/1980."
    if born > today:
        return None, "La date de naissance est dans le futur."
    if today.year - born.year > _OLDEST:
        return None, f"La date de naissance a plus de {_OLDEST} ans."
    return born, ""
