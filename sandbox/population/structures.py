"""Procedural MSP and CDS: those of a town follow from its inhabitants and its rank in the département. Pure.

They do not depend on the seed: a maison de santé is the same in every run. Its FINESS says where it is, so it is found
without a list: `1`, the digits of the département, `97`, then a number made of the town's rank and of its own number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from sandbox.kernel.model import Structure, Town
from sandbox.population.geography.departments import department, phone_of
from sandbox.population.geography.distances import degrees_around

STREETS = ("rue", "avenue", "place", "allée", "chemin", "cours", "impasse", "quai")
NAMES = ("de l'Exemple", "du Modèle", "de la Maquette", "des Essais", "du Prototype", "de l'Ébauche", "du Décor",
         "du Gabarit", "de la Simulation", "du Brouillon", "de la Répétition", "du Canevas")  # fmt: skip

INHABITANTS_EACH = 25_000
MOST = 99  # in one town
_CDS = 64  # of 256


class Structures:
    """The structures of these towns. `settled`: towns with inhabitants, by département; `widths`: degrees by INSEE."""

    def __init__(self, settled: Sequence[tuple[Town, int]], widths: Mapping[str, float]) -> None:
        self._widths = widths
        self._towns: dict[str, list[tuple[Town, int]]] = {}
        self._ranks: dict[str, tuple[int, int]] = {}
        for town, inhabitants in settled:
            there = self._towns.setdefault(town.department, [])
            count = max(1, min(MOST, inhabitants // INHABITANTS_EACH))
            self._ranks[town.insee] = len(there), count
            there.append((town, count))

    def drawn(self, town: Town, number: int) -> Structure:
        """One of the town's structures."""
        rank, count = self._ranks[town.insee]
        return _structure(town, self._widths[town.insee], rank, number % count)

    def find(self, finess: str) -> Structure | None:
        """The structure with that FINESS, prefixed; None when there is none."""
        if not (len(finess) == 10 and finess.isdecimal() and finess[3:5] == "97"):
            return None
        for code, towns in self._towns.items():
            rank, at = divmod(int(finess[5:]) - _first(code), 100)
            if department(code).digits == finess[1:3] and 0 <= rank < len(towns) and at < towns[rank][1]:
                return self.drawn(towns[rank][0], at)
        return None

    def near(self, lat: float, lon: float, km: float) -> Iterator[Structure]:
        """Those of the towns that lie at most about `km` from a point."""
        north, east = degrees_around(lat, km)
        for towns in self._towns.values():
            for town, count in towns:
                width = self._widths[town.insee]
                if abs(town.lat - lat) <= north + width and abs(town.lon - lon) <= east + width:
                    yield from (self.drawn(town, at) for at in range(count))


def _first(code: str) -> int:
    """The first number of a département; those that share their two digits (Corsica, overseas) have different ones."""
    if code == "2B":
        return 50_000
    return 10_000 * int(code[-1]) if len(code) == 3 else 0


@lru_cache(maxsize=4096)
def _structure(town: Town, width: float, rank: int, at: int) -> Structure:
    octets = hashlib.blake2b(f"structure/{town.insee}/{at}".encode(), digest_size=8).digest()
    kind = "Centre" if octets[0] < _CDS else "Maison"
    return Structure(
        finess=f"1{department(town.department).digits}97{_first(town.department) + 100 * rank + at:05d}",
        kind="CDS" if octets[0] < _CDS else "MSP",
        name=f"{kind} de santé {NAMES[octets[1] % len(NAMES)]}",
        line=f"{1 + octets[2] % 120} {STREETS[octets[3] % len(STREETS)]} {NAMES[octets[4] % len(NAMES)]}",
        postal_code=town.postal_code,
        city=town.name,
        insee=town.insee,
        lat=round(town.lat + (octets[5] - 128) / 256 * width, 5),
        lon=round(town.lon + (octets[6] - 128) / 256 * width, 5),
        phone=phone_of(town.department, 300 + octets[7]),
    )
