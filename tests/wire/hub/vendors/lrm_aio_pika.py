"""An LRM's round trip with aio-pika, as its vendor writes it. Arguments: see `test_vendors.py`."""

import asyncio
import ssl
import sys
from pathlib import Path

import aio_pika

host, port, vhost, client, ca, cert, key, _, ack, wrong = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)


async def received(queue):
    async with queue.iterator(timeout=20) as messages:
        async for message in messages:
            async with message.process():
                return message.body.decode()


async def main():
    url = f"amqps://{host}:{port}/{vhost}?auth=external"
    async with await aio_pika.connect_robust(url, ssl_context=context) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=10)
        queue = await channel.declare_queue(f"{client}.message", passive=True)
        print("declared", queue.name, sep="\t")
        print("message", await received(queue), sep="\t")
        exchange = await channel.get_exchange("hubsante")
        for file in (ack, wrong):
            message = aio_pika.Message(Path(file).read_bytes(), content_type="application/json", delivery_mode=2)
            await exchange.publish(message, client)
        print("error", await received(await channel.get_queue(f"{client}.info")), sep="\t")


asyncio.run(main())
