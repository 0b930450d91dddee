"""What an LRM remembers of the messages it received and of what became of each; several contents in one; XML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from sandbox.edxl import build, xml
from sandbox.edxl.codes import XML
from sandbox.kernel.world import Fault, World
from sandbox.lrm.app import Lrm, LrmService
from sandbox.lrm.ledger.message_history import MessageHistory
from sandbox.lrm.ledger.records import Received
from sandbox.net.amqp.deliveries import Delivery
from sandbox.net.context import Context
from sandbox.store.embedded.tables import open_store
from tests.actors.lrm.test_consumer import ID, NOW, QUEUE, address, appointment, sent, update
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import SAMU, SAS

OTHER_ID = "3f0c6a52-0a61-4e6e-a62c-4a1f6f3f3f02"


@pytest.fixture
def hub(service: LrmService, hubs: dict[str, FakeHubPeer]) -> FakeHubPeer:
    return hubs[SAMU]


@pytest.fixture
def lrm(service: LrmService) -> Lrm:
    return service._lrms["samu330"]


def several(number: int, *contents: dict[str, Any]) -> bytes:
    """One message with an item for each content."""
    document = orjson.loads(sent(number))
    items = [orjson.loads(sent(number, content))["content"][0] for content in contents]
    return orjson.dumps({**document, "content": items})


def other_use_case(number: int) -> bytes:
    document = orjson.loads(sent(number))
    message = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    message["createCase"] = message.pop("appointment")
    return orjson.dumps(document)


def behave(context: Context, kind: str, **params: Any) -> None:
    faults = (Fault("f1", kind, f"lrm:{SAMU}", params=params),)
    context.world.apply(World(revision=context.world.world.revision + 1, faults=faults))


async def told(browser: httpx.AsyncClient) -> list[tuple[str, str, str, str]]:
    """(unique part of the distributionID, what, done, answer), oldest first."""
    rows = (await browser.get("/samu330/api/received")).json()["received"]
    return [
        (row["distributionID"].rpartition("_")[2], row["what"], row["done"], row.get("answer", ""))
        for row in reversed(rows)
    ]


@pytest.mark.requirement("L02-13")
async def test_each_message_is_kept_with_what_became_of_it(hub: FakeHubPeer, browser: httpx.AsyncClient) -> None:
    cancelled = update(status="cancelled")
    for body in (sent(1), sent(1), sent(2, update()), sent(3, cancelled), sent(4), other_use_case(5)):
        await hub.deliver(QUEUE, body)
    await hub.deliver(QUEUE, sent(6, update(appointmentId=OTHER_ID)))
    await hub.deliver(QUEUE, sent(7, appointment(status="gone")))
    await hub.deliver(QUEUE, b"{")
    assert await told(browser) == [
        ("1", "création", "orientation créée", "acquittement INTEGRE"),
        ("1", "création", "déjà reçu, rien de changé", "acquittement INTEGRE"),
        ("2", "mise à jour", "orientation mise à jour", "acquittement INTEGRE"),
        ("3", "annulation", "orientation mise à jour", "acquittement INTEGRE"),
        ("4", "création", "refusé", "erreur 409 CONFLICT"),
        ("5", "createCase", "refusé", "erreur 301 SCHEMA_NOT_FOUND"),
        ("6", "mise à jour", "orientation créée : elle était inconnue", "acquittement INTEGRE"),
        ("7", "illisible", "refusé", "erreur 300 INVALID_MESSAGE"),
        ("", "illisible", "refusé", ""),
    ]
    page = await browser.get("/samu330/messages")
    assert "Historique des messages reçus" in page.text
    assert page.text.count('<tr data-key="received-') == 9
    assert f'href="/samu330/orientations/{ID}"' in page.text
    first = (await browser.get("/samu330/api/received?limit=1")).json()["received"]
    assert [(row["number"], row["at"]) for row in first] == [(8, NOW.isoformat(timespec="seconds"))]


@pytest.mark.parametrize(
    ("kind", "params", "answer"),
    [
        ("ack-never", {}, ""),
        ("ack-by-hand", {}, "acquittement INTEGRE (retenu)"),
        ("ack-steps", {"steps": "RECU,INTEGRE"}, "acquittement RECU, INTEGRE"),
        ("ack-conflict", {}, "erreur 409 CONFLICT"),
    ],
)
async def test_what_it_answers_is_told_when_it_misbehaves_too(
    context: Context, hub: FakeHubPeer, browser: httpx.AsyncClient, kind: str, params: dict[str, Any], answer: str
) -> None:
    behave(context, kind, **params)
    await hub.deliver(QUEUE, sent(1))
    assert await told(browser) == [("1", "création", "orientation créée", answer)]


@pytest.mark.requirement("L02-13")
async def test_the_history_outlives_the_lrm_and_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.lrm.ledger.message_history.MOST_RECEIVED", 3)
    store = open_store(tmp_path / "history")
    history = MessageHistory(store)
    for number in range(5):
        row = Received(history.next_number(), NOW.isoformat(), SAS, f"{SAS}_{number}", "création", "orientation créée")
        await store.commit(history.add_received(row))
    await store.close()
    store = open_store(tmp_path / "history")
    kept = [row.distribution_id for row in MessageHistory(store).received(10)]
    await store.close()
    assert kept == [f"{SAS}_4", f"{SAS}_3", f"{SAS}_2"]


async def test_each_appointment_of_a_message_is_taken_and_the_message_acknowledged_once(
    lrm: Lrm, hub: FakeHubPeer, browser: httpx.AsyncClient
) -> None:
    await hub.deliver(QUEUE, several(1, appointment(), appointment(appointmentId=OTHER_ID)))
    (answer,) = await hub.messages(1)
    assert answer.reference is not None
    assert answer.reference["distributionID"] == f"{SAS}_1"
    assert lrm.ledger.orientations.get(ID) is not None
    assert lrm.ledger.orientations.get(OTHER_ID) is not None
    assert await told(browser) == [("1", "création", "orientation créée, orientation créée", "acquittement INTEGRE")]


async def test_of_several_appointments_those_that_conflict_are_refused_and_the_others_kept(
    lrm: Lrm, hub: FakeHubPeer
) -> None:
    await hub.deliver(QUEUE, sent(1))
    await hub.deliver(QUEUE, several(2, appointment(), appointment(appointmentId=OTHER_ID)))
    answer = (await hub.messages(2))[1]
    assert answer.error is not None
    assert answer.error["errorCode"]["statusCode"] == 409
    assert ID in answer.error["errorCause"]
    assert lrm.ledger.orientations.get(OTHER_ID) is not None
    assert lrm.store.get("orientations", OTHER_ID) is not None


async def test_an_appointment_that_stands_twice_in_a_message_makes_it_invalid(lrm: Lrm, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, several(1, appointment(), update()))
    (answer,) = await hub.messages(1)
    assert answer.error is not None
    assert answer.error["errorCode"]["statusCode"] == 300
    assert lrm.ledger.orientations.get(ID) is None


@pytest.mark.requirement("L02-14")
async def test_what_comes_as_xml_is_read_as_xml(lrm: Lrm, hub: FakeHubPeer) -> None:
    def delivery(queue: str, body: bytes) -> Delivery:
        return Delivery(queue, xml.write(orjson.loads(body)), {"x-death-original-routing-key": SAS}, False, XML)

    await hub.handlers[QUEUE](delivery(QUEUE, sent(1)))
    (answer,) = await hub.messages(1)
    assert answer.reference is not None
    orientation = lrm.ledger.orientations.get(ID)
    assert orientation is not None
    assert orientation.appointment == appointment()
    await hub.handlers[QUEUE](Delivery(QUEUE, b"<a>", {"x-death-original-routing-key": SAS}, False, XML))
    refusal = (await hub.messages(2))[1]
    assert refusal.error is not None
    assert refusal.error["errorCode"]["statusCode"] == 102
    info = f"{SAMU}.info"
    await hub.handlers[info](delivery(info, build.ack(address(9), f"{SAMU}_1")))
    assert lrm.ledger.history.notices()[0].text == f"acquittement de {SAMU}_1"
