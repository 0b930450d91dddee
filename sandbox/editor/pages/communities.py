"""« Demandes reçues »: the requests to the communities of one editor, for trainers; live.

    GET  /demandes                 the latest requests, those that wait first
    GET  /demandes/flux            server-sent events: the same list
    POST /demandes/<id>/accepter   with `member`; refuser, honorer, absent, annuler

It shows no patient: a request has none. There is no login; once other machines reach the page it asks for the
administration token, as the pages of an LRM do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.editor.appointments.r03 import Emitter
from sandbox.editor.communities.ledger import MOST_LISTED, RequestLedger
from sandbox.editor.communities.requests import CommunityRequest, State, Step, possible
from sandbox.editor.pages.session import BANNER, PACKAGE
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Editor
from sandbox.net.context import Context
from sandbox.population.agendas.agenda import zone_of
from sandbox.web.console import Access, application
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, csrf_token, flash
from sandbox.web.sse import Event, Streams

PATH = "/demandes"
PASSWORD_WANTED = (
    "Le jeton d'administration du bac à sable est demandé : donnez-le comme mot de passe, avec n'importe quel nom."
)
POLL_S = 0.5  # between two looks at the requests that are shown live

WORDS = {
    State.PENDING: ("en attente", "wait"),
    State.ACCEPTED: ("acceptée", "good"),
    State.REFUSED: ("refusée", "bad"),
    State.UNANSWERED: ("sans réponse", "off"),
    State.WITHDRAWN: ("retirée par le régulateur", "off"),
    State.HONOURED: ("patient vu", "good"),
    State.MISSED: ("patient absent", "bad"),
    State.CANCELLED: ("annulée par la communauté", "off"),
}
_LABELS = {
    Step.REFUSE: ("Refuser", "button button-small button-danger"),
    Step.HONOUR: ("Patient vu", "button button-small button-quiet"),
    Step.MISS: ("Patient absent", "button button-small button-quiet"),
    Step.CANCEL: ("Annuler", "button button-small button-danger"),
}
_DONE = {
    Step.ACCEPT: "La demande est acceptée.",
    Step.REFUSE: "La demande est refusée.",
    Step.HONOUR: "Le patient est noté comme vu.",
    Step.MISS: "Le patient est noté comme absent.",
    Step.CANCEL: "La prise en charge est annulée.",
}


class CommunityPages:
    """The pages of one editor's communities; `application` is what serves them."""

    def __init__(
        self, context: Context, editor: Editor, *, ledger: RequestLedger, emitter: Emitter, streams: Streams
    ) -> None:
        self._context, self._editor = context, editor
        self._ledger, self._emitter, self._streams = ledger, emitter, streams
        self._root = f"/{editor.slug}"
        self._pages = Pages(
            PACKAGE,
            app_name=editor.name,
            banner=BANNER,
            colour=editor.colour,
            static_url=f"{self._root}/static",
        )

    def application(self) -> ASGIApp:
        """The pages behind the password, when one is asked for; static files are the editor's."""
        routes = [
            Route(PATH, self.requests, methods=["GET"]),
            Route(f"{PATH}/flux", self.requests_live, methods=["GET"]),
            Route(f"{PATH}/{{id}}/{{action}}", self.act, methods=["POST"]),
        ]
        token = self._context.admin_token
        access = Access(passwords=(token,) if token else (), wanted=PASSWORD_WANTED)
        return application(self._context, self._pages, routes, role=f"communities-{self._editor.slug}", access=access)

    async def requests(self, request: Request) -> Response:
        """The latest requests. The session has its token from now on: the live list brings forms that need it."""
        csrf_token(request)
        return self._pages.render(request, "requests.html", who=None, regulator=False, **self._values())

    async def requests_live(self, request: Request) -> Any:
        """Events with the list, at each change."""
        return self._streams.answer(self._versions(request))

    async def _versions(self, request: Request) -> AsyncGenerator[Event, None]:
        shown = ""
        while True:
            now = self._pages.fragment("requests_list.html", request=request, **self._values())
            if now != shown:
                yield Event(now, "contenu")
                shown = now
            await asyncio.sleep(POLL_S)

    async def act(self, request: Request) -> Response:
        """Answer by hand, or say what became of the patient; this sends INT_R03."""
        form = await checked_form(request)
        action = next((one for one in _DONE if one == request.path_params["action"]), None)
        found = self._ledger.get(request.path_params["id"])
        if action is None or found is None:
            what = "Cette action" if action is None else "Cette demande"
            raise RequestError(404, Issue("not-found", f"{what} n'existe pas."))
        await self._ledger.act(found, action, str(form.get("member", "")))
        flash(request, _DONE[action])
        return redirect(self._root + PATH)

    def _values(self) -> dict[str, Any]:
        latest = self._ledger.latest()
        waiting = [each for each in latest if each.state is State.PENDING]
        others = [each for each in latest if each.state is not State.PENDING]
        return {
            "root": self._root,
            "editor": self._editor,
            "waiting": [self._row(each) for each in waiting],
            "others": [self._row(each) for each in others],
            "now": self._context.clock.now(),
            "words": WORDS,
            "most": MOST_LISTED,
        }

    def _row(self, found: CommunityRequest) -> dict[str, Any]:
        chosen = self._context.population.doctor(found.practitioner) if found.practitioner else None
        return {
            "request": found,
            "zone": zone_of(found.town),
            "members": self._ledger.members(found.community) if found.state is State.PENDING else [],
            "doctor": chosen,
            "sent": self._emitter.transmission(found.id),
            "actions": [(each.value, *_LABELS[each]) for each in possible(found.state) if each in _LABELS],
        }
