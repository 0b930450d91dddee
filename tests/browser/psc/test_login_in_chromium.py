"""The login page in a real Chromium: its script, its content policy, its width on a telephone."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.async_api import Page, async_playwright

from sandbox.config import EDITORS_UI, PSC_UI, Settings
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import seeded
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.kernel.model import Editor, Regulator
from sandbox.psc.app import build
from tests.support.contexts import make_context

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

LEA = Regulator(Identifier(SYSTEM_PERSON, "345/1", "IDNPS"), "Roy", "Léa", "lea@x.invalid", "SAS-33", "pass")
AZUR = Editor("agenda-azur", "Agenda Azur", "urn:oid:1.2.250.1.999.1", (), "339000000000011")


def bound_pair() -> tuple[int, socket.socket, socket.socket]:
    """A port base whose editors' and PSC ports are ours, and both sockets."""
    for _ in range(50):
        psc, editors = socket.socket(), socket.socket()
        psc.bind(("127.0.0.1", 0))
        base = psc.getsockname()[1] - PSC_UI
        try:
            editors.bind(("127.0.0.1", base + EDITORS_UI))
        except OSError:
            psc.close()
            editors.close()
        else:
            return base, psc, editors
    raise AssertionError("no two free ports")


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = await browser.new_page(viewport={"width": 360, "height": 800})
        yield page
        await browser.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Stands for the editor's site, on another port."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\narrived")
    await writer.drain()
    writer.close()


async def test_a_click_fills_the_form_and_the_login_lands_on_the_other_site(page: Page, tmp_path: Path) -> None:
    base, psc, editors = bound_pair()
    population: Any = SimpleNamespace(
        regulators=(LEA,),
        editors={AZUR.slug: AZUR},
        watch=lambda _: None,
        practitioner=lambda _: None,
        handmade=lambda: (),
    )
    context = make_context(
        Settings(port_base=base, data_dir=str(tmp_path)),
        clock=Clock(lambda: 1_800_000_000.0),
        entropy=seeded(1),
        population=population,
        sockets={PSC_UI: psc},
    )
    service = build(context)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    callback = context.settings.http(EDITORS_UI, "/agenda-azur/oidc/callback")
    query = {"response_type": "code", "client_id": "agenda-azur", "redirect_uri": callback, "scope": "openid"}
    async with await asyncio.start_server(answer, sock=editors):
        await service.start()
        try:
            await page.goto(context.settings.http(PSC_UI, f"/psc/authorize?{urlencode(query)}"))
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360
            await page.get_by_role("button", name="Remplir le formulaire avec le compte de Léa Roy").click()
            await page.get_by_role("button", name="Se connecter").click()
            await page.wait_for_url(f"{callback}?*")
            assert await page.inner_text("body") == "arrived"
        finally:
            await service.stop()
    assert complaints == []
