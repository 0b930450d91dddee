"""One client that takes too much, on a real port: it is refused, and nobody else notices. And the names of the virtual
host, which are the embedded broker's own: on a RabbitMQ each has its own queues."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from pamqp import body, commands, header

from sandbox.kernel.hub.report import read
from tests.support.sandboxes import eventually
from tests.wire.amqp.test_full_disk import drain, enter, publish

PLATFORM, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
Basic, Connection = commands.Basic, commands.Connection


async def test_one_virtual_host_has_three_names(hub, raw, message):
    names = ("15-15_v2.0", "15-15_v2.1", "/")
    for number, name in enumerate(names):
        wire = await raw()
        await wire.login(vhost=name)
        wire.send(commands.Channel.Open(), 1)
        await wire.read()
        wire.send(commands.Confirm.Select(), 1)
        await wire.read()
        publish(wire, message(PLATFORM, SAMU, str(number)))
        assert isinstance(await wire.read(), Basic.Ack)
        await wire.close()
    await eventually(lambda: hub.health()["routed"] == 3)
    assert hub.health()["queues"] == {f"15-15_v2.0:{SAMU}.message": "3/0"}
    wire = await raw(SAMU)
    await wire.login(vhost="15-15_v2.1")
    assert len(await drain(wire, f"{SAMU}.message")) == 3
    await wire.close()


@pytest.mark.parametrize("vhost", ["15-15_v2.1", "/"])
async def test_configured_name_may_be_one_of_them(site, raw, vhost):
    site.settings = msgspec.structs.replace(site.settings, vhost=vhost)
    hub = site.hub()
    await hub.start()
    for name in ("15-15_v2.1", "/"):
        wire = await raw()
        await wire.login(vhost=name)
        await wire.close()
    await hub.stop()


async def test_unfinished_messages_are_bounded_and_others_go_on(hub, raw, message):
    other = await raw(SAMU)
    await other.login()
    greedy = await raw()
    await greedy.login()
    part, begun = body.ContentBody(b"x" * 131_064), 0
    for channel in range(1, 81):
        greedy.send(commands.Channel.Open(), channel)
        await greedy.read()
        greedy.send(Basic.Publish(0, "hubsante", PLATFORM), channel)
        greedy.send(header.ContentHeader(0, 16 * 1024 * 1024, Basic.Properties()), channel)
    reading = asyncio.create_task(greedy.read())
    while not reading.done():
        for _ in range(8):
            greedy.send(part, begun % 80 + 1)
            begun += 1
        await greedy.writer.drain()
    close = await reading
    assert (close.reply_code, close.reply_text) == (506, "RESOURCE_ERROR - too many octets of unfinished messages")
    assert begun * 131_064 < 48 * 1024 * 1024
    assert hub._running.broker.unfinished.octets == 0
    await greedy.close()
    other.send(commands.Channel.Open(), 1)
    assert isinstance(await other.read(), commands.Channel.OpenOk)
    await other.close()
    report = read(hub.health())
    assert report is not None
    await eventually(lambda: [each.code for each in read(hub.health()).refusals] == [506])


async def test_connections_of_one_client_are_bounded(site, raw, message):
    site.settings = msgspec.structs.replace(site.settings, client_connections=3)
    hub = site.hub()
    await hub.start()
    wires = [await raw() for _ in range(3)]
    for wire in wires:
        await wire.login()
    fourth = await raw()
    with pytest.raises(AssertionError):
        await fourth.login()  # connection.close instead of open-ok
    others = [await raw() for _ in range(2)]  # on their way in: as many again
    refused = await raw()
    refused.writer.write(b"AMQP\x00\x00\x09\x01")
    assert await refused.ended()
    samu = await raw(SAMU)
    await samu.login()
    await eventually(lambda: [each.code for each in read(hub.health()).refusals] == [530])
    (refusal,) = read(hub.health()).refusals
    assert refusal.text == (
        f"NOT_ALLOWED - connection refused for user '{PLATFORM}': user connection limit (3) is reached"
    )
    for wire in (*wires, fourth, *others):
        await wire.close()
    await eventually(lambda: len(hub._running.server.connections) == 1)
    again = await raw()
    await again.login()
    for wire in (again, samu, refused):
        await wire.close()
    await hub.stop()


async def test_message_too_large_for_the_setting_and_the_connection_goes_on(site, raw, message):
    site.settings = msgspec.structs.replace(site.settings, message_limit_mib=1)
    hub = site.hub()
    await hub.start()
    wire = await raw()
    await enter(wire)
    wire.send(Basic.Publish(0, "hubsante", PLATFORM), 1)
    wire.send(header.ContentHeader(0, 1_048_577, Basic.Properties(delivery_mode=2)), 1)
    for octets in (*[131_064] * 8, 65):
        wire.send(body.ContentBody(b"x" * octets), 1)
    close = await wire.read()
    assert (close.reply_code, close.reply_text) == (
        406,
        "PRECONDITION_FAILED - message size 1048577 is larger than configured max size 1048576",
    )
    wire.send(commands.Channel.CloseOk(), 1)
    wire.send(commands.Channel.Open(), 1)
    assert isinstance(await wire.read(), commands.Channel.OpenOk)
    wire.send(commands.Confirm.Select(), 1)
    await wire.read()
    publish(wire, message(PLATFORM, SAMU))
    assert isinstance(await wire.read(), Basic.Ack)
    await wire.close()
    await hub.stop()
