"""Why slots of an editor are missing: a code for programs, a French sentence for people. Pure."""

from __future__ import annotations

from sandbox.kernel.errors import (
    PeerError,
    PeerRefused,
)
from sandbox.sas.search.events import FAILED, LATE
from sandbox.web.failed_calls import FAILED_CALLS, TIMEOUT, failed_call, status_of

# The sentence of each code; `sentence` fills in what is in braces.
REASONS = {
    **{call.code: call.reason for call in FAILED_CALLS},
    "out-of-time": "la recherche a été arrêtée avant sa réponse",
    "open-circuit": "écarté un moment après des échecs répétés",
    "internal": "erreur du bac à sable à la lecture de sa réponse",
    "next-elsewhere": "réponse incomplète, la page suivante n'est pas à l'adresse de l'éditeur",
    "next-repeats": "réponse incomplète, la page suivante a déjà été lue",
    "next-many": "réponse incomplète, trop de pages",
    "slots-many": "réponse incomplète, trop de créneaux",
}

# A short form of each sentence, for a table of counts.
LABELS = {
    **{call.code: call.label for call in FAILED_CALLS},
    "out-of-time": "recherche arrêtée",
    "open-circuit": "non appelé",
    "internal": "erreur interne",
    "late": "réponse tardive",
}


def sentence(code: str, *, seconds: float = 0.0, status: int = 0) -> str:
    """The French sentence of a code. `seconds`: the time-out; `status`: of the HTTP answer."""
    return REASONS[code].format(seconds=f"{seconds:g}".replace(".", ","), status=status)


def reason_of(error: PeerError, seconds: float) -> tuple[str, str, str]:
    """State (`LATE` or `FAILED`), sentence and code for a failed call. `seconds`: the time-out."""
    call = failed_call(error)
    state = LATE if call is TIMEOUT else FAILED
    return state, sentence(call.code, seconds=seconds, status=status_of(error)), call.code


def blames_editor(error: PeerError) -> bool:
    """True when the failure counts for the editor's circuit breaker. A 4xx does not count, because it refuses only this
    request."""
    return not (isinstance(error, PeerRefused) and 400 <= error.status < 500)
