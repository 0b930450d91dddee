"""What real editors get wrong (ANS's list of recurrent errors), each as a transformation of a correct answer. Pure.

A quirk makes its own defect and no other: `total` counts what is sent, and references resolve as far as they did. When
several are switched on they are applied in the order of `kernel.character`: first slots are added and removed, then
elements are changed, then slots are attached elsewhere, and last an empty answer becomes an error. A quirk may concern
some practitioners or associations only; what belongs to none of them stays as it is. A CPTS belongs to the
practitioners who are the only ones whose slots name it.

Answers that are paged are transformed page by page: `total` then counts what was added to the present page.

A new quirk needs a sentence in `kernel.character.QUIRKS`, a function in the module of its family, and an entry here.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from sandbox.editor.fhir.quirks.answers import Answer, Concerns, Node, Quirk, Search, owner_of
from sandbox.editor.fhir.quirks.empty_answers import error_if_empty
from sandbox.editor.fhir.quirks.extra_slots import add_busy_slots, add_past_slots, add_slots_outside_window
from sandbox.editor.fhir.quirks.missing import unfound_by_prefix, without_cpts
from sandbox.editor.fhir.quirks.resource_edits import EDITS, Edit
from sandbox.editor.fhir.quirks.schedules import attach_to_wrong_practitioner, merge_places
from sandbox.population.people import Population

SwitchedOn = Mapping[str, frozenset[str]]  # name of a quirk -> prefixed ids of those concerned; none: everybody


def _everywhere(edit: Edit) -> Quirk:
    """The edit on every resource of those concerned."""

    def quirk(answer: Answer, search: Search, concerns: Concerns) -> Answer:
        for entry in answer.document.get("entry", ()):
            if concerns(search.owner_of(entry["resource"])):
                edit(entry["resource"])
        return answer

    return quirk


TRANSFORMATIONS: Mapping[str, Quirk] = {
    "unfound-by-prefix": unfound_by_prefix,
    "past-slots": add_past_slots,
    "outside-window": add_slots_outside_window,
    "busy-slots": add_busy_slots,
    **{name: _everywhere(edit) for name, edit in EDITS.items()},
    "cpts-without-service": without_cpts("HealthcareService"),
    "cpts-without-organization": without_cpts("Organization"),
    "merged-places": merge_places,
    "wrong-practitioner": attach_to_wrong_practitioner,
    "not-found-if-empty": error_if_empty(404, "not-found", "no slot was found"),
    "error-if-empty": error_if_empty(500, "exception", "unexpected end of the agenda"),
}


def apply_quirks(quirks: SwitchedOn, body: bytes, search: Search) -> Answer:
    """The correct answer `body`, with these quirks."""
    answer = Answer(200, orjson.loads(body))
    for name, ids in quirks.items():
        answer = TRANSFORMATIONS[name](answer, search, _concerns(ids))
    return answer


def apply_to_read(quirks: SwitchedOn, body: bytes, population: Population) -> bytes:
    """A resource that was read, with those of the quirks that change single resources."""
    edits = [(EDITS[name], _concerns(ids)) for name, ids in quirks.items() if name in EDITS]
    if not edits:
        return body
    resource: Node = orjson.loads(body)
    owner = owner_of(population, resource)
    for edit, concerns in edits:
        if concerns(owner):
            edit(resource)
    return orjson.dumps(resource)


def _concerns(ids: frozenset[str]) -> Concerns:
    return (lambda owner: owner in ids) if ids else (lambda owner: True)
