"""What a client sends on one connection: octets are cut into frames, and frames go to the connection's methods or to
their channel, without I/O.

Whatever the octets, `receive` raises nothing: an error of the client leads to channel.close, to connection.close, or to
an end without a close method, as in RabbitMQ.
"""

from __future__ import annotations

from pamqp import base, commands

from sandbox.amqp.encoding import codec
from sandbox.amqp.errors import FrameError, ProtocolError, unexpected_frame
from sandbox.amqp.session import channel_methods, connection_methods
from sandbox.amqp.session.channel import Channel
from sandbox.amqp.session.session import Session
from sandbox.amqp.session.states import ChannelState, ConnectionState

_RUNNING = ConnectionState.RUNNING
_CHANNEL_OPEN = commands.Channel.Open.index
_CONNECTION_CLASS = b"\x00\x0a"


class Receiver:
    """The receiving half of one connection; `session` is the sending half."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._reader = codec.FrameReader(session.frame_max)
        self._greeting = b""
        self._unreadable: bytes | None = None  # after a FrameError: the last octets, which are searched for close-ok

    def receive(self, data: bytes, now: float) -> None:
        """Process octets from the client. `now`: seconds of the broker's clock."""
        session = self._session
        session.now = now
        if session.state is ConnectionState.HEADER:
            data = self._take_greeting(data)
        if self._unreadable is not None:
            self._seek_close_ok(data)
            return
        try:
            for kind, number, payload in self._reader.feed(data):
                if session.state is ConnectionState.ENDED:
                    return
                self._take(kind, number, payload)
        except FrameError as error:
            self._unreadable = b""
            session.refuse(error, (0, 0))

    def fail(self, now: float) -> None:
        """Close with 541: `receive` failed because of a defect in the broker itself."""
        self._unreadable = b""
        self._session.end(ProtocolError(541, "the broker failed on this frame"), now)

    def _take_greeting(self, data: bytes) -> bytes:
        """Process the protocol header; anything else is answered with the broker's own header and the end of the
        connection. Returns the octets after it."""
        self._greeting += data
        header, rest = self._greeting[:8], self._greeting[8:]
        if len(header) < 8:
            return b""
        self._greeting = b""
        if header != codec.PROTOCOL_HEADER:
            self._session.send(codec.PROTOCOL_HEADER)
            self._session.lost(self._session.now)
            return b""
        connection_methods.start(self._session)
        return rest

    def _take(self, kind: int, number: int, payload: bytes) -> None:
        session = self._session
        channel = session.channels.get(number)
        try:
            if session.state is not _RUNNING or channel is None:
                self._take_other(kind, number, payload, _culprit(kind, payload))
            else:
                self._take_on_channel(channel, kind, payload)
        except ProtocolError as error:
            if channel is None or error.closes_connection:
                session.refuse(error, channel.method if channel and kind != codec.METHOD else _culprit(kind, payload))
            else:
                channel.refuse(error)

    def _take_on_channel(self, channel: Channel, kind: int, payload: bytes) -> None:
        if kind == codec.BODY:
            channel.take_body(payload)
        elif kind == codec.HEADER:
            channel.take_header(payload)
        elif kind == codec.HEARTBEAT:
            raise _misplaced(kind, channel.number, payload)
        elif payload[:2] == _CONNECTION_CLASS and channel.state is not ChannelState.CLOSE_OK:
            raise ProtocolError(503, "unimplemented method")
        else:
            value = channel.take_method(payload)
            if value is not None:
                channel_methods.handle(channel, value)
            if channel.state is ChannelState.GONE:
                del self._session.channels[channel.number]
                self._session.broker.close_channels(self._session.user, 1)

    def _take_other(self, kind: int, number: int, payload: bytes, culprit: tuple[int, int]) -> None:
        """Process a frame for channel 0, for a channel that is not open, or on a connection that is not running."""
        state = self._session.state
        if state in (ConnectionState.CLOSE_OK, ConnectionState.HANG_UP):
            self._take_while_closing(kind, number, culprit)
        elif kind == codec.HEARTBEAT and number == 0:
            return
        elif kind != codec.METHOD:
            raise _misplaced(kind, number, payload)
        elif number == 0:
            connection_methods.handle(self._session, codec.decode_method(payload))
            self._reader.frame_max = self._session.frame_max
        elif state is not _RUNNING:
            raise unexpected_frame(kind, payload)
        else:
            self._open_channel(number, codec.decode_method(payload))

    def _take_while_closing(self, kind: int, number: int, culprit: tuple[int, int]) -> None:
        session = self._session
        if kind != codec.METHOD or number != 0 or session.state is not ConnectionState.CLOSE_OK:
            return
        if culprit == (10, 51):
            session.lost(session.now)
        elif culprit == (10, 50):
            session.send_method(commands.Connection.CloseOk())

    def _open_channel(self, number: int, value: base.Frame) -> None:
        session = self._session
        if value.index != _CHANNEL_OPEN:
            raise ProtocolError(504, "expected 'channel.open'")
        if len(session.channels) >= session.channel_max:
            raise ProtocolError(
                530,
                f"number of channels opened ({len(session.channels)}) has reached the negotiated channel_max"
                f" ({session.channel_max})",
                (0, 0),
            )
        session.broker.open_channel(session.user)
        session.channels[number] = Channel(session, number)
        session.send(codec.method(number, commands.Channel.OpenOk()))

    def _seek_close_ok(self, data: bytes) -> None:
        """Frame boundaries are lost: only the client's close-ok is searched for."""
        seen = (self._unreadable or b"") + data
        if codec.CONNECTION_CLOSE_OK in seen:
            self._session.lost(self._session.now)
        self._unreadable = seen[1 - len(codec.CONNECTION_CLOSE_OK) :]


def _misplaced(kind: int, number: int, payload: bytes) -> ProtocolError:
    if kind in (codec.HEADER, codec.BODY) and number:
        return ProtocolError(505, "expected method frame, got non method frame instead", (0, 0))
    return unexpected_frame(kind, payload)


def _culprit(kind: int, payload: bytes) -> tuple[int, int]:
    """Class and method id of a method frame."""
    if kind != codec.METHOD:
        return (0, 0)
    return (int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"))
