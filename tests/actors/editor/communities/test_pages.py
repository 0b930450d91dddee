"""« Demandes reçues »: what a trainer sees and does, and who may open it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx
import msgspec
import pytest

from sandbox.config import Settings
from sandbox.editor.communities.requests import State
from sandbox.faults.communities import Behaviour, with_behaviour
from sandbox.fhir.service_request import render_request
from sandbox.kernel.clock import Clock
from sandbox.net.context import Context
from sandbox.population.people import Population
from tests.actors.editor.communities.test_requests import ASKED, FHIR, MEMBER, SLUG
from tests.support.contexts import make_context
from tests.support.editors.running_editor import Browser, LocalEditor, Sas, opened

ONE = f"/demandes/{ASKED.identifier.value}"


@pytest.fixture
async def editor(context: Context) -> AsyncIterator[LocalEditor]:
    by_hand = with_behaviour({}, ASKED.community, Behaviour(answer="by-hand"))  # type: ignore[arg-type]
    context.world.apply(msgspec.structs.replace(context.world.world, switches=by_hand))
    async with opened(context, SLUG) as made:
        yield made


async def asked(editor: LocalEditor) -> Browser:
    answer = await editor.call("POST", "/ServiceRequest", content=render_request(ASKED), headers=FHIR)
    assert answer.status_code == 201
    browser = editor.browser()
    await browser.get("/demandes")
    return browser


def state(editor: LocalEditor) -> State:
    found = editor.running.requests.get(ASKED.identifier.value)
    assert found is not None
    return found.state


async def test_an_empty_list(editor: LocalEditor) -> None:
    page = await editor.browser().get("/demandes")
    assert page.status_code == 200
    assert "set-cookie" in page.headers, "the live list brings forms, and a stream can set no cookie any more"
    assert "Aucune demande n'attend de réponse." in unescape(page.text)


async def test_a_request_is_shown_with_what_is_asked_and_no_patient(editor: LocalEditor) -> None:
    browser = await asked(editor)
    await editor.sas.reached(1)
    page = unescape((await browser.get("/demandes")).text)
    for text in (ASKED.need, "Bordeaux", "encore 30 min", "en attente", "Accepter", "Refuser", ASKED.name):
        assert text in page
    assert page.count("<option ") == 2
    assert "patient non transmis" not in page


@pytest.mark.parametrize(
    ("action", "then", "buttons"),
    [("accepter", State.ACCEPTED, {"honorer", "absent", "annuler"}), ("refuser", State.REFUSED, set())],
)
async def test_answers_by_hand(editor: LocalEditor, action: str, then: State, buttons: set[str]) -> None:
    browser = await asked(editor)
    answer = await browser.post(f"{ONE}/{action}", {"member": MEMBER})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/{SLUG}/demandes")
    assert state(editor) is then
    page = (await browser.get("/demandes")).text
    assert {path.rpartition("/")[2] for path in re.findall(r'action="([^"]*)"', page)} == buttons


@pytest.mark.parametrize(
    ("action", "then"), [("honorer", State.HONOURED), ("absent", State.MISSED), ("annuler", State.CANCELLED)]
)
async def test_what_became_of_the_patient(editor: LocalEditor, action: str, then: State) -> None:
    browser = await asked(editor)
    await browser.post(f"{ONE}/accepter", {"member": MEMBER})
    assert (await browser.post(f"{ONE}/{action}")).status_code == 303
    assert state(editor) is then
    assert (await browser.post(f"{ONE}/{action}")).status_code == 409


async def test_what_cannot_be_done(editor: LocalEditor) -> None:
    browser = await asked(editor)
    assert (await browser.post(f"{ONE}/accepter", {"member": "819800000010"})).status_code == 422
    assert (await browser.post(f"{ONE}/honorer")).status_code == 409
    assert (await browser.post(f"{ONE}/lapse")).status_code == 404
    assert (await browser.post("/demandes/unknown/accepter")).status_code == 404
    assert (await browser.post(f"{ONE}/accepter", {"member": MEMBER, "csrf": "0"})).status_code == 403
    assert state(editor) is State.PENDING


async def test_the_list_is_live(editor: LocalEditor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.editor.pages.communities.POLL_S", 0.01)
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    gone = asyncio.Event()

    async def receive() -> dict[str, str]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, bytes]) -> None:
        chunks.put_nowait(message.get("body", b""))

    async def until(text: str) -> None:
        held = ""
        async with asyncio.timeout(5):
            while text not in held:
                held += (await chunks.get()).decode()

    path = f"/{SLUG}/demandes/flux"
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": [(b"host", b"127.0.0.1")], "scheme": "http", "server": ("127.0.0.1", 80)}  # fmt: skip
    following = asyncio.create_task(editor.pages(scope, receive, send))  # type: ignore[arg-type]
    await until("Aucune demande")
    await asked(editor)
    await until(ASKED.need)
    gone.set()
    await following


async def test_sessions_of_the_editor_and_of_its_communities_are_apart(editor: LocalEditor) -> None:
    browser = await asked(editor)
    names = {cookie.name for cookie in browser.client.cookies.jar}
    await browser.get("/connexion")
    assert len({cookie.name for cookie in browser.client.cookies.jar}) == len(names) + 1
    assert "/demandes" in (await browser.get("/connexion")).text


async def test_others_have_no_such_page(context: Context) -> None:
    async with opened(context, "agenda-azur") as other:
        assert (await other.browser().get("/demandes")).status_code == 404


async def test_once_other_machines_reach_it_the_token_is_asked_for(
    tmp_path: Path, population: Population, clock: Clock
) -> None:
    settings = Settings(data_dir=str(tmp_path), mtls=False, preset="minimal", host="0.0.0.0")
    context = make_context(settings, clock=clock, population=population)
    async with opened(context, SLUG, Sas()) as editor:
        client = editor.browser().client
        refused = await client.get(f"/{SLUG}/demandes")
        assert refused.status_code == 401
        assert "jeton d'administration" in unescape(refused.text)
        let_in = await client.get(f"/{SLUG}/demandes", auth=httpx.BasicAuth("x", context.admin_token))
        assert let_in.status_code == 200
        posted = await client.post(f"/{SLUG}{ONE}/accepter")
        assert posted.status_code == 401


async def test_a_refusal_by_the_core_shows(editor: LocalEditor) -> None:
    editor.sas.status = 422
    browser = await asked(editor)
    async with asyncio.timeout(5):
        while "refusé par le SAS" not in unescape((await browser.get("/demandes")).text):
            await asyncio.to_thread(int)


async def test_a_town_that_the_population_does_not_know(editor: LocalEditor) -> None:
    strange = render_request(replace(ASKED, town="ABABA", town_name="Ailleurs"))
    assert (await editor.call("POST", "/ServiceRequest", content=strange, headers=FHIR)).status_code == 201
    assert "Ailleurs" in (await editor.browser().get("/demandes")).text
