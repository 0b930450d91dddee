"""What a regulator does with an orientation that was made in the platform: cancel it, say whether the patient came,
withdraw a request. Each step has a page that asks for confirmation."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Regulator
from sandbox.sas.console import words
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.orientation_pages import PATH, when_of, who_of, zone_for
from sandbox.sas.desk import Desk
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.orientations.steps import Action, possible
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.services import Services
from sandbox.web.pages import redirect
from sandbox.web.session import flash

_CONFLICT = "Cette action n'est plus possible : l'orientation a changé entre-temps."
_DANGEROUS = frozenset({Action.CANCEL, Action.WITHDRAW})


class StepPages:
    """For those who may orient patients, and for their own orientations."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._desk = frame, Desk(services)
        self._population = services.context.population

    def routes(self) -> list[Route]:
        """For each step the question and the step itself."""
        return [
            route for action, step in words.STEPS.items() for route in self._of(action, f"{PATH}/{{id}}/{step.path}")
        ]

    def _of(self, action: Action, path: str) -> list[Route]:
        guarded, posted = self._frame.guarded, self._frame.posted

        async def ask(request: Request, regulator: Regulator) -> Response:
            return self._question(request, regulator, action)

        async def act(request: Request, regulator: Regulator, form: FormData) -> Response:
            return await self._act(request, regulator, action)

        return [
            Route(path, guarded(ask, Right.ORIENTATION), methods=["GET"], name=f"ask_{action}"),
            Route(path, posted(act, Right.ORIENTATION), methods=["POST"], name=f"act_{action}"),
        ]

    def _question(self, request: Request, regulator: Regulator, action: Action) -> Response:
        record = self._own(request, regulator)
        back = f"{PATH}/{record.id}"
        if action not in possible(record.origin, record.status):
            flash(request, _CONFLICT, "bad")
            return redirect(back)
        return self._frame.page(
            request,
            "step.html",
            regulator,
            step=words.STEPS[action],
            who=who_of(record, self._population),
            when=when_of(record, zone_for(record, regulator, self._population)),
            back=back,
            danger=action in _DANGEROUS,
        )

    async def _act(self, request: Request, regulator: Regulator, action: Action) -> Response:
        record = self._own(request, regulator)
        try:
            await self._desk.act(regulator, record.id, action)
        except RequestError as error:
            if error.status != 409:
                raise
            flash(request, _CONFLICT, "bad")
        else:
            flash(request, words.STEPS[action].done)
        return redirect(f"{PATH}/{record.id}")

    def _own(self, request: Request, regulator: Regulator) -> AppointmentRecord:
        try:
            return self._desk.of(regulator, request.path_params["id"])
        except RequestError:
            detail = "Cette orientation n'existe pas, ou n'est pas la vôtre."
            raise RequestError(404, Issue("not-found", detail)) from None
