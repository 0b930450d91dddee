"""An LRM that does not acknowledge, with pika. Arguments: see `test_ack_timeout.py`."""

import ssl
import sys

import pika
from pika.exceptions import ChannelClosedByBroker

host, port, vhost, client, ca, cert, key, _ = sys.argv[1:]
queue = f"{client}.message"
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
parameters = pika.ConnectionParameters(
    host, int(port), vhost, pika.credentials.ExternalCredentials(), ssl_options=pika.SSLOptions(context, host)
)
closes = []

with pika.BlockingConnection(parameters) as connection:
    channel = connection.channel()
    channel._impl.add_callback(lambda frame: closes.append(frame.method), [pika.spec.Channel.Close])
    channel.basic_consume(queue, lambda *_: None)
    try:
        channel.start_consuming()
    except ChannelClosedByBroker as error:
        print("close", f"{error.reply_code} {error.reply_text}", sep="\t")
    print("culprit", f"{closes[0].class_id},{closes[0].method_id}", sep="\t")
    print("open", str(connection.is_open).lower(), sep="\t")
    channel = connection.channel()
    method, _, _ = channel.basic_get(queue)
    print("again", str(method.redelivered).lower(), sep="\t")
    channel.basic_ack(method.delivery_tag)
