"""The role `editors`: every editor of the population but the external ones, behind two listeners.

The FHIR port (`fhir/port.py`) and the pages (`pages/`) serve each editor below `/<slug>`; each editor has its own
store. The FHIR port accepts only the SAS core, by CN and OU of its certificate.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Scope

from sandbox.config import EDITORS_FHIR, EDITORS_UI
from sandbox.editor.fhir.identify import identify_fhir, identify_page
from sandbox.editor.fhir.port import FhirPort
from sandbox.editor.pages.session import BANNER, PACKAGE
from sandbox.editor.running import RunningEditor, clients_of, hosted_editors, open_editor
from sandbox.kernel.flows import Flow
from sandbox.net.context import Context
from sandbox.net.descriptors import Capacity
from sandbox.net.http.edge import Edge, RequirePeer, refusals
from sandbox.net.http.server import Listener
from sandbox.net.revocation import listener_contexts
from sandbox.net.tls import Peer
from sandbox.pki.subjects import sas_subject
from sandbox.store.protocol import disk_state
from sandbox.web.console import console, leading_to
from sandbox.web.pages import Pages

UNSETTLED = 20  # appointments per editor that `health` lists: those whose INT_R03 waits or was refused

_SAS = sas_subject()


def is_sas(scope: Scope, peer: Peer) -> bool:
    """True for a client certificate with the CN and OU of the SAS core."""
    return peer.cn == _SAS.cn and peer.ou == _SAS.ou


def pages_app(context: Context, editors: Mapping[str, RunningEditor]) -> ASGIApp:
    """The pages of all editors, by slug, and a list of them at `/`."""
    pages = Pages(PACKAGE, app_name="Éditeurs", banner=BANNER, colour="#335577", static_url="/static")
    listed = [(running.editor, f"/{slug}/") for slug, running in editors.items()]

    async def index(request: Request) -> Response:
        return pages.render(request, "editors.html", editors=listed)

    bare = [Route(f"/{slug}", leading_to(f"/{slug}/")) for slug in editors]  # as in endpoints.json
    mounts = [Mount(f"/{slug}", running.pages) for slug, running in editors.items()]
    root = console(context, pages, [Route("/", index)], role="editors")
    return Router([*bare, *mounts, Mount("/", root)], redirect_slashes=False)


class Editors:
    """The role: all hosted editors (`editors`, by slug) behind two listeners."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.editors: dict[str, RunningEditor] = {}
        self._listeners: list[Listener] = []

    async def start(self) -> None:
        """Open the stores, start the emitters, then the listeners. Raises StoreError, OSError."""
        try:
            for slug, editor in hosted_editors(self._context).items():
                self.editors[slug] = open_editor(self._context, editor, *clients_of(self._context, editor))
            for running in self.editors.values():
                await running.start()
            self._listeners = [self._fhir_listener(), self._pages_listener()]
            for listener in self._listeners:
                await listener.start()
        except BaseException:
            await self.stop()
            raise

    def _fhir_listener(self) -> Listener:
        context = self._context
        port = FhirPort({slug: running.endpoint for slug, running in self.editors.items()})
        guarded = RequirePeer(port, is_sas, immediate=port.immediate)
        names = {(_SAS.cn, _SAS.ou): "sas"}
        edge = Edge(guarded, context, identify_fhir(hosted_editors(context)), immediate=guarded.immediate, names=names)
        refuse = context.settings.no_certificate == "refuse"
        tls = listener_contexts(context.pki, client_certificate="required" if refuse else "optional")
        refused = refusals(context, "editors", Flow.INT_R01.value)
        of_one = max(1000, 2 * context.settings.editor_concurrency * len(self.editors))  # the SAS core asks them all
        sock = context.sockets[EDITORS_FHIR]
        return Listener(
            edge, sock, tls=tls, refused=refused, immediate=edge.immediate, capacity=Capacity(False, of_one)
        )

    def _pages_listener(self) -> Listener:
        context = self._context
        app = Edge(pages_app(context, self.editors), context, identify_page)
        return Listener(app, context.sockets[EDITORS_UI])

    async def stop(self) -> None:
        """Close live pages and listeners, then stop each editor."""
        for running in self.editors.values():
            running.streams.stop()
        for listener in self._listeners:
            await listener.stop()
        for running in self.editors.values():
            await running.stop()
        self._listeners, self.editors = [], {}

    def health(self) -> dict[str, object]:
        """Counts over all editors, and per editor which INT_R03 wait or were given up.

        `requests`: of communities, by slug and state;
        `awaited`: appointments at SOS Médecins whose doctor is not named yet;
        `outbox`: by slug, such appointments one by one (at most UNSETTLED of an editor).
        """
        everybody = self.editors.values()
        listed = ((slug, running.emitter.listed(UNSETTLED)) for slug, running in self.editors.items())
        return {
            "disk": disk_state(*(running.store for running in everybody)),
            "editors": len(everybody),
            "accounts": sum(len(running.accounts) for running in everybody),
            "appointments": sum(len(running.ledger) for running in everybody),
            "requests": {
                slug: counts for slug, running in self.editors.items() if (counts := running.requests.health())
            },
            "awaited": sum(len(running.ledger.awaited) for running in everybody),
            "r03": {slug: running.emitter.health() for slug, running in self.editors.items()},
            "outbox": {slug: entries for slug, entries in listed if entries},
        }


def build(context: Context) -> Editors:
    """The role `editors`: all editors of the population."""
    return Editors(context)
