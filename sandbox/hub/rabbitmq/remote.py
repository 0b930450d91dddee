"""Hub Santé on a RabbitMQ that somebody else runs (`--hub-broker`): the same topology, dispatcher and clients.

The broker must have virtual hosts, users and rights, and the policy of the client queues beforehand: no AMQP client
can make those, `sas-sandbox hub definitions` writes them. Exchanges, queues and bindings are declared where they are
missing (`--hub-topology=declare`), or only looked for (`assume`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from aiormq.abc import AbstractConnection
from yarl import URL

from sandbox.faults.hub import HubFaults
from sandbox.hub.clients import virtual_hosts
from sandbox.hub.counters import DispatchCounters
from sandbox.hub.dispatching.dispatcher import Arrival, Dispatched
from sandbox.hub.dispatching.fault_effects import Decision
from sandbox.hub.dispatching.judge import Judge
from sandbox.hub.removals import Removals
from sandbox.hub.topology import EXCHANGES, bindings, queue_arguments
from sandbox.kernel.errors import PeerUnreachable
from sandbox.kernel.hub.clients import HUB_ID, added_clients
from sandbox.kernel.hub.queues import DISPATCH, DISPATCH_DLQ, DISTRIBUTION, client_queues
from sandbox.kernel.hub.removal import Lost, Removal
from sandbox.kernel.hub.report import KEY, MOST_QUEUES, HubReport, QueueState, plain
from sandbox.kernel.world import World
from sandbox.net.amqp.dispatcher_client import (
    Carried,
    DispatcherClient,
    Outgoing,
    Taken,
    Work,
    exchange_exists,
    queue_exists,
)
from sandbox.net.amqp.hub_clients import client_ids
from sandbox.net.context import Context
from sandbox.net.tls import client_context
from sandbox.tasks import keep

_HEARTBEAT = 10  # s
_LOOK_S = 2.0  # seconds between two looks at the queues

_log = logging.getLogger(__name__)


class RemoteHub:
    """The role `hub` beside a RabbitMQ: one dispatcher client per virtual host."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ids = [*client_ids(context.settings, context.population)]
        self._faults = faults = HubFaults(context.chance("faults:hub"))
        self._allowed = asyncio.Event()
        self._counters = counters = DispatchCounters()
        self._judges = {vhost: Judge(context, faults, vhost, counters) for vhost in virtual_hosts(context.settings)}
        self._dispatchers = {vhost: self._dispatcher(vhost, judge) for vhost, judge in self._judges.items()}
        self._removals = Removals()
        self._leaving: set[asyncio.Task[None]] = set()
        self._depths: tuple[QueueState, ...] = ()
        self._depth_watch: asyncio.Task[None] | None = None
        context.world.watch(lambda world: self._apply_world(faults, world))

    async def start(self) -> None:
        """Return once messages are dispatched. Raises PeerUnreachable: no broker, no right, or something is missing."""
        try:
            for dispatcher in self._dispatchers.values():
                await dispatcher.start()
        except PeerUnreachable:
            await self.stop()
            raise
        self._depth_watch = keep(self._watch_depths, "hub queues")
        self._context.world.watch(self._remove_clients)

    async def stop(self) -> None:
        """Finish the running work, then disconnect."""
        watch, self._depth_watch = self._depth_watch, None
        for task in (*self._leaving, *([watch] if watch is not None else ())):
            while not task.done():  # cancelled again, in case aiormq swallowed the cancellation
                task.cancel()
                await asyncio.wait([task], timeout=_LOOK_S)
        for dispatcher in self._dispatchers.values():
            await dispatcher.stop()

    def health(self) -> dict[str, object]:
        """Messages dispatched since the start, what is wrong with the connections, the report."""
        trouble = {
            vhost: dispatcher.trouble for vhost, dispatcher in self._dispatchers.items() if not dispatcher.connected
        }
        return {
            "broker": self._context.settings.hub_broker,
            "routed": sum(judge.routed for judge in self._judges.values()),
            "refused": sum(judge.refused for judge in self._judges.values()),
            "trouble": trouble,
            **self._removals.health(),
            KEY: plain(
                HubReport(
                    counts=self._counters.counts(),
                    queues=self._depths[:MOST_QUEUES],
                    unseen_queues=max(0, len(self._depths) - MOST_QUEUES),
                    hits=dict(self._faults.hits()),
                    trouble="; ".join(f"{vhost}: {what}" for vhost, what in trouble.items()),
                )
            ),
        }

    async def _watch_depths(self) -> None:
        """Ask the broker regularly for the length of the queues; AMQP clients get no other figures from it."""
        while True:
            found: list[QueueState] = []
            for vhost, dispatcher in self._dispatchers.items():
                queues = (DISPATCH, DISPATCH_DLQ, *(queue for client in self._ids for queue in client_queues(client)))
                with contextlib.suppress(PeerUnreachable):  # `trouble` reports the problem
                    depths = await dispatcher.depths(queues)
                    found += [QueueState(vhost, name, *_figures(depth)) for name, depth in depths.items() if any(depth)]
            self._depths = tuple(sorted(found, key=lambda row: (row.name not in (DISPATCH, DISPATCH_DLQ), -row.ready)))
            await asyncio.sleep(_LOOK_S)

    def _apply_world(self, faults: HubFaults, world: World) -> None:
        fresh = added_clients(world.switches).keys() - {*self._ids}
        if fresh and self._context.settings.hub_topology == "declare":
            self._ids.extend(sorted(fresh))
            for dispatcher in self._dispatchers.values():
                dispatcher.renew()
        faults.update(world)
        if faults.paused:
            self._allowed.clear()
        else:
            self._allowed.set()

    def _remove_clients(self, world: World) -> None:
        """Delete the queues of the clients to be removed; the owner of the RabbitMQ removes their users and
        connections."""
        for client, word in self._removals.begin(world).items():
            self._ids = [each for each in self._ids if each != client]
            if self._context.settings.hub_topology != "declare":
                self._removals.done(client, Removal(word, kept=True))
                continue
            task = asyncio.create_task(self._delete(client, word), name=f"hub without {client}")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _delete(self, client: str, word: str) -> None:
        lost: list[Lost] = []
        for vhost, dispatcher in self._dispatchers.items():
            counts = await self._deleted(dispatcher, client)
            lost += [Lost(vhost, queue, ready, None) for queue, ready in counts.items()]
        self._removals.done(client, Removal(word, tuple(lost)))

    @staticmethod
    async def _deleted(dispatcher: DispatcherClient, client: str) -> dict[str, int]:
        """Delete a client's queues; returns how many messages were ready in each. Waits while the broker is down."""
        while True:
            try:
                return await dispatcher.delete(client_queues(client))
            except PeerUnreachable as error:
                _log.warning("hub: the queues of %s are still there: %s", client, error)
            await asyncio.sleep(_LOOK_S)

    def _dispatcher(self, vhost: str, judge: Judge) -> DispatcherClient:
        context = self._context
        host, port = context.settings.hub
        url = URL.build(scheme="amqp", host=host, port=port, path=f"/{vhost.removeprefix('/')}")
        url = url.with_query(heartbeat=str(_HEARTBEAT), name="hub dispatcher")
        work = Work(
            queues=(DISPATCH, DISPATCH_DLQ),
            prepare=self._prepare,
            allowed=self._allowed,
            # Every queue is assumed to exist until the broker returns what was published to it.
            decide=lambda taken: _carried(judge.judge(_arrival(taken), lambda _: True), judge),
            failed=lambda taken: _outgoing(judge.failed(_arrival(taken)).result),
            unroutable=lambda taken: _outgoing(judge.unroutable(_arrival(taken)).result),
        )
        pki = context.pki
        if pki is None:
            return DispatcherClient(url.with_user(HUB_ID).with_password(context.secret("hub-password")), None, work)
        url = url.with_scheme("amqps").update_query(auth="external")
        return DispatcherClient(url, lambda: client_context(pki, HUB_ID), work)

    async def _prepare(self, connection: AbstractConnection) -> None:
        missing = [f"exchange '{name}'" for name in EXCHANGES if not await exchange_exists(connection, name)]
        queues = [DISPATCH, DISPATCH_DLQ, *(queue for client in self._ids for queue in client_queues(client))]
        absent = [queue for queue in queues if not await queue_exists(connection, queue)]
        missing += [f"queue '{name}'" for name in absent]
        if not missing:
            return
        if self._context.settings.hub_topology == "assume":
            raise PeerUnreachable("RabbitMQ", f"has no {', no '.join(missing[:5])} (--hub-topology=declare makes them)")
        _log.info("hub: declares %d exchanges and queues", len(missing))
        await self._declare(connection, absent)

    async def _declare(self, connection: AbstractConnection, queues: Sequence[str]) -> None:
        channel = await connection.channel(publisher_confirms=False)
        for exchange, kind in EXCHANGES.items():
            await channel.exchange_declare(exchange, exchange_type=kind, durable=True)
        settings = self._context.settings
        ttl_ms, most = settings.message_ttl_s * 1000, settings.queue_limit
        for queue in queues:
            await channel.queue_declare(queue, durable=True, arguments=queue_arguments(queue, ttl_ms, most))
        for queue, exchange, key in bindings(self._ids):
            await channel.queue_bind(queue, exchange, key)
        await channel.close()


def _figures(depth: tuple[int, int]) -> tuple[int, None, int]:
    """Ready, unacknowledged (unknown), consumers."""
    return depth[0], None, depth[1]


def _carried(decision: Decision, judge: Judge) -> Carried:
    return Carried(_outgoing(decision.result), lambda: judge.finished(decision), decision.hold, decision.swap)


def _outgoing(result: Dispatched) -> list[Outgoing]:
    return [
        Outgoing(DISTRIBUTION, each.routing_key, each.body, each.headers, each.expiration_ms, each.content_type)
        for each in result.publications
    ]


def _arrival(taken: Taken) -> Arrival:
    return Arrival(
        routing_key=taken.routing_key,
        body=taken.body,
        content_type=taken.content_type,
        delivery_mode=taken.delivery_mode,
        headers=taken.headers,
        queue=taken.queue,
    )
