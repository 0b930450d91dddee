"""The hub's monitor: its page, its stream, the steps of a message, faults by button, metrics of the real dispatcher."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.config import CONTROL_UI, ROLES
from sandbox.control.app import Control
from sandbox.control.console.durations import duration
from sandbox.control.console.rates import HEIGHT, draw
from sandbox.edxl.provocations import PROVOCATIONS
from sandbox.hub.counters import DispatchCounters
from sandbox.kernel.hub.counts import BOUNDS_S, OUTCOMES, STEPS
from sandbox.kernel.hub.report import KEY, ConnectionState, HubReport, QueueState, RefusalState, plain
from sandbox.kernel.journal import Exchange
from sandbox.net.link import Line, Report
from sandbox.partners import ExternalLrm
from tests.actors.control.controls import WALL, make_control, obedient

SAMU, SPARE = "fr.health.samu330", "fr.health.samu998"


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Control]:
    made = make_control(tmp_path)
    for role in ROLES:
        obedient(made, role)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def browser(control: Control) -> AsyncIterator[httpx.AsyncClient]:
    base = control.context.settings.http(CONTROL_UI)
    async with httpx.AsyncClient(base_url=base, follow_redirects=True) as client:
        yield client


def counted() -> DispatchCounters:
    counters = DispatchCounters(lambda: 0.0)
    for outcome in ("routed", "routed", "refused"):
        counters.count(outcome)
    counters.count_error("INVALID_MESSAGE", SAMU, "/")
    counters.count_error("INVALID_MESSAGE", "unknown", "/")
    counters.count_time(0.0001)
    counters.count_time(99.0)
    return counters


def tell(control: Control, report: HubReport | None = None, exchanges: list[Exchange] | None = None) -> None:
    line: Line = control.switchboard.lines["hub"]
    health: dict[str, object] = {} if report is None else {KEY: plain(report), "routed": 2}
    control.switchboard.heard(line, Report(True, health, exchanges or [], 0))


def busy() -> HubReport:
    return HubReport(
        counts=counted().counts(),
        queues=(QueueState("/", f"{SAMU}.message", 3, 1, 0, WALL - 3725), QueueState("/", f"{SAMU}.ack", 0, 0, 1)),
        connections=(ConnectionState(SAMU, "/", "pika", "1.4.4", "lrm", "127.0.0.1:5", WALL, 3),),
    )


def seen(ref: str, status: int = 0, about: str = "", **more: Any) -> Exchange:
    values = {"actor": "hub", "direction": "in", "action": f"{SPARE} → {SAMU}", **more}
    return Exchange(at=WALL, flow="INT_L02", status=status, ref=ref, about=about, **values)


async def post(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    page = (await browser.get("/hub")).text
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token is not None
    return await browser.post(path, data={"csrf": token[1], **fields})


async def test_the_page_shows_queues_connections_and_library_versions(
    control: Control, browser: httpx.AsyncClient
) -> None:
    tell(control, busy())
    page = (await browser.get("/hub")).text
    assert f"{SAMU}.message" in page
    assert "1 h 02 min" in page
    assert "pika 1.4.4" in page
    assert "1 file vide, lue" in page
    assert "3 messages traités" in page
    assert page.count('class="rate-') == 2
    assert {each.name for each in PROVOCATIONS} == set(re.findall(r'name="cause" value="([^"]+)"', page))
    told = (await browser.get("/__admin/hub")).json()
    assert told["counts"]["messages"] == 3
    assert "monitor" not in (await browser.get("/__admin/health")).json()["roles"]["hub"]


async def test_without_a_hub_the_page_says_so(browser: httpx.AsyncClient) -> None:
    assert "ne répond pas à la tour de contrôle" in (await browser.get("/hub")).text
    assert (await browser.get("/__admin/hub")).status_code == 503


async def test_what_rabbitmq_does_not_tell_is_said(tmp_path: Path) -> None:
    control = make_control(tmp_path, hub_broker="amqp://127.0.0.1:9")
    for role in ROLES:
        obedient(control, role)
    await control.start()
    tell(
        control,
        HubReport(counts=counted().counts(), queues=(QueueState("/", f"{SAMU}.ack", 2, None, 0),), trouble="lost"),
    )
    async with httpx.AsyncClient(base_url=control.context.settings.http(CONTROL_UI)) as browser:
        page = (await browser.get("/hub")).text
    await control.stop()
    assert "RabbitMQ ne dit pas à un client AMQP qui est connecté" in page
    assert page.count("inconnu</td>") == 2
    assert "lost" in page
    assert 'value="restart"' not in page
    assert 'value="delay"' in page


async def test_the_stream_carries_the_present_state(control: Control, browser: httpx.AsyncClient) -> None:
    tell(control, busy(), [seen("m-1")])
    async with browser.stream("GET", "/hub/direct") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines: list[str] = []
        async for line in stream.aiter_lines():
            lines.append(line)
            if "m-1" in line:
                break
    assert "event: contenu" in lines


async def test_the_way_of_an_appointments_messages_with_what_answers_them(
    control: Control, browser: httpx.AsyncClient
) -> None:
    tell(
        control,
        exchanges=[
            seen("other", about="another appointment"),
            seen("m-1", actor="sas", direction="out", action="publish hubsante"),
            seen("m-1", about="appointment-1", note=f"{SAMU}.message", fault="f-1"),
            seen("m-1", actor=f"lrm:{SAMU}", action=f"consume {SAMU}.message"),
            seen("a-1", about="m-1", note=f"{SPARE}.ack"),
            seen("m-2", 300, about="appointment-1", note="Issues found"),
            seen("e-2", 500, about="m-2"),
            seen("m-3", about="appointment-1"),
            seen("m-3", 9999),
        ],
    )
    page = (await browser.get("/hub/message", params={"id": " appointment-1 "})).text
    steps = re.findall(r'data-step="([^"]+)"', page)
    assert steps == ["sas", "hub", f"lrm:{SAMU}", "hub", "hub", "hub", "hub", "hub"]
    for words in ("Publié", "Message distribué", "Reçu et acquitté", "Acquittement final distribué", "panne f-1"):
        assert words in page
    assert "300 INVALID_MESSAGE" in page
    assert "Mort en file" in page
    assert "other" not in re.sub(r"<[^>]*>", "", page.split("<tbody>")[1])
    assert "n'a rien sur" in (await browser.get("/hub/message?id=nothing")).text
    assert "n'a rien sur" not in (await browser.get("/hub/message")).text


async def test_common_faults_start_and_stop_by_button(control: Control, browser: httpx.AsyncClient) -> None:
    tell(control, busy())
    page = await post(browser, "/hub/pannes", panne="refuse", client=SAMU)
    assert "La panne est en place." in page.text
    (fault,) = control.plane.worlds.world.faults
    assert (fault.kind, fault.target, fault.count) == ("refuse", "hub", 1)
    assert fault.params == {"code": 300, "client": SAMU}
    assert f"/hub/pannes/{fault.id}/arreter" in page.text
    assert "La panne est levée." in (await post(browser, f"/hub/pannes/{fault.id}/arreter")).text
    assert control.plane.worlds.world.faults == ()
    await post(browser, "/hub/pannes", panne="pause", client=SAMU)
    assert control.plane.worlds.world.faults[0].params == {}
    assert (await post(browser, "/hub/pannes", panne="nonsense", client="")).status_code == 422


async def test_forms_of_other_pages_are_refused(control: Control, browser: httpx.AsyncClient) -> None:
    for path in ("/hub/pannes", "/hub/pannes/x/arreter", "/hub/provoquer", "/hub/essai"):
        assert (await browser.post(path, data={"panne": "pause"})).status_code == 403
    assert control.plane.worlds.world.faults == ()


async def test_what_is_not_in_the_catalogue_is_refused(control: Control, browser: httpx.AsyncClient) -> None:
    assert (await post(browser, "/hub/provoquer", cause="nonsense")).status_code == 404
    assert (await post(browser, "/hub/essai", to="nobody", case="create")).status_code == 422
    assert (await post(browser, "/hub/essai", to=SAMU, case="nonsense")).status_code == 422


async def test_a_hub_that_is_away_is_said(control: Control, browser: httpx.AsyncClient) -> None:
    answer = await post(browser, "/hub/provoquer", cause="text")
    assert answer.status_code == 503
    assert "Le hub ne répond pas" in answer.text


async def test_without_a_spare_client_nothing_is_sent(tmp_path: Path) -> None:
    control = make_control(tmp_path, spare_clients=())
    for role in ROLES:
        obedient(control, role)
    await control.start()
    base = control.context.settings.http(CONTROL_UI)
    async with httpx.AsyncClient(base_url=base, follow_redirects=True) as browser:
        assert "Il faut un client libre" in (await browser.get("/hub")).text
        assert (await post(browser, "/hub/provoquer", cause="text")).status_code == 409
    await control.stop()


async def test_metrics_have_the_names_of_the_real_dispatcher(control: Control, browser: httpx.AsyncClient) -> None:
    await browser.post("/__admin/hub/clients", json={"id": "fr.health.samu750", "software": 'Régul "X"\n'})
    counters = counted()
    counters.count_error("UNROUTABLE_MESSAGE", "fr.health.samu750", "15-15_v2.0")
    tell(control, HubReport(counts=counters.counts()))
    lines = (await browser.get("/metrics")).text.splitlines()
    assert "dispatch_message_total 3.0" in lines
    family = "dispatch_error_total{editor="
    assert f'{family}"sas-sandbox",reason="INVALID_MESSAGE",sender="{SAMU}",vhost="/"}} 1.0' in lines
    assert f'{family}"unknown",reason="INVALID_MESSAGE",sender="unknown",vhost="/"}} 1.0' in lines
    editor = 'Régul \\"X\\"\\n'
    assert (
        f'{family}"{editor}",reason="UNROUTABLE_MESSAGE",sender="fr.health.samu750",vhost="15-15_v2.0"}} 1.0' in lines
    )
    assert "# TYPE overall_dispatch_time_seconds histogram" in lines
    assert f'overall_dispatch_time_seconds_bucket{{le="{BOUNDS_S[0]}"}} 1.0' in lines
    assert 'overall_dispatch_time_seconds_bucket{le="+Inf"} 2.0' in lines
    assert "overall_dispatch_time_seconds_count 2.0" in lines


async def test_a_vendors_lrm_has_its_softwares_name(tmp_path: Path) -> None:
    vendor = ExternalLrm("fr.health.samu750", software="Régul'Essai")
    control = make_control(tmp_path, external_lrms=(vendor,))
    assert control.plane.hub_clients.software()["fr.health.samu750"] == "Régul'Essai"
    assert control.plane.hub_clients.software()[SPARE] == "sas-sandbox"
    await control.stop()


def test_rates_are_drawn_as_stacked_bars() -> None:
    rates = {outcome: [0] * STEPS for outcome in OUTCOMES}
    rates["routed"][-1], rates["refused"][-1], rates["dead"][0] = 30, 10, 20
    drawing = draw(rates)
    dead, routed, refused = drawing.bars
    assert (dead.outcome, dead.height, dead.y) == ("dead", HEIGHT / 2, HEIGHT / 2)
    assert (routed.height + refused.height, refused.y) == (HEIGHT, 0)
    assert drawing.highest == 8.0
    assert drawing.totals == {"routed": 30, "refused": 10, "dead": 20}
    assert draw({outcome: [0] * STEPS for outcome in OUTCOMES}).bars == ()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (200, "3 min 20 s"), (18_120, "5 h 02 min"), (183_600, "2 j 3 h")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


async def test_whom_the_broker_threw_out_is_shown_and_counted(control: Control, browser: httpx.AsyncClient) -> None:
    text = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 5000 ms."
    refusals = (RefusalState(SAMU, 406, 2, text, WALL), RefusalState("", 403, 1, "ACCESS_REFUSED - …", WALL))
    closed = seen("", 406, action="channel.close", direction="out", note=text)
    tell(control, HubReport(counts=counted().counts(), refusals=refusals), [closed])
    page = (await browser.get("/hub")).text
    assert "Canaux et connexions fermés par le hub" in page
    assert page.count(text) == 1, "in its table, not among the messages"
    lines = (await browser.get("/metrics")).text.splitlines()
    assert f'sas_sandbox_hub_closed_total{{client="{SAMU}",code="406"}} 2.0' in lines
    told = (await browser.get("/__admin/exchanges?actor=hub")).json()["exchanges"]
    assert [(each["action"], each["status"]) for each in told] == [("channel.close", 406)]


async def test_role_whose_disk_refuses_is_not_ready_and_says_why(control: Control, browser: httpx.AsyncClient) -> None:
    line: Line = control.switchboard.lines["hub"]

    async def told(disk: str) -> dict[str, Any]:
        control.switchboard.heard(line, Report(True, {"disk": disk}, [], 0))
        found: dict[str, Any] = (await browser.get("/__admin/health")).json()["roles"]["hub"]
        return found

    assert (await told("ok"))["ready"] is True
    refused = await told("No space left on device")
    assert (refused["ready"], refused["disk"]) == (False, "No space left on device")
    assert "No space left on device" in (await browser.get("/")).text
    assert (await told("ok"))["ready"] is True
