"""Every place where the sandbox reads input from outside, in this process: it receives octets, and the required
properties are checked.

Each entrance is a coroutine that takes octets, or a text for a query, and fails by AssertionError: an answer of 500 or
more, another editor that suffers, an exception that no caller expects.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import orjson
from starlette.types import ASGIApp

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.permissions import External
from sandbox.amqp.session.receiver import Receiver
from sandbox.amqp.session.session import Session
from sandbox.config import CONTROL_UI, SAS_FHIR, SAS_UI, Settings
from sandbox.edxl.message import MessageError, read
from sandbox.fhir.outcome import explain
from sandbox.hub.clients import Clients
from sandbox.hub.dispatching.dispatcher import Arrival, DispatchContext, dispatch
from sandbox.hub.topology import add_virtual_host
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import PeerError
from sandbox.net.context import Context
from sandbox.net.http.client import Reply
from sandbox.psc.people import People
from sandbox.psc.provider import Provider
from sandbox.psc.tokens import load_signer
from sandbox.store.embedded.tables import open_store
from sandbox.web.oidc import Provider as Discovery
from sandbox.web.oidc import _decode, basic_authorization, key_id, read_keys
from tests.actors.control.controls import attended
from tests.actors.sas.agenda.practitioners import token
from tests.actors.sas.sas_core import NOW, Core, core_on, session_cookie
from tests.actors.sas.searching import QUERY, open_editors
from tests.support.contexts import bound_sockets, make_context, stopped_clock
from tests.support.editors.running_editor import REGULATOR, LocalEditor, Sas, opened

Entrance = Callable[[bytes], Awaitable[None]]
ENTRANCES = (
    *("INT_R03", "INT_R03 again", "INT_R02", "INT_R02 again", "INT_R01 query", "INT_R01 form"),
    *("PDM", "PDM again", "api/orientations", "__admin/communities"),
    *("api/login", "api/regulators", "api/search query", "INT_L01 query", "booking query"),
    *("api/agenda/slots", "api/agenda/closures", "api/agenda query"),
    *("api/orientations, offers", "api/structures query", "agenda form query"),
    *("psc/people", "psc/token", "psc/authorize", "__admin/faults", "__admin/clock"),
    *("editor's answer", "editor's answer, streamed", "editor's answer, on the page"),
    *("answer to INT_R03", "provider's answers", "hub message", "AMQP", "HTTP"),
)
BAD = "rdv-commune"  # the editor whose answers are the octets
PAGE = "/sas/recherche?place=Bordeaux&affichage=complet&motif=toux"
VHOST, SAMU = "15-15_v2.0", "fr.health.samu330"
FHIR = {"content-type": "application/fhir+json"}
JSON = {"content-type": "application/json"}


@dataclass
class Town:
    """The roles. `answer`: the answer of the bad editor."""

    core: Core
    editor: LocalEditor
    communities: LocalEditor
    psc: ASGIApp
    control: ASGIApp
    port: int
    secret: str
    token: Mapping[str, str] = field(default_factory=dict)
    practitioner: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""
    last: int = 0

    @property
    def session(self) -> dict[str, str]:
        """The cookie of a regulator who is logged in at the SAS core."""
        return session_cookie(self.core.context, regulator=self.core.regulator.identifier.key)

    @property
    def entrances(self) -> dict[str, Entrance]:
        """By name."""
        sas, editor = self.core.sas, self.editor
        basic = {"authorization": basic_authorization("sas", self.secret)}
        form = {"content-type": "application/x-www-form-urlencoded"}
        fhir = f"http://127.0.0.1/{editor.slug}/fhir"
        asked = f"http://127.0.0.1/{self.communities.slug}/fhir/ServiceRequest"
        behaviour = "http://127.0.0.1/__admin/communities/cpts-rive-gauche/behaviour"
        api = {**JSON, **self.token}
        return {
            "PDM": self._http(self.communities.fhir, "POST", asked, FHIR),
            "PDM again": self._http(self.communities.fhir, "PUT", f"{asked}?identifier=a|b", FHIR),
            "api/orientations": self._http(sas.pages, "POST", "http://127.0.0.1/api/orientations", api),
            "__admin/communities": self._http(self.control, "PUT", behaviour, JSON),
            "INT_R03": self._http(sas.fhir, "POST", "http://127.0.0.1/sas/fhir/Appointment", FHIR),
            "INT_R03 again": self._http(sas.fhir, "PUT", "http://127.0.0.1/sas/fhir/Appointment?identifier=a|b", FHIR),
            "INT_R02": self._http(editor.fhir, "POST", f"{fhir}/Practitioner", FHIR),
            "INT_R02 again": self._http(editor.fhir, "PUT", f"{fhir}/Practitioner?identifier=a|b", FHIR),
            "INT_R01 query": self._query(editor.fhir, f"{fhir}/Slot"),
            "INT_R01 form": self._http(editor.fhir, "POST", f"{fhir}/Slot/_search", form),
            "api/login": self._http(sas.pages, "POST", "http://127.0.0.1/api/login", JSON),
            "api/regulators": self._http(sas.pages, "POST", "http://127.0.0.1/api/regulators", {**JSON, **self.token}),
            "api/search query": self._query(sas.pages, "http://127.0.0.1/api/search", self.token),
            "api/agenda/slots": self._agenda("slots"),
            "api/agenda/closures": self._agenda("closures"),
            "api/agenda query": self._query(sas.pages, "http://127.0.0.1/api/agenda/slots", self.practitioner),
            "api/orientations, offers": self._http(
                sas.pages, "POST", "http://127.0.0.1/api/orientations", {**JSON, **self.token}
            ),
            "api/structures query": self._query(sas.pages, "http://127.0.0.1/api/structures", self.token),
            "agenda form query": self._query(sas.pages, "http://127.0.0.1/sas/agenda/reserver", self.session),
            "INT_L01 query": self._query(sas.pages, "http://127.0.0.1/sas/recherche", self.session),
            "booking query": self._query(editor.pages, f"http://127.0.0.1/{editor.slug}/rdv"),
            "psc/people": self._http(self.psc, "PUT", "http://127.0.0.1/psc/people/x", {**JSON, **basic}),
            "psc/token": self._http(self.psc, "POST", "http://127.0.0.1/psc/token", form),
            "psc/authorize": self._query(self.psc, "http://127.0.0.1/psc/authorize"),
            "__admin/faults": self._http(self.control, "POST", "http://127.0.0.1/__admin/faults", JSON),
            "__admin/clock": self._http(self.control, "PUT", "http://127.0.0.1/__admin/clock", JSON),
            "editor's answer": self.search,
            "editor's answer, streamed": self.stream,
            "editor's answer, on the page": self.page,
            "answer to INT_R03": outcome,
            "provider's answers": provider_answers,
            "hub message": hub_message,
            "AMQP": amqp,
            "HTTP": self.http,
        }

    async def status(self, name: str, body: bytes) -> int:
        """The status that an entrance of HTTP answers a body with."""
        await self.entrances[name](body)
        return self.last

    def _http(self, app: ASGIApp, method: str, url: str, headers: Mapping[str, str]) -> Entrance:
        async def send(body: bytes) -> None:
            answer = await call(app, method, url, headers=headers, content=body)
            assert answer.status_code < 500, (answer.status_code, answer.text)
            assert answer.content or answer.status_code < 400
            self.last = answer.status_code

        return send

    def _agenda(self, what: str) -> Entrance:
        return self._http(
            self.core.sas.pages, "POST", f"http://127.0.0.1/api/agenda/{what}", {**JSON, **self.practitioner}
        )

    def _query(self, app: ASGIApp, url: str, headers: Mapping[str, str] | None = None) -> Entrance:
        async def send(query: bytes) -> None:
            answer = await call(app, "GET", f"{url}?{quote_from_bytes(query, safe='&=|:,+%')}", headers=headers or {})
            assert answer.status_code < 500, (answer.status_code, answer.text)

        return send

    async def http(self, octets: bytes) -> None:
        """A request with any body to an HTTP port is answered, but not with 500, or the connection is closed; in either
        case quickly."""
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(octets)
                writer.write_eof()
                answer = await reader.read()
            except ConnectionError:
                answer = b""
            finally:
                writer.transport.abort()
        assert not answer.startswith(b"HTTP/1.1 500"), answer[:200]

    async def search(self, body: bytes) -> None:
        """A search in which one editor answers with these octets shows the others, and how that editor took part."""
        found = (await self._searched(body, "application/json")).json()
        self._judge(found["editors"], {card["editor"] for card in found["cards"]})

    async def stream(self, body: bytes) -> None:
        """The same, as events."""
        answer = await self._searched(body, "application/x-ndjson")
        lines = [orjson.loads(line) for line in answer.content.splitlines()]
        assert lines[-1]["event"] == "done"
        self._judge(
            [{**line, "slug": line["editor"]} for line in lines if line["event"] == "source"],
            {card["editor"] for line in lines if line["event"] == "found" for card in line["cards"]},
        )

    async def page(self, body: bytes) -> None:
        """The same, as the results page."""
        self.answer = body
        answer = await call(self.core.sas.pages, "GET", f"http://127.0.0.1{PAGE}", self.session)
        assert answer.status_code == 200, answer.text
        assert 'data-editor="agenda-azur"' in answer.text

    async def _searched(self, body: bytes, accept: str) -> httpx.Response:
        self.answer = body
        answer = await call(self.core.sas.pages, "GET", f"http://127.0.0.1{QUERY}", {**self.token, "accept": accept})
        assert answer.status_code == 200, answer.text
        return answer

    def _judge(self, states: list[dict[str, Any]], shown: set[str]) -> None:
        told = {state["slug"]: state for state in states}
        assert told["agenda-azur"]["state"] in ("ok", "answered")
        assert "agenda-azur" in shown
        if BAD in told:
            assert told[BAD].get("code") != "internal", told[BAD]
        assert self.core.sas.editors.editor(BAD).running == 0


async def call(app: ASGIApp, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> httpx.Response:
    """One request; an exception of the application becomes the 500 that a caller would see."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.request(method, url, headers=dict(headers), content=content)


