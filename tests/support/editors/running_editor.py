"""One editor without network: stand-ins for the SAS core and for Pro Santé Connect, and a browser for its pages."""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from starlette.requests import Request

from sandbox.editor.app import pages_app
from sandbox.editor.appointments.booking import slot_key
from sandbox.editor.fhir.port import FhirPort
from sandbox.editor.running import RunningEditor, open_editor
from sandbox.fhir.practitioner import RegulatorAccount
from sandbox.kernel.errors import PeerError
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.kernel.model import Slot
from sandbox.net.context import Context
from sandbox.net.http.client import Reply
from sandbox.web.oidc import Claims

NATIONAL = Identifier(SYSTEM_PERSON, "3456780581/11242343", "IDNPS")
REGULATOR = RegulatorAccount((NATIONAL,), True, "FONTANEL", ("Claire",), "claire.fontanel@samu33.example")
PATIENT = {
    "family": "Zzpatient",
    "given": "Zoé",
    "birth_date": "31/01/1980",
    "phone": "06 12 34 56 78",
    "reason": "Zzmotif",
}


@dataclass
class Sas:
    """Stands in for the HTTP client to the SAS core: keeps the calls and answers `status` and `body`, or fails."""

    status: int = 201
    body: bytes = b""
    failure: PeerError | None = None
    calls: list[tuple[str, str, bytes]] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self, method: str, url: str, *, body: bytes | None = None, **_: Any) -> Reply:
        self.calls.append((method, url, body or b""))
        self.called.set()
        if self.failure is not None:
            raise self.failure
        return Reply(self.status, {}, self.body)

    async def close(self) -> None:
        """Nothing is open."""

    async def reached(self, count: int) -> list[tuple[str, str, bytes]]:
        """The calls, once there are `count` of them."""
        async with asyncio.timeout(5):
            while len(self.calls) < count:
                self.called.clear()
                await self.called.wait()
        return self.calls


@dataclass
class ProSanteConnect:
    """Stands in for the login at Pro Santé Connect: every login returns `person`."""

    person: tuple[str, str, str, str] = (NATIONAL.value, "FONTANEL", "Claire", "claire.fontanel@samu33.example")

    async def authorize_url(self, request: Request, return_to: str, **_: Any) -> str:
        request.session["return_to"] = return_to
        return "http://psc.invalid/authorize"

    async def callback(self, request: Request) -> Claims:
        return Claims(*self.person, request.session["return_to"])

    async def logout_url(self, return_to: str) -> str:
        return f"http://psc.invalid/logout?{return_to}"


@dataclass
class LocalEditor:
    """A running editor, called in this process."""

    context: Context
    running: RunningEditor
    sas: Sas
    psc: ProSanteConnect

    def __post_init__(self) -> None:
        self.slug = self.running.editor.slug
        self.pages = pages_app(self.context, {self.slug: self.running})
        self.fhir = FhirPort({self.slug: self.running.endpoint})

    def browser(self) -> Browser:
        return Browser(self)

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request to the FHIR port; `path` below the editor's base."""
        transport = httpx.ASGITransport(self.fhir, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://fhir.test") as client:
            return await client.request(method, f"/{self.slug}/fhir{path}", **options)

    def free(self, schedule: str, days: int = 3) -> list[Slot]:
        """The bookable slots of a schedule."""
        now = self.context.clock.now()
        found = self.running.fhir.agenda.free(schedule, now, now + timedelta(days=days), now)
        return [slot for slot in found if not slot.walkin]


@contextlib.asynccontextmanager
async def opened(context: Context, slug: str, sas: Sas | None = None) -> AsyncIterator[LocalEditor]:
    """An editor in the context's directory; its emitter and take-overs are running."""
    sas, psc = sas or Sas(), ProSanteConnect()
    running = open_editor(context, context.population.editors[slug], sas, psc)  # type: ignore[arg-type]
    await running.start()
    try:
        yield LocalEditor(context, running, sas, psc)
    finally:
        await running.stop()


class Browser:
    """An HTTP client for the editor's pages: it keeps cookies and does not follow redirects."""

    def __init__(self, editor: LocalEditor) -> None:
        self.editor = editor
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(editor.pages, raise_app_exceptions=False), base_url="http://127.0.0.1"
        )
        self.csrf = ""

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return self._seen(await self.client.get(f"/{self.editor.slug}{path}", **options))

    async def post(self, path: str, form: Mapping[str, str] | None = None) -> httpx.Response:
        data = {"csrf": self.csrf, **(form or {})}
        return self._seen(await self.client.post(f"/{self.editor.slug}{path}", data=data))

    def _seen(self, page: httpx.Response) -> httpx.Response:
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
        if token:
            self.csrf = token[1]
        return page

    async def enter(self, path: str) -> httpx.Response:
        """Log in through Pro Santé Connect, accept the terms, and return the page at `path`."""
        first = await self.get(path)
        assert first.headers["location"] == "http://psc.invalid/authorize"
        back = await self.get("/oidc/callback?code=1&state=2")
        if back.status_code != 303:
            return back
        page = self._seen(await self.client.get(back.headers["location"]))
        if page.status_code == 303 and "/cgu" in page.headers["location"]:
            terms = self._seen(await self.client.get(page.headers["location"]))
            suite = re.search(r'name="suite" value="([^"]+)"', terms.text)
            assert suite
            answer = await self.post("/cgu", {"accept": "1", "suite": suite[1].replace("&amp;", "&")})
            page = self._seen(await self.client.get(answer.headers["location"]))
        return page

    async def book(self, slot: Slot, **changes: str) -> httpx.Response:
        """Fill in the form and confirm; returns the answer to the confirmation."""
        form = {"slot": slot_key(slot), **PATIENT, **changes}
        summary = await self.post("/rdv", form)
        assert summary.status_code == 200, summary.text
        return await self.post("/rdv/confirmer", form)


def booking_path(slot: Slot) -> str:
    """`Slot.comment` with the SAS core's `origin`, below the editor's pages."""
    return f"/rdv?slot={slot_key(slot)}&origin=sas"


def appointment_id(answer: httpx.Response) -> str:
    """The id in the redirect after a confirmed booking."""
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).rpartition("/")[2]


ONE_SITE, TWO_SITES = "819800000010", "819800000028"


def slots(editor: LocalEditor, practitioner: str = ONE_SITE, place: int = 0) -> list[Slot]:
    found = editor.context.population.practitioner(practitioner)
    assert found is not None
    return editor.free(found.places[place].id)


def is_free(editor: LocalEditor, slot: Slot) -> bool:
    return editor.running.fhir.agenda.is_free(slot_key(slot), editor.context.clock.now())


async def several(editor: LocalEditor, count: int, slot: Slot) -> list[Browser]:
    """So many regulators, each with an own account and session, who have opened the agenda at the slot."""
    made = []
    for number in range(count):
        identifier = Identifier(SYSTEM_PERSON, f"8198000009{number:02d}", "IDNPS")
        email = f"r{number}@samu33.example"
        await editor.running.accounts.post(RegulatorAccount((identifier,), True, "R", (f"N{number}",), email))
        editor.psc.person = (identifier.value, "R", f"N{number}", email)
        browser = editor.browser()
        await browser.enter(booking_path(slot))
        made.append(browser)
    return made


def links(page: httpx.Response, place: str) -> list[str]:
    """The URLs proposed `ici` or `ailleurs`."""
    found = re.findall(rf'<ul class="slots" data-place="{place}">(.*?)</ul>', page.text, re.DOTALL)
    return [html.unescape(url) for group in found for url in re.findall(r'href="([^"]+)"', group)]
