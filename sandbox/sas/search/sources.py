"""The interface between the search and the sources of free slots.

A search asks each `SlotSource` about lot after lot. A source answers by calls, one for each part of the lot that it
can answer for; the slots of a call are those of its practitioners and associations, each slot with its place
(`schedule`). To add a source, write a class with the methods of `SlotSource` and give it to `Aggregator`
(`aggregator.py`), in `sas/app.py`. The editors are in `editors.py`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sandbox.fhir.reader.reading import FreeSlot
from sandbox.kernel.text.words import folded
from sandbox.sas.directory.origins import SourceName
from sandbox.sas.search.criteria import WITH, Criteria, Filters
from sandbox.sas.search.events import SourceAnswer
from sandbox.sas.search.lots import Lot


@dataclass(eq=False, slots=True)
class Call(ABC):
    """What one source is asked about one lot.

    `asked`: ids (prefixed national ids, SIRET) that it may answer for; `begun`, and `deadline` when the search gives
    the call up: seconds of the event loop's clock. `slots`: what passes the filters of the search, once the call ended
    well; the `comment` of a slot is the address of the page where it is booked. `local`: the call does not use the
    network, so its duration says nothing about how long the other calls will take.
    """

    source: SourceName
    asked: frozenset[str]
    begun: float
    deadline: float
    slots: Sequence[FreeSlot] = ()
    local: bool = False

    @abstractmethod
    async def answer(self) -> SourceAnswer:
        """Make the call, set `slots`, and return the outcome. Raises nothing: a failure is an answer that names the
        reason."""

    @abstractmethod
    def give_up(self, task: asyncio.Task[SourceAnswer], code: str) -> SourceAnswer:
        """The search stops waiting for `task`, which runs `answer`. `code`: `timeout` or `out-of-time`."""

    def outcome(
        self, state: str, reason: str = "", code: str = "", *, slots: int = 0, findings: int = 0
    ) -> SourceAnswer:
        """The outcome of the call, now that it has ended; see `SourceAnswer`."""
        return SourceAnswer(
            source=self.source.slug,
            name=self.source.name,
            state=state,
            reason=reason,
            code=code,
            ms=round((asyncio.get_running_loop().time() - self.begun) * 1000),
            slots=slots,
            findings=findings,
        )


class SlotSource(Protocol):
    """One source of free slots, or several sources with the same protocol."""

    def lists(self, id: str) -> bool:
        """Whether the practitioner or association with that id is searched although no editor can be asked about him.
        Called for everybody in the area about whom none can: it must be cheap."""

    def calls(self, lot: Lot, criteria: Criteria) -> Sequence[Call]:
        """The calls about those members of the lot that this source can answer for; the calls start now."""

    async def close(self) -> None:
        """End everything that is still running."""


def narrowed(slots: Sequence[FreeSlot], criteria: Criteria) -> Sequence[FreeSlot]:
    """The slots that pass the filters of a search."""
    if not _narrows(criteria):
        return slots
    reason = folded(criteria.reason)
    return [slot for slot in slots if _passes(slot, criteria.filters, reason)]


def _passes(slot: FreeSlot, filters: Filters, reason: str) -> bool:
    return (
        (not filters.visibilities or not filters.visibilities.isdisjoint(slot.visibilities))
        and (not filters.types or not filters.types.isdisjoint(slot.types))
        and (not filters.booking or slot.walkin == (filters.booking != WITH))
        and (not reason or any(reason in folded(each) for each in slot.reasons))
    )


def _narrows(criteria: Criteria) -> bool:
    filters = criteria.filters
    return bool(filters.visibilities or filters.types or filters.booking or criteria.reason)
