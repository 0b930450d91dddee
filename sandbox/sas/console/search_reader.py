"""Converts the parameters of the search form, or of an LRM's contextual call (INT_L01), to a search."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from sandbox.kernel.errors import RequestError
from sandbox.kernel.text.words import folded
from sandbox.sas.directory.place_names import Contradiction
from sandbox.sas.directory.places import ADDRESS
from sandbox.sas.directory.specialties import profession
from sandbox.sas.offers.found import Offers, offers_of
from sandbox.sas.search.contextual import (
    NOT_ASKED,
    NOT_FOUND,
    PreferredDoctor,
    is_named,
    place_of,
    read_practitioner,
    read_specialty,
)
from sandbox.sas.search.run import Criteria, read_criteria
from sandbox.sas.services import Services

MOST_SUGGESTED = 8
OFFERS = "offres"  # parameter of the address: 1 shows the offers beside free slots
LOOK_UP = 200  # practitioners whose names are compared before other tasks run


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid search. `values`: the parameters of the address; `notices`: (code, French sentence) of each parameter
    that the search ignores; `offers` beside free slots, None when they were not asked for (`offres=1`)."""

    criteria: Criteria
    values: Mapping[str, str]
    notices: tuple[tuple[str, str], ...] = ()
    offers: Offers | None = None


class SearchReader:
    """Reads the parameters of a search, and suggests what may be typed there."""

    def __init__(self, services: Services) -> None:
        self._context, self._directory = services.context, services.directory
        self._aggregator, self._labels = services.aggregator, services.labels

    async def read(self, values: Mapping[str, str]) -> Asked:
        """Criteria and notices. Raises RequestError 400 for a place, a page or a filter that cannot be used."""
        specialty = read_specialty(values.get("specialty", ""))
        known = self._specialty_or_reason(specialty)
        plain = {**values, "specialty": "", **known, "preferred": ""}
        criteria = read_criteria(plain, self._directory, self._labels, self._context.clock.now())
        notices = []
        if specialty and not known:
            what = profession(values["specialty"])
            unknown = f"désigne une profession ({what})" if what else "n'est ni une spécialité ni un motif connus"
            notices.append(("specialty", f"« {specialty} » {unknown} : consultation de médecine générale."))
        doctor = read_practitioner(values.get("practitioner", ""))
        preferred, error = await self._preferred(doctor, criteria)
        if error and (error == NOT_FOUND or "origin" in values):
            notices.append((error, _NO_DOCTOR[error]))
        offers = offers_of(criteria, self._directory, self._labels) if values.get(OFFERS) == "1" else None
        return Asked(replace(criteria, preferred=preferred), values, tuple(notices), offers)

    def suggestions(self, text: str) -> list[str]:
        """Specialties, then reasons, with a word that begins with `text`; at most MOST_SUGGESTED."""
        words = folded(text)
        known = [*self._labels.values(), *self._reasons().values()]
        return [each for each in known if words and f" {words}" in f" {folded(each)}"][:MOST_SUGGESTED]

    def places(self, text: str) -> list[str]:
        """Places that begin with `text`; at most MOST_SUGGESTED."""
        return self._directory.places.towns.beginning(text, MOST_SUGGESTED)

    def _specialty_or_reason(self, text: str) -> dict[str, str]:
        """The parameters of a search for a specialty or a reason with that name; none when it is neither."""
        words = folded(text)
        if text.upper() in self._labels:
            return {"specialty": text.upper()}
        for code, label in self._labels.items():
            if words == folded(label):
                return {"specialty": code}
        if (uncoded := self._directory.specialty_text(text)) is not None:
            return {"specialty": uncoded}
        reasons = self._reasons()
        return {"reason": reasons[words]} if words in reasons else {}

    def _reasons(self) -> dict[str, str]:
        """Reasons in the agendas of the persona files, by their folded text. Not cached, because the files may be read
        again."""
        people = self._context.population.handmade()
        reasons = {reason for person in people for place in person.places for reason in place.agenda.reasons}
        return {folded(reason): reason for reason in sorted(reasons)}

    async def _preferred(self, doctor: PreferredDoctor, criteria: Criteria) -> tuple[str | None, str]:
        """Prefixed id of the preferred doctor, or the code of the reason why there is none."""
        if doctor.error:
            return None, doctor.error
        if doctor.id:
            person = self._directory.practitioner(doctor.id)
            return (person.id, "") if person is not None else (None, NOT_FOUND)
        found = []
        candidates = self._aggregator.candidates("SM54", criteria.area)
        for number, candidate in enumerate(candidates):
            if number % LOOK_UP == LOOK_UP - 1:
                await asyncio.sleep(0)  # a large city has thousands of practitioners
            if is_named(candidate.practitioner, doctor.name):
                found.append(candidate.id)
        return (found[0], "") if len(found) == 1 else (None, NOT_FOUND)


def search_url(values: Mapping[str, str]) -> str:
    """The results page of a search with these parameters."""
    return f"/sas/recherche?{urlencode(values)}"


def other_places(asked: Asked) -> list[tuple[str, str]]:
    """Other possible meanings of the place, each with the address of the same search there."""
    place = asked.criteria.place
    line = place.label.removesuffix(place.town.name) if place.kind == ADDRESS else ""
    kept = {name: text for name, text in asked.values.items() if name not in _PLACE}
    return [(text, "/sas/recherche?" + urlencode({**kept, "place": line + text})) for text in place.others]


_PLACE = frozenset(
    {
        *("place", "insee", "town", "inseecode", "city", "streetname", "streetnumber", "lat", "lon"),
        *("origin", "page", "shuffle"),
    }
)
_NO_DOCTOR = {
    NOT_FOUND: "Le médecin traitant demandé n'a pas été trouvé : la recherche continue sans lui.",
    NOT_ASKED: "Aucun médecin traitant n'a été transmis.",
}


def problem_in_french(error: RequestError, values: Mapping[str, str]) -> str:
    """The problem with a search, as a French sentence for the user."""
    place = place_of(values)
    if isinstance(error, Contradiction):
        return error.french
    match (error.issues[0].expression or "").removeprefix("http."):
        case "place" | "town" | "insee":
            return (
                f"Le lieu « {place} » n'est pas connu."
                if place
                else "Indiquez un lieu : adresse, commune ou code postal."
            )
        case "streetnumber":
            return "Le lieu est incomplet : un numéro est donné sans la rue."
        case "from" | "to":
            return "La période demandée n'est pas utilisable : la fin doit suivre le début, 31 jours au plus."
    return "La recherche n'est pas utilisable : vérifiez les champs."
