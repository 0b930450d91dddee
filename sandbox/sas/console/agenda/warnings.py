"""What a practitioner's pages say when a change meets appointments: before, and once it is done."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kernel.clock import PARIS
from sandbox.sas.console.frame import AGENDA, Frame
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.orientations.typed_booking import Booked, TypedBooking
from sandbox.sas.orientations.typed_changes import InTheWay
from sandbox.web.filters import plural
from sandbox.web.session import CSRF


def done(text: str, cancelled: Sequence[AppointmentRecord]) -> str:
    """`text`, and what became of the appointments."""
    if not cancelled:
        return text
    return f"{text} {plural(len(cancelled), 'rendez-vous annulé', 'rendez-vous annulés')} : la régulation est prévenue."


def in_the_way(frame: Frame, request: Request, booking: TypedBooking, refusal: InTheWay, form: FormData) -> Response:
    """409: the appointments that the posted form would cancel, and the same form again with the consent to that."""
    kept = [(name, str(text)) for name, text in form.multi_items() if name not in (CSRF, "annuler")]
    shown = [Booked(record, booking.patient(record.id)) for record in refusal.appointments]
    path = urlsplit(str(request.url)).path
    return frame.page(
        request,
        "agenda_booked.html",
        frame.regulator(request),
        refusal.status,
        message=refusal.french,
        appointments=shown,
        zone=shown[0].record.start.tzinfo if shown else PARIS,
        action=path,
        hidden=kept,
        back=path.removesuffix("/supprimer") if path.startswith(f"{AGENDA}/creneau/") else path,
    )
