"""A search whose editors fail, hang, send garbage or endless pages: it names the missing ones and shows the others."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.fhir.queries.search import parse_slot_query
from sandbox.kernel.errors import PeerError, PeerTimeout, PeerUnreachable
from sandbox.kernel.flows import Flow
from sandbox.net.http.client import Reply
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.events import Found
from sandbox.sas.search.run import read_criteria, run
from tests.actors.sas.sas_core import NOW, Core, Gate, reply
from tests.actors.sas.searching import SOON, nothing, open_editors, search
from tests.unit.sas.search.bundles import practitioner_bundle


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (PeerTimeout("rdv-commune", "x"), "pas de réponse en 7 s"),
        (PeerUnreachable("rdv-commune", "x"), "injoignable"),
        (PeerError("rdv-commune", "x"), "réponse illisible"),
        (503, "a répondu par une erreur 503"),
    ],
)
async def test_a_failing_editor_is_told_and_the_others_are_shown(
    core: Core, failure: PeerError | int, reason: str
) -> None:
    async def failing(method: str, path: str, _: bytes | None) -> Reply:
        if not path.startswith("Slot"):
            return reply({}, 201)
        if isinstance(failure, int):
            return reply({}, failure)
        raise failure

    open_editors(core)
    core.editors.answers["rdv-commune"] = failing
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert states["rdv-commune"]["state"] == "failed"
    assert states["rdv-commune"]["reason"] == reason
    assert states["agenda-azur"]["state"] == "answered"
    assert page["partial"] is True
    assert page["cards"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b'{"resourceType":"OperationOutcome"}', b"null",
        '{"resourceType":"Bundle","x":"é"}'.encode("latin-1"), b"[" * 2000 + b"]" * 2000,
        b'{"resourceType":"Bundle","type":"searchset","total":1e99999}',
        b'{"resourceType":"Bundle","type":"searchset","total":' + b"9" * 400 + b"}",
    ],
)  # fmt: skip
async def test_garbage_with_200_is_a_failure_of_that_editor_only(core: Core, body: bytes) -> None:
    async def garbage(method: str, path: str, _: bytes | None) -> Reply:
        return reply(body) if path.startswith("Slot") else reply({}, 201)

    open_editors(core)
    core.editors.answers["rdv-commune"] = garbage
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert (states["rdv-commune"]["state"], states["rdv-commune"]["reason"]) == ("failed", "réponse illisible")
    assert core.sas.editors.findings["R01-13"] == 1
    assert page["cards"]


async def test_a_failed_editor_is_not_asked_for_the_next_lot(core: Core) -> None:
    open_editors(core, lambda _: [])
    slots = 0

    async def failing(method: str, path: str, _: bytes | None) -> Reply:
        nonlocal slots
        slots += path.startswith("Slot")
        return reply({}, 500 if path.startswith("Slot") else 201)

    core.editors.answers["rdv-commune"] = failing
    core.editors.answers["garde-plus"] = nothing
    await search(core)
    assert slots == 1


async def test_a_bad_slot_loses_only_itself_and_is_journalled(core: Core) -> None:
    async def half(method: str, path: str, _: bytes | None) -> Reply:
        if not path.startswith("Slot"):
            return reply({}, 201)
        id = parse_slot_query(path.partition("?")[2]).practitioners[0]
        person = core.population.practitioner(id)
        assert person is not None
        return reply(practitioner_bundle((person, [*SOON, NOW - timedelta(hours=1)])))

    open_editors(core)
    core.editors.answers["agenda-azur"] = half
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert (states["agenda-azur"]["slots"], states["agenda-azur"]["findings"]) == (2, 1)
    told = [line for line in core.context.journal.take() if line.action == "read answer"]
    assert [(line.peer, line.flow) for line in told] == [("agenda-azur", "INT_R01")]
    assert told[0].note.startswith("R01-5 ")
    assert core.sas.health()["findings"] == 1


async def test_a_search_out_of_time_gives_what_came_before(core: Core) -> None:
    open_editors(core, lambda _: [])
    core.editors.answers["garde-plus"] = nothing
    hung = Gate(reply({}))
    first = core.editors.answers["agenda-azur"]
    lots = 0

    async def hangs_from_the_second_lot(method: str, path: str, body: bytes | None) -> Reply:
        nonlocal lots
        lots += path.startswith("Slot")
        return await (first if lots < 2 else hung)(method, path, body)

    core.editors.answers["agenda-azur"] = hangs_from_the_second_lot
    core.sas.editors.limits = replace(core.sas.editors.limits, timeout=0.05)
    core.sas.aggregator.timeout = 0.12
    page = await search(core)
    assert hung.reached.is_set()
    assert page["partial"] is True
    assert page["without_slots"]


async def test_answers_in_several_pages_are_read_to_the_end(core: Core) -> None:
    async def paged(method: str, path: str, _: bytes | None) -> Reply:
        if not path.startswith("Slot"):
            return reply({}, 201)
        query = path.partition("?")[2]
        person = core.population.practitioner(parse_slot_query(query.partition("&_after")[0]).practitioners[0])
        assert person is not None
        again = "_after=1" in query
        base = core.context.settings.fhir(43, "/agenda-azur/fhir/")
        links = [{"relation": "self", "url": base + path}]
        if not again:
            links.append({"relation": "next", "url": f"{base}{path}&_after=1"})
        return reply(practitioner_bundle((person, [SOON[again]]), link=links, total=2))

    open_editors(core)
    core.editors.answers["agenda-azur"] = paged
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert states["agenda-azur"]["slots"] == 2


async def test_a_next_page_elsewhere_is_not_followed_and_it_is_said(core: Core) -> None:
    async def leads_away(method: str, path: str, _: bytes | None) -> Reply:
        if not path.startswith("Slot"):
            return reply({}, 201)
        person = core.population.practitioner(parse_slot_query(path.partition("?")[2]).practitioners[0])
        assert person is not None
        links = [{"relation": "next", "url": "http://elsewhere.example/fhir/Slot?x=1"}]
        return reply(practitioner_bundle((person, SOON), link=links))

    open_editors(core)
    core.editors.answers["agenda-azur"] = leads_away
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert (states["agenda-azur"]["state"], states["agenda-azur"]["slots"]) == ("partial", 2)
    assert states["agenda-azur"]["code"] == "next-elsewhere"
    assert page["partial"] is True
    assert any(card["editor"] == "agenda-azur" for card in page["cards"])
    assert core.sas.editors.findings["R01-13"] == 1
    assert len([1 for peer, _, path in core.editors.flows(Flow.INT_R01) if peer == "agenda-azur"]) == 1


async def test_an_editor_that_hangs_does_not_hold_up_the_next_lot(core: Core) -> None:
    agendas = open_editors(core, lambda _: [])
    core.editors.answers["garde-plus"] = nothing
    core.editors.answers["rdv-commune"] = Gate(reply({}))
    criteria = read_criteria({"town": "Bordeaux"}, core.sas.aggregator.directory, SPECIALTIES, NOW)
    async with asyncio.timeout(5), contextlib.aclosing(run(criteria, core.sas.aggregator)) as events:
        async for event in events:
            if isinstance(event, Found) and event.lot == 1:
                break
    assert len(agendas["agenda-azur"].asked) >= 2
