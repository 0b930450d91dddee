"""« Éditeurs »: what the platform knows of each editor: circuit breaker, last answer, failures, findings in its answers
and appointments, the regulator's account there.

The page is updated by server-sent events, twice a second at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.model import Regulator
from sandbox.sas.console import words
from sandbox.sas.console.changes import EDITORS
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.search_reader import search_url
from sandbox.sas.search.editors import in_order
from sandbox.sas.search.reasons import LABELS
from sandbox.sas.services import Services

PAUSE_S = 0.5


class EditorHealthPage:
    """The page and its stream."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._editors = frame, services.editors
        self._accounts, self._appointments = services.accounts, services.appointments

    def routes(self) -> list[Route]:
        """For everyone who is logged in."""
        guarded = self._frame.guarded
        return [
            Route("/sas/editeurs", guarded(self.editors), methods=["GET"]),
            Route("/sas/editeurs/flux", guarded(self.editors_live), methods=["GET"]),
        ]

    async def editors(self, request: Request, regulator: Regulator) -> Response:
        """One line per editor, in the order of their names."""
        return self._frame.page(request, "editors.html", regulator, **self._values(regulator))

    async def editors_live(self, request: Request, regulator: Regulator) -> Any:
        """The same lines, sent again when something has changed."""

        def html() -> str:
            return self._frame.pages.fragment("editors_list.html", **self._values(regulator))

        return self._frame.live(EDITORS, html, PAUSE_S)

    def _values(self, regulator: Regulator) -> dict[str, Any]:
        accounts = {str(account["editor"]): account for account in self._accounts.states(regulator)}
        lines = [self._line(slug, accounts) for slug in self._frame.context.population.editors]
        lines.sort(key=lambda line: str(line["editor"].name))
        return {"lines": lines, "circuits": words.CIRCUITS, "accounts": words.ACCOUNTS, "failures": LABELS}

    def _line(self, slug: str, accounts: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
        at = self._editors.directory.search_at(slug)
        health = self._editors.editor(slug)
        return {
            "editor": self._frame.context.population.editors[slug],
            "health": health,
            "findings": in_order({**health.findings, **self._appointments.findings.get(slug, {})}),
            "disabled": slug in self._editors.directory.disabled(),
            "account": accounts.get(slug),
            "search": search_url(at) if at else None,
        }
