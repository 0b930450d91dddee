"""`do: book`: an appointment on the pages of an editor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from sandbox.runner.browser import Page
from sandbox.runner.stage import Booked, Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import PATIENT, log_in_if_asked
from sandbox.runner.steps.search import next_page

MOST_PAGES = 10  # pages of one booking: login, terms, agenda, summary, confirmation


class Book(BaseStep, frozen=True, tag="book"):
    """Choose a free slot of the last search with that orientation and book it on the editor's page."""

    appointment: str
    kind: Literal["PS", "CPTS", "SOS"] = "PS"

    def title(self) -> str:
        return f"Réservation ({self.kind}) : {self.appointment}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """From a slot's link to the confirmation page of the editor."""
        card, slot = await _choose(stage, self.kind)
        stage.learnt.taken.add(slot["id"])
        page = await _to_the_confirmation(stage, slot["url"] + ("&" if "?" in slot["url"] else "?") + "origin=sas")
        made = page.with_data("appointment")
        if not made:
            raise Failed(f"pas de confirmation : {page.url} répond {page.status}")
        identifier = made[0].attributes["data-appointment"]
        stage.learnt.booked[self.appointment] = Booked(card["editor"], identifier)
        return [f"{card['name']}, {slot['start']} chez {card['editor_name']} : rendez-vous {identifier}"]


async def _to_the_confirmation(stage: Stage, url: str) -> Page:
    page = await log_in_if_asked(stage, await stage.browser.get(url))
    for _ in range(MOST_PAGES):
        if page.with_data("appointment"):
            break
        page = await _one_page_further(stage, page)
    return page


async def _one_page_further(stage: Stage, page: Page) -> Page:
    """Fill in and send the form of the page: terms, patient form or summary."""
    if page.with_data("unavailable"):
        raise Failed("le créneau a été pris entre-temps")
    terms = page.form_with("accept")
    if terms is not None:
        return await stage.browser.submit(terms, accept="1")
    patient = page.form_with("slot", "family", "given")
    if patient is not None and patient.types["family"] != "hidden":
        return await stage.browser.submit(patient, **PATIENT)
    confirm = next((form for form in page.forms if form.action.endswith("/rdv/confirmer")), None)
    if confirm is None:
        raise Failed(f"rien à faire sur {page.url} ({page.status})")
    return await stage.browser.submit(confirm)


async def _choose(stage: Stage, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A free slot of that kind with its card, from as many pages of the search as it takes. Raises Failed."""
    while True:
        for card, slot in _offers(_cards_of(stage)):
            actual = "SOS" if card["kind"] == "sos" else "CPTS" if slot.get("cpts") else "PS"
            if actual == kind and slot["id"] not in stage.learnt.taken:
                return card, slot
        if stage.learnt.next_page is None:
            raise Failed(f"aucun créneau réservable de catégorie {kind} dans la recherche")
        await next_page(stage)


def _cards_of(stage: Stage) -> list[dict[str, Any]]:
    """The cards of the sandbox's own editors: the pages of external editors are unknown."""
    slugs = {editor["slug"] for editor in stage.hosted()}
    return [card for card in stage.learnt.cards if card["editor"] in slugs]


def _offers(cards: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Bookable slots, the later ones first: a slot that starts in a minute could be gone before the form is filled
    in."""
    for card in cards:
        for place in card.get("places", ()):
            for slot in reversed(place.get("slots", ())):
                if slot.get("url") and not slot.get("walkin"):
                    yield card, slot
