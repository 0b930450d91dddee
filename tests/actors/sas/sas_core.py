"""A whole SAS core without sockets: its peers (editors, hub, Pro Santé Connect) are stand-ins."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import itsdangerous
import orjson

from sandbox.edxl.message import Message
from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import AppointmentStatus, Flow
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.journal import Exchange
from sandbox.kernel.model import Appointment, Editor, Regulator
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, Reply
from sandbox.net.tls import Peer
from sandbox.pki.subjects import editor_subject
from sandbox.population.people import Population, persona_key
from sandbox.sas.app import SasCore
from sandbox.store.protocol import Store
from tests.support.hub_peer import FakeHubPeer

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
Answer = Callable[[str, str, bytes | None], Awaitable[Reply]]


class Editors:
    """Stands in for the HTTP client: `answers` by peer, `calls` (peer, flow, method, path, body) as they came."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.calls: list[tuple[str, str, str, str, bytes | None]] = []

    async def request(self, method: str, url: str, *, callee: Callee, body: bytes | None = None, **_: Any) -> Reply:
        peer, flow, path = callee.peer, callee.flow, url.partition("/fhir/")[2]
        self.calls.append((peer, flow, method, path, body))
        if peer in self.answers:
            return await self.answers[peer](method, path, body)
        return Reply(201 if flow == "INT_R02" else 404, {}, b"")

    def flows(self, flow: str) -> list[tuple[str, str, str]]:
        """(peer, method, path) of the calls of one flow."""
        return [(peer, method, path) for peer, of, method, path, _ in self.calls if of == flow]

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Core:
    """The role and its surroundings."""

    sas: SasCore
    context: Context
    editors: Editors
    hub: FakeHubPeer
    fhir_url = "http://127.0.0.1:8044/sas/fhir"

    @property
    def population(self) -> Population:
        return self.context.population

    @property
    def regulator(self) -> Regulator:
        return self.population.regulators[0]

    def editor(self, slug: str = "agenda-azur") -> Editor:
        return self.population.editors[slug]

    def fhir(self, editor: Editor | None = None) -> httpx.AsyncClient:
        """A client of the FHIR port; with `editor`, one that presented that editor's certificate."""
        subject = editor_subject(editor) if editor is not None else None
        return self.client_with(Peer(subject.cn, subject.ou, subject.o) if subject is not None else None)

    def client_with(self, peer: Peer | None, scheme: str | None = None) -> httpx.AsyncClient:
        """A client of the FHIR port with this certificate."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["peer"] = peer
            await self.sas.fhir(scope, receive, send)

        scheme = scheme or ("https" if peer is not None else "http")
        base = f"{scheme}://127.0.0.1:8044/sas/fhir"
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base)

    def browser(self, client: tuple[str, int] = ("127.0.0.1", 50000)) -> httpx.AsyncClient:
        """A client of pages and API."""
        transport = httpx.ASGITransport(self.sas.pages, client=client)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")

    def appointment(self, **changes: Any) -> Appointment:
        values: dict[str, Any] = {
            "identifier": Identifier(self.editor().system, "b6e39355-8a61-4556-b340-36f7b95fec6a"),
            "operator": self.regulator.identifier,
            "status": AppointmentStatus.BOOKED,
            "start": NOW + timedelta(hours=2),
            "end": NOW + timedelta(hours=2, minutes=15),
            "practitioner": self.population.of_editor("agenda-azur")[0].id,
        }
        return Appointment(**{**values, **changes})

    def body(self, **changes: Any) -> bytes:
        return render_appointment(self.appointment(**changes))

    async def l02_messages(self) -> list[Message]:
        """The messages that the hub received, once it has confirmed all due ones."""
        async with asyncio.timeout(5):
            while self.sas.l02.statistics()["states"]["due"] or self.sas.l02.waiting:
                await self.sas.store.barrier()
                await asyncio.sleep(0)
        return await self.hub.messages(0)

    async def l02_methods(self) -> list[str]:
        """The methods of these messages: CreateAppointment or UpdateAppointment."""
        return [(message.appointment or {})["method"] for message in await self.l02_messages()]

    def journalled(self, flow: Flow) -> list[Exchange]:
        """The exchanges of one flow that were journalled since the last call; those of other flows are discarded."""
        return [exchange for exchange in self.context.journal.take() if exchange.flow == flow]

    async def calls(self, flow: Flow, count: int) -> list[tuple[str, str, str]]:
        """(peer, method, path) of the calls of one flow, once there are `count`."""
        async with asyncio.timeout(5):
            while len(self.editors.flows(flow)) < count:
                await asyncio.to_thread(int)
        return self.editors.flows(flow)

    async def token(self, regulator: Regulator | None = None) -> dict[str, str]:
        """Headers of a regulator logged in at the API."""
        someone = regulator or self.regulator
        async with self.browser() as browser:
            login = {"identifier": someone.identifier.value, "password": someone.password}
            answer = await browser.post("/api/login", json=login)
        assert answer.status_code == 200
        return {"Authorization": f"Bearer {answer.json()['token']}"}


async def core_on(context: Context, store: Store) -> Core:
    """A SAS core with that store, which listens on no port and is connected to the fake hub; the caller stops `sas`."""
    editors, hub = Editors(), FakeHubPeer()
    sas = SasCore(context, store, hub=hub, http=editors)  # type: ignore[arg-type]
    await sas.l02.start()
    return Core(sas, context, editors, hub)


def reply(document: Any, status: int = 200) -> Reply:
    """An answer of an editor."""
    return Reply(status, {}, document if isinstance(document, bytes) else orjson.dumps(document))


class Gate:
    """An editor's answer that waits until it is opened."""

    def __init__(self, answer: Reply) -> None:
        self.opened, self.reached, self._answer = asyncio.Event(), asyncio.Event(), answer

    async def __call__(self, method: str, path: str, body: bytes | None) -> Reply:
        self.reached.set()
        await self.opened.wait()
        return self._answer


def session_cookie(context: Context, **values: Any) -> dict[str, str]:
    """The cookie of a session that holds `values`, signed as the console signs it.

    `regulator`: key or id of an account; the session holds the id.
    """
    known = context.population.regulator(values.get("regulator", ""))
    if known is not None:
        values["regulator"] = persona_key(known)
    signer = itsdangerous.TimestampSigner(context.secret("named-session:sas"))
    data = signer.sign(base64.b64encode(orjson.dumps(values))).decode()
    return {"Cookie": f"{context.cookie('sas')}={data}"}
