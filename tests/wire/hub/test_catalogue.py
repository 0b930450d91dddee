"""The whole catalogue of errors, provoked on both brokers: the same code, cause and recipient, and valid reports."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from jsonschema_rs import Draft7Validator

from sandbox.edxl.codes import HubCode
from sandbox.edxl.provocations import BY_NAME, PROVOCATIONS, Provocation
from sandbox.edxl.trials import Correspondents
from sandbox.edxl.validation import validate
from sandbox.kernel.clock import PARIS
from tests.conftest import SHARED
from tests.support.hub.brokers import BROKERS, SPARE, connected, error_of
from tests.wire.hub.conftest import Opened

OFFICIAL = SHARED / "reference" / "hub-sante" / "schemas"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")


@dataclass(frozen=True)
class Seen:
    """A report as it came, ids and instants aside."""

    exchange: str
    queue: str
    content_type: str | None
    delivery_mode: int
    headers: Mapping[str, Any]
    document: Any


async def provoke(channel: AbstractChannel, provocation: Provocation) -> Seen:
    """Send it and read the one report that comes back."""
    shot = provocation.make(Correspondents(SPARE, SPARE, datetime.now(PARIS), lambda: str(uuid4())))
    exchange = await channel.get_exchange("hubsante", ensure=False)
    message = aio_pika.Message(
        shot.body, content_type=shot.content_type, delivery_mode=2 if shot.persistent else 1, priority=0
    )
    await exchange.publish(message, SPARE, mandatory=False)
    queue = await channel.get_queue(f"{SPARE}.info", ensure=False)
    async with queue.iterator(timeout=15) as reports:
        report = await anext(reports)
        await report.ack()
    document = json.loads(report.body)
    check(document, provocation, shot.referenced)
    return Seen(
        report.exchange or "",
        report.routing_key or "",
        report.content_type,
        int(report.delivery_mode),
        dict(report.headers),
        json.loads(_INSTANT.sub("INSTANT", _ID.sub("ID", report.body.decode()))),
    )


def check(document: dict[str, Any], provocation: Provocation, referenced: str) -> None:
    """Code, name and reference are right; our schemas and the published ones accept the report."""
    assert validate(document) == []
    for name, part in (("EDXL-DE-envelope-only", document), ("RS-ERROR", error_of(document))):
        if OFFICIAL.is_dir():
            assert list(official(name).iter_errors(part)) == [] or published_gap(provocation)
    assert error_of(document)["errorCode"] == {"statusCode": provocation.code, "statusString": provocation.code.name}
    assert error_of(document)["referencedDistributionID"] == referenced


def official(name: str) -> Draft7Validator:
    return Draft7Validator(json.loads((OFFICIAL / f"{name}.schema.json").read_bytes()))


def published_gap(provocation: Provocation) -> bool:
    """The guide wants 409, the published model does not know it."""
    return provocation.code == HubCode.CONFLICT


async def the_catalogue(hub_on: Opened, data: Path, broker: str) -> dict[str, Seen]:
    async with hub_on(broker) as place, connected(data, place, SPARE) as spare:
        channel = await spare.channel()
        found = {each.name: await provoke(channel, each) for each in PROVOCATIONS}
        waiting = await channel.declare_queue(f"{SPARE}.message", passive=True)
        assert waiting.declaration_result.message_count == 0
        return found


async def test_the_whole_catalogue_comes_out_alike_on_both_brokers(hub_on: Opened, data: Path) -> None:
    embedded, rabbitmq = [await the_catalogue(hub_on, data, broker) for broker in BROKERS]
    assert embedded.keys() == rabbitmq.keys() == BY_NAME.keys()
    for name, seen in embedded.items():
        assert seen == rabbitmq[name], name
        assert (seen.exchange, seen.queue) == ("distribution", f"{SPARE}.info")


@pytest.mark.parametrize("broker", BROKERS)
async def test_causes_list_each_issue_with_its_path(hub_on: Opened, data: Path, broker: str) -> None:
    async with hub_on(broker) as place, connected(data, place, SPARE) as spare:
        seen = await provoke(await spare.channel(), BY_NAME["several"])
    cause = error_of(seen.document)["errorCause"]
    assert cause.startswith("Issues found on the $.content[0].jsonContent.embeddedJsonContent.message content:")
    assert " - appointment.status: does not have a value in the enumeration [" in cause
    assert " - appointment.created: does not match the date-time format" in cause
    assert " - appointment.champInconnu: is not defined in the schema" in cause
