"""Requests to the communities of an editor over its FHIR port (flow PDM): taken, refused, withdrawn, told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from sandbox.editor.communities.requests import State, Step
from sandbox.editor.fhir.identify import identify_fhir
from sandbox.faults.communities import Behaviour, with_behaviour
from sandbox.fhir.appointment import receive_appointment
from sandbox.fhir.service_request import CareRequest, parse_request, render_request
from sandbox.kernel.calls import resend_switch
from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.net.context import Context
from tests.actors.editor.conftest import NOW
from tests.support.editors.running_editor import NATIONAL, LocalEditor, opened

SLUG, SYSTEM, MEMBER = "entraide-commune", "urn:oid:1.2.250.1.999.4", "819800000077"
ASKED = CareRequest(
    identifier=Identifier(SYSTEM, "b6e39355-8a61-4556-b340-36f7b95fec6a"),
    need="Fièvre depuis trois jours",
    start=NOW,
    end=NOW + timedelta(minutes=30),
    authored=NOW,
    requester=NATIONAL,
    community="cpts-rive-gauche",
    name="Entraide CPTS Rive Gauche",
    town="33063",
    town_name="Bordeaux",
)
QUERY = f"?identifier={SYSTEM}|{ASKED.identifier.value}"
FHIR = {"content-type": "application/fhir+json"}


@pytest.fixture
async def editor(context: Context) -> AsyncIterator[LocalEditor]:
    by_hand = with_behaviour({}, ASKED.community, Behaviour(answer="by-hand"))  # type: ignore[arg-type]
    context.world.apply(msgspec.structs.replace(context.world.world, switches=by_hand))
    async with opened(context, SLUG) as made:
        yield made


async def call(editor: LocalEditor, method: str, query: str = "", **changes: Any) -> httpx.Response:
    body = render_request(replace(ASKED, **changes))
    return await editor.call(method, f"/ServiceRequest{query}", content=body, headers=FHIR)


async def test_a_request_is_taken_once(editor: LocalEditor) -> None:
    first, again = await call(editor, "POST"), await call(editor, "POST")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["location"] == again.headers["location"]
    assert first.content == b""
    read = await editor.call("GET", "/ServiceRequest/" + first.headers["location"].rpartition("/")[2])
    assert parse_request(read.content) == ASKED
    assert read.headers["etag"] == first.headers["etag"]
    other = await call(editor, "POST", need="Autre chose")
    assert (other.status_code, len(editor.running.requests)) == (409, 1)
    ((method, url, body),) = await editor.sas.reached(1)
    assert (method, url.rpartition("/")[2]) == ("POST", "Appointment")
    got = receive_appointment(body)
    assert (got.findings, got.appointment.status, got.appointment.marketplace) == ((), AppointmentStatus.PENDING, True)
    assert got.appointment.identifier == ASKED.identifier
    assert got.appointment.operator == NATIONAL


async def test_the_answer_carries_the_resource_when_it_is_asked_for(editor: LocalEditor) -> None:
    preferring = {**FHIR, "prefer": "return=representation"}
    answer = await editor.call("POST", "/ServiceRequest", content=render_request(ASKED), headers=preferring)
    assert parse_request(answer.content) == ASKED


async def test_a_withdrawal_ends_it_once(editor: LocalEditor) -> None:
    await call(editor, "POST")
    for _ in range(2):
        assert (await call(editor, "PUT", QUERY, revoked=True)).status_code == 200
    found = editor.running.requests.get(ASKED.identifier.value)
    assert found is not None
    assert found.state is State.WITHDRAWN
    calls = await editor.sas.reached(2)
    assert [method for method, _, _ in calls] == ["POST", "PUT"]
    assert receive_appointment(calls[1][2]).appointment.status is AppointmentStatus.CANCELLED
    with pytest.raises(RequestError):
        await editor.running.requests.act(found, Step.ACCEPT, MEMBER)


@pytest.mark.parametrize(
    ("method", "query", "changes", "status", "where"),
    [
        ("POST", "", {"community": "nobody"}, 422, "ServiceRequest.performer[0].identifier.value"),
        ("POST", "", {"identifier": Identifier("urn:x", "1")}, 422, "ServiceRequest.identifier[0].system"),
        ("POST", "", {"revoked": True}, 422, "ServiceRequest.status"),
        ("PUT", QUERY, {}, 422, "ServiceRequest.status"),
        ("PUT", QUERY, {"revoked": True}, 404, "ServiceRequest.identifier"),
        ("PUT", "?identifier=other", {"revoked": True}, 422, "ServiceRequest.identifier[0]"),
        ("PUT", "", {"revoked": True}, 400, "http.identifier"),
    ],
)
async def test_what_is_refused_and_where(
    editor: LocalEditor, method: str, query: str, changes: dict[str, Any], status: int, where: str
) -> None:
    answer = await call(editor, method, query, **changes)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.json()["issue"][0]["expression"] == [where]
    assert len(editor.running.requests) == 0


async def test_what_is_not_served(editor: LocalEditor, context: Context) -> None:
    assert (await editor.call("DELETE", "/ServiceRequest")).headers["allow"] == "POST, PUT"
    assert (await editor.call("GET", "/ServiceRequest")).status_code == 405
    assert (await editor.call("POST", "/ServiceRequest/1")).headers["allow"] == "GET, HEAD"
    assert (await editor.call("GET", "/ServiceRequest/1")).status_code == 404
    async with opened(context, "agenda-azur") as other:
        assert (await call(other, "POST")).status_code == 404


def test_the_journal_knows_the_flow(context: Context) -> None:
    identify = identify_fhir(context.population.editors)
    for method in ("POST", "PUT", "GET"):
        scope = {"method": method, "path": f"/{SLUG}/fhir/ServiceRequest", "query_string": b""}
        assert identify(scope) == (f"editor:{SLUG}", "PDM")


async def test_the_statement_lists_it(editor: LocalEditor) -> None:
    document = (await editor.call("GET", "/metadata")).json()
    assert "ServiceRequest" in [each["type"] for each in document["rest"][0]["resource"]]


async def test_a_request_of_a_community_that_is_no_more_can_still_be_withdrawn(
    editor: LocalEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Persona files may be read again while a request waits."""
    await call(editor, "POST")
    monkeypatch.setattr(editor.context.population, "communities", {})
    assert (await call(editor, "POST")).status_code == 200
    assert (await call(editor, "POST", identifier=Identifier(SYSTEM, "other"))).status_code == 422
    assert (await call(editor, "PUT", QUERY, revoked=True)).status_code == 200
    found = editor.running.requests.get(ASKED.identifier.value)
    assert found is not None
    assert found.state is State.WITHDRAWN


