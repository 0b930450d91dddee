"""An editor's character on its FHIR port follows the World from one request to the next."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from sandbox.editor.fhir.identify import identify_fhir
from sandbox.editor.fhir.reads import read
from sandbox.editor.fhir.slots import answer_slots
from sandbox.kernel.character import EVERYBODY, Character, Delay, switches_of
from sandbox.kernel.flows import Flow
from sandbox.kernel.world import World
from sandbox.net.http.edge import Edge
from tests.actors.editor.test_fhir_port import query
from tests.support.editors.running_editor import NATIONAL, LocalEditor

SEARCH = f"/Slot?{query()}"


def behave(editor: LocalEditor, character: Character, slug: str = "agenda-azur") -> None:
    view = editor.context.world
    view.apply(World(revision=view.world.revision + 1, switches=switches_of(slug, character)))


async def test_quirk_is_applied_while_it_is_switched_on(editor: LocalEditor):
    correct = (await editor.call("GET", SEARCH)).content
    behave(editor, Character({"no-visibility": EVERYBODY}))
    damaged = await editor.call("GET", SEARCH)
    posted = await editor.call(
        "POST", "/Slot/_search", content=query(), headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert damaged.headers["content-type"] == "application/fhir+json; charset=utf-8"
    slots = [one["resource"] for one in damaged.json()["entry"] if one["search"]["mode"] == "match"]
    assert slots
    assert not any("security" in slot["meta"] for slot in slots)
    assert posted.json()["entry"] == damaged.json()["entry"]
    one = await editor.call("GET", f"/Slot/{slots[0]['id']}")
    assert one.json() == slots[0]
    behave(editor, Character())
    assert (await editor.call("GET", SEARCH)).content == correct


async def test_quirks_of_another_editor_are_not_ours(editor: LocalEditor):
    correct = (await editor.call("GET", SEARCH)).content
    behave(editor, Character({"no-visibility": EVERYBODY}), "rdv-commune")
    assert (await editor.call("GET", SEARCH)).content == correct


async def test_nothing_free_may_be_an_error(editor: LocalEditor):
    nobody = f"/Slot?{query('819800000069')}"
    assert (await editor.call("GET", nobody)).json()["total"] == 0
    for quirk, status in (("not-found-if-empty", 404), ("error-if-empty", 500)):
        behave(editor, Character({quirk: EVERYBODY}))
        answer = await editor.call("GET", nobody)
        assert answer.status_code == status
        assert answer.json()["resourceType"] == "OperationOutcome"


async def test_accounts_and_refusals_have_no_quirks(editor: LocalEditor):
    behave(editor, Character(dict.fromkeys(("bad-phone", "unprefixed-ids", "error-if-empty"), EVERYBODY)))
    assert (await editor.call("GET", "/Slot")).status_code == 400
    record = editor.running.accounts.match(NATIONAL.value, "")
    account = (await editor.call("GET", f"/Practitioner/{record.id}")).json()
    assert account["identifier"][0]["value"] == NATIONAL.value


async def test_pages_are_as_small_as_the_editor_makes_them(editor: LocalEditor):
    whole = (await editor.call("GET", SEARCH)).json()
    behave(editor, Character(page_size=10))
    path, ids = SEARCH, []
    while path:
        page = (await editor.call("GET", path)).json()
        found = [one["resource"]["id"] for one in page["entry"] if one["search"]["mode"] == "match"]
        assert len(found) <= 10
        assert page["total"] == whole["total"]
        ids += found
        urls = [urlsplit(link["url"]) for link in page["link"] if link["relation"] == "next"]
        path = f"/Slot?{urls[0].query}" if urls else ""
    assert ids == [one["resource"]["id"] for one in whole["entry"] if one["search"]["mode"] == "match"]
    fewer = (await editor.call("GET", f"{SEARCH}&_count=3")).json()
    assert sum(one["search"]["mode"] == "match" for one in fewer["entry"]) == 3


async def test_the_journal_tells_the_quirks_and_counts_no_fault_for_latency(editor: LocalEditor):
    edge = Edge(editor.fhir, editor.context, identify_fhir({editor.slug: editor.running.editor}))
    behave(editor, Character({"bad-phone": EVERYBODY, "no-offset": EVERYBODY}, {Flow.INT_R01: Delay(30, 30)}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://fhir.test") as client:
        assert (await client.get(f"/{editor.slug}/fhir{SEARCH}")).status_code == 200
        assert (await client.get(f"/{editor.slug}/fhir/metadata")).status_code == 200
    search, metadata = editor.context.journal.take()
    assert search.note == "quirks: bad-phone, no-offset"
    assert search.ms > 30
    assert search.fault == metadata.fault == metadata.note == ""


async def test_latency_and_page_size_do_not_change_the_octets_of_an_answer(editor: LocalEditor):
    person = "/Practitioner/819800000010"
    search, resource = [(await editor.call("GET", path)).content for path in (SEARCH, person)]
    behave(editor, Character(latency={Flow.INT_R01: Delay(1, 1)}, page_size=1000))
    assert (await editor.call("GET", SEARCH)).content == search == answer_slots(editor.running.fhir, query())
    assert (await editor.call("GET", person)).content == resource == read(editor.running.fhir, *person[1:].split("/"))
