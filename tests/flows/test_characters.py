"""One editor makes an error: the SAS core still shows the others, counts the error, and shows what can be used."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.config import Settings
from sandbox.population.load import personas_directory
from sandbox.runner.stage import Stage
from sandbox.runner.steps.login import Login
from tests.support.sandboxes import sandbox_here

SEARCH = {"specialty": "SM54", "insee": "33063"}
EDITORS = {"agenda-azur", "rdv-commune", "garde-plus"}
SAS_AGENDA = "sas-agenda"  # the source of typed slots, which no editor's mistakes concern


def slots(found: dict[str, Any], slug: str) -> set[str]:
    cards = [card for card in found["cards"] if card["editor"] == slug]
    return {slot["id"] for card in cards for place in card["places"] for slot in place.get("slots", ())}


def state(found: dict[str, Any], slug: str) -> dict[str, Any]:
    (one,) = [editor for editor in found["editors"] if editor["slug"] == slug]
    return one


async def test_what_one_editor_gets_wrong_is_counted_and_what_remains_is_shown(tmp_path: Path) -> None:
    flags = {"preset": "minimal", "as_of": "2026-11-23T10:00:00", "freeze": True}
    async with sandbox_here(tmp_path, **flags) as document, Stage(document) as stage:
        await Login("SAS-33").play(stage)
        admin = f"{document['control']['api']}/editors/agenda-azur"

        async def search(*quirks: str) -> dict[str, Any]:
            await stage.call("PUT", admin, json={"quirks": dict.fromkeys(quirks, True)})
            return await stage.sas("search", **SEARCH)

        correct = await search()
        assert {card["editor"] for card in correct["cards"]} - {SAS_AGENDA} == EDITORS
        assert all(editor.get("findings", 0) == 0 for editor in correct["editors"])
        # cured, hidden because nobody asked for them, or gone with their status: the same slots remain
        for quirk in ("no-offset", "bad-phone", "unprefixed-ids", "outside-window", "past-slots", "busy-slots"):
            found = await search(quirk)
            assert found["partial"] is False, quirk
            assert state(found, "agenda-azur")["findings"] > 0, quirk
            for slug in EDITORS:
                assert slots(found, slug) == slots(correct, slug), (quirk, slug)
        # nothing to show of that editor, everything of the others
        found = await search("unfound-by-prefix", "not-found-if-empty")
        assert slots(found, "rdv-commune") == slots(correct, "rdv-commune")
        assert slots(found, "garde-plus") == slots(correct, "garde-plus")
        told = await _journalled(document, "read answer", "R01-10")
        assert told["peer"] == "agenda-azur"
        assert (await _journalled(document, "GET /agenda-azur", "quirks: busy-slots"))["status"] == 200
        findings = 'sas_sandbox_editor_findings_total{editor="agenda-azur",requirement="R01-10"}'
        assert await _metric(document, findings) > 0
        assert await _metric(document, 'sas_sandbox_editor_circuit{editor="agenda-azur",state="closed"}') == 1
        assert await _metric(document, 'sas_sandbox_editor_calls_total{editor="rdv-commune",outcome="ok"}') > 0
        await stage.call("DELETE", admin)
        again = await stage.sas("search", **SEARCH)
        assert again["cards"] == correct["cards"]
        assert state(again, "agenda-azur").get("findings", 0) == 0


async def _metric(document: dict[str, Any], name: str) -> float:
    """A metric of the control plane, once the SAS core has reported it."""
    url = document["control"]["ui"].rstrip("/") + "/metrics"
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            async with session.get(url) as answer:
                for line in (await answer.text()).splitlines():
                    if line.startswith(name + " "):
                        return float(line.rpartition(" ")[2])
            await asyncio.sleep(0.05)
    raise AssertionError(f"no measure {name}")


async def _journalled(document: dict[str, Any], action: str, note: str) -> dict[str, Any]:
    """The exchange whose action and note begin and contain that, once the roles have reported it."""
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            async with session.get(f"{document['control']['api']}/exchanges") as answer:
                for exchange in (await answer.json())["exchanges"]:
                    if exchange["action"].startswith(action) and note in exchange.get("note", ""):
                        return exchange
            await asyncio.sleep(0.05)
    raise AssertionError(f"no exchange {action} with {note}")


async def test_an_editor_that_fails_when_nothing_is_free_is_named_and_the_others_stay(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document, Stage(document) as stage:
        await Login("SAS-33").play(stage)
        quirks = {"unfound-by-prefix": True, "error-if-empty": True}
        await stage.call("PUT", f"{document['control']['api']}/editors/garde-plus", json={"quirks": quirks})
        found = await stage.sas("search", **SEARCH)
        assert found["partial"] is True
        assert state(found, "garde-plus")["reason"] == "a répondu par une erreur 500"
        assert {card["editor"] for card in found["cards"]} - {SAS_AGENDA} == EDITORS - {"garde-plus"}


async def test_an_editor_that_is_slow_by_character_answers_late(tmp_path: Path) -> None:
    personas = tmp_path / "personas"
    personas.mkdir()
    for file in personas_directory(Settings()).glob("*.yaml"):
        text = file.read_text("utf-8")
        if file.name == "editors.yaml":
            garde_plus = "  flows: [SOS, INT_R02, INT_R03]\n"
            assert garde_plus in text
            more = "  latency: {SOS: {median_ms: 300, p95_ms: 300}}\n  quirks: [bad-phone]\n"
            text = text.replace(garde_plus, garde_plus + more)
        (personas / file.name).write_text(text, "utf-8")
    flags = {"preset": "minimal", "personas": str(personas)}
    async with sandbox_here(tmp_path / "d", **flags) as document, Stage(document) as stage:
        await Login("SAS-33").play(stage)
        found = await stage.sas("search", **SEARCH)
        assert state(found, "garde-plus")["ms"] >= 300
        assert state(found, "garde-plus")["findings"] > 0
        assert found["partial"] is False
