"""The first page: roles, links to the other pages, personas, faults, appointments that editors have yet to send, the
latest exchanges.

GET  /
POST /personnages                reads the persona files again
POST /envois/{slug}/renvoyer     has an editor send again what the SAS core refused
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.control.plane import ControlPlane
from sandbox.kernel.character import QUIRKS
from sandbox.kernel.errors import RequestError
from sandbox.kernel.journal import Exchange
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash

RECENT, SHOWN = 200, 50  # exchanges that the page looks through; exchanges that it shows


class Overview:
    """The handlers."""

    def __init__(self, plane: ControlPlane, pages: Pages) -> None:
        self._plane, self._pages = plane, pages

    def routes(self) -> list[Route]:
        """The routes of the page."""
        return [
            Route("/", self.page),
            Route("/personnages", self.reload, methods=["POST"]),
            Route("/envois/{slug}/renvoyer", self.resend, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """The first page."""
        plane = self._plane
        return self._pages.render(
            request,
            "control.html",
            state=plane.status(),
            world=plane.worlds.world,
            characters=[(editor, plane.characters.of(editor)) for editor in plane.characters.editors.values()],
            quirks=QUIRKS,
            outboxes=plane.outboxes.all(),
            population=plane.context.population,
            now=plane.context.clock.now(),
            exchanges=self._latest(),
            endpoints=plane.endpoints(),
            exposed=plane.context.settings.exposed,
        )

    async def reload(self, request: Request) -> Response:
        """Read the persona files again; the page shows the errors in them."""
        await checked_form(request)
        try:
            found = await self._plane.reload()
        except RequestError as error:
            for issue in error.issues[:3]:
                flash(request, f"Rien n'a changé : {issue.detail}", "bad")
        else:
            done = "Les personnages sont relus" if found.changed else "Les fichiers sont ceux que tous ont déjà"
            flash(request, f"{done} : {found.practitioners} médecins, {found.regulators} régulateurs.")
        return redirect("/")

    async def resend(self, request: Request) -> Response:
        """Make an editor send again what the SAS core refused."""
        await checked_form(request)
        editor = self._plane.characters.editor(request.path_params["slug"])
        await self._plane.outboxes.resend(editor)
        flash(request, f"{editor.name} renvoie au SAS ce qui était refusé.")
        return redirect("/#envois")

    def _latest(self) -> list[Exchange]:
        """The latest exchanges, the newest first, without those of static files."""
        journal = self._plane.journal
        recent, _ = journal.since(max(0, journal.last - RECENT))
        return [exchange for exchange in recent if "/static/" not in exchange.action][: -SHOWN - 1 : -1]
