"""The SAS API: what the console shows, as JSON, for load tests and integrators (`openapi.py` describes it).

`search`, `appointments` (one's own) and `regulator-accounts` need the Bearer token that `login` gives and `logout`
ends; `l02/<distributionID>` and `appointments/<id>` need none on loopback. Failures are `application/problem+json`
(RFC 9457): what is wrong (`detail`), where (`pointer`), what was expected.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.config import SAS_UI
from sandbox.fhir.queries.search import unfit_text
from sandbox.kernel.errors import Issue, JsonError, RequestError, StoreError, malformed
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Regulator
from sandbox.kernel.seldom import Seldom
from sandbox.kernel.text.json_input import read_as
from sandbox.net.context import Context
from sandbox.net.http.fhir_http import read_body
from sandbox.sas.api.admin import AdminApi
from sandbox.sas.api.openapi import description
from sandbox.sas.api.tokens import Tokens
from sandbox.sas.directory.directory import Directory
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.regulators.sync_to_editors import AccountSync
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.run import Event, Found, document, flattened, head, read_criteria, run, whole
from sandbox.store.protocol import Store
from sandbox.web.attempts import Attempts, account_name, stranger_name

log = logging.getLogger(__name__)
_refused = Seldom(log)  # lines that the store refuses

NDJSON = "application/x-ndjson"
AT_A_STRETCH = 500  # slots of cards that are drawn before others have a turn
_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_BEARER = {"WWW-Authenticate": 'Bearer realm="sas-sandbox"'}


class Login(msgspec.Struct):
    """Body of `POST login`. `identifier`: `system|value`, the value alone, or the e-mail address."""

    identifier: str
    password: str


class Unauthorized(RequestError):
    """401: who is calling is not known."""

    def __init__(self, detail: str) -> None:
        super().__init__(401, Issue("login", detail, "http.Authorization"))


class TooOften(RequestError):
    """429: too many failed logins of one account; another try is judged in `wait` seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(429, Issue("throttled", f"too many failed logins: try again in {wait} seconds", "identifier"))
        self.wait = wait


