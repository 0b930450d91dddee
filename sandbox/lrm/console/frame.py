"""What all pages of one LRM share: its data, how a page is rendered, how a part of a page is followed live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.kernel.model import Territory
from sandbox.lrm.console.calls import SPECIALTIES
from sandbox.lrm.console.drawing import CATEGORIES, STATUSES
from sandbox.lrm.ledger.ledger import Ledger
from sandbox.lrm.ledger.records import Operator
from sandbox.lrm.messages.consumer import Consumer
from sandbox.lrm.messages.handler import MESSAGES
from sandbox.net.context import Context
from sandbox.population.agendas.agenda import zone_of
from sandbox.store.protocol import Put, Store
from sandbox.web.pages import Pages
from sandbox.web.sse import Event, Streams

COLOUR = "#7a2e5d"
BANNER = "EXERCICE – logiciel de régulation du bac à sable : appelants et patients sont fictifs"
MOST_LISTED = 100  # rows in one list of a page
MOST_WAITING = 30  # orientations that a page offers to attach: the newest
MOST_OFFERED = 20  # case files that a list offers to attach to: the newest; others have their own page
MOST_COMPARED = 50  # case files among which the probable one is searched: the newest
_PAUSE_S = 0.25  # seconds between two updates of a live view


class Frame:
    """The data and the rendering of one LRM's pages. `base`: the path under which they are."""

    def __init__(
        self, context: Context, territory: Territory, store: Store, ledger: Ledger, consumer: Consumer
    ) -> None:
        self.context, self.territory = context, territory
        self.ledger, self.consumer = ledger, consumer
        self.base, self.zone = f"/{territory.lrm_slug}", zone_of(territory.department)
        self.streams = Streams()
        self.pages = Pages(
            "sandbox.lrm",
            app_name=f"LRM {territory.name}",
            banner=BANNER,
            colour=COLOUR,
            static_url=f"{self.base}/static",
        )
        self._store = store

    def page(self, request: Request, template: str, **values: Any) -> Response:
        """A whole page."""
        return self.pages.render(request, template, **self._values(request), **values)

    def fragment(self, request: Request, template: str, **values: Any) -> str:
        """A part of a page, for the live view."""
        return self.pages.fragment(template, request=request, **self._values(request), **values)

    def redirect(self, path: str) -> Response:
        """A redirect to another page of this LRM."""
        return self.pages.redirect(f"{self.base}{path}")

    def follow(self, topic: str, fragment: Callable[[], str]) -> Any:
        """A stream of the present state of a part of a page, sent again whenever something of `topic` changes."""

        async def events() -> AsyncGenerator[Event, None]:
            with self.consumer.changes.listening(topic) as changed:
                while True:
                    yield Event(fragment(), "contenu")
                    await changed.wait()
                    await asyncio.sleep(_PAUSE_S)  # changes that occur together are shown at once
                    changed.clear()

        return self.streams.answer(events())

    async def commit(self, *writes: Put) -> None:
        """Store what a person changed, and notify the live views. Raises StoreError."""
        await self._store.commit(*writes)
        self.consumer.changes.tell(MESSAGES)

    def operators(self) -> list[Operator]:
        """The people who may open a case file: the territory's regulators, and others whom orientations named, each
        once."""
        people = [each for each in self.context.population.regulators if each.territory == self.territory.code]
        usual = [Operator(each.family, each.given, each.email) for each in people]
        known = {each.email.lower() for each in usual}
        named = self.ledger.orientations.regulators()
        return usual + [each for each in named if each.email.lower() not in known]

    def _values(self, request: Request) -> dict[str, Any]:
        return {
            "base": self.base,
            "zone": self.zone,
            "territory": self.territory,
            "counts": self.ledger.counts(),
            "connected": self.consumer.connected,
            "categories": CATEGORIES,
            "statuses": STATUSES,
            "specialties": SPECIALTIES,
            "operators": self.operators(),
            "operator": request.session.get("operator", ""),
        }


def words_of(request: Request) -> list[str]:
    """The words of the query `q`."""
    return request.query_params.get("q", "")[:100].casefold().split()


def holds(words: list[str], text: str) -> bool:
    """Whether a text holds all the words."""
    return all(word in text for word in words)
