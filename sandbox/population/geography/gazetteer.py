"""The towns of France with their inhabitants and postal codes: `data/*.csv`, read when first asked for (their sources
and licences are in their headers)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from sandbox.kernel.model import Town
from sandbox.population.geography.departments import department_of

FILE = Path(__file__).with_name("data") / "towns.csv"
POSTAL_CODES = FILE.with_name("postal_codes.csv")


@cache
def french_towns() -> tuple[tuple[Town, int], ...]:
    """Every town of the dataset with its inhabitants, the largest first."""
    return tuple(_row(*line.split(",")) for line in _lines(FILE))


@cache
def postal_codes() -> Mapping[str, tuple[str, ...]]:
    """The postal codes of the towns that have several, by INSEE code."""
    rows = (line.split(",") for line in _lines(POSTAL_CODES))
    return {insee: tuple(codes.split()) for insee, codes in rows}


def _lines(file: Path) -> Iterator[str]:
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    next(lines)  # the names of the columns
    return lines


def _row(insee: str, name: str, postal_code: str, inhabitants: str, lat: str, lon: str) -> tuple[Town, int]:
    return Town(insee, name, postal_code, department_of(insee), float(lat), float(lon)), int(inhabitants)
