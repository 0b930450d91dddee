"""An external editor: the SAS core and a vendor's server in another process, as the guide tells the vendor to do it."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from load.ports import free_base
from sandbox.cli import main
from sandbox.config import load_settings
from sandbox.ecosystem import wall
from sandbox.ground import prepare
from sandbox.kernel.errors import ConfigError
from sandbox.runner.loader import find
from sandbox.runner.report import Report
from sandbox.runner.run import play_on
from sandbox.runner.stage import Stage
from sandbox.runner.steps.login import Login
from tests.support.sandboxes import eventually, sandbox_here
from tests.support.vendors.processes import agenda, agenda_settings
from tests.wire.vendors.guide import DECLARED, OU, PRACTITIONER, STRUCTURE, write_files

Document = dict[str, Any]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def document(tmp_path: Path, port: int) -> AsyncIterator[Document]:
    declared = load_settings({}, {}, write_files(tmp_path, port)).external_editors
    flags = {"preset": "minimal", "external_editors": declared, "editor_timeout_s": 3}
    async with sandbox_here(tmp_path / "data", **flags) as found:
        yield found


def vendor(document: Document, directory: Path) -> AbstractContextManager[list[str]]:
    """The stand-in agenda; yields the lines that it prints."""
    settings = agenda_settings(document, "mon-agenda", "no login here", id=PRACTITIONER, structure=STRUCTURE)
    return agenda(settings, directory / "agenda.json")


async def searched(stage: Stage) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """State of the external editor in a search at Bordeaux, and its card."""
    state: dict[str, Any] = {}
    page: int | None = 1
    while page is not None:
        found = await stage.sas("search", specialty="SM54", insee="33063", page=str(page))
        state = next((one for one in found["editors"] if one["slug"] == "mon-agenda"), state)
        for card in found["cards"]:
            if card["editor"] == "mon-agenda":
                return state, card
        page = found["next"]
    return state, None


async def failure(document: Document) -> str:
    """Why the last search at the external editor failed."""
    url = f"{document['control']['api']}/exchanges?actor=sas&flow=INT_R01"

    async def notes() -> list[str]:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            exchanges = (await answer.json())["exchanges"]
        return [one["note"] for one in exchanges if one["peer"] == "mon-agenda" and one.get("note")]

    return str((await eventually(notes))[-1])


async def test_platform_searches_the_vendors_server_and_takes_its_appointment(
    tmp_path: Path, document: Document, port: int
) -> None:
    entry = next(one for one in document["editors"] if one["slug"] == "mon-agenda")
    assert entry == {
        "slug": "mon-agenda",
        "name": "Mon Agenda",
        "system": DECLARED["system"],
        "flows": ["INT_R01", "INT_R02", "INT_R03"],
        "fhir": f"https://127.0.0.1:{port}/fhir",
        "ui": f"https://127.0.0.1:{port}",
        "external": True,
        "examples": {"practitioner_one_site": {"ids": [PRACTITIONER]}},
    }
    assert [one["slug"] for one in document["editors"] if not one["external"]] == [
        "agenda-azur", "rdv-commune", "garde-plus", "entraide-commune"
    ]  # fmt: skip
    with vendor(document, tmp_path) as lines:
        async with Stage(document) as stage:
            await Login("SAS-33").play(stage)
            state, card = await searched(stage)
            assert (state["state"], state.get("findings")) == ("answered", None)
            assert card is not None
            (place,) = card["places"]
            assert (card["id"], place["line"]) == (PRACTITIONER, "1 rue du Dehors")
            assert place["slots"][0]["url"].startswith(f"https://127.0.0.1:{port}/rdv?slot=creneau-")
            created = await appointment(document, "mon-agenda", (tmp_path / "rendez-vous.json").read_bytes())
            assert created == 201

            async def acknowledged() -> bool:
                held = (await stage.sas("appointments"))["appointments"]
                return bool(held) and [one["state"] for one in held[0]["l02"]] == ["acknowledged"]

            await eventually(acknowledged, what="the LRM's acknowledgement")
        await eventually(lambda: "POST /fhir/Practitioner ptfsas.bac-a-sable.invalid" in lines, what="INT_R02")
        assert "GET /fhir/Slot ptfsas.bac-a-sable.invalid" in lines


async def appointment(document: Document, editor: str, body: bytes) -> int:
    """Status of an INT_R03 with the certificate of an editor."""
    files = document["tls"]["clients"][editor]
    tls = ssl.create_default_context(cafile=document["tls"]["ca"])
    tls.load_cert_chain(files["cert"], files["key"])
    url, headers = f"{document['sas']['fhir']}/Appointment", {"Content-Type": "application/fhir+json"}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers, ssl=tls) as answer:
        return answer.status


async def test_the_vendor_examines_itself_as_the_sandbox_knows_it(
    tmp_path: Path, document: Document, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "data" / "endpoints.json")
    command = ["check", "editor", "--endpoints", file, "--name", "mon-agenda", "--only", "R01-*", "SSO-1", "CAP-1"]
    with vendor(document, tmp_path):
        code = await asyncio.to_thread(main, command)
    shown = capsys.readouterr().out
    assert (code, "non satisfaite" in shown) == (0, False), shown
    assert "✔ R01-20" in shown


async def test_appointment_under_the_vendors_system_is_refused_with_anothers_certificate(
    tmp_path: Path, document: Document
) -> None:
    body = (tmp_path / "rendez-vous.json").read_bytes()
    assert await appointment(document, "agenda-azur", body) == 422


async def test_vendor_that_is_down_is_named_and_the_nominal_day_goes_on(document: Document, tmp_path: Path) -> None:
    out = io.StringIO()
    assert await play_on(find("nominal"), tmp_path / "data" / "endpoints.json", Report(out)) == 0, out.getvalue()
    async with Stage(document) as stage:
        await Login("SAS-33").play(stage)
        state, card = await searched(stage)
    assert (state["state"], card) == ("failed", None)
    assert await failure(document) == "connection refused"


async def test_server_that_shows_a_certificate_of_somebody_else_is_not_talked_to(
    document: Document, tmp_path: Path
) -> None:
    impostor = {**document, "tls": {**document["tls"], "servers": {"mon-agenda": own_listener(document)}}}
    with vendor(impostor, tmp_path) as lines:
        async with Stage(document) as stage:
            await Login("SAS-33").play(stage)
            state, _ = await searched(stage)
        assert state["state"] == "failed"
        assert f"is not what was agreed (CN '127.0.0.1' with OU '{OU}')" in await failure(document)
    assert lines == []


def own_listener(document: Document) -> dict[str, str]:
    """The certificate of the sandbox's listeners: of the same CA, good for the same host."""
    folder = Path(document["tls"]["ca"]).parent
    return {"cert": str(folder / "server.pem"), "key": str(folder / "server.key")}


