"""The actor and flow of a request to the editors' ports, for journal, faults and latency."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from starlette.types import Scope

from sandbox.kernel.bounded import make_room
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Editor


def identify_fhir(editors: Mapping[str, Editor]) -> Callable[[Scope], tuple[str, str]]:
    """For the Edge of the FHIR port: (actor, flow) of a request, from its method, path and query."""

    known: dict[tuple[str, str, bool], tuple[str, str]] = {}

    def identify(scope: Scope) -> tuple[str, str]:
        names_cpts = asks_for_cpts(scope["query_string"])
        key = (scope["method"], scope["path"], names_cpts)
        found = known.get(key)
        if found is None:
            slug, _, kind = [*scope["path"].lstrip("/").split("/"), "", ""][:3]
            editor = editors.get(slug)
            actor = f"editor:{slug}" if editor is not None else "editor:"
            make_room(known, _PATHS_KEPT)
            found = known[key] = (actor, _flow(scope["method"], editor, kind, names_cpts).value)
        return found

    return identify


_PATHS_KEPT = 1024


def _flow(method: str, editor: Editor | None, kind: str, names_cpts: bool) -> Flow:
    if kind == "Practitioner" and method in ("POST", "PUT"):
        return Flow.INT_R02
    return searched(editor, kind, names_cpts)


_CPTS_ASKED = re.compile(rb"service(-|%2d)type(-|%2d)reference", re.IGNORECASE)
_ANY = (Flow.INT_R01, Flow.INT_R04, Flow.SOS)
_FLOWS = {
    "Schedule": (Flow.SOS, Flow.INT_R01, Flow.INT_R04),
    "Location": (Flow.SOS, Flow.INT_R01),
    "HealthcareService": (Flow.INT_R04,),
    "Organization": (Flow.INT_R04, Flow.SOS),
}  # resource type -> the flows that it may belong to; the first one that the editor speaks counts


def asks_for_cpts(query: bytes) -> bool:
    """True when a query asks for the include that INT_R04 adds. Most queries do not contain « service » at all."""
    return b"service" in query.lower() and _CPTS_ASKED.search(query) is not None


def searched(editor: Editor | None, kind: str, names_cpts: bool) -> Flow:
    """The flow of a search or read. It is INT_R04 where its include is asked for, also at an editor without INT_R04."""
    if kind == "Slot" and names_cpts:
        return Flow.INT_R04
    flows = _FLOWS.get(kind, _ANY)
    return next((flow for flow in flows if editor is not None and editor.speaks(flow)), flows[0])


def identify_page(scope: Scope) -> tuple[str, str]:
    """For the Edge of the pages: (actor, flow)."""
    return f"editor:{scope['path'].lstrip('/').partition('/')[0]}", Flow.UI.value
