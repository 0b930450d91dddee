"""The practitioner's week, and the forms of his slots."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import httpx
import pytest

from sandbox.kernel.patients import Patient
from tests.actors.sas.agenda.practitioners import MARCILHAC, ROUVEYRAN, person
from tests.actors.sas.browsing import following, submit
from tests.actors.sas.console.agenda.practitioner import SLOT, WEEK, at_work, booked, landed, typed
from tests.actors.sas.sas_core import Core

EVENING = f"{ROUVEYRAN}-w11200.20261201"  # 20:00 to 21:00
PATIENT = Patient("Zzyzx", "Ana", date(1980, 1, 31), "+33639980000", "Toux")


async def add(browser: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    page = await browser.get("/sas/agenda/nouveau?jour=2026-12-01")
    return await submit(browser, page, "/sas/agenda/nouveau", **{**SLOT, **changes})


def error_of(page: httpx.Response, field: str) -> str:
    found = re.search(rf'id="e-{field}">([^<]*)<', page.text)
    assert found is not None, page.text
    return found[1].replace("&#39;", "'")


async def test_the_week_shows_each_slot_with_its_state(core: Core) -> None:
    await booked(core, EVENING)
    async with at_work(core) as browser:
        page, now = await browser.get(WEEK), await browser.get("/sas/agenda")
    assert re.search(rf'data-slot="{EVENING}" data-state="full" data-taken="1"', page.text)
    assert f'data-slot="{ROUVEYRAN}-w10540.20261201" data-state="free"' in page.text  # 09:00
    assert 'rel="prev"' in page.text
    assert "Semaine du 23/11/2026 au 29/11/2026" in now.text
    assert f'data-slot="{ROUVEYRAN}-w00540.20261123" data-state="past"' in now.text


@pytest.mark.parametrize("week", ["", "gestern", "9999-12-31", "2001-01-01"])
async def test_a_week_that_is_none_or_far_away_is_replaced(core: Core, week: str) -> None:
    async with at_work(core) as browser:
        page = await browser.get(f"/sas/agenda?semaine={week}")
    assert page.status_code == 200


async def test_the_week_and_the_patients_follow_what_happens(core: Core) -> None:
    path = "/sas/agenda/flux?semaine=2026-11-30"
    patients = "/sas/agenda/patients/flux?jour=2026-12-01"
    me = {"practitioner": ROUVEYRAN}
    async with following(core, path, **me) as week, following(core, patients, **me) as day:
        assert f'data-slot="{EVENING}" data-state="free"' in (await week.next())[1]
        assert "Aucun rendez-vous ce jour-là." in (await day.next())[1]
        await booked(core, EVENING, PATIENT)
        assert f'data-slot="{EVENING}" data-state="full"' in (await week.next())[1]
        assert "Zzyzx" in (await day.next())[1]


async def test_a_single_slot_and_a_series_are_typed(core: Core) -> None:
    async with at_work(core) as browser:
        answer = await add(browser, motifs=" Suture ,Fièvre, ", patients="3", visibilite=["PRO", "SNP"], type="VR")
        assert (answer.status_code, answer.headers["location"]) == (303, WEEK.replace("11-30", "12-01"))
        assert "Créneau ajouté." in await landed(browser, answer)
        await add(browser, debut="22:00", fin="00:00", repeter="semaine", jusqua="2026-12-24")
    (slot,) = typed(core)
    assert slot.kind.place == "rouveyran-talence"
    assert (slot.kind.reasons, slot.kind.max_patients, slot.kind.type) == (("Suture", "Fièvre"), 3, "VR")
    assert slot.kind.visibilities == ("PRO", "SNP")
    assert [f"{each.begins:%d/%m}" for each in typed(core, at="22:00")] == ["01/12", "08/12", "15/12", "22/12"]
    assert f"{typed(core, at='22:00')[0].ends:%H:%M}" == "00:00"


@pytest.mark.parametrize(
    ("changes", "status", "field", "words"),
    [
        ({"fin": "21:30"}, 422, "fin", "après son début"),
        ({"debut": "20:30"}, 409, "debut", "en chevauche un autre"),
        ({"jour": "2026-11-20"}, 422, "debut", "dans le passé"),
        ({"jour": "demain"}, 422, "jour", "Saisissez une date"),
        ({"jour": "9999-12-31"}, 422, "jour", "Saisissez une date"),
        ({"jour": "2096-12-31"}, 422, "debut", "deux ans"),
        ({"debut": "25:00"}, 422, "debut", "Saisissez une heure"),
        ({"fin": "21:30:30"}, 422, "fin", "minutes entières"),
        ({"lieu": "ailleurs"}, 422, "lieu", "lieux de consultation"),
        ({"repeter": "semaine"}, 422, "jusqua", "date de fin de la série"),
        ({"repeter": "semaine", "jusqua": "2026-12-02"}, 422, "jusqua", "entre une semaine et deux ans"),
        ({"repeter": "semaine", "jusqua": "un jour"}, 422, "jusqua", "Saisissez une date"),
        ({"visibilite": []}, 422, "visibilite", "au moins une visibilité"),
        ({"visibilite": ["CPTS"]}, 422, "visibilite", "membre d'aucune CPTS"),
        ({"type": "XXX"}, 422, "type", "Choisissez un type"),
        ({"patients": "0"}, 422, "patients", "de 1 à 50 patients"),
        ({"patients": "-1"}, 422, "patients", "nombre de patients"),
        ({"motifs": "m" * 101}, 422, "motifs", "100 caractères"),
    ],
)
async def test_each_refusal_is_at_its_field_and_nothing_typed_is_lost(
    core: Core, changes: dict[str, Any], status: int, field: str, words: str
) -> None:
    async with at_work(core) as browser:
        page = await add(browser, **{"motifs": "Otite", **changes})
    assert page.status_code == status
    assert words in error_of(page, field)
    assert f'href="#f-{field}"' in page.text
    for name in ("jour", "debut", "fin", "motifs", "patients"):
        assert f'value="{changes.get(name, {**SLOT, "motifs": "Otite"}[name])}"' in page.text
    assert typed(core) == []


async def test_only_members_of_a_cpts_choose_it(core: Core) -> None:
    async with at_work(core) as one, at_work(core, MARCILHAC) as member:
        assert 'value="CPTS"' not in (await one.get("/sas/agenda/nouveau")).text
        assert 'value="CPTS"' in (await member.get("/sas/agenda/nouveau")).text


async def change(browser: httpx.AsyncClient, slot: str, **changes: Any) -> httpx.Response:
    """Post the form of a slot as it is shown, with changes."""
    path = f"/sas/agenda/creneau/{slot}"
    page = await browser.get(path)
    fields = {**dict(re.findall(r'name="([a-z]+)" type="(?:date|time|text|number)" value="([^"]*)"', page.text))}
    fields |= {"lieu": SLOT["lieu"], "type": "AMB", "visibilite": ["PUBLIC"], "repeter": ""}
    return await submit(browser, page, path, **{**fields, **changes})


async def a_series(core: Core, browser: httpx.AsyncClient) -> list[str]:
    await add(browser, repeter="semaine", jusqua="2026-12-22")
    return [slot.id for slot in typed(core)]


@pytest.mark.parametrize(
    ("scope", "days"),
    [("one", ["08/12"]), ("following", ["08/12", "15/12", "22/12"]), ("all", ["01/12", "08/12", "15/12", "22/12"])],
)
async def test_a_slot_is_changed_alone_with_the_following_or_with_all(core: Core, scope: str, days: list[str]) -> None:
    async with at_work(core) as browser:
        _, second, *_ = await a_series(core, browser)
        answer = await change(browser, second, portee=scope, debut="21:40")
        assert answer.status_code == 303, answer.text
        assert "Modification enregistrée." in await landed(browser, answer)
    assert [f"{each.begins:%d/%m}" for each in typed(core, at="21:40")] == days


async def test_the_end_of_a_series_and_a_single_slot_that_becomes_one(core: Core) -> None:
    async with at_work(core) as browser:
        first, *_ = await a_series(core, browser)
        await change(browser, first, portee="all", jusqua="2026-12-09")
        assert [f"{each.begins:%d/%m}" for each in typed(core)] == ["01/12", "08/12"]
        await add(browser, jour="2026-12-02")
        (single,) = [each.id for each in typed(core) if each.begins.date() == date(2026, 12, 2)]
        await change(browser, single, repeter="semaine", jusqua="2026-12-16")
    assert [f"{each.begins:%d/%m}" for each in typed(core)] == ["01/12", "02/12", "08/12", "09/12", "16/12"]


async def test_a_refused_change_is_shown_at_its_field(core: Core) -> None:
    async with at_work(core) as browser:
        first, *_ = await a_series(core, browser)
        overlap = await change(browser, first, debut="20:30")
        unreadable = await change(browser, first, debut="tard")
    assert (overlap.status_code, unreadable.status_code) == (409, 422)
    assert "en chevauche un autre" in error_of(overlap, "debut")
    assert "Saisissez une heure" in error_of(unreadable, "debut")


@pytest.mark.parametrize(
    ("scope", "left", "words"), [("one", 3, "Créneau"), ("following", 1, "Créneaux"), ("all", 0, "Série")]
)
async def test_a_slot_is_deleted_alone_with_the_following_or_with_all(
    core: Core, scope: str, left: int, words: str
) -> None:
    async with at_work(core) as browser:
        _, second, *_ = await a_series(core, browser)
        path = f"/sas/agenda/creneau/{second}"
        page = await browser.get(path)
        assert "jusqu&#39;au 22/12/2026" in page.text or "jusqu'au 22/12/2026" in page.text
        answer = await submit(browser, page, f"{path}/supprimer", **{"portee-suppression": scope})
        assert f"{words} supprimé" in await landed(browser, answer)
    assert len(typed(core)) == left


async def test_a_slot_that_has_begun_cannot_be_changed(core: Core) -> None:
    path = f"/sas/agenda/creneau/{ROUVEYRAN}-w00540.20261123"
    async with at_work(core) as browser:
        page = await browser.get(path)
        assert "Ce créneau a commencé" in page.text
        assert "supprimer" not in page.text
        form = await browser.get("/sas/agenda/nouveau")
        refused = await submit(browser, form, f"{path}/supprimer")
    assert refused.status_code == 422
    assert "a déjà commencé" in refused.text or "a commencé" in refused.text


@pytest.mark.parametrize("slot", ["x", f"{MARCILHAC}-w10600.20261201", f"{ROUVEYRAN}-w10540.20261202"])
async def test_only_own_slots_are_shown(core: Core, slot: str) -> None:
    async with at_work(core) as browser:
        page = await browser.get(f"/sas/agenda/creneau/{slot}")
    assert page.status_code == 404
    assert "n'existe pas" in page.text.replace("&#39;", "'")


async def test_a_change_that_takes_a_patients_slot_away_is_confirmed_first(core: Core) -> None:
    record = await booked(core, EVENING, PATIENT)
    async with at_work(core) as browser:
        shown = await browser.get(f"/sas/agenda/creneau/{EVENING}")
        assert "Ana Zzyzx" in shown.text
        warning = await change(browser, EVENING, debut="20:15", motifs="Otite", lieu="rouveyran-bordeaux")
        assert warning.status_code == 409
        assert "Mardi 1er décembre 2026 à 20:00 : Ana Zzyzx" in warning.text
        assert "prévenir la régulation" in warning.text
        assert 'name="motifs" value="Otite"' in warning.text
        assert core.sas.appointments.read(record.id) == record
        kept = dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', warning.text))
        kept.pop("csrf")
        answer = await submit(browser, warning, f"/sas/agenda/creneau/{EVENING}", **kept)
        assert "1 rendez-vous annulé : la régulation est prévenue." in await landed(browser, answer)
    cancelled = core.sas.appointments.read(record.id)
    assert cancelled is not None
    assert cancelled.status == "cancelled"
    assert [(each.appointment or {})["status"] for each in await core.l02_messages()] == ["booked", "cancelled"]
    assert [f"{each.begins:%d/%m}" for each in typed(core, at="20:15")] == ["01/12"]


async def test_deleting_a_slot_with_a_patient_is_confirmed_first(core: Core) -> None:
    record = await booked(core, EVENING, PATIENT)
    path = f"/sas/agenda/creneau/{EVENING}"
    async with at_work(core) as browser:
        page = await browser.get(path)
        warning = await submit(browser, page, f"{path}/supprimer", **{"portee-suppression": "one"})
        assert warning.status_code == 409
        assert f'href="{path}"' in warning.text
        consent = {"portee-suppression": "one", "annuler": "1"}
        await submit(browser, warning, f"{path}/supprimer", **consent)
    assert (core.sas.appointments.read(record.id) or record).status == "cancelled"
    assert core.sas.agendas.of(person(core)).occurrence("w11200", date(2026, 12, 1).toordinal()) is None