async def test_server_whose_certificate_is_revoked_is_not_talked_to_any_more(
    document: Document, port: int, tmp_path: Path
) -> None:
    with vendor(document, tmp_path):
        async with Stage(document) as stage:
            await Login("SAS-33").play(stage)
            assert (await searched(stage))[0]["state"] == "answered"
            revoke = ["pki", "revoke", "mon-agenda.server", "--data-dir", str(tmp_path / "data")]
            assert await asyncio.to_thread(main, revoke) == 0
            assert (await searched(stage))[0]["state"] == "failed"
        assert "revoked" in await failure(document)


async def test_no_fault_and_no_quirk_can_be_aimed_at_a_server_that_is_not_ours(document: Document) -> None:
    fault = {"kind": "latency", "target": "editor:mon-agenda", "params": {"ms": 10}}
    admin = document["control"]["api"]
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{admin}/faults", json=fault) as answer:
            assert answer.status == 422
        async with session.put(f"{admin}/editors/mon-agenda", json={"quirks": {"no-offset": True}}) as answer:
            assert answer.status == 404
        async with session.get(f"{admin}/editors") as answer:
            assert "mon-agenda" not in [each["slug"] for each in (await answer.json())["editors"]]


@pytest.mark.parametrize(
    ("cn", "ou", "other"),
    [("ptfsas.bac-a-sable.invalid", "399925784080467", "sas"),
     ("agenda-azur.bac-a-sable.invalid", "399900100000010", "agenda-azur")],
)  # fmt: skip
def test_certificate_of_somebody_else_cannot_be_asked_for(tmp_path: Path, cn: str, ou: str, other: str) -> None:
    file = write_files(tmp_path, 9443)
    text = file.read_text("utf-8").replace(f'ou: "{OU}"', f'ou: "{ou}"\n    cn: {cn}')
    file.write_text(text, "utf-8")
    line = next(at for at, line in enumerate(text.splitlines(), 1) if line.strip().startswith("ou:"))
    flags = {"data_dir": str(tmp_path / "data"), "port_base": free_base()}
    with pytest.raises(ConfigError) as caught:
        prepare(load_settings(flags, {}, file), wall)
    assert str(caught.value).startswith(f"{file}:{line}: '{other}' has the same CN '{cn}'")
