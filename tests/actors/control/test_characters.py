"""`__admin/editors`: what it tells, what it changes, what it refuses, and what outlives a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.config import CONTROL_UI
from sandbox.control.app import Control
from sandbox.control.world.characters import first_switches
from sandbox.kernel.character import EVERYBODY, QUIRKS, Character, Delay, switches_of
from sandbox.kernel.flows import Flow
from sandbox.net.link import Line
from tests.actors.control.controls import make_control

AZUR = "/__admin/editors/agenda-azur"
PLAIN = {"slug": "agenda-azur", "name": "Agenda Azur", "quirks": {}, "latency": {}, "page_size": None}


def switches(control: Control) -> dict[str, str]:
    """As the roles have them."""
    return control.context.world.world.switches


async def test_quirks_are_switched_on_and_off_for_all_or_some(control: Control, admin: httpx.AsyncClient) -> None:
    assert (await admin.get(AZUR)).json() == PLAIN
    wanted = {"bad-phone": True, "no-offset": ["19800000028", "0339900015"], "busy-slots": False}
    answer = await admin.put(AZUR, json={"quirks": wanted})
    assert answer.status_code == 200
    expected = {"bad-phone": True, "no-offset": ["0339900015", "819800000028"]}
    assert answer.json() == {**PLAIN, "quirks": expected}
    assert switches(control) == {
        "editor:agenda-azur:quirk:bad-phone": "on",
        "editor:agenda-azur:quirk:no-offset": "0339900015,819800000028",
    }
    assert (await admin.put(AZUR, json={"quirks": answer.json()["quirks"]})).json() == answer.json()
    assert (await admin.put(AZUR, json={"quirks": {}})).json() == PLAIN
    assert switches(control) == {}


async def test_fields_that_are_not_sent_stay(control: Control, admin: httpx.AsyncClient) -> None:
    latency = {"INT_R01": {"median_ms": 120.0, "p95_ms": 600.0}, "UI": {"median_ms": 5.0, "p95_ms": 5.5}}
    await admin.put(AZUR, json={"latency": latency})
    await admin.put(AZUR, json={"page_size": 20})
    answer = await admin.put(AZUR, json={"quirks": {"bad-phone": True}})
    assert answer.json() == {**PLAIN, "quirks": {"bad-phone": True}, "latency": latency, "page_size": 20}
    assert switches(control)["editor:agenda-azur:latency:INT_R01"] == "120/600"
    assert (await admin.put(AZUR, json={"page_size": None, "latency": {}, "quirks": {}})).json() == PLAIN


async def test_association_may_be_named(control: Control, admin: httpx.AsyncClient) -> None:
    answer = await admin.put("/__admin/editors/garde-plus", json={"quirks": {"bad-phone": ["99900300000018"]}})
    assert answer.json()["quirks"] == {"bad-phone": ["399900300000018"]}


async def test_all_editors_are_listed_with_the_quirks_that_exist(admin: httpx.AsyncClient) -> None:
    listed = (await admin.get("/__admin/editors")).json()
    assert [each["slug"] for each in listed["editors"]] == [
        "agenda-azur",
        "rdv-commune",
        "garde-plus",
        "entraide-commune",
    ]
    assert listed["editors"][0] == PLAIN
    assert listed["known_quirks"] == dict(QUIRKS)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_unknown_editor_is_not_found(admin: httpx.AsyncClient, method: str) -> None:
    answer = await admin.request(method, "/__admin/editors/nobody", json={})
    assert answer.status_code == 404
    assert "agenda-azur, rdv-commune, garde-plus, entraide-commune" in answer.json()["title"]


@pytest.mark.parametrize(
    ("body", "status", "pointer", "what"),
    [
        ({"quirks": {"nonsense": True}}, 422, "quirks.nonsense", ", ".join(QUIRKS)),
        ({"quirks": {"nonsense": False}}, 422, "quirks.nonsense", "unknown quirk"),
        ({"quirks": {"bad-phone": ["819800000077"]}}, 422, "quirks.bad-phone", "819800000077"),
        ({"quirks": {"bad-phone": ["399900300000018"]}}, 422, "quirks.bad-phone", "399900300000018"),
        ({"quirks": {"bad-phone": ["nobody"]}}, 422, "quirks.bad-phone", "nobody"),
        ({"quirks": {"bad-phone": []}}, 400, "quirks.bad-phone", "false"),
        ({"quirks": {"bad-phone": "on"}}, 400, "quirks", "bool"),
        ({"latency": {"SOS": {"median_ms": 1, "p95_ms": 1}}}, 422, "latency.SOS", "SOS"),
        ({"latency": {"INT_R9": {"median_ms": 1, "p95_ms": 1}}}, 422, "latency.INT_R9", "INT_R01"),
        ({"latency": {"UI": {"median_ms": 2, "p95_ms": 1}}}, 422, "latency.UI", "median_ms <= p95_ms"),
        ({"latency": {"UI": {"median_ms": 2}}}, 400, "latency", "p95_ms"),
        ({"page_size": 0}, 422, "page_size", "1 to 1000"),
        ({"page_size": "20"}, 400, "page_size", "int"),
        ({"quirk": {}}, 400, None, "quirk"),
    ],
)
async def test_what_cannot_be_played_is_refused_with_what_and_where(
    control: Control, admin: httpx.AsyncClient, body: dict[str, Any], status: int, pointer: str | None, what: str
) -> None:
    before = control.plane.worlds.world
    answer = await admin.put(AZUR, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    (error,) = answer.json()["errors"]
    assert what in error["detail"]
    assert pointer is None or error["pointer"].startswith(pointer)
    assert control.plane.worlds.world is before


async def test_changes_at_the_same_time_are_all_kept(control: Control, admin: httpx.AsyncClient) -> None:
    fault = {"kind": "status", "target": "sas", "params": {"code": 503}}
    await asyncio.gather(
        admin.put(AZUR, json={"quirks": {"bad-phone": True}}),
        admin.put(AZUR, json={"page_size": 9}),
        admin.put("/__admin/editors/garde-plus", json={"quirks": {"no-offset": True}}),
        admin.post("/__admin/faults", json=fault),
        admin.post("/__admin/faults", json=fault),
    )
    assert set(switches(control)) == {
        "editor:agenda-azur:quirk:bad-phone",
        "editor:agenda-azur:page_size",
        "editor:garde-plus:quirk:no-offset",
    }
    assert len(control.context.world.world.faults) == 2


async def test_page_of_another_site_changes_nothing(control: Control, admin: httpx.AsyncClient) -> None:
    foreign = {"origin": "http://evil.example"}
    assert (await admin.put(AZUR, json={"page_size": 1}, headers=foreign)).status_code == 403
    assert (await admin.delete(AZUR, headers=foreign)).status_code == 403
    assert switches(control) == {}


async def test_change_names_the_roles_that_did_not_take_it(control: Control, admin: httpx.AsyncClient) -> None:
    control.switchboard.attach(Line("deaf", 1, lambda world: None))
    assert (await admin.put(AZUR, json={"quirks": {"bad-phone": True}})).status_code == 504


def odd_personas(control: Control) -> Character:
    """Agenda Azur as if its persona file gave it a character."""
    odd = Character({"no-offset": EVERYBODY}, {Flow.INT_R01: Delay(1, 2)}, 30)
    editors = control.context.population.editors
    editors["agenda-azur"] = replace(editors["agenda-azur"], character=odd)  # type: ignore[index]
    return odd


async def test_run_begins_as_the_personas_say_and_delete_goes_back_there(
    control: Control, admin: httpx.AsyncClient
) -> None:
    odd = odd_personas(control)
    assert first_switches(control.context.population) == switches_of("agenda-azur", odd)
    await admin.put(AZUR, json={"quirks": {"bad-phone": True}, "page_size": None})
    await admin.put("/__admin/editors/rdv-commune", json={"page_size": 7})
    answer = await admin.delete(AZUR)
    assert answer.status_code == 200
    assert answer.json()["quirks"] == {"no-offset": True}
    others = {"editor:rdv-commune:page_size": "7"}
    assert switches(control) == {**others, **switches_of("agenda-azur", odd)}


async def test_restarted_control_of_the_same_run_keeps_the_characters(tmp_path: Path) -> None:
    first = make_control(tmp_path)
    await first.start()
    async with httpx.AsyncClient(base_url=first.context.settings.http(CONTROL_UI)) as client:
        await client.put(AZUR, json={"quirks": {"bad-phone": True}})
    await first.stop()
    second = make_control(tmp_path)
    assert second.plane.worlds.world.switches == {"editor:agenda-azur:quirk:bad-phone": "on"}
    await second.start()
    await second.stop()


async def test_page_says_what_each_quirk_does(admin: httpx.AsyncClient) -> None:
    assert "Tous les éditeurs répondent comme le guide le demande" in (await admin.get("/")).text
    latency = {"INT_R01": {"median_ms": 120, "p95_ms": 600}}
    quirks = {"no-offset": True, "bad-phone": ["819800000028"]}
    await admin.put(AZUR, json={"quirks": quirks, "latency": latency, "page_size": 20})
    page = (await admin.get("/")).text
    assert 'data-character="agenda-azur"' in page
    assert 'data-character="rdv-commune"' not in page
    assert QUIRKS["no-offset"].replace("'", "&#39;") in page
    assert "seulement pour 819800000028" in page
    assert "INT_R01 : attend moins de 120 ms une fois sur deux, moins de 600 ms 95 fois sur 100" in page
    assert "Au plus 20 créneaux par page" in page
