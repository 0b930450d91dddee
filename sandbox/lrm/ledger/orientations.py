"""The orientations of one LRM. Methods that change something return the writes, to be committed by the caller.

Besides the store there are indexes in memory: which orientations wait for a case file, the regulators that were named,
and the counts of each day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, tzinfo

import msgspec

from sandbox.kernel.bounded import make_room
from sandbox.lrm.ledger.records import Operator, Orientation, encode, orientation_decoder
from sandbox.lrm.ledger.tally import DayCounts, Tally
from sandbox.store.protocol import Put, Store

ORIENTATIONS = "orientations"
MOST_REGULATORS = 200  # regulators named by orientations: how many are kept


class Orientations:
    """The orientations of one LRM. `zone`: that of its territory; days are counted in it."""

    def __init__(self, store: Store, zone: tzinfo) -> None:
        self._store = store
        self._unattached: dict[str, None] = {}
        self._tally = Tally(zone)
        self._regulators: dict[str, Operator] = {}  # by e-mail
        for _, row in store.items(ORIENTATIONS):
            self._index(orientation_decoder.decode(row))

    def get(self, appointment_id: str) -> Orientation | None:
        """One orientation, None when it is unknown."""
        row = self._store.get(ORIENTATIONS, appointment_id)
        return orientation_decoder.decode(row) if row is not None else None

    def all(self) -> Iterator[Orientation]:
        """All orientations, the newest first."""
        rows = [row for _, row in self._store.items(ORIENTATIONS)]
        return (orientation_decoder.decode(row) for row in reversed(rows))

    def unattached(self, most: int) -> list[Orientation]:
        """The orientations that wait for a case file, the newest first, at most `most`."""
        newest = [key for key, _ in zip(reversed(self._unattached), range(most), strict=False)]
        return [found for key in newest if (found := self.get(key)) is not None]

    def regulators(self) -> list[Operator]:
        """The regulators that recent orientations named, each once."""
        return [*self._regulators.values()]

    def of_day(self, day: date) -> DayCounts:
        """How many orientations first arrived on that day, by category and status."""
        return self._tally.of_day(day)

    @property
    def count(self) -> int:
        """How many orientations are stored."""
        return self._store.count(ORIENTATIONS)

    @property
    def waiting(self) -> int:
        """How many orientations wait for a case file."""
        return len(self._unattached)

    def create(self, orientation: Orientation) -> Put:
        """The write of a new orientation."""
        self._index(orientation)
        return _put(orientation)

    def update(self, orientation: Orientation) -> Put:
        """The write of an orientation that a message has changed."""
        self._tally.put(orientation)
        return _put(orientation)

    def forget(self, appointment_id: str) -> None:
        """Undo `create` for an orientation whose write failed for good; a stored orientation is not changed."""
        if self.get(appointment_id) is None:
            self._unattached.pop(appointment_id, None)
            self._tally.remove(appointment_id)

    def attach(self, orientation: Orientation, number: str) -> Put:
        """The write that records the case file to which the orientation is attached."""
        self._unattached.pop(orientation.appointment_id, None)
        return _put(msgspec.structs.replace(orientation, case_file=number))

    def detach(self, orientation: Orientation) -> Put:
        """The write that records that the orientation is attached to no case file."""
        self._unattached[orientation.appointment_id] = None
        return _put(msgspec.structs.replace(orientation, case_file=None))

    def consulted(self, orientation: Orientation, distribution_id: str) -> Put:
        """The write that records that a regulator has seen the orientation in the version of that message."""
        return _put(msgspec.structs.replace(orientation, consulted=distribution_id))

    def _index(self, orientation: Orientation) -> None:
        self._remember_regulator(orientation)
        self._tally.put(orientation)
        if orientation.case_file is None:
            self._unattached[orientation.appointment_id] = None

    def _remember_regulator(self, orientation: Orientation) -> None:
        named = orientation.appointment["regulator"]
        email = named["regulatorEmail"]
        if email.lower() not in self._regulators:
            make_room(self._regulators, MOST_REGULATORS)
            self._regulators[email.lower()] = Operator(named["regulatorName"], named["regulatorFirstname"], email)


def _put(orientation: Orientation) -> Put:
    return Put(ORIENTATIONS, orientation.appointment_id, encode(orientation))
