"""The dispatch software of every SAMU of the configuration: one LRM per territory, each with its own store.

Pages and JSON on port LRM_UI under `/<slug>/` (see `console.app`), INT_L02 on the hub (see `messages`). Where a
vendor's LRM replaces the one of a territory, a page explains this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Scope

from sandbox.config import CONTROL_UI, LRM_UI
from sandbox.kernel.flows import ServedFlows
from sandbox.kernel.model import Territory
from sandbox.lrm.console.app import PASSWORD_WANTED, application
from sandbox.lrm.console.frame import BANNER, COLOUR, Frame
from sandbox.lrm.ledger.ledger import Ledger
from sandbox.lrm.messages.consumer import Consumer
from sandbox.lrm.schema import SCHEMA
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.context import Context, Service
from sandbox.net.http.edge import Edge
from sandbox.net.http.server import Listener
from sandbox.partners import ExternalLrm
from sandbox.population.agendas.agenda import zone_of
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store, disk_state
from sandbox.web.console import Access, console, leading_to
from sandbox.web.pages import Pages

ROLE = "lrm"
_SERVED = ServedFlows("lrm", "pages")


class Lrm:
    """One LRM: its store, its consumer, its pages."""

    def __init__(self, context: Context, territory: Territory, store: Store, *, hub: AmqpClient | None = None) -> None:
        self.territory, self.store = territory, store
        self.ledger = Ledger(store, territory.samu, zone_of(territory.department))
        self.consumer = Consumer(context, territory.samu, store, self.ledger, hub=hub)
        self.frame = Frame(context, territory, store, self.ledger, self.consumer)
        self.app = application(self.frame)

    async def start(self) -> None:
        """Start consuming."""
        await self.consumer.start()

    async def stop(self) -> None:
        """Stop consuming, then close the store."""
        await self.consumer.stop()
        await self.store.close()

    def health(self) -> dict[str, object]:
        """Whether the hub is connected, and how many messages wait."""
        return {
            "connected": self.consumer.connected,
            "answers_waiting": self.consumer.answers.waiting,
            "hits": dict(self.consumer.faults.hits()),
            **self.ledger.counts(),
        }


class LrmService:
    """All LRMs behind one port."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lrms: dict[str, Lrm] = {}
        self._listener: Listener | None = None

    async def start(self) -> None:
        """Open the stores, consume, then listen. Raises StoreError when a store cannot be used."""
        try:
            for territory in self._context.population.territories.values():
                if territory.samu in self._context.settings.external_lrm_ids:
                    continue
                directory = self._context.store_dir(f"{ROLE}/{territory.samu}")
                store = await asyncio.to_thread(open_store, directory, SCHEMA)
                self._lrms[territory.lrm_slug] = Lrm(self._context, territory, store)
        except BaseException:
            await asyncio.gather(*(lrm.store.close() for lrm in self._lrms.values()))
            raise
        await asyncio.gather(*(lrm.start() for lrm in self._lrms.values()))
        app = Edge(self._application(), self._context, self._identify)
        self._listener = Listener(app, self._context.sockets[LRM_UI])
        await self._listener.start()

    async def stop(self) -> None:
        """Stop the live views and the listener first, then all LRMs at once."""
        for lrm in self._lrms.values():
            lrm.frame.streams.stop()
        if self._listener is not None:
            await self._listener.stop()
        await asyncio.gather(*(lrm.stop() for lrm in self._lrms.values()))

    def health(self) -> dict[str, object]:
        """The state of the common disk, and that of each LRM by its client id."""
        lrms = self._lrms.values()
        return {"disk": disk_state(*(lrm.store for lrm in lrms)), **{lrm.territory.samu: lrm.health() for lrm in lrms}}

    def _application(self) -> Router:
        pages = Pages("sandbox.lrm", app_name="LRM du bac à sable", banner=BANNER, colour=COLOUR, static_url="/static")

        async def index(request: Request) -> Response:
            lrms = [(each, self._external(each)) for each in self._context.population.territories.values()]
            return pages.render(request, "index.html", lrms=lrms)

        routes = [Route("/", index), *self._elsewhere(pages)]
        front = console(
            self._context,
            pages,
            routes,
            role=ROLE,
            access=Access(
                passwords=self._context.lrm_passwords(lrm.territory.samu for lrm in self._lrms.values()),
                wanted=PASSWORD_WANTED,
            ),
        )
        router = Router(redirect_slashes=False, default=front)
        for slug, lrm in self._lrms.items():
            router.routes.append(Route(f"/{slug}", leading_to(f"/{slug}/")))  # as in endpoints.json and in texts
            router.mount(f"/{slug}", lrm.app)
        return router

    def _external(self, territory: Territory) -> ExternalLrm | None:
        rows = self._context.settings.external_lrms
        return next((row for row in rows if row.client_id == territory.samu), None)

    def _elsewhere(self, pages: Pages) -> Iterator[Route]:
        """Routes for the LRMs that vendors run: the page at the path of such an LRM explains this."""
        for territory in self._context.population.territories.values():
            if (row := self._external(territory)) is not None:
                endpoint = partial(self._told, pages=pages, territory=territory, row=row)
                for path in (f"/{territory.lrm_slug}", f"/{territory.lrm_slug}/"):
                    yield Route(path, endpoint)

    async def _told(self, request: Request, *, pages: Pages, territory: Territory, row: ExternalLrm) -> Response:
        monitor = self._context.settings.http(CONTROL_UI, "/hub")
        return pages.render(request, "elsewhere.html", territory=territory, row=row, monitor=monitor)

    def _identify(self, scope: Scope) -> tuple[str, str]:
        """(`lrm:<client id>`, UI or API), determined by the path."""
        _, slug, rest = [*str(scope["path"]).split("/", 2), "", ""][:3]
        lrm = self._lrms.get(slug)
        flow = _SERVED.at(scope["method"], f"/{rest}", scope["query_string"])
        return (f"lrm:{lrm.territory.samu}" if lrm is not None else ROLE), flow


def build(context: Context) -> Service:
    """The role `lrm`."""
    return LrmService(context)
