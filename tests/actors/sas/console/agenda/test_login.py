"""Who comes through Pro Santé Connect: a regulator, a practitioner of the SAS agenda, or somebody who is both."""

from __future__ import annotations

import pytest

from sandbox.sas.regulators.accounts import Draft
from sandbox.web.oidc import Claims, RelyingParty
from tests.actors.sas.agenda.practitioners import ROUVEYRAN
from tests.actors.sas.browsing import at_psc, logged_in
from tests.actors.sas.console.agenda.practitioner import at_work
from tests.actors.sas.sas_core import Core

PRACTITIONERS = ("/sas/agenda", "/sas/agenda/patients", "/sas/agenda/fermetures", "/sas/agenda/nouveau")


def comes(monkeypatch: pytest.MonkeyPatch, national_id: str, return_to: str = "/") -> None:
    """Pro Santé Connect says that this person has logged in."""

    async def callback(*_: object) -> Claims:
        return Claims(national_id, "X", "Y", "", return_to)

    monkeypatch.setattr(RelyingParty, "callback", callback)


@pytest.mark.parametrize(
    ("return_to", "lands"), [("/", "/sas/agenda"), ("/sas/agenda/patients", "/sas/agenda/patients")]
)
async def test_a_practitioner_lands_on_his_agenda(
    core: Core, monkeypatch: pytest.MonkeyPatch, return_to: str, lands: str
) -> None:
    comes(monkeypatch, ROUVEYRAN, return_to)
    async with core.browser() as browser:
        answer = await browser.get("/oidc/callback?state=x&code=y")
        assert (answer.status_code, answer.headers["location"]) == (303, lands)
        page = await browser.get(lands)
        home = await browser.get("/")
    assert f'data-practitioner="{ROUVEYRAN}"' in page.text
    assert "data-regulator" not in page.text
    assert "Mes orientations" not in page.text
    assert home.headers["location"] == "/sas/agenda"
    assert core.editors.calls == []


async def test_somebody_who_is_both_has_both_parts_in_one_session(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = Draft(
        type="IDNPS", value=ROUVEYRAN, family="Rouveyran", given="Aurore", email="a@sas33.example", territory="SAS-33"
    )
    await core.sas.regulators.create(draft, "test")
    comes(monkeypatch, ROUVEYRAN)
    async with core.browser() as browser:
        assert (await browser.get("/oidc/callback?state=x&code=y")).headers["location"] == "/"
        home = await browser.get("/")
        agenda = await browser.get("/sas/agenda")
    for page in (home, agenda):
        assert page.status_code == 200
        assert "Mes orientations" in page.text
        assert "Mon agenda SAS" in page.text
    assert "data-regulator" in agenda.text


async def test_a_practitioner_of_an_editor_has_no_agenda_here(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    comes(monkeypatch, core.population.of_editor("agenda-azur")[0].id)
    async with core.browser() as browser:
        answer = await browser.get("/oidc/callback?state=x&code=y")
    assert answer.status_code == 403
    assert "ni agenda SAS" in answer.text


@pytest.mark.parametrize("path", PRACTITIONERS)
async def test_a_stranger_logs_in_first_and_a_regulator_is_told_whose_page_it_is(core: Core, path: str) -> None:
    at_psc(core)
    async with core.browser() as stranger, logged_in(core) as regulator:
        asked, refused = await stranger.get(path), await regulator.get(path)
    assert "/psc/auth" in asked.headers["location"]
    assert refused.status_code == 403
    assert "réservée aux médecins" in refused.text


@pytest.mark.parametrize(
    "path", ["/sas/orientations", "/sas/recherche?place=Bordeaux", "/sas/agenda/reserver?creneau=x"]
)
async def test_a_practitioner_is_no_regulator(core: Core, path: str) -> None:
    async with at_work(core) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 403
    assert "réservée aux régulateurs" in answer.text


async def test_a_form_needs_a_session_of_the_right_person_and_its_token(core: Core) -> None:
    async with core.browser() as stranger, logged_in(core) as regulator, at_work(core) as practitioner:
        for browser in (stranger, regulator, practitioner):
            for path in ("/sas/agenda/nouveau", "/sas/agenda/fermetures", "/sas/agenda/patients/x/honore"):
                assert (await browser.post(path, data={"jour": "2026-12-01"})).status_code == 403
        assert (await practitioner.post("/sas/agenda/reserver", data={})).status_code == 403
