"""kill -9: what was confirmed is there after the restart, once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aio_pika
import orjson

import sandbox

VHOST, PLATFORM, SAMU = "15-15_v2.0", "fr.health.test.ptfsas", "fr.health.samu330"
PROGRAM = Path(__file__).with_name("hub_process.py")


async def start(house):
    house.close()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), str(house.port), str(house.data)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(sandbox.__file__).parents[1])},
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"ready\n"
    return process


async def connect(house, user):
    password = house.context().secret("hub-password")
    return await aio_pika.connect(f"amqp://{user}:{password}@127.0.0.1:{house.port}/{VHOST}")


async def kill(process):
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def test_confirmed_messages_survive_and_acknowledged_ones_do_not_come_back(plain_house, message):
    process = await start(plain_house)
    confirmed: list[str] = []
    try:
        sas = await connect(plain_house, PLATFORM)
        exchange = await (await sas.channel()).get_exchange("hubsante")

        async def publish(number):
            body = message(PLATFORM, SAMU, str(number))
            await exchange.publish(aio_pika.Message(body, content_type="application/json", delivery_mode=2), PLATFORM)
            confirmed.append(f"{PLATFORM}_{number}")

        await asyncio.gather(*(publish(number) for number in range(200)))
        lrm = await connect(plain_house, SAMU)
        queue = await (await lrm.channel()).get_queue(f"{SAMU}.message")
        acknowledged = []
        for number in range(50):
            delivery = await queue.get()
            acknowledged.append(orjson.loads(delivery.body)["distributionID"])
            if number < 40:
                await delivery.ack()
        await publish(200)  # once this is confirmed, what came before it on the disk is there too
        under_way = [asyncio.create_task(publish(number)) for number in range(300, 330)]
        await asyncio.sleep(0)
    finally:
        await kill(process)
    await asyncio.gather(*under_way, return_exceptions=True)
    for connection in (sas, lrm):
        await connection.close()

    process = await start(plain_house)
    try:
        lrm = await connect(plain_house, SAMU)
        queue = await (await lrm.channel()).get_queue(f"{SAMU}.message")
        found, redelivered = [], set()
        while (delivery := await queue.get(fail=False)) is not None:
            found.append(orjson.loads(delivery.body)["distributionID"])
            redelivered.add(delivery.redelivered)
            await delivery.ack()
        await lrm.close()
    finally:
        await kill(process)
    assert len(found) == len(set(found))
    assert set(confirmed) - set(acknowledged[:40]) <= set(found)
    assert not set(found) & set(acknowledged[:39])
    assert redelivered == {True}
