"""A client of the hub, used by the SAS core and the LRMs: it consumes its own queues, publishes with its own id as
routing key, and always waits for publisher confirms.

It uses aio-pika with a reconnection of its own: one task holds one connection with one publishing channel and one
channel per consumed queue. When any of them is lost, the task reconnects, with a pause that grows from attempt to
attempt, and the hub delivers again what was not acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import ssl
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError
from yarl import URL

from sandbox.edxl.codes import JSON, XML
from sandbox.edxl.message import written
from sandbox.edxl.xml import Inexpressible
from sandbox.kernel.errors import PeerTimeout, PeerUnreachable
from sandbox.net.amqp.deliveries import Deliveries, Handler, Subscription, why
from sandbox.net.amqp.hub_forms import xml_clients
from sandbox.net.context import Context
from sandbox.net.revocation import Contexts, Following
from sandbox.net.tls import client_context
from sandbox.tasks import keep

PUBLISH_TIMEOUT = 10.0  # s for the publisher's confirm
CONNECT_TIMEOUT = 10.0  # s for a connection and its channels
RECONNECT = (0.2, 5.0)  # s, first and longest pause between attempts
_HEARTBEAT = 10  # s
_GOODBYE = 2.0  # s for the hub to answer connection.close
_EXCHANGE, _HUB = "hubsante", "hub"

_log = logging.getLogger(__name__)
logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # aiormq logs a traceback per lost connection; we log one line


class AmqpClient:
    """Consumers and a publisher under one client id. `actor` is for the logs. It publishes JSON, or XML when it is
    registered for XML."""

    def __init__(self, context: Context, actor: str, client_id: str) -> None:
        self._context, self._actor, self._client_id = context, actor, client_id
        self._subscriptions: list[Subscription] = []
        self._unheard: frozenset[str] = frozenset()
        self._deliveries = Deliveries(context, actor)
        self._publishing: tuple[AbstractChannel, AbstractExchange] | None = None
        self._lost: asyncio.Event | None = None  # of the present connection
        self._up = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._secrets = self._credentials()

    @property
    def connected(self) -> bool:
        """True while it consumes its queues and can publish."""
        return self._up.is_set()

    def consume(self, queue: str, handler: Handler, *, prefetch: int = 50, together: bool = False) -> None:
        """Give each message of `queue` to `handler`, one after the other; call it before `start`.

        When the handler returns the delivery is acknowledged. When it raises StoreError, the same delivery is tried
        again after a pause, for as long as it takes (so that order holds). When it raises anything else it would do so
        for ever: the delivery is rejected, journalled as 700, and the hub tells its sender that it died (500).

        `together`: up to `prefetch` deliveries are under way at once. Their handlers begin in the order of delivery:
        what one does before it first waits is done in order. After StoreError a new connection is opened after the
        pause, and everything that is not acknowledged is delivered again, in order.
        """
        self._subscriptions.append(Subscription(queue, handler, prefetch, together))

    def stop_hearing(self, queues: frozenset[str]) -> None:
        """Consume all subscribed queues but these from now on; a change opens a new connection."""
        if queues != self._unheard:
            self._unheard = queues
            if self._lost is not None:
                self._lost.set()

    async def start(self) -> None:
        """Connect; while the hub cannot be reached, attempts go on in the background."""
        self._stopping.clear()
        self._task = keep(self._stay_connected, f"amqp {self._client_id}")

    async def stop(self) -> None:
        """Disconnect; deliveries that are being handled go back to their queues."""
        self._stopping.set()
        task, self._task = self._task, None
        while task is not None and not task.done():  # repeated, as a library may have swallowed the cancellation
            task.cancel()
            await asyncio.wait([task], timeout=2 * _GOODBYE)

    async def publish(self, body: bytes, *, headers: dict[str, Any] | None = None) -> None:
        """Publish to `hubsante` under our own id: persistent. Returns once the hub has confirmed it.

        `body` is JSON; it is sent in the client's format, but stays JSON when it cannot be expressed in XML.

        Raises PeerUnreachable (no connection, lost meanwhile, refused by the hub), PeerTimeout (no confirm in
        10 s): the message may have been taken nevertheless, publish it again with the same distributionID.
        """
        body, form = _in_form(body, self._form)
        message = aio_pika.Message(
            body,
            headers=dict(headers or {}),
            content_type=form,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            priority=0,
        )
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                exchange = await self._publisher()
                await exchange.publish(message, routing_key=self._client_id, mandatory=False)
        except TimeoutError:
            if not self.connected:
                raise PeerUnreachable(_HUB, "no connection") from None
            raise PeerTimeout(_HUB, f"no confirm within {PUBLISH_TIMEOUT:g} s") from None
        except DeliveryError:
            raise PeerUnreachable(_HUB, "refused the message (nack)") from None
        except CONNECTION_EXCEPTIONS as error:
            raise PeerUnreachable(_HUB, why(error)) from None
        except Exception as error:
            if type(error) is not Exception:  # what aiormq raises for a connection lost without a reason
                raise
            raise PeerUnreachable(_HUB, "connection lost before the confirm") from None
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise PeerUnreachable(_HUB, "connection lost before the confirm") from None

    @functools.cached_property
    def _form(self) -> str:
        """The content type in which this client publishes."""
        return XML if self._client_id in xml_clients(self._context.settings, self._context.population) else JSON

    async def _publisher(self) -> AbstractExchange:
        """The exchange of the open publishing channel; waits until there is one."""
        while True:
            await self._up.wait()
            if self._publishing is not None and not self._publishing[0].is_closed:
                return self._publishing[1]
            self._up.clear()  # the channel is lost, but the connection's task has not noticed yet

    # -- the connection

    async def _stay_connected(self) -> None:
        pause = RECONNECT[0]
        while not self._stopping.is_set():
            lost = self._lost = asyncio.Event()
            try:
                async with contextlib.AsyncExitStack() as stack:
                    channels = await self._connect(stack, lost)
                    _log.info("%s: connected to the hub as %s", self._actor, self._client_id)
                    pause = RECONNECT[0]
                    if self._stopping.is_set():  # aio-pika may swallow our cancellation while it connects
                        return
                    self._up.set()  # before the first delivery, whose handler may publish
                    await self._subscribe_all(stack, channels, lost)
                    await lost.wait()
                    _log.info("%s: the hub is gone, connecting again", self._actor)
            except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
                _log.info("%s: no connection to the hub (%s), again in %g s", self._actor, why(error), pause)
            finally:
                self._up.clear()
                self._publishing = None
            await asyncio.sleep(pause)
            pause = min(2 * pause, RECONNECT[1])

    async def _connect(
        self, stack: contextlib.AsyncExitStack, lost: asyncio.Event
    ) -> list[tuple[Subscription, AbstractChannel]]:
        """Open the connection and its channels. When one of them closes, `lost` is set; leaving `stack` closes all of
        them."""
        async with asyncio.timeout(CONNECT_TIMEOUT):
            url, contexts = self._secrets
            context = contexts() if contexts is not None else None
            connection = await connected(url, context, CONNECT_TIMEOUT)
            stack.push_async_callback(_hang_up, connection)
            connection.close_callbacks.add(lambda *_: lost.set())
            channel = await self._channel(connection, lost)
            self._publishing = channel, await channel.get_exchange(_EXCHANGE, ensure=False)
            heard = [each for each in self._subscriptions if each.queue not in self._unheard]
            return [(each, await self._channel(connection, lost)) for each in heard]

    async def _subscribe_all(
        self,
        stack: contextlib.AsyncExitStack,
        channels: list[tuple[Subscription, AbstractChannel]],
        lost: asyncio.Event,
    ) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            for subscription, channel in channels:
                await channel.set_qos(prefetch_count=subscription.prefetch)
                await self._subscribe(stack, channel, subscription, lost)

    @staticmethod
    async def _channel(connection: AbstractConnection, lost: asyncio.Event) -> AbstractChannel:
        channel = await connection.channel()
        channel.close_callbacks.add(lambda *_: lost.set())
        return channel

    async def _subscribe(
        self,
        stack: contextlib.AsyncExitStack,
        channel: AbstractChannel,
        subscription: Subscription,
        lost: asyncio.Event,
    ) -> None:
        queue = await channel.get_queue(subscription.queue, ensure=False)
        if subscription.together:
            await queue.consume(functools.partial(self._deliveries.take, subscription, lost))
            return
        inbox: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()  # never longer than the prefetch
        worker = asyncio.create_task(self._deliveries.work(subscription, inbox, lost))
        stack.push_async_callback(_cancel, worker)
        await queue.consume(inbox.put)

    def _credentials(self) -> tuple[URL, Contexts | None]:
        settings, pki = self._context.settings, self._context.pki
        query = {"heartbeat": str(_HEARTBEAT), "name": self._actor}
        host, port = settings.hub
        url = URL.build(
            scheme="amqp",
            host=host,
            port=port,
            user=self._client_id,
            password=self._context.secret("hub-password"),
            path="/" + settings.vhost,
            query=query,
        )
        if pki is None:
            return url, None
        url = url.with_scheme("amqps").with_user(None)
        return url.update_query(auth="external"), Following(pki, lambda: client_context(pki, self._client_id))


def _in_form(body: bytes, form: str) -> tuple[bytes, str]:
    """The body that is sent for a JSON message, and its content type."""
    try:
        return written(body, form), form
    except Inexpressible as error:
        _log.info("a message stays JSON: %s", error)
        return body, JSON


async def connected(url: URL, tls: ssl.SSLContext | None, timeout: float) -> AbstractConnection:
    """A connection to a broker, within `timeout` seconds. Raises CONNECTION_EXCEPTIONS, TimeoutError.

    A connection that fails to open is closed at once: aio-pika leaves that to the garbage collector, which may run when
    there is no event loop.
    """
    connection = aio_pika.Connection(url, ssl_context=tls)
    try:
        await connection.connect(timeout=timeout)
    except BaseException:
        await connection.close()
        raise
    return connection


async def _hang_up(connection: AbstractConnection) -> None:
    if connection.is_closed:
        return
    try:
        await asyncio.wait_for(connection.close(), _GOODBYE)
    except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
        _log.debug("no proper end of a connection to the hub: %s", why(error))
    except asyncio.CancelledError:
        if _is_cancelled():
            raise


def _is_cancelled() -> bool:
    """True when this task was cancelled by us; aiormq also cancels tasks that wait for a connection when it is lost."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
