"""A moved appointment, from the editor's page to the LRM: same references, next version, new time (R03-2)."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.runner.stage import Stage
from sandbox.runner.steps.book import Book
from sandbox.runner.steps.login import Login
from sandbox.runner.steps.search import Search
from tests.support.sandboxes import eventually, sandbox_here


@pytest.mark.requirement("R03-2")
async def test_a_move_raises_the_version_and_reaches_the_lrm(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal", mtls=False) as document, Stage(document) as stage:
        await Login("SAS-33").play(stage)
        await Search(specialty="SM54", town="33063").play(stage)
        await Book(kind="PS", appointment="a").play(stage)
        booked = stage.learnt.booked["a"]
        editor = stage.editor(booked.editor)

        async def core(version: int) -> dict[str, Any] | None:
            identifier = f"{editor['system']}|{booked.identifier}"
            for record in (await stage.sas("appointments", identifier=identifier))["appointments"]:
                states = [message["state"] for message in record["l02"]]
                if record["version"] == version and states == ["acknowledged"] * version:
                    return dict(record)
            return None

        first = await eventually(lambda: core(1))
        page = await stage.browser.get(f"{editor['ui']}/rendez-vous/{booked.identifier}/deplacer")
        links = [html.unescape(url) for url in re.findall(r'class="slot" href="([^"]+)"', page.text)]
        assert booked.identifier in links[0]
        chosen = await stage.browser.get(editor["ui"].removesuffix(f"/{editor['slug']}") + links[0])
        form = next(form for form in chosen.forms if form.action.endswith("/deplacer"))
        moved = await stage.browser.submit(form)
        assert moved.status == 200
        second = await eventually(lambda: core(2))
        assert second["start"] != first["start"]
        assert (second["id"], second["identifier"], second["status"]) == (first["id"], first["identifier"], "booked")
        lrm = await stage.call("GET", f"{stage.lrm()['ui']}/api/orientations/{second['id']}")
        assert second["start"][:16] in str(lrm)
        assert first["start"][:16] not in str(lrm["appointment"])
