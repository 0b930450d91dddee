"""The page of the faults: a form for each kind, what it starts, what it refuses, how a fault is ended."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from sandbox.config import CONTROL_UI
from sandbox.control.app import Control
from sandbox.faults.kinds import kinds_at
from tests.actors.control.controls import attended


async def post(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', (await browser.get("/pannes")).text)
    assert found is not None
    return await browser.post(path, data={"csrf": found[1], **fields})


async def test_each_kind_of_a_port_or_of_the_hub_has_a_form(admin: httpx.AsyncClient) -> None:
    page = (await admin.get("/pannes")).text
    kinds = {**kinds_at("edge"), **kinds_at("hub")}
    assert re.findall(r'data-kind="([a-z-]+)"', page) == [*kinds]
    for name, kind in kinds.items():
        for parameter in kind.texts():
            assert f'id="p-{name}-{parameter}"' in page
    assert page.count('<option value="">toutes</option>') == sum("message" in kind.filters for kind in kinds.values())


async def test_a_form_starts_a_fault_and_a_button_ends_it(control: Control, admin: httpx.AsyncClient) -> None:
    fields = {"kind": "latency", "target": "editor:agenda-azur", "flow": "INT_R01", "percent": "12,5", "count": "4"}
    answer = await post(admin, "/pannes", **fields, ms="100,5", jitter_ms="")
    assert (answer.status_code, answer.headers["location"]) == (303, "/pannes")
    (fault,) = control.plane.worlds.world.faults
    assert (fault.kind, fault.target, fault.flow) == ("latency", "editor:agenda-azur", "INT_R01")
    assert (fault.probability, fault.count, fault.params) == (0.125, 4, {"ms": 100.5})
    page = (await admin.get("/pannes")).text
    for text in ('data-fault="latency"', "La réponse arrive plus tard.", "ms 100.5", "12,5 %, 4 fois"):
        assert text in page
    assert (await post(admin, f"/pannes/{fault.id}/arreter")).status_code == 303
    assert control.plane.worlds.world.faults == ()


async def test_what_cannot_be_used_is_explained(control: Control, admin: httpx.AsyncClient) -> None:
    answer = await post(admin, "/pannes", kind="latency", target="sas", ms="vite")
    assert (answer.status_code, "« vite » n&#39;est pas un nombre" in answer.text) == (422, True)
    assert (await post(admin, "/pannes", kind="latency", target="sas")).status_code == 400
    assert (await post(admin, "/pannes", kind="earthquake", target="sas")).status_code == 422
    assert (await admin.post("/pannes", data={"kind": "drop", "target": "hub"})).status_code == 403
    assert control.plane.worlds.world.faults == ()


async def test_the_pages_lead_to_each_other(admin: httpx.AsyncClient) -> None:
    for path in ("/", "/hub", "/pannes"):
        page = (await admin.get(path)).text
        assert re.findall(r'<li><a href="([^"]+)" aria-current="page">', page) == [path]
        assert all(f'<li><a href="{other}"' in page for other in ("/", "/hub", "/pannes"))


@pytest.mark.parametrize("kind", ["disconnect", "restart"])
async def test_what_only_the_embedded_broker_can_do_is_not_offered_for_a_rabbitmq(tmp_path: Path, kind: str) -> None:
    control = attended(tmp_path, hub_broker="amqp://127.0.0.1:9")
    await control.start()
    async with httpx.AsyncClient(base_url=control.context.settings.http(CONTROL_UI)) as browser:
        assert f'data-kind="{kind}"' not in (await browser.get("/pannes")).text
        answer = await post(browser, "/pannes", kind=kind, target="hub", who="x")
    await control.stop()
    assert (answer.status_code, "needs the embedded broker" in answer.text) == (422, True)
