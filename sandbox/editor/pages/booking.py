"""The pages of one editor where a regulator books after the SAS core sent him here.

After the login (`session`): the agenda at the slot, the patient, a summary, the appointment.

    GET  /rdv?slot=&origin=[&semaine=YYYY-MM-DD]   the agenda, week by week, and the patient form
    POST /rdv                                      the form, checked: summary; `edit`: back to it; `fill`: invented
    POST /rdv/confirmer                            the appointment

The forms' fields: `slot`, `family`, `given`, `birth_date`, `sex`, `phone`, `reason`, `csrf`. No URL carries anything of
a patient: what was typed for a slot that is no longer free is kept in memory, for the regulator's next slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.editor.agenda import Agenda
from sandbox.editor.appointments.booking import SlotTaken, slot_key
from sandbox.editor.appointments.ledger import Ledger
from sandbox.editor.appointments.venues import Venue, find_venue
from sandbox.editor.pages.session import SessionPages, came_from_sas
from sandbox.editor.pages.week import agenda_week, proposals, week_asked
from sandbox.kernel.bounded import make_room
from sandbox.kernel.errors import Issue, RequestError, malformed
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.model import Slot
from sandbox.kernel.patients import SEXES, check_patient, invented, typed
from sandbox.net.context import Context
from sandbox.web.pages import redirect
from sandbox.web.session import flash

_PENDING = "La demande est enregistrée."  # the page shows below what became of it, live
DRAFTS = 500  # regulators whose typed patient is kept


class BookingPages:
    """The booking pages of one editor."""

    def __init__(self, context: Context, session: SessionPages, *, agenda: Agenda, ledger: Ledger) -> None:
        self._context, self._session = context, session
        self._agenda, self._ledger = agenda, ledger
        self._root = session.root
        self._drafts: dict[
            str, dict[str, str]
        ] = {}  # account -> the patient typed for a slot that was not free any more

    def routes(self) -> list[Route]:
        """The routes, below the editor's root."""
        return [
            Route("/rdv", self.agenda),
            Route("/rdv", self.check, methods=["POST"]),
            Route("/rdv/confirmer", self.confirm, methods=["POST"]),
        ]

    async def agenda(self, request: Request) -> Response:
        """The practitioner's agenda at the slot, with the patient form when the slot is free."""
        if not came_from_sas(request):
            return redirect(f"{self._root}/connexion")
        record = await self._session.regulator(request)
        request.session["origin"] = request.query_params["origin"]
        slot, venue = self._slot(request.query_params.get("slot", ""))
        return self._agenda_page(request, slot, venue, values=self._drafts.get(record.id) or typed({}))

    async def check(self, request: Request) -> Response:
        """The patient form: shown again with its errors (422), else a summary to confirm."""
        record, form = await self._session.posted_form(request)
        slot, venue = self._slot(str(form.get("slot", "")))
        values, today = typed(form), self._context.clock.now().date()
        if form.get("fill") == "1":
            values = invented(self._context.entropy, today)
        if not self._bookable(slot):
            return self._gone(request, record.id, slot, venue, values)
        patient, errors = check_patient(values, today)
        if "1" in (form.get("edit"), form.get("fill")):
            return self._agenda_page(request, slot, venue, values=values)
        if patient is None:
            return self._agenda_page(request, slot, venue, 422, values=values, errors=errors)
        shown: dict[str, Any] = {"slot": slot, "venue": venue, "zone": venue.zone, "slot_key": slot_key(slot)}
        return self._session.render(request, "summary.html", **shown, patient=patient, sexes=SEXES)

    async def confirm(self, request: Request) -> Response:
        """Make the appointment; 409 with the nearest free slots when the slot was taken meanwhile."""
        record, form = await self._session.posted_form(request)
        slot, venue = self._slot(str(form.get("slot", "")))
        values = typed(form)
        patient, errors = check_patient(values, self._context.clock.now().date())
        if patient is None:
            return self._agenda_page(request, slot, venue, 422, values=values, errors=errors)
        try:
            booking = await self._ledger.book(record, slot, patient)
        except SlotTaken:
            return self._gone(request, record.id, slot, venue, values)
        self._drafts.pop(record.id, None)
        pending = booking.status is AppointmentStatus.PENDING
        flash(request, _PENDING if pending else "Le rendez-vous est enregistré.")
        return redirect(f"{self._root}/rendez-vous/{booking.id}")

    def _gone(self, request: Request, account: str, slot: Slot, venue: Venue, values: dict[str, str]) -> Response:
        """409: the slot is taken or over. What was typed is kept for another slot."""
        self._drafts.pop(account, None)
        make_room(self._drafts, DRAFTS)
        self._drafts[account] = values
        return self._agenda_page(request, slot, venue, 409, values=values)

    def _slot(self, key: str) -> tuple[Slot, Venue]:
        """The slot of this editor with that id, also a past or taken one. Raises RequestError 400, 404."""
        if not key:
            raise malformed("L'adresse ne dit pas de quel créneau il s'agit.", "http.slot")
        slot = self._agenda.find(key)
        venue = self._venue(slot.schedule) if slot is not None else None
        if slot is None or venue is None:
            raise RequestError(404, Issue("not-found", "Ce créneau n'existe pas chez cet éditeur."))
        return slot, venue

    def _bookable(self, slot: Slot) -> bool:
        return self._agenda.is_free(slot_key(slot), self._context.clock.now())

    def _agenda_page(
        self,
        request: Request,
        slot: Slot,
        venue: Venue,
        status: int = 200,
        *,
        values: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
    ) -> Response:
        now, population, editor = self._context.clock.now(), self._context.population, self._session.editor
        free = self._bookable(slot)
        week = week_asked(request.query_params.get("semaine"), slot.start.date())
        return self._session.render(
            request,
            "agenda.html",
            status,
            slot=slot,
            slot_key=slot_key(slot),
            venue=venue,
            zone=venue.zone,
            free=free,
            past=slot.start < now,
            week=agenda_week(self._agenda, slot.schedule, week, venue.zone, now),
            proposals=[] if free else proposals(self._agenda, population, editor, slot, now),
            values=values,
            sexes=SEXES,
            errors=errors or {},
            link=lambda one, week=None: self._link(request, one, week),
        )

    def _link(self, request: Request, slot: Slot, week: date | None = None) -> str:
        """This page at another slot, or at the same one in another week."""
        query = {"slot": slot_key(slot), "origin": self._session.origin(request)}
        if week is not None:
            query["semaine"] = week.isoformat()
        return f"{self._root}/rdv?{urlencode(query)}"

    def _venue(self, schedule: str) -> Venue | None:
        return find_venue(self._context.population, self._session.editor, schedule)
