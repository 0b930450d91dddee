"""How a practitioner takes part in the SAS: through a surgery of one's own, a CPTS or a MSP; a CDS does not count.
Pure.

Participants come before the others (contextual call, « Participation »).
"""

from __future__ import annotations

from zlib import crc32

from sandbox.kernel.model import Practitioner

EXTRA = 30  # percentage of the eligible practitioners who accept a patient outside the agenda


def kinds_of(practitioner: Practitioner) -> frozenset[str]:
    """Kinds of structures for the filter of a search: some of `cpts`, `msp`, `cds`; none for one's own surgery."""
    groups = {place.group.kind.lower() for place in practitioner.places if place.group is not None}
    return frozenset(groups | {"cpts"} if practitioner.cpts else groups)


def takes_part(kinds: frozenset[str]) -> bool:
    """False for those who are in a CDS only. `kinds`: as `kinds_of` gives them."""
    return kinds != {"cds"}


def accepts_extra(practitioner: Practitioner, seed: int) -> bool:
    """True when the practitioner takes a patient outside the agenda (« extra »): for EXTRA percent of those who take
    part through their own surgery or a CPTS, for nobody who is in a MSP or CDS only. `seed`: that of the population."""
    kinds = kinds_of(practitioner)
    return (not kinds or "cpts" in kinds) and crc32(b"extra/%d/%b" % (seed, practitioner.id.encode())) % 100 < EXTRA
