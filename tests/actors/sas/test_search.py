from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sandbox.fhir.search import parse_schedule_query, parse_slot_query
from sandbox.kernel.errors import PeerError, PeerTimeout, PeerUnreachable
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Practitioner
from sandbox.net.http_client import Reply
from sandbox.sas.events import Found, Source
from sandbox.sas.search import read_criteria, run
from sandbox.sas.specialties import SPECIALTIES
from tests.actors.sas.sas_core import NOW, Core, Gate, reply
from tests.unit.sas.bundles import bundle, practitioner_bundle, sos_bundle

SOON = [NOW + timedelta(hours=1), NOW + timedelta(hours=26)]
QUERY = "/api/search?town=Bordeaux&specialty=SM54"


class Agenda:
    """An editor that answers searches; `free` says when a practitioner is, `asked` remembers the lots."""

    def __init__(self, core: Core, free: Callable[[Practitioner], list[Any]]) -> None:
        self.core, self.free = core, free
        self.asked: list[list[str]] = []

    async def __call__(self, method: str, path: str, body: bytes | None) -> Reply:
        resource, _, query = path.partition("?")
        if resource == "Schedule":
            sirets = parse_schedule_query(query).sirets
            self.asked.append(list(sirets))
            return reply(sos_bundle(self.core.population.sos[sirets[0]], SOON))
        if resource != "Slot":
            return reply({}, 201)
        ids = parse_slot_query(query).practitioners
        self.asked.append(list(ids))
        people = [person for id in ids if (person := self.core.population.practitioner(id)) is not None]
        return reply(practitioner_bundle(*((person, self.free(person)) for person in people)))


def open_editors(core: Core, free: Callable[[Practitioner], list[Any]] = lambda _: SOON) -> dict[str, Agenda]:
    agendas = {slug: Agenda(core, free) for slug in core.population.editors}
    core.editors.answers.update(agendas)
    return agendas


async def search(core: Core, query: str = QUERY) -> dict[str, Any]:
    token = await core.token()
    async with core.browser() as browser:
        answer = await browser.get(query, headers=token)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


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


async def test_where_nobody_has_anything_the_area_is_enlarged_once(core: Core) -> None:
    agendas = open_editors(core, lambda _: [])
    core.editors.answers["garde-plus"] = _empty
    page = await search(core)
    assert page["cards"] == []
    assert page["radius_km"] == 15.0
    assert page["next"] is None
    asked = [id for agenda in agendas.values() for lot in agenda.asked for id in lot]
    assert len(asked) == len(set(asked)) == sum(card["kind"] == "practitioner" for card in page["without_slots"])


async def _empty(*_: object) -> Reply:
    return reply(bundle([], []))


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (PeerTimeout("rdv-commune", "x"), "pas de réponse en 7 s"),
        (PeerUnreachable("rdv-commune", "x"), "injoignable"),
        (PeerError("rdv-commune", "x"), "réponse illisible"),
        (503, "a répondu par une erreur 503"),
    ],
)
async def test_a_failing_editor_is_told_and_the_others_are_shown(
    core: Core, failure: PeerError | int, reason: str
) -> None:
    async def failing(method: str, path: str, _: bytes | None) -> Reply:
        if not path.startswith("Slot"):
            return reply({}, 201)
        if isinstance(failure, int):
            return reply({}, failure)
        raise failure

    open_editors(core)
    core.editors.answers["rdv-commune"] = failing
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert states["rdv-commune"]["state"] == "failed"
    assert states["rdv-commune"]["reason"] == reason
    assert states["agenda-azur"]["state"] == "answered"
    assert page["partial"] is True
    assert page["cards"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"resourceType":"OperationOutcome"}', b"null"])
async def test_garbage_with_200_is_a_failure_of_that_editor_only(core: Core, body: bytes) -> None:
    async def garbage(method: str, path: str, _: bytes | None) -> Reply:
        return reply(body) if path.startswith("Slot") else reply({}, 201)

    open_editors(core)
    core.editors.answers["rdv-commune"] = garbage
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert states["rdv-commune"]["state"] == "failed" or states["rdv-commune"]["findings"]
    assert page["cards"]


async def test_a_failed_editor_is_not_asked_for_the_next_lot(core: Core) -> None:
    open_editors(core, lambda _: [])
    slots = 0

    async def failing(method: str, path: str, _: bytes | None) -> Reply:
        nonlocal slots
        slots += path.startswith("Slot")
        return reply({}, 500 if path.startswith("Slot") else 201)

    core.editors.answers["rdv-commune"] = failing
    core.editors.answers["garde-plus"] = _empty
    await search(core)
    assert slots == 1


