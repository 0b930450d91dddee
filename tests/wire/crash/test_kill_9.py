"""kill -9 of each role in turn while 200 bookings run: nothing that was answered is lost, nothing arrives twice."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import uuid
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.config import ROLES
from sandbox.kernel.clock import PARIS, parse_datetime
from sandbox.kernel.errors import PeerError
from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.book import PATIENT
from sandbox.runner.steps.login import Login
from sandbox.runner.steps.search import Search, next_page
from tests.support.sandboxes import Command, command, endpoints

DIRECT, ON_PAGES = 100, 100
CALM = aiohttp.ClientTimeout(total=5)


async def again(attempt: Any, seconds: float = 40.0) -> Any:
    """What a patient caller does: the same thing once more, until it is answered."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await attempt()
        except (aiohttp.ClientError, TimeoutError, PeerError, Failed) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"never answered: {error!r}") from error
            await asyncio.sleep(0.1)


class Editor:
    """An editor that posts INT_R03 with its own certificate, and repeats what was not answered."""

    def __init__(self, document: dict[str, Any], session: aiohttp.ClientSession) -> None:
        self.document, self.session = document, session
        example = document["examples"]["practitioner_one_site"]
        self.entry = next(editor for editor in document["editors"] if editor["slug"] == example["editor"])
        self.practitioner = example["id"]
        self.regulator = document["examples"]["regulators"][0]
        files = document["tls"]["clients"][example["editor"]]
        self.tls = ssl.create_default_context(cafile=document["tls"]["ca"])
        self.tls.load_cert_chain(files["cert"], files["key"])

    def body(self, identifier: str) -> dict[str, Any]:
        start = parse_datetime(self.document["now"]).astimezone(PARIS) + timedelta(days=1)
        operator = {"system": self.regulator["system"], "value": self.regulator["identifier"]}
        person = {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": self.practitioner}
        kind = {"coding": [{"system": "http://interopsante.org/fhir/CodeSystem/fr-v2-0203", "code": "IDNPS"}]}
        return {
            "resourceType": "Appointment",
            "meta": {"profile": ["http://sas.fr/fhir/StructureDefinition/FrAppointmentSAS"]},
            "extension": [
                {
                    "url": "http://interopsante.org/fhir/StructureDefinition/FrAppointmentOperator",
                    "valueReference": {"identifier": {"type": kind, **operator}},
                }
            ],
            "identifier": [{"system": self.entry["system"], "value": identifier}],
            "status": "booked",
            "start": start.isoformat(timespec="seconds"),
            "end": (start + timedelta(minutes=15)).isoformat(timespec="seconds"),
            "participant": [{"actor": {"identifier": {"type": kind, **person}}, "status": "accepted"}],
        }

    async def book(self) -> str:
        """One appointment: its id in the SAS core, once answered."""
        body = self.body(str(uuid.uuid4()))

        async def attempt() -> str:
            url = f"{self.document['sas']['fhir']}/Appointment"
            async with self.session.post(url, json=body, ssl=self.tls, timeout=CALM) as answer:
                text = await answer.text()
                if answer.status >= 500:
                    raise aiohttp.ClientError(text)
                assert answer.status in (200, 201), text
                return answer.headers["Location"].rpartition("/")[2]

        return await again(attempt)


async def book_on_page(stage: Stage, card: dict[str, Any], slot: dict[str, Any]) -> tuple[str, str] | None:
    """(editor's system, identifier) of a confirmed booking; None when this slot turned out to be taken already.

    A confirmation whose answer got lost is looked for in « Mes rendez-vous », as a person would.
    """
    editor = stage.editor(card["editor"])

    async def attempt() -> str | None:
        page = await stage.browser.get(f"{slot['url']}&origin=sas")
        credentials = page.form_with("login", "password")
        if credentials is not None:
            account = stage.learnt.regulator
            page = await stage.browser.submit(credentials, login=account["identifier"], password=account["password"])
        terms = page.form_with("accept")
        if terms is not None:
            page = await stage.browser.submit(terms, accept="1")
        if page.with_data("unavailable"):
            return None
        patient = page.form_with("slot", "family", "given")
        if patient is None:
            raise Failed(page.url)
        page = await stage.browser.submit(patient, **PATIENT)
        confirm = next((form for form in page.forms if form.action.endswith("/rdv/confirmer")), None)
        if confirm is None:
            raise Failed(page.url)
        page = await stage.browser.submit(confirm)
        if page.with_data("unavailable"):
            return None
        if page.status != 200 or not page.with_data("appointment"):
            raise Failed(f"{page.url}: {page.status}")
        return page.with_data("appointment")[0].attributes["data-appointment"]

    identifier = await again(attempt)
    return (editor["system"], identifier) if identifier else None


async def kill_each_role(running: Command, control: str, session: aiohttp.ClientSession, killed: asyncio.Event) -> None:
    """One role after the other, the next once all are ready again and at work for a moment."""

    async def health() -> dict[str, Any]:
        async with session.get(f"{control}/health", timeout=CALM) as answer:
            found: dict[str, Any] = await answer.json()
            if not found["ready"]:
                raise aiohttp.ClientError("not ready")
            return found

    for role in ROLES:
        pid = (await again(health))["roles"][role]["pid"]
        os.kill(pid, signal.SIGKILL)

        async def back(role: str = role, pid: int = pid) -> None:
            if (await health())["roles"][role]["pid"] == pid:
                raise aiohttp.ClientError("still the old one")

        await again(back)
        await asyncio.sleep(0.5)
    killed.set()


@pytest.mark.timeout(180)
async def test_no_answered_booking_is_lost_and_none_arrives_twice_when_every_role_is_killed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with command(data, "--processes", "--preset", "demo") as running:
        document = endpoints(data)
        async with aiohttp.ClientSession() as session, Stage(document) as stage:
            await Login("SAS-33").play(stage)
            await Search("SM54", "33063").play(stage)
            while stage.learnt.next_page is not None and len(stage.learnt.cards) < 25:
                await next_page(stage)
            offers = [
                (card, slot)
                for card in stage.learnt.cards
                if card.get("origin", "editor") == "editor"
                for place in card["places"]
                for slot in place.get("slots", ())
                if slot.get("url") and not slot.get("walkin")
            ]
            editor, ids = Editor(document, session), []

            killed = asyncio.Event()

            async def post() -> None:
                while len(ids) < DIRECT or not killed.is_set():
                    ids.append(await editor.book())
                    await asyncio.sleep(0.02)  # the pace of people: the bookings must last as long as the kills

            on_pages: list[tuple[str, str]] = []

            async def on_page() -> None:
                for card, slot in offers:
                    if len(on_pages) >= ON_PAGES and killed.is_set():
                        return
                    booked = await book_on_page(stage, card, slot)
                    if booked is not None:
                        on_pages.append(booked)

            await asyncio.gather(
                *(post() for _ in range(4)),
                on_page(),
                kill_each_role(running, document["control"]["api"], session, killed),
            )
            assert len(set(ids)) == len(ids) >= DIRECT
            assert len(on_pages) >= ON_PAGES
            await everything_arrives(stage, session, ids, on_pages)
        code, _, err = running.end()
    assert code == 0, err
    assert err.count("ended (signal 9)") == len(ROLES)
    assert "Traceback" not in err


async def everything_arrives(
    stage: Stage, session: aiohttp.ClientSession, ids: list[str], on_pages: list[tuple[str, str]]
) -> None:
    """All of them acknowledged, and once each in the LRM; at SOS Médecins first pending, then with a doctor."""
    ui = stage.lrm()["ui"]

    async def orientations() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await stage.call("GET", f"{ui}/api/orientations?limit=2000"))["orientations"]
        return found

    async def acknowledged(id: str) -> None:
        async with session.get(f"{stage.endpoints['sas']['api']}/appointments/{id}", timeout=CALM) as answer:
            states = [message["state"] for message in (await answer.json())["l02"]]
        if set(states) != {"acknowledged"}:
            raise Failed(f"{id}: {states}")

    for id in ids:
        await again(lambda id=id: acknowledged(id))
    account = stage.learnt.regulator
    body = {"identifier": account["identifier"], "password": account["password"]}
    stage.learnt.token = (await stage.call("POST", f"{stage.endpoints['sas']['api']}/login", json=body))["token"]

    async def page_arrived(system: str, identifier: str) -> str:
        listed = (await stage.sas("appointments", identifier=f"{system}|{identifier}"))["appointments"]
        if not listed:
            raise Failed(f"{identifier}: not there")
        (one,) = listed
        states = [message["state"] for message in one["l02"]]
        versions = 2 if one["orientationCategory"] == "SOS" else 1
        if (one["status"], states) != ("booked", ["acknowledged"] * versions):
            raise Failed(f"{identifier}: {one['status']} {states}")
        return str(one["id"])

    for system, identifier in on_pages:
        ids.append(await again(lambda system=system, identifier=identifier: page_arrived(system, identifier)))
    counts = Counter(orientation["appointmentId"] for orientation in await orientations())
    assert set(ids) <= set(counts)
    assert max(counts.values()) == 1
