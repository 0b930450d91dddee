"""Distances on the Earth. Pure."""

from __future__ import annotations

import math

KM_PER_DEGREE = 111.2


def distance_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance in km (haversine); coordinates in degrees."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    half = math.sin((phi2 - phi1) / 2) ** 2
    half += math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 12742.0 * math.asin(min(1.0, math.sqrt(half)))


def degrees_around(lat: float, km: float) -> tuple[float, float]:
    """Half the height and half the width, in degrees, of the square around a circle of that radius."""
    north = km / KM_PER_DEGREE
    return north, north / max(0.05, math.cos(math.radians(lat)))
