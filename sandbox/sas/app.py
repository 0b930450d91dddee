"""The SAS core: the national platform. Pages and API on one port, FHIR (INT_R03) with mTLS on another.

One store holds appointments, L02 messages and what editors know of the regulators; one HTTP client with the
platform's certificate calls the editors. Who may call the FHIR port: the editors, by CN and OU of their certificate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import __version__
from sandbox.config import SAS_FHIR, SAS_UI
from sandbox.fhir import nos
from sandbox.kernel.calls import disabled_editors
from sandbox.kernel.clock import fhir_instant
from sandbox.kernel.flows import Flow, Port, ServedFlows
from sandbox.net.context import Context, Service
from sandbox.net.http.client import HttpClient
from sandbox.net.http.edge import Edge, RequirePeer, refusals
from sandbox.net.http.fhir_http import answering, fhir_response, not_allowed, not_found, to_metadata
from sandbox.net.http.server import Listener
from sandbox.net.revocation import listener_contexts
from sandbox.net.tls import Peer
from sandbox.pki.subjects import editor_subject
from sandbox.sas.api.app import Api
from sandbox.sas.console.app import Console
from sandbox.sas.console.changes import EDITORS, watched
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.orientations.appointments import BASE_PATH, Appointments, AppointmentServer
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.regulators.accounts import RegulatorAccounts
from sandbox.sas.regulators.psc_people import PscPeople
from sandbox.sas.regulators.sync_to_editors import AccountSync
from sandbox.sas.schema import SCHEMA
from sandbox.sas.search.editors import Aggregator
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store, disk_state
from sandbox.web.ended import Ended
from sandbox.web.pages import console, leading_to
from sandbox.web.sse import Channel

ROLE = "sas"
GRACE_S = 2.0  # of the 3 s that a role has to stop, for requests that are running


def build(context: Context) -> Service:
    """The SAS core's role. Raises StoreLocked or StoreError when its store cannot be opened."""
    return SasCore(context, open_store(context.store_dir(ROLE), SCHEMA))


class SasCore:
    """The assembled role; `fhir` and `pages` are its two applications, `api` is a part of the latter, as `console` is.

    `l02` and `http` can be given by tests.
    """

    def __init__(
        self, context: Context, store: Store, *, l02: L02 | None = None, http: HttpClient | None = None
    ) -> None:
        changes = Channel()
        self.store = store
        store = watched(store, changes)
        self._http = http or HttpClient(context, ROLE, ROLE)
        directory = Directory(context.population, lambda: disabled_editors(context.world.world.switches))
        self._people = PscPeople(context, store, self._http)
        self.regulators = RegulatorAccounts(context, store, self._people.due)
        self.regulators.watch(self._people.wake)
        self._l02 = l02 or L02(context, store, self.regulators.person)
        self._accounts = AccountSync(context, store, self._http, self.regulators)
        self.aggregator = Aggregator(context, self._http, directory, SPECIALTIES, lambda: changes.tell(EDITORS))
        context.world.watch(lambda _: changes.tell(EDITORS))
        self.appointments = Appointments(context, store, self._l02, directory, self.regulators)
        self.appointments.on_finding = lambda: changes.tell(EDITORS)
        self.fhir = _fhir(context, self.appointments)
        self.pages = self._pages(context, directory, changes)
        self._listeners = _listeners(context, self.fhir, self.pages)

    def _pages(self, context: Context, directory: Directory, changes: Channel) -> ASGIApp:
        api = Api(
            context,
            directory=directory,
            aggregator=self.aggregator,
            accounts=self._accounts,
            appointments=self.appointments,
            l02=self._l02,
            labels=SPECIALTIES,
            store=self.store,
        )
        self.console = Console(
            context,
            self._http,
            directory=directory,
            aggregator=self.aggregator,
            accounts=self._accounts,
            appointments=self.appointments,
            l02=self._l02,
            labels=SPECIALTIES,
            changes=changes,
        )
        self.api = api.app()
        described = Route("/api", leading_to("/api/openapi.json"))  # what the base itself says
        routes = [described, Mount("/api", app=self.api), *self.console.routes()]
        pages = console(context, self.console.pages, routes, role=ROLE, ended=Ended(context, self.store))
        return Edge(pages, context, identify("pages"))

    async def start(self) -> None:
        """Connect to the hub (in the background when it is down), then answer."""
        await self._l02.start()
        await self._people.start()
        await self._accounts.start()
        for listener in self._listeners:
            await listener.start()

    async def stop(self) -> None:
        """No new requests, finish those that run, then messages, calls and the store."""
        self.console.stop()
        await asyncio.gather(*(listener.stop(GRACE_S) for listener in self._listeners))
        await self._accounts.stop()
        await self._people.stop()
        await self._l02.stop()
        await self.aggregator.close()
        await self._http.close()
        await self.store.close()

    def health(self) -> dict[str, object]:
        """Appointments held, L02 messages that are not confirmed, the hub's connection; what the aggregator knows."""
        return {
            "disk": disk_state(self.store),
            "appointments": self.appointments.count,
            "l02_waiting": self._l02.waiting,
            "hub_connected": self._l02.connected,
            "r03_findings": {slug: dict(counts) for slug, counts in self.appointments.findings.items()},
            **self.aggregator.health(),
        }


