"""A practitioner's browser for the tests of his pages."""

from __future__ import annotations

from typing import Any

import httpx

from sandbox.sas.agenda.series import Occurrence
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.orientations.typed_booking import SlotRequest
from tests.actors.sas.agenda.practitioners import ROUVEYRAN, person
from tests.actors.sas.sas_core import Core, session_cookie

WEEK = "/sas/agenda?semaine=2026-11-30"
SLOT = {
    "jour": "2026-12-01",
    "debut": "21:30",
    "fin": "22:00",
    "lieu": "rouveyran-talence",
    "repeter": "",
    "jusqua": "",
    "type": "AMB",
    "motifs": "",
    "patients": "1",
    "visibilite": ["PUBLIC"],
}


def at_work(core: Core, id: str = ROUVEYRAN, **also: str) -> httpx.AsyncClient:
    """A browser with the session of a practitioner."""
    browser = core.browser()
    browser.headers.update(session_cookie(core.context, practitioner=id, **also))
    return browser


async def landed(browser: httpx.AsyncClient, answer: httpx.Response) -> str:
    """The page to which a form leads, with what it says at its top."""
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"].partition(";")[0]
    return (await browser.get(answer.headers["location"], headers={"Cookie": cookie})).text.replace("&#39;", "'")


async def booked(core: Core, slot: str, patient: Any = None) -> AppointmentRecord:
    return await core.sas.booking.book(core.regulator, SlotRequest(slot, patient))


def typed(core: Core, id: str = ROUVEYRAN, at: str = "21:30") -> list[Occurrence]:
    """The slots of five weeks that begin at that time."""
    begin = core.context.clock.time()
    found = core.sas.agendas.of(person(core, id)).typed(begin, begin + 35 * 86400)
    return [slot for slot in found if f"{slot.begins:%H:%M}" == at]
