"""What a running search tells, piece by piece, and the page that the pieces make. Pure.

    Source*  one per answer of an editor, in the order in which they come
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
_STATE_OF_EDITOR = {OK: "answered", PARTIAL: "partial"}  # any other: failed
_WORSE = ("answered", "partial", "failed")


class Source(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="event", tag="source"):
    """How one query to one editor ended. `state`: of STATES (`partial`: slots of it are missing); `reason` in French,
    `code` for programs; `ms` it took."""

    editor: str
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
    """The end. `partial`: somebody's slots may be missing; `complete` false: the search ran out of time."""

    partial: bool
    complete: bool
    radius_km: float


Event: TypeAlias = Source | Found | Done


class EditorState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How one editor took part. `state`: `answered`, `partial` or `failed`; `reason` in French, `code` for programs;
    `ms` of its slowest answer."""

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
    states: dict[str, EditorState] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Add what the search tells next."""
        if isinstance(event, Source):
            self._note(event)
            return
        if event.radius_km != self.area.radius_km:
            self.area = replace(self.area, radius_km=event.radius_km)
        if isinstance(event, Found):
            self.lots[event.lot] = event
        else:
            self.complete = event.complete

    def _note(self, source: Source) -> None:
        """Join the outcome of one query to what is known of its editor; what is worse stays."""
        before, state = self.states.get(source.editor), _STATE_OF_EDITOR.get(source.state, "failed")
        told: Source | EditorState = source
        if before is not None and _WORSE.index(before.state) >= _WORSE.index(state):
            told, state = before, before.state
        self.states[source.editor] = EditorState(
            slug=source.editor,
            name=source.name,
            state=state,
            reason=told.reason,
            code=told.code,
            slots=source.slots + (before.slots if before else 0),
            findings=source.findings + (before.findings if before else 0),
            ms=max(source.ms, before.ms if before else 0),
        )

    @property
    def cards(self) -> list[Card]:
        """Those of this page."""
        skipped, found = CARDS_PER_PAGE * (self.criteria.page - 1), list[Card]()
        for lot in sorted(self.lots):
            cards = self.lots[lot].cards
            found += cards[skipped : skipped + CARDS_PER_PAGE - len(found)]
            skipped = max(0, skipped - len(cards))
        return found

    @property
    def without_slots(self) -> list[Card]:
        """Who was asked about and has nothing."""
        if self.criteria.page != 1:
            return []
        return [card for lot in sorted(self.lots) for card in self.lots[lot].without_slots]

    @property
    def next(self) -> int | None:
        """The next page, when it has cards."""
        held = sum(len(lot.cards) for lot in self.lots.values())
        return self.criteria.page + 1 if held > CARDS_PER_PAGE * self.criteria.page else None

    @property
    def editors(self) -> list[EditorState]:
        """Everybody who was asked."""
        return list(self.states.values())

    @property
    def failures(self) -> list[EditorState]:
        """The editors that did not answer."""
        return [editor for editor in self.editors if editor.state == "failed"]

    @property
    def gaps(self) -> list[EditorState]:
        """The editors whose slots are not all there."""
        return [editor for editor in self.editors if editor.state != "answered"]

    @property
    def partial(self) -> bool:
        """True when somebody's slots may be missing."""
        return not self.complete or bool(self.gaps)
