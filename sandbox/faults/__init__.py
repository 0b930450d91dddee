"""Faults: what can be made to go wrong at the edge of an actor. Pure; `net.http.edge` carries them out."""

from __future__ import annotations

from sandbox.faults.registry import KINDS, validate_fault

__all__ = ["KINDS", "validate_fault"]
