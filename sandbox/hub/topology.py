"""Exchanges, queues and bindings of a hub, as the real one has them (guide, « Hub Santé »).

hubsante (topic)         -> `#`            -> dispatch
distribution (direct)    -> <queue's name> -> <client>.message, <client>.ack, <client>.info
distribution.dlx (fanout)                  -> dispatch.dlq      (what expires or is refused in a client's queue)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sandbox.amqp.broker import Broker, VirtualHost
from sandbox.amqp.queue import Limit

HUBSANTE, DISTRIBUTION, DEAD_LETTER = "hubsante", "distribution", "distribution.dlx"
DISPATCH, DISPATCH_DLQ = "dispatch", "dispatch.dlq"
_NO_LIMITS: Mapping[str, Limit] = {}
SUFFIXES = (".message", ".ack", ".info")


def client_queues(client_id: str) -> tuple[str, ...]:
    """The three queues of a client: business messages, acknowledgements, errors and information."""
    return tuple(client_id + suffix for suffix in SUFFIXES)


def add_virtual_host(
    broker: Broker, name: str, clients: Iterable[str], ttl_ms: int, limits: Mapping[str, Limit] = _NO_LIMITS
) -> VirtualHost:
    """A virtual host with the hub's topology. `ttl_ms`: how long a message waits in a client's queue; `limits`: of
    those queues that may not grow without bound."""
    vhost = broker.vhost(name)
    vhost.exchange(HUBSANTE, "topic").bind(vhost.queue(DISPATCH), "#")
    vhost.exchange(DEAD_LETTER, "fanout").bind(vhost.queue(DISPATCH_DLQ))
    distribution = vhost.exchange(DISTRIBUTION, "direct")
    for client in clients:
        for queue in client_queues(client):
            limit = limits.get(queue)
            distribution.bind(vhost.queue(queue, ttl_ms=ttl_ms, dead_letter_exchange=DEAD_LETTER, limit=limit), queue)
    return vhost
