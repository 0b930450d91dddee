"""Answers in several pages."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from sandbox.editor.fhir.slots import answer_slots
from sandbox.kernel.errors import RequestError
from tests.actors.editor.slots.answers import of, url


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_follow_each_other_and_hold_everything_once(editors, size):
    whole = editors.bundle("practitioner_pair")
    query = editors.query("practitioner_pair").replace("_count=1000", f"_count={size}")
    seen = []
    for _ in range(whole["total"] // size + 2):
        page = json.loads(answer_slots(editors.server("agenda-azur"), query))
        assert page["total"] == whole["total"]
        slots = of(page, "Slot")
        assert len(slots) <= size
        seen += slots
        references = {slot["schedule"]["reference"] for slot in slots}
        assert {f"Schedule/{each['id']}" for each in of(page, "Schedule")} == references
        following = url(page, "next")
        if following is None:
            break
        query = urlsplit(following).query
    assert seen == of(whole, "Slot")
    assert url(whole, "next") is None


def test_following_page_is_the_same_when_slots_are_taken_in_between(editors):
    server = editors.server("agenda-azur")
    query = editors.query("practitioner_one_site").replace("_count=1000", "_count=5")
    first = json.loads(answer_slots(server, query))
    then = urlsplit(url(first, "next")).query
    expected = of(json.loads(answer_slots(server, then)), "Slot")
    for slot in of(first, "Slot"):
        server.agenda.take(slot["id"])
    assert of(json.loads(answer_slots(server, then)), "Slot") == expected


def test_page_of_size_zero_is_the_total_alone(editors):
    query = editors.query("practitioner_one_site").replace("_count=1000", "_count=0")
    bundle = json.loads(answer_slots(editors.server("agenda-azur"), query))
    assert bundle["total"] > 0
    assert "entry" not in bundle
    assert len(bundle["link"]) == 1


@pytest.mark.parametrize("after", ["nowhere.20261123T1000Z", "x", "escoubes-pessac.20261123T1000Z"])
def test_page_of_another_search_is_refused(editors, after):
    with pytest.raises(RequestError) as caught:
        answer_slots(editors.server("agenda-azur"), editors.query("practitioner_one_site") + f"&_after={after}")
    assert caught.value.issues[0].expression == "http._after"
