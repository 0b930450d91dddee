"""Conversations with a broker as lists: a frame is sent, a text describes the frame that must be received.

Case("another's queue", [Basic.Get(queue="fr.lrm.message"), "channel.close 403 ACCESS_REFUSED - … (60,70)"])

The connection of `ME` has channel 1 open when a case begins (`after` says otherwise). A text names the frame, what it
carries, and its channel when that is not 1. After the last item nothing more may be received: open channels must answer
the next request at once, closed ones must be closed properly.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pamqp import base, body, commands, frame, header
from pamqp.heartbeat import Heartbeat

from sandbox.net.tls import client_context
from sandbox.pki.authority import Pki

VHOST = "v2"
ME, LRM, SPARE, DISPATCHER, STRANGER = "fr.me", "fr.lrm", "fr.spare", "hub.dispatcher", "fr.nobody"
GONE = "fr.gone"  # whose queues are deleted
UNAWARE = "#unaware"  # in a name: a connection that announces no capabilities
TTL_MS = 60_000
PATIENCE = 20.0  # s for a frame: RabbitMQ takes its time before some refusals
ABLE = {
    "capabilities": {
        "authentication_failure_close": True,
        "basic.nack": True,
        "connection.blocked": True,
        "consumer_cancel_notify": True,
        "publisher_confirms": True,
    }
}
Basic, Connection, Channel = commands.Basic, commands.Connection, commands.Channel


@dataclass(frozen=True)
class By:
    """An item of another connection or channel: `item` is sent there, or a text received."""

    who: str
    item: Any
    channel: int = 1


@dataclass(frozen=True)
class On:
    """The same connection, another channel."""

    channel: int
    item: Any


@dataclass(frozen=True)
class Pub:
    """basic.publish with header and body; the dispatcher publishes to `distribution`, the key being a queue."""

    body: bytes = b"{}"
    key: str = ME
    exchange: str = "hubsante"
    mandatory: bool = False
    immediate: bool = False
    properties: tuple[tuple[str, Any], ...] = ()
    pieces: int = 1

    def octets(self, channel: int) -> bytes:
        """The frames."""
        properties = {"delivery_mode": 2, **dict(self.properties)}
        parts: list[Any] = [
            Basic.Publish(0, self.exchange, self.key, self.mandatory, self.immediate),
            header.ContentHeader(0, len(self.body), Basic.Properties(**properties)),
        ]
        step = max(1, -(-len(self.body) // self.pieces))
        parts += [body.ContentBody(self.body[at : at + step]) for at in range(0, len(self.body), step)]
        return b"".join(frame.marshal(part, channel) for part in parts)


@dataclass(frozen=True)
class Confirms:
    """Acks of the publisher's messages up to `last`, in whatever portions."""

    last: int


@dataclass(frozen=True)
class Wait:
    """Time passes: `seconds` of the broker's clock (on RabbitMQ they are real)."""

    seconds: float


@dataclass(frozen=True)
class Case:
    """One conversation. `after`: nothing, header, start-ok, tune-ok, open or channel (1 is open). `ours`: what the
    embedded broker says in the end, where RabbitMQ is silent, fails inside, or can do what the hub has no use for."""

    name: str
    items: Sequence[Any]
    after: str = "channel"
    vhost: str = VHOST
    user: str = ME
    capabilities: bool = True
    frame_max: int = 131_072
    channel_max: int = 2047
    heartbeat: int = 0
    ours: str | None = None

    def of(self, broker: str) -> Sequence[Any]:
        """The items as this broker plays them."""
        if self.ours is None or broker == "rabbitmq":
            return self.items
        return (*self.items[:-1], self.ours)


