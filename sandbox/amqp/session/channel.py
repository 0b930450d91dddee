"""One channel: its state, the content it is receiving, publishing and confirms. Methods are in `channel_methods`."""

from __future__ import annotations

from collections import deque

from pamqp import base, commands

from sandbox.amqp.broker.message import read_message
from sandbox.amqp.encoding import codec, replies
from sandbox.amqp.errors import ProtocolError
from sandbox.amqp.session.deliveries import Deliveries, Link
from sandbox.amqp.session.states import ChannelState, channel_step

CLOSE, CLOSE_OK, PUBLISH, ACK = 0x00140028, 0x00140029, 0x003C0028, 0x003C0050
_BASIC_PUBLISH = (60, 40)
_SMALL_PROPERTIES = 1024  # octets: no more than a channel takes anyway, so not counted as unfinished
_CONTENT_KIND = 60 << 16  # class id and weight, which is 0
_WANTED = {
    ChannelState.CONTENT_HEADER: "expected content header for class 60, got non content header frame instead",
    ChannelState.CONTENT_BODY: "expected content body, got non content body frame instead",
}


class Channel:
    """An open (or closing) channel. `method`: (class id, method id) of the present method, which an error names."""

    def __init__(self, link: Link, number: int) -> None:
        self.link, self.number = link, number
        self.state = ChannelState.OPEN
        self.deliveries = Deliveries(link, number)
        self.confirming = False
        self.replies: replies.ReplyConsumer | None = None
        self.method = (0, 0)
        self._published = 0
        self._owed: deque[list[int]] = deque()  # [batch, last tag, count], ascending
        self._address = ("", "", False, False)
        self._properties = b""
        self._missing = self._unfinished = 0  # octets that are still to come, and octets that count as unfinished
        self._begun = bytearray()

    def send(self, value: base.Frame) -> None:
        """Send a method."""
        self.link.send(codec.method(self.number, value))

    def step(self, event: str) -> None:
        """Change the state by an event (see `states`)."""
        self.state = channel_step(self.state, event)

    # -- frames in

    def take_method(self, payload: bytes) -> base.Frame | None:
        """A method frame: publish and ack are handled here, any other is returned for `channel_methods`."""
        if self.state is ChannelState.CLOSE_OK:
            self._while_closing(payload)
            return None
        index = int.from_bytes(payload[:4], "big")
        self.method = (index >> 16, index & 0xFFFF)
        if self.state is not ChannelState.OPEN:
            raise ProtocolError(505, _WANTED[self.state], _BASIC_PUBLISH)
        if index == PUBLISH:
            self._address = codec.decode_publish(payload)
            self.step("publish")
            return None
        if index == ACK:
            tag, multiple = codec.decode_ack(payload)
            self.deliveries.acknowledge(tag, multiple=multiple)
            return None
        return codec.decode_method(payload)

    def _while_closing(self, payload: bytes) -> None:
        """After our channel.close all frames but its close-ok are ignored, because the client may not have received it
        yet."""
        index = int.from_bytes(payload[:4], "big")
        if index == CLOSE_OK:
            self.step("close-ok")
        elif index == CLOSE:
            self.step("close")
            self.send(commands.Channel.CloseOk())

    def take_header(self, payload: bytes) -> None:
        """A content header frame."""
        if self.state is ChannelState.CLOSE_OK:
            return
        if self.state is ChannelState.OPEN:
            raise ProtocolError(505, "expected method frame, got non method frame instead", (0, 0))
        if self.state is ChannelState.CONTENT_BODY:
            raise ProtocolError(505, _WANTED[self.state])
        kind, size, self._properties = codec.decode_content_header(payload)
        if kind != _CONTENT_KIND:
            raise _other_content(kind)
        self._check_size(size)
        self._missing = size
        if size:
            self.step("header")
            if len(self._properties) > _SMALL_PROPERTIES:
                self._hold(len(self._properties))
        else:
            self._complete(b"")

    def take_body(self, payload: bytes) -> None:
        """A content body frame."""
        if self.state is ChannelState.CLOSE_OK:
            return
        if self.state is ChannelState.OPEN:
            raise ProtocolError(505, "expected method frame, got non method frame instead", (0, 0))
        if self.state is ChannelState.CONTENT_HEADER:
            raise ProtocolError(505, _WANTED[self.state])
        self._missing -= len(payload)
        if self._missing < 0:
            raise ProtocolError(505, "content body is longer than its header says")
        if not self._missing:
            if self._begun:
                self._begun += payload
                payload = bytes(self._begun)
            self._let_go()
            self._complete(payload)
        elif payload:
            self._begun += payload
            self._hold(len(payload))

    def _check_size(self, size: int) -> None:
        """Raises ProtocolError 406 for a message that is too large, before its body arrives."""
        most = self.link.broker.limits.message
        if size > most:
            if self._address[3]:
                raise _immediate()
            raise ProtocolError(406, f"message size {size} is larger than configured max size {most}")

    def _hold(self, octets: int) -> None:
        """Count octets of an unfinished message; when there are too many, a connection is closed."""
        self._unfinished += octets
        link = self.link
        culprit = link.broker.unfinished.add(link, octets)
        if culprit is not None:
            culprit.end(ProtocolError(506, "too many octets of unfinished messages", _BASIC_PUBLISH), link.now)

    def _let_go(self) -> None:
        """Stop counting octets as unfinished: the content is complete, or will never be."""
        if self._unfinished:
            self.link.broker.unfinished.remove(self.link, self._unfinished)
            self._unfinished = 0
            self._begun = bytearray()

    # -- publishing

    def _complete(self, body: bytes) -> None:
        self.step("complete")
        exchange, key, mandatory, immediate = self._address
        link = self.link
        if immediate:
            raise _immediate()
        link.rights.publish(link.vhost.name, exchange, key)
        if exchange not in link.vhost.exchanges:
            raise ProtocolError(404, f"no exchange '{exchange}' in vhost '{link.vhost.name}'")
        raw = self._properties
        if replies.MARK in raw:
            raw = replies.addressed(raw, self.replies)
        message = read_message(exchange, key, raw, body, link.rights.user)
        if not link.broker.can_accept:
            link.refuse_for_now(link.broker.alarm)
            self._confirm(accepted=False, durable=False)
            return
        routed, full = link.vhost.publish(message, link.now)
        if mandatory and not routed:
            place = codec.address(exchange, key)
            link.send(
                codec.returned(self.number, place)
                + codec.content(self.number, message.properties, body, link.frame_max)
            )
        self._confirm(accepted=not full, durable=message.persistent and routed > full)

    def _confirm(self, *, accepted: bool, durable: bool) -> None:
        """Confirm a publish, in order: at once, or when the message is on disk."""
        if not self.confirming:
            return
        self._published = tag = self._published + 1
        owed = self._owed
        if not accepted:
            self.link.send(codec.nack(self.number, tag, multiple=False))
        elif durable or owed:
            batch = self.link.broker.records.wait(self) if durable else owed[-1][0]
            if owed and owed[-1][0] == batch:
                owed[-1][1] = tag
                owed[-1][2] += 1
            else:
                owed.append([batch, tag, 1])
        else:
            self.link.send(codec.ack(self.number, tag, multiple=False))

    def settled(self, batch: int, *, safe: bool) -> bool:
        """Everything up to `batch` is on disk (`safe`) or lost: confirm or refuse it. Returns True when no confirm is
        left to send."""
        owed = self._owed
        last, count = 0, 0
        while owed and owed[0][0] <= batch:
            _, last, more = owed.popleft()
            count += more
        if count:
            answer = codec.ack if safe else codec.nack
            self.link.send(answer(self.number, last, multiple=count > 1))
        return not owed

    # -- the end

    def refuse(self, error: ProtocolError) -> None:
        """Send channel.close for an error of the client; everything unacknowledged goes back to its queue."""
        class_id, method_id = error.method or self.method
        self.link.broker.on_refusal(self.link.user, error)
        self.step("refuse")
        self.release()
        self.send(commands.Channel.Close(error.code, codec.cut_text(str(error)), class_id, method_id))

    def expire(self) -> None:
        """Close the channel because a delivery was not acknowledged in time; its other unacknowledged deliveries are
        requeued too."""
        if self.deliveries.is_overdue():
            ms = round(self.link.broker.limits.ack_s * 1000)
            text = (
                f"delivery acknowledgement on channel {self.number} timed out. Timeout value used: {ms} ms. "
                "This timeout value can be configured, see consumers doc guide to learn more"
            )
            self.refuse(ProtocolError(406, text, (0, 0)))

    def close(self) -> None:
        """The client sent channel.close."""
        self.step("close")
        self.release()
        self.send(commands.Channel.CloseOk())

    def expect_replies(self, consumer: replies.ReplyConsumer | None) -> None:
        """Consume the pseudo-queue of direct reply-to; None ends this."""
        addresses = self.link.broker.reply_addresses
        if self.replies is not None:
            addresses.discard(self.replies.address)
        if consumer is not None:
            addresses.add(consumer.address)
        self.replies = consumer

    def release(self) -> None:
        """Release consumers, deliveries and confirms; messages go back to their queues."""
        self.expect_replies(None)
        self._let_go()
        self._owed.clear()
        self.link.broker.records.forget(self)
        self.deliveries.close()


def _immediate() -> ProtocolError:
    return ProtocolError(540, "immediate=true")


def _other_content(kind: int) -> ProtocolError:
    """505 for a content header of another class, or with a weight."""
    class_id, weight = divmod(kind, 1 << 16)
    if weight:
        return ProtocolError(505, _WANTED[ChannelState.CONTENT_HEADER])
    return ProtocolError(505, f"expected content header for class 60, got one for class {class_id} instead")
