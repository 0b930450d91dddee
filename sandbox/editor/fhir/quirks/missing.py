"""Quirks by which something is missing: practitioners who are not found, resources of CPTS that are not sent. Pure."""

from __future__ import annotations

from sandbox.editor.fhir.quirks.answers import (
    Answer,
    Concerns,
    Node,
    Quirk,
    Search,
    cpts_named_by,
    drop,
    is_of_cpts,
    slots_of,
)


def unfound_by_prefix(answer: Answer, search: Search, concerns: Concerns) -> Answer:
    """Practitioners and associations are found only when their id is written as the agenda stores it."""
    gone = {key for key, written in search.asked.items() if concerns(key) and written != search.stored(key)}
    drop(answer.document, lambda resource: search.owner_of(resource) in gone)
    named = cpts_named_by(slots_of(answer.document))
    drop(answer.document, lambda resource: is_of_cpts(resource, search) and resource["id"] not in named)
    return answer


def without_cpts(kind: str) -> Quirk:
    """Resources of that type are missing, of those CPTS that are named only by slots of those concerned."""

    def quirk(answer: Answer, search: Search, concerns: Concerns) -> Answer:
        others = cpts_named_by(slot for slot in slots_of(answer.document) if not concerns(search.owner_of(slot)))

        def missing(resource: Node) -> bool:
            return is_of_cpts(resource, search) and resource["resourceType"] == kind and resource["id"] not in others

        drop(answer.document, missing)
        return answer

    return quirk
