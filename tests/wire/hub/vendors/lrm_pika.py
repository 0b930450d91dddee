"""An LRM's round trip with pika, as its vendor writes it. Arguments: see `test_vendors.py`."""

import ssl
import sys
from pathlib import Path

import pika

host, port, vhost, client, ca, cert, key, _, ack, wrong = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
parameters = pika.ConnectionParameters(
    host, int(port), vhost, pika.credentials.ExternalCredentials(), ssl_options=pika.SSLOptions(context, host)
)
properties = pika.BasicProperties(content_type="application/json", delivery_mode=2, priority=0)


def received(channel, queue):
    method, _, body = next(channel.consume(queue, inactivity_timeout=20))
    channel.basic_ack(method.delivery_tag)
    channel.cancel()
    return body.decode()


with pika.BlockingConnection(parameters) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    print("declared", channel.queue_declare(f"{client}.message", passive=True).method.queue, sep="\t")
    print("message", received(channel, f"{client}.message"), sep="\t")
    for file in (ack, wrong):
        channel.basic_publish("hubsante", client, Path(file).read_bytes(), properties)
    print("error", received(channel, f"{client}.info"), sep="\t")
