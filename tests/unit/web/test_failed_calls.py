"""Failed calls in French."""

from __future__ import annotations

import pytest

from sandbox.kernel.errors import (
    PeerError,
    PeerRefused,
    PeerTimeout,
    PeerTooLarge,
    PeerUnreachable,
    PeerUntrusted,
)
from sandbox.web.failed_calls import FAILED_CALLS, failed_call, sentence_of


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (PeerTimeout("sas", "7 s"), "timeout", "la plateforme n'a pas répondu dans le délai"),
        (PeerUntrusted("sas", "no"), "untrusted", "la connexion à la plateforme a échoué"),
        (PeerUnreachable("sas", "no"), "unreachable", "la connexion à la plateforme a échoué"),
        (PeerRefused("sas", 503, b"secret"), "status", "la plateforme a répondu 503"),
        (PeerTooLarge("sas", "9 MB"), "too-large", "la réponse de la plateforme n'est pas exploitable"),
        (PeerError("sas", "no JSON"), "unreadable", "la réponse de la plateforme n'est pas exploitable"),
    ],
)
def test_every_way_to_fail_has_a_code_and_a_sentence(error: PeerError, code: str, sentence: str) -> None:
    assert failed_call(error).code == code
    assert sentence_of(error, "la plateforme") == sentence


def test_a_name_with_braces_is_only_a_name() -> None:
    assert sentence_of(PeerTimeout("x", "7 s"), "« {status} »") == "« {status} » n'a pas répondu dans le délai"


def test_codes_are_distinct() -> None:
    assert len({call.code for call in FAILED_CALLS}) == len(FAILED_CALLS)
