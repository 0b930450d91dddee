"""Through what a practitioner takes part in the SAS: his surgery, a CPTS, a MSP; a CDS counts as none. Pure.

The contextual call's rules, « Participation »: participants come before the others.
"""

from __future__ import annotations

from sandbox.kernel.model import Practitioner


def kinds_of(practitioner: Practitioner) -> frozenset[str]:
    """What the filter of kinds knows him by: `cpts`, `msp`, `cds`; none: his own surgery."""
    groups = {place.group.kind.lower() for place in practitioner.places if place.group is not None}
    return frozenset(groups | {"cpts"} if practitioner.cpts else groups)


def takes_part(kinds: frozenset[str]) -> bool:
    """False for those of a CDS that take part through nothing else."""
    return kinds != {"cds"}
