"""The steps of a scenario, one function each: they act over the wire like a person, then verify what they see.

Each returns the facts that it verified, as French lines; a fact that does not hold raises `Failed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from sandbox.kernel.errors import PeerRefused
from sandbox.runner.browser import Form, Page
from sandbox.runner.loader import Attach, Book, Login, Mark, Search, Step, Take, Verify
from sandbox.runner.stage import Booked, Failed, Stage

POLL_S = 0.05
T = TypeVar("T")

MOST_PAGES = 10  # of a booking journey: login, terms, agenda, summary, confirmation

ACTIONS = {"fulfilled": "honorer", "noshow": "absent", "cancelled": "annuler"}
FRENCH = {
    "pending": "en attente",
    "booked": "réservé",
    "fulfilled": "honoré",
    "noshow": "non honoré",
    "cancelled": "annulé",
}
PATIENT = {
    "family": "FICTIF",
    "given": "Camille",
    "birth_date": "31/01/1980",
    "phone": "0600000000",
    "reason": "Fièvre depuis deux jours",
}


async def login(stage: Stage, step: Login) -> Sequence[str]:
    """Through Pro Santé Connect in the browser, and by the API for its token."""
    regulators = stage.endpoints["examples"]["regulators"]
    account = next((one for one in regulators if one["territory"] == step.territory), None)
    if account is None:
        raise Failed(f"aucun compte de démonstration du territoire {step.territory}")
    stage.learnt.regulator = account
    page = await _through_login(stage, await stage.browser.get(f"{stage.endpoints['sas']['ui']}/connexion"))
    if not page.with_data("regulator"):
        raise Failed(f"pas connecté : {page.url} répond {page.status}")
    body = {"identifier": account["identifier"], "password": account["password"]}
    stage.learnt.token = (await stage.call("POST", f"{stage.endpoints['sas']['api']}/login", json=body))["token"]
    wanted = {editor["slug"] for editor in stage.hosted() if "INT_R02" in editor["flows"]}

    async def known() -> set[str]:
        accounts = (await stage.sas("regulator-accounts"))["accounts"]
        return {one["editor"] for one in accounts if one["state"] == "known"}

    reached = await _until(known, lambda editors: editors >= wanted, 10.0)
    if not reached >= wanted:
        raise Failed(f"compte absent chez : {', '.join(sorted(wanted - reached))}")
    return [f"connecté : {account['identifier']}", f"compte connu de {len(wanted)} éditeurs (INT_R02)"]


async def search(stage: Stage, step: Search) -> Sequence[str]:
    """By the API for the cards, and on the page that a regulator sees."""
    stage.learnt.search = {"specialty": step.specialty, "insee": step.town}
    stage.learnt.cards, stage.learnt.next_page = [], 1
    answered = await next_page(stage)
    while len(stage.learnt.cards) < step.cards and stage.learnt.next_page is not None:
        answered |= await next_page(stage)
    cards = stage.learnt.cards
    if len(cards) < step.cards or len(answered) < step.editors:
        raise Failed(
            f"{len(cards)} fiches de {len(answered)} éditeurs, attendu {step.cards} de {step.editors} au moins"
        )
    query = f"specialty={quote(step.specialty)}&inseecode={step.town}&affichage=complet"  # no script runs here
    url = f"{stage.endpoints['sas']['ui']}/sas/recherche?{query}"
    page = await stage.browser.get(url)
    slots = page.with_data("slot")
    if page.status != 200 or not slots:
        raise Failed(f"la page de recherche répond {page.status} avec {len(slots)} créneaux")
    return [f"{len(cards)} fiches de {len(answered)} éditeurs : {', '.join(sorted(answered))}"]


async def next_page(stage: Stage) -> set[str]:
    """Add the next page of cards; the editors that answered for it."""
    found = await stage.sas("search", **stage.learnt.search, page=str(stage.learnt.next_page))
    stage.learnt.cards += found["cards"]
    stage.learnt.next_page = found["next"]
    return {editor["slug"] for editor in found["editors"] if editor["state"] == "answered"}


async def book(stage: Stage, step: Book) -> Sequence[str]:
    """From a slot's link to the confirmation page of the editor."""
    card, slot = await _choose(stage, step.kind)
    stage.learnt.taken.add(slot["id"])
    url = slot["url"] + ("&" if "?" in slot["url"] else "?") + "origin=sas"
    page = await _through_login(stage, await stage.browser.get(url))
    for _ in range(MOST_PAGES):
        if page.with_data("appointment"):
            break
        page = await _one_page_further(stage, page)
    made = page.with_data("appointment")
    if not made:
        raise Failed(f"pas de confirmation : {page.url} répond {page.status}")
    identifier = made[0].attributes["data-appointment"]
    stage.learnt.booked[step.appointment] = Booked(card["editor"], identifier)
    return [f"{card['name']}, {slot['start']} chez {card['editor_name']} : rendez-vous {identifier}"]


