"""Days of traffic by the clock alone: expiry to the minute, heartbeats, and nothing left unaccounted for."""

from __future__ import annotations

from collections import Counter

from pamqp import body, commands
from pamqp.heartbeat import Heartbeat

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.message import Message
from sandbox.amqp.encoding import properties as props
from sandbox.amqp.session.states import ConnectionState
from sandbox.hub.topology import add_virtual_host
from tests.unit.amqp.conftest import SAMU, VHOST, Wire

Basic = commands.Basic
DAY, MINUTE = 86_400, 60
HEARTBEAT = 60
START = 1_000_000.0
SHIFT = range(8, 20)  # the hours at which the consumer is there


class Day:
    """A hub, a consumer that comes for its shift, and one message a minute."""

    def __init__(self) -> None:
        self.broker = Broker(lambda size: b"\x07" * size)
        self.vhost = add_virtual_host(self.broker, VHOST, (SAMU,), DAY * 1000)
        self.queue = self.vhost.queues[f"{SAMU}.message"]
        self.wire: Wire | None = None
        self.beats = 0
        self.seen: Counter[int] = Counter()
        self.late: list[float] = []

    def run(self, hours: int) -> None:
        for minute in range(hours * 60):
            now = START + minute * MINUTE
            self.broker.tick(now)
            self._come_or_go(minute // 60 % 24 in SHIFT, now)
            message = Message("distribution", self.queue.name, b"\0\0", b"%d" % minute, True)
            self.vhost.publish(message, now)
            self._work(now)
            batch, _ = self.broker.records.take()
            self.broker.records.settled(batch, safe=True)

    def _come_or_go(self, on_shift: bool, now: float) -> None:
        if on_shift and self.wire is None:
            self.wire = Wire(self.broker, SAMU)
            self.wire.now = now
            self.wire.open(heartbeat=HEARTBEAT).channel()
            self.wire.send(Basic.Qos(0, 10, False)).send(Basic.Consume(0, self.queue.name, "t"))
        elif not on_shift and self.wire is not None:
            self.wire.session.beat(3 * HEARTBEAT, 0)  # it fell silent: cut
            assert self.wire.session.state is ConnectionState.ENDED
            self.wire = None

    def _work(self, now: float) -> None:
        """What was delivered is acknowledged, then more comes; a heartbeat when there is nothing to say."""
        if self.wire is None:
            return
        self.wire.now = now
        self.wire.session.beat(1, HEARTBEAT / 2)
        while frames := self.wire.read():
            self.beats += sum(isinstance(value, Heartbeat) for value in frames)
            bodies = [int(value.value) for value in frames if isinstance(value, body.ContentBody)]
            self.seen.update(bodies)
            self.late += [now - (START + minute * MINUTE) for minute in bodies]
            if bodies:
                self.wire.send(Basic.Ack(0, True))


def test_with_a_consumer_by_day_every_message_arrives_once() -> None:
    day = Day()
    day.run(34)  # the second shift is two hours old
    assert sorted(day.seen) == list(range(34 * 60))
    assert set(day.seen.values()) == {1}
    assert max(day.late) == 12 * 3600  # those of the first minute after eight in the evening
    assert day.beats == 14 * 60
    assert (list(day.queue.ready), day.queue.unacked, day.broker.records.alive) == ([], 0, {})


def test_without_a_consumer_messages_die_after_a_day_each_in_its_minute(monkeypatch) -> None:
    monkeypatch.setattr("tests.unit.amqp.test_a_day.SHIFT", range(0))
    day = Day()
    day.run(26)
    dead = [entry.message for entry in day.vhost.queues["dispatch.dlq"].ready]
    assert [int(message.body) for message in dead] == list(range(2 * 60))
    deaths = [props.headers(props.split(message.properties))["x-death"][0] for message in dead]
    assert [death["time"].timestamp() for death in deaths] == [START + DAY + minute * MINUTE for minute in range(120)]
    assert {death["reason"] for death in deaths} == {"expired"}
    assert [int(entry.message.body) for entry in day.queue.ready] == list(range(120, 26 * 60))
    assert len(day.broker.records.alive) == 26 * 60
