"""Time for acknowledgements and size of messages, as both brokers limit them: texts, numbers, and what goes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from pamqp import body, commands, header

from tests.wire.amqp.observed.cases.allowed import ACK_S, CASES, INBOX, LARGE, MOST
from tests.wire.amqp.observed.talk import ME
from tests.wire.amqp.observed.talk import Broker as Observed

Basic = commands.Basic


@pytest_asyncio.fixture
async def narrow(broker: Observed) -> AsyncIterator[Observed]:
    await broker.allow(ACK_S, MOST)
    yield broker


async def test_time_and_size(narrow: Observed) -> None:
    """All in one, as it takes RabbitMQ seconds to be told its limits."""
    for case in CASES:
        async with narrow.party() as party:
            try:
                await party.play(case)
            except AssertionError as error:
                raise AssertionError(f"{case.name}: {error}") from error
        await emptied(narrow)


async def emptied(broker: Observed) -> None:
    """What the last conversation left goes, once it has come back from connections that ended."""
    await asyncio.sleep(0.1)
    async with broker.party() as party:
        talk = await party.get(ME)
        talk.say(commands.Queue.Purge(0, INBOX))
        assert (await talk.hear()).startswith("queue.purge-ok")


async def test_message_that_is_begun_too_large(narrow: Observed) -> None:
    """RabbitMQ refuses it once it has come, the embedded broker as soon as its header says so: the client, who goes on
    sending, hears the same."""
    async with narrow.party() as party:
        talk = await party.get(ME)
        talk.say(Basic.Publish(0, "hubsante", ME))
        talk.say(header.ContentHeader(0, MOST + 1, Basic.Properties(delivery_mode=2)))
        for _ in range(MOST):
            talk.say(body.ContentBody(b"x"))
        talk.say(body.ContentBody(b"x"))
        assert await talk.hear() == f"{LARGE} (60,40)"
        await talk.settle("channel.close ")
