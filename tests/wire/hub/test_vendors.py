"""Vendors' clients, unchanged, make an LRM's round trip on both brokers.

Each program of `vendors/` is called with: host, port, virtual host, client id, CA, certificate, key, PKCS#12, a file
with the acknowledgement to send, a file with a wrong message. It connects with its certificate, looks for its queue
(passive declare), takes one message, acknowledges it, publishes both files, takes the error that the wrong one leads
to, and tells `declared`, `message` and `error` with a tab and what it saw.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection

from sandbox.edxl import build
from sandbox.edxl.trials import Correspondents, TrialMessage, trial
from sandbox.kernel.clock import PARIS
from sandbox.pki.authority import load_pki
from tests.support.hub.brokers import (
    BROKERS,
    PLATFORM,
    SPARE,
    VHOST,
    Reachable,
    connected,
    connected_plainly,
    error_of,
    plain_password,
)
from tests.wire.hub.conftest import Opened

PROGRAMS = Path(__file__).parent / "vendors"
JARS = [Path("/usr/share/java") / name for name in ("amqp-client.jar", "slf4j-api.jar", "slf4j-nop.jar")]
NODE_MODULES = Path(os.environ.get("SANDBOX_NODE_MODULES", PROGRAMS / "node_modules"))
TIMEOUT_S = 60
Told = dict[str, str]


def python(name: str) -> Callable[[Path], list[str]]:
    return lambda build_dir: [sys.executable, str(PROGRAMS / name)]


def node(build_dir: Path) -> list[str]:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (NODE_MODULES / "amqplib").is_dir():
        pytest.skip("amqplib is not installed (npm ci in tests/wire/hub/vendors)")
    return ["node", str(PROGRAMS / "lrm_amqplib.js")]


def java(build_dir: Path) -> list[str]:
    if shutil.which("javac") is None or not all(jar.exists() for jar in JARS):
        pytest.skip("no JDK, or Debian's librabbitmq-client-java is not installed")
    path = os.pathsep.join([str(build_dir), *map(str, JARS)])
    compiler = ["javac", "-cp", path, "-d", str(build_dir), str(PROGRAMS / "Lrm.java")]
    subprocess.run(compiler, check=True, timeout=TIMEOUT_S)
    return ["java", "-cp", path, "Lrm"]


VENDORS = {
    "pika": python("lrm_pika.py"),
    "aio-pika": python("lrm_aio_pika.py"),
    "py-amqp": python("lrm_py_amqp.py"),
    "amqplib": node,
    "java": java,
}


class Conversation:
    """The platform's side. `create` is what the LRM gets; `ack` is the file that acknowledges it, `wrong` the other."""

    def __init__(self, directory: Path) -> None:
        now = datetime.now(PARIS)
        self.create: TrialMessage = trial("create", Correspondents(PLATFORM, SPARE, now, lambda: str(uuid4())))[0]
        address = build.Address(f"{SPARE}_{uuid4()}", SPARE, PLATFORM, now, now + timedelta(hours=1))
        self.ack, self.wrong = directory / "ack.json", directory / "wrong.json"
        self.ack.write_bytes(build.ack(address, self.create.distribution_id))
        document = json.loads(self.create.body)
        self.wrong.write_text(json.dumps({**document, "senderID": PLATFORM, "content": []}), "utf-8")

    async def held(self, platform: AbstractConnection, lrm: Callable[[], Told]) -> Told:
        """Send, let the LRM do its part, and see its acknowledgement come back."""
        channel = await platform.channel()
        exchange = await channel.get_exchange("hubsante", ensure=False)
        message = aio_pika.Message(self.create.body, content_type="application/json", delivery_mode=2)
        await exchange.publish(message, PLATFORM, mandatory=False)
        told = await asyncio.to_thread(lrm)
        queue = await channel.get_queue(f"{PLATFORM}.ack", ensure=False)
        async with queue.iterator(timeout=10) as messages:
            answer = await anext(messages)
            await answer.ack()
        content = json.loads(answer.body)["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
        assert content["reference"]["distributionID"] == self.create.distribution_id
        return told

    def judge(self, told: Told) -> None:
        """What the LRM told is what was sent, and the hub's refusal."""
        assert json.loads(told["message"]) == json.loads(self.create.body)
        error: dict[str, Any] = error_of(json.loads(told["error"]))
        assert error["errorCode"] == {"statusCode": 300, "statusString": "INVALID_MESSAGE"}
        assert error["errorCause"].startswith("Issues found on the $ content:")


def run(command: list[str], **more: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_S, **more)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_round_trip(hub_on: Opened, data: Path, tmp_path: Path, vendor: str, broker: str) -> None:
    command = await asyncio.to_thread(VENDORS[vendor], tmp_path)
    conversation = Conversation(tmp_path)
    async with hub_on(broker) as place, connected(data, place, PLATFORM) as platform:

        def lrm() -> Told:
            pki = load_pki(data / "pki")
            own = pki.client(SPARE)
            files = (pki.ca, own.cert, own.key, own.p12, conversation.ack, conversation.wrong)
            arguments = ["127.0.0.1", str(place.port), VHOST, SPARE, *map(str, files)]
            environment = {**os.environ, "NODE_PATH": str(NODE_MODULES)}
            lines = run([*command, *arguments], env=environment).splitlines()
            return dict(line.split("\t", 1) for line in lines)

        told = await conversation.held(platform, lrm)
    assert told["declared"] == f"{SPARE}.message"
    conversation.judge(told)


@asynccontextmanager
async def plain_hub(hub_on: Opened, broker: str) -> AsyncIterator[tuple[Reachable, AbstractConnection]]:
    async with hub_on(broker, mtls=False) as place, connected_plainly(place, PLATFORM) as platform:
        yield place, platform


@pytest.mark.parametrize("broker", BROKERS)
async def test_round_trip_of_amqp_tools(hub_on: Opened, tmp_path: Path, broker: str) -> None:
    """They know no SASL EXTERNAL and no passive declare: a hub without certificates, and no look for the queue."""
    if shutil.which("amqp-publish") is None:
        pytest.skip("amqp-tools are not installed")
    conversation = Conversation(tmp_path)
    async with plain_hub(hub_on, broker) as (place, platform):
        common = ["-s", "127.0.0.1", f"--port={place.port}", f"--vhost={VHOST}"]
        common += [f"--username={SPARE}", f"--password={plain_password()}"]

        def taken(queue: str) -> str:
            return run(["amqp-consume", *common, "-q", queue, "-c", "1", "cat"])

        def lrm() -> Told:
            told = {"message": taken(f"{SPARE}.message")}
            for file in (conversation.ack, conversation.wrong):
                publish = ["amqp-publish", *common, "-e", "hubsante", "-r", SPARE, "-p", "-C", "application/json"]
                run(publish, input=file.read_text("utf-8"))
            return {**told, "error": taken(f"{SPARE}.info")}

        conversation.judge(await conversation.held(platform, lrm))
