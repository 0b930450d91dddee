"""A whole SAS core without sockets: its peers (editors, hub, Pro Santé Connect) are functions."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import itsdangerous
import orjson

from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import AppointmentStatus, Flow
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment, Editor, Regulator
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, Reply
from sandbox.net.tls import Peer
from sandbox.pki.subjects import editor_subject
from sandbox.population.people import Population, persona_key
from sandbox.sas.app import SasCore
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.store.protocol import Put

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
class Messages:
    """Stands in for L02: one row per version, all due."""

    due_versions: list[tuple[str, int]] = field(default_factory=list)
    woken: int = 0
    refuse: Exception | None = None
    failed: list[str] = field(default_factory=list)
    sent_again: list[str] = field(default_factory=list)
    refuse_again: Exception | None = None
    waiting = 0
    connected = True

    def due(self, record: AppointmentRecord) -> tuple[Put, ...]:
        if self.refuse is not None:
            raise self.refuse
        self.due_versions.append((record.id, record.version))
        row = f'{{"appointmentId": "{record.id}"}}'
        return (Put("l02", f"{record.id}/{record.version}", row.encode()),)

    def wake(self) -> None:
        self.woken += 1

    async def start(self) -> None:
        """No hub."""

    async def stop(self) -> None:
        """No hub."""

    def state(self, distribution_id: str) -> dict[str, Any] | None:
        id, _, version = distribution_id.partition("/")
        return self._document(id, int(version)) if (id, int(version or 0)) in self.due_versions else None

    def of_appointment(self, appointment_id: str) -> list[dict[str, Any]]:
        return [self._document(id, version) for id, version in self.due_versions if id == appointment_id]

    def again(self, distribution_id: str, record: AppointmentRecord) -> tuple[Put, ...]:
        if self.refuse_again is not None:
            raise self.refuse_again
        self.sent_again.append(distribution_id)
        return ()

    def troubles(self) -> list[dict[str, Any]]:
        return [{**(self.state(key) or {}), "recipient": "fr.health.samu330", "again": True} for key in self.failed]

    def statistics(self) -> dict[str, Any]:
        states = dict.fromkeys(("due", "published", "acknowledged", "refused", "expired"), 0)
        cause = {"code": 409, "state": "refused", "count": len(self.failed), "cause": "exists"}
        return {
            "states": {**states, "refused": len(self.failed)},
            "open": 0,
            "oldest": None,
            "lastHour": {"refused": len(self.failed)},
            "seconds": {"median": 0.2, "p95": None},
            "causes": [cause] if self.failed else [],
            "waiting": 0,
            "connected": self.connected,
        }

    def _document(self, id: str, version: int) -> dict[str, Any]:
        if f"{id}/{version}" in self.failed:
            verdict = {"state": "refused", "code": 409, "cause": "exists"}
            return {"distributionID": f"{id}/{version}", "appointmentId": id, **verdict, "events": []}
        events = [{"state": "due", "at": NOW.isoformat()}]
        return {"distributionID": f"{id}/{version}", "appointmentId": id, "state": "due", "events": events}


@dataclass
class Core:
    """The role and its surroundings."""

    sas: SasCore
    context: Context
    editors: Editors
    messages: Messages
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
        """A client of the FHIR port; with `editor`, one that showed that editor's certificate."""
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
