"""The scenarios of the package that play orientations without an editor."""

from __future__ import annotations

from sandbox.runner.loader import available

# The last one advances the clock.
ORIENTATIONS = (
    "agenda-sas",
    "agenda-sas-derniere-place",
    "agenda-sas-creneau-supprime",
    "en-sus",
    "place-de-marche-acceptee",
    "place-de-marche-a-la-main",
    "place-de-marche-refusee",
    "place-de-marche-retiree",
    "structure-cds",
    "structure-msp",
    "cpts-deux-communautes",
    "place-de-marche-sans-reponse",
)
OTHERS = ("nominal", "sos")


def names() -> set[str]:
    """All scenarios of the package."""
    return {name for name, _ in available()}
