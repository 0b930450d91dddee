"""One client's connection as the transport and its channels see it, without I/O: what was agreed with the client, the
octets that are to be sent to it, and how it ends. `receiver` reads what the client sends.

The transport writes what `take_output` returns (`on_output` is called when there is something), closes itself when
`state` is ENDED, reports its own end by `lost`, and its back-pressure by `pause` and `resume`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pamqp import base, commands

from sandbox.amqp.broker.broker import Broker, VirtualHost
from sandbox.amqp.broker.permissions import Authenticator, Rights
from sandbox.amqp.encoding import codec
from sandbox.amqp.errors import ProtocolError
from sandbox.amqp.session.channel import Channel
from sandbox.amqp.session.states import ConnectionState, connection_step

CHANNEL_MAX = 2047
OUTPUT_HIGH = 256 * 1024  # octets waiting for the transport above which consumers receive nothing more
_RUNNING = ConnectionState.RUNNING
_SHUTDOWN = "broker forced connection closure with reason 'shutdown'"


class Session:
    """One client's connection (the Link of its channels). `now`: the broker's clock at the present event; `user`: the
    client's, empty until it has logged in; `waiting`: octets that `take_output` would return."""

    rights: Rights
    vhost: VirtualHost

    def __init__(
        self, broker: Broker, authenticator: Authenticator, on_output: Callable[[], None] = lambda: None
    ) -> None:
        self.broker, self.authenticator = broker, authenticator
        self.state = ConnectionState.HEADER
        self.channels: dict[int, Channel] = {}
        self.now = 0.0
        self.frame_max, self.channel_max, self.heartbeat = codec.FRAME_MIN_SIZE, CHANNEL_MAX, 0
        self.client_properties: Mapping[str, Any] = {}
        self.user = ""
        self.waiting = 0
        self._on_output = on_output
        self._out: list[bytes] = []
        self._paused = self._held_back = self._blocked = self._entered = False

    # -- output

    def send(self, data: bytes) -> None:
        """Queue octets for the client."""
        if self.state is ConnectionState.ENDED:
            return
        if not self._out:
            self._on_output()
        self._out.append(data)
        self.waiting += len(data)

    def send_method(self, value: base.Frame) -> None:
        """Queue a method of the connection itself (channel 0)."""
        self.send(codec.method(0, value))

    def take_output(self) -> bytes:
        """The octets that are to be sent to the client; each is returned once."""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self.waiting = 0
        return data

    def pause(self) -> None:
        """The transport is full: no more deliveries."""
        self._paused = True

    def resume(self) -> None:
        """The transport has room again; `refill` continues the deliveries."""
        self._paused = False

    def has_room(self) -> bool:
        """False while the client reads more slowly than the broker writes; `refill` then continues later."""
        if self._paused or self.waiting > OUTPUT_HIGH:
            self._held_back = True
            return False
        return True

    def refill(self, now: float) -> None:
        """Deliver what was held back for lack of room, if anything."""
        if self._held_back and not self._paused:
            self._held_back = False
            self.now = now
            for channel in list(self.channels.values()):
                channel.deliveries.refill()

    def refuse_for_now(self, reason: str) -> None:
        """Send connection.blocked to a client that supports it; connection.unblocked follows when the broker accepts
        messages again."""
        if not self._blocked and self.is_able("connection.blocked"):
            self._blocked = True
            self.send_method(commands.Connection.Blocked(reason))
            self.broker.when_clear(self._unblock)

    def _unblock(self) -> None:
        self._blocked = False
        self.send_method(commands.Connection.Unblocked())

    # -- what was agreed

    def is_able(self, capability: str) -> bool:
        """Whether the client announced this capability."""
        capabilities = self.client_properties.get("capabilities")
        return isinstance(capabilities, dict) and bool(capabilities.get(capability))

    def enter(self, vhost: VirtualHost) -> None:
        """Open the connection in a virtual host. Raises ProtocolError 530 when the user has too many connections."""
        self.broker.enter(self.user)
        self._entered = True
        self.vhost = vhost

    # -- time limits

    def beat(self, silence: float, quiet: float) -> None:
        """Heartbeats. `silence`: seconds since octets were received, `quiet`: since some were sent. A client that is
        silent for more than two and a half intervals is disconnected without a close method; the broker sends a
        heartbeat every half interval."""
        if not self.heartbeat:
            return
        if silence > 2.5 * self.heartbeat:
            self.lost(self.now)
        elif quiet >= self.heartbeat / 2:
            self.send(codec.HEARTBEAT_FRAME)

    def expire(self, now: float) -> None:
        """Close the channels whose client has exceeded the time for an acknowledgement (RabbitMQ's
        consumer_timeout)."""
        self.now = now
        for channel in list(self.channels.values()):
            channel.expire()

    # -- the end

    def shut_down(self, now: float, why: str = _SHUTDOWN) -> None:
        """Send connection.close 320: the broker stops, or the user was deleted."""
        self.now = now
        if self.state in (_RUNNING, ConnectionState.OPEN):
            self.close(ProtocolError(320, why), (0, 0))
        self.state = connection_step(self.state, "force")

    def lost(self, now: float) -> None:
        """End without a close method: everything unacknowledged goes back to its queue. May be called repeatedly."""
        self.now = now
        self.state = connection_step(self.state, "cut")
        self.release()

    def end(self, error: ProtocolError, now: float) -> None:
        """Send connection.close for an error that was not caused by the present frame."""
        self.now = now
        self.refuse(error, (0, 0))

    def refuse(self, error: ProtocolError, culprit: tuple[int, int]) -> None:
        """Send connection.close; a client that has not logged in yet is disconnected without a close method. `culprit`:
        class and method id of the method that caused the error, (0, 0) for none."""
        if self.state in (_RUNNING, ConnectionState.OPEN):
            self.close(error, culprit)
            self.state = connection_step(self.state, "refuse")
        elif self.state is not ConnectionState.CLOSE_OK:
            self.lost(self.now)

    def close(self, error: ProtocolError, culprit: tuple[int, int]) -> None:
        """Send connection.close and release everything; the caller changes the state."""
        self.release()
        class_id, method_id = error.method or culprit
        text = codec.cut_text(str(error))
        self.broker.on_refusal(self.user, error)
        self.send_method(commands.Connection.Close(error.code, text, class_id, method_id))

    def release(self) -> None:
        """Release all channels and the user's connection count. May be called repeatedly."""
        self.broker.forget(self._unblock)
        if self._entered:
            self._entered = False
            self.broker.leave(self.user)
        channels, self.channels = self.channels, {}
        self.broker.close_channels(self.user, len(channels))
        for channel in channels.values():
            channel.release()
