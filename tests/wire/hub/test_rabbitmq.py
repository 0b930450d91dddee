"""What there is only beside a RabbitMQ: several dispatchers, a broker that cuts the dispatcher off, a topology that is
looked for or declared, and the commands that start on one. What both brokers do alike is in `test_dispatching.py`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from load.ports import free_base
from sandbox.cli import main
from sandbox.hub.app import build as build_hub
from sandbox.hub.rabbitmq import remote
from sandbox.kernel.errors import PeerUnreachable
from sandbox.kernel.hub.clients import HUB_ID, leaving_switch, switch_of
from sandbox.kernel.hub.removal import Removal, reported_removal
from sandbox.kernel.hub.report import HubReport, read
from sandbox.kernel.world import World
from sandbox.pki.authority import Pki
from sandbox.runner.run import play
from tests.support.hub import rabbit
from tests.support.hub.brokers import OTHER, SPARE, TTL_S, VHOST, beside, context, dispatcher, error_of
from tests.support.hub.brokers import connected as client
from tests.support.hub.queues import acknowledgement, exists, publish, receive
from tests.support.sandboxes import command, eventually


async def test_two_dispatchers_side_by_side_lose_nothing_and_route_nothing_twice(data: Path, node: rabbit.Node) -> None:
    count = 2000
    async with (
        dispatcher(data, node.port) as one,
        dispatcher(data, node.port) as other,
        client(data, node, SPARE) as spare,
    ):
        reading = asyncio.create_task(receive(spare, f"{SPARE}.ack", count))
        await publish(spare, SPARE, *(acknowledgement(SPARE, SPARE, str(number)) for number in range(count)))
        ids = [message["distributionID"] for message in await reading]
        assert sorted(ids) == sorted(f"{SPARE}_{number}" for number in range(count))
        shares: list[Any] = [hub.health()["routed"] for hub in (one, other)]
        assert sum(shares) == count
        assert min(shares) > 0


async def test_dispatcher_that_was_away_finds_what_was_sent_meanwhile(data: Path, node: rabbit.Node) -> None:
    async with client(data, node, SPARE) as spare:
        await publish(spare, SPARE, acknowledgement(SPARE, SPARE, "early"))
        async with dispatcher(data, node.port):
            (found,) = await receive(spare, f"{SPARE}.ack", 1)
    assert found["distributionID"] == f"{SPARE}_early"


async def test_a_cut_connection_comes_back_and_nothing_is_lost(data: Path, node: rabbit.Node) -> None:
    async with dispatcher(data, node.port) as hub, client(data, node, SPARE) as spare:
        await asyncio.to_thread(node.control, "close_all_user_connections", "fr.health.hub", "test")
        await publish(spare, SPARE, *(acknowledgement(SPARE, SPARE, f"after-{number}") for number in range(50)))
        found = await receive(spare, f"{SPARE}.ack", 50)
        await eventually(lambda: hub.health()["trouble"] == {})
    assert {message["distributionID"] for message in found} == {f"{SPARE}_after-{number}" for number in range(50)}


async def test_report_that_the_broker_finds_too_large_is_made_without_the_message(
    data: Path, node: rabbit.Node
) -> None:
    """The message was small enough, the error that quotes it is not: it must not come again for ever."""
    await asyncio.to_thread(node.limit, 1800, 2000)
    try:
        async with dispatcher(data, node.port), client(data, node, SPARE) as spare:
            wrong = json.dumps({"distributionID": f"{SPARE}_large", "note": "x" * 1900}).encode()
            await publish(spare, SPARE, wrong, acknowledgement(SPARE, SPARE, "after-it"))
            (error,) = await receive(spare, f"{SPARE}.info", 1)
            await receive(spare, f"{SPARE}.ack", 1)
    finally:
        await asyncio.to_thread(node.limit, 1800, 134_217_728)
    assert error_of(error)["errorCode"] == {"statusCode": 700, "statusString": "INTERNAL_CLIENT_ERROR"}
    assert "sourceMessage" not in error_of(error)


async def test_depths_counts_and_times_are_told(data: Path, node: rabbit.Node) -> None:
    async with dispatcher(data, node.port) as hub, client(data, node, SPARE) as spare:
        await publish(spare, SPARE, b"no json", acknowledgement(SPARE, SPARE, "waits"))

        def reported() -> HubReport:
            report = read(hub.health())
            assert report is not None
            return report

        def depths() -> dict[str, int]:
            return {queue.name: queue.ready for queue in reported().queues if queue.vhost == VHOST}

        waiting = {f"{SPARE}.info": 1, f"{SPARE}.ack": 1}
        await eventually(lambda: {**depths(), **waiting} == depths())
        report = reported()
        assert (report.counts.messages, sum(report.counts.buckets)) == (2, 2)
        assert [(each.reason, each.sender, each.vhost) for each in report.counts.errors] == [
            ("UNRECOGNIZED_MESSAGE_FORMAT", SPARE, VHOST)
        ]
        assert (report.connections, report.queues[-1].unacked) == (None, None)
        for queue in waiting:
            await receive(spare, queue, 1)


async def test_what_is_missing_is_declared_or_said(data: Path, node: rabbit.Node) -> None:
    queue = f"{OTHER}.message"
    await asyncio.to_thread(node.control, "delete_queue", "--vhost", VHOST, queue)
    with pytest.raises(PeerUnreachable, match=f"no queue '{queue}'.*--hub-topology=declare"):
        async with dispatcher(data, node.port, hub_topology="assume"):
            raise AssertionError("it must not start")
    async with dispatcher(data, node.port):
        listed = await asyncio.to_thread(node.control, "list_queues", "--vhost", VHOST, "name", "arguments")
        assert any(line.startswith(queue) and "x-message-ttl" in line for line in listed.splitlines())
    async with dispatcher(data, node.port, hub_topology="assume"):
        pass


async def test_queues_of_a_client_that_is_added_are_declared(data: Path, node: rabbit.Node) -> None:
    surroundings = context(data, node.port, message_ttl_s=TTL_S)
    hub = build_hub(surroundings)
    await hub.start()
    try:
        surroundings.world.apply(World(revision=1, switches={switch_of("fr.health.samu750"): ""}))

        async def declared() -> bool:
            listed = await asyncio.to_thread(node.control, "list_queues", "--vhost", VHOST, "name")
            return "fr.health.samu750.info" in listed

        await eventually(declared)
    finally:
        await hub.stop()


def test_the_main_job_is_played_over_rabbitmq(
    data: Path, node: rabbit.Node, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--preset", "minimal", "--hub-broker", f"amqps://127.0.0.1:{node.port}")
    with command(data, *flags, base=free_base()):
        document = json.loads((data / "endpoints.json").read_text("utf-8"))
        assert document["hub"]["broker"] == "rabbitmq"
        assert document["hub"]["amqp"] == f"amqps://127.0.0.1:{node.port}/{VHOST}"
        code = play("nominal", data / "endpoints.json", start=None, out=_Discard())
    assert code == 0


def test_the_main_job_is_played_over_rabbitmq_without_tls(tmp_path: Path) -> None:
    if why := rabbit.missing():
        pytest.skip(why)
    data, file = tmp_path / "data", tmp_path / "definitions.json"
    common = ["--preset", "minimal", "--no-mtls"]
    assert main(["hub", "definitions", "--data-dir", str(data), "--out", str(file), *common]) == 0
    broker = rabbit.start(tmp_path / "rabbit", None, json.loads(file.read_bytes()))
    try:
        with command(data, *common, "--hub-broker", f"amqp://127.0.0.1:{broker.port}", base=free_base()):
            assert play("nominal", data / "endpoints.json", start=None, out=_Discard()) == 0
    finally:
        broker.stop()


class _Discard:
    write: Callable[[str], int] = len

    def flush(self) -> None:
        pass


def test_broker_that_is_not_there_ends_the_start_in_one_line(data: Path, pki: Pki) -> None:
    with command(data, "--preset", "minimal", "--hub-broker", "amqps://127.0.0.1:9", ready=False) as running:
        assert running.process is not None
        _, error = running.process.communicate(timeout=20)
        assert running.process.returncode == 1
    assert error.strip().splitlines()[-1].startswith("sas-sandbox: RabbitMQ: 127.0.0.1:9:")
    assert "Traceback" not in error


async def test_queues_that_are_somebody_elses_stay_when_their_client_is_taken_away(
    data: Path, node: rabbit.Node
) -> None:
    async with beside(data, node.port, hub_topology="assume") as place:
        place.change(switches={leaving_switch(OTHER): "w"})
        removal = reported_removal(place.hub.health(), OTHER, "w")
        assert removal == Removal("w", kept=True)
        assert await exists(data, place, f"{OTHER}.info")


async def test_client_is_taken_away_once_a_broker_that_was_away_is_back(
    data: Path, node: rabbit.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_LOOK_S", 0.05)
    async with beside(data, node.port, node) as place:
        place.change(switches={switch_of("fr.health.short"): ""})

        async def there() -> bool:
            return await exists(data, place, "fr.health.short.info")

        await eventually(there)
        await place.cut(HUB_ID)
        place.change(switches={leaving_switch("fr.health.short"): "w"})
        assert reported_removal(place.hub.health(), "fr.health.short", "w") is None
        removal = await eventually(lambda: reported_removal(place.hub.health(), "fr.health.short", "w"))
        assert {lost.vhost for lost in removal.queues} == {VHOST, "/"}
        assert not await exists(data, place, "fr.health.short.info")
        place.change(switches={})
        assert "removed" not in place.hub.health()
