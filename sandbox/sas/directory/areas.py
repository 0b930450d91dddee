"""Areas around towns, addresses and départements, and distances. Pure.

Radius and enlargement follow the département (contextual call, « centre et rayon »): a town has the radius of its
département, a département a larger one around its barycentre.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.kernel.model import Town
from sandbox.population.geography.distances import KM_PER_DEGREE as KM_PER_DEGREE
from sandbox.population.geography.distances import distance_km as distance_km

# Radius of a search around a town, and the enlargement when nothing is found (km): smaller where it is denser.
FALLBACK_RADIUS_KM = (20.0, 10.0)  # also used where the platform's table has no entry: Guyane and Mayotte
_RADII = {
    (5.0, 3.0): "69 75 92 93 94 95",
    (10.0, 5.0): "06 13 14 29 30 31 33 34 35 38 42 44 54 57 59 62 66 67 68 74 76 77 78 83 84 90 91 971 972 974",
    (30.0, 15.0): "02 03 07 08 11 16 2A 28 39 40 41 43 47 53 65 71 79 88",
    (40.0, 20.0): "05 09 10 18 19 2B 24 32 46 61 70 89",
    (50.0, 25.0): "04 12 15 23 36 48 52 55 58",
}
RADIUS_KM = {code: radius for radius, codes in _RADII.items() for code in codes.split()}

# Code, radius (km) of a search in the whole département, latitude and longitude of its barycentre. The platform's
# table has none overseas: there the centre is that of the département's towns.
FALLBACK_DEPARTMENT_KM = 60.0
_DEPARTMENTS = """
01 108 46.10 5.35|02 122 49.56 3.56|03 121 46.39 3.19|04 118 44.11 6.24|05 107 44.66 6.26|06 93 43.94 7.12
07 105 44.75 4.42|08 102 49.62 4.64|09 99 42.92 1.50|10 110 48.30 4.16|11 113 43.10 2.41|12 132 44.28 2.68
13 102 43.54 5.09|14 106 49.10 -0.36|15 107 45.05 2.67|16 109 45.72 0.20|17 118 45.78 -0.67|18 121 47.06 2.49
19 109 45.36 1.88|2A 109 41.86 8.99|2B 116 42.39 9.21|21 90 47.42 4.77|22 97 48.44 -2.86|23 133 46.09 2.02
24 118 45.10 0.74|25 106 47.17 6.36|26 136 44.68 5.17|27 103 49.11 1.00|28 115 48.39 1.37|29 110 48.26 -4.06
30 108 43.99 4.18|31 113 43.36 1.17|32 112 43.69 0.45|33 143 44.83 -0.58|34 112 43.58 3.37|35 117 48.15 -1.64
36 117 46.78 1.58|37 111 47.26 0.69|38 126 45.26 5.58|39 100 46.73 5.70|40 137 43.97 -0.78|41 113 47.62 1.43
42 98 45.73 4.17|43 100 45.13 3.81|44 118 47.36 -1.68|45 117 47.91 2.34|46 102 44.62 1.60|47 104 44.37 0.46
48 102 44.52 3.50|49 120 47.39 -0.56|50 110 49.08 -1.33|51 128 48.95 4.24|52 112 48.11 5.23|53 102 48.15 -0.66
54 103 48.79 6.17|55 112 48.99 5.38|56 117 47.85 -2.81|57 112 49.04 6.66|58 117 47.12 3.50|59 107 50.45 3.22
60 109 49.41 2.43|61 111 48.62 0.13|62 116 50.49 2.29|63 127 45.73 3.14|64 124 43.26 -0.76|65 95 43.05 0.16
66 91 42.60 2.52|67 98 48.67 7.55|68 84 47.86 7.27|69 81 45.87 4.64|70 104 47.64 6.09|71 131 46.64 4.54
72 112 47.99 0.22|73 112 45.48 6.44|74 96 46.03 6.43|75 14 48.86 2.34|76 112 49.66 1.03|77 109 48.63 2.93
78 68 48.81 1.84|79 110 46.56 -0.32|80 111 49.96 2.28|81 108 43.79 2.17|82 86 44.09 1.28|83 111 43.46 6.22
84 83 43.99 5.19|85 116 46.67 -1.30|86 119 46.56 0.46|87 105 45.89 1.24|88 109 48.20 6.38|89 122 47.84 3.56
90 35 47.63 6.93|91 60 48.52 2.24|92 19 48.85 2.25|93 22 48.92 2.48|94 22 48.78 2.47|95 50 49.08 2.13
"""


@dataclass(frozen=True, slots=True)
class Area:
    """A circle: centre in degrees, radius in km, and how many km the radius grows when nothing is found."""

    lat: float
    lon: float
    radius_km: float
    enlargement_km: float

    def enlarged(self) -> Area:
        """The area with the radius grown once."""
        return Area(self.lat, self.lon, self.radius_km + self.enlargement_km, self.enlargement_km)


def _read_departments() -> dict[str, tuple[float, float, float]]:
    rows = (row.split() for row in _DEPARTMENTS.strip().replace("\n", "|").split("|"))
    return {code: (float(radius), float(lat), float(lon)) for code, radius, lat, lon in rows}


_BY_DEPARTMENT = _read_departments()


def area_of(town: Town, point: tuple[float, float] | None = None) -> Area:
    """The area around a town, or around `point` (lat, lon) in it, with the radius of its département;
    FALLBACK_RADIUS_KM where the table has none."""
    lat, lon = point or (town.lat, town.lon)
    return Area(lat, lon, *RADIUS_KM.get(town.department, FALLBACK_RADIUS_KM))


def area_of_department(code: str, towns: Iterable[Town]) -> Area:
    """The area of a whole département; `towns`: its known towns, at least one."""
    enlargement = RADIUS_KM.get(code, FALLBACK_RADIUS_KM)[1]
    if code in _BY_DEPARTMENT:
        radius, lat, lon = _BY_DEPARTMENT[code]
        return Area(lat, lon, radius, enlargement)
    known = list(towns)
    lat, lon = (sum(each) / len(known) for each in zip(*((town.lat, town.lon) for town in known), strict=True))
    return Area(lat, lon, FALLBACK_DEPARTMENT_KM, enlargement)
