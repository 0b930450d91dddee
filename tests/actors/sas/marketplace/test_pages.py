"""The regulator's pages of the marketplace: the form, and the request that is followed live."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from sandbox.editor.communities.requests import Step
from sandbox.kernel.calls import with_interface
from tests.actors.sas.browsing import following, logged_in, submit
from tests.actors.sas.sas_core import reply
from tests.support.marketplace import COMMUNITY, MEMBERS, SLUG, Marketplace, both, place, until

FORM = f"/sas/communaute/{COMMUNITY}"
TYPED = {"besoin": "Fièvre depuis trois jours", "insee": "33063", "delai": "30"}


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Marketplace]:
    async with place(tmp_path) as here, both(here) as made:
        yield made


async def get(market: Marketplace, path: str, status: int = 200) -> httpx.Response:
    async with logged_in(market.core) as browser:
        answer = await browser.get(path)
    assert answer.status_code == status, answer.text
    return answer


async def sent(market: Marketplace, **fields: Any) -> httpx.Response:
    page = await get(market, f"{FORM}?insee=33281")
    key = re.findall(r'name="cle" value="([^"]*)"', page.text)[0]
    async with logged_in(market.core) as browser:
        return await submit(browser, page, FORM, **{"cle": key, **TYPED, **fields})


async def asked(market: Marketplace) -> str:
    """The path of the orientation."""
    answer = await sent(market)
    assert answer.status_code == 303, answer.text
    await until(lambda: len(market.editor.running.requests) == 1)
    return str(answer.headers["location"])


def fact(page: str, name: str) -> str:
    return " ".join(unescape(re.sub("<[^>]*>", "", re.findall(rf"<dt>{name}</dt><dd>(.*?)</dd>", page)[0])).split())


async def test_the_form_knows_the_town_of_the_search(market: Marketplace) -> None:
    page = (await get(market, f"{FORM}?insee=33281")).text
    assert '<option value="33281" selected>' in page
    assert "N'écrivez ni nom" in unescape(page)
    await get(market, "/sas/communaute/inconnue", 404)


async def test_a_request_is_followed_to_the_doctor_who_accepts(market: Marketplace) -> None:
    market.place.behave(answer="by-hand")
    path = await asked(market)
    waiting = (await get(market, path)).text
    assert "En attente d'une réponse</strong> (encore 30 min)" in waiting
    assert (fact(waiting, "Besoin"), fact(waiting, "Commune")) == (TYPED["besoin"], "Bordeaux")
    assert "réponse attendue avant 11:00" in waiting
    async with following(market.core, f"{path}/flux") as stream:
        assert "data-waiting" in (await stream.next())[1]
        request = market.editor.running.requests.latest()[0]
        await market.editor.running.requests.act(request, Step.ACCEPT, MEMBERS[0])
        last = ""
        while "Acceptée" not in last:
            last = (await stream.next())[1]
    doctor = market.core.population.doctor(MEMBERS[0])
    assert doctor is not None
    assert doctor.family in last


@pytest.mark.parametrize(
    ("how", "sentence"),
    [("refuse", "Refusée"), ("nobody", "Sans réponse"), ("withdrawn", "Retirée"), ("cancelled", "Annulée")],
)
async def test_the_next_best_solution_when_it_fails(market: Marketplace, how: str, sentence: str) -> None:
    market.place.behave(answer={"withdrawn": "by-hand", "cancelled": "accept"}.get(how, how), after_s=0)
    path = await asked(market)
    if how == "nobody":
        market.place.pass_(minutes=31)
    if how == "withdrawn":
        question = await get(market, f"{path}/retrait")
        async with logged_in(market.core) as browser:
            assert (await submit(browser, question, f"{path}/retrait")).status_code == 303
    record = market.core.sas.appointments.read(path.rpartition("/")[2])
    assert record is not None
    if how == "cancelled":
        await until(lambda: market.record(record.id).status == "booked")
        await market.editor.running.requests.act(market.request(record), Step.CANCEL)
    await until(lambda: market.record(record.id).status == "cancelled")
    page = (await get(market, path)).text
    assert sentence in page
    assert 'href="/sas/recherche?insee=33063&amp;offres=1' in page
    assert "/sas/communaute/sos-bordeaux?insee=33063" in page
    assert f"/sas/communaute/{COMMUNITY}?" not in page


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"besoin": "ab"}, "Décrivez le besoin"),
        ({"delai": "3"}, "Indiquez un délai"),
        ({"delai": "un"}, "Indiquez un délai"),
        ({"insee": "75056"}, "Choisissez une commune"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field(market: Marketplace, fields: dict[str, str], problem: str) -> None:
    answer = await sent(market, **fields)
    assert answer.status_code == 422
    text = unescape(answer.text)
    assert problem in text
    assert fields.get("besoin", TYPED["besoin"]) in text
    assert 'aria-invalid="true"' in text
    assert [*market.core.sas.appointments.of_regulator(market.core.regulator.identifier)] == []


async def test_the_same_form_twice_is_one_request(market: Marketplace) -> None:
    first, second = await sent(market, cle="k1"), await sent(market, cle="k1")
    assert first.headers["location"] == second.headers["location"]


async def test_an_editor_that_is_not_asked_now_is_said_before_and_after(market: Marketplace) -> None:
    page = await get(market, FORM)
    world = market.place.context.world.world
    disabled = msgspec.structs.replace(world, switches=with_interface(world.switches, SLUG, False))
    market.place.context.world.apply(disabled)
    assert "n'est pas sollicité en ce moment" in unescape((await get(market, FORM)).text)
    async with logged_in(market.core) as browser:
        answer = await submit(browser, page, FORM, **TYPED)
    assert answer.status_code == 409
    assert "n'est pas sollicité en ce moment" in unescape(answer.text)


async def test_an_editor_that_rejects_the_request_is_quoted(market: Marketplace) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"details": {"text": "fermée <b>"}}]}

    async def refuse(*_: object) -> Any:
        return reply(outcome, 422)

    market.core.editors.answers[SLUG] = refuse
    path = str((await sent(market)).headers["location"])
    await until(lambda: market.record(path.rpartition("/")[2]).status == "cancelled")
    page = (await get(market, path)).text
    assert "(422 : fermée &lt;b&gt;)" in page
