"""A broker with the hub's topology and its dispatcher, on a clock that tests set; no socket.

These tests inspect parts of the embedded broker from inside. The behaviour that clients see is also tested on RabbitMQ,
in `tests/wire/hub` and `tests/wire/amqp/observed`.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.message import Message
from sandbox.amqp.encoding import properties as props
from sandbox.config import Settings
from sandbox.faults.hub import HubFaults
from sandbox.hub.counters import DispatchCounters
from sandbox.hub.dispatching.judge import Judge
from sandbox.hub.embedded.queue_dispatcher import QueueDispatcher
from sandbox.hub.topology import add_virtual_host
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import seeded
from tests.support.contexts import make_context

PLATFORM, SAMU, VHOST = "fr.health.test.ptfsas", "fr.health.samu330", "15-15_v2.0"
START = 1_767_600_000.0


class Stage:
    """`wall` is the time; `publish` puts a message into `hubsante` as a client would."""

    def __init__(self, tmp_path: Any) -> None:
        self.wall = START
        population: Any = SimpleNamespace(territories={"SAS-33": SimpleNamespace(samu=SAMU, format="json")})
        self.context = make_context(
            Settings(data_dir=str(tmp_path), spare_clients=()),
            clock=Clock(lambda: self.wall),
            entropy=seeded(1),
            population=population,
        )
        self.directory = tmp_path / "hub"
        self.cut: list[str] = []
        self.counters = DispatchCounters()
        self.broker, self.vhost = self.fresh()

    def fresh(self) -> Any:
        """The broker of the next start."""
        broker = Broker(self.context.entropy.octets)
        return broker, add_virtual_host(broker, VHOST, (PLATFORM, SAMU), 60_000)

    def dispatcher(self) -> QueueDispatcher:
        """The dispatcher, started; `cut` lists the clients whose connections were cut."""
        faults = HubFaults(self.context.entropy.chance)
        self.context.world.watch(faults.update)
        judge = Judge(self.context, faults, VHOST, self.counters)
        return QueueDispatcher(self.context, self.broker, self.vhost, (PLATFORM, SAMU), judge, self.cut.append)

    def publish(self, body: bytes, key: str = PLATFORM, **headers: Any) -> None:
        raw = props.build(content_type="application/json", headers=headers)
        self.vhost.publish(Message("hubsante", key, raw, body, True), self.wall)

    def bodies(self, queue: str) -> list[bytes]:
        return [entry.message.body for entry in self.vhost.queues[queue].ready]


@pytest.fixture
def stage(tmp_path) -> Stage:
    return Stage(tmp_path)
