"""`__admin/lrms` and `__admin/interfaces`: which LRM may open a search, which editors are asked for slots."""

from __future__ import annotations

import httpx
import pytest

from sandbox.control.app import Control
from sandbox.kernel.calls import disabled_editors, may_call

SAMU = "fr.health.samu330"


async def test_an_lrm_is_kept_from_calling_and_let_call_again(control: Control, admin: httpx.AsyncClient) -> None:
    for allowed in (False, True):
        answer = await admin.put(f"/__admin/lrms/{SAMU}", json={"contextual_call": allowed})
        assert answer.status_code == 200
        assert answer.json()["contextual_call"] is allowed
        assert may_call(SAMU, control.context.world.world.switches) is allowed


async def test_every_lrm_is_listed_with_its_origin(control: Control, admin: httpx.AsyncClient) -> None:
    await admin.put(f"/__admin/lrms/{SAMU}", json={"contextual_call": False})
    listed = (await admin.get("/__admin/lrms")).json()["lrms"]
    territories = control.context.population.territories.values()
    assert {each["client_id"] for each in listed} == {"TEST-SAMU000", *(each.samu for each in territories)}
    assert {each["client_id"] for each in listed if not each["contextual_call"]} == {SAMU}
    assert all(each["origin"] for each in listed)


@pytest.mark.parametrize(
    ("client_id", "body", "status"),
    [
        ("nobody", {"contextual_call": False}, 404),
        (SAMU, {"contextual_call": "no"}, 400),
        (SAMU, {}, 400),
        (SAMU, {"contextual_call": True, "other": 1}, 400),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    admin: httpx.AsyncClient, client_id: str, body: dict[str, object], status: int
) -> None:
    answer = await admin.put(f"/__admin/lrms/{client_id}", json=body)
    assert answer.status_code == status
    assert answer.json()["errors"]


async def test_an_editor_is_disabled_and_asked_again(control: Control, admin: httpx.AsyncClient) -> None:
    for enabled in (False, True):
        answer = await admin.put("/__admin/interfaces/agenda-azur", json={"enabled": enabled})
        expected = {"slug": "agenda-azur", "name": "Agenda Azur", "external": False, "enabled": enabled}
        assert answer.json() == expected
        assert ("agenda-azur" in disabled_editors(control.context.world.world.switches)) is not enabled
        assert expected in (await admin.get("/__admin/interfaces")).json()["editors"]


async def test_a_change_of_character_leaves_an_editor_disabled(control: Control, admin: httpx.AsyncClient) -> None:
    await admin.put("/__admin/interfaces/agenda-azur", json={"enabled": False})
    await admin.delete("/__admin/editors/agenda-azur")
    assert disabled_editors(control.context.world.world.switches) == {"agenda-azur"}


@pytest.mark.parametrize(("slug", "body", "status"), [("nobody", {"enabled": False}, 404), ("agenda-azur", {}, 400)])
async def test_an_interface_that_cannot_be_meant_is_refused(
    admin: httpx.AsyncClient, slug: str, body: dict[str, object], status: int
) -> None:
    answer = await admin.put(f"/__admin/interfaces/{slug}", json=body)
    assert answer.status_code == status
    assert answer.json()["errors"]