async def outcome(body: bytes) -> None:
    """The answer of the SAS core to an editor."""
    assert len(explain(body)) <= 300


async def provider_answers(body: bytes) -> None:
    """What a provider of identities says: discovery, keys, a token."""
    for read_it in (lambda: _decode(body, Discovery), lambda: read_keys(body), lambda: key_id(body.decode("latin-1"))):
        with contextlib.suppress(PeerError):
            read_it()


async def hub_message(body: bytes) -> None:
    """A message of a client of the hub, as its dispatcher and an LRM read it."""
    for content_type in ("application/json", "application/xml"):
        arrival = Arrival(SAMU, body, content_type, 2, {}, "dispatch")
        assert dispatch(arrival, DispatchContext(NOW, lambda: "x"), exists=lambda _: True).publications
    with contextlib.suppress(MessageError):
        read(body)


async def amqp(octets: bytes) -> None:
    """The octets of a client of the broker: as the first octets, and after its header."""
    for before in (b"", b"AMQP\x00\x00\x09\x01"):
        broker = Broker(bytes)
        add_virtual_host(broker, VHOST, (SAMU,), 60_000)
        session = Session(broker, External(SAMU, Clients((SAMU,), (VHOST,)).rights))
        Receiver(session).receive(before + octets, 0.0)
        session.take_output()
        session.lost(1.0)


