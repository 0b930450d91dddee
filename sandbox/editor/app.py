"""The editors: every vendor of the population but the external ones, FHIR on one port and pages on another, each below
`/<slug>`.

    GET  /<slug>/fhir/metadata                       CapabilityStatement
    GET  /<slug>/fhir/Slot · POST …/Slot/_search     INT_R01, INT_R04
    GET  /<slug>/fhir/Schedule · POST …/_search      SOS
    POST /<slug>/fhir/Practitioner                   INT_R02, creation
    PUT  /<slug>/fhir/Practitioner?identifier=…      INT_R02, conditional update
    GET  /<slug>/fhir/<type>/<id>                    reads: what searches include, and the accounts

Each editor has its own store. On the FHIR port only the SAS core comes in (CN and OU of its certificate).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.config import EDITORS_FHIR, EDITORS_UI
from sandbox.editor.accounts.accounts import AccountRecord, Accounts
from sandbox.editor.accounts.recovery import Recovery
from sandbox.editor.agenda import Agenda
from sandbox.editor.appointments.ledger import Ledger
from sandbox.editor.appointments.r03 import Emitter
from sandbox.editor.appointments.takeover import TakeOver
from sandbox.editor.fhir.agenda_cache import OCTETS
from sandbox.editor.fhir.identify import asked_in, flow_of, identify_fhir, identify_page
from sandbox.editor.fhir.quirks import play, play_read, scene_of
from sandbox.editor.fhir.slots import Desk, answer_schedules, answer_slots, read, slots_in_pieces
from sandbox.editor.pages.booking import BookingPages
from sandbox.editor.pages.entrance import BANNER, PACKAGE, Entrance, Redirected, ui_base
from sandbox.editor.pages.followup import FollowUpPages
from sandbox.editor.pages.passwords import PasswordPages
from sandbox.editor.schema import SCHEMA
from sandbox.editor.switches import EditorSwitches
from sandbox.fhir.appointment import parse_conditional
from sandbox.fhir.capability import statement
from sandbox.fhir.practitioner import parse_regulator, render_regulator
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Editor
from sandbox.net.context import Context
from sandbox.net.http.at_once import Ready
from sandbox.net.http.client import HttpClient
from sandbox.net.http.conditions import conditions_of, weak_etag
from sandbox.net.http.edge import Edge, Note, RequirePeer, refusals
from sandbox.net.http.fhir_http import (
    answering,
    check_accept,
    fhir_response,
    handling,
    is_plain_get,
    not_allowed,
    not_found,
    parse_body,
    query_of,
    read_body,
    read_response,
    ready_fhir,
    to_metadata,
    wants_representation,
)
from sandbox.net.http.server import Listener
from sandbox.net.revocation import listener_contexts
from sandbox.net.tls import Peer
from sandbox.pki.subjects import sas_subject
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store, disk_state
from sandbox.web.ended import Ended
from sandbox.web.oidc import AT_PLATFORM, RelyingParty
from sandbox.web.pages import Pages, console, leading_to
from sandbox.web.sse import Streams

UNSETTLED = 20  # appointments that are not settled with the SAS core: so many of an editor are told one by one

READABLE = frozenset(
    {"Slot", "Schedule", "Practitioner", "PractitionerRole", "Location", "Organization", "HealthcareService"}
)


@dataclass(frozen=True)
class Vendor:
    """One running editor: its store, what lives on it, and its client towards the SAS core and PSC."""

    editor: Editor
    store: Store
    desk: Desk
    accounts: Accounts
    ledger: Ledger
    emitter: Emitter
    takeover: TakeOver
    streams: Streams
    http: HttpClient
    pages: ASGIApp


def peers(context: Context, editor: Editor) -> tuple[HttpClient, RelyingParty]:
    """An editor's ways out: its HTTP client (with its own certificate), and its login at Pro Santé Connect."""
    http = HttpClient(context, f"editor:{editor.slug}", editor.slug if context.pki is not None else None)
    return http, RelyingParty(context, AT_PLATFORM, f"{ui_base(context, editor)}/oidc/callback", http)


