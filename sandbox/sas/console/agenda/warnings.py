"""What a practitioner's pages say when a change meets appointments: before, and once it is done."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kernel.model import Practitioner
from sandbox.sas.console.agenda.week_view import place_zone
from sandbox.sas.console.frame import AGENDA, Frame
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.orientations.typed_changes import InTheWay
from sandbox.sas.services import Services
from sandbox.web.filters import plural
from sandbox.web.session import CSRF


def done(text: str, cancelled: Sequence[AppointmentRecord]) -> str:
    """`text`, and what became of the appointments."""
    if not cancelled:
        return text
    return f"{text} {plural(len(cancelled), 'rendez-vous annulé', 'rendez-vous annulés')} : la régulation est prévenue."


class Warnings:
    """The page before a change that takes the slots of patients away."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._booking = frame, services.booking

    def page(self, request: Request, person: Practitioner, refusal: InTheWay, form: FormData) -> Response:
        """409: the appointments that the posted form would cancel, and the same form again with the consent to that."""
        kept = [(name, str(text)) for name, text in form.multi_items() if name not in (CSRF, "annuler")]
        found = refusal.appointments
        path = urlsplit(str(request.url)).path
        return self._frame.page(
            request,
            "agenda_booked.html",
            self._frame.regulator(request),
            refusal.status,
            message=refusal.french,
            appointments=[(each, self._booking.patient(each.id)) for each in found],
            zones={each.id: place_zone(person, each.details.place) for each in found},
            action=path,
            hidden=kept,
            back=path.removesuffix("/supprimer") if path.startswith(f"{AGENDA}/creneau/") else path,
        )
