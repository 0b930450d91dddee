"""Whatever happens to one editor's call, the other editors are shown and the circuit knows how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from sandbox.kernel.errors import PeerError
from sandbox.net.http.client import Reply
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search import editors as aggregators
from sandbox.sas.search.breaker import Circuit, State
from sandbox.sas.search.run import read_criteria, run
from tests.actors.sas.browsing import logged_in
from tests.actors.sas.sas_core import NOW, Core, Gate, reply
from tests.actors.sas.searching import SOON, open_editors, search
from tests.unit.sas.search.bundles import practitioner_bundle

BAD = "rdv-commune"
Ending = Callable[[str, str, bytes | None], Awaitable[Reply]]


async def broken(method: str, path: str, _: bytes | None) -> Reply:
    if not path.startswith("Slot"):
        return reply({}, 201)
    raise ZeroDivisionError("a mistake of ours")


async def refused(method: str, path: str, _: bytes | None) -> Reply:
    return reply({}, 404 if path.startswith("Slot") else 201)


async def failed(method: str, path: str, _: bytes | None) -> Reply:
    raise PeerError(BAD, "x")


async def latin(method: str, path: str, _: bytes | None) -> Reply:
    return reply("é".encode("latin-1") if path.startswith("Slot") else b"", 200)


def held(gate: Gate) -> Ending:
    """An editor that keeps searches waiting, and nothing else."""

    async def answer(method: str, path: str, body: bytes | None) -> Reply:
        return await gate(method, path, body) if path.startswith("Slot") else reply({}, 201)

    return answer


def open_for_a_probe(core: Core) -> None:
    """The circuit of the bad editor is open, its pause is over: the next call is the probe."""
    aggregator = core.sas.aggregator
    aggregator._policy = replace(aggregator._policy, failures=1, pause_s=0.0)
    aggregator._lines[BAD].circuit = Circuit(State.OPEN, 1, 0.0)


def circuit(core: Core) -> Circuit:
    return core.sas.aggregator._lines[BAD].circuit


@pytest.mark.parametrize("ending", [broken, refused, failed, latin])
async def test_after_any_probe_the_editor_is_called_again_and_comes_back(core: Core, ending: Ending) -> None:
    agendas = open_editors(core)
    open_for_a_probe(core)
    core.editors.answers[BAD] = ending
    page = await search(core)
    assert {card["editor"] for card in page["cards"]} >= {"agenda-azur"}
    assert not circuit(core).probing
    core.editors.answers[BAD] = agendas[BAD]
    page = await search(core)
    assert {editor["slug"]: editor["state"] for editor in page["editors"]}[BAD] == "answered"
    assert circuit(core).state is State.CLOSED


@pytest.mark.parametrize("moment", ["waiting for its turn", "waiting for the answer"])
async def test_a_probe_that_is_cancelled_is_no_probe_any_more(core: Core, moment: str) -> None:
    agendas = open_editors(core)
    open_for_a_probe(core)
    gate = Gate(reply({}))
    core.editors.answers[BAD] = held(gate)
    aggregator = core.sas.aggregator
    if moment == "waiting for its turn":
        aggregator._lines[BAD].room = asyncio.Semaphore(0)
    criteria = read_criteria({"town": "Bordeaux"}, aggregator.directory, SPECIALTIES, NOW)
    events = run(criteria, aggregator)
    async with asyncio.timeout(5):
        await anext(events)
        while not circuit(core).probing:
            await asyncio.to_thread(int)
        await events.aclose()
        while aggregator.editor(BAD).running:
            await asyncio.to_thread(int)
    assert not circuit(core).probing
    aggregator._lines[BAD].room = asyncio.Semaphore(8)
    core.editors.answers[BAD] = agendas[BAD]
    page = await search(core)
    assert {editor["slug"]: editor["state"] for editor in page["editors"]}[BAD] == "answered"


async def test_the_end_of_a_late_call_does_not_end_the_probe_of_another(core: Core) -> None:
    open_editors(core)
    aggregator = core.sas.aggregator
    aggregator.timeout = 0.05
    late, probe = Gate(reply({})), Gate(reply({}))
    core.editors.answers[BAD] = held(late)
    await search(core)
    assert aggregator._late
    open_for_a_probe(core)
    core.editors.answers[BAD] = held(probe)
    aggregator.timeout = 5.0
    searching = asyncio.create_task(search(core))
    async with asyncio.timeout(5):
        await probe.reached.wait()
    late.opened.set()
    await asyncio.gather(*aggregator._late)
    assert circuit(core).probing
    probe.opened.set()
    await searching
    assert not circuit(core).probing


async def test_a_mistake_of_ours_is_told_and_journalled(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    open_editors(core)
    core.editors.answers[BAD] = broken
    page = await search(core)
    (state,) = [editor for editor in page["editors"] if editor["slug"] == BAD]
    assert (state["state"], state["code"]) == ("failed", "internal")
    assert state["reason"] == "erreur du bac à sable à la lecture de sa réponse"
    assert page["partial"] is True
    assert [line.peer for line in core.context.journal.take() if line.note.startswith("could not be")] == [BAD]
    assert "ZeroDivisionError" in caplog.text


async def test_the_page_says_which_editors_slots_are_missing(core: Core) -> None:
    async def leads_away(method: str, path: str, _: bytes | None) -> Reply:
        links = [{"relation": "next", "url": "https://ailleurs.exemple/fhir?_getpages=1"}]
        person = core.population.of_editor(BAD)[0]
        return reply(practitioner_bundle((person, SOON), link=links), 200 if path.startswith("Slot") else 201)

    open_editors(core)
    core.editors.answers[BAD] = leads_away
    async with logged_in(core) as browser:
        text = (await browser.get("/sas/recherche?place=Bordeaux&affichage=complet")).text
        health = (await browser.get("/sas/editeurs")).text
    assert f'data-partial="{BAD}"' in text
    assert "Résultats partiels" in text
    assert "la page suivante n&#39;est pas à l&#39;adresse de l&#39;éditeur" in text
    assert "R01-13 × 1" in health


async def test_large_answers_are_read_beside_the_loop(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregators, "LARGE", 10)
    open_editors(core)
    page = await search(core)
    assert {editor["state"] for editor in page["editors"]} == {"answered"}
    assert core.sas.aggregator._reader._threads
