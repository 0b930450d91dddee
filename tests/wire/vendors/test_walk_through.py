"""A vendor's first hour, as both guides tell it: from `init` to the first acknowledged orientation.

The commands are those of the guides, in their order; the agenda and the LRM are stand-ins that know nothing of the
sandbox, the regulator is a browser.
"""

from __future__ import annotations

import os
import re
import shlex
import ssl
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import yaml

from load.ports import free_base
from tests.support.sandboxes import command, endpoints, eventually
from tests.support.vendors.processes import agenda, agenda_settings, lrm
from tests.wire.vendors.guide import (
    FHIR,
    GUIDE,
    LRM_GUIDE,
    PORT,
    PRACTITIONER,
    ROOT,
    STRUCTURE,
    as_run,
    blocks,
    configuration,
)

pytestmark = pytest.mark.timeout(180)

ADDRESS = "1 rue du Dehors, 33000 Bordeaux"


class Shell:
    """The vendor's terminal: a directory, and commands for a sandbox at `base` and a server on `port`."""

    def __init__(self, directory: Path, base: int, port: int) -> None:
        self.directory, self.base, self.port = directory, base, port
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SAS_SANDBOX_")}
        self.environ = {**kept, "PYTHONPATH": str(ROOT), "SAS_SANDBOX_PORT_BASE": str(base)}

    def run(self, script: str) -> str:
        """What a script prints; it must succeed, and a `curl` must be answered with success."""
        script = as_run(script.replace("curl ", "curl -sf "), self.base, self.port)
        done = subprocess.run(
            ["sh", "-ec", script], capture_output=True, text=True, timeout=30, cwd=self.directory, env=self.environ
        )
        assert done.returncode == 0, script + done.stdout + done.stderr
        return done.stdout


def steps(page: str) -> Iterator[str]:
    """The commands of a page, but those that last: the sandbox and the LRM are started by the test."""
    for block in blocks("sh", page):
        if not block.startswith(("make ", "java ")) and " up --config" not in block and " lrm.py " not in block:
            yield block


def announced(told: str) -> list[str]:
    """The next commands that `init` prints."""
    return [line.strip() for line in told.splitlines() if line.startswith("  ")]


async def test_from_init_to_the_first_acknowledged_orientation(tmp_path: Path) -> None:
    base = free_base()
    shell = Shell(tmp_path, base, base + 50)  # the sandbox uses none of its base but those of the table
    ((editor_init, *editor_steps), (lrm_init, *lrm_steps)) = [
        sorted(steps(page), key=lambda block: " init " not in block) for page in (GUIDE, LRM_GUIDE)
    ]
    editor_next, lrm_next = announced(shell.run(editor_init)), announced(shell.run(lrm_init))
    assert [len(editor_next), len(lrm_next)] == [4, 3]
    config = both(tmp_path)
    data = tmp_path / ".sandbox"
    with command(data, "--config", str(config), base=base) as running:
        document = endpoints(data)
        clients = shell.run("".join(line for line in editor_steps if "psc clients" in line))
        (secret,) = re.findall(r"mon-agenda \(.*\)\n  secret : (\w+)", clients)
        settings = agenda_settings(document, "mon-agenda", secret, id=PRACTITIONER, structure=STRUCTURE)
        with (
            agenda(settings, tmp_path / "agenda.json") as asked,
            lrm(shlex.split(lrm_next[1])[2:], tmp_path) as received,
        ):
            for told in (*editor_next[1:], *lrm_next[2:]):
                assert shell.run(told)
            await orientation(document, shell.port, asked, received)
            told = [shell.run(block) for block in (*lrm_steps, *editor_steps)]  # the last ones stop the clock
            assert sum("LRM fr.health.samu330, externe : acquitté" in each for each in told) == 1  # the nominal day
            (program,) = blocks("python")
            assert shell.run(f"{sys.executable} -c {shlex.quote(program)}").strip() == "None"
        assert document["hub"]["spare_clients"][0] in GUIDE
        code, shown, _ = running.end()
        assert (code, re.findall(r"^ +(.+) \(externe\)", shown, re.MULTILINE)) == (0, ["Mon Agenda", "LRM SAS-33"])