async def mark(stage: Stage, step: Mark) -> Sequence[str]:
    """« Mes rendez-vous » of the editor: honoured, not honoured, cancelled."""
    booked = _booked(stage, step.appointment)
    page = await stage.browser.get(f"{stage.editor(booked.editor)['ui']}/rendez-vous/{booked.identifier}")
    action = f"/{booked.identifier}/{ACTIONS[step.status]}"
    form = next((form for form in page.forms if form.action.endswith(action)), None)
    if form is None:
        raise Failed(f"la page du rendez-vous n'offre pas « {ACTIONS[step.status]} » ({page.status})")
    after = await stage.browser.submit(form)
    shown = [element.attributes.get("data-status") for element in after.with_data("appointment")]
    if step.status not in shown:
        raise Failed(f"l'éditeur montre {shown}, attendu {step.status}")
    return [f"{step.appointment} : {FRENCH[step.status]} chez l'éditeur"]


async def take(stage: Stage, step: Take) -> Sequence[str]:
    """« Prendre en charge » on the page of an appointment at SOS Médecins; then its doctor is known."""
    booked = _booked(stage, step.appointment)
    page = await stage.browser.get(f"{stage.editor(booked.editor)['ui']}/rendez-vous/{booked.identifier}")
    form = next((form for form in page.forms if form.action.endswith("/prendre-en-charge")), None)
    if form is not None:
        page = await stage.browser.submit(form)
    shown = await _until(lambda: _shown(stage, booked), lambda status: status == "booked", 2.0)
    if shown != "booked":
        raise Failed(f"l'éditeur montre {shown or page.status}, attendu booked")
    return [f"{step.appointment} : " + ("pris en charge" if form is not None else "déjà pris en charge")]


async def _shown(stage: Stage, booked: Booked) -> str:
    """The status on the editor's page."""
    page = await stage.browser.get(f"{stage.editor(booked.editor)['ui']}/rendez-vous/{booked.identifier}")
    found = page.with_data("appointment")
    return found[0].attributes.get("data-status", "") if found else ""


async def verify(stage: Stage, step: Verify) -> Sequence[str]:
    """The SAS core has the version, the LRM acknowledged its message, and shows the same."""
    booked = _booked(stage, step.appointment)
    token = f"{stage.editor(booked.editor)['system']}|{booked.identifier}"

    async def core() -> dict[str, Any]:
        listed = (await stage.sas("appointments", identifier=token))["appointments"]
        return listed[0] if listed else {}

    def acknowledged(record: dict[str, Any]) -> bool:
        return record.get("status") == step.status and [m["state"] for m in record["l02"]][-1:] == ["acknowledged"]

    record = await _until(core, acknowledged, step.within_s)
    if not acknowledged(record):
        states = [message["state"] for message in record.get("l02", [])]
        raise Failed(
            f"la plateforme montre {record.get('status')} et les messages {states}, attendu {step.status} acquitté"
        )
    message = await stage.sas(f"l02/{record['l02'][-1]['distributionID']}")
    return [
        f"plateforme : {FRENCH[step.status]}, version {record['version']}",
        f"message {message['distributionID']} : {' → '.join(event['state'] for event in message['events'])}",
        await _shown_by_lrm(stage, record["id"], step.status),
    ]


async def _shown_by_lrm(stage: Stage, appointment_id: str, status: str) -> str:
    """What the LRM shows, which must be that; of a vendor's own only its acknowledgement is known."""
    lrm = stage.lrm()
    if lrm.get("external"):
        return f"LRM {lrm['client_id']}, externe : acquitté"
    found = await stage.call("GET", f"{lrm['ui']}/api/orientations/{appointment_id}")
    shown = found["appointment"]["status"]
    if shown != status:
        raise Failed(f"le LRM montre {shown}, attendu {status}")
    return f"LRM {lrm['client_id']} : {FRENCH[status]}"


