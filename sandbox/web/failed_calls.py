"""What people read about a call of another actor that failed: one table for the pages of all consoles. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.kernel.errors import (
    PeerError,
    PeerRefused,
    PeerTimeout,
    PeerTooLarge,
    PeerUnreachable,
    PeerUntrusted,
)


@dataclass(frozen=True, slots=True)
class FailedCall:
    """One way in which a call fails, in French.

    `code`: for programs; `sentence`: without its full stop, with `{peer}` and, after an answer, `{status}`; `reason`:
    what follows the name of the other side, with `{seconds}` (those it had) or `{status}`; `label`: for a table.
    """

    code: str
    sentence: str
    reason: str
    label: str


_NO_CONNECTION = "la connexion à {peer} a échoué"
_UNUSABLE = "la réponse de {peer} n'est pas exploitable"

TIMEOUT = FailedCall("timeout", "{peer} n'a pas répondu dans le délai", "pas de réponse en {seconds} s", "hors délai")
UNTRUSTED = FailedCall("untrusted", _NO_CONNECTION, "certificat ou connexion TLS refusés", "TLS refusé")
UNREACHABLE = FailedCall("unreachable", _NO_CONNECTION, "injoignable", "injoignable")
STATUS = FailedCall("status", "{peer} a répondu {status}", "a répondu par une erreur {status}", "erreur HTTP")
TOO_LARGE = FailedCall("too-large", _UNUSABLE, "réponse trop volumineuse", "trop volumineuse")
UNREADABLE = FailedCall("unreadable", _UNUSABLE, "réponse illisible", "illisible")

FAILED_CALLS = (TIMEOUT, UNTRUSTED, UNREACHABLE, STATUS, TOO_LARGE, UNREADABLE)

_BY_ERROR: tuple[tuple[type[PeerError], FailedCall], ...] = (  # a class before those that it is derived from
    (PeerTimeout, TIMEOUT),
    (PeerUntrusted, UNTRUSTED),
    (PeerUnreachable, UNREACHABLE),
    (PeerRefused, STATUS),
    (PeerTooLarge, TOO_LARGE),
)


def failed_call(error: PeerError) -> FailedCall:
    """The way in which a call failed."""
    return next((call for kind, call in _BY_ERROR if isinstance(error, kind)), UNREADABLE)


def status_of(error: PeerError) -> int:
    """The HTTP status that the other side answered with; 0 without an answer."""
    return error.status if isinstance(error, PeerRefused) else 0


def sentence_of(error: PeerError, peer: str) -> str:
    """Why the call failed, as a sentence without capital and full stop; `peer`: what people call the other side. What
    the other side wrote stays out of it."""
    return failed_call(error).sentence.format(peer=peer, status=status_of(error))
