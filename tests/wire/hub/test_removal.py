"""A client that is taken away while the hub runs, on both brokers: its consumers hear of it, what it had is counted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ConnectionClosed
from pamqp.commands import Basic

from sandbox.config import EMBEDDED
from sandbox.kernel.hub.clients import leaving_switch, switch_of
from sandbox.kernel.hub.removal import Removal, lost_messages, reported_removal
from sandbox.net.tls import client_context
from sandbox.pki.authority import Pki
from tests.support.hub import rabbit
from tests.support.hub.brokers import BROKERS, SPARE, VHOST, Place, connected, error_of
from tests.support.hub.queues import acknowledgement, exists, publish, receive
from tests.support.sandboxes import eventually
from tests.wire.hub.conftest import Opened

NEW = "fr.health.samu750"

pytestmark = pytest.mark.parametrize("broker", BROKERS)


@asynccontextmanager
async def with_client(hub_on: Opened, broker: str, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A hub to which a client was added; on RabbitMQ its owner has made the user."""
    async with hub_on(broker) as place:
        if broker != EMBEDDED:
            await asyncio.to_thread(_make_user, request.getfixturevalue("node"))
        place.change(switches={switch_of(NEW): ""})
        await _queues(place, request)
        yield place


def _make_user(node: rabbit.Node) -> None:
    node.control("add_user", NEW, "unused-as-it-has-a-certificate")
    node.control("set_permissions", "--vhost", VHOST, NEW, "^$", "^hubsante$", NEW.replace(".", "\\.") + r"\..*")


async def _queues(place: Place, request: pytest.FixtureRequest) -> None:
    """Until they are there."""

    async def there() -> bool:
        return await exists(request.getfixturevalue("data"), place, f"{NEW}.info")

    await eventually(there)


@pytest.fixture(scope="session")
def certificate(pki: Pki) -> Callable[[], ssl.SSLContext]:
    """The new client's."""
    from datetime import UTC, datetime

    from sandbox.ecosystem import wall
    from sandbox.pki.certificate_service import CertificateService
    from sandbox.pki.manifest import locked
    from sandbox.pki.subjects import hub_client_subject

    with locked(pki.directory):
        service = CertificateService(pki.directory, datetime.fromtimestamp(wall(), UTC))
        service.issue(NEW, hub_client_subject(NEW), (), None)
    folder = pki.directory / "issued"

    def context() -> ssl.SSLContext:
        found = client_context(pki, None)
        found.load_cert_chain(folder / f"{NEW}.pem", folder / f"{NEW}.key")
        return found

    return context


async def leave(place: Place, word: str = "w1") -> Removal:
    """Take the client away; what the hub tells of it."""
    place.change(switches={leaving_switch(NEW): word})
    removal: Removal = await eventually(lambda: reported_removal(place.hub.health(), NEW, word))
    return removal


@asynccontextmanager
async def entered(place: Place, tls: Callable[[], ssl.SSLContext]) -> AsyncIterator[AbstractConnection]:
    connection = await aio_pika.connect(f"amqps://127.0.0.1:{place.port}/{VHOST}?auth=external", ssl_context=tls())
    async with connection:
        yield connection


async def test_its_consumer_is_cancelled_then_its_connections_are_closed(
    hub_on: Opened, broker: str, request: pytest.FixtureRequest, certificate: Any
) -> None:
    async with with_client(hub_on, broker, request) as place, entered(place, certificate) as client:
        heard: asyncio.Queue[Basic.Cancel] = asyncio.Queue()
        channel = await client.channel()
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(heard.put)
        queue = await channel.get_queue(f"{NEW}.message", ensure=False)
        tag = await queue.consume(asyncio.Queue[Any]().put)
        removal = await leave(place)
        async with asyncio.timeout(10):
            cancel = await heard.get()
        assert (cancel.consumer_tag, cancel.nowait) == (tag, True)
        await ended(broker, request, client)
    assert lost_messages(removal.queues) == 0


async def ended(broker: str, request: pytest.FixtureRequest, client: AbstractConnection) -> None:
    """The user's end closes its connections: on RabbitMQ by its owner's hand."""
    assert client.transport is not None
    closing = client.transport.connection.closing
    if broker != EMBEDDED:
        assert not closing.done()
        await asyncio.to_thread(request.getfixturevalue("node").control, "delete_user", NEW)
    with pytest.raises(ConnectionClosed, match=f"user '{NEW}' is deleted") as caught:
        await asyncio.wait_for(asyncio.shield(closing), 10)
    assert caught.value.errno == 320


async def test_what_its_queues_held_is_counted(
    hub_on: Opened, data: Path, broker: str, request: pytest.FixtureRequest, certificate: Any
) -> None:
    async with with_client(hub_on, broker, request) as place, connected(data, place, SPARE) as spare:
        await publish(spare, SPARE, *(acknowledgement(SPARE, NEW, str(number)) for number in range(3)))
        async with entered(place, certificate) as client:
            channel = await client.channel()
            watched = await channel.declare_queue(f"{NEW}.ack", passive=True)

            async def three() -> bool:
                return (await channel.declare_queue(f"{NEW}.ack", passive=True)).declaration_result.message_count == 3

            await eventually(three)
            await watched.get()  # one is out when the queue goes
            removal = await leave(place)
        (held,) = [lost for lost in removal.queues if lost.ready or lost.unacked]
        assert (held.vhost, held.queue, held.ready) == (VHOST, f"{NEW}.ack", 2)
        assert held.unacked == (1 if broker == EMBEDDED else None)
        assert {lost.queue for lost in removal.queues} == {f"{NEW}{suffix}" for suffix in (".message", ".ack", ".info")}

        await publish(spare, SPARE, acknowledgement(SPARE, NEW, "later"))
        (report,) = await receive(spare, f"{SPARE}.info", 1)
    assert error_of(report)["errorCode"] == {"statusCode": 501, "statusString": "UNROUTABLE_MESSAGE"}
