"""Functions for several steps: booked appointments by name, calls of the SAS API, forms on a page, waiting for an
answer, French words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sandbox.kernel.errors import PeerRefused
from sandbox.runner.browser import Form, Page
from sandbox.runner.stage import Booked, Failed, Stage

POLL_S = 0.05
T = TypeVar("T")

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


def booked_as(stage: Stage, name: str) -> Booked:
    """The appointment that an earlier step booked under that name. Raises Failed."""
    if name not in stage.learnt.booked:
        raise Failed(f"le rendez-vous « {name} » n'a pas été réservé")
    return stage.learnt.booked[name]


async def record_of(stage: Stage, booked: Booked) -> dict[str, Any]:
    """The SAS core's record of an appointment; empty while it has none."""
    if not booked.editor:
        found: dict[str, Any] = await stage.sas(f"appointments/{booked.identifier}")
        return found
    token = f"{stage.editor(booked.editor)['system']}|{booked.identifier}"
    listed = (await stage.sas("appointments", identifier=token))["appointments"]
    return listed[0] if listed else {}


async def post(stage: Stage, path: str, body: Any = None, *, token: str = "") -> Any:
    """POST on the SAS API as the regulator who is logged in, or as whoever `token` names."""
    url = f"{stage.endpoints['sas']['api']}/{path}"
    return await stage.call("POST", url, json=body, token=token or stage.learnt.token)


async def api_token(stage: Stage, account: dict[str, Any]) -> str:
    """A token of the SAS API for a demonstration account of endpoints.json."""
    body = {"identifier": account["identifier"], "password": account["password"]}
    return str((await post(stage, "login", body))["token"])


async def as_practitioner(stage: Stage, practitioner: str) -> str:
    """A token of the SAS API for a practitioner of the SAS agenda. Raises Failed without a demonstration account."""
    accounts = stage.endpoints["examples"].get("practitioners_sas_agenda", ())
    account = next((one for one in accounts if one["identifier"] == practitioner), None)
    if account is None:
        raise Failed(f"aucun compte de démonstration du praticien {practitioner} (agenda SAS)")
    return await api_token(stage, account)


def place_of(town: str, street: str) -> dict[str, str]:
    """The parameters of the SAS API for a place: `town` an INSEE code, `street` empty or as `12 rue du Modèle`."""
    number, _, name = street.partition(" ")
    address = {"streetnumber": number, "streetname": name} if number[:1].isdigit() else {"streetname": street}
    return {"insee": town, **(address if street else {})}


async def appointment_page(stage: Stage, booked: Booked) -> Page:
    """The page of a booked appointment at its editor."""
    return await stage.browser.get(f"{stage.editor(booked.editor)['ui']}/rendez-vous/{booked.identifier}")


def shown_statuses(page: Page) -> list[str | None]:
    """The statuses of the appointments that a page of an editor shows."""
    return [element.attributes.get("data-status") for element in page.with_data("appointment")]


async def posted_form(stage: Stage, url: str, wanted: Callable[[Form], bool]) -> Form:
    """The first form of a page that is posted and wanted. Raises Failed."""
    page = await stage.browser.get(url)
    form = next((form for form in page.forms if form.method == "post" and wanted(form)), None)
    if form is None:
        raise Failed(f"{url} n'offre pas le formulaire attendu ({page.status})")
    return form


async def log_in_if_asked(stage: Stage, page: Page) -> Page:
    """The page itself, or the page after the login form of Pro Santé Connect if that form comes first."""
    form = page.form_with("login", "password")
    if form is None:
        return page
    account: dict[str, Any] = stage.learnt.regulator
    return await stage.browser.submit(form, login=account["identifier"], password=account["password"])


async def until(ask: Callable[[], Awaitable[T]], good: Callable[[T], bool], seconds: float) -> T:
    """Repeat a request until the answer is good or the time is over; returns the last answer. A 404 counts as not yet
    good.

    Raises PeerRefused for another refusal, or for a 404 after the time.
    """
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