def both(directory: Path) -> Path:
    """The files of both vendors as one, each of which is what its guide shows."""
    files = [directory / "mon-agenda" / "mon-agenda.yaml", directory / "regul-plus" / "regul-plus.yaml"]
    texts = [file.read_text("utf-8") for file in files]
    port = re.findall(r"127\.0\.0\.1:(\d+)/fhir", texts[0])[0]
    shown = [configuration(GUIDE), configuration(LRM_GUIDE)]
    assert [yaml.safe_load(text.replace(f":{port}", f":{PORT}")) for text in texts] == shown
    assert FHIR in GUIDE
    config = directory / "both.yaml"
    config.write_text("".join(texts), "utf-8")
    return config


async def orientation(document: dict[str, Any], port: int, asked: list[str], received: list[str]) -> None:
    """A regulator searches at the vendor's address, books on the vendor's page, and sees the acknowledgement."""
    tls = ssl.create_default_context(cafile=document["tls"]["ca"])
    sas, account = document["sas"]["ui"], document["examples"]["regulators"][0]
    async with httpx.AsyncClient(verify=tls, follow_redirects=True, timeout=20) as browser:
        login = await browser.get(f"{sas}/sas/editeurs")
        health = await submit(browser, login, login=account["identifier"], password=account["password"])
        (link,) = re.findall(r'href="([^"]+)" data-search-at>chercher chez Mon Agenda<', health.text)
        await eventually(lambda: "POST /fhir/Practitioner ptfsas.bac-a-sable.invalid" in asked, what="INT_R02")
        results = await browser.get(unescape(urljoin(sas, link)) + "&affichage=complet")
        assert re.findall(r'data-card="(\w+)"', results.text)[0] == PRACTITIONER
        assert f'value="{ADDRESS}"' in unescape(results.text)
        slots = [unescape(each) for each in re.findall(r'<a class="slot" href="([^"]+)"', results.text)]
        mine = next(each for each in slots if urlsplit(each).port == port)
        booked = re.compile(r"CreateAppointment booked [\w-]+ INTEGRE")
        before = len([*filter(booked.fullmatch, received)])
        booking = await submit(browser, await browser.get(mine), lu="oui")  # the terms of use, at the first entry
        done = await submit(browser, booking)
        (made,) = re.findall(r'data-appointment="([\w-]+)" data-status="booked"', done.text)
        await eventually(lambda: len([*filter(booked.fullmatch, received)]) == before + 1, what="INT_L02")
        await eventually(lambda: acknowledged(browser, document, account, made), what="the acknowledgement")
        await submit(browser, done)
        await eventually(lambda: any(line.startswith("UpdateAppointment cancelled ") for line in received))


async def acknowledged(
    browser: httpx.AsyncClient, document: dict[str, Any], account: dict[str, str], made: str
) -> bool:
    """Does the platform know the appointment as acknowledged by the regulator's LRM."""
    api = document["sas"]["api"]
    login = {"identifier": account["identifier"], "password": account["password"]}
    token = (await browser.post(f"{api}/login", json=login)).json()["token"]
    found = (await browser.get(f"{api}/appointments", headers={"Authorization": f"Bearer {token}"})).json()
    rows = [each for each in found["appointments"] if each["identifier"]["value"] == made]
    return bool(rows) and [each["state"] for each in rows[0]["l02"]] == ["acknowledged"]


async def submit(browser: httpx.AsyncClient, page: httpx.Response, **values: str) -> httpx.Response:
    """Send the last form of a page that posts, with what it holds."""
    form = re.findall(r"<form(?=[^>]*method=\"post\")[^>]*>.*?</form>", page.text, re.DOTALL | re.IGNORECASE)[-1]
    (action,) = re.findall(r'action="([^"]*)"', form.split(">")[0])
    held = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    return await browser.post(urljoin(str(page.url), unescape(action)), data={**held, **values})


def test_the_stand_ins_use_nothing_of_the_sandbox() -> None:
    support = ROOT / "tests" / "support" / "vendors"
    for name, libraries in (("agenda", set()), ("lrm", {"pika"})):
        source = (support / f"{name}.py").read_text("utf-8")
        imported = {
            line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
        }
        assert imported - set(sys.stdlib_module_names) == libraries