def open_vendor(context: Context, editor: Editor, http: HttpClient, login: RelyingParty) -> Vendor:
    """Open an editor's store and build what lives on it; the taken slots come back from its appointments.

    Raises StoreError, StoreLocked.
    """
    store = open_store(context.store_dir(f"editors/{editor.slug}"), SCHEMA)
    agenda = Agenda(context.population, editor, context.clock)
    emitter = Emitter(context, store, http)
    accounts = Accounts(store, context.clock, context.entropy)
    ledger = Ledger(
        editor,
        context.population,
        store=store,
        agenda=agenda,
        sender=emitter,
        clock=context.clock,
        entropy=context.entropy,
        take_over=timedelta(seconds=context.settings.sos_take_over_s),
    )
    takeover = TakeOver(ledger, accounts, context.clock)
    context.world.watch(lambda _: takeover.wake())
    entrance = Entrance(context, editor, accounts, login)
    manners = EditorSwitches(editor.slug)
    context.world.watch(manners.follow)
    context.world.watch(lambda world: emitter.follow(world, editor.slug, ledger.appointment))
    streams = Streams()
    secret = context.secret(f"resets:{editor.slug}")
    recovery = Recovery(store, accounts, context.clock, context.entropy, secret)
    routes = [
        *entrance.routes(),
        *PasswordPages(entrance, accounts, recovery, context.admin_token).routes(),
        *BookingPages(context, entrance, agenda=agenda, ledger=ledger).routes(),
        *FollowUpPages(context, entrance, agenda=agenda, ledger=ledger, emitter=emitter, streams=streams).routes(),
    ]
    handlers: dict[Any, Any] = {Redirected: lambda _, redirected: redirected.response}
    pages = console(
        context, entrance.pages, routes, role=f"editor-{editor.slug}", handlers=handlers, ended=Ended(context, store)
    )
    desk = Desk(
        editor=editor,
        population=context.population,
        agenda=agenda,
        clock=context.clock,
        fhir_base=fhir_base(context, editor),
        ui_base=ui_base(context, editor),
        ig=context.settings.ig_version,
        manners=manners,
        room=OCTETS // len(_hosted(context)),
    )
    context.population.watch(desk.forget)
    return Vendor(editor, store, desk, accounts, ledger, emitter, takeover, streams, http, pages)


def fhir_base(context: Context, editor: Editor) -> str:
    """Public URL of an editor's FHIR base."""
    return context.settings.editor_fhir(editor)


def _hosted(context: Context) -> dict[str, Editor]:
    """The editors that run here: all but the external ones."""
    return {slug: editor for slug, editor in context.population.editors.items() if not editor.external}


class FhirPort:
    """The FHIR interface of all editors: parses the path, calls, renders."""

    def __init__(self, vendors: Mapping[str, Vendor]) -> None:
        self._vendors = vendors
        self._endpoint = answering(self._answer)
        self._searched = {f"/{slug}/fhir/Slot": vendor for slug, vendor in vendors.items()}

    def at_once(self, scope: Scope) -> Ready | None:
        """The answer to a plain search of slots, as there are most of them; mistakes are answered as any other."""
        vendor = self._searched.get(scope["path"])
        if vendor is None or not is_plain_get(scope) or vendor.desk.manners.quirks:
            return None
        try:
            return ready_fhir(slots_in_pieces(vendor.desk, scope["query_string"].decode(errors="replace")))
        except RequestError:
            return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path: list[str] = request.scope["path"].lstrip("/").split("/")
        slug, base, rest = path[0], "".join(path[1:2]), path[2:]
        vendor = self._vendors.get(slug)
        if vendor is None or base != "fhir":
            raise not_found(f"no FHIR interface at /{slug}/{base}")
        match [part for part in rest if part]:
            case ["metadata"]:
                return _metadata(request, vendor)
            case [] if request.method == "GET":
                return to_metadata(request.scope["path"])
            case ["Slot" | "Schedule" as kind]:
                return _search(request, vendor, kind, query_of(request))
            case ["Slot" | "Schedule" as kind, "_search"]:
                return await _posted_search(request, vendor, kind)
            case ["Practitioner"]:
                return await _account(request, vendor)
            case [kind, id] if kind in READABLE:
                return _read(request, vendor, kind, id)
            case [kind] if kind in READABLE:
                raise not_allowed(request.method, kind)  # these are only read
        raise not_found(f"no such resource: {request.scope['path']}")


