"""What all searches share: the directory, the sources of slots, and the limit of simultaneous searches."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence

from sandbox.config import Settings
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import SosAssociation
from sandbox.sas.directory.areas import Area
from sandbox.sas.directory.directory import Candidate, Directory
from sandbox.sas.search.criteria import Criteria
from sandbox.sas.search.lots import Lot
from sandbox.sas.search.sources import Call, SlotSource

MOST_SEARCHES = 256  # simultaneous searches: further ones are refused, not queued


class Aggregator:
    """What searches need besides their criteria. `labels`: name of each R38 code; `timeout`: seconds of a whole search.

    `sources` are asked in this order.
    """

    def __init__(
        self, directory: Directory, labels: Mapping[str, str], sources: Sequence[SlotSource], settings: Settings
    ) -> None:
        self.directory, self.labels, self._sources = directory, labels, sources
        self.timeout = settings.search_timeout_s or 3 * settings.editor_timeout_s
        self.running = 0

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """A context that holds one of the places for running searches. Raises RequestError 503 when too many run
        already."""
        if self.running >= MOST_SEARCHES:
            raise RequestError(503, Issue("too-costly", f"{MOST_SEARCHES} searches are running: try again"))
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def candidates(self, specialty: str, area: Area, besides: Collection[str] = ()) -> list[Candidate]:
        """See `Directory.candidates`; includes those whom only sources other than the editors know."""
        return self.directory.candidates(specialty, area, besides, self._lists)

    def candidate(self, id: str, area: Area) -> Candidate | None:
        """See `Directory.candidate`; also one whom only sources other than the editors know."""
        return self.directory.candidate(id, area, self._lists)

    def associations(self, area: Area) -> list[SosAssociation]:
        """See `Directory.associations`; includes those whom only sources other than the editors know."""
        return self.directory.associations(area, self._lists)

    def _lists(self, id: str) -> bool:
        return any(source.lists(id) for source in self._sources)

    def calls(self, lot: Lot, criteria: Criteria) -> list[Call]:
        """The calls to all sources about a lot."""
        return [call for source in self._sources for call in source.calls(lot, criteria)]

    async def close(self) -> None:
        """End the calls that no search is waiting for."""
        for source in self._sources:
            await source.close()
