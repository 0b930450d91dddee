"""The dispatcher's counters and the hub's report."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec

from sandbox.amqp.broker.queue import Consumer
from sandbox.amqp.session.states import ConnectionState as State
from sandbox.edxl.provocations import BY_NAME
from sandbox.edxl.trials import Correspondents
from sandbox.hub import monitor as monitor_module
from sandbox.hub.counters import DispatchCounters
from sandbox.hub.monitor import Monitor
from sandbox.hub.topology import add_client
from sandbox.kernel.hub.counts import STEP_S, STEPS, ErrorCount
from sandbox.kernel.hub.report import KEY, MOST_CONNECTIONS, HubReport, QueueState, read

PLATFORM, SAMU, VHOST = "fr.health.test.ptfsas", "fr.health.samu330", "15-15_v2.0"


def test_messages_errors_and_times_add_up() -> None:
    counters = DispatchCounters(lambda: 0.0)
    for outcome in ("routed", "refused", "refused", "dead"):
        counters.count(outcome)
    counters.count_error("INVALID_MESSAGE", PLATFORM, VHOST)
    counters.count_error("INVALID_MESSAGE", PLATFORM, VHOST)
    for seconds in (0.0005, 0.0006, 3.0, 60.0):
        counters.count_time(seconds)
    counts = counters.counts()
    assert counts.messages == 4
    assert counts.errors == (ErrorCount("INVALID_MESSAGE", PLATFORM, VHOST, 2),)
    assert (counts.buckets[0], counts.buckets[1], counts.buckets[12], counts.buckets[14]) == (1, 1, 1, 1)
    assert abs(counts.seconds - 63.0011) < 1e-9


def test_rates_are_told_for_the_last_minutes() -> None:
    now = 1000.0
    counters = DispatchCounters(lambda: now)
    counters.count("routed")
    now += STEP_S
    counters.count("routed")
    counters.count("refused")
    counters.take_back("routed")
    rates = counters.counts().rates
    assert rates["routed"][-2:] == (1, 0)
    assert rates["refused"][-2:] == (0, 1)
    assert {len(steps) for steps in rates.values()} == {STEPS}
    now += STEPS * STEP_S
    assert not any(counters.counts().rates["refused"])


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_refusals_are_counted_by_reason_sender_and_virtual_host(stage) -> None:
    dispatcher = stage.dispatcher()
    dispatcher.start()
    stage.publish(b"no json")
    stage.publish(b"no json", key="fr.health.stranger-1")
    stage.publish(b"no json", key="fr.health.stranger-2")
    await turns()
    counts = stage.counters.counts()
    reason = "UNRECOGNIZED_MESSAGE_FORMAT"
    assert counts.errors == (ErrorCount(reason, PLATFORM, VHOST, 1), ErrorCount(reason, "unknown", VHOST, 2))
    assert (counts.messages, sum(counts.buckets)) == (3, 3)
    exchange = stage.context.journal.take()[0]
    assert (exchange.status, exchange.about) == (102, "")


async def test_a_message_tells_what_it_is_about(stage) -> None:
    stage.dispatcher().start()
    between = Correspondents(PLATFORM, SAMU, stage.context.clock.now(), stage.context.entropy.uuid)
    shot = BY_NAME["unread"].make(between)
    stage.publish(shot.body)
    await turns()
    (exchange,) = stage.context.journal.take()
    assert (exchange.ref, exchange.note) == (shot.referenced, f"{SAMU}.message")
    assert exchange.about.encode() in shot.body


class Watched:
    """A monitor of the stage's broker, with its clock; each report is made anew."""

    def __init__(self, stage: Any, monkeypatch: Any) -> None:
        self.stage, self.elapsed = stage, 0.0
        monkeypatch.setattr(monitor_module.time, "monotonic", lambda: self.elapsed)
        self.monitor = Monitor(stage.counters, lambda: stage.wall)
        self.server: Any = SimpleNamespace(connections=set())

    def look(self, after: float = 1.0) -> HubReport:
        self.elapsed += after
        self.stage.wall += after
        return msgspec.convert(self.monitor.report(self.stage.broker, self.server, {}, ""), HubReport)

    def queue(self, name: str) -> QueueState:
        return next(queue for queue in self.look(0.0 if not self.elapsed else 1.0).queues if queue.name == name)


