"""Clients of the hub that are added while it runs, and taken away: the commands, certificates and files of it.

With the embedded broker, as nothing of this depends on the broker; what it does of it: `test_removal.py`, on both.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiormq.exceptions import ConnectionClosed
from cryptography import x509

from load.ports import free_base
from sandbox.cli import main
from sandbox.edxl import build
from tests.support.sandboxes import command, endpoints, eventually

NEW, SPARE = "fr.health.samu750", "fr.health.samu999"
VHOST = "15-15_v2.0"


async def connect(document: dict[str, Any], client: str) -> aio_pika.abc.AbstractConnection:
    files = document["tls"]["clients"][client]
    context = ssl.create_default_context(cafile=document["tls"]["ca"])
    context.load_cert_chain(files["cert"], files["key"])
    url = document["hub"]["amqp"] + "?auth=external"
    return await aio_pika.connect(url, ssl_context=context)


async def publish(sender: aio_pika.abc.AbstractConnection, body: bytes) -> None:
    exchange = await (await sender.channel()).get_exchange("hubsante", ensure=False)
    mode = aio_pika.DeliveryMode.PERSISTENT
    message = aio_pika.Message(body, content_type="application/json", delivery_mode=mode)
    await exchange.publish(message, SPARE, mandatory=False)


async def sent(document: dict[str, Any]) -> None:
    """A message for the new client that waits in its queue."""
    now = datetime.now(UTC)
    async with await connect(document, SPARE) as sender, await connect(document, NEW) as receiver:
        await publish(sender, build.ack(build.Address(f"{SPARE}_lost", SPARE, NEW, now, now + timedelta(hours=1)), "x"))
        channel = await receiver.channel()

        async def there() -> bool:
            return bool((await channel.declare_queue(f"{NEW}.ack", passive=True)).declaration_result.message_count)

        await eventually(there)


async def round_trip(document: dict[str, Any]) -> str:
    """A message from the spare client to the new one; its distributionID as the new client reads it."""
    now = datetime.now(UTC)
    address = build.Address(f"{SPARE}_trial", SPARE, NEW, now, now + timedelta(hours=1))
    async with await connect(document, SPARE) as sender, await connect(document, NEW) as receiver:
        await publish(sender, build.ack(address, "x"))
        queue = await (await receiver.channel()).get_queue(f"{NEW}.ack")
        async with queue.iterator(timeout=10) as messages:
            async for message_in in messages:
                await message_in.ack()
                found: str = json.loads(message_in.body)["distributionID"]
                return found
    raise AssertionError("nothing came")


def add(data: Path, *more: str) -> int:
    return main(["hub", "add-client", NEW, "--data-dir", str(data), *more])


async def test_client_is_added_at_run_time_and_survives_a_restart(tmp_path: Path, capsys: Any) -> None:
    data, out = tmp_path / "data", tmp_path / "files"
    base = free_base()
    with command(data, "--preset", "minimal", base=base) as running:
        assert add(data, "--software", "Régul'Essai", "--out", str(out)) == 0
        shown = capsys.readouterr().out.split()
        assert shown[0] == str(out / "fr.health.samu750.pem")
        assert shown[-3:] == [f"{NEW}.message", f"{NEW}.ack", f"{NEW}.info"]
        assert await round_trip(endpoints(data)) == f"{SPARE}_trial"
        assert add(data) == 2
        assert capsys.readouterr().err == f"sas-sandbox: hub: '{NEW}' is a client of the hub already\n"
        running.end()
    with command(data, "--preset", "minimal", base=base):
        assert await round_trip(endpoints(data)) == f"{SPARE}_trial"


def assert_named(entry: dict[str, str]) -> None:
    """CN and OU beside a certificate are those that it has."""
    subject = x509.load_pem_x509_certificate(Path(entry["cert"]).read_bytes()).subject.rfc4514_string()
    assert {f"CN={entry['cn']}", f"OU={entry['ou']}"} <= set(subject.split(","))


def remove(data: Path, client: str = NEW) -> int:
    return main(["hub", "remove-client", client, "--data-dir", str(data)])


async def refused(document: dict[str, Any]) -> None:
    """Its certificate is revoked: an alert before any AMQP."""
    with pytest.raises((ssl.SSLError, ConnectionError), match=r"(?i)revoked|alert|connection"):
        await connect(document, NEW)


@pytest.mark.parametrize("flags", [(), ("--processes",)], ids=["one process", "a process per role"])
async def test_client_is_removed_with_what_it_had_and_may_be_added_again(
    tmp_path: Path, capsys: Any, flags: tuple[str, ...]
) -> None:
    data, base = tmp_path / "data", free_base()
    with command(data, "--preset", "minimal", *flags, base=base) as running:
        assert add(data) == 0
        before = endpoints(data)
        assert_named(before["tls"]["clients"][NEW])
        assert await round_trip(before) == f"{SPARE}_trial"
        await sent(before)
        async with await connect(before, NEW) as client:
            capsys.readouterr()
            assert await asyncio.to_thread(remove, data) == 0
            told = capsys.readouterr().out.splitlines()
            with pytest.raises(ConnectionClosed, match=f"user '{NEW}' is deleted"):
                await asyncio.wait_for(asyncio.shield(client.transport.connection.closing), 10)
        assert told[:2] == [f"{NEW} n'est plus client du hub", f"1 message perdu de {NEW}.ack ({VHOST})"]
        assert told[2].startswith("certificats révoqués : ")
        assert told[3:] == ["connexions fermées : 1"]
        assert NEW not in endpoints(data)["tls"]["clients"]
        await refused(before)
        assert remove(data) == 2
        assert capsys.readouterr().err == f"sas-sandbox: '{NEW}' is no client of the hub\n"
        assert remove(data, SPARE) == 2
        assert "configured (hub.spare_clients): only clients that were added" in capsys.readouterr().err
        running.end()
    with command(data, "--preset", "minimal", base=base):
        await refused(before)
        assert add(data) == 0
        assert await round_trip(endpoints(data)) == f"{SPARE}_trial", "the lost one does not come back"


def test_without_a_running_sandbox_nobody_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(tmp_path) == 3
    assert "no sandbox runs on" in capsys.readouterr().err


def test_a_sandbox_that_was_killed_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "endpoints.json").write_text('{"control": {"api": "http://127.0.0.1:9/__admin"}, "tls": {"ca": null}}')
    assert add(tmp_path) == 3
    assert "nobody answers at http://127.0.0.1:9/__admin" in capsys.readouterr().err
    (tmp_path / "endpoints.json").write_text("{")
    assert add(tmp_path) == 2


def test_what_is_no_client_id_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hub", "add-client", "nobody", "--data-dir", str(tmp_path)]) == 2
    assert "is no client id (expected fr.health.<name>)" in capsys.readouterr().err
