"""Practitioners of the SAS agenda, at the API and in searches."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx

from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import Practitioner
from sandbox.sas.agenda.drafts import SlotDraft
from sandbox.sas.agenda.series import Occurrence
from tests.actors.sas.sas_core import Core
from tests.actors.sas.searching import open_editors, search

# Of the persona files: two places, the second without slots; a member of a CPTS; in a MSP.
ROUVEYRAN, MARCILHAC, KERGUELEN = "819800000127", "819800000135", "819800000143"
EARLY = datetime(2026, 11, 24, 8, 0, tzinfo=PARIS)  # before all slots of the day


def person(core: Core, id: str = ROUVEYRAN) -> Practitioner:
    found = core.population.practitioner(id)
    assert found is not None
    return found


def draft(start: datetime = EARLY, minutes: int = 20, **changes: Any) -> SlotDraft:
    values: dict[str, Any] = {"start": start, "end": start + timedelta(minutes=minutes), "place": "rouveyran-bordeaux"}
    return SlotDraft(**{**values, **changes})


async def typed(core: Core, someone: Practitioner | None = None, **changes: Any) -> Occurrence:
    """A slot that a practitioner has just typed."""
    return (await core.sas.agenda_changes.add(someone or person(core), draft(**changes))).slot


async def cards(core: Core, query: str) -> dict[str, Any]:
    """The cards of a search by id, when the editors have nothing."""
    open_editors(core, lambda _: [])
    return {card["id"]: card for card in (await search(core, f"/api/search?{query}"))["cards"]}


async def found(core: Core, id: str = ROUVEYRAN, query: str = "town=Bordeaux&order=distance") -> dict[str, Any]:
    """By id, the slots of that practitioner which a search finds."""
    card = (await cards(core, f"{query}&preferred={id}")).get(id, {"places": []})
    return {slot["id"]: slot for place in card["places"] for slot in place.get("slots", ())}


async def token(core: Core, id: str = ROUVEYRAN) -> dict[str, str]:
    """Headers of a practitioner logged in at the API."""
    async with core.browser() as browser:
        answer = await browser.post("/api/login", json={"identifier": id, "password": person(core, id).password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


async def call(core: Core, method: str, path: str, id: str = ROUVEYRAN, **more: Any) -> httpx.Response:
    """One call of the API in the name of a practitioner."""
    headers = await token(core, id)
    async with core.browser() as browser:
        return await browser.request(method, f"/api/{path}", headers=headers, **more)
