"""The pages of one LRM, under `/<slug>/`. No login: a training console on loopback.

    /                     the desk: the day in numbers, orientations that wait, case files to attach them to; live
    /orientations         all of them; /orientations/<appointmentId> one, its messages, where it may belong
    /dossiers             case files, searched; /dossiers/<number> one: call, contextual call, orientations; live
    /messages             the history of what was received, `.ack` and `.info`, what is held back, how it behaves; live

What changes something is a posted form, so that every page works by keyboard and without script; the script only adds
drag and drop and the live view.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.config import CONTROL_UI, SAS_UI
from sandbox.faults.lrm import LRM_KINDS
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Practitioner, Territory, Town
from sandbox.lrm.api import Api
from sandbox.lrm.calls import SPECIALTIES, synthetic_call
from sandbox.lrm.consumer import MESSAGES, NOTICES, Consumer
from sandbox.lrm.contextual import search_link
from sandbox.lrm.dashboard import CATEGORIES, STATUSES, drawn
from sandbox.lrm.ledger import Ledger
from sandbox.lrm.records import CaseFile, Operator, Orientation
from sandbox.lrm.suggestions import Suggestion, suggestions
from sandbox.net.context import Context
from sandbox.population.agendas.agenda import zone_of
from sandbox.store.protocol import Put, Store
from sandbox.web.console import Access, console
from sandbox.web.pages import Pages
from sandbox.web.session import checked_form, flash
from sandbox.web.sse import Event, Streams

COLOUR = "#7a2e5d"
PASSWORD_WANTED = "Le mot de passe de ce LRM est demandé (lrms[].password de endpoints.json), avec n'importe quel nom."
BANNER = "EXERCICE – logiciel de régulation du bac à sable : appelants et patients sont fictifs"
MOST_LISTED = 100  # rows of one list of a page
MOST_WAITING = 30  # orientations that the desk shows: the newest
MOST_OFFERED = 20  # case files that a list offers to attach to: the newest; any other has its own page
MOST_COMPARED = 50  # case files among which the likely one is looked for: the newest
CALM_S = 0.25  # between two live views of one page

KINDS = {kind.name: kind.sentence for kind in LRM_KINDS}


class Console:
    """Routes of one LRM."""

    def __init__(
        self, context: Context, territory: Territory, store: Store, ledger: Ledger, consumer: Consumer
    ) -> None:
        self._context, self._territory = context, territory
        self._store, self._ledger, self._consumer = store, ledger, consumer
        self._base, self._zone = f"/{territory.lrm_slug}", zone_of(territory.department)
        self._streams = Streams()
        self._pages = Pages(
            "sandbox.lrm",
            app_name=f"LRM {territory.name}",
            banner=BANNER,
            colour=COLOUR,
            static_url=f"{self._base}/static",
        )

    def application(self) -> ASGIApp:
        """The ASGI application, to be mounted under `/<slug>`."""
        routes = [
            Route("/", self.desk),
            Route("/suivi", self.desk_live),
            Route("/dossiers", self.case_files),
            Route("/dossiers", self.open_case, methods=["POST"]),
            Route("/dossiers/{number}", self.case_file),
            Route("/dossiers/{number}/suivi", self.case_file_live),
            Route("/dossiers/{number}/rechercher", self.search, methods=["POST"]),
            Route("/dossiers/{number}/besoin", self.wanted, methods=["POST"]),
            Route("/dossiers/{number}/detacher", self.detach, methods=["POST"]),
            Route("/orientations", self.orientations),
            Route("/orientations/{id:path}/attach", self.attach, methods=["POST"]),
            Route("/orientations/{id:path}", self.orientation),
            Route("/messages", self.messages),
            Route("/messages/suivi", self.messages_live),
            Route("/messages/retenus/{id}", self.release, methods=["POST"]),
            *Api(self._ledger, self._consumer).routes(),
        ]
        role = f"lrm-{self._territory.samu}"
        return console(
            self._context,
            self._pages,
            routes,
            role=role,
            access=Access(
                passwords=self._context.lrm_passwords([self._territory.samu]),
                wanted=PASSWORD_WANTED,
            ),
        )

    def stop(self) -> None:
        """End the live views."""
        self._streams.stop()

    # ---- the desk

    async def desk(self, request: Request) -> Response:
        """GET /: the day in numbers, what waits, the newest case files."""
        return self._render(request, "desk.html", **self._desk(request))

    async def desk_live(self, request: Request) -> Any:
        """GET /suivi: the same part of that page, whenever something changes."""
        return self._follow(MESSAGES, lambda: self._fragment(request, "desk_live.html", **self._desk(request)))

    def _desk(self, request: Request) -> dict[str, Any]:
        waiting = self._ledger.unattached(MOST_WAITING)
        return {
            "drawing": drawn(self._ledger.of_day(self._context.clock.now().astimezone(self._zone).date())),
            "waiting": [(each, likely) for each, likely in zip(waiting, self._likely(waiting), strict=True)],
            "case_files": self._ledger.case_files(MOST_OFFERED),
        }

    def _likely(self, orientations: Iterable[Orientation]) -> list[list[Suggestion]]:
        """For each the case files that it may belong to."""
        newest = self._ledger.case_files(MOST_COMPARED)
        return [suggestions(each, newest, self._territory.name) for each in orientations]

    # ---- orientations

    async def orientations(self, request: Request) -> Response:
        """GET /orientations?q=: all of them, those that hold all the words."""
        words = _words(request)
        found = (each for each in self._ledger.orientations() if _holds(words, _text_of_orientation(each)))
        listed = [each for each, _ in zip(found, range(MOST_LISTED), strict=False)]
        return self._render(request, "orientations.html", listed=listed, query=request.query_params.get("q", ""))

    async def orientation(self, request: Request) -> Response:
        """GET /orientations/<appointmentId>: everything known of one, and its history."""
        found = self._ledger.orientation(request.path_params["id"])
        if found is None:
            raise RequestError(404, Issue("not-found", "Orientation inconnue."))
        await self._consumer.consult(found)
        return self._render(
            request,
            "orientation.html",
            orientation=found,
            likely=self._likely([found])[0],
            case_files=self._ledger.case_files(MOST_OFFERED),
        )

    async def attach(self, request: Request) -> Response:
        """POST /orientations/<appointmentId>/attach {case_file}: nothing is typed again."""
        form = await checked_form(request)
        number = str(form.get("case_file", ""))
        await self._change(self._ledger.attach(request.path_params["id"], number, self._context.clock.now()))
        flash(request, f"Orientation rattachée au dossier {number}.")
        return self._pages.redirect(f"{self._base}/dossiers/{number}")

    # ---- case files

    async def case_files(self, request: Request) -> Response:
        """GET /dossiers?q=: the case files, those that hold all the words."""
        words = _words(request)
        found = [each for each in self._ledger.case_files(MOST_COMPARED * 40) if _holds(words, _text_of_file(each))]
        query = request.query_params.get("q", "")
        return self._render(request, "case_files.html", case_files=found[:MOST_LISTED], query=query)

    async def case_file(self, request: Request) -> Response:
        """GET /dossiers/<number>: one case file, its orientations, and those that could be attached."""
        number = request.path_params["number"]
        return self._render(request, "case_file.html", **self._of_case_file(number))

    async def case_file_live(self, request: Request) -> Any:
        """GET /dossiers/<number>/suivi: the same, whenever something changes."""
        number = request.path_params["number"]
        self._of_case_file(number)  # 404 now rather than in the stream
        return self._follow(
            MESSAGES, lambda: self._fragment(request, "case_file_live.html", **self._of_case_file(number))
        )

    def _of_case_file(self, number: str) -> dict[str, Any]:
        found = self._ledger.case_file(number)
        if found is None:
            raise RequestError(404, Issue("not-found", "Dossier inconnu."))
        attached = [self._ledger.orientation(key) for key in found.orientations]
        waiting = self._ledger.unattached(MOST_WAITING)
        reasons = [suggestions(each, [found], self._territory.name) for each in waiting]
        ranked = sorted(zip(waiting, reasons, strict=True), key=lambda pair: -sum(each.weight for each in pair[1]))
        page = self._context.settings.http(SAS_UI, "/sas/recherche")
        return {
            "case_file": found,
            "attached": [orientation for orientation in attached if orientation is not None],
            "waiting": ranked,
            "link": search_link(page, self._territory.origin, found.call),
        }

    async def open_case(self, request: Request) -> Response:
        """POST /dossiers {operator}: a call comes in (synthetic), a case file is opened."""
        form = await checked_form(request)
        email = str(form.get("operator", ""))
        operators = self._operators()
        operator = next((each for each in operators if each.email == email), None)
        if operator is not None:
            request.session["operator"] = operator.email
        number = self._ledger.next_number()
        towns, doctors = _towns_of(self._territory, self._context), _doctors_of(self._territory, self._context)
        call = synthetic_call(self._context.settings.seed, self._territory.samu, number, towns, doctors)
        opened, writes = self._ledger.open_case(number, call, self._context.clock.now(), operator)
        await self._change(writes)
        return self._pages.redirect(f"{self._base}/dossiers/{opened.number}")

    async def search(self, request: Request) -> Response:
        """POST /dossiers/<number>/rechercher: to the SAS platform, with the contextual call of this case file."""
        await checked_form(request)
        number = request.path_params["number"]
        await self._change(self._ledger.searched(number, self._context.clock.now()))
        return self._pages.redirect(self._of_case_file(number)["link"])

    async def wanted(self, request: Request) -> Response:
        """POST /dossiers/<number>/besoin {specialty, doctor}: what the search is to be for."""
        form = await checked_form(request)
        number, specialty = request.path_params["number"], str(form.get("specialty", ""))
        if specialty not in SPECIALTIES:
            raise RequestError(422, Issue("value", "Cette spécialité n'est pas proposée.", "specialty"))
        doctor = " ".join(str(form.get("doctor", "")).split())[:100]
        await self._change(self._ledger.wanted(number, specialty, doctor, self._context.clock.now()))
        return self._pages.redirect(f"{self._base}/dossiers/{number}")

    async def detach(self, request: Request) -> Response:
        """POST /dossiers/<number>/detacher {orientation}: it was the wrong case file."""
        form = await checked_form(request)
        number = request.path_params["number"]
        key = str(form.get("orientation", ""))
        await self._change(self._ledger.detach(key, number, self._context.clock.now()))
        flash(request, "Orientation détachée : elle attend de nouveau d'être rattachée.")
        return self._pages.redirect(f"{self._base}/dossiers/{number}")

    # ---- messages of the hub

    async def messages(self, request: Request) -> Response:
        """GET /messages: what was received, `.ack` and `.info`, what is held back, how the LRM behaves."""
        return self._render(request, "messages.html", **self._messages())

    async def messages_live(self, request: Request) -> Any:
        """GET /messages/suivi: the same, whenever something changes."""
        return self._follow(NOTICES, lambda: self._fragment(request, "messages_live.html", **self._messages()))

    def _messages(self) -> dict[str, Any]:
        target = f"lrm:{self._territory.samu}"
        faults = self._context.world.world.faults
        return {
            "received": self._ledger.history(MOST_LISTED),
            "most_listed": MOST_LISTED,
            "notices": self._ledger.notices(),
            "held": self._consumer.held()[:MOST_LISTED],
            "rules": [fault for fault in faults if fault.target == target and fault.kind in KINDS],
            "kinds": KINDS,
            "hits": self._consumer.hits,
            "control": self._context.settings.http(CONTROL_UI, f"/lrms/{self._territory.samu}"),
        }

    async def release(self, request: Request) -> Response:
        """POST /messages/retenus/<id>: a person sends an acknowledgement that was held back."""
        await checked_form(request)
        sent = await self._consumer.answers.release(request.path_params["id"])
        flash(request, "Acquittement envoyé." if sent else "Cet acquittement était déjà parti.")
        return self._pages.redirect(f"{self._base}/messages")

    # ---- inside

    async def _change(self, writes: tuple[Put, ...]) -> None:
        await self._store.commit(*writes)
        self._consumer.changes.tell(MESSAGES)

    def _follow(self, topic: str, fragment: Callable[[], str]) -> Any:
        """A stream of the present state of a part of a page."""

        async def events() -> AsyncGenerator[Event, None]:
            with self._consumer.changes.listening(topic) as changed:
                while True:
                    yield Event(fragment(), "contenu")
                    await changed.wait()
                    await asyncio.sleep(CALM_S)  # what comes in a burst is shown at once
                    changed.clear()

        return self._streams.answer(events())

    def _operators(self) -> list[Operator]:
        """Who may be on duty: the territory's regulators, and whoever else orientations named, each once."""
        people = [each for each in self._context.population.regulators if each.territory == self._territory.code]
        usual = [Operator(each.family, each.given, each.email) for each in people]
        known = {each.email.lower() for each in usual}
        return usual + [each for each in self._ledger.regulators() if each.email.lower() not in known]

    def _values(self, request: Request) -> dict[str, Any]:
        return {
            "base": self._base,
            "zone": self._zone,
            "territory": self._territory,
            "counts": self._ledger.counts(),
            "connected": self._consumer.connected,
            "categories": CATEGORIES,
            "statuses": STATUSES,
            "specialties": SPECIALTIES,
            "operators": self._operators(),
            "operator": request.session.get("operator", ""),
        }

    def _fragment(self, request: Request, template: str, **values: Any) -> str:
        return self._pages.fragment(template, request=request, **self._values(request), **values)

    def _render(self, request: Request, template: str, **values: Any) -> Response:
        return self._pages.render(request, template, **self._values(request), **values)


