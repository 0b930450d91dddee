"""Valid methods in any order, on several connections: every message is in one place, and all counts stay right."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import body, commands, header

from sandbox.amqp.broker.message import Message
from sandbox.amqp.broker.queue import Queue
from sandbox.amqp.encoding.replies import REPLY_TO
from sandbox.amqp.session.states import ConnectionState
from sandbox.hub.topology import add_client

Basic, Channel = commands.Basic, commands.Channel
ME, LRM = "fr.health.test.ptfsas", "fr.health.samu330"
TTL_MS = 60_000
MINE = (f"{ME}.message", f"{ME}.ack")
THOROUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

tags, flags, queues = st.integers(0, 12), st.booleans(), st.sampled_from(MINE)
names = st.sampled_from(["a", "b", ""])
methods = st.one_of(
    st.builds(Channel.Open),
    st.builds(Channel.Close, st.just(200), st.just(""), st.just(0), st.just(0)),
    st.just(Channel.CloseOk()),
    st.builds(Channel.Flow, st.just(True)),
    st.builds(commands.Confirm.Select, flags),
    st.builds(commands.Queue.Declare, st.just(0), queues, st.just(True), nowait=flags),
    st.builds(commands.Queue.Purge, st.just(0), queues, flags),
    st.builds(Basic.Qos, st.just(0), st.integers(0, 3), flags),
    st.builds(Basic.Consume, st.just(0), queues, names, no_ack=flags, exclusive=flags, nowait=flags),
    st.builds(Basic.Consume, st.just(0), queues, names, arguments=st.just({"x-priority": 3})),
    st.builds(Basic.Consume, st.just(0), st.just(REPLY_TO), names, no_ack=flags, nowait=flags),
    st.just(commands.Queue.Declare(0, REPLY_TO)),
    st.builds(Basic.Cancel, names, flags),
    st.builds(Basic.Get, st.just(0), queues, flags),
    st.builds(Basic.Ack, tags, flags),
    st.builds(Basic.Nack, tags, flags, flags),
    st.builds(Basic.Reject, tags, flags),
    st.just(Basic.Recover(True)),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 1), st.integers(1, 2), methods),
        st.tuples(st.just("say"), st.integers(0, 1), st.integers(1, 2), methods),
        st.tuples(st.just("publish"), st.integers(0, 1), st.integers(1, 2), st.binary(max_size=8)),
        st.tuples(st.just("begin"), st.integers(0, 1), st.integers(1, 2), st.integers(1, 9)),
        st.tuples(st.just("wait"), st.floats(0, 1000)),
        st.tuples(st.just("ask"), st.integers(0, 1), st.integers(1, 2)),
        st.tuples(st.just("delete"), queues),
        st.tuples(st.just("arrive"), queues, st.sampled_from([None, 0, 500]), st.binary(max_size=8)),
        st.tuples(st.just("pass"), st.floats(0, 40)),
        st.tuples(st.just("pause"), st.integers(0, 1), flags),
        st.tuples(st.just("settle"), flags),
        st.tuples(st.just("lose"), st.integers(0, 1)),
    ),
    max_size=40,
)


class Scene:
    """Two connections of one client, their broker, and what should be where."""

    def __init__(self, broker: Any, connect: Any) -> None:
        self.broker, self.connect = broker, connect
        numbers = count()
        broker.octets = lambda size: next(numbers).to_bytes(size, "big")  # no two names that it makes are the same
        self.wires = [connect(ME).channel(2), connect(ME).channel(2)]
        self.vhost = broker.vhosts["15-15_v2.0"]
        self.now = self.wires[0].now
        self.moment = 0.0
        broker.elapsed = lambda: self.moment
        self.gone: list[Queue] = []  # what was deleted: it may still have messages out

    def do(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])

    def wire(self, index: int) -> Any:
        """A running connection: one that ended is replaced."""
        if self.wires[index].session.state is not ConnectionState.RUNNING:
            self.lose(index)
        self.wires[index].now = self.now
        return self.wires[index]

    def say(self, index: int, channel: int, method: Any) -> None:
        self.wire(index).send(method, channel)

    def publish(self, index: int, channel: int, octets: bytes) -> None:
        self.wire(index).publish(octets, channel=channel)

    def ask(self, index: int, channel: int) -> None:
        self.wire(index).publish(b"?", channel=channel, reply_to=REPLY_TO)

    def begin(self, index: int, channel: int, octets: int) -> None:
        """A publication whose last octet may be missing."""
        wire = self.wire(index)
        wire.send(Basic.Publish(0, "hubsante", ME), channel)
        wire.send(header.ContentHeader(0, 9, Basic.Properties()), channel)
        wire.send(body.ContentBody(b"x" * octets), channel)

    def wait(self, seconds: float) -> None:
        """Acknowledgements may be overdue."""
        self.moment += seconds
        for wire in self.wires:
            wire.session.expire(self.now)

    def delete(self, queue: str) -> None:
        """It goes, and another takes its place at once."""
        self.gone.append(self.vhost.queues[queue])
        self.vhost.delete(queue)
        add_client(self.vhost, ME, TTL_MS)

    def arrive(self, queue: str, expiration: int | None, octets: bytes) -> None:
        message = Message("distribution", queue, b"\0\0", octets, True, expiration)
        assert self.vhost.publish(message, self.now) == (1, 0)

    def settle(self, safe: bool) -> None:
        batch, _ = self.broker.records.take()
        self.broker.records.settled(batch, safe=safe)

    def pause(self, index: int, on: bool) -> None:
        wire = self.wire(index)
        if on:
            wire.session.pause()
        else:
            wire.session.resume()
            wire.session.refill(self.now)

    def lose(self, index: int) -> None:
        self.wires[index].read()
        self.wires[index].session.lost(self.now)
        self.wires[index] = self.connect(ME).channel(2)

    def __getattr__(self, name: str) -> Any:
        if name == "pass":
            return self._pass_time
        raise AttributeError(name)

    def _pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.broker.tick(self.now)

    def check(self) -> None:
        """Each message is in one place, each place is counted."""
        everything = [*self.vhost.queues.values(), *self.gone]
        held = dict.fromkeys(everything, 0)
        for wire in self.wires:
            for channel in wire.session.channels.values():
                for _, queue, *_ in channel.deliveries.unacked.values():
                    held[queue] += 1
        channels = [channel for wire in self.wires for channel in wire.session.channels.values()]
        assert self.broker.unfinished.octets == sum(len(channel._begun) for channel in channels)
        running = [wire for wire in self.wires if wire.session.state is ConnectionState.RUNNING]
        assert self.broker.present.total() == len(running)
        assert self.broker.channels.total() == len(channels)
        replies = {channel.replies.address for channel in channels if channel.replies is not None}
        assert self.broker.reply_addresses == replies
        assert not any(queue.ready or queue.consumers for queue in self.gone)
        assert {queue: queue.unacked for queue in everything} == held
        for queue in everything:
            positions = [entry.position for entry in queue.ready]
            assert positions == sorted(set(positions))
            assert queue._octets == sum(entry.message.size for entry in queue.ready)
            assert len({consumer.exclusive for consumer in queue.consumers}) <= 1


@THOROUGH
@given(steps)
def test_valid_methods_in_any_order(broker: Any, connect: Any, script: list[tuple[Any, ...]]) -> None:
    scene = Scene(broker, connect)
    for step in script:
        scene.do(step)
        scene.check()
    for wire in scene.wires:
        wire.read()
        wire.session.lost(scene.now)
    everything = [*scene.vhost.queues.values(), *scene.gone]
    assert all((queue.unacked, len(queue.consumers)) == (0, 0) for queue in everything)
    assert (broker.unfinished.octets, broker.present, broker.channels) == (0, {}, {})
    assert scene.broker.load.octets == sum(entry.message.size for queue in everything for entry in queue.ready)
    alive = {entry.position for queue in everything for entry in queue.ready if entry.journalled}
    others = [queue for vhost in broker.vhosts.values() for queue in vhost.queues.values()]
    assert alive == set(broker.records.alive), [queue.name for queue in others if queue.ready]
