"""The LRM's pages and JSON, over a real listener on loopback: list, open, attach, history."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.config import LRM_UI
from sandbox.kernel.errors import StoreLocked
from sandbox.lrm import app as module
from sandbox.lrm.app import LrmService, build
from sandbox.lrm.ledger import Ledger
from sandbox.net.context import Context
from tests.actors.lrm.test_consumer import ID, QUEUE, appointment, sent, update
from tests.actors.sas_l02.hub_peer import SAMU, SAS, HubPeer, exchanges, make_context


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch) -> dict[str, HubPeer]:
    """The hub as each LRM sees it, by client id."""
    made: dict[str, HubPeer] = {}

    def client(context: Context, actor: str, client_id: str) -> HubPeer:
        return made.setdefault(client_id, HubPeer())

    monkeypatch.setattr("sandbox.lrm.consumer.AmqpClient", client)
    return made


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, {LRM_UI: socket.create_server(("127.0.0.1", 0))})


@pytest.fixture
async def service(context: Context, hubs: dict[str, HubPeer]) -> AsyncIterator[LrmService]:
    made = build(context)
    assert isinstance(made, LrmService)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def browser(context: Context, service: LrmService) -> AsyncIterator[httpx.AsyncClient]:
    host, port = context.sockets[LRM_UI].getsockname()
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client:
        yield client


def token(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found[1]


async def open_case(browser: httpx.AsyncClient) -> str:
    """Open a case file as a regulator does; gives its number."""
    csrf = token(await browser.get("/samu330/"))
    answer = await browser.post("/samu330/dossiers", data={"csrf": csrf})
    assert answer.status_code == 303
    return answer.headers["location"].rpartition("/")[2]


async def test_the_index_lists_one_lrm_per_territory(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/")
    assert page.status_code == 200
    assert re.findall(r'href="(/samu\d+/)"', page.text) == ["/samu330/", "/samu350/"]


async def test_orientations_to_attach_are_listed_with_their_business_data(
    browser: httpx.AsyncClient, hubs: dict[str, HubPeer]
) -> None:
    content = appointment(
        orientationCategory="CPTS", organization={"organizationId": "1330000001", "name": "CPTS <Rives>"}
    )
    await hubs[SAMU].deliver(QUEUE, sent(1, content))
    page = await browser.get("/samu330/")
    assert page.status_code == 200
    for text in (
        "dimanche 22 novembre 2026 à 14:00",
        "réservé",
        "Inès Marchal",
        "CPTS &lt;Rives&gt;",
        "Luc Dorval",
        "EXERCICE",
    ):
        assert text in page.text
    assert "content-security-policy" in page.headers
    assert "Inès" not in (await browser.get("/samu350/")).text


async def test_an_orientation_is_attached_in_two_clicks_and_updates_flow_into_the_case_file(
    browser: httpx.AsyncClient, hubs: dict[str, HubPeer]
) -> None:
    await hubs[SAMU].deliver(QUEUE, sent(1))
    number = await open_case(browser)
    page = await browser.get(f"/samu330/dossiers/{number}")
    assert f'action="/samu330/orientations/{ID}/attach"' in page.text
    answer = await browser.post(f"/samu330/orientations/{ID}/attach", data={"csrf": token(page), "case_file": number})
    assert answer.headers["location"] == f"/samu330/dossiers/{number}"
    await hubs[SAMU].deliver(QUEUE, sent(2, update(status="noshow")))
    page = await browser.get(f"/samu330/dossiers/{number}")
    assert "Rendez-vous mis à jour par la plateforme : non honoré" in page.text
    assert "Aucune orientation n'attend" in page.text
    detail = await browser.get(f"/samu330/orientations/{ID}")
    assert "mise à jour (non honoré)" in detail.text
    assert number in detail.text
    assert number in (await browser.get("/samu330/dossiers")).text


async def test_attaching_twice_is_harmless_and_to_another_file_a_conflict(
    browser: httpx.AsyncClient, hubs: dict[str, HubPeer]
) -> None:
    await hubs[SAMU].deliver(QUEUE, sent(1))
    first, second = await open_case(browser), await open_case(browser)
    assert first != second
    csrf = token(await browser.get("/samu330/"))
    url = f"/samu330/orientations/{ID}/attach"
    statuses = [
        (await browser.post(url, data={"csrf": csrf, "case_file": number})).status_code
        for number in (first, first, second)
    ]
    assert statuses == [303, 303, 409]


@pytest.mark.parametrize(
    ("data", "status"), [({}, 415), ({"case_file": "1"}, 403), ({"csrf": "x", "case_file": "1"}, 403)]
)
async def test_a_form_from_elsewhere_is_refused(browser: httpx.AsyncClient, data: dict[str, str], status: int) -> None:
    for path in ("dossiers", f"orientations/{ID}/attach"):
        assert (await browser.post(f"/samu330/{path}", data=data)).status_code == status


async def test_unknown_things_are_404_pages(browser: httpx.AsyncClient) -> None:
    csrf = token(await browser.get("/samu330/"))
    for path in ("/samu330/dossiers/x", "/samu330/orientations/x", "/samu330/nothing", "/samu000/"):
        page = await browser.get(path)
        assert page.status_code == 404
        assert "<html" in page.text
    answer = await browser.post("/samu330/orientations/x/attach", data={"csrf": csrf, "case_file": "SAMU330-00001"})
    assert answer.status_code == 404


async def test_json_tells_what_arrived_and_where_it_is(browser: httpx.AsyncClient, hubs: dict[str, HubPeer]) -> None:
    for number in range(3):
        await hubs[SAMU].deliver(QUEUE, sent(number, appointment(appointmentId=f"id-{number}")))
    case_file = await open_case(browser)
    csrf = token(await browser.get("/samu330/"))
    await browser.post("/samu330/orientations/id-1/attach", data={"csrf": csrf, "case_file": case_file})
    found = (await browser.get("/samu330/api/orientations")).json()
    assert (found["count"], found["unattached"]) == (3, 2)
    assert [one["appointmentId"] for one in found["orientations"]] == ["id-2", "id-1", "id-0"]
    for query, ids in (("attached=false", ["id-2", "id-0"]), ("attached=true", ["id-1"]), ("limit=1", ["id-2"])):
        found = (await browser.get(f"/samu330/api/orientations?{query}")).json()
        assert [one["appointmentId"] for one in found["orientations"]] == ids
    one = (await browser.get("/samu330/api/orientations/id-1")).json()
    assert one["caseFile"] == case_file
    assert one["distributionIDs"] == [f"{SAS}_1"]
    assert one["appointment"]["status"] == "booked"
    assert (await browser.get("/samu330/api/orientations/x")).status_code == 404
    (file,) = (await browser.get("/samu330/api/case-files")).json()["caseFiles"]
    assert file["number"] == case_file
    assert file["orientations"] == ["id-1"]
    assert file["call"]["city"] == "Bordeaux"


async def test_messages_of_the_hub_are_shown(browser: httpx.AsyncClient, hubs: dict[str, HubPeer]) -> None:
    await hubs[SAMU].deliver(f"{SAMU}.info", b"<script>")
    page = await browser.get("/samu330/messages")
    assert "invalide" in page.text
    assert "Rien n'est arrivé" in (await browser.get("/samu350/messages")).text


async def test_no_patient_reaches_the_journal(
    browser: httpx.AsyncClient, context: Context, hubs: dict[str, HubPeer]
) -> None:
    await hubs[SAMU].deliver(QUEUE, sent(1))
    number = await open_case(browser)
    call = (await browser.get("/samu330/api/case-files")).json()["caseFiles"][0]["call"]
    await browser.get(f"/samu330/dossiers/{number}")
    journal = exchanges(context)
    assert {("UI", f"lrm:{SAMU}"), ("API", f"lrm:{SAMU}"), ("INT_L02", f"lrm:{SAMU}")} <= {
        (exchange.flow, exchange.actor) for exchange in journal
    }
    for exchange in journal:
        assert call["family"] not in repr(exchange)
        assert call["line"] not in repr(exchange)


async def test_health_tells_what_waits(service: LrmService, hubs: dict[str, HubPeer]) -> None:
    hub = hubs[SAMU]
    hub.gate.clear()
    await hub.deliver(QUEUE, sent(1))
    await hub.messages(1)
    health = service.health()[SAMU]
    hub.gate.set()
    assert health == {
        "connected": True,
        "answers_waiting": 1,
        "hits": {},
        "orientations": 1,
        "unattached": 1,
        "caseFiles": 0,
    }


async def test_a_store_in_use_stops_the_start_and_leaves_none_open(context: Context, hubs: dict[str, HubPeer]) -> None:
    blocked = module.open_store(context.store_dir("lrm/fr.health.samu350"))
    service = LrmService(context)
    with pytest.raises(StoreLocked):
        await service.start()
    await service.stop()
    await blocked.close()
    await module.open_store(context.store_dir(f"lrm/{SAMU}")).close()
    context.sockets[LRM_UI].close()


async def test_case_files_are_bounded(browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.lrm.ledger.MOST_CASE_FILES", 1)
    await open_case(browser)
    csrf = token(await browser.get("/samu330/"))
    assert (await browser.post("/samu330/dossiers", data={"csrf": csrf})).status_code == 422


async def test_what_was_attached_stays_so_after_a_restart(
    context: Context, browser: httpx.AsyncClient, service: LrmService, hubs: dict[str, HubPeer]
) -> None:
    await hubs[SAMU].deliver(QUEUE, sent(1))
    number = await open_case(browser)
    csrf = token(await browser.get("/samu330/"))
    await browser.post(f"/samu330/orientations/{ID}/attach", data={"csrf": csrf, "case_file": number})
    await service.stop()
    store = module.open_store(context.store_dir(f"lrm/{SAMU}"))
    ledger = Ledger(store, SAMU)
    assert ledger.counts() == {"orientations": 1, "unattached": 0, "caseFiles": 1}
    assert ledger.next_number() == 2
    await store.close()


async def test_an_appointment_id_may_be_any_text(browser: httpx.AsyncClient, hubs: dict[str, HubPeer]) -> None:
    name = "a/b c?é&"
    await hubs[SAMU].deliver(QUEUE, sent(1, appointment(appointmentId=name)))
    page = await browser.get("/samu330/")
    (link,) = re.findall(r'href="(/samu330/orientations/[^"]+)"', page.text)
    assert (await browser.get(link)).status_code == 200
    assert (await browser.get(f"/samu330/api{link.removeprefix('/samu330')}")).json()["appointmentId"] == name
    number = await open_case(browser)
    answer = await browser.post(f"{link}/attach", data={"csrf": token(page), "case_file": number})
    assert answer.status_code == 303