def _metadata(request: Request, vendor: Vendor) -> Response:
    _only(request, "GET", "metadata")
    desk = vendor.desk
    return fhir_response(statement(vendor.editor, base=desk.fhir_base, now=desk.clock.now()))


def _search(request: Request, vendor: Vendor, kind: str, query: str, method: str = "GET") -> Response:
    _only(request, method, kind)
    preferred = handling(request)
    answer = answer_slots if kind == "Slot" else answer_schedules
    body = answer(vendor.desk, query, lenient=preferred == "lenient")
    response = _with_quirks(request, vendor.desk, query, body) if vendor.desk.manners.quirks else fhir_response(body)
    if preferred is not None:
        response.headers["Preference-Applied"] = f"handling={preferred}"
    return response


def _with_quirks(request: Request, desk: Desk, query: str, body: bytes) -> Response:
    """The correct answer as this editor gives it; the journal says by which quirks."""
    quirks = desk.manners.quirks
    answer = play(quirks, body, scene_of(desk.population, query, desk.clock.now()))
    note: Note | None = request.scope.get("exchange")
    if note is not None:
        note.note = f"quirks: {', '.join(quirks)}"
    return fhir_response(orjson.dumps(answer.document), answer.status)


async def _posted_search(request: Request, vendor: Vendor, kind: str) -> Response:
    """The same search with its parameters in the body, in the URL, or in both (FHIR R4, 3.1.1.7)."""
    _only(request, "POST", f"{kind}/_search")
    try:
        form = (await read_body(request, form=True)).decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError(400, Issue("invalid", "the form is not UTF-8")) from None
    query = "&".join(part for part in (query_of(request), form.strip()) if part)
    check_accept(request, query)
    note: Note | None = request.scope.get("exchange")
    if note is not None:
        note.flow = flow_of("GET", vendor.editor, kind, asked_in(query.encode())).value
    return _search(request, vendor, kind, query, "POST")


async def _account(request: Request, vendor: Vendor) -> Response:
    """INT_R02: what was accepted is durable before the answer leaves."""
    if request.method not in ("POST", "PUT"):
        raise not_allowed(request.method, "Practitioner", "POST", "PUT")
    if not vendor.editor.speaks(Flow.INT_R02):
        detail = f"{vendor.editor.name} is not interfaced for {Flow.INT_R02}"
        raise RequestError(404, Issue("not-supported", detail))
    wanted = parse_conditional(query_of(request)) if request.method == "PUT" else None
    account = await parse_body(parse_regulator, await read_body(request))
    if wanted is None:
        record, created = await vendor.accounts.post(account), True
    else:
        record, created = await vendor.accounts.put(wanted, account, _condition(request))
    rendered = _rendered(record)
    headers = {"Location": f"{vendor.desk.fhir_base}/Practitioner/{record.id}", "ETag": weak_etag(rendered)}
    body = rendered if wants_representation(request) else b""
    return fhir_response(body, 201 if created else 200, headers)


def _condition(request: Request) -> Callable[[AccountRecord | None], None]:
    """Whether an account may be changed as `If-Match` and `If-None-Match` have it."""
    conditions = conditions_of(request)
    return lambda record: conditions.allow_change(weak_etag(_rendered(record)) if record is not None else None)


def _read(request: Request, vendor: Vendor, kind: str, id: str) -> Response:
    _only(request, "GET", f"{kind}/{id}")
    body = read(vendor.desk, kind, id)
    if body is not None and vendor.desk.manners.quirks:
        body = play_read(vendor.desk.manners.quirks, body, vendor.desk.population)
    if body is None and kind == "Practitioner" and (record := vendor.accounts.get(id)) is not None:
        body = _rendered(record)
    if body is None:
        raise not_found(f"no {kind} with id '{id}'")
    return read_response(request, body, weak_etag(body))


def _rendered(record: AccountRecord) -> bytes:
    return render_regulator(record.regulator(), id=record.id)


def _only(request: Request, method: str, where: str) -> None:
    if request.method != method:
        raise not_allowed(request.method, where, method)


_SAS = sas_subject()


