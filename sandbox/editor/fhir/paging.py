"""Pages of an INT_R01 answer: which slots are on the page asked for, and the query of the next one. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from urllib.parse import quote

from sandbox.editor.agenda import FreeSlots
from sandbox.editor.fhir.agenda_cache import CachedAgenda
from sandbox.fhir.queries.search import SlotQuery
from sandbox.kernel.errors import malformed
from sandbox.population.agendas.agenda import slot_id, split_slot_id


def page_of(
    found: list[CachedAgenda], query: SlotQuery, total: int, most: int
) -> tuple[list[CachedAgenda], str | None]:
    """The page asked for, of `most` slots at most, and the id of its last slot when another page follows.

    Raises RequestError 400 when the query's `_after` names no slot of this search.
    """
    room = most if query.count is None else min(query.count, most)
    if query.after is not None:
        found = _after(found, query.after)
    elif total <= room:
        return found, None
    page: list[CachedAgenda] = []
    last: str | None = None  # stays None on a page without slots: `_count=0` asks for the total alone
    for each in found:
        fitting: list[FreeSlots] = []
        for free in each.free:
            if free.count and room <= 0:
                return [*page, each.only(fitting)], last
            fitting.append(free if free.count <= room else free.cut(0, room))
            if fitting[-1].count:
                last = slot_id(free.week.schedule, fitting[-1].starts()[-1])
            if free.count > room:
                return [*page, each.only(fitting)], last
            room -= free.count
        page.append(each.only(fitting))
    return page, None


def _after(found: Iterable[CachedAgenda], after: str) -> list[CachedAgenda]:
    """The slots after that one. It need not be free any more: schedules and times keep their order."""
    split = split_slot_id(after)
    order = {week.schedule: at for at, week in enumerate(week for each in found for week in each.weeks)}
    if split is None or split[0] not in order:
        raise malformed(f"'{after}' is no page of this search", "http._after", code="value")
    here, instant = order[split[0]], split[1]
    kept = []
    for each in found:
        following = []
        for free in each.free:
            at = order[free.week.schedule]
            if at >= here:
                following.append(free.cut(bisect_right(free.starts(), instant), free.count) if at == here else free)
        kept.append(each.only(following))
    return kept


def next_query(text: str, last: str) -> str:
    """The query of the page that follows the slot `last`, percent-encoded."""
    kept = [part for part in text.split("&") if not part.startswith("_after=")]
    return "&".join((*kept, f"_after={quote(last)}"))
