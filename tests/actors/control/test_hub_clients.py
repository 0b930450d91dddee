"""Removal of the hub's clients: what the control plane refuses, waits for, keeps and reports."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from sandbox.config import CONTROL_UI, ROLES
from sandbox.control.app import Control
from sandbox.control.world import hub_clients
from sandbox.hub.counters import DispatchCounters
from sandbox.kernel.hub.clients import added_xml_clients, leaving_clients
from sandbox.kernel.hub.removal import KEY as REMOVED
from sandbox.kernel.hub.removal import Lost, Removal
from sandbox.kernel.hub.report import KEY, ConnectionState, HubReport, QueueState, plain
from sandbox.kernel.world import World
from sandbox.net.link import Applied, Line, Report
from tests.actors.control.controls import WALL, make_control, obedient

NEW = "fr.health.samu750"
PATH = f"/__admin/hub/clients/{NEW}"
QUEUES = (Lost("/", f"{NEW}.message", 2, 1), Lost("/", f"{NEW}.ack", 0, 0))


class Hub:
    """A connection of the control plane to a hub that reports, or does not report, what it has done."""

    def __init__(self, control: Control) -> None:
        self.control, self.tells, self.more = control, True, {"connections": 1}
        self.words: list[str] = []
        self.line = Line("hub", 1, self._take)
        control.switchboard.attach(self.line)

    def _take(self, world: World) -> None:
        self.control.context.world.apply(world)
        self.words += [word for word in leaving_clients(world.switches).values() if word not in self.words]
        self.control.switchboard.heard(self.line, Applied(world.revision))
        if self.tells:
            self.tell()

    def tell(self) -> None:
        done = {NEW: Removal(self.words[-1], QUEUES, **self.more)} if self.words else {}
        report = HubReport(
            counts=DispatchCounters(lambda: 0.0).counts(),
            queues=(QueueState("/", f"{NEW}.message", 2, 1, 0),),
            connections=(ConnectionState(NEW, "/", "pika", "1", "", "", WALL, 1),),
        )
        health: dict[str, object] = {REMOVED: msgspec.to_builtins(done), KEY: plain(report)}
        self.control.switchboard.heard(self.line, Report(True, health, [], 0))


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Control]:
    made = make_control(tmp_path)
    for role in ROLES:
        if role != "hub":
            obedient(made, role)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def hub(control: Control) -> Hub:
    return Hub(control)


@pytest.fixture
async def browser(control: Control) -> AsyncIterator[httpx.AsyncClient]:
    base = control.context.settings.http(CONTROL_UI)
    async with httpx.AsyncClient(base_url=base, follow_redirects=True) as client:
        yield client


async def add(browser: httpx.AsyncClient) -> httpx.Response:
    return await browser.post("/__admin/hub/clients", json={"id": NEW, "software": "Régul'Essai"})


async def listed(browser: httpx.AsyncClient) -> list[str]:
    return [row["id"] for row in (await browser.get("/__admin/hub/clients")).json()["clients"] if row["added"]]


async def test_what_went_with_it_is_told(control: Control, hub: Hub, browser: httpx.AsyncClient) -> None:
    await add(browser)
    answer = await browser.delete(PATH)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": NEW,
        "queues": [msgspec.to_builtins(lost) for lost in QUEUES],
        "messages": 3,
        "connections": 1,
        "certificates": [],
        "told": [f"3 messages perdus de {NEW}.message (/)", "connexions fermées : 1"],
    }
    assert await listed(browser) == []
    assert not any("hub:" in switch for switch in control.plane.worlds.world.switches)
    assert (await add(browser)).status_code == 201


@pytest.mark.parametrize(
    ("client", "why"),
    [
        ("fr.health.test.ptfsas", "the SAS platform itself"),
        ("fr.health.samu330", "the LRM of a territory"),
        ("fr.health.samu999", "configured (hub.spare_clients)"),
    ],
)
async def test_configured_clients_stay_and_the_reason_is_said(
    hub: Hub, browser: httpx.AsyncClient, client: str, why: str
) -> None:
    answer = await browser.delete(f"/__admin/hub/clients/{client}")
    assert answer.status_code == 409
    assert why in answer.json()["title"]
    assert "only clients that were added can be taken away" in answer.json()["title"]
    page = await browser.get(f"/hub/clients/{client}/retirer")
    assert (page.status_code, "vient de la configuration" in page.text) == (409, True)


async def test_who_is_no_client_is_not_found(hub: Hub, browser: httpx.AsyncClient) -> None:
    assert (await browser.delete(PATH)).status_code == 404
    assert (await browser.get(f"/hub/clients/{NEW}/retirer")).status_code == 404


async def test_another_sites_page_may_not(hub: Hub, browser: httpx.AsyncClient) -> None:
    await add(browser)
    assert (await browser.delete(PATH, headers={"Origin": "http://elsewhere.invalid"})).status_code == 403
    assert (await browser.post(f"/hub/clients/{NEW}/retirer", data={"csrf": "no"})).status_code == 403
    assert await listed(browser) == [NEW]


async def test_hub_that_is_slow_goes_on_and_the_next_call_asks_again(
    control: Control, hub: Hub, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(browser)
    hub.tells = False
    monkeypatch.setattr(hub_clients, "HUB_S", 0.01)
    answer = await browser.delete(PATH)
    assert answer.status_code == 504
    assert "may log in no more" in answer.json()["title"]
    assert await listed(browser) == []
    assert (await add(browser)).json()["errors"][0]["pointer"] == "id", "its queues may still be there"
    hub.tell()
    assert (await browser.delete(PATH)).json()["messages"] == 3
    assert len(hub.words) == 1, "it is the same removal"
    assert (await add(browser)).status_code == 201


async def test_removal_that_was_not_told_survives_a_restart_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_clients, "HUB_S", 0.01)
    words = []
    for run in ("first", "second"):
        control = make_control(tmp_path, run_id=run)
        for role in ROLES:
            if role != "hub":
                obedient(control, role)
        hub = Hub(control)
        hub.tells = run == "second"
        if run == "first":
            await control.plane.hub_clients.add(hub_clients.ClientRequest(NEW))
            with pytest.raises(hub_clients.RequestError, match="has not deleted its queues yet"):
                await control.plane.hub_clients.remove(NEW)
        else:
            hub.tell()
            assert (await control.plane.hub_clients.remove(NEW)).messages == 3
        words.append(hub.words)
        await control.stop()
    assert words[0] == words[1]


@pytest.mark.parametrize(
    ("removal", "sentence"),
    [
        ({"connections": None}, f"rabbitmqctl delete_user {NEW}"),
        ({"connections": None, "kept": True}, "ses files restent"),
    ],
)
async def test_what_is_the_rabbitmqs_owners_is_said(
    hub: Hub, browser: httpx.AsyncClient, removal: dict[str, Any], sentence: str
) -> None:
    await add(browser)
    hub.more = removal
    assert any(sentence in told for told in (await browser.delete(PATH)).json()["told"])


async def test_page_says_what_goes_before_the_button_does_it(hub: Hub, browser: httpx.AsyncClient) -> None:
    assert "Aucun." in (await browser.get("/hub")).text
    await add(browser)
    assert f"/hub/clients/{NEW}/retirer" in (await browser.get("/hub")).text
    page = (await browser.get(f"/hub/clients/{NEW}/retirer")).text
    assert "2 en attente, 1 sans acquittement" in page
    assert "320 <code>CONNECTION_FORCED</code>) : 1 en ce moment" in page
    assert await listed(browser) == [NEW], "a look changes nothing"
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token is not None
    done = await browser.post(f"/hub/clients/{NEW}/retirer", data={"csrf": token[1]})
    assert "n&#39;est plus client du hub : 3 messages perdus" in done.text
    assert await listed(browser) == []


async def test_a_client_has_a_form_which_goes_with_it(control: Control, hub: Hub, browser: httpx.AsyncClient) -> None:
    async def forms() -> dict[str, str]:
        rows = (await browser.get("/__admin/hub/clients")).json()["clients"]
        return {row["id"]: row["format"] for row in rows}

    answer = await browser.post("/__admin/hub/clients", json={"id": NEW, "format": "xml"})
    assert answer.status_code == 201
    assert {client for client, form in (await forms()).items() if form == "xml"} == {NEW}
    assert added_xml_clients(control.plane.worlds.world.switches) == {NEW}
    assert "XML" in (await browser.get("/hub")).text
    await browser.delete(PATH)
    assert not any("hub:" in switch for switch in control.plane.worlds.world.switches)
    await add(browser)
    assert (await forms())[NEW] == "json"


async def test_a_form_that_there_is_not_is_refused(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/__admin/hub/clients", json={"id": NEW, "format": "yaml"})
    assert answer.status_code == 400
    assert "'yaml'" in answer.text
    assert "format" in answer.text


async def test_names_that_differ_in_case_only_are_one(hub: Hub, browser: httpx.AsyncClient) -> None:
    """Their certificate files would be one where file systems ignore case."""
    await add(browser)
    answer = await browser.post("/__admin/hub/clients", json={"id": NEW.replace("samu", "SAMU")})
    assert (answer.status_code, await listed(browser)) == (409, [NEW])
    assert f"'{NEW}' is a client of the hub already" in answer.text


async def test_a_disk_that_refuses_a_file_is_told_to_programs_as_a_problem(
    hub: Hub, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(hub_clients.endpoints, "write", full)
    answer = await add(browser)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "No space left on device" in answer.json()["title"]


async def test_a_defect_is_told_to_programs_as_a_problem_without_detail(
    control: Control, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("of ours")

    monkeypatch.setattr(hub_clients.endpoints, "write", broken)
    async with httpx.AsyncClient(base_url=control.context.settings.http(CONTROL_UI)) as client:
        answer = await add(client)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["title"] == "internal error"
