"""Functions for these steps: make an orientation, choose among the offers of a search, read a refusal."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from sandbox.kernel.errors import PeerRefused
from sandbox.runner.stage import Booked, Failed, Stage, problem
from sandbox.runner.steps.common import FRENCH, post

KINDS = {"extra": "en sus", "marketplaces": "communautés"}


async def orient(stage: Stage, appointment: str, content: dict[str, Any]) -> str:
    """`POST orientations` with that content as the regulator who is logged in; the appointment is known by that name.

    Returns what was made, as a French line.
    """
    made = await post(stage, "orientations", content)
    stage.learnt.booked[appointment] = Booked("", made["id"])
    return told(appointment, made)


def told(appointment: str, made: dict[str, Any]) -> str:
    """The answer to `POST orientations`, as a French line."""
    return f"{appointment} : {FRENCH[made['status']]}, catégorie {made['category']}, orientation {made['id']}"


async def offered(stage: Stage, kind: str, wanted: str) -> dict[str, Any]:
    """The offer of that kind with that id, or the first, from the complementary offer of the last search. Raises
    Failed."""
    found = await stage.sas("search", **stage.learnt.search, offers="true")
    offers: list[dict[str, Any]] = found["offers"][kind]
    offer = next((each for each in offers if wanted in ("", each["id"])), None)
    if offer is None:
        ids = ", ".join(each["id"] for each in offers) or "rien"
        raise Failed(f"l'offre complémentaire ({KINDS[kind]}) a {ids}, attendu {wanted or 'au moins une offre'}")
    return offer


async def refusal(call: Awaitable[Any], status: int = 409) -> str:
    """What the SAS API says when it refuses the call with that status. Raises Failed when it does not."""
    try:
        await call
    except PeerRefused as error:
        if error.status != status:
            raise
        return problem(error).detail
    raise Failed(f"la plateforme accepte, attendu un refus ({status})")
