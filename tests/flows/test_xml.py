"""The platform and an LRM that speak XML: a booking reaches the LRM, its acknowledgement the platform; and commands."""

from __future__ import annotations

import asyncio
import io
import shutil
from pathlib import Path

import aiohttp
import pytest

from sandbox.cli import main
from sandbox.package_data import directory
from sandbox.runner.loader import find
from sandbox.runner.report import Report
from sandbox.runner.run import play_on
from tests.support.sandboxes import sandbox_here

SAMU, ADDED = "fr.health.samu330", "fr.health.samu750"


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    """Those of the package, in which the LRM of the Gironde speaks XML."""
    found = tmp_path / "personas"
    shutil.copytree(directory("personas"), found)
    territories = found / "territories.yaml"
    text = territories.read_text("utf-8")
    territories.write_text(text.replace(f"samu: {SAMU},", f"samu: {SAMU}, format: xml,"), "utf-8")
    return found


@pytest.mark.requirement("L02-13", "L02-14")
async def test_a_platform_and_an_lrm_that_speak_xml(
    tmp_path: Path, personas: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    async with (
        sandbox_here(data, preset="minimal", personas=str(personas), platform_format="xml") as document,
        aiohttp.ClientSession() as session,
    ):
        out = io.StringIO()
        assert await play_on(find("nominal"), data / "endpoints.json", Report(out)) == 0, out.getvalue()
        for more in (["--format", "xml", "--case", "conflict"], ["--case", "cancel"]):
            send = ["l02", "send", "--data-dir", str(data), "--to", SAMU, *more]
            assert await asyncio.to_thread(main, send) == 0
        assert "409 CONFLICT" in capsys.readouterr().out
        add = ["hub", "add-client", "--data-dir", str(data), ADDED, "--format", "xml"]
        assert await asyncio.to_thread(main, add) == 0
        async with session.get(f"{document['control']['api']}/hub/clients") as answer:
            forms = {row["id"]: row["format"] for row in (await answer.json())["clients"]}
        lrm = next(each["ui"] for each in document["lrms"] if each["client_id"] == SAMU)
        async with session.get(f"{lrm}/api/received") as answer:
            received = (await answer.json())["received"]
    assert {client for client, form in forms.items() if form == "xml"} == {
        document["sas"]["hub_client_id"],
        SAMU,
        ADDED,
    }
    told = [(row["what"], row["done"], row["answer"]) for row in received]
    assert told[:4] == [
        ("annulation", "orientation mise à jour", "acquittement INTEGRE"),
        ("création", "orientation créée", "acquittement INTEGRE"),
        ("création", "refusé", "erreur 409 CONFLICT"),
        ("création", "orientation créée", "acquittement INTEGRE"),
    ]
    assert received[-1]["sender"] == document["sas"]["hub_client_id"]
