"""An LRM's round trip with py-amqp, as its vendor writes it. Arguments: see `test_vendors.py`."""

import sys
from pathlib import Path

import amqp

host, port, vhost, client, ca, cert, key, _, ack, wrong = sys.argv[1:]
tls = {"ca_certs": ca, "certfile": cert, "keyfile": key, "server_hostname": host}


def received(connection, channel, queue):
    found = []
    tag = channel.basic_consume(queue, callback=found.append)
    while not found:
        connection.drain_events(timeout=20)
    channel.basic_ack(found[0].delivery_tag)
    channel.basic_cancel(tag)
    return found[0].body if isinstance(found[0].body, str) else bytes(found[0].body).decode()


with amqp.Connection(
    f"{host}:{port}", virtual_host=vhost, login_method="EXTERNAL", ssl=tls, confirm_publish=True, heartbeat=30
) as connection:
    channel = connection.channel()
    print("declared", channel.queue_declare(f"{client}.message", passive=True).queue, sep="\t")
    print("message", received(connection, channel, f"{client}.message"), sep="\t")
    for file in (ack, wrong):
        message = amqp.Message(Path(file).read_text("utf-8"), content_type="application/json", delivery_mode=2)
        channel.basic_publish(message, exchange="hubsante", routing_key=client)
    print("error", received(connection, channel, f"{client}.info"), sep="\t")
