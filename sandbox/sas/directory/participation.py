"""How a practitioner takes part in the SAS: through a surgery of one's own, a CPTS or a MSP; a CDS does not count.
Pure.

Participants come before the others (contextual call, « Participation »).
"""

from __future__ import annotations

from zlib import crc32

from sandbox.kernel.model import Practitioner
from sandbox.sas.directory.specialties import GENERAL_MEDICINE

_WHEN = (
    "en fin de matinée",
    "entre 12 h et 14 h",
    "en fin d'après-midi",
    "après 18 h",
    "entre deux rendez-vous, avec de l'attente",
    "à toute heure d'ouverture du cabinet",
)
_ALSO = ("appeler d'abord le secrétariat", "appeler le médecin avant d'envoyer le patient", "au cabinet seulement")
_AGES = ("plus de 16 ans", "plus de 6 ans")  # only general practitioners say so

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
    part through their own surgery or a CPTS (`Practitioner.extra` decides where it is said), for nobody who is in a MSP
    or CDS only. `seed`: that of the population."""
    kinds = kinds_of(practitioner)
    if kinds and "cpts" not in kinds:
        return False
    return _drawn(b"extra", practitioner, seed) % 100 < EXTRA if practitioner.extra is None else practitioner.extra


def extra_conditions(practitioner: Practitioner, seed: int) -> str:
    """The conditions under which he takes such a patient, in French: always the same for the same person and seed."""
    drawn = _drawn(b"conditions", practitioner, seed)
    also = ("", *_ALSO, *(_AGES if practitioner.specialty in GENERAL_MEDICINE else ()))
    said = _WHEN[drawn % len(_WHEN)], also[(drawn >> 8) % len(also)]
    return " ; ".join(filter(None, said))


def _drawn(about: bytes, practitioner: Practitioner, seed: int) -> int:
    return crc32(b"%b/%d/%b" % (about, seed, practitioner.id.encode()))
