"""A search has the same content in all its forms: whole, as lines, on the page, and on the page while editors
answer."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from sandbox.kernel.errors import PeerTimeout
from sandbox.net.http.client import Reply
from tests.actors.sas.browsing import following, logged_in
from tests.actors.sas.sas_core import Core
from tests.actors.sas.searching import open_editors, search

SEARCHES = [
    "place=Bordeaux",
    "place=Bordeaux&page=2",
    "place=Gironde&kind=sos",
    "place=1+rue+du+Modèle,+33000+Bordeaux",
]
TIME_OUT = "pas de réponse en 7 s"


async def with_one_hung(core: Core) -> None:
    """Two editors answer, RDV Commune is given up."""

    async def late(*_: object) -> Reply:
        raise PeerTimeout("rdv-commune", "x")

    open_editors(core)
    core.editors.answers["rdv-commune"] = late


async def lines_of(core: Core, query: str) -> list[dict[str, Any]]:
    token = await core.token()
    async with core.browser() as browser:
        answer = await browser.get(f"/api/search?{query}", headers={**token, "Accept": "application/x-ndjson"})
    return [json.loads(line) for line in answer.text.splitlines()]


def put_together(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The page that a client builds from the lines without the sandbox's code."""
    first, *events, done = lines
    page = {name: value for name, value in first.items() if name != "event"}
    lots = {event["lot"]: event for event in events if event["event"] == "found"}
    cards = [card for lot in sorted(lots) for card in lots[lot]["cards"]]
    skipped = 5 * (page["page"] - 1)
    without = [card for lot in sorted(lots) for card in lots[lot]["without_slots"]]
    return page | {
        "cards": cards[skipped : skipped + 5],
        "without_slots": without if page["page"] == 1 else [],
        "next": page["page"] + 1 if len(cards) > skipped + 5 else None,
        **{name: done[name] for name in ("partial", "complete", "radius_km")},
    }


@pytest.mark.parametrize("query", SEARCHES)
async def test_the_lines_make_the_whole_answer(core: Core, query: str) -> None:
    await with_one_hung(core)
    whole, lines = await search(core, f"/api/search?{query}"), await lines_of(core, query)
    editors = {editor.pop("slug"): editor for editor in whole.pop("editors")}
    assert put_together(lines) == whole
    told = [line for line in lines if line["event"] == "source"]
    assert {line["editor"] for line in told} == editors.keys()
    for slug, editor in editors.items():
        own = [line for line in told if line["editor"] == slug]
        for name in ("name", "reason", "code"):
            assert own[-1].get(name) == editor.get(name), (slug, name)
        for name in ("slots", "findings"):
            assert sum(line.get(name, 0) for line in own) == editor.get(name, 0), (slug, name)


def shown(page: str) -> dict[str, Any]:
    """What a results page shows, read from its HTML."""
    text = html.unescape(page)
    return {
        "cards": re.findall(r'<article [^>]*data-card="([\w-]+)"', text),
        "names": re.findall(r'<h2 id="n-[\w-]+">([^<]+)</h2>', text),
        "places": re.findall(r'data-place="([^"]+)"', text),
        "slots": sorted(re.findall(r'data-slot="([^"]+)"', text)),
        "phones": sorted(set(re.findall(r'href="tel:([^"]+)"', text))),
        "failed": re.findall(r'data-failed="([\w-]+)"><strong>([^<]+)</strong> : ([^<]+)<', text),
        "sources": sorted(re.findall(r'data-source="([\w-]+)" data-state="(\w+)"', text)),
        "radius": re.findall(r"Rayon de ([\d,]+) km", text),
        "further": 'id="suivante"' in text,
    }


def of_the_api(page: dict[str, Any]) -> dict[str, Any]:
    """The same content, from the API's answer."""
    places = [place for card in page["cards"] for place in card["places"]]
    free = [place for place in places if place.get("slots")]
    failures = [editor for editor in page["editors"] if editor["state"] == "failed"]
    return {
        "cards": [card["id"] + ("-sas-agenda" if "origin" in card else "") for card in page["cards"]],
        "names": [card["name"] for card in page["cards"]],
        "places": [place["id"] for place in free],
        "slots": sorted(slot["id"] for place in free for slot in place["slots"]),
        "phones": sorted({each["phone"] for each in [*page["cards"], *free] if each.get("phone")}),
        "failed": [(editor["slug"], editor["name"], editor["reason"]) for editor in failures],
        "sources": sorted((editor["slug"], editor["state"]) for editor in page["editors"]),
        "radius": [f"{page['radius_km']:g}".replace(".", ",")],
        "further": page["next"] is not None,
    }


@pytest.mark.parametrize("query", SEARCHES)
async def test_the_page_shows_what_the_api_answers(core: Core, query: str) -> None:
    await with_one_hung(core)
    expected = of_the_api(await search(core, f"/api/search?{query}"))
    assert expected["cards"]
    async with logged_in(core) as browser:
        assert shown((await browser.get(f"/sas/recherche?{query}&affichage=complet")).text) == expected
    async with following(core, f"/sas/recherche/flux?{query}") as stream:
        assert shown((await stream.until("fin"))[-1]) == expected


async def test_who_is_missing_is_named_with_the_reason_in_every_form(core: Core) -> None:
    await with_one_hung(core)
    (failed,) = [each for each in (await search(core))["editors"] if each["state"] == "failed"]
    (late,) = [each for each in await lines_of(core, "place=Bordeaux") if each.get("state") == "late"]
    assert (failed["name"], failed["reason"], failed["code"]) == ("RDV Commune", TIME_OUT, "timeout")
    assert (late["name"], late["reason"], late["code"]) == ("RDV Commune", TIME_OUT, "timeout")
