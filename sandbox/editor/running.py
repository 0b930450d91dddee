"""One running editor: its store and everything that is built on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp

from sandbox.editor.accounts.accounts import Accounts
from sandbox.editor.accounts.recovery import Recovery
from sandbox.editor.agenda import Agenda
from sandbox.editor.appointments.ledger import Ledger
from sandbox.editor.appointments.r03 import Emitter
from sandbox.editor.appointments.takeover import TakeOver
from sandbox.editor.communities.answering import Answering
from sandbox.editor.communities.ledger import RequestLedger
from sandbox.editor.fhir.agenda_cache import CACHE_OCTETS
from sandbox.editor.fhir.port import FhirEndpoint
from sandbox.editor.fhir.server import FhirServer
from sandbox.editor.pages.booking import BookingPages
from sandbox.editor.pages.communities import PATH as REQUESTS
from sandbox.editor.pages.communities import CommunityPages
from sandbox.editor.pages.followup import FollowUpPages
from sandbox.editor.pages.passwords import PasswordPages
from sandbox.editor.pages.session import Redirected, SessionPages
from sandbox.editor.schema import SCHEMA
from sandbox.editor.switches import EditorSwitches
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Appointment, Editor
from sandbox.net.context import Context
from sandbox.net.http.client import HttpClient
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store
from sandbox.web.console import Access, console
from sandbox.web.ended_sessions import EndedSessions
from sandbox.web.oidc import AT_PLATFORM, RelyingParty
from sandbox.web.sse import Streams


@dataclass(frozen=True)
class RunningEditor:
    """One editor with its store, what is built on it, and its client towards the SAS core and Pro Santé Connect."""

    editor: Editor
    store: Store
    fhir: FhirServer
    accounts: Accounts
    ledger: Ledger
    emitter: Emitter
    takeover: TakeOver
    requests: RequestLedger
    answering: Answering
    streams: Streams
    http: HttpClient
    pages: ASGIApp

    @property
    def endpoint(self) -> FhirEndpoint:
        """What it serves on the FHIR port."""
        return FhirEndpoint(self.fhir, self.accounts, self.requests)

    async def start(self) -> None:
        """Begin to send appointments, to name doctors and to answer requests."""
        await self.emitter.start()
        await self.takeover.start()
        await self.answering.start()

    async def stop(self) -> None:
        """Stop all of it, then close the client and the store."""
        await self.answering.stop()
        await self.takeover.stop()
        await self.emitter.stop()
        await self.http.close()
        await self.store.close()


def hosted_editors(context: Context) -> dict[str, Editor]:
    """The editors that run in the sandbox: all but the external ones, by slug."""
    return {slug: editor for slug, editor in context.population.editors.items() if not editor.external}


def clients_of(context: Context, editor: Editor) -> tuple[HttpClient, RelyingParty]:
    """An editor's HTTP client (with its own certificate), and its login at Pro Santé Connect."""
    http = HttpClient(context, f"editor:{editor.slug}", editor.slug if context.pki is not None else None)
    return http, RelyingParty(context, AT_PLATFORM, f"{context.settings.editor_ui(editor)}/oidc/callback", http)


def open_editor(context: Context, editor: Editor, http: HttpClient, psc: RelyingParty) -> RunningEditor:
    """Open an editor's store and build what uses it; the slots of its appointments are taken again.

    Raises StoreError, StoreLocked.
    """
    store = open_store(context.store_dir(f"editors/{editor.slug}"), SCHEMA)
    agenda = Agenda(context.population, editor, context.clock)
    emitter = Emitter(context, store, http)
    accounts = Accounts(store, context.clock, context.entropy)
    ledger = Ledger(context, editor, store=store, agenda=agenda, sender=emitter)
    takeover = TakeOver(ledger, accounts, context.clock)
    requests = RequestLedger(context, editor, store=store, sender=emitter)
    answering = Answering(requests, context.clock)
    streams, switches = Streams(), EditorSwitches(editor.slug)
    context.world.watch(lambda _: takeover.wake())
    context.world.watch(lambda _: answering.wake())
    context.world.watch(switches.follow)

    def present(id: str) -> Appointment | None:
        return ledger.appointment(id) or requests.appointment(id)

    context.world.watch(lambda world: emitter.follow(world, editor.slug, present))
    session = SessionPages(context, editor, accounts, psc)
    recovery = Recovery(store, accounts, context.clock, context.entropy, context.secret(f"resets:{editor.slug}"))
    routes = [
        *session.routes(),
        *PasswordPages(session, accounts, recovery, context.admin_token).routes(),
        *BookingPages(context, session, agenda=agenda, ledger=ledger).routes(),
        *FollowUpPages(context, session, agenda=agenda, ledger=ledger, emitter=emitter, streams=streams).routes(),
    ]
    handlers: dict[Any, Any] = {Redirected: lambda _, redirected: redirected.response}
    pages = console(
        context,
        session.pages,
        routes,
        role=f"editor-{editor.slug}",
        handlers=handlers,
        access=Access(EndedSessions(context, store)),
    )
    if editor.speaks(Flow.PDM):
        communities = CommunityPages(context, editor, ledger=requests, emitter=emitter, streams=streams)
        pages = _beside(communities.application(), pages)
    fhir = _fhir_server(context, editor, agenda, switches)
    return RunningEditor(
        editor=editor,
        store=store,
        fhir=fhir,
        accounts=accounts,
        ledger=ledger,
        emitter=emitter,
        takeover=takeover,
        requests=requests,
        answering=answering,
        streams=streams,
        http=http,
        pages=pages,
    )


def _beside(communities: ASGIApp, pages: ASGIApp) -> ASGIApp:
    """The pages of an editor with those of its communities, which have sessions and a password of their own."""
    own = [Route(path, communities) for path in (REQUESTS, REQUESTS + "/{rest:path}")]
    return Router([*own, Mount("/", pages)], redirect_slashes=False)


def _fhir_server(context: Context, editor: Editor, agenda: Agenda, switches: EditorSwitches) -> FhirServer:
    server = FhirServer(
        editor=editor,
        population=context.population,
        agenda=agenda,
        clock=context.clock,
        fhir_base=context.settings.editor_fhir(editor),
        ui_base=context.settings.editor_ui(editor),
        ig=context.settings.ig_version,
        switches=switches,
        cache_octets=CACHE_OCTETS // len(hosted_editors(context)),
    )
    context.population.watch(server.forget)
    return server
