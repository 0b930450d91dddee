"""The rights of the hub's clients, and the virtual hosts that they may enter."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.amqp.broker.permissions import Rights
from sandbox.config import Settings
from sandbox.kernel.hub.queues import DISPATCH, DISPATCH_DLQ, DISTRIBUTION, HUBSANTE, client_queues

DEFAULT_VHOST = "/"
MODEL_VHOST = "15-15_v2.1"  # of the version of the message model that introduced RS-SAS-RDV


def virtual_hosts(settings: Settings) -> tuple[str, ...]:
    """The virtual hosts of a RabbitMQ: the configured one (one per version of the message model) and `/`, each with its
    queues."""
    return tuple(dict.fromkeys((settings.vhost, DEFAULT_VHOST)))


def further_names(settings: Settings) -> tuple[str, ...]:
    """The names of the embedded broker's only virtual host, other than the configured one."""
    return tuple(name for name in (MODEL_VHOST, DEFAULT_VHOST) if name != settings.vhost)


class Clients:
    """The registry: rights by client id. `dispatcher`: the client that may read `dispatch` and `dispatch.dlq`, publish
    to `distribution` and delete queues; None when the dispatcher is part of the broker."""

    def __init__(self, ids: Iterable[str], vhosts: Iterable[str], *, dispatcher: str | None = None) -> None:
        self._reachable = frozenset(vhosts)
        self._rights: dict[str, Rights] = {}
        for client in ids:
            self.add(client)
        if dispatcher is not None:
            self._rights[dispatcher] = Rights(
                user=dispatcher,
                vhosts=self._reachable,
                readable=frozenset((DISPATCH, DISPATCH_DLQ)),
                writable=frozenset((DISTRIBUTION,)),
                operator=True,
            )

    def add(self, client: str) -> None:
        """Add a client: it reads its own queues and publishes under its own name."""
        self._rights[client] = Rights(
            user=client,
            vhosts=self._reachable,
            readable=frozenset(client_queues(client)),
            writable=frozenset((HUBSANTE,)),
            topics=((HUBSANTE, frozenset((client,))),),
        )

    def remove(self, client: str) -> None:
        """Remove a client, which then cannot log in."""
        self._rights.pop(client, None)

    def rights(self, client_id: str) -> Rights | None:
        """The rights of a client, None when there is no such client."""
        return self._rights.get(client_id)
