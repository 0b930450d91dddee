"""The page of the faults: those that are active, and a form for each kind of an HTTP port or of the hub.

GET  /pannes
POST /pannes                 kind, target, flow, percent, count and the parameters of the kind
POST /pannes/{id}/arreter
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.control.console.fault_form import count_of, fields, params_of, probability_of
from sandbox.control.plane import ControlPlane
from sandbox.control.world.worlds import FaultRequest
from sandbox.faults import KINDS
from sandbox.faults.kinds import FaultKind, kinds_at
from sandbox.faults.parameters import Parameter
from sandbox.kernel.flows import Flow
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash


@dataclass(frozen=True, slots=True)
class KindForm:
    """The form of one kind. `targets`: the actors that the form offers."""

    kind: type[FaultKind]
    targets: list[str]
    fields: list[Parameter]


class FaultPage:
    """The handlers."""

    def __init__(self, plane: ControlPlane, pages: Pages) -> None:
        self._plane, self._pages = plane, pages

    def routes(self) -> list[Route]:
        """The routes of the page."""
        return [
            Route("/pannes", self.page, methods=["GET"]),
            Route("/pannes", self.add, methods=["POST"]),
            Route("/pannes/{id}/arreter", self.remove, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """The active faults and the forms."""
        return self._pages.render(
            request,
            "faults.html",
            faults=self._plane.worlds.world.faults,
            kinds=KINDS,
            forms=[*self._forms()],
            flows=[*Flow],
        )

    async def add(self, request: Request) -> Response:
        """Start a fault."""
        form = await checked_form(request)
        wanted = _wanted({name: str(value) for name, value in form.items()})
        await self._plane.add_fault(wanted)
        flash(request, "La panne est en place.")
        return redirect("/pannes")

    async def remove(self, request: Request) -> Response:
        """End a fault."""
        await checked_form(request)
        await self._plane.worlds.remove_faults(request.path_params["id"])
        flash(request, "La panne est levée.")
        return redirect("/pannes")

    def _forms(self) -> Iterator[KindForm]:
        actors = sorted(self._plane.targets() - {"hub"})
        for kind in (*kinds_at("edge").values(), *kinds_at("hub").values()):
            if self._plane.embedded or not kind.embedded_only:
                targets = ["hub"] if kind.place == "hub" else actors
                yield KindForm(kind, targets, [*fields([kind], filters=False), *fields([kind], filters=True)])


def _wanted(form: Mapping[str, str]) -> FaultRequest:
    """The fault of a form. Raises RequestError 422 for a value that is not a number."""
    kind = form.get("kind", "")
    return FaultRequest(
        kind=kind,
        target=form.get("target", ""),
        flow=form.get("flow") or None,
        probability=probability_of(form),
        count=count_of(form),
        params=params_of(KINDS.get(kind), form),
    )