class Talk:
    """One connection to a broker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def raw(self, data: bytes) -> None:
        self._writer.write(data)

    def say(self, item: Any, channel: int = 1) -> None:
        """A frame, a publication, or bare octets."""
        if isinstance(item, Pub):
            self.raw(item.octets(channel))
        elif isinstance(item, bytes):
            self.raw(item)
        else:
            self.raw(frame.marshal(item, 0 if isinstance(item, Heartbeat) or _is_connection(item) else channel))

    async def read(self) -> tuple[int, Any]:
        """(channel, frame); (0, None) at the end of the stream."""
        try:
            async with asyncio.timeout(PATIENCE):
                head = await self._reader.readexactly(7)
                if head[:4] == b"AMQP":
                    return 0, head + await self._reader.readexactly(1)
                rest = await self._reader.readexactly(int.from_bytes(head[3:7], "big") + 1)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return 0, None
        _, channel, value = frame.unmarshal(head + rest)
        return channel, value

    async def hear(self) -> str:
        """The next frame that is received, with its content, as a text."""
        channel, value = await self.read()
        if isinstance(value, Basic.Deliver | Basic.GetOk | Basic.Return):
            return describe(channel, value) + await self._content()
        return describe(channel, value)

    async def _content(self) -> str:
        _, head = await self.read()
        data = b""
        while len(data) < head.body_size:
            data += (await self.read())[1].value
        shown = data.decode() if len(data) < 40 else f"{len(data)} octets"
        known = {name: value for name, value in head.properties if value not in (None, "")}
        known.pop("delivery_mode", None)
        return f" {shown} {_shown(known)}" if known else f" {shown}"

    async def confirmed(self, last: int) -> None:
        """Until the acks have come up to `last`."""
        seen = 0
        while seen < last:
            channel, value = await self.read()
            assert isinstance(value, Basic.Ack), describe(channel, value)
            seen = max(seen, value.delivery_tag)

    async def come_in(self, case: Case) -> None:
        """As far as the case wants."""
        steps: tuple[tuple[str, Any, type | None], ...] = (
            ("header", b"AMQP\x00\x00\x09\x01", Connection.Start),
            (
                "start-ok",
                Connection.StartOk(ABLE if case.capabilities else {}, "EXTERNAL", "", "en_US"),
                Connection.Tune,
            ),
            ("tune-ok", Connection.TuneOk(case.channel_max, case.frame_max, case.heartbeat), None),
            ("open", Connection.Open(case.vhost), Connection.OpenOk),
            ("channel", Channel.Open(), Channel.OpenOk),
        )
        names = [step[0] for step in steps]
        last = -1 if case.after == "nothing" else names.index(case.after)
        for _, said, heard in steps[: last + 1]:
            self.say(said)
            if heard is not None:
                value = (await self.read())[1]
                assert isinstance(value, heard), describe(0, value)

    async def settle(self, last: str) -> None:
        """Nothing more may come; what the broker closed is closed properly, and the channel can be opened again."""
        if " on " in last.partition(" - ")[0]:
            return
        if last.startswith("connection.close "):
            self.say(Connection.CloseOk())
            assert await self.hear() == "end"
        elif last.startswith("channel.close "):
            self.say(Channel.CloseOk())
            self.say(Channel.Open())
            assert await self.hear() == "channel.open-ok"
        elif last not in ("end", "connection.close-ok"):
            self.say(Channel.Flow(True))
            assert await self.hear() == "channel.flow-ok"

    async def hang_up(self) -> None:
        self._writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self._writer.wait_closed()


def _is_connection(item: Any) -> bool:
    return isinstance(item, base.Frame) and item.index >> 16 == 10


def describe(channel: int, value: Any) -> str:
    """A frame as a text."""
    place = "" if channel in (0, 1) else f" on {channel}"
    if value is None:
        return "end"
    if isinstance(value, bytes):
        return f"header {value!r}"
    name = re.sub(r"(?<=[a-z])([A-Z])", r"-\1", value.name).lower()
    told = _TELL.get(value.name, _plain)(value)
    return " ".join(part for part in (name + place, told) if part)


def _plain(value: Any) -> str:
    return " ".join(_steady(str(part)) for _, part in value if part not in (None, "", False))


def _closed(value: Any) -> str:
    return f"{value.reply_code} {_steady(value.reply_text)} ({value.class_id},{value.method_id})"


def _delivered(value: Any) -> str:
    again = " again" if value.redelivered else ""
    return f"{_steady(value.consumer_tag)} {value.delivery_tag}{again} {value.exchange}/{value.routing_key}"


def _got(value: Any) -> str:
    again = " again" if value.redelivered else ""
    return f"{value.delivery_tag}{again} {value.exchange}/{value.routing_key} left {value.message_count}"


def _counted(value: Any) -> str:
    return f"{value.queue} {value.message_count} {value.consumer_count}"


_TELL: dict[str, Callable[[Any], str]] = {
    "Connection.Close": _closed,
    "Channel.Close": _closed,
    "Basic.Deliver": _delivered,
    "Basic.GetOk": _got,
    "Queue.DeclareOk": _counted,
    "Queue.PurgeOk": lambda value: str(value.message_count),
    "Basic.Ack": lambda value: f"{value.delivery_tag}{' multiple' if value.multiple else ''}",
    "Basic.Nack": lambda value: str(value.delivery_tag),  # alone or with others, as it happens
    "Connection.Start": lambda value: f"{value.version_major}-{value.version_minor} {value.mechanisms} {value.locales}",
    "Basic.GetEmpty": lambda value: "",
    "Connection.OpenOk": lambda value: "",
    "Channel.OpenOk": lambda value: "",
    "Channel.FlowOk": lambda value: "",
    "Heartbeat": lambda value: "",
}


def _steady(text: str) -> str:
    """The text without values that are new each time, and without the line breaks of Erlang's printer."""
    return re.sub(r"\n\s*", "", re.sub(r"amq\.(ctag|gen)-[\w-]{22}", r"amq.\1-*", text))


