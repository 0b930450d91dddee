"""The admin API as its callers see it: changes are durable, pushed, answered; bad ones are explained."""

from __future__ import annotations

from pathlib import Path

import httpx
import orjson
import pytest

from sandbox.config import CONTROL_UI
from sandbox.control.app import Control
from sandbox.kernel.journal import Exchange
from sandbox.net.link import Line, Report
from tests.actors.control.controls import attended, make_control


async def test_health_says_which_roles_are_missing(control: Control, admin: httpx.AsyncClient) -> None:
    assert (await admin.get("/__admin/health")).json()["ready"] is True
    control.switchboard.detach(control.switchboard.lines["hub"])
    answer = await admin.get("/__admin/health")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["hub"])


async def test_endpoints_are_written_once_all_are_ready_and_removed_at_the_stop(tmp_path: Path) -> None:
    control = attended(tmp_path)
    await control.start()
    await control.announce()
    file = tmp_path / "endpoints.json"
    document = orjson.loads(file.read_bytes())
    assert set(document) >= {
        "version",
        "seed",
        "now",
        "sas",
        "editors",
        "psc",
        "hub",
        "lrms",
        "control",
        "tls",
        "examples",
    }
    assert document["hub"]["password"]
    assert file.stat().st_mode & 0o777 == 0o600
    await control.stop()
    assert not file.exists()


async def test_the_clock_can_be_moved_stopped_and_released(control: Control, admin: httpx.AsyncClient) -> None:
    moved = await admin.put("/__admin/clock", json={"as_of": "2026-03-29T01:30:00", "freeze": True})
    assert moved.json()["now"] == "2026-03-29T01:30:00.000+01:00"
    assert control.context.clock.setting.frozen is not None
    assert (await admin.put("/__admin/clock", json={})).json() == {
        "now": control.context.clock.now().isoformat(timespec="milliseconds"),
        "offset": 0.0,
        "frozen": False,
    }
    stopped = await admin.put("/__admin/clock", json={"freeze": True})
    assert stopped.json()["frozen"] is True


async def test_a_fault_lives_from_post_to_delete_and_is_pushed_to_the_roles(
    control: Control, admin: httpx.AsyncClient
) -> None:
    wanted = {"kind": "latency", "target": "editor:agenda-azur", "flow": "INT_R01", "params": {"ms": 50}}
    made = await admin.post("/__admin/faults", json=wanted)
    assert made.status_code == 201
    assert [fault.id for fault in control.context.world.world.faults] == [made.json()["id"]]
    assert (await admin.get("/__admin/faults")).json()["faults"][0]["params"] == {"ms": 50}
    assert (await admin.delete(f"/__admin/faults/{made.json()['id']}")).status_code == 204
    assert control.context.world.world.faults == ()
    assert (await admin.delete("/__admin/faults/nope")).status_code == 404
    assert (await admin.delete("/__admin/faults")).status_code == 204


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"kind": "latency", "target": "nobody", "params": {"ms": 1}}, 422, "target"),
        ({"kind": "gremlin", "target": "sas"}, 422, "kind"),
        ({"kind": "latency", "target": "sas", "params": {"ms": -1}}, (400, 422), "ms"),
        ({"target": "sas"}, 400, None),
        ({"kind": 3, "target": "sas"}, 400, "kind"),
    ],
)
async def test_a_bad_fault_is_refused_with_what_and_where(
    admin: httpx.AsyncClient, body: dict[str, object], status: int | tuple[int, ...], where: str | None
) -> None:
    answer = await admin.post("/__admin/faults", json=body)
    assert answer.status_code in (status if isinstance(status, tuple) else (status,))
    assert answer.headers["content-type"].startswith("application/problem+json")
    error = answer.json()["errors"][0]
    assert error["detail"]
    assert where is None or where in (error["pointer"] or "")


async def test_what_is_no_json_or_another_sites_page_is_refused(admin: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    assert (await admin.put("/__admin/clock", content=b"{", headers=headers)).status_code == 400
    assert (await admin.put("/__admin/clock", content=b"{}")).status_code == 415
    assert (await admin.put("/__admin/clock", content=b" " * 70_000, headers=headers)).status_code == 413
    foreign = {"origin": "http://evil.example"}
    assert (await admin.put("/__admin/clock", json={}, headers=foreign)).status_code == 403
    assert (await admin.delete("/__admin/faults", headers=foreign)).status_code == 403
    assert (await admin.put("/__admin/clock", json={"as_of": "demain"})).json()["errors"][0]["pointer"] == "as_of"
    for year in ("0001", "1999", "2099", "9999"):
        refused = await admin.put("/__admin/clock", json={"as_of": f"{year}-06-01T10:00:00"})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "as_of")
    assert (await admin.get("/__admin/nothing")).json()["status"] == 404
    assert "<html" in (await admin.get("/nothing")).text
    assert (await admin.get("/__admin/exchanges?since=x")).status_code == 400


