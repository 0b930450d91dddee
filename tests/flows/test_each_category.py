"""An orientation of each category, from its making to the LRM's acknowledgement, on each broker: what the messages say,
and in which order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import ecosystem
from sandbox.config import EMBEDDED
from sandbox.ground import make_pki
from sandbox.population.load import load_population
from sandbox.runner.stage import Stage
from sandbox.runner.steps.book import Book
from sandbox.runner.steps.common import booked_as, record_of
from sandbox.runner.steps.login import Login
from sandbox.runner.steps.mark import Mark
from sandbox.runner.steps.orientations.agree import Agree
from sandbox.runner.steps.orientations.ask import Ask
from sandbox.runner.steps.orientations.behave import Behave
from sandbox.runner.steps.orientations.open import Open
from sandbox.runner.steps.orientations.refer import Refer
from sandbox.runner.steps.orientations.reserve import Reserve
from sandbox.runner.steps.orientations.withdraw import Withdraw
from sandbox.runner.steps.search import Search
from sandbox.runner.steps.take import Take
from tests.support.hub import rabbit
from tests.support.hub.brokers import BROKERS, imported, settings_for
from tests.support.orientations.guide import alike, shown
from tests.support.sandboxes import command, endpoints, eventually

BORDEAUX, MERIGNAC, RENNES, LYON = "33063", "33281", "35238", "69123"
IN_SURGERY, IN_CPTS, IN_MSP, EXTRA = "819800000127", "819800000135", "819800000143", "819800000036"
CPTS = {"organizationId": "1339900011", "name": "CPTS Rive Gauche"}
CDS = {"organizationId": "1339900110", "name": "Centre de santé du Bac à Sable"}
MSP = {"organizationId": "1359900109", "name": "Maison de santé de la Maquette"}
SOS = {"organizationId": "399900300000018", "name": "SOS Médecins Bordeaux (bac à sable)"}
NAME = "patient"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module", params=BROKERS)
def document(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A running sandbox with its own broker, or beside a RabbitMQ."""
    data = tmp_path_factory.mktemp("sandbox")
    flags = ["--preset", "minimal"]
    with contextlib.ExitStack() as stack:
        if request.param != EMBEDDED:
            node = _rabbitmq(data, tmp_path_factory.mktemp("rabbit"))
            stack.callback(node.stop)
            flags += ["--hub-broker", f"amqps://127.0.0.1:{node.port}"]
        stack.enter_context(command(data, *flags))
        found = endpoints(data)
        assert found["hub"]["broker"] == request.param
        yield found


def _rabbitmq(data: Path, directory: Path) -> rabbit.Node:
    if why := rabbit.missing():
        pytest.skip(why)
    settings = settings_for(data, 1)
    pki = make_pki(settings, load_population(settings), ecosystem.wall)
    return rabbit.start(directory, pki, imported(settings))


@pytest.fixture
async def stage(document: dict[str, Any]) -> AsyncIterator[Stage]:
    async with Stage(document) as opened:
        yield opened


async def searched(stage: Stage, territory: str, search: Search) -> None:
    await Login(territory).play(stage)
    await search.play(stage)


@dataclass
class Told:
    """What the LRM has been told of an appointment."""

    appointment: dict[str, Any]
    methods: list[str]

    @property
    def people(self) -> tuple[Any, Any]:
        """The practitioner's RPPS and the organisation, None for one that the message does not have."""
        practitioner = self.appointment.get("practitioner")
        return practitioner and practitioner["rppsId"], self.appointment.get("organization")


async def told(stage: Stage, *statuses: str) -> Told:
    """Once the LRM has been told these statuses, in this order and nothing else, and has acknowledged each message."""

    async def integrated() -> Any:
        found = await record_of(stage, booked_as(stage, NAME))
        states = [message["state"] for message in found.get("l02", ())]
        return found if states == ["acknowledged"] * len(statuses) else None

    record = await eventually(integrated, what=f"{len(statuses)} acknowledgements")
    shown = await stage.call("GET", f"{stage.lrm()['ui']}/api/orientations/{record['id']}")
    client = stage.endpoints["sas"]["hub_client_id"]
    assert [change["status"] for change in shown["history"]] == list(statuses)
    assert shown["distributionIDs"] == [f"{client}_{record['id']}.{number + 1}" for number in range(len(statuses))]
    assert shown["distributionIDs"] == [message["distributionID"] for message in record["l02"]]
    appointment = shown["appointment"]
    assert (appointment["status"], appointment["orientationCategory"]) == (record["status"], record["category"])
    return Told(appointment, [change["method"] for change in shown["history"]])


