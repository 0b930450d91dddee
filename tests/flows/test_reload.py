"""Persona files are read again while everything runs: searches, pages and logins see the new people at once."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.config import Settings
from sandbox.population.load import personas_directory
from sandbox.runner.stage import Stage
from sandbox.runner.steps.login import Login
from sandbox.web.session import CSRF
from tests.support.sandboxes import endpoints, sandbox_here

SEARCH = {"specialty": "SM54", "insee": "33063"}


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    return Path(shutil.copytree(personas_directory(Settings()), tmp_path / "personas"))


@pytest.fixture
async def running(tmp_path: Path, personas: Path) -> AsyncIterator[dict[str, Any]]:
    flags = {"preset": "minimal", "as_of": "2026-11-23T10:00:00", "freeze": True, "personas": str(personas)}
    async with sandbox_here(tmp_path / "data", **flags) as document:
        yield document


def edit(personas: Path, name: str, good: str, bad: str) -> None:
    path = personas / f"{name}.yaml"
    text = path.read_text("utf-8")
    assert good in text
    path.write_text(text.replace(good, bad, 1), "utf-8")


async def reload(document: dict[str, Any], status: int = 200) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, http.post(f"{document['control']['api']}/reload") as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None)


async def test_people_who_move_change_name_and_week_are_found_so_by_a_search(
    running: dict[str, Any], personas: Path
) -> None:
    async with Stage(running) as stage:
        await Login("SAS-33").play(stage)
        before = await stage.sas("search", **SEARCH)
        assert "DUVALLON" in str(before)
        edit(personas, "practitioners", "family: DUVALLON", "family: GRANDVALLON")
        edit(personas, "practitioners", "line: 12 cours de l'Exemple", "line: 13 cours de la Preuve")
        edit(personas, "agendas", "Consultation de médecine générale, Visite de contrôle", "Motif tout neuf")
        answer = await reload(running)
        assert answer["changed"] is True
        assert answer["practitioners"] == 15
        after = str(await stage.sas("search", **SEARCH))
        assert "GRANDVALLON" in after
        assert "DUVALLON" not in after.replace("GRANDVALLON", "")
        assert "13 cours de la Preuve" in after
        assert "Motif tout neuf" in after
        assert (await reload(running))["changed"] is False


async def test_a_new_regulator_logs_in_and_a_removed_one_does_not(running: dict[str, Any], personas: Path) -> None:
    edit(personas, "regulators", "password: regulation-33", "password: tout-neuf")
    await reload(running)
    document = endpoints(Path(running["tls"]["ca"]).parents[1])
    assert "tout-neuf" in str(document["examples"]["regulators"])
    async with Stage(document) as stage:
        await Login("SAS-33").play(stage)


async def test_an_invalid_file_is_refused_with_its_line_and_nothing_changes(
    running: dict[str, Any], personas: Path
) -> None:
    edit(personas, "practitioners", "family: DUVALLON", "family: GRANDVALLON")
    edit(personas, "cpts", '"33318", "33522"', '"33318", "99999"')
    problem = await reload(running, status=422)
    assert f"{personas / 'cpts.yaml'}:2: unknown town '99999'" in problem["title"]
    assert problem["errors"][0]["pointer"] == f"{personas / 'cpts.yaml'}:2"
    async with Stage(running) as stage:
        await Login("SAS-33").play(stage)
        assert "GRANDVALLON" not in str(await stage.sas("search", **SEARCH))


async def test_what_needs_a_restart_is_a_conflict_that_names_every_line(
    running: dict[str, Any], personas: Path
) -> None:
    edit(personas, "editors", "name: Agenda Azur", "name: Agenda Bleu")
    edit(personas, "territories", "name: Gironde", "name: Garonne")
    problem = await reload(running, status=409)
    pointers = [error["pointer"].rpartition("/")[2] for error in problem["errors"]]
    assert [pointer.partition(":")[0] for pointer in pointers] == ["editors.yaml", "territories.yaml"]
    assert "editor 'agenda-azur' has changed: restart" in problem["title"]


async def test_missing_directory_is_told(running: dict[str, Any], personas: Path) -> None:
    shutil.rmtree(personas)
    assert f"{personas / 'towns.yaml'}:1: cannot be read" in (await reload(running, status=422))["title"]


async def test_default_characters_follow_the_files_and_others_stay_as_they_were_set(
    running: dict[str, Any], personas: Path
) -> None:
    api = f"{running['control']['api']}/editors"
    async with aiohttp.ClientSession() as http:

        async def quirks(slug: str) -> Any:
            async with http.get(f"{api}/{slug}") as answer:
                return (await answer.json())["quirks"]

        async with http.put(f"{api}/rdv-commune", json={"quirks": {"no-offset": True}}) as answer:
            assert answer.status == 200
        edit(personas, "editors", "  stores: mixed", "  quirks: [bad-phone]")
        await reload(running)
        assert await quirks("agenda-azur") == {"bad-phone": True}
        assert await quirks("rdv-commune") == {"no-offset": True}


async def test_the_page_reads_them_again_by_a_button_that_only_it_can_press(
    running: dict[str, Any], personas: Path
) -> None:
    ui = running["control"]["ui"]
    edit(personas, "practitioners", "family: DUVALLON", "family: GRANDVALLON")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.post(f"{ui}/personnages", data={"x": "y"}) as answer:
            assert answer.status == 403
        page = await (await http.get(f"{ui}/")).text()
        token = page.partition(f'name="{CSRF}" value="')[2].partition('"')[0]
        async with http.post(f"{ui}/personnages", data={CSRF: token}) as answer:
            assert "Les personnages sont relus : 15 médecins, 6 régulateurs." in await answer.text()
        edit(personas, "practitioners", "family: GRANDVALLON", "famly: GRANDVALLON")
        async with http.post(f"{ui}/personnages", data={CSRF: token}) as answer:
            told = await answer.text()
            assert "Rien n&#39;a changé" in told
            assert "practitioners.yaml:" in told


async def test_reloads_at_the_same_time_take_turns(running: dict[str, Any], personas: Path) -> None:
    edit(personas, "practitioners", "family: DUVALLON", "family: GRANDVALLON")
    answers = await asyncio.gather(*(reload(running) for _ in range(4)))
    assert sorted(answer["changed"] for answer in answers) == [False, False, False, True]
