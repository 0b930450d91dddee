"""A practitioner with an editor who has typed slots too: an editor's answer replaces them place by place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandbox.kernel.model import Practitioner
from sandbox.sas.orientations.typed_booking import SlotRequest
from tests.actors.sas.agenda.practitioners import EARLY, MARCILHAC, ROUVEYRAN, person, typed
from tests.actors.sas.sas_core import Core
from tests.actors.sas.search.test_another_source import only
from tests.actors.sas.search.test_candidates import switch
from tests.actors.sas.searching import nothing, open_editors, search


@pytest.fixture
def both(core: Core) -> Practitioner:
    """He has an editor and two places around Bordeaux."""
    people = core.population.practitioners()
    return next(
        each
        for each in people
        if each.editor and len(each.places) == 2 and all(place.insee.startswith("33") for place in each.places)
    )


async def cards_of(core: Core, someone: Practitioner) -> dict[str, dict[str, int]]:
    query = f"insee={someone.places[0].insee}&order=distance&preferred={someone.id}&specialty={someone.specialty}"
    cards = (await search(core, f"/api/search?{query}"))["cards"]
    return {
        card["editor"]: {place["id"]: len(place.get("slots", ())) for place in card["places"]}
        for card in cards
        if card["id"] == someone.id
    }


async def test_where_the_editor_has_slots_the_typed_ones_are_not_shown(core: Core, both: Practitioner) -> None:
    open_editors(core)
    first, second = both.places
    core.editors.answers[both.editor] = only(replace(both, places=(first,)))
    await typed(core, both, place=first.id)
    await typed(core, both, place=second.id, start=EARLY.replace(hour=12))
    assert await cards_of(core, both) == {both.editor: {first.id: 2, second.id: 0}, "sas-agenda": {second.id: 1}}


async def test_an_editor_that_says_nothing_leaves_the_typed_slots(core: Core, both: Practitioner) -> None:
    open_editors(core)
    core.editors.answers[both.editor] = nothing
    slot = await typed(core, both, place=both.places[0].id)
    assert await cards_of(core, both) == {"sas-agenda": {both.places[0].id: 1, both.places[1].id: 0}}
    await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    assert "sas-agenda" not in await cards_of(core, both)


async def test_who_has_typed_slots_is_found_though_his_editor_is_disabled(core: Core, both: Practitioner) -> None:
    open_editors(core)
    await typed(core, both, place=both.places[0].id)
    switch(core, both.editor, False)
    assert {*await cards_of(core, both)} == {"sas-agenda"}


async def test_a_cpts_has_one_card_whoever_of_its_members_has_typed_slots(core: Core) -> None:
    open_editors(core, lambda _: [])
    shown: list[Any] = (await search(core, "/api/search?town=Pessac&order=distance"))["cards"]
    names = [each["finess"] for card in shown for each in card.get("through", ())]
    assert len(names) == len({*names})
    assert {ROUVEYRAN, MARCILHAC} & {card["id"] for card in shown}


async def test_people_without_typed_slots_who_have_an_editor_are_not_asked_about_here(
    core: Core, both: Practitioner
) -> None:
    assert core.sas.agendas.lists(person(core).id)
    assert not core.sas.agendas.lists(both.id)
    assert not core.sas.agendas.lists("399900300000018")
    await typed(core, both, place=both.places[0].id)
    assert core.sas.agendas.lists(both.id)
