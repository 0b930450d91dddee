"""The editor's ordinary login and « mot de passe oublié » (R02-14)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from sandbox.editor.accounts.recovery import LIFETIME, TABLE
from sandbox.fhir.appointment import Conditional
from sandbox.kernel.errors import StoreError
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from tests.actors.editor.conftest import NOW, opened
from tests.support.editors.running_editor import NATIONAL, REGULATOR, Browser, LocalEditor

PASSWORD = "un mot de passe assez long"
pytestmark = pytest.mark.requirement("R02-14")


@pytest.fixture
async def browser(editor: LocalEditor) -> AsyncIterator[Browser]:
    made = editor.browser()
    yield made
    await made.client.aclose()


async def ask(browser: Browser, email: str = REGULATOR.email) -> httpx.Response:
    await browser.get("/mot-de-passe-oublie")
    return await browser.post("/mot-de-passe-oublie", {"email": email})


async def link(browser: Browser) -> str:
    """The link of the only message in the sandbox's mailbox, below the editor's pages."""
    page = await browser.get("/boite-envoi")
    [found] = re.findall(r'href="/agenda-azur(/mot-de-passe\?jeton=[^"]+)"', page.text)
    return str(found)


async def use(browser: Browser, path: str, password: str = PASSWORD, again: str | None = None) -> httpx.Response:
    token = path.partition("jeton=")[2]
    await browser.get(path)
    return await browser.post(
        "/mot-de-passe", {"jeton": token, "password": password, "again": password if again is None else again}
    )


async def login(browser: Browser, password: str = PASSWORD, email: str = REGULATOR.email) -> httpx.Response:
    await browser.get("/connexion")
    return await browser.post("/connexion", {"email": email, "password": password})


async def test_a_forgotten_password_is_replaced_and_opens_an_ordinary_session(editor: LocalEditor, browser: Browser):
    assert "boîte d&#39;envoi" in (await ask(browser)).text.replace("d'envoi", "d&#39;envoi")
    answer = await use(browser, await link(browser))
    assert answer.headers["location"] == "/agenda-azur/connexion"
    assert (await login(browser)).headers["location"] == "/agenda-azur/"
    page = await browser.get("/")
    assert "Bienvenue, Claire FONTANEL" in page.text
    assert "/envois" not in page.text
    assert (await browser.get("/envois")).headers["location"] == "/agenda-azur/connexion"


async def test_creating_an_account_sends_no_message(browser: Browser):
    assert "Aucun message" in (await browser.get("/boite-envoi")).text


async def test_a_link_is_good_once(browser: Browser):
    await ask(browser)
    path = await link(browser)
    await use(browser, path)
    again = await use(browser, path, "un autre mot de passe")
    assert again.status_code == 410
    assert "n&#39;est plus valable" in again.text or "n'est plus valable" in again.text
    assert (await login(browser)).status_code == 303
    assert "Aucun message" in (await browser.get("/boite-envoi")).text


async def test_a_link_ends_with_its_time(editor: LocalEditor, browser: Browser):
    await ask(browser)
    path = await link(browser)
    editor.context.clock.setting = ClockSetting(frozen=(NOW + LIFETIME - timedelta(seconds=1)).timestamp())
    assert (await browser.get(path)).status_code == 200
    editor.context.clock.setting = ClockSetting(frozen=(NOW + LIFETIME).timestamp())
    assert (await use(browser, path)).status_code == 410
    assert "Aucun message" in (await browser.get("/boite-envoi")).text


async def test_a_second_link_replaces_the_first(editor: LocalEditor, browser: Browser):
    await ask(browser)
    first = await link(browser)
    await ask(browser, REGULATOR.email.upper())
    assert await link(browser) != first
    assert (await browser.get(first)).status_code == 410
    assert editor.running.store.count(TABLE) == 1


@pytest.mark.parametrize("token", ["", "x", "x.y", "-.", "é.è"])
async def test_an_invented_link_changes_nothing(browser: Browser, token: str):
    await ask(browser, "nobody@samu33.example")
    assert (await use(browser, f"/mot-de-passe?jeton={token}")).status_code == 410


async def test_a_link_with_another_code_changes_nothing(browser: Browser):
    await ask(browser)
    path = await link(browser)
    assert (await use(browser, path[:-1] + ("0" if path[-1] != "0" else "1"))).status_code == 410


async def test_the_store_knows_no_link(editor: LocalEditor, browser: Browser):
    await ask(browser)
    code = (await link(browser)).rpartition(".")[2]
    assert all(code not in key and code.encode() not in row for key, row in editor.running.store.items(TABLE))


async def test_whether_an_account_exists_is_not_told(editor: LocalEditor, browser: Browser):
    known, unknown = await ask(browser), await ask(editor.browser(), "nobody@samu33.example")
    strip = re.compile(r'name="csrf" value="[0-9a-f]+"')
    assert known.status_code == unknown.status_code == 200
    assert strip.sub("", known.text) == strip.sub("", unknown.text)
    inactive = type(REGULATOR)(REGULATOR.identifiers, False, REGULATOR.family, REGULATOR.given, REGULATOR.email)
    await editor.running.accounts.put(Conditional(NATIONAL.system, NATIONAL.value), inactive)
    assert strip.sub("", (await ask(editor.browser())).text) == strip.sub("", known.text)
    wrong = [await login(editor.browser(), email=email) for email in (REGULATOR.email, "nobody@samu33.example")]
    assert [page.status_code for page in wrong] == [403, 403]
    assert wrong[0].text.count("incorrect") == wrong[1].text.count("incorrect") == 1


async def test_asking_for_nobody_is_bounded_and_sends_nothing(editor: LocalEditor, browser: Browser):
    for number in range(4):
        await ask(editor.browser(), f"nobody{number}@samu33.example")
    assert editor.running.store.count(TABLE) == 1
    assert "Aucun message" in (await browser.get("/boite-envoi")).text


async def test_a_withdrawn_account_cannot_use_its_link(editor: LocalEditor, browser: Browser):
    await ask(browser)
    path = await link(browser)
    inactive = type(REGULATOR)(REGULATOR.identifiers, False, REGULATOR.family, REGULATOR.given, REGULATOR.email)
    await editor.running.accounts.put(Conditional(NATIONAL.system, NATIONAL.value), inactive)
    assert (await use(browser, path)).status_code == 410


async def test_asking_and_guessing_are_limited(editor: LocalEditor, browser: Browser):
    statuses = [(await ask(editor.browser())).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    guesses = [(await login(editor.browser(), "guess")).status_code for _ in range(6)]
    assert guesses == [403] * 5 + [429]
    page = await login(browser, PASSWORD)
    assert page.status_code == 429
    assert "Trop de tentatives" in page.text


@pytest.mark.parametrize(
    ("password", "again", "field"),
    [("court", None, "password"), ("x" * 201, None, "password"), (PASSWORD, "x", "again")],
)
async def test_what_is_wrong_with_a_new_password_is_told_and_the_link_stays(
    browser: Browser, password: str, again: str | None, field: str
):
    await ask(browser)
    path = await link(browser)
    page = await use(browser, path, password, again)
    assert page.status_code == 422
    assert f'id="e-{field}"' in page.text
    assert (await use(browser, path)).status_code == 303


async def test_a_new_password_ends_the_sessions_of_the_old_one(editor: LocalEditor, browser: Browser):
    await ask(browser)
    await use(browser, await link(browser))
    await login(browser)
    assert (await browser.get("/")).status_code == 200
    other = editor.browser()
    await ask(other)
    await use(other, await link(other), "encore un autre mot de passe")
    assert (await browser.get("/")).headers["location"] == "/agenda-azur/connexion"


async def test_a_link_and_what_it_changed_survive_a_restart(context: Context):
    async with opened(context, "agenda-azur") as editor:
        await editor.running.accounts.post(REGULATOR)
        await ask(editor.browser())
        path = await link(editor.browser())
    async with opened(context, "agenda-azur") as editor:
        assert await link(editor.browser()) == path
        assert (await use(editor.browser(), path)).status_code == 303
    async with opened(context, "agenda-azur") as editor:
        assert (await login(editor.browser())).status_code == 303
        assert (await editor.browser().get(path)).status_code == 410


async def test_a_password_that_cannot_be_stored_is_not_changed(
    editor: LocalEditor, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    await ask(browser)
    path = await link(browser)

    def full(*writes: object) -> object:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(editor.running.store, "commit", full)
        assert (await use(browser, path)).status_code == 503
    assert (await use(browser, path)).status_code == 303


async def test_forms_from_elsewhere_are_refused(browser: Browser):
    await ask(browser)
    path = await link(browser)
    browser.csrf = "0" * 32
    for where in ("/mot-de-passe-oublie", "/mot-de-passe", "/connexion"):
        assert (await browser.post(where, {"email": REGULATOR.email})).status_code == 403
    assert await link(browser) == path
