"""French words of the console's pages for states, rights, fields and problems, with the tone of their badges. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sandbox.sas.directory.origins import Origin
from sandbox.sas.orientations.records import Ending
from sandbox.sas.orientations.steps import Action
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
COMMUNITIES: Mapping[str, str] = {
    "CPTS": "Communauté professionnelle territoriale de santé",
    "SOS": "Association SOS Médecins",
    "group": "Groupe de cabinets",
}
ENDINGS: Mapping[Ending | None, str] = {
    Ending.WITHDRAWN: "Retirée : vous avez retiré cette demande.",
    Ending.REFUSED: "Refusée : aucun membre de la communauté ne prend ce patient en charge.",
    Ending.UNANSWERED: "Sans réponse : personne n'a répondu dans le délai.",
    Ending.REJECTED: "Non transmise : l'éditeur de la communauté n'a pas accepté la demande.",
    None: "Annulée : la communauté ne prend plus ce patient en charge.",
}
ORIGINS: Mapping[Origin, str] = {
    Origin.EDITOR: "Agenda d'un éditeur",
    Origin.SAS_AGENDA: "Agenda SAS",
    Origin.EXTRA: "En sus, accord par téléphone",
    Origin.MARKETPLACE: "Place de marché",
    Origin.STRUCTURE: "Orientation vers une structure",
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


@dataclass(frozen=True, slots=True)
class Step:
    """A step that a regulator takes with an appointment made in the platform. `path`: the last part of its address;
    `label` of the button that leads to it; `question` and `consequence` of the page that asks for confirmation, with
    the button `confirm`; `done`: what the next page says."""

    path: str
    label: str
    question: str
    consequence: str
    confirm: str
    done: str


STEPS: Mapping[Action, Step] = {
    Action.CANCEL: Step(
        "annulation",
        "Annuler",
        "Annuler ce rendez-vous ?",
        "Le LRM en est informé. Prévenez vous-même le patient, et le professionnel ou la structure qui l'attend.",
        "Annuler le rendez-vous",
        "Rendez-vous annulé.",
    ),
    Action.FULFIL: Step(
        "honore",
        "Honoré",
        "Le patient est-il venu ?",
        "Le rendez-vous est clos comme honoré et le LRM en est informé. Il n'est plus modifiable ensuite.",
        "Marquer comme honoré",
        "Rendez-vous honoré.",
    ),
    Action.NOSHOW: Step(
        "absence",
        "Absent",
        "Le patient n'est-il pas venu ?",
        "Le rendez-vous est clos comme non honoré et le LRM en est informé. Il n'est plus modifiable ensuite.",
        "Marquer comme absent",
        "Absence enregistrée.",
    ),
    Action.WITHDRAW: Step(
        "retrait",
        "Retirer la demande",
        "Retirer cette demande à la communauté ?",
        "La communauté en est avertie, et le médecin qui l'aurait déjà acceptée aussi. Le LRM en est informé.",
        "Retirer la demande",
        "Demande retirée.",
    ),
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