async def test_the_age_of_what_waits_is_known_by_its_expiry_or_by_the_looks_before(stage, monkeypatch) -> None:
    watched = Watched(stage, monkeypatch)
    watched.elapsed = 1.0
    begun = stage.wall
    stage.publish(b"waits in dispatch")
    assert watched.queue("dispatch").oldest == begun + 1
    stage.publish(b"and another")
    assert (watched.queue("dispatch").ready, watched.queue("dispatch").oldest) == (2, begun + 1)
    first = stage.vhost.queues["dispatch"].take(stage.wall)
    assert watched.queue("dispatch").oldest == begun + 2
    stage.vhost.queues["dispatch"].settle(first)
    stage.vhost.queues["dispatch"].settle(stage.vhost.queues["dispatch"].take(stage.wall))
    assert all(queue.name != "dispatch" for queue in watched.look().queues)
    dispatcher = stage.dispatcher()
    dispatcher.start()
    stage.publish(b"no json")
    await turns()
    born = stage.wall
    assert watched.queue(f"{PLATFORM}.info").oldest == born


async def test_a_report_is_at_most_a_second_old_and_bounded(stage, monkeypatch) -> None:
    watched = Watched(stage, monkeypatch)
    watched.look()
    stage.publish(b"x")
    assert watched.look(0.5).queues == ()
    assert len(watched.look(0.6).queues) == 1
    for number in range(80):
        add_client(stage.vhost, f"fr.health.many{number}", 60_000)
    for queue in stage.vhost.queues.values():
        queue.consumers.add(Consumer("c", queue, SimpleNamespace(), limit=0, no_ack=False, exclusive=False))
    report = watched.look()
    assert (len(report.queues), report.unseen_queues) == (200, len(stage.vhost.queues) - 200)
    assert report.queues[0].name == "dispatch"


def connection(user: str, state: State = State.RUNNING, **said: Any) -> Any:
    channel = SimpleNamespace(deliveries=SimpleNamespace(consumers={"a": 1, "b": 2}))
    session = SimpleNamespace(
        user=user, state=state, vhost=SimpleNamespace(name=VHOST), client_properties=said, channels={1: channel}
    )
    transport = SimpleNamespace(get_extra_info=lambda name: ("127.0.0.1", 5000) if user == SAMU else None)
    return _Hashable(session=session, transport=transport)


class _Hashable(SimpleNamespace):
    __hash__ = object.__hash__


async def test_connections_tell_who_they_are_and_since_when(stage, monkeypatch) -> None:
    watched = Watched(stage, monkeypatch)
    watched.server.connections = {
        connection(SAMU, product="pika", version=b"1.4", connection_name="lrm"),
        connection(PLATFORM, product={"odd": 1}),
        connection("", State.OPEN),
    }
    first = watched.look()
    assert first.connections is not None
    odd, samu = sorted(first.connections, key=lambda each: each.client, reverse=True)
    assert (samu.client, samu.product, samu.version, samu.name) == (SAMU, "pika", "1.4", "lrm")
    assert (samu.address, samu.consumers, samu.vhost, odd.address) == ("127.0.0.1:5000", 2, VHOST, "")
    assert odd.product == "{'odd': 1}"
    again = watched.look(10)
    assert again.connections is not None
    assert [each.since for each in again.connections] == [each.since for each in first.connections]
    watched.server.connections = {connection(SAMU) for _ in range(MOST_CONNECTIONS + 5)}
    assert watched.look().unseen_connections == 5


def test_a_hub_that_is_down_still_tells_its_counts(stage, monkeypatch) -> None:
    monitor = Monitor(DispatchCounters(), lambda: 0.0)
    report = read({KEY: monitor.report(None, None, {"a": 1}, "closed")})
    assert report is not None
    assert (report.trouble, report.hits, report.queues) == ("closed", {"a": 1}, ())
    assert read({}) is None
