"""« Fermetures et congés »: periods in which slots are not offered."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import httpx
import pytest

from sandbox.kernel.patients import Patient
from tests.actors.sas.agenda.practitioners import ROUVEYRAN, person
from tests.actors.sas.browsing import submit
from tests.actors.sas.console.agenda.practitioner import at_work, booked, landed
from tests.actors.sas.sas_core import Core

PATH = "/sas/agenda/fermetures"
EVENING = f"{ROUVEYRAN}-w11200.20261201"
PERIOD = {"du": "2026-12-01", "au": "2026-12-02", "de": "", "a": "", "lieu": "", "libelle": "Congés"}


async def close(browser: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await submit(browser, await browser.get(PATH), PATH, **{**PERIOD, **changes})


async def test_whole_days_are_closed_and_opened_again(core: Core) -> None:
    async with at_work(core) as browser:
        page = await landed(browser, await close(browser))
        assert "Du mardi 1er décembre 2026 au mercredi 2 décembre 2026 inclus" in page
        assert "Tous les lieux" in page
        week = (await browser.get("/sas/agenda?semaine=2026-12-01")).text
        assert len(re.findall('data-state="closed"', week)) == 20
        assert f'data-slot="{EVENING}" data-state="closed"' in week
        assert len(core.sas.booking.free(person(core), 500)) > 0
        assert EVENING not in [each.id for each in core.sas.booking.free(person(core), 500)]
        listed = await browser.get(PATH)
        id = re.search(r'data-closure="([^"]*)"', listed.text)
        assert id is not None
        again = await landed(browser, await submit(browser, listed, f"{PATH}/{id[1]}/supprimer"))
        assert "Période rouverte" in again
        assert "n'existe pas" in await landed(browser, await submit(browser, listed, f"{PATH}/{id[1]}/supprimer"))
    assert EVENING in [each.id for each in core.sas.booking.free(person(core), 500)]


async def test_hours_of_one_place(core: Core) -> None:
    async with at_work(core) as browser:
        day = {"au": "2026-12-01", "de": "14:00", "a": "16:00", "lieu": "rouveyran-talence", "libelle": ""}
        page = await landed(browser, await close(browser, **day))
        assert "Du mardi 1er décembre 2026 à 14:00 au mardi 1er décembre 2026 à 16:00" in page
        assert "22 cours du Canevas" in page
        assert "Fermeture" in page
        single = await landed(browser, await close(browser, du="2026-12-05", au="2026-12-05"))
        assert "<br>Samedi 5 décembre 2026<br>" in single


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"du": "hier"}, "du", "Saisissez une date"),
        ({"au": "2026-11-30"}, "au", "après son début"),
        ({"du": "2026-11-01", "au": "2026-11-02"}, "au", "déjà passée"),
        ({"au": "2030-01-01"}, "au", "deux ans"),
        ({"de": "midi"}, "de", "Saisissez une heure"),
        ({"a": "midi"}, "a", "Saisissez une heure"),
        ({"lieu": "ailleurs"}, "lieu", "lieux de consultation"),
        ({"libelle": "x" * 101}, "libelle", "100 caractères"),
    ],
)
async def test_each_refusal_is_at_its_field(core: Core, changes: dict[str, str], field: str, words: str) -> None:
    async with at_work(core) as browser:
        page = await close(browser, **changes)
    assert page.status_code == 422
    found = re.search(rf'id="e-{field}">([^<]*)<', page.text)
    assert found is not None
    assert words in found[1].replace("&#39;", "'")
    assert core.sas.agendas.of(person(core)).closures == ()


async def test_closing_over_an_appointment_is_confirmed_first(core: Core) -> None:
    record = await booked(core, EVENING, Patient("Zzyzx", "Ana", date(1980, 1, 31), "+33639980000"))
    async with at_work(core) as browser:
        warning = await close(browser)
        assert warning.status_code == 409
        assert "Ana Zzyzx" in warning.text
        assert f'href="{PATH}"' in warning.text
        done = await landed(browser, await submit(browser, warning, PATH, **PERIOD, annuler="1"))
    assert "1 rendez-vous annulé" in done
    assert (core.sas.appointments.read(record.id) or record).status == "cancelled"
