"""`do: search`: slots of a specialty around a town."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import place_of

RPPS_SYSTEM = "urn:oid:1.2.250.1.71.4.2.1"


class Search(BaseStep, frozen=True, tag="search"):
    """Slots of `specialty` (TRE_R38 code) around `town` (INSEE code), or around an address of it (`street`: `12 rue du
    Modèle`); at least so many cards from so many editors. The card of the preferred `doctor` (prefixed id) comes first.
    """

    specialty: str
    town: str
    cards: int = 1
    editors: int = 1
    street: str = ""
    doctor: str = ""

    def title(self) -> str:
        place = f"{self.street}, {self.town}" if self.street else self.town
        return f"Recherche : {self.specialty} autour de {place}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """By the API for the cards, and on the page that a regulator sees."""
        stage.learnt.search = {"specialty": self.specialty, **place_of(self.town, self.street)}
        if self.doctor:
            stage.learnt.search["preferred"] = self.doctor
        stage.learnt.cards, stage.learnt.next_page = [], 1
        answered = await next_page(stage)
        while len(stage.learnt.cards) < self.cards and stage.learnt.next_page is not None:
            answered |= await next_page(stage)
        found = f"{len(stage.learnt.cards)} fiches de {len(answered)} agendas"
        if len(stage.learnt.cards) < self.cards or len(answered) < self.editors:
            raise Failed(f"{found}, attendu {self.cards} de {self.editors} au moins")
        await self._see_the_page(stage)
        return [f"{found} : {', '.join(sorted(answered))}"]

    async def _see_the_page(self, stage: Stage) -> None:
        place = place_of(self.town, self.street)
        values = {"specialty": self.specialty, "inseecode": place.pop("insee"), **place}
        if self.doctor:
            values["practitioner"] = f"{RPPS_SYSTEM}|{self.doctor}"
        query = urlencode({**values, "affichage": "complet"})  # no script runs here
        page = await stage.browser.get(f"{stage.endpoints['sas']['ui']}/sas/recherche?{query}")
        slots = page.with_data("slot")
        if page.status != 200 or not slots:
            raise Failed(f"la page de recherche répond {page.status} avec {len(slots)} créneaux")


async def next_page(stage: Stage) -> set[str]:
    """Add the next page of cards to the last search; returns the editors that answered."""
    found = await stage.sas("search", **stage.learnt.search, page=str(stage.learnt.next_page))
    stage.learnt.cards += found["cards"]
    stage.learnt.next_page = found["next"]
    return {editor["slug"] for editor in found["editors"] if editor["state"] == "answered"}
