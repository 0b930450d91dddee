"""Why an editor gave nothing: in French for people, as a code for programs. Pure."""

from __future__ import annotations

from sandbox.kernel.errors import (
    PeerError,
    PeerRefused,
)
from sandbox.sas.search.events import FAILED, LATE
from sandbox.web.failed_calls import FAILED_CALLS, TIMEOUT, failed_call, status_of

# What each code says; `{…}` are filled in.
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

# The same for a table of counts.
LABELS = {
    **{call.code: call.label for call in FAILED_CALLS},
    "out-of-time": "recherche arrêtée",
    "open-circuit": "non appelé",
    "internal": "erreur interne",
    "late": "réponse tardive",
}


def told(code: str, *, seconds: float = 0.0, status: int = 0) -> str:
    """The sentence of a code."""
    return REASONS[code].format(seconds=f"{seconds:g}".replace(".", ","), status=status)


def reason_of(error: PeerError, seconds: float) -> tuple[str, str, str]:
    """State of the source, sentence and code for a call that failed; `seconds` it had."""
    call = failed_call(error)
    state = LATE if call is TIMEOUT else FAILED
    return state, told(call.code, seconds=seconds, status=status_of(error)), call.code


def is_the_editors(error: PeerError) -> bool:
    """True when the failure speaks against the editor as a whole: a 4xx is a refusal of this one request."""
    return not (isinstance(error, PeerRefused) and 400 <= error.status < 500)
