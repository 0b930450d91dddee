"""« Mes patients »: the appointments of a day and what the practitioner does with them."""

from __future__ import annotations

from datetime import date

import pytest

from sandbox.kernel.patients import Patient
from tests.actors.sas.agenda.practitioners import KERGUELEN, ROUVEYRAN
from tests.actors.sas.browsing import submit
from tests.actors.sas.console.agenda.practitioner import at_work, booked, landed
from tests.actors.sas.sas_core import Core

PATH = "/sas/agenda/patients"
EVENING = f"{ROUVEYRAN}-w11200.20261201"
PATIENT = Patient("Zzyzx", "Ana", date(1980, 1, 31), "+33639980000", "Toux", "F")


async def test_the_day_lists_patients_by_hour(core: Core) -> None:
    await booked(core, EVENING, PATIENT)
    await booked(core, f"{ROUVEYRAN}-w10540.20261201")
    async with at_work(core) as browser:
        page = (await browser.get(f"{PATH}?jour=2026-12-01")).text
        today = (await browser.get(PATH)).text
    assert page.index("09:00") < page.index("20:00 – 21:00")
    for words in ("Ana Zzyzx", "née le 31/01/1980", "06 39 98 00 00", "Toux", "patient non communiqué"):
        assert words in page
    assert "Aucun rendez-vous ce jour-là." in today
    assert "Lundi 23 novembre 2026" in today


@pytest.mark.parametrize(
    ("step", "status", "words"),
    [("honore", "fulfilled", "honoré"), ("absent", "noshow", "absent"), ("annuler", "cancelled", "annulé")],
)
async def test_a_step_is_told_to_the_lrm(core: Core, step: str, status: str, words: str) -> None:
    record = await booked(core, EVENING, PATIENT)
    async with at_work(core) as browser:
        page = await browser.get(f"{PATH}?jour=2026-12-01")
        answer = await submit(browser, page, f"{PATH}/{record.id}/{step}", jour="2026-12-01")
        after = await landed(browser, answer)
        again = await landed(browser, await submit(browser, page, f"{PATH}/{record.id}/{step}", jour="x"))
    assert f"{words} : la régulation est prévenue." in after
    assert f'data-status="{status}"' in after
    assert "a changé entre-temps" in again
    assert [(each.appointment or {})["status"] for each in await core.l02_messages()] == ["booked", status]


async def test_the_appointments_of_others_and_unknown_steps_are_not_found(core: Core) -> None:
    record = await booked(core, f"{KERGUELEN}-w10540.20261201", PATIENT)
    async with at_work(core) as browser:
        page = await browser.get(f"{PATH}?jour=2026-12-01")
        assert "Zzyzx" not in page.text
        form = await browser.get("/sas/agenda/nouveau")
        for path in (f"{PATH}/{record.id}/honore", f"{PATH}/x/honore", f"{PATH}/{record.id}/perdu"):
            assert (await submit(browser, form, path)).status_code == 404
    assert core.sas.appointments.read(record.id) == record
