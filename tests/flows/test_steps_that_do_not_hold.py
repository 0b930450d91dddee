"""What the steps of orientations without an editor say when something is not as they expect."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.kernel.errors import PeerRefused
from sandbox.runner.stage import Failed, Stage, reason
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.book import Book
from sandbox.runner.steps.login import Login
from sandbox.runner.steps.mark import Mark
from sandbox.runner.steps.orientations.agree import Agree
from sandbox.runner.steps.orientations.ask import Ask
from sandbox.runner.steps.orientations.behave import Behave
from sandbox.runner.steps.orientations.close import Close
from sandbox.runner.steps.orientations.open import Open
from sandbox.runner.steps.orientations.race import Race
from sandbox.runner.steps.orientations.refer import Refer
from sandbox.runner.steps.orientations.reserve import Reserve
from sandbox.runner.steps.orientations.respond import Respond
from sandbox.runner.steps.orientations.withdraw import Withdraw
from sandbox.runner.steps.search import Search
from sandbox.runner.steps.verify import Verify
from tests.support.sandboxes import sandbox_here

DOCTOR, PLACE = "819800000127", "rouveyran-bordeaux"


async def said(stage: Stage, *steps: BaseStep) -> str:
    """Play the steps, the last of which must fail; what it says."""
    for step in steps[:-1]:
        await step.play(stage)
    with pytest.raises((Failed, PeerRefused)) as caught:
        await steps[-1].play(stage)
    return reason(caught.value)


async def test_each_says_what_was_found_and_what_was_expected(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal", mtls=False) as document, Stage(document) as stage:
        await Login("SAS-33").play(stage)
        await Search("SM54", "33063", doctor=DOCTOR).play(stage)
        await in_the_agenda(stage)
        await among_offers(stage)
        await of_what_was_made(stage)
        await of_a_community(stage)


async def in_the_agenda(stage: Stage) -> None:
    assert await said(stage, Reserve("a", "x")) == "le créneau « x » n'a pas été saisi"
    assert "aucun compte de démonstration du praticien 819800000010" in await said(stage, Open("x", "819800000010"))
    assert "which place?" in await said(stage, Open("x", DOCTOR))
    assert "n'a plus 900 minutes libres" in await said(stage, Open("x", DOCTOR, PLACE, minutes=900))
    assert "attendu un refus (409)" in await said(stage, Open("x", DOCTOR, PLACE), Close("x", cancel=True))
    assert "ne montre pas le créneau « x »" in await said(stage, Reserve("a", "x"))  # it was deleted all the same
    assert "ne montre pas le créneau « x »" in await said(stage, Race("a", "x"))
    assert "attendu un rendez-vous et un refus (409)" in await said(
        stage, Open("two", DOCTOR, PLACE, patients=2), Race("a", "two")
    )
    series = Open("series", DOCTOR, PLACE, weeks=3)
    await series.play(stage)
    await Close("series").play(stage)
    known = stage.endpoints["examples"]["regulators"]
    stage.endpoints["examples"]["regulators"] = known[:1]
    assert "qu'un compte de démonstration du territoire SAS-33" in await said(
        stage, Open("one", DOCTOR, PLACE), Race("a", "one")
    )
    stage.endpoints["examples"]["regulators"] = known


async def among_offers(stage: Stage) -> None:
    assert "(en sus)" in await said(stage, Agree("b", "819800000010"))
    assert "(communautés) a " in await said(stage, Ask("b", "nobody"))
    assert "structures trouvées, attendu 1000000000" in await said(stage, Refer("b", structure="1000000000"))


async def of_what_was_made(stage: Stage) -> None:
    await Refer("c", "33281", kind="CDS").play(stage)
    assert "catégorie CDS, attendu MSP" in await said(stage, Verify("c", "booked", category="MSP"))
    assert "praticien sans, attendu 8" in await said(stage, Verify("c", "booked", practitioner="8"))
    assert "se termine par None, attendu refused" in await said(stage, Verify("c", "booked", ending="refused"))
    assert "answered 409" in await said(stage, Withdraw("c"))
    await Book("d", "SOS").play(stage)
    assert "est chez un éditeur" in await said(stage, Mark("d", "fulfilled", by="regulator"))


async def of_a_community(stage: Stage) -> None:
    problem = await said(stage, Behave("nobody", "accept"))
    assert "answered 404" in problem
    assert "nobody" in problem
    await Behave("cpts-rive-gauche", "by-hand").play(stage)
    await Ask("e", "cpts-rive-gauche").play(stage)
    assert "n'offre pas le formulaire attendu" in await said(
        stage, Respond("e", "refuse"), Verify("e", "cancelled", ending="refused"), Respond("e", "accept")
    )
