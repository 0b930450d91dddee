"""An LRM that refuses, and one that is absent: the SAS core knows it, and failed messages arrive once they are sent
again."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from load.ports import free_base
from sandbox import ecosystem
from sandbox.config import LRM_UI, SAS_FHIR, SAS_UI, load_settings
from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import read
from sandbox.fhir.appointment import render_appointment
from sandbox.ground import Ground, prepare
from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.amqp.deliveries import Delivery
from tests.support.sandboxes import eventually

FHIR = {"Content-Type": "application/fhir+json"}


class Stage:
    """Control, hub, Pro Santé Connect and SAS core; the LRM comes when a test wants it."""

    def __init__(self, ground: Ground, control: Any, stack: contextlib.AsyncExitStack) -> None:
        self.ground, self._control, self._stack = ground, control, stack
        self.http = aiohttp.ClientSession()
        self.api = ground.settings.http(SAS_UI, "/api")
        self.population = ground.population
        self.territory = self.population.territories["SAS-33"]
        self.headers: dict[str, str] = {}

    async def start(self, role: str) -> None:
        link = ecosystem.memory_link(role, self._control)
        await self._stack.enter_async_context(ecosystem.running_role(role, self.ground, link))

    async def log_in(self) -> None:
        regulator = self.population.regulators[0]
        body = {"identifier": regulator.identifier.key, "password": regulator.password}
        async with self.http.post(f"{self.api}/login", json=body) as answer:
            self.headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}

    async def book(self) -> str:
        """One appointment by INT_R03; its id at the SAS core."""
        practitioner = next(iter(self.population.practitioners()))
        start = ecosystem.role_context(self.ground).clock.now().astimezone(PARIS) + timedelta(hours=2)
        appointment = Appointment(
            identifier=Identifier(self.population.editors[practitioner.editor].system, str(uuid.uuid4())),
            operator=self.population.regulators[0].identifier,
            status=AppointmentStatus.BOOKED,
            start=start,
            end=start + timedelta(minutes=15),
            practitioner=practitioner.id,
        )
        url = self.ground.settings.fhir(SAS_FHIR, "/sas/fhir/Appointment")
        async with self.http.post(url, data=render_appointment(appointment), headers=FHIR) as answer:
            assert answer.status == 201, await answer.text()
            return answer.headers["Location"].rpartition("/")[2]

    async def messages(self, id: str) -> list[dict[str, Any]]:
        async with self.http.get(f"{self.api}/appointments/{id}") as answer:
            found: list[dict[str, Any]] = (await answer.json())["l02"]
            return found

    async def reaches(self, id: str, state: str) -> dict[str, Any]:
        """The appointment's latest message, once it is in that state."""

        async def there() -> bool:
            return bool((await self.messages(id))[-1]["state"] == state)

        await eventually(there, what=state)
        return (await self.messages(id))[-1]

    async def resend(self, message: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.api}/l02/{message['distributionID']}/resend"
        async with self.http.post(url, headers=self.headers) as answer:
            assert answer.status == 202, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found


@contextlib.asynccontextmanager
async def stage(data: Path, **flags: Any) -> AsyncIterator[Stage]:
    wanted = {"port_base": free_base(), "data_dir": str(data), "preset": "minimal", "mtls": False, **flags}
    ground = prepare(load_settings(wanted, {}), ecosystem.wall)
    try:
        control = ecosystem.build_control(ground)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(ecosystem.running_control(control))
            made = Stage(ground, control, stack)
            stack.push_async_callback(made.http.close)
            for role in ("psc", "hub", "sas"):
                await made.start(role)
            await made.log_in()
            yield made
    finally:
        ground.close()


class ContraryLrm:
    """An LRM that refuses with a code until it is told to behave correctly, or does not answer at all."""

    def __init__(self, stage: Stage) -> None:
        context = ecosystem.role_context(stage.ground)
        self._context, self.client_id = context, stage.territory.samu
        self.code: HubCode | None = None
        self.refuses_by_ack = False
        self.seen: list[dict[str, Any]] = []
        self._client = AmqpClient(context, "lrm:test", self.client_id)
        self._client.consume(f"{self.client_id}.message", self._take)

    async def __aenter__(self) -> ContraryLrm:
        await self._client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.stop()

    async def _take(self, delivery: Delivery) -> None:
        message = read(delivery.body)
        self.seen.append(message.document)
        now, unique = self._context.clock.now(), self._context.entropy.uuid()
        key = build.new_distribution_id(self.client_id, unique)
        address = build.Address(key, self.client_id, message.sender, now, now + timedelta(hours=1))
        if self.code is not None:
            error = build.error_address(self.client_id, unique, message.sender, now)
            body = build.error(error, self.code, "dossier clos", source=None, referenced=message.distribution_id)
        elif self.refuses_by_ack:
            body = build.ack(address, message.distribution_id, refused_by=key)
        else:
            body = build.ack(address, message.distribution_id, step="INTEGRE")
        await self._client.publish(body)


@pytest.mark.parametrize("code", [HubCode.INSUFFICIENT_DATA, HubCode.CONFLICT, HubCode.INTERNAL_CLIENT_ERROR])
async def test_a_refusal_by_the_lrm_is_known_with_its_cause_and_sending_again_heals_it(
    tmp_path: Path, code: HubCode
) -> None:
    async with stage(tmp_path) as ecosystem_without_lrm, ContraryLrm(ecosystem_without_lrm) as lrm:
        lrm.code = code
        id = await ecosystem_without_lrm.book()
        refused = await ecosystem_without_lrm.reaches(id, "refused")
        assert (refused["code"], refused["cause"]) == (int(code), "dossier clos")
        lrm.code = None
        again = await ecosystem_without_lrm.resend(refused)
        assert again["distributionID"] != refused["distributionID"]
        await ecosystem_without_lrm.reaches(id, "acknowledged")
        states = [message["state"] for message in await ecosystem_without_lrm.messages(id)]
    assert states == ["refused", "acknowledged"]
    assert len(lrm.seen) == 2


async def test_an_acknowledgement_that_refuses_is_a_refusal(tmp_path: Path) -> None:
    async with stage(tmp_path) as running, ContraryLrm(running) as lrm:
        lrm.refuses_by_ack = True
        await running.reaches(await running.book(), "refused")


async def test_without_an_lrm_a_message_expires_and_reaches_the_one_that_comes_once_it_is_sent_again(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, message_ttl_s=1) as running:
        id = await running.book()
        expired = await running.reaches(id, "expired")
        assert expired["code"] == int(HubCode.DEAD_LETTER_QUEUED)
        await running.start("lrm")
        await running.resend(expired)
        await running.reaches(id, "acknowledged")
        ui = running.ground.settings.http(LRM_UI, f"/{running.territory.lrm_slug}/api/orientations")
        async with running.http.get(ui) as answer:
            orientations = (await answer.json())["orientations"]
    assert [orientation["appointmentId"] for orientation in orientations] == [id]