def _listeners(context: Context, fhir: ASGIApp, pages: ASGIApp) -> list[Listener]:
    required = context.settings.no_certificate == "refuse"
    tls = listener_contexts(context.pki, client_certificate="required" if required else "optional")
    told = refusals(context, ROLE, Flow.INT_R03)
    return [
        Listener(fhir, context.sockets[SAS_FHIR], tls=tls, refused=told, console=False),
        Listener(pages, context.sockets[SAS_UI]),
    ]


def identify(port: Port) -> Callable[[Scope], tuple[str, str]]:
    """For the Edge of a port: (actor, flow) of a request."""
    served = ServedFlows("sas", port)

    def identify(scope: Scope) -> tuple[str, str]:
        return ROLE, served.at(scope["method"], scope["path"], scope["query_string"])

    return identify


def _fhir(context: Context, appointments: Appointments) -> ASGIApp:
    """The FHIR port: edge, then certificate, then the server."""
    slugs = {
        (subject.cn, subject.ou): editor.slug
        for editor in context.population.editors.values()
        for subject in (editor_subject(editor),)
    }
    server = RequirePeer(_FhirServer(context, appointments, slugs), lambda _, peer: (peer.cn, peer.ou) in slugs)
    return Edge(server, context, identify("fhir"), names=slugs)


class _FhirServer:
    """The few interactions of the SAS core's FHIR base, without a router: this is the hot path of INT_R03."""

    def __init__(self, context: Context, appointments: Appointments, slugs: Mapping[tuple[str, str], str]) -> None:
        self._slugs = slugs
        self._server = AppointmentServer(context, appointments)
        self._endpoint = answering(self._handle)
        started = fhir_instant(context.clock.now())
        self._capability = capability(context.settings.fhir(SAS_FHIR, BASE_PATH), started)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)

    async def _handle(self, request: Request) -> Response:
        path, method = request.scope["path"], request.method
        peer: Peer | None = request.scope.get("peer")
        editor = self._slugs[peer.cn, peer.ou] if peer is not None else None
        match path.removeprefix(BASE_PATH).strip("/").split("/"):
            case ["Appointment"] if method == "POST":
                return await self._server.create(request, editor)
            case ["Appointment"] if method == "PUT":
                return await self._server.update(request, editor)
            case ["Appointment", id] if method == "GET":
                return await self._server.read(request, id, editor)
            case ["metadata"] if method == "GET":
                return fhir_response(self._capability)
            case [""] if method == "GET":
                return to_metadata(path)
            case ["Appointment"]:
                raise not_allowed(method, path, "POST", "PUT")
            case ["Appointment", _] | ["metadata"]:
                raise not_allowed(method, path, "GET")
        raise not_found(f"{path} is not served here: POST or PUT [base]/Appointment")


def capability(base: str, date: str) -> bytes:
    """The CapabilityStatement of the SAS core's FHIR base: exactly what it supports."""
    interactions = [{"code": code} for code in ("read", "create", "update")]
    resource = {
        "type": "Appointment",
        "profile": nos.APPOINTMENT_PROFILE,
        "supportedProfile": [
            nos.APPOINTMENT_PROFILE,
            nos.SOS_APPOINTMENT_PROFILE,
            nos.MARKETPLACE_APPOINTMENT_PROFILE,
        ],
        "interaction": interactions,
        "versioning": "versioned",
        "readHistory": False,
        "conditionalRead": "not-match",
        "updateCreate": True,
        "conditionalUpdate": True,
        "searchParam": [{"name": "identifier", "type": "token"}],
    }
    security = {"description": "mutual TLS; CN and OU of the client certificate are those agreed with each editor"}
    return orjson.dumps(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": date,
            "kind": "instance",
            "software": {"name": "sas-sandbox", "version": __version__},
            "implementation": {"description": "SAS core (sandbox)", "url": base},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json"],
            "rest": [{"mode": "server", "security": security, "resource": [resource]}],
        }
    )