@contextlib.asynccontextmanager
async def town(directory: Path) -> AsyncIterator[Town]:
    """All roles, in a directory."""
    async with contextlib.AsyncExitStack() as stack:
        core = await _core(directory / "sas", stack)
        editor = await stack.enter_async_context(opened(_context(directory / "editor"), "agenda-azur", Sas()))
        await editor.running.accounts.post(REGULATOR)
        communities = await stack.enter_async_context(opened(_context(directory / "editor"), "entraide-commune", Sas()))
        context = _context(directory / "psc")
        people_store = open_store(directory / "psc" / "store")
        stack.push_async_callback(people_store.close)
        signer = load_signer(directory / "psc", seeded("key"))
        psc = Provider(context, signer, People(context.population, people_store)).application()
        control = attended(directory / "control")
        stack.push_async_callback(control.stop)
        await control.start()
        made = Town(
            core,
            editor,
            communities,
            psc,
            control._listener._app,
            control.context.settings.port_base + CONTROL_UI,
            context.secret("psc-client:sas"),
            await core.token(),
            practitioner=await token(core),
        )
        open_editors(core)
        core.editors.answers[BAD] = _bad(made)
        yield made


def _bad(made: Town) -> Callable[[str, str, bytes | None], Awaitable[Reply]]:
    async def answer(method: str, path: str, body: bytes | None) -> Reply:
        return Reply(200 if path.startswith("Slot") else 201, {}, made.answer)

    return answer


async def _core(directory: Path, stack: contextlib.AsyncExitStack) -> Core:
    sockets = stack.enter_context(bound_sockets(SAS_UI, SAS_FHIR))
    context = replace(_context(directory), sockets=sockets)
    core = await core_on(context, open_store(directory / "store"))
    stack.push_async_callback(core.sas.stop)
    return core


def _context(directory: Path) -> Context:
    directory.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        data_dir=str(directory), mtls=False, practitioners=200, breaker_failures=1, breaker_pause_s=0.001
    )
    return make_context(settings, clock=stopped_clock(NOW))
