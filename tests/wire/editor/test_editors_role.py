"""The role `editors` on real sockets, over mutual TLS: who comes in, and INT_R03 with the editor's own certificate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox.config import EDITORS_FHIR, EDITORS_UI, SAS_FHIR, Settings
from sandbox.editor.app import Editors, build
from sandbox.fhir.practitioner import RegulatorAccount, render_regulator
from sandbox.fhir.queries.search import slot_query
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import StoreLocked
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.kernel.patients import check_patient, typed
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient
from sandbox.net.http.server import Listener
from sandbox.net.tls import Peer, client_context, server_context
from sandbox.pki.authority import Pki, ensure_pki
from sandbox.pki.subjects import Subject, editor_subject, sas_subject
from sandbox.population.load import load_population
from sandbox.population.people import Population
from tests.support.appointments import parse_appointment
from tests.support.contexts import bound_sockets, make_context
from tests.support.raw_http import line

REGULATOR = RegulatorAccount(
    (Identifier(SYSTEM_PERSON, "3456780581/11242343", "IDNPS"),), True, "FONTANEL", ("Claire",), "claire@samu33.example"
)


@pytest.fixture(scope="module")
def population() -> Population:
    return load_population(Settings(preset="minimal"))


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory, population: Population) -> Pki:
    clients = {slug: editor_subject(editor) for slug, editor in population.editors.items()}
    wrong_ou = Subject(sas_subject().cn, "300000000000000", "Autre")
    clients |= {"sas": sas_subject(), "wrong-ou": wrong_ou}
    now = Clock(time.time).now()
    directory = tmp_path_factory.mktemp("pki")
    return ensure_pki(directory, hosts=("127.0.0.1",), clients=clients, now=now, bad_like=sas_subject())


@pytest.fixture
def context(tmp_path: Path, population: Population, pki: Pki) -> Iterator[Context]:
    with bound_sockets(EDITORS_UI, EDITORS_FHIR, SAS_FHIR) as sockets:
        yield make_context(
            # INT_R03 goes to the port base + 44: that of the socket where the test plays the SAS core.
            Settings(data_dir=str(tmp_path), port_base=sockets[SAS_FHIR].getsockname()[1] - SAS_FHIR),
            entropy=seeded("wire"),
            population=population,
            sockets=sockets,
            pki=pki,
        )


@pytest.fixture
async def editors(context: Context) -> AsyncIterator[Editors]:
    service = build(context)
    await service.start()
    yield service
    await service.stop()


def url(context: Context, path: str) -> str:
    return f"https://127.0.0.1:{context.sockets[EDITORS_FHIR].getsockname()[1]}{path}"


@pytest.mark.requirement("R01-1", "R01-2", "R01-3", "TLS-3", "TLS-4", "TLS-7")
@pytest.mark.parametrize(
    ("identity", "status", "called"),
    [
        ("sas", 200, "sas"),
        ("agenda-azur", 403, "agenda-azur.bac-a-sable.invalid"),
        ("wrong-ou", 403, sas_subject().cn),
        (None, 403, "127.0.0.1"),
    ],
)
async def test_only_the_certificate_of_the_sas_core_comes_in(
    context: Context, editors: Editors, identity: str | None, status: int, called: str
):
    client = HttpClient(context, "test", identity)
    reply = await client.request(
        "GET", url(context, "/agenda-azur/fhir/metadata"), callee=Callee("agenda-azur", "INT_R01")
    )
    await client.close()
    assert reply.status == status
    kind = "CapabilityStatement" if status == 200 else "OperationOutcome"
    assert msgspec.json.decode(reply.body)["resourceType"] == kind
    served = next(exchange for exchange in context.journal.take() if exchange.direction == "in")
    assert (served.actor, served.status, served.peer) == ("editor:agenda-azur", status, called)


@pytest.mark.parametrize(
    ("request_line", "more", "status"),
    [
        ("GET /agenda-azur/fhir/Slot?{query}", "Host: a", 200),
        ("HEAD /agenda-azur/fhir/Slot?{query}", "Host: a", 200),
        ("HEAD /agenda-azur/fhir/metadata", "Host: a", 200),
        ("GET /agenda-azur/fhir/Slot?{query}", "X: no host", 400),
        ("GET /agenda-azur/fhir/Slot?{query}", "Host: a\r\nHost: b", 400),
        ("GET /agenda-azur/fhir/Slot?{query}", "Host: a\r\nExpect: 200-ok", 417),
        ("GET /agenda-azur/fhir/Slot?{query}", "Host: a\r\nContent-Encoding: gzip", 415),
        ("GET /agenda-azur/fhir/Nothing", "Host: a", 404),
        ("DELETE /agenda-azur/fhir/Slot", "Host: a", 405),
        ("PUT /agenda-azur/fhir/metadata", "Host: a", 405),
        ("GET /nobody/fhir/Slot", "Host: a", 404),
        ("BREW /agenda-azur/fhir/Slot", "Host: a", 501),
    ],
)
async def test_what_http_refuses_is_refused_of_what_is_ready_at_once_too(
    context: Context, editors: Editors, pki: Pki, request_line: str, more: str, status: int
):
    azur = context.population.of_editor("agenda-azur")[0]
    now = context.clock.now()
    target = request_line.format(query=slot_query([azur.id], now, now + timedelta(days=3), cpts=False))
    async with line(context.sockets[EDITORS_FHIR].getsockname(), client_context(pki, "sas")) as caller:
        await caller.say(f"{target} HTTP/1.1\r\n{more}\r\n\r\n".encode())
        heard = await caller.hear(bodiless=target.startswith("HEAD"))
    assert heard.status == status
    assert int(heard.headers["content-length"]) > 0
    if status != 200:
        assert heard.json()["resourceType"] == "OperationOutcome"
    (served,) = context.journal.take()
    assert (served.actor, served.status, served.peer) == (
        "editor:" if "nobody" in target else "editor:agenda-azur",
        status,
        "sas",
    )


@pytest.mark.parametrize(
    ("headers", "extra", "status"),
    [
        ({}, "", 200),
        ({"accept": "application/fhir+json"}, "", 200),
        ({"accept": "text/html"}, "", 406),
        ({"prefer": "handling=lenient"}, "&unknown=1", 200),
        ({}, "&unknown=1", 400),
        ({}, "&_format=json", 200),
    ],
)
async def test_a_search_is_answered_at_once_or_explained(
    context: Context, editors: Editors, headers: dict[str, str], extra: str, status: int
):
    azur = context.population.of_editor("agenda-azur")[0]
    now = context.clock.now()
    query = slot_query([azur.id], now, now + timedelta(days=3), cpts=False) + extra
    client = HttpClient(context, "test", "sas")
    target = url(context, f"/agenda-azur/fhir/Slot?{query}")
    reply = await client.request("GET", target, callee=Callee("agenda-azur", "INT_R01"), headers=headers)
    await client.close()
    assert reply.status == status
    kind = "Bundle" if status == 200 else "OperationOutcome"
    assert msgspec.json.decode(reply.body)["resourceType"] == kind
    (served,) = (exchange for exchange in context.journal.take() if exchange.direction == "in")
    assert (served.action, served.status, served.size) == ("GET /agenda-azur/fhir/Slot", status, len(reply.body))


async def test_an_account_made_over_the_wire_counts_in_the_health(context: Context, editors: Editors):
    client = HttpClient(context, "test", "sas")
    reply = await client.request(
        "POST",
        url(context, "/agenda-azur/fhir/Practitioner"),
        callee=Callee("agenda-azur", "INT_R02"),
        headers={"content-type": "application/fhir+json"},
        body=render_regulator(REGULATOR),
    )
    await client.close()
    assert reply.status == 201
    health = editors.health()
    assert (health["editors"], health["accounts"], health["appointments"]) == (4, 1, 0)


async def test_pages_are_served_without_a_certificate(context: Context, editors: Editors):
    port = context.sockets[EDITORS_UI].getsockname()[1]
    client = HttpClient(context, "test", None)
    reply = await client.request("GET", f"http://127.0.0.1:{port}/agenda-azur/connexion", callee=Callee("x", "UI"))
    await client.close()
    assert reply.status == 200
    assert "Mot de passe" in reply.body.decode()


async def test_int_r03_goes_out_with_the_editors_own_certificate(context: Context, editors: Editors, pki: Pki):
    arrived: asyncio.Queue[tuple[Peer | None, str, bytes]] = asyncio.Queue()

    async def sas_core(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        arrived.put_nowait((scope["peer"], scope["method"], body))
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    tls = server_context(pki, client_certificate="required")
    listener = Listener(sas_core, context.sockets[SAS_FHIR], tls=tls)
    await listener.start()
    running = editors.editors["agenda-azur"]
    record = await running.accounts.post(REGULATOR)
    now = context.clock.now()
    person = context.population.practitioner("819800000010")
    assert person is not None
    slots = running.fhir.agenda.free(person.places[0].id, now, now + timedelta(days=10), now)
    slot = next(slot for slot in slots if not slot.walkin)
    values = typed({"family": "Z", "given": "Z", "birth_date": "1980-01-31", "phone": "0612345678"})
    patient, _ = check_patient(values, now.date())
    assert patient is not None
    booking = await running.ledger.book(record, slot, patient)
    async with asyncio.timeout(5):
        peer, method, body = await arrived.get()
    await listener.stop()
    subject = editor_subject(running.editor)
    assert peer is not None
    assert (peer.cn, peer.ou, method) == (subject.cn, subject.ou, "POST")
    assert parse_appointment(body).identifier.value == booking.id


async def test_a_second_role_on_the_same_data_is_refused(context: Context, editors: Editors):
    other = build(context)
    with pytest.raises(StoreLocked):
        await other.start()
    assert other.health()["editors"] == 0
