"""The form with which a regulator books a slot of the SAS agenda for a fictitious patient.

    GET  /sas/agenda/reserver?creneau=<id>[&praticien=<id>]   the slot and the form
    POST /sas/agenda/reserver                                 book; `inventer=1`: the form again, with a patient

The form's fields: `creneau`, `cle` (the same for a form that is sent twice), those of `kernel.patients`, `csrf`. No URL
carries anything of a patient: what was typed for a slot that is not free any more is kept in memory, for the
regulator's next slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.bounded import make_room
from sandbox.kernel.errors import Issue, RequestError, malformed
from sandbox.kernel.model import Practitioner, Regulator
from sandbox.kernel.patients import SEXES, check_patient, invented, typed
from sandbox.sas.agenda.refusals import Refusal
from sandbox.sas.agenda.series import Occurrence, split_id
from sandbox.sas.console.agenda.week_view import kind_words
from sandbox.sas.console.frame import AGENDA, Frame
from sandbox.sas.console.orientation_pages import PATH as ORIENTATIONS
from sandbox.sas.console.search_pages import AGAIN
from sandbox.sas.orientations.typed_booking import SlotGone, SlotRequest
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.services import Services
from sandbox.web.pages import redirect
from sandbox.web.session import flash

PATH = f"{AGENDA}/reserver"
DRAFTS = 500  # regulators whose typed patient is kept
LONGEST_KEY = 64


class BookingPages:
    """The form, and the booking."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._context = frame, services.context
        self._agendas, self._booking = services.agendas, services.booking
        self._drafts: dict[str, dict[str, str]] = {}  # account -> the patient typed for a slot that was not free

    def routes(self) -> list[Route]:
        """For regulators who may orient."""
        right = Right.ORIENTATION
        return [
            Route(PATH, self._frame.guarded(self.form, right), methods=["GET"]),
            Route(PATH, self._frame.posted(self.book, right), methods=["POST"]),
        ]

    async def form(self, request: Request, regulator: Regulator) -> Response:
        """The slot, and the patient's form when it is free."""
        person, slot = self._slot(request.query_params.get("creneau", ""))
        asked = request.query_params.get("praticien", person.id)
        if asked != person.id:
            raise RequestError(404, Issue("not-found", "Ce créneau n'est pas dans l'agenda de ce médecin."))
        values = self._drafts.get(self._account(regulator)) or typed({})
        key = self._context.entropy.token(16)
        return self._page(request, regulator, (person, slot), {"values": values, "key": key})

    async def book(self, request: Request, regulator: Regulator, form: FormData) -> Response:
        """Book: 422 with the errors of the form, 409 with the nearest free slots when the last place is gone."""
        chosen = self._slot(str(form.get("creneau", "")))
        key = str(form.get("cle", ""))[:LONGEST_KEY] or self._context.entropy.token(16)
        values, today = typed(form), self._context.clock.now().date()
        if form.get("inventer") == "1":
            values = invented(self._context.entropy, today)
            return self._page(request, regulator, chosen, {"values": values, "key": key})
        patient, errors = check_patient(values, today)
        if patient is None:
            return self._page(request, regulator, chosen, {"values": values, "key": key, "errors": errors}, 422)
        try:
            record = await self._booking.book(regulator, SlotRequest(chosen[1].id, patient, key))
        except SlotGone as gone:
            self._keep(regulator, values)
            return self._page(request, regulator, chosen, {"values": values, "key": key}, gone.status)
        self._drafts.pop(self._account(regulator), None)
        flash(request, "Le rendez-vous est enregistré.")
        return redirect(f"{ORIENTATIONS}/{record.id}")

    def _keep(self, regulator: Regulator, values: dict[str, str]) -> None:
        """Keep what was typed for another slot."""
        account = self._account(regulator)
        self._drafts.pop(account, None)
        make_room(self._drafts, DRAFTS)
        self._drafts[account] = values

    def _account(self, regulator: Regulator) -> str:
        return self._frame.accounts.id_of(regulator)

    def _slot(self, id: str) -> tuple[Practitioner, Occurrence]:
        """The slot with that id, also one that is not free. Raises RequestError 400, 404."""
        if not id:
            raise malformed("L'adresse ne dit pas de quel créneau il s'agit.", "http.creneau")
        try:
            return self._booking.slot(id)
        except Refusal as refusal:
            raise RequestError(refusal.status, Issue("not-found", refusal.french)) from None

    def _is_free(self, person: Practitioner, slot: Occurrence) -> bool:
        parts = split_id(slot.id)
        offered = parts is not None and self._agendas.of(person).offered(parts) is not None
        return offered and slot.start > self._context.clock.time() and self._booking.left(slot) > 0

    def _page(
        self,
        request: Request,
        regulator: Regulator,
        chosen: tuple[Practitioner, Occurrence],
        shown: Mapping[str, Any],
        status: int = 200,
    ) -> Response:
        person, slot = chosen
        free = self._is_free(person, slot)
        return self._frame.page(
            request,
            "agenda_booking.html",
            regulator,
            status,
            person=person,
            place=next((each for each in person.places if each.id == slot.kind.place), None),
            slot=slot,
            words=kind_words(slot),
            left=self._booking.left(slot),
            free=free,
            past=slot.start <= self._context.clock.time(),
            nearest=[] if free else self._nearest(person, slot),
            sexes=SEXES,
            action=PATH,
            search=AGAIN,
            **{"errors": {}, **shown},
        )

    def _nearest(self, person: Practitioner, slot: Occurrence) -> list[tuple[str, Occurrence]]:
        """Free slots of the same practitioner, the nearest in time first, with their addresses."""
        found = self._booking.free(person, near=slot.start)
        return [(booking_path(each), each) for each in found]


def booking_path(slot: Occurrence) -> str:
    """The address of the form for a slot."""
    return f"{PATH}?{urlencode({'creneau': slot.id, 'praticien': slot.owner})}"
