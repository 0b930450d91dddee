"""Editors that answer searches, and a search by the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sandbox.fhir.queries.search import parse_schedule_query, parse_slot_query
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Practitioner
from sandbox.net.http.client import Reply
from tests.actors.sas.sas_core import NOW, Core, reply
from tests.unit.sas.search.bundles import bundle, practitioner_bundle, sos_bundle

SOON = [NOW + timedelta(hours=1), NOW + timedelta(hours=26)]


QUERY = "/api/search?town=Bordeaux&specialty=SM54"


class Agenda:
    """An editor that answers searches; `free` gives the free times of a practitioner, `asked` records the lots."""

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


def searched(core: Core) -> list[str]:
    """Slugs of the editors that answer searches: others serve communities only."""
    return [
        slug for slug, each in core.population.editors.items() if each.speaks(Flow.INT_R01) or each.speaks(Flow.SOS)
    ]


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


async def nothing(*_: object) -> Reply:
    """An editor without free slots."""
    return reply(bundle([], []))
