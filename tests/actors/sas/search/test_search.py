"""A search by the API: whom it asks, in which lots and order, and what its parameters mean."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Practitioner
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.events import SourceAnswer
from sandbox.sas.search.run import read_criteria, run
from tests.actors.sas.sas_core import NOW, Core, Gate, reply
from tests.actors.sas.searching import QUERY, SOON, nothing, open_editors, search, searched
from tests.unit.sas.search.bundles import bundle


async def test_a_search_asks_every_editor_concerned_in_its_own_form(core: Core) -> None:
    open_editors(core)
    await search(core)
    calls = [
        (peer, flow, path.partition("?")[0]) for peer, flow, method, path, _ in core.editors.calls if method == "GET"
    ]
    assert sorted(calls) == [
        ("agenda-azur", "INT_R01", "Slot"),
        ("garde-plus", "SOS", "Schedule"),
        ("rdv-commune", "INT_R04", "Slot"),
    ]


async def test_a_page_has_five_cards_with_their_slots_by_place(core: Core) -> None:
    open_editors(core)
    page = await search(core)
    assert len(page["cards"]) == 5
    assert (page["page"], page["next"], page["partial"]) == (1, 2, False)
    for card in page["cards"]:
        slots = [each for place in card["places"] for each in place.get("slots", [])]
        assert slots
        assert all(each["url"].startswith("http://editor.example/rdv?slot=") for each in slots)
    assert {editor["state"] for editor in page["editors"]} == {"answered"}
    assert (page["town"]["insee"], page["radius_km"]) == ("33063", 10.0)


async def test_pages_show_everybody_once_and_end(core: Core) -> None:
    open_editors(core)
    seen: list[str] = []
    next_page: int | None = 1
    while next_page is not None:
        page = await search(core, f"{QUERY}&page={next_page}")
        seen += [card["id"] for card in page["cards"]]
        next_page = page["next"]
    assert len(seen) == len(set(seen)) > 20
    assert [id for id in seen if id in core.population.sos]


async def test_lots_follow_until_two_pages_are_full(core: Core) -> None:
    everybody: list[str] = []

    def one_in_nine(person: Practitioner) -> list[Any]:
        everybody.append(person.id)
        return SOON if len(everybody) % 9 == 0 else []

    agendas = open_editors(core, one_in_nine)
    core.editors.answers.pop("garde-plus")
    await search(core)
    lots = max(len(agenda.asked) for agenda in agendas.values())
    asked = [id for agenda in agendas.values() for lot in agenda.asked for id in lot]
    assert lots >= 2
    assert len(asked) == len(set(asked))
    assert all(len(lot) <= 25 for agenda in agendas.values() for lot in agenda.asked)


@pytest.mark.usefixtures("editors_alone")
async def test_where_nobody_has_anything_the_area_is_enlarged_once(core: Core) -> None:
    agendas = open_editors(core, lambda _: [])
    core.editors.answers["garde-plus"] = nothing
    page = await search(core)
    assert page["cards"] == []
    assert page["radius_km"] == 15.0
    assert page["next"] is None
    asked = [id for agenda in agendas.values() for lot in agenda.asked for id in lot]
    assert len(asked) == len(set(asked)) == sum(card["kind"] == "practitioner" for card in page["without_slots"])


async def test_a_specialty_without_sos_does_not_ask_them(core: Core) -> None:
    open_editors(core)
    await search(core, "/api/search?town=Bordeaux&specialty=SM04")
    assert core.editors.flows(Flow.SOS) == []


async def test_too_many_searches_at_once_are_refused_not_queued(core: Core) -> None:
    open_editors(core)
    core.sas.aggregator.running = 256
    token = await core.token()
    async with core.browser() as browser:
        answer = await browser.get(QUERY, headers=token)
    core.sas.aggregator.running = 0
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_editors_are_asked_at_the_same_time(core: Core) -> None:
    open_editors(core)
    gates = {slug: Gate(reply(bundle([], []))) for slug in searched(core)}
    token = await core.token()
    core.editors.answers.update(gates)
    async with core.browser() as browser:
        running = asyncio.create_task(browser.get(QUERY, headers=token))
        async with asyncio.timeout(5):
            await asyncio.gather(*(gate.reached.wait() for gate in gates.values()))
        for gate in gates.values():
            gate.opened.set()
        assert (await running).status_code == 200


@pytest.mark.usefixtures("editors_alone")
async def test_events_come_as_lines_and_make_the_same_page(core: Core) -> None:
    open_editors(core)
    token = await core.token()
    async with core.browser() as browser:
        answer = await browser.get(QUERY, headers={**token, "Accept": "application/x-ndjson"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    told, *events = [json.loads(line) for line in answer.text.splitlines()]
    assert (told["event"], told["town"]["insee"]) == ("search", "33063")
    assert events[-1] == {"event": "done", "partial": False, "complete": True, "radius_km": 10.0}
    sources = {event["editor"]: event for event in events if event["event"] == "source"}
    assert {slug: event["state"] for slug, event in sources.items()} == dict.fromkeys(searched(core), "ok")
    last = {event["lot"]: event["cards"] for event in events if event["event"] == "found"}
    page = await search(core)
    assert [card for lot in sorted(last) for card in last[lot]][:5] == page["cards"]


async def test_a_stream_that_is_refused_says_so_by_its_status(core: Core) -> None:
    open_editors(core)
    core.sas.aggregator.running = 256
    token = await core.token()
    async with core.browser() as browser:
        answer = await browser.get(QUERY, headers={**token, "Accept": "application/x-ndjson"})
    core.sas.aggregator.running = 0
    assert answer.status_code == 503


async def test_who_stops_listening_ends_the_calls(core: Core) -> None:
    open_editors(core)
    hung = Gate(reply(bundle([], [])))
    core.editors.answers["rdv-commune"] = hung
    criteria = read_criteria({"town": "Bordeaux"}, core.sas.aggregator.directory, SPECIALTIES, NOW)
    before = asyncio.all_tasks()
    async with contextlib.aclosing(run(criteria, core.sas.aggregator)) as events:
        assert isinstance(await anext(events), SourceAnswer)
    assert core.sas.aggregator.running == 0
    ended = asyncio.all_tasks() - before
    if ended:
        await asyncio.wait(ended)
    assert core.sas.editors.editor("rdv-commune").running == 0


async def test_places_filters_and_the_preferred_doctor_are_parameters(core: Core) -> None:
    open_editors(core)
    everybody = await search(core, "/api/search?place=33000")
    preferred = everybody["cards"][-1]["id"]
    page = await search(
        core, f"/api/search?place=1+rue+du+Modèle,+33000+Bordeaux&preferred={preferred}&kind=cds,msp,cpts"
    )
    assert page["place"] == {"kind": "address", "label": "1 rue du Modèle, Bordeaux"}
    assert page["order"] == "distance"
    assert all(card["kind"] != "sos" for card in page["cards"])
    only = await search(core, "/api/search?town=Bordeaux&kind=sos")
    assert {card["kind"] for card in only["cards"]} == {"sos"}
    assert (await search(core, "/api/search?town=Bordeaux&visibility=PRO&type=HH"))["cards"] == []
    assert (await search(core, f"/api/search?place=33000&preferred={preferred}"))["cards"][0]["id"] == preferred
    wide = await search(core, "/api/search?place=Gironde")
    assert (wide["place"]["label"], wide["radius_km"]) == ("Gironde (33)", 143.0)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("place=Trifouillis", "http.place"),
        ("town=Bordeaux&order=near", "http.order"),
        ("town=Bordeaux&radius=0", "http.radius"),
        ("town=Bordeaux&radius=loin", "http.radius"),
        ("town=Bordeaux&within=201", "http.within"),
        ("town=Bordeaux&visibility=PUBLIC,VIP", "http.visibility"),
        ("town=Bordeaux&type=XX", "http.type"),
        ("town=Bordeaux&booking=perhaps", "http.booking"),
        ("town=Bordeaux&kind=hospital", "http.kind"),
        ("town=Bordeaux&preferred=899999999999", "http.preferred"),
        ("town=Bordeaux&streetnumber=12", "http.streetnumber"),
    ],
)
async def test_parameters_that_cannot_be_understood_say_where(core: Core, query: str, where: str) -> None:
    token = await core.token()
    async with core.browser() as browser:
        answer = await browser.get(f"/api/search?{query}", headers=token)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == where


async def test_practitioners_without_code_are_found_by_their_words(core: Core) -> None:
    open_editors(core)
    words = next(each.specialty_text for each in core.population.handmade() if each.specialty_text)
    assert words is not None
    page = await search(core, f"/api/search?place=Gironde&specialty={words.upper()}")
    assert page["specialty"] == {"code": words, "label": words}
    assert {card["specialty_label"] for card in [*page["cards"], *page["without_slots"]]} <= {words}
