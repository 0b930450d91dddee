"""kill -9 of the LRM, of the hub, of both, while messages stream in: each is taken once, in order, and acknowledged.

With the embedded broker the hub's end is the broker's; beside a RabbitMQ it is the dispatcher's, with what it carried.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from sandbox.cli import main
from sandbox.edxl import build
from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.errors import NobodyAnswers
from sandbox.net.amqp.one_shot_client import access, one_shot_client, referenced
from tests.support.hub import rabbit
from tests.support.sandboxes import command, endpoints, eventually

SAMU, SPARE = "fr.health.samu330", "fr.health.samu999"
APPOINTMENTS, VERSIONS = 20, 30
PAUSE = 0.02  # s between two versions of one appointment: the stream must last as long as the kills


def message(document: dict[str, Any], appointment: str, version: int) -> tuple[str, bytes]:
    now = parse_datetime(document["now"])
    key = f"{SPARE}_{appointment}-{version}"
    content = {
        "appointmentId": appointment,
        "method": "UpdateAppointment" if version else "CreateAppointment",
        "created": "2026-11-22T10:00:00+01:00",
        "start": f"2026-11-23T10:{version:02}:00+01:00",
        "status": "booked",
        "regulator": {"regulatorName": "F", "regulatorFirstname": "C", "regulatorEmail": "c@sas.invalid"},
    }
    return key, build.report(build.Address(key, SPARE, SAMU, now, now + timedelta(hours=2)), content)


class Sender:
    """Publishes one after the other per appointment; what was not confirmed is published again, as it was."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.acknowledged: Counter[str] = Counter()
        self.wanted = {uuid.uuid4().hex: 0 for _ in range(APPOINTMENTS)}

    async def run(self) -> None:
        """Until everything was confirmed and acknowledged; connects again when the hub was killed."""
        while not self.done:
            try:
                async with one_shot_client(access(self.document, SPARE)) as client:
                    await asyncio.gather(*(self._publish(client, key) for key in self.wanted), self._listen(client))
            except (NobodyAnswers, TimeoutError, *CONNECTION_EXCEPTIONS):
                await asyncio.sleep(0.1)

    @property
    def done(self) -> bool:
        return len(self.acknowledged) == APPOINTMENTS * VERSIONS

    async def ended(self, sending: asyncio.Task[None]) -> None:
        """Wait for the end of `run`. Fails with the messages that nobody acknowledged."""
        ended, _ = await asyncio.wait({sending}, timeout=80)
        published = {f"{SPARE}_{key}-{version}" for key, count in self.wanted.items() for version in range(count)}
        assert ended, f"{len(published)} published, not acknowledged: {sorted(published - set(self.acknowledged))}"
        await sending

    async def _publish(self, client: Any, appointment: str) -> None:
        while self.wanted[appointment] < VERSIONS:
            key, body = message(self.document, appointment, self.wanted[appointment])
            await client.publish(body, key)
            self.wanted[appointment] += 1
            await asyncio.sleep(PAUSE)

    async def _listen(self, client: Any) -> None:
        client.expect(f"{SPARE}_{key}-{version}" for key in self.wanted for version in range(VERSIONS))
        while not self.done:
            for answer in await client.answers(1, 5):
                assert answer.kind == "Ack", answer.document
                self.acknowledged[referenced(answer)] += 1


async def kill(session: aiohttp.ClientSession, control: str, *roles: str) -> None:
    """kill -9, and wait until they are back and ready."""

    async def health() -> dict[str, Any]:
        async with session.get(f"{control}/health") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    before = await health()
    for role in roles:
        os.kill(before["roles"][role]["pid"], signal.SIGKILL)

    async def back() -> bool:
        now = await health()
        return bool(now["ready"]) and all(now["roles"][role]["pid"] != before["roles"][role]["pid"] for role in roles)

    await eventually(back, seconds=40)


@pytest.fixture(params=["embedded", "rabbitmq"])
def flags(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """What `up` is to be told beside the data directory."""
    if request.param == "embedded":
        yield ("--preset", "minimal")
        return
    if why := rabbit.missing():
        pytest.skip(why)
    common, file = ("--preset", "minimal", "--no-mtls"), tmp_path / "definitions.json"
    assert main(["hub", "definitions", "--data-dir", str(tmp_path / "data"), "--out", str(file), *common]) == 0
    node = rabbit.start(tmp_path / "rabbit", None, json.loads(file.read_bytes()))
    yield (*common, "--hub-broker", f"amqp://127.0.0.1:{node.port}")
    node.stop()


@pytest.mark.timeout(150)
async def test_nothing_is_lost_doubled_or_out_of_order_when_lrm_and_hub_are_killed(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    data = tmp_path / "data"
    with command(data, "--processes", *flags):
        document = endpoints(data)
        control = document["control"]["api"]
        lrm = next(each["ui"] for each in document["lrms"] if each["client_id"] == SAMU)
        sender = Sender(document)
        async with aiohttp.ClientSession() as session, asyncio.timeout(120):
            sending = asyncio.create_task(sender.run())
            for roles in (("lrm",), ("hub",), ("lrm",), ("lrm", "hub")):
                await kill(session, control, *roles)
            await sender.ended(sending)
            async with session.get(f"{lrm}/api/orientations?limit=2000") as answer:
                found = (await answer.json())["orientations"]
    assert {each["appointmentId"] for each in found} == set(sender.wanted)
    for each in found:
        assert each["distributionIDs"] == [f"{SPARE}_{each['appointmentId']}-{n}" for n in range(VERSIONS)]
