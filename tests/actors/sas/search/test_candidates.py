"""Who is asked about: nobody of a disabled editor, nobody on leave; participants of the SAS before others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.kernel.calls import with_interface
from sandbox.kernel.model import Practitioner, Structure
from sandbox.kernel.world import World
from sandbox.population.people import Population
from sandbox.sas.directory.participation import accepts_extra, kinds_of, takes_part
from tests.actors.sas.browsing import following
from tests.actors.sas.sas_core import Core
from tests.actors.sas.searching import SOON, Agenda, open_editors, search

MOST_WEEKS = 6
CENTRE = Structure("1330970001", "CDS", "Centre", "1 rue du Décor", "33000", "Bordeaux", "33063", 44.8, -0.5)


def switch(core: Core, slug: str, enabled: bool) -> None:
    world = core.context.world.world
    switches = with_interface(world.switches, slug, enabled)
    assert core.context.world.apply(World(revision=world.revision + 1, switches=switches))


def asked(agendas: dict[str, Agenda]) -> list[str]:
    return [id for agenda in agendas.values() for lot in agenda.asked for id in lot]


@pytest.mark.usefixtures("editors_alone")
async def test_a_disabled_editor_is_not_called_and_its_practitioners_are_no_candidates(core: Core) -> None:
    agendas = open_editors(core)
    for slug in ("agenda-azur", "garde-plus"):
        switch(core, slug, False)
    page = await search(core)
    assert {editor["slug"] for editor in page["editors"]} == {"rdv-commune"}
    assert not page["partial"]
    assert not agendas["agenda-azur"].asked
    assert not agendas["garde-plus"].asked
    switch(core, "agenda-azur", True)
    await search(core)
    assert agendas["agenda-azur"].asked


async def test_a_preferred_doctor_of_a_disabled_editor_is_not_asked(core: Core) -> None:
    agendas = open_editors(core)
    doctor = core.population.of_editor("agenda-azur")[0]
    switch(core, "agenda-azur", False)
    await search(core, f"/api/search?town=Bordeaux&specialty=SM54&practitioner={doctor.id}")
    assert doctor.id not in asked(agendas)


def on_leave(person: Practitioner) -> Practitioner:
    """A practitioner who is away for the longest possible number of weeks."""
    places = tuple(replace(place, agenda=replace(place.agenda, leave=MOST_WEEKS)) for place in person.places)
    return replace(person, places=places)


async def test_who_is_on_leave_on_all_days_is_not_asked(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    agendas = open_editors(core)
    await search(core)
    doctor = asked(agendas)[0]
    found = Population.practitioner
    away = on_leave(found(core.population, doctor) or pytest.fail(doctor))

    def practitioner(self: Population, national_id: str) -> Practitioner | None:
        return away if national_id == doctor else found(self, national_id)

    monkeypatch.setattr(Population, "practitioner", practitioner)
    weeks: list[bool] = []
    for week in range(52):
        for agenda in agendas.values():
            agenda.asked.clear()
        day = SOON[0].date().fromordinal(SOON[0].date().toordinal() + 7 * week - SOON[0].weekday())
        await search(core, f"/api/search?town=Bordeaux&specialty=SM54&practitioner={doctor}&from={day}&to={day}")
        weeks.append(doctor in asked(agendas))
    assert weeks.count(False) == MOST_WEEKS


async def test_a_centres_doctor_is_asked_after_all_participants(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    agendas = open_editors(core, lambda _: [])
    query = "/api/search?town=Bordeaux&specialty=SM54&streetnumber=1&streetname=rue du Décor&sos=0"
    await search(core, query)
    agenda = max(agendas.values(), key=lambda each: len(each.asked))
    assert len(agenda.asked) > 1
    doctor, last = agenda.asked[0][0], len(agenda.asked) - 1
    found = Population.practitioner
    person = found(core.population, doctor) or pytest.fail(doctor)
    employed = replace(person, cpts=(), places=tuple(replace(each, group=CENTRE) for each in person.places))
    assert not takes_part(kinds_of(employed))

    def practitioner(self: Population, national_id: str) -> Practitioner | None:
        return employed if national_id == doctor else found(self, national_id)

    monkeypatch.setattr(Population, "practitioner", practitioner)
    agenda.asked.clear()
    await search(core, query)
    assert [number for number, lot in enumerate(agenda.asked) if doctor in lot] == [last]


async def test_a_card_says_who_accepts_a_patient_beside_the_agenda(core: Core) -> None:
    open_editors(core)
    page = await search(core)
    seed = core.population.seed
    for card in page["cards"]:
        person = core.population.practitioner(card["id"])
        assert card.get("extra", False) is (person is not None and accepts_extra(person, seed))


async def test_the_editors_page_follows_calls_and_switches(core: Core) -> None:
    open_editors(core)
    async with following(core, "/sas/editeurs/flux") as stream:
        assert "jamais appelé" in (await stream.next())[1]
        await search(core)
        name, html = await stream.next()
        assert name == "contenu"
        assert "data-disabled" not in html
        switch(core, "agenda-azur", False)
        while "data-disabled" not in html:
            html = (await stream.next())[1]
        assert "désactivé" in html
