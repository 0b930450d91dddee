"""Who is asked about together, and in which order. Pure.

The guide's rule: practitioners are asked about in lots of 25; the SOS associations of the area are added to the first
lot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from sandbox.kernel.model import SosAssociation
from sandbox.sas.directory.areas import Area
from sandbox.sas.directory.directory import Candidate
from sandbox.sas.search.criteria import DISTANCE, Criteria

T = TypeVar("T")

LOT = 25


@dataclass(frozen=True, slots=True)
class Lot:
    """A group of practitioners and associations that are asked about together, and the place that is searched."""

    area: Area
    candidates: Sequence[Candidate]
    associations: Sequence[SosAssociation]

    def owners(self) -> set[str]:
        """Ids of all members: prefixed national ids and SIRET."""
        return {each.id for each in self.candidates} | {each.siret for each in self.associations}


def rank(id: str, distance_km: float, criteria: Criteria, *, external: bool) -> tuple[float, bool, bytes]:
    """Sort key: nearest first, or shuffled, so that the same person is not always first.

    Among those who are equally near, people of `external` editors come first: a vendor then finds his own people when
    he searches at their address.
    """
    if criteria.order == DISTANCE:
        return distance_km, not external, id.encode()
    seed = criteria.shuffle.encode()[:64]
    return 0.0, True, hashlib.blake2b(id.encode(), key=seed, digest_size=8).digest()


def ordered(candidates: Sequence[Candidate], criteria: Criteria) -> list[Candidate]:
    """The candidates in the order in which they are asked about and shown: the preferred doctor, then by the order of
    the search."""
    return sorted(
        candidates,
        key=lambda candidate: (
            candidate.id != criteria.preferred,
            *rank(candidate.id, candidate.distance_km, criteria, external=candidate.external),
        ),
    )


def lots(items: Iterable[T], size: int = LOT) -> Iterator[list[T]]:
    """Consecutive lists of at most `size`."""
    waiting = iter(items)
    while lot := list(islice(waiting, size)):
        yield lot
