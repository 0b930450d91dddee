"""Whatever happens to the call to one editor, the other editors are shown and the circuit receives the outcome."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from sandbox.kernel.errors import PeerError
from sandbox.net.http.client import Reply
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.breaker import Policy, State
from sandbox.sas.search.editors import LARGE
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


def limit(core: Core, **changes: object) -> None:
    """Give the editors other limits from now on."""
    core.sas.editors.limits = replace(core.sas.editors.limits, **changes)  # type: ignore[arg-type]


def circuit(core: Core) -> str:
    return core.sas.editors.editor(BAD).circuit


def state_of_bad(page: dict[str, Any]) -> dict[str, Any]:
    (state,) = [editor for editor in page["editors"] if editor["slug"] == BAD]
    return state


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.to_thread(int)


async def open_for_a_probe(core: Core) -> None:
    """Open the circuit of the bad editor and let its pause pass: the next call is the probe."""
    limit(core, policy=Policy(failures=1, pause_s=0.0))
    core.editors.answers[BAD] = failed
    await search(core)
    assert circuit(core) == State.OPEN


@pytest.mark.parametrize("ending", [broken, refused, failed, latin])
async def test_after_any_probe_the_editor_is_called_again_and_comes_back(core: Core, ending: Ending) -> None:
    agendas = open_editors(core)
    await open_for_a_probe(core)
    core.editors.answers[BAD] = ending
    page = await search(core)
    assert {card["editor"] for card in page["cards"]} >= {"agenda-azur"}
    core.editors.answers[BAD] = agendas[BAD]
    page = await search(core)
    assert state_of_bad(page)["state"] == "answered"
    assert circuit(core) == State.CLOSED


async def cancelled_probe(core: Core, *, running: int) -> None:
    """A search whose caller has gone while its call to the bad editor is a probe; `running` calls then."""
    criteria = read_criteria({"town": "Bordeaux"}, core.sas.aggregator.directory, SPECIALTIES, NOW)
    events = run(criteria, core.sas.aggregator)
    await anext(events)
    await until(lambda: circuit(core) == State.HALF_OPEN and core.sas.editors.editor(BAD).running == running)
    await events.aclose()
    await until(lambda: core.sas.editors.editor(BAD).running == running - 1)


async def test_a_probe_that_is_cancelled_before_the_answer_is_no_probe_any_more(core: Core) -> None:
    agendas = open_editors(core)
    await open_for_a_probe(core)
    core.editors.answers[BAD] = held(Gate(reply({})))
    await cancelled_probe(core, running=1)
    core.editors.answers[BAD] = agendas[BAD]
    assert state_of_bad(await search(core))["state"] == "answered"


async def test_a_probe_that_is_cancelled_before_its_turn_is_no_probe_any_more(core: Core) -> None:
    agendas = open_editors(core)
    limit(core, timeout=0.05, concurrency=1, policy=Policy(failures=1, pause_s=0.0))
    gate = Gate(reply({}))
    core.editors.answers[BAD] = held(gate)
    await search(core)  # its call occupies the only place until the gate is opened
    assert (circuit(core), core.sas.editors.editor(BAD).running) == (State.OPEN, 1)
    limit(core, timeout=5.0)
    await cancelled_probe(core, running=2)
    gate.opened.set()
    await core.sas.editors.late()
    core.editors.answers[BAD] = agendas[BAD]
    assert state_of_bad(await search(core))["state"] == "answered"


async def test_the_end_of_a_late_call_does_not_end_the_probe_of_another(core: Core) -> None:
    open_editors(core)
    limit(core, timeout=0.05, policy=Policy(failures=1, pause_s=0.0))
    late, probe = Gate(reply({})), Gate(reply({}))
    core.editors.answers[BAD] = held(late)
    assert state_of_bad(await search(core))["code"] == "timeout"
    core.editors.answers[BAD] = held(probe)
    limit(core, timeout=5.0)
    searching = asyncio.create_task(search(core))
    async with asyncio.timeout(5):
        await probe.reached.wait()
    late.opened.set()
    await core.sas.editors.late()
    assert state_of_bad(await search(core))["code"] == "open-circuit"  # the probe has not ended
    probe.opened.set()
    await searching
    core.editors.answers[BAD] = refused
    assert state_of_bad(await search(core))["code"] == "status"


async def test_a_mistake_of_ours_is_told_and_journalled(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    open_editors(core)
    core.editors.answers[BAD] = broken
    page = await search(core)
    state = state_of_bad(page)
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


async def test_large_answers_are_read_beside_the_loop(core: Core) -> None:
    agendas = open_editors(core)

    async def large(method: str, path: str, body: bytes | None) -> Reply:
        answer = await agendas[BAD](method, path, body)
        return reply(answer.body + b" " * LARGE, answer.status)

    page, before = await search(core), threads()
    core.editors.answers[BAD] = large
    assert cards_of(await search(core)) == cards_of(page)
    assert threads() - before


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("large-answer")}


def cards_of(page: dict[str, Any]) -> list[Any]:
    return [*page["cards"], *page["without_slots"]]
