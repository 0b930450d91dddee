"""French words of the console's pages for states, rights, fields and problems, with the tone of their badges. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from sandbox.sas.directory.origins import Origin
from sandbox.sas.regulators.accounts import Right

Words: TypeAlias = Mapping[str, tuple[str, str]]  # by code: the word shown to people, the tone of the badge

L02: Words = {
    "due": ("enregistrée", "wait"),
    "published": ("émise", "info"),
    "acknowledged": ("acquittée", "good"),
    "refused": ("refusée", "bad"),
    "expired": ("expirée", "bad"),
}
MESSAGES: Words = {
    "due": ("à transmettre", "wait"),
    "published": ("transmis au hub", "info"),
    "acknowledged": ("acquitté", "good"),
    "refused": ("refusé", "bad"),
    "expired": ("expiré", "bad"),
}
ACCOUNTS: Words = {
    "known": ("à jour", "good"),
    "due": ("à transmettre", "wait"),
    "failed": ("en échec, à reprendre", "bad"),
    "withdrawn": ("droit retiré", "off"),
    "withdrawing": ("retrait en cours", "wait"),
    "unknown": ("jamais transmis", "off"),
}
CIRCUITS: Words = {
    "closed": ("en service", "good"),
    "half-open": ("à l'essai", "wait"),
    "open": ("écarté", "bad"),
}
CATEGORIES: Mapping[str, str] = {
    "PS": "Professionnel de santé",
    "CPTS": "CPTS",
    "SOS": "SOS Médecins",
    "PDM": "Place de marché",
    "CDS": "Centre de santé",
    "MSP": "Maison de santé pluriprofessionnelle",
}
ORIGINS: Mapping[Origin, str] = {
    Origin.EDITOR: "Agenda d'un éditeur",
    Origin.SAS_AGENDA: "Agenda SAS",
    Origin.EXTRA: "En sus de l'agenda",
    Origin.MARKETPLACE: "Place de marché",
    Origin.STRUCTURE: "Structure",
}
SLOTS: Words = {  # how a typed slot stands
    "past": ("passé", "off"),
    "closed": ("fermé", "off"),
    "full": ("complet", "info"),
    "free": ("libre", "good"),
}
SCOPES: Mapping[str, str] = {  # how much of a weekly series a change is about
    "one": "ce créneau seulement",
    "following": "celui-ci et les suivants",
    "all": "toute la série",
}
TYPES = (("IDNPS", "identifiant national (carte CPS)"), ("INTRN", "identifiant technique (donné par le SAS)"))
RIGHTS: Mapping[str, str] = {
    Right.ORIENTATION: "Chercher des créneaux et orienter",
    Right.ADMINISTRATION: "Gérer les comptes et les messages",
}
ACTIONS: Mapping[str, str] = {
    "create": "Création",
    "change": "Modification",
    "withdraw": "Retrait du droit",
    "restore": "Rétablissement",
    "delete": "Suppression",
}
FIELDS: Mapping[str, str] = {
    "identifier": "identifiant",
    "family": "nom",
    "given": "prénom",
    "email": "adresse électronique",
    "territory": "territoire",
    "rights": "droits",
    "active": "actif",
    "password": "mot de passe",
}
PROBLEMS: Mapping[tuple[str, str], str] = {
    ("value", "required"): "Un identifiant national est attendu.",
    ("value", "value"): "Cet identifiant n'a pas la forme attendue.",
    ("value", "duplicate"): "Un autre compte actif a déjà cet identifiant.",
    ("family", "required"): "Le nom est attendu.",
    ("given", "required"): "Le prénom est attendu.",
    ("email", "required"): "L'adresse électronique est attendue.",
    ("email", "value"): "Ce n'est pas une adresse électronique.",
    ("email", "duplicate"): "Un autre compte actif a déjà cette adresse.",
    ("territory", "value"): "Choisissez un territoire de la liste.",
}
_ACTIVE = {"yes": "oui", "no": "non"}
_KINDS = {"IDNPS": "national", "INTRN": "technique"}


def messages(state: str, count: int) -> str:
    """The word for `count` messages in that state: `refusé`, `refusés`."""
    word = MESSAGES[state][0]
    return f"{word}s" if count > 1 and word.endswith("é") else word


def changed(name: str, text: str) -> str:
    """The text of a field in an account's history, as people read it; an empty one stays empty."""
    match name:
        case "active":
            return _ACTIVE.get(text, text)
        case "rights":
            return ", ".join(RIGHTS.get(each, each).lower() for each in text.split(", ") if each) or "aucun"
        case "identifier":
            kind, _, value = text.partition(" ")
            return f"{_KINDS.get(kind, kind)} {value}".strip()
    return text