def _is_sas(scope: Scope, peer: Peer) -> bool:
    return peer.cn == _SAS.cn and peer.ou == _SAS.ou


def pages_app(context: Context, vendors: Mapping[str, Vendor]) -> ASGIApp:
    """The pages of all editors, and a list of them at `/`."""
    pages = Pages(PACKAGE, app_name="Éditeurs", banner=BANNER, colour="#335577", static_url="/static")
    listed = [(vendor.editor, f"/{slug}/") for slug, vendor in vendors.items()]

    async def editors(request: Request) -> Response:
        return pages.render(request, "editors.html", editors=listed)

    bare = [Route(f"/{slug}", leading_to(f"/{slug}/")) for slug in vendors]  # as endpoints.json and people write it
    mounts = [Mount(f"/{slug}", vendor.pages) for slug, vendor in vendors.items()]
    index = console(context, pages, [Route("/", editors)], role="editors")
    return Router([*bare, *mounts, Mount("/", index)], redirect_slashes=False)


class Editors:
    """The role: all vendors of the population behind two listeners."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._vendors: dict[str, Vendor] = {}
        self._listeners: list[Listener] = []

    async def start(self) -> None:
        """Open the stores, start the emitters, then the listeners. Raises StoreError, OSError."""
        try:
            for slug, editor in _hosted(self._context).items():
                self._vendors[slug] = open_vendor(self._context, editor, *peers(self._context, editor))
            for vendor in self._vendors.values():
                await vendor.emitter.start()
                await vendor.takeover.start()
            self._listeners = [self._fhir_listener(), self._pages_listener()]
            for listener in self._listeners:
                await listener.start()
        except BaseException:
            await self.stop()
            raise

    def _fhir_listener(self) -> Listener:
        context = self._context
        port = FhirPort(self._vendors)
        guarded = RequirePeer(port, _is_sas, at_once=port.at_once)
        names = {(_SAS.cn, _SAS.ou): "sas"}
        edge = Edge(guarded, context, identify_fhir(_hosted(context)), at_once=guarded.at_once, names=names)
        refuse = context.settings.no_certificate == "refuse"
        tls = listener_contexts(context.pki, client_certificate="required" if refuse else "optional")
        refused = refusals(context, "editors", Flow.INT_R01.value)
        of_one = max(1000, 2 * context.settings.editor_concurrency * len(self._vendors))  # the SAS core asks them all
        sock = context.sockets[EDITORS_FHIR]
        return Listener(edge, sock, tls=tls, refused=refused, at_once=edge.at_once, console=False, of_one=of_one)

    def _pages_listener(self) -> Listener:
        context = self._context
        app = Edge(pages_app(context, self._vendors), context, identify_page)
        return Listener(app, context.sockets[EDITORS_UI])

    async def stop(self) -> None:
        """Live pages and listeners, then emitters, then clients and stores."""
        for vendor in self._vendors.values():
            vendor.streams.stop()
        for listener in self._listeners:
            await listener.stop()
        for vendor in self._vendors.values():
            await vendor.takeover.stop()
            await vendor.emitter.stop()
            await vendor.http.close()
            await vendor.store.close()
        self._listeners, self._vendors = [], {}

    def health(self) -> dict[str, object]:
        """Counts over all editors, and per editor what INT_R03 still owes or gave up.

        `awaited`: appointments at SOS Médecins whose doctor is not named yet;
        `outbox`: by slug, such appointments one by one (at most UNSETTLED of an editor).
        """
        per_editor = {slug: vendor.emitter.health() for slug, vendor in self._vendors.items()}
        listed = ((slug, vendor.emitter.listed(UNSETTLED)) for slug, vendor in self._vendors.items())
        return {
            "disk": disk_state(*(vendor.store for vendor in self._vendors.values())),
            "editors": len(self._vendors),
            "accounts": sum(len(vendor.accounts) for vendor in self._vendors.values()),
            "appointments": sum(len(vendor.ledger) for vendor in self._vendors.values()),
            "awaited": sum(vendor.ledger.awaited for vendor in self._vendors.values()),
            "r03": per_editor,
            "outbox": {slug: entries for slug, entries in listed if entries},
        }


def build(context: Context) -> Editors:
    """The role `editors`: all editors of the population."""
    return Editors(context)
