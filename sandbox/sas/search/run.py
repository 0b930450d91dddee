"""A search: sources of slots are asked about lot after lot of practitioners, and events are sent as they answer.

Lots of 25 are asked about until one page of cards with slots and the next page are there, or nobody is left; the SOS
associations of the area go with the first lot. All calls of a lot begin at once; each has its time-out (7 s for an
editor), and the whole search has its own (21 s). A source that failed is not asked again in the same search. One that
hangs does not delay the others: the next lot begins when all others have answered and it has taken clearly longer than
they did. Where nothing at all is found, the area is enlarged once.

    async with contextlib.aclosing(run(criteria, aggregator)) as events:
        async for event in events: ...
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field

from sandbox.net.deadline import Deadline
from sandbox.sas.directory.directory import Candidate
from sandbox.sas.directory.participation import kinds_of, takes_part
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.criteria import DEFAULT_SPECIALTY, Criteria, Filters, flattened, read_criteria
from sandbox.sas.search.events import (
    CARDS_PER_PAGE,
    OK,
    PARTIAL,
    Done,
    Event,
    Found,
    Results,
    SourceAnswer,
    SourceState,
)
from sandbox.sas.search.lots import Lot, lots, ordered
from sandbox.sas.search.merging import Answers, Drawn, Entries, Merger, Outline
from sandbox.sas.search.sources import Call

__all__ = [
    "CARDS_PER_PAGE",
    "DEFAULT_SPECIALTY",
    "Criteria",
    "Done",
    "Event",
    "Filters",
    "Found",
    "Results",
    "SourceAnswer",
    "SourceState",
    "flattened",
    "read_criteria",
    "run",
    "whole",
]

# The next lot begins before all have answered once a lot has taken WAIT_FACTOR times as long as its slowest answer, and
# at least LEAST_WAIT_S.
LEAST_WAIT_S = 0.1
WAIT_FACTOR = 2.0


async def run(criteria: Criteria, aggregator: Aggregator) -> AsyncGenerator[Event, None]:
    """The events of a search. Raises RequestError 503, before the first event, when too many searches run already.

    A caller that stops reading closes the generator; the running calls are then cancelled.
    """
    with aggregator.admitted():
        search = _Search(criteria, aggregator)
        async with contextlib.aclosing(search.events()) as events:
            try:
                async for event in events:
                    yield event
            finally:
                search.cancel()


async def whole(criteria: Criteria, aggregator: Aggregator) -> Results:
    """The page that a search ends with. Raises RequestError 503 when too many searches run already."""
    results = Results(criteria, criteria.area)
    async for event in run(criteria, aggregator):
        results.take(event)
    return results


@dataclass
class _LotState:
    """A lot whose sources were asked. `begun`: by the event loop's clock; `waiting`: calls that have not ended;
    `answered`: number of calls that returned slots, `slowest`: the slowest of these in seconds; `before`, `after`:
    FINESS of the CPTS that have their card before and after this lot; `changed`: an answer came after `cards` were
    made."""

    number: int
    lot: Lot
    begun: float
    waiting: set[asyncio.Task[SourceAnswer]] = field(default_factory=set)
    answered: int = 0
    slowest: float = 0.0
    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    outlines: list[Outline] | None = None
    cards: Entries = field(default_factory=lambda: ([], []))
    changed: bool = False


@dataclass
class _Search:
    criteria: Criteria
    aggregator: Aggregator
    asked: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    lots_asked: list[_LotState] = field(default_factory=list)
    calls: dict[asyncio.Task[SourceAnswer], tuple[Call, _LotState]] = field(default_factory=dict)
    partial: bool = False
    complete: bool = True

    def __post_init__(self) -> None:
        self.answers = Answers()
        self.merger = Merger(self.criteria, self.aggregator.directory, self.aggregator.labels, self.answers)
        self.area = self.criteria.area
        self.enlarged = False
        self._alarm, self._news = Deadline(self._wake), asyncio.Event()
        self._ended: list[asyncio.Task[SourceAnswer]] = []
        self._waiting_lots = self._lots()
        self._next_lot: Lot | None = next(self._waiting_lots, None)

    def cancel(self) -> None:
        """Cancel the running calls."""
        self._alarm.end()
        for task in self.calls:
            task.cancel()

    async def events(self) -> AsyncGenerator[Event, None]:
        """See `run`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.aggregator.timeout
        self._advance(loop.time())
        while self.calls:
            self._alarm.set(min(deadline, self._wakes(loop.time())))
            await self._news.wait()
            self._news.clear()
            ended, self._ended = self._ended, []
            for task in ended:
                if task in self.calls:  # calls that were not abandoned meanwhile
                    yield self._taken(task)
            for answer in self._given_up(loop.time(), deadline):
                yield answer
            for found in self._found():
                yield found
            if self.complete:
                self._advance(loop.time())
        yield Done(partial=self.partial, complete=self.complete, radius_km=self.area.radius_km)

    # Lots

    def _lots(self) -> Iterator[Lot]:
        """The lots of the present area, without the people and associations that were already asked about."""
        criteria, aggregator = self.criteria, self.aggregator
        found = aggregator.candidates(criteria.specialty, self.area, self.asked)
        found += self._preferred(found)
        associations = aggregator.associations(self.area) if criteria.with_sos else []
        associations = [some for some in associations if some.siret not in self.asked]
        for some in lots(self._in_turn(ordered(found, criteria))):
            yield Lot(self.area, some, associations)
            associations = []
        if associations:
            yield Lot(self.area, [], associations)

    def _in_turn(self, candidates: Sequence[Candidate]) -> Iterator[Candidate]:
        """Participants of the SAS before the others, without those on leave. The data of a person are looked up when
        the lot is made."""
        others = []
        days = self.criteria.days
        for candidate in candidates:
            person = candidate.practitioner
            if self.aggregator.directory.away(person, days):
                continue
            if candidate.id == self.criteria.preferred or takes_part(kinds_of(person)):
                yield candidate
            else:
                others.append(candidate)
        yield from others

    def _preferred(self, found: Sequence[Candidate]) -> list[Candidate]:
        """The preferred doctor when not in the area: this doctor is asked about at any distance."""
        wanted = self.criteria.preferred
        if wanted is None or wanted in self.asked or any(candidate.id == wanted for candidate in found):
            return []
        candidate = self.aggregator.candidate(wanted, self.area)
        return [candidate] if candidate is not None else []

    def _advance(self, now: float) -> None:
        """Start the lots that are due; when none is left and nothing was found, those of the enlarged area."""
        while not self._has_enough() and self._may_go_on(now):
            if self._next_lot is None:
                if self.enlarged or self.calls or self.answers.offering:
                    return
                self.enlarged, self.area = True, self.area.enlarged()
                self._waiting_lots = self._lots()
                self._next_lot = next(self._waiting_lots, None)
                continue
            lot, self._next_lot = self._next_lot, next(self._waiting_lots, None)
            self._begin(lot, now)

    def _has_enough(self) -> bool:
        """True when there are cards for this page and the next."""
        held = sum(len(state.cards[0]) for state in self.lots_asked)
        return held >= CARDS_PER_PAGE * (self.criteria.page + 1)

    def _may_go_on(self, now: float) -> bool:
        return not self.lots_asked or not self.lots_asked[-1].waiting or now >= _next_lot_at(self.lots_asked[-1])

    def _begin(self, lot: Lot, now: float) -> None:
        """Start all calls about a lot at once. The lot's outlines are made while the sources work on their answers."""
        state = _LotState(len(self.lots_asked), lot, now)
        self.lots_asked.append(state)
        self.asked.update(candidate.id for candidate in lot.candidates)
        self.asked.update(association.siret for association in lot.associations)
        for call in self.aggregator.calls(lot, self.criteria):
            if call.source.slug not in self.failed:
                task = asyncio.create_task(call.answer())
                task.add_done_callback(self._note)
                self.calls[task] = call, state
                state.waiting.add(task)
        asyncio.get_running_loop().call_soon(self._outlined, state)

    def _wakes(self, now: float) -> float:
        """The time at which there is work even if no answer arrives: a deadline, or the next lot."""
        first = min(call.deadline for call, _ in self.calls.values())
        if self._next_lot is None or self._has_enough():
            return first
        return min(first, max(now, _next_lot_at(self.lots_asked[-1])))

    def _wake(self) -> None:
        self._news.set()

    def _note(self, task: asyncio.Task[SourceAnswer]) -> None:
        self._ended.append(task)
        self._news.set()

    # Answers

    def _taken(self, task: asyncio.Task[SourceAnswer]) -> SourceAnswer:
        call, state = self.calls.pop(task)
        state.waiting.discard(task)
        answer = task.result()
        self.partial = self.partial or answer.state == PARTIAL
        if answer.state in (OK, PARTIAL):
            if not call.local:
                state.answered += 1
                state.slowest = max(state.slowest, answer.ms / 1000)
            self.answers.add(call.source, call.asked, call.slots)
            state.changed = True
        else:
            self._lost(answer)
        return answer

    def _given_up(self, now: float, deadline: float) -> list[SourceAnswer]:
        """The answers of calls that have exceeded their time; of all calls after the search's own time-out."""
        over = now >= deadline
        late = [(task, *held) for task, held in self.calls.items() if over or now >= held[0].deadline]
        answers = []
        for task, call, state in late:
            del self.calls[task]
            state.waiting.discard(task)
            answers.append(call.give_up(task, "timeout" if now >= call.deadline else "out-of-time"))
            self._lost(answers[-1])
        if over and (late or self._next_lot is not None):
            self.complete = False
            self.partial = True
        return answers

    def _lost(self, answer: SourceAnswer) -> None:
        self.failed.add(answer.source)
        self.partial = True

    # Cards

    def _found(self) -> Iterator[Found]:
        """The lots whose cards have changed: because of an answer, or because a CPTS got its card in an earlier lot."""
        represented: frozenset[str] = frozenset()
        for state in self.lots_asked:
            if state.changed or represented != state.before:
                joined = set(represented)
                cards = self.merger.cards(self._outlined(state), joined)
                different, state.changed = cards != state.cards, False
                state.before, state.after, state.cards = represented, frozenset(joined), cards
                if different:
                    yield Found(
                        lot=state.number,
                        radius_km=state.lot.area.radius_km,
                        cards=Drawn(self.merger, cards[0]),
                        without_slots=Drawn(self.merger, cards[1]),
                    )
            represented = state.after

    def _outlined(self, state: _LotState) -> list[Outline]:
        if state.outlines is None:
            state.outlines = self.merger.outlines(state.lot)
        return state.outlines


def _next_lot_at(state: _LotState) -> float:
    """The latest time at which the next lot starts, even if some calls of this lot have not ended."""
    if not state.answered:
        return float("inf")
    return state.begun + max(LEAST_WAIT_S, WAIT_FACTOR * state.slowest)
