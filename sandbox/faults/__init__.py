"""Faults that can be injected, by kind. Pure: the effect of a fault is decided here and carried out by the actors.

`edge` has those of HTTP ports, `hub` those of messages in the hub, `lrm` what an LRM gets wrong. KINDS has them all,
`validate_fault` checks one before it enters the World. docs/add-a-fault.md says how to add a kind.
"""

from __future__ import annotations

from sandbox.faults import edge, hub, lrm
from sandbox.faults.check import validate_fault
from sandbox.faults.kinds import KINDS

__all__ = ["KINDS", "edge", "hub", "lrm", "validate_fault"]
