"""Why an editor gave nothing: in French for people, as a code for programs. Pure."""

from __future__ import annotations

from sandbox.kernel.errors import (
    PeerError,
    PeerRefused,
    PeerTimeout,
    PeerTooLarge,
    PeerUnreachable,
    PeerUntrusted,
)
from sandbox.sas.search.events import FAILED, LATE

# What each code says; `{…}` are filled in.
REASONS = {
    "timeout": "pas de réponse en {seconds} s",
    "out-of-time": "la recherche a été arrêtée avant sa réponse",
    "untrusted": "certificat ou connexion TLS refusés",
    "unreachable": "injoignable",
    "status": "a répondu par une erreur {status}",
    "too-large": "réponse trop volumineuse",
    "unreadable": "réponse illisible",
    "open-circuit": "écarté un moment après des échecs répétés",
    "internal": "erreur du bac à sable à la lecture de sa réponse",
    "next-elsewhere": "réponse incomplète, la page suivante n'est pas à l'adresse de l'éditeur",
    "next-repeats": "réponse incomplète, la page suivante a déjà été lue",
    "next-many": "réponse incomplète, trop de pages",
    "slots-many": "réponse incomplète, trop de créneaux",
}

# The same for a table of counts.
LABELS = {
    "timeout": "hors délai",
    "out-of-time": "recherche arrêtée",
    "untrusted": "TLS refusé",
    "unreachable": "injoignable",
    "status": "erreur HTTP",
    "too-large": "trop volumineuse",
    "unreadable": "illisible",
    "open-circuit": "non appelé",
    "internal": "erreur interne",
    "late": "réponse tardive",
}


def told(code: str, *, seconds: float = 0.0, status: int = 0) -> str:
    """The sentence of a code."""
    return REASONS[code].format(seconds=f"{seconds:g}".replace(".", ","), status=status)


def reason_of(error: PeerError, seconds: float) -> tuple[str, str, str]:
    """State of the source, sentence and code for a call that failed; `seconds` it had."""
    state, code, status = FAILED, "unreadable", 0
    match error:
        case PeerTimeout():
            state, code = LATE, "timeout"
        case PeerUntrusted():
            code = "untrusted"
        case PeerUnreachable():
            code = "unreachable"
        case PeerRefused():
            code, status = "status", error.status
        case PeerTooLarge():
            code = "too-large"
    return state, told(code, seconds=seconds, status=status), code


def is_the_editors(error: PeerError) -> bool:
    """True when the failure speaks against the editor as a whole: a 4xx is a refusal of this one request."""
    return not (isinstance(error, PeerRefused) and 400 <= error.status < 500)
