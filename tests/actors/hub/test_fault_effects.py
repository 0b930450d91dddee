"""The effects of the hub's faults: which messages the recipient and the sender get, and when."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from sandbox.amqp.broker.message import Message
from sandbox.amqp.encoding import properties as props
from sandbox.edxl import build, xml
from sandbox.edxl.codes import XML
from sandbox.edxl.message import read
from sandbox.kernel.hub.clients import format_switch
from sandbox.kernel.world import Fault, World
from sandbox.net.context import Context
from tests.support.sandboxes import eventually
from tests.unit.edxl.corpus import APPOINTMENT

PLATFORM, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
INBOX, REPORTS = f"{SAMU}.message", f"{PLATFORM}.info"


def message(stage: Any, unique: str = "1", method: str = "CreateAppointment") -> bytes:
    now = datetime.fromtimestamp(stage.wall, UTC)
    address = build.Address(f"{PLATFORM}_{unique}", PLATFORM, SAMU, now, now + timedelta(hours=1))
    return build.report(address, {**APPOINTMENT, "method": method})


def apply(context: Context, *faults: tuple[str, dict[str, Any]], **fields: Any) -> None:
    listed = tuple(
        Fault(id=f"f{at}", kind=kind, target="hub", params=params, **fields) for at, (kind, params) in enumerate(faults)
    )
    context.world.apply(World(revision=context.world.world.revision + 1, faults=listed))


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def arrives(stage: Any, queue: str, count: int) -> list[bytes]:
    """The messages in a queue, once there are that many."""
    await eventually(lambda: len(stage.bodies(queue)) >= count, 5)
    return list(stage.bodies(queue))


def report(stage: Any) -> dict[str, Any]:
    (body,) = stage.bodies(REPORTS)
    found: dict[str, Any] = json.loads(body)["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["error"]
    return found


@pytest.fixture
async def dispatcher(stage: Any) -> Any:
    made = stage.dispatcher()
    made.start()
    return made


async def test_dropped_message_reaches_nobody_and_the_journal_names_the_fault(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("drop", {}), count=1)
    stage.publish(message(stage))
    stage.publish(message(stage, "2"))
    await turns()
    assert stage.bodies(INBOX) == [message(stage, "2")]
    assert [exchange.fault for exchange in stage.context.journal.take()] == ["f0", ""]
    assert stage.bodies("dispatch") == []


async def test_duplicated_message_comes_that_often(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("duplicate", {"times": 3}))
    stage.publish(message(stage))
    await turns()
    assert stage.bodies(INBOX) == [message(stage)] * 3


async def test_corrupted_message_is_no_json(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("corrupt", {}))
    stage.publish(message(stage))
    await turns()
    (body,) = stage.bodies(INBOX)
    assert message(stage).startswith(body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


async def test_expired_message_is_reported_to_its_sender_as_a_dead_letter(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("expire", {}))
    stage.publish(message(stage))
    await turns()
    assert stage.bodies(INBOX) == []
    assert report(stage)["errorCode"] == {"statusCode": 500, "statusString": "DEAD_LETTER_QUEUED"}
    assert INBOX in report(stage)["errorCause"]
    assert report(stage)["referencedDistributionID"] == f"{PLATFORM}_1"


@pytest.mark.parametrize("cause", [None, "rien ne va plus"])
async def test_refused_message_is_reported_with_the_code_and_cause_asked_for(
    stage: Any, dispatcher: Any, cause: str | None
) -> None:
    apply(stage.context, ("refuse", {"code": 409, **({"cause": cause} if cause else {})}))
    stage.publish(message(stage))
    await turns()
    assert stage.bodies(INBOX) == []
    assert report(stage)["errorCode"] == {"statusCode": 409, "statusString": "CONFLICT"}
    assert report(stage)["errorCause"] == (cause or f"Message {PLATFORM}_1 is refused (simulated fault)")
    assert dispatcher.judge.refused == 1


async def test_message_that_was_refused_anyway_is_left_alone(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("drop", {}), count=1)
    stage.publish(b"no message")
    await turns()
    assert report(stage)["errorCode"]["statusCode"] == 102
    assert dispatcher.judge.faults.hits() == {"f0": 0}


async def test_faults_strike_the_messages_of_their_client_and_kind_only(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("drop", {"message": "update", "client": SAMU}), ("drop", {"client": "fr.health.samu999"}))
    stage.publish(message(stage))
    stage.publish(message(stage, "2", "UpdateAppointment"))
    await turns()
    assert stage.bodies(INBOX) == [message(stage)]


async def test_delayed_message_waits_durably_while_others_pass(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("delay", {"ms": 30}), count=1)
    stage.publish(message(stage))
    stage.publish(message(stage, "2"))
    await turns()
    assert stage.bodies(INBOX) == [message(stage, "2")]
    assert stage.vhost.queues["dispatch"].unacked == 1  # a crash now would restore it
    assert await arrives(stage, INBOX, 2) == [message(stage, "2"), message(stage)]
    assert stage.vhost.queues["dispatch"].unacked == 0


async def test_delays_add_up_and_strike_together_with_other_faults(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("delay", {"ms": 5}), ("delay", {"ms": 5}), ("duplicate", {}), ("corrupt", {}))
    stage.publish(message(stage))
    found = await arrives(stage, INBOX, 2)
    assert found[0] != message(stage)


async def test_reordered_message_lets_the_next_one_pass(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("reorder", {"ms": 60_000}), count=1)
    for unique in "123":
        stage.publish(message(stage, unique))
    await turns()
    assert stage.bodies(INBOX) == [message(stage, unique) for unique in "213"]


async def test_reordered_message_that_nobody_overtakes_goes_in_the_end(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("reorder", {"ms": 5}))
    stage.publish(message(stage))
    assert await arrives(stage, INBOX, 1) == [message(stage)]
    await turns()
    assert len(stage.bodies(INBOX)) == 1


async def test_held_message_of_a_stopped_feed_stays_where_it_was(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("delay", {"ms": 1}))
    stage.publish(message(stage))
    await turns(5)
    dispatcher.stop()
    await asyncio.sleep(0.01)
    assert (stage.bodies(INBOX), stage.vhost.queues["dispatch"].unacked) == ([], 1)


async def test_client_is_disconnected_once_the_message_passed(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("disconnect", {"who": SAMU}))
    stage.publish(message(stage))
    await turns()
    assert (stage.bodies(INBOX), stage.cut) == ([message(stage)], [SAMU])


async def test_paused_hub_takes_nothing_until_the_pause_ends(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("pause", {}))
    stage.publish(message(stage))
    await turns()
    assert stage.bodies("dispatch") == [message(stage)]
    apply(stage.context)
    dispatcher.wake()
    await turns()
    assert stage.bodies(INBOX) == [message(stage)]


async def test_dropped_then_expired_message_names_no_queue(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("drop", {}), ("expire", {}))
    stage.publish(message(stage))
    await turns()
    assert report(stage)["errorCode"]["statusCode"] == 500


def add_xml_client(stage: Any, client: str) -> None:
    world = stage.context.world.world
    switches = {**world.switches, format_switch(client): "xml"}
    stage.context.world.apply(replace(world, revision=world.revision + 1, switches=switches))


@pytest.mark.parametrize("kind", ["refuse", "expire"])
async def test_who_speaks_xml_is_told_of_a_fault_in_xml(stage: Any, dispatcher: Any, kind: str) -> None:
    apply(stage.context, (kind, {"code": 703} if kind == "refuse" else {}))
    add_xml_client(stage, PLATFORM)
    stage.publish(message(stage))
    await turns()
    (body,) = stage.bodies(REPORTS)
    found = read(body, XML)
    assert found.error is not None
    assert found.error["referencedDistributionID"] == f"{PLATFORM}_1"


async def test_an_update_in_xml_is_known_as_one(stage: Any, dispatcher: Any) -> None:
    apply(stage.context, ("drop", {"message": "update"}))
    for method in ("CreateAppointment", "UpdateAppointment"):
        body = xml.write(json.loads(message(stage, method, method)))
        raw = props.build(content_type=XML, headers={})
        stage.vhost.publish(Message("hubsante", PLATFORM, raw, body, True), stage.wall)
    await turns()
    assert [json.loads(body)["distributionID"] for body in stage.bodies(INBOX)] == [f"{PLATFORM}_CreateAppointment"]


async def test_a_client_that_was_added_with_xml_receives_xml(stage: Any, dispatcher: Any) -> None:
    add_xml_client(stage, SAMU)
    stage.publish(message(stage))
    await turns()
    (entry,) = stage.vhost.queues[INBOX].ready
    fields = props.read(entry.message.content()[0])
    assert props.text(fields, props.CONTENT_TYPE) == XML
    assert read(entry.message.body, XML).document == json.loads(message(stage))


async def test_the_journal_says_that_a_content_of_another_use_case_was_not_read(stage: Any, dispatcher: Any) -> None:
    document = json.loads(message(stage))
    content = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    content["resourcesInfo"] = content.pop("appointment")
    stage.publish(json.dumps(document).encode())
    await turns()
    (exchange,) = stage.context.journal.take()
    assert (exchange.status, exchange.note) == (0, f"{INBOX}; content of another use case, not read: resourcesInfo")
