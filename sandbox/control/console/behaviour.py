"""The page of an LRM's behaviour: the rules in force, and a form to add one.

GET  /lrms/{client_id}
POST /lrms/{client_id}/regles                   kind, percent, count and the parameters of the kind
POST /lrms/{client_id}/regles/{rule_id}/retirer
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.control.console.fault_form import count_of, fields, params_of, probability_of
from sandbox.control.world.behaviours import Behaviours, RuleRequest, kinds
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash


class BehaviourPage:
    """The handlers."""

    def __init__(self, behaviours: Behaviours, pages: Pages) -> None:
        self._behaviours, self._pages = behaviours, pages

    def routes(self) -> list[Route]:
        """The routes of the page."""
        page = "/lrms/{client_id}"
        return [
            Route(page, self.page, methods=["GET"]),
            Route(page + "/regles", self.add, methods=["POST"]),
            Route(page + "/regles/{rule_id}/retirer", self.remove, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """What the LRM does with the messages it is sent."""
        client_id = self._id(request)
        known = kinds()
        return self._pages.render(
            request,
            "lrm_behaviour.html",
            territory=self._behaviours.lrm(client_id),
            rules=self._behaviours.document(client_id).rules,
            kinds=known,
            filters=fields(known.values(), filters=True),
            fields=fields(known.values(), filters=False),
        )

    async def add(self, request: Request) -> Response:
        """Add a rule."""
        client_id = self._id(request)
        form = await checked_form(request)
        await self._behaviours.add(client_id, _rule({name: str(value) for name, value in form.items()}))
        flash(request, "Le LRM se comporte ainsi dès maintenant.")
        return redirect(f"/lrms/{client_id}")

    async def remove(self, request: Request) -> Response:
        """Remove a rule."""
        client_id = self._id(request)
        await checked_form(request)
        await self._behaviours.remove(client_id, request.path_params["rule_id"])
        flash(request, "Le comportement est retiré.")
        return redirect(f"/lrms/{client_id}")

    def _id(self, request: Request) -> str:
        return self._behaviours.lrm(request.path_params["client_id"]).samu


def _rule(form: Mapping[str, str]) -> RuleRequest:
    """The rule of a form. Raises RequestError 422 for a value that is not a number."""
    kind = form.get("kind", "")
    params = params_of(kinds().get(kind), form)
    probability = probability_of(form)
    return RuleRequest(kind, probability, count_of(form), params)
