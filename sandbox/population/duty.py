"""The doctors of an SOS association, and which of them is on duty at one of its sites. Pure.

A day has two shifts, from 8:00 and from 20:00 local time. The doctors take them in turn, beginning with a different one
at each site. For an association whose persona file names no doctors some are derived from its SIRET; their ids are RPPS
`8197` + number (7 digits) + Luhn digit, valid and visibly fictitious.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import lru_cache

from sandbox.kernel.identifiers import luhn_digit
from sandbox.kernel.model import Practitioner, SosAssociation
from sandbox.population.names import family_names, given_names

INVENTED = 3  # doctors that are derived for an association that names none
_PREFIX = "8197"
_NUMBERS = 10_000_000
_DAY_BEGINS, _SHIFT = timedelta(hours=8), 12  # hours


def doctors_of(association: SosAssociation) -> tuple[Practitioner, ...]:
    """Its doctors, at least one."""
    return association.doctors or _invented(association.siret, association.editor)


def on_duty(association: SosAssociation, schedule: str, start: datetime) -> Practitioner:
    """The doctor who sees patients at the site `schedule` at `start`, a local time of the site."""
    doctors = doctors_of(association)
    local = start - _DAY_BEGINS
    shift = 2 * local.toordinal() + local.hour // _SHIFT
    site = next((at for at, site in enumerate(association.sites) if site.id == schedule), 0)
    return doctors[(shift + site) % len(doctors)]


@lru_cache(maxsize=256)
def _invented(siret: str, editor: str) -> tuple[Practitioner, ...]:
    return tuple(_doctor(f"doctor/{siret}/{at}", editor) for at in range(INVENTED))


def _doctor(purpose: str, editor: str) -> Practitioner:
    octets = hashlib.blake2b(purpose.encode(), digest_size=8).digest()
    number, family, given = (int.from_bytes(part, "big") for part in (octets[:4], octets[4:6], octets[6:]))
    digits = f"{_PREFIX}{number % _NUMBERS:07}"
    return Practitioner(
        id=digits + luhn_digit(digits[1:]),
        family=family_names()[family % len(family_names())],
        given=given_names()[given % len(given_names())],
        editor=editor,
        places=(),
    )
