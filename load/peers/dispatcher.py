"""A usual dispatcher, as an AMQP client of the hub: aiormq, jsonschema-rs, prefetch 200, confirms that do not wait for
each other. `python -m load.peers.dispatcher URL` prints `ready` once it consumes.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiormq
import jsonschema_rs
import orjson

PREFETCH = 200
_TEXT = {"type": "string"}
_ADDRESS = {"type": "object", "required": ["explicitAddressValue"], "properties": {"explicitAddressValue": _TEXT}}
SCHEMA = {
    "type": "object",
    "required": ["distributionID", "senderID", "dateTimeSent", "dateTimeExpires", "distributionKind", "descriptor"],
    "properties": {
        **dict.fromkeys(("distributionID", "senderID", "dateTimeSent", "dateTimeExpires", "distributionKind"), _TEXT),
        "descriptor": {"type": "object", "required": ["explicitAddress"], "properties": {"explicitAddress": _ADDRESS}},
        "content": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["jsonContent"]}},
    },
}


async def main(url: str) -> None:
    """Dispatch until the process is stopped."""
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=True)
    await channel.basic_qos(prefetch_count=PREFETCH)
    valid = jsonschema_rs.validator_for(SCHEMA).is_valid

    async def take(message: Any) -> None:
        document = orjson.loads(message.body)
        if not valid(document):
            await channel.basic_nack(message.delivery.delivery_tag, requeue=False)
            return
        recipient = document["descriptor"]["explicitAddress"]["explicitAddressValue"]
        properties = aiormq.spec.Basic.Properties(
            content_type="application/json",
            delivery_mode=2,
            headers={"x-death-original-routing-key": document["senderID"]},
        )
        await channel.basic_publish(
            message.body,
            exchange="distribution",
            routing_key=f"{recipient}.message",
            mandatory=True,
            properties=properties,
        )
        await channel.basic_ack(message.delivery.delivery_tag)

    await channel.basic_consume("dispatch", take)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await connection.closing


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
