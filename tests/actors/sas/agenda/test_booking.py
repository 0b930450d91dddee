"""Slots of the SAS agenda in searches, and their booking."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.sas.orientations.typed_booking import SlotGone, SlotRequest
from tests.actors.sas.sas_core import Core
from tests.actors.sas.searching import open_editors, search

ROUVEYRAN, MARCILHAC, KERGUELEN = "819800000127", "819800000135", "819800000143"


def person(core: Core, id: str = ROUVEYRAN) -> Any:
    found = core.population.practitioner(id)
    assert found is not None
    return found


async def cards(core: Core, query: str) -> dict[str, Any]:
    open_editors(core, lambda _: [])
    found = await search(core, f"/api/search?{query}")
    return {card["id"]: card for card in found["cards"]}


async def test_the_week_of_a_practitioner_without_editor_is_found(core: Core) -> None:
    found = await cards(core, f"town=Bordeaux&order=distance&preferred={ROUVEYRAN}")
    card = found[ROUVEYRAN]
    assert (card["origin"], card["editor"], card["editor_name"]) == ("sas-agenda", "sas-agenda", "Agenda SAS")
    (place,) = [each for each in card["places"] if each.get("slots")]
    first = place["slots"][0]
    assert first["id"] == f"{ROUVEYRAN}-w00660.20261123"
    assert first["start"] == "2026-11-23T11:00:00+01:00"
    assert first["url"] == f"/sas/agenda/reserver?creneau={first['id']}&praticien={ROUVEYRAN}"


async def test_a_booked_slot_disappears_and_a_cancelled_one_comes_back(core: Core) -> None:
    (slot, *_) = core.sas.booking.free(person(core))
    record = await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    query = f"town=Bordeaux&order=distance&preferred={ROUVEYRAN}"
    assert slot.id not in str(await cards(core, query))
    with pytest.raises(SlotGone) as refused:
        await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    assert len(refused.value.nearest) == 5
    from sandbox.sas.orientations.steps import Action

    await core.sas.own.act(record.id, Action.CANCEL)
    assert slot.id in str(await cards(core, query))
