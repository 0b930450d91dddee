"""The LRM's pages and JSON, over a real listener on loopback: list, open, attach, history."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from sandbox.config import LRM_UI, Settings
from sandbox.kernel.errors import StoreLocked
from sandbox.lrm import app as module
from sandbox.lrm.app import LrmService
from sandbox.lrm.ledger.ledger import Ledger
from sandbox.net.context import Context
from tests.actors.lrm.test_consumer import ID, QUEUE, appointment, sent, update
from tests.support.contexts import make_context
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import SAMU, SAS, exchanges


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
    browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]
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
    browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]
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
    browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]
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


async def test_json_tells_what_arrived_and_where_it_is(
    browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]
) -> None:
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


async def test_messages_of_the_hub_are_shown(browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]) -> None:
    await hubs[SAMU].deliver(f"{SAMU}.info", b"<script>")
    page = await browser.get("/samu330/messages")
    assert "invalide" in page.text
    assert "Rien n'est arrivé" in (await browser.get("/samu350/messages")).text


async def attached(browser: httpx.AsyncClient, hub: FakeHubPeer, key: str = ID) -> str:
    """An orientation in a case file; gives the number of the case file."""
    await hub.deliver(QUEUE, sent(1, appointment(appointmentId=key)))
    number = await open_case(browser)
    csrf = token(await browser.get("/samu330/"))
    await browser.post(f"/samu330/orientations/{key}/attach", data={"csrf": csrf, "case_file": number})
    return number


async def test_an_orientation_is_detached_again_and_waits(
    browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]
) -> None:
    number = await attached(browser, hubs[SAMU])
    page = await browser.get(f"/samu330/dossiers/{number}")
    assert "Détacher" in page.text
    url, data = f"/samu330/dossiers/{number}/detacher", {"csrf": token(page), "orientation": ID}
    for _ in range(2):
        assert (await browser.post(url, data=data)).status_code == 303
    page = await browser.get(f"/samu330/dossiers/{number}")
    assert page.text.count("Orientation détachée : réservé") == 1
    assert "Aucune orientation rattachée." in page.text
    assert (await browser.get("/samu330/api/orientations?attached=false")).json()["unattached"] == 1
    assert (await browser.post(url, data={**data, "orientation": "x"})).status_code == 404
    assert (await browser.post(url.replace(number, "x"), data=data)).status_code == 404


async def test_the_search_opens_the_sas_platform_with_what_the_case_file_knows(browser: httpx.AsyncClient) -> None:
    number = await open_case(browser)
    page = await browser.get(f"/samu330/dossiers/{number}")
    answer = await browser.post(f"/samu330/dossiers/{number}/rechercher", data={"csrf": token(page)})
    assert answer.status_code == 303
    link = urlsplit(answer.headers["location"])
    assert link.path == "/sas/recherche"
    query = dict(parse_qsl(link.query))
    assert (query["origin"], query["inseecode"], query["city"]) == ("urn:oid:1", "33063", "Bordeaux")
    assert query["specialty"].startswith("urn:oid:1.2.250.1.71.4.2.5|SM")
    (file,) = (await browser.get("/samu330/api/case-files")).json()["caseFiles"]
    assert file["call"]["line"] == f"{query['streetnumber']} {query['streetname']}"
    assert file["call"]["family"] not in link.query
    assert file["searched"]
    assert "Recherche d&#39;une offre de soins" in (await browser.get(f"/samu330/dossiers/{number}")).text
    answer = await browser.post("/samu330/dossiers/x/rechercher", data={"csrf": token(page)})
    assert answer.status_code == 404


async def test_the_need_is_changed_and_goes_with_the_next_search(browser: httpx.AsyncClient) -> None:
    number = await open_case(browser)
    csrf = token(await browser.get(f"/samu330/dossiers/{number}"))
    url = f"/samu330/dossiers/{number}"
    wanted = {"csrf": csrf, "specialty": "SM40", "doctor": "  Dr   Marchal "}
    assert (await browser.post(f"{url}/besoin", data=wanted)).status_code == 303
    answer = await browser.post(f"{url}/rechercher", data={"csrf": csrf})
    query = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert (query["specialty"], query["practitioner"]) == ("urn:oid:1.2.250.1.71.4.2.5|SM40", "Dr Marchal")
    assert (await browser.post(f"{url}/besoin", data={**wanted, "specialty": "SM99"})).status_code == 422
    assert (await browser.post("/samu330/dossiers/x/besoin", data=wanted)).status_code == 404


async def test_the_likely_case_file_is_suggested_with_its_reasons(
    browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]
) -> None:
    csrf = token(await browser.get("/samu330/"))
    answer = await browser.post("/samu330/dossiers", data={"csrf": csrf, "operator": "luc@example.org"})
    number = answer.headers["location"].rpartition("/")[2]
    await hubs[SAMU].deliver(QUEUE, sent(1))
    for path in ("/", f"/orientations/{ID}", f"/dossiers/{number}"):
        page = (await browser.get(f"/samu330{path}")).text
        assert f'data-suggestion="{number}"' in page, path
        assert "même régulateur (Luc Dorval), appel reçu moins d&#39;une minute avant" in page, path
        assert "même territoire (Territoire 33)" in page, path
    assert 'value="luc@example.org" selected' in (await browser.get("/samu330/")).text
    assert "Dossier ouvert par Luc Dorval" in (await browser.get(f"/samu330/dossiers/{number}")).text


async def test_a_regulator_whom_an_orientation_named_may_be_on_duty(
    browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = {"regulatorName": "Nouveau", "regulatorFirstname": "Zoé", "regulatorEmail": "zoe@example.org"}
    await hubs[SAMU].deliver(QUEUE, sent(1, appointment(regulator=new)))
    await hubs[SAMU].deliver(QUEUE, sent(2, appointment(appointmentId="other", regulator=new)))
    page = await browser.get("/samu330/")
    assert page.text.count('<option value="zoe@example.org"') == 1
    assert page.text.count('<option value="luc@example.org"') == 1
    await browser.post("/samu330/dossiers", data={"csrf": token(page), "operator": "zoe@example.org"})
    assert "même régulateur (Zoé Nouveau)" in (await browser.get("/samu330/orientations/other")).text
    monkeypatch.setattr("sandbox.lrm.ledger.orientations.MOST_REGULATORS", 1)
    await hubs[SAMU].deliver(QUEUE, sent(3, appointment(appointmentId="third")))
    assert "zoe@example.org" not in (await browser.get("/samu330/")).text


async def test_case_files_and_orientations_are_found_by_their_words(
    browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]
) -> None:
    number, other = await attached(browser, hubs[SAMU]), await open_case(browser)
    found = (await browser.get("/samu330/dossiers", params={"q": f"BORDEAUX {number}"})).text
    assert number in found
    assert other not in found
    assert "Aucun dossier ne contient ces mots" in (await browser.get("/samu330/dossiers?q=zzz")).text
    assert "Inès Marchal" in (await browser.get("/samu330/orientations", params={"q": "marchal dorval"})).text
    assert "ne contient ces mots" in (await browser.get("/samu330/orientations?q=zzz")).text


async def test_the_day_is_drawn_by_category_and_status(
    browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]
) -> None:
    assert "Aucune orientation reçue aujourd'hui" in (await browser.get("/samu330/")).text
    for number, (category, status) in enumerate([("PS", "booked"), ("PS", "booked"), ("SOS", "noshow")]):
        content = appointment(appointmentId=f"id-{number}", orientationCategory=category, status=status)
        await hubs[SAMU].deliver(QUEUE, sent(number, content))
    page = (await browser.get("/samu330/")).text
    assert 'data-total="3"' in page
    assert "Professionnel de santé, réservé : 2" in page
    assert "SOS Médecins, non honoré : 1" in page
    await hubs[SAMU].deliver(QUEUE, sent(9, update(appointmentId="id-0", orientationCategory="PS", status="cancelled")))
    page = (await browser.get("/samu330/")).text
    assert 'data-total="3"' in page
    assert "Professionnel de santé, annulé : 1" in page


@pytest.mark.parametrize("path", ["suivi", "messages/suivi", "dossiers/{number}/suivi"])
async def test_pages_follow_what_happens(browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer], path: str) -> None:
    number = await open_case(browser)
    async with asyncio.timeout(10), browser.stream("GET", f"/samu330/{path.format(number=number)}") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        assert "event: contenu" in [await anext(lines) for _ in range(3)]
        await hubs[SAMU].deliver(QUEUE, sent(1))
        await hubs[SAMU].deliver(f"{SAMU}.info", b"?")
        async for line in lines:
            if "Marchal" in line or "invalide" in line:
                break


async def test_an_unknown_case_file_is_not_followed(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/samu330/dossiers/x/suivi")).status_code == 404


async def test_no_patient_reaches_the_journal(
    browser: httpx.AsyncClient, context: Context, hubs: dict[str, FakeHubPeer]
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


async def test_health_tells_what_waits(service: LrmService, hubs: dict[str, FakeHubPeer]) -> None:
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


async def test_a_store_in_use_stops_the_start_and_leaves_none_open(
    context: Context, hubs: dict[str, FakeHubPeer]
) -> None:
    blocked = module.open_store(context.store_dir("lrm/fr.health.samu350"))
    service = LrmService(context)
    with pytest.raises(StoreLocked):
        await service.start()
    await service.stop()
    await blocked.close()
    await module.open_store(context.store_dir(f"lrm/{SAMU}")).close()
    context.sockets[LRM_UI].close()


async def test_case_files_are_bounded(browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.lrm.ledger.case_files.MOST_CASE_FILES", 1)
    await open_case(browser)
    csrf = token(await browser.get("/samu330/"))
    assert (await browser.post("/samu330/dossiers", data={"csrf": csrf})).status_code == 422


async def test_what_was_attached_stays_so_after_a_restart(
    context: Context, browser: httpx.AsyncClient, service: LrmService, hubs: dict[str, FakeHubPeer]
) -> None:
    await hubs[SAMU].deliver(QUEUE, sent(1))
    number = await open_case(browser)
    csrf = token(await browser.get("/samu330/"))
    await browser.post(f"/samu330/orientations/{ID}/attach", data={"csrf": csrf, "case_file": number})
    await service.stop()
    store = module.open_store(context.store_dir(f"lrm/{SAMU}"))
    ledger = Ledger(store, SAMU)
    assert ledger.counts() == {"orientations": 1, "unattached": 0, "caseFiles": 1}
    assert ledger.case_files.next_number() == 2
    await store.close()


async def test_an_appointment_id_may_be_any_text(browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]) -> None:
    name = "a/b c?é&"
    await hubs[SAMU].deliver(QUEUE, sent(1, appointment(appointmentId=name)))
    page = await browser.get("/samu330/")
    (link,) = re.findall(r'href="(/samu330/orientations/[^"]+)"', page.text)
    assert (await browser.get(link)).status_code == 200
    assert (await browser.get(f"/samu330/api{link.removeprefix('/samu330')}")).json()["appointmentId"] == name
    number = await open_case(browser)
    answer = await browser.post(f"{link}/attach", data={"csrf": token(page), "case_file": number})
    assert answer.status_code == 303


async def test_callers_name_doctors_whose_agenda_an_editor_holds(tmp_path: Path, hubs: dict[str, FakeHubPeer]) -> None:
    context = make_context(Settings(data_dir=str(tmp_path)), sockets={LRM_UI: socket.create_server(("127.0.0.1", 0))})
    service = module.build(context)
    await service.start()
    host, port = context.sockets[LRM_UI].getsockname()
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client:
        for _ in range(30):
            await open_case(client)
        files = (await client.get("/samu330/api/case-files")).json()["caseFiles"]
    await service.stop()
    named = {file["call"]["doctor"] for file in files if file["call"]["doctor"]}
    assert len(named) > 2
    assert all(context.population.practitioner(id).editor for id in named)
