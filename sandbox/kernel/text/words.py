"""Normal form of texts for comparison."""

from __future__ import annotations

import unicodedata

_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss"})  # which no decomposition takes apart


def folded(text: str) -> str:
    """Lower case ASCII words with one space between them: accents and ligatures resolved, whatever is no letter or
    digit (hyphens and apostrophes of every kind) a space, `Saint` for `St`.

    >>> folded("L\u2019Ha\u00ff\u2011les\u2011Roses"), folded("Vand\u0153uvre-l\u00e8s-Nancy")
    ('l hay les roses', 'vandoeuvre les nancy')
    """
    apart = unicodedata.normalize("NFKD", text).lower().translate(_LIGATURES)
    letters = "".join(char for char in apart if not unicodedata.combining(char))
    words = "".join(char if char.isascii() and char.isalnum() else " " for char in letters).split()
    return " ".join({"st": "saint", "ste": "sainte"}.get(word, word) for word in words)
