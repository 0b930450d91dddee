"""The actor and flow of a request to the editors' ports, for journal, faults and latency."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping

from starlette.types import Scope

from sandbox.kernel.bounded import make_room
from sandbox.kernel.flows import Flow, ServedFlows
from sandbox.kernel.model import Editor

_PATHS_KEPT = 1024
_SERVED = ServedFlows("editors", "fhir")
_PAGES = ServedFlows("editors", "pages")


def identify_fhir(editors: Mapping[str, Editor]) -> Callable[[Scope], tuple[str, str]]:
    """For the Edge of the FHIR port: (actor, flow) of a request, from its method, path and query."""

    known: dict[tuple[str, str, tuple[str, ...]], tuple[str, str]] = {}

    def identify(scope: Scope) -> tuple[str, str]:
        asked = asked_in(scope["query_string"])
        key = (scope["method"], scope["path"], asked)
        found = known.get(key)
        if found is None:
            slug, _, kind = [*scope["path"].lstrip("/").split("/"), "", ""][:3]
            editor = editors.get(slug)
            actor = f"editor:{slug}" if editor is not None else "editor:"
            make_room(known, _PATHS_KEPT)
            found = known[key] = (actor, flow_of(scope["method"], editor, kind, asked).value)
        return found

    return identify


def _pattern(text: str) -> tuple[bytes, re.Pattern[bytes]]:
    """The first word of a text, by which most queries are quickly ruled out, and the text as a query may write it."""
    words = text.encode().split(b"-")
    return words[0], re.compile(rb"(-|%2d)".join(map(re.escape, words)), re.IGNORECASE)


_PATTERNS = {text: _pattern(text) for text in _SERVED.queries}


def asked_in(query: bytes) -> tuple[str, ...]:
    """The texts of the table of flows (`Endpoint.query`) that a query holds."""
    lowered = query.lower()
    return tuple(
        [text for text, (word, pattern) in _PATTERNS.items() if word in lowered and pattern.search(query) is not None]
    )


def flow_of(method: str, editor: Editor | None, kind: str, asked: Container[str]) -> Flow:
    """The flow of a request about a type of resource: the first of those it may belong to that the editor speaks."""
    flows = _SERVED.of(method, f"/{kind}", asked.__contains__)
    return next((flow for flow in flows if editor is not None and editor.speaks(flow)), flows[0])


def identify_page(scope: Scope) -> tuple[str, str]:
    """For the Edge of the pages: (actor, flow)."""
    slug, _, rest = scope["path"].lstrip("/").partition("/")
    return f"editor:{slug}", _PAGES.at(scope["method"], f"/{rest}", scope["query_string"]).value
