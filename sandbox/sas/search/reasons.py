"""Why slots of an editor are missing: a code for programs, a French sentence for people. Pure."""

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

# The sentence of each code; `sentence` fills in what is in braces.
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

# The same in short, for a table of counts.
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


def sentence(code: str, *, seconds: float = 0.0, status: int = 0) -> str:
    """The French sentence of a code. `seconds`: the time-out; `status`: of the HTTP answer."""
    return REASONS[code].format(seconds=f"{seconds:g}".replace(".", ","), status=status)


def reason_of(error: PeerError, seconds: float) -> tuple[str, str, str]:
    """For a call that failed: the state (`LATE` or `FAILED`), sentence and code. `seconds`: the time-out."""
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
    return state, sentence(code, seconds=seconds, status=status), code


def blames_editor(error: PeerError) -> bool:
    """True when the failure counts for the editor's circuit breaker; a 4xx does not, it refuses this one request."""
    return not (isinstance(error, PeerRefused) and 400 <= error.status < 500)
