from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.text.words import folded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("L'Haÿ-les-Roses", "l hay les roses"),
        ("L\u2019HA\u0178\u2011LES\u2010ROSES", "l hay les roses"),  # typographic apostrophe and hyphens
        ("Val-d\u02bcOise", "val d oise"),
        ("Vandœuvre-lès-Nancy", "vandoeuvre les nancy"),
        ("VANDŒUVRE LÈS NANCY", "vandoeuvre les nancy"),
        ("Ve\u0301zelay", "vezelay"),  # the accent apart from its letter
        ("Médecine d’urgence", "medecine d urgence"),
        ("  St  Malo ", "saint malo"),
        ("Ste-Foy", "sainte foy"),
        ("²", "2"),
        ("٣", ""),
        ("", ""),
    ],
)
def test_what_is_written_in_many_ways_is_one(text: str, words: str) -> None:
    assert folded(text) == words


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing_and_leaves_ascii(text: str) -> None:
    once = folded(text)
    assert folded(once) == once
    assert once.isascii()