async def test_health_counts_requests_by_state(editor: LocalEditor) -> None:
    await call(editor, "POST")
    assert editor.running.requests.health() == {"pending": 1}


async def test_a_member_whom_nobody_knows_any_more_cannot_accept(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(context, SLUG) as editor:
        await call(editor, "POST")
        monkeypatch.setattr(type(context.population), "doctor", lambda *_: None)
        await editor.running.requests.proceed(ASKED.identifier.value)
        found = editor.running.requests.get(ASKED.identifier.value)
        assert found is not None
        assert found.state is State.REFUSED
        await editor.running.requests.proceed(ASKED.identifier.value)
        await editor.running.requests.proceed("unknown")
        assert editor.running.requests.next_due is None


async def test_a_refused_report_is_sent_again_as_the_request_is_now(editor: LocalEditor) -> None:
    editor.sas.status = 422
    await call(editor, "POST")
    async with asyncio.timeout(5):
        while editor.running.emitter.health()["r03_failed"] == 0:
            await asyncio.to_thread(int)
    editor.sas.status = 201
    found = editor.running.requests.get(ASKED.identifier.value)
    assert found is not None
    world = editor.context.world.world
    again = msgspec.structs.replace(world, switches={**world.switches, resend_switch(SLUG): "now"})
    editor.context.world.apply(again)
    method, _, body = (await editor.sas.reached(2))[1]
    assert (method, receive_appointment(body).appointment) == ("PUT", found.appointment(SYSTEM))