def _words(request: Request) -> list[str]:
    return request.query_params.get("q", "")[:100].casefold().split()


def _holds(words: list[str], text: str) -> bool:
    return all(word in text for word in words)


def _text_of_file(case_file: CaseFile) -> str:
    call = case_file.call
    parts = (case_file.number, call.family, call.given, call.city, call.postal_code, call.reason, call.line)
    return " ".join(parts).casefold()


def _text_of_orientation(orientation: Orientation) -> str:
    appointment = orientation.appointment
    person, place = appointment.get("practitioner", {}), appointment.get("organization", {})
    regulator = appointment["regulator"]
    parts = (
        *(person.get("lastName", ""), person.get("firstName", ""), place.get("name", "")),
        *(regulator["regulatorName"], regulator["regulatorFirstname"]),
        *(orientation.case_file or "", orientation.appointment_id, appointment["start"]),
    )
    return " ".join(parts).casefold()


def _towns_of(territory: Territory, context: Context) -> list[Town]:
    """Towns where the territory's callers are: those of its département, else any of the dataset."""
    towns = context.population.towns.values()
    return [town for town in towns if town.department == territory.department] or list(towns)


def _doctors_of(territory: Territory, context: Context) -> list[Practitioner]:
    """Hand-made practitioners of the territory, whom callers name as their own doctor."""
    insee = {town.insee for town in context.population.towns.values() if town.department == territory.department}
    people = context.population.handmade()
    return [each for each in people if each.id.startswith("8") and any(place.insee in insee for place in each.places)]
