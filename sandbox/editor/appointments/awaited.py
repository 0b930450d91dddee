"""Which appointments at SOS Médecins wait for their doctor, and until when; the ledger fills it at each start."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sandbox.editor.appointments.booking import Booking
from sandbox.kernel.flows import AppointmentStatus


class AwaitedDoctors:
    """The pending appointments of one editor. `on_first` is called when one waits and none did before."""

    def __init__(self) -> None:
        self._due: dict[str, datetime] = {}  # appointment -> when its doctor is to be named
        self.on_first: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._due)

    def update(self, booking: Booking) -> None:
        """Follow an appointment as it is now: it waits while it is pending and has a `due` time."""
        if booking.status is not AppointmentStatus.PENDING or booking.due is None:
            self._due.pop(booking.id, None)
            return
        first = not self._due
        self._due[booking.id] = booking.due
        if first and self.on_first is not None:
            self.on_first()

    @property
    def next_due(self) -> datetime | None:
        """When the next doctor is to be named."""
        return min(self._due.values(), default=None)

    def due(self, now: datetime) -> list[str]:
        """The appointments whose doctor is to be named by `now`, those that have waited longest first."""
        found = [(due, id) for id, due in self._due.items() if due <= now]
        return [id for _, id in sorted(found)]

    def give_up(self, id: str) -> None:
        """Nobody can be named automatically: the appointment stays pending until it is taken over or cancelled."""
        self._due.pop(id, None)
