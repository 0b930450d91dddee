"""« Mes orientations »: each appointment of the regulator, and the state of its message to the LRM.

The pages are updated by server-sent events: at each change the whole list (or the one orientation) is sent, as HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, tzinfo
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.model import Regulator
from sandbox.net.context import Context
from sandbox.population.agendas.agenda import territory_zone
from sandbox.population.people import Population
from sandbox.sas.console import words
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.message_pages import RESEND
from sandbox.sas.directory.origins import Origin
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.orientations.steps import possible
from sandbox.sas.services import Services
from sandbox.web.filters import STATUSES, french_date, french_datetime, local, short_time, zone_name

PATH = "/sas/orientations"
MOST_SHOWN = 50  # orientations on the page
MOST_OTHERS = 3  # communities that are named once another one has failed
COUNTDOWN_S = 5.0  # between two renderings of a request that waits: the time that is left changes by itself

Html = Callable[[], str]


class OrientationPages:
    """The list and the detail."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame = frame
        self._appointments, self._l02 = services.appointments, services.l02
        self._booking = services.booking

    def routes(self) -> list[Route]:
        """For everyone who is logged in."""
        guarded = self._frame.guarded
        return [
            Route(PATH, guarded(self.orientations), methods=["GET"]),
            Route(f"{PATH}/flux", guarded(self.orientations_live), methods=["GET"]),
            Route(f"{PATH}/{{id}}", guarded(self.orientation), methods=["GET"]),
            Route(f"{PATH}/{{id}}/flux", guarded(self.orientation_live), methods=["GET"]),
        ]

    async def orientations(self, request: Request, regulator: Regulator) -> Response:
        """The newest orientations, those of one day or state when `jour`, `statut` or `message` ask for it."""
        values = self._list(request, regulator)
        return self._frame.page(request, "orientations.html", regulator, **values)

    async def orientations_live(self, request: Request, regulator: Regulator) -> Any:
        """The same list, sent again at each change."""

        def html() -> str:
            return self._frame.pages.fragment("orientations_list.html", **self._list(request, regulator))

        html()  # raises for invalid filters, before the stream begins
        return self._live(request, regulator, html)

    async def orientation(self, request: Request, regulator: Regulator) -> Response:
        """One orientation: the appointment, and every message about it to the LRM."""
        values = self._one(request, regulator)
        return self._frame.page(request, "orientation.html", regulator, **values)

    async def orientation_live(self, request: Request, regulator: Regulator) -> Any:
        """The same, sent again at each change."""
        record = self._own(request, regulator)

        def html() -> str:
            return self._frame.pages.fragment(
                "orientation_state.html", request=request, **self._one(request, regulator)
            )

        waited_for = record.origin is Origin.MARKETPLACE
        return self._live(request, regulator, html, COUNTDOWN_S if waited_for else None)

    def _live(self, request: Request, regulator: Regulator, html: Html, again_s: float | None = None) -> Any:
        return self._frame.live(self._frame.accounts.id_of(regulator), html, again_s=again_s)

    def _list(self, request: Request, regulator: Regulator) -> dict[str, Any]:
        zone = territory_zone(self._frame.context.population.territories, regulator.territory)
        asked = _Filters(request.query_params, zone)
        lines = (self._line(record) for record in self._appointments.of_regulator(regulator.identifier))
        shown = list(islice((line for line in lines if asked.admits(line)), MOST_SHOWN))
        return {
            "lines": shown,
            "asked": asked,
            "words": words.L02,
            "statuses": STATUSES,
            "query": request.url.query,
            "zone": zone,
        }

    def _one(self, request: Request, regulator: Regulator) -> dict[str, Any]:
        record = self._own(request, regulator)
        line = self._line(record)
        return {
            "line": line,
            "record": record,
            "when": when_of(record, zone := zone_for(record, regulator, self._frame.context.population)),
            "zone": zone,
            "messages": list(reversed(self._l02.of_appointment(record.id))),
            "words": words.L02,
            "categories": words.CATEGORIES,
            "steps": [words.STEPS[action] for action in possible(record.origin, record.status)],
            "resend": RESEND,
            "back": f"{PATH}/{record.id}",
            "asked": _asked(record, self._frame.context) if record.origin is Origin.MARKETPLACE else None,
            **self._typed(record),
        }

    def _typed(self, record: AppointmentRecord) -> dict[str, Any]:
        """Of an appointment in the SAS agenda: its place, and its patient, whom only the regulator who made it and the
        practitioner see."""
        if record.origin is not Origin.SAS_AGENDA:
            return {"place": None, "patient": None}
        known = self._frame.context.population.place(record.details.place)
        return {"place": known[1] if known is not None else None, "patient": self._booking.patient(record.id)}

    def _own(self, request: Request, regulator: Regulator) -> AppointmentRecord:
        """The regulator's own appointment. Raises RequestError 404, also for a colleague's."""
        record = self._appointments.read(request.path_params["id"])
        if record is None or not self._appointments.is_of(record, regulator.identifier):
            raise RequestError(404, Issue("not-found", "Cette orientation n'existe pas, ou n'est pas la vôtre."))
        return record

    def _line(self, record: AppointmentRecord) -> dict[str, Any]:
        messages = self._l02.of_appointment(record.id)
        population = self._frame.context.population
        return {
            "record": record,
            "who": who_of(record, population),
            "editor": _from(record, population),
            "message": messages[-1] if messages else None,
            "versions": len(messages),
        }


