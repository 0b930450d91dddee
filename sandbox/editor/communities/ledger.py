"""The requests to the communities of one editor, durable; each step is one commit with its INT_R03.

What a community does about a request is decided when it comes in, by its behaviour of that moment
(`faults.communities`) and by chance that follows from the seed, the community and the number of the request: the same
requests in the same order get the same answers. When an answer is due, or the time to answer ends, `answering` calls
`proceed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import islice

import msgspec

from sandbox.editor.appointments.ledger import Sender
from sandbox.editor.communities.requests import TABLE, CommunityRequest, State, Step, received, step
from sandbox.faults.communities import behaviour_of, decide
from sandbox.fhir.service_request import CareRequest
from sandbox.kernel.errors import Issue, RequestError, TransitionError, refused
from sandbox.kernel.model import Appointment, Community, Editor, Practitioner
from sandbox.net.context import Context
from sandbox.store.protocol import Put, Store

MOST_LISTED = 100  # requests on the page


class RequestLedger:
    """All requests to one editor's communities. `on_due` is called when something is due earlier than before."""

    def __init__(self, context: Context, editor: Editor, *, store: Store, sender: Sender) -> None:
        self._context, self._editor, self._store, self._sender = context, editor, store, sender
        self._due: dict[str, datetime] = {}  # request -> when the community does something by itself
        self._ids: list[str] = []  # as they came in
        self._numbers: Counter[str] = Counter()  # requests by community
        self._states: Counter[State] = Counter()
        self.on_due: Callable[[], None] | None = None
        rows = [_decoder.decode(row) for _, row in store.items(TABLE)]
        for request in sorted(rows, key=lambda each: (each.received, each.number)):
            self._remember(request, None)

    def __len__(self) -> int:
        return len(self._ids)

    def health(self) -> dict[str, int]:
        """How many requests are in each state."""
        return {state.value: count for state, count in self._states.items() if count}

    def get(self, id: str) -> CommunityRequest | None:
        """The request with that identifier value."""
        row = self._store.get(TABLE, id)
        return None if row is None else _decoder.decode(row)

    def latest(self, most: int = MOST_LISTED) -> list[CommunityRequest]:
        """The latest requests, newest first."""
        return [found for id in islice(reversed(self._ids), most) if (found := self.get(id)) is not None]

    def appointment(self, id: str) -> Appointment | None:
        """What INT_R03 says now about the request with that identifier value."""
        request = self.get(id)
        return None if request is None else request.appointment(self._editor.system)

    def community(self, id: str) -> Community | None:
        """The community of that id, if this editor serves it."""
        found = self._context.population.communities.get(id)
        return found if found is not None and found.editor == self._editor.slug else None

    def members(self, id: str) -> list[Practitioner]:
        """The members of a community whom the population knows, in the order in which they are asked."""
        community = self.community(id)
        known = map(self._context.population.doctor, community.members if community is not None else ())
        return [member for member in known if member is not None]

    async def receive(self, wanted: CareRequest) -> tuple[CommunityRequest, bool]:
        """Take a request in: the request and whether it is new; returns once it and its INT_R03 are durable.

        The same request again changes nothing. Raises RequestError 409 for other content under its identifier, 422 for
        a community or an identifier system that is not this editor's, StoreError.
        """
        self._check_system(wanted)
        present = self.get(wanted.identifier.value)
        if present is not None:
            if msgspec.structs.replace(present, state=State.PENDING).asked(self._editor.system) != wanted:
                detail = f"a request {wanted.identifier.key} exists with other content"
                raise RequestError(409, Issue("conflict", detail, "ServiceRequest.identifier"))
            await self._store.barrier()
            return present, False
        self._check_community(wanted)
        request = self._new(wanted)
        await self._save(request, None)
        return request, True

    async def withdraw(self, wanted: CareRequest) -> CommunityRequest:
        """End a request that the SAS core withdraws; returns once that is durable. One that has ended stays as it is.

        Raises RequestError 404 for an unknown request, 422 for a body that withdraws nothing, StoreError.
        """
        if not wanted.revoked:
            raise refused("a request can only be withdrawn (status revoked)", "ServiceRequest.status")
        self._check_system(wanted)
        present = self.get(wanted.identifier.value)
        if present is None:
            detail = f"no request {wanted.identifier.key}"
            raise RequestError(404, Issue("not-found", detail, "ServiceRequest.identifier"))
        try:
            return await self.act(present, Step.WITHDRAW)
        except RequestError:  # it has ended before
            await self._store.barrier()
            return present

    async def act(self, request: CommunityRequest, wanted: Step, member: str | None = None) -> CommunityRequest:
        """One step; `member` (prefixed id) accepts. Returns once the step and its INT_R03 are durable.

        Raises RequestError 409 when the present state has no such step, 422 when nobody of that id is a member,
        StoreError.
        """
        current = self.get(request.id) or request
        try:
            state = step(current.state, wanted)
        except TransitionError:
            raise RequestError(409, Issue("conflict", "Cette action n'est plus possible pour cette demande.")) from None
        accepted = current.practitioner
        if wanted is Step.ACCEPT:
            accepted = self._member(current.community, member)
        now = self._context.clock.now()
        changed = msgspec.structs.replace(current, state=state, practitioner=accepted, changed=now)
        await self._save(changed, current)
        return changed

    @property
    def next_due(self) -> datetime | None:
        """When a community does something by itself next."""
        return min(self._due.values(), default=None)

    def due(self, now: datetime) -> list[str]:
        """The requests about which a community is to do something by now, the longest overdue first."""
        return [id for _, id in sorted((at, id) for id, at in self._due.items() if at <= now)]

    async def proceed(self, id: str) -> None:
        """Do what is due about a request. Without any member who could accept, all refuse. Raises StoreError."""
        request = self.get(id)
        planned = request.next_step if request is not None else None
        if request is None or planned is None:
            self._due.pop(id, None)
            return
        _, wanted = planned
        members = [member.id for member in self.members(request.community)]
        if wanted is Step.ACCEPT and not members:
            wanted = Step.REFUSE
        member = request.member if request.member in members else members[0] if members else None
        await self.act(request, wanted, member)

    def _member(self, community: str, wanted: str | None) -> str:
        if wanted is None or wanted not in [member.id for member in self.members(community)]:
            raise refused("Choisissez le membre de la communauté qui accepte.", "http.member")
        return wanted

    def _check_system(self, wanted: CareRequest) -> None:
        """Raises RequestError 422."""
        if wanted.identifier.system != self._editor.system:
            detail = f"the identifier system is '{wanted.identifier.system}', expected {self._editor.system}"
            raise refused(detail, "ServiceRequest.identifier[0].system")

    def _check_community(self, wanted: CareRequest) -> None:
        """Raises RequestError 422."""
        if self.community(wanted.community) is None:
            detail = f"{self._editor.name} serves no community '{wanted.community}'"
            raise refused(detail, "ServiceRequest.performer[0].identifier.value", code="not-found")

    def _new(self, wanted: CareRequest) -> CommunityRequest:
        if wanted.revoked:
            raise refused("a withdrawal is a PUT", "ServiceRequest.status")
        number = self._numbers[wanted.community]
        behaviour = behaviour_of(wanted.community, self._context.world.world.switches)
        chance = self._context.chance(f"community/{wanted.community}/{number}")
        members = [member.id for member in self.members(wanted.community)]
        return received(wanted, number, self._context.clock.now(), decide(behaviour, members, chance))

    def _save(self, request: CommunityRequest, before: CommunityRequest | None) -> Awaitable[None]:
        """Commit a request and its INT_R03; await the result until both are on disk. Raises StoreError."""
        owed = self._sender.due(request.appointment(self._editor.system), first=before is None)
        written = self._store.commit(Put(TABLE, request.id, _encoder.encode(request)), *owed)
        self._remember(request, before)
        self._sender.wake()
        return written

    def _remember(self, request: CommunityRequest, before: CommunityRequest | None) -> None:
        if before is None:
            self._ids.append(request.id)
            self._numbers[request.community] = max(self._numbers[request.community], request.number + 1)
        else:
            self._states[before.state] -= 1
        self._states[request.state] += 1
        planned = request.next_step
        if planned is None:
            self._due.pop(request.id, None)
            return
        earliest = self.next_due
        self._due[request.id] = planned[0]
        if self.on_due is not None and (earliest is None or planned[0] < earliest):
            self.on_due()


_decoder = msgspec.json.Decoder(CommunityRequest)
_encoder = msgspec.json.Encoder()
