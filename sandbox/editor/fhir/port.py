"""The FHIR port of all editors, each below `/<slug>`: routing, and what HTTP adds to searches, reads and accounts.

GET  /<slug>/fhir/metadata                       CapabilityStatement
GET  /<slug>/fhir/Slot · POST …/Slot/_search     INT_R01, INT_R04
GET  /<slug>/fhir/Schedule · POST …/_search      SOS
POST /<slug>/fhir/Practitioner                   INT_R02, creation
PUT  /<slug>/fhir/Practitioner?identifier=…      INT_R02, conditional update
POST, PUT /<slug>/fhir/ServiceRequest            PDM (service_requests.py)
GET  /<slug>/fhir/<type>/<id>                    reads: what searches include, and the accounts
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.editor.accounts.accounts import AccountRecord, Accounts
from sandbox.editor.communities.ledger import RequestLedger
from sandbox.editor.fhir.identify import asked_in, flow_of
from sandbox.editor.fhir.quirks.answers import search_of
from sandbox.editor.fhir.quirks.registry import apply_quirks, apply_to_read
from sandbox.editor.fhir.reads import READABLE, read
from sandbox.editor.fhir.server import FhirServer
from sandbox.editor.fhir.service_requests import answer_requests
from sandbox.editor.fhir.slots import answer_schedules, answer_slots, slots_in_pieces
from sandbox.fhir.appointment import parse_conditional
from sandbox.fhir.capability import statement
from sandbox.fhir.practitioner import parse_regulator, render_regulator
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import Flow
from sandbox.net.http.body import read_body
from sandbox.net.http.conditions import conditions_of, weak_etag
from sandbox.net.http.edge import Note
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
    read_response,
    ready_fhir,
    to_metadata,
    wants_representation,
)
from sandbox.net.http.immediate import ReadyAnswer


class FhirEndpoint(NamedTuple):
    """What one editor serves on the FHIR port."""

    server: FhirServer
    accounts: Accounts
    requests: RequestLedger


class FhirPort:
    """The ASGI application of the port. `endpoints`: by slug."""

    def __init__(self, endpoints: Mapping[str, FhirEndpoint]) -> None:
        self._endpoints = endpoints
        self._app = answering(self._answer)
        self._slot_searches = {f"/{slug}/fhir/Slot": endpoint.server for slug, endpoint in endpoints.items()}

    def immediate(self, scope: Scope) -> ReadyAnswer | None:
        """The answer to a plain search of slots, the most frequent request; None for any other one and for mistakes."""
        server = self._slot_searches.get(scope["path"])
        if server is None or not is_plain_get(scope) or server.switches.quirks:
            return None
        try:
            return ready_fhir(slots_in_pieces(server, scope["query_string"].decode(errors="replace")))
        except RequestError:
            return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._app(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path: list[str] = request.scope["path"].lstrip("/").split("/")
        slug, base, rest = path[0], "".join(path[1:2]), path[2:]
        endpoint = self._endpoints.get(slug)
        if endpoint is None or base != "fhir":
            raise not_found(f"no FHIR interface at /{slug}/{base}")
        server = endpoint.server
        match [part for part in rest if part]:
            case ["metadata"]:
                return _metadata(request, server)
            case [] if request.method == "GET":
                return to_metadata(request.scope["path"])
            case ["Slot" | "Schedule" as kind]:
                return _search(request, server, kind, query_of(request))
            case ["Slot" | "Schedule" as kind, "_search"]:
                return await _posted_search(request, server, kind)
            case ["Practitioner"]:
                return await _account(request, endpoint)
            case ["ServiceRequest", *id]:
                return await answer_requests(request, server, endpoint.requests, id)
            case [kind, id] if kind in READABLE:
                return _read(request, endpoint, kind, id)
            case [kind] if kind in READABLE:
                raise not_allowed(request.method, kind)  # these can only be read
        raise not_found(f"no such resource: {request.scope['path']}")


def _metadata(request: Request, server: FhirServer) -> Response:
    _only(request, "GET", "metadata")
    return fhir_response(statement(server.editor, base=server.fhir_base, now=server.clock.now()))


def _search(request: Request, server: FhirServer, kind: str, query: str, method: str = "GET") -> Response:
    _only(request, method, kind)
    preferred = handling(request)
    answer = answer_slots if kind == "Slot" else answer_schedules
    body = answer(server, query, lenient=preferred == "lenient")
    response = _with_quirks(request, server, query, body) if server.switches.quirks else fhir_response(body)
    if preferred is not None:
        response.headers["Preference-Applied"] = f"handling={preferred}"
    return response


def _with_quirks(request: Request, server: FhirServer, query: str, body: bytes) -> Response:
    """The correct answer with this editor's quirks; the journal says which."""
    quirks = server.switches.quirks
    answer = apply_quirks(quirks, body, search_of(server.population, query, server.clock.now()))
    note: Note | None = request.scope.get("exchange")
    if note is not None:
        note.note = f"quirks: {', '.join(quirks)}"
    return fhir_response(orjson.dumps(answer.document), answer.status)


async def _posted_search(request: Request, server: FhirServer, kind: str) -> Response:
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
        note.flow = flow_of("GET", server.editor, kind, asked_in(query.encode())).value
    return _search(request, server, kind, query, "POST")


async def _account(request: Request, endpoint: FhirEndpoint) -> Response:
    """INT_R02: what was accepted is durable before the answer leaves."""
    if request.method not in ("POST", "PUT"):
        raise not_allowed(request.method, "Practitioner", "POST", "PUT")
    server, accounts = endpoint.server, endpoint.accounts
    if not server.editor.speaks(Flow.INT_R02):
        detail = f"{server.editor.name} is not interfaced for {Flow.INT_R02}"
        raise RequestError(404, Issue("not-supported", detail))
    wanted = parse_conditional(query_of(request)) if request.method == "PUT" else None
    account = await parse_body(parse_regulator, await read_body(request))
    if wanted is None:
        record, created = await accounts.post(account), True
    else:
        record, created = await accounts.put(wanted, account, _condition(request))
    rendered = _rendered(record)
    headers = {"Location": f"{server.fhir_base}/Practitioner/{record.id}", "ETag": weak_etag(rendered)}
    body = rendered if wants_representation(request) else b""
    return fhir_response(body, 201 if created else 200, headers)


def _condition(request: Request) -> Callable[[AccountRecord | None], None]:
    """A check that raises when `If-Match` and `If-None-Match` do not allow to change an account."""
    conditions = conditions_of(request)
    return lambda record: conditions.allow_change(weak_etag(_rendered(record)) if record is not None else None)


def _read(request: Request, endpoint: FhirEndpoint, kind: str, id: str) -> Response:
    _only(request, "GET", f"{kind}/{id}")
    server, accounts = endpoint.server, endpoint.accounts
    body = read(server, kind, id)
    if body is not None and server.switches.quirks:
        body = apply_to_read(server.switches.quirks, body, server.population)
    if body is None and kind == "Practitioner" and (record := accounts.get(id)) is not None:
        body = _rendered(record)
    if body is None:
        raise not_found(f"no {kind} with id '{id}'")
    return read_response(request, body, weak_etag(body))


def _rendered(record: AccountRecord) -> bytes:
    return render_regulator(record.regulator(), id=record.id)


def _only(request: Request, method: str, where: str) -> None:
    if request.method != method:
        raise not_allowed(request.method, where, method)
