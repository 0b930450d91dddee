"""One connection, sans-IO: octets in, octets out, calls on the broker in between. Whatever the octets, `receive`
raises nothing: what a client does wrong becomes channel.close, connection.close or a silent cut, as in RabbitMQ.

The shell feeds `receive`, writes what `take_output` gives (it is told by `on_output` that there is something), closes
the transport when `state` is ENDED, reports the end of the transport by `lost`, and back-pressure by `pause`/`resume`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pamqp import base, commands

from sandbox.amqp.broker.broker import Broker, VirtualHost
from sandbox.amqp.broker.permissions import Authenticator, Rights
from sandbox.amqp.encoding import codec
from sandbox.amqp.errors import FrameError, ProtocolError, unexpected_frame
from sandbox.amqp.session import methods
from sandbox.amqp.session.channel import Channel
from sandbox.amqp.session.states import ChannelState, ConnectionState, connection_step

CHANNEL_MAX, FRAME_MAX, HEARTBEAT = 2047, 131_072, 60
OUTPUT_HIGH = 256 * 1024  # octets waiting for the shell above which consumers get nothing more
_RUNNING = ConnectionState.RUNNING
_CHANNEL_OPEN = commands.Channel.Open.index
_CONNECTION_CLASS = b"\x00\x0a"
_SHUTDOWN = "broker forced connection closure with reason 'shutdown'"

SERVER_PROPERTIES: dict[str, Any] = {
    "product": "SAS Sandbox Hub",
    "version": "3.10.8",  # of RabbitMQ, whose behaviour this is: some clients compare it
    "platform": "Python",
    "copyright": "Apache-2.0",
    "information": "Embedded AMQP 0-9-1 broker of sas-sandbox",
    "cluster_name": "sas-sandbox",
    "capabilities": dict.fromkeys(
        (
            "publisher_confirms",
            "exchange_exchange_bindings",
            "basic.nack",
            "consumer_cancel_notify",
            "connection.blocked",
            "consumer_priorities",
            "authentication_failure_close",
            "per_consumer_qos",
            "direct_reply_to",
        ),
        True,
    ),
}


class Session:
    """One client's connection (the Link of its channels). `now`: the broker's clock at the present event; `user`: whose
    it is, empty until it has come in."""

    rights: Rights
    vhost: VirtualHost

    def __init__(
        self, broker: Broker, authenticator: Authenticator, on_output: Callable[[], None] = lambda: None
    ) -> None:
        self.broker = broker
        self.state = ConnectionState.HEADER
        self.channels: dict[int, Channel] = {}
        self.now = 0.0
        self.frame_max, self.channel_max, self.heartbeat = codec.FRAME_MIN_SIZE, CHANNEL_MAX, 0
        self.client_properties: Mapping[str, Any] = {}
        self.user = ""
        self._authenticator, self._on_output = authenticator, on_output
        self._reader = codec.FrameReader(self.frame_max)
        self._greeting = b""
        self._unreadable: bytes | None = None  # after a FrameError: the last octets, in search of close-ok
        self._out: list[bytes] = []
        self.waiting = 0  # octets that `take_output` would give
        self._paused = self._held_back = self._blocked = self._entered = False

    # -- what the shell calls

    def receive(self, data: bytes, now: float) -> None:
        """Octets from the client."""
        self.now = now
        if self.state is ConnectionState.HEADER:
            data = self._greet(data)
        if self._unreadable is not None:
            self._seek_close_ok(data)
            return
        try:
            for kind, number, payload in self._reader.feed(data):
                if self.state is ConnectionState.ENDED:
                    return
                self._take(kind, number, payload)
        except FrameError as error:
            self._unreadable = b""
            self._refuse(error, (0, 0))

    def take_output(self) -> bytes:
        """What the client is to be sent."""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self.waiting = 0
        return data

    def pause(self) -> None:
        """The transport is full: no more deliveries."""
        self._paused = True

    def resume(self) -> None:
        """The transport has room again; `refill` lets what waited go on."""
        self._paused = False

    def refill(self, now: float) -> None:
        """Deliver what was held back for want of room, if any."""
        if self._held_back and not self._paused:
            self._held_back = False
            self.now = now
            for channel in list(self.channels.values()):
                channel.deliveries.refill()

    def beat(self, silence: float, quiet: float) -> None:
        """Heartbeats. `silence`: seconds since octets came, `quiet`: since some went. A client that is silent for
        over two intervals is cut without a word; we beat every half interval."""
        if not self.heartbeat:
            return
        if silence > 2.5 * self.heartbeat:
            self.lost(self.now)
        elif quiet >= self.heartbeat / 2:
            self.send(codec.HEARTBEAT_FRAME)

    def expire(self, now: float) -> None:
        """Close the channels whose client owes an acknowledgement for too long (RabbitMQ's consumer_timeout)."""
        self.now = now
        for channel in list(self.channels.values()):
            channel.expire()

    def shut_down(self, now: float, why: str = _SHUTDOWN) -> None:
        """The broker stops (or the user is no more): connection.close 320."""
        self.now = now
        if self.state in (_RUNNING, ConnectionState.OPEN):
            self._close(ProtocolError(320, why), (0, 0))
        self.state = connection_step(self.state, "force")

    def lost(self, now: float) -> None:
        """The end, without a word: everything goes back to its queue. May be repeated."""
        self.now = now
        self.state = connection_step(self.state, "cut")
        self._release()

    # -- what channels call

    def send(self, data: bytes) -> None:
        """Queue octets for the client."""
        if self.state is ConnectionState.ENDED:
            return
        if not self._out:
            self._on_output()
        self._out.append(data)
        self.waiting += len(data)

    def refuse_for_now(self, reason: str) -> None:
        """connection.blocked, to clients that know it; `connection.unblocked` follows when the broker is clear."""
        if not self._blocked and self.is_able("connection.blocked"):
            self._blocked = True
            self._send_method(commands.Connection.Blocked(reason))
            self.broker.when_clear(self._unblock)

    def _unblock(self) -> None:
        self._blocked = False
        self._send_method(commands.Connection.Unblocked())

    def is_able(self, capability: str) -> bool:
        """Did the client announce it?"""
        capabilities = self.client_properties.get("capabilities")
        return isinstance(capabilities, dict) and bool(capabilities.get(capability))

    def has_room(self) -> bool:
        """False while the client does not read as fast as we write: it is served again by `refill`."""
        if self._paused or self.waiting > OUTPUT_HIGH:
            self._held_back = True
            return False
        return True

    # -- frames

    def _greet(self, data: bytes) -> bytes:
        """The protocol header; anything else is answered with ours and cut. Gives what follows it."""
        self._greeting += data
        header, rest = self._greeting[:8], self._greeting[8:]
        if len(header) < 8:
            return b""
        self._greeting = b""
        if header != codec.PROTOCOL_HEADER:
            self.send(codec.PROTOCOL_HEADER)
            self.lost(self.now)
            return b""
        self.state = connection_step(self.state, "header")
        mechanisms = self._authenticator.mechanisms
        self._send_method(commands.Connection.Start(0, 9, SERVER_PROPERTIES, mechanisms, "en_US"))
        return rest

    def _take(self, kind: int, number: int, payload: bytes) -> None:
        channel = self.channels.get(number)
        try:
            if self.state is not _RUNNING or channel is None:
                self._take_other(kind, number, payload, _culprit(kind, payload))
            else:
                self._take_on_channel(channel, kind, payload)
        except ProtocolError as error:
            if channel is None or error.closes_connection:
                self._refuse(error, channel.method if channel and kind != codec.METHOD else _culprit(kind, payload))
            else:
                channel.refuse(error)

    def _take_on_channel(self, channel: Channel, kind: int, payload: bytes) -> None:
        if kind == codec.BODY:
            channel.take_body(payload)
        elif kind == codec.HEADER:
            channel.take_header(payload)
        elif kind == codec.HEARTBEAT:
            raise self._misplaced(kind, channel.number, payload)
        elif payload[:2] == _CONNECTION_CLASS and channel.state is not ChannelState.CLOSE_OK:
            raise ProtocolError(503, "unimplemented method")
        else:
            value = channel.take_method(payload)
            if value is not None:
                methods.handle(channel, value)
            if channel.state is ChannelState.GONE:
                del self.channels[channel.number]
                self.broker.close_channels(self.user, 1)

    def _take_other(self, kind: int, number: int, payload: bytes, culprit: tuple[int, int]) -> None:
        """Channel 0, a channel that is not open, or a connection that is not running."""
        if self.state in (ConnectionState.CLOSE_OK, ConnectionState.HANG_UP):
            self._take_while_closing(kind, number, culprit)
        elif kind == codec.HEARTBEAT and number == 0:
            return
        elif kind != codec.METHOD:
            raise self._misplaced(kind, number, payload)
        elif number == 0:
            self._take_connection_method(codec.decode_method(payload))
        elif self.state is not _RUNNING:
            raise unexpected_frame(kind, payload)
        else:
            self._open_channel(number, codec.decode_method(payload))

    def _take_while_closing(self, kind: int, number: int, culprit: tuple[int, int]) -> None:
        if kind != codec.METHOD or number != 0 or self.state is not ConnectionState.CLOSE_OK:
            return
        if culprit == (10, 51):
            self.lost(self.now)
        elif culprit == (10, 50):
            self._send_method(commands.Connection.CloseOk())

    @staticmethod
    def _misplaced(kind: int, number: int, payload: bytes) -> ProtocolError:
        if kind in (codec.HEADER, codec.BODY) and number:
            return ProtocolError(505, "expected method frame, got non method frame instead", (0, 0))
        return unexpected_frame(kind, payload)

    def _open_channel(self, number: int, value: base.Frame) -> None:
        if value.index != _CHANNEL_OPEN:
            raise ProtocolError(504, "expected 'channel.open'")
        if len(self.channels) >= self.channel_max:
            raise ProtocolError(
                530,
                f"number of channels opened ({len(self.channels)}) has reached the negotiated channel_max"
                f" ({self.channel_max})",
                (0, 0),
            )
        self.broker.open_channel(self.user)
        self.channels[number] = Channel(self, number)
        self.send(codec.method(number, commands.Channel.OpenOk()))

    # -- the connection's own methods

    def _take_connection_method(self, value: base.Frame) -> None:
        handler = _HANDLERS.get((self.state, value.index))
        if handler is None:
            raise ProtocolError(504, f"unexpected method in connection state {_NAMES[self.state]}")
        handler(self, value)

    def _start_ok(self, value: Any) -> None:
        if value.mechanism not in self._authenticator.mechanisms.split():
            self.lost(self.now)
            return
        self.client_properties = value.client_properties or {}
        response = value.response.encode() if isinstance(value.response, str) else bytes(value.response)
        rights = self._authenticator.login(response)
        if rights is not None:
            self.rights, self.user = rights, rights.user
            self.state = connection_step(self.state, "start-ok")
            self._send_method(commands.Connection.Tune(CHANNEL_MAX, FRAME_MAX, HEARTBEAT))
            return
        if not self.is_able("authentication_failure_close"):
            self.lost(self.now)
            return
        detail = (
            f"Login was refused using authentication mechanism {value.mechanism}. For details see the broker logfile."
        )
        self._close(ProtocolError(403, detail), (0, 0))
        self.state = connection_step(self.state, "refuse")

    def _tune_ok(self, value: Any) -> None:
        if not (0 < value.channel_max <= CHANNEL_MAX and codec.FRAME_MIN_SIZE <= value.frame_max <= FRAME_MAX):
            self.lost(self.now)
            return
        self.channel_max, self.heartbeat = value.channel_max, value.heartbeat
        self.frame_max = self._reader.frame_max = value.frame_max
        self.state = connection_step(self.state, "tune-ok")

    def _open(self, value: Any) -> None:
        name = value.virtual_host
        vhost = self.broker.find_vhost(name)
        self.rights.enter(name, vhost is not None)
        assert vhost is not None
        self.broker.enter(self.user)
        self._entered = True
        self.vhost = vhost
        self.state = connection_step(self.state, "open")
        self._send_method(commands.Connection.OpenOk())

    def _update_secret(self, value: Any) -> None:
        self._send_method(commands.Connection.UpdateSecretOk())

    def _closed_by_client(self, value: Any) -> None:
        self._release()
        self._send_method(commands.Connection.CloseOk())
        self.state = connection_step(self.state, "close")

    # -- the end

    def end(self, error: ProtocolError, now: float) -> None:
        """connection.close for what this client holds."""
        self.now = now
        self._refuse(error, (0, 0))

    def _refuse(self, error: ProtocolError, culprit: tuple[int, int]) -> None:
        """connection.close, or before the client has come in: a cut without a word."""
        if self.state in (_RUNNING, ConnectionState.OPEN):
            self._close(error, culprit)
            self.state = connection_step(self.state, "refuse")
        elif self.state is not ConnectionState.CLOSE_OK:
            self.lost(self.now)

    def _close(self, error: ProtocolError, culprit: tuple[int, int]) -> None:
        self._release()
        class_id, method_id = error.method or culprit
        text = codec.cut_text(str(error))
        self.broker.on_refusal(self.user, error)
        self._send_method(commands.Connection.Close(error.code, text, class_id, method_id))

    def fail(self, now: float) -> None:
        """541: a defect of the broker itself."""
        self.now = now
        self._unreadable = b""
        self._refuse(ProtocolError(541, "the broker failed on this frame"), (0, 0))

    def _release(self) -> None:
        self.broker.forget(self._unblock)
        if self._entered:
            self._entered = False
            self.broker.leave(self.user)
        channels, self.channels = self.channels, {}
        self.broker.close_channels(self.user, len(channels))
        for channel in channels.values():
            channel.release()

    def _seek_close_ok(self, data: bytes) -> None:
        """Frames cannot be told apart any more: only the client's close-ok is looked for."""
        seen = (self._unreadable or b"") + data
        if codec.CONNECTION_CLOSE_OK in seen:
            self.lost(self.now)
        self._unreadable = seen[1 - len(codec.CONNECTION_CLOSE_OK) :]

    def _send_method(self, value: base.Frame) -> None:
        self.send(codec.method(0, value))


def _culprit(kind: int, payload: bytes) -> tuple[int, int]:
    """Class and method id of a method frame."""
    if kind != codec.METHOD:
        return (0, 0)
    return (int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"))


_NAMES = {  # RabbitMQ's
    ConnectionState.START_OK: "starting",
    ConnectionState.TUNE_OK: "tuning",
    ConnectionState.OPEN: "opening",
    ConnectionState.RUNNING: "running",
}

_HANDLERS: Mapping[tuple[ConnectionState, int], Callable[[Session, Any], None]] = {
    (ConnectionState.START_OK, commands.Connection.StartOk.index): Session._start_ok,
    (ConnectionState.TUNE_OK, commands.Connection.TuneOk.index): Session._tune_ok,
    (ConnectionState.OPEN, commands.Connection.Open.index): Session._open,
    (ConnectionState.RUNNING, commands.Connection.Close.index): Session._closed_by_client,
    (ConnectionState.RUNNING, commands.Connection.UpdateSecret.index): Session._update_secret,
}
