"""Faults of HTTP ports: one module per kind, each of which registers its kind when it is imported here."""

from __future__ import annotations

from sandbox.faults.edge import latency, status

__all__ = ["latency", "status"]
