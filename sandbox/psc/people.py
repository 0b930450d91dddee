"""Who has an account at Pro Santé Connect: the people of the persona files, those whom the SAS core added, and the
practitioners of the SAS agenda who have a password.

With `PUT /psc/people/<id>` and `DELETE` (by the SAS core's client credentials) a regulator whose account was made on
the platform's own page can log in; in production such people have their professional card. Changes are durable before
the answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kernel.errors import RequestError, malformed
from sandbox.kernel.identifiers import regulator_identifier
from sandbox.kernel.model import Regulator
from sandbox.net.http.body import read_json_body
from sandbox.population.people import Population, persona_key
from sandbox.psc.clients import Client
from sandbox.psc.flow import authenticate_client
from sandbox.psc.identities import Identities
from sandbox.store.protocol import Put, Store

TABLE = "people"
MOST_PEOPLE = 10_000
BODY_LIMIT = 16 * 1024
ANNOUNCER = "sas"  # the only client that may change people

_GONE = b"{}"


class People:
    """All accounts; `identities` finds them by what they log in with."""

    def __init__(self, population: Population, store: Store) -> None:
        self._population, self._store = population, store
        self._begin()
        population.watch(self._begin)

    def _begin(self) -> None:
        """The people of the persona files as they are now, then the SAS core's changes."""
        self._people = {persona_key(person): person for person in self._population.regulators}
        for key, row in self._store.items(TABLE):
            self._apply(key, row)
        self._index()

    def _index(self) -> None:
        population = self._population
        self.identities = Identities(self._people.values(), population.practitioner, population.handmade())

    async def put(self, id: str, person: Regulator) -> None:
        """Take a new or changed person. Raises RequestError 422 when there are too many."""
        if id not in self._people and len(self._people) >= MOST_PEOPLE:
            raise RequestError(422, *malformed(f"there are {MOST_PEOPLE} people", "id", code="too-costly").issues)
        await self._keep(id, msgspec.json.encode(person))

    async def remove(self, id: str) -> None:
        """Forget a person; an unknown id is no error."""
        await self._keep(id, _GONE)

    async def _keep(self, id: str, row: bytes) -> None:
        written = self._store.commit(Put(TABLE, id, row))
        self._apply(id, row)
        self._index()
        await written

    def _apply(self, id: str, row: bytes) -> None:
        if row == _GONE:
            self._people.pop(id, None)
            return
        told = msgspec.json.decode(row, type=Regulator)
        person = dataclasses.replace(told, identifier=regulator_identifier(told.identifier))
        for other in [key for key, held in self._people.items() if held.identifier.key == person.identifier.key]:
            if other != id:  # an identifier belongs to one person: the earlier holder loses it
                del self._people[other]
        self._people[id] = person


class PeopleHandlers:
    """The two interactions of `/psc/people/<id>`. `clients` by client id."""

    def __init__(self, people: People, clients: Mapping[str, Client]) -> None:
        self._people, self._clients = people, clients

    async def put(self, request: Request) -> Response:
        """204 once the person can log in."""
        self._require_sas(request)
        person = await read_json_body(request, Regulator, BODY_LIMIT, name="no person", typed=False)
        await self._people.put(request.path_params["id"], person)
        return Response(status_code=204)

    async def remove(self, request: Request) -> Response:
        """204 once the person can no longer log in."""
        self._require_sas(request)
        await self._people.remove(request.path_params["id"])
        return Response(status_code=204)

    def _require_sas(self, request: Request) -> None:
        known = {ANNOUNCER: self._clients[ANNOUNCER]}
        authenticate_client(request.headers.get("authorization", ""), {}, known)
