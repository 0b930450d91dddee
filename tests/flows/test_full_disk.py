"""A disk that is full for one role at a time, in a whole sandbox: refusals and health give the reason, and once there
is room again everything continues by itself, including what waited."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
import pytest
from aio_pika.exceptions import DeliveryError

from sandbox.edxl.build import Address, report
from sandbox.fhir.practitioner import RegulatorAccount, render_regulator
from sandbox.hub.embedded import messages
from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.net.amqp import deliveries
from sandbox.runner.loader import find
from sandbox.runner.report import Report
from sandbox.runner.run import play_on
from sandbox.runner.stage import Stage
from sandbox.runner.steps.login import Login
from sandbox.store import outbox
from sandbox.store.embedded import tables
from sandbox.store.embedded.segment import Segment
from tests.support.sandboxes import eventually, sandbox_here

FULL = "No space left on device"


class Disk:
    """Full for the roles whose directories are named in `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
        self.full: set[str] = set()
        write, disk = Segment._write, self

        def limited(segment: Segment, octets: bytes, offset: int) -> None:
            if segment.path.relative_to(data).parts[0] in disk.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(segment, octets, offset)

        monkeypatch.setattr(Segment, "_write", limited)
        for module, name in ((messages, "RETRY"), (tables, "RETRY"), (outbox, "STORE_PAUSE")):
            monkeypatch.setattr(module, name, 0.05)
        monkeypatch.setattr(deliveries, "STORE_PAUSE", 0.05)


class Town:
    """A sandbox, and the actions of its partners."""

    def __init__(self, document: dict[str, Any], stage: Stage, http: aiohttp.ClientSession) -> None:
        self.document, self.stage, self.http = document, stage, http

    def tls(self, name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.document["tls"]["ca"])
        files = self.document["tls"]["clients"][name]
        context.load_cert_chain(files["cert"], files["key"])
        return context

    async def health(self) -> dict[str, Any]:
        async with self.http.get(f"{self.document['control']['api']}/health") as answer:
            found: dict[str, Any] = await answer.json()
            assert answer.status == (200 if found["ready"] else 503)
            return found

    async def suffers(self, role: str) -> bool:
        """Whether this role, and no other, reports that its disk is full."""
        roles = (await self.health())["roles"]
        refused = {name for name, told in roles.items() if not told["ready"] and FULL in told["disk"]}
        return refused == {role}

    async def is_well(self) -> bool:
        return bool((await self.health())["ready"])

    async def publish(self, unique: str) -> str:
        """A message of the platform for the first LRM. Raises DeliveryError."""
        client = self.document["sas"]["hub_client_id"]
        url = f"{self.document['hub']['amqp']}?auth=external"
        sent = parse_datetime(self.document["now"])
        address = Address(
            f"{client}_{unique}", client, self.document["lrms"][0]["client_id"], sent, sent + timedelta(days=1)
        )
        body = report(address, {**APPOINTMENT, "appointmentId": unique})
        async with await aio_pika.connect(url, ssl_context=self.tls(client)) as connection:
            exchange = await (await connection.channel()).get_exchange("hubsante", ensure=False)
            await exchange.publish(
                aio_pika.Message(body, content_type="application/json", delivery_mode=2), client, mandatory=False
            )
        return f"{client}_{unique}"

    async def is_acknowledged(self, distribution_id: str) -> bool:
        async with self.http.get(f"{self.document['sas']['api']}/l02/{distribution_id}") as answer:
            return answer.status == 200 and (await answer.json())["state"] == "acknowledged"

    async def create_at_editor(self) -> tuple[int, dict[str, Any]]:
        """INT_R02 as the SAS core makes it."""
        account = RegulatorAccount(
            (Identifier(SYSTEM_PERSON, "819800000903", "IDNPS"),), True, "B", ("K",), "karim@samu33.example"
        )
        url = f"{self.document['editors'][0]['fhir']}/Practitioner"
        headers = {"content-type": "application/fhir+json"}
        async with self.http.post(url, data=render_regulator(account), headers=headers, ssl=self.tls("sas")) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status > 201 else {}

    async def create_regulator(self, number: int) -> tuple[int, dict[str, Any]]:
        """An account of the SAS core, by its API."""
        draft = {
            "type": "IDNPS", "value": f"39900000{number:02}/1", "family": "Essai",
            "given": "Paul", "email": f"paul{number}@essai.invalid", "territory": "SAS-33", "rights": ["orientation"],
        }  # fmt: skip
        url, token = f"{self.document['sas']['api']}/regulators", self.stage.learnt.token
        async with self.http.post(url, json=draft, headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status, await answer.json(content_type=None)


APPOINTMENT = {
    "method": "CreateAppointment",
    "created": "2026-11-22T10:00:00+01:00",
    "start": "2026-11-23T10:00:00+01:00",
    "status": "booked",
    "regulator": {
        "regulatorName": "Fictif",
        "regulatorFirstname": "Camille",
        "regulatorEmail": "camille@sas.invalid",
    },
}


@asynccontextmanager
async def town(data: Path) -> AsyncIterator[Town]:
    async with (
        sandbox_here(data, preset="minimal") as document,
        Stage(document) as stage,
        aiohttp.ClientSession() as http,
    ):
        yield Town(document, stage, http)


async def nominal(data: Path) -> None:
    out = io.StringIO()
    assert await play_on(find("nominal"), data / "endpoints.json", Report(out)) == 0, out.getvalue()


async def test_each_role_survives_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch, tmp_path)
    async with town(tmp_path) as here:
        await Login("SAS-33").play(here.stage)
        for role in (hub, lrm, sas, psc, editors, control):
            disk.full = {role.__name__}
            await role(here, disk)
            await eventually(here.is_well, what=f"{role.__name__} is well again")
        await nominal(tmp_path)
    assert not [record for record in caplog.records if record.exc_info]
    assert len([record for record in caplog.records if FULL in record.getMessage()]) < 60


async def hub(here: Town, disk: Disk) -> None:
    """Publishers are refused, and accepted again later."""
    with pytest.raises(DeliveryError):
        await here.publish("hub-1")
    assert await eventually(lambda: here.suffers("hub"))
    disk.full.clear()
    await eventually(here.is_well)
    distribution_id = await here.publish("hub-2")
    await eventually(lambda: here.is_acknowledged(distribution_id))


async def lrm(here: Town, disk: Disk) -> None:
    """Its messages stay with the hub, and are acknowledged once they are stored."""
    waiting = [await here.publish(f"lrm-{number}") for number in range(5)]
    await eventually(lambda: here.suffers("lrm"))
    await asyncio.sleep(0.3)  # many tries
    assert not any([await here.is_acknowledged(each) for each in waiting])
    disk.full.clear()
    for each in waiting:
        await eventually(lambda each=each: here.is_acknowledged(each))


async def sas(here: Town, disk: Disk) -> None:
    """It accepts nothing; acknowledgements that arrive meanwhile are handled afterwards."""
    status, problem = await here.create_regulator(1)
    assert (status, problem["status"]) == (503, 503)
    assert FULL in problem["detail"]
    waiting = await here.publish("sas-1")
    await eventually(lambda: here.suffers("sas"))
    await asyncio.sleep(0.3)
    disk.full.clear()
    await eventually(lambda: here.is_acknowledged(waiting))
    assert (await here.create_regulator(2))[0] == 201


async def psc(here: Town, disk: Disk) -> None:
    """The SAS core repeats the message about a new account until the role can store it."""

    async def accounts() -> int:
        return int((await here.health())["roles"]["psc"]["accounts"])

    before = await accounts()
    assert (await here.create_regulator(3))[0] == 201
    await eventually(lambda: here.suffers("psc"))
    disk.full.clear()
    await eventually(here.is_well)

    async def told() -> bool:
        return await accounts() > before

    await eventually(told)


async def editors(here: Town, disk: Disk) -> None:
    """INT_R02 is answered with 503 and the reason, and accepted later."""
    status, outcome = await here.create_at_editor()
    assert (status, outcome["resourceType"]) == (503, "OperationOutcome")
    assert FULL in outcome["issue"][0]["details"]["text"]
    await eventually(lambda: here.suffers("editors"))
    disk.full.clear()
    await eventually(here.is_well)
    status, outcome = await here.create_at_editor()
    assert status == 201 or outcome["issue"][0]["code"] == "duplicate"  # the one that met the full disk may be there


async def control(here: Town, disk: Disk) -> None:
    """The World stays as it is, and can be changed again."""
    url = f"{here.document['control']['api']}/clock"
    async with here.http.put(url, json={"as_of": "2027-01-01T00:00:00"}) as answer:
        assert answer.status == 503
        assert FULL in (await answer.json(content_type=None))["title"]
    await eventually(lambda: here.suffers("control"))
    disk.full.clear()
    await eventually(here.is_well)
    async with here.http.put(url, json={"as_of": None}) as answer:
        assert answer.status == 200
