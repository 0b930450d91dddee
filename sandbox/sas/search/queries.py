"""From criteria to what is asked of whom: order, lots, queries per editor. Pure.

The guide's rules: practitioners in lots of 25, SOS associations of the area at most 10 at a time; INT_R04's form of
the search for editors that also serve CPTS slots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Editor, SosAssociation
from sandbox.sas.directory.directory import Candidate
from sandbox.sas.search.criteria import DISTANCE, Criteria

T = TypeVar("T")

LOT = 25
ASSOCIATIONS_PER_QUERY = 10


@dataclass(frozen=True, slots=True)
class EditorQuery:
    """One request to one editor. `path` under its FHIR base, query string included; `asked` ids it may answer for."""

    editor: Editor
    flow: Flow
    path: str
    asked: frozenset[str]


def rank(id: str, distance_km: float, criteria: Criteria, *, external: bool) -> tuple[float, bool, bytes]:
    """Sort key: nearest first, or shuffled, so that nobody is always first.

    Of those who are equally near, people of `external` editors come first, so that a vendor finds his own at their
    address.
    """
    if criteria.order == DISTANCE:
        return distance_km, not external, id.encode()
    seed = criteria.shuffle.encode()[:64]
    return 0.0, True, hashlib.blake2b(id.encode(), key=seed, digest_size=8).digest()


def ordered(candidates: Sequence[Candidate], criteria: Criteria) -> list[Candidate]:
    """The candidates in the order in which they are asked and shown: the preferred doctor, then as the search says."""
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


def practitioner_queries(
    lot: Sequence[Candidate], editors: Mapping[str, Editor], criteria: Criteria
) -> list[EditorQuery]:
    """One query per editor that has practitioners of the lot."""
    by_editor: dict[str, list[str]] = {}
    for candidate in lot:
        by_editor.setdefault(candidate.practitioner.editor, []).append(candidate.id)
    return [_slot_query(editors[slug], ids, criteria) for slug, ids in by_editor.items()]


def _slot_query(editor: Editor, ids: list[str], criteria: Criteria) -> EditorQuery:
    cpts = editor.speaks(Flow.INT_R04)
    query = slot_query(ids, criteria.start, criteria.end, cpts=cpts)
    return EditorQuery(editor, Flow.INT_R04 if cpts else Flow.INT_R01, f"Slot?{query}", frozenset(ids))


def association_queries(
    associations: Sequence[SosAssociation], editors: Mapping[str, Editor], criteria: Criteria
) -> list[EditorQuery]:
    """Queries for the SOS associations of the area, per editor at most 10 SIRET each."""
    by_editor: dict[str, list[str]] = {}
    for association in associations:
        by_editor.setdefault(association.editor, []).append(association.siret)
    return [
        EditorQuery(
            editors[slug],
            Flow.SOS,
            f"Schedule?{schedule_query(some, criteria.start, criteria.end)}",
            frozenset(some),
        )
        for slug, sirets in by_editor.items()
        for some in lots(sirets, ASSOCIATIONS_PER_QUERY)
    ]
