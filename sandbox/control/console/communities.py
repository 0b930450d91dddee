"""The pages of the communities that are asked to take patients: all of them, and how one answers.

GET  /communautes
GET  /communautes/{id}
POST /communautes/{id}              answer, after_s, p95_s, practitioner, percent
POST /communautes/{id}/retablir     as a run begins
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.control.console.durations import duration
from sandbox.control.console.fault_form import number_of, probability_of
from sandbox.control.plane import ControlPlane
from sandbox.control.world.communities import CommunityBehaviourRequest
from sandbox.faults.communities import ANY_MEMBER, OTHERWISE, Answer, Behaviour
from sandbox.kernel.errors import RequestError, refused
from sandbox.kernel.model import Community
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash

PATH = "/communautes"
ANSWERS = {
    Answer.ACCEPT: "un membre accepte",
    Answer.REFUSE: "tous refusent",
    Answer.NOBODY: "personne ne répond",
    Answer.BY_HAND: "le formateur répond à la main",
}
_PROBLEMS = {
    "after_s": "Le délai de réponse va de 0 à 86 400 secondes.",
    "p95_s": "Le délai de 95 réponses sur 100 est au moins le délai médian, qui est alors supérieur à 0.",
    "practitioner": "Ce professionnel n'est pas membre de la communauté.",
    "probability": "La part des demandes est supérieure à 0 et d'au plus 100 %.",
    "answer": "Choisissez une réponse de la liste.",
}


class CommunityPages:
    """The handlers."""

    def __init__(self, plane: ControlPlane, pages: Pages) -> None:
        self._context, self._communities, self._pages = plane.context, plane.communities, pages

    def routes(self) -> list[Route]:
        """The routes of the pages."""
        one = f"{PATH}/{{id}}"
        return [
            Route(PATH, self.all, methods=["GET"]),
            Route(one, self.one, methods=["GET"]),
            Route(one, self.change, methods=["POST"]),
            Route(f"{one}/retablir", self.reset, methods=["POST"]),
        ]

    async def all(self, request: Request) -> Response:
        """Every community, and how it answers."""
        return self._pages.render(request, "communities.html", rows=await asyncio.to_thread(self._rows))

    def _rows(self) -> list[tuple[Community, str, str]]:
        """Each community with its behaviour and the address of the requests that it got."""
        held = self._communities
        return [(each, self._in_words(each, held.of(each)), self._requests(each)) for each in held.all()]

    async def one(self, request: Request) -> Response:
        """How a community answers, and the form to change it."""
        community = self._named(request)
        return self._form(request, community, _typed(self._communities.of(community)))

    async def change(self, request: Request) -> Response:
        """Change it; the form again with what is wrong."""
        community = self._named(request)
        form = {name: str(value) for name, value in (await checked_form(request)).items()}
        try:
            await self._communities.put(community, _read(form))
        except RequestError as error:
            texts = [_PROBLEMS.get(str(issue.expression), issue.detail) for issue in error.issues]
            return self._form(request, community, form, texts, error.status)
        flash(request, "La communauté répondra ainsi aux prochaines demandes.")
        return redirect(f"{PATH}/{community.id}")

    async def reset(self, request: Request) -> Response:
        """As a run begins."""
        await checked_form(request)
        community = self._named(request)
        await self._communities.reset(community)
        flash(request, "La communauté répond comme au début.")
        return redirect(f"{PATH}/{community.id}")

    def _form(
        self,
        request: Request,
        community: Community,
        typed: Mapping[str, str],
        problems: list[str] | None = None,
        status: int = 200,
    ) -> Response:
        return self._pages.render(
            request,
            "community.html",
            status,
            community=community,
            members=self._communities.members(community),
            answers=ANSWERS,
            any_member=ANY_MEMBER,
            now=self._in_words(community, self._communities.of(community)),
            typed={"answer": "", "after_s": "", "p95_s": "", "practitioner": "", "percent": "", **typed},
            problems=problems or [],
            requests=self._requests(community),
        )

    def _in_words(self, community: Community, behaviour: Behaviour) -> str:
        """The behaviour as a sentence without its end."""
        text = ANSWERS[behaviour.answer]
        if behaviour.answer is Answer.ACCEPT:
            names = {member.id: member.name for member in self._communities.members(community)}
            named = {None: "le premier", ANY_MEMBER: "tiré au sort"}
            text += f" ({names.get(behaviour.practitioner or '') or named.get(behaviour.practitioner, 'le premier')})"
        if behaviour.answer in (Answer.ACCEPT, Answer.REFUSE):
            text += f", {'en moyenne ' if behaviour.p95_s else ''}après {duration(behaviour.after_s)}"
        if behaviour.probability < 1:
            text += f", {behaviour.probability * 100:g} fois sur 100 (sinon {ANSWERS[OTHERWISE[behaviour.answer]]})"
        return text

    def _requests(self, community: Community) -> str:
        """The page « Demandes reçues » of its editor."""
        editor = self._context.population.editors[community.editor]
        return f"{self._context.settings.editor_ui(editor)}/demandes"

    def _named(self, request: Request) -> Community:
        return self._communities.community(request.path_params["id"])


def _typed(behaviour: Behaviour) -> dict[str, str]:
    return {
        "answer": behaviour.answer,
        "after_s": f"{behaviour.after_s:g}",
        "p95_s": "" if behaviour.p95_s is None else f"{behaviour.p95_s:g}",
        "practitioner": behaviour.practitioner or "",
        "percent": f"{behaviour.probability * 100:g}",
    }


def _read(form: Mapping[str, str]) -> CommunityBehaviourRequest:
    """The behaviour of a form. Raises RequestError 422 for what is no number or no answer."""
    if form.get("answer") not in [*Answer]:
        raise refused("unknown answer", "answer")
    return CommunityBehaviourRequest(
        answer=Answer(form["answer"]),
        after_s=number_of(form.get("after_s", ""), "after_s"),
        p95_s=number_of(form["p95_s"], "p95_s") if form.get("p95_s", "").strip() else None,
        practitioner=form.get("practitioner") or None,
        probability=probability_of(form),
    )