@pytest.mark.parametrize("text", ["²", "٣", "-1", "1e400", "1_0", "", "9" * 16])
@pytest.mark.parametrize("name", ["since", "most"])
async def test_what_is_no_number_is_400_with_its_name(admin: httpx.AsyncClient, name: str, text: str) -> None:
    answer = await admin.get("/__admin/exchanges", params={name: text})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == name


@pytest.mark.parametrize("number", ["1e400", "9" * 40, "-1", "0", "1.5", "1000000001"])
async def test_a_count_that_cannot_be_is_refused(control: Control, admin: httpx.AsyncClient, number: str) -> None:
    headers = {"content-type": "application/json"}
    fault = f'"kind": "ack-never", "count": {number}'
    rules = f'{{"rules": [{{{fault}}}]}}'
    for method, path, body in (
        ("POST", "/__admin/faults", f'{{{fault}, "target": "lrm:fr.health.samu330"}}'),
        ("PUT", "/__admin/lrms/fr.health.samu330/behaviour", rules),
    ):
        answer = await admin.request(method, path, content=body, headers=headers)
        assert answer.status_code in (400, 422), path
        assert "count" in answer.text
    assert control.plane.worlds.world.faults == ()


async def test_a_parameter_however_large_is_refused_with_its_name(admin: httpx.AsyncClient) -> None:
    body = f'{{"kind": "latency", "target": "sas", "params": {{"ms": {"9" * 400}}}}}'
    answer = await admin.post("/__admin/faults", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert "ms" in (answer.json()["errors"][0]["pointer"] or answer.text)


async def test_a_change_names_the_roles_that_did_not_take_it(control: Control, admin: httpx.AsyncClient) -> None:
    control.switchboard.attach(Line("deaf", 1, lambda world: None))
    answer = await admin.put("/__admin/clock", json={"freeze": True})
    assert answer.status_code == 504
    assert "deaf" in answer.json()["title"]


async def test_a_restarted_control_of_the_same_run_knows_its_world(tmp_path: Path) -> None:
    first = make_control(tmp_path)
    await first.start()
    await first.plane.worlds.change(switches={"a": "b"})
    await first.stop()
    second = make_control(tmp_path)
    assert second.plane.worlds.world.switches == {"a": "b"}
    await second.start()
    await second.stop()
    third = make_control(tmp_path, run_id="r2")
    assert third.plane.worlds.world.switches == {}
    await third.start()
    await third.stop()


async def test_exchanges_are_read_with_a_cursor_and_filters(control: Control, admin: httpx.AsyncClient) -> None:
    def exchange(number: int, flow: str) -> Exchange:
        return Exchange(at=1.0, actor="sas", flow=flow, direction="in", action=f"GET /{number}", ref=str(number))

    line = control.switchboard.lines["sas"]
    batch = [exchange(number, "UI" if number % 2 else "API") for number in range(10)]
    control.switchboard.heard(line, Report(True, {}, batch, 0))
    start = (await admin.get("/__admin/exchanges?most=4")).json()
    found = [item for item in start["exchanges"] if item["action"] != "x"]
    assert len(found) == 4
    rest = (await admin.get("/__admin/exchanges", params={"since": start["next"], "flow": "UI"})).json()
    assert [item["ref"] for item in rest["exchanges"] if item["ref"].isdigit()] == ["5", "7", "9"]
    assert (await admin.get("/__admin/exchanges?ref=3")).json()["exchanges"][0]["action"] == "GET /3"
    assert (await admin.get("/__admin/exchanges?actor=hub")).json()["exchanges"] == []


async def test_metrics_count_exchanges_by_actor_flow_and_status(control: Control, admin: httpx.AsyncClient) -> None:
    line = control.switchboard.lines["sas"]
    once = Exchange(at=1.0, actor="sas", flow="INT_R01", direction="out", action="GET", status=200)
    control.switchboard.heard(line, Report(True, {}, [once, once], 0))
    text = (await admin.get("/metrics")).text
    assert 'sas_sandbox_exchanges_total{actor="sas",direction="out",flow="INT_R01",status="200"} 2' in text
    assert 'sas_sandbox_role_ready{role="sas"} 1' in text


async def test_the_page_shows_roles_and_carries_a_strict_policy(admin: httpx.AsyncClient) -> None:
    page = await admin.get("/")
    assert "Tour de contrôle" in page.text
    assert "BAC À SABLE" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("kind", ["disconnect", "restart"])
async def test_a_rabbitmq_of_ones_own_is_not_disturbed(tmp_path: Path, kind: str) -> None:
    control = make_control(tmp_path, hub_broker="amqp://127.0.0.1:9")
    await control.start()
    base = control.context.settings.http(CONTROL_UI)
    async with httpx.AsyncClient(base_url=base) as client:
        answer = await client.post("/__admin/faults", json={"kind": kind, "target": "hub", "params": {"who": "x"}})
    await control.stop()
    assert answer.status_code == 422
    assert "needs the embedded broker" in answer.json()["title"]
