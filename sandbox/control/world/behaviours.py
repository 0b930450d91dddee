"""How each LRM behaves towards the messages it is sent: `__admin/lrms/<client id>/behaviour`, and a page for people.

    GET    → {"client_id", "rules": [{"id", "kind", "probability", "count", "params", "hits"}], "kinds": {name: {…}}}
    PUT    {"rules": [{"kind", "probability"?, "count"?, "params"?}]}: they replace those that there were
    DELETE puts the LRM back to doing everything right

A rule is a fault of the World whose target is `lrm:<client id>`, of a kind that the LRM carries out (`faults.lrm`);
`__admin/faults` knows the same ones. `hits` come with the health of the role `lrm`, at most a second old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.control.requests import body_as, refuse_foreign_page
from sandbox.control.world.worlds import MOST_FAULTS, Worlds
from sandbox.faults import validate_fault
from sandbox.faults.kinds import kinds_at
from sandbox.faults.lrm import MESSAGES, MOMENTS
from sandbox.faults.parameters import Value
from sandbox.kernel.errors import Issue, RequestError, refused
from sandbox.kernel.model import Territory
from sandbox.kernel.text.numbers import decimal_number, whole_number
from sandbox.kernel.world import Fault, World
from sandbox.net.context import Context
from sandbox.net.link import Switchboard
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash

KINDS = kinds_at("lrm")


class RuleRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A rule as it is asked for: fields as in Fault."""

    kind: str
    probability: float = 1.0
    count: int | None = None
    params: dict[str, float | int | str | bool] = {}


class BehaviourRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of PUT."""

    rules: list[RuleRequest]


class Behaviours:
    """The rules in the World. Every change is durable and with all roles when it returns."""

    def __init__(self, worlds: Worlds, switchboard: Switchboard, context: Context, new_id: Callable[[], str]) -> None:
        self._worlds, self._switchboard, self._new_id = worlds, switchboard, new_id
        self._context = context

    @property
    def lrms(self) -> dict[str, Territory]:
        """The LRMs that the sandbox runs itself, by client id."""
        external = self._context.settings.external_lrm_ids
        territories = self._context.population.territories.values()
        return {each.samu: each for each in territories if each.samu not in external}

    def lrm(self, client_id: str) -> Territory:
        """Whose LRM it is. Raises RequestError 404."""
        found = self.lrms.get(client_id)
        if found is None:
            known = ", ".join(self.lrms)
            raise RequestError(404, Issue("not-found", f"no LRM '{client_id}' here (known: {known})", "client_id"))
        return found

    def rules(self, client_id: str) -> list[Fault]:
        """Its rules, the oldest first."""
        return [fault for fault in self._worlds.world.faults if _is_of(fault, client_id)]

    def document(self, client_id: str) -> dict[str, Any]:
        """What GET answers; the rules may be sent back by a PUT without `id` and `hits`."""
        hits = self._hits(client_id)
        rules = [
            {
                "id": rule.id,
                "kind": rule.kind,
                "probability": rule.probability,
                "count": rule.count,
                "params": rule.params,
                "hits": hits.get(rule.id, 0),
            }
            for rule in self.rules(client_id)
        ]
        kinds = {name: {"effect": kind.sentence, "params": dict(kind.texts())} for name, kind in KINDS.items()}
        return {"client_id": client_id, "rules": rules, "kinds": kinds}

    async def put(self, client_id: str, wanted: Iterable[RuleRequest]) -> None:
        """These rules and no others. Raises RequestError 400 or 422, Laggards."""
        fresh = tuple(self._checked(client_id, rule) for rule in wanted)
        await self._revise(client_id, lambda before: fresh)

    async def add(self, client_id: str, wanted: RuleRequest) -> None:
        """One rule more. Raises RequestError 400 or 422, Laggards."""
        fresh = self._checked(client_id, wanted)
        await self._revise(client_id, lambda before: (*before, fresh))

    async def remove(self, client_id: str, rule_id: str) -> None:
        """One rule less; it may be gone already. Raises Laggards."""
        await self._revise(client_id, lambda before: tuple(rule for rule in before if rule.id != rule_id))

    async def _revise(self, client_id: str, change: Callable[[tuple[Fault, ...]], tuple[Fault, ...]]) -> None:
        def revised(world: World) -> World:
            others = tuple(fault for fault in world.faults if not _is_of(fault, client_id))
            own = change(tuple(fault for fault in world.faults if _is_of(fault, client_id)))
            if len(others) + len(own) > MOST_FAULTS:
                raise refused(f"at most {MOST_FAULTS} faults can be active", "rules", code="too-costly")
            return msgspec.structs.replace(world, faults=(*others, *own))

        await self._worlds.revise(revised)

    def _checked(self, client_id: str, wanted: RuleRequest) -> Fault:
        if wanted.kind not in KINDS:
            known = ", ".join(KINDS)
            raise refused(f"unknown kind '{wanted.kind}' (known: {known})", "rules.kind", code="not-supported")
        fault = Fault(id=self._new_id()[:8], target=f"lrm:{client_id}", **msgspec.structs.asdict(wanted))
        validate_fault(fault)
        return fault

    def _hits(self, client_id: str) -> Mapping[str, int]:
        line = self._switchboard.lines.get("lrm")
        own = line.health.get(client_id) if line is not None else None
        hits = own.get("hits") if isinstance(own, dict) else None
        return hits if isinstance(hits, dict) else {}


def _is_of(fault: Fault, client_id: str) -> bool:
    return fault.kind in KINDS and fault.target == f"lrm:{client_id}"


class BehaviourDesk:
    """The handlers of the API and of the page `/lrms/<client id>`."""

    def __init__(self, behaviours: Behaviours, pages: Pages) -> None:
        self._behaviours, self._pages = behaviours, pages

    def routes(self) -> list[Route]:
        """To be joined to those of the control plane."""
        admin, page = "/__admin/lrms/{client_id}/behaviour", "/lrms/{client_id}"
        return [
            Route(admin, self.get, methods=["GET"]),
            Route(admin, self.put, methods=["PUT"]),
            Route(admin, self.delete, methods=["DELETE"]),
            Route(page, self.page, methods=["GET"]),
            Route(page + "/regles", self.add, methods=["POST"]),
            Route(page + "/regles/{rule_id}/retirer", self.remove, methods=["POST"]),
        ]

    async def get(self, request: Request) -> Response:
        return JSONResponse(self._behaviours.document(self._id(request)))

    async def put(self, request: Request) -> Response:
        client_id = self._id(request)
        await self._behaviours.put(client_id, (await body_as(request, BehaviourRequest)).rules)
        return JSONResponse(self._behaviours.document(client_id))

    async def delete(self, request: Request) -> Response:
        refuse_foreign_page(request)
        client_id = self._id(request)
        await self._behaviours.put(client_id, ())
        return JSONResponse(self._behaviours.document(client_id))

    async def page(self, request: Request) -> Response:
        client_id = self._id(request)
        return self._pages.render(
            request,
            "lrm_behaviour.html",
            territory=self._behaviours.lrm(client_id),
            rules=self._behaviours.document(client_id)["rules"],
            kinds=KINDS,
            messages=MESSAGES,
            moments=MOMENTS,
        )

    async def add(self, request: Request) -> Response:
        client_id = self._id(request)
        form = await checked_form(request)
        await self._behaviours.add(client_id, _rule({name: str(value) for name, value in form.items()}))
        flash(request, "Le LRM se comporte ainsi dès maintenant.")
        return redirect(f"/lrms/{client_id}")

    async def remove(self, request: Request) -> Response:
        client_id = self._id(request)
        await checked_form(request)
        await self._behaviours.remove(client_id, request.path_params["rule_id"])
        flash(request, "Le comportement est retiré.")
        return redirect(f"/lrms/{client_id}")

    def _id(self, request: Request) -> str:
        return self._behaviours.lrm(request.path_params["client_id"]).samu


_NUMBERS = ("code", "median_ms", "p95_ms")


def _rule(form: Mapping[str, str]) -> RuleRequest:
    """A rule from the form's fields; those that its kind does not know are left out. Raises RequestError 422."""
    kind = KINDS.get(form.get("kind", ""))
    known = kind.texts() if kind is not None else {}
    params: dict[str, Value] = {name: form[name].strip() for name in known if form.get(name, "").strip()}
    for name in _NUMBERS:
        if name in params:
            params[name] = _number(str(params[name]), name)
    if "ack" in params:
        params["ack"] = True
    count = form.get("count", "").strip()
    percent = _number(form.get("percent", "100"), "percent")
    wanted = _whole(count, "count") if count else None
    return RuleRequest(form.get("kind", ""), percent / 100, wanted, params)


def _number(text: str, name: str) -> float:
    number = decimal_number(text.strip().replace(",", "."))
    if number is None:
        raise refused(f"« {text[:40]} » n'est pas un nombre", name, code="value")
    return number


def _whole(text: str, name: str) -> int:
    number = whole_number(text)
    if number is None:
        raise refused(f"« {text[:40]} » n'est pas un nombre entier", name, code="value")
    return number
