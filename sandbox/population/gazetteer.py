"""The towns of France with their inhabitants: `data/towns.csv`, read when first asked for (its sources and licences
are in its header)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sandbox.kernel.model import Town
from sandbox.population.departments import department_of

FILE = Path(__file__).with_name("data") / "towns.csv"


@cache
def french_towns() -> tuple[tuple[Town, int], ...]:
    """Every town of the dataset with its inhabitants, the largest first."""
    lines = (line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    next(lines)  # the names of the columns
    return tuple(_row(*line.split(",")) for line in lines)


def _row(insee: str, name: str, postal_code: str, inhabitants: str, lat: str, lon: str) -> tuple[Town, int]:
    return Town(insee, name, postal_code, department_of(insee), float(lat), float(lon)), int(inhabitants)
