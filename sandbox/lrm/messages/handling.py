"""What an LRM's behaviours tell messages apart by (`faults.lrm` says what each behaviour does)."""

from __future__ import annotations

from sandbox.edxl.message import Message


def kind_of(message: Message) -> str:
    """`create`, `update` or `cancel`: an update that says that the appointment is cancelled."""
    appointment = message.appointment or {}
    if appointment.get("method") == "CreateAppointment":
        return "create"
    return "cancel" if appointment.get("status") == "cancelled" else "update"
