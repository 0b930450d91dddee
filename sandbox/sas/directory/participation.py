"""Through what a practitioner takes part in the SAS: his surgery, a CPTS, a MSP; a CDS counts as none. Pure.

The contextual call's rules, « Participation »: participants come before the others.
"""

from __future__ import annotations

from zlib import crc32

from sandbox.kernel.model import Practitioner

EXTRA = 30  # percent of those who may, who accept a patient beside their agenda


def kinds_of(practitioner: Practitioner) -> frozenset[str]:
    """What the filter of kinds knows him by: `cpts`, `msp`, `cds`; none: his own surgery."""
    groups = {place.group.kind.lower() for place in practitioner.places if place.group is not None}
    return frozenset(groups | {"cpts"} if practitioner.cpts else groups)


def takes_part(kinds: frozenset[str]) -> bool:
    """False for those of a CDS that take part through nothing else."""
    return kinds != {"cds"}


def accepts_extra(practitioner: Practitioner, seed: int) -> bool:
    """Would he take a patient beside his agenda (« extra »): some of those who take part through their own surgery or
    a CPTS; nobody of a MSP or CDS alone."""
    kinds = kinds_of(practitioner)
    return (not kinds or "cpts" in kinds) and crc32(b"extra/%d/%b" % (seed, practitioner.id.encode())) % 100 < EXTRA
