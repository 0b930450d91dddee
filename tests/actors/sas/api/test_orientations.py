"""Orientations without an editor, by the SAS API: what they are, whose they are, and what the LRM is told."""

from __future__ import annotations

from typing import Any

import httpx

from sandbox.kernel.model import Practitioner
from tests.actors.sas.sas_core import Core

CDS, MSP = "1339900110", "1359900109"


def offering(core: Core) -> Practitioner:
    """A practitioner of one place who takes one more patient and is in no CPTS."""
    directory = core.sas.directory
    people = (each for each in core.population.practitioners() if directory.offers_extra(each))
    return next(each for each in people if len(each.places) == 1 and not each.cpts and each.id.startswith("81"))


async def post(core: Core, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
    async with core.browser() as browser:
        return await browser.post(f"/api/{path}", json=body, headers={**await core.token(), **(headers or {})})


async def test_an_agreement_by_telephone_is_an_appointment(core: Core) -> None:
    person = offering(core)
    asked = {"kind": "extra", "practitioner": person.id, "agreed": "2026-11-23T18:15:00+01:00"}
    answer = await post(core, "orientations", asked)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made == {**made, "status": "booked", "category": "PS", "actions": ["cancel", "fulfil", "noshow"]}
    assert answer.headers["location"] == f"/api/appointments/{made['id']}"
    [message] = await core.l02_messages()
    told = message.appointment or {}
    assert (told["start"], told["end"]) == ("2026-11-23T18:15:00+01:00", "2026-11-23T18:35:00+01:00")
    assert told["practitioner"]["rppsId"] == person.id
