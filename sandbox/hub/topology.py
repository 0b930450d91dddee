"""Exchanges, queues and bindings of a hub, as the real one has them (guide, « Hub Santé »).

hubsante (topic)         -> `#`            -> dispatch
distribution (direct)    -> <queue's name> -> <client>.message, <client>.ack, <client>.info
distribution.dlx (fanout)                  -> dispatch.dlq      (what expires or is rejected in a client's queue)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.amqp.broker.broker import Broker, VirtualHost
from sandbox.amqp.broker.queue import Limit, QueueArguments
from sandbox.amqp.broker.routing import ExchangeKind
from sandbox.kernel.hub.queues import DEAD_LETTER, DISPATCH, DISPATCH_DLQ, DISTRIBUTION, HUBSANTE, client_queues

EXCHANGES: Mapping[str, ExchangeKind] = {HUBSANTE: "topic", DEAD_LETTER: "fanout", DISTRIBUTION: "direct"}
_NO_LIMITS: Mapping[str, Limit] = {}


def queue_arguments(queue: str, ttl_ms: int, most: int = 0) -> dict[str, Any]:
    """Arguments of a queue. In clients' queues messages expire after `ttl_ms`, and at most `most` may wait (0: any
    number); expired and surplus messages are dead-lettered."""
    if queue in (DISPATCH, DISPATCH_DLQ):
        return {}
    limited = {"x-max-length": most} if most else {}
    return {"x-message-ttl": ttl_ms, "x-dead-letter-exchange": DEAD_LETTER, **limited}


def bindings(clients: Iterable[str]) -> list[tuple[str, str, str]]:
    """(queue, exchange, key) of every binding, in the order in which queues are made."""
    own = [(queue, DISTRIBUTION, queue) for client in clients for queue in client_queues(client)]
    return [(DISPATCH, HUBSANTE, "#"), (DISPATCH_DLQ, DEAD_LETTER, ""), *own]


def add_virtual_host(
    broker: Broker,
    name: str,
    clients: Iterable[str],
    ttl_ms: int,
    limits: Mapping[str, Limit] = _NO_LIMITS,
    *,
    most: int = 0,
) -> VirtualHost:
    """A virtual host with the hub's topology. `ttl_ms`: how long a message waits in a client's queue; `most`: how many
    messages may wait (0: any number); `limits`: other limits of single queues, by name."""
    vhost = broker.vhost(name)
    for exchange, kind in EXCHANGES.items():
        vhost.exchange(exchange, kind)
    _bind(vhost, bindings(clients), ttl_ms, most, limits)
    return vhost


def add_client(vhost: VirtualHost, client: str, ttl_ms: int, most: int = 0) -> None:
    """Add the queues of one client while the broker runs."""
    own = [binding for binding in bindings((client,)) if binding[0] not in vhost.queues]
    _bind(vhost, own, ttl_ms, most)


def remove_client(vhost: VirtualHost, client: str) -> list[tuple[str, int, int]]:
    """Delete the queues of a client. Returns for each its name, and how many messages were ready and unacknowledged."""
    return [(queue, *vhost.delete(queue)) for queue in client_queues(client) if queue in vhost.queues]


def _bind(
    vhost: VirtualHost,
    wanted: Iterable[tuple[str, str, str]],
    ttl_ms: int,
    most: int,
    limits: Mapping[str, Limit] = _NO_LIMITS,
) -> None:
    for queue, exchange, key in wanted:
        arguments = queue_arguments(queue, ttl_ms, most)
        general = Limit(messages=most) if "x-max-length" in arguments else None
        settings = QueueArguments(
            ttl_ms=arguments.get("x-message-ttl"),
            dead_letter_exchange=arguments.get("x-dead-letter-exchange"),
            limit=limits.get(queue, general),
        )
        made = vhost.queue(queue, settings)
        vhost.exchanges[exchange].bind(made, key)
