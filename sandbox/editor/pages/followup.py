"""The pages of one editor where a regulator follows his appointments: « Mes rendez-vous » and « Envois au SAS ».

    GET  /rendez-vous                  the latest first          GET  /rendez-vous/<id>      one (confirmation)
    POST /rendez-vous/<id>/annuler|honorer|absent|renvoyer       GET  /envois                INT_R03 that wait or failed
    POST /rendez-vous/<id>/prendre-en-charge                     SOS Médecins: the doctor on duty takes it
    GET  /rendez-vous/<id>/deplacer[?slot=&lieu=&semaine=]       POST the same: another slot of the same practitioner

    GET  /rendez-vous/<id>/flux        server-sent events: the same page while its state still changes

Each change sends INT_R03 (`r03`); a regulator sees and changes only his own appointments.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import date
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.editor.accounts.accounts import AccountRecord
from sandbox.editor.agenda import Agenda
from sandbox.editor.appointments.booking import STEPS, Action, Booking, SlotTaken, slot_key
from sandbox.editor.appointments.ledger import Ledger
from sandbox.editor.appointments.r03 import Emitter
from sandbox.editor.appointments.venues import Venue, find_venue, schedules_of_holder, zone_at
from sandbox.editor.pages.session import SessionPages
from sandbox.editor.pages.week import agenda_week, proposals, week_asked
from sandbox.kernel.errors import Issue, RequestError, malformed
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.model import Practitioner, Slot
from sandbox.kernel.patients import SEXES
from sandbox.kernel.text.numbers import whole_number
from sandbox.net.context import Context
from sandbox.web.pages import redirect
from sandbox.web.session import flash
from sandbox.web.sse import Event, Streams

PER_PAGE = 50
POLL_S = 0.5  # between two reads of an appointment that is shown live
SEARCHED = 1_000  # how many of a regulator's latest appointments « Envois au SAS » searches


class FollowUpPages:
    """The pages of one editor after the booking."""

    def __init__(
        self,
        context: Context,
        session: SessionPages,
        *,
        agenda: Agenda,
        ledger: Ledger,
        emitter: Emitter,
        streams: Streams,
    ) -> None:
        self._streams = streams
        self._context, self._session = context, session
        self._agenda, self._ledger, self._emitter = agenda, ledger, emitter
        self._root = session.root

    def routes(self) -> list[Route]:
        """The routes, below the editor's root."""
        return [
            Route("/rendez-vous", self.appointments),
            Route("/rendez-vous/{id}", self.appointment),
            Route("/rendez-vous/{id}/flux", self.appointment_live),
            Route("/rendez-vous/{id}/deplacer", self.choose_slot, methods=["GET"]),
            Route("/rendez-vous/{id}/deplacer", self.move, methods=["POST"]),
            Route("/rendez-vous/{id}/renvoyer", self.resend, methods=["POST"]),
            Route("/rendez-vous/{id}/{action}", self.act, methods=["POST"]),
            Route("/envois", self.sendings),
        ]

    async def appointments(self, request: Request) -> Response:
        """The regulator's appointments here, the latest first, with how far INT_R03 got."""
        record = await self._session.regulator(request)
        page = _page(request)
        bookings = self._ledger.of_account(record.id, PER_PAGE, page * PER_PAGE)
        sent = self._emitter.transmissions([booking.id for booking in bookings])
        rows = [(booking, self._venue(booking.schedule), sent[booking.id]) for booking in bookings]
        more = self._ledger.count_of(record.id) > (page + 1) * PER_PAGE
        return self._session.render(
            request, "appointments.html", rows=rows, page=page, more=more, actions=_actions, movable=_movable
        )

    async def appointment(self, request: Request) -> Response:
        """One appointment of the regulator: the confirmation page."""
        record = await self._session.regulator(request)
        return self._session.render(request, "appointment.html", **self._page_values(self._own(request, record)))

    def _page_values(self, booking: Booking) -> dict[str, Any]:
        sent = self._emitter.transmission(booking.id)
        return {
            "booking": booking,
            "venue": self._venue(booking.schedule),
            "zone": zone_at(self._context.population, booking.schedule),
            "sent": sent,
            "settled": booking.status is not AppointmentStatus.PENDING and sent.state == "sent",
            "actions": _actions,
            "movable": _movable,
            "sexes": SEXES,
            "doctor": self._doctor(booking),
        }

    async def appointment_live(self, request: Request) -> Any:
        """Events with the page's changes, until the doctor is named and the SAS core has answered."""
        record = await self._session.regulator(request)
        self._own(request, record)
        return self._streams.answer(self._versions(request, record))

    async def _versions(self, request: Request, record: AccountRecord) -> AsyncGenerator[Event, None]:
        shown = ""
        while self._session.is_open(request):
            values = self._page_values(self._own(request, record))
            now = self._session.fragment(request, "appointment_state.html", **values)
            if now != shown:
                yield Event(now, "contenu")
                shown = now
            if values["settled"]:
                break
            await asyncio.sleep(POLL_S)
        yield Event("", "fin")

    async def act(self, request: Request) -> Response:
        """Take over, cancel, mark as honoured or not honoured; this sends INT_R03."""
        record, _ = await self._session.posted_form(request)
        booking = self._own(request, record)
        action = next((one for one in _DONE if one == request.path_params["action"]), None)
        if action is None:
            raise RequestError(404, Issue("not-found", "Cette action n'existe pas."))
        await self._ledger.act(booking, action, record.regulator().operator)
        flash(request, _DONE[action])
        return redirect(f"{self._root}/rendez-vous")

    async def choose_slot(self, request: Request) -> Response:
        """The free slots of the practitioner to which the appointment can move; with `slot`, to be confirmed."""
        record = await self._session.regulator(request)
        booking = self._own(request, record)
        key = request.query_params.get("slot")
        return self._choice(request, booking, self._slot(key) if key else None)

    async def move(self, request: Request) -> Response:
        """Another slot for the appointment; 409 with other slots when that one was taken meanwhile."""
        record, form = await self._session.posted_form(request)
        booking = self._own(request, record)
        slot = self._slot(str(form.get("slot", "")))
        try:
            moved = await self._ledger.move(booking, slot, record.regulator().operator)
        except SlotTaken:
            return self._choice(request, booking, slot, 409)
        flash(request, "Le rendez-vous est déplacé.")
        return redirect(f"{self._root}/rendez-vous/{moved.id}")

    async def sendings(self, request: Request) -> Response:
        """The regulator's appointments whose INT_R03 still waits or was refused by the SAS core."""
        record = await self._session.regulator(request)
        bookings = self._ledger.of_account(record.id, SEARCHED)
        sent = [(booking, self._emitter.transmission(booking.id)) for booking in bookings]
        rows = [(booking, one) for booking, one in sent if one.state != "sent"]
        return self._session.render(request, "sendings.html", rows=rows, settled=len(sent) - len(rows))

    async def resend(self, request: Request) -> Response:
        """Send an appointment again that the SAS core refused, as it is now."""
        record, _ = await self._session.posted_form(request)
        booking = self._own(request, record)
        if self._emitter.transmission(booking.id).state != "failed":
            raise RequestError(409, Issue("conflict", "Rien n'est à renvoyer pour ce rendez-vous."))
        await self._ledger.resend(booking, record.regulator().operator)
        flash(request, "Le rendez-vous est renvoyé au SAS.")
        return redirect(f"{self._root}/envois")

    def _choice(self, request: Request, booking: Booking, slot: Slot | None, status: int = 200) -> Response:
        now, population, editor = self._context.clock.now(), self._context.population, self._session.editor
        places = schedules_of_holder(population, editor, booking.schedule)
        wanted = slot.schedule if slot is not None else request.query_params.get("lieu", booking.schedule)
        schedule = wanted if wanted in places else booking.schedule
        shown = slot or self._agenda.find(booking.slot)
        day = (shown.start if shown is not None else booking.start).date()
        week = week_asked(request.query_params.get("semaine"), day)
        free = slot is not None and self._agenda.is_free(slot_key(slot), now)
        return self._session.render(
            request,
            "move.html",
            status,
            booking=booking,
            possible=_movable(booking),
            venue=self._venue(schedule),
            zone=zone_at(self._context.population, schedule),
            schedule=schedule,
            places=[(place, self._venue(place)) for place in places],
            slot=slot,
            slot_key=slot_key(slot) if slot is not None else "",
            free=free,
            week=agenda_week(self._agenda, schedule, week, zone_at(self._context.population, schedule), now),
            proposals=proposals(self._agenda, population, editor, slot, now) if slot and not free else [],
            link=lambda one, week=None: self._link(booking, schedule, one, week),
        )

    def _link(self, booking: Booking, schedule: str, slot: Slot | None, week: date | None = None) -> str:
        """The same page with another slot, or at another place or week."""
        query = {"slot": slot_key(slot)} if slot is not None else {"lieu": schedule}
        if week is not None:
            query["semaine"] = week.isoformat()
        return f"{self._root}/rendez-vous/{booking.id}/deplacer?{urlencode(query)}"

    def _slot(self, key: str) -> Slot:
        """Raises RequestError 400, 404."""
        if not key:
            raise malformed("Choisissez un créneau.", "http.slot")
        slot = self._agenda.find(key)
        if slot is None:
            raise RequestError(404, Issue("not-found", "Ce créneau n'existe pas chez cet éditeur."))
        return slot

    def _own(self, request: Request, record: AccountRecord) -> Booking:
        """The regulator's appointment of the URL. Raises RequestError 404, also for an appointment of another one."""
        booking = self._ledger.get(request.path_params["id"])
        if booking is None or booking.account != record.id:
            raise RequestError(404, Issue("not-found", "Ce rendez-vous n'est pas parmi les vôtres."))
        return booking

    def _doctor(self, booking: Booking) -> Practitioner | None:
        """At SOS Médecins: the doctor who is named, else the one on duty. None for other appointments."""
        if booking.category is not OrientationCategory.SOS:
            return None
        if booking.practitioner is not None:
            return self._context.population.doctor(booking.practitioner)
        return self._ledger.on_duty(booking)

    def _venue(self, schedule: str) -> Venue | None:
        """Where it takes place; None for a schedule that this editor does not hold (any more)."""
        return find_venue(self._context.population, self._session.editor, schedule)


_DONE = {
    Action.TAKE: "Le rendez-vous est pris en charge par le médecin de garde.",
    Action.CANCEL: "Le rendez-vous est annulé.",
    Action.HONOUR: "Le rendez-vous est marqué honoré.",
    Action.MISS: "Le rendez-vous est marqué non honoré.",
}
_LABELS = {
    Action.TAKE: ("Prendre en charge", "button button-small"),
    Action.HONOUR: ("Honoré", "button button-small button-quiet"),
    Action.MISS: ("Non honoré", "button button-small button-quiet"),
    Action.CANCEL: ("Annuler", "button button-small button-danger"),
}


def _actions(booking: Booking) -> list[tuple[str, str, str]]:
    """(word of the URL, label, classes) of the buttons that its status admits."""
    return [
        (action.value, label, style) for action, (label, style) in _LABELS.items() if (booking.status, action) in STEPS
    ]


def _movable(booking: Booking) -> bool:
    return (booking.status, Action.MOVE) in STEPS


def _page(request: Request) -> int:
    text = request.query_params.get("page", "0")
    return min(whole_number(text, 5) or 0, 10_000)
