"""Certificates, heartbeats, and brokers that are stopped, as clients see them on both brokers."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from pamqp.commands import Connection
from pamqp.heartbeat import Heartbeat

from sandbox.net.tls import client_context
from tests.wire.amqp.observed.talk import LRM, ME, UNAWARE, Broker, Case, Pub


@pytest.mark.parametrize("kind", ["expired", "not_yet_valid", "self_signed", "other_ca", "none"])
async def test_bad_certificate_is_refused_by_an_alert(broker: Broker, kind: str) -> None:
    context = client_context(broker.pki, None)
    if kind != "none":
        credentials = broker.pki.bad[kind]
        context.load_cert_chain(credentials.cert, credentials.key)

    async def knock() -> None:  # with TLS 1.3 the client sees the alert at its first read
        reader, _ = await asyncio.open_connection("127.0.0.1", broker.port, ssl=context)
        await asyncio.wait_for(reader.readexactly(1), 10)

    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        await knock()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_both_versions_of_tls_are_spoken(broker: Broker, version: ssl.TLSVersion) -> None:
    context = client_context(broker.pki, ME)
    context.minimum_version = context.maximum_version = version
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port, ssl=context)
    writer.write(b"AMQP\x00\x00\x09\x01")
    assert (await asyncio.wait_for(reader.readexactly(1), 10)) == b"\x01"
    writer.close()
    await writer.wait_closed()


async def test_heartbeats_go_both_ways_and_silence_is_cut(broker: Broker) -> None:
    async with broker.party() as party:
        talk = await party.get(ME, Case("", [], heartbeat=1))
        for _ in range(4):
            assert await talk.hear() == "heartbeat"
            talk.say(Heartbeat())
        loop = asyncio.get_running_loop()
        started = loop.time()
        while (heard := await talk.hear()) == "heartbeat":
            pass
        assert heard == "end"
        assert 1.5 < loop.time() - started < 6


async def test_client_without_heartbeats_gets_none(broker: Broker) -> None:
    async with broker.party() as party:
        quiet, lively = await party.get(ME), await party.get(LRM, Case("", [], user=LRM, heartbeat=1))
        for _ in range(2):
            assert await lively.hear() == "heartbeat"
            lively.say(Heartbeat())
        quiet.say(Connection.Close(200, "", 0, 0))
        assert await quiet.hear() == "connection.close-ok"


async def test_broker_that_is_stopped_says_so_and_ends(broker: Broker) -> None:
    async with broker.party() as party:
        talk = await party.get(ME)
        stopping = asyncio.create_task(broker.stop())
        heard = await talk.hear()
        reason = "broker forced connection closure with reason 'shutdown'"
        assert heard == f"connection.close 320 CONNECTION_FORCED - {reason} (0,0)"
        talk.say(Connection.CloseOk())
        assert await talk.hear() == "end"
        await stopping


async def test_publisher_is_told_that_memory_is_low_and_when_it_is_not(broker: Broker) -> None:
    """Only who publishes is told, and who announced that he knows the word. What is published meanwhile differs:
    RabbitMQ reads no more of it, ours refuses it by a nack to those who want confirms."""
    async with broker.party() as party:
        talk, idle, unaware = await party.get(ME), await party.get(LRM), await party.get(ME + UNAWARE)
        await broker.starve(True)
        try:
            for each in (talk, unaware):
                each.say(Pub())
            assert await talk.hear() == "connection.blocked low on memory"
        finally:
            await broker.starve(False)
        assert await talk.hear() == "connection.unblocked"
        for each in (talk, idle, unaware):
            await each.settle("")
