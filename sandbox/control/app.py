"""The control plane: owner of the World, the journal of everybody, `__admin`, metrics and one page to see it all.

    GET    /__admin                   which paths there are
    GET    /__admin/health            every role: ready, revision, health
    GET    /__admin/endpoints         endpoints.json with absolute paths
    GET    /__admin/clock             PUT {"as_of": dateTime | null, "freeze": bool}
    GET    /__admin/faults            POST {"kind", "target", "flow", "probability", "count", "params"}; DELETE all
    DELETE /__admin/faults/{id}
    GET    /__admin/hub/clients       POST {"id", "software", "files"}; DELETE /{id}: one that was added
    GET    /__admin/editors           every editor's character: quirks, latency, page size
    GET    /__admin/editors/{slug}    PUT {"quirks", "latency", "page_size"}; DELETE: as the persona files say
    GET    /__admin/outbox            what editors owe the SAS core by INT_R03; /{slug}; POST /{slug}/resend
    POST   /__admin/reload            reads the persona files again; 422: one is invalid, 409: it needs a restart
    GET    /__admin/lrms              every LRM: may it open a search by a contextual call (INT_L01)
    PUT    /__admin/lrms/{client_id}  {"contextual_call": bool}
    GET    /__admin/lrms/{id}/behaviour   PUT {"rules"}; DELETE: everything right again
    GET    /__admin/hub               what the hub tells of itself: queues, connections, counts
    GET    /__admin/interfaces        every editor: does the SAS core ask it for slots
    PUT    /__admin/interfaces/{slug} {"enabled": bool}
    GET    /__admin/exchanges         ?since=<cursor>&flow=&actor=&ref=&most=
    GET    /metrics                   Prometheus text format

A change answers once all healthy roles have it; after 2 s: 504 with the names of the laggards.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.config import CONTROL_UI, EMBEDDED, ROLES
from sandbox.control.admin.hub_clients import HubClientHandlers
from sandbox.control.console.hub import HubPages
from sandbox.control.observability import endpoints
from sandbox.control.observability.journal import JournalView
from sandbox.control.observability.metrics import Metrics
from sandbox.control.requests import body_as as _body
from sandbox.control.requests import refuse_foreign_page as _refuse_foreign_page
from sandbox.control.world import contextual_calls, enabled_editors
from sandbox.control.world.behaviours import BehaviourDesk, Behaviours
from sandbox.control.world.characters import CharacterRequest, Characters, first_switches
from sandbox.control.world.hub_clients import HubClients, first_clients
from sandbox.control.world.outbox import Outboxes
from sandbox.control.world.reload import Reload
from sandbox.control.world.worlds import ClockRequest, FaultRequest, Worlds, first_world
from sandbox.faults import KINDS
from sandbox.faults.hub import EMBEDDED_ONLY
from sandbox.kernel.character import QUIRKS
from sandbox.kernel.errors import DISK_FAULTS, Issue, RequestError, StoreError, malformed, refused
from sandbox.kernel.hub import report as hub_report
from sandbox.kernel.hub.report import HubReport
from sandbox.kernel.text.numbers import whole_number
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from sandbox.net.http.problems import AdminProblem, problem
from sandbox.net.http.server import Listener
from sandbox.net.link import Switchboard
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import disk_state
from sandbox.web.console import Access, console
from sandbox.web.errors import error_handlers
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash

log = logging.getLogger(__name__)

TOKEN_WANTED = (
    "Le jeton d'administration est demandé (fichier admin-token du répertoire des données) : "
    "« Authorization: Bearer <jeton> », ou dans un navigateur comme mot de passe, avec n'importe quel nom."
)
TOKEN_NEEDED = (
    "the admin token is needed: Authorization: Bearer <token>, or Basic with the token as password "
    "(file admin-token of the data directory, control.token of endpoints.json)"
)
RECENT, SHOWN = 200, 50  # exchanges that the page looks through, and shows

_log = logging.getLogger(__name__)


class Control:
    """The role `control`. `serve_lines`: a bound Unix socket for the roles of other processes, or None."""

    def __init__(
        self,
        context: Context,
        *,
        run_id: str,
        clock: ClockSetting,
        wall: Callable[[], float],
        serve_lines: socket.socket | None = None,
    ) -> None:
        self.context = context
        self._store = open_store(context.store_dir("control"))
        self.journal = JournalView()
        world = first_world(
            self._store, run_id, clock, {**first_switches(context.population), **first_clients(self._store)}
        )
        self.switchboard = Switchboard(world, self.journal.take)
        self.worlds = Worlds(self._store, self.switchboard, wall, context.entropy.uuid, run_id)
        self.characters = Characters(self.worlds, context.population)
        self.hub_clients = HubClients(self.worlds, self._store, context, self.switchboard, wall)
        self.outboxes = Outboxes(self.switchboard, self.worlds, self.characters, context.entropy)
        self.reload = Reload(context, self.worlds, self._write_endpoints)
        self.metrics = Metrics(self.switchboard, self.journal, self.hub_report, self.hub_clients.software)
        self.behaviours = Behaviours(self.worlds, self.switchboard, context, context.entropy.uuid)
        self._lines = serve_lines
        self._listener = Listener(self._application(), context.sockets[CONTROL_UI])

    async def open_lines(self) -> None:
        """Let the roles in: before they start, since each waits for its first World."""
        if self._lines is not None:
            await self.switchboard.serve(self._lines)

    async def start(self) -> None:
        """Answer on the control port."""
        await self._listener.start()

    async def announce(self) -> None:
        """Wait until every role is ready, then write endpoints.json."""
        await self.switchboard.until(self.all_ready, timeout=60)
        self._write_endpoints()

    def _write_endpoints(self) -> None:
        endpoints.write(self.context, self.hub_clients.files())

    async def stop(self) -> None:
        """Take endpoints.json away, stop listening, close the lines and the store."""
        endpoints.remove(self.context.settings.data, self.context.settings.ready_file)
        self._hub_desk.stop()
        await self._listener.stop()
        await self.switchboard.close()
        await self._store.close()

    def health(self) -> dict[str, object]:
        """Disk, lines and journal."""
        return {"disk": disk_state(self._store), "lines": len(self.switchboard.lines), "exchanges": self.journal.last}

    def endpoints(self) -> dict[str, Any]:
        """endpoints.json with absolute paths."""
        return endpoints.document(self.context, self.hub_clients.files())

    def hub_report(self) -> HubReport | None:
        """What the hub told last; None while it is away."""
        line = self.switchboard.lines.get("hub")
        return hub_report.read(line.health) if line is not None else None

    def all_ready(self) -> bool:
        """True when each role of the ecosystem has a line and answers."""
        return all(role in self.switchboard.lines and self.switchboard.lines[role].ready for role in ROLES)

    def targets(self) -> frozenset[str]:
        """The actors that a fault may name: those whose edge is ours."""
        population = self.context.population
        return frozenset(
            {"sas", "psc", "hub"}
            | {f"editor:{slug}" for slug, editor in population.editors.items() if not editor.external}
            | {f"lrm:{client_id}" for client_id in self.behaviours.lrms}
        )

    def status(self) -> dict[str, Any]:
        """What /__admin/health and the page show."""
        roles = {
            role: {
                "ready": line.ready,
                **({"reason": line.reason} if line.reason else {}),
                "pid": line.pid,
                "revision": line.revision,
                "dropped": line.dropped,
                **{key: value for key, value in line.health.items() if key != hub_report.KEY},
            }
            for role, line in sorted(self.switchboard.lines.items())
        }
        missing = [role for role in ROLES if role not in roles]
        world = self.worlds.world
        return {
            "ready": self.all_ready(),
            "missing": missing,
            "revision": world.revision,
            "epoch": world.epoch,
            "roles": roles,
        }

    def _application(self) -> ASGIApp:
        pages = Pages(
            "sandbox.control",
            app_name="Tour de contrôle",
            banner="BAC À SABLE — données fictives",
            colour="#3b4252",
            static_url="/static",
        )
        desk = _Desk(self, pages)
        self._hub_desk = HubPages(self, pages)
        routes = [
            Route("/", desk.page),
            Route("/personnages", desk.reload_by_page, methods=["POST"]),
            Route("/__admin/health", desk.health),
            Route("/__admin/endpoints", desk.endpoints),
            Route("/__admin/clock", desk.clock, methods=["GET"]),
            Route("/__admin/clock", desk.set_clock, methods=["PUT"]),
            Route("/__admin/faults", desk.faults, methods=["GET"]),
            Route("/__admin/faults", desk.add_fault, methods=["POST"]),
            Route("/__admin/faults", desk.remove_faults, methods=["DELETE"]),
            Route("/__admin/faults/{id}", desk.remove_faults, methods=["DELETE"]),
            Route("/__admin/editors", desk.editors),
            Route("/__admin/editors/{slug}", desk.editor, methods=["GET"]),
            Route("/__admin/editors/{slug}", desk.set_editor, methods=["PUT"]),
            Route("/__admin/editors/{slug}", desk.reset_editor, methods=["DELETE"]),
            *HubClientHandlers(self, pages).routes(),
            Route("/__admin/outbox", desk.outboxes),
            Route("/__admin/outbox/{slug}", desk.outbox, methods=["GET"]),
            Route("/__admin/outbox/{slug}/resend", desk.resend, methods=["POST"]),
            Route("/envois/{slug}/renvoyer", desk.resend_from_page, methods=["POST"]),
            Route("/__admin/reload", desk.reload, methods=["POST"]),
            *BehaviourDesk(self.behaviours, pages).routes(),
            *self._hub_desk.routes(),
            Route("/__admin/lrms", desk.lrms, methods=["GET"]),
            Route("/__admin/lrms/{client_id}", desk.set_lrm, methods=["PUT"]),
            Route("/__admin/interfaces", desk.interfaces, methods=["GET"]),
            Route("/__admin/interfaces/{slug}", desk.set_interface, methods=["PUT"]),
            Route("/__admin/exchanges", desk.exchanges),
            Route("/metrics", desk.metrics),
        ]
        routes.append(Route("/__admin", _index(routes)))
        token = self.context.admin_token
        return console(
            self.context,
            pages,
            routes,
            role="control",
            handlers=_error_handlers(pages),
            access=Access(passwords=(token,) if token else (), wanted=TOKEN_WANTED),
        )


def _index(routes: Sequence[Route]) -> Callable[[Request], Response]:
    """What `__admin` itself answers: {"paths": {path: [method, …]}}."""
    paths: dict[str, set[str]] = {}
    for route in routes:
        if route.path.startswith("/__admin/"):
            paths.setdefault(route.path, set()).update(route.methods or ())
    listed = {path: sorted(methods - {"HEAD"}) for path, methods in paths.items()}
    return lambda _: JSONResponse({"paths": listed})


class _Desk:
    """The handlers: parse, call, render."""

    def __init__(self, control: Control, pages: Pages) -> None:
        self._control, self._pages = control, pages

    async def page(self, request: Request) -> Response:
        control = self._control
        recent, _ = control.journal.since(max(0, control.journal.last - RECENT))
        exchanges = [exchange for exchange in recent if "/static/" not in exchange.action]
        return self._pages.render(
            request,
            "control.html",
            state=control.status(),
            world=control.worlds.world,
            characters=[(editor, control.characters.of(editor)) for editor in control.characters.editors.values()],
            quirks=QUIRKS,
            outboxes=control.outboxes.all(),
            population=control.context.population,
            now=control.context.clock.now(),
            exchanges=exchanges[: -SHOWN - 1 : -1],
            endpoints=control.endpoints(),
            exposed=control.context.settings.exposed,
        )

    async def health(self, request: Request) -> Response:
        status = self._control.status()
        return JSONResponse(status, status_code=200 if status["ready"] else 503)

    async def endpoints(self, request: Request) -> Response:
        return Response(orjson.dumps(self._control.endpoints()), media_type="application/json")

    async def clock(self, request: Request) -> Response:
        setting = self._control.worlds.world.clock
        now = self._control.context.clock.now().isoformat(timespec="milliseconds")
        return JSONResponse({"now": now, "offset": setting.offset, "frozen": setting.frozen is not None})

    async def set_clock(self, request: Request) -> Response:
        await self._control.worlds.set_clock(await _body(request, ClockRequest))
        return await self.clock(request)

    async def faults(self, request: Request) -> Response:
        listed = msgspec.to_builtins(self._control.worlds.world.faults)
        return JSONResponse({"faults": listed, "kinds": sorted(KINDS), "targets": sorted(self._control.targets())})

    async def add_fault(self, request: Request) -> Response:
        wanted = await _body(request, FaultRequest)
        if wanted.kind in EMBEDDED_ONLY and self._control.context.settings.hub_broker != EMBEDDED:
            raise refused(f"'{wanted.kind}' needs the embedded broker: a RabbitMQ is yours to disturb", "faults.kind")
        fault = await self._control.worlds.add_fault(wanted, self._control.targets())
        return JSONResponse(msgspec.to_builtins(fault), status_code=201)

    async def remove_faults(self, request: Request) -> Response:
        _refuse_foreign_page(request)
        await self._control.worlds.remove_faults(request.path_params.get("id"))
        return Response(status_code=204)

    async def editors(self, request: Request) -> Response:
        characters = self._control.characters
        listed = [characters.document(editor) for editor in characters.editors.values()]
        return JSONResponse({"editors": listed, "known_quirks": dict(QUIRKS)})

    async def editor(self, request: Request) -> Response:
        characters = self._control.characters
        return JSONResponse(characters.document(characters.editor(request.path_params["slug"])))

    async def set_editor(self, request: Request) -> Response:
        characters = self._control.characters
        editor = characters.editor(request.path_params["slug"])
        await characters.put(editor, await _body(request, CharacterRequest))
        return JSONResponse(characters.document(editor))

    async def reset_editor(self, request: Request) -> Response:
        _refuse_foreign_page(request)
        characters = self._control.characters
        editor = characters.editor(request.path_params["slug"])
        await characters.reset(editor)
        return JSONResponse(characters.document(editor))

    async def outboxes(self, request: Request) -> Response:
        return JSONResponse({"editors": self._control.outboxes.all()})

    async def outbox(self, request: Request) -> Response:
        editor = self._control.characters.editor(request.path_params["slug"])
        return JSONResponse(self._control.outboxes.document(editor))

    async def resend(self, request: Request) -> Response:
        _refuse_foreign_page(request)
        editor = self._control.characters.editor(request.path_params["slug"])
        await self._control.outboxes.resend(editor)
        return JSONResponse(self._control.outboxes.document(editor), status_code=202)

    async def resend_from_page(self, request: Request) -> Response:
        await checked_form(request)
        editor = self._control.characters.editor(request.path_params["slug"])
        await self._control.outboxes.resend(editor)
        flash(request, f"{editor.name} renvoie au SAS ce qui était refusé.")
        return redirect("/#envois")

    async def reload(self, request: Request) -> Response:
        _refuse_foreign_page(request)
        return JSONResponse(await self._control.reload())

    async def reload_by_page(self, request: Request) -> Response:
        await checked_form(request)
        try:
            found = await self._control.reload()
        except RequestError as error:
            for issue in error.issues[:3]:
                flash(request, f"Rien n'a changé : {issue.detail}", "bad")
        else:
            told = "Les personnages sont relus" if found["changed"] else "Les fichiers sont ceux que tous ont déjà"
            flash(request, f"{told} : {found['practitioners']} médecins, {found['regulators']} régulateurs.")
        return self._pages.redirect("/")

    async def lrms(self, request: Request) -> Response:
        return JSONResponse(
            {"lrms": [*contextual_calls.documents(self._control.context.population, self._control.worlds)]}
        )

    async def set_lrm(self, request: Request) -> Response:
        territory = contextual_calls.lrm(self._control.context.population, request.path_params["client_id"])
        wanted = await _body(request, contextual_calls.LrmRequest)
        await contextual_calls.put(self._control.worlds, territory, wanted)
        return JSONResponse(contextual_calls.document(territory, self._control.worlds))

    async def interfaces(self, request: Request) -> Response:
        listed = enabled_editors.documents(self._control.context.population, self._control.worlds)
        return JSONResponse({"editors": [*listed]})

    async def set_interface(self, request: Request) -> Response:
        editor = enabled_editors.editor(self._control.context.population, request.path_params["slug"])
        await enabled_editors.put(self._control.worlds, editor, await _body(request, enabled_editors.InterfaceRequest))
        return JSONResponse(enabled_editors.document(editor, self._control.worlds))

    async def exchanges(self, request: Request) -> Response:
        query = request.query_params
        found, cursor = self._control.journal.since(
            _number(query.get("since", "0"), "since"),
            flow=query.get("flow"),
            actor=query.get("actor"),
            ref=query.get("ref"),
            most=min(_number(query.get("most", "500"), "most"), 5_000),
        )
        content = msgspec.json.encode({"next": cursor, "last": self._control.journal.last, "exchanges": found})
        return Response(content, media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        return Response(self._control.metrics.text(), media_type="text/plain; version=0.0.4")


def _number(text: str, name: str) -> int:
    number = whole_number(text)
    if number is None:
        raise malformed(f"'{text[:40]}' is not a whole number of at most 15 digits", name, code="value")
    return number


def _error_handlers(pages: Pages) -> dict[Any, Any]:
    """RFC 9457 problems for programs (`__admin`), pages for people."""
    on_page = error_handlers(pages)

    def either(kind: Any, problem: Callable[[Request, Any], Response]) -> Callable[[Request, Any], Response]:
        def answer(request: Request, error: Any) -> Response:
            return problem(request, error) if _is_admin(request) else on_page[kind](request, error)

        return answer

    return {kind: either(kind, problem) for kind, problem in _PROBLEMS.items()}


def _refused(_: Request, error: RequestError) -> Response:
    if error.status == 401:
        return problem(AdminProblem, 401, (Issue("login", TOKEN_NEEDED, "Authorization"),))
    return problem(AdminProblem, error.status, error.issues)


def _not_here(request: Request, error: HTTPException) -> Response:
    issue = Issue("not-found", f"{error.detail}: {request.method} {request.url.path}")
    return problem(AdminProblem, error.status_code, (issue,), headers=error.headers)


def _not_stored(_: Request, error: StoreError) -> Response:
    issue = Issue("transient", f"nothing can be stored now: {error.reason}")
    return problem(AdminProblem, 503, (issue,), headers={"Retry-After": "5"})


def _system_refuses(request: Request, error: OSError) -> Response:
    if error.errno not in DISK_FAULTS:
        raise error  # a defect like any other
    return _not_stored(request, StoreError(f"{error.filename or 'disk'}: {error.strerror}"))


def _defect(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return problem(AdminProblem, 500, (Issue("exception", "internal error"),))


_PROBLEMS: Mapping[Any, Callable[[Request, Any], Response]] = {
    RequestError: _refused,
    HTTPException: _not_here,
    StoreError: _not_stored,
    OSError: _system_refuses,
    Exception: _defect,
}


def _is_admin(request: Request) -> bool:
    return request.url.path.startswith(("/__admin", "/metrics"))