async def test_ps_by_the_sas_agenda(stage: Stage) -> None:
    await searched(stage, "SAS-33", Search("SM54", BORDEAUX, editors=0, doctor=IN_SURGERY))
    await Open("slot", IN_SURGERY, "rouveyran-bordeaux").play(stage)
    await Reserve(NAME, "slot").play(stage)
    made = await told(stage, "booked")
    assert (made.appointment["orientationCategory"], made.people) == ("PS", (IN_SURGERY, None))
    assert alike(made.appointment) in shown()
    await Mark(NAME, "fulfilled", by="practitioner").play(stage)
    ended = await told(stage, "booked", "fulfilled")
    assert (ended.methods, ended.people) == (["CreateAppointment", "UpdateAppointment"], made.people)


async def test_ps_by_one_more_patient(stage: Stage) -> None:
    await searched(stage, "SAS-69", Search("SM54", LYON, street="41 quai du Simulacre"))
    await Agree(NAME, EXTRA, in_minutes=60).play(stage)
    made = await told(stage, "booked")
    assert (made.appointment["orientationCategory"], made.people) == ("PS", (EXTRA, None))
    await Mark(NAME, "cancelled", by="regulator").play(stage)
    assert (await told(stage, "booked", "cancelled")).people == made.people


async def test_cpts_by_the_sas_agenda(stage: Stage) -> None:
    await searched(stage, "SAS-33", Search("SM54", BORDEAUX, editors=0, doctor=IN_CPTS))
    await Open("slot", IN_CPTS, visibility=("CPTS",)).play(stage)
    await Reserve(NAME, "slot").play(stage)
    made = await told(stage, "booked")
    assert (made.appointment["orientationCategory"], made.people) == ("CPTS", (IN_CPTS, CPTS))
    await Mark(NAME, "noshow", by="practitioner").play(stage)
    assert (await told(stage, "booked", "noshow")).people == made.people


async def test_msp_by_the_sas_agenda_has_both(stage: Stage) -> None:
    await searched(stage, "SAS-35", Search("SM54", RENNES, editors=0, doctor=IN_MSP))
    await Open("slot", IN_MSP).play(stage)
    await Reserve(NAME, "slot").play(stage)
    made = await told(stage, "booked")
    assert (made.appointment["orientationCategory"], made.people) == ("MSP", (IN_MSP, MSP))


async def test_sos_waits_for_its_doctor(stage: Stage) -> None:
    await searched(stage, "SAS-33", Search("SM54", BORDEAUX))
    await Book(NAME, "SOS").play(stage)
    made = await told(stage, "pending")
    assert (made.appointment["orientationCategory"], made.people) == (
        "SOS",
        (None, None),
    )  # the editor serves several associations
    await Take(NAME).play(stage)
    taken = await told(stage, "pending", "booked")
    doctor, association = taken.people
    assert (doctor[:2], association) == ("81", SOS)
    await Mark(NAME, "fulfilled").play(stage)
    assert (await told(stage, "pending", "booked", "fulfilled")).people == taken.people


async def test_pdm_is_pending_until_a_member_accepts(stage: Stage) -> None:
    await searched(stage, "SAS-33", Search("SM54", BORDEAUX))
    await Behave("cpts-rive-gauche", "accept", 2).play(stage)
    await Ask(NAME, "cpts-rive-gauche").play(stage)
    made = await told(stage, "pending")
    assert (made.appointment["orientationCategory"], made.people) == ("PDM", (None, CPTS))
    assert made.methods == ["CreateAppointment"]
    assert alike(made.appointment) in shown()
    accepted = await told(stage, "pending", "booked")
    assert (accepted.appointment["orientationCategory"], accepted.people) == ("PDM", ("819800000077", CPTS))
    assert alike(accepted.appointment) in shown()


async def test_pdm_that_is_withdrawn_has_no_practitioner(stage: Stage) -> None:
    await searched(stage, "SAS-33", Search("SM54", BORDEAUX))
    await Behave("sos-bordeaux", "by-hand").play(stage)
    await Ask(NAME, "sos-bordeaux").play(stage)
    await told(stage, "pending")
    await Withdraw(NAME).play(stage)
    ended = await told(stage, "pending", "cancelled")
    assert (ended.appointment["orientationCategory"], ended.people) == ("PDM", (None, SOS))


@pytest.mark.parametrize(
    ("territory", "town", "street", "organization", "category"),
    [
        ("SAS-33", MERIGNAC, "2 avenue du Bac à Sable", CDS, "CDS"),
        ("SAS-35", RENNES, "3 rue de la Maquette", MSP, "MSP"),
    ],
)
async def test_structures_have_no_practitioner(
    stage: Stage, territory: str, town: str, street: str, organization: dict[str, str], category: Any
) -> None:
    await Login(territory).play(stage)
    await Refer(NAME, town, street, category).play(stage)
    made = await told(stage, "booked")
    assert (made.appointment["orientationCategory"], made.people) == (category, (None, organization))
    assert category != "CDS" or alike(made.appointment) in shown()
    await Mark(NAME, "noshow", by="regulator").play(stage)
    assert (await told(stage, "booked", "noshow")).people == made.people
