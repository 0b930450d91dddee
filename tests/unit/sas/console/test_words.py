"""Every state, right and field has a French word."""

from __future__ import annotations

import pytest

from sandbox.kernel.flows import OrientationCategory
from sandbox.sas.console import words
from sandbox.sas.orientations.l02.states import MessageState
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.search.breaker import State as Circuit


def test_every_state_has_its_word() -> None:
    assert set(words.L02) == set(words.MESSAGES) == {str(state) for state in MessageState}
    assert set(words.CIRCUITS) == {str(state) for state in Circuit}
    assert set(words.CATEGORIES) == {str(category) for category in OrientationCategory}
    assert set(words.RIGHTS) == set(Right)
    for told in (words.L02, words.MESSAGES, words.ACCOUNTS, words.CIRCUITS):
        assert {tone for _, tone in told.values()} <= {"good", "info", "wait", "bad", "off"}


@pytest.mark.parametrize(
    ("state", "count", "said"),
    [("refused", 0, "refusé"), ("refused", 1, "refusé"), ("refused", 2, "refusés"), ("due", 3, "à transmettre")],
)
def test_messages_agree_with_their_number(state: str, count: int, said: str) -> None:
    assert words.messages(state, count) == said


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("active", "no", "non"),
        (
            "rights",
            "orientation, administration",
            "chercher des créneaux et orienter, gérer les comptes et les messages",
        ),
        ("rights", "", "aucun"),
        ("identifier", "IDNPS 3456780581/77", "national 3456780581/77"),
        ("identifier", "", ""),
        ("family", "Essai", "Essai"),
    ],
)
def test_a_history_is_read_without_codes(name: str, text: str, said: str) -> None:
    assert words.changed(name, text) == said
