"""What follows an orientation that a form has made."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sandbox.sas.console.orientation_pages import PATH
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.web.pages import redirect
from sandbox.web.session import flash


def to_orientation(request: Request, record: AppointmentRecord) -> Response:
    """Say that it is kept, on its own page."""
    flash(request, "Orientation enregistrée.")
    return redirect(f"{PATH}/{record.id}")