class _Filters:
    """The filters of the list, as the page's form sends them. Raises RequestError 400 for unknown values."""

    def __init__(self, values: Mapping[str, str], zone: tzinfo) -> None:
        self._zone = zone
        self.status, self.message = values.get("statut", ""), values.get("message", "")
        self.day = _day(values.get("jour", ""))
        if self.status not in ("", *AppointmentStatus) or self.message not in ("", *words.L02):
            raise RequestError(400, Issue("value", "Ce filtre n'existe pas."))

    def __bool__(self) -> bool:
        return bool(self.status or self.message or self.day)

    def admits(self, line: Mapping[str, Any]) -> bool:
        """True when a line passes; the day is the one on which the orientation was made."""
        record: AppointmentRecord = line["record"]
        message = line["message"]["state"] if line["message"] else ""
        return (
            self.status in ("", record.status)
            and self.message in ("", message)
            and (self.day is None or self.day == local(record.created, self._zone).date())
        )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise RequestError(400, Issue("value", f"« {text} » n'est pas une date (AAAA-MM-JJ).")) from None


def who_of(record: AppointmentRecord, population: Population) -> str:
    """Whom the patient is sent to, as people call him or it."""
    if record.origin is Origin.STRUCTURE:
        structure = population.structure(record.organization or "")
        return structure.name if structure is not None else record.organization or "Structure"
    practitioner = population.doctor(record.practitioner) if record.practitioner else None
    if practitioner is not None:
        return f"{practitioner.given} {practitioner.family}"
    if record.origin is Origin.MARKETPLACE and record.practitioner is None:
        community = population.communities.get(record.details.community)
        return community.name if community is not None else record.details.community
    return record.practitioner or _UNNAMED.get(record.category, "Médecin pas encore désigné")


def when_of(record: AppointmentRecord, zone: tzinfo) -> str:
    """When the patient is expected."""
    if record.origin is Origin.MARKETPLACE and record.status is AppointmentStatus.PENDING:
        return f"réponse attendue avant {short_time(record.end, zone)}"
    if record.details.all_day:
        name = zone_name(zone)
        return f"{french_date(record.start, zone)}, dans la journée" + (f" (heure {name})" if name else "")
    return f"{french_datetime(record.start, zone)}, jusqu'à {short_time(record.end, zone)}"


def _asked(record: AppointmentRecord, context: Context) -> dict[str, Any]:
    """What the page says of a request to a community: what was asked of whom, how it stands, what else can be done."""
    details, population = record.details, context.population
    community, town = population.communities.get(details.community), population.towns.get(details.town)
    failed = record.status is AppointmentStatus.CANCELLED
    others = population.communities_of(details.town) if failed else []
    reason = f" ({details.reason})" if details.reason else ""
    return {
        "name": community.name if community is not None else details.community,
        "phone": community.phone if community is not None else None,
        "town": town.name if town is not None else details.town,
        "pending": record.status is AppointmentStatus.PENDING,
        "failed": failed,
        "accepted": record.practitioner is not None and not failed,
        "ending": details.ending or "",
        "sentence": words.ENDINGS[details.ending] + reason,
        "others": [each for each in others if each.id != details.community][:MOST_OTHERS],
        "instead": f"/sas/recherche?insee={details.town}&offres=1#offre",
        "now": context.clock.now(),
    }


def zone_for(record: AppointmentRecord, regulator: Regulator, population: Population) -> tzinfo:
    """The time zone in which an orientation is shown: that of its territory."""
    return territory_zone(population.territories, record.territory or regulator.territory)


def _from(record: AppointmentRecord, population: Population) -> str:
    """Where an appointment was made."""
    editor = population.editors.get(record.editor)
    if record.origin is Origin.EDITOR:
        return editor.name if editor is not None else record.sender.system
    return words.ORIGINS[record.origin] + (f" · {editor.name}" if editor is not None else "")


_UNNAMED = {
    OrientationCategory.SOS: "Médecin pas encore désigné (SOS Médecins)",
    OrientationCategory.PDM: "Médecin recherché (place de marché)",
}
