"""The marketplace (« place de marché »): a community is asked to take a patient, and somebody confirms later.

A request is an appointment that is `pending` while its time to answer runs. The community's editor is told of it
(`community_calls`) and reports by INT_R03: `booked` with the doctor who accepts, or `cancelled`. The regulator may
withdraw it. When no report came in time and GRACE after it, the platform ends it. Request and call, withdrawal and
call, end and call are one commit each.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from sandbox.fhir.service_request import LONGEST_NEED, CareRequest
from sandbox.kernel.errors import Issue, RequestError, StoreError, refused
from sandbox.kernel.flows import AppointmentStatus, Flow, OrientationCategory
from sandbox.kernel.model import Community, Regulator, Town
from sandbox.kernel.seldom import Seldom
from sandbox.net.context import Context
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.origins import Origin
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.community_calls import CommunityCalls
from sandbox.sas.orientations.lifecycle import appointment_id
from sandbox.sas.orientations.own import Offer, OwnAppointments
from sandbox.sas.orientations.records import AppointmentRecord, Details
from sandbox.sas.orientations.steps import Action, possible
from sandbox.tasks import keep

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)  # after the time to answer, for reports that are on their way
SHORTEST_NEED = 3  # characters
SHORTEST_MINUTES, LONGEST_MINUTES = 5, 1440
POLL_S = 1.0  # the longest pause between two reads of the clock while a request waits
_SHORTEST_S = 0.01


class MarketplaceOrientation(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="marketplace"
):
    """A community is asked to take the patient; who of it does so is confirmed later."""

    community: Annotated[str, Meta(max_length=100, description="id of the community")]
    need: Annotated[
        str,
        Meta(
            max_length=2_000,
            description=f"in a few words, without personal data; {SHORTEST_NEED} to {LONGEST_NEED} characters",
        ),
    ]
    within_minutes: Annotated[
        int, Meta(description=f"the time to answer, {SHORTEST_MINUTES} to {LONGEST_MINUTES} minutes")
    ]
    town: Annotated[
        str,
        Meta(max_length=100, description="INSEE code of where the patient is; default the first town that it serves"),
    ] = ""


class Marketplace:
    """The requests of one SAS core."""

    def __init__(
        self,
        context: Context,
        directory: Directory,
        appointments: Appointments,
        own: OwnAppointments,
        calls: CommunityCalls,
    ) -> None:
        self._clock, self._directory = context.clock, directory
        self._appointments, self._own, self._calls = appointments, own, calls
        self._woken, self._refused = asyncio.Event(), Seldom(log)
        self._task: asyncio.Task[None] | None = None
        self._pending = {each.id: each.end for each in appointments.awaited()}

    def health(self) -> dict[str, int]:
        """Requests that wait for an answer, and calls to editors that were not answered yet."""
        return {"pending": len(self._pending), "calls_waiting": self._calls.waiting}

    def community(self, id: str) -> Community | None:
        """The community with that id."""
        return self._directory.population.communities.get(id)

    def is_asked(self, community: Community) -> bool:
        """True when the community's editor is interfaced for requests and not disabled."""
        return community.editor in self._directory.asked(Flow.PDM)

    def towns(self, community: Community) -> list[Town]:
        """The towns that the community serves, as far as they are known."""
        known = self._directory.population.towns
        return [known[insee] for insee in community.zone if insee in known]

    async def ask(self, regulator: Regulator, asked: MarketplaceOrientation, key: str = "") -> AppointmentRecord:
        """Ask a community; returns once the request and the call to its editor are durable.

        With the `key` of a form, the same form sent twice is one request. Raises RequestError 403 (the account may not
        orient), 409 (the community's editor is not asked now), 422 with all that is wrong, StoreError.
        """
        community = self.community(asked.community)
        if community is None:
            raise refused(f"no community '{asked.community}'", "community", code="not-found")
        town = self._checked(asked, community)
        editor = self._directory.population.editors[community.editor]
        identifier = self._own.new_identifier(regulator, key, editor.system)
        if (made := await self._own.repeated(identifier)) is not None:
            return made
        if not self.is_asked(community):
            raise RequestError(409, Issue("conflict", f"the editor {editor.name} is not asked now", "community"))
        start = self._clock.now().replace(microsecond=0)
        end = start + timedelta(minutes=asked.within_minutes)
        need = " ".join(asked.need.split())
        request = CareRequest(
            identifier, need, start, end, start, regulator.identifier, community.id, community.name, town.insee,
            town.name,
        )  # fmt: skip
        offer = Offer(
            origin=Origin.MARKETPLACE,
            category=OrientationCategory.PDM,
            start=start,
            end=end,
            organization=community.organization,
            details=Details(community=community.id, need=need, town=town.insee),
            editor=editor.slug,
            system=editor.system,
        )
        id = appointment_id(identifier)
        try:
            return await self._own.make(regulator, identifier, offer, self._calls.due(id, editor.slug, request))
        finally:
            self._calls.wake()
            if self._appointments.read(id) is not None:
                self._pending[id] = end
                self._woken.set()

    async def act(self, id: str, action: Action) -> AppointmentRecord:
        """Withdraw a request, also one that was accepted; returns once that and the call to the editor are durable.

        Raises RequestError 404 and 409 (the step is not possible, or not by a person), StoreError. Who may do so is
        decided by the caller.
        """
        record = self._appointments.read(id)
        if record is None:
            raise RequestError(404, Issue("not-found", f"no appointment '{id}'", "id"))
        if action not in possible(record.origin, record.status):
            detail = f"a request that is {record.status} has no step '{action}'"
            raise RequestError(409, Issue("conflict", detail, "status"))
        return await self._end(record, action)

    async def start(self) -> None:
        """Begin to call editors and to end what nobody answers."""
        await self._calls.start()
        if self._task is None:
            self._task = keep(self._run, "marketplace")

    async def stop(self) -> None:
        """Stop; what is due then is done after the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._calls.stop()

    def wake(self) -> None:
        """Look now what nobody has answered in time: the clock may have jumped."""
        self._woken.set()

    def _checked(self, asked: MarketplaceOrientation, community: Community) -> Town:
        """The town. Raises RequestError 422."""
        issues = [Issue("value", text, where) for where, text in _problems(asked)]
        towns = {town.insee: town for town in self.towns(community)}
        town = towns.get(asked.town) if asked.town else next(iter(towns.values()), None)
        if town is None:
            known = ", ".join(f"{each.insee} ({each.name})" for each in towns.values()) or "none"
            issues.append(
                Issue("value", f"{community.name} does not serve '{asked.town}' (it serves: {known})", "town")
            )
        if issues or town is None:
            raise RequestError(422, *issues)
        return town

    async def _end(self, record: AppointmentRecord, action: Action) -> AppointmentRecord:
        also = self._calls.revoked(record.id, record.editor, self._request(record))
        try:
            return await self._own.act(record.id, action, also)
        finally:
            self._calls.wake()

    def _request(self, record: AppointmentRecord) -> CareRequest:
        details, population = record.details, self._directory.population
        community, town = population.communities.get(details.community), population.towns.get(details.town)
        return CareRequest(
            identifier=record.sender,
            need=details.need,
            start=record.start,
            end=record.end,
            authored=record.created.replace(microsecond=0),
            requester=record.regulator,
            community=details.community,
            name=community.name if community is not None else details.community,
            town=details.town,
            town_name=town.name if town is not None else details.town,
        )

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            pause = await self._end_unanswered()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _end_unanswered(self) -> float | None:
        """End what nobody has answered in time. Returns the seconds until the next look; None: nothing waits."""
        now = self._clock.now()
        for id in [id for id, end in self._pending.items() if end + GRACE <= now or not self._is_pending(id)]:
            try:
                await self._expire(id)
            except StoreError as error:
                self._refused.error("request %s could not be ended yet: %s", id, error)
                return POLL_S
            self._pending.pop(id, None)
        if not self._pending:
            return None
        first = min(self._pending.values()) + GRACE
        return min(max((first - now).total_seconds(), _SHORTEST_S), POLL_S)

    async def _expire(self, id: str) -> None:
        """Raises StoreError."""
        record = self._appointments.read(id)
        if record is None or record.status is not AppointmentStatus.PENDING:
            return
        try:
            await self._end(record, Action.EXPIRE)
        except RequestError as refusal:  # no LRM can be told of it any more
            log.warning("request %s: %s", id, refusal)

    def _is_pending(self, id: str) -> bool:
        record = self._appointments.read(id)
        return record is not None and record.status is AppointmentStatus.PENDING


def _problems(asked: MarketplaceOrientation) -> Iterator[tuple[str, str]]:
    """(field, text) of what is wrong with the need and the time to answer."""
    need = " ".join(asked.need.split())
    if not SHORTEST_NEED <= len(need) <= LONGEST_NEED or not need.isprintable():
        yield "need", f"expected {SHORTEST_NEED} to {LONGEST_NEED} printable characters, found {len(need)}"
    if not SHORTEST_MINUTES <= asked.within_minutes <= LONGEST_MINUTES:
        yield "within_minutes", f"expected {SHORTEST_MINUTES} to {LONGEST_MINUTES}, not {asked.within_minutes}"
