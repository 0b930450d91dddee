"""The console: joins the pages, each of which is a module of its own. The pages are in French. Patient data are shown
only where they were typed in the SAS agenda: to its practitioner and to the regulator who booked.
"""

from __future__ import annotations

from starlette.routing import Route

from sandbox.sas.console.account_pages import AccountPages
from sandbox.sas.console.agenda.agenda_pages import AgendaPages
from sandbox.sas.console.agenda.booking_pages import BookingPages
from sandbox.sas.console.agenda.closure_pages import ClosurePages
from sandbox.sas.console.agenda.patient_pages import PatientPages
from sandbox.sas.console.editor_health_page import EditorHealthPage
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.login_pages import LoginPages
from sandbox.sas.console.message_pages import MessagePages
from sandbox.sas.console.offer_pages.communities import CommunityForm
from sandbox.sas.console.offer_pages.extra import ExtraPages
from sandbox.sas.console.offer_pages.structures import StructurePages
from sandbox.sas.console.orientation_pages import OrientationPages
from sandbox.sas.console.search_pages import SearchPages
from sandbox.sas.console.step_pages import StepPages
from sandbox.sas.services import Services
from sandbox.web.sse import Streams


class Console:
    """The pages of the SAS core."""

    def __init__(self, services: Services) -> None:
        self._streams = Streams()
        frame = Frame(services, self._streams)
        self.pages = frame.pages
        self._parts = (
            LoginPages(frame),
            SearchPages(frame, services),
            OrientationPages(frame, services),
            StepPages(frame, services),
            CommunityForm(frame, services),
            ExtraPages(frame, services),
            StructurePages(frame, services),
            EditorHealthPage(frame, services),
            AccountPages(frame),
            MessagePages(frame, services),
            AgendaPages(frame, services),
            ClosurePages(frame, services),
            PatientPages(frame, services),
            BookingPages(frame, services),
        )

    def routes(self) -> list[Route]:
        """The pages' routes, without the static files."""
        return [route for part in self._parts for route in part.routes()]

    def stop(self) -> None:
        """End the live streams, so that the listeners can finish."""
        self._streams.stop()
