"""`__admin/lrms/<client>/behaviour` and its page: what they tell, what they change, what they refuse."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.control.app import Control
from sandbox.faults.kinds import kinds_at
from sandbox.net.link import Report
from sandbox.partners import ExternalLrm
from tests.actors.control.controls import attended

SAMU, EXTERNAL = "fr.health.samu330", "fr.health.samu350"
URL, PAGE = f"/__admin/lrms/{SAMU}/behaviour", f"/lrms/{SAMU}"


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Control]:
    made = attended(tmp_path, external_lrms=(ExternalLrm(EXTERNAL),))
    await made.start()
    yield made
    await made.stop()


def rules(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(rule["kind"], rule["probability"], rule["count"], rule["params"]) for rule in document["rules"]]


async def test_rules_replace_each_other_and_are_faults_of_the_world(control: Control, admin: httpx.AsyncClient) -> None:
    nothing = (await admin.get(URL)).json()
    assert (nothing["client_id"], nothing["rules"]) == (SAMU, [])
    assert list(nothing["kinds"]) == [*kinds_at("lrm")]
    latency = {"kind": "latency", "target": f"lrm:{SAMU}", "params": {"ms": 1}}
    assert (await admin.post("/__admin/faults", json=latency)).status_code == 201
    wanted = [{"kind": "ack-refused", "params": {"code": 300}, "count": 3}, {"kind": "ack-twice", "probability": 0.5}]
    answer = await admin.put(URL, json={"rules": wanted})
    assert rules(answer.json()) == [("ack-refused", 1.0, 3, {"code": 300}), ("ack-twice", 0.5, None, {})]
    kinds = [fault.kind for fault in control.context.world.world.faults]
    assert kinds == ["latency", "ack-refused", "ack-twice"]
    assert rules((await admin.put(URL, json={"rules": [{"kind": "ack-never"}]})).json()) == [
        ("ack-never", 1.0, None, {})
    ]
    assert (await admin.delete(URL)).json()["rules"] == []
    assert [fault.kind for fault in control.context.world.world.faults] == ["latency"]


async def test_hits_come_with_the_health_of_the_lrms(control: Control, admin: httpx.AsyncClient) -> None:
    (rule,) = (await admin.put(URL, json={"rules": [{"kind": "ack-never"}]})).json()["rules"]
    line = control.switchboard.lines["lrm"]
    control.switchboard.heard(line, Report(True, {SAMU: {"hits": {rule["id"]: 7}}}, [], 0))
    assert [each["hits"] for each in (await admin.get(URL)).json()["rules"]] == [7]
    assert ">7<" in (await admin.get(PAGE)).text


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({"kind": "latency", "params": {"ms": 1}}, 422),
        ({"kind": "ack-refused"}, 400),
        ({"kind": "ack-never", "probability": 0}, 422),
        ({"kind": "ack-never", "colour": "red"}, 400),
    ],
)
async def test_what_cannot_be_used_changes_nothing(
    control: Control, admin: httpx.AsyncClient, rule: dict[str, Any], status: int
) -> None:
    await admin.put(URL, json={"rules": [{"kind": "ack-twice"}]})
    answer = await admin.put(URL, json={"rules": [{"kind": "ack-never"}, rule]})
    assert answer.status_code == status
    assert [fault.kind for fault in control.context.world.world.faults] == ["ack-twice"]


async def test_there_is_room_for_so_many_rules(admin: httpx.AsyncClient) -> None:
    answer = await admin.put(URL, json={"rules": [{"kind": "ack-never"}] * 201})
    assert (answer.status_code, "at most 200" in answer.json()["title"]) == (422, True)


@pytest.mark.parametrize("client_id", ["fr.health.nobody", EXTERNAL])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_lrm_that_is_not_ours_has_no_behaviour(admin: httpx.AsyncClient, client_id: str, method: str) -> None:
    answer = await admin.request(method, f"/__admin/lrms/{client_id}/behaviour", json={"rules": []})
    assert answer.status_code == 404
    assert SAMU in answer.json()["title"]


async def test_a_foreign_page_may_change_nothing(admin: httpx.AsyncClient) -> None:
    headers = {"Origin": "http://elsewhere.invalid"}
    assert (await admin.put(URL, json={"rules": []}, headers=headers)).status_code == 403
    assert (await admin.delete(URL, headers=headers)).status_code == 403


async def post(admin: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', (await admin.get(PAGE)).text)
    assert found is not None
    return await admin.post(path, data={"csrf": found[1], **fields})


async def test_people_add_and_take_away_rules_on_the_page(admin: httpx.AsyncClient) -> None:
    assert "fait tout comme le guide le demande" in (await admin.get(PAGE)).text
    fields = {"kind": "ack-refused", "message": "cancel", "percent": "12,5", "count": "4", "code": "702", "ack": "1"}
    answer = await post(admin, f"{PAGE}/regles", **fields, cause=" trop tard ", when="before", steps="", median_ms="9")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    params = {"code": 702, "cause": "trop tard", "ack": True, "message": "cancel"}
    (rule,) = (await admin.get(URL)).json()["rules"]
    assert rules({"rules": [rule]}) == [("ack-refused", 0.125, 4, params)]
    page = (await admin.get(PAGE)).text
    for text in ('data-rule="ack-refused"', "annulations", "12.5 %, 4 fois", "trop tard"):
        assert text in page
    answer = await post(admin, f"{PAGE}/regles/{rule['id']}/retirer")
    assert answer.status_code == 303
    assert (await admin.get(URL)).json()["rules"] == []


async def test_a_rule_that_cannot_be_is_explained_on_the_page(admin: httpx.AsyncClient) -> None:
    answer = await post(admin, f"{PAGE}/regles", kind="ack-delay", median_ms="vite", p95_ms="10")
    assert answer.status_code == 422
    assert "« vite » n&#39;est pas un nombre" in answer.text
    assert (await post(admin, f"{PAGE}/regles", kind="")).status_code == 422
    for count in ("1e400", "²", "nan", "1.5", "-1", "9" * 40):
        answer = await post(admin, f"{PAGE}/regles", kind="ack-never", count=count)
        assert answer.status_code == 422, count
    for percent in ("1e400", "nan", "²", "0", "101"):
        answer = await post(admin, f"{PAGE}/regles", kind="ack-never", percent=percent)
        assert answer.status_code == 422, percent
    assert (await admin.post(f"{PAGE}/regles", data={"kind": "ack-never"})).status_code == 403


async def test_the_control_page_leads_to_the_lrms_that_are_ours(control: Control, admin: httpx.AsyncClient) -> None:
    page = (await admin.get("/")).text
    assert f'href="{PAGE}"' in page
    assert f"/lrms/{EXTERNAL}" not in page
    assert f"lrm:{EXTERNAL}" not in control.plane.targets()
    listed = (await admin.get("/__admin/endpoints")).json()["lrms"]
    assert [lrm["client_id"] for lrm in listed if lrm["external"]] == [EXTERNAL]
