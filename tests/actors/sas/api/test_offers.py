"""The offers beside free slots, and structures around a place, by the SAS API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from sandbox.kernel.flows import Flow
from sandbox.sas.offers.found import MOST
from tests.actors.sas.api.test_api import assert_problem
from tests.actors.sas.api.test_openapi import LINES, conforms
from tests.actors.sas.sas_core import Core
from tests.actors.sas.searching import QUERY, open_editors

BORDEAUX, LYON = "33063", "69123"


async def get(core: Core, path: str, **headers: str) -> httpx.Response:
    async with core.browser() as browser:
        answer = await browser.get(f"/api/{path}", headers={**await core.token(), **headers})
    conforms(answer)
    return answer


async def offers(core: Core, query: str) -> dict[str, Any]:
    answer = await get(core, f"search?offers=true&{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["offers"]
    for each in found.values():
        assert len(each) <= MOST
        assert [one["distance_km"] for one in each] == sorted(one["distance_km"] for one in each)
        assert all({"id", "name", "phone", "conditions"} <= one.keys() for one in each)
    return found


async def test_they_stand_beside_the_cards_and_only_when_asked_for(core: Core) -> None:
    open_editors(core)
    without = (await get(core, QUERY.removeprefix("/api/"))).json()
    also = (await get(core, QUERY.removeprefix("/api/") + "&offers=true")).json()
    assert "offers" not in without
    assert also["cards"] == without["cards"]
    assert also["offers"].keys() == {"extra", "marketplaces", "structures"}


async def test_no_editor_is_called_for_them(core: Core) -> None:
    open_editors(core)
    calls = []
    for query in (f"insee={BORDEAUX}", f"insee={BORDEAUX}&offers=true"):
        core.editors.calls.clear()
        await get(core, f"search?{query}")
        calls.append(sorted(call[:3] for call in core.editors.calls if call[1] != Flow.INT_R02))
    assert calls[0] == calls[1]
    core.editors.calls.clear()
    await get(core, f"structures?insee={BORDEAUX}")
    assert [call for call in core.editors.calls if call[1] != Flow.INT_R02] == []


async def test_the_examples_are_found(core: Core) -> None:
    open_editors(core)
    examples: Any = core.population.examples
    one = examples["practitioner_extra"]
    assert one["id"] in {each["id"] for each in (await offers(core, f"insee={one['insee']}"))["extra"]}
    for kind in ("cds", "msp"):
        one = examples[f"structure_{kind}"]
        assert one["id"] in {each["id"] for each in (await offers(core, f"insee={one['insee']}"))["structures"]}
    for one in examples["marketplaces"]:
        assert one["id"] in {each["id"] for each in (await offers(core, f"insee={one['insee']}"))["marketplaces"]}


async def test_they_are_for_the_same_specialty(core: Core) -> None:
    open_editors(core)
    general, children = [await offers(core, f"insee={BORDEAUX}&specialty={code}") for code in ("SM54", "SM40")]
    assert general["extra"]
    assert all(each["specialty"] in ("SM26", "SM53", "SM54") for each in general["extra"])
    assert all(each["specialty"] == "SM40" for each in children["extra"])
    assert general["structures"] == children["structures"]


async def test_filters_of_structures_and_distance_hold_for_them(core: Core) -> None:
    open_editors(core)
    some = await offers(core, f"insee={BORDEAUX}&kind=msp,cpts&within=5")
    assert {each["kind"] for each in some["structures"]} == {"MSP"}
    assert {each["kind"] for each in some["marketplaces"]} == {"CPTS"}
    assert all(each["distance_km"] <= 5 for kind in ("extra", "structures") for each in some[kind])


async def test_a_disabled_editor_is_not_asked_for_its_communities(core: Core) -> None:
    open_editors(core)
    core.sas.directory.disabled = lambda: {"entraide-commune"}
    found = await offers(core, f"insee={BORDEAUX}")
    assert found["marketplaces"] == []
    assert found["extra"]


async def test_line_by_line_they_come_second(core: Core) -> None:
    open_editors(core)
    answer = await get(core, f"search?insee={BORDEAUX}&offers=true", Accept=LINES)
    first, second, *others = [json.loads(line) for line in answer.text.splitlines()]
    assert (first["event"], second["event"]) == ("search", "offers")
    assert second["offers"] == await offers(core, f"insee={BORDEAUX}")
    assert "offers" not in {each["event"] for each in others}


@pytest.mark.parametrize("value", ["yes", "1", "truefalse"])
async def test_another_value_than_true_or_false_is_refused(core: Core, value: str) -> None:
    problem = assert_problem(await get(core, f"search?insee={BORDEAUX}&offers={value}"), 400)
    assert problem["errors"][0]["pointer"] == "http.offers"


async def test_structures_around_a_place(core: Core) -> None:
    answer = (await get(core, f"structures?insee={LYON}")).json()
    assert answer["town"]["insee"] == LYON
    everything = answer["structures"]
    assert {each["kind"] for each in everything} == {"CDS", "MSP"}
    assert [each["distance_km"] for each in everything] == sorted(each["distance_km"] for each in everything)
    only = (await get(core, f"structures?insee={LYON}&kind=cds")).json()["structures"]
    assert only == [each for each in everything if each["kind"] == "CDS"]
    near = (await get(core, f"structures?insee={LYON}&radius=2")).json()["structures"]
    assert near == [each for each in everything if each["distance_km"] <= 2]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("insee=00000", "http.insee"), ("", "http.town"), ("insee=33063&kind=sos", "http.kind"), ("place=", "http.town")],
)
async def test_structures_nowhere_or_of_another_kind_are_refused(core: Core, query: str, pointer: str) -> None:
    assert assert_problem(await get(core, f"structures?{query}"), 400)["errors"][0]["pointer"] == pointer