_ADDRESS = re.compile(r"(amq\.rabbitmq\.reply-to)\.[\w+/=-]+\.[\w+/=-]+")


def _shown(value: Any) -> str:
    """Properties and headers, sorted; times roughly."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if hasattr(value, "tzinfo"):
        return "long ago" if value.year < 2020 else "now"
    return _ADDRESS.sub(r"\1.*", str(value))


@dataclass
class Broker:
    """A broker that is there to be talked to. `pass_time`: make its clock advance; `stop`: end it in good order;
    `starve`: set its memory limit so that it is full, or restore it; `allow`: so many seconds for acknowledgements and
    octets of a message, on channels that are opened from now on."""

    name: str
    port: int
    pki: Pki
    pass_time: Callable[[float], Any]
    data: Path
    stop: Callable[[], Awaitable[object]]
    starve: Callable[[bool], Awaitable[object]]
    allow: Callable[[float, int], Awaitable[object]]

    async def connect(self, user: str) -> Talk:
        context = client_context(self.pki, user)
        return Talk(*await asyncio.open_connection("127.0.0.1", self.port, ssl=context))

    @asynccontextmanager
    async def party(self) -> AsyncIterator[Party]:
        """Connections by name, all ended at last."""
        party = Party(self)
        try:
            yield party
        finally:
            for talk in party.talks.values():
                await talk.hang_up()


class Party:
    """Who takes part in a conversation."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.talks: dict[str, Talk] = {}

    async def get(self, who: str, case: Case | None = None) -> Talk:
        """Their connection. A name may carry a number, for a second connection of the same client: `name#2`."""
        talk = self.talks.get(who)
        if talk is None:
            user = who.partition("#")[0]
            talk = self.talks[who] = await self.broker.connect(case.user if case else user)
            await talk.come_in(case or Case("", [], capabilities=not who.endswith(UNAWARE)))
        return talk

    async def play(self, case: Case) -> None:
        """The conversation of a case."""
        mine = await self.get(ME, case)
        heard = ""
        for item in case.of(self.broker.name):
            heard = await self._turn(mine, item) or heard
        if case.after == "channel" or "close" in heard or heard == "end":
            await mine.settle(heard)

    async def _turn(self, mine: Talk, item: Any) -> str | None:
        """One item; the text that was heard on the main connection."""
        if isinstance(item, Wait):
            await self.broker.pass_time(item.seconds)
        elif isinstance(item, By):
            await self._exchange(await self.get(item.who), item.item, item.channel)
        elif isinstance(item, On):
            return await self._exchange(mine, item.item, item.channel)
        else:
            return await self._exchange(mine, item, 1)
        return None

    @staticmethod
    async def _exchange(talk: Talk, item: Any, channel: int) -> str | None:
        if isinstance(item, Confirms):
            await talk.confirmed(item.last)
        elif isinstance(item, str):
            heard = await talk.hear()
            assert heard == item, f"{heard!r} instead of {item!r}"
            return heard
        else:
            talk.say(item, channel)
        return None
