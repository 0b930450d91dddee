"""Hub Santé of the sandbox: the embedded broker, its durable messages, the dispatcher and the AMQP listener."""

from __future__ import annotations

from sandbox.amqp.broker import Broker
from sandbox.amqp.permissions import Authenticator, External, Plain
from sandbox.config import AMQP, AMQPS, EMBEDDED
from sandbox.hub.clients import Clients, client_ids, virtual_hosts
from sandbox.hub.feed import Feed
from sandbox.hub.messages import MessageLog
from sandbox.hub.remote import RemoteHub
from sandbox.hub.topology import add_virtual_host
from sandbox.net.amqp_server import AmqpServer
from sandbox.net.context import Context, Service
from sandbox.net.revocation import listener_contexts
from sandbox.net.tls import Peer


class Hub:
    """The role `hub`. With mTLS it listens on AMQPS and a client is its certificate's CN (SASL EXTERNAL); with
    `--no-mtls` on AMQP, where it is the user of SASL PLAIN."""

    def __init__(self, context: Context) -> None:
        self._context = context
        ids = client_ids(context.settings, context.population)
        vhosts = virtual_hosts(context.settings)
        self._clients = Clients(ids, vhosts)
        self._broker = Broker(context.entropy.octets)
        ttl_ms = context.settings.message_ttl_s * 1000
        self._feeds = [
            Feed(context, self._broker, add_virtual_host(self._broker, vhost, ids, ttl_ms), ids) for vhost in vhosts
        ]
        self._messages: MessageLog | None = None
        self._server = self._listener()

    async def start(self) -> None:
        """Recover the messages, then dispatch, then listen. Raises StoreError, OSError."""
        self._messages = MessageLog.open(self._context.store_dir("hub"), self._broker)
        self._messages.start()
        for feed in self._feeds:
            feed.start()
        await self._server.start()

    async def stop(self) -> None:
        """connection.close 320 to the clients; what was accepted is on disk when this returns."""
        await self._server.stop()
        for feed in self._feeds:
            feed.stop()
        if self._messages is not None:
            await self._messages.stop()

    def health(self) -> dict[str, object]:
        """Connections, messages dispatched since the start, and `ready/unacknowledged` of the queues in use."""
        return {
            "connections": len(self._server.connections),
            "routed": sum(feed.office.routed for feed in self._feeds),
            "refused": sum(feed.office.refused for feed in self._feeds),
            "disk": (self._messages.failure or "ok") if self._messages is not None else "closed",
            "queues": {
                f"{vhost.name}:{queue.name}": f"{len(queue.ready)}/{queue.unacked}"
                for vhost in self._broker.vhosts.values()
                for queue in vhost.queues.values()
                if queue.ready or queue.unacked
            },
        }

    def _listener(self) -> AmqpServer:
        context = self._context
        secure = context.pki is not None
        return AmqpServer(
            self._broker,
            context.sockets[AMQPS if secure else AMQP],
            login=self._login,
            clock=lambda: context.clock.now().timestamp(),
            tls=listener_contexts(context.pki, client_certificate="required"),
        )

    def _login(self, peer: Peer | None) -> Authenticator:
        if self._context.pki is None:
            return Plain(self._context.secret("hub-password"), self._clients.rights)
        return External(peer.cn if peer is not None else "", self._clients.rights)


def build(context: Context) -> Service:
    """The hub of a role's context: with the embedded broker, or beside a RabbitMQ."""
    return Hub(context) if context.settings.hub_broker == EMBEDDED else RemoteHub(context)
