"""Clients of the hub that are added while it runs."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from sandbox.cli import main
from sandbox.edxl import build
from tests.sandboxes import command, endpoints, free_port_base

NEW, SPARE = "fr.health.samu750", "fr.health.samu999"
VHOST = "15-15_v2.0"


async def connect(document: dict[str, Any], client: str) -> aio_pika.abc.AbstractConnection:
    files = document["tls"]["clients"][client]
    context = ssl.create_default_context(cafile=document["tls"]["ca"])
    context.load_cert_chain(files["cert"], files["key"])
    url = document["hub"]["amqp"] + "?auth=external"
    return await aio_pika.connect(url, ssl_context=context)


async def round_trip(document: dict[str, Any]) -> str:
    """A message from the spare client to the new one; its distributionID as the new client reads it."""
    now = datetime.now(UTC)
    address = build.Address(f"{SPARE}_trial", SPARE, NEW, now, now + timedelta(hours=1))
    sender = await connect(document, SPARE)
    async with sender, await connect(document, NEW) as receiver:
        exchange = await (await sender.channel()).get_exchange("hubsante", ensure=False)
        message = aio_pika.Message(
            build.ack(address, "x"), content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        await exchange.publish(message, SPARE, mandatory=False)
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
    base = free_port_base()
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
