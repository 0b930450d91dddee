"""What the dispatcher does with messages, and what the hub's faults do to them, as clients see it on both brokers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aio_pika.abc import AbstractConnection

from sandbox.kernel.hub.clients import leaving_switch, switch_of
from sandbox.kernel.hub.removal import lost_messages, reported_removal
from sandbox.kernel.hub.report import read
from sandbox.kernel.world import Fault
from tests.support.hub.brokers import BROKERS, OTHER, SPARE, VHOST, Place, connected, error_of
from tests.support.hub.queues import acknowledgement, depth, exists, publish, receive, taken
from tests.support.sandboxes import eventually
from tests.wire.hub.conftest import Opened

Hub = tuple[Place, AbstractConnection]


@pytest_asyncio.fixture(params=BROKERS)
async def hub(hub_on: Opened, data: Path, request: pytest.FixtureRequest) -> AsyncIterator[Hub]:
    """A hub at work, and a client that is the sender and the recipient of everything."""
    async with hub_on(request.param) as place, connected(data, place, SPARE) as spare:
        yield place, spare


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [message["distributionID"].rpartition("_")[2] for message in found]


def to_self(*uniques: str) -> list[bytes]:
    return [acknowledgement(SPARE, SPARE, unique) for unique in uniques]


def disturb(place: Place, kind: str, count: int | None = 1, **params: Any) -> None:
    place.change(faults=(Fault(id="f", kind=kind, target="hub", count=count, params=params),))


async def test_order_of_what_was_published_is_kept(hub: Hub) -> None:
    _, spare = hub
    uniques = [str(number) for number in range(300)]
    await publish(spare, SPARE, *to_self(*uniques))
    assert ids(await receive(spare, f"{SPARE}.ack", 300)) == uniques


async def test_recipient_without_a_queue_is_reported_to_the_sender(hub: Hub) -> None:
    place, spare = hub
    await publish(spare, SPARE, acknowledgement(SPARE, "fr.health.samu000", "lost"))
    (report,) = await receive(spare, f"{SPARE}.info", 1)
    assert (place.hub.health()["routed"], place.hub.health()["refused"]) == (0, 1)
    assert error_of(report)["errorCode"] == {"statusCode": 501, "statusString": "UNROUTABLE_MESSAGE"}
    assert error_of(report)["referencedDistributionID"] == f"{SPARE}_lost"


async def test_message_that_nobody_reads_is_buried_and_reported(hub: Hub) -> None:
    _, spare = hub
    await publish(spare, SPARE, acknowledgement(SPARE, OTHER, "unread", lives=3))
    (report,) = await receive(spare, f"{SPARE}.info", 1)
    assert error_of(report)["errorCode"]["statusCode"] == 500
    assert f"{OTHER}.ack" in error_of(report)["errorCause"]


async def test_message_that_its_recipient_refuses_is_reported(hub: Hub) -> None:
    _, spare = hub
    await publish(spare, SPARE, *to_self("refused"))
    await (await taken(spare, f"{SPARE}.ack")).reject(requeue=False)
    (report,) = await receive(spare, f"{SPARE}.info", 1)
    assert error_of(report)["errorCode"] == {"statusCode": 500, "statusString": "DEAD_LETTER_QUEUED"}
    assert error_of(report)["referencedDistributionID"] == f"{SPARE}_refused"


async def test_what_is_counted_is_what_happened(hub: Hub) -> None:
    place, spare = hub
    await publish(spare, SPARE, b"no json", *to_self("fine"))
    await receive(spare, f"{SPARE}.ack", 1)
    await receive(spare, f"{SPARE}.info", 1)

    def counts() -> Any:
        report = read(place.hub.health())
        return report.counts if report is not None and report.counts.messages == 2 else None

    found = await eventually(counts)
    assert [(each.reason, each.sender, each.vhost, each.count) for each in found.errors] == [
        ("UNRECOGNIZED_MESSAGE_FORMAT", SPARE, VHOST, 1)
    ]
    assert sum(found.buckets) == 2


@pytest.mark.parametrize("broker", BROKERS)
async def test_the_oldest_of_too_many_dies_and_is_reported(hub_on: Opened, data: Path, broker: str) -> None:
    client = "fr.health.limited"
    async with hub_on(broker, queue_limit=2) as place, connected(data, place, SPARE) as spare:
        place.change(switches={switch_of(client): ""})

        async def there() -> bool:
            return await exists(data, place, f"{client}.ack")

        await eventually(there)
        for unique in ("1", "2", "3"):
            await publish(spare, SPARE, acknowledgement(SPARE, client, unique))
        (report,) = await receive(spare, f"{SPARE}.info", 1)
        assert await depth(data, place, f"{client}.ack") == 2
        place.change(switches={leaving_switch(client): "w"})
        removal = await eventually(lambda: reported_removal(place.hub.health(), client, "w"))
    assert error_of(report)["errorCode"] == {"statusCode": 500, "statusString": "DEAD_LETTER_QUEUED"}
    assert error_of(report)["referencedDistributionID"] == f"{SPARE}_1"
    assert error_of(report)["errorCause"].endswith(f"from queue '{client}.ack' (maxlen)")
    assert lost_messages(removal.queues) == 2


# ---- the hub's faults


async def test_dropped_message_reaches_nobody(hub: Hub) -> None:
    place, spare = hub
    disturb(place, "drop")
    await publish(spare, SPARE, *to_self("1"))
    await publish(spare, SPARE, *to_self("2"))
    assert ids(await receive(spare, f"{SPARE}.ack", 1)) == ["2"]


async def test_duplicated_message_comes_that_often(hub: Hub) -> None:
    place, spare = hub
    disturb(place, "duplicate", times=3)
    await publish(spare, SPARE, *to_self("1"))
    await publish(spare, SPARE, *to_self("2"))
    assert sorted(ids(await receive(spare, f"{SPARE}.ack", 4))) == ["1", "1", "1", "2"]


async def test_corrupted_message_is_no_json(hub: Hub) -> None:
    place, spare = hub
    disturb(place, "corrupt")
    await publish(spare, SPARE, *to_self("1"))
    message = await taken(spare, f"{SPARE}.ack")
    await message.ack()
    with pytest.raises(json.JSONDecodeError):
        json.loads(message.body)


@pytest.mark.parametrize(
    ("kind", "params", "code"), [("expire", {}, 500), ("refuse", {"code": 409}, 409), ("refuse", {"code": 704}, 704)]
)
async def test_message_that_a_fault_refuses_is_reported_with_its_code(
    hub: Hub, kind: str, params: dict[str, Any], code: int
) -> None:
    place, spare = hub
    disturb(place, kind, **params)
    await publish(spare, SPARE, *to_self("1"))
    (report,) = await receive(spare, f"{SPARE}.info", 1)
    assert error_of(report)["errorCode"]["statusCode"] == code
    assert error_of(report)["referencedDistributionID"] == f"{SPARE}_1"


@pytest.mark.parametrize(("kind", "params"), [("delay", {"ms": 300}), ("reorder", {"ms": 60_000})])
async def test_message_that_a_fault_holds_is_overtaken_by_the_next(hub: Hub, kind: str, params: dict[str, Any]) -> None:
    place, spare = hub
    disturb(place, kind, **params)
    await publish(spare, SPARE, *to_self("1"))
    await publish(spare, SPARE, *to_self("2"))
    assert ids(await receive(spare, f"{SPARE}.ack", 2)) == ["2", "1"]


async def test_fault_strikes_its_client_and_kind_only(hub: Hub) -> None:
    place, spare = hub
    disturb(place, "drop", None, client=OTHER)
    await publish(spare, SPARE, *to_self("1"))
    assert ids(await receive(spare, f"{SPARE}.ack", 1)) == ["1"]
    disturb(place, "drop", None, message="create")
    await publish(spare, SPARE, *to_self("2"))
    assert ids(await receive(spare, f"{SPARE}.ack", 1)) == ["2"]


async def test_paused_hub_distributes_what_waited_once_the_pause_ends(hub: Hub) -> None:
    place, spare = hub
    disturb(place, "pause", None)
    await publish(spare, SPARE, *to_self("1", "2"))
    assert place.hub.health()["routed"] == 0
    place.change(faults=())
    assert ids(await receive(spare, f"{SPARE}.ack", 2)) == ["1", "2"]
