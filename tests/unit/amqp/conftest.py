"""A client made of octets: it speaks to a session through pamqp's own codec, without a loop or a socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from pamqp import body, commands, frame, header

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.permissions import External
from sandbox.amqp.session.receiver import Receiver
from sandbox.amqp.session.session import Session
from sandbox.hub.clients import Clients
from sandbox.hub.topology import add_virtual_host

VHOST = "15-15_v2.0"
SAMU, PLATFORM = "fr.health.samu330", "fr.health.test.ptfsas"
CLIENTS = (SAMU, PLATFORM)
TTL_MS = 60_000
CAPABLE = {"capabilities": {"authentication_failure_close": True}}


class Wire:
    """One client connection. `now` is the broker's clock."""

    def __init__(self, broker: Broker, user: str) -> None:
        self.session = Session(broker, External(user, Clients(CLIENTS, (VHOST, "/")).rights))
        self.receiver = Receiver(self.session)
        self.now = 1_000_000.0
        self._rest = b""
        self._frames: deque[tuple[int, Any]] = deque()

    def raw(self, data: bytes) -> Wire:
        self.receiver.receive(data, self.now)
        return self

    def send(self, value: Any, channel: int = 1) -> Wire:
        return self.raw(frame.marshal(value, channel))

    def frames(self) -> list[tuple[int, Any]]:
        """Everything that the broker has said since the last look, as (channel, frame)."""
        data = self.session.take_output()
        found = []
        while data:
            used, channel, value = frame.unmarshal(data)
            found.append((channel, value))
            data = data[used:]
        return found

    def read(self) -> list[Any]:
        return [value for _, value in self.frames()]

    def one(self, kind: type) -> Any:
        """The only frame that the broker said."""
        values = self.read()
        assert [type(value) for value in values] == [kind], [value.name for value in values]
        return values[0]

    def call(self, value: Any, kind: type, channel: int = 1) -> Any:
        self.send(value, channel)
        return self.one(kind)

    def greet(self, properties: dict[str, Any] | None = None, response: str = "") -> Wire:
        self.raw(b"AMQP\x00\x00\x09\x01")
        self.one(commands.Connection.Start)
        return self.send(
            commands.Connection.StartOk(CAPABLE if properties is None else properties, "EXTERNAL", response, "en_US"),
            0,
        )

    def open(self, vhost: str = VHOST, frame_max: int = 131_072, channel_max: int = 2047, heartbeat: int = 60) -> Wire:
        self.greet()
        self.one(commands.Connection.Tune)
        self.send(commands.Connection.TuneOk(channel_max, frame_max, heartbeat), 0)
        self.call(commands.Connection.Open(vhost), commands.Connection.OpenOk, 0)
        return self

    def channel(self, number: int = 1) -> Wire:
        self.call(commands.Channel.Open(), commands.Channel.OpenOk, number)
        return self

    def publish(
        self,
        payload: bytes = b"{}",
        *,
        exchange: str = "hubsante",
        key: str = PLATFORM,
        channel: int = 1,
        mandatory: bool = False,
        immediate: bool = False,
        split: int = 0,
        **properties: Any,
    ) -> Wire:
        properties = {"content_type": "application/json", "delivery_mode": 2, **properties}
        self.send(commands.Basic.Publish(0, exchange, key, mandatory, immediate), channel)
        self.send(header.ContentHeader(0, len(payload), commands.Basic.Properties(**properties)), channel)
        step = split or max(len(payload), 1)
        for at in range(0, len(payload), step):
            self.send(body.ContentBody(payload[at : at + step]), channel)
        return self


@pytest.fixture
def broker() -> Broker:
    made = Broker(lambda size: b"\x07" * size)
    for vhost in (VHOST, "/"):
        add_virtual_host(made, vhost, CLIENTS, TTL_MS)
    return made


@pytest.fixture
def stranger(broker: Broker) -> Callable[..., Wire]:
    """A connection on which nothing was said yet."""
    return lambda user=PLATFORM: Wire(broker, user)


@pytest.fixture
def connect(broker: Broker) -> Callable[..., Wire]:
    """A connection with channel 1 open."""
    return lambda user=PLATFORM, **options: Wire(broker, user).open(**options).channel()


@pytest.fixture
def stock(broker: Broker) -> Callable[..., None]:
    """Put messages into a client's queue, as the dispatcher would."""
    from sandbox.amqp.broker.message import Message
    from sandbox.amqp.encoding import properties as props

    def put(queue: str, *bodies: bytes, now: float = 1_000_000.0, expiration: int | None = None) -> None:
        raw = props.build(content_type="application/json", headers={}, expiration_ms=expiration)
        for octets in bodies:
            message = Message("distribution", queue, raw, octets, True, expiration)
            assert broker.vhosts[VHOST].publish(message, now) == (1, 0)

    return put