async def test_a_bad_slot_loses_only_itself_and_is_journalled(core: Core) -> None:
    async def half(method: str, path: str, _: bytes | None) -> Reply:
        if not path.startswith("Slot"):
            return reply({}, 201)
        id = parse_slot_query(path.partition("?")[2]).practitioners[0]
        person = core.population.practitioner(id)
        assert person is not None
        return reply(practitioner_bundle((person, [*SOON, NOW - timedelta(hours=1)])))

    open_editors(core)
    core.editors.answers["agenda-azur"] = half
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert (states["agenda-azur"]["slots"], states["agenda-azur"]["findings"]) == (2, 1)
    told = [line for line in core.context.journal.take() if line.action == "read answer"]
    assert [(line.peer, line.flow) for line in told] == [("editor:agenda-azur", "INT_R01")]
    assert told[0].note.startswith("R01-5 ")
    assert core.sas.health()["findings"] == 1


async def test_a_search_out_of_time_gives_what_came_before(core: Core) -> None:
    open_editors(core, lambda _: [])
    core.editors.answers["garde-plus"] = _empty
    hung = Gate(reply({}))
    first = core.editors.answers["agenda-azur"]
    lots = 0

    async def hangs_from_the_second_lot(method: str, path: str, body: bytes | None) -> Reply:
        nonlocal lots
        lots += path.startswith("Slot")
        return await (first if lots < 2 else hung)(method, path, body)

    core.editors.answers["agenda-azur"] = hangs_from_the_second_lot
    core.sas.aggregator.timeout = 0.05
    core.sas.aggregator.search_timeout = 0.12
    page = await search(core)
    assert hung.reached.is_set()
    assert page["partial"] is True
    assert page["without_slots"]


async def test_answers_in_several_pages_are_read_to_the_end(core: Core) -> None:
    async def paged(method: str, path: str, _: bytes | None) -> Reply:
        if not path.startswith("Slot"):
            return reply({}, 201)
        query = path.partition("?")[2]
        person = core.population.practitioner(parse_slot_query(query.partition("&_after")[0]).practitioners[0])
        assert person is not None
        again = "_after=1" in query
        base = core.context.settings.fhir(43, "/agenda-azur/fhir/")
        links = [{"relation": "self", "url": base + path}]
        if not again:
            links.append({"relation": "next", "url": f"{base}{path}&_after=1"})
        return reply(practitioner_bundle((person, [SOON[again]]), link=links, total=2))

    open_editors(core)
    core.editors.answers["agenda-azur"] = paged
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert states["agenda-azur"]["slots"] == 2


async def test_a_next_page_elsewhere_is_not_followed(core: Core) -> None:
    async def leads_away(method: str, path: str, _: bytes | None) -> Reply:
        if not path.startswith("Slot"):
            return reply({}, 201)
        person = core.population.practitioner(parse_slot_query(path.partition("?")[2]).practitioners[0])
        assert person is not None
        links = [{"relation": "next", "url": "http://elsewhere.example/fhir/Slot?x=1"}]
        return reply(practitioner_bundle((person, SOON), link=links))

    open_editors(core)
    core.editors.answers["agenda-azur"] = leads_away
    page = await search(core)
    states = {editor["slug"]: editor for editor in page["editors"]}
    assert (states["agenda-azur"]["state"], states["agenda-azur"]["slots"]) == ("answered", 2)
    assert len([1 for peer, _, path in core.editors.flows(Flow.INT_R01) if peer == "agenda-azur"]) == 1


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
    gates = {slug: Gate(reply(bundle([], []))) for slug in core.population.editors}
    token = await core.token()
    core.editors.answers.update(gates)
    async with core.browser() as browser:
        running = asyncio.create_task(browser.get(QUERY, headers=token))
        async with asyncio.timeout(5):
            await asyncio.gather(*(gate.reached.wait() for gate in gates.values()))
        for gate in gates.values():
            gate.opened.set()
        assert (await running).status_code == 200


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
    assert {slug: event["state"] for slug, event in sources.items()} == dict.fromkeys(core.population.editors, "ok")
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
        assert isinstance(await anext(events), Source)
    assert core.sas.aggregator.running == 0
    ended = asyncio.all_tasks() - before
    if ended:
        await asyncio.wait(ended)
    assert core.sas.aggregator.editor("rdv-commune").running == 0


async def test_an_editor_that_hangs_does_not_hold_up_the_next_lot(core: Core) -> None:
    agendas = open_editors(core, lambda _: [])
    core.editors.answers["garde-plus"] = _empty
    core.editors.answers["rdv-commune"] = Gate(reply({}))
    criteria = read_criteria({"town": "Bordeaux"}, core.sas.aggregator.directory, SPECIALTIES, NOW)
    async with asyncio.timeout(5), contextlib.aclosing(run(criteria, core.sas.aggregator)) as events:
        async for event in events:
            if isinstance(event, Found) and event.lot == 1:
                break
    assert len(agendas["agenda-azur"].asked) >= 2


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


async def test_a_search_looks_at_its_area_not_at_the_country(core: Core) -> None:
    open_editors(core)
    directory = core.sas.aggregator.directory
    counts = []
    for place in ("Bordeaux", "Gironde", "Bordeaux"):
        before = directory.work
        await search(core, f"/api/search?place={place}")
        counts.append(directory.work - before)
    assert 0 < counts[0] == counts[2] < counts[1] < sum(len(each.places) for each in core.population.practitioners())
