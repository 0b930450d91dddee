"""The embedded broker's listener on real sockets: what needs a hand inside it (limits, buffers, defects), or the
sandbox's own revocation list, which no RabbitMQ here is told to read. Certificates, heartbeats and the end as clients
see them are played on both brokers in `observed/test_connections.py`."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import pytest
from pamqp import body, commands, frame, header

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.message import Message
from sandbox.amqp.broker.permissions import Plain
from sandbox.amqp.session import channel_methods
from sandbox.hub.clients import Clients
from sandbox.hub.topology import add_virtual_host
from sandbox.net.amqp import server as amqp_server
from sandbox.net.amqp.server import AmqpServer
from sandbox.net.tls import client_context

Basic, Connection = commands.Basic, commands.Connection
VHOST, PLATFORM, SAMU = "15-15_v2.0", "fr.health.test.ptfsas", "fr.health.samu330"


async def test_revoked_certificate_is_refused_in_the_handshake(hub, site):
    context = client_context(site.pki, None)
    credentials = site.pki.bad["revoked"]
    context.load_cert_chain(credentials.cert, credentials.key)

    async def knock():  # with TLS 1.3 the client sees the alert at its first read
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
        writer.write(b"AMQP\x00\x00\x09\x01")
        await reader.readexactly(1)

    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        await knock()
    assert hub.health()["connections"] == 0


async def test_good_certificate_of_nobody_the_hub_knows_is_refused_by_the_login(hub, site, raw_type):
    context = client_context(site.pki, None)
    context.load_cert_chain(site.pki.bad["wrong_cn"].cert, site.pki.bad["wrong_cn"].key)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
    wire = raw_type(reader, writer)
    writer.write(b"AMQP\x00\x00\x09\x01")
    assert isinstance(await wire.read(), Connection.Start)
    capable = {"capabilities": {"authentication_failure_close": True}}
    wire.send(Connection.StartOk(capable, "EXTERNAL", PLATFORM, "en_US"))
    close = await wire.read()
    assert close.reply_code == 403
    wire.send(Connection.CloseOk())
    assert await wire.ended()
    await wire.close()


async def test_client_that_does_not_come_in_is_cut(hub, raw, monkeypatch):
    monkeypatch.setattr(amqp_server, "HANDSHAKE_TIMEOUT", 0.3)
    wire = await raw()
    wire.writer.write(b"AMQP\x00\x00\x09\x01")
    await wire.read()
    assert await wire.ended()
    await wire.close()


async def test_hub_stops_even_when_clients_do_not_answer(site, raw):
    hub = site.hub()
    await hub.start()
    wire = await raw()
    await wire.login()
    async with asyncio.timeout(5):
        await hub.stop()
    await wire.close()


async def test_without_mtls_a_password_opens_the_door(plain_site):
    hub = plain_site.hub()
    await hub.start()
    context = plain_site.context()
    for password, answer in ((context.secret("hub-password"), Connection.Tune), ("wrong", Connection.Close)):
        reader, writer = await asyncio.open_connection("127.0.0.1", plain_site.port)
        writer.write(b"AMQP\x00\x00\x09\x01")
        start = await _frame(reader)
        assert start.mechanisms == "PLAIN"
        capable = {"capabilities": {"authentication_failure_close": True}}
        response = f"\0{SAMU}\0{password}"
        writer.write(frame.marshal(Connection.StartOk(capable, "PLAIN", response, "en_US"), 0))
        assert isinstance(await _frame(reader), answer)
        writer.close()
        await writer.wait_closed()
    await hub.stop()


@pytest.mark.parametrize("response", [b"", b"\0a", b"\0\xff\0secret", b"\0unknown\0secret", b"\0fr.x\0bad"])
def test_plain_refuses_what_is_not_right(response):
    assert Plain("secret", Clients(["fr.x"], ["/"]).rights).login(response) is None


def test_plain_takes_the_user_and_ignores_the_authorisation_id():
    rights = Plain("secret", Clients(["fr.x"], ["/"]).rights).login(b"other\0fr.x\0secret")
    assert rights is not None
    assert rights.user == "fr.x"


async def _frame(reader):
    head = await reader.readexactly(7)
    return frame.unmarshal(head + await reader.readexactly(int.from_bytes(head[3:], "big") + 1))[2]


class Plainly:
    """A listener without TLS or disk."""

    def __init__(self, sock, **options):
        self.broker = Broker(bytes)
        self.vhost = add_virtual_host(self.broker, VHOST, [SAMU], 60_000)
        clients = Clients([SAMU], [VHOST])
        self.server = AmqpServer(
            self.broker, sock, login=lambda peer: Plain("p", clients.rights), clock=lambda: 0.0, tls=None, **options
        )


@pytest.fixture
async def plainly(plain_site):
    made = Plainly(plain_site._first, max_connections=2)
    await made.server.start()
    yield made
    await made.server.stop(0.1)


async def enter(raw_type, port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"AMQP\x00\x00\x09\x01")
    wire = raw_type(reader, writer)
    await wire.read()
    for value in (
        Connection.StartOk({}, "PLAIN", f"\0{SAMU}\0p", "en_US"),
        Connection.TuneOk(2047, 131_072, 0),
        Connection.Open(VHOST),
    ):
        writer.write(frame.marshal(value, 0))
    wire.send(commands.Channel.Open(), 1)
    for kind in (Connection.Tune, Connection.OpenOk, commands.Channel.OpenOk):
        assert isinstance(await wire.read(), kind)
    return wire


async def test_one_connection_too_many_is_cut(plainly, plain_site, raw_type):
    wires = [await enter(raw_type, plain_site.port) for _ in range(2)]
    reader, writer = await asyncio.open_connection("127.0.0.1", plain_site.port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    for wire in wires:
        await wire.close()


async def test_client_that_does_not_read_gets_no_more_than_the_transport_holds(plainly, plain_site, raw_type):
    queue = plainly.vhost.queues[f"{SAMU}.message"]
    size, count = 10_000, 2_000
    for _ in range(count):
        queue.push(Message("distribution", queue.name, b"\0\0", bytes(size), False), 0.0)
    wire = await enter(raw_type, plain_site.port)
    wire.send(Basic.Consume(queue=queue.name, no_ack=True), 1)
    assert isinstance(await wire.read(), Basic.ConsumeOk)
    (connection,) = plainly.server.connections
    before = -1
    while before != len(queue.ready):  # until it stands still: the buffers are full
        before = len(queue.ready)
        for _ in range(200):
            await asyncio.sleep(0)
    assert before > count / 4
    assert connection.session.waiting <= 300_000
    got = 0
    while got < count:
        value = await wire.read()
        got += isinstance(value, body.ContentBody)
    assert not queue.ready
    await wire.close()


async def test_publisher_that_never_reads_is_not_read_from_for_ever(plainly, plain_site, raw_type):
    """Its returned messages fill our buffers: then the broker stops reading, and continues once the client reads."""
    plainly.vhost.exchange("hubsante", "topic")  # nothing bound: everything comes back
    wire = await enter(raw_type, plain_site.port)
    count, size = 400, 100_000
    head = header.ContentHeader(0, size, Basic.Properties())
    for _ in range(count):
        wire.send(Basic.Publish(0, "hubsante", SAMU, mandatory=True), 1)
        wire.send(head, 1)
        wire.send(body.ContentBody(bytes(size)), 1)
    returned = 0
    while returned < count:
        returned += isinstance(await wire.read(), Basic.Return)
    await wire.close()


async def test_defect_of_the_broker_costs_one_connection_not_all(plainly, plain_site, raw_type, monkeypatch):
    wires = [await enter(raw_type, plain_site.port) for _ in range(2)]

    def broken(channel, value):
        raise ZeroDivisionError

    monkeypatch.setattr(channel_methods, "handle", broken)
    wires[0].send(Basic.Qos(), 1)
    assert (await wires[0].read()).reply_code == 541
    monkeypatch.undo()
    wires[1].send(Basic.Qos(), 1)
    assert isinstance(await wires[1].read(), Basic.QosOk)
    for wire in wires:
        await wire.close()


async def test_connection_that_broke_down_is_written_nothing_more():
    """uvloop raises an error for it, which would also stop the writes to all other connections in the same turn."""

    class Broken:
        def get_extra_info(self, name):
            return None

        def is_closing(self):
            return True

        def write(self, data):
            raise RuntimeError("the handler is closed")

    broker = Broker(lambda size: b"x" * size)
    server = AmqpServer(
        broker, socket.socket(), login=lambda peer: Plain("secret", lambda user: None), clock=lambda: 0.0, tls=None
    )
    connection = amqp_server.Connection(server)
    connection.connection_made(Broken())
    connection.data_received(b"AMQP\x00\x00\x09\x01")
    connection.flush(0.0)
    assert connection.session.waiting > 0, "it was not to be written, and was"
    connection.connection_lost(None)
    await server.stop()


async def knocks(port, count):
    """Open that many connections that send nothing; returns how many of them were closed within a second."""

    async def hung_up(reader):
        try:
            async with asyncio.timeout(1):
                return await reader.read(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    ends = await asyncio.gather(*(hung_up(reader) for reader, _ in pairs))
    for _, writer in pairs:
        writer.close()
    return sum(ends)


async def test_strangers_leave_some_descriptors_to_the_consoles(site, raw, monkeypatch):
    with socket.socket() as next_one:
        limit = next_one.fileno() + 50
    monkeypatch.setattr(amqp_server, "highest", lambda *, console: limit)
    hub = site.hub()
    await hub.start()
    turned_away = await knocks(site.port, 40)
    assert 2 <= turned_away < 40, "the last ones, and those before whose handshake was unfinished"
    wire = await raw()  # they are gone: new connections are accepted
    await wire.login()
    await wire.close()
    await hub.stop()


async def test_a_system_without_descriptors_is_waited_for(plain_site, raw_type, monkeypatch):
    made, accepted = Plainly(plain_site._first), asyncio.get_running_loop().sock_accept
    fails = [OSError(errno.EMFILE, "Too many open files")]

    async def accept(sock):
        if fails:
            raise fails.pop()
        return await accepted(sock)

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", accept, raising=False)
    await made.server.start()
    wire = await enter(raw_type, plain_site.port)
    await wire.close()
    await made.server.stop(0.1)
    assert fails == []
