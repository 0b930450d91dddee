"""A provider with two clients and two people, and a browser that follows redirects between sites."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from sandbox.config import Settings
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import seeded
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.kernel.model import Editor, Practitioner, Regulator
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from sandbox.psc.people import People
from sandbox.psc.provider import Provider
from sandbox.psc.tokens import Signer, load_signer
from sandbox.store.embedded.tables import open_store
from tests.support.contexts import make_context

PSC = "http://127.0.0.1:8003"
ISSUER = f"{PSC}/psc"
LEA = Regulator(
    Identifier(SYSTEM_PERSON, "3456780581/11242343", "IDNPS"), "Roy", "Léa", "lea@sas33.invalid", "SAS-33", "Lea-2026"
)
ALI = Regulator(
    Identifier(SYSTEM_PERSON, "3456780581/55555555", "IDNPS"), "Ben", "Ali", "ali@sas06.invalid", "SAS-06", "Ali-2026"
)
AURORE = Practitioner("819800000127", "Rouveyran", "Aurore", "", (), password="agenda-33")
AZUR = Editor("agenda-azur", "Agenda Azur", "urn:oid:1.2.250.1.999.1", (), "339000000000011")


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return load_signer(tmp_path_factory.mktemp("psc"), seeded("key"))


@pytest.fixture
def wall() -> list[float]:
    """The time of the wall clock; the sandbox clock is many days behind."""
    return [1_800_000_000.0]


@pytest.fixture
def context(wall: list[float]) -> Context:
    population: Any = SimpleNamespace(
        regulators=(LEA, ALI),
        editors={AZUR.slug: AZUR},
        watch=lambda _: None,
        practitioner={AURORE.id: AURORE}.get,
        handmade=lambda: (AURORE,),
    )
    clock = Clock(lambda: wall[0], ClockSetting(offset=-10_000_000))
    return make_context(Settings(), clock=clock, entropy=seeded(1), population=population)


@pytest.fixture
def people(context: Context, tmp_path: Path) -> People:
    return People(context.population, open_store(tmp_path / "psc"))


@pytest.fixture
def provider(context: Context, signer: Signer, people: People) -> Provider:
    return Provider(context, signer, people)


class Browser:
    """A browser for several sites: one cookie jar per host name, redirects followed one by one."""

    def __init__(self, runner: asyncio.Runner, sites: dict[str, Any]) -> None:
        self._run = runner.run
        self._sites = {origin: httpx.ASGITransport(app) for origin, app in sites.items()}
        self.cookies = httpx.Cookies()
        self.visited: list[str] = []

    def open(self, url: str, method: str = "GET", **options: Any) -> httpx.Response:
        """One request, without following a redirect. An address that no site serves gives 204."""
        self.visited.append(url)
        parts = urlsplit(url)
        transport = self._sites.get(f"{parts.scheme}://{parts.netloc}", httpx.MockTransport(_nobody))
        return self._run(self._request(transport, method, url, options))

    async def _request(
        self, transport: httpx.AsyncBaseTransport, method: str, url: str, options: dict[str, Any]
    ) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, cookies=self.cookies) as client:
            answer = await client.request(method, url, **options)
            self.cookies = client.cookies
            return answer

    def follow(self, answer: httpx.Response) -> httpx.Response:
        """Follow redirects until a page."""
        while answer.is_redirect:
            answer = self.open(str(answer.url.join(answer.headers["location"])))
        return answer

    def get(self, url: str) -> httpx.Response:
        return self.follow(self.open(url))

    def submit(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """Fill the page's first form and post it, without following."""
        action = re.search(r'<form method="post" action="([^"]*)"', page.text)
        token = re.search(r'name="csrf" value="([^"]*)"', page.text)
        assert action is not None
        assert token is not None
        url = str(page.url.join(html.unescape(action[1])))
        return self.open(url, method="POST", data={"csrf": token[1], **fields})


def _nobody(request: httpx.Request) -> httpx.Response:
    return httpx.Response(204)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def browser(provider: Provider, runner: asyncio.Runner) -> Browser:
    return Browser(runner, {PSC: provider.application()})


@pytest.fixture
def make_browser() -> type[Browser]:
    return Browser