async def attach(stage: Stage, step: Attach) -> Sequence[str]:
    """On the LRM's pages: a case file is opened, the orientation attached to it. In a vendor's own a person does it."""
    if stage.lrm().get("external"):
        return [f"LRM {stage.lrm()['client_id']}, externe : rattachement à faire dans ses pages"]
    booked = _booked(stage, step.appointment)
    token = f"{stage.editor(booked.editor)['system']}|{booked.identifier}"
    record = (await stage.sas("appointments", identifier=token))["appointments"][0]
    ui = stage.lrm()["ui"]
    opening = await _form(stage, f"{ui}/dossiers", lambda form: form.action.endswith("/dossiers"))
    number = (await stage.browser.submit(opening)).url.rpartition("/")[2]
    attaching = await _form(stage, f"{ui}/", lambda form: record["id"] in form.action)
    await stage.browser.submit(attaching, case_file=number)
    lrm = await stage.call("GET", f"{ui}/api/orientations/{record['id']}")
    if lrm["caseFile"] != number:
        raise Failed(f"l'orientation est attachée à {lrm['caseFile']}, attendu le dossier {number}")
    return [f"orientation attachée au dossier {number}"]


STEPS: dict[type[Step], Callable[[Stage, Any], Awaitable[Sequence[str]]]] = {
    Login: login,
    Search: search,
    Book: book,
    Mark: mark,
    Take: take,
    Verify: verify,
    Attach: attach,
}


def title(step: Step) -> str:
    """The step's heading in the timeline."""
    if isinstance(step, Login):
        return f"Connexion d'un régulateur de {step.territory}"
    if isinstance(step, Search):
        return f"Recherche : {step.specialty} autour de {step.town}"
    if isinstance(step, Book):
        return f"Réservation ({step.kind}) : {step.appointment}"
    if isinstance(step, Mark):
        return f"Chez l'éditeur : {step.appointment} {FRENCH[step.status]}"
    if isinstance(step, Take):
        return f"Chez SOS Médecins : {step.appointment} pris en charge"
    if isinstance(step, Verify):
        return f"Vérification : {step.appointment} {FRENCH[step.status]} jusqu'au LRM"
    return f"Au LRM : {step.appointment} rattaché à un dossier"


async def _through_login(stage: Stage, page: Page) -> Page:
    """Fill in the Pro Santé Connect form when it is there; a session of before needs none."""
    form = page.form_with("login", "password")
    if form is None:
        return page
    account = stage.learnt.regulator
    return await stage.browser.submit(form, login=account["identifier"], password=account["password"])


async def _one_page_further(stage: Stage, page: Page) -> Page:
    """Terms, patient form, summary: whatever form is there is filled in and sent."""
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
    """A free slot of that kind, from as many pages of the search as it takes."""
    while True:
        for card, slot in _offers(_cards_of(stage)):
            actual = "SOS" if card["kind"] == "sos" else "CPTS" if slot.get("cpts") else "PS"
            if actual == kind and slot["id"] not in stage.learnt.taken:
                return card, slot
        if stage.learnt.next_page is None:
            raise Failed(f"aucun créneau réservable de catégorie {kind} dans la recherche")
        await next_page(stage)


def _cards_of(stage: Stage) -> list[dict[str, Any]]:
    """The cards of the sandbox's own editors: nobody knows what the pages of an external one look like."""
    slugs = {editor["slug"] for editor in stage.hosted()}
    return [card for card in stage.learnt.cards if card["editor"] in slugs]


def _offers(cards: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Bookable slots, the later first: one that starts in a minute could be gone before the form is filled in."""
    for card in cards:
        for place in card.get("places", ()):
            for slot in reversed(place.get("slots", ())):
                if slot.get("url") and not slot.get("walkin"):
                    yield card, slot


def _booked(stage: Stage, name: str) -> Booked:
    if name not in stage.learnt.booked:
        raise Failed(f"le rendez-vous « {name} » n'a pas été réservé")
    return stage.learnt.booked[name]


async def _form(stage: Stage, url: str, wanted: Callable[[Form], bool]) -> Form:
    page = await stage.browser.get(url)
    form = next((form for form in page.forms if form.method == "post" and wanted(form)), None)
    if form is None:
        raise Failed(f"{url} n'offre pas le formulaire attendu ({page.status})")
    return form


async def _until(ask: Callable[[], Awaitable[T]], good: Callable[[T], bool], seconds: float) -> T:
    """Ask again until the answer is good or the time is over; the last answer."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            found = await ask()
        except PeerRefused as error:
            if error.status != 404 or loop.time() > deadline:
                raise
        else:
            if good(found) or loop.time() > deadline:
                return found
        await asyncio.sleep(POLL_S)
