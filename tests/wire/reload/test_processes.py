"""Persona files read again by a sandbox of several processes: every one has them, a role that died has them too."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import httpx

from sandbox.config import Settings
from sandbox.population.load import personas_directory
from tests.support.sandboxes import command, endpoints, eventually


async def found(document: dict[str, Any], http: httpx.AsyncClient) -> str:
    """The Practitioner of the examples, as its editor has it."""
    example = document["examples"]["practitioner_one_site"]
    editor = next(each for each in document["editors"] if each["slug"] == example["editor"])
    return (await http.get(f"{editor['fhir']}/Practitioner/{example['id']}")).text


async def kill(role: str, control: str, http: httpx.AsyncClient) -> None:
    """End a role without warning, and wait until all roles answer, that one anew."""
    pid = (await http.get(f"{control}/health")).json()["roles"][role]["pid"]
    os.kill(pid, signal.SIGKILL)

    async def back() -> bool:
        try:
            answer = await http.get(f"{control}/health")
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and answer.json()["roles"][role]["pid"] != pid

    await eventually(back, 30, f"{role} comes back")


async def test_every_process_has_the_new_people_and_keeps_them_when_it_dies(tmp_path: Path) -> None:
    personas = Path(shutil.copytree(personas_directory(Settings()), tmp_path / "personas"))
    config = tmp_path / "sandbox.yaml"
    config.write_text(f"personas: {personas}\n", "utf-8")
    flags = ("--processes", "--preset", "minimal", "--no-mtls", "--config", str(config))
    with command(tmp_path / "data", *flags):
        document = endpoints(tmp_path / "data")
        control = document["control"]["api"]
        async with httpx.AsyncClient(timeout=10) as http:
            assert "DUVALLON" in await found(document, http)
            file = personas / "practitioners.yaml"
            file.write_text(file.read_text("utf-8").replace("family: DUVALLON", "family: GRANDVALLON"), "utf-8")
            answer = await http.post(f"{control}/reload")
            assert (answer.status_code, answer.json()["changed"]) == (200, True)
            assert "GRANDVALLON" in await found(document, http)
            file.write_text("- nothing of the kind\n", "utf-8")  # from now on nobody can read it
            for role in ("editors", "control"):
                await kill(role, control, http)
                assert "GRANDVALLON" in await found(document, http)
            refused = await http.post(f"{control}/reload")
            assert refused.status_code == 422
            assert f"{file}:1" in refused.json()["title"]
