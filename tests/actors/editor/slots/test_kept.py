"""An editor's caches make it answer faster and do not change the octets of its answers."""

from __future__ import annotations

from datetime import UTC, timedelta
from itertools import pairwise

from sandbox.editor.fhir.slots import answer_slots
from sandbox.fhir.queries.search import slot_query


def test_a_cached_answer_has_the_octets_of_the_first_one(editors):
    server = editors.server("agenda-azur")
    ids = ["819800000010", "819800000028", "819800000036"]
    query = slot_query(ids, editors.now, editors.now + timedelta(days=3), cpts=False)
    answers = [answer_slots(server, query) for _ in range(4)]
    assert all(one == other for one, other in pairwise(answers))
    cached = [server.cache.agendas[each] for each in ids]
    assert any(agenda.joined for agenda in cached)  # the last answers came from the cache
    assert all(agenda.weight >= len(agenda.joined) for agenda in cached)


def test_a_booking_ends_what_is_cached(editors):
    server = editors.server("agenda-azur")
    query = slot_query(["819800000010"], editors.now, editors.now + timedelta(days=3), cpts=False)
    before = [answer_slots(server, query) for _ in range(3)][-1]
    cached = server.cache.agendas["819800000010"]
    key = next(free.week.schedule for free in cached.free if free.count)
    slot = next(each for each in server.agenda.free(key, editors.now, editors.now + timedelta(days=3), editors.now))
    id = f"{key}.{slot.start.astimezone(UTC):%Y%m%dT%H%MZ}"
    assert id.encode() in before
    server.agenda.take(id)
    assert id.encode() not in answer_slots(server, query)
