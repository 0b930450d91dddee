"""The part of the results page that grows as editors answer, in three forms: values for the templates, HTML, and a
stream of events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from sandbox.kernel.errors import RequestError
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.results_view import ResultsView
from sandbox.sas.console.search_reader import OFFERS, Asked, search_url
from sandbox.sas.desk import is_made
from sandbox.sas.directory.origins import Origin
from sandbox.sas.search.cards import booking_url
from sandbox.sas.search.run import Results, run
from sandbox.sas.services import Services
from sandbox.web.sse import Event

PAUSE_S = 0.04  # between two states of a page: answers that arrive within this time are shown together


class ResultsPart:
    """Shows the present state of a search."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._directory = frame, services.directory
        self._aggregator, self._labels = services.aggregator, services.labels

    def values(self, asked: Asked, results: Results, *, running: bool) -> dict[str, Any]:
        """The values of the templates `results_part.html` and `map.html`."""
        context, page = self._frame.context, asked.criteria.page
        return {
            "view": ResultsView.of(results, context.population, running=running),
            "criteria": asked.criteria,
            "label": self._labels.get(asked.criteria.specialty, asked.criteria.specialty),
            "link": lambda url: booking_url(url, context.settings.sas_origin),
            "offers": asked.offers,
            "offers_url": self._further(asked, page, OFFERS, "1"),
            "no_offers_url": self._further(asked, page, OFFERS, ""),
            "asks_communities": is_made(Origin.MARKETPLACE),
            "next_url": self._further(asked, page + 1) if results.next else None,
            "external": self._external(),
            "previous_url": self._further(asked, page - 1) if page > 1 else None,
        }

    def _external(self) -> dict[str, dict[str, str]]:
        """For each external editor that has an address: its name, and the URL of a search at that address (`url`)."""
        editors = self._frame.context.population.editors
        found = {slug: self._directory.search_at(slug) for slug, editor in editors.items() if editor.external}
        return {slug: {"name": editors[slug].name, "url": search_url(at)} for slug, at in found.items() if at}

    def _further(self, asked: Asked, page: int, changed: str = "", to: str = "") -> str:
        """Address of another page of the same search, in the same order, with one parameter changed (empty: without
        it). It is without `origin`, because it is not a contextual call."""
        values = {**asked.values, "shuffle": asked.criteria.shuffle, "page": str(page), "origin": "", changed: to}
        return search_url({name: text for name, text in values.items() if text})

    async def stream(self, asked: Asked) -> AsyncGenerator[Event, None]:
        """The part after each answer (event `contenu`; after several that came within PAUSE_S), then event `fin`."""
        results, changed = Results(asked.criteria, asked.criteria.area), asyncio.Event()
        gathering = asyncio.create_task(self._gather(results, changed))
        try:
            while not gathering.done():
                await changed.wait()
                changed.clear()
                if not gathering.done():
                    yield Event(self._html(asked, results, running=True), "contenu")
                    await asyncio.wait({gathering}, timeout=PAUSE_S)
            yield Event(self._outcome(gathering, asked, results), "contenu")
            yield Event("", "fin")
        finally:
            gathering.cancel()
            await asyncio.gather(gathering, return_exceptions=True)

    def _outcome(self, gathering: asyncio.Task[None], asked: Asked, results: Results) -> str:
        """The part at the end of the search; a sentence instead when too many searches run already."""
        try:
            gathering.result()
        except RequestError:
            return self._frame.pages.fragment("results_refused.html")
        return self._html(asked, results, running=False)

    async def _gather(self, results: Results, changed: asyncio.Event) -> None:
        try:
            async with contextlib.aclosing(run(results.criteria, self._aggregator)) as events:
                async for event in events:
                    results.take(event)
                    changed.set()
        finally:
            changed.set()

    def _html(self, asked: Asked, results: Results, *, running: bool) -> str:
        return self._frame.pages.fragment("results_part.html", **self.values(asked, results, running=running))
