"""The specialties that a regulator can search for."""

from __future__ import annotations

from sandbox.kernel.specialties import SPECIALTIES

__all__ = ["GENERAL_MEDICINE", "SPECIALTIES"]

GENERAL_MEDICINE = frozenset({"SM26", "SM53", "SM54"})  # R38 has three codes for general practitioners
