"""The SAS core: the national platform. Pages and API on one port, FHIR (INT_R03) with mTLS on another.

One store holds appointments, L02 messages, accounts and what editors know of them; one HTTP client with the platform's
certificate calls the editors.
"""

from __future__ import annotations

import asyncio

from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sandbox.config import SAS_FHIR, SAS_UI
from sandbox.kernel.calls import disabled_editors
from sandbox.kernel.flows import Flow, ServedFlows
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.context import Context, Service
from sandbox.net.descriptors import FOR_PARTNERS
from sandbox.net.http.client import HttpClient
from sandbox.net.http.edge import Edge, identify_as, refusals
from sandbox.net.http.server import Listener
from sandbox.net.revocation import listener_contexts
from sandbox.sas.agenda.agendas import Agendas, Occupancy
from sandbox.sas.api.app import build_api
from sandbox.sas.console.app import Console
from sandbox.sas.console.changes import EDITORS, watched
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.fhir_port import fhir_port
from sandbox.sas.offers.extra import ExtraOrientations
from sandbox.sas.offers.structures import StructureOrientations
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.orientations.own import OwnAppointments
from sandbox.sas.orientations.typed_booking import TypedBooking
from sandbox.sas.orientations.typed_changes import AgendaChanges
from sandbox.sas.regulators.accounts import RegulatorAccounts
from sandbox.sas.regulators.psc_people import PscPeople
from sandbox.sas.regulators.sync_to_editors import AccountSync
from sandbox.sas.schema import SCHEMA
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.editors import EditorSources
from sandbox.sas.search.sources import SlotSource
from sandbox.sas.search.typed_slots import TypedSlots
from sandbox.sas.services import Services
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store, disk_state
from sandbox.web.console import Access, console, leading_to
from sandbox.web.ended_sessions import EndedSessions
from sandbox.web.sse import Channel

ROLE = "sas"
identify_page = identify_as(ROLE, ServedFlows("sas", "pages"))
GRACE_S = 2.0  # for running requests; a role has 3 s to stop


def build(context: Context) -> Service:
    """The SAS core's role. Raises StoreLocked or StoreError when its store cannot be opened."""
    return SasCore(context, open_store(context.store_dir(ROLE), SCHEMA))


class SasCore:
    """The assembled role; `fhir` and `pages` are its two applications, `api` is a part of the latter, as `console` is.

    `hub` and `http`, its clients, can be given by tests.
    """

    def __init__(
        self, context: Context, store: Store, *, hub: AmqpClient | None = None, http: HttpClient | None = None
    ) -> None:
        changes = Channel()
        self.store = store
        store = watched(store, changes)
        self._http = http or HttpClient(context, ROLE, ROLE)
        directory = self.directory = Directory(
            context.population, lambda: disabled_editors(context.world.world.switches)
        )
        self._people = PscPeople(context, store, self._http)
        self.regulators = RegulatorAccounts(context, store, self._people.due)
        self.regulators.watch(self._people.wake)
        self.l02 = L02(context, store, self.regulators.person, hub=hub)
        self._accounts = AccountSync(context, store, self._http, self.regulators)
        self.editors = EditorSources(context, self._http, directory, lambda: changes.tell(EDITORS))
        self.agendas, occupancy = Agendas(context, store), Occupancy()
        sources: list[SlotSource] = [self.editors, TypedSlots(context, self.agendas, occupancy)]
        self.aggregator = Aggregator(directory, SPECIALTIES, sources, context.settings)
        context.world.watch(lambda _: changes.tell(EDITORS))
        self.appointments = Appointments(context, store, self.l02, directory, self.regulators)
        self.own = OwnAppointments(context, self.appointments, self.regulators)
        self.booking = TypedBooking(context, store, self.agendas, occupancy, self.appointments, self.own)
        self.agenda_changes = AgendaChanges(context, self.agendas, self.booking, self.own)
        self.appointments.on_finding = lambda: changes.tell(EDITORS)
        self.fhir = fhir_port(context, self.appointments)
        self.pages = self._pages(context, directory, changes)
        self._listeners = _listeners(context, self.fhir, self.pages)

    def _pages(self, context: Context, directory: Directory, changes: Channel) -> ASGIApp:
        services = Services(
            context=context,
            store=self.store,
            http=self._http,
            directory=directory,
            aggregator=self.aggregator,
            editors=self.editors,
            accounts=self._accounts,
            appointments=self.appointments,
            own=self.own,
            agendas=self.agendas,
            booking=self.booking,
            agenda_changes=self.agenda_changes,
            extra=ExtraOrientations(context, directory, self.own),
            structures=StructureOrientations(context, directory, self.own),
            l02=self.l02,
            labels=SPECIALTIES,
            changes=changes,
        )
        self.console = Console(services)
        self.api = build_api(services)
        described = Route("/api", leading_to("/api/openapi.json"))  # an answer of the FHIR base itself
        routes = [described, Mount("/api", app=self.api), *self.console.routes()]
        pages = console(
            context, self.console.pages, routes, role=ROLE, access=Access(EndedSessions(context, self.store))
        )
        return Edge(pages, context, identify_page)

    async def start(self) -> None:
        """Connect to the hub (in the background when it is down), then begin to answer requests."""
        await self.l02.start()
        await self._people.start()
        await self._accounts.start()
        for listener in self._listeners:
            await listener.start()

    async def stop(self) -> None:
        """Accept no new requests, finish the running ones, then close messages, calls and the store."""
        self.console.stop()
        await asyncio.gather(*(listener.stop(GRACE_S) for listener in self._listeners))
        await self._accounts.stop()
        await self._people.stop()
        await self.l02.stop()
        await self.aggregator.close()
        await self._http.close()
        await self.store.close()

    def health(self) -> dict[str, object]:
        """The number of appointments, the number of L02 messages that are not confirmed, the hub's connection, searches
        and editors."""
        return {
            "disk": disk_state(self.store),
            "appointments": self.appointments.count,
            "l02_waiting": self.l02.waiting,
            "hub_connected": self.l02.connected,
            "r03_findings": {slug: dict(counts) for slug, counts in self.appointments.findings.items()},
            "searches": self.aggregator.running,
            **self.editors.health(),
        }


def _listeners(context: Context, fhir: ASGIApp, pages: ASGIApp) -> list[Listener]:
    required = context.settings.no_certificate == "refuse"
    tls = listener_contexts(context.pki, client_certificate="required" if required else "optional")
    told = refusals(context, ROLE, Flow.INT_R03)
    return [
        Listener(fhir, context.sockets[SAS_FHIR], tls=tls, refused=told, capacity=FOR_PARTNERS),
        Listener(pages, context.sockets[SAS_UI]),
    ]
