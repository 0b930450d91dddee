"""Hub Santé of the sandbox: the embedded broker, its durable messages, the dispatcher and the AMQP listener."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.limits import MIB, Limits
from sandbox.amqp.broker.permissions import Authenticator, External, Plain
from sandbox.config import AMQP, AMQPS, EMBEDDED, Settings
from sandbox.faults.hub import HubFaults
from sandbox.hub.clients import Clients, further_names
from sandbox.hub.counters import DispatchCounters
from sandbox.hub.dispatching.judge import Judge
from sandbox.hub.embedded.messages import MessageLog
from sandbox.hub.embedded.queue_dispatcher import QueueDispatcher
from sandbox.hub.embedded.refusals import Refusals
from sandbox.hub.monitor import Monitor
from sandbox.hub.rabbitmq.remote import RemoteHub
from sandbox.hub.removals import Removals
from sandbox.hub.topology import add_client, add_virtual_host, remove_client
from sandbox.kernel.errors import StoreError
from sandbox.kernel.hub.clients import added_clients
from sandbox.kernel.hub.removal import Lost, Removal
from sandbox.kernel.hub.report import KEY
from sandbox.kernel.world import World
from sandbox.net.amqp.hub_clients import client_ids
from sandbox.net.amqp.server import AmqpServer
from sandbox.net.context import Context, Service
from sandbox.net.revocation import listener_contexts
from sandbox.net.tls import Peer

_CANCEL_S = 0.25  # between basic.cancel and connection.close: some clients ignore the first when both arrive together

_log = logging.getLogger(__name__)


class Hub:
    """The role `hub`. With mTLS it listens on AMQPS, and the CN of its certificate identifies a client (SASL EXTERNAL);
    with `--no-mtls` it listens on AMQP, and the user of SASL PLAIN identifies it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        ids = client_ids(context.settings, context.population)
        self._ids, self._names = [*ids], further_names(context.settings)
        self._clients = Clients(ids, (context.settings.vhost, *self._names))
        self._faults = HubFaults(context.chance("faults:hub"))
        counters = DispatchCounters()
        self._judge = Judge(context, self._faults, context.settings.vhost, counters)
        self._refusals = Refusals(context)
        self._monitor = Monitor(counters, lambda: context.clock.now().timestamp(), self._refusals.latest)
        self._socket = context.sockets[AMQPS if context.pki is not None else AMQP]
        self._running: _Running | None = None
        self._removals = Removals()
        self._restarts: set[str] = set()  # restarts that the present World asks for; each is carried out once
        self._restarting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Recover the messages, then start dispatching, then listen. Raises StoreError, OSError."""
        for client in added_clients(self._context.world.world.switches):  # queues first, then their messages
            self._add(client)
        self._running = await self._open()
        self._context.world.watch(self._apply_world)

    async def stop(self) -> None:
        """Close the clients' connections (320); everything accepted is on disk when this returns."""
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.wait([self._restarting])
        running, self._running = self._running, None
        if running is not None:
            await running.close()
        self._socket.close()

    def health(self) -> dict[str, object]:
        """Connections, messages dispatched since the start, `ready/unacknowledged` of the queues in use, the report."""
        running = self._running
        disk = (running.messages.failure or "ok") if running is not None else "closed"
        broker, server = (running.broker, running.server) if running is not None else (None, None)
        hits, trouble = dict(self._faults.hits()), "" if disk == "ok" else disk
        return {
            "connections": len(running.server.connections) if running is not None else 0,
            "routed": self._judge.routed,
            "refused": self._judge.refused,
            "disk": disk,
            "queues": running.queues() if running is not None else {},
            KEY: self._monitor.report(broker, server, hits, trouble),
            **self._removals.health(),
        }

    async def _open(self) -> _Running:
        """Start a broker with the messages on disk, its dispatcher and its listener."""
        context = self._context
        broker = Broker(context.entropy.octets, limits=limits(context.settings), on_refusal=self._refusals.add)
        ttl_ms, most = context.settings.message_ttl_s * 1000, context.settings.queue_limit
        server = self._listener(broker)
        self._removals.resume()
        leaving = self._removals.pending(context.world.world)
        everybody = (*self._ids, *leaving)  # the messages of clients to be removed are counted
        vhost = add_virtual_host(broker, context.settings.vhost, everybody, ttl_ms, most=most)
        for name in self._names:
            broker.alias(name, vhost)
        dispatcher = QueueDispatcher(context, broker, vhost, self._ids, self._judge, server.cut)
        messages = MessageLog.open(context.store_dir("hub"), broker)
        messages.start()
        dispatcher.start()
        await server.start()
        return _Running(broker, dispatcher, messages, server)

    def _apply_world(self, world: World) -> None:
        """Apply the clients and faults of the present World; a restart is carried out once."""
        added = added_clients(world.switches)
        for client in added.keys() - {*self._ids}:
            self._add(client)
        self._remove_clients(world)
        self._faults.update(world)
        present = self._faults.restarts
        fresh = [away for fault_id, away in present.items() if fault_id not in self._restarts]
        self._restarts = {*present}
        if fresh and (self._restarting is None or self._restarting.done()):
            self._restarting = asyncio.create_task(self._restart(fresh[0]))
        elif self._running is not None:
            self._running.wake()

    def _remove_clients(self, world: World) -> None:
        """Remove the rights, the queues, and then the connections of the clients to be removed; later when the broker
        is down."""
        if self._running is None:
            return
        for client, word in self._removals.begin(world).items():
            self._clients.remove(client)
            self._ids = [each for each in self._ids if each != client]
            removal = Removal(word, tuple(self._running.delete_queues(client)))
            asyncio.get_running_loop().call_later(_CANCEL_S, self._close_connections, self._running, client, removal)

    def _close_connections(self, running: _Running, client: str, removal: Removal) -> None:
        """Close a removed client's connections, and report the removal when it is on disk."""
        gone = msgspec.structs.replace(removal, connections=running.server.dismiss(client))
        running.when_on_disk(partial(self._removals.done, client, gone))

    def _add(self, client: str) -> None:
        self._ids.append(client)
        self._clients.add(client)
        if self._running is not None:
            settings = self._context.settings
            self._running.add_client(client, settings.message_ttl_s * 1000, settings.queue_limit)

    async def _restart(self, away: float) -> None:
        """Stop and start again with the messages on disk, as a restarted broker does."""
        running, self._running = self._running, None
        if running is not None:
            await running.close()
        await asyncio.sleep(away)
        try:
            self._running = await self._open()
            self._remove_clients(self._context.world.world)
        except (StoreError, OSError) as error:
            _log.error("hub: it does not come back: %s", error)

    def _listener(self, broker: Broker) -> AmqpServer:
        context = self._context
        return AmqpServer(
            broker,
            self._socket.dup(),  # the port stays open during a restart
            login=self._login,
            clock=lambda: context.clock.now().timestamp(),
            tls=listener_contexts(context.pki, client_certificate="required"),
        )

    def _login(self, peer: Peer | None) -> Authenticator:
        if self._context.pki is None:
            return Plain(self._context.secret("hub-password"), self._clients.rights)
        return External(peer.cn if peer is not None else "", self._clients.rights)


