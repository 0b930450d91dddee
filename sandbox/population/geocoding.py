"""Where an address lies: a deterministic offset in its town, as there is no real address data here. Pure.

Every street has a position and a direction in its town, and the numbers follow each other along it. So neighbours are
near each other, and an address has the same coordinates in every run, however it is typed.
"""

from __future__ import annotations

import hashlib
import math
import re

from sandbox.kernel.model import Town
from sandbox.kernel.text.words import folded
from sandbox.population.procedural import SPREAD

_STEP = SPREAD / 1000  # degrees from one number to the next: about 1 m, and 2 m to the next on the same side
_LAST = 400  # higher numbers lie where this one does
_NUMBERED = re.compile(r"\s*([0-9]+)\s*(?:bis|ter|quater|[a-d](?![a-z]))?[\s,]+(.+)", re.IGNORECASE)


def geocode(town: Town, number: str, street: str) -> tuple[float, float]:
    """Latitude and longitude of an address in degrees; `number` as people write it (`12`, `12 bis`, or nothing).

    Without a street: the centre of the town.
    """
    name = folded(street)
    if not name:
        return town.lat, town.lon
    octets = hashlib.blake2b(f"street/{town.insee}/{name}".encode(), digest_size=6).digest()
    turn = math.tau * octets[4] / 256
    along = _STEP * min(_LAST, int("".join(char for char in number if char in "0123456789")[:4] or 0))
    lat = town.lat + _share(octets[0:2]) * SPREAD + along * math.sin(turn)
    lon = town.lon + _share(octets[2:4]) * SPREAD + along * math.cos(turn)
    return round(lat, 5), round(lon, 5)


def split_number(line: str) -> tuple[str, str]:
    """Number and street of a line as people write it; no number where it begins with none.

    >>> split_number("12 bis, rue de l'Exemple"), split_number("place des Essais")
    (('12', "rue de l'Exemple"), ('', 'place des Essais'))
    """
    numbered = _NUMBERED.fullmatch(line)
    return (numbered[1], numbered[2].strip(" ,")) if numbered else ("", line)


def geocode_line(town: Town, line: str) -> tuple[float, float]:
    """Where a search for this line in this town looks: latitude and longitude in degrees."""
    return geocode(town, *split_number(line))


def _share(octets: bytes) -> float:
    """From -0.5 to 0.5."""
    return int.from_bytes(octets, "big") / 65_535 - 0.5
