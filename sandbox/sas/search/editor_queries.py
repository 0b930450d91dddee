"""What each editor is asked about a lot (INT_R01, INT_R04, SOS Médecins). Pure.

The guide's rules: one query per editor for the practitioners of a lot; at most 10 SOS associations in one query;
INT_R04's form of the search for editors that also serve CPTS slots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Editor, SosAssociation
from sandbox.sas.directory.directory import Candidate
from sandbox.sas.search.criteria import Criteria
from sandbox.sas.search.lots import lots

ASSOCIATIONS_PER_QUERY = 10


@dataclass(frozen=True, slots=True)
class EditorQuery:
    """One request to one editor. `path` under its FHIR base, query string included; `asked`: ids that the answer may
    contain."""

    editor: Editor
    flow: Flow
    path: str
    asked: frozenset[str]


def practitioner_queries(
    lot: Sequence[Candidate], editors: Mapping[str, Editor], criteria: Criteria
) -> list[EditorQuery]:
    """One query per editor of `editors` that has practitioners of the lot."""
    by_editor: dict[str, list[str]] = {}
    for candidate in lot:
        by_editor.setdefault(candidate.practitioner.editor, []).append(candidate.id)
    return [_slot_query(editors[slug], ids, criteria) for slug, ids in by_editor.items() if slug in editors]


def _slot_query(editor: Editor, ids: list[str], criteria: Criteria) -> EditorQuery:
    cpts = editor.speaks(Flow.INT_R04)
    query = slot_query(ids, criteria.start, criteria.end, cpts=cpts)
    return EditorQuery(editor, Flow.INT_R04 if cpts else Flow.INT_R01, f"Slot?{query}", frozenset(ids))


def association_queries(
    associations: Sequence[SosAssociation], editors: Mapping[str, Editor], criteria: Criteria
) -> list[EditorQuery]:
    """Queries for the SOS associations of the area, per editor of `editors` at most 10 SIRET each."""
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
        if slug in editors
        for some in lots(sirets, ASSOCIATIONS_PER_QUERY)
    ]