@dataclass(frozen=True)
class _Running:
    """A running broker with its dispatcher, its log and its listener."""

    broker: Broker
    dispatcher: QueueDispatcher
    messages: MessageLog
    server: AmqpServer

    def add_client(self, client: str, ttl_ms: int, most: int) -> None:
        """Add the queues of one client."""
        for vhost in self.broker.vhosts.values():
            add_client(vhost, client, ttl_ms, most)
        self.dispatcher.add_client(client)

    def delete_queues(self, client: str) -> list[Lost]:
        """Delete a client's queues with the messages in them."""
        self.dispatcher.remove_client(client)
        return [
            Lost(vhost.name, *queue) for vhost in self.broker.vhosts.values() for queue in remove_client(vhost, client)
        ]

    def when_on_disk(self, notify: Callable[[], None]) -> None:
        """Call `notify` when everything that has happened so far is on disk."""
        waiter = _OnDisk(notify)
        waiter.batch = self.broker.records.wait(waiter)

    def wake(self) -> None:
        """Dispatch again, because a pause may have ended."""
        self.dispatcher.wake()

    def queues(self) -> dict[str, str]:
        """`ready/unacknowledged` of the queues in use."""
        return {
            f"{vhost.name}:{queue.name}": f"{len(queue.ready)}/{queue.unacked}"
            for vhost in self.broker.vhosts.values()
            for queue in vhost.queues.values()
            if queue.ready or queue.unacked
        }

    async def close(self) -> None:
        """Disconnect the clients, stop the dispatcher, write everything to disk."""
        await self.server.stop()
        self.dispatcher.stop()
        await self.messages.stop()


@dataclass(eq=False)
class _OnDisk:
    """An observer of the broker's records that is called once."""

    notify: Callable[[], None]
    batch: int = 0

    def settled(self, batch: int, *, safe: bool) -> bool:
        """True once the batch is on disk. A batch that the disk refused is part of the next log, so this waits for the
        next batch that is on disk."""
        if batch < self.batch or not safe:
            return False
        self.notify()
        return True


def limits(settings: Settings) -> Limits:
    """The limits of the embedded broker, from the settings."""
    return Limits(settings.message_limit_mib * MIB, settings.ack_timeout_s, settings.client_connections)


def build(context: Context) -> Service:
    """The role `hub`: with the embedded broker, or beside a RabbitMQ."""
    return Hub(context) if context.settings.hub_broker == EMBEDDED else RemoteHub(context)
