"""`__admin/outbox`: what it tells of the editors' INT_R03, and that sending again reaches them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.control.app import Control
from sandbox.kernel.calls import resend_switch
from tests.actors.control.controls import attended

ENTRY: dict[str, Any] = {
    "appointment": "4f6c",
    "state": "refused",
    "method": "PUT",
    "attempts": 1,
    "versions_behind": 0,
    "reason": "422 : unknown regulator",
    "next_attempt": None,
}
HEALTH: dict[str, object] = {
    "r03": {"agenda-azur": {"r03_waiting": 0, "r03_failed": 1}, "rdv-commune": {"r03_waiting": 0, "r03_failed": 0}},
    "outbox": {"agenda-azur": [ENTRY]},
}
AZUR = {"slug": "agenda-azur", "name": "Agenda Azur", "waiting": 0, "refused": 1, "appointments": [ENTRY]}


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Control]:
    made = attended(tmp_path, {"editors": HEALTH})
    await made.start()
    yield made
    await made.stop()


async def test_what_each_editor_owes_is_listed(control: Control, admin: httpx.AsyncClient) -> None:
    listed = (await admin.get("/__admin/outbox")).json()["editors"]
    assert [one["slug"] for one in listed] == ["agenda-azur", "rdv-commune", "garde-plus", "entraide-commune"]
    assert listed[0] == AZUR
    assert listed[2] == {"slug": "garde-plus", "name": "Garde Plus", "waiting": 0, "refused": 0, "appointments": []}
    assert (await admin.get("/__admin/outbox/agenda-azur")).json() == AZUR
    assert (await admin.get("/__admin/outbox/nobody")).status_code == 404


async def test_an_editors_role_that_is_away_owes_nothing_that_is_known(
    control: Control, admin: httpx.AsyncClient
) -> None:
    control.switchboard.detach(control.switchboard.lines["editors"])
    assert (await admin.get("/__admin/outbox/agenda-azur")).json() == {**AZUR, "refused": 0, "appointments": []}


async def test_each_call_for_sending_again_is_a_fresh_word_of_the_world(
    control: Control, admin: httpx.AsyncClient
) -> None:
    words = []
    for _ in range(2):
        answer = await admin.post("/__admin/outbox/agenda-azur/resend")
        assert (answer.status_code, answer.json()) == (202, AZUR)
        words.append(control.context.world.world.switches[resend_switch("agenda-azur")])
    assert len(set(words)) == 2
    assert resend_switch("rdv-commune") not in control.context.world.world.switches
    assert (await admin.post("/__admin/outbox/nobody/resend")).status_code == 404
    stranger = {"origin": "http://elsewhere.example"}
    assert (await admin.post("/__admin/outbox/agenda-azur/resend", headers=stranger)).status_code == 403


async def test_a_character_that_is_put_back_leaves_the_word(control: Control, admin: httpx.AsyncClient) -> None:
    await admin.post("/__admin/outbox/agenda-azur/resend")
    before = dict(control.context.world.world.switches)
    await admin.delete("/__admin/editors/agenda-azur")
    assert control.context.world.world.switches == before


async def test_the_page_shows_what_is_owed_and_has_it_sent_again(control: Control, admin: httpx.AsyncClient) -> None:
    page = (await admin.get("/")).text
    assert 'data-outbox="agenda-azur"' in page
    assert "422 : unknown regulator" in page
    assert "garde-plus/renvoyer" not in page
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert token
    url = "/envois/agenda-azur/renvoyer"
    assert (await admin.post(url, data={"csrf": "0"})).status_code == 403
    answer = await admin.post(url, data={"csrf": token[1]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/#envois")
    assert resend_switch("agenda-azur") in control.context.world.world.switches
    assert "Agenda Azur renvoie" in (await admin.get("/")).text