class Api:
    """The handlers. Every one returns JSON or raises RequestError."""

    def __init__(
        self,
        context: Context,
        *,
        directory: Directory,
        aggregator: Aggregator,
        accounts: AccountSync,
        appointments: Appointments,
        l02: L02,
        labels: Mapping[str, str],
        store: Store,
    ) -> None:
        self._context, self._directory, self._aggregator = context, directory, aggregator
        self._accounts, self._appointments, self._l02 = accounts, appointments, l02
        self._labels = labels
        self._tokens, self._attempts = Tokens(context, store), Attempts()

    def app(self) -> Starlette:
        """The application, to be mounted at `/api`."""
        admin = AdminApi(self._caller, self._caller_or_loopback, self._accounts, self._appointments, self._l02)
        routes = [
            *admin.routes(),
            Route("/login", self.login, methods=["POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/search", self.search, methods=["GET"]),
            Route("/l02/{distribution_id:path}", self.l02, methods=["GET"]),
            Route("/appointments", self.appointments, methods=["GET"]),
            Route("/appointments/{id}", self.appointment, methods=["GET"]),
            Route("/regulator-accounts", self.regulator_accounts, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
        ]
        handlers: dict[Any, Any] = {
            RequestError: _request_error,
            HTTPException: _http_error,
            StoreError: _store_error,
            Exception: _unexpected,
        }
        return Starlette(routes=routes, exception_handlers=handlers)

    async def login(self, request: Request) -> Response:
        """A token for a demonstration account; counts as a login (INT_R02)."""
        try:
            asked = read_as(await read_body(request, 65_536), Login)
        except JsonError as error:
            raise malformed(f"the body is not {{identifier, password}}: {error}", "body") from None
        regulator = self._accounts.regulator(asked.identifier)
        id = self._accounts.id_of(regulator) if regulator is not None else ""
        name, now = account_name(id) if id else stranger_name(asked.identifier), asyncio.get_running_loop().time()
        if wait := self._attempts.wait(now, name):
            raise TooOften(math.ceil(wait))
        secret = regulator.password if regulator is not None else ""
        if regulator is None or not hmac.compare_digest(secret.encode(), asked.password.encode()):
            self._attempts.failed(now, name)
            raise Unauthorized("unknown identifier or wrong password")
        self._attempts.succeeded(name)
        await self._accounts.login(regulator)
        token, ends = self._tokens.give(id)
        return _json(
            {
                "token": token,
                "token_type": "Bearer",
                "expires_at": ends.isoformat(),
                "regulator": {
                    "identifier": regulator.identifier.key,
                    "family": regulator.family,
                    "given": regulator.given,
                    "territory": regulator.territory,
                },
            }
        )

    async def logout(self, request: Request) -> Response:
        """204: the token of this call is good no more, wherever a copy of it is."""
        self._caller(request)
        await self._tokens.end(_bearer(request))
        return Response(status_code=204)

    async def search(self, request: Request) -> Response:
        """One page of cards; as `application/x-ndjson` the events of the search as they come."""
        self._accounts.require(self._caller(request), Right.ORIENTATION)
        now = self._context.clock.now()
        values = flattened(request.query_params.multi_items())
        criteria = read_criteria(values, self._directory, self._labels, now)
        if NDJSON in request.headers.get("accept", ""):
            events = run(criteria, self._aggregator)
            first = await anext(events)  # a refusal is told by the status
            return StreamingResponse(_lines(head(criteria, self._labels), first, events), media_type=NDJSON)
        return _json(document(await whole(criteria, self._aggregator), self._labels))

    async def l02(self, request: Request) -> Response:
        """What became of one L02 message."""
        self._caller_or_loopback(request)
        distribution_id = request.path_params["distribution_id"]
        state = self._l02.state(distribution_id)
        if state is None:
            raise _missing(f"no L02 message '{distribution_id}'", "distributionID")
        return _json(state)

    async def appointments(self, request: Request) -> Response:
        """The caller's own newest appointments, newest first; or the one of the editor's `identifier`.

        `identifier=system|value` finds it however old it is, `identifier=value` among the newest.
        """
        regulator = self._caller(request).identifier
        system, value = _token(request)
        if system:
            one = self._appointments.sent_as(Identifier(system, value))
            found = [one] if one is not None and self._appointments.is_of(one, regulator) else []
        else:
            newest = self._appointments.of_regulator(regulator)
            found = [record for record in newest if not value or record.sender.value == value]
        return _json({"appointments": [self._line(record) for record in found]})

    async def appointment(self, request: Request) -> Response:
        """One appointment by the SAS core's id."""
        self._caller_or_loopback(request)
        record = self._appointments.read(request.path_params["id"])
        if record is None:
            raise _missing(f"no appointment '{request.path_params['id']}'", "id")
        return _json(self._line(record))

    async def regulator_accounts(self, request: Request) -> Response:
        """What each editor is known to have of the caller's account."""
        regulator = self._caller(request)
        return _json(
            {
                "regulator": regulator.identifier.key,
                "accounts": list(self._accounts.states(regulator)),
            }
        )

    async def openapi(self, request: Request) -> Response:
        """This API's description."""
        return _json(description(self._context.settings.http(SAS_UI, "/api")))

    def _line(self, record: AppointmentRecord) -> dict[str, Any]:
        return appointment_document(record) | {"l02": self._l02.of_appointment(record.id)}

    def _caller(self, request: Request) -> Regulator:
        token = _bearer(request)
        if not token:
            raise Unauthorized("no Bearer token: POST login gives one")
        regulator = self._accounts.holder(self._tokens.account(token))
        if regulator is None:
            raise Unauthorized("unknown or expired token: POST login gives a new one")
        return regulator

    def _caller_or_loopback(self, request: Request) -> None:
        if request.client is None or request.client.host not in _LOOPBACK:
            self._caller(request)


def _bearer(request: Request) -> str:
    """The Bearer token of a request; "" without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


_LINES = msgspec.json.Encoder(enc_hook=list)  # sequences of cards that are drawn as they are looked at


async def _lines(told: Mapping[str, Any], first: Event, events: AsyncGenerator[Event, None]) -> AsyncIterator[bytes]:
    """One JSON object a line: what is searched, then the events."""
    async with contextlib.aclosing(events):
        yield _LINES.encode({"event": "search", **told}) + b"\n"
        yield _LINES.encode(first) + b"\n"
        async for event in events:
            yield _LINES.encode(await _drawn(event)) + b"\n"


async def _drawn(event: Event) -> Event:
    """The event with its cards drawn; after each AT_A_STRETCH slots everybody else has a turn."""
    if not isinstance(event, Found):
        return event
    cards, slots = [], 0
    for card in event.cards:
        cards.append(card)
        slots += sum(len(place.slots) for place in card.places)
        if slots > AT_A_STRETCH:
            slots = 0
            await asyncio.sleep(0)
    return msgspec.structs.replace(event, cards=cards)


def appointment_document(record: AppointmentRecord) -> dict[str, Any]:
    """An appointment as the API shows it."""
    return {
        "id": record.id,
        "version": record.version,
        "editor": record.editor,
        "identifier": _identifier(record.sender),
        "regulator": _identifier(record.regulator),
        "practitioner": record.practitioner,
        "organization": record.organization,
        "status": record.status,
        "start": record.start.isoformat(),
        "end": record.end.isoformat(),
        "created": record.created.isoformat(),
        "received": record.received.isoformat(),
        "orientationCategory": record.category,
        "flagged": record.flagged,
    }


def _token(request: Request) -> tuple[str, str]:
    """System and value that `identifier` asks for, empty where not given. Raises RequestError 400."""
    text = request.query_params.get("identifier")
    if text is None:
        return "", ""
    if unfit := unfit_text("identifier", text):
        raise RequestError(400, unfit)
    system, _, value = text.rpartition("|")
    if not value.strip():
        raise malformed(f"'{text}' has no value (expected <system>|<value>)", "http.identifier")
    return system, value


def _identifier(identifier: Identifier) -> dict[str, str]:
    return {"system": identifier.system, "value": identifier.value}


def _missing(detail: str, where: str) -> RequestError:
    return RequestError(404, Issue("not-found", detail, where))


def _json(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def _problem(
    status: int, detail: str, issues: tuple[Issue, ...] = (), headers: Mapping[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if issues:
        body["errors"] = [
            {"code": issue.code, "detail": issue.detail} | ({"pointer": issue.expression} if issue.expression else {})
            for issue in issues
        ]
    return Response(orjson.dumps(body), status, headers=dict(headers or {}), media_type="application/problem+json")


def _request_error(_: Request, error: RequestError) -> Response:
    headers = _BEARER if error.status == 401 else {"Retry-After": "1"} if error.status == 503 else None
    if isinstance(error, TooOften):
        headers = {"Retry-After": str(error.wait)}
    return _problem(error.status, str(error), error.issues, headers)


def _http_error(request: Request, error: HTTPException) -> Response:
    detail = f"{request.method} {request.url.path}: {error.detail}; see GET openapi.json"
    return _problem(error.status_code, detail, headers=error.headers)


def _store_error(_: Request, error: StoreError) -> Response:
    _refused.error("the store failed under the SAS API: %s", error)
    return _problem(503, f"nothing can be stored now: {error.reason}", headers={"Retry-After": "5"})


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return _problem(500, "internal error")
