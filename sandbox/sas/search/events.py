"""What a running search tells, piece by piece, and the page that the pieces make. Pure.

    Source*  one per answer of a source, in the order in which they come
    Found*   the cards of a lot so far, whenever they change: it replaces what was told of that lot before
    Done     the end

`Results` takes them in turn and is the page at any moment: whoever shows results as they come and whoever wants them
whole read the same thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import msgspec

from sandbox.sas.directory.areas import Area
from sandbox.sas.search.cards import Card
from sandbox.sas.search.criteria import Criteria

CARDS_PER_PAGE = 5

OK, PARTIAL, LATE, FAILED, OPEN_CIRCUIT = "ok", "partial", "late", "failed", "open-circuit"
STATES = (OK, PARTIAL, LATE, FAILED, OPEN_CIRCUIT)
_STATE_OF_SOURCE = {OK: "answered", PARTIAL: "partial"}  # any other: failed
_WORSE = ("answered", "partial", "failed")


class SourceAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="event", tag="source"):
    """How one call of one source ended. `source`: its slug; `state`: of STATES (`partial`: slots of it are missing);
    `reason` in French, `code` for programs; `ms`: milliseconds that it took; `slots`: how many it has; `findings`: how
    many causes of what is wrong in the answer."""

    source: str = msgspec.field(name="editor")
    name: str
    state: str
    reason: str = ""
    code: str = ""
    ms: int = 0
    slots: int = 0
    findings: int = 0


class Found(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="found"):
    """The cards of one lot as far as known, in the order in which they are shown. `lot` from 0."""

    lot: int
    radius_km: float
    cards: Sequence[Card]
    without_slots: Sequence[Card]


class Done(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="done"):
    """The end. `partial`: slots may be missing; `complete` false: the search ran out of time."""

    partial: bool
    complete: bool
    radius_km: float


Event: TypeAlias = SourceAnswer | Found | Done


class SourceState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How one source took part in a search. `state`: `answered`, `partial` or `failed`; `reason` in French, `code` for
    programs; `ms` of its slowest answer; `slots` and `findings` of all of them."""

    slug: str
    name: str
    state: str
    reason: str = ""
    code: str = ""
    slots: int = 0
    findings: int = 0
    ms: int = 0


@dataclass
class Results:
    """One page of results, as far as known. `cards` have slots; `without_slots` were asked about and have none (first
    page only). `next`: number of the next page, None on the last one; `complete` false: the search ran out of time.
    """

    criteria: Criteria
    area: Area
    complete: bool = True
    lots: dict[int, Found] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Add the next event."""
        if isinstance(event, SourceAnswer):
            self._note(event)
            return
        if event.radius_km != self.area.radius_km:
            self.area = replace(self.area, radius_km=event.radius_km)
        if isinstance(event, Found):
            self.lots[event.lot] = event
        else:
            self.complete = event.complete

    def _note(self, answer: SourceAnswer) -> None:
        """Join one call's outcome to what is known of its source; the worst state stays, with its reason."""
        before, state = self.states.get(answer.source), _STATE_OF_SOURCE.get(answer.state, "failed")
        worst: SourceAnswer | SourceState = answer
        if before is not None and _WORSE.index(before.state) >= _WORSE.index(state):
            worst, state = before, before.state
        self.states[answer.source] = SourceState(
            slug=answer.source,
            name=answer.name,
            state=state,
            reason=worst.reason,
            code=worst.code,
            slots=answer.slots + (before.slots if before else 0),
            findings=answer.findings + (before.findings if before else 0),
            ms=max(answer.ms, before.ms if before else 0),
        )

    @property
    def cards(self) -> list[Card]:
        """The cards of this page."""
        skipped, found = CARDS_PER_PAGE * (self.criteria.page - 1), list[Card]()
        for lot in sorted(self.lots):
            cards = self.lots[lot].cards
            found += cards[skipped : skipped + CARDS_PER_PAGE - len(found)]
            skipped = max(0, skipped - len(cards))
        return found

    @property
    def without_slots(self) -> list[Card]:
        """Cards of those who were asked about and have no free slot; on the first page only."""
        if self.criteria.page != 1:
            return []
        return [card for lot in sorted(self.lots) for card in self.lots[lot].without_slots]

    @property
    def next(self) -> int | None:
        """Number of the next page; None when it has no cards."""
        held = sum(len(lot.cards) for lot in self.lots.values())
        return self.criteria.page + 1 if held > CARDS_PER_PAGE * self.criteria.page else None

    @property
    def sources(self) -> list[SourceState]:
        """All that were asked."""
        return list(self.states.values())

    @property
    def failures(self) -> list[SourceState]:
        """The sources that did not answer."""
        return [source for source in self.sources if source.state == "failed"]

    @property
    def gaps(self) -> list[SourceState]:
        """The sources whose slots are not all there."""
        return [source for source in self.sources if source.state != "answered"]

    @property
    def partial(self) -> bool:
        """True when slots may be missing."""
        return not self.complete or bool(self.gaps)
