"""The pages of one editor: how a regulator books after the SAS core sent him here, and « Mes rendez-vous ».

Once he is in (`entrance`): the agenda at the slot, the patient, a summary, the appointment.

    GET  /rdv?slot=&origin=        agenda and patient form        POST /rdv             the form, checked: summary
    POST /rdv/confirmer            the appointment                GET  /rendez-vous     « Mes rendez-vous »
    GET  /rendez-vous/<id>         one of them (confirmation)     POST /rendez-vous/<id>/annuler|honorer|absent

and those of the door (`entrance`).
The forms' fields: `slot`, `family`, `given`, `birth_date`, `phone`, `reason`, `csrf`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.editor.accounts import AccountRecord
from sandbox.editor.agenda import Agenda
from sandbox.editor.entrance import Entrance, Redirected, came_from_sas
from sandbox.editor.ledger import STEPS, Action, Booking, Ledger, SlotTaken, slot_key
from sandbox.editor.patients import check_patient, typed
from sandbox.editor.r03 import Emitter
from sandbox.editor.venues import Venue, find_venue
from sandbox.kernel.errors import Issue, RequestError, malformed
from sandbox.kernel.model import Slot
from sandbox.net.context import Context
from sandbox.web.pages import console, redirect
from sandbox.web.session import flash

PER_PAGE = 50
NEAREST = 6
DAYS_SHOWN = 3
SEARCH_DAYS = 7  # how far from a taken slot another one is proposed


class BookingPages:
    """One editor's console, to be mounted under `/<slug>`."""

    def __init__(
        self, context: Context, entrance: Entrance, *, agenda: Agenda, ledger: Ledger, emitter: Emitter
    ) -> None:
        self._context, self._entrance = context, entrance
        self._agenda, self._ledger, self._emitter = agenda, ledger, emitter
        self._root = entrance.root

    def app(self) -> ASGIApp:
        """The console: pages, static files, session, error pages."""
        routes = [
            *self._entrance.routes(),
            Route("/rdv", self.agenda),
            Route("/rdv", self.check, methods=["POST"]),
            Route("/rdv/confirmer", self.confirm, methods=["POST"]),
            Route("/rendez-vous", self.appointments),
            Route("/rendez-vous/{id}", self.appointment),
            Route("/rendez-vous/{id}/{action}", self.act, methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {Redirected: lambda _, redirected: redirected.response}
        role = f"editor-{self._entrance.editor.slug}"
        return console(self._context, self._entrance.pages, routes, role=role, handlers=handlers)

    async def agenda(self, request: Request) -> Response:
        """The practitioner's agenda at the slot, with the patient form when the slot is free."""
        if not came_from_sas(request):
            return redirect(f"{self._root}/connexion")
        await self._entrance.regulator(request)
        slot, venue = self._slot(request.query_params.get("slot", ""))
        return self._agenda_page(request, slot, venue, values=typed({}))

    async def check(self, request: Request) -> Response:
        """The patient form: back to it with what is wrong (422), else a summary to confirm."""
        _, form = await self._entrance.posting(request)
        slot, venue = self._slot(str(form.get("slot", "")))
        values = typed(form)
        patient, errors = check_patient(values, self._context.clock.now().date())
        if not self._bookable(slot):
            return self._agenda_page(request, slot, venue, 409, values=values)
        if form.get("edit") == "1":
            return self._agenda_page(request, slot, venue, values=values)
        if patient is None:
            return self._agenda_page(request, slot, venue, 422, values=values, errors=errors)
        return self._entrance.render(
            request, "summary.html", slot=slot, venue=venue, slot_key=slot_key(slot), patient=patient
        )

    async def confirm(self, request: Request) -> Response:
        """The appointment, unless somebody was faster (409 with the nearest free slots)."""
        record, form = await self._entrance.posting(request)
        slot, venue = self._slot(str(form.get("slot", "")))
        values = typed(form)
        patient, errors = check_patient(values, self._context.clock.now().date())
        if patient is None:
            return self._agenda_page(request, slot, venue, 422, values=values, errors=errors)
        try:
            booking = await self._ledger.book(record, slot, patient)
        except SlotTaken:
            return self._agenda_page(request, slot, venue, 409, values=values)
        flash(request, "Le rendez-vous est enregistré.")
        return redirect(f"{self._root}/rendez-vous/{booking.id}")

    def _slot(self, key: str) -> tuple[Slot, Venue]:
        """The slot of this editor with that id, past and taken ones too. Raises RequestError 400, 404."""
        if not key:
            raise malformed("L'adresse ne dit pas de quel créneau il s'agit.", "http.slot")
        slot = self._agenda.find(key)
        venue = self._venue(slot.schedule) if slot is not None else None
        if slot is None or venue is None:
            raise RequestError(404, Issue("not-found", "Ce créneau n'existe pas chez cet éditeur."))
        return slot, venue

    def _bookable(self, slot: Slot) -> bool:
        return not slot.walkin and self._agenda.is_free(slot_key(slot), self._context.clock.now())

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
        now = self._context.clock.now()
        free = self._bookable(slot)
        return self._entrance.render(
            request,
            "agenda.html",
            status,
            slot=slot,
            slot_key=slot_key(slot),
            venue=venue,
            free=free,
            past=slot.start <= now,
            days=self._days(slot, now),
            nearest=[] if free else self._nearest(slot, now),
            values=values,
            errors=errors or {},
            link=self._link,
        )

    def _link(self, slot: Slot) -> str:
        """This page at another slot."""
        query = urlencode({"slot": slot_key(slot), "origin": self._context.settings.sas_origin})
        return f"{self._root}/rdv?{query}"

    def _days(self, slot: Slot, now: datetime) -> list[list[Slot]]:
        """The bookable slots of that agenda from the day of `slot`, by day."""
        first = max(slot.start.replace(hour=0, minute=0, second=0, microsecond=0), now)
        last = slot.start.replace(hour=23, minute=59, second=59) + timedelta(days=DAYS_SHOWN - 1)
        days: dict[Any, list[Slot]] = {}
        for one in self._agenda.free(slot.schedule, first, last, now):
            if not one.walkin:
                days.setdefault(one.start.date(), []).append(one)
        return [*days.values()]

    def _nearest(self, slot: Slot, now: datetime) -> list[Slot]:
        """The bookable slots of that agenda nearest in time, in order of time."""
        reach = timedelta(days=SEARCH_DAYS)
        begin = max(slot.start - reach, now)
        end = max(slot.start, now) + reach
        free = [one for one in self._agenda.free(slot.schedule, begin, end, now) if not one.walkin]
        free.sort(key=lambda one: abs(one.start - slot.start))
        return sorted(free[:NEAREST], key=lambda one: one.start)

    async def appointments(self, request: Request) -> Response:
        """The regulator's appointments here, the latest first, with how far INT_R03 got."""
        record = await self._entrance.regulator(request)
        page = _page(request)
        bookings = self._ledger.of_account(record.id, PER_PAGE, page * PER_PAGE)
        sent = self._emitter.transmissions([booking.id for booking in bookings])
        rows = [(booking, self._venue(booking.schedule), sent[booking.id]) for booking in bookings]
        more = self._ledger.count_of(record.id) > (page + 1) * PER_PAGE
        return self._entrance.render(request, "appointments.html", rows=rows, page=page, more=more, actions=_actions)

    async def appointment(self, request: Request) -> Response:
        """One appointment of the regulator: the confirmation page."""
        record = await self._entrance.regulator(request)
        booking = self._own(request, record)
        sent = self._emitter.transmissions([booking.id])[booking.id]
        return self._entrance.render(
            request,
            "appointment.html",
            booking=booking,
            venue=self._venue(booking.schedule),
            sent=sent,
            actions=_actions,
        )

    async def act(self, request: Request) -> Response:
        """Cancel, mark honoured or not honoured; INT_R03 is due with it."""
        record, _ = await self._entrance.posting(request)
        booking = self._own(request, record)
        try:
            action = Action(request.path_params["action"])
        except ValueError:
            raise RequestError(404, Issue("not-found", "Cette action n'existe pas.")) from None
        await self._ledger.act(booking, action, record.regulator().operator)
        flash(request, _DONE[action])
        return redirect(f"{self._root}/rendez-vous")

    def _own(self, request: Request, record: AccountRecord) -> Booking:
        """Somebody else's appointment is not found: ids tell nothing."""
        booking = self._ledger.get(request.path_params["id"])
        if booking is None or booking.account != record.id:
            raise RequestError(404, Issue("not-found", "Ce rendez-vous n'est pas parmi les vôtres."))
        return booking

    def _venue(self, schedule: str) -> Venue | None:
        """Where it takes place; None for a schedule that this editor does not hold (any more)."""
        return find_venue(self._context.population, self._entrance.editor, schedule)


_DONE = {
    Action.CANCEL: "Le rendez-vous est annulé.",
    Action.HONOUR: "Le rendez-vous est marqué honoré.",
    Action.MISS: "Le rendez-vous est marqué non honoré.",
}
_LABELS = {
    Action.HONOUR: ("Honoré", "button button-small button-quiet"),
    Action.MISS: ("Non honoré", "button button-small button-quiet"),
    Action.CANCEL: ("Annuler", "button button-small button-danger"),
}


def _actions(booking: Booking) -> list[tuple[str, str, str]]:
    """(word of the URL, label, classes) of the buttons that its status admits."""
    return [
        (action.value, label, style) for action, (label, style) in _LABELS.items() if (booking.status, action) in STEPS
    ]


def _page(request: Request) -> int:
    text = request.query_params.get("page", "0")
    return min(int(text), 10_000) if text.isascii() and text.isdigit() and len(text) < 6 else 0
