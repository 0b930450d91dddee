"""The pages of the hub.

GET  /hub                    queues, connections, rates, latest messages, faults, trials, the catalogue of errors
GET  /hub/direct             the part that changes, as server-sent events
GET  /hub/message?id=        each step of a message, or of the messages about an appointment
POST /hub/provoquer          cause=<name in the catalogue>
POST /hub/essai              to=<client id>, case=<trial>
POST /hub/pannes             panne=<offer>, client=<client id or empty>; /hub/pannes/{id}/arreter
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.control.console.durations import duration
from sandbox.control.console.hub_faults import offers, request_of
from sandbox.control.console.hub_trials import TITLES, HubTrials
from sandbox.control.console.rates import draw
from sandbox.control.plane import ControlPlane
from sandbox.edxl.codes import HubCode
from sandbox.edxl.provocations import MEANINGS, PROVOCATIONS
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.hub.report import HubReport
from sandbox.kernel.journal import Exchange
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash
from sandbox.web.sse import Event, EventStream, Streams

EVERY_S = 1.0  # interval between two updates of an open page
RECENT, LATEST = 2_000, 20  # exchanges that are searched for those of the hub; messages that are shown
MOST_FOUND = 200  # steps of a message that are shown
LONGEST_ID = 200
OUTCOMES = {
    "routed": ("distribué", "distribués"),
    "refused": ("refusé", "refusés"),
    "dead": ("mort en file", "morts en file"),
}


class HubPages:
    """The handlers. `stop` ends the open streams."""

    def __init__(self, plane: ControlPlane, pages: Pages) -> None:
        self._plane, self._pages = plane, pages
        self._trials = HubTrials(plane.context, plane.endpoints)
        self._embedded = plane.embedded
        self._streams = Streams()
        self._state, self._due = "", 0.0

    def routes(self) -> list[Route]:
        """The routes of the pages."""
        return [
            Route("/hub", self.page),
            Route("/hub/direct", self.live),
            Route("/hub/message", self.message),
            Route("/hub/provoquer", self.provoke, methods=["POST"]),
            Route("/hub/essai", self.try_case, methods=["POST"]),
            Route("/hub/pannes", self.add_fault, methods=["POST"]),
            Route("/hub/pannes/{id}/arreter", self.remove_fault, methods=["POST"]),
        ]

    def stop(self) -> None:
        """End the open streams."""
        self._streams.stop()

    async def page(self, request: Request) -> Response:
        report = self._plane.hub_report()
        faults = [fault for fault in self._plane.worlds.world.faults if fault.target == "hub"]
        return self._pages.render(
            request,
            "hub.html",
            **self._values(),
            faults=faults,
            hits=report.hits if report is not None else {},
            offers=offers(self._embedded),
            clients=self._plane.hub_clients.listed(),
            spare=self._trials.client,
            cases=TITLES,
            catalogue=_catalogue(),
        )

    async def live(self, request: Request) -> EventStream:
        return self._streams.answer(self._changes())

    async def message(self, request: Request) -> Response:
        term = request.query_params.get("id", "").strip()[:LONGEST_ID]
        found = self._plane.journal.concerning(term, MOST_FOUND) if term else []
        return self._pages.render(request, "hub_message.html", term=term, steps=[_step(each) for each in found])

    async def provoke(self, request: Request) -> Response:
        form = await checked_form(request)
        provocation, outcome = await self._trials.provoke(str(form.get("cause", "")))
        strict = self._plane.context.settings.hub_strict and provocation.code == HubCode.CONFLICT
        title = f"Provoquer l'erreur {provocation.code:d} : {provocation.cause}"
        values: dict[str, Any] = {"outcomes": [outcome], "client": self._trials.client, "to": "", "strict": strict}
        return self._pages.render(request, "hub_result.html", title=title, **values)

    async def try_case(self, request: Request) -> Response:
        form = await checked_form(request)
        case, to = str(form.get("case", "")), str(form.get("to", ""))
        if to not in {client.id for client in self._plane.hub_clients.listed()}:
            raise RequestError(422, Issue("value", f"« {to[:80]} » n'est pas un client du hub.", "to"))
        outcomes = await self._trials.try_case(to, case)
        values: dict[str, Any] = {"outcomes": outcomes, "client": self._trials.client, "to": to, "strict": False}
        return self._pages.render(request, "hub_result.html", title=f"Essai : {TITLES[case]}", **values)

    async def add_fault(self, request: Request) -> Response:
        form = await checked_form(request)
        wanted = request_of(str(form.get("panne", "")), str(form.get("client", "")), self._embedded)
        await self._plane.add_fault(wanted)
        flash(request, "La panne est en place.")
        return redirect("/hub#pannes")

    async def remove_fault(self, request: Request) -> Response:
        await checked_form(request)
        await self._plane.worlds.remove_faults(request.path_params["id"])
        flash(request, "La panne est levée.")
        return redirect("/hub#pannes")

    async def _changes(self) -> AsyncGenerator[Event, None]:
        shown = ""
        while True:
            text = self._fragment()
            if text != shown:
                yield Event(text, "contenu")
                shown = text
            await asyncio.sleep(EVERY_S)

    def _fragment(self) -> str:
        """The part of the page that changes; rendered at most twice a second, shared by all open pages."""
        now = asyncio.get_running_loop().time()
        if now >= self._due:
            self._due = now + EVERY_S / 2
            self._state = self._pages.fragment("hub_state.html", **self._values())
        return self._state

    def _values(self) -> dict[str, Any]:
        report = self._plane.hub_report()
        now = self._plane.context.clock.now()
        return {
            "report": report,
            "now": now,
            "ages": _ages(report, now.timestamp()),
            "rates": draw(report.counts.rates) if report is not None else None,
            "outcomes": OUTCOMES,
            "latest": self._latest(),
            "instant": _instant,
            "name_of": _name_of,
            "embedded": self._embedded,
        }

    def _latest(self) -> list[Exchange]:
        recent, _ = self._plane.journal.since(max(0, self._plane.journal.last - RECENT), actor="hub", most=RECENT)
        return [each for each in recent if each.direction == "in"][: -LATEST - 1 : -1]


def _ages(report: HubReport | None, now: float) -> dict[tuple[str, str], str]:
    """The waiting time of the oldest message of each queue, in French."""
    rows = report.queues if report is not None else ()
    return {(row.vhost, row.name): duration(now - row.oldest) for row in rows if row.oldest is not None}


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _name_of(code: int) -> str:
    """The official name of an error code, "" for another number."""
    return HubCode(code).name if code in HubCode._value2member_map_ else ""


def _catalogue() -> list[tuple[HubCode, str, list[Any]]]:
    """All error codes with their meaning and the messages that provoke them."""
    return [(code, text, [each for each in PROVOCATIONS if each.code == code]) for code, text in MEANINGS.items()]


_DELIVERED = {".message": "Message distribué", ".ack": "Acquittement final distribué", ".info": "Erreur distribuée"}


def _step(exchange: Exchange) -> dict[str, Any]:
    """One step of a message for the page: time, actor, event, code."""
    if exchange.actor == "hub":
        what = (
            _DELIVERED.get("." + exchange.note.rpartition(".")[2], "Message pris") if not exchange.status else "Refusé"
        )
        if exchange.status == HubCode.DEAD_LETTER_QUEUED:
            what = "Mort en file, signalé à son expéditeur"
    else:
        what = "Publié" if exchange.direction == "out" else "Reçu et acquitté"
    return {"exchange": exchange, "what": what, "name": _name_of(exchange.status), "at": _instant(exchange.at)}
